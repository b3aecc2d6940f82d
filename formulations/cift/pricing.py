"""Deadlines priced into the objective: a bound, good plans, and most arcs ruled out.

Plans are paths in a graph. For prices lambda_k >= 0 (J) on deadlines tau_k, every path p within
the deadlines has

    E(p) >= L(lambda) = min over all paths p' of E(p') + sum_k lambda_k (T_k(p') / tau_k - 1)

so L bounds the optimum, and the same minimum over the paths through an arc bounds every plan
that uses the arc: above a known plan's energy the arc goes (Beasley and Christofides 1989). L is
concave and piecewise linear; Kelley's cutting planes climb it: each shortest path p gives the
plane E(p) + sum_k lambda_k (T_k(p) / tau_k - 1), and the next prices maximise the least plane.
At the end L is the optimum of the relaxed unit-flow problem. On the way the best path through
each arc is valued; those within the deadlines are plans.

This is the climbing alone. What an arc costs is for the model that calls it to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.sweeps import Sweeps
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.tolerances import TOLERANCES

# Deadlines as the judge takes them, and room for the rounding of sums of doubles.
LOOSE = (1 + TOLERANCES.deadline) * (1 + 1e-12)

_ROUNDS = 60
_CLOSE = 1e-7  # relative distance of L from its planes at which climbing ends
_SLACK = 1e-11  # relative error of sums of doubles, with room
FARTHEST = 1e6  # prices stay below this many times a plan's energy


class Routes(Protocol):
    """A graph whose paths are plans."""

    @property
    def deadlines(self) -> int:
        """How many deadlines are priced."""

    def sweeps(self, arcs: Ints) -> Sweeps:
        """Return the shortest paths over some arcs."""

    def figures(self, arcs: Ints, prices: Floats) -> Floats:
        """Return energy (J) and shares of each deadline, shape (1 + deadlines, arcs).

        What an arc leaves open (a speed, say) is chosen for the least energy plus
        ``prices @ shares``.
        """

    def offer(self, best: Incumbent, path: Ints, prices: Floats) -> None:
        """Offer the plan of a path, given by its arcs."""


def within(routes: Routes, arcs: Ints, share: Floats) -> Ints:
    """Return the arcs on a path whose shares of a deadline sum to at most one.

    Parameters
    ----------
    share
        The least share of the deadline each arc can take, shape (arcs,).
    """
    return arcs[routes.sweeps(arcs).through(share) <= 1.0] if len(arcs) else arcs


class Planes(Protocol):
    """The planes found so far, and the prices at which the least of them is highest."""

    def add(self, energy: float, slope: Floats) -> None:
        """Add the plane of a path."""

    def highest(self) -> tuple[float, Floats]:
        """Return the height and the prices of the highest point below all planes."""


def climb(
    routes: Routes,
    arcs: Ints,
    best: Incumbent,
    cutoff_gap: float,
    planes_for: Callable[[int, float], Planes],
) -> tuple[Ints, float, Floats]:
    """Climb the bound; return the arcs left, the cutoff used and the last prices.

    `planes_for` makes the planes of so many prices, with energies about as large as its second
    argument: by the library that the method may load.

    Plans found go to `best`, and the bound too. Arcs go when every plan through them costs at
    least ``1 - cutoff_gap`` of the best plan's energy. The cutoff is the least such figure
    (infinite: none).
    """
    prices, cutoff = np.zeros(routes.deadlines), np.inf
    planes: Planes | None = None
    for _ in range(_ROUNDS):
        if best.remaining_s == 0 or not len(arcs):
            break
        sweeps, columns = routes.sweeps(arcs), routes.figures(arcs, prices)
        least, figures = sweeps.best_through(columns[0] + prices @ columns[1:], columns)
        # The shortest path of all is the shortest one through any of its arcs.
        shortest = int(np.argmin(least))
        if not np.isfinite(least[shortest]):
            return arcs[:0], cutoff, prices
        # The cheapest of the paths through single arcs that keep every deadline.
        kept = np.isfinite(least) & (figures[1:] <= 1.0).all(axis=0)
        cheapest = int(np.argmin(np.where(kept, figures[0], np.inf)))
        if kept[cheapest] and figures[0, cheapest] < best.objective * (1 - _SLACK):
            routes.offer(best, arcs[sweeps.path_through(cheapest)], prices)
        total = float(prices.sum())
        slack = _SLACK * (float(least[shortest]) + total)
        height = float(least[shortest]) - total - slack
        best.raise_bound(min(height, cutoff))
        if np.isfinite(best.objective):
            limit = best.objective * (1 - cutoff_gap)
            cutoff = min(cutoff, limit)
            arcs = arcs[least - total - slack <= limit]
        if not routes.deadlines:
            break
        if planes is None:
            energy = float(figures[0, shortest])
            guesses = [e for e in (best.objective, energy, 1.0) if 0 < e < np.inf]
            planes = planes_for(routes.deadlines, guesses[0])
        planes.add(float(figures[0, shortest]), figures[1:, shortest] - 1.0)
        top, prices_next = planes.highest()
        if top - height <= _CLOSE * abs(top):
            break
        prices = np.maximum(prices_next, 0.0)  # a bound needs that, and LPs have tolerances
    return arcs, cutoff, prices
