"""Before any label: bounds on completions, arcs no good path uses, an incumbent, a dual bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splitopt.heuristics.labels import graph as graphs
from splitopt.heuristics.labels import lagrange, passes
from splitopt.heuristics.labels.lagrange import TINY
from splitopt.heuristics.labels.state import Bounds

UNIT = 2.0**-53


def total(values: NDArray[np.float64]) -> Any:
    """Sum rows from first to last, as the labels do."""
    return np.cumsum(values, axis=0)[-1] if len(values) else np.zeros(values.shape[1:])[()]


def against(limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights by which each resource counts against its limit."""
    usable = (limits > TINY) & (limits < np.inf)
    return np.where(usable, 1.0 / np.where(usable, limits, 1.0), 0.0)


@dataclass
class Incumbent:
    """The best path so far, in the caller's arcs; `offer` keeps the cheaper of two."""

    cost_of: NDArray[np.float64]
    res_of: NDArray[np.float64]
    accept: NDArray[np.float64]
    cost: float = np.inf
    arcs: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def offer(self, arcs: NDArray[np.int64]) -> bool:
        """Take the path if it keeps the limits and is cheaper; tell whether it did."""
        cost = float(total(self.cost_of[arcs]))
        if not cost < self.cost or np.any(total(self.res_of[arcs]) > self.accept):
            return False
        self.cost, self.arcs = cost, arcs
        return True


