r"""The proven optimum of many small instances at once.

Given options with own cost A and root of edge work r, minimise

.. math:: \sum_i A_i + \Bigl(\sum_i r_i\Bigr)^2.

Since :math:`R^2 = \max_\lambda 2 \lambda R - \lambda^2`, every lambda >= 0 gives the lower bound
:math:`\sum_i \min (A_i + 2 \lambda r_i) - \lambda^2`. Bisection on lambda finds the best bound for
all instances together, and the choices met on the way are plans. Where bound and plan differ by
more than `GAP`, labels (A, R) are carried through the devices; what is dominated or has a bound
above the plan is dropped, so that the result is exact.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
#: Relative gap at which a plan counts as optimal.
GAP = 1e-9
_STEPS = 45


def least_cost(own: Floats, root: Floats) -> tuple[Floats, Integers]:
    """Return the optimal costs, shape (K,), and the options chosen, shape (K, n).

    Parameters
    ----------
    own, root
        A and r >= 0, shape (K, n, m); an option that does not exist has an infinite A and r = 0.
    """
    count = len(own)
    low, high = np.zeros(count), root.max(axis=2).sum(axis=1)
    best, bound = np.full(count, np.inf), np.full(count, -np.inf)
    bound_price = np.zeros(count)
    choice = np.zeros(own.shape[:2], dtype=np.int64)
    for step in range(_STEPS):
        price = low if step == 0 else high if step == 1 else (low + high) / 2.0
        priced = own + 2.0 * price[:, None, None] * root
        taken = priced.argmin(axis=2)
        load = _taken(root, taken).sum(axis=1)
        cost = _taken(own, taken).sum(axis=1) + load**2
        better = cost < best
        best[better], choice[better] = cost[better], taken[better]
        dual = _taken(priced, taken).sum(axis=1) - price**2
        higher = dual > bound
        bound[higher], bound_price[higher] = dual[higher], price[higher]
        above = load > price
        low, high = np.where(above, price, low), np.where(above, high, price)
    for k in np.flatnonzero(best - bound > GAP * np.abs(best)).tolist():
        found = _by_labels(own[k], root[k], float(best[k]), float(bound_price[k]))
        if found is not None:
            best[k], choice[k] = found
    return best, choice


def _taken(values: Floats, options: Integers) -> Floats:
    found: Floats = np.take_along_axis(values, options[:, :, None], axis=2)[:, :, 0]
    return found


def _by_labels(
    own: Floats, root: Floats, incumbent: float, price: float
) -> tuple[float, Integers] | None:
    """Return the optimum of one instance below `incumbent` with its options, None if none is.

    Own and root have shape (n, m). Labels: A, R, and the options taken so far.
    """
    devices = len(own)
    rest = np.zeros(devices + 1)
    rest[:-1] = np.cumsum((own + 2.0 * price * root).min(axis=1)[::-1])[::-1]
    a, r = np.zeros(1), np.zeros(1)
    trail = np.zeros((1, 0), dtype=np.int64)
    for i in range(devices):
        options = np.flatnonzero(np.isfinite(own[i]))
        a_new = (a[:, None] + own[i, options]).ravel()
        r_new = (r[:, None] + root[i, options]).ravel()
        label = np.repeat(np.arange(len(a)), len(options))
        option = np.tile(options, len(a))
        # For the price that bounds best, and for the load so far.
        hopeful = (a_new + 2.0 * price * r_new + rest[i + 1] - price**2 < incumbent) & (
            a_new + r_new**2 < incumbent
        )
        order = np.flatnonzero(hopeful)
        order = order[np.lexsort((a_new[order], r_new[order]))]
        if not order.size:
            return None
        lowest = np.minimum.accumulate(a_new[order])
        kept = order[np.concatenate([[True], a_new[order][1:] < lowest[:-1]])]
        a, r = a_new[kept], r_new[kept]
        trail = np.concatenate([trail[label[kept]], option[kept][:, None]], axis=1)
    cost = a + r**2
    k = int(cost.argmin())
    return float(cost[k]), trail[k]
