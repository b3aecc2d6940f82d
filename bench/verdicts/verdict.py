"""The verdict on a run: what it claims, checked against the data and what is known.

A run's own word counts for nothing: its plan is checked and evaluated anew, its bound and
status are held against that plan and against what is known of the instance.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from splitopt.bench.store.rows import Verdict
from splitopt.bench.store.store import BestKnown
from splitopt.bench.verdicts.known import known_of
from splitopt.instances.contract.method import Guarantee, SolutionStatus, Termination
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES, gap, not_above, values_agree
from splitopt.instances.judge import check, evaluate, plan_from_document

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan

MOST_POINTS = 10_000
_LARGEST_STATISTICS = 1 << 20
_DEADLINES = {
    "inference-deadline": "inference",
    "fine-tuning-deadline": "fine-tuning",
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a run sent back, with types checked and nothing believed."""

    termination: Termination
    status: SolutionStatus
    objective: float | None
    bound: float | None
    plan: Mapping[str, Any] | None
    guarantee: Mapping[str, Any] | None
    trajectory: tuple[tuple[float, float | None, float | None], ...]
    statistics: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge says of claims.

    Attributes
    ----------
    objective
        What the plan costs by `evaluate`; None when it does not fit the instance.
    """

    verdict: Verdict
    reason: str | None
    plan: Plan | None
    objective: float | None
    violations: tuple[Mapping[str, Any], ...]


def _figure(value: object, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{what} is not finite")
    return number


def _object(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no object")
    return value


def read_claims(document: object) -> Claims:
    """Return what a run sent back, bounded: long trajectories are thinned, long texts cut.

    Statistics that take more than a mebibyte are left out, and ``left_out`` says so.

    Raises
    ------
    ValueError
        When it is malformed.
    """
    found = _object(document, "the result")
    try:
        termination = Termination(found["termination"])
        status = SolutionStatus(found["status"])
        points = []
        for entry in thinned(found["trajectory"]):
            time_s, objective, bound = entry
            at = _figure(time_s, "a time")
            if at is not None:
                points.append((at, _figure(objective, "an objective"), _figure(bound, "a bound")))
        plan, guarantee = found["plan"], found["guarantee"]
        return Claims(
            termination,
            status,
            _figure(found["objective"], "the objective"),
            _figure(found["bound"], "the bound"),
            None if plan is None else _object(plan, "the plan"),
            None if guarantee is None else _guarantee(_object(guarantee, "the guarantee")),
            tuple(points),
            _statistics(_object(found["statistics"], "the statistics")),
        )
    except (KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"malformed result: {error!r}") from None


def thinned(points: Sequence[Any], most: int = MOST_POINTS) -> list[Any]:
    """Return at most `most` points of a trajectory, the first and the last among them."""
    if not isinstance(points, list | tuple):
        raise ValueError("malformed trajectory: no list")
    if len(points) <= most:
        return list(points)
    step = -(-(len(points) - 1) // (most - 1))
    return [*points[:-1:step], points[-1]]


def _guarantee(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a guarantee, whole; its fields and their types are those of `Guarantee`."""
    whole = {**Guarantee("none", None, "").to_document(), **found}
    if set(whole) != {f.name for f in dataclasses.fields(Guarantee)}:
        raise ValueError("the guarantee has other fields than a guarantee has")
    if whole["kind"] not in ("exact", "approximation", "none"):
        raise ValueError("the guarantee is of no kind that there is")
    for name in ("relaxed_deadlines", "reference_deadlines"):
        factors = _object(whole[name], name)
        if not set(factors) <= set(_DEADLINES.values()):
            raise ValueError(f"{name} names what is no deadline")
        whole[name] = {k: _figure(v, f"a factor of {name}") for k, v in factors.items()}
    whole["factor"] = _figure(whole["factor"], "the factor of the guarantee")
    whole["statement"] = _text(str(whole["statement"]))
    return whole


def _statistics(found: Mapping[str, Any]) -> Mapping[str, Any]:
    cleaned: Mapping[str, Any] = _clean(found)
    size = len(json.dumps(cleaned))
    if size <= _LARGEST_STATISTICS:
        return cleaned
    return {"left_out": f"statistics of {size} bytes; at most {_LARGEST_STATISTICS} are kept"}


def _text(value: str) -> str:
    """Return a text of moderate length that can be encoded: half a character cannot."""
    return value[:2000].encode("utf-8", "replace").decode()


