"""Lagrangian bounds of the chain of one configuration.

`least` gives, for prices (lambda, mu) >= 0 of the two deadlines, the least
``E + lambda T_inf + mu T_ft`` of coming to each state from the source, by one sweep over the nodes
in topological order. At the goal, less what the deadlines are worth at these prices, this is the
Lagrangian bound of the configuration; `highest` seeks the prices at which it is highest, by cutting
planes in two dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from splitopt.formulations.cift.fronts.chain import LATE, ROUNDING, Chain
from splitopt.instances.core.arrays import Floats

_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Sweep:
    """What `least` found.

    Attributes
    ----------
    arrived
        Least cost of each state, shape (L, nodes).
    goal
        Cost, energy and both times of the cheapest whole path, shape (4,).
    """

    arrived: Floats
    goal: Floats


def least(chain: Chain, order: Sequence[int], prices: Floats) -> Sweep:
    """Return the least ``prices . (E, T_inf, T_ft)`` of reaching each state from the source.

    Parameters
    ----------
    prices
        Weights of energy and of both times, shape (3,).
    """
    blocks, nodes = chain.blocks, len(chain.hops)
    arrived = np.full((blocks, nodes), np.inf)
    parts = np.zeros((3, blocks, nodes))  # E and times of the path that is least
    arrived[0, chain.source] = 0.0
    goal = np.full(4, np.inf)
    for n in order:
        here = arrived[:, n]
        if not np.isfinite(here).any():
            continue
        best = min(chain.levels[n], key=lambda level: float(level.cost @ prices), default=None)
        placed, kept = here.copy(), parts[:, :, n].copy()
        if best is not None:
            with np.errstate(invalid="ignore"):
                rate = float(best.cost @ prices)
                work = chain.work[n]
                table = np.where(chain.fits[n][:-1], here[:, None] + rate * work[:-1], np.inf)
            first = table.argmin(axis=0)
            values = table[first, np.arange(blocks + 1)]
            done = work[first, np.arange(blocks + 1)]
            hosted = parts[:, first, n] + best.cost[:, None] * done
            if values[blocks] < goal[0]:
                goal = np.append(values[blocks], hosted[:, blocks])
            better = values[:blocks] < placed
            placed = np.where(better, values[:blocks], placed)
            kept = np.where(better, hosted[:, :blocks], kept)
        for hop in chain.hops[n]:
            # What is closed is so at any price.
            with np.errstate(invalid="ignore"):
                reached = placed + prices @ hop.cost
            reached = np.where(np.isfinite(hop.cost[0]), reached, np.inf)
            better = reached < arrived[:, hop.head]
            if better.any():
                arrived[better, hop.head] = reached[better]
                parts[:, better, hop.head] = (kept + hop.cost)[:, better]
    return Sweep(arrived, goal)


def highest(chain: Chain, order: Sequence[int], enough: float) -> tuple[float, Floats]:
    """Return the highest Lagrangian bound found and its prices (1, lambda, mu).

    Stops where the bound exceeds `enough`: the configuration is then out of the running.
    """
    from scipy.optimize import linprog

    limits = np.array(chain.limits) * LATE
    free = np.flatnonzero(np.isfinite(limits))
    prices = np.array([1.0, 0.0, 0.0])
    best, chosen = -math.inf, prices.copy()
    slopes: list[Floats] = []
    heights: list[float] = []
    # The prices looked at: up to so much that a deadline's whole length is worth 1000 plans.
    box: Floats = np.zeros(len(free))
    for _ in range(_ROUNDS):
        sweep = least(chain, order, prices)
        if not np.isfinite(sweep.goal[0]):
            # No path at all, seen at the price of energy alone; later, prices beyond doubles.
            return (best if heights else math.inf), chosen
        worth = float(prices[1:][free] @ limits[free])
        # What rounding leaves of a difference of large figures is no bound.
        bound = float(sweep.goal[0]) - worth - ROUNDING * (float(sweep.goal[0]) + worth)
        if bound > best:
            best, chosen = bound, prices.copy()
        if best > enough or not len(free):
            break
        slope = sweep.goal[2:][free] - limits[free]
        if (slope <= 0).all() and not prices[1:].any():
            break
        if not box.any():
            unit = np.where(limits[free] > 0, limits[free], 1.0)
            box = 1e3 * max(abs(float(sweep.goal[1])), 1e-300) / unit
        slopes.append(slope * box)
        heights.append(bound - float(slope @ prices[1:][free]))
        # max z, z <= height_k + slope_k . (share of the box)
        table = np.hstack([np.ones((len(slopes), 1)), -np.array(slopes)])
        scale = max(abs(best), abs(float(sweep.goal[1])), 1e-300)
        found = linprog(
            np.append(-1.0, np.zeros(len(free))),
            A_ub=np.hstack([table[:, :1], table[:, 1:] / scale]),
            b_ub=np.array(heights) / scale,
            bounds=[(None, None), *[(0.0, 1.0)] * len(free)],
        )
        if not found.success:
            break
        point = np.asarray(found.x, dtype=np.float64)
        if float(point[0]) * scale <= best + 1e-9 * abs(best):
            break
        prices = np.array([1.0, 0.0, 0.0])
        prices[1 + free] = point[1:] * box
    return best, chosen
