"""The criteria that parts of claims are judged by, over a sweep of bandwidths.

A criterion names a rule, which reads a `Sweep` and gives a `Finding`; where a method it needs is
missing, the part is not tested, and says so. "Others" are the article's other methods that are in
the sweep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from splitopt.bench.studies.claims.thresholds import (
    CONSIDERABLE,
    LEVEL,
    MOST,
    PLENTY,
    SAME,
    SCARCE,
    SLIGHT,
    VISIBLE,
)
from splitopt.bench.studies.claims.verdicts import Finding, Verdict, beats, share, slightly

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Sweep:
    """Figures of the article's methods over a range of bandwidths.

    Attributes
    ----------
    bandwidth_mbit_per_s
        Ascending, shape (K,).
    figures
        Method to measure (``latency_s``, ``energy_j``, ``cost``: sums over the devices) to
        values, shape (K,). Only the article's methods; a method that did not run is absent.
    """

    bandwidth_mbit_per_s: Floats
    figures: Mapping[str, Mapping[str, Floats]]

    def of(self, method: str, measure: str, above: float = 0.0) -> Floats:
        """Return a method's figures at the bandwidths above `above`."""
        return self.figures[method][measure][self.bandwidth_mbit_per_s > above]

    def others(self, method: str, measure: str, above: float = 0.0) -> Floats:
        """Return the figures of all other methods, shape (methods, points)."""
        return np.stack([self.of(m, measure, above) for m in self.figures if m != method])


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a part is judged by.

    Attributes
    ----------
    rule
        Name of a function below that is in `RULES`; any other is judged where the runs are.
    needs
        Methods that must be in the sweep; the claim is on the first.
    above
        In Mbit/s: only figures at bandwidths above count.
    factor
        Of `above_most`: by how much figures are above; visibly by default.
    """

    rule: str
    needs: tuple[str, ...] = ()
    measure: str = ""
    above: float = 0.0
    factor: float = 1.0 + VISIBLE

    def curves(self, sweep: Sweep) -> list[Floats]:
        """Return the figures of the methods needed, each of shape (points,)."""
        return [sweep.of(method, self.measure, self.above) for method in self.needs]

    def against_all(self, sweep: Sweep) -> tuple[Floats, Floats]:
        """Return the figures of the first method, and of all others: shape (methods, points)."""
        asked = (self.needs[0], self.measure, self.above)
        return sweep.of(*asked), sweep.others(*asked)


def slightly_better(asked: Criterion, sweep: Sweep) -> Finding:
    """Judge whether one method is slightly better than another."""
    return slightly(*asked.curves(sweep))


def better_than_all(asked: Criterion, sweep: Sweep) -> Finding:
    """Judge whether one method is better than the best of some, bandwidth by bandwidth."""
    mine, *others = asked.curves(sweep)
    return beats(mine, np.min(others, axis=0))


def above_most(asked: Criterion, sweep: Sweep) -> Finding:
    """Judge whether a method is above more than half of the others, by a factor."""
    mine, others = asked.against_all(sweep)
    least = others * asked.factor
    beyond = mine > least if asked.factor < 1.1 else mine >= least
    return share(
        beyond.mean(axis=0) > MOST,
        methods_below=float(beyond.mean() * len(others)) if mine.size else None,
        median_ratio=_median_ratio(mine, np.median(others, axis=0)),
    )


def below_most_slightly(asked: Criterion, sweep: Sweep) -> Finding:
    """Judge whether a method is below more than half of the others: visibly, yet by a little."""
    mine, others = asked.against_all(sweep)
    below = mine < others * (1.0 - VISIBLE)
    advantage = (1.0 - mine / others)[below] if mine.size else np.array([])
    median = float(np.median(advantage)) if advantage.size else None
    found = share(
        below.mean(axis=0) > MOST,
        methods_above=float(below.mean() * len(others)) if mine.size else None,
        median_advantage=median,
    )
    if found.verdict is Verdict.HOLDS and median is not None and median > SLIGHT:
        return Finding(Verdict.IN_PART, found.figures, "below, but not slightly")
    return found


def lowest(asked: Criterion, sweep: Sweep) -> Finding:
    """Judge whether no other method is visibly below a method."""
    mine, others = asked.against_all(sweep)
    least = others.min(axis=0)
    return share(mine * (1.0 - VISIBLE) <= least, median_ratio=_median_ratio(mine, least))


def slow_when_scarce(asked: Criterion, sweep: Sweep) -> Finding:
    """Judge whether a method is at `CONSIDERABLE` times the least of the others up to `SCARCE`."""
    mine, others = asked.against_all(sweep)
    scarce = sweep.bandwidth_mbit_per_s <= SCARCE
    mine, least = mine[scarce], others[:, scarce].min(axis=0)
    ratio = mine / least
    return share(
        ratio >= CONSIDERABLE,
        median_ratio=_median_ratio(mine, least),
        ratio_at_least_bandwidth=float(ratio[0]) if ratio.size else None,
    )


def about_the_same(asked: Criterion, sweep: Sweep) -> Finding:
    """Judge whether two methods are about the same."""
    one, other = asked.curves(sweep)
    return share(
        np.abs(one - other) <= SAME * np.maximum(one, other),
        median_ratio=_median_ratio(one, other),
    )


def levels_off(asked: Criterion, sweep: Sweep) -> Finding:
    """Judge whether every curve is flat from a bandwidth on: points are methods."""
    flat = sweep.bandwidth_mbit_per_s >= asked.above
    if np.count_nonzero(flat) < 2:
        return Finding(Verdict.UNTESTED, {}, "fewer than two points")
    curves = [figures[asked.measure][flat] for figures in sweep.figures.values()]
    falls = [1.0 - float(curve[-1] / curve[0]) for curve in curves]
    return share(np.array(falls) <= LEVEL, largest_fall=max(falls, default=None))


def matches_plenty(asked: Criterion, sweep: Sweep) -> Finding:
    """Judge whether a method short of bandwidth is no worse than the others are with plenty.

    Points are triples: a scarce bandwidth, another method, an ample bandwidth.
    """
    mine, others = asked.against_all(sweep)
    scarce = sweep.bandwidth_mbit_per_s <= SCARCE
    ample = sweep.bandwidth_mbit_per_s >= PLENTY
    ratio = mine[scarce][:, None, None] / others[:, ample][None]
    return share(
        ratio <= 1.0 + SAME,
        median_ratio=float(np.median(ratio)) if ratio.size else None,
    )


RULES = {
    rule.__name__: rule
    for rule in (
        slightly_better, better_than_all, above_most, below_most_slightly, lowest,
        slow_when_scarce, about_the_same, levels_off, matches_plenty,
    )
}  # fmt: skip


def _median_ratio(mine: Floats, others: Floats) -> float | None:
    known = others > 0
    return float(np.median(mine[known] / others[known])) if np.any(known) else None


def judge(criterion: Criterion, sweep: Sweep) -> Finding:
    """Return a part's finding; not tested where a method it needs is missing."""
    missing = [name for name in criterion.needs if name not in sweep.figures]
    if missing:
        return Finding(Verdict.UNTESTED, {}, "missing: " + ", ".join(missing))
    if criterion.rule not in RULES:
        return Finding(Verdict.UNTESTED, {}, "not tested on a sweep")
    return RULES[criterion.rule](criterion, sweep)