def _clean(value: object, depth: int = 0) -> Any:
    """Return `value` without what a JSON document of ours cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict) and depth < 5:
        return {_text(str(k))[:200]: _clean(entry, depth + 1) for k, entry in value.items()}
    if isinstance(value, list) and depth < 5:
        return [_clean(entry, depth + 1) for entry in value]
    if isinstance(value, int) and abs(value) >= 2**63:
        return f"{value.bit_length()} bits"
    if value is None or isinstance(value, bool | int | float):
        return value
    return _text(str(value))


def _relaxed(guarantee: Mapping[str, Any] | None) -> Mapping[str, Any]:
    relaxed = (guarantee or {}).get("relaxed_deadlines")
    return relaxed if isinstance(relaxed, dict) else {}


def _within_guarantee(
    violations: tuple[Mapping[str, Any], ...], guarantee: Mapping[str, Any] | None
) -> bool:
    """Return whether every violation is of a deadline, by no more than was announced."""
    relaxed = _relaxed(guarantee)
    for violation in violations:
        factor = relaxed.get(_DEADLINES.get(violation["constraint"], ""))
        value, limit = violation["value"], violation["limit"]
        if not isinstance(factor, int | float) or value is None or limit is None:
            return False
        if value > limit * factor * (1.0 + TOLERANCES.deadline):
            return False
    return True


@dataclass(frozen=True, slots=True)
class JudgedPlan:
    """What is true of a plan, whoever claims what of it; `refused` says why it cannot be judged."""

    plan: Plan | None = None
    objective: float | None = None
    violations: tuple[Mapping[str, Any], ...] = ()
    refused: str | None = None


def judge_plan(instance: Instance, document: Mapping[str, Any] | None) -> JudgedPlan:
    """Return what a plan costs, in floating point, and what it breaks, in exact arithmetic."""
    if document is None:
        return JudgedPlan()
    plan: Plan | None = None
    violations: tuple[Mapping[str, Any], ...] = ()
    try:
        plan = plan_from_document(document)
        violations = tuple(v.to_document() for v in check(instance, plan)[:20])
        return JudgedPlan(plan, evaluate(instance, plan).objective, violations)
    except InputError as error:
        refused = f"the plan does not fit the instance: {error}"
    except (ArithmeticError, ValueError, RecursionError) as error:
        # Figures at the edge of the range of doubles, in a plan that no method of ours makes.
        refused = f"the plan cannot be evaluated: {type(error).__name__}: {error}"
    return JudgedPlan(plan, None, violations, refused)


def judge(
    instance: Instance,
    claims: Claims,
    relative_gap: float,
    known: BestKnown | None = None,
    judged: JudgedPlan | None = None,
) -> Judgement:
    """Return the verdict on what a run claims of `instance`.

    Parameters
    ----------
    relative_gap
        The gap at which the run was allowed to call a plan optimal.
    known
        What is known of the instance from elsewhere; the best-known registry counts in any case.
    judged
        What `judge_plan` says of the plan, where it has been asked.
    """
    known = known_of(instance, known)
    judged = judge_plan(instance, claims.plan) if judged is None else judged
    plan, objective, violations = judged.plan, judged.objective, judged.violations

    def say(verdict: Verdict, reason: str | None) -> Judgement:
        return Judgement(verdict, reason, plan, objective, violations)

    def wrong(reason: str) -> Judgement:
        return say(Verdict.WRONG, reason)

    refuted = judged.refused or _plan_denied(claims, judged)
    if refuted is not None:
        return wrong(refuted)
    feasible = plan is not None and not violations
    best = known.objective if known is not None else None
    source = f"; {known.source}" if known is not None and best is not None else ""
    if feasible and objective is not None and (best is None or objective < best):
        best, source = objective, ""
    bound = claims.bound
    if bound is not None and best is not None and not not_above(bound, best, TOLERANCES.bound):
        return wrong(f"its bound {bound!r} is above a plan that costs {best!r}{source}")
    if claims.status is SolutionStatus.OPTIMAL:
        distance = gap(objective, bound)
        allowed = max(relative_gap, TOLERANCES.optimality)
        if distance is None or distance > allowed * (1.0 + 1e-9):
            return wrong(f"claims to be optimal at a gap of {distance}")
    if claims.status is SolutionStatus.INFEASIBLE:
        if best is not None:
            return wrong(f"claims that there is no plan; there is one that costs {best!r}{source}")
        return say(Verdict.RIGHT, None)
    if claims.status is SolutionStatus.NONE:
        return say(Verdict.NOT_CLAIMED, None)
    if claims.status is SolutionStatus.RELAXED and not _within_guarantee(
        violations, claims.guarantee
    ):
        return wrong("the plan breaks more than its guarantee admits")
    missed = _promise_missed(claims, objective, relative_gap)
    return wrong(missed) if missed is not None else say(Verdict.RIGHT, None)


def _plan_denied(claims: Claims, judged: JudgedPlan) -> str | None:
    """Return why the plan is not what the run says it has, None where it is, or says none."""
    if claims.status in (SolutionStatus.INFEASIBLE, SolutionStatus.NONE):
        return None
    if judged.plan is None or judged.objective is None:
        return f"claims to be {claims.status} without a plan"
    if judged.violations and claims.status is not SolutionStatus.RELAXED:
        first = judged.violations[0]
        return f"the plan breaks {first['constraint']}: {first['statement']}"
    if claims.objective is None or not values_agree(claims.objective, judged.objective):
        return f"reports {claims.objective!r} for a plan that costs {judged.objective!r}"
    return None


def _promise_missed(claims: Claims, objective: float | None, relative_gap: float) -> str | None:
    """Return how a run that ended in order missed its promise by its own bound, None if it did not.

    A factor of the optimum of the problem as it stands is one of the bound as well: a scheme that
    keeps it carries a bound that shows it.
    """
    promise = claims.guarantee or {}
    factor, bound = promise.get("factor"), claims.bound
    if (
        claims.termination is not Termination.SOLVED
        or promise.get("kind") not in ("exact", "approximation")
        or promise.get("reference_deadlines")
        or promise.get("relaxed_deadlines")
        or not isinstance(factor, int | float)
        or objective is None
        or bound is None
    ):
        return None
    slack = 1.0 + max(relative_gap, TOLERANCES.optimality)
    if objective <= factor * bound * slack or objective <= bound:
        return None
    certified = f"{objective / bound:.9g} times" if bound > 0 else "nothing"
    return f"promises {factor:g} times the optimum; its own bound certifies {certified}"
