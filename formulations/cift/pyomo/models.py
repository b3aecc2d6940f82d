"""The Pyomo models of CIFT: built, read back as plans, and solved by HiGHS as methods.

=============  =================  =========================================
formulation    module             speeds (`takes` has the rest)
=============  =================  =========================================
``flow``       `flow`             listed
``assignment`` `assignment`       listed
``gdp-bigm``   `gdp`              listed (linear) or intervals (cones)
``gdp-hull``   `gdp`              listed (linear) or intervals (cones)
=============  =================  =========================================

As methods they are the textbook models as they stand, without the presolve of their siblings
given to HiGHS as arrays: what they take longer is what that presolve is worth. `arrays` writes them
without Pyomo, whose building and transforming took longer than solving. The bound and
what becomes of solutions the judge rejects are those of `splitopt.formulations.cift.milp`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from splitopt.formulations.cift.exact import ListedSpeeds
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.milp import Formulation, Row, prove
from splitopt.formulations.cift.pyomo import flow_rows, gdp_arrays, gdp_rows
from splitopt.formulations.cift.pyomo.data import Written
from splitopt.formulations.cift.pyomo.takes import TAKES
from splitopt.formulations.solvers.files import NamedModel
from splitopt.formulations.solvers.highs import SparseModel
from splitopt.formulations.solvers.parameters import HIGHS
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Result, Support, Termination
from splitopt.instances.core.arrays import Floats, Ints

_TRANSFORMATIONS: Mapping[str, Literal["bigm", "hull"]] = {"gdp-bigm": "bigm", "gdp-hull": "hull"}
FORMULATIONS = ("flow", "assignment", "gdp-bigm", "gdp-hull")
# What Pyomo builds in some 20 s, for whoever exports what a method solves.
MOST_ARCS = 100_000
MOST_HULL_VARIABLES = 10_000

Read = Callable[[Floats], CiftPlan]
Cuts = Callable[[Ints], list[Row]]


def model(instance: CiftInstance, formulation: str) -> Any:
    """Return a formulation of an instance as a ``pyomo.environ.ConcreteModel``.

    Raises
    ------
    InputError
        Where the formulation does not take the instance.
    """
    if formulation == "flow":
        from splitopt.formulations.cift.pyomo import flow as pyomo_cift_flow

        return pyomo_cift_flow.model(instance)
    if formulation == "assignment":
        from splitopt.formulations.cift.pyomo import assignment as pyomo_cift_assignment

        return pyomo_cift_assignment.model(instance)
    from splitopt.formulations.cift.pyomo import gdp as pyomo_cift_gdp

    if formulation == "gdp-bigm":
        return pyomo_cift_gdp.model(instance, "bigm")
    if formulation == "gdp-hull":
        return pyomo_cift_gdp.model(instance, "hull")
    raise ValueError(f"{formulation} is none of {FORMULATIONS}")


def arrays(
    instance: CiftInstance, formulation: Literal["flow", "gdp-bigm", "gdp-hull"]
) -> tuple[SparseModel, Read, Cuts]:
    """Return a formulation that is a method as arrays, what reads a solution's plan, and cuts.

    Cuts are rows that every plan keeps, given the columns of one that does not. Written without
    Pyomo, which takes most of the time of small solves; tests hold the arrays to the Pyomo model,
    row for row.
    """
    cuts: Cuts = lambda columns: []  # noqa: E731
    if formulation == "flow":
        flow = flow_rows.Flow(instance)
        written, cuts = flow.written(), flow.cuts
    else:
        written = gdp_arrays.written(instance, _TRANSFORMATIONS[formulation])
    return (
        written.model,
        lambda values: plan_of_arrays(instance, formulation, written, values),
        cuts,
    )


def named(instance: CiftInstance, formulation: str) -> tuple[NamedModel, Written] | None:
    """Return a formulation as arrays with names for files; None where Pyomo is to write it.

    That is where it is not linear, and the assignment.

    Raises
    ------
    InputError
        As `model`.
    """
    if formulation == "flow":
        return flow_rows.named(instance)
    if formulation in _TRANSFORMATIONS:
        return gdp_arrays.named(instance, _TRANSFORMATIONS[formulation])
    return None


def plan_of_arrays(
    instance: CiftInstance, formulation: str, written: Written, values: Floats
) -> CiftPlan:
    """Return the plan of values of the columns of `arrays` or `named`."""
    plan = flow_rows.plan if formulation == "flow" else gdp_rows.plan
    return plan(instance, written.chosen(values))


def plan_of(m: Any, instance: CiftInstance, formulation: str) -> CiftPlan:
    """Return the plan that the values of a model's variables stand for."""
    from splitopt.formulations.cift.pyomo import assignment as pyomo_cift_assignment
    from splitopt.formulations.cift.pyomo import flow as pyomo_cift_flow
    from splitopt.formulations.cift.pyomo import gdp as pyomo_cift_gdp

    readers: dict[str, Callable[[Any, CiftInstance], CiftPlan]] = {
        "flow": pyomo_cift_flow.plan_of,
        "assignment": pyomo_cift_assignment.plan_of,
    }
    return readers.get(formulation, pyomo_cift_gdp.plan_of)(m, instance)


class PyomoCift(ListedSpeeds):
    """A Pyomo model of CIFT solved by HiGHS; listed speeds.

    A start is kept as the best plan so far; it is not given to HiGHS.
    """

    parameters = HIGHS

    def __init__(self, name: str, formulation: Literal["flow", "gdp-bigm", "gdp-hull"]) -> None:
        self.name = name
        self.formulation = formulation
        self.takes, self.doubt = TAKES[formulation].beyond, TAKES[formulation].doubt

    def supports(self, instance: CiftInstance) -> Support:
        """Take listed speeds, and what Pyomo builds in some 20 s."""
        listed = super().supports(instance)
        if not listed:
            return listed
        if self.formulation == "flow":
            count, most, what = flow_rows.arcs(instance), MOST_ARCS, "arcs"
        else:
            count, most, what = gdp_rows.size(instance), MOST_HULL_VARIABLES, "variables"
        if count > most:
            return Support(f"about {count} {what} in the model, more than {most}")
        return Support()

    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        model, plan, cuts = arrays(instance, self.formulation)
        best.statistics["build_s"] = best.recorder.elapsed_s
        if best.remaining_s == 0:
            return best.result(Termination.TIME)
        costs = model.cost[model.cost > 0]
        scale = best.objective_scale(float(np.median(costs)) if len(costs) else 0.0)

        def read(values: Floats) -> tuple[CiftPlan, Ints]:
            return plan(values), np.flatnonzero(model.integer & (values > 0.5))

        most = max(len(network.blocks) for network in instance.models)
        form = Formulation(
            replace(model, cost=model.cost * scale),
            scale=scale,
            read=read,
            # A configuration, blocks or steps, hops, and levels with their shares.
            support=2 + most + 8 * len(instance.nodes),
            start=lambda: None,
            cuts=cuts,
            # Of the hull's many binaries it takes most of the time, and runs past the limit.
            probing=self.formulation != "gdp-hull",
        )
        return prove(best, form, seed)


PYOMO_FLOW = PyomoCift("pyomo-flow", "flow")
GDP_BIGM = PyomoCift("gdp-bigm", "gdp-bigm")
GDP_HULL = PyomoCift("gdp-hull", "gdp-hull")
