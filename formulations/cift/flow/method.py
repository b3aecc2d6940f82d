r"""CIFT as a flow: a MILP on the time-energy graph, given to HiGHS as arrays.

Every plan is a path from the root to the goal of the time-energy graph
(`splitopt.formulations.cift.flow.arcs`), so a plan is a unit flow.

Variables
---------
``x_a`` in {0, 1} for each arc a: whether the path takes it.

Constraints
-----------
Flow, for each state s (with +1 at the root, -1 at the goal)::

    sum_{a out of s} x_a - sum_{a into s} x_a = [s = root] - [s = goal]

Deadlines, each divided by its limit so that the right side is one::

    sum_a (latency_a / tau_inf) x_a <= 1        sum_a (time_a / tau_ft) x_a <= 1

Objective
---------
``min sum_a energy_a x_a``. The flow rows are totally unimodular: without a deadline the
relaxation is integral, with deadlines its optimum is the Lagrangian bound of the deadlines.

Before HiGHS starts, shortest paths drop arcs on no path within a deadline, then, with the
deadlines priced, those on no path cheaper than a plan known already
(`splitopt.formulations.cift.pricing`), then the same in a graph whose states know how much of a
deadline is used (`splitopt.formulations.cift.expansion`; option `expansion`). Often nothing is
left for HiGHS: bound and plan then rest on arithmetic of our own.

What is claimed
---------------
The deadline rows hold to a tolerance, so the bound is one for slightly relaxed deadlines and
hence for the true ones. A path that `check` rejects for the sake of that tolerance is cut off
by ``sum_{a on it} x_a <= (arcs on it) - 1`` and the model is solved again
(`splitopt.formulations.cift.milp`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from splitopt.formulations.cift.exact import ListedSpeeds
from splitopt.formulations.cift.expansion import Expanded, settle
from splitopt.formulations.cift.flow.arcs import build_graph
from splitopt.formulations.cift.flow.doubt import Extra, doubtful_graph
from splitopt.formulations.cift.flow.graph import FlowGraph
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.milp import Formulation, Row, prove
from splitopt.formulations.cift.planes import HighsPlanes
from splitopt.formulations.cift.pricing import climb, within
from splitopt.formulations.solvers.highs import WIDE, SparseModel
from splitopt.formulations.solvers.parameters import HIGHS
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Option, Result, Termination
from splitopt.instances.core.arrays import Floats, Ints


def flow_model(graph: FlowGraph, arcs: Ints, scale: float) -> SparseModel:
    """Return the MILP over some arcs of the graph, its objective times `scale`."""
    # Variables.
    n = len(arcs)
    tail, head = graph.arcs.tail[arcs], graph.arcs.head[arcs]
    # Constraints: flow in every state that an arc touches, then deadlines.
    states, ends = np.unique(np.concatenate([tail, head]), return_inverse=True)
    row = [ends[:n], ends[n:]]
    value = [np.ones(n), -np.ones(n)]
    supply = (states == graph.root).astype(np.float64) - (states == graph.goal)
    lower, upper = [supply], [supply]
    height = len(states)
    for seconds, limit in graph.limits:
        row.append(np.full(n, height))
        value.append(seconds[arcs] / (limit if limit > 0 else 1.0))
        lower.append(np.array([-np.inf]))
        upper.append(np.array([WIDE if limit > 0 else 0.0]))
        height += 1
    return SparseModel(
        # Objective.
        cost=graph.arcs.energy_j[arcs] * scale,
        lower=np.zeros(n),
        upper=np.ones(n),
        integer=np.ones(n, dtype=np.bool_),
        row_lower=np.concatenate(lower),
        row_upper=np.concatenate(upper),
        row=np.concatenate(row),
        column=np.tile(np.arange(n), len(row)),
        value=np.concatenate(value),
    )


def _in_time(graph: FlowGraph, arcs: Ints) -> Ints:
    """Return the arcs that lie on a path within each deadline, taken one at a time."""
    for seconds, limit in graph.limits:
        if limit > 0:
            arcs = within(graph, arcs, seconds[arcs] / limit)
        else:
            arcs = within(graph, arcs, np.where(seconds[arcs] > 0, np.inf, 0.0))
    return arcs


class CiftFlow(ListedSpeeds):
    """The flow MILP on the time-energy graph, solved by HiGHS; listed speeds."""

    name = "highs-flow"
    takes = BEYOND
    doubt = KINDS
    parameters = HIGHS
    options: tuple[Option, ...] = (
        Option("reduction", True, "drop arcs that shortest paths rule out"),
        Option("expansion", True, "then split states by what they have used of the deadlines"),
    )

    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        extra: Extra | None = None
        if instance.doubt is not None and instance.doubt.network:
            doubtful = doubtful_graph(instance)
            graph, extra = doubtful.graph, doubtful.extra
        else:
            graph = build_graph(instance)
        arcs, cutoff = np.arange(len(graph.arcs)), math.inf
        built = best.recorder.elapsed_s
        best.statistics |= {"arcs": len(arcs), "states": graph.states, "build_s": built}
        if chosen["reduction"]:
            arcs = _in_time(graph, arcs)
            best.statistics["arcs_in_time"] = len(arcs)
            arcs, cutoff, _ = climb(graph, arcs, best, best.budget.relative_gap / 2, HighsPlanes)
            if chosen["expansion"] and extra is None:
                arcs, cutoff = _expanded(best, graph, arcs, cutoff)
        else:
            least = graph.sweeps(arcs).from_root(graph.arcs.energy_j)[graph.goal]
            best.raise_bound(float(least) * (1 - 1e-12))
        best.statistics |= {
            "root_bound": best.bound * best.units.joule,
            "reduce_s": best.recorder.elapsed_s - built,
        }
        if not len(arcs):
            return best.result(Termination.SOLVED, exhausted=cutoff)
        if best.closed:
            return best.result(Termination.SOLVED)
        return _branch_and_bound(best, graph, arcs, cutoff, seed, extra)


def _expanded(best: Incumbent, graph: FlowGraph, arcs: Ints, cutoff: float) -> tuple[Ints, float]:
    """Return the arcs and the cutoff that are left when states know what they have used."""
    columns = graph.arcs.tail[arcs], graph.arcs.head[arcs]
    split = Expanded(graph, arcs, *columns, graph.stage)
    left, cutoff = settle(split, best, best.budget.relative_gap / 2, cutoff)
    best.statistics["arcs_priced"] = len(arcs)
    return np.unique(left.arc), cutoff


def _walk(graph: FlowGraph, arcs: Ints, flow: Floats) -> Ints:
    """Return the path that a unit flow over `arcs` takes, as positions in the graph's arcs."""
    leaving = {int(graph.arcs.tail[arc]): int(arc) for arc in arcs[flow > 0.5]}
    path, state = [], graph.root
    while state != graph.goal:
        path.append(leaving[state])
        state = int(graph.arcs.head[path[-1]])
    return np.array(path)


