r"""Large graphs with cycles: the corridor around the optimum, before anything else is set up.

Known are the distances into the target by cost and by each resource
(:mod:`splitopt.heuristics.labels.easy`). For weights :math:`w = \sum_j \alpha_j w_j`,
:math:`\alpha \ge 0`, of which the distances :math:`d_j` by each :math:`w_j` are known,
:math:`\sum_j \alpha_j d_j(v)` is at most the distance from v by w and consistent: an A* search for
the shortest path by w goes nearly straight where w is close to what was tried before. Elsewhere the
rounds of the Lagrangian dual take any short path first: with the bound stretched to the length of a
path known the search goes straight too, the bound itself is the round's, and the path tells as much
as the shortest one. Where it tells nothing new the whole graph is searched, and its distances are
left for the rest.

With an incumbent and the best multipliers, two guided searches then find the arcs that lie on a
path whose Lagrangian bound is below the incumbent. Only these are handed on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from splitopt.heuristics.labels import lagrange
from splitopt.heuristics.labels.distances import Star, by_heap, settle
from splitopt.heuristics.labels.easy import Easy
from splitopt.heuristics.labels.presolve import UNIT, Incumbent, Reduced, against, total
from splitopt.heuristics.labels.problem import Problem
from splitopt.instances.core.kernels import Floats, Floats2, Int32s, kernel, part

# Rounds of the dual at most; they end when its bound is so close to its limit, of what is left
# between bound and incumbent.
_ROUNDS, _CLOSE = 32, 0.02
# Where there is no incumbent, the optimum is taken to be no dearer than so many times the dearest
# path known, and no dearer than the bound by so many arcs of mean cost.
_DEAR, _ARCS = 1.5, 2.0
# Where the bound on its distance may be off by more, a round takes any short path that closes so
# much of what is between that and the paths known; without one it searches the whole graph, so many
# times at most.
_FAR, _WORTH, _WHOLE = 0.006, 0.1, 6
# Fewer arcs are searched sooner than a round of Python.
_SMALL = 30_000
# Bounds are stretched so many times at most for short paths, and there a distance counts that is
# better by this factor.
_STRETCH, _BETTER = 2.0, 0.999


@kernel()
def has_cycle(inward: Star, outward: Star) -> bool:
    """Tell whether arcs other than loops close a cycle."""
    n = inward.start.size - 1
    left, ready = np.zeros(n, np.int32), np.empty(n, np.int32)
    made, done = 0, 0
    for v in range(n):
        for i in range(inward.start[v], inward.start[v + 1]):
            if inward.end[inward.arc[i]] != v:
                left[v] += 1
        if left[v] == 0:
            ready[made] = v
            made += 1
    while done < made:
        v = ready[done]
        done += 1
        for i in range(outward.start[v], outward.start[v + 1]):
            u = outward.end[outward.arc[i]]
            if u != v:
                left[u] -= 1
                if left[u] == 0:
                    ready[made] = u
                    made += 1
    return bool(made < n)


@part
def _trail(via: Int32s, other: Int32s, begin: int, end: int) -> Any:
    """Return the arcs met from `begin` to `end`; `other` is where each leads."""
    count = 0
    v = begin
    while v != end:
        v = other[via[v]]
        count += 1
    path = np.empty(count, np.int64)
    v = begin
    for i in range(count):
        path[i] = via[v]
        v = other[via[v]]
    return path


@kernel()
def whole(inward: Star, head: Int32s, w: Floats, source: int, target: int, dist: Floats) -> Any:
    """Fill `dist` with distances into the target, or less; return the path from the source."""
    n, m = dist.size, inward.arc.size
    via, weight, end = np.empty(n, np.int32), np.empty(m), np.empty(m, np.int32)
    settle(inward, 1.0, w, target, source, np.inf, weight, end, dist, via)
    for v in range(n):
        dist[v] = min(dist[v], dist[source])
    return _trail(via, head, source, target)


@kernel()
def guided(
    outward: Star,
    tail: Int32s,
    w0: float,
    w: Floats,
    rows: Floats2,
    share: Floats,
    source: int,
    target: int,
    better: float,
) -> Any:
    """Return (distance, path) from source to target by weights w0 and w, see `by_heap`."""
    n = outward.start.size - 1
    dist, via = np.empty(n), np.empty(n, np.int32)
    by_heap(outward, w0, w, rows, share, source, target, np.inf, better, dist, via)
    return dist[target], _trail(via, tail, target, source)[::-1].copy()


@kernel()
def cut(
    outward: Star,
    inward: Star,
    w: Floats,
    rows: Floats2,
    share: Floats,
    source: int,
    target: int,
    cutoff: float,
) -> Any:
    """Return (nodes, tail, head, arcs): the arcs on a path of weight up to `cutoff`.

    Their ends are places in `nodes`.
    """
    n = outward.start.size - 1
    ahead, back, via = np.empty(n), np.empty(n), np.empty(n, np.int32)
    by_heap(outward, 1.0, w, rows, share, source, -1, cutoff, 1.0, ahead, via)
    one = np.ones(1)
    by_heap(inward, 1.0, w, ahead.reshape(1, n), one, target, -1, cutoff, 1.0, back, via)
    # Source and target stay, were there nothing between them.
    back[source] = min(back[source], cutoff)
    start, end, cost, res = outward.start, outward.end, outward.cost, outward.res
    place = via
    count, most = 0, 0
    for v in range(n):
        place[v] = -1
        if back[v] < np.inf:
            place[v] = count
            count += 1
            most += start[v + 1] - start[v]
    nodes = np.empty(count, np.int32)
    tail, head, arcs = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
    m = 0
    for v in range(n):
        if place[v] < 0:
            continue
        nodes[place[v]] = v
        for i in range(start[v], start[v + 1]):
            e = outward.arc[i]
            u = end[e]
            if place[u] < 0:
                continue
            x = cost[e]
            for k in range(w.size):
                x += w[k] * res[e, k]
            if ahead[v] + x + back[u] <= cutoff:
                tail[m], head[m], arcs[m] = place[v], place[u], e
                m += 1
    return nodes, tail[:m].copy(), head[:m].copy(), arcs[:m].copy()


class Corridor:
    """The dual on the whole graph, then the cut.

    ``bound`` is the dual bound for ``multiplier``, rounded outward, once `ascend` has found it.

    Parameters
    ----------
    problem, columns, found
        The problem, its resources with a limit, and what the easy search left.
    incumbent
        Takes the paths met.
    """

    def __init__(
        self, problem: Problem, columns: NDArray[np.int64], found: Easy, incumbent: Incumbent
    ) -> None:
        self.problem, self.columns, self.incumbent = problem, columns, incumbent
        self.limits = problem.limits[columns]
        self.slack = 8.0 * (problem.n + 16 + columns.size) * UNIT
        self.bound, self.multiplier = -np.inf, np.zeros(columns.size)
        K = problem.limits.size
        # Room for the distances to come; memory never written costs nothing.
        rest = np.empty((1 + K + _WHOLE, problem.n))
        rest[: 1 + K] = found.rest
        self.found = found._replace(rest=rest)
        # Weights of cost and resources by which the distances are known, a row of `rest` each.
        self.weights = [np.eye(1 + K)[j] for j in range(1 + K)]
        self.known = [(float(row[0]), row[1 + columns]) for row in found.met]
        self.hops = 1

    def ascend(self, ratio: float, stop: NDArray[np.int64]) -> None:
        """Find bound and multipliers."""
        if self.columns.size > 1:
            # A path that uses little of all resources together may keep the limits.
            w = self._spread(against(self.limits))
            share = np.zeros(len(self.found.rest))
            share[1 : 1 + w.size] = w
            self._short(0.0, w, share, *self._between(0.0, w, share))

        def enough(best: float, top: float) -> bool:
            cost = self.incumbent.cost
            return bool(
                stop[0] != 0
                or cost <= ratio * best * (1.0 - self.slack)
                or top - best <= _CLOSE * (cost - best) < np.inf
            )

        # Without an incumbent the multipliers are held in reach by a guess, which may be too low.
        dear = _DEAR * max(cost for cost, _ in self.known)
        bound, self.multiplier = lagrange.maximise(
            self._oracle,
            list(self.known),
            self.limits,
            min(self.incumbent.cost, dear),
            _ROUNDS,
            enough,
        )
        self.bound = bound - self.slack * (abs(bound) + 2.0 * self._credit())

    def likely(self) -> float:
        """Return a cost that the optimum hardly exceeds: the bound and some arcs."""
        return self.bound + _ARCS * self.known[0][0] / self.hops

    def cut(self, top: float) -> Reduced:
        """Return the part of the graph that holds every path within the limits below `top`."""
        f, p, w = self.found, self.problem, self._spread(self.multiplier)
        cutoff = (top * (1.0 + self.slack) + self._credit()) * (1.0 + self.slack)
        share = self._share(w)
        nodes, tail, head, arcs = cut(
            f.outward, f.inward, w, f.rest, share, p.source, p.target, cutoff
        )
        source, target = np.searchsorted(nodes, [p.source, p.target]).tolist()
        res = np.ascontiguousarray(p.res[arcs][:, self.columns])
        g = Reduced(
            nodes.size, tail, head, p.cost[arcs], res, source, target, self.limits, self.columns
        )
        g.ends, g.nodes = (p.source, p.target), nodes[g.nodes]
        g.graph = g.graph._replace(orig=arcs[g.graph.orig])
        return g

    def _credit(self) -> float:
        return float(self.multiplier @ self.limits)

    def _spread(self, multiplier: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return weights of all resources."""
        w = np.zeros(self.problem.limits.size)
        w[self.columns] = multiplier
        return w

    def _share(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much of each known row makes the best bound on distances by cost and `w`."""
        worth = self.found.rest[: len(self.weights), self.problem.source]
        share = np.zeros(len(self.found.rest))
        share[: worth.size] = lagrange.combine(np.array(self.weights), worth, np.append(1.0, w))
        return share

    def _whole(self, w: NDArray[np.float64]) -> float:
        """Search the whole graph by cost and `w`, keep the distances; return that of the source."""
        f, p = self.found, self.problem
        row = f.rest[len(self.weights)]
        self._meet(whole(f.inward, p.head, w, p.source, p.target, row))
        self.weights.append(np.append(1.0, w))
        return float(row[p.source])

    def _guided(
        self, w0: float, w: NDArray[np.float64], share: NDArray[np.float64], better: float
    ) -> float:
        """Meet the path of a guided search; return its distance by w0 and `w`."""
        f, p = self.found, self.problem
        value, path = guided(f.outward, p.tail, w0, w, f.rest, share, p.source, p.target, better)
        self._meet(path)
        return float(value)

    def _short(
        self,
        w0: float,
        w: NDArray[np.float64],
        share: NDArray[np.float64],
        low: float,
        high: float,
    ) -> float:
        """Meet a short path, found by bounds stretched to what is likely; return its distance."""
        stretch = min(high / low, _STRETCH) if low > 0.0 else 1.0
        return self._guided(w0, w, share * stretch, _BETTER)

    def _between(
        self, w0: float, w: NDArray[np.float64], share: NDArray[np.float64]
    ) -> tuple[float, float]:
        """Return bounds on the distance by w0 and `w`: of the known rows, and of a known path."""
        worth = self.found.rest[:, self.problem.source]
        low = float(share @ np.where(share > 0.0, worth, 0.0))
        with np.errstate(over="ignore"):
            return low, min(w0 * cost + float(w[self.columns] @ use) for cost, use in self.known)

    def _meet(self, path: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
        """Offer a path, and note its cost and use."""
        self.incumbent.offer(path)
        self.hops = path.size
        cost = float(total(self.problem.cost[path]))
        use = np.asarray(total(self.problem.res[path]), np.float64)[self.columns]
        self.known.append((cost, use))
        return self.known[-1]

    def _oracle(self, multiplier: NDArray[np.float64]) -> tuple[float, float, NDArray[np.float64]]:
        w = self._spread(multiplier)
        share = self._share(w)
        low, high = self._between(1.0, w, share)
        if high - low <= _FAR * high or len(self.weights) == len(self.found.rest):
            low = self._guided(1.0, w, share, 1.0)
        elif self.problem.tail.size < _SMALL or self._short(
            1.0, w, share, low, high
        ) > high - _WORTH * (high - low):
            low = self._whole(w)
        return low, *self.known[-1]
