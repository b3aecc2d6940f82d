"""Judge rows again that somebody else's store or worker gives: nothing in them is believed.

The stored plan is checked and evaluated anew, and what the row claims is held against it, as when
it was made. Times, statistics and the names in a row remain its sender's word.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from splitopt.bench.methods.registry import METHODS
from splitopt.bench.store.checksums import checksum
from splitopt.bench.store.rows import Row, Verdict
from splitopt.bench.store.store import BestKnown, Store
from splitopt.bench.verdicts.verdict import Claims, JudgedPlan, Judgement, judge, judge_plan
from splitopt.instances.cift.claims import witness
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.method import SolutionStatus, Termination
from splitopt.instances.core.documents import canonical, parse_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES, gap, values_agree
from splitopt.instances.judge import instance_from_document

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

# What promises nothing cannot have proved anything: none of ours tells a bound.
_PROMISE_NOTHING = {
    (entry.name, entry.problem) for entry in METHODS if entry.kind in ("heuristic", "learner")
}
_PLANS_HELD = 10_000
_INSTANCES_HELD = 32


def instances_of(
    store: Store, own: dict[str, bytes] | None = None
) -> Callable[[str], Instance | None]:
    """Return a function that finds the instances of a store by their hash.

    It gives None for one that the store does not hold, or under a hash that is not its own. Files
    and names that a store tells are not looked for.

    Parameters
    ----------
    own
        Gets the checksum of each document that is what its hash says, by that hash.
    """

    @functools.lru_cache(maxsize=_INSTANCES_HELD)
    def find(instance_hash: str) -> Instance | None:
        document = store.instance_document(instance_hash)
        if document is None:
            return None
        try:
            instance = instance_from_document(parse_json(document, instance_hash))
        except InputError:
            return None
        if instance.content_hash != instance_hash:
            return None
        if own is not None:
            own[instance_hash] = checksum(document)
        return instance

    return find


def claims_of(row: Row) -> Claims:
    """Return what a row claims."""
    return Claims(
        Termination(row.termination),
        SolutionStatus(row.status),
        row.objective_claimed,
        row.bound,
        row.plan,
        row.guarantee,
        row.trajectory,
        row.statistics,
    )


class Again:
    """A judge of rows that remembers plans it has seen: methods give the same ones many times.

    Parameters
    ----------
    instance_of
        An instance by its hash; None where it is not to be had, and rows of it stay unjudged.
    """

    def __init__(self, instance_of: Callable[[str], Instance | None]) -> None:
        self.instance_of = instance_of
        self._plans: dict[tuple[str, bytes], JudgedPlan] = {}
        self._least: dict[str, BestKnown | None] = {}

    def refuted(self, row: Row) -> Row | None:
        """Return the row with the verdict that it deserves, None where what it says can stand.

        One that was called wrong stays wrong: whoever did may have known more.
        """
        instance = self.instance_of(row.instance_hash)
        if row.verdict == Verdict.WRONG:
            return None
        reason = _beyond_its_kind(row)
        if instance is None:
            return None if reason is None else _marked(row, reason)
        judged = self._plan(instance, row)
        found = judge(
            instance, claims_of(row), row.relative_gap, self._known(instance, row), judged
        )
        reason = reason or _differs(row, found)
        return None if reason is None else _marked(row, reason, found)

    def _plan(self, instance: Instance, row: Row) -> JudgedPlan:
        if row.plan is None:
            return JudgedPlan()
        key = (row.instance_hash, canonical(row.plan))
        if key not in self._plans:
            if len(self._plans) >= _PLANS_HELD:
                self._plans.clear()
            self._plans[key] = judge_plan(instance, row.plan)
        return self._plans[key]

    def _known(self, instance: Instance, row: Row) -> BestKnown | None:
        """Return a plan to hold bounds against that takes milliseconds to find."""
        proves = row.bound is not None or row.status == SolutionStatus.INFEASIBLE
        if not proves or not isinstance(instance, CiftInstance):
            return None
        if row.instance_hash not in self._least:
            plan = witness(instance)
            self._least[row.instance_hash] = (
                None
                if plan.plan is None
                else BestKnown(plan.objective_j, source="by shortest paths")
            )
        return self._least[row.instance_hash]


def judge_row(row: Row, instance: Instance, known: BestKnown | None) -> Row:
    """Return a row that a worker sent with what this judge says of it."""
    found = judge(instance, claims_of(row), row.relative_gap, known)
    plan = None if found.plan is None else found.plan.to_document()
    return dataclasses.replace(_figures(row, found), plan=plan)


def _figures(row: Row, found: Judgement) -> Row:
    relaxed = row.status == SolutionStatus.RELAXED
    return dataclasses.replace(
        row,
        objective=found.objective,
        violations=found.violations,
        gap=None if relaxed else finite_gap(found.objective, row.bound),
        verdict=str(found.verdict),
        verdict_reason=found.reason,
    )


def finite_gap(objective: float | None, bound: float | None) -> float | None:
    """Return the gap, None where it is infinite (an objective of 0 above its bound)."""
    value = gap(objective, bound)
    return None if value is None or value in (float("inf"), float("-inf")) else value


def _marked(row: Row, reason: str, found: Judgement | None = None) -> Row:
    judged = row if found is None else _figures(row, found)
    return dataclasses.replace(judged, verdict=str(Verdict.WRONG), verdict_reason=reason)


def _beyond_its_kind(row: Row) -> str | None:
    """Return why a method of ours cannot have said what a row claims."""
    if row.method_source is not None or (row.method, row.problem) not in _PROMISE_NOTHING:
        return None
    kind = (row.guarantee or {}).get("kind")
    claims = {
        "a bound": row.bound is not None,
        f"the status {row.status}": row.status in ("optimal", "infeasible", "relaxed"),
        f"a guarantee ({kind})": kind in ("exact", "approximation"),
    }
    said = [name for name, there in claims.items() if there]
    return f"{row.method} proves nothing, and the row has {said[0]}" if said else None


def _differs(row: Row, found: Judgement) -> str | None:
    """Return what a row says of itself that the judge denies."""
    if found.verdict is Verdict.WRONG:
        return found.reason
    if row.objective is not None:
        if found.objective is None:
            return f"the row says {row.objective!r}, and there is no plan"
        if not values_agree(row.objective, found.objective):
            return f"the row says {row.objective!r} for a plan that costs {found.objective!r}"
    if found.violations and not row.violations:
        first = found.violations[0]
        return f"the plan breaks {first['constraint']}, and the row says nothing of it"
    if row.verdict == Verdict.RIGHT and found.verdict is not Verdict.RIGHT:
        return f"the row is called right, and the judge says: {found.verdict}"
    right = None if row.status == "relaxed" else finite_gap(found.objective, row.bound)
    if row.gap is not None and (right is None or abs(row.gap - right) > TOLERANCES.agreement):
        return f"the row says a gap of {row.gap!r}; it is {right!r}"
    return None
