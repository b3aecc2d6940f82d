"""The plans of a CIFT instance, enumerated and counted, and the exact figures of their parts.

What the brute-force oracle enumerates: a configuration, a path of links from its source, and a
chain of *states*, what is done behind each node of the path. Of a chain of blocks the states are
its beginnings, of a graph all sets of blocks that hold with a block what it needs. Figures are
rationals, written out from the statement of the problem, apart from every model and the judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from splitopt.instances.cift.doubt import EpochsInDoubt
from splitopt.instances.cift.model import CiftInstance, Configuration, SpeedInterval
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.profiles import Profile

Segment = tuple[int, int, int]  # node, states before and after
Placement = tuple[tuple[int, ...], tuple[int, ...]]  # nodes of the path, state behind each
States = tuple[frozenset[int], ...]


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


def states(model: Profile) -> States:
    """Return what can be done of a network at a time, smaller sets first, the empty one first."""
    size = len(model.blocks)
    if not model.is_graph:
        return tuple(frozenset(range(b)) for b in range(size + 1))
    needs: list[set[int]] = [set() for _ in range(size)]
    for tensor in model.tensors:
        for block in tensor.consumers:
            needs[block] |= set() if tensor.producer is None else {tensor.producer}
    layer, found = {frozenset[int]()}, [frozenset[int]()]
    for _ in range(size):
        layer = {
            done | {b} for done in layer for b in range(size) if b not in done and needs[b] <= done
        }
        found += sorted(layer, key=sorted)
    return tuple(found)


def larger_than(known: States) -> list[list[int]]:
    """Return for each state those that hold it and more."""
    return [[j for j in range(i + 1, len(known)) if known[i] < known[j]] for i in range(len(known))]


def segmentations(larger: list[list[int]], stops: int) -> Iterator[tuple[int, ...]]:
    """Yield every way to get all done on `stops` nodes in order, some of it on the last."""
    last = len(larger) - 1

    def chains(done: int, left: int) -> Iterator[tuple[int, ...]]:
        if left == 1:
            yield (last,)
            return
        for then in [done, *larger[done]]:
            if then != last:
                for rest in chains(then, left - 1):
                    yield (then, *rest)

    return chains(0, stops)


def _divisions(larger: list[list[int]], most: int) -> list[int]:
    """Return how many chains of states have h steps from nothing to all, h = 0..most."""
    ways = [1] + [0] * (len(larger) - 1)
    count = [0]
    for _ in range(most):
        after = [0] * len(larger)
        for i, paths in enumerate(ways):
            if paths:
                for j in larger[i]:
                    after[j] += paths
        ways = after
        count.append(ways[-1])
    return count


def count_plans(instance: CiftInstance) -> int:
    """Return how many (placement, speeds of a phase) there are; an interval is one speed.

    Counted without enumerating: over the acyclic network, how many paths with h hosts reach a
    node, each weighted by its hosts' levels; h hosts share L blocks of a chain in C(L - 1, h - 1)
    ways.
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
    most = min(len(instance.nodes), max(length.values(), default=0))
    divisions = {
        model.name: _divisions(larger_than(states(model)), most)
        if model.is_graph
        else [0, *(math.comb(length[model.name] - 1, h - 1) for h in range(1, most + 1))]
        for model in instance.models
    }
    total = 0
    for source in {place[g.source] for g in instance.configurations}:
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
                phases = 2 if instance.expected_passes(g) > 0 else 1
                ways = divisions[g.model]
                total += phases * sum(ways[h] * ends[h] for h in range(1, most + 1))
    return total


