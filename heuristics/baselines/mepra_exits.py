"""The best exits of a device for a given split and share, by dynamic programming.

A layer's cost depends on the last enabled exit before it alone. With c_j the price of a FLOP where
layer j runs (device up to the split s, edge behind it), V(k) the least cost up to an enabled exit k
and T_k the tasks that pass it::

    V(0) = 0
    V(l) = min over k < l of  V(k) + T_k ( sum_{j = k+1..l} c_j F_j + c_l G_l
                                           + [k <= s < l] (w_T + w_E Ptx) a_s / B )

and V(L) is the least cost of the device; exit L is always on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from heuristics.baselines.mepra_data import Devices

__all__ = ["best_exits"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def best_exits(devices: Devices, split: Integers, share: float) -> tuple[Floats, Integers]:
    """Return the least cost and the exits that reach it.

    Parameters
    ----------
    devices
        n devices.
    split
        s, int64, shape (n,); entries beyond a device's last layer give an infinite cost.
    share
        alpha, the share each device has of the edge; above 0.

    Returns
    -------
    cost, exit_set
        Shape (n,); exits as bits. Of equal sets the one with the earlier last exits.
    """
    n, most = devices.count, devices.most
    layer = np.arange(1, most + 1)[None, :]
    price = np.where(
        layer <= split[:, None], devices.local_price[:, None], devices.edge_price / share
    )
    inside = split <= devices.layers
    sent = np.where(
        inside, devices.bits[np.arange(n), np.minimum(split, most)] * devices.sent_price, 0.0
    )
    run = np.zeros((n, most + 1))
    np.cumsum(price * devices.flops, axis=1, out=run[:, 1:])
    branch = price * devices.branch_flops
    value = np.full((n, most + 1), np.inf)
    value[:, 0] = 0.0
    before = np.zeros((n, most + 1), dtype=np.int64)
    for exit_ in range(1, most + 1):
        for k in range(exit_):
            crosses = (k <= split) & (split < exit_)
            step = run[:, exit_] - run[:, k] + branch[:, exit_ - 1] + np.where(crosses, sent, 0.0)
            candidate = value[:, k] + devices.tail[:, k] * step
            better = candidate < value[:, exit_]
            value[better, exit_] = candidate[better]
            before[better, exit_] = k
    everyone = np.arange(n)
    cost = np.where(inside, value[everyone, devices.layers], np.inf)
    exits = np.zeros(n, dtype=np.int64)
    here = devices.layers.copy()
    while bool((here > 0).any()):
        exits |= np.where(here > 0, np.int64(1) << np.maximum(here - 1, 0), 0)
        here = before[everyone, here]
    return cost, exits
