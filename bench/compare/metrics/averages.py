"""Averages of times, and the distance of a plan from the best one known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np


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

    What is solved after its limit is a failure too.
    """
    if len(times_s) != len(solved) or not times_s:
        raise ValueError("one time and one outcome a run, at least one run")
    charged = [
        t if ok and t <= limit_s else factor * limit_s
        for t, ok in zip(times_s, solved, strict=True)
    ]
    return math.fsum(charged) / len(charged)


def gap_to_best(objective: float | None, best: float | None) -> float | None:
    """Return ``(objective - best) / |best|``: 0 at the best, None where one is unknown.

    Infinite where the best is 0 and the objective is not. Negative where the objective is
    better than the best known.
    """
    if objective is None or best is None:
        return None
    difference = objective - best
    if difference == 0.0:
        return 0.0
    return difference / abs(best) if best != 0.0 else math.copysign(math.inf, difference)
