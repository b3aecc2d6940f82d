"""Metrics of runs, each a pure function of figures; docs/rows.md says which row gives which.

A failure is an infinite cost (profiles) or counts at a penalty (averages); it is never left
out, and never a fast time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from instances.errors import InputError
from instances.tolerances import TOLERANCES

__all__ = [
    "Interval",
    "StepFunction",
    "data_profile",
    "gap_to_best",
    "paired_ratio",
    "penalised_average",
    "performance_profile",
    "primal_dual_integral",
    "primal_gap",
    "primal_integral",
    "shifted_geometric_mean",
    "virtual_best",
]

Floats = npt.NDArray[np.float64]
Point = tuple[float, float | None, float | None]


def shifted_geometric_mean(values: Iterable[float], shift: float = 10.0) -> float:
    """Return ``exp(mean ln max(1, t + s)) - s``.

    Large values count less than in the mean, and the shift keeps tiny ones from counting more
    than they deserve.

    Parameters
    ----------
    values
        Times in s, say; failures already at their penalty. At least one.
    shift
        s >= 0, in the unit of the values.
    """
    array = np.asarray(list(values), dtype=np.float64)
    if array.size == 0:
        raise ValueError("the mean of nothing")
    return float(np.exp(np.mean(np.log(np.maximum(1.0, array + shift)))) - shift)


def penalised_average(
    times_s: Sequence[float], solved: Sequence[bool], limit_s: float, factor: float = 10.0
) -> float:
    """Return the mean time with each failure at `factor` times the limit: PAR2, PAR10.

    A run that overran its limit and still solved counts with its time.
    """
    if len(times_s) != len(solved) or not times_s:
        raise ValueError("one time and one outcome a run, at least one run")
    charged = [t if ok else factor * limit_s for t, ok in zip(times_s, solved, strict=True)]
    return math.fsum(charged) / len(charged)


def gap_to_best(objective: float | None, best: float | None) -> float | None:
    """Return ``(objective - best) / |best|``: 0 at the best, None where one is unknown.

    Infinite where the best is 0 and the objective is not. Negative where the objective is
    better than the best known.
    """
    if objective is None or best is None:
        return None
    difference = objective - best
    if abs(difference) <= TOLERANCES.absolute:
        return 0.0
    return difference / abs(best) if best != 0.0 else math.copysign(math.inf, difference)


# -- profiles ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepFunction:
    """A share of instances that rises with x: `y[k]` from `x[k]` on, 0 before ``x[0]``."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, at: float) -> float:
        """Return the share at `at`."""
        index = int(np.searchsorted(self.x, at, side="right"))
        return 0.0 if index == 0 else self.y[index - 1]


def _distribution(values: Floats) -> StepFunction:
    """Return the share of `values` that are at most x; infinite ones never are."""
    finite = np.sort(values[np.isfinite(values)])
    x, counts = np.unique(finite, return_counts=True)
    y = np.cumsum(counts) / len(values)
    return StepFunction(tuple(x.tolist()), tuple(y.tolist()))


