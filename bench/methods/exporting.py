"""An instance in one of its Pyomo formulations, its objective in a unit solvers can work in.

Solvers stop at absolute gaps too (HiGHS at 1e-6), so that an optimum of 10 microjoules in a file
of joules is "proved" many percent too high. The objective is therefore written in a unit in which
the optimum is 64 or more: 1 if that will do, else a power of two (of four where costs have roots),
which changes no digit of a figure.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.mepra.model import MepraInstance

if TYPE_CHECKING:
    from splitopt.formulations.cift.pyomo.data import Written
    from splitopt.formulations.solvers.files import NamedModel
    from splitopt.formulations.solvers.pyomo import Labels
    from splitopt.instances.contract.method import Instance, Plan

_Instance = TypeVar("_Instance", CiftInstance, MepraInstance)

_LEAST, _MOST = 64.0, 2.0**30  # lower bounds on an optimum between which a unit of 1 will do
_SAID = "objective in units of "
# Who reads which files, measured; tests/formulations/solvers holds it to the readers at hand.
_READERS = {
    (
        "linear",
        "mps",
    ): "read right by HiGHS, SCIP, CBC, GLPK, Gurobi, Xpress, CPLEX, COPT, OR-tools",
    ("linear", "lp"): "read right by HiGHS, SCIP, CBC, GLPK, Gurobi, Xpress, CPLEX, COPT; OR-tools "
    "reads another dialect of LP and refuses it",
    ("quadratic", "mps"): "read by SCIP, Gurobi, Xpress, COPT, if convex CPLEX; HiGHS, CBC and "
    "GLPK refuse it",
    (
        "quadratic",
        "lp",
    ): "read by SCIP, Gurobi, Xpress, COPT, if convex CPLEX; HiGHS and GLPK "
    "refuse it; CBC MISREADS it: it takes products for columns of their own",
}


def readers_of(*, linear: bool, kind: str) -> str:
    """Return in a line who reads a file right, and who does not."""
    if kind == "nl":
        return "read by SCIP and by solvers with an AMPL interface"
    return _READERS["linear" if linear else "quadratic", kind]


def objective_unit(instance: Instance) -> float:
    """Return the unit, in J for CIFT, in which a lower bound on the optimum is 64 or more.

    The bound leaves out deadlines and memories (CIFT) or the waiting for others (MEPRA). Where it
    is 0, the unit is that of a typical plan (CIFT) or 1.
    """
    if isinstance(instance, CiftInstance):
        from splitopt.formulations.cift.pyomo.energy import least_energy_j
        from splitopt.instances.cift.units import scaled

        bound, base = least_energy_j(instance), 2.0
        if bound == 0:
            return scaled(instance)[1].joule
    else:
        import numpy as np

        from splitopt.formulations.mepra.options import option_table

        table = option_table(instance)
        alone = table.own_cost + table.root**2
        bound, base = float(np.minimum.reduceat(alone, table.start[:-1]).sum()), 4.0
    if not 0 < bound < math.inf or _LEAST <= bound <= _MOST:
        return 1.0
    return float(base ** math.floor(math.log(bound / _LEAST, base)))


def _in_unit(instance: _Instance, unit: float) -> _Instance:
    """Return the instance with its energies (CIFT) or costs (MEPRA) in units of `unit`."""
    if isinstance(instance, CiftInstance):
        return instance.replace(
            nodes=tuple(
                dataclasses.replace(
                    node,
                    kappa_j_s2_per_flop3=node.kappa_j_s2_per_flop3 / unit,
                    busy_power_w=node.busy_power_w / unit,
                )
                for node in instance.nodes
            ),
            links=tuple(
                dataclasses.replace(link, energy_j_per_bit=link.energy_j_per_bit / unit)
                for link in instance.links
            ),
        )
    return instance.replace(
        weight_time_per_s=instance.weight_time_per_s / unit,
        weight_energy_per_j=instance.weight_energy_per_j / unit,
    )


def build(instance: Instance, formulation: str, unit: float | None = None) -> Any:
    """Return the Pyomo model of an instance in a formulation of its problem.

    Parameters
    ----------
    unit
        Of the objective, in J for CIFT; `objective_unit` where it is left out. The model keeps it
        as ``model.objective_unit``: times that, its objective is the instance's.

    Raises
    ------
    InputError
        Where the formulation does not take the instance, or the unit is no number above 0.
    """
    if isinstance(instance, CiftInstance):
        from splitopt.formulations.cift.pyomo import models as cift
        from splitopt.formulations.cift.pyomo.data import need

        fields.one_of("formulation", formulation, cift.FORMULATIONS)
        need(instance, formulation)
        unit = unit_for(instance, unit)
        model = cift.model(_in_unit(instance, unit), formulation)
    else:
        from splitopt.formulations.mepra.pyomo import models as mepra

        fields.one_of("formulation", formulation, mepra.FORMULATIONS)
        unit = unit_for(instance, unit)
        model = mepra.model(_in_unit(instance, unit), formulation)
    model.objective_unit = unit
    return model


def unit_for(instance: Instance, unit: float | None) -> float:
    """Return the unit asked for, `objective_unit` where none is."""
    if unit is None:
        return objective_unit(instance)
    if not 0 < unit < math.inf:
        raise InputError("unit", unit, "a number above 0", "give 1 for joules")
    return unit


def read_back(model: Any, instance: Instance, formulation: str) -> Plan:
    """Return the plan that the values of a model's variables stand for."""
    if isinstance(instance, CiftInstance):
        from splitopt.formulations.cift.pyomo import models as cift

        return cift.plan_of(model, instance, formulation)
    from splitopt.formulations.mepra.pyomo import models as mepra

    return mepra.plan_of(model, instance)


