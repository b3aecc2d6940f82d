"""What is known of each instance, from all its rows and from the registry together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from splitopt.bench.store.store import BestKnown
from splitopt.bench.verdicts.crosscheck import Claimed, is_feasible
from splitopt.bench.verdicts.known import merged
from splitopt.instances.core.tolerances import TOLERANCES, gap


@dataclass(frozen=True, slots=True)
class Reference:
    """What is known of an instance.

    Attributes
    ----------
    objective
        Of the best plan that the judge found feasible, or the registry's where that is better.
    bound
        Largest bound that no plan refutes.
    infeasible
        Whether it is proven, and not refuted, that there is no plan.
    holder
        Whose plan it is.
    """

    objective: float | None
    bound: float | None
    infeasible: bool
    holder: str | None

    @property
    def proven(self) -> bool:
        """Whether the optimum, or that there is none, is known."""
        distance = gap(self.objective, self.bound)
        return self.infeasible or (distance is not None and distance <= TOLERANCES.optimality)


def references(
    rows: Iterable[Claimed],
    best_known: Mapping[str, BestKnown] | None = None,
    refuted: frozenset[str] = frozenset(),
) -> dict[str, Reference]:
    """Return what is known of every instance that has a row, by hash.

    Parameters
    ----------
    best_known
        What is known from elsewhere; the suite's best-known registry counts in any case.
    refuted
        Keys of rows whose bounds and proofs do not count.
    """
    rows = list(rows)
    known = merged((row.instance_hash for row in rows), best_known)
    found: dict[str, Reference] = {}
    for row in rows:
        here = found.get(row.instance_hash)
        if here is None:
            start = known.get(row.instance_hash, BestKnown())
            holder = start.source if start.objective is not None else None
            here = Reference(start.objective, start.bound, start.infeasible, holder)
        objective, bound, holder = here.objective, here.bound, here.holder
        value = row.objective if is_feasible(row) else None
        if value is not None and (objective is None or value < objective):
            objective, holder = value, row.method
        infeasible = here.infeasible
        if row.key not in refuted:
            if row.bound is not None and (bound is None or row.bound > bound):
                bound = row.bound
            infeasible = infeasible or row.status == "infeasible"
        found[row.instance_hash] = Reference(objective, bound, infeasible, holder)
    return found
