"""``random`` for CIFT: the best of many random plans.

A sample is a random configuration, a random walk from its source, random cuts of the chain over the
nodes passed, and random speeds; where a deadline is missed, hosts are raised to their top speed in
random order until it holds. Every plan can come up; none is likely to be good.
"""

from __future__ import annotations

import math

import numpy as np

from splitopt.heuristics.baselines.cift.data import Chain, excess
from splitopt.heuristics.baselines.cift.routes import Route
from splitopt.heuristics.baselines.cift.search import Placement, Segment, make_plan
from splitopt.instances.cift.model import CiftInstance, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    Result,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found

__all__ = ["METHOD", "RandomPlans"]


class RandomPlans(Framed[CiftInstance, CiftPlan]):
    """The cheapest feasible of `samples` random plans."""

    name = "random"
    options = (Option("samples", 1000, "plans to draw", minimum=1, maximum=10**9),)

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the best plan drawn; without a feasible one, the least violating."""
        samples = int(run.options["samples"])
        rng = np.random.default_rng(run.seed)
        chains: dict[int, Chain] = {}
        best, plan = (math.inf, math.inf), None
        drawn = feasible = 0
        while instance.configurations and drawn < samples:
            if run.stopped:
                break
            drawn += 1
            g = int(rng.integers(len(instance.configurations)))
            if g not in chains:
                chains[g] = Chain.of(instance, instance.configurations[g])
            placement = _draw_placement(instance, chains[g], rng)
            worst, energy, candidate = _draw_speeds(instance, placement, rng)
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
    cuts = [0, *sorted(rng.integers(chain.length, size=len(links)).tolist()), chain.length]
    energy = latency = time = 0.0
    segments = []
    for at in range(len(nodes)):
        if at > 0:
            hop = chain.hop(links[at - 1], chain.bits[cuts[at]])
            energy += hop.energy_j
            latency += hop.latency_s
            time += hop.time_s
        if cuts[at + 1] > cuts[at]:
            segments.append(Segment(at, cuts[at], cuts[at + 1]))
    return Placement(chain, Route(energy, latency, time, tuple(nodes)), tuple(segments))


def _draw_speed(node: Node, rng: np.random.Generator) -> float:
    speeds = node.speeds_flop_per_s
    if not isinstance(speeds, SpeedInterval):
        return speeds[int(rng.integers(len(speeds)))]
    drawn = math.exp(rng.uniform(math.log(speeds.low), math.log(speeds.high)))
    return min(max(drawn, speeds.low), speeds.high)


def _top_speed(node: Node) -> float:
    speeds = node.speeds_flop_per_s
    return speeds.high if isinstance(speeds, SpeedInterval) else speeds[-1]


def _time(works: list[float], speeds: list[float]) -> float:
    return sum(work / speed for work, speed in zip(works, speeds, strict=True))


def _draw_speeds(
    instance: CiftInstance, placement: Placement, rng: np.random.Generator
) -> tuple[float, float, CiftPlan]:
    """Return the worst relative excess, the energy, and the plan with random speeds."""
    chain, route, segments = placement
    nodes = [instance.nodes[instance.node_index[route.nodes[at]]] for at, _, _ in segments]
    works = [chain.work(first, last) for _, first, last in segments]
    worst = max(
        chain.memory_excess(node, first, last)
        for node, (_, first, last) in zip(nodes, segments, strict=True)
    )
    energy = route.energy_j
    chosen: list[tuple[float, ...] | None] = []
    for passes, pace, spent, limit in (
        (float(chain.requests), 1.0, route.latency_s, instance.inference_deadline_s),
        (
            chain.compute_passes,
            chain.compute_passes,
            route.time_s,
            instance.fine_tuning_deadline_s,
        ),
    ):
        if pace == 0:
            chosen.append(None)
            continue
        speeds = [_draw_speed(node, rng) for node in nodes]
        for raised in rng.permutation(len(nodes)).tolist():
            if excess(spent + pace * _time(works, speeds), limit) == 0:
                break
            speeds[raised] = _top_speed(nodes[raised])
        worst = max(worst, excess(spent + pace * _time(works, speeds), limit))
        energy += passes * sum(
            work * (node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f)
            for node, work, f in zip(nodes, works, speeds, strict=True)
        )
        chosen.append(tuple(speeds))
    serving, tuning = chosen
    assert serving is not None
    return worst, energy, make_plan(placement, serving, tuning)


METHOD = RandomPlans()