class Reduced:
    """A graph that shrinks: compact nodes, arcs left, and the passes over it.

    Parameters
    ----------
    n, tail, head, cost, res, source, target
        The problem; `res` has the resources that are searched on.
    limits, columns
        Their limits, and which of the problem's resources they are.
    """

    def __init__(
        self,
        n: int,
        tail: NDArray[np.int32],
        head: NDArray[np.int32],
        cost: NDArray[np.float64],
        res: NDArray[np.float64],
        source: int,
        target: int,
        limits: NDArray[np.float64],
        columns: NDArray[np.int64],
    ) -> None:
        self.limits, self.columns = limits, columns
        # (cost, use) of paths met so far, for the master program of the dual.
        self.known: list[tuple[float, NDArray[np.float64]]] = []
        self.K = limits.size
        self.acyclic, self.nodes, self.graph = graphs.build(
            n, tail, head, cost, res, source, target
        )
        self.ends = (source, target)
        self._locate()
        self.slack = self.mixed_slack = 0.0
        self.whole = False
        if self.n:
            self._rounding()

    @property
    def n(self) -> int:
        """Number of nodes left; 0 when no path is."""
        return int(self.nodes.size)

    @property
    def m(self) -> int:
        """Number of arcs left."""
        return int(self.graph.tail.size)

    def _locate(self) -> None:
        if not self.n:
            self.source = self.target = -1
        elif self.acyclic:
            self.source, self.target = 0, self.n - 1
        else:
            self.source = int(np.nonzero(self.nodes == self.ends[0])[0][0])
            self.target = int(np.nonzero(self.nodes == self.ends[1])[0][0])

    def _rounding(self) -> None:
        """Set the relative error of sums along a path: none for integers below 2^53."""
        most = self.n - 1
        if self.acyclic:
            most = int(passes.longest_steps(self.n, self.graph, False)[0])
        self.mixed_slack = 8.0 * (most + 16 + self.K) * UNIT
        g = self.graph

        def exact(a: Any) -> bool:
            top = float(a.max()) if a.size else 0.0
            return (
                top * (most + 1) < 2.0**52
                and bool(np.all(a[:64] == np.rint(a[:64])))
                and bool(np.all(a == np.rint(a)))
            )

        self.whole = exact(g.cost)
        self.slack = 0.0 if self.whole and exact(g.res) else self.mixed_slack

    def backward(self, w0: float, w: NDArray[np.float64], cutoff: float = np.inf) -> Any:
        """Return (dist, via, tree_cost, tree_res) of the tree into the target."""
        return passes.backward(self.n, self.acyclic, self.graph, self.target, w0, w, cutoff)

    def forward(
        self,
        w0: float,
        w: NDArray[np.float64],
        rest: NDArray[np.float64] | None = None,
        cutoff: float = np.inf,
        goal: int = -1,
    ) -> Any:
        """Return (dist, via, tree_cost, tree_res) of the tree out of the source."""
        if rest is None:
            rest = np.empty(0)
        return passes.forward(
            self.n, self.acyclic, self.graph, self.source, w0, w, goal, rest, cutoff
        )

    def path(self, via: Any, ahead: bool) -> NDArray[np.int64]:
        """Return the tree path from source to target in the caller's arcs."""
        arcs = passes.walk(self.graph, via, self.source, self.target, ahead)
        out: NDArray[np.int64] = self.graph.orig[arcs].astype(np.int64)
        return out

    def unit(self, k: int) -> NDArray[np.float64]:
        """Return the weight vector of resource k alone."""
        w = np.zeros(self.K)
        w[k] = 1.0
        return w

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the arcs outside `mask`; renumber when that may help."""
        left = int(np.count_nonzero(mask))
        if left == self.m:
            return
        if self.acyclic and 4 * left > self.m:
            self.graph = graphs.select(self.n, True, self.graph, mask)
            if passes.longest_steps(self.n, self.graph, False)[0] < 0:
                self.nodes = self.nodes[:0]
            return
        g = graphs.select(self.n, self.acyclic, self.graph, mask)
        acyclic, nodes, small = graphs.build(
            self.n, g.tail, g.head, g.cost, g.res, self.source, self.target
        )
        self.graph = small._replace(orig=g.orig[small.orig])
        self.acyclic, self.nodes = acyclic, self.nodes[nodes]
        self._locate()

    def outer(self) -> NDArray[np.float64]:
        """Return the limits rounded outward: a sum above is certainly too much."""
        outer: NDArray[np.float64] = self.limits * (1.0 + self.slack)
        return outer

    def cut_limits(self, incumbent: Incumbent) -> list[int]:
        """Drop arcs on no path that keeps each limit by itself; return limits nobody keeps.

        The paths of least resource are offered to the incumbent.
        """
        mask = np.ones(self.m, np.bool_)
        forbidding = []
        outer = self.outer()
        for k in range(self.K):
            w = self.unit(k)
            back, _, _, _ = self.backward(0.0, w, outer[k])
            ahead, via, cost, res = self.forward(0.0, w, back, outer[k])
            if not ahead[self.target] <= self.limits[k]:
                forbidding.append(k)
                continue
            incumbent.offer(self.path(via, False))
            self.known.append((float(cost[self.target]), res[self.target]))
            passes.slack_mask(self.graph, ahead, back, 0.0, w, outer[k], mask)
        if not forbidding:
            self.keep(mask)
        return forbidding

    def ceiling(self) -> float:
        """Return an upper bound on the cost of any simple path."""
        if self.acyclic:
            most = passes.longest_cost(self.n, self.graph)
        else:
            # One arc into each node that a path can have.
            _, into = passes.node_extremes(self.n, self.graph.head, self.graph.cost)
            most = float(np.sort(into)[-hops(self, np.inf) :].sum())
        return float(most * (1.0 + self.mixed_slack))

    def dual(
        self,
        incumbent: Incumbent,
        ratio: float,
        rounds: int,
        stop: NDArray[np.int64],
    ) -> tuple[float, NDArray[np.float64]]:
        """Return (bound, multipliers) of the Lagrangian dual; its paths go to the incumbent."""
        if not np.all(self.limits < np.inf):
            return -np.inf, np.zeros(self.K)

        def oracle(multiplier: NDArray[np.float64]) -> tuple[float, float, NDArray[np.float64]]:
            dist, via, cost, res = self.backward(1.0, multiplier)
            incumbent.offer(self.path(via, True))
            self.known.append((float(cost[self.source]), res[self.source]))
            return float(dist[self.source]), float(cost[self.source]), res[self.source]

        # Above the dearest path: a bound that gets there proves that nothing keeps the limits.
        top = min(incumbent.cost, 1.01 * self.ceiling() or 1.0)
        bound, multiplier = lagrange.maximise(
            oracle,
            list(self.known),
            self.limits,
            top,
            rounds,
            lambda value, _: (
                stop[0] != 0 or incumbent.cost <= ratio * self.settle(value, multiplier=None)
            ),
        )
        return bound, multiplier

    def settle(self, value: float, multiplier: NDArray[np.float64] | None) -> float:
        """Round a lower bound outward, or up when costs are integers."""
        credit = 0.0
        if multiplier is not None:
            finite = np.where(multiplier > 0.0, self.limits, 0.0)
            credit = float(multiplier @ finite)
        value -= self.mixed_slack * (abs(value) + 2.0 * credit)
        return float(np.ceil(value)) if self.whole and np.isfinite(value) else value

    def cut_costs(
        self, incumbent: Incumbent, ratio: float, multiplier: NDArray[np.float64]
    ) -> float:
        """Drop arcs on no path cheaper than incumbent / `ratio`; return the least bound dropped.

        On the way the trees are stitched together: a forward tree path, an arc, a backward tree
        path. The best such path often beats what the dual found, and more arcs go.
        """
        none = np.zeros(self.K)
        credit = float(multiplier @ np.where(multiplier > 0.0, self.limits, 0.0))
        weights = [none, multiplier] if credit > 0.0 else [none]
        top = incumbent.cost * (1.0 + self.mixed_slack)
        back, ahead = [], []
        for w in weights:
            over = (top + float(w @ np.where(w > 0.0, self.limits, 0.0))) * (1.0 + self.mixed_slack)
            back.append(self.backward(1.0, w, over))
            ahead.append(self.forward(1.0, w, back[-1][0], over))
        trees = list(zip(ahead, back, strict=True))
        if not np.isfinite(incumbent.cost):
            # Any path is welcome: one that uses least of all limits from somewhere on.
            w = against(self.limits)
            trees.append((self.forward(0.0, w), self.backward(0.0, w)))
        # Arcs without a distance lie on no path cheaper than this.
        met = incumbent.cost
        mask, least = self._cheap(incumbent.cost / ratio, weights, ahead, back)
        e, a, b = passes.stitch(
            self.graph,
            mask,
            np.stack([x[2] for x, _ in trees]),
            np.stack([x[3] for x, _ in trees]),
            np.stack([x[2] for _, x in trees]),
            np.stack([x[3] for _, x in trees]),
            incumbent.accept[self.columns],
            incumbent.cost,
        )
        if e >= 0:
            first = passes.walk(
                self.graph, trees[a][0][1], self.source, int(self.graph.tail[e]), False
            )
            last = passes.walk(
                self.graph, trees[b][1][1], int(self.graph.head[e]), self.target, True
            )
            arcs = self.graph.orig[np.concatenate([first, [e], last])].astype(np.int64)
            if incumbent.offer(arcs):
                mask, least = self._cheap(incumbent.cost / ratio, weights, ahead, back)
        if not mask.all():
            least = min(least, met)
        self.keep(mask)
        return least

    def _cheap(
        self, top: float, weights: list[NDArray[np.float64]], ahead: list[Any], back: list[Any]
    ) -> tuple[NDArray[np.bool_], float]:
        """Return (arcs that may lie on a path cheaper than `top`, least bound of the others)."""
        mask = np.ones(self.m, np.bool_)
        least = np.inf
        for w, there, here in zip(weights, ahead, back, strict=True):
            credit = float(w @ np.where(w > 0.0, self.limits, 0.0))
            limit = (top + credit) * (1.0 + self.mixed_slack)
            if credit == 0.0 and self.slack == 0.0:
                limit = float(np.nextafter(top, -np.inf))
            value = passes.slack_mask(self.graph, there[0], here[0], 1.0, w, limit, mask)
            if np.isfinite(value):
                slack = self.mixed_slack if credit > 0.0 else self.slack
                value -= credit + slack * (value + credit)
                least = min(least, float(np.ceil(value)) if self.whole else value)
        return mask, least

    def bounds(self, multiplier: NDArray[np.float64]) -> Bounds:
        """Return the completion bounds and trees of the graph as it is now."""
        none = np.zeros(self.K)
        rest_c, via_c, cost_c, res_c = self.backward(1.0, none)
        rest_r = np.empty((self.n, self.K))
        via_r, cost_r, res_r = via_c, cost_c, res_c
        for k in range(self.K):
            rest_r[:, k], via_r, cost_r, res_r = self.backward(0.0, self.unit(k))
        dual, via_d, cost_d, res_d = rest_c, via_c, cost_c, res_c
        credit = 0.0
        if np.any(multiplier > 0.0):
            credit = float(multiplier @ np.where(multiplier > 0.0, self.limits, 0.0))
            dual, via_d, cost_d, res_d = self.backward(1.0, multiplier)
        if self.K > 1:
            _, via_r, cost_r, res_r = self.backward(0.0, against(self.limits))
        return Bounds(
            rest_c,
            rest_r,
            dual,
            multiplier,
            credit,
            np.stack([via_c, via_d, via_r]),
            np.stack([cost_c, cost_d, cost_r]),
            np.stack([res_c, res_d, res_r]),
        )


def hops(reduced: Reduced, top: float) -> int:
    """Return an upper bound on the arcs of a simple path that keeps the limits and costs <= top.

    A path leaves a node once, so h arcs use at least the h smallest of the nodes' least uses.
    """
    n, g = reduced.n, reduced.graph
    best = n - 1
    if reduced.acyclic:
        return int(passes.longest_steps(n, g, True)[0])
    for values, limit in [
        (g.cost, top),
        *((g.res[:, k], float(reduced.limits[k])) for k in range(reduced.K)),
    ]:
        if not limit < np.inf:
            continue
        least, _ = passes.node_extremes(n, g.tail, np.ascontiguousarray(values))
        least = np.sort(least[np.isfinite(least)])
        sums = np.cumsum(least) * (1.0 - reduced.mixed_slack)
        best = min(best, int(np.searchsorted(sums, limit, side="right")))
    return max(best, 1)
