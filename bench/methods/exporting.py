"""Write an instance in one of its Pyomo formulations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.instances.cift.model import CiftInstance

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

__all__ = ["build", "write"]


def build(instance: Instance, formulation: str) -> Any:
    """Return the Pyomo model of an instance in a formulation of its problem.

    Raises
    ------
    InputError
        Where the formulation does not take the instance.
    """
    if isinstance(instance, CiftInstance):
        from splitopt.formulations.cift.pyomo import models as pyomo_cift

        return pyomo_cift.model(instance, formulation)
    from splitopt.formulations.mepra.pyomo import models as pyomo_mepra

    return pyomo_mepra.model(instance, formulation)


def write(instance: Instance, formulation: str, kind: str, path: Path) -> dict[str, int]:
    """Write an instance to `path` (mps, lp or nl) in one step; return the model's size."""
    from splitopt.formulations.solvers.pyomo import write_model

    return write_model(build(instance, formulation), path, kind)
