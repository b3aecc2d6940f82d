"""Write an instance in one of its Pyomo formulations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core import fields

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan

__all__ = ["build", "read_back", "write"]


def build(instance: Instance, formulation: str) -> Any:
    """Return the Pyomo model of an instance in a formulation of its problem.

    Raises
    ------
    InputError
        Where the formulation does not take the instance.
    """
    if isinstance(instance, CiftInstance):
        from splitopt.formulations.cift.pyomo import models as cift

        fields.one_of("formulation", formulation, cift.FORMULATIONS)
        return cift.model(instance, formulation)
    from splitopt.formulations.mepra.pyomo import models as mepra

    fields.one_of("formulation", formulation, mepra.FORMULATIONS)
    return mepra.model(instance, formulation)


def read_back(model: Any, instance: Instance, formulation: str) -> Plan:
    """Return the plan that the values of a model's variables stand for."""
    if isinstance(instance, CiftInstance):
        from splitopt.formulations.cift.pyomo import models as cift

        return cift.plan_of(model, instance, formulation)
    from splitopt.formulations.mepra.pyomo import models as mepra

    return mepra.plan_of(model, instance)


def write(instance: Instance, formulation: str, kind: str, path: Path) -> dict[str, int]:
    """Write an instance to `path` (mps, lp or nl) in one step; return the model's size."""
    from splitopt.formulations.solvers.pyomo import write_model

    return write_model(build(instance, formulation), path, kind)
