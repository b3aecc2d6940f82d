"""Go through placements of a restricted kind and keep the cheapest feasible plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

from splitopt.heuristics.baselines.cift.data import SLACK, Chain, excess, ranked_chains
from splitopt.heuristics.baselines.cift.routes import Network, Route
from splitopt.heuristics.baselines.cift.speeds import (
    Host,
    Schedule,
    cheapest_schedule,
    fastest_schedule,
)
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, Stop, stop_between
from splitopt.instances.contract.method import Budget, Recorder, Result, Statistic, Termination
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.networks.downsets import downsets_of

__all__ = [
    "Placement",
    "Placements",
    "Segment",
    "conclude_placement",
    "exhaust",
    "make_plan",
    "settle",
    "top_latency",
    "violation",
]


class Segment(NamedTuple):
    """Blocks first+1..last on the node at this position of the route."""

    position: int
    first: int
    last: int


class Placement(NamedTuple):
    """A configuration, a route from its source, and the segments along it."""

    chain: Chain
    route: Route
    segments: tuple[Segment, ...]


class Placements(Protocol):
    """A restricted kind of placement: what a baseline can represent."""

    def __call__(
        self,
        instance: CiftInstance,
        network: Network,
        chain: Chain,
        energy_limit_j: Callable[[], float],
        stop: Callable[[], bool],
        *,
        strict: bool,
    ) -> Iterator[Placement]:
        """Yield placements of one configuration.

        With `strict` those that no speeds make feasible may be left out, and so may those
        that take `energy_limit_j` or more.
        """


class _Settled(NamedTuple):
    energy_j: float
    serving: Schedule
    tuning: Schedule | None


def _hosts(instance: CiftInstance, placement: Placement) -> list[Host]:
    chain, route, segments = placement
    return [
        Host(instance.nodes[instance.node_index[route.nodes[at]]], chain.work(first, last))
        for at, first, last in segments
    ]


def settle(instance: CiftInstance, placement: Placement) -> _Settled | None:
    """Return the cheapest speeds of a placement, None where it cannot be feasible."""
    chain, route, segments = placement
    hosts = _hosts(instance, placement)
    for host, (_, first, last) in zip(hosts, segments, strict=True):
        if chain.memory_excess(host.node, first, last) > 0:
            return None
    slacks = [
        None if limit is None else limit * (1 + SLACK) - spent
        for limit, spent in (
            (instance.inference_deadline_s, route.latency_s),
            (instance.fine_tuning_deadline_s, route.time_s),
        )
    ]
    serving = cheapest_schedule(hosts, chain.requests, 1.0, slacks[0])
    if serving is None:
        return None
    if not chain.trained:
        return _Settled(route.energy_j + serving.energy_j, serving, None)
    passes = chain.compute_passes
    tuning = cheapest_schedule(hosts, passes, passes, slacks[1])
    if tuning is None:
        return None
    return _Settled(route.energy_j + serving.energy_j + tuning.energy_j, serving, tuning)


def violation(instance: CiftInstance, placement: Placement) -> tuple[float, _Settled]:
    """Return the worst relative excess of a placement at top speeds, and those speeds."""
    chain, route, segments = placement
    hosts = _hosts(instance, placement)
    worst = max(
        chain.memory_excess(host.node, first, last)
        for host, (_, first, last) in zip(hosts, segments, strict=True)
    )
    serving = fastest_schedule(hosts, chain.requests, 1.0)
    worst = max(worst, excess(route.latency_s + serving.time_s, instance.inference_deadline_s))
    energy = route.energy_j + serving.energy_j
    if not chain.trained:
        return worst, _Settled(energy, serving, None)
    passes = chain.compute_passes
    tuning = fastest_schedule(hosts, passes, passes)
    worst = max(worst, excess(route.time_s + tuning.time_s, instance.fine_tuning_deadline_s))
    return worst, _Settled(energy + tuning.energy_j, serving, tuning)


def top_latency(instance: CiftInstance, placement: Placement) -> float:
    """Return T_inf with every host at its top speed."""
    hosts = _hosts(instance, placement)
    return placement.route.latency_s + fastest_schedule(hosts, 1.0, 1.0).time_s


def conclude_placement(
    instance: CiftInstance,
    placement: Placement,
    recorder: Recorder,
    budget: Budget,
    termination: Termination,
    statistics: Mapping[str, Statistic],
) -> Result:
    """Return the result of a placement with the cheapest speeds, the fastest where none fit."""
    settled = settle(instance, placement) or violation(instance, placement)[1]
    return conclude(
        instance,
        _plan(placement, settled),
        recorder,
        budget,
        termination=termination,
        statistics=statistics,
    )


def make_plan(
    placement: Placement, serving: tuple[float, ...], tuning: tuple[float, ...] | None
) -> CiftPlan:
    """Return the plan of a placement with the speeds of its hosts in both phases."""
    chain, route, segments = placement
    stops = [Stop(name, 0) for name in route.nodes]
    for k, (at, first, last) in enumerate(segments):
        speeds = serving[k], None if tuning is None else tuning[k]
        sets = downsets_of(chain.model)
        stops[at] = stop_between(chain.model, sets, route.nodes[at], first, last, speeds)
    return CiftPlan.of(chain.configuration, tuple(stops))


def _plan(placement: Placement, settled: _Settled) -> CiftPlan:
    tuning = None if settled.tuning is None else settled.tuning.speeds
    return make_plan(placement, settled.serving.speeds, tuning)


def exhaust(
    instance: CiftInstance, placements: Placements, budget: Budget, recorder: Recorder
) -> Result:
    """Return the cheapest plan over all placements, or else the one that violates least.

    Without a feasible plan every placement is tried once more at top speeds; the result then
    has status none, since a restricted kind of placement proves nothing.
    """
    network = Network(instance)
    best: tuple[float, CiftPlan | None] = (math.inf, None)
    tried = 0

    def stop() -> bool:
        return recorder.remaining_s(budget) == 0.0

    def limit() -> float:
        return best[0]

    for bound, chain in ranked_chains(instance):
        if bound >= best[0] or stop():
            break
        for placement in placements(instance, network, chain, limit, stop, strict=True):
            tried += 1
            settled = settle(instance, placement)
            if settled is not None and settled.energy_j < best[0]:
                best = (settled.energy_j, _plan(placement, settled))
                recorder.note(settled.energy_j, plan=best[1])
    statistics = {"placements": tried}
    if best[1] is None:
        best = _least_violating(instance, network, placements, stop)
    termination = Termination.TIME if stop() else Termination.SOLVED
    if best[1] is None:
        return nothing_found(recorder, termination=termination, statistics=statistics)
    return conclude(
        instance, best[1], recorder, budget, termination=termination, statistics=statistics
    )


def _least_violating(
    instance: CiftInstance, network: Network, placements: Placements, stop: Callable[[], bool]
) -> tuple[float, CiftPlan | None]:
    """Return the least violation and its plan."""
    best: tuple[float, float] = (math.inf, math.inf)
    plan = None
    for _, chain in ranked_chains(instance):
        if stop():
            break
        for placement in placements(instance, network, chain, lambda: math.inf, stop, strict=False):
            worst, settled = violation(instance, placement)
            if plan is None or (worst, settled.energy_j) < best:
                best = (worst, settled.energy_j)
                plan = _plan(placement, settled)
    return best[0], plan
