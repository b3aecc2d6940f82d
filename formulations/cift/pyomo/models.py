"""The Pyomo models of CIFT: built, read back as plans, and solved by HiGHS as methods.

=============  =======================================  =========================================
formulation    module                                   speeds
=============  =======================================  =========================================
``flow``       `splitopt.formulations.cift.pyomo.flow`           listed
``assignment`` `splitopt.formulations.cift.pyomo.assignment`     listed
``gdp-bigm``   `splitopt.formulations.cift.pyomo.gdp`            listed (linear) or intervals
(cones) ``gdp-hull``   `splitopt.formulations.cift.pyomo.gdp`            listed (linear) or
intervals (cones) =============  =======================================
=========================================

As methods they are the textbook models as they stand, without the presolve of their siblings
given to HiGHS as arrays: what they take longer is what that presolve is worth. The bound and
what becomes of solutions the judge rejects are those of `splitopt.formulations.cift.milp`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.exact import ListedSpeeds
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.milp import prove
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import (
    Result,
    Support,
    Termination,
)

__all__ = ["FORMULATIONS", "GDP_BIGM", "GDP_HULL", "PYOMO_FLOW", "model", "plan_of"]

FORMULATIONS = ("flow", "assignment", "gdp-bigm", "gdp-hull")
# What Pyomo builds in some 20 s; a build cannot be interrupted when the time is up.
MOST_ARCS = 100_000
MOST_HULL_VARIABLES = 10_000
# Measured 0.3 to 0.8 ms a variable; one not begun overruns no limit.
_HULL_S_A_VARIABLE = 3e-4

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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

    def __init__(self, name: str, formulation: str) -> None:
        self.name = name
        self.formulation = formulation

    def supports(self, instance: CiftInstance) -> Support:
        """Take listed speeds, and what Pyomo builds in some 20 s."""
        listed = super().supports(instance)
        if not listed:
            return listed
        if self.formulation == "flow":
            from splitopt.formulations.cift.pyomo.flow_rows import arcs

            count, most, what = arcs(instance), MOST_ARCS, "arcs"
        else:
            from splitopt.formulations.cift.pyomo.gdp import size

            count, most, what = size(instance), MOST_HULL_VARIABLES, "variables"
        if count > most:
            return Support(f"about {count} {what} for Pyomo to build, more than {most}")
        return Support()

    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        if self.formulation == "gdp-hull" and best.remaining_s is not None:
            from splitopt.formulations.cift.pyomo.gdp import size

            if best.remaining_s < _HULL_S_A_VARIABLE * size(instance):
                return best.result(Termination.TIME)
        return _solve(best, self.formulation, seed)


def _solve(best: Incumbent, formulation: str, seed: int) -> Result:
    from splitopt.formulations.solvers.pyomo import compiled, raise_values

    instance = best.instance
    m = model(instance, formulation)
    best.statistics["build_s"] = best.recorder.elapsed_s
    if best.remaining_s == 0:
        return best.result(Termination.TIME)
    arrays, columns = compiled(m)
    best.statistics["compile_s"] = best.recorder.elapsed_s
    costs = arrays.cost[arrays.cost > 0]
    scale = best.objective_scale(float(np.median(costs)) if len(costs) else 0.0)

    def read(values: Floats) -> tuple[CiftPlan, Ints]:
        raise_values(m, columns, values)
        return plan_of(m, instance, formulation), np.flatnonzero(arrays.integer & (values > 0.5))

    most = max(len(model.blocks) for model in instance.models)
    return prove(
        best,
        replace(arrays, cost=arrays.cost * scale),
        scale=scale,
        read=read,
        # A configuration, blocks or steps, hops, and levels with their shares.
        support=2 + most + 8 * len(instance.nodes),
        seed=seed,
        start=lambda: None,
    )


PYOMO_FLOW = PyomoCift("pyomo-flow", "flow")
GDP_BIGM = PyomoCift("gdp-bigm", "gdp-bigm")
GDP_HULL = PyomoCift("gdp-hull", "gdp-hull")
