"""Go through placements of a restricted kind and keep the cheapest feasible plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

from splitopt.heuristics.baselines.cift.chances import charged
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


def hosts_of(instance: CiftInstance, placement: Placement) -> list[Host]:
    """Return the hosts of a placement, with the work of their segments."""
    chain, route, segments = placement
    hosts = []
    for at, first, last in segments:
        node = instance.nodes[instance.node_index[route.nodes[at]]]
        hosts.append(Host(node, chain.work(first, last, node)))
    return hosts


def _at_rate(instance: CiftInstance, hosts: list[Host]) -> list[Host]:
    """Return the hosts with the least speeds at which they sustain the throughput."""
    rate = instance.throughput_per_s
    if rate is None:
        return hosts
    return [host._replace(least=host.work_flop * rate / (1 + SLACK)) for host in hosts]


def settle(instance: CiftInstance, placement: Placement) -> _Settled | None:
    """Return the cheapest speeds of a placement, None where it cannot be feasible."""
    chain, route, segments = placement
    hosts = hosts_of(instance, placement)
    for host, (_, first, last) in zip(hosts, segments, strict=True):
        if chain.memory_excess(host.node, first, last) > 0:
            return None
    if route.narrow > 0:
        return None
    serving, tuning = _schedules(instance, placement, hosts)
    if serving is None or (tuning is None and chain.trained):
        return None
    energy = route.energy_j + serving.energy_j + (0.0 if tuning is None else tuning.energy_j)
    return _Settled(energy, serving, tuning)


def _schedules(
    instance: CiftInstance, placement: Placement, hosts: list[Host]
) -> tuple[Schedule | None, Schedule | None]:
    """Return the cheapest speeds of both phases; None where none keep the deadline."""
    chain, route, _ = placement
    found: list[Schedule | None] = [None, None]
    for phase, (passes, pace, spent, limit) in enumerate(
        (
            (chain.requests, 1.0, route.latency_s, instance.inference_deadline_s),
            (
                chain.compute_passes,
                chain.compute_timed,
                route.time_s,
                instance.fine_tuning_deadline_s,
            ),
        )
    ):
        if phase == 1 and not chain.trained:
            continue
        allowed = None if limit is None else limit * (1 + SLACK)
        if chain.chances is not None and allowed is not None:
            schedule = chain.chances.schedule(phase, route.times, hosts, passes, allowed)
        else:
            at = _at_rate(instance, hosts) if phase == 0 else hosts
            slack = None if allowed is None else allowed - spent
            schedule = cheapest_schedule(at, passes, pace, slack)
        found[phase] = schedule
        if schedule is None:
            break
    return found[0], found[1]


def excesses(instance: CiftInstance, placement: Placement) -> tuple[list[float], _Settled]:
    """Return all relative excesses of a placement at top speeds, and those speeds."""
    chain, route, segments = placement
    hosts = hosts_of(instance, placement)
    over = [
        chain.memory_excess(host.node, first, last)
        for host, (_, first, last) in zip(hosts, segments, strict=True)
    ]
    over.append(route.narrow)
    serving = fastest_schedule(hosts, chain.requests, 1.0)
    rate = instance.throughput_per_s
    if rate is not None:
        over += [
            excess(h.work_flop / f * rate, 1.0) for h, f in zip(hosts, serving.speeds, strict=True)
        ]
    energy = route.energy_j + serving.energy_j
    over.append(excess(_taken(placement, hosts, serving, 0), instance.inference_deadline_s))
    if not chain.trained:
        return over, _Settled(energy, serving, None)
    tuning = fastest_schedule(hosts, chain.compute_passes, chain.compute_timed)
    over.append(excess(_taken(placement, hosts, tuning, 1), instance.fine_tuning_deadline_s))
    return over, _Settled(energy + tuning.energy_j, serving, tuning)


def _taken(placement: Placement, hosts: list[Host], schedule: Schedule, phase: int) -> float:
    """Return the time of a phase, at the confidence asked for."""
    chain, route, _ = placement
    if chain.chances is not None:
        return chain.chances.taken(phase, route.times, hosts, schedule.speeds)
    return (route.time_s if phase else route.latency_s) + schedule.time_s


def violation(instance: CiftInstance, placement: Placement) -> tuple[float, _Settled]:
    """Return the worst relative excess of a placement at top speeds, and those speeds."""
    over, settled = excesses(instance, placement)
    return max(over), settled


def top_latency(instance: CiftInstance, placement: Placement) -> float:
    """Return T_inf with every host at its top speed."""
    hosts = hosts_of(instance, placement)
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
    priced = charged(instance)
    settled = settle(priced, placement) or violation(priced, placement)[1]
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
        stops[at] = stop_between(chain.model, chain.ends.sets, route.nodes[at], first, last, speeds)
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
    priced, network = charged(instance), Network(instance)
    best: tuple[float, CiftPlan | None] = (math.inf, None)
    tried = 0

    def stop() -> bool:
        return recorder.remaining_s(budget) == 0.0

    def limit() -> float:
        return best[0]

    for bound, chain in ranked_chains(priced):
        if bound >= best[0] or stop():
            break
        for placement in placements(priced, network, chain, limit, stop, strict=True):
            tried += 1
            settled = settle(priced, placement)
            if settled is not None and settled.energy_j < best[0]:
                best = (settled.energy_j, _plan(placement, settled))
                recorder.note(settled.energy_j, plan=best[1])
    statistics = {"placements": tried}
    if best[1] is None:
        best = _least_violating(priced, network, placements, stop)
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
