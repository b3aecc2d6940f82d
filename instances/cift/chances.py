"""Times at the confidence asked for: what the judge holds against the deadlines in doubt.

Scenarios: a deadline tau holds with probability p exactly where the p-quantile of the time is at
most tau. The time of fine-tuning is proportional to the passes, so the pairs of a scenario and a
number of epochs are the whole distribution of T_ft.

Means and variances: over all distributions that have them, ``P(T <= tau) >= p`` holds exactly where
``mean + sqrt(p / (1 - p)) sd <= tau`` (Cantelli 1928); in rationals, where ``mean <= tau`` and
``p variance <= (1 - p) (tau - mean)^2``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

from splitopt.instances.cift.doubt import Draw, quantile
from splitopt.instances.cift.model import CiftInstance, Configuration

Number = TypeVar("Number", float, Fraction)


class Moments(NamedTuple, Generic[Number]):
    """T_inf and T_ft of a plan in one draw."""

    latency: Number
    time: Number


class Assured(NamedTuple, Generic[Number]):
    """Both times at the confidences asked for, and the draws (and passes) they stand in."""

    latency: Number
    time: Number
    latency_draw: Draw
    time_draw: Draw
    passes: int


def assured(
    instance: CiftInstance,
    chosen: Configuration,
    moments: Callable[[Draw, int], Moments[Number]],
) -> Assured[Number]:
    """Return the quantiles of both times; of a spread, the means.

    Parameters
    ----------
    moments
        What the plan takes in a draw at a number of passes.
    """
    doubt, samples = instance.doubt, instance.samples_per_epoch(chosen)
    passes = instance.assured_passes(chosen)
    draws = instance.draws
    if doubt is None or len(draws) == 1:
        found = moments(draws[0], passes)
        return Assured(found.latency, found.time, draws[0], draws[0], passes)
    share_inf, share_ft = doubt.confidences()
    once = [moments(draw, samples) for draw in draws]
    latency, k = quantile(
        (((m.latency, k), draws[k].weight) for k, m in enumerate(once)), share_inf
    )
    epochs = instance.epochs_in_doubt(chosen)
    _, j, most = quantile(
        (
            ((times * m.time, j, times), draws[j].weight * weight)
            for j, m in enumerate(once)
            for times, weight in epochs.items()
        ),
        share_ft,
    )
    time = moments(draws[j], most * samples).time
    return Assured(latency, time, draws[k], draws[j], most * samples)


def cantelli(limit: Fraction, mean: Fraction, variance: Fraction, share: Fraction) -> bool:
    """Return whether every distribution with these moments keeps a limit with probability p."""
    return mean <= limit and share * variance <= (1 - share) * (limit - mean) ** 2


def surcharge(variance: float, share: Fraction) -> float:
    """Return what Cantelli's bound adds to the mean, in floating point."""
    return math.sqrt(variance * float(share / (1 - share)))
