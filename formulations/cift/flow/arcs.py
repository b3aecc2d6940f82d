"""The time-energy graph of CIFT: every plan is a path, every path is a plan.

States
------
For a configuration g, b blocks done (of a graph: downset b done, numbered so that supersets come
later) and a node n there are two states: *arrived* (g, b, n)
and *placed* (g, b, n), reached once n hosts what it will host. A node can so host one segment
at most. All arrived states of a source with nothing done are one state, the root; all placed
states with every block done are one state, the goal.

Arcs
----
====================  =======================================  ==============================
from                  to                                       carries
====================  =======================================  ==============================
arrived (g, i, n)     between (g, i, j, n)                     blocks i+1..j served at f_inf
between (g, i, j, n)  placed (g, j, n)                         the same fine-tuned at f_ft
arrived (g, b, n)     placed (g, b, n)                         nothing: a relay, raw shipping
placed (g, b, n)      arrived (g, b, n')                       the hop over link (n, n')
====================  =======================================  ==============================

The two speeds of a host are chosen in series, so F levels cost 2 F arcs a segment and not
F^2; where that saves nothing one arc carries both. (Measured against arcs for single blocks with
the pair of speeds in the state and memory as rows: those have a weaker relaxation where memory
binds, 5285 J against 17018 J on an instance of family cift-llm, and solve more slowly.)

With w the FLOP of a segment, a_b the bits behind block b, S_g the sample passes, c and v the
training factors of compute and communication, an arc has

    serving at f:      energy R w (kappa f^2 + rho / f)          latency w / f
    fine-tuning at f:  energy c S_g w (kappa f^2 + rho / f)      time    c S_g w / f
    hop:               energy (R + v S_g) e a_b                  latency a_b / B + d
                                                                 time    v S_g (a_b / B + d / batch)

Of a graph, blocks i+1..j are those of downset j that i has not, for each i within j. Left out:
what a throughput rules out, segments that do not fit the memory (exactly decided), speeds with a
faster one that
costs no more, and configurations that differ from another in q alone and have more sample
passes (every path then costs more and takes longer).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.flow.graph import Arcs, FlowGraph
from splitopt.instances.cift.model import CiftInstance, Configuration, Node, SpeedInterval
from splitopt.instances.cift.rates import least_speeds, open_hops
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.exact import rational
from splitopt.instances.networks.downsets import downsets_of

_NEAR = 1e-9  # relative distance from the memory below which rationals decide


def _topological_rank(instance: CiftInstance) -> Ints:
    """Return for each node its position in an order in which links lead forward."""
    waiting = {node.name: 0 for node in instance.nodes}
    for link in instance.links:
        waiting[link.head] += 1
    ready = [name for name, count in waiting.items() if count == 0]
    rank = np.zeros(len(instance.nodes), dtype=np.int64)
    for position in range(len(instance.nodes)):
        name = ready.pop()
        rank[instance.node_index[name]] = position
        for link in instance.links_from[name]:
            waiting[link.head] -= 1
            if waiting[link.head] == 0:
                ready.append(link.head)
    return rank


def _levels(
    speeds: tuple[float, ...], kappa: float, rho: float, *, used: bool, limited: bool
) -> Floats:
    """Return the levels worth having for one phase, ascending.

    A level goes when a faster one costs no more. Without a deadline the cheapest stays alone;
    without any use (R = 0) energy is nil and the fastest does.
    """
    f = np.array(speeds)
    cost = kappa * f * f + rho / f if used else np.zeros(len(f))
    # Least cost among the faster levels, for each level.
    faster = np.append(np.minimum.accumulate(cost[::-1])[::-1][1:], np.inf)
    f = f[cost < faster]
    return f if limited else f[:1]


def _kept_configurations(instance: CiftInstance) -> list[int]:
    """Return the configurations with the fewest sample passes of their (m, c, u)."""
    best: dict[tuple[object, ...], int] = {}
    passes = [instance.expected_passes(g) for g in instance.configurations]
    for index, g in enumerate(instance.configurations):
        key = instance.rival(g)
        if key not in best or passes[index] < passes[best[key]]:
            best[key] = index
    return sorted(best.values())


class _Builder:
    """Collect arcs in chunks; states are numbered densely and compressed at the end."""

    def __init__(self, instance: CiftInstance) -> None:
        self.instance = instance
        self.chunks: list[tuple[npt.ArrayLike, ...]] = []
        self.rank = _topological_rank(instance)
        self.next_state = 2
        self.stages: list[tuple[int, int, int]] = []  # first state, count, stage
        self.successors = [
            [(instance.node_index[link.head], link) for link in instance.links_from[node.name]]
            for node in instance.nodes
        ]

    def states(self, count: int, stage: int) -> int:
        first = self.next_state
        self.next_state += count
        self.stages.append((first, count, stage))
        return first

    def add(
        self,
        tail: npt.ArrayLike,
        head: npt.ArrayLike,
        energy: npt.ArrayLike,
        latency: npt.ArrayLike,
        time: npt.ArrayLike,
        where: tuple[int, int],
        blocks: tuple[npt.ArrayLike, npt.ArrayLike],
        speeds: tuple[npt.ArrayLike, npt.ArrayLike] = (np.nan, np.nan),
        slowest: npt.ArrayLike = 0.0,
    ) -> None:
        """Add arcs, but for those of a serving speed below `slowest`."""
        columns = np.broadcast_arrays(
            tail, head, energy, latency, time, *where, *blocks, *speeds, slowest
        )
        flat = [column.ravel() for column in columns]
        kept = ~(flat[9] < flat[11])
        self.chunks.append(tuple(column[kept] for column in flat[:11]))

    def configuration(self, index: int) -> None:
        """Add the states and arcs of one configuration."""
        instance = self.instance
        g = instance.configurations[index]
        source = instance.node_index[g.source]
        blocks = len(downsets_of(instance.models[instance.model_index[g.model]])) - 1
        reached = {source}
        for n in np.argsort(self.rank):
            if n in reached:
                reached.update(head for head, _ in self.successors[n])
        nodes = [int(n) for n in np.argsort(self.rank) if n in reached]
        arrived: dict[int, Ints] = {}
        placed: dict[int, Ints] = {}
        for n in nodes:
            # Blocks done at arrival: none at the source, 0..L-1 elsewhere.
            if n == source:
                arrived[n] = np.array([FlowGraph.root])
            else:
                arrived[n] = self.states(blocks, int(3 * self.rank[n]) + 1) + np.arange(blocks)
            first = self.states(blocks, int(3 * self.rank[n]) + 3)
            placed[n] = np.append(first + np.arange(blocks), FlowGraph.goal)
        for n in nodes:
            self._host(index, g, n, arrived[n], placed[n])
            b = np.arange(len(arrived[n]))
            self.add(arrived[n], placed[n][b], 0.0, 0.0, 0.0, (index, n), (b, b))
            self._hops(index, g, n, placed[n], arrived)

    def _host(self, index: int, g: Configuration, n: int, arrived: Ints, placed: Ints) -> None:
        instance = self.instance
        node = instance.nodes[n]
        speeds = node.speeds_flop_per_s
        if isinstance(speeds, SpeedInterval):
            raise TypeError("the time-energy graph needs listed speeds")
        passes = float(instance.expected_passes(g))
        start, stop, work = self._segments(g, len(arrived), node, passes > 0)
        least = self._slowest(g, node, start, stop)
        if least is not None:
            able = least <= speeds[-1]
            start, stop, work, least = start[able], stop[able], work[able], least[able]
        if not len(start):
            return
        slowest = np.zeros(len(work)) if least is None else least
        kappa, rho = node.kappa_j_s2_per_flop3, node.busy_power_w
        R = instance.requests
        tuned = instance.training.compute_factor * passes
        timed = instance.training.compute_factor * instance.assured_passes(g)
        limited = instance.inference_deadline_s is not None or least is not None
        serve = _levels(speeds, kappa, rho, used=R > 0, limited=limited)
        tune = np.array([np.nan])
        if passes > 0:
            limited = instance.fine_tuning_deadline_s is not None
            tune = _levels(speeds, kappa, rho, used=True, limited=limited)
        i, j, w = start[:, None], stop[:, None], work[:, None]
        serve_energy = R * (kappa * w * serve * serve + rho * w / serve)
        serve_latency = w / serve
        if passes > 0:
            tune_energy = tuned * (kappa * w * tune * tune + rho * w / tune)
            tune_time = timed * w / tune
        else:
            tune_energy = tune_time = np.zeros((len(w), 1))
        where = (index, n)
        if len(serve) * len(tune) <= len(serve) + len(tune):
            self.add(
                arrived[i][:, :, None],
                placed[j][:, :, None],
                serve_energy[:, :, None] + tune_energy[:, None, :],
                serve_latency[:, :, None],
                tune_time[:, None, :],
                where,
                (i[:, :, None], j[:, :, None]),
                (serve[None, :, None], tune[None, None, :]),
                slowest[:, None, None],
            )
            return
        between = self.states(len(w), int(3 * self.rank[n]) + 2) + np.arange(len(w))[:, None]
        self.add(
            arrived[i],
            between,
            serve_energy,
            serve_latency,
            0.0,
            where,
            (i, j),
            (serve, np.nan),
            slowest[:, None],
        )
        self.add(between, placed[j], tune_energy, 0.0, tune_time, where, (j, j), (np.nan, tune))

    def _segments(
        self, g: Configuration, starts: int, node: Node, trained: bool
    ) -> tuple[Ints, Ints, Floats]:
        """Return the segments (i, j], i < starts, that fit a node, and their FLOP a sample."""
        instance, memory_bytes = self.instance, node.memory_bytes
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        flops = np.array([block.flops for block in model.blocks]) * level.flops_factor
        params = np.array([block.param_bytes for block in model.blocks], dtype=np.float64)
        weights = instance.factors(node, model)
        if weights is not None:
            flops = flops * np.array(weights)
        factor = rational(level.param_factor)
        if trained:
            factor *= rational(instance.training.memory_factor)
        sets = downsets_of(model)
        start, stop = np.nonzero(sets.nested[:starts])
        work = sets.sums(flops)[start, stop]
        held = sets.sums(params)[start, stop] * float(factor)
        fits = held <= memory_bytes
        for k in np.flatnonzero(np.abs(held - memory_bytes) <= _NEAR * memory_bytes):
            segment = [model.blocks[b] for b in sets.between(start[k], stop[k])]
            total = sum((rational(block.param_bytes) for block in segment), Fraction(0))
            fits[k] = total * factor <= rational(memory_bytes)
        return start[fits], stop[fits], work[fits]

    def _slowest(self, g: Configuration, node: Node, start: Ints, stop: Ints) -> Floats | None:
        """Return the least serving speeds that a throughput leaves to segments of a node."""
        instance = self.instance
        if instance.throughput_per_s is None:
            return None
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        sets = downsets_of(model)
        flops = np.array([block.flops for block in model.blocks]) * level.flops_factor
        weights = instance.factors(node, model)
        work = sets.sums(flops if weights is None else flops * np.array(weights))
        least = least_speeds(instance, node, model, level, sets, work)
        return None if least is None else least[start, stop]

    def _hops(
        self, index: int, g: Configuration, n: int, placed: Ints, arrived: dict[int, Ints]
    ) -> None:
        instance = self.instance
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        sets = downsets_of(model)
        if sets.graph:
            sizes = np.array([tensor.bits for tensor in model.tensors], dtype=np.float64)
            weighted = np.where(sets.raw, sizes, sizes * level.activation_factor)
            bits = sets.crossing[:-1].astype(np.float64) @ weighted
        else:
            bits = np.array(
                [model.input_bits]
                + [block.activation_bits * level.activation_factor for block in model.blocks[:-1]]
            )
        both_ways = instance.training.communication_factor
        shipped = both_ways * float(instance.expected_passes(g))
        timed = both_ways * instance.assured_passes(g)
        for head, link in self.successors[n]:
            b = np.flatnonzero(open_hops(instance, link, model, level, sets, bits))
            sent = bits[b]
            wire = sent / link.rate_bit_per_s
            self.add(
                placed[b],
                arrived[head][b],
                (instance.requests + shipped) * link.energy_j_per_bit * sent,
                wire + link.delay_s,
                timed * (wire + link.delay_s / instance.training.batch_size),
                (index, head),
                (b, b),
            )

    def graph(self) -> FlowGraph:
        """Return the graph of all arcs added."""
        columns = [np.empty(0)] * len(Arcs.__slots__)
        if self.chunks:
            columns = [np.concatenate(parts) for parts in zip(*self.chunks, strict=True)]
        tail, head, configuration, node, start, stop = (
            columns[k].astype(np.int64) for k in (0, 1, 5, 6, 7, 8)
        )
        energy, latency, time, inference, tuning = (
            columns[k].astype(np.float64) for k in (2, 3, 4, 9, 10)
        )
        arcs = Arcs(
            tail, head, energy, latency, time, configuration, node, start, stop, inference, tuning
        )
        stage = np.zeros(self.next_state, dtype=np.int64)
        for first, count, value in self.stages:
            stage[first : first + count] = value
        stage[FlowGraph.goal] = 3 * len(self.rank) + 1
        return FlowGraph(self.instance, arcs, self.next_state, stage)


def build_graph(instance: CiftInstance) -> FlowGraph:
    """Return the time-energy graph of an instance with listed speeds.

    Raises
    ------
    TypeError
        When a node has continuous speeds.
    """
    builder = _Builder(instance)
    for index in _kept_configurations(instance):
        builder.configuration(index)
    return builder.graph()
