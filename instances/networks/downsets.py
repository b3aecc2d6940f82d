"""What of a network can be done at a time: the sets of blocks closed under predecessors.

A downset D holds with a block all blocks that it needs. Plans are chains of downsets: what is done
when the request leaves a host. Behind D the tensors go on that were made in D, or are raw input,
and that somebody outside D needs: each once. A chain of L blocks has the L + 1 sets of its first b
blocks, numbered b.

The downsets of a graph are numbered by size, so that a set comes behind its subsets: 0 is the
empty one, the last all blocks. This is structure alone; what it costs is for each method to sum up.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from splitopt.instances.core.arrays import Bools, Floats
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.profiles import Profile

# Tables hold a figure for each pair of downsets: 2000 of them are 32 MB of doubles.
MOST_DOWNSETS = 2000


@dataclass(frozen=True, eq=False, slots=True)
class Downsets:
    """The downsets of a profile with L blocks and T tensors, S of them.

    Attributes
    ----------
    graph
        Whether the profile is a graph.
    member
        Blocks of each downset, shape (S, L).
    nested
        ``nested[i, j]``: downset i is a proper subset of j, shape (S, S).
    crossing
        Tensors that a hop behind each downset carries, shape (S, T); of a chain, the raw input
        and then the output of each block.
    raw
        Which tensors are raw inputs, shape (T,).
    number
        Blocks of a downset, as the bits of an integer, to its number.
    """

    graph: bool
    member: Bools
    nested: Bools
    crossing: Bools
    raw: Bools
    number: dict[int, int]

    def __len__(self) -> int:
        return len(self.member)

    def between(self, i: int, j: int) -> tuple[int, ...]:
        """Return the blocks of downset j that i has not."""
        return tuple(np.flatnonzero(self.member[j] & ~self.member[i]).tolist())

    def after(self, i: int, blocks: tuple[int, ...]) -> int:
        """Return the downset that blocks make of downset i.

        Raises
        ------
        KeyError
            When the union is none.
        """
        done = sum(1 << b for b in (*blocks, *np.flatnonzero(self.member[i]).tolist()))
        return self.number[done]

    def sums(self, figures: Floats) -> Floats:
        """Return ``[i, j]``: the sum of the blocks' figures over j less i; 0 where not nested.

        Each sum by itself: differences of totals would cancel.
        """
        if not self.graph:
            size = len(figures)
            table = np.zeros((size + 1, size + 1))
            table[:size, 1:] = np.cumsum(np.triu(np.broadcast_to(figures, (size, size))), axis=1)
            return table
        missing = np.where(self.member, 0.0, figures)
        return np.where(self.nested, missing @ self.member.T.astype(np.float64), 0.0)


def downsets_of(profile: Profile) -> Downsets:
    """Return the downsets of a profile.

    Raises
    ------
    InputError
        When there are more than `MOST_DOWNSETS`.
    """
    edges = tuple((tensor.producer, tensor.consumers) for tensor in profile.tensors)
    found = _downsets(len(profile.blocks), edges)
    if isinstance(found, int):
        raise InputError(
            "model",
            profile.name,
            f"a graph with at most {MOST_DOWNSETS} sets of blocks that can be done first",
            "import it with --merge runs, or with --merge blocks for cuts through one tensor",
        )
    return found


@functools.lru_cache(maxsize=64)
def _downsets(size: int, edges: tuple[tuple[int | None, tuple[int, ...]], ...]) -> Downsets | int:
    if not edges:
        states = np.arange(size + 1)
        member = states[:, None] > np.arange(size)
        nested = states[:, None] < states
        crossing = states[:, None] == np.arange(size)
        number = {(1 << b) - 1: b for b in range(size + 1)}
        return Downsets(False, member, nested, crossing, np.arange(size) == 0, number)
    needs = [0] * size
    for producer, consumers in edges:
        for block in consumers:
            if producer is not None:
                needs[block] |= 1 << producer
    found = {0}
    waiting = [0]
    while waiting:
        done = waiting.pop()
        for b in range(size):
            larger = done | 1 << b
            if larger != done and needs[b] & ~done == 0 and larger not in found:
                found.add(larger)
                waiting.append(larger)
        if len(found) > MOST_DOWNSETS:
            return MOST_DOWNSETS
    # By size; of one size, that with the earlier blocks first.
    masks = sorted(found, key=lambda mask: (mask.bit_count(), _reversed(mask, size)))
    member = np.array([[mask >> b & 1 for b in range(size)] for mask in masks], dtype=np.bool_)
    # A subset shares all its blocks.
    shared = member.astype(np.float64) @ member.T.astype(np.float64)
    count = member.sum(axis=1)
    nested = (shared == count[:, None]) & (count[:, None] < count)
    made = np.array([p is None for p, _ in edges], dtype=np.bool_)
    crossing = np.empty((len(masks), len(edges)), dtype=np.bool_)
    for t, (producer, consumers) in enumerate(edges):
        here = np.ones(len(masks), dtype=np.bool_) if producer is None else member[:, producer]
        crossing[:, t] = here & ~member[:, list(consumers)].all(axis=1)
    return Downsets(True, member, nested, crossing, made, {mask: s for s, mask in enumerate(masks)})


def _reversed(mask: int, size: int) -> int:
    """Return a figure that is less the earlier the blocks of a set stand."""
    return -int(f"{mask:0{size}b}"[::-1], 2)
