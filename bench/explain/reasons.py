"""From an instance to its explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from splitopt.bench.explain import cift, mepra
from splitopt.bench.explain.findings import Answer, Explanation, Finding, Solver
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance


def explain(instance: Instance, time_limit_s: float = 10.0) -> Explanation:
    """Solve an instance and its neighbours, and say why its optimum is what it is.

    Parameters
    ----------
    time_limit_s
        For each of the solves, of which there are some ten, and one a configuration.

    Notes
    -----
    A finding states what the solves proved: a plan from above, a bound from below, or that there
    is no plan. Where the limit ended a solve before that, it says so.
    """
    solver = Solver(time_limit_s)
    result = solver.solve(instance)
    base = Answer.of(result)
    findings: tuple[Finding, ...] = ()
    if isinstance(instance, CiftInstance):
        if isinstance(base.plan, CiftPlan):
            findings = cift.explain_plan(instance, base.plan, base, solver)
        elif base.impossible:
            findings = cift.what_must_give(instance, solver)
    elif isinstance(instance, MepraInstance) and isinstance(base.plan, MepraPlan):
        findings = mepra.explain_plan(instance, base.plan, base, solver)
    return Explanation(
        instance.name,
        str(result.status),
        solver.name(instance),
        base.high,
        base.low,
        findings,
    )
