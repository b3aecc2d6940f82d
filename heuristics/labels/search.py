"""The label search behind a run: sets up the kernels, keeps the budget, reads the labels back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splitopt.heuristics.labels import bestfirst, passes, state, topological
from splitopt.heuristics.labels.frontier import nothing_known
from splitopt.heuristics.labels.presolve import Incumbent, Reduced, hops
from splitopt.heuristics.labels.result import Termination

_QUOTA = 1 << 21
_MOST_LABELS = 2**31 - 2**24
# Errors allowed must be no subnormals, whose own errors are not relative, and the keys of rounded
# problems must not overflow.
LEAST_UNIT, _MOST_UNITS = 2.0**-960, 2.0**960


@dataclass
class Plan:
    """What is to be searched, under which limits, errors and budget."""

    reduced: Reduced
    multiplier: NDArray[np.float64]
    limits: NDArray[np.float64]
    accept: NDArray[np.float64]
    strict: int
    epsilon: float
    ratio: float
    kept: bool
    bound: float
    incumbent: Incumbent
    stop: NDArray[np.int64]
    label_limit: int | None
    memory_limit_bytes: int
    front: bool
    record: int


@dataclass
class Found:
    """What the search ends with; ``least`` bounds all it discarded for cost or left open."""

    termination: Termination = Termination.FINISHED
    least: float = math.inf
    stats: dict[str, Any] = field(default_factory=dict)
    front: list[NDArray[np.int64]] | None = None
    log: Any = None
    log_complete: bool = True


class _Search:
    """Shared by both kernels: bounds, rules, counters, and the way back from a label to arcs."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        g = plan.reduced
        self.g = g
        self.K = g.K
        self.bounds = g.bounds(plan.multiplier)
        # Rounding takes its share of epsilon first.
        self.epsilon = plan.epsilon * (1.0 - 1e-9) - 64.0 * g.mixed_slack
        self.ceiling = g.ceiling()
        if not g.acyclic:
            # A label and its completion may share nodes, each of which is entered twice then.
            _, into = passes.node_extremes(g.n, g.graph.head, g.graph.cost)
            self.ceiling = 2.0 * float(into.sum())
        if not plan.front:
            self.ceiling = min(self.ceiling, plan.incumbent.cost)
        positive = g.graph.cost[g.graph.cost > 0.0]
        self.smallest = float(positive.min()) if positive.size else 1.0
        start = float(self.bounds.rest_c[g.source])
        self.scale = max(plan.bound, start * (1.0 - g.slack))
        if not self.scale > 0.0:
            self.scale = self.smallest
        self.trim = self.epsilon * min(self.scale, 1.0) >= LEAST_UNIT
        top = plan.incumbent.cost if not plan.front else math.inf
        self.steps = max(hops(g, top), 1) if self.trim else 0
        # What every resource may be misjudged by, over a whole path.
        share = self.epsilon / (1.0 + plan.epsilon) if plan.kept else self.epsilon
        self.room = np.where(plan.limits < np.inf, plan.limits, 0.0) * max(share, 0.0)
        # Where errors are too small for doubles there are none, and no bound on labels.
        self.bounded = self.trim and not np.any((self.room > 0.0) & (self.room < LEAST_UNIT))
        self.room[self.room < LEAST_UNIT] = 0.0
        self.room[plan.strict] = 0.0
        self.values = np.full(2, np.inf)
        self.values[state.BOUND] = plan.incumbent.cost
        self.counts = np.zeros(10, np.int64)
        self.counts[state.INCUMBENT_LABEL] = -1
        self.found = Found(stats={"label_bound": None, "label_bound_made": None})
        self.rounds = 0
        size = plan.record
        self.log = topological.Log(
            np.zeros(size, np.int64),
            np.zeros(size),
            np.zeros((size, self.K)),
            np.full(size, -1, np.int64),
            np.full(size, -1, np.int64),
            np.zeros(size, np.int8),
        )
        self.restart_log()

    def restart_log(self) -> None:
        """Begin the log anew, with the source's label in it."""
        if self.plan.record:
            self.log.node[0] = self.g.source
            self.counts[state.LOGGED] = 1

    def rules(
        self, growth: Any, room: Any, prune: bool, trim: bool, rounded: bool = False
    ) -> state.Rules:
        plan, g = self.plan, self.g
        # Units of rounded problems are no integers, even where costs are.
        slack = g.mixed_slack if rounded else g.slack
        return state.Rules(
            plan.limits,
            plan.accept,
            plan.limits * (1.0 + slack),
            plan.accept * (1.0 + slack),
            slack,
            g.mixed_slack,
            g.whole,
            plan.ratio,
            prune,
            trim,
            self.scale,
            growth,
            room,
            plan.strict,
        )

    def budget(self, row_bytes: int) -> tuple[int, int]:
        """Return the most labels made and the most stored."""
        made = self.plan.label_limit
        stored = self.plan.memory_limit_bytes // row_bytes
        return (1 << 62 if made is None else made), min(stored, _MOST_LABELS)

    def ended(self, status: int, most_made: int) -> Termination:
        if status == state.DONE:
            return Termination.FINISHED
        if status == state.FULL:
            return Termination.MEMORY
        if self.counts[state.MADE] >= most_made and not self.plan.stop[0]:
            return Termination.LABELS
        return Termination.TIME

    def chain(self, label: int, pred: Any, arc: Any) -> list[int]:
        out = []
        while arc[label] >= 0:
            out.append(int(arc[label]))
            label = int(pred[label])
        return out[::-1]

    def take(self, pred: Any, arc: Any) -> None:
        """Offer the path the kernel found last, a label completed along a tree."""
        label = int(self.counts[state.INCUMBENT_LABEL])
        if label < 0:
            return
        tree = int(self.counts[state.INCUMBENT_TREE])
        edges = self.chain(label, pred, arc)
        g = self.g.graph
        v = int(g.head[edges[-1]]) if edges else self.g.source
        while v != self.g.target:
            e = int(self.bounds.via[tree, v])
            edges.append(e)
            v = int(g.head[e])
        self.plan.incumbent.offer(g.orig[np.array(edges, np.int64)].astype(np.int64))
        self.counts[state.INCUMBENT_LABEL] = -1

    def cells(self, width: float) -> float:
        """Return the cells a node has in the relaxed resources when errors of `width` are made."""
        product = 1.0
        for k in range(self.K):
            if k != self.plan.strict and self.room[k] > 0.0:
                span = self.plan.accept[k] - self.bounds.rest_r[self.g.source, k]
                product *= _whole(max(float(span), 0.0) / float(self.room[k]) * width) + 2.0
        return product if self.bounded else math.inf

    def finish(self, stored: int, row_bytes: int) -> Found:
        c = self.counts
        ends = c[
            [state.KEPT_COUNT, state.DOMINATED_COUNT, state.TRIMMED_COUNT, state.OVER_LIMIT]
        ].sum()
        self.found.stats |= {
            "arcs_searched": self.g.m,
            "steps": int(self.steps),
            "rounds": self.rounds,
            "labels_made": int(c[state.MADE]),
            "labels_kept": int(c[state.KEPT_COUNT]),
            "labels_dominated": int(c[state.DOMINATED_COUNT]),
            "labels_trimmed": int(c[state.TRIMMED_COUNT]),
            "labels_over_limit": int(c[state.OVER_LIMIT]),
            "labels_over_bound": int(c[state.OVER_BOUND]),
            "labels_open": int(c[state.MADE] - ends - c[state.OVER_BOUND]),
            "label_bytes": stored * row_bytes,
        }
        if self.plan.record:
            used = int(c[state.LOGGED])
            self.found.log = topological.Log(*(a[:used] for a in self.log))
            self.found.log_complete = used < self.plan.record
        return self.found


