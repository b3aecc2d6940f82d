r"""Placement now, speeds once the outcome is seen: labels over placements, a figure an outcome.

An outcome i of weight w_i is a way the network turns out together with a band of K. A label
is a prefix of a placement; it holds, for each outcome, four sums over the segments and hops so far:
the Lagrangian at the outcome's own prices of its deadlines, the energy at the cheapest speeds, and
the least times. Each is an additive price of a FLOP and of a bit, so what completes a prefix at
least is a shortest path (`jqodi.cift.graph.bounds_of`), and with them the outcome costs

    held_i >= prefix + completion - mu_i tau        (infinite where the least times are over tau)
    free_i >= prefix + completion                   where it is given up

A label's bound is the least weighted sum with at most 1 - p of the weight given up. Where no
outcome can be given up, the outcomes are completed *together* as well: the weighted sum of their
prices is a price again, and its shortest path one completion for all. Labels leave the heap best
bound first; a placement that is complete is solved, outcome by outcome and phase by phase
(`jqodi.cift.outcomes`). The first label at the incumbent ends the search.

Exact, with listed and with continuous speeds. A label costs O(outcomes); how many there are is
bounded by the prefixes of placements alone, which no polynomial bounds: the gap between the best
placement's energy and the Lagrangian, which the levels of speeds leave open, decides.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from splitopt.heuristics.jqodi.cift.network import OUTWARD, Instance
from splitopt.heuristics.jqodi.cift.outcomes import RATIO, Configured, ends_of
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Floats
from splitopt.instances.core.errors import InputError

_PRICES = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, slots=True)
class Late:
    """The best placement with recourse.

    Attributes
    ----------
    configuration
        Its position; -1 where no placement keeps enough.
    segments
        (node, blocks done before, blocks done after) along the path, nodes by position.
    objective_j, bound_j
        Its expected energy, infinite where there is none; nothing costs less than the bound.
    labels, placements
        Labels made, and placements solved.
    """

    configuration: int
    segments: tuple[tuple[int, int, int], ...]
    objective_j: float
    bound_j: float
    labels: int
    placements: int


class _Search:
    """Labels of one configuration, best bound first."""

    def __init__(self, of: Configured) -> None:
        from splitopt.heuristics.jqodi.cift.graph import bounds_of

        self.of, chain = of, of.case.chain
        self.net = of.outcomes[0].net
        none, anything = np.full(4, math.inf), np.zeros(4, dtype=np.bool_)
        found = []
        for (_, net, load), prices in zip(of.outcomes, of.prices, strict=True):
            rows = _PRICES.copy()
            rows[0, 1:] = prices
            found.append(bounds_of(net, chain, load, rows, none, anything))
        # Axes of what follows: place, outcome, measure.
        self.flop = np.stack([f.serve + f.tune for f in found], axis=1)
        self.alpha = np.stack([f.alpha for f in found], axis=1)
        self.beta = np.stack([f.beta for f in found], axis=1)
        self.placed = np.stack([f.to_placed for f in found], axis=2)
        priced = np.where(of.prices > 0, of.prices * np.where(of.prices > 0, of.limit, 0.0), 0.0)
        self.credit = priced.sum(axis=1)
        self.together = None if of.shares.room >= of.shares.units.min() else self._together()

    def _together(self) -> Floats:
        """Return ``[n, b]``: one completion for all outcomes, at their own prices, from placed."""
        of, net, chain = self.of, self.net, self.of.case.chain
        load, weight = of.case.load, of.shares.weight
        flop, alpha, beta = (x[:, :, 0] @ weight for x in (self.flop, self.alpha, self.beta))
        N, L = load.first.shape
        arrived, placed = np.full((N, L), np.inf), np.full((N, L + 1), np.inf)
        for n in range(N - 1, load.source - 1, -1):
            placed[n, L] = 0.0
            for e in range(net.first[n], net.first[n + 1]):
                hop = arrived[net.head[e]] + (alpha[e] * chain.bits + beta[e])
                placed[n, :L] = np.minimum(placed[n, :L], hop)
            for i in range(L):
                to = load.after[load.first[n, i] : load.first[n, i] + load.count[n, i]]
                rest = placed[n, to] + chain.work[chain.kind[n], i, to] * flop[n]
                arrived[n, i] = min(placed[n, i], rest.min(initial=np.inf))
        return placed

    def bound(self, spent: Floats, n: int, b: int) -> float:
        """Return what every completion of a prefix costs at least."""
        of = self.of
        total = spent + self.placed[n, b]
        over = total[:, 2:] > of.limit * (1.0 + OUTWARD)
        if of.served and over[:, 0].any():
            return math.inf
        free = total[:, 1]
        held = np.maximum(total[:, 0] - self.credit, free)
        held[over.any(axis=1)] = math.inf
        found = of.shares.least(held, free, exact=False)
        if self.together is not None and found < math.inf:
            joint = float(of.shares.weight @ (spent[:, 0] - self.credit)) + self.together[n, b]
            found = max(found, joint)
        return found * (1.0 - 1e-12)

    def after(self, spent: Floats, n: int, i: int) -> Iterator[tuple[Floats, int]]:
        """Yield prefixes with a segment, or none, on the node reached: (sums, blocks done)."""
        load, chain = self.of.case.load, self.of.case.chain
        yield spent, i
        for j in load.after[load.first[n, i] : load.first[n, i] + load.count[n, i]].tolist():
            yield spent + chain.work[chain.kind[n], i, j] * self.flop[n], j


class _Best:
    """The best placement so far; `offer` solves one and keeps the better."""

    def __init__(self, most: int) -> None:
        self.objective, self.position, self.stops = math.inf, -1, np.empty((0, 3), np.int64)
        self.seen: set[tuple[int, bytes]] = set()
        self.labels, self.most = 0, most

    @property
    def threshold(self) -> float:
        """What is of no interest any more."""
        return self.objective / RATIO

    def offer(self, of: Configured, stops: Any) -> None:
        """Solve a placement that is new."""
        key = of.case.position, stops.tobytes()
        if key in self.seen:
            return
        self.seen.add(key)
        worth = of.value(stops)
        if worth < self.objective:
            self.objective, self.position, self.stops = worth, of.case.position, stops

    def run(self, of: Configured) -> float:
        """Search a configuration; return its bound."""
        search, load = _Search(of), of.case.load
        L, number = load.first.shape[1], itertools.count()
        start = np.zeros((len(of.outcomes), 4))
        heap: list[Any] = [(of.floor, next(number), load.source, 0, start, ())]
        while heap and heap[0][0] < self.threshold and self.labels < self.most:
            _, _, n, i, spent, before = heapq.heappop(heap)
            for sums, j in search.after(spent, n, i):
                bound = search.bound(sums, n, j)
                if not bound < self.threshold:
                    continue
                stops = (*before, (n, i, j))
                if j == L:
                    self.offer(of, np.array(stops, dtype=np.int64))
                    continue
                for e in range(search.net.first[n], search.net.first[n + 1]):
                    more = sums + search.alpha[e] * of.case.chain.bits[j] + search.beta[e]
                    self.labels += 1
                    entry = bound, -next(number), int(search.net.head[e]), j, more, stops
                    heapq.heappush(heap, entry)
        return min(self.threshold, heap[0][0] if heap else math.inf)


def late_speeds(instance: CiftInstance, share: Fraction, *, most: int = 1_000_000) -> Late:
    """Return the best placement with speeds set once the outcome is seen.

    Parameters
    ----------
    share
        Weight of the outcomes in which the deadlines in doubt are kept, all at once; a deadline
        that is not in doubt is kept in every outcome.
    most
        Labels to make at most: beyond, the bound is below the optimum.

    Raises
    ------
    InputError
        For means and variances, and for what segments of a chain cannot say.
    """
    instance.require_plain("recourse")
    if instance.doubt is None or instance.doubt.spread:
        given = "none" if instance.doubt is None else "spread"
        raise InputError("doubt", given, "epochs or scenarios", "add scenarios")
    arrays, best = Instance(instance), _Best(most)
    ends = ends_of(instance)
    every = [
        Configured(arrays, position, share, ends)
        for position in range(len(instance.configurations))
    ]
    bound = math.inf
    for of in sorted(every, key=lambda c: (c.floor, c.case.position)):
        if of.floor < best.threshold:
            for stops in of.met:
                best.offer(of, stops)
        if not of.floor < best.threshold:
            bound = min(bound, of.floor)
            break
        bound = min(bound, max(of.floor, best.run(of)))
    place = [instance.node_index[name] for name in arrays.names]
    segments = tuple((place[n], i, j) for n, i, j in best.stops.tolist())
    bound = min(bound, best.objective)
    return Late(best.position, segments, best.objective, bound, best.labels, len(best.seen))
