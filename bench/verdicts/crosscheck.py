"""Hold all runs of an instance against each other.

A plan that the judge found feasible is a fact, whoever found it. So every contradiction has
somebody who is refuted: a bound above the plan, a proof that there is none, a guarantee that
the plan breaks, an entry of the registry.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from splitopt.bench.store.rows import Verdict
from splitopt.bench.store.store import BestKnown
from splitopt.bench.verdicts.known import merged
from splitopt.instances.core.tolerances import TOLERANCES, not_above


class Claimed(Protocol):
    """What of a row is held against others: rows are it, and so is less than a row."""

    @property
    def key(self) -> str:
        """Of the run."""

    @property
    def instance_hash(self) -> str:
        """Of the instance."""

    @property
    def instance_name(self) -> str:
        """Of the instance."""

    @property
    def method(self) -> str:
        """Its name."""

    @property
    def seed(self) -> int:
        """Given to it."""

    @property
    def status(self) -> str:
        """What it claims to have."""

    @property
    def relative_gap(self) -> float:
        """At which it might stop."""

    @property
    def objective(self) -> float | None:
        """By the judge."""

    @property
    def bound(self) -> float | None:
        """Claimed."""

    @property
    def guarantee(self) -> Mapping[str, Any] | None:
        """Promised."""

    @property
    def verdict(self) -> str:
        """Of the judge."""

    @property
    def verdict_reason(self) -> str | None:
        """Of the judge."""

    @property
    def violations(self) -> Sequence[object]:
        """Found by the judge."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two statements on one instance that cannot both hold.

    Attributes
    ----------
    kind
        ``judged wrong``, ``bound above a plan``, ``infeasible with a plan``,
        ``guarantee broken``, ``optima disagree`` or ``registry``.
    refuted
        Key of the row that is wrong; None when it is the registry.
    by
        Key of the row that refutes it; None when it is the judge or the registry.
    """

    kind: str
    instance_hash: str
    instance_name: str
    method: str
    statement: str
    refuted: str | None
    by: str | None


def is_feasible(row: Claimed) -> bool:
    """Return whether the judge found the row's plan feasible."""
    return row.objective is not None and not row.violations


def _named(row: Claimed) -> str:
    return f"{row.method} (seed {row.seed})" if row.seed else row.method


def _guaranteed_factor(row: Claimed) -> float | None:
    """Return the factor of the optimum that the row promises, None where it promises none."""
    found = row.guarantee or {}
    if found.get("reference_deadlines") or found.get("kind") not in ("exact", "approximation"):
        return None
    factor = found.get("factor")
    return float(factor) if isinstance(factor, int | float) else None


def _bound_refuted(known: BestKnown, best: float | None, who: str) -> str | None:
    """Return what speaks against the bound known, None where nothing does."""
    bound, value = known.bound, known.objective
    if bound is None:
        return None
    if best is not None and not not_above(bound, best, TOLERANCES.bound):
        return f"its bound {bound!r} is above the plan of {who}: {best!r}"
    if value is not None and not not_above(bound, value, TOLERANCES.bound):
        return f"its bound {bound!r} is above its own plan: {value!r}"
    return None


def _may_disagree(proven: list[Claimed]) -> bool:
    """Return whether any two optima may: the pairs of a thousand seeds are a million."""
    values = [row.objective for row in proven if row.objective is not None]
    if len(values) < 2:
        return False
    least = TOLERANCES.agreement + 2 * min(row.relative_gap for row in proven)
    low, high = min(values), max(values)
    return low < 0 or not not_above(high, low, least)


