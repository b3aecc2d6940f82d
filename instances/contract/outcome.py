"""Turn what a method found into a `Result` whose figures come from the judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from splitopt.instances.contract.method import (
    EXACT,
    Budget,
    Guarantee,
    Recorder,
    Result,
    SolutionStatus,
    Statistic,
    Termination,
)
from splitopt.instances.core.tolerances import TOLERANCES, gap
from splitopt.instances.judge import check, evaluate

if TYPE_CHECKING:
    from splitopt.instances.cift.plan import CiftPlan
    from splitopt.instances.contract.method import Instance, Plan
    from splitopt.instances.core.violations import Violation
    from splitopt.instances.mepra.plan import MepraPlan

PlanT = TypeVar("PlanT", "CiftPlan", "MepraPlan")


def conclude(
    instance: Instance,
    plan: Plan,
    recorder: Recorder,
    budget: Budget,
    *,
    bound: float | None = None,
    termination: Termination = Termination.SOLVED,
    guarantee: Guarantee | None = None,
    statistics: Mapping[str, Statistic] | None = None,
) -> Result:
    """Return the result of a run that has a plan.

    The objective is `evaluate`'s. The status is ``optimal`` when the plan is feasible and
    `bound` is within ``budget.relative_gap`` of it, ``feasible`` when it is only feasible,
    ``relaxed`` when it exceeds deadlines by no more than `guarantee` admits, and ``none`` when
    `check` finds any other violation. A bound above a feasible plan is no bound: it is dropped,
    and ``refused`` in the statistics says so.
    """
    objective = evaluate(instance, plan).objective
    figures = dict(statistics or {})
    status = SolutionStatus.FEASIBLE
    violations = check(instance, plan)
    if violations:
        within = guarantee is not None and admitted(violations, guarantee)
        status = SolutionStatus.RELAXED if within else SolutionStatus.NONE
        recorder.note(bound=bound)
    else:
        distance = gap(objective, bound)
        if distance is not None and distance < -TOLERANCES.bound:
            figures["refused"] = f"the bound {bound!r} is above the plan, which costs {objective!r}"
            bound, distance = None, None
            if termination is Termination.SOLVED:
                termination = Termination.LIMIT
        recorder.note(objective, bound)
        if distance is not None and distance <= budget.relative_gap:
            status = SolutionStatus.OPTIMAL
            termination = Termination.SOLVED
            guarantee = guarantee or EXACT
    return Result(
        termination=termination,
        status=status,
        plan=plan,
        objective=objective,
        bound=bound,
        guarantee=guarantee,
        trajectory=recorder.points,
        statistics=figures,
        runtime_s=recorder.elapsed_s,
    )


def admitted(violations: Sequence[Violation], guarantee: Guarantee) -> bool:
    """Return whether all that is broken are deadlines, by no more than the guarantee admits."""
    for violation in violations:
        factor = guarantee.relaxed_deadlines.get(violation.constraint.removesuffix("-deadline"))
        if factor is None or violation.value is None or violation.limit is None:
            return False
        if violation.value > violation.limit * factor * (1.0 + TOLERANCES.deadline):
            return False
    return True


def cheaper(instance: Instance, first: PlanT | None, second: PlanT | None) -> PlanT | None:
    """Return the feasible plan of lower objective, `first` of two alike; None without any."""
    best: tuple[float, PlanT] | None = None
    for plan in (first, second):
        if plan is None or check(instance, plan):
            continue
        objective = evaluate(instance, plan).objective
        if best is None or objective < best[0]:
            best = objective, plan
    return None if best is None else best[1]


def proven_infeasible(
    recorder: Recorder, statistics: Mapping[str, Statistic] | None = None
) -> Result:
    """Return the result of a run that proved that there is no plan."""
    return Result(
        Termination.SOLVED,
        SolutionStatus.INFEASIBLE,
        None,
        None,
        None,
        None,
        recorder.points,
        dict(statistics or {}),
        recorder.elapsed_s,
    )


def nothing_found(
    recorder: Recorder,
    *,
    bound: float | None = None,
    termination: Termination = Termination.SOLVED,
    statistics: Mapping[str, Statistic] | None = None,
) -> Result:
    """Return the result of a run that found no plan and proved nothing but maybe a bound."""
    recorder.note(bound=bound)
    return Result(
        termination,
        SolutionStatus.NONE,
        None,
        None,
        bound,
        None,
        recorder.points,
        dict(statistics or {}),
        recorder.elapsed_s,
    )
