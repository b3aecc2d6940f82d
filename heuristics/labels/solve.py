"""One run: presolve, search, and the result with its bound and guarantee."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from threading import Timer
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splitopt.heuristics.labels import search
from splitopt.heuristics.labels.corridor import Corridor, has_cycle
from splitopt.heuristics.labels.easy import Easy, easy_search
from splitopt.heuristics.labels.presolve import Incumbent, Reduced, total
from splitopt.heuristics.labels.problem import Problem
from splitopt.heuristics.labels.result import (
    Front,
    Guarantee,
    LabelLog,
    PathResult,
    Statistics,
    Termination,
)

# Rounds of the dual between cuts.
_ROUNDS = (5, 5, 5, 10)
# None where a corridor with one limit has so few arcs.
_NARROW = 5000
# Guesses of what the optimum costs at most, each so many times farther from the bound.
_GUESSES, _RAISE = 4, 3.0
# An exact search is scouted at this epsilon when incumbent / bound exceeds _WIDE.
_SCOUT, _SCOUT_LABELS, _WIDE = 0.02, 1_000_000, 1.01
# An easy search is tried with so many labels, and one more for so many arcs.
_EASY, _EASY_ARCS = 8000, 64
# Before kernels are loaded, with so many, on graphs of so many arcs.
_FEW, _FEW_ARCS = 300, 2000


@dataclass(frozen=True)
class Options:
    """What a run may spend and what it is to return beside the path."""

    time_limit_s: float | None
    label_limit: int | None
    memory_limit_bytes: int
    front: bool
    record: int
    stop_early: bool
    easy: bool = True


def solve_easy(problem: Problem, options: Options) -> PathResult | None:
    """Solve a problem by an easy search of few labels, before any kernel is loaded.

    None where that is too few, or another kind of run is asked for: then `solve` is to be called,
    which finds the same.
    """
    if easy_search.loaded or problem.tail.size > _FEW_ARCS or not _may_be_easy(problem, options):
        return None
    return _Run(problem, options, np.zeros(1, np.int64), perf_counter()).try_easy(_FEW)


def solve(problem: Problem, options: Options) -> PathResult:
    """Run the label program on a checked problem."""
    began = perf_counter()
    stop = np.zeros(1, np.int64)
    run = _Run(problem, options, stop, began)
    if _may_be_easy(problem, options):
        result = run.try_easy(_quota(problem))
        if result is not None:
            return result
    timer = None
    if options.time_limit_s is not None:

        def raise_flag() -> None:
            stop[0] = 1

        timer = Timer(max(options.time_limit_s, 0.0), raise_flag)
        timer.daemon = True
        timer.start()
    try:
        result = run.go()
    finally:
        if timer is not None:
            timer.cancel()
    return result


def _quota(problem: Problem) -> int:
    return _EASY + problem.tail.size // _EASY_ARCS


def _may_be_easy(problem: Problem, options: Options) -> bool:
    """Tell whether to try the easy search: a path is all that is asked for, and budgets allow."""
    limit, room = options.label_limit, 64 + 8 * problem.limits.size
    return (
        options.easy
        and options.stop_early
        and not (options.front or options.record)
        and (options.time_limit_s is None or options.time_limit_s > 0.1)
        and (limit is None or limit >= _quota(problem))
        and options.memory_limit_bytes >= room * _quota(problem)
        and problem.source != problem.target
        and problem.tail.size > 0
    )


class _Run:
    """The steps of one run, and what they share."""

    def __init__(
        self, problem: Problem, options: Options, stop: NDArray[np.int64], began: float
    ) -> None:
        self.problem, self.options, self.stop, self.began = problem, options, stop, began
        p = problem
        # A resource without a limit matters for the front alone.
        kept = np.arange(p.limits.size) if options.front else np.nonzero(p.limits < np.inf)[0]
        self.columns = kept
        self.K = int(kept.size)
        self.limits = p.limits[kept]
        where = np.nonzero(kept == p.strict)[0]
        self.strict = int(where[0]) if where.size else 0
        self.epsilon = p.epsilon
        whole = p.limits * (1.0 + p.epsilon)
        relaxed = p.others == "relaxed" and p.epsilon > 0.0
        accept = np.where(np.arange(p.limits.size) == p.strict, p.limits, whole)
        if not where.size and self.K:
            accept[kept[0]] = p.limits[kept[0]]
        self.accept_all = accept if relaxed and self.K > 1 else p.limits.copy()
        self.incumbent = Incumbent(p.cost, p.res, self.accept_all)
        self.bound = 0.0
        # The least bound of what arcs were dropped for their cost.
        self.dropped = np.inf
        self.scouted: dict[str, Any] = {}
        self.stats: dict[str, Any] = {"nodes": p.n, "arcs": int(p.tail.size)}
        self.front: Front | None = None
        self.log: LabelLog | None = None
        self.easy: Easy | None = None
        self.narrowed = False

    def try_easy(self, most: int) -> PathResult | None:
        """Return the optimum, if the easy search finds it with at most so many labels."""
        quota = _quota(self.problem)
        found = self._easy(most)
        if not found.solved or not self.incumbent.offer(found.path):
            return None
        self.stats |= {
            "acyclic": None,
            "arcs_searched": int(self.problem.tail.size),
            "rounds": 1,
            "labels_made": found.made,
            "labels_kept": found.kept,
            "labels_dominated": found.dominated,
            "labels_over_limit": found.over_limit,
            "labels_over_bound": found.over_bound,
            "label_bytes": found.made * (40 + 8 * self.K),
        }
        if self.epsilon > 0.0:
            # More labels than the quota are never made.
            self.stats |= {"label_bound": float(quota), "label_bound_made": float(quota)}
        return self._finish(Termination.FINISHED, self.incumbent.cost)

    def _easy(self, most: int) -> Easy:
        p = self.problem
        self.easy = easy_search(
            p.n, p.tail, p.head, p.cost, p.res, p.source, p.target, p.limits, most
        )
        return self.easy

    def _corridor(self, ratio: float) -> Corridor | None:
        """Return the dual of a graph with cycles, None of any other or where it settled nothing."""
        p = self.problem
        if self.options.front or not self.K or np.all(p.tail < p.head):
            return None
        found = self.easy or self._easy(0)
        self.easy = None
        if not np.all(np.isfinite(found.met)) or not has_cycle(found.inward, found.outward):
            return None
        if found.path.size:
            self.incumbent.offer(found.path)
        corridor = Corridor(p, self.columns, found, self.incumbent)
        del found  # a part is copied
        corridor.ascend(ratio, self.stop)
        return corridor if np.isfinite(corridor.bound) else None

    def _narrowed(self, corridor: Corridor, ratio: float) -> Reduced | None:
        """Return the part of the graph that holds every path better than the incumbent.

        It is guessed first what the optimum costs at most; the guess is raised where nothing that
        cheap is found. None: take the whole graph.
        """
        top = corridor.likely()
        for _ in range(_GUESSES):
            top = min(top, self.incumbent.cost)
            g = corridor.cut(top)
            self.dropped = top
            if g.n and not g.cut_limits(self.incumbent) and g.n:
                multiplier = corridor.multiplier
                self.dropped = min(top, g.cut_costs(self.incumbent, ratio, multiplier))
                # Trees for other multipliers lead to other paths.
                for rounds in _ROUNDS[:2]:
                    if self.incumbent.cost <= top or not g.n or self.stop[0]:
                        break
                    _, multiplier = g.dual(self.incumbent, ratio, rounds, self.stop)
                    least = g.cut_costs(self.incumbent, ratio, multiplier)
                    self.dropped = min(self.dropped, least)
            if self.incumbent.cost <= top:
                self.bound = max(self.bound, min(corridor.bound, self.dropped))
                self.stats["lagrangian_bound"] = self.bound
                return g
            if self.stop[0]:
                break
            top = corridor.bound + _RAISE * (top - corridor.bound)
        self.dropped = np.inf
        self.bound = max(self.bound, corridor.bound)
        return None

    def go(self) -> PathResult:
        """Return the result."""
        p, o = self.problem, self.options
        if p.source == p.target:
            self.incumbent.offer(np.empty(0, np.int64))
            return self._finish(Termination.FINISHED, 0.0)
        ratio = 1.0
        if o.stop_early and not p.cost.min(initial=1.0, where=p.cost > 0.0) < search.LEAST_UNIT:
            ratio += self.epsilon * (1.0 - 1e-9)
        corridor = self._corridor(ratio)
        if corridor is not None:
            g = self._narrowed(corridor, ratio)
            if g is not None:
                return self._within(g, ratio, corridor.multiplier)
        return self._whole(ratio)

    def _within(self, g: Reduced, ratio: float, multiplier: NDArray[np.float64]) -> PathResult:
        """Return the result, from a part of the graph beyond which paths cost `dropped`."""
        self.narrowed = True
        if g.n:
            self.stats["acyclic"] = g.acyclic
            if g.m > _NARROW or self.K > 1:
                multiplier = self._reduce(g, ratio, multiplier)
            if self.incumbent.cost <= self.bound * (ratio if self.epsilon else 1.0):
                return self._finish(Termination.FINISHED, self.bound)
        return self._search(g, ratio, multiplier)

    def _whole(self, ratio: float) -> PathResult:
        """Return the result, from the whole graph."""
        p, o, kept = self.problem, self.options, self.columns
        res = p.res if p.limits.size == self.K else np.ascontiguousarray(p.res[:, kept])
        g = Reduced(p.n, p.tail, p.head, p.cost, res, p.source, p.target, self.limits, kept)
        if g.n == 0:
            return self._none("no path leads from the source to the target")
        self.stats["acyclic"] = g.acyclic
        none = np.zeros(self.K)
        if not o.front or not self.K:
            # The cheapest path of all, by sums taken in path order: optimal if it keeps the limits.
            ahead, via, _, _ = g.forward(1.0, none, goal=g.target)
            self.incumbent.offer(g.path(via, False))
            least = float(ahead[g.target])
            if self.incumbent.cost == least:
                return self._finish(Termination.FINISHED, least)
            self.bound = max(self.bound, least - g.slack * least)
        forbidding = g.cut_limits(self.incumbent)
        if forbidding:
            return self._forbidden(forbidding)
        if g.n == 0 or (g.acyclic and g.m == 0):
            return self._none("no arc lies on a path that keeps each limit, so no path keeps all")
        multiplier = none
        if not o.front:
            top = g.ceiling()
            multiplier = self._reduce(g, ratio, none)
            if self.bound > top and not self._kept():
                return self._none("a Lagrangian bound exceeds the cost of every path")
            if self.incumbent.cost <= self.bound * (ratio if self.epsilon else 1.0):
                return self._finish(Termination.FINISHED, self.bound)
        return self._search(g, ratio, multiplier)

    def _reduce(
        self, g: Reduced, ratio: float, multiplier: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Find a dual bound and drop arcs too dear for an improvement; return the multipliers.

        A few rounds of the dual and a first cut come before the many: most graphs shrink so much
        that the rest is free.
        """
        best = self.bound if self.narrowed else -np.inf
        for rounds in _ROUNDS:
            value, found = g.dual(self.incumbent, ratio, rounds, self.stop)
            if value > best:
                best, multiplier = value, found
                self.bound = max(self.bound, min(g.settle(value, found), self.dropped))
                self.stats["lagrangian_bound"] = self.bound
            closed = self.incumbent.cost <= self.bound * ratio
            if closed or self.stop[0] or not np.isfinite(self.incumbent.cost):
                continue
            self.dropped = min(self.dropped, g.cut_costs(self.incumbent, ratio, found))
            if g.n == 0:
                break
        return multiplier

    def _scout(self, plan: search.Plan, ratio: float) -> bool:
        """Before an exact search with a wide gap, search trimmed; tell whether that settled it."""
        g = plan.reduced
        cap = _SCOUT_LABELS
        if plan.label_limit is not None:
            cap = min(cap, max(plan.label_limit // 4, 1))
        before = self.incumbent.cost
        found = search.run(
            replace(
                plan,
                epsilon=_SCOUT,
                ratio=1.0 + _SCOUT * (1.0 - 1e-9),
                kept=True,
                label_limit=cap,
                record=0,
            )
        )
        self.scouted = found.stats
        if plan.label_limit is not None:
            plan.label_limit = max(plan.label_limit - found.stats["labels_made"], 1)
        self.bound = max(self.bound, min(found.least, self.incumbent.cost, self.dropped))
        plan.bound = self.bound
        finished = found.termination is Termination.FINISHED
        if finished and found.least == np.inf and not np.isfinite(self.incumbent.cost):
            return True
        if self.incumbent.cost < before and not self.stop[0]:
            self.dropped = min(self.dropped, g.cut_costs(self.incumbent, ratio, plan.multiplier))
        return g.n == 0 or g.m == 0

    def _search(self, g: Reduced, ratio: float, multiplier: NDArray[np.float64]) -> PathResult:
        """Run the labels and draw the conclusion."""
        self.stats["presolve_s"] = perf_counter() - self.began
        if g.n == 0 or g.m == 0:
            # Every path that is left out costs `dropped` at least.
            return self._conclude(self.dropped, Termination.FINISHED)
        began = perf_counter()
        plan = search.Plan(
            reduced=g,
            multiplier=multiplier,
            limits=self.limits,
            accept=self.accept_all[self.columns],
            strict=self.strict,
            epsilon=self.epsilon,
            ratio=ratio,
            kept=self.problem.others == "kept",
            bound=self.bound,
            incumbent=self.incumbent,
            stop=self.stop,
            label_limit=self.options.label_limit,
            memory_limit_bytes=self.options.memory_limit_bytes,
            front=self.options.front,
            record=self.options.record,
        )
        wide = not self.incumbent.cost <= _WIDE * self.bound
        exact = self.epsilon == 0.0 and not self.options.front
        wide &= not self.narrowed
        if exact and wide and not self.stop[0] and self._scout(plan, ratio):
            self.stats.update(self.scouted)
            return self._conclude(self.dropped, Termination.FINISHED)
        found = search.run(plan)
        self.stats.update(found.stats)
        for name, value in self.scouted.items():
            if name.startswith("labels_") or name == "rounds":
                self.stats[name] += value
        self.stats["search_s"] = perf_counter() - began
        self._keep(g, found)
        return self._conclude(min(found.least, self.dropped), found.termination)

    def _keep(self, g: Reduced, found: search.Found) -> None:
        """Keep the front and the log of a search, in the caller's arcs and nodes."""
        p = self.problem
        if found.front is not None:
            paths = found.front
            costs = np.array([float(total(p.cost[a])) for a in paths])
            use = np.array([total(p.res[a]) for a in paths]).reshape(len(paths), p.limits.size)
            kept = _pareto(costs, use)
            self.front = Front(
                costs[kept],
                use[kept],
                tuple(paths[i] for i in kept),
                found.termination is Termination.FINISHED,
            )
        if found.log is not None:
            node = g.nodes[found.log.node].astype(np.int64)
            if p.names is not None:
                node = p.names[node]
            self.log = LabelLog(
                node,
                found.log.c,
                found.log.r,
                found.log.parent.astype(np.int64),
                found.log.arc.astype(np.int64),
                found.log.fate.astype(np.int64),
                found.log_complete,
            )

    def _conclude(self, least: float, termination: Termination) -> PathResult:
        """Turn the least bound of all that was discarded or left open into the result."""
        incumbent = self.incumbent.cost
        if termination is Termination.FINISHED:
            # A search that had no incumbent left out nothing for its cost, so one without result
            # is a proof, but for paths that keep the limits and not the tightened ones.
            tightened = self.epsilon > 0.0 and self.K > 1 and self.problem.others == "kept"
            nothing = least == np.inf or not (tightened or np.isfinite(incumbent))
            if nothing and not self._kept():
                return self._none("labels prove that no path keeps all limits together")
            if self.epsilon == 0.0:
                return self._finish(termination, incumbent)
            if not np.isfinite(incumbent):
                termination = Termination.TIGHTENED_INFEASIBLE
        if self._kept():
            least = min(least, incumbent)
        elif least == np.inf:
            least = self.bound
        return self._finish(termination, max(self.bound, least))

    def _kept(self) -> bool:
        """Tell whether the incumbent keeps the limits as given."""
        return bool(
            np.isfinite(self.incumbent.cost)
            and np.all(total(self.problem.res[self.incumbent.arcs]) <= self.problem.limits)
        )

    def _forbidden(self, forbidding: list[int]) -> PathResult:
        names = [int(self.columns[k]) for k in forbidding]
        text = " and ".join(f"limit {k} ({self.problem.limits[k]:g})" for k in names)
        each = "by itself forbids" if len(names) == 1 else "each forbid"
        return self._none(f"{text} {each} every path", tuple(names))

    def _none(self, reason: str, forbidding: tuple[int, ...] = ()) -> PathResult:
        result = self._finish(Termination.INFEASIBLE, math.nan)
        return result.replace(bound=None, reason=reason, forbidding=forbidding)

    def _finish(self, termination: Termination, bound: float) -> PathResult:
        found = np.isfinite(self.incumbent.cost) and termination is not Termination.INFEASIBLE
        arcs = _simple(self.incumbent.arcs, self.problem) if found else np.empty(0, np.int64)
        p = self.problem
        spent = perf_counter() - self.began
        self.stats.setdefault("presolve_s", spent)
        self.stats["total_s"] = spent
        if self.epsilon > 0.0:
            # No label was made when the search never began.
            self.stats.setdefault("label_bound", 0.0)
            self.stats.setdefault("label_bound_made", 0.0)
        reason = ""
        if not found:
            reason = f"no path found: {termination}"
        cost = float(total(p.cost[arcs])) if found else None
        if cost is not None and self._kept():
            bound = min(bound, cost)
        if self.options.front and self.front is None:
            # Nothing was searched: a path without limits to trade against, or none.
            done = termination in (Termination.FINISHED, Termination.INFEASIBLE)
            paths = (arcs,) if found else ()
            use = np.array([total(p.res[a]) for a in paths]).reshape(len(paths), p.limits.size)
            self.front = Front(np.array([cost] if found else [], np.float64), use, paths, done)
        return PathResult(
            cost=cost,
            arcs=arcs,
            resources=np.asarray(total(p.res[arcs]), np.float64) if found else None,
            bound=float(bound),
            guarantee=self._guarantee(termination) if found else None,
            termination=termination,
            statistics=Statistics(**self.stats),
            reason=reason,
            front=self.front,
            log=self.log,
        )

    def _guarantee(self, termination: Termination) -> Guarantee:
        p = self.problem
        kind, factor = "limits kept", 1.0 + self.epsilon
        relaxed: tuple[tuple[int, float], ...] = ()
        tightened = relaxed
        if self.epsilon == 0.0 or self.K == 0 or p.source == p.target:
            kind, factor = "exact", 1.0
        elif self.K > 1:
            strict = int(self.columns[self.strict])
            others = tuple((int(k), factor) for k in self.columns if k != strict)
            if p.others == "kept":
                kind, tightened = "tightened optimum", others
            else:
                kind, relaxed = "limits exceeded", others
        names = {k for k, _ in relaxed}
        kept = tuple(k for k in range(p.limits.size) if k not in names)
        if termination is not Termination.FINISHED:
            return Guarantee("none", None, kept, relaxed)
        return Guarantee(kind, factor, kept, relaxed, tightened)


def _pareto(costs: NDArray[np.float64], use: NDArray[np.float64]) -> list[int]:
    """Return the points no other point beats, by cost; one of several equal points."""
    order = np.lexsort([*use.T[::-1], costs])
    if use.shape[1] <= 1:
        least = np.inf
        out = []
        for i in order.tolist():
            x = use[i, 0] if use.shape[1] else -1.0
            if x < least:
                least = x
                out.append(i)
                if not use.shape[1]:
                    break
        return out
    kept: list[int] = []
    rows = np.empty_like(use)
    for i in order.tolist():
        if not np.any(np.all(rows[: len(kept)] <= use[i], axis=1)):
            rows[len(kept)] = use[i]
            kept.append(i)
    return kept


def _simple(arcs: NDArray[np.int64], problem: Problem) -> NDArray[np.int64]:
    """Return the path without the cycles in it; leaving them out adds nothing."""
    kept: list[int] = []
    place = {problem.source: 0}
    for e in arcs.tolist():
        kept.append(e)
        v = int(problem.head[e])
        if v in place:
            for gone in kept[place[v] :]:
                if (w := int(problem.head[gone])) != v:
                    place.pop(w, None)
            del kept[place[v] :]
        else:
            place[v] = len(kept)
    return np.array(kept, np.int64)
