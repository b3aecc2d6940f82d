"""``fin`` for CIFT: shortest paths with latency rounded up to a grid of gamma levels.

FIN (INFOCOM 2024, arXiv 2404.08060) replicates each vertex over gamma levels of latency, rounds
each arc's latency w up to ceil(gamma w / limit) levels, and takes the cheapest path that reaches
the end within gamma levels. Rounding up keeps the deadline and may lose plans: no guarantee.

Here a vertex is (blocks done, node), an arc a segment at one serving speed or a hop, for each
configuration::

    V(b, n, k) = least energy with blocks 1..b done, on node n, at most k levels used

FIN has no fine-tuning: its energy is counted, each host at the speed that is cheapest for it, and
its time is not seen. For each configuration the path found is then given the cheapest speeds that
keep both deadlines; the cheapest of these plans is the result. Intervals of speeds are replaced by
a geometric grid. What it cannot represent: a fine-tuning deadline when it chooses the path, and
latencies finer than its grid.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.baselines.cift.data import Chain, excess, ranked_chains
from splitopt.heuristics.baselines.cift.routes import Network, Route
from splitopt.heuristics.baselines.cift.search import (
    Placement,
    Segment,
    conclude_placement,
    settle,
    violation,
)
from splitopt.heuristics.baselines.cift.speeds import Host, cheapest_schedule
from splitopt.instances.cift.model import BEYOND, CiftInstance, Link, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    Result,
    Termination,
)
from splitopt.instances.contract.outcome import nothing_found

Floats = npt.NDArray[np.float64]
# What is this close below a level is on it: times that rounding put a hair above.
_EDGE = 1e-9


class Fin(Framed[CiftInstance, CiftPlan]):
    """The cheapest path on a grid of latencies."""

    name = "fin"
    takes = BEYOND
    doubt = frozenset({"epochs"})
    options = (
        Option("gamma", 50, "levels of latency", minimum=1, maximum=100_000),
        Option("speed_levels", 8, "speeds tried of an interval", minimum=1, maximum=1000),
    )

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the cheapest plan found, or the least violating path."""
        chosen = run.options
        network = Network(instance)
        best: tuple[float, float] = (math.inf, math.inf)
        plan: Placement | None = None
        for bound, chain in ranked_chains(instance):
            if run.stopped:
                break
            if best[0] == 0.0 and bound >= best[1]:
                break
            grid = _Grid(
                instance, network, chain, int(chosen["gamma"]), int(chosen["speed_levels"])
            )
            placement = grid.cheapest_path()
            if placement is None:
                continue
            settled = settle(instance, placement)
            if settled is None:
                worst, fastest = violation(instance, placement)
                key = (worst, fastest.energy_j)
            else:
                key = (0.0, settled.energy_j)
                run.recorder.note(settled.energy_j)
            if plan is None or key < best:
                best, plan = key, placement
        ended = Termination.TIME if run.stopped else Termination.SOLVED
        if plan is None:
            return nothing_found(run.recorder, termination=ended)
        return conclude_placement(instance, plan, run.recorder, run.budget, ended, {})


class _Step(NamedTuple):
    """How a state was reached: from which node, how many blocks done there, levels used there."""

    node: str
    done: int
    level: int
    hosted: bool


