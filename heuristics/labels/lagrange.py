r"""The Lagrangian bound: multipliers, potentials and paths found on the way.

For multipliers lambda >= 0 the value phi(lambda) = min over paths of cost + lambda (use - limit) is
a lower bound. Its maximum is the linear program over convex combinations of paths, solved here by
column generation: K + 1 rows, one shortest path a round.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_PIVOTS = 200
# Limits too small to divide by get no multiplier; uses are cut at _FAR times the limit.
TINY, _FAR = 1e-250, 1e15
# What multipliers x limits may be: beyond, rounding errors are not relative.
_LEAST, _MOST = 2.0**-960, 2.0**990


def _solve(costs: Vector, columns: NDArray[np.float64], basis: list[int], rhs: Vector) -> Vector:
    """Pivot the tiny master program to its optimum in place; return its dual vector."""
    dual = np.zeros(rhs.size)
    for _ in range(_PIVOTS):
        inverse = np.linalg.inv(columns[:, basis])
        dual = costs[basis] @ inverse
        reduced = costs - dual @ columns
        reduced[basis] = 0.0
        enter = int(np.argmin(reduced))
        if reduced[enter] >= -1e-12 * (1.0 + abs(float(dual[-1]))):
            break
        direction = inverse @ columns[:, enter]
        level = inverse @ rhs
        step = np.where(
            direction > 1e-12, level / np.where(direction > 1e-12, direction, 1.0), np.inf
        )
        leave = int(np.argmin(step))
        if not step[leave] < np.inf:
            break
        basis[leave] = enter
    return dual


def maximise(
    oracle: Callable[[Vector], tuple[float, float, Vector]],
    start: list[tuple[float, Vector]],
    limits: Vector,
    ceiling: float,
    rounds: int,
    enough: Callable[[float, float], bool],
) -> tuple[float, Vector]:
    """Return (bound, multipliers).

    Parameters
    ----------
    oracle
        Maps multipliers to (least cost + multipliers . use, cost, use) of a path that attains it.
    start
        (cost, use) of paths known already.
    limits
        Limits, all finite; a limit of 0 needs no multiplier, since arcs that use it are gone.
    ceiling
        An upper bound on the optimum, if there is one; it keeps the multipliers in reach.
    rounds
        The most calls of `oracle`.
    enough
        Tells from the bound, and from what it can be at most, whether to stop.
    """
    active = np.nonzero(limits > TINY)[0]
    scale = limits[active]
    # A power of two, so that units do not matter to the tolerances.
    unit = 2.0 ** math.floor(math.log2(ceiling)) if _LEAST < ceiling < _MOST else 0.0
    k = active.size
    best, best_multiplier = -np.inf, np.zeros(limits.size)
    if k == 0 or unit == 0.0:
        return best, best_multiplier
    # Column 0 stands for any feasible path; the next K are slacks. The right side is moved off 0,
    # since every basis would be degenerate there.
    rhs = np.append(1e-7 * np.arange(1.0, k + 1.0), 1.0)
    columns = np.zeros((k + 1, k + 1))
    columns[-1, 0] = 1.0
    columns[:k, 1:] = np.eye(k)
    costs = np.zeros(k + 1)
    costs[0] = ceiling / unit
    basis = [*range(1, k + 1), 0]

    def add(cost: float, use: Vector) -> None:
        nonlocal columns, costs
        # Divided beyond all doubles, a use is far as well.
        with np.errstate(over="ignore"):
            column = np.append(np.minimum(use[active] / scale, _FAR) - 1.0, 1.0)
        columns = np.column_stack([columns, column])
        costs = np.append(costs, min(cost / unit, _FAR))

    for cost, use in start:
        add(cost, use)
    for _ in range(rounds):
        try:
            dual = _solve(costs, columns, basis, rhs)
        except np.linalg.LinAlgError:
            break
        worth = np.maximum(-dual[:k], 0.0) * unit
        multiplier = np.zeros(limits.size)
        with np.errstate(over="ignore", under="ignore"):
            multiplier[active] = worth / scale
        # Products that vanish or overflow would make the bound a false one.
        if np.any(worth) and not (_LEAST < worth.max() < _MOST and np.all(multiplier < _MOST)):
            break
        value, cost, use = oracle(multiplier)
        bound = value - float(multiplier @ np.where(limits > 0.0, limits, 0.0))
        if bound > best:
            best, best_multiplier = bound, multiplier
        top = unit * float(dual[-1])
        if enough(best, top) or best >= top - 1e-9 * abs(top):
            break
        add(cost, use)
    return best, best_multiplier


def combine(rows: NDArray[np.float64], worth: Vector, target: Vector) -> Vector:
    """Return shares >= 0 of the rows, their sum at most `target`, that are worth most.

    `rows` holds the unit vectors first.
    """
    k, share = target.size, np.zeros(len(rows))
    live = target > 0.0
    usable = np.nonzero(~np.any(rows[:, ~live] > 0.0, axis=1))[0]
    with np.errstate(over="ignore"):
        parts = rows[usable][:, live] / target[live]
    columns = np.concatenate([np.eye(k)[live][:, live], parts.T], 1)
    count = int(np.count_nonzero(live))
    costs = np.concatenate([np.zeros(count), -worth[usable] / max(float(worth.max()), _LEAST)])
    # The unit vectors together are where to begin.
    basis = [count + int(np.nonzero(usable == i)[0][0]) for i in np.nonzero(live)[0]]
    if not np.all(np.isfinite(columns)):
        return share
    try:
        _solve(costs, columns, basis, np.ones(count))
        level = np.maximum(np.linalg.solve(columns[:, basis], np.ones(count)), 0.0)
    except np.linalg.LinAlgError:
        return share
    for i, x in zip(basis, level.tolist(), strict=True):
        if i >= count:
            share[usable[i - count]] = x
    # Whatever the solution's own rounding: no more than the target.
    most = float(np.max((share @ rows)[live] / target[live], initial=0.0))
    return share / (max(most, 1.0) * (1.0 + 2.0**-50))
