r"""One phase at a fixed placement, solved to a threshold.

The phase minimises ``a sum_k w_k e(f_k)`` subject to ``c sum_k w_k / f_k <= room`` over the hosts
k. At a price l of a second the Lagrangian is ``sum_k w_k min_f (a e(f) + l c / f) - l room``, a
bound; at the best price only levels whose excess over it stays below the threshold can lie on a
better solution. With listed speeds labels (energy, time) over hosts and those levels are exact.
Where all speeds are continuous there is no gap and nothing to label.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from heuristics.jqodi.cift.passes import cheapest
from heuristics.labels.jit import kernel

__all__ = ["phase_bound", "phase_optimum"]


@kernel
def phase_bound(
    net: Any, nodes: Any, works: Any, a: float, c: float, room: float, price: float
) -> float:
    """Return the Lagrangian of a phase at a price of a second."""
    total = 0.0
    for k in range(nodes.size):
        least, _, _, _ = cheapest(net, nodes[k], a, price * c)
        total += works[k] * least
    return total - price * room if price > 0.0 else total


@kernel
def phase_optimum(
    net: Any,
    nodes: Any,
    works: Any,
    a: float,
    c: float,
    room: float,
    energy: float,
    speed: Any,
    price: float,
    bound: float,
    threshold: float,
    most: int,
) -> Any:
    """Return (energy, bound, solved): of the best speeds, put in `speed`, and of all speeds.

    Parameters
    ----------
    energy, speed, price
        As `jqodi.cift.speeds.phase_speeds` returns them.
    bound
        The Lagrangian bound at `price`.
    threshold
        Solutions that cost as much or more are of no interest: the bound need not exceed it.
    most
        Labels to keep at most; beyond, the bound is the Lagrangian one and `solved` is false.
    """
    top = min(energy, threshold)
    # Rounding aside, nothing is left to find.
    if bound >= top * (1.0 - 1e-13):
        return energy, bound, True
    hosts = nodes.size
    for k in range(hosts):
        if not net.listed[nodes[k]]:
            return energy, bound, False
    # Least energy, time and Lagrangian of the hosts from k on.
    rest_e, rest_t, rest_l = np.zeros(hosts + 1), np.zeros(hosts + 1), np.zeros(hosts + 1)
    for k in range(hosts - 1, -1, -1):
        n = nodes[k]
        least, _, _, _ = cheapest(net, n, a, 0.0)
        mixed, _, _, _ = cheapest(net, n, a, price * c)
        rest_e[k] = rest_e[k + 1] + works[k] * least
        rest_t[k] = rest_t[k + 1] + works[k] * c / net.high[n]
        rest_l[k] = rest_l[k + 1] + works[k] * mixed
    es, ts = np.zeros(1), np.zeros(1)
    preds: list[Any] = []
    for k in range(hosts):
        n = nodes[k]
        first, last = net.first_level[n], net.first_level[n + 1]
        size = es.size * (last - first)
        e, t = np.empty(size), np.empty(size)
        pred = np.empty((size, 2), np.int64)
        count = 0
        for level in range(first, last):
            de, dt = a * works[k] * net.joule[level], c * works[k] * net.inverse[level]
            for i in range(es.size):
                x, y = es[i] + de, ts[i] + dt
                if y + rest_t[k + 1] > room or x + rest_e[k + 1] >= top:
                    continue
                if x + rest_l[k + 1] + price * (y - room) >= top:
                    continue
                e[count], t[count] = x, y
                pred[count, 0], pred[count, 1] = i, level
                count += 1
        order = np.argsort(e[:count])
        kept = np.empty(count, np.int64)
        left, least_t = 0, np.inf
        for i in order:
            if t[i] < least_t:
                kept[left] = i
                left += 1
                least_t = t[i]
        if left == 0:
            # Nothing better than `top`.
            return energy, top, True
        if left > most:
            return energy, bound, False
        es, ts = e[kept[:left]], t[kept[:left]]
        preds.append(pred[kept[:left]])
    i = int(np.argmin(es))
    if es[i] < energy:
        energy = es[i]
        for k in range(hosts - 1, -1, -1):
            speed[k] = net.speed[preds[k][i, 1]]
            i = preds[k][i, 0]
    return energy, min(energy, top), True
