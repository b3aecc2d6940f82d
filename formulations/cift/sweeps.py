"""Shortest paths in a graph whose arcs lead from stage to stage, for all arcs at once.

With d+(s) and d-(s) the least weight of a path from the root to s and from s to the goal, no
path through an arc (s, t) of weight w weighs less than d+(s) + w + d-(t).
"""

from __future__ import annotations

import numpy as np

from splitopt.instances.core.arrays import Floats, Ints

__all__ = ["GOAL", "ROOT", "Sweeps"]


ROOT, GOAL = 0, 1  # states


class Sweeps:
    """Shortest paths from `ROOT` to `GOAL`; weights are at least 0.

    Parameters
    ----------
    tail, head
        States of each arc, shape (arcs,).
    stage
        Shape (states,); every arc leads to a higher stage.
    """

    def __init__(self, tail: Ints, head: Ints, stage: Ints) -> None:
        self.tail = tail
        self.head = head
        self.states = len(stage)
        into, out = stage[head], -stage[tail]
        forward, backward = np.argsort(into, kind="stable"), np.argsort(out, kind="stable")
        self.forward = np.split(forward, np.flatnonzero(np.diff(into[forward])) + 1)
        self._backward = np.split(backward, np.flatnonzero(np.diff(out[backward])) + 1)
        self._arrive = self._leave = np.empty(0, dtype=np.int64)

    def from_root(self, weight: Floats) -> Floats:
        """Return the least weight of a path from the root to each state."""
        least = np.full(self.states, np.inf)
        least[ROOT] = 0.0
        for group in self.forward:
            np.minimum.at(least, self.head[group], least[self.tail[group]] + weight[group])
        return least

    def to_goal(self, weight: Floats) -> Floats:
        """Return the least weight of a path from each state to the goal."""
        least = np.full(self.states, np.inf)
        least[GOAL] = 0.0
        for group in self._backward:
            np.minimum.at(least, self.tail[group], weight[group] + least[self.head[group]])
        return least

    def through(self, weight: Floats) -> Floats:
        """Return the least weight of a path through each arc, infinite where there is none."""
        return self.from_root(weight)[self.tail] + weight + self.to_goal(weight)[self.head]

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
        # An arc by which a shortest path arrives in each state, and one by which it leaves.
        self._arrive = np.full(self.states, -1, dtype=np.int64)
        tight = np.flatnonzero(before[self.tail] + weight <= before[self.head])
        self._arrive[self.head[tight]] = tight
        self._leave = np.full(self.states, -1, dtype=np.int64)
        tight = np.flatnonzero(weight + after[self.head] <= after[self.tail])
        self._leave[self.tail[tight]] = tight
        spent = np.zeros((len(columns), self.states))
        for group in self.forward:
            used = group[self._arrive[self.head[group]] == group]
            spent[:, self.head[used]] = spent[:, self.tail[used]] + columns[:, used]
        due = np.zeros((len(columns), self.states))
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
        while (state := self.tail[path[0]]) != ROOT:
            path.insert(0, int(self._arrive[state]))
        while (state := self.head[path[-1]]) != GOAL:
            path.append(int(self._leave[state]))
        return np.array(path)