@dataclass(frozen=True)
class Formulated:
    """An instance in a formulation, built once: to be written, and to read a solution back.

    Attributes
    ----------
    unit
        Of the objective.
    """

    instance: Instance
    formulation: str
    unit: float
    _model: Any
    _arrays: tuple[NamedModel, Written] | None = None

    def write(self, path: Path, kind: str, *, lasting: bool = True) -> dict[str, int | float]:
        """Write it to `path` (mps, lp or nl) in one step; return size and objective's unit.

        MPS and LP files say the unit in a comment at their top; NL files have no comments.
        """
        said = _said(self.instance, self.unit)
        size: dict[str, Any]
        if self._arrays is not None:
            from splitopt.formulations.solvers.files import write_named

            title = f"cift-{self.formulation.partition('-')[0]}"
            size = write_named(self._arrays[0], path, kind, title, said, lasting=lasting)
            size["linear"] = True
        else:
            from splitopt.formulations.solvers.pyomo import write_model

            label = None if kind == "nl" else self._labels
            size = write_model(self._model, path, kind, label, comment=said, lasting=lasting)
        return {**size, "objective_unit": self.unit}

    def whole(self) -> dict[str, bool]:
        """Return the names of the columns in files, and whether each is integer."""
        if self._arrays is not None:
            named = self._arrays[0]
            return dict(zip(named.columns, named.arrays.integer.tolist(), strict=True))
        return {name: not v.is_continuous() for name, v in self._columns.items()}

    @functools.cached_property
    def _columns(self) -> dict[str, Any]:
        from splitopt.formulations.solvers.pyomo import columns_by_name

        return columns_by_name(self._model, self._labels)

    @functools.cached_property
    def _labels(self) -> Labels:
        from splitopt.formulations.solvers.pyomo import Labels

        return Labels(self._model)

    def plan(self, values: Mapping[str, float]) -> Plan:
        """Return the plan of values by names of columns; what is left out is 0."""
        if self._arrays is not None:
            import numpy as np

            from splitopt.formulations.cift.pyomo import models as cift

            assert isinstance(self.instance, CiftInstance)
            named, written = self._arrays
            taken = np.array([values.get(name, 0.0) for name in named.columns])
            return cift.plan_of_arrays(self.instance, self.formulation, written, taken)
        for name, variable in self._columns.items():
            variable.set_value(values.get(name, 0.0), skip_validation=True)
        return read_back(self._model, self.instance, self.formulation)


def formulate(
    instance: Instance, formulation: str, unit: float | None = None, *, kind: str = "mps"
) -> Formulated:
    """Return an instance in a formulation, to be written as `kind`; as `build` otherwise."""
    if kind != "nl" and isinstance(instance, CiftInstance):
        # Arrays are made without Pyomo, which would take most of the time and memory.
        from splitopt.formulations.cift.pyomo import models as cift
        from splitopt.formulations.cift.pyomo.data import need

        fields.one_of("formulation", formulation, cift.FORMULATIONS)
        need(instance, formulation)
        unit = unit_for(instance, unit)
        arrays = cift.named(_in_unit(instance, unit), formulation)
        if arrays is not None:
            return Formulated(instance, formulation, unit, None, arrays)
    model = build(instance, formulation, unit)
    return Formulated(instance, formulation, model.objective_unit, model)


def write(
    instance: Instance, formulation: str, kind: str, path: Path, unit: float | None = None
) -> dict[str, int | float]:
    """Write an instance to `path` (mps, lp or nl) in one step; return size and objective's unit."""
    return formulate(instance, formulation, unit, kind=kind).write(path, kind)


def _said(instance: Instance, unit: float) -> str:
    return f"{_SAID}{unit!r}" + (" J" if isinstance(instance, CiftInstance) else "")


def unit_of_file(path: Path) -> float:
    """Return the unit that a comment at the top of an MPS or LP file gives, 1 without one.

    Raises
    ------
    InputError
        When the comment gives no number above 0.
    """
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        head = stream.read(4096).decode("utf-8", "replace")
    for line in head.splitlines():
        if line[:1] not in ("*", "\\") or _SAID not in line:
            continue
        try:
            unit = float(line.split(_SAID, 1)[1].split()[0])
        except (ValueError, IndexError):
            unit = math.nan
        if not 0 < unit < math.inf:
            raise InputError("objective", line.strip(), f"{_SAID}NUMBER", "export the model again")
        return unit
    return 1.0
