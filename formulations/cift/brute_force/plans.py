"""The plans of a CIFT instance, enumerated and counted, and the exact figures of their parts.

What the brute-force oracle enumerates: a configuration, a path of links from its source, and a
way to cut the blocks into consecutive segments for the nodes of the path. Figures are
rationals, written out from the statement of the problem, apart from every model and the judge.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from splitopt.instances.cift.doubt import EpochsInDoubt
from splitopt.instances.cift.model import CiftInstance, Configuration, SpeedInterval
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES

__all__ = [
    "Data",
    "Hops",
    "Placement",
    "Segment",
    "count_plans",
    "deadline",
    "paths",
    "placements",
    "segmentations",
    "split",
]

Segment = tuple[int, int, int]  # node, first block, block behind the last
Placement = tuple[tuple[int, ...], tuple[int, ...]]  # nodes of the path, blocks at each


def _successors(instance: CiftInstance) -> dict[int, list[int]]:
    place = {node.name: n for n, node in enumerate(instance.nodes)}
    after: dict[int, list[int]] = {n: [] for n in range(len(instance.nodes))}
    for link in instance.links:
        after[place[link.tail]].append(place[link.head])
    return after


def paths(instance: CiftInstance, source: int) -> Iterator[tuple[int, ...]]:
    """Yield every path of links from node `source`, that of no link first."""
    after = _successors(instance)
    waiting: list[tuple[int, ...]] = [(source,)]
    while waiting:
        path = waiting.pop()
        yield path
        waiting.extend((*path, n) for n in after[path[-1]])


def segmentations(blocks: int, stops: int) -> Iterator[tuple[int, ...]]:
    """Yield every way to give `blocks` blocks in order to `stops` nodes, the last some."""
    for cuts in itertools.combinations_with_replacement(range(blocks), stops - 1):
        yield tuple(b - a for a, b in itertools.pairwise([0, *cuts, blocks]))


def count_plans(instance: CiftInstance) -> int:
    """Return how many (placement, speeds of a phase) there are; an interval is one speed.

    Counted without enumerating: over the acyclic network, how many paths with h hosts reach a
    node, each weighted by its hosts' levels; h hosts share L blocks in C(L - 1, h - 1) ways.
    """
    after = _successors(instance)
    levels = [
        1 if isinstance(n.speeds_flop_per_s, SpeedInterval) else len(n.speeds_flop_per_s)
        for n in instance.nodes
    ]
    # Links come before what they lead to.
    order: list[int] = []
    seen: set[int] = set()
    for root in range(len(instance.nodes)):
        stack = [(root, iter(after[root]))] if root not in seen else []
        seen.add(root)
        while stack:
            node, rest = stack[-1]
            for head in rest:
                if head not in seen:
                    seen.add(head)
                    stack.append((head, iter(after[head])))
                    break
            else:
                order.append(node)
                stack.pop()
    order.reverse()
    place = {node.name: n for n, node in enumerate(instance.nodes)}
    length = {model.name: len(model.blocks) for model in instance.models}
    total = 0
    for source in {place[g.source] for g in instance.configurations}:
        most = max(length[g.model] for g in instance.configurations)
        reach = {source: [1] + [0] * most}
        ends = [0] * (most + 1)
        for node in order:
            if node not in reach:
                continue
            arrived = reach[node]
            hosted = [0, *(levels[node] * ways for ways in arrived[:-1])]
            ends = [a + b for a, b in zip(ends, hosted, strict=True)]
            leaving = [a + b for a, b in zip(arrived, hosted, strict=True)]
            for head in after[node]:
                before = reach.get(head, [0] * (most + 1))
                reach[head] = [a + b for a, b in zip(before, leaving, strict=True)]
        for g in instance.configurations:
            if place[g.source] == source:
                L = length[g.model]
                phases = 2 if instance.expected_passes(g) > 0 else 1
                total += phases * sum(math.comb(L - 1, h - 1) * ends[h] for h in range(1, L + 1))
    return total


@dataclass(frozen=True)
class Data:
    """One configuration in rationals: work, memory and bits; R, S and the factors."""

    work: tuple[Fraction, ...]  # FLOP of the first b blocks, b = 0..L
    held: tuple[Fraction, ...]  # bytes of the first b blocks in memory
    bits: tuple[Fraction, ...]  # bits on the wire behind b blocks, b = 0..L-1
    compute: Fraction  # fine-tuning passes over a block, in forward passes, as energy counts them
    transfers: Fraction  # fine-tuning passes over a hop
    batch: Fraction
    compute_timed: Fraction  # the same as the deadline counts them
    transfers_timed: Fraction
    samples: int

    @staticmethod
    def of(instance: CiftInstance, g: Configuration) -> Data:
        """Return the data of configuration `g`."""
        model = next(m for m in instance.models if m.name == g.model)
        level = next(c for c in instance.compressions if c.name == g.compression)
        source = next(n for n in instance.nodes if n.name == g.source)
        samples = math.ceil(rational(g.fraction) * source.samples)
        passes, timed = Fraction(g.epochs * samples), g.epochs * samples
        in_doubt = [] if instance.doubt is None else instance.doubt.epochs
        for entry in in_doubt:
            if entry.key == g.key:
                passes, timed = _in_doubt(instance, entry)
                passes, timed = passes * samples, timed * samples
        training = instance.training
        grown = rational(training.memory_factor) if passes > 0 else Fraction(1)
        work, held = [Fraction(0)], [Fraction(0)]
        bits = [rational(model.input_bits)]
        for block in model.blocks:
            work.append(work[-1] + rational(block.flops) * rational(level.flops_factor))
            held.append(
                held[-1] + rational(block.param_bytes) * rational(level.param_factor) * grown
            )
            bits.append(rational(block.activation_bits) * rational(level.activation_factor))
        return Data(
            tuple(work),
            tuple(held),
            tuple(bits[:-1]),
            rational(training.compute_factor) * passes,
            rational(training.communication_factor) * passes,
            Fraction(training.batch_size),
            rational(training.compute_factor) * timed,
            rational(training.communication_factor) * timed,
            samples,
        )


def _in_doubt(instance: CiftInstance, entry: EpochsInDoubt) -> tuple[Fraction, int]:
    """Return the epochs expected, and the fewest that suffice with the confidence asked for."""
    assert instance.doubt is not None
    epochs = entry.distribution()
    share = rational(instance.doubt.fine_tuning_confidence)
    enough = [k for k in epochs if sum(w for j, w in epochs.items() if j <= k) >= share]
    return sum((k * w for k, w in epochs.items()), Fraction(0)), min(enough)


def split(placement: Placement) -> tuple[list[Segment], list[tuple[int, int, int]]]:
    """Return the segments, and the hops as (tail, head, blocks done)."""
    path, counts = placement
    segments, hops = [], []
    done = 0
    for position, (node, count) in enumerate(zip(path, counts, strict=True)):
        if position > 0:
            hops.append((path[position - 1], node, done))
        if count > 0:
            segments.append((node, done, done + count))
            done += count
    return segments, hops


def placements(instance: CiftInstance, g: Configuration, data: Data) -> Iterator[Placement]:
    """Yield the placements of `g` whose segments fit into memory."""
    source = next(n for n, node in enumerate(instance.nodes) if node.name == g.source)
    memory = [rational(node.memory_bytes) for node in instance.nodes]
    blocks = len(data.work) - 1
    for path in paths(instance, source):
        for counts in segmentations(blocks, len(path)):
            segments, _ = split((path, counts))
            if all(data.held[j] - data.held[i] <= memory[n] for n, i, j in segments):
                yield path, counts


def deadline(limit: float | None) -> Fraction | None:
    """Return a deadline with the tolerance of the suite, None where there is none."""
    return None if limit is None else rational(limit) * (1 + rational(TOLERANCES.deadline))


class Hops:
    """Exact figures of hops: seconds and joules of a phase."""

    def __init__(self, instance: CiftInstance, data: Data) -> None:
        place = {node.name: n for n, node in enumerate(instance.nodes)}
        self._links = {(place[k.tail], place[k.head]): k for k in instance.links}
        self._data = data
        self._requests = instance.requests
        self._known: dict[tuple[int, int, int], tuple[Fraction, ...]] = {}

    def figures(self, hop: tuple[int, int, int]) -> tuple[Fraction, ...]:
        """Return (T_inf, E_inf, T_ft, E_ft) of one hop."""
        if hop not in self._known:
            tail, head, done = hop
            link, data = self._links[tail, head], self._data
            a = data.bits[done]
            wire, delay = a / rational(link.rate_bit_per_s), rational(link.delay_s)
            joules = rational(link.energy_j_per_bit) * a
            self._known[hop] = (
                wire + delay,
                self._requests * joules,
                data.transfers_timed * (wire + delay / data.batch),
                data.transfers * joules,
            )
        return self._known[hop]

    def total(self, hops: Sequence[tuple[int, int, int]]) -> tuple[Fraction, ...]:
        """Return the sums of the figures."""
        rows = [self.figures(hop) for hop in hops]
        return tuple(sum((row[k] for row in rows), Fraction(0)) for k in range(4))
