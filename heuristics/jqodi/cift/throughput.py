"""The least energy at each throughput, and the highest throughput there is.

With listed speeds the least energy is a rising step function of the requests a second asked for. A
step ends where its plan's busiest stage is just in time: the next search asks for a little more.
With continuous speeds the same walk goes on in factors of 1 + epsilon. Each search is one of JQODI,
so that the walk is exact, or within epsilon, as that is. The highest throughput is where no plan is
left; where the time ends the walk first, doubling and halving find it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from splitopt.heuristics.jqodi.cift.front import rules_of
from splitopt.heuristics.jqodi.cift.network import Instance
from splitopt.heuristics.jqodi.cift.search import Search
from splitopt.instances.cift.doubt import refuse_doubt
from splitopt.instances.cift.judge import evaluate_cift, highest_throughput_per_s
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, Recorder, Termination
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES

_BEYOND = 1.0 + 2.0 * TOLERANCES.deadline  # more than the judge lets pass
_CLOSE = 1e-6  # relative, of the highest throughput by halving
_SHARE = 0.8  # of the time limit, for the walk
_COARSE = 0.01  # error allowed where any plan will do


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One step: the cheapest plan up to the throughput that it sustains.

    Attributes
    ----------
    throughput_per_s
        Requests a second that it sustains; infinite where nothing takes time.
    energy_j
        Its energy.
    busiest
        The host or link that sets its throughput.
    """

    throughput_per_s: float
    energy_j: float
    busiest: str
    plan: CiftPlan

    def to_document(self) -> dict[str, object]:
        """Return the point as plain data."""
        rate = self.throughput_per_s
        return {
            "throughput_per_s": rate if math.isfinite(rate) else None,
            "energy_j": self.energy_j,
            "busiest": self.busiest,
            "plan": self.plan.to_document(),
        }


@dataclass(frozen=True, slots=True)
class ThroughputFront:
    """Energy against throughput, by rising throughput; energy rises.

    Attributes
    ----------
    epsilon
        0 for every step.
    complete
        False when the time was up first: steps are missing.
    highest_per_s
        The highest throughput there is; None where that is not known or nothing bounds it.
    runtime_s
        Seconds taken.
    """

    epsilon: float
    points: tuple[RatePoint, ...]
    complete: bool
    highest_per_s: float | None
    runtime_s: float

    def to_document(self) -> dict[str, object]:
        """Return the front as plain data."""
        return {
            "axis": "throughput",
            "epsilon": self.epsilon,
            "complete": self.complete,
            "highest_per_s": self.highest_per_s,
            "runtime_s": self.runtime_s,
            "points": [point.to_document() for point in self.points],
        }


def throughput_front(
    instance: CiftInstance, epsilon: float = 0.0, time_limit_s: float | None = None
) -> ThroughputFront:
    """Return the front of energy against throughput; deadlines stay as the instance has them.

    Parameters
    ----------
    epsilon
        0 for every step (listed speeds only), else the error allowed, and the least factor
        between throughputs.

    Raises
    ------
    InputError
        For epsilon < 0, or 0 with continuous speeds; for a network in doubt.
    """
    if not epsilon >= 0 or not math.isfinite(epsilon):
        raise InputError("epsilon", epsilon, "a number >= 0", "give 0 for every step")
    if epsilon == 0 and instance.has_continuous_speeds:
        raise InputError("epsilon", 0, "a number > 0 where speeds are continuous", "give 0.01, say")
    refuse_doubt(instance, "the front of energy against throughput", {"epochs"})
    recorder, budget = Recorder(), Budget(time_limit_s)
    points: list[RatePoint] = []
    asked: float | None = None
    step = max(_BEYOND, 1.0 + epsilon)
    complete, highest = True, None
    while True:
        left = recorder.remaining_s(budget)
        if left is not None and left <= (1 - _SHARE) * budget.time_limit_s:  # type: ignore[operator]
            complete = False
            break
        plan, done = _cheapest(instance, asked, epsilon, left)
        if plan is None:
            complete &= done
            if done and points:
                highest = points[-1].throughput_per_s
            break
        point = _point(instance, plan)
        # With an error allowed a faster plan may be cheaper, too: what it beats goes.
        while points and points[-1].energy_j >= point.energy_j:
            points.pop()
        points.append(point)
        if not math.isfinite(point.throughput_per_s):
            break
        asked = point.throughput_per_s * step
    if points and highest is None and (not complete or epsilon > 0):
        highest = _highest(instance, points[-1].throughput_per_s, recorder, budget)
    return ThroughputFront(epsilon, tuple(points), complete, highest, recorder.elapsed_s)


def highest_throughput(instance: CiftInstance, time_limit_s: float | None = None) -> float | None:
    """Return the highest throughput there is within the deadlines, to a relative 1e-6.

    None where there is no plan, or the time was too short; infinite where nothing takes time.

    Raises
    ------
    InputError
        For a network in doubt.
    """
    refuse_doubt(instance, "the highest throughput", {"epochs"})
    recorder, budget = Recorder(), Budget(time_limit_s)
    plan, _ = _cheapest(instance, None, _COARSE, time_limit_s)
    if plan is None:
        return None
    known = highest_throughput_per_s(instance.replace(throughput_per_s=None), plan)
    return known if known == math.inf else _highest(instance, known, recorder, budget)


def _cheapest(
    instance: CiftInstance, rate: float | None, epsilon: float, left: float | None
) -> tuple[CiftPlan | None, bool]:
    """Return the cheapest plan at a throughput, and whether the search was finished."""
    asked = instance.replace(throughput_per_s=rate)
    search = Search(Instance(asked), rules_of(asked, epsilon), Budget(left), Recorder())
    search.go()
    return search.plan, search.termination is Termination.SOLVED


def _point(instance: CiftInstance, plan: CiftPlan) -> RatePoint:
    free = instance.replace(throughput_per_s=None)
    cost = evaluate_cift(free, plan)
    delays = {f"{link.tail} -> {link.head}": link.delay_s for link in instance.links}
    busy = {s.where: s.inference_latency_s - delays.get(s.where, 0.0) for s in cost.stages}
    busiest = max(busy, key=lambda where: busy[where])
    return RatePoint(highest_throughput_per_s(free, plan), cost.objective, busiest, plan)


def _highest(
    instance: CiftInstance, known: float, recorder: Recorder, budget: Budget
) -> float | None:
    """Return the highest throughput to a relative 1e-6; None where the time was too short."""
    low, high = known, math.inf
    while high > low * (1.0 + _CLOSE):
        left = recorder.remaining_s(budget)
        if left == 0 or low > 1e40:
            return None
        middle = 2.0 * low if high == math.inf else math.sqrt(low) * math.sqrt(high)
        plan, done = _cheapest(instance, middle, _COARSE, left)
        if plan is not None:
            low = max(middle, highest_throughput_per_s(instance, plan))
        elif done:
            high = middle
        else:
            return None
    return low
