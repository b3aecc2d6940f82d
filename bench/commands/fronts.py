"""What tables of fronts say in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from splitopt.heuristics.jqodi.cift.front import EnergyFront
    from splitopt.heuristics.jqodi.cift.throughput import ThroughputFront
    from splitopt.instances.cift.plan import CiftPlan

_Point = TypeVar("_Point")


def hosts(plan: CiftPlan) -> str:
    """Return who hosts how many blocks of a plan."""
    return " > ".join(f"{stop.node} {stop.blocks}" for stop in plan.hosts)


def steps(front: EnergyFront | ThroughputFront) -> str:
    """Return how many steps a front has, and which."""
    kind = "every step" if front.epsilon == 0 else f"within {front.epsilon:g}"
    if not front.complete:
        kind = "a part of the steps: the time was up"
    return f"{len(front.points)} steps ({kind})"


def thinned(points: Sequence[_Point], most: int) -> Sequence[_Point]:
    """Return at most so many points, spread evenly, both ends among them."""
    if len(points) <= most:
        return points
    return [points[round(k * (len(points) - 1) / (most - 1))] for k in range(most)]
