"""From an instance to its explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from splitopt.bench.explain import cift, mepra
from splitopt.bench.explain.findings import Explanation, Finding, Solver
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import SolutionStatus
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

__all__ = ["explain"]


def explain(instance: Instance, time_limit_s: float = 10.0) -> Explanation:
    """Solve an instance and its neighbours, and say why its optimum is what it is.

    Parameters
    ----------
    time_limit_s
        For each of the solves, of which there are some ten, and one a configuration.
    """
    solver = Solver(time_limit_s)
    result = solver.solve(instance)
    feasible = result.status in (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE)
    findings: tuple[Finding, ...] = ()
    if isinstance(instance, CiftInstance):
        if feasible and isinstance(result.plan, CiftPlan) and result.objective is not None:
            findings = cift.explain_plan(instance, result.plan, result.objective, solver)
        elif result.status is SolutionStatus.INFEASIBLE:
            findings = cift.what_must_give(instance, solver)
    elif isinstance(instance, MepraInstance) and isinstance(result.plan, MepraPlan):
        assert result.objective is not None
        findings = mepra.explain_plan(instance, result.plan, result.objective, solver)
    return Explanation(
        instance.name,
        str(result.status),
        solver.name(instance),
        result.objective,
        result.bound,
        findings,
    )