def _table(costs: Mapping[str, Sequence[float]]) -> tuple[list[str], Floats]:
    names = list(costs)
    table = np.array([costs[name] for name in names], dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise ValueError("one cost an instance for every method, at least one instance")
    if bool(np.isnan(table).any()) or bool((table < 0).any()):
        raise ValueError("a cost is >= 0, infinite for a failure")
    return names, table


def performance_profile(
    costs: Mapping[str, Sequence[float]], floor: float = 0.0
) -> dict[str, StepFunction]:
    """Return the Dolan-More performance profile of each method.

    ``rho_m(tau)``: the share of instances on which the cost of method m is at most tau times
    the least cost of any method. Instances that no method solves count in the share.

    Parameters
    ----------
    costs
        Cost by method, one an instance in the same order, infinite for a failure.
    floor
        Costs below it count as it: what lies below the clock's resolution is no advantage.

    Notes
    -----
    With more than two methods the profiles do not rank the methods below the best: leaving
    one out can swap two others (Gould and Scott, 2016). Read the order with care.
    """
    names, table = _table(costs)
    table = np.maximum(table, floor)
    best = table.min(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(np.isfinite(table), table / best, np.inf)
    # 0 / 0: as good as the best.
    ratios[np.isfinite(table) & (table == best)] = 1.0
    return {name: _distribution(ratios[k]) for k, name in enumerate(names)}


def data_profile(
    costs: Mapping[str, Sequence[float]], sizes: Sequence[float] | None = None
) -> dict[str, StepFunction]:
    """Return the data profile of each method: the share of instances solved within a budget.

    ``d_m(x)``: the share of instances whose cost is at most ``x * (n + 1)`` (More and Wild,
    2009), n the size of the instance; without `sizes` at most x, the plain distribution of
    costs, which does not depend on the other methods.
    """
    names, table = _table(costs)
    if sizes is not None:
        scale = np.asarray(sizes, dtype=np.float64) + 1.0
        if scale.shape != table.shape[1:] or bool((scale < 1.0).any()):
            raise ValueError("one size >= 0 an instance")
        table = table / scale
    return {name: _distribution(table[k]) for k, name in enumerate(names)}


def virtual_best(costs: Mapping[str, Sequence[float]]) -> list[float]:
    """Return the least cost of any method, by instance: what choosing well would give."""
    return [float(value) for value in _table(costs)[1].min(axis=0)]


# -- integrals -----------------------------------------------------------------------------


def primal_gap(value: float | None, reference: float | None) -> float:
    """Return the gap in 0..1 between two figures as Berthold (2013) defines it.

    1 where one is unknown or their signs differ, 0 where both are 0, else
    ``|value - reference| / max(|value|, |reference|)``.
    """
    if value is None or reference is None:
        return 1.0
    if abs(value - reference) <= TOLERANCES.absolute:
        return 0.0
    if value * reference < 0.0:
        return 1.0
    return abs(value - reference) / max(abs(value), abs(reference))


def _integral(points: Sequence[tuple[float, float]], horizon_s: float) -> float:
    """Return the integral over 0..horizon of a step function that is 1 before its first point."""
    total, since, height = 0.0, 0.0, 1.0
    for time_s, value in points:
        at = min(max(time_s, since), horizon_s)
        total += height * (at - since)
        since, height = at, value
    return total + height * (horizon_s - since)


def primal_integral(trajectory: Sequence[Point], best: float | None, horizon_s: float) -> float:
    """Return the integral of the primal gap over 0..horizon in s; small is early and good.

    Parameters
    ----------
    trajectory
        (time in s, incumbent, bound), by time; None where unknown.
    best
        Objective of the best plan known.
    horizon_s
        Its upper end, the time limit: runs that end earlier keep their last gap.
    """
    return _integral(
        [(t, primal_gap(incumbent, best)) for t, incumbent, _ in trajectory], horizon_s
    )


def primal_dual_integral(trajectory: Sequence[Point], horizon_s: float) -> float:
    """Return the integral of the gap between incumbent and bound over 0..horizon in s."""
    return _integral(
        [(t, primal_gap(incumbent, bound)) for t, incumbent, bound in trajectory], horizon_s
    )


# -- paired comparisons --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with a bootstrap percentile interval; `pairs` is what it rests on."""

    estimate: float
    low: float
    high: float
    level: float
    pairs: int


def paired_ratio(
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    rng: np.random.Generator,
    *,
    shift: float = 0.0,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Return by what factor `second` differs from `first`, with an interval over seeds.

    The estimate is the geometric mean over instances of the geometric mean over seeds of
    ``(second + shift) / (first + shift)``. The interval resamples the seeds of each instance,
    pairs kept together; where no instance has more than one seed it resamples instances, so
    that it then speaks of other instances of the kind rather than of other seeds.

    Parameters
    ----------
    first, second
        One row an instance, one positive figure a seed, paired; rows may differ in length.
    rng
        Generator of the resamples.
    """
    logs = []
    for left, right in zip(first, second, strict=True):
        a, b = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
        if a.shape != b.shape or a.size == 0:
            raise ValueError("one pair a seed, at least one seed an instance")
        if bool((a + shift <= 0).any()) or bool((b + shift <= 0).any()):
            raise InputError("figures", "a value <= 0", "figures above 0", "give a shift above 0")
        logs.append(np.log(b + shift) - np.log(a + shift))
    if not logs:
        raise ValueError("at least one instance")
    estimate = float(np.mean([row.mean() for row in logs]))
    if max(row.size for row in logs) > 1:
        draws = np.zeros(resamples)
        for row in logs:
            picks = rng.integers(0, row.size, size=(resamples, row.size))
            draws += row[picks].mean(axis=1)
        draws /= len(logs)
    else:
        means = np.array([row[0] for row in logs])
        picks = rng.integers(0, means.size, size=(resamples, means.size))
        draws = means[picks].mean(axis=1)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        math.exp(estimate),
        math.exp(float(low)),
        math.exp(float(high)),
        level,
        sum(row.size for row in logs),
    )
