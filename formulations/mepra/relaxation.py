r"""The Lagrangian relaxation of MEPRA's quadratic form.

The cost of options with the best shares is :math:`\sum_i a_i + R^2`, :math:`R = \sum_i r_i`. Since
:math:`R^2 = \max_{\lambda \ge 0} 2 \lambda R - \lambda^2`, every multiplier gives a bound in which
each device chooses alone:

.. math:: L(\lambda) = \sum_i \min_k (a_{ik} + 2 \lambda r_{ik}) - \lambda^2 \le \text{optimum}.

L is concave; its maximiser is the lambda at which the sum of roots of the devices' choices
crosses lambda. The tangent v >= 2 lambda R - lambda^2 there gives a MILP's relaxation that value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from splitopt.formulations.mepra.options import OptionTable
from splitopt.instances.core.arrays import Floats, Ints

_U = 2.0**-53


@dataclass(frozen=True, eq=False, slots=True)
class Relaxation:
    """The Lagrangian bound of an option table.

    Attributes
    ----------
    multiplier
        lambda.
    default
        Each device's choice at lambda: positions in the table, shape (n,).
    value
        L(lambda) as computed.
    error
        Most by which `value` exceeds the exact L(lambda) of the table's figures.
    """

    multiplier: float
    default: Ints
    value: float
    error: float

    def penalty(self, table: OptionTable) -> Floats:
        """Return a + 2 lambda r minus the device's least, of each option of the table.

        A plan with an option costs at least L plus its penalty.
        """
        price: Floats = table.own_cost + 2 * self.multiplier * table.root
        price -= np.repeat(price[self.default], np.diff(table.start))
        return price


def _first_least(price: Floats, start: Ints) -> Ints:
    """Return the position of the first least price of each device."""
    least = np.minimum.reduceat(price, start[:-1])
    hits = np.flatnonzero(price == np.repeat(least, np.diff(start)))
    return hits[np.searchsorted(hits, start[:-1])]


def relax(table: OptionTable) -> Relaxation:
    """Return the best Lagrangian bound, to the spacing of doubles.

    Below 1e-18 of the largest R the multiplier is taken as 0, lest its square underflow.
    Bisection keeps R(low) > low and R(high) <= high. R falls in lambda, so a device with the
    same root at both ends has it in between, and leaves.
    """
    start, own, root = table.start, table.own_cost, table.root
    settled = 0.0
    low, high = 0.0, math.fsum(np.maximum.reduceat(root, start[:-1]).tolist())
    tiny = 1e-18 * high
    at_low = root[_first_least(own, start)]
    at_high = root[_first_least(own + 2 * high * root, start)]
    while high - low > 2 * np.spacing(high) and high > tiny:
        same = at_low == at_high
        if bool(same.any()):
            settled += float(at_low[same].sum())
            keep = np.repeat(~same, np.diff(start))
            counts = np.diff(start)[~same]
            own, root = own[keep], root[keep]
            start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            at_low, at_high = at_low[~same], at_high[~same]
        if not len(at_low):
            break
        middle = (low + high) / 2
        at_middle = root[_first_least(own + 2 * middle * root, start)]
        if settled + float(at_middle.sum()) > middle:
            low, at_low = middle, at_middle
        else:
            high, at_high = middle, at_middle
    # Without devices left R is constant between the ends, and the best lambda is R itself.
    multiplier = min(max(settled, low), high) if not len(at_low) else high
    if multiplier <= tiny:
        multiplier = 0.0
    price = table.own_cost + 2 * multiplier * table.root
    default = _first_least(price, table.start)
    total = math.fsum(price[default].tolist())
    square = multiplier * multiplier
    return Relaxation(multiplier, default, total - square, 4 * _U * (total + square))
