"""Paired comparisons with bootstrap percentile intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from splitopt.instances.core.errors import InputError

# Beyond it the mean of a resample is drawn from the normal distribution it has in the limit.
_MANY_SEEDS = 100
# As many are drawn at a time: they stay in the processor's cache.
_PICKS = 1 << 16
Floats = npt.NDArray[np.float64]
Rows = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with a bootstrap percentile interval.

    Attributes
    ----------
    estimate, low, high, level
        The figure, the ends of its interval, and the share of resamples between them.
    pairs
        What it rests on.
    over
        What was resampled: ``seeds`` within each instance, or ``instances``.
    """

    estimate: float
    low: float
    high: float
    level: float
    pairs: int
    over: Literal["seeds", "instances"] = "seeds"


def _interval(rows: list[Floats], rng: np.random.Generator, level: float, count: int) -> Interval:
    """Return the mean over rows of their means, and the interval of its resamples."""
    if not rows:
        raise ValueError("at least one instance")
    if not 0.0 < level < 1.0:
        raise InputError("level", level, "0 < level < 1", "give 0.95")
    means = np.array([np.add.reduce(row) / row.size for row in rows])
    # Seeds say something where instances have several; a few that do must not speak for all.
    over: Literal["seeds", "instances"] = (
        "seeds" if 2 * sum(row.size > 1 for row in rows) > len(rows) else "instances"
    )
    if over == "seeds":
        draws = np.zeros(count)
        for size, alike in itertools.groupby(rows, key=lambda row: row.size):
            if size > _MANY_SEEDS:
                for row in alike:
                    # What the mean of so many draws is distributed as, for a hundredth of the work.
                    draws += rng.normal(row.mean(), row.std() / math.sqrt(size), count)
            else:
                _add_means(draws, list(alike), rng)
        draws /= len(rows)
    else:
        picks = rng.integers(0, means.size, size=(count, means.size))
        draws = means[picks].mean(axis=1)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    pairs = sum(row.size for row in rows)
    return Interval(float(means.mean()), float(low), float(high), level, pairs, over)


def _add_means(draws: Floats, rows: Sequence[Floats], rng: np.random.Generator) -> None:
    """Add to each draw the mean of a resample of each row; rows are of one size.

    Picks come in one order whatever `_PICKS` is. A resample of a row of equal figures is the row.
    """
    size, count = rows[0].size, draws.size
    step = max(1, _PICKS // (count * size))
    for k in range(0, len(rows), step):
        here = rows[k : k + step]
        picks = rng.integers(0, size, size=(len(here), count, size))
        for row, mine in zip(here, picks, strict=True):
            # What `mean`, `min` and `max` do, without a check of arguments for each of many rows.
            alike = np.minimum.reduce(row) == np.maximum.reduce(row)
            found = row if alike else row.take(mine)
            draws += np.add.reduce(found, axis=-1) / size


def _paired(first: Rows, second: Rows) -> list[tuple[Floats, Floats]]:
    found = []
    for left, right in zip(first, second, strict=True):
        a, b = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
        if a.shape != b.shape or a.size == 0:
            raise ValueError("one pair a seed, at least one seed an instance")
        found.append((a, b))
    return found


def paired_ratio(
    first: Rows,
    second: Rows,
    rng: np.random.Generator,
    *,
    shift: float = 0.0,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Return by what factor `second` differs from `first`, with an interval over seeds.

    The estimate is the geometric mean over instances of the geometric mean over seeds of
    ``(second + shift) / (first + shift)``. The interval resamples the seeds of each instance,
    pairs kept together. Where most instances have but one seed it resamples instances: it
    then speaks of other instances of the kind rather than of other seeds.

    Parameters
    ----------
    first, second
        One row an instance, one positive figure a seed, paired; rows may differ in length.
    rng
        Generator of the resamples.

    Raises
    ------
    InputError
        For a figure that is not above 0 once shifted.
    """
    logs = []
    for a, b in _paired(first, second):
        if bool((a + shift <= 0).any()) or bool((b + shift <= 0).any()):
            raise InputError("figures", "a value <= 0", "figures above 0", "give a shift above 0")
        logs.append(np.log(b + shift) - np.log(a + shift))
    found = _interval(logs, rng, level, resamples)
    return Interval(
        math.exp(found.estimate),
        math.exp(found.low),
        math.exp(found.high),
        found.level,
        found.pairs,
        found.over,
    )


def paired_difference(
    first: Rows,
    second: Rows,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Return by how much `second` exceeds `first`, with an interval as in `paired_ratio`.

    The estimate is the mean over instances of the mean over seeds of ``second - first``. With
    1 for a run that is right and 0 for one that is not, it is the difference of two shares.
    """
    return _interval([b - a for a, b in _paired(first, second)], rng, level, resamples)
