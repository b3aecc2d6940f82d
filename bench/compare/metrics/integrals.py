"""Integrals of gaps over time: early and good counts, not the end alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Point = tuple[float, float | None, float | None]


def primal_gap(value: float | None, reference: float | None) -> float:
    """Return the gap in 0..1 between two figures as Berthold (2013) defines it.

    1 where one is unknown or their signs differ, 0 where both are 0, else
    ``|value - reference| / max(|value|, |reference|)``.
    """
    if value is None or reference is None:
        return 1.0
    if value == reference:
        return 0.0
    if value * reference < 0.0:
        return 1.0
    return abs(value - reference) / max(abs(value), abs(reference))


def step_integral(points: Iterable[tuple[float, float]], horizon_s: float) -> float:
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
    return step_integral(
        [(t, primal_gap(incumbent, best)) for t, incumbent, _ in trajectory], horizon_s
    )


def primal_dual_integral(trajectory: Sequence[Point], horizon_s: float) -> float:
    """Return the integral of the gap between incumbent and bound over 0..horizon in s."""
    return step_integral(
        [(t, primal_gap(incumbent, bound)) for t, incumbent, bound in trajectory], horizon_s
    )