@dataclass(frozen=True)
class Data:
    """One configuration in rationals: work, memory and bits; R, S and the factors."""

    larger: list[list[int]]  # states that hold a state and more
    names: tuple[tuple[str, ...], ...] | None  # blocks of each state; None for a chain
    work: tuple[tuple[Fraction, ...], ...]  # FLOP of each state on each node, weighted
    held: tuple[Fraction, ...]  # bytes of each state in memory
    bits: tuple[Fraction, ...]  # bits on the wire behind each state but the last
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
        done = states(model)
        flops = [rational(b.flops) * rational(level.flops_factor) for b in model.blocks]
        held = [
            rational(b.param_bytes) * rational(level.param_factor) * grown for b in model.blocks
        ]

        def total(figures: Sequence[Fraction]) -> tuple[Fraction, ...]:
            return tuple(sum((figures[b] for b in state), Fraction(0)) for state in done)

        plain = total(flops)
        work = []
        for node in instance.nodes:
            given = dict(dict(node.factors).get(model.name, ()))
            work.append(
                total(
                    [
                        w * rational(given.get(b.name, 1))
                        for w, b in zip(flops, model.blocks, strict=True)
                    ]
                )
                if given
                else plain
            )
        names = tuple(b.name for b in model.blocks)
        return Data(
            larger_than(done),
            tuple(tuple(names[b] for b in sorted(state)) for state in done)
            if model.is_graph
            else None,
            tuple(work),
            total(held),
            tuple(_bits(model, rational(level.activation_factor), state) for state in done[:-1]),
            rational(training.compute_factor) * passes,
            rational(training.communication_factor) * passes,
            Fraction(training.batch_size),
            rational(training.compute_factor) * timed,
            rational(training.communication_factor) * timed,
            samples,
        )


def _bits(model: Profile, factor: Fraction, done: frozenset[int]) -> Fraction:
    """Return what a hop carries once `done` is."""
    if not model.is_graph:
        return (
            rational(model.blocks[len(done) - 1].activation_bits) * factor
            if done
            else rational(model.input_bits)
        )
    total = Fraction(0)
    for tensor in model.tensors:
        if not done.issuperset(tensor.consumers):
            if tensor.producer is None:
                total += rational(tensor.bits)
            elif tensor.producer in done:
                total += rational(tensor.bits) * factor
    return total


def _in_doubt(instance: CiftInstance, entry: EpochsInDoubt) -> tuple[Fraction, int]:
    """Return the epochs expected, and the fewest that suffice with the confidence asked for."""
    assert instance.doubt is not None
    epochs = entry.distribution()
    share = rational(instance.doubt.fine_tuning_confidence)
    enough = [k for k in epochs if sum(w for j, w in epochs.items() if j <= k) >= share]
    return sum((k * w for k, w in epochs.items()), Fraction(0)), min(enough)


def split(placement: Placement) -> tuple[list[Segment], list[tuple[int, int, int]]]:
    """Return the segments, and the hops as (tail, head, state)."""
    path, cuts = placement
    segments, hops = [], []
    done = 0
    for position, (node, then) in enumerate(zip(path, cuts, strict=True)):
        if position > 0:
            hops.append((path[position - 1], node, done))
        if then > done:
            segments.append((node, done, then))
            done = then
    return segments, hops


def placements(instance: CiftInstance, g: Configuration, data: Data) -> Iterator[Placement]:
    """Yield the placements of `g` whose segments fit into memory and keep up with the rate."""
    source = next(n for n, node in enumerate(instance.nodes) if node.name == g.source)
    memory = [rational(node.memory_bytes) for node in instance.nodes]
    rate = instance.throughput_per_s
    busiest = None if rate is None else (1 + rational(TOLERANCES.deadline)) / rational(rate)
    place = {node.name: n for n, node in enumerate(instance.nodes)}
    wires = {(place[k.tail], place[k.head]): rational(k.rate_bit_per_s) for k in instance.links}
    for path in paths(instance, source):
        for cuts in segmentations(data.larger, len(path)):
            segments, hops = split((path, cuts))
            if not all(data.held[j] - data.held[i] <= memory[n] for n, i, j in segments):
                continue
            if busiest is not None and any(
                data.bits[b] > busiest * wires[tail, head] for tail, head, b in hops
            ):
                continue
            yield path, cuts


def keeps_up(instance: CiftInstance, work: Fraction, speed: float) -> bool:
    """Return whether a host of `work` FLOP at a speed is done in time for the next request."""
    rate = instance.throughput_per_s
    if rate is None:
        return True
    return work * rational(rate) <= rational(speed) * (1 + rational(TOLERANCES.deadline))


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
        """Return (T_inf, E_inf, T_ft, E_ft) of one hop (tail, head, state)."""
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
