"""Shortest paths in the time-energy graph: a bound for every arc, and fewer arcs.

With d+(s) and d-(s) the least weight of a path from the root to s and from s to the goal, no
path through an arc (s, t) of weight w weighs less than d+(s) + w + d-(t). So an arc goes when
that exceeds a deadline.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from formulations.cift_flow_graph import FlowGraph
from instances.tolerances import TOLERANCES

__all__ = ["LOOSE", "Sweeps", "limits", "reduced", "within"]

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
        by_tail = np.lexsort((self.tail, -out))
        drops = np.flatnonzero(np.diff(out[by_tail])) + 1
        self._backward = np.split(by_tail, drops)
        self._arrive = self._leave = np.empty(0, dtype=np.int64)

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

    def _into(self, weight: Floats, least: Floats) -> Ints:
        """Return for each state an arc by which a shortest path arrives, -1 for none."""
        tight = np.flatnonzero(least[self.tail] + weight <= least[self.head])
        arc = np.full(self.graph.states, -1, dtype=np.int64)
        arc[self.head[tight]] = tight
        return arc

    def _out_of(self, weight: Floats, least: Floats) -> Ints:
        """Return for each state an arc by which a shortest path leaves, -1 for none."""
        tight = np.flatnonzero(weight + least[self.head] <= least[self.tail])
        arc = np.full(self.graph.states, -1, dtype=np.int64)
        arc[self.tail[tight]] = tight
        return arc

    def best_through(self, weight: Floats, columns: Floats) -> tuple[Floats, Floats]:
        """Return the least weight of a path through each arc, and that path's own figures.

        Parameters
        ----------
        weight
            Shape (arcs,).
        columns
            Shape (figures, arcs): what else to sum along those paths.

        Returns
        -------
        least
            Shape (arcs,), infinite where there is no path.
        figures
            Shape (figures, arcs).
        """
        before, after = self.from_root(weight), self.to_goal(weight)
        self._arrive, self._leave = self._into(weight, before), self._out_of(weight, after)
        spent = np.zeros((len(columns), self.graph.states))
        for group in self._forward:
            used = group[self._arrive[self.head[group]] == group]
            spent[:, self.head[used]] = spent[:, self.tail[used]] + columns[:, used]
        due = np.zeros((len(columns), self.graph.states))
        for group in self._backward:
            used = group[self._leave[self.tail[group]] == group]
            due[:, self.tail[used]] = columns[:, used] + due[:, self.head[used]]
        return (
            before[self.tail] + weight + after[self.head],
            spent[:, self.tail] + columns + due[:, self.head],
        )

    def path_through(self, arc: int) -> Ints:
        """Return the path of the last `best_through` through one of its arcs."""
        path = [arc]
        while (state := self.tail[path[0]]) != self.graph.root:
            path.insert(0, int(self._arrive[state]))
        while (state := self.head[path[-1]]) != self.graph.goal:
            path.append(int(self._leave[state]))
        return self.arcs[path]


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