def _of_instance(rows: list[Claimed], known: BestKnown | None) -> Iterator[Contradiction]:
    first = rows[0]

    def found(kind: str, row: Claimed | None, statement: str, by: str | None) -> Contradiction:
        return Contradiction(
            kind,
            first.instance_hash,
            first.instance_name,
            row.method if row is not None else "registry",
            statement,
            row.key if row is not None else None,
            by,
        )

    plans = [(row.objective, _named(row), row.key) for row in rows if is_feasible(row)]
    best, who, by = min(
        ((p, n, k) for p, n, k in plans if p is not None),
        default=(None, "", None),
        key=lambda entry: entry[0],
    )
    if known is not None:
        if best is not None and known.infeasible:
            yield found("registry", None, f"says infeasible; {who} has a plan: {best!r}", by)
        statement = _bound_refuted(known, best, who)
        if statement is not None:
            yield found("registry", None, statement, by)
        if known.objective is not None and (best is None or known.objective < best):
            best, who, by = known.objective, known.source, None
    refuted = set()
    for row in rows:
        refutation = _refutation(row, best, who)
        if refutation is not None:
            refuted.add(row.key)
            yield found(*refutation, None if row.verdict == Verdict.WRONG else by)
    proven = [r for r in rows if r.status == "optimal" and r.key not in refuted]
    for low, high in _disagreeing(proven):
        yield found(
            "optima disagree",
            high,
            f"{_named(high)} proves {high.objective!r}, {_named(low)} proves {low.objective!r}",
            low.key,
        )


def _refutation(row: Claimed, best: float | None, who: str) -> tuple[str, Claimed, str] | None:
    """Return what refutes a row, as kind, row and statement; None if nothing does.

    Parameters
    ----------
    best, who
        The least objective of a plan that is known, None if none is, and who has it.
    """
    name = _named(row)
    if row.verdict == Verdict.WRONG:
        return "judged wrong", row, f"{name}: {row.verdict_reason}"
    if best is None:
        return None
    if row.bound is not None and not not_above(row.bound, best, TOLERANCES.bound):
        said = f"{name} has the bound {row.bound!r}; {who} has a plan: {best!r}"
        return "bound above a plan", row, said
    if row.status == "infeasible":
        said = f"{name} says there is no plan; {who} has one: {best!r}"
        return "infeasible with a plan", row, said
    if row.objective is not None and (factor := _guaranteed_factor(row)) is not None:
        slack = factor * (1.0 + max(row.relative_gap, TOLERANCES.agreement))
        if not not_above(row.objective, slack * best, TOLERANCES.bound) and best >= 0:
            said = (
                f"{name} promises {factor:g} times the optimum and has {row.objective!r}; "
                f"{who} has a plan: {best!r}"
            )
            return "guarantee broken", row, said
    return None


def _disagreeing(proven: list[Claimed]) -> Iterator[tuple[Claimed, Claimed]]:
    """Yield pairs of proven optima that differ, the lower first; each as the higher once."""
    refuted: set[str] = set()
    for one, other in itertools.combinations(proven, 2) if _may_disagree(proven) else ():
        low, high = sorted((one, other), key=lambda row: row.objective or 0.0)
        if low.objective is None or high.objective is None or high.key in refuted:
            continue
        tolerance = TOLERANCES.agreement + low.relative_gap + high.relative_gap
        if not not_above(high.objective, low.objective, tolerance):
            refuted.add(high.key)
            yield low, high


def cross_check(
    rows: Iterable[Claimed],
    best_known: Mapping[str, BestKnown] | None = None,
    *,
    registry: bool = True,
) -> list[Contradiction]:
    """Return every contradiction among rows of the same instance, and with the registry.

    Parameters
    ----------
    rows
        Rows of any number of instances; heavy fields are not read.
    best_known
        What is known from elsewhere, by instance hash.
    registry
        Whether the suite's best-known registry counts too.
    """
    groups: dict[str, list[Claimed]] = defaultdict(list)
    for row in rows:
        groups[row.instance_hash].append(row)
    known = merged(groups, best_known) if registry else dict(best_known or {})
    return [
        contradiction
        for key, group in groups.items()
        for contradiction in _of_instance(group, known.get(key))
    ]
