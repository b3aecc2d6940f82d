"""Plans of the CP-SAT model as paths, so that deadlines priced rule literals out.

A path meets, for each offer k, states *arrived* (k, b, n) and *placed* (k, b, n), b blocks done on
the way to node n and there; arcs are hops, relays, and segments of blocks that fit a node, served
at one level and then, over a state between, fine-tuned at one. The root is the arrival at every
source with nothing done, the goal has every block placed. Figures are those of
`splitopt.formulations.cift.cpsat.figures`, before they are rounded. What the arcs left by
`splitopt.formulations.cift.pricing` do not use is no literal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.cpsat.figures import BlockRun, Offer, packing
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.pricing import FARTHEST, LOOSE, climb, within
from splitopt.formulations.cift.sweeps import GOAL, ROOT, Sweeps
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.exact import rational

_SERVE, _TUNE, _HOP, _RELAY = range(4)
_MOST_ARCS = 2_000_000  # estimated from above


@dataclass(frozen=True, slots=True)
class Kept:
    """Literals that plans better than the best one may need, by their keys; and the offers."""

    offers: frozenset[int]
    serve: frozenset[tuple[int, int, int, float]]
    tune: frozenset[tuple[int, int, int, float]]
    hop: frozenset[tuple[int, int, int, int]]
    cutoff: float


@dataclass(eq=False)
class OfferPaths:
    """The graph; columns are appended in chunks and joined when first used."""

    instance: CiftInstance
    choices: Sequence[Offer]
    rank: Sequence[int]
    stage: list[Ints] = field(default_factory=list)
    states: int = 2
    _chunks: list[tuple[npt.ArrayLike, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage.append(np.array([0, 3 * len(self.rank) + 3]))
        for k, offer in enumerate(self.choices):
            self._offer(k, offer)

    def _new(self, count: int, stage: int) -> Ints:
        self.stage.append(np.full(count, stage))
        self.states += count
        return np.arange(self.states - count, self.states)

    def _add(self, kind: int, k: int, n: int, *columns: npt.ArrayLike) -> None:
        """Add arcs: tail, head, energy, latency, time, first and last block, level.

        In place of its last block a hop has its tail.
        """
        wide = np.broadcast_arrays(kind, k, n, *columns)
        self._chunks.append(tuple(column.ravel() for column in wide))

    def _offer(self, k: int, offer: Offer) -> None:
        blocks = offer.blocks
        arrived, placed = {}, {}
        for n in offer.nodes:
            arrived[n] = self._new(blocks, 3 * self.rank[n] + 1)
            placed[n] = np.append(self._new(blocks, 3 * self.rank[n] + 3), GOAL)
        arrived[offer.source] = np.array([ROOT])
        for n in offer.nodes:
            done = np.arange(len(arrived[n]))
            self._add(_RELAY, k, n, arrived[n], placed[n][done], 0.0, 0.0, 0.0, done, done, 0.0)
            self._segments(k, offer, n, arrived[n], placed[n])
        for b, cut in enumerate(offer.hops):
            for hop in cut:
                if b < len(arrived[hop.head]):
                    self._add(
                        _HOP, k, hop.head, placed[hop.tail][b], arrived[hop.head][b],
                        hop.energy_j, hop.latency_s, hop.time_s, b, hop.tail, 0.0,
                    )  # fmt: skip

    def _segments(self, k: int, offer: Offer, n: int, arrived: Ints, placed: Ints) -> None:
        sizes, room = packing(offer.held, rational(self.instance.nodes[n].memory_bytes))
        serve = _columns([offer.serve[b, n] for b in range(offer.blocks)])
        tune = _columns([offer.tune[b, n] for b in range(offer.blocks)]) if offer.trained else None
        for i in range(len(arrived)):
            held = np.cumsum(np.array(sizes[i:], dtype=object))
            count = int(np.sum(held <= room))  # sizes are not negative: the first ones fit
            if not count:
                continue
            last = i + np.arange(count)
            level, energy, seconds = serve[0], *(part[:, i : i + count] for part in serve[1:])
            energy, seconds = np.cumsum(energy, axis=1), np.cumsum(seconds, axis=1)
            heads = placed[last + 1]
            if tune is None:
                self._add(
                    _SERVE, k, n, arrived[i], heads, energy, seconds, 0.0, i, last, level[:, None]
                )
                continue
            between = self._new(count, 3 * self.rank[n] + 2)
            self._add(
                _SERVE, k, n, arrived[i], between, energy, seconds, 0.0, i, last, level[:, None]
            )
            level, energy, seconds = tune[0], *(part[:, i : i + count] for part in tune[1:])
            energy, seconds = np.cumsum(energy, axis=1), np.cumsum(seconds, axis=1)
            self._add(_TUNE, k, n, between, heads, energy, 0.0, seconds, i, last, level[:, None])

    @cached_property
    def columns(self) -> list[Floats]:
        """Kind, offer, node, tail, head, energy, latency, time, first, last, level of each arc."""
        return [np.concatenate(part) for part in zip(*self._chunks, strict=True)]

    def whole(self, position: int) -> Ints:
        """Return a column of whole numbers."""
        return self.columns[position].astype(np.int64)

    @cached_property
    def _ends(self) -> tuple[Ints, Ints, Ints]:
        return self.whole(3), self.whole(4), np.concatenate(self.stage)

    @cached_property
    def shares(self) -> list[Floats]:
        """What each arc takes of each deadline above zero."""
        limits = self.instance.inference_deadline_s, self.instance.fine_tuning_deadline_s
        return [
            seconds / (limit * LOOSE)
            for seconds, limit in zip(self.columns[6:8], limits, strict=True)
            if limit
        ]

    @property
    def deadlines(self) -> int:
        """How many deadlines are priced."""
        return len(self.shares)

    def sweeps(self, arcs: Ints) -> Sweeps:
        """Return the shortest paths over some arcs."""
        tail, head, stage = self._ends
        return Sweeps(tail[arcs], head[arcs], stage)

    def figures(self, arcs: Ints, prices: Floats) -> Floats:
        """Return energy and shares of each deadline."""
        return np.vstack([self.columns[5][arcs], *(share[arcs] for share in self.shares)])

    def offer(self, best: Incumbent, path: Ints, prices: Floats) -> None:
        """Offer the plan of a path."""
        kind, k, node, first, last = (self.whole(c)[path].tolist() for c in (0, 1, 2, 8, 9))
        names = [node.name for node in self.instance.nodes]
        g = self.instance.configurations[self.choices[k[0]].index]
        stops = [Stop(g.source, 0, None, None)]
        for arc, what in enumerate(kind):
            level = float(self.columns[10][path[arc]])
            name = names[node[arc]]
            if what == _HOP:
                stops.append(Stop(name, 0, None, None))
            elif what == _SERVE:
                stops[-1] = Stop(name, last[arc] - first[arc] + 1, level, None)
            elif what == _TUNE:
                serving = stops[-1].inference_speed_flop_per_s
                stops[-1] = Stop(name, stops[-1].blocks, serving, level)
        best.offer(CiftPlan.of(g, tuple(stops)))


class ScipyPlanes:
    """The planes of prices by SciPy: HiGHS and OR-Tools are not to share a process."""

    def __init__(self, prices: int, reference: float) -> None:
        self._reference = reference
        self._rows: list[Floats] = []
        self._energies: list[float] = []
        self._bounds = [(None, None), *[(0.0, FARTHEST)] * prices]

    def add(self, energy: float, slope: Floats) -> None:
        """Add the plane of a path."""
        self._rows.append(np.append(1.0, -slope))
        self._energies.append(energy / self._reference)

    def highest(self) -> tuple[float, Floats]:
        """Return the height and the prices of the highest point below all planes.

        Where SciPy fails, a height that ends the climb: any prices give a bound.
        """
        from scipy.optimize import linprog

        cost = np.append(-1.0, np.zeros(len(self._bounds) - 1))
        rows = np.array(self._rows)
        found = linprog(cost, rows, self._energies, bounds=self._bounds, method="highs-ds")
        if found.status != 0 or found.x is None:
            return -np.inf, np.zeros(len(cost) - 1)
        return float(found.x[0]) * self._reference, found.x[1:] * self._reference


def _columns(runs: Sequence[Sequence[BlockRun]]) -> tuple[Floats, Floats, Floats]:
    """Return levels, shape (levels,), and energy and seconds, shape (levels, blocks)."""
    return (
        np.array([run.level for run in runs[0]]),
        np.array([[run.energy_j for run in mine] for mine in runs]).T,
        np.array([[run.seconds for run in mine] for mine in runs]).T,
    )


def _rank(instance: CiftInstance) -> list[int]:
    """Return for each node the most links on a path to it."""
    rank = [0] * len(instance.nodes)
    ends = [(instance.node_index[k.tail], instance.node_index[k.head]) for k in instance.links]
    for _ in rank:
        before = list(rank)
        for tail, head in ends:
            rank[head] = max(rank[head], rank[tail] + 1)
        if rank == before:
            break
    return rank


def reduced(instance: CiftInstance, choices: Sequence[Offer], best: Incumbent) -> Kept | None:
    """Price the deadlines; return the literals that are left.

    None where the graph is too large, and of what its paths do not say: networks that are graphs,
    throughputs, factors, a network in doubt.
    """
    doubt = instance.doubt
    if instance.beyond or (doubt is not None and (doubt.scenarios or doubt.spread)):
        return None
    size = sum(o.blocks**2 * sum(len(o.serve[0, n]) for n in o.nodes) for o in choices)
    limits = instance.inference_deadline_s, instance.fine_tuning_deadline_s
    if size > _MOST_ARCS or 0 in limits:
        return None
    graph = OfferPaths(instance, choices, _rank(instance))
    arcs = np.arange(len(graph.columns[0]))
    for share in graph.shares:
        arcs = within(graph, arcs, share[arcs])
    arcs, cutoff, _ = climb(graph, arcs, best, best.budget.relative_gap / 2, ScipyPlanes)
    best.statistics |= {"arcs": len(graph.columns[0]), "arcs_priced": len(arcs)}
    serve: set[tuple[int, int, int, float]] = set()
    tune: set[tuple[int, int, int, float]] = set()
    hop: set[tuple[int, int, int, int]] = set()
    kind, k, node, first, last = (graph.whole(c)[arcs].tolist() for c in (0, 1, 2, 8, 9))
    levels = graph.columns[10][arcs].tolist()
    for what, of, n, i, j, level in zip(kind, k, node, first, last, levels, strict=True):
        if what == _HOP:
            hop.add((of, i, j, n))
        elif what != _RELAY:
            into = serve if what == _SERVE else tune
            into.update((of, b, n, level) for b in range(i, j + 1))
    return Kept(frozenset(k), frozenset(serve), frozenset(tune), frozenset(hop), cutoff)
