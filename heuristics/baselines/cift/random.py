"""``random`` for CIFT: the best of many random plans.

A sample is a random configuration, a random walk from its source, random cuts of the network over
the nodes passed, and random speeds; those that are too slow for the throughput become the top
speed, and where a deadline is missed, hosts are raised to it in random order until it holds. Every
plan can come up; none is likely to be good.
"""

from __future__ import annotations

import math

import numpy as np

from splitopt.heuristics.baselines.cift.chances import charged
from splitopt.heuristics.baselines.cift.data import Chain, excess
from splitopt.heuristics.baselines.cift.routes import Route
from splitopt.heuristics.baselines.cift.search import Placement, Segment, hosts_of, make_plan
from splitopt.heuristics.baselines.cift.speeds import Host
from splitopt.heuristics.baselines.cift.states import random_cuts
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND, CiftInstance, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    Result,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found


class RandomPlans(Framed[CiftInstance, CiftPlan]):
    """The cheapest feasible of `samples` random plans."""

    name = "random"
    takes = BEYOND
    doubt = KINDS
    options = (Option("samples", 1000, "plans to draw", minimum=1, maximum=10**9),)

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the best plan drawn; without a feasible one, the least violating."""
        samples = int(run.options["samples"])
        rng = np.random.default_rng(run.seed)
        priced = charged(instance)
        chains: dict[int, Chain] = {}
        best, plan = (math.inf, math.inf), None
        drawn = feasible = 0
        while instance.configurations and drawn < samples:
            if run.stopped:
                break
            drawn += 1
            g = int(rng.integers(len(instance.configurations)))
            if g not in chains:
                chains[g] = Chain.of(priced, priced.configurations[g])
            placement = _draw_placement(priced, chains[g], rng)
            worst, energy, candidate = _draw_speeds(priced, placement, rng)
            feasible += worst == 0
            if plan is None or (worst, energy) < best:
                best, plan = (worst, energy), candidate
                if worst == 0:
                    run.recorder.note(energy, plan=candidate)
        termination = Termination.SOLVED if drawn == samples else Termination.TIME
        if not instance.configurations:
            termination = Termination.SOLVED
        statistics = {"samples": drawn, "feasible": feasible}
        if plan is None:
            return nothing_found(run.recorder, termination=termination, statistics=statistics)
        return conclude(
            instance, plan, run.recorder, run.budget, termination=termination, statistics=statistics
        )


def _draw_placement(instance: CiftInstance, chain: Chain, rng: np.random.Generator) -> Placement:
    """Return a random walk with random cuts; its last node hosts at least one block."""
    nodes = [chain.configuration.source]
    links = []
    while True:
        leaving = instance.links_from[nodes[-1]]
        step = int(rng.integers(len(leaving) + 1))
        if step == len(leaving):
            break
        links.append(leaving[step])
        nodes.append(leaving[step].head)
    cuts = [0, *random_cuts(chain, len(links), rng), chain.length]
    route = Route(0.0, 0.0, 0.0, (nodes[0],))
    segments = []
    for at in range(len(nodes)):
        if at > 0:
            hop = chain.hop(links[at - 1], chain.bits[cuts[at]])
            route = route.further(hop, nodes[at])
        if cuts[at + 1] > cuts[at]:
            segments.append(Segment(at, cuts[at], cuts[at + 1]))
    return Placement(chain, route, tuple(segments))


def _draw_speed(node: Node, rng: np.random.Generator) -> float:
    speeds = node.speeds_flop_per_s
    if not isinstance(speeds, SpeedInterval):
        return speeds[int(rng.integers(len(speeds)))]
    drawn = math.exp(rng.uniform(math.log(speeds.low), math.log(speeds.high)))
    return min(max(drawn, speeds.low), speeds.high)


def _top_speed(node: Node) -> float:
    speeds = node.speeds_flop_per_s
    return speeds.high if isinstance(speeds, SpeedInterval) else speeds[-1]


def _time(placement: Placement, hosts: list[Host], speeds: list[float], phase: int) -> float:
    """Return the time of a phase, at the confidence asked for."""
    chain, route, _ = placement
    if chain.chances is not None:
        return chain.chances.taken(phase, route.times, hosts, tuple(speeds))
    pace, spent = (chain.compute_timed, route.time_s) if phase else (1.0, route.latency_s)
    seconds = sum(host.work_flop / speed for host, speed in zip(hosts, speeds, strict=True))
    return spent + pace * seconds


def _draw_speeds(
    instance: CiftInstance, placement: Placement, rng: np.random.Generator
) -> tuple[float, float, CiftPlan]:
    """Return the worst relative excess, the energy, and the plan with random speeds."""
    chain, route, segments = placement
    hosts = hosts_of(instance, placement)
    worst = max(
        chain.memory_excess(host.node, first, last)
        for host, (_, first, last) in zip(hosts, segments, strict=True)
    )
    worst = max(worst, route.narrow)
    energy = route.energy_j
    chosen: list[tuple[float, ...] | None] = []
    rate = instance.throughput_per_s
    for phase, (passes, limit) in enumerate(
        (
            (float(chain.requests), instance.inference_deadline_s),
            (chain.compute_passes, instance.fine_tuning_deadline_s),
        )
    ):
        if phase == 1 and not chain.trained:
            chosen.append(None)
            continue
        speeds = [_draw_speed(host.node, rng) for host in hosts]
        if phase == 0 and rate is not None:
            for k, host in enumerate(hosts):
                if excess(host.work_flop / speeds[k] * rate, 1.0) > 0:
                    speeds[k] = _top_speed(host.node)
                    worst = max(worst, excess(host.work_flop / speeds[k] * rate, 1.0))
        for raised in rng.permutation(len(hosts)).tolist():
            if excess(_time(placement, hosts, speeds, phase), limit) == 0:
                break
            speeds[raised] = _top_speed(hosts[raised].node)
        worst = max(worst, excess(_time(placement, hosts, speeds, phase), limit))
        energy += passes * sum(
            work * (node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f)
            for (node, work, _), f in zip(hosts, speeds, strict=True)
        )
        chosen.append(tuple(speeds))
    serving, tuning = chosen
    assert serving is not None
    return worst, energy, make_plan(placement, serving, tuning)


METHOD = RandomPlans()
