"""Shortest paths in the time-energy graph: bounds for every arc, first plans, fewer arcs.

With d+(s) and d-(s) the least weight of a path from the root to s and from s to the goal, no
path through an arc (s, t) of weight w weighs less than d+(s) + w + d-(t). So an arc goes when
that exceeds a deadline in seconds, or a known plan's energy in joules.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from formulations.cift_flow_graph import FlowGraph
from instances.tolerances import TOLERANCES

__all__ = ["LOOSE", "Sweeps", "first_paths", "limits", "reduced", "within"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Deadlines as the judge takes them, and room for the rounding of sums of doubles.
LOOSE = (1 + TOLERANCES.deadline) * (1 + 1e-12)


class Sweeps:
    """Shortest paths over some arcs of a graph, stage by stage; weights are at least 0."""

    def __init__(self, graph: FlowGraph, arcs: Ints) -> None:
        self.graph = graph
        self.arcs = arcs
        self.tail = graph.arcs.tail[arcs]
        self.head = graph.arcs.head[arcs]
        into = graph.stage[self.head]  # ascending: the graph sorts its arcs so
        self._forward = np.split(np.arange(len(arcs)), np.flatnonzero(np.diff(into)) + 1)
        out = graph.stage[self.tail]
        self._by_tail = np.lexsort((self.tail, -out))
        drops = np.flatnonzero(np.diff(out[self._by_tail])) + 1
        self._backward = np.split(self._by_tail, drops)

    def from_root(self, weight: Floats) -> Floats:
        """Return the least weight of a path from the root to each state."""
        least = np.full(self.graph.states, np.inf)
        least[self.graph.root] = 0.0
        for group in self._forward:
            np.minimum.at(least, self.head[group], least[self.tail[group]] + weight[group])
        return least

    def to_goal(self, weight: Floats) -> Floats:
        """Return the least weight of a path from each state to the goal."""
        least = np.full(self.graph.states, np.inf)
        least[self.graph.goal] = 0.0
        for group in self._backward:
            np.minimum.at(least, self.tail[group], weight[group] + least[self.head[group]])
        return least

    def through(self, weight: Floats) -> Floats:
        """Return the least weight of a path through each arc, infinite where there is none."""
        return self.from_root(weight)[self.tail] + weight + self.to_goal(weight)[self.head]

    def shortest(self, weight: Floats) -> Ints | None:
        """Return a path of least weight as positions in the graph's arcs, None without one."""
        rest = self.to_goal(weight)
        if not np.isfinite(rest[self.graph.root]):
            return None
        tails = self.tail[self._by_tail]
        order = np.argsort(tails, kind="stable")
        grouped = self._by_tail[order]
        first = np.searchsorted(tails[order], np.arange(self.graph.states + 1))
        path, state = [], self.graph.root
        while state != self.graph.goal:
            leaving = grouped[first[state] : first[state + 1]]
            best = leaving[np.argmin(weight[leaving] + rest[self.head[leaving]])]
            path.append(self.arcs[best])
            state = self.head[best]
        return np.array(path)


def limits(graph: FlowGraph) -> list[tuple[Floats, float]]:
    """Return the deadlines there are: the seconds of every arc, and the limit as it is kept."""
    instance, arcs = graph.instance, graph.arcs
    pairs = (
        (arcs.latency_s, instance.inference_deadline_s),
        (arcs.time_s, instance.fine_tuning_deadline_s),
    )
    return [(seconds, deadline * LOOSE) for seconds, deadline in pairs if deadline is not None]


def within(graph: FlowGraph, arcs: Ints, weight: Floats, limit: float) -> Ints:
    """Return those of `arcs` that lie on a path of weight at most `limit`.

    Parameters
    ----------
    arcs
        Positions in the graph's arcs.
    weight
        Of every arc of the graph.
    """
    if not len(arcs):
        return arcs
    return arcs[Sweeps(graph, arcs).through(weight[arcs]) <= limit]


def reduced(graph: FlowGraph) -> Ints:
    """Return the arcs that lie on a path within each deadline, taken one at a time."""
    arcs = np.arange(len(graph.arcs))
    kept = within(graph, arcs, graph.arcs.energy_j, np.finfo(np.float64).max)
    while len(kept) < len(arcs):
        arcs = kept
        for seconds, limit in limits(graph):
            kept = within(graph, kept, seconds, limit)
        # A second round pays only when the first took a good part.
        if len(kept) > 0.9 * len(arcs):
            break
    return kept


def first_paths(graph: FlowGraph, arcs: Ints) -> list[Ints]:
    """Return paths that may keep every deadline, the cheapest ones first.

    Shortest paths for energy plus a rising price on the deadlines, and for the deadlines
    alone.
    """
    sweeps = Sweeps(graph, arcs)
    energy = graph.arcs.energy_j[arcs]
    least = sweeps.from_root(energy)[graph.goal]
    if not np.isfinite(least):
        return []
    pressures = [seconds[arcs] / limit for seconds, limit in limits(graph) if limit > 0]
    if not pressures:
        path = sweeps.shortest(energy)
        return [] if path is None else [path]
    total = np.sum(pressures, axis=0)
    weights = [energy + least * price * total for price in (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)]
    weights += [total, *pressures]
    found = [sweeps.shortest(weight) for weight in weights]
    return [path for path in found if path is not None]
