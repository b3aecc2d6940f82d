"""The label program of JQODI on the time-energy graph of one configuration.

The graph is written out by `jqodi.cift.graph` and given to
`splitopt.heuristics.labels.constrained_shortest_path`: cost E, resources T_inf and T_ft as far as
they have a deadline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from splitopt.heuristics.jqodi.cift.network import OUTWARD, Case, Instance
from splitopt.instances.contract.method import Budget, Termination
from splitopt.instances.core.arrays import Floats, Ints

if TYPE_CHECKING:
    from splitopt.heuristics.jqodi.cift.graph import Limits


@dataclass(frozen=True, slots=True)
class Rules:
    """How a run goes about it.

    Attributes
    ----------
    epsilon
        0 for the optimum.
    ratio
        Factor within which the listed (or gridded) problem is solved.
    step
        s of the grid for continuous speeds; 0 when all speeds are listed.
    deadlines
        ``strict``, or ``relaxed``: the inference deadline may be exceeded by 1 + epsilon.
    reduction
        Whether bounds cut configurations, arcs and labels; without, the label program runs on
        whole graphs, and labels go by dominance, trimming and deadlines alone.
    """

    epsilon: float
    ratio: float
    step: float
    deadlines: Literal["strict", "relaxed"]
    reduction: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of the label program found.

    Attributes
    ----------
    bound
        Below every path within the deadlines as given; infinite when there is none.
    path
        Arcs of the path found, None when there is none or none better than what was known.
    infeasible
        No path keeps the deadlines as given.
    tightened_infeasible
        None keeps the tightened ones.
    labels, label_bound
        Labels made, and the polynomial bound on them (0 when exact).
    """

    bound: float
    path: Ints | None
    termination: Termination
    infeasible: bool
    tightened_infeasible: bool
    labels: int
    label_bound: float


class Program:
    """The speeds of an instance, and graphs of its configurations on demand."""

    def __init__(self, instance: Instance, step: float) -> None:
        self.instance = instance
        self.step = step
        self._levels: tuple[Any, Any] | None = None

    def measures(self, case: Case, l1: float, l2: float, threshold: float) -> tuple[Limits, float]:
        """Return what no path of interest exceeds: energy at multipliers, then the times.

        The first is the Lagrangian with what the deadlines pay back still in it; that is returned
        as well.
        """
        from splitopt.heuristics.jqodi.cift.graph import bounds_of

        tau = case.load.limit
        credit = sum(
            multiplier * float(limit)
            for multiplier, limit in zip((l1, l2), tau, strict=True)
            if multiplier > 0
        )
        slack = 1e-12 * credit
        present = np.flatnonzero(np.isfinite(tau))
        prices = np.vstack([[1.0, l1, l2], np.eye(3)[1 + present]])
        limit = np.append(threshold + credit + slack, tau[present] * (1.0 + OUTWARD))
        strict = np.zeros(len(limit), dtype=np.bool_)
        strict[0] = slack == 0.0
        net = self.instance.network
        found: Limits = bounds_of(net, case.chain, case.load, prices, limit, strict)
        return found, credit

    def graph(self, case: Case, measures: Limits) -> Graph:
        """Return the graph without arcs on no path within all measures."""
        from splitopt.heuristics.jqodi.cift.graph import write_arcs
        from splitopt.heuristics.jqodi.cift.levels import phase_levels

        if self._levels is None:
            self._levels = (
                phase_levels(self.instance, self.step, serving=True),
                phase_levels(self.instance, self.step, serving=False),
            )
        serve, tune = self._levels
        net = self.instance.network
        arcs, root, goal = write_arcs(net, case.chain, case.load, serve, tune, measures)
        return Graph(case, arcs, int(root), int(goal), serve, tune, self.instance.place)


