"""The graph of placements of CIFT, built (see `splitopt.formulations.cift.outer.graph`)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from splitopt.formulations.cift.chances import chances, expected
from splitopt.formulations.cift.outer.doubt import in_doubt
from splitopt.formulations.cift.outer.graph import TUNE, Placements
from splitopt.formulations.cift.outer.speeds import Engine
from splitopt.formulations.cift.pricing import LOOSE
from splitopt.formulations.cift.sweeps import GOAL, ROOT
from splitopt.instances.cift.model import CiftInstance, Compression, Link
from splitopt.instances.cift.rates import least_speeds, open_hops
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.exact import rational
from splitopt.instances.networks.downsets import Downsets, downsets_of
from splitopt.instances.networks.profiles import Profile


def _order(instance: CiftInstance) -> list[int]:
    """Return the nodes in an order in which every link leads forward."""
    heads = {
        node.name: [link.head for link in instance.links_from[node.name]] for node in instance.nodes
    }
    done: dict[str, None] = {}

    for root in heads:
        waiting = [(root, iter(heads[root]))]
        while waiting:
            name, rest = waiting[-1]
            following = next((head for head in rest if head not in done), None)
            if following is None:
                done.setdefault(name)
                waiting.pop()
            else:
                waiting.append((following, iter(heads[following])))
    return [instance.node_index[name] for name in reversed(done)]


def _windows(
    sets: Downsets, sizes: list[Fraction], room: Fraction, first: int
) -> list[tuple[int, int]]:
    """Return the segments (i, j), i <= first, whose sizes sum to at most `room`."""
    if sets.graph:
        held = sets.sums(np.array([float(size) for size in sizes]))
        fits = sets.nested & (held <= float(room))
        near = sets.nested & (np.abs(held - float(room)) <= 1e-9 * float(room))
        for i, j in np.argwhere(near).tolist():
            fits[i, j] = sum((sizes[b] for b in sets.between(i, j)), Fraction(0)) <= room
        return [(int(i), int(j)) for i, j in np.argwhere(fits[: first + 1])]
    sums = [Fraction(0), *accumulate(sizes)]
    return [
        (i, j)
        for i in range(first + 1)
        for j in range(i + 1, len(sums))
        if sums[j] - sums[i] <= room
    ]


def _bits(model: Profile, sets: Downsets, factor: float) -> list[float]:
    """Return the bits behind each downset but the last."""
    if not sets.graph:
        return [model.input_bits, *(b.activation_bits * factor for b in model.blocks[:-1])]
    sizes = [t.bits if t.producer is None else t.bits * factor for t in model.tensors]
    bits: list[float] = (sets.crossing[:-1] @ np.array(sizes)).tolist()
    return bits


def _kept(instance: CiftInstance, passes: list[float]) -> list[int]:
    """Return the configurations; of those alike but for q, one of least S_g."""
    least: dict[tuple[object, ...], int] = {}
    for index, g in enumerate(instance.configurations):
        key = instance.rival(g)
        if key not in least or passes[index] < passes[least[key]]:
            least[key] = index
    return list(least.values())


class _Columns:
    """The columns of each arc, and the stages of all states, configuration by configuration.

    A column is tail, head, configuration, node, downsets before and after; then work, the least
    speed, joules and the seconds of both phases of a hop, its seconds of the rate, and its link.
    """

    def __init__(self, instance: CiftInstance) -> None:
        self.instance = instance
        self.columns: list[list[float]] = []
        self.stages = [0, 3 * len(instance.nodes)]
        self._order = _order(instance)
        self._rank = {n: position for position, n in enumerate(self._order)}
        self._number = {(link.tail, link.head): k for k, link in enumerate(instance.links)}
        self._windows: dict[tuple[str, Fraction, int, int], list[tuple[int, int]]] = {}

    def add(self, index: int, passes: float, timed: int) -> None:
        """Add what paths of a configuration can do, with the passes that count for it."""
        instance = self.instance
        g = instance.configurations[index]
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        sets = downsets_of(model)
        L = len(sets) - 1
        source = instance.node_index[g.source]
        factor = rational(level.param_factor)
        if passes > 0:
            factor *= rational(instance.training.memory_factor)
        sent = instance.training.communication_factor
        bits = np.array(_bits(model, sets, level.activation_factor))
        hops = _Hops(model, level, sets, bits, sent * passes, sent * timed)
        flops = np.array([b.flops * level.flops_factor for b in model.blocks])
        plain = sets.sums(flops)
        # States of the nodes in reach, numbered as they are met.
        arrived: dict[int, list[int]] = {source: [ROOT]}
        for n in self._order[self._rank[source] :]:
            if n not in arrived:
                continue
            placed = [len(self.stages) + b for b in range(L)] + [GOAL]
            self.stages += [3 * self._rank[n] + 2] * L
            here = instance.nodes[n]
            weights = instance.factors(here, model)
            work = plain if weights is None else sets.sums(flops * np.array(weights))
            slowest = least_speeds(instance, here, model, level, sets, work)
            top = Engine.of(here).high
            for b, state in enumerate(arrived[n]):
                self.columns.append([state, placed[b], index, n, b, b, *[0.0] * 6, -1])
            for i, j in self._fitting(model, sets, factor, n, len(arrived[n])):
                least_speed = 0.0 if slowest is None else float(slowest[i, j])
                if least_speed <= top:
                    figures = float(work[i, j]), least_speed, *[0.0] * 4, -1
                    self.columns.append([arrived[n][i], placed[j], index, n, i, j, *figures])
            for link in instance.links_from[here.name]:
                head = instance.node_index[link.head]
                if head not in arrived:
                    arrived[head] = [len(self.stages) + b for b in range(L)]
                    self.stages += [3 * self._rank[head] + 1] * L
                number = self._number[link.tail, link.head]
                for b, figures in hops.over(instance, link):
                    ends = placed[b], arrived[head][b]
                    self.columns.append([*ends, index, head, b, b, 0.0, 0.0, *figures, number])

    def _fitting(
        self, model: Profile, sets: Downsets, factor: Fraction, n: int, starts: int
    ) -> list[tuple[int, int]]:
        """Return the segments that fit a node, from the first so many downsets."""
        key = model.name, factor, n, starts
        if key not in self._windows:
            room = rational(self.instance.nodes[n].memory_bytes) / factor
            sizes = [rational(b.param_bytes) for b in model.blocks]
            self._windows[key] = _windows(sets, sizes, room, starts - 1)
        return self._windows[key]


class _Hops(NamedTuple):
    """What a configuration sends: bits; sendings in fine-tuning, for energy and for deadlines."""

    model: Profile
    level: Compression
    sets: Downsets
    bits: Floats
    sent: float
    timed: float

    def over(
        self, instance: CiftInstance, link: Link
    ) -> Iterator[tuple[int, tuple[float, float, float, float]]]:
        """Yield what may cross a link: its downset; joules, seconds of both phases, of the rate."""
        wide = open_hops(instance, link, self.model, self.level, self.sets, self.bits)
        joules = (instance.requests + self.sent) * link.energy_j_per_bit
        batch = instance.training.batch_size
        for b, size in enumerate(self.bits.tolist()):
            if wide[b]:
                wire = size / link.rate_bit_per_s
                tuning = self.timed * (wire + link.delay_s / batch)
                yield b, (joules * size, wire + link.delay_s, tuning, wire)


def build_placements(instance: CiftInstance) -> Placements:
    """Return the placements of an instance; of configurations alike but for q, one of least S_g."""
    both = chances(instance)
    if both is not None:
        instance = expected(instance)
    training, R = instance.training, instance.requests
    passes = [float(instance.expected_passes(g)) for g in instance.configurations]
    timed = [instance.assured_passes(g) for g in instance.configurations]
    found = _Columns(instance)
    for index in _kept(instance, passes):
        found.add(index, passes[index], timed[index])
    table = np.array(found.columns, dtype=np.float64).reshape(-1, 13).T
    tail, head, configuration, node, start, stop = table[:6].astype(np.int64)
    runs = np.array([np.full(len(passes), float(R)), training.compute_factor * np.array(passes)])
    clock = np.array([np.ones(len(passes)), training.compute_factor * np.array(timed)])
    often, hop_s, doubts = np.ones((2, len(tail))), table[9:11], None
    if both is not None:
        arcs = configuration, node, table[12].astype(np.int64)
        doubts = in_doubt(instance, both, arcs, table[11])
        clock[TUNE] = np.where(runs[TUNE] > 0, training.compute_factor, 0.0)
        often, hop_s = (np.array(part) for part in zip(*(d.relaxed for d in doubts), strict=True))
    kinds, kind = _kinds(runs, clock, often, configuration)
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    return Placements(
        instance,
        tail,
        head,
        configuration,
        node,
        start,
        stop,
        work_flop=table[6],
        slowest=table[7],
        hop_j=table[8],
        hop_s=hop_s,
        often=often,
        kinds=kinds,
        kind=kind,
        doubts=doubts,
        stage=np.array(found.stages, dtype=np.int64),
        runs=runs,
        clock=clock,
        engines=(
            tuple(Engine.of(node, charged=R > 0) for node in instance.nodes),
            tuple(Engine.of(node) for node in instance.nodes),
        ),
        limits=tuple(np.inf if d is None else d * LOOSE for d in deadlines),  # type: ignore[arg-type]
    )


def _kinds(runs: Floats, clock: Floats, often: Floats, configuration: Ints) -> tuple[Floats, Ints]:
    """Return how often deadlines count what energy counts once, and which of these an arc has."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.nan_to_num(clock[TUNE] / runs[TUNE], nan=1.0)[configuration] * often[TUNE]
    pairs = np.stack([often[0], ratio], axis=1)
    kinds, kind = np.unique(pairs, axis=0, return_inverse=True)
    return kinds, kind.reshape(-1)