class _Grid:
    """The grid of one configuration.

    ``arrived[n][b, k]`` is the least energy on arriving at n with b blocks done within k levels,
    ``hosted[n][b, k]`` the same with n's segment done; a hop may leave from either, unless blocks
    would then never be hosted. One node hosts at most one segment, since links have no cycle.
    """

    def __init__(
        self,
        instance: CiftInstance,
        network: Network,
        chain: Chain,
        gamma: int,
        speed_levels: int,
    ) -> None:
        self.instance = instance
        self.chain = chain
        self.limit_s = instance.inference_deadline_s
        self.levels = gamma if self.limit_s is not None else 0
        self.speed_levels = speed_levels
        shape = (chain.length + 1, self.levels + 1)
        self.order = network.order
        self.arrived = {name: np.full(shape, math.inf) for name in self.order}
        self.hosted = {name: np.full(shape, math.inf) for name in self.order}
        self.arrived[chain.configuration.source][0, :] = 0.0

    def _used(self, latency_s: float) -> int | None:
        """Return the levels a latency takes, None for more than there are."""
        if self.limit_s is None or latency_s == 0:
            return 0
        if self.limit_s == 0:
            return None
        exact = self.levels * latency_s / self.limit_s
        if exact > self.levels * (1 + _EDGE):
            return None
        return min(math.ceil(exact * (1 - _EDGE)), self.levels)

    def _speeds(self, node: Node) -> tuple[float, ...]:
        speeds = node.speeds_flop_per_s
        if not isinstance(speeds, SpeedInterval):
            return speeds
        if self.speed_levels == 1:
            return (speeds.high,)
        grid = np.geomspace(speeds.low, speeds.high, self.speed_levels).tolist()
        return tuple(min(max(f, speeds.low), speeds.high) for f in grid)

    def _segment(self, node: Node, first: int, last: int) -> list[tuple[int, float]]:
        """Return (levels, energy) of a segment for each speed, the undominated ones."""
        chain = self.chain
        work = chain.work(first, last, node)
        rate = chain.rate_per_s
        tuning = 0.0
        if chain.trained:
            cheapest = cheapest_schedule([Host(node, work)], chain.compute_passes, 1.0, None)
            assert cheapest is not None  # no deadline
            tuning = cheapest.energy_j
        options = []
        for f in self._speeds(node):
            if rate is not None and excess(work / f * rate, 1.0) > 0:
                continue
            used = self._used(work / f)
            if used is not None:
                joules = node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f
                options.append((used, chain.requests * work * joules + tuning))
        options.sort()
        kept: list[tuple[int, float]] = []
        for used, energy in options:
            if not kept or energy < kept[-1][1]:
                kept.append((used, energy))
        return kept

    def _host(self, name: str) -> None:
        """Relax every segment that the node could host."""
        node = self.instance.nodes[self.instance.node_index[name]]
        arrived, hosted = self.arrived[name], self.hosted[name]
        for first in range(self.chain.length):
            if not np.isfinite(arrived[first]).any():
                continue
            for last in self.chain.ends.after(first):
                if self.chain.memory_excess(node, first, last) > 0:
                    if self.chain.model.is_graph:
                        continue  # a later set may hold less
                    break
                for used, energy in self._segment(node, first, last):
                    reach = arrived[first, : self.levels + 1 - used] + energy
                    np.minimum(hosted[last, used:], reach, out=hosted[last, used:])

    def _hop(self, link: Link) -> None:
        """Relax a link for every number of blocks done but all."""
        for done in range(self.chain.length):
            hop = self.chain.hop(link, self.chain.bits[done])
            used = self._used(hop.latency_s)
            if used is None or hop.narrow > 0:
                continue
            leave = np.minimum(self.arrived[link.tail][done], self.hosted[link.tail][done])
            reach = leave[: self.levels + 1 - used] + hop.energy_j
            into = self.arrived[link.head][done, used:]
            np.minimum(into, reach, out=into)

    def cheapest_path(self) -> Placement | None:
        """Return the cheapest placement that ends within the grid, None where there is none."""
        for name in self.order:
            self._host(name)
            for link in self.instance.links_from[name]:
                self._hop(link)
        length = self.chain.length
        end = min(self.order, key=lambda name: float(self.hosted[name][length, -1]))
        if not math.isfinite(self.hosted[end][length, -1]):
            return None
        return self._trace(_Step(end, length, self.levels, True))

    def _trace(self, step: _Step) -> Placement:
        """Return the placement of the path that reaches a state, found backwards."""
        nodes = [step.node]
        segments: list[tuple[str, int, int]] = []
        while step.hosted or step.done > 0 or step.node != self.chain.configuration.source:
            before = self._before(step)
            if step.hosted:
                segments.append((step.node, before.done, step.done))
            if before.node != step.node:
                nodes.append(before.node)
            step = before
        nodes.reverse()
        route = Route(0.0, 0.0, 0.0, (nodes[0],))
        ends = {name: last for name, _, last in segments}
        done = 0
        for tail, head in itertools.pairwise(nodes):
            done = ends.get(tail, done)
            link = next(x for x in self.instance.links_from[tail] if x.head == head)
            hop = self.chain.hop(link, self.chain.bits[done])
            route = route.further(hop, head)
        return Placement(
            self.chain,
            route,
            tuple(
                Segment(nodes.index(name), first, last) for name, first, last in reversed(segments)
            ),
        )

    def _before(self, step: _Step) -> _Step:
        """Return a state from which an arc leads here at exactly this energy."""
        name, done, level, hosted = step
        if hosted:
            value = self.hosted[name][done, level]
            node = self.instance.nodes[self.instance.node_index[name]]
            for first in self.chain.ends.before(done):
                if self.chain.memory_excess(node, first, done) > 0:
                    continue
                for used, energy in self._segment(node, first, done):
                    if used <= level and self.arrived[name][first, level - used] + energy == value:
                        return _Step(name, first, level - used, False)
        value = self.arrived[name][done, level]
        for link in self.instance.links:
            if link.head != name:
                continue
            hop = self.chain.hop(link, self.chain.bits[done])
            used_ = self._used(hop.latency_s)
            if used_ is None or used_ > level or hop.narrow > 0:
                continue
            for from_hosted, table in ((False, self.arrived), (True, self.hosted)):
                if table[link.tail][done, level - used_] + hop.energy_j == value:
                    return _Step(link.tail, done, level - used_, from_hosted)
        raise AssertionError("every finite state but the first was reached by an arc")


METHOD = Fin()
