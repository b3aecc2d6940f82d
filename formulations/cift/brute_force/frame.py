"""What the enumerations of CIFT share: the clock, the best plan, and the order of plans."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from splitopt.formulations.cift.brute_force.plans import Data, Placement, deadline
from splitopt.instances.cift.model import CiftInstance, Configuration
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.contract.method import Budget, Recorder


def plan_of(
    instance: CiftInstance,
    g: Configuration,
    data: Data,
    placement: Placement,
    inference: Sequence[float],
    tuning: Sequence[float] | None,
) -> CiftPlan:
    """Return the plan of a placement at speeds host by host."""
    stops = []
    position = done = 0
    for node, then in zip(*placement, strict=True):
        if then == done:
            stops.append(Stop(instance.nodes[node].name, 0))
            continue
        second = None if tuning is None else tuning[position]
        count, names = _hosted(data, done, then)
        stops.append(Stop(instance.nodes[node].name, count, inference[position], second, names))
        position += 1
        done = then
    return CiftPlan(g.model, g.compression, g.source, g.fraction, tuple(stops))


def _hosted(data: Data, done: int, then: int) -> tuple[int, tuple[str, ...]]:
    """Return how many blocks lead from one state to the next, and their names in a graph."""
    if data.names is None:
        return then - done, ()
    names = tuple(name for name in data.names[then] if name not in set(data.names[done]))
    return len(names), names


# Node, blocks, their names in a graph, inference speed, fine-tuning speed, stop by stop.
Order = tuple[tuple[int, int, tuple[str, ...], float, float], ...]


class OutOfTimeError(Exception):
    """The time limit has passed."""


class Enumeration:
    """What both enumerations share: the clock and the best plan."""

    def __init__(self, instance: CiftInstance, budget: Budget, recorder: Recorder) -> None:
        self.instance = instance
        self.budget = budget
        self.recorder = recorder
        self.plan: CiftPlan | None = None
        self.lower_j = 0.0
        self.visited = 0
        self.latency_limit = deadline(instance.inference_deadline_s)
        self.tuning_limit = deadline(instance.fine_tuning_deadline_s)

    def late(self) -> bool:
        """Count a placement, and return whether time was up before it."""
        if self.recorder.remaining_s(self.budget) == 0:
            return True
        self.visited += 1
        return False


def order_of(
    data: Data, placement: Placement, inference: tuple[float, ...], tuning: tuple[float, ...]
) -> Order:
    """Return the plan's place in lexicographic order: node, blocks, speeds, stop by stop."""
    first, second = iter(inference), iter(tuning)
    rows: list[tuple[int, int, tuple[str, ...], float, float]] = []
    done = 0
    for node, then in zip(*placement, strict=True):
        if then == done:
            rows.append((node, 0, (), 0.0, 0.0))
            continue
        rows.append((node, *_hosted(data, done, then), next(first), next(second, 0.0)))
        done = then
    return tuple(rows)


def rounded_down(value: Fraction) -> float:
    """Return the greatest double that is not above a value."""
    near = float(value)
    return near if Fraction(near) <= value else math.nextafter(near, -math.inf)
