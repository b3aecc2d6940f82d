"""What of a network may be done when a request leaves a node, block by block.

Of a chain of L blocks the first b, numbered b = 0..L; of a graph a downset, by its number.
"""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from splitopt.instances.networks.downsets import Downsets
from splitopt.instances.networks.profiles import Profile


@dataclass(frozen=True, eq=False, slots=True)
class Ends:
    """A network and its downsets."""

    model: Profile
    sets: Downsets

    @property
    def length(self) -> int:
        """What is done at the end."""
        return len(self.sets) - 1

    def after(self, first: int) -> Iterator[int]:
        """Yield what may be done next after downset `first`, ascending."""
        if not self.sets.graph:
            yield from range(first + 1, self.length + 1)
        else:
            yield from self.sets.nested[first].nonzero()[0].tolist()

    def before(self, last: int) -> Iterator[int]:
        """Yield what may have been done before downset `last`, ascending."""
        if not self.sets.graph:
            yield from range(last)
        else:
            yield from self.sets.nested[:, last].nonzero()[0].tolist()

    def count(self, first: int, last: int) -> int:
        """Return how many blocks lie between two downsets."""
        if not self.sets.graph:
            return last - first
        return (_masks(self.sets)[last] & ~_masks(self.sets)[first]).bit_count()

    def fewer(self, low: int, done: int, size: int) -> int:
        """Return `done` without the last `size` blocks of those that it has and `low` has not."""
        if not self.sets.graph:
            return done - size
        masks = _masks(self.sets)
        left, between = masks[done], masks[done] & ~masks[low]
        for _ in range(size):
            last = 1 << between.bit_length() - 1
            left, between = left ^ last, between ^ last
        return self.sets.number[left]

    def more(self, done: int, high: int, size: int) -> int:
        """Return `done` with the first `size` blocks of those that `high` has and it has not."""
        if not self.sets.graph:
            return done + size
        masks = _masks(self.sets)
        grown, between = masks[done], masks[high] & ~masks[done]
        for _ in range(size):
            first = between & -between
            grown, between = grown | first, between ^ first
        return self.sets.number[grown]

    def near(self, low: int, done: int, high: int) -> Iterator[int]:
        """Yield what differs from `done` by one block, between `low` and `high`; of a graph."""
        if self.sets.graph:
            masks, number = _masks(self.sets), self.sets.number
            for less, more, sign in ((low, done, -1), (done, high, 1)):
                between = masks[more] & ~masks[less]
                while between:
                    block = between & -between
                    between ^= block
                    found = number.get(masks[done] + sign * block)
                    if found is not None:
                        yield found

    def along(self, order: list[int], sizes: list[int]) -> tuple[int, ...]:
        """Return what is done after so many blocks of an order of them, each after its needs."""
        if not self.sets.graph:
            return tuple(sizes)
        done = list(itertools.accumulate((1 << b for b in order), initial=0))
        return tuple(self.sets.number[done[size]] for size in sizes)

    def ordered(self, rank: list[float]) -> list[int]:
        """Return the blocks in an order, each after its needs, else by descending rank."""
        if not self.sets.graph:
            return list(range(self.length))
        feeds, waits = _arcs(
            len(self.model.blocks), tuple((t.producer, t.consumers) for t in self.model.tensors)
        )
        left = list(waits)
        ready = [(-rank[b], b) for b, count in enumerate(left) if not count]
        heapq.heapify(ready)
        order = []
        while ready:
            order.append(heapq.heappop(ready)[1])
            for b in feeds[order[-1]]:
                left[b] -= 1
                if not left[b]:
                    heapq.heappush(ready, (-rank[b], b))
        return order


@functools.lru_cache(maxsize=64)
def _masks(sets: Downsets) -> list[int]:
    """Return the blocks of each downset as the bits of an integer."""
    return list(sets.number)


@functools.lru_cache(maxsize=64)
def _arcs(
    size: int, edges: tuple[tuple[int | None, tuple[int, ...]], ...]
) -> tuple[list[list[int]], list[int]]:
    """Return by block those that it feeds, and how often each is fed."""
    feeds: list[list[int]] = [[] for _ in range(size)]
    waits = [0] * size
    for producer, consumers in edges:
        if producer is not None:
            feeds[producer] += consumers
            for b in consumers:
                waits[b] += 1
    return feeds, waits