@dataclass(frozen=True, slots=True)
class Graph:
    """The graph of a configuration: `jqodi.cift.graph.Arcs`, its ends, speeds, nodes by name."""

    case: Case
    arcs: Any
    root: int
    goal: int
    serve: Any
    tune: Any
    names: dict[str, int]

    @property
    def size(self) -> int:
        """Number of arcs."""
        return len(self.arcs.tail)

    def run(
        self,
        rules: Rules,
        shrink: float,
        worth: float | None,
        time_limit_s: float | None,
        budget: Budget,
        *,
        times_only: bool = False,
        **more: Any,
    ) -> Outcome:
        """Run the label program.

        Parameters
        ----------
        shrink
            Factor on the deadlines.
        worth
            Energy of an incumbent: only better paths are of interest.
        times_only
            Find the least T_ft within the inference deadline instead, exactly; a path beyond the
            fine-tuning deadline means infeasible.
        more
            Further arguments of `splitopt.heuristics.labels.constrained_shortest_path`.
        """
        from splitopt.heuristics.labels import constrained_shortest_path

        tail, head, figure = self.arcs.tail, self.arcs.head, self.arcs.figure
        limit = self.case.load.limit
        present = np.flatnonzero(np.isfinite(limit))
        if worth is not None:
            tail, head = np.append(tail, self.root), np.append(head, self.goal)
            figure = np.vstack([figure, [worth, 0.0, 0.0]])
        if len(tail) == 0:
            return Outcome(math.inf, None, Termination.SOLVED, True, False, 0, 0.0)
        cost, epsilon = figure[:, 0], rules.ratio - 1.0 if rules.epsilon else 0.0
        if times_only:
            present, cost, epsilon = present[:1], figure[:, 2], 0.0
        found = constrained_shortest_path(
            tail,
            head,
            cost,
            figure[:, 1 + present],
            self.root,
            self.goal,
            limit[present] * shrink,
            epsilon,
            strict=len(present) - 1 if len(present) else None,
            others="relaxed" if rules.deadlines == "relaxed" else "kept",
            nodes=self.goal + 1,
            stop_early=rules.reduction,
            front=not (rules.reduction or times_only),  # which keeps bounds out of it
            time_limit_s=time_limit_s,
            memory_limit_bytes=budget.memory_limit_bytes or 4 << 30,
            **more,
        )
        known = len(tail) - 1 if worth is not None else None
        return outcome_of(found, known, limit[1] * shrink if times_only else None)

    def decode(self, path: Ints) -> tuple[Ints, Floats, Floats]:
        """Return (stops, serving speeds, fine-tuning speeds) of a path; NaN where there is none."""
        stops = [[self.case.load.source, 0, 0]]
        speeds = [[math.nan, math.nan]]
        for node, i, j, k, m in self.arcs.mark[path].tolist():
            if node != stops[-1][0]:
                stops.append([node, i, i])
                speeds.append([math.nan, math.nan])
            stops[-1][2] = j
            if k >= 0:
                speeds[-1][0] = self.serve.speed[k]
            if m >= 0:
                speeds[-1][1] = self.tune.speed[m]
        both = np.array(speeds)
        return np.array(stops), both[:, 0], both[:, 1]


def outcome_of(found: Any, known: int | None, within: float | None = None) -> Outcome:
    """Return what the label program found.

    Parameters
    ----------
    known
        The arc that stands for the incumbent, if there is one.
    within
        Where the cost is a time: its limit.
    """
    from splitopt.heuristics.labels import Termination as Ended

    ended = {
        Ended.TIME: Termination.TIME,
        Ended.LABELS: Termination.LIMIT,
        Ended.MEMORY: Termination.MEMORY,
    }.get(found.termination, Termination.SOLVED)
    path: Ints | None = found.arcs
    if found.cost is None or (known is not None and found.arcs[0] == known):
        path = None
    infeasible = found.termination is Ended.INFEASIBLE
    if within is not None and ended is Termination.SOLVED and found.cost is not None:
        infeasible = not found.cost <= within
        path = None if infeasible else path
    return Outcome(
        math.inf if found.bound is None else found.bound,
        path,
        ended,
        infeasible,
        found.termination is Ended.TIGHTENED_INFEASIBLE,
        found.statistics.labels_made,
        found.statistics.label_bound_made or 0.0,
    )