def _whole(cells: float) -> float:
    """Round down; infinity stays."""
    return math.floor(cells) if cells < math.inf else cells


def run(plan: Plan) -> Found:
    """Search with the kernel that fits the graph."""
    search = _Search(plan)
    return _acyclic(search) if plan.reduced.acyclic else _cyclic(search)


def _slack(s: _Search) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far labels of each node may be trimmed: of the cost, and of the resources.

    How many labels are kept and made at most goes into the statistics.
    """
    g = s.g
    # A node without a way to the end, -1, never gets a label.
    left = np.maximum(passes.longest_steps(g.n, g.graph, True), 0)
    share = np.minimum((s.steps - left) / s.steps, 1.0)
    delta = math.expm1(math.log1p(s.epsilon) / s.steps)
    start = float(s.bounds.rest_c[g.source])
    low = max(s.scale, start)
    cells = (low - start) / s.scale / delta if start > 0.0 else 0.0
    if s.ceiling > low:
        cells += (math.log(s.ceiling) - math.log(low)) / math.log1p(delta)
    cells = (_whole(cells) + 3.0) * s.cells(s.steps)
    s.found.stats["label_bound"] = cells * g.n
    s.found.stats["label_bound_made"] = cells * g.m
    return np.expm1(share * math.log1p(s.epsilon)), share[:, None] * s.room[None, :]


def _acyclic(s: _Search) -> Found:
    """One pass in topological order, with carried minima when it trims."""
    plan, g, K = s.plan, s.g, s.K
    growth, room = _slack(s) if s.trim else (np.zeros(g.n), np.zeros((g.n, K)))
    rules = s.rules(growth, room, not plan.front, s.trim)
    row = 8 * (1 + K) * (2 if s.trim else 1) + 8
    most_made, most_stored = s.budget(2 * row + 16)
    size = 1024
    low_size = size if s.trim else 0
    labels = topological.Labels(
        np.zeros(size),
        np.zeros((size, K)),
        np.zeros(low_size),
        np.zeros((low_size, K)),
        np.full(size, -1, np.int32),
        np.full(size, -1, np.int32),
        np.zeros(size if plan.record else 0, np.int32),
        np.zeros(g.n, np.int32),
        np.zeros(g.n, np.int32),
    )
    s.counts[state.MADE] = s.counts[state.KEPT_COUNT] = 1
    at, count, status = 0, 1, state.QUOTA
    while status == state.QUOTA:
        status, at, count, labels = topological.run_topological(
            g.graph,
            s.bounds,
            rules,
            labels,
            s.log,
            at,
            count,
            _QUOTA,
            most_made,
            most_stored,
            plan.stop,
            s.values,
            s.counts,
        )
    s.rounds = 1
    s.take(labels.pred, labels.arc)
    # Ended before the first node, the source's own label is open: what was known before holds.
    left = plan.bound
    if at > 0:
        left = float(topological.open_bound(g.graph, s.bounds, rules, labels, at))
        if left == math.inf:
            # The nodes that are left get no label, so the budget ended nothing.
            status, at = state.DONE, g.n
    s.found.termination = s.ended(status, most_made)
    s.found.least = min(float(s.values[state.LEAST]), left)
    if plan.front:
        first, last = int(labels.first[g.n - 1]), int(labels.last[g.n - 1])
        if at < g.n:
            first = last = 0
        s.found.front = [
            g.graph.orig[np.array(s.chain(i, labels.pred, labels.arc), np.int64)].astype(np.int64)
            for i in range(first, last)
        ]
        for path in s.found.front:
            plan.incumbent.offer(path)
    return s.finish(count, row)


def _cyclic(s: _Search) -> Found:
    """Search best first: once when exact, else on rounded problems, coarse ones first.

    A run at rounding unit w proves optimum >= bound and finds a path that costs bound + steps * w
    at most, so the gap shrinks until epsilon is certified or the unit reaches the one that
    guarantees it beforehand.
    """
    plan, g = s.plan, s.g
    bound = plan.bound
    start = float(s.bounds.rest_c[g.source])
    pieces = 64.0
    # A path of cost 0 must not pass for one that costs little: half the smallest cost tells them.
    floor = s.scale
    if s.trim and not max(bound, start) > 0.0:
        floor = s.smallest * min(1.0, 0.5 / s.epsilon)
    finest = s.epsilon * max(bound, floor) / max(s.steps, 1)
    dearest = float(g.graph.cost.max(initial=0.0)) + start
    if not (s.trim and finest >= max(LEAST_UNIT, dearest / _MOST_UNITS)):
        s.found.termination, s.found.least = _best_first(s, 0.0)
        return s.found
    kept_bound = 0.0
    while True:
        top = min(plan.incumbent.cost, s.ceiling)
        gap = top - bound
        finest = s.epsilon * max(bound, floor) / s.steps
        width = finest if plan.front else max(finest, gap / pieces)
        kept_bound += g.n * (_whole(max(top - start, 0.0) / width) + 2.0) * s.cells(s.steps)
        status, least = _best_first(s, width)
        incumbent = plan.incumbent.cost
        bound = max(bound, min(least, incumbent))
        certified = incumbent <= plan.ratio * bound
        nothing = not np.isfinite(incumbent)
        if status is not Termination.FINISHED or width <= finest or certified or plan.front:
            break
        if nothing and least == math.inf:
            break
        if nothing or incumbent - bound > gap / 4.0:
            pieces *= 4.0
    s.found.stats["label_bound"] = kept_bound
    s.found.stats["label_bound_made"] = kept_bound / g.n * g.m
    s.found.termination = status
    s.found.least = least if nothing and status is Termination.FINISHED else bound
    return s.found


def _keys(s: _Search, width: float) -> bestfirst.Keys:
    """Return the true problem (`width` 0) or the one rounded down to units of `width`."""
    g, K, b = s.g.graph, s.K, s.bounds
    none = np.zeros(K)
    if width == 0.0:
        return bestfirst.Keys(g.cost, g.res, b.rest_c, b.rest_r, False, 0.0, 1.0, none, none)

    def steps(values: Any, rest: Any, unit: float) -> Any:
        live = np.isfinite(rest[g.tail]) & np.isfinite(rest[g.head])
        out = np.zeros(values.size)
        reduced = values[live] + rest[g.head[live]] - rest[g.tail[live]]
        out[live] = np.floor(np.maximum(reduced, 0.0) / unit)
        return out

    cost = steps(g.cost, b.rest_c, width)
    res, rest_r = g.res.copy(), b.rest_r.copy()
    unit = s.room / s.steps
    base = np.where(unit > 0.0, b.rest_r[s.g.source], 0.0)
    for k in range(K):
        if unit[k] > 0.0:
            res[:, k] = steps(g.res[:, k], b.rest_r[:, k], float(unit[k]))
            rest_r[:, k] = 0.0
    start = float(b.rest_c[s.g.source])
    return bestfirst.Keys(cost, res, np.zeros(s.g.n), rest_r, True, start, float(width), base, unit)


def _best_first(s: _Search, width: float) -> tuple[Termination, float]:
    """Run the best-first kernel once; return how it ended and what it bounds."""
    plan, g, K = s.plan, s.g, s.K
    keys = _keys(s, width)
    rounded = width > 0.0
    rules = s.rules(np.zeros(1), np.zeros((1, K)), not plan.front, rounded, rounded)
    row = 8 * (1 + K) * (2 if rounded else 1) + 36 + (32 if K == 2 else 0)
    most_made, most_stored = s.budget(2 * row)
    s.values[state.LEAST] = math.inf
    s.counts[state.MADE] += 1
    s.restart_log()
    store = bestfirst.start_store(K, rounded, plan.record > 0, float(keys.rest_c[g.source]))
    known = nothing_known(g.n)
    size, count, used, status = 1, 1, 0, state.QUOTA
    while status == state.QUOTA:
        status, size, count, used, store = bestfirst.run_best_first(
            g.graph,
            s.bounds,
            rules,
            keys,
            store,
            known,
            s.log,
            g.source,
            g.target,
            size,
            count,
            used,
            _QUOTA,
            most_made,
            most_stored,
            plan.stop,
            s.values,
            s.counts,
        )
    s.rounds += 1
    s.take(store.pred, store.arc)
    least = float(s.values[state.LEAST])
    if size:
        top = float(store.heap_key[0])
        low = keys.base_c + keys.unit_c * top if rounded else top
        least = min(least, low * (1.0 - rules.slack))
    if plan.front:
        s.found.front = []
        label = int(known.top[g.target])
        while label >= 0:
            edges = np.array(s.chain(label, store.pred, store.arc), np.int64)
            path = g.graph.orig[edges].astype(np.int64)
            s.found.front.append(path)
            plan.incumbent.offer(path)
            label = int(store.after[label])
    s.finish(count, row)
    return s.ended(status, most_made), least
