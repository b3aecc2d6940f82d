"""What holds of every result, at whatever limit: each claim against data and enumeration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from splitopt.bench.isolation.child import describe_result
from splitopt.bench.methods.conformance.oracle import optimum_of
from splitopt.instances.contract.method import Result, SolutionStatus, Termination
from splitopt.instances.core.tolerances import not_above, values_agree
from splitopt.instances.judge import check, evaluate

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Method

CLAIMS_A_PLAN = (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE)
_PROVE = ("exact", "approximation")


class BrokenPromiseError(AssertionError):
    """A method does not keep what every method has to keep; the message says what."""


def require(condition: object, message: str) -> None:
    """Raise unless the condition holds."""
    if not condition:
        raise BrokenPromiseError(message)


def agree(one: float | None, other: float | None) -> bool:
    """Return whether two figures are there and are the same within the tolerance of optima."""
    return one is not None and other is not None and values_agree(one, other)


def at_most(one: float | None, other: float | None, slack: float) -> bool:
    """Return whether two figures are there and the first is no larger."""
    return one is not None and other is not None and not_above(one, other, slack)


@dataclass(frozen=True, slots=True)
class Subject:
    """A method on trial.

    Attributes
    ----------
    method
        The method itself.
    name, problem, kind
        As in the registry: an ``exact`` method is held to optima.
    """

    method: Method[Any, Any]
    name: str
    problem: str
    kind: str


def hold_to_its_word(subject: Subject, instance: Instance, result: Result) -> None:
    """Check what holds of every result of a method on an instance.

    Raises
    ------
    BrokenPromiseError
        For a claim that does not hold.
    """
    require(isinstance(result, Result), f"solve() returned {type(result).__name__}, not a Result")
    optimum = optimum_of(instance)
    require(
        result.termination
        not in (Termination.KILLED, Termination.CRASHED, Termination.UNSUPPORTED),
        f"termination {result.termination} is for the runner to say",
    )
    _can_be_recorded(result)
    _trajectory(result)
    plan, status, best = result.plan, result.status, optimum.objective
    if plan is not None:
        cost = evaluate(instance, plan).objective
        require(
            result.objective == cost, f"reports {result.objective!r} for a plan that costs {cost!r}"
        )
    if status in CLAIMS_A_PLAN:
        if plan is None:
            raise BrokenPromiseError(f"status {status} without a plan")
        violations = check(instance, plan)
        require(not violations, f"status {status} with a plan that breaks {violations[:1]}")
        require(optimum.status is SolutionStatus.OPTIMAL, "a plan where there is none")
        require(
            at_most(best, result.objective, 1e-9),
            f"objective {result.objective!r} below the optimum {best!r}",
        )
    elif plan is not None:
        require(check(instance, plan), f"status {status} with a plan that breaks nothing")
    if status is SolutionStatus.RELAXED:
        promised = None if result.guarantee is None else result.guarantee.relaxed_deadlines
        require(promised, "relaxed without a promise of by how much")
    if status is SolutionStatus.INFEASIBLE:
        require(optimum.status is SolutionStatus.INFEASIBLE, "claims that there is no plan")
        require(subject.kind in _PROVE, f"a proof by a method of kind {subject.kind}")
    if best is not None:
        bounds = [point.bound for point in result.trajectory if point.bound is not None]
        for bound in (*bounds, *([] if result.bound is None else [result.bound])):
            require(not_above(bound, best, 1e-9), f"bound {bound!r} above the optimum {best!r}")
    if status is SolutionStatus.OPTIMAL:
        require(
            agree(result.objective, best),
            f"claims {result.objective!r} to be optimal; the optimum is {best!r}",
        )
    if result.guarantee is not None and plan is not None:
        keep_the_guarantee(instance, result)


def _can_be_recorded(result: Result) -> None:
    try:
        json.dumps(dict(result.statistics), allow_nan=False)
        json.dumps(describe_result(result), allow_nan=False)
    except (TypeError, ValueError, AttributeError) as error:
        raise BrokenPromiseError(f"a result that cannot be recorded: {error}") from None
    require(result.runtime_s >= 0, f"runtime_s {result.runtime_s!r}")


def _trajectory(result: Result) -> None:
    times = [point.time_s for point in result.trajectory]
    require(times == sorted(times), "a trajectory that goes back in time")
    incumbents = [p.objective for p in result.trajectory if p.objective is not None]
    require(incumbents == sorted(incumbents, reverse=True), "incumbents that get worse")
    bounds = [p.bound for p in result.trajectory if p.bound is not None]
    require(bounds == sorted(bounds), "bounds that fall")


def _scaled(instance: Instance, factors: Mapping[str, float]) -> Instance:
    """Return `instance` with its deadlines multiplied by the factors named."""
    changes = {}
    for deadline, factor in factors.items():
        field = deadline.replace("-", "_") + "_deadline_s"
        limit = getattr(instance, field, None)
        if limit is None:
            raise BrokenPromiseError(f"a guarantee on a deadline that is not there: {deadline}")
        changes[field] = limit * factor
    return instance.replace(**changes) if changes else instance


def keep_the_guarantee(instance: Instance, result: Result) -> None:
    """Check a guarantee against the optimum that it refers to.

    Raises
    ------
    BrokenPromiseError
        When it does not hold.
    """
    guarantee = result.guarantee
    assert guarantee is not None
    assert result.plan is not None
    require(
        guarantee.statement == " ".join(guarantee.statement.split()), "a statement of several lines"
    )
    if guarantee.kind == "none":
        require(guarantee.factor is None, "a factor without a guarantee")
        return
    factor = guarantee.factor
    require(factor is not None and factor >= 1, f"guarantees a factor of {factor!r}")
    assert factor is not None
    violations: Sequence[object] = check(
        _scaled(instance, guarantee.relaxed_deadlines), result.plan
    )
    require(not violations, f"breaks more than its guarantee admits: {violations[:1]}")
    tight = {name: 1 / value for name, value in guarantee.reference_deadlines.items()}
    reference = optimum_of(_scaled(instance, tight)).objective
    if reference is not None:
        slack = 1e-6 if guarantee.kind == "exact" else 1e-9
        require(
            at_most(result.objective, factor * reference, slack),
            f"{result.objective!r} is above {factor!r} times the optimum {reference!r}",
        )
