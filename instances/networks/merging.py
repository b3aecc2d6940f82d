"""Smaller networks from graphs: runs of blocks as one, or a chain of cuts through one tensor.

Every plan of a merged network is one of the network itself, at the same cost; the reverse does not
hold, so that a merged network costs as much or more.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.downsets import downsets_of
from splitopt.instances.networks.profiles import Block, Profile

__all__ = ["MERGES", "merged", "merged_runs", "merged_to_chain"]

MERGES = ("none", "runs", "blocks")


def merged(profile: Profile, how: str) -> Profile:
    """Return a graph as it is, or merged by `runs` or by `blocks`; a chain stays as it is."""
    if how == "none" or not profile.is_graph:
        return profile
    return merged_runs(profile) if how == "runs" else merged_to_chain(profile)


def merged_runs(profile: Profile) -> Profile:
    """Return the graph with its runs of blocks as one block each.

    In a run each block feeds the next alone, and that is fed by it alone.
    """
    size = len(profile.blocks)
    into: list[set[int | None]] = [set() for _ in range(size)]
    out: list[set[int]] = [set() for _ in range(size)]
    for tensor in profile.tensors:
        for block in tensor.consumers:
            into[block].add(tensor.producer)
            if tensor.producer is not None:
                out[tensor.producer].add(block)
    group = list(range(size))
    for b in range(size):
        (before,) = into[b] if len(into[b]) == 1 else (None,)
        # An output of the network that a block of the run makes goes nowhere.
        if before is not None and out[before] == {b}:
            group[b] = group[before]
    return _grouped(profile, group)


def _grouped(profile: Profile, group: list[int]) -> Profile:
    """Return the graph of groups of blocks, each named by its first and last block."""
    parts: dict[int, list[int]] = {}
    for b, g in enumerate(group):
        parts.setdefault(g, []).append(b)
    # In the order of their last blocks, tensors lead forward: a run is fed at its first block only.
    order = sorted(parts, key=lambda g: parts[g][0])
    order = _topological(profile, parts, group, order)
    place = {g: k for k, g in enumerate(order)}
    blocks = []
    for g in order:
        of_part = [profile.blocks[b] for b in parts[g]]
        name = of_part[0].name if len(of_part) == 1 else f"{of_part[0].name}..{of_part[-1].name}"
        blocks.append(
            Block(name, sum(b.flops for b in of_part), sum(b.param_bytes for b in of_part), 0)
        )
    tensors = []
    for tensor in profile.tensors:
        here = None if tensor.producer is None else place[group[tensor.producer]]
        users = sorted({place[group[b]] for b in tensor.consumers} - {here})
        if users or not tensor.consumers:
            tensors.append(dataclasses.replace(tensor, producer=here, consumers=tuple(users)))
    return Profile.graph(profile.name, blocks, tensors)


def _topological(
    profile: Profile, parts: dict[int, list[int]], group: list[int], order: list[int]
) -> list[int]:
    """Return the groups, each behind those that it needs, else in the order given."""
    needs: dict[int, set[int]] = {g: set() for g in parts}
    for tensor in profile.tensors:
        if tensor.producer is not None:
            for b in tensor.consumers:
                if group[b] != group[tensor.producer]:
                    needs[group[b]].add(group[tensor.producer])
    done: list[int] = []
    waiting = list(order)
    while waiting:
        g = next(g for g in waiting if needs[g] <= set(done))
        waiting.remove(g)
        done.append(g)
    return done


def merged_to_chain(profile: Profile) -> Profile:
    """Return the chain whose cuts are those of the graph through one tensor.

    Raises
    ------
    InputError
        When the graph has more downsets than the suite holds, even with its runs merged.
    """
    small = merged_runs(profile)
    try:
        # Runs lose cuts: only where the graph is too large for all of them.
        downsets_of(profile)
        small = profile
    except InputError:
        pass
    sets = downsets_of(small)
    bits = np.array([tensor.bits for tensor in small.tensors], dtype=np.float64)
    blocks: list[Block] = []
    done = 0
    single = (sets.crossing.sum(axis=1) == 1) & ~sets.crossing[:, sets.raw].any(axis=1)
    last = len(sets) - 1
    for s in [*np.flatnonzero(single[1:-1]) + 1, last]:
        if not sets.nested[done, s]:
            continue
        part = [small.blocks[b] for b in sets.between(done, int(s))]
        name = part[0].name if len(part) == 1 else f"{part[0].name}..{part[-1].name}"
        blocks.append(
            Block(
                name,
                sum(b.flops for b in part),
                sum(b.param_bytes for b in part),
                float(bits[sets.crossing[s]].sum()),
            )
        )
        done = int(s)
    return Profile(profile.name, profile.input_bits, tuple(blocks))
