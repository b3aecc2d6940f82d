"""CIFT in integers: what each block, hop and level costs, rounded so that bounds stay bounds.

Every energy and time is rounded down after scaling, every limit too::

    e' = floor(K e),    t' = floor(Q t),    tau' = floor(Q tau)

sum t <= tau implies sum t' <= tau', so no plan that keeps a deadline is lost, and for each
plan E' <= K E < E' + H, where H is the most terms a plan has. So the integer optimum over K
is a bound on the true one, below it by less than H / K. Memory is in exact integers.

Figures are doubles before they are scaled; `DOWN` takes off more than their rounding.

With the network in doubt, seconds here are those that every plan which keeps a deadline can be held
to (`splitopt.formulations.cift.cpsat.doubt`), and energy is the expected one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from splitopt.formulations.cift.cpsat.clocks import Clocks, relaxed
from splitopt.instances.cift.model import CiftInstance, Configuration, SpeedInterval
from splitopt.instances.cift.rates import open_hops
from splitopt.instances.core.arrays import Floats
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import downsets_of
from splitopt.instances.networks.profiles import Profile

DOWN = 1 - 2.0**-48


def down(value: float, scale: float) -> int:
    """Return an integer at most ``scale * value``, also after the rounding of both."""
    return math.floor(value * scale * DOWN)


def seconds_allowed(deadline_s: float) -> float:
    """Return the most seconds the judge takes for a deadline, rounded up."""
    return deadline_s * (1 + TOLERANCES.deadline) / DOWN


@dataclass(frozen=True, slots=True)
class BlockRun:
    """One block on one node at one level, in one phase: J and s, of all R or S samples."""

    level: float
    energy_j: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Hop:
    """One cut, or one tensor of a graph, carried over one link, both phases together."""

    tail: int
    head: int
    energy_j: float
    latency_s: float
    time_s: float


@dataclass(frozen=True, slots=True)
class Offer:
    """A configuration with all it can do.

    Attributes
    ----------
    index, source
        Positions of the configuration and of its source node.
    blocks
        L.
    trained
        Whether there is fine-tuning.
    nodes
        Nodes that a path from the source reaches, the source first.
    serve, tune
        ``serve[b, n]``: how block b (0-based) runs on node n; `tune` is empty without
        fine-tuning.
    hops
        ``hops[b]``: the hops of the cut behind b blocks; of a graph, ``hops[t]`` those of tensor
        t, on the wire alone.
    held
        Parameter bytes of each block in memory.
    graph
        The network, where it is a graph.
    delays
        Of a graph: the links, at what they take whatever they carry.
    """

    index: int
    source: int
    blocks: int
    trained: bool
    nodes: tuple[int, ...]
    serve: dict[tuple[int, int], list[BlockRun]]
    tune: dict[tuple[int, int], list[BlockRun]]
    hops: list[list[Hop]]
    held: list[Fraction]
    graph: Profile | None
    delays: list[Hop]

    def terms(self, nodes: int) -> int:
        """Return the most terms that a plan over `nodes` nodes has."""
        return 2 * self.blocks + (nodes if self.graph is None else len(self.hops) * nodes)


def _worthwhile(instance: CiftInstance, n: int, *, weight: float) -> list[float]:
    """Return the levels of node n without those that a faster one undercuts."""
    node = instance.nodes[n]
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        raise TypeError("CP-SAT needs listed speeds")
    kept: list[float] = []
    least = math.inf
    for f in reversed(speeds):
        cost = weight * (node.kappa_j_s2_per_flop3 * f**2 + node.busy_power_w / f)
        if cost < least:
            kept.append(f)
            least = cost
    return kept


def _reach(instance: CiftInstance, source: int) -> tuple[int, ...]:
    found, waiting = [source], [source]
    while waiting:
        for link in instance.links_from[instance.nodes[waiting.pop()].name]:
            head = instance.node_index[link.head]
            if head not in found:
                found.append(head)
                waiting.append(head)
    return tuple(found)


def _runs(
    instance: CiftInstance, flops: Sequence[Sequence[float]], nodes: Sequence[int], weight: float
) -> dict[tuple[int, int], list[BlockRun]]:
    """Return every block on every node; `weight` is how often the chain runs (R, or c S).

    Parameters
    ----------
    flops
        ``flops[n][b]``: FLOP of block b on node n.
    """
    levels = {n: _worthwhile(instance, n, weight=weight) for n in nodes}
    found = {}
    for n in nodes:
        node = instance.nodes[n]
        for b, work in enumerate(flops[n]):
            found[b, n] = [
                BlockRun(
                    f,
                    weight * work * (node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f),
                    work / f,
                )
                for f in levels[n]
            ]
    return found


def _timed(
    runs: dict[tuple[int, int], list[BlockRun]], often: float, slow: Floats
) -> dict[tuple[int, int], list[BlockRun]]:
    """Return the runs with seconds of all their samples; `slow` is what a node takes longer."""
    return {
        (b, n): [BlockRun(r.level, r.energy_j, often * r.seconds * float(slow[n])) for r in mine]
        for (b, n), mine in runs.items()
    }


def _offer(instance: CiftInstance, index: int, g: Configuration, clocks: Clocks) -> Offer:
    model = instance.models[instance.model_index[g.model]]
    level = instance.compressions[instance.compression_index[g.compression]]
    training = instance.training
    passes = float(instance.expected_passes(g))
    source = instance.node_index[g.source]
    nodes = _reach(instance, source)
    flops = [level.flops_factor * block.flops for block in model.blocks]
    on_node = [
        flops if weights is None else [f * w for f, w in zip(flops, weights, strict=True)]
        for weights in (instance.factors(node, model) for node in instance.nodes)
    ]
    requests = float(instance.requests)
    serve = _runs(instance, on_node, nodes, requests)
    tune = _runs(instance, on_node, nodes, training.compute_factor * passes) if passes else {}
    timed = _passes_timed(instance, g)
    hops, delays = _hops(instance, index, model, nodes, clocks)
    factor = rational(level.param_factor)
    if passes:
        factor *= rational(training.memory_factor)
    return Offer(
        index,
        source,
        len(flops),
        passes > 0,
        nodes,
        _timed(serve, 1.0, clocks[0].node[:, index]),
        _timed(tune, training.compute_factor * timed, clocks[1].node[:, index]),
        hops,
        [rational(block.param_bytes) * factor for block in model.blocks],
        model if model.is_graph else None,
        delays,
    )


def _passes_timed(instance: CiftInstance, g: Configuration) -> int:
    """Return the sample passes that clocks multiply."""
    doubt = instance.doubt
    if doubt is not None and doubt.network:
        return instance.samples_per_epoch(g)
    return instance.assured_passes(g)


def _hops(
    instance: CiftInstance, index: int, model: Profile, nodes: Sequence[int], clocks: Clocks
) -> tuple[list[list[Hop]], list[Hop]]:
    """Return the hops of each cut, or of each tensor of a graph, and what links take without."""
    g = instance.configurations[index]
    level = instance.compressions[instance.compression_index[g.compression]]
    training, (latency, time) = instance.training, clocks
    carried = training.communication_factor * float(instance.expected_passes(g))
    carried_timed = training.communication_factor * _passes_timed(instance, g)

    def hop(k: int, bits: float, delay_s: float) -> Hop:
        link = instance.links[k]
        wire = bits / link.rate_bit_per_s
        later = delay_s * float(time.delay[index])
        return Hop(
            instance.node_index[link.tail],
            instance.node_index[link.head],
            (instance.requests + carried) * link.energy_j_per_bit * bits,
            wire * float(latency.link[k, index]) + delay_s * float(latency.delay[index]),
            carried_timed * (wire * float(time.link[k, index]) + later / training.batch_size),
        )

    leaving = [k for k, ln in enumerate(instance.links) if instance.node_index[ln.tail] in nodes]
    factor = level.activation_factor
    if model.is_graph:
        bits = [t.bits if t.producer is None else t.bits * factor for t in model.tensors]
        return (
            [[hop(k, size, 0.0) for k in leaving] for size in bits],
            [hop(k, 0.0, instance.links[k].delay_s) for k in leaving],
        )
    bits = [model.input_bits, *(factor * block.activation_bits for block in model.blocks[:-1])]
    sets, sizes = downsets_of(model), np.array(bits)
    wide = {k: open_hops(instance, instance.links[k], model, level, sets, sizes) for k in leaving}
    return [
        [hop(k, size, instance.links[k].delay_s) for k in leaving if wide[k][b]]
        for b, size in enumerate(bits)
    ], []


def offers(instance: CiftInstance) -> list[Offer]:
    """Return the configurations; of those that differ in q alone, one with least S_g.

    The others cost at least as much and take at least as long on every placement.
    """
    clocks = relaxed(instance)
    doubt = instance.doubt
    if doubt is not None and doubt.network:
        instance = instance.replace(
            nodes=tuple(
                replace(node, busy_power_w=float(node.busy_power_w * doubt.busy(node.name)))
                for node in instance.nodes
            )
        )
    least: dict[tuple[object, ...], tuple[float, int]] = {}
    for index, g in enumerate(instance.configurations):
        key = instance.rival(g)
        mine = (float(instance.expected_passes(g)), index)
        least[key] = min(mine, least.get(key, mine))
    return [
        _offer(instance, index, instance.configurations[index], clocks)
        for _, index in sorted(least.values(), key=lambda pair: pair[1])
    ]


def packing(sizes: Sequence[Fraction], room: Fraction) -> tuple[list[int], int]:
    """Return integers with the same feasible sums: ``sum sizes <= room``.

    Exact while the common denominator is small; otherwise rounded down, so that nothing that
    fits is lost and a plan that does not fit may pass (the judge then rejects it).
    """
    common = math.lcm(*(size.denominator for size in sizes))
    scaled = [int(size * common) for size in sizes]
    if sum(scaled) < 2**50:
        return scaled, math.floor(room * common)
    scale = Fraction(2**50) / sum(sizes)
    return [math.floor(size * scale) for size in sizes], math.floor(room * scale)
