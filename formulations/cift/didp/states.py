"""What can be done at a time: of a chain the first b blocks, of a graph its downsets.

States are numbered so that supersets come behind; all configurations have as many, the last ones of
those with fewer stay unused. A sum over the blocks of a state is one over its members, and of whole
numbers exact in any order.

`Segments` says which segments a node can host where this is more than "the longest that fits": the
blocks between two downsets, or a throughput that slow levels do not keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from splitopt.instances.cift.model import CiftInstance, Configuration, Link, Node
from splitopt.instances.cift.rates import least_speeds, open_hops
from splitopt.instances.core.arrays import Bools, Floats, Ints
from splitopt.instances.core.exact import rational
from splitopt.instances.networks.downsets import Downsets, downsets_of
from splitopt.instances.networks.profiles import Profile

_NEAR = 1e-9  # relative distance from the memory below which rationals decide


@dataclass(frozen=True, slots=True)
class States:
    """The states of G configurations of at most B blocks, at most `width` each.

    Attributes
    ----------
    sets
        Downsets of each configuration.
    last
        The state with every block done, (G,).
    member
        Blocks of each state, (G, width, B); None where all are chains.
    """

    sets: Sequence[Downsets]
    last: Ints
    member: Floats | None

    @property
    def width(self) -> int:
        """The most states of any configuration."""
        return int(self.last.max()) + 1

    def sums(self, values: Floats) -> Floats:
        """Return the sums of figures of blocks, (G, N, B), by state, (G, N, width)."""
        if self.member is None:
            none = np.zeros((*values.shape[:-1], 1))
            return np.concatenate([none, np.cumsum(values, axis=-1)], axis=-1)
        found: Floats = np.einsum("gnb,gsb->gns", values, self.member)
        return found


@dataclass(frozen=True, slots=True)
class Segments:
    """How many levels of a node, the fastest first, can serve a segment.

    Attributes
    ----------
    levels
        ``levels[c, i, j]``: from state i to state j; 0 where it is none, or fits no memory.
    kind
        The c of each configuration and node, (G, N).
    """

    levels: Ints
    kind: Ints


def states_of(instance: CiftInstance, chosen: Sequence[Configuration]) -> States:
    """Return the states of configurations."""
    models = [instance.models[instance.model_index[g.model]] for g in chosen]
    sets = [downsets_of(model) for model in models]
    last = np.array([len(mine) - 1 for mine in sets])
    if not any(mine.graph for mine in sets):
        return States(sets, last, None)
    most = max(len(model.blocks) for model in models)
    member = np.zeros((len(chosen), int(last.max()) + 1, most))
    for part, mine in zip(member, sets, strict=True):
        part[: len(mine), : mine.member.shape[1]] = mine.member
    return States(sets, last, member)


def segments(
    instance: CiftInstance,
    chosen: Sequence[Configuration],
    states: States,
    speeds: Sequence[Sequence[float]],
) -> Segments | None:
    """Return which segments can be hosted; None where the longest that fits says it all.

    Parameters
    ----------
    speeds
        Of each node in serving, the fastest first.
    """
    if states.member is None and instance.throughput_per_s is None:
        return None
    kinds: dict[bytes, int] = {}
    tables: list[Ints] = []
    kind = np.zeros((len(chosen), len(instance.nodes)), dtype=np.int64)
    for i, (g, sets) in enumerate(zip(chosen, states.sets, strict=True)):
        for n, node in enumerate(instance.nodes):
            table = np.zeros((states.width, states.width), dtype=np.int64)
            table[: len(sets), : len(sets)] = _levels(instance, g, node, sets, speeds[n])
            key = table.tobytes()
            if key not in kinds:
                kinds[key] = len(tables)
                tables.append(table)
            kind[i, n] = kinds[key]
    return Segments(np.stack(tables), kind)


def _levels(
    instance: CiftInstance,
    g: Configuration,
    node: Node,
    sets: Downsets,
    speeds: Sequence[float],
) -> Ints:
    model = instance.models[instance.model_index[g.model]]
    level = instance.compressions[instance.compression_index[g.compression]]
    fits = _fits(instance, g, node, model, sets)
    if instance.throughput_per_s is None:
        return fits * len(speeds)
    flops = np.array([block.flops for block in model.blocks]) * level.flops_factor
    weights = instance.factors(node, model)
    work = sets.sums(flops if weights is None else flops * np.array(weights))
    least = least_speeds(instance, node, model, level, sets, work)
    assert least is not None
    return fits * sum((least <= f).astype(np.int64) for f in speeds)


def _fits(
    instance: CiftInstance, g: Configuration, node: Node, model: Profile, sets: Downsets
) -> Ints:
    factor = rational(instance.compressions[instance.compression_index[g.compression]].param_factor)
    if instance.expected_passes(g):
        factor *= rational(instance.training.memory_factor)
    room = rational(node.memory_bytes)
    params = np.array([block.param_bytes for block in model.blocks], dtype=np.float64)
    held = sets.sums(params) * float(factor)
    fits = sets.nested & (held <= node.memory_bytes)
    near = sets.nested & (np.abs(held - node.memory_bytes) <= _NEAR * node.memory_bytes)
    for i, j in np.argwhere(near).tolist():
        blocks = (rational(model.blocks[b].param_bytes) for b in sets.between(i, j))
        fits[i, j] = sum(blocks, Fraction(0)) * factor <= room
    return fits.astype(np.int64)


def wide_hops(
    instance: CiftInstance,
    chosen: Sequence[Configuration],
    states: States,
    links: Sequence[Link | None],
    bits: Floats,
) -> Bools | None:
    """Return behind which states the given link of each node is wide enough, (G, N, width).

    None without a throughput.

    Parameters
    ----------
    bits
        What each state leaves behind, (G, 1, width).
    """
    if instance.throughput_per_s is None:
        return None
    wide = np.zeros((len(chosen), len(links), states.width), dtype=np.bool_)
    for i, (g, sets) in enumerate(zip(chosen, states.sets, strict=True)):
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        last = len(sets) - 1
        for n, link in enumerate(links):
            if link is not None:
                sent = bits[i, 0, :last]
                wide[i, n, :last] = open_hops(instance, link, model, level, sets, sent)
    return wide


def networks(
    instance: CiftInstance, chosen: Sequence[Configuration], states: States, most: int
) -> tuple[Floats, Floats]:
    """Return FLOP of blocks (G, N, B) and bits behind states (G, 1, S), padded by zeros."""
    work = np.zeros((len(chosen), len(instance.nodes), most))
    bits = np.zeros((len(chosen), 1, states.width))
    for i, (g, sets) in enumerate(zip(chosen, states.sets, strict=True)):
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        flops = np.array([level.flops_factor * block.flops for block in model.blocks])
        for n, node in enumerate(instance.nodes):
            weights = instance.factors(node, model)
            work[i, n, : len(flops)] = flops if weights is None else flops * np.array(weights)
        factor = level.activation_factor
        if sets.graph:
            sizes = [t.bits if t.producer is None else factor * t.bits for t in model.tensors]
            bits[i, 0, : len(sets)] = sets.crossing @ np.array(sizes)
        else:
            made = [factor * block.activation_bits for block in model.blocks]
            bits[i, 0, : len(sets)] = [model.input_bits, *made]
    return work, bits


def longest(instance: CiftInstance, g: Configuration, width: int) -> Ints:
    """Return how far a segment behind b blocks may run on each node, (N, S); 0 for graphs."""
    model = instance.models[instance.model_index[g.model]]
    if model.is_graph:
        return np.zeros((len(instance.nodes), width), dtype=np.int64)
    level = instance.compressions[instance.compression_index[g.compression]]
    factor = rational(level.param_factor)
    if instance.expected_passes(g):
        factor *= rational(instance.training.memory_factor)
    held = [rational(block.param_bytes) * factor for block in model.blocks]
    found = np.zeros((len(instance.nodes), width), dtype=np.int64)
    for n, node in enumerate(instance.nodes):
        room, end = rational(node.memory_bytes), 0
        for b in range(len(held)):
            end = max(end, b)
            while end < len(held) and held[end] <= room:
                room -= held[end]
                end += 1
            found[n, b] = end
            if end > b:
                room += held[b]
    return found
