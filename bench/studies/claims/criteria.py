"""The criteria that parts of claims are judged by, over a sweep of bandwidths.

A criterion reads a `Sweep` and gives a `Finding`; where a method it needs is missing, the part is
not tested, and says so. "Others" are the article's other methods that are in the sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

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

__all__ = [
    "AboutTheSame",
    "AboveMost",
    "Beats",
    "BelowMostSlightly",
    "BeyondTheFastest",
    "Counted",
    "Criterion",
    "LevelsOff",
    "Lowest",
    "MatchesPlenty",
    "SlightlyBetter",
    "Sweep",
    "judge",
]

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


class Criterion(Protocol):
    """What a part is judged by."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""

    def judge(self, sweep: Sweep) -> Finding:
        """Return the verdict on a sweep that has what it needs."""


@dataclass(frozen=True, slots=True)
class SlightlyBetter:
    """`mine` is slightly better than `other`."""

    mine: str
    other: str
    measure: str

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""
        return (self.mine, self.other)

    def judge(self, sweep: Sweep) -> Finding:
        """Return the verdict on a sweep."""
        return slightly(sweep.of(self.mine, self.measure), sweep.of(self.other, self.measure))


@dataclass(frozen=True, slots=True)
class Beats:
    """`mine` is better than the best of `others`, bandwidth by bandwidth."""

    mine: str
    others: tuple[str, ...]
    measure: str
    above: float = 0.0

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""
        return (self.mine, *self.others)

    def judge(self, sweep: Sweep) -> Finding:
        """Return the verdict on a sweep."""
        best = np.min([sweep.of(m, self.measure, self.above) for m in self.others], axis=0)
        return beats(sweep.of(self.mine, self.measure, self.above), best)


@dataclass(frozen=True, slots=True)
class AboveMost:
    """`method` is above more than half of the others, by a factor (default: visibly)."""

    method: str
    measure: str
    factor: float = 1.0 + VISIBLE
    above: float = 0.0

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""
        return (self.method,)

    def judge(self, sweep: Sweep) -> Finding:
        """Return the verdict on a sweep."""
        mine = sweep.of(self.method, self.measure, self.above)
        others = sweep.others(self.method, self.measure, self.above)
        beyond = mine > others * self.factor if self.factor < 1.1 else mine >= others * self.factor
        return share(
            beyond.mean(axis=0) > MOST,
            methods_below=float(beyond.mean() * len(others)) if mine.size else None,
            median_ratio=_median_ratio(mine, np.median(others, axis=0)),
        )


@dataclass(frozen=True, slots=True)
class BelowMostSlightly:
    """`method` is visibly below more than half of the others, and below those by a little."""

    method: str
    measure: str
    above: float = 0.0

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""
        return (self.method,)

    def judge(self, sweep: Sweep) -> Finding:
        """Return the verdict on a sweep."""
        mine = sweep.of(self.method, self.measure, self.above)
        others = sweep.others(self.method, self.measure, self.above)
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


@dataclass(frozen=True, slots=True)
class Lowest:
    """No other method is visibly below `method`."""

    method: str
    measure: str
    above: float = 0.0

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""
        return (self.method,)

    def judge(self, sweep: Sweep) -> Finding:
        """Return the verdict on a sweep."""
        mine = sweep.of(self.method, self.measure, self.above)
        least = sweep.others(self.method, self.measure, self.above).min(axis=0)
        return share(mine * (1.0 - VISIBLE) <= least, median_ratio=_median_ratio(mine, least))


@dataclass(frozen=True, slots=True)
class BeyondTheFastest:
    """Up to a bandwidth, `method` is at `CONSIDERABLE` times the least of the others or more."""

    method: str
    measure: str
    up_to: float

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""
        return (self.method,)

    def judge(self, sweep: Sweep) -> Finding:
        """Return the verdict on a sweep."""
        here = sweep.bandwidth_mbit_per_s <= self.up_to
        mine = sweep.of(self.method, self.measure)[here]
        least = sweep.others(self.method, self.measure)[:, here].min(axis=0)
        ratio = mine / least
        return share(
            ratio >= CONSIDERABLE,
            median_ratio=_median_ratio(mine, least),
            ratio_at_least_bandwidth=float(ratio[0]) if ratio.size else None,
        )


@dataclass(frozen=True, slots=True)
class AboutTheSame:
    """Two methods' figures are about the same."""

    one: str
    other: str
    measure: str
    above: float = 0.0

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""
        return (self.one, self.other)

    def judge(self, sweep: Sweep) -> Finding:
        """Return the verdict on a sweep."""
        one = sweep.of(self.one, self.measure, self.above)
        other = sweep.of(self.other, self.measure, self.above)
        return share(
            np.abs(one - other) <= SAME * np.maximum(one, other),
            median_ratio=_median_ratio(one, other),
        )


@dataclass(frozen=True, slots=True)
class LevelsOff:
    """Every method's curve is flat above a bandwidth: points are methods."""

    measure: str
    above: float

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""
        return ()

    def judge(self, sweep: Sweep) -> Finding:
        """Return the verdict on a sweep."""
        flat = sweep.bandwidth_mbit_per_s >= self.above
        if np.count_nonzero(flat) < 2:
            return Finding(Verdict.UNTESTED, {}, "fewer than two points")
        falls = []
        for method in sweep.figures:
            curve = sweep.figures[method][self.measure][flat]
            falls.append(1.0 - float(curve[-1] / curve[0]))
        return share(np.array(falls) <= LEVEL, largest_fall=max(falls, default=None))


@dataclass(frozen=True, slots=True)
class MatchesPlenty:
    """`method` short of bandwidth is no worse than the others are with plenty.

    Points are triples: a scarce bandwidth, another method, an ample bandwidth.
    """

    method: str
    measure: str

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""
        return (self.method,)

    def judge(self, sweep: Sweep) -> Finding:
        """Return the verdict on a sweep."""
        scarce = sweep.bandwidth_mbit_per_s <= SCARCE
        ample = sweep.bandwidth_mbit_per_s >= PLENTY
        mine = sweep.of(self.method, self.measure)[scarce]
        theirs = sweep.others(self.method, self.measure)[:, ample]
        ratio = mine[:, None, None] / theirs[None]
        return share(
            ratio <= 1.0 + SAME,
            median_ratio=float(np.median(ratio)) if ratio.size else None,
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """Not on a sweep: judged where the runs are, by name."""

    name: str

    @property
    def needs(self) -> tuple[str, ...]:
        """Methods that must be in the sweep."""
        return ()

    def judge(self, sweep: Sweep) -> Finding:
        """Refuse: there is no sweep to judge by."""
        return Finding(Verdict.UNTESTED, {}, "not tested on a sweep")


def _median_ratio(mine: Floats, others: Floats) -> float | None:
    known: Sequence[bool] | npt.NDArray[np.bool_] = np.asarray(others) > 0
    return float(np.median(mine[known] / others[known])) if np.any(known) else None


def judge(criterion: Criterion, sweep: Sweep) -> Finding:
    """Return a part's finding; not tested where a method it needs is missing."""
    missing = [name for name in criterion.needs if name not in sweep.figures]
    if missing:
        return Finding(Verdict.UNTESTED, {}, "missing: " + ", ".join(missing))
    return criterion.judge(sweep)
