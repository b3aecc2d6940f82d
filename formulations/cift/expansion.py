"""Deadlines kept in the states: a graph that knows how much of a deadline each path has used.

Prices alone (`splitopt.formulations.cift.pricing`) leave a gap where many plans cost nearly the
same: energy is bounded as if a deadline could be met on average. Here each state s is split into
states (s, cell) by the share of one deadline that paths to it have used, the shares of a state
cut into at most W cells. A cell carries the least share u of all paths that lead into it, and an
arc goes on from that::

    u(s', cell') = min over arcs a = (s, s') and cells of u(s, cell) + share_a,   where that lands

and is left out where u plus the least share from there to the goal exceeds one. So every plan
within the deadline is still a path, and paths that exceed it by more than a cell's width a step
are none: a relaxation of the state space, that of a decision diagram of bounded width
(Christofides, Mingozzi and Toth 1981; Andersen, Hadzic, Hooker and Tiedemann 2007). Paths are
still paths of the graph below, so all deadlines are priced on it as before, with a better bound,
and arcs go by it. Then the next deadline is taken, within the states that are left, and so on in
turn: cells narrow down where plans are left, and in the end every path kept is a plan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.planes import HighsPlanes
from splitopt.formulations.cift.pricing import Routes, climb
from splitopt.formulations.cift.sweeps import GOAL, ROOT, Sweeps
from splitopt.instances.core.arrays import Floats, Ints

_CELLS = 16  # a state is split into at most so many at once
_MOST_ARCS = 600_000  # of a split graph
_IDLE = 0.01  # relative change of arcs and of the gap below which a split brought nothing
_ROUNDS = 60  # splits


@dataclass(frozen=True, eq=False, slots=True)
class Expanded:
    """A graph whose paths are paths of another one.

    Attributes
    ----------
    base
        The other one.
    arc
        The arc of `base` that each arc stands for.
    tail, head, stage
        As of `Sweeps`.
    """

    base: Routes
    arc: Ints
    tail: Ints
    head: Ints
    stage: Ints

    @property
    def deadlines(self) -> int:
        """How many deadlines are priced."""
        return self.base.deadlines

    def sweeps(self, arcs: Ints) -> Sweeps:
        """Return the shortest paths over some arcs."""
        return Sweeps(self.tail[arcs], self.head[arcs], self.stage)

    def figures(self, arcs: Ints, prices: Floats) -> Floats:
        """Return energy and shares of each deadline of some arcs."""
        return self.base.figures(self.arc[arcs], prices)

    def offer(self, best: Incumbent, path: Ints, prices: Floats) -> None:
        """Offer the plan of a path."""
        self.base.offer(best, self.arc[path], prices)

    def take(self, arcs: Ints) -> Expanded:
        """Return the graph of some arcs, the states numbered anew."""
        ends, at = np.unique(
            np.concatenate([[ROOT, GOAL], self.tail[arcs], self.head[arcs]]), return_inverse=True
        )
        tail, head = np.split(at[2:], 2)
        return Expanded(self.base, self.arc[arcs], tail, head, self.stage[ends])


def expand(graph: Expanded, share: Floats, cells: int) -> Expanded:
    """Return the graph with each state split by how much of a deadline is used.

    Parameters
    ----------
    share
        Of the deadline, of each arc, shape (arcs,).
    cells
        W.
    """
    every = np.arange(len(graph.arc))
    sweeps = graph.sweeps(every)
    least, due = sweeps.from_root(share), sweeps.to_goal(share)
    width = np.maximum(1.0 - due - least, 1e-12) / cells
    used = np.zeros(cells * len(graph.stage) + 2)  # u of each new state
    first, count = np.zeros((2, len(graph.stage)), dtype=np.int64)
    count[ROOT] = 1
    states = 2
    owner = [np.array([ROOT, GOAL])]
    arc, tail, head = [], [], []
    for group in sweeps.forward:
        repeats = count[graph.tail[group]]
        a = np.repeat(group, repeats)
        ends = np.cumsum(repeats)
        before = first[graph.tail[a]] + np.arange(len(a)) - np.repeat(ends - repeats, repeats)
        u = used[before] + share[a]
        kept = u + due[graph.head[a]] <= 1.0
        a, before, u = a[kept], before[kept], u[kept]
        into = graph.head[a]
        cell = np.minimum((u - least[into]) / width[into], cells - 1.0).astype(np.int64)
        cell[into == GOAL] = 0
        split, at = np.unique(into * cells + cell, return_inverse=True)
        found = split // cells
        new = np.where(found == GOAL, GOAL, states + np.arange(len(split)))
        carried = np.full(len(split), np.inf)
        np.minimum.at(carried, at, u)
        used[states : states + len(split)] = carried
        whole, beginning, counts = np.unique(found, return_index=True, return_counts=True)
        first[whole], count[whole] = states + beginning, counts
        states += len(split)
        owner.append(found)
        arc.append(graph.arc[a])
        tail.append(before)
        head.append(new[at])
    return Expanded(
        graph.base,
        np.concatenate(arc),
        np.concatenate(tail),
        np.concatenate(head),
        graph.stage[np.concatenate(owner)],
    )


def settle(
    graph: Expanded, best: Incumbent, cutoff_gap: float, cutoff: float
) -> tuple[Expanded, float]:
    """Split states and climb the bound in turn, until the gap is closed or no more comes of it.

    Parameters
    ----------
    cutoff_gap
        As of `climb`.
    cutoff
        The bound on what was left out before, J.

    Returns
    -------
    graph
        The arcs of all plans that may be better than the best one, as far as it is known.
    cutoff
        The bound on what is left out now.
    """
    deadlines, idle = graph.deadlines, 0
    for number in range(_ROUNDS):
        arcs = len(graph.arc)
        if idle == deadlines or not arcs or best.closed or best.remaining_s == 0:
            break
        cells = min(_CELLS, _MOST_ARCS // arcs)
        if cells < 2:
            break
        share = graph.figures(np.arange(arcs), np.zeros(deadlines))[1 + number % deadlines]
        finer, before = expand(graph, share, cells), best.objective - best.bound
        kept, limit, _ = climb(finer, np.arange(len(finer.arc)), best, cutoff_gap, HighsPlanes)
        cutoff = min(cutoff, limit)
        still = abs(len(kept) - arcs) <= _IDLE * arcs
        still = still and best.objective - best.bound >= before * (1 - _IDLE)
        idle = idle + 1 if still else 0
        graph = finer.take(kept)
    return graph, cutoff
