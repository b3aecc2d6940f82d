"""Smaller networks from graphs: runs of blocks as one, or a chain of cuts through one tensor.

Every plan of a merged network is one of the network itself, at the same cost; the reverse does not
hold, so that a merged network costs as much or more.
"""

from __future__ import annotations

import dataclasses

from splitopt.instances.networks.profiles import Block, Profile


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

    In time linear in the graph: of a network with one output, what runs before such a cut is what
    its tensor is made of, so any order of the blocks meets them all. Of several outputs one is
    cut for, the one with the most cuts; what it does not need runs as soon as it can.
    """
    fed = {t.producer for t in profile.tensors if t.consumers}
    ends = [b for b in range(len(profile.blocks)) if b not in fed]
    return max((_cut_for(profile, end) for end in reversed(ends)), key=lambda p: len(p.blocks))


def _cut_for(profile: Profile, end: int) -> Profile:
    """Return the chain of the cuts through one tensor on the way to a block, which is an output."""
    taken: list[list[int]] = [[] for _ in profile.blocks]
    made: list[list[int]] = [[] for _ in profile.blocks]
    alive: set[int] = set()
    left = [len(tensor.consumers) for tensor in profile.tensors]
    for t, tensor in enumerate(profile.tensors):
        for b in tensor.consumers:
            taken[b].append(t)
        if tensor.producer is not None:
            made[tensor.producer].append(t)
        elif tensor.consumers:
            alive.add(t)
    blocks: list[Block] = []
    part: list[int] = []
    for b in _sides_first(profile, end):
        part.append(b)
        for t in taken[b]:
            left[t] -= 1
            if not left[t]:
                alive.remove(t)
        alive.update(t for t in made[b] if left[t])
        crossing = [profile.tensors[t] for t in alive]
        if len(crossing) > 1 or any(tensor.producer is None for tensor in crossing):
            continue
        blocks.append(_as_one(profile, sorted(part), crossing[0].bits if crossing else 0.0))
        part = []
    return Profile(profile.name, profile.input_bits, tuple(blocks))


def _as_one(profile: Profile, part: list[int], bits: float) -> Block:
    """Return blocks as one, named by the first and the last."""
    found = [profile.blocks[b] for b in part]
    name = found[0].name if len(found) == 1 else f"{found[0].name}..{found[-1].name}"
    return Block(name, sum(b.flops for b in found), sum(b.param_bytes for b in found), bits)


def _sides_first(profile: Profile, end: int) -> list[int]:
    """Return the blocks in order, those that `end` does not need as soon as they can be."""
    size = len(profile.blocks)
    waits = [0] * size
    needs: list[list[int]] = [[] for _ in range(size)]
    feeds: list[list[int]] = [[] for _ in range(size)]
    for tensor in profile.tensors:
        if tensor.producer is not None:
            for b in tensor.consumers:
                waits[b] += 1
                needs[b].append(tensor.producer)
                feeds[tensor.producer].append(b)
    needed = [False] * size
    needed[end] = True
    for b in reversed(range(size)):
        if needed[b]:
            for before in needs[b]:
                needed[before] = True
    order: list[int] = []
    for start in sorted(range(size), key=needed.__getitem__):
        ready = [start] if needed[start] or not needs[start] else []
        while ready:
            order.append(b := ready.pop())
            for after in feeds[b]:
                waits[after] -= 1
                if not waits[after] and not needed[after]:
                    ready.append(after)
    return order
