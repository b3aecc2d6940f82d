"""CIFT in integers: what each block, hop and level costs, rounded so that bounds stay bounds.

Every energy and time is rounded down after scaling, every limit too::

    e' = floor(K e),    t' = floor(Q t),    tau' = floor(Q tau)

sum t <= tau implies sum t' <= tau', so no plan that keeps a deadline is lost, and for each
plan E' <= K E < E' + H, where H is the most terms a plan has. So the integer optimum over K
is a bound on the true one, below it by less than H / K. Memory is in exact integers.

Figures are doubles before they are scaled; `_DOWN` takes off more than their rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from splitopt.instances.cift.model import CiftInstance, Configuration, SpeedInterval
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES

__all__ = ["BlockRun", "Hop", "Offer", "down", "offers", "packing", "seconds_allowed"]

_DOWN = 1 - 2.0**-48


def down(value: float, scale: float) -> int:
    """Return an integer at most ``scale * value``, also after the rounding of both."""
    return math.floor(value * scale * _DOWN)


def seconds_allowed(deadline_s: float) -> float:
    """Return the most seconds the judge takes for a deadline, rounded up."""
    return deadline_s * (1 + TOLERANCES.deadline) / _DOWN


@dataclass(frozen=True, slots=True)
class BlockRun:
    """One block on one node at one level, in one phase: J and s, of all R or S samples."""

    level: float
    energy_j: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Hop:
    """One cut carried over one link, both phases together."""

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
        ``hops[b]``: the hops of the cut behind b blocks.
    held
        Parameter bytes of each block in memory.
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
    instance: CiftInstance, flops: Sequence[float], nodes: Sequence[int], weight: float
) -> dict[tuple[int, int], list[BlockRun]]:
    """Return every block on every node; `weight` is how often the chain runs (R, or c S)."""
    levels = {n: _worthwhile(instance, n, weight=weight) for n in nodes}
    found = {}
    for n in nodes:
        node = instance.nodes[n]
        for b, work in enumerate(flops):
            found[b, n] = [
                BlockRun(
                    f,
                    weight * work * (node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f),
                    work / f,
                )
                for f in levels[n]
            ]
    return found


def _offer(instance: CiftInstance, index: int, g: Configuration) -> Offer:
    model = instance.models[instance.model_index[g.model]]
    level = instance.compressions[instance.compression_index[g.compression]]
    training = instance.training
    passes = float(instance.expected_passes(g))
    timed = instance.assured_passes(g)
    source = instance.node_index[g.source]
    nodes = _reach(instance, source)
    flops = [level.flops_factor * block.flops for block in model.blocks]
    compute = training.compute_factor * passes
    carried = training.communication_factor * passes
    carried_timed = training.communication_factor * timed
    tune = _runs(instance, flops, nodes, compute) if passes else {}
    cuts = [model.input_bits]
    cuts += [level.activation_factor * block.activation_bits for block in model.blocks[:-1]]
    hops = [
        [
            Hop(
                instance.node_index[link.tail],
                instance.node_index[link.head],
                (instance.requests + carried) * link.energy_j_per_bit * bits,
                bits / link.rate_bit_per_s + link.delay_s,
                carried_timed * (bits / link.rate_bit_per_s + link.delay_s / training.batch_size),
            )
            for link in instance.links
            if instance.node_index[link.tail] in nodes
        ]
        for bits in cuts
    ]
    factor = rational(level.param_factor)
    if passes:
        factor *= rational(training.memory_factor)
    return Offer(
        index,
        source,
        len(flops),
        passes > 0,
        nodes,
        _runs(instance, flops, nodes, float(instance.requests)),
        {
            place: [
                BlockRun(r.level, r.energy_j, training.compute_factor * timed * r.seconds)
                for r in runs
            ]
            for place, runs in tune.items()
        },
        hops,
        [rational(block.param_bytes) * factor for block in model.blocks],
    )


def offers(instance: CiftInstance) -> list[Offer]:
    """Return the configurations; of those that differ in q alone, one with least S_g.

    The others cost at least as much and take at least as long on every placement.
    """
    least: dict[tuple[object, ...], tuple[float, int]] = {}
    for index, g in enumerate(instance.configurations):
        key = instance.rival(g)
        mine = (float(instance.expected_passes(g)), index)
        least[key] = min(mine, least.get(key, mine))
    return [
        _offer(instance, index, instance.configurations[index])
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
