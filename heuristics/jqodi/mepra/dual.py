r"""The Lagrangian of MEPRA and a plan near it.

``R^2 = max_l 2 l R - l^2``, so for every l >= 0::

    g(l) = sum_i min_k (A_k + 2 l r_k)  -  l^2   <=   optimum

concave in l and greatest where the sum of roots R(l) of the choices crosses l. Between two
multipliers the minima lie below the two lines of their choices; the next multiplier is where those
lines less l^2 are greatest, which ends after a few steps. For any plan with sum of roots R::

    cost = g(l)  +  sum_i (A_k + 2 l r_k - min)  +  (R - l)^2
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from splitopt.heuristics.jqodi.mepra.options import Fronts
from splitopt.instances.core.arrays import Ints

_UNIT = 2.0**-53


@dataclass(frozen=True, eq=False, slots=True)
class Relaxed:
    """The best multiplier found.

    Attributes
    ----------
    multiplier
        l.
    value, bound
        g(l) as computed, and rounded down by all that rounding may have added.
    base
        Each group's choice at l, shape (groups,).
    option
        Options of a plan, one a device, shape (n,).
    """

    multiplier: float
    value: float
    bound: float
    base: Ints
    option: Ints


def relax(fronts: Fronts) -> Relaxed:
    """Maximise the Lagrangian and round its choices to a plan."""
    from splitopt.heuristics.jqodi.mepra.kernels import choose, improve

    start, own, root, count = fronts.start, fronts.own, fronts.root, fronts.count
    groups = len(count)

    def at(multiplier: float) -> tuple[float, float, Ints]:
        option = np.empty(groups, dtype=np.int64)
        a, r = choose(start, own, root, count, 2.0 * multiplier, option)
        return a, r, option

    low, (a_low, r_low, low_option) = 0.0, at(0.0)
    best = (a_low, 0.0, low_option)  # value, multiplier, choice
    high = r_low
    if high > 0:
        a_high, r_high, high_option = at(high)
        best = max(best, (a_high + 2 * high * r_high - high * high, high, high_option), key=_value)
        for _ in range(200):
            cross = r_low
            if r_low > r_high:
                cross = min(cross, max(r_high, (a_high - a_low) / (2.0 * (r_low - r_high))))
            if not low < cross < high:
                break
            a, r, option = at(cross)
            value = a + 2 * cross * r - cross * cross
            best = max(best, (value, cross, option), key=_value)
            lines = min(a_low + 2 * cross * r_low, a_high + 2 * cross * r_high)
            done = a + 2 * cross * r >= lines * (1 - 4 * _UNIT)
            if r > cross:
                low, a_low, r_low, low_option = cross, a, r, option
            else:
                high, a_high, r_high, high_option = cross, a, r, option
            if done or r == cross:
                break
        option = _mixed(fronts, low_option, high_option, best[1])
    else:
        option = low_option[fronts.group]
    total = math.fsum(root[option].tolist())
    improve(start, own, root, fronts.group, option, total, 20)
    value, multiplier, base = best
    # Sums of blocks of 1024 and of blocks; each figure is off by its own relative error as well.
    roundings = 1024 + groups / 1024 + 16
    size = value + 2 * multiplier * multiplier
    bound = (value - size * (roundings * _UNIT)) * (1 - 2 * fronts.relative_error)
    return Relaxed(multiplier, value, max(bound, 0.0), base, option)


def _value(found: tuple[float, float, Ints]) -> float:
    return found[0]


def _mixed(fronts: Fronts, low: Ints, high: Ints, multiplier: float) -> Ints:
    """Return options a device: those at the upper end, changed to the lower end's towards R = l.

    At the best multiplier both choices are least for every device, so only R matters; the largest
    steps first, none beyond.
    """
    root, group = fronts.root, fronts.group
    option = high[group]
    step = root[low] - root[high]
    room = multiplier - math.fsum(root[option].tolist())
    movable = np.flatnonzero(step[group] > 0)
    for i in movable[np.argsort(-step[group[movable]], kind="stable")].tolist():
        if step[group[i]] <= room:
            room -= step[group[i]]
            option[i] = low[group[i]]
    return option
