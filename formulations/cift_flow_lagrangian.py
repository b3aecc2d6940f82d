"""Deadlines priced into the objective: a bound, good plans, and most arcs ruled out.

For prices lambda_k >= 0 (J) on deadlines tau_k, every path p within the deadlines has

    E(p) >= L(lambda) = min over all paths p' of E(p') + sum_k lambda_k (T_k(p') / tau_k - 1)

so L bounds the optimum, and the same minimum over the paths through an arc bounds every plan
that uses the arc: above a known plan's energy the arc goes (Beasley and Christofides 1989). L is
concave and piecewise linear; Kelley's cutting planes climb it: each shortest path p gives the
plane E(p) + sum_k lambda_k (T_k(p) / tau_k - 1), and the next prices maximise the least plane.
At the end L is the optimum of the flow MILP's relaxation. On the way the best path through each
arc is valued; those within the deadlines are plans.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from formulations.cift_flow_graph import FlowGraph
from formulations.cift_flow_reduction import Sweeps, limits
from formulations.cift_incumbent import Incumbent
from formulations.highs_tools import SparseModel, load

__all__ = ["priced"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ROUNDS = 60
_CLOSE = 1e-7  # relative distance of L from its planes at which climbing ends
_SLACK = 1e-11  # relative error of sums of doubles, with room
_FARTHEST = 1e6  # prices stay below this many times a plan's energy


class _Planes:
    """The planes found so far, and the prices at which the least of them is highest."""

    def __init__(self, prices: int, reference: float) -> None:
        # max height <= constant + slope . prices, 0 <= prices <= most; energies in `reference`.
        self._reference = reference
        self._highs = load(
            SparseModel(
                cost=np.append(-1.0, np.zeros(prices)),
                lower=np.append(-np.inf, np.zeros(prices)),
                upper=np.append(np.inf, np.full(prices, _FARTHEST)),
                integer=np.zeros(prices + 1, dtype=np.bool_),
                row_lower=np.empty(0),
                row_upper=np.empty(0),
                row=np.empty(0, dtype=np.int64),
                column=np.empty(0, dtype=np.int64),
                value=np.empty(0),
            )
        )

    def add(self, energy: float, slope: Floats) -> None:
        """Add the plane of a path."""
        n = len(slope) + 1
        self._highs.addRow(
            -np.inf,
            energy / self._reference,
            n,
            np.arange(n, dtype=np.int32),
            np.append(1.0, -slope),
        )

    def highest(self) -> tuple[float, Floats]:
        """Return the height and the prices of the highest point below all planes."""
        self._highs.run()
        values = np.array(self._highs.getSolution().col_value)
        return float(values[0]) * self._reference, values[1:] * self._reference


def _reference(best: Incumbent, energy: float) -> float:
    """Return a positive energy to measure prices in."""
    for figure in (best.objective, energy):
        if 0 < figure < np.inf:
            return figure
    return 1.0


def priced(graph: FlowGraph, arcs: Ints, best: Incumbent, cutoff_gap: float) -> tuple[Ints, float]:
    """Return the arcs that a plan better than the best one may use, and that plan's cutoff.

    Plans found go to `best`, and the bound too.

    Parameters
    ----------
    arcs
        Positions in the graph's arcs.
    cutoff_gap
        Arcs go when every plan through them costs at least ``1 - cutoff_gap`` of the best
        plan's energy. The cutoff returned is the least such figure used (infinite: none).
    """
    rows = [(seconds / limit, limit) for seconds, limit in limits(graph) if limit > 0]
    cutoff = np.inf
    if not len(arcs):
        return arcs, cutoff
    energy_j = graph.arcs.energy_j
    prices = np.zeros(len(rows))
    planes: _Planes | None = None
    for _ in range(_ROUNDS):
        if best.remaining_s == 0 or not len(arcs):
            break
        sweeps = Sweeps(graph, arcs)
        energy = energy_j[arcs]
        shares = np.array([share[arcs] for share, _ in rows]).reshape(len(rows), len(arcs))
        weight = energy + prices @ shares
        least, figures = sweeps.best_through(weight, np.vstack([energy, shares]))
        _offer_best(graph, sweeps, best, least, figures)
        # The shortest path of all is the shortest one through any of its arcs.
        shortest = int(np.argmin(least))
        if not np.isfinite(least[shortest]):
            return arcs[:0], cutoff
        total = float(prices.sum())
        slack = _SLACK * (float(least[shortest]) + total)
        height = float(least[shortest]) - total - slack
        best.raise_bound(min(height, cutoff))
        if np.isfinite(best.objective):
            limit = best.objective * (1 - cutoff_gap)
            cutoff = min(cutoff, limit)
            arcs = arcs[least - total - slack <= limit]
        if not rows:
            break
        if planes is None:
            planes = _Planes(len(rows), _reference(best, float(figures[0, shortest])))
        planes.add(float(figures[0, shortest]), figures[1:, shortest] - 1.0)
        top, prices = planes.highest()
        if top - height <= _CLOSE * abs(top):
            break
    return arcs, cutoff


def _offer_best(
    graph: FlowGraph, sweeps: Sweeps, best: Incumbent, least: Floats, figures: Floats
) -> None:
    """Offer the cheapest of the paths through single arcs that keep every deadline."""
    kept = np.isfinite(least) & (figures[1:] <= 1.0).all(axis=0)
    if not kept.any():
        return
    candidate = int(np.argmin(np.where(kept, figures[0], np.inf)))
    if figures[0, candidate] < best.objective * (1 - _SLACK):
        best.offer(graph.plan(sweeps.path_through(candidate)))
