"""The chain of one configuration on the network.

A state is (b, n): what b blocks leave behind has just arrived at node n; of a graph, what downset b
leaves behind, numbered so that supersets come later.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, SpeedInterval
from splitopt.instances.cift.rates import least_speeds, open_hops
from splitopt.instances.core.arrays import Bools, Floats
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import Downsets, downsets_of
from splitopt.instances.networks.profiles import Profile

ROUNDING = 1e-12  # relative, of sums along a path
# A triple this much over a deadline may still pass the judge, who knows the exact figures.
LATE = (1 + TOLERANCES.deadline) * (1 + ROUNDING)


@dataclass(frozen=True, slots=True)
class Hop:
    """A link from one node to another: energy and both times by blocks done, each shape (L,)."""

    head: int
    cost: Floats  # (3, L)


@dataclass(frozen=True, slots=True)
class Level:
    """A pair of speeds of a node: energy and times of one FLOP, shape (3,)."""

    serve: float
    tune: float | None
    cost: Floats


@dataclass(frozen=True, slots=True)
class Chain:
    """One configuration.

    Attributes
    ----------
    model, sets
        The network, and what of it can be done at a time.
    blocks
        The number of the last state: L for a chain.
    work
        ``work[n][i, j]``: FLOP of blocks i+1..j on node n, shape (L + 1, L + 1); 0 where j is not
        beyond i.
    slowest
        ``slowest[n][i, j]``: the least serving speed that a throughput leaves; None without one.
    hops
        Links that leave each node.
    levels
        Pairs of speeds of each node that no other pair dominates.
    fits
        Whether blocks i+1..j fit node n: ``fits[n][i, j]``.
    limits
        Deadlines of serving and fine-tuning, infinite where absent.
    """

    configuration: Configuration
    model: Profile
    sets: Downsets
    source: int
    blocks: int
    work: Sequence[Floats]
    slowest: Sequence[Floats] | None
    hops: Sequence[Sequence[Hop]]
    levels: Sequence[Sequence[Level]]
    fits: Sequence[Bools]
    limits: tuple[float, float]

    def before(self, j: int) -> Bools | slice:
        """Return the states that j comes behind, with itself."""
        if not self.sets.graph:
            return slice(j + 1)
        inside = self.sets.nested[:-1, j].copy()
        inside[j] = True
        return inside


def topological(instance: CiftInstance) -> list[int]:
    """Return the nodes, tails of links before their heads."""
    degree = dict.fromkeys(range(len(instance.nodes)), 0)
    for link in instance.links:
        degree[instance.node_index[link.head]] += 1
    ready = [n for n, count in degree.items() if count == 0]
    for n in ready:  # grows while it is walked
        for link in instance.links_from[instance.nodes[n].name]:
            head = instance.node_index[link.head]
            degree[head] -= 1
            if degree[head] == 0:
                ready.append(head)
    return ready


def _pairs(instance: CiftInstance, n: int, tuned: float) -> list[Level]:
    """Return the pairs of speeds of a node worth having."""
    node = instance.nodes[n]
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        raise TypeError("fronts need listed speeds")
    joules = {f: node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f for f in speeds}
    # A slower speed is worth having only if it saves energy.
    worth = [f for f in speeds if all(joules[f] < joules[g] for g in speeds if g > f)]
    requests = float(instance.requests)
    return [
        Level(
            f,
            h if tuned else None,
            np.array([requests * joules[f] + tuned * joules[h], 1.0 / f, tuned / h]),
        )
        for f in worth
        for h in (worth if tuned else worth[-1:])
    ]


def chain_of(instance: CiftInstance, configuration: Configuration) -> Chain:
    """Return the chain of a configuration; a time without a deadline counts as zero."""
    model = instance.models[instance.model_index[configuration.model]]
    level = instance.compressions[instance.compression_index[configuration.compression]]
    training = instance.training
    passes = float(instance.expected_passes(configuration))
    # The clock counts other passes than energy: the deadline is stretched instead.
    timed = instance.assured_passes(configuration)
    stretch = passes / timed if timed else math.inf
    sets = downsets_of(model)
    flops = np.array([block.flops * level.flops_factor for block in model.blocks])
    plain = sets.sums(flops)
    work = []
    for node in instance.nodes:
        weights = instance.factors(node, model)
        work.append(plain if weights is None else sets.sums(flops * np.array(weights)))
    slowest = [
        least
        for node, table in zip(instance.nodes, work, strict=True)
        if (least := least_speeds(instance, node, model, level, sets, table)) is not None
    ]
    latency_s, time_s = instance.inference_deadline_s, instance.fine_tuning_deadline_s
    limits = (
        math.inf if latency_s is None else latency_s,
        math.inf if time_s is None or stretch == math.inf else time_s * stretch,
    )
    counted = np.array([1.0, float(limits[0] < math.inf), float(limits[1] < math.inf)])
    factor = rational(level.param_factor)
    if passes > 0:
        factor *= rational(training.memory_factor)
    held = [rational(block.param_bytes) * factor for block in model.blocks]
    tuned = training.compute_factor * passes
    levels, fits = [], []
    for n, node in enumerate(instance.nodes):
        pairs = [replace(one, cost=one.cost * counted) for one in _pairs(instance, n, tuned)]
        if not slowest:  # else a slow segment may need the faster ones
            pairs = [one for one in pairs if not _dominated(one, pairs)]
        levels.append(pairs)
        room = rational(node.memory_bytes)
        fit = _fit_sets(sets, held, room) if sets.graph else _fits(held, room)
        if slowest:
            fit = fit & (slowest[n] <= max((one.serve for one in pairs), default=0.0))
        fits.append(fit)
    return Chain(
        configuration,
        model,
        sets,
        instance.node_index[configuration.source],
        len(sets) - 1,
        work,
        slowest or None,
        _hops(instance, model, level, sets, training.communication_factor * passes, counted),
        levels,
        fits,
        limits,
    )


def _hops(
    instance: CiftInstance,
    model: Profile,
    level: Compression,
    sets: Downsets,
    sent: float,
    counted: Floats,
) -> list[list[Hop]]:
    """Return the links out of each node; `sent` is how often fine-tuning sends a sample."""
    bits = _bits(model, sets, level.activation_factor)
    hops = []
    for node in instance.nodes:
        mine = []
        for link in instance.links_from[node.name]:
            wire = bits / link.rate_bit_per_s
            cost = np.stack(
                [
                    (instance.requests + sent) * link.energy_j_per_bit * bits,
                    wire + link.delay_s,
                    sent * (wire + link.delay_s / instance.training.batch_size),
                ]
            )
            cost = cost * counted[:, None]
            cost[0, ~open_hops(instance, link, model, level, sets, bits)] = np.inf
            mine.append(Hop(instance.node_index[link.head], cost))
        hops.append(mine)
    return hops


def _bits(model: Profile, sets: Downsets, factor: float) -> Floats:
    """Return the bits behind each state but the last."""
    if not sets.graph:
        return np.array(
            [model.input_bits, *(block.activation_bits * factor for block in model.blocks[:-1])]
        )
    sizes = [tensor.bits * (1.0 if tensor.producer is None else factor) for tensor in model.tensors]
    bits: Floats = sets.crossing[:-1] @ np.array(sizes)
    return bits


def _fit_sets(sets: Downsets, held: Sequence[Fraction], room: Fraction) -> Bools:
    """Return which differences of downsets fit a memory, shape (L + 1, L + 1)."""
    table = sets.sums(np.array([float(part) for part in held]))
    fits: Bools = sets.nested & (table <= float(room))
    near = sets.nested & (np.abs(table - float(room)) <= 1e-9 * float(room))
    for i, j in np.argwhere(near).tolist():
        fits[i, j] = sum((held[b] for b in sets.between(i, j)), Fraction(0)) <= room
    return fits


def _dominated(one: Level, pairs: Sequence[Level]) -> bool:
    return any(
        (other.cost <= one.cost).all()
        and ((other.cost < one.cost).any() or pairs.index(other) < pairs.index(one))
        for other in pairs
        if other is not one
    )


def _fits(held: Sequence[Fraction], room: Fraction) -> Bools:
    """Return which runs of blocks fit a memory, shape (L + 1, L + 1)."""
    blocks = len(held)
    fits = np.zeros((blocks + 1, blocks + 1), dtype=np.bool_)
    for first in range(blocks):
        total = Fraction(0)
        for last in range(first, blocks):
            total += held[last]
            if total > room:
                break
            fits[first, last + 1] = True
    return fits