def _branch_and_bound(
    best: Incumbent,
    graph: FlowGraph,
    arcs: Ints,
    cutoff: float,
    seed: int,
    extra: Extra | None,
) -> Result:
    """Solve the MILP over `arcs` and those of the best plan."""
    began, built = best.recorder.elapsed_s, best.statistics["build_s"]
    known = graph.path(best.plan) if best.plan is not None else None
    if known is not None:
        arcs = np.union1d(arcs, known)
    costs = graph.arcs.energy_j[arcs]
    scale = best.objective_scale(float(np.median(costs[costs > 0])) if costs.any() else 0.0)

    def read(flow: Floats) -> tuple[CiftPlan, Ints]:
        path = _walk(graph, arcs, flow[: len(arcs)])
        return graph.plan(path), np.searchsorted(arcs, path)

    def start() -> Floats | None:
        if known is None:
            return None
        late = np.empty(0) if extra is None else extra.late(known)
        return np.append(np.isin(arcs, known), late).astype(np.float64)

    def cuts(columns: Ints) -> list[Row]:
        return [] if extra is None else extra.cuts(arcs[columns], arcs)

    model = flow_model(graph, arcs, scale)
    if extra is not None:
        model = extra.add(model, arcs)
    assert isinstance(built, float)
    best.statistics["build_s"] = built + best.recorder.elapsed_s - began
    form = Formulation(
        model,
        scale=scale,
        read=read,
        support=3 * len(best.instance.nodes) + len(model.cost) - len(arcs),
        start=start,
        cuts=cuts,
        cutoff=cutoff,
    )
    return prove(best, form, seed)


METHOD = CiftFlow()
