r"""One phase at a fixed placement, solved to a threshold.

The phase minimises ``a sum_k w_k e(f_k)`` subject to ``c sum_k w_k / f_k <= room`` over the hosts
k. At a price l of a second the Lagrangian is ``sum_k w_k min_f (a e(f) + l c / f) - l room``, a
bound; at the best price only levels whose excess over it stays below the threshold can lie on a
better solution. With listed speeds labels (energy, time) over hosts and those levels are exact.
Where all speeds are continuous there is no gap and nothing to label. Where lists and intervals
meet, labels run over the hosts with lists; to each label that is left the others add the least
energy in the time it leaves, one convex problem of one multiplier (`jqodi.cift.speeds`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from splitopt.heuristics.jqodi.cift.network import Network
from splitopt.heuristics.jqodi.cift.passes import cheapest
from splitopt.heuristics.jqodi.cift.speeds import Phase, phase_speeds
from splitopt.heuristics.labels.sorting import stable_order
from splitopt.instances.core.kernels import Floats, Ints, Ints2, kernel, part

_UNIT = 2.0**-53


@kernel()
def phase_bound(net: Network, phase: Phase, room: float, price: float) -> float:
    """Return the Lagrangian of a phase at a price of a second, less what sums may round."""
    nodes, works, slowest, a, c = phase
    total = 0.0
    for k in range(nodes.size):
        least, _, _, _ = cheapest(net, nodes[k], a, price * c, slowest[k])
        total += works[k] * least
    if not price > 0.0:
        return total
    slack = 4.0 * (nodes.size + 8) * _UNIT
    return float(max(0.0, total - price * room - slack * (total + price * room)))


@kernel()
def phase_optimum(
    net: Network,
    phase: Phase,
    room: float,
    inside: float,
    energy: float,
    speed: Floats,
    price: float,
    bound: float,
    threshold: float,
    most: int,
) -> Any:
    """Return (energy, bound, solved): of the best speeds, put in `speed`, and of all speeds.

    Parameters
    ----------
    room, inside
        Seconds for computing: for the bound, and a little less for speeds to keep the limit.
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
    # Hosts with lists first: labels run over them, the others choose last.
    given, works_given, least_given, a, c = phase
    hosts = given.size
    place = np.empty(hosts, np.int64)
    filled = 0
    for lists in (True, False):
        for k in range(hosts):
            if net.listed[given[k]] == lists:
                place[filled] = k
                filled += 1
    nodes, works, slowest = np.empty(hosts, np.int64), np.empty(hosts), np.empty(hosts)
    for k in range(hosts):
        nodes[k], works[k], slowest[k] = (
            given[place[k]],
            works_given[place[k]],
            least_given[place[k]],
        )
    listed = 0
    while listed < hosts and net.listed[nodes[listed]]:
        listed += 1
    # Least energy, time and Lagrangian of the hosts from k on.
    rest_e, rest_t, rest_l = np.zeros(hosts + 1), np.zeros(hosts + 1), np.zeros(hosts + 1)
    for k in range(hosts - 1, -1, -1):
        n = nodes[k]
        least, _, _, _ = cheapest(net, n, a, 0.0, slowest[k])
        mixed, _, _, _ = cheapest(net, n, a, price * c, slowest[k])
        rest_e[k] = rest_e[k + 1] + works[k] * least
        rest_t[k] = rest_t[k + 1] + works[k] * c / net.high[n]
        rest_l[k] = rest_l[k + 1] + works[k] * mixed
    slack = 4.0 * (hosts + 8) * _UNIT * (rest_l[0] + price * room)
    es, ts = np.zeros(1), np.zeros(1)
    # Label kept, row first[k] + i of host k: the label before, and the level.
    pred, first_label = np.empty((64, 2), np.int64), np.zeros(listed + 1, np.int64)
    for k in range(listed):
        n = nodes[k]
        first, last = net.first_level[n], net.first_level[n + 1]
        size = es.size * (last - first)
        e, t = np.empty(size), np.empty(size)
        before, level_of = np.empty(size, np.int64), np.empty(size, np.int64)
        count = 0
        for level in range(first, last):
            if net.speed[level] < slowest[k]:
                continue
            de, dt = a * works[k] * net.joule[level], c * works[k] * net.inverse[level]
            for i in range(es.size):
                x, y = es[i] + de, ts[i] + dt
                if y + rest_t[k + 1] > room or x + rest_e[k + 1] >= top:
                    continue
                if x + rest_l[k + 1] + price * (y - room) >= top + slack:
                    continue
                e[count], t[count] = x, y
                before[count], level_of[count] = i, level
                count += 1
        order = stable_order(e[:count])
        left, least_t = 0, np.inf
        for i in order:
            if t[i] < least_t:
                order[left] = i
                left += 1
                least_t = t[i]
        if left == 0:
            # Nothing better than `top`.
            return energy, top, True
        if left > most:
            return energy, bound, False
        at = first_label[k]
        first_label[k + 1] = at + left
        if at + left > pred.shape[0]:
            longer = np.empty((2 * (at + left), 2), np.int64)
            for i in range(at):
                longer[i, 0], longer[i, 1] = pred[i, 0], pred[i, 1]
            pred = longer
        es, ts = np.empty(left), np.empty(left)
        for j in range(left):
            i = order[j]
            es[j], ts[j] = e[i], t[i]
            pred[at + j, 0], pred[at + j, 1] = before[i], level_of[i]
    return _completed(
        net,
        Phase(nodes, works, slowest, a, c),
        room,
        inside,
        energy,
        top,
        speed,
        es,
        ts,
        pred,
        first_label,
        place,
        listed,
    )


@part
def _completed(
    net: Network,
    phase: Phase,
    room: float,
    inside: float,
    energy: float,
    top: float,
    speed: Floats,
    es: Floats,
    ts: Floats,
    pred: Ints2,
    first_label: Ints,
    place: Ints,
    listed: int,
) -> Any:
    """Return what `phase_optimum` does, from the labels of the hosts with lists."""
    nodes, works, slowest, a, c = phase
    others = Phase(nodes[listed:], works[listed:], slowest[listed:], a, c)
    best, free, least = -1, np.empty(0), top
    below = top
    for i in range(es.size):
        value, bound = es[i], es[i]
        part = np.empty(0)
        if listed < nodes.size:
            more, part, price = phase_speeds(net, others, inside - ts[i])
            value += more
            bound += min(more, phase_bound(net, others, room - ts[i], price))
        below = min(below, bound)
        if value < least:
            best, free, least = i, part, value
    if best >= 0 and least < energy:
        energy = least
        for k in range(listed, nodes.size):
            speed[place[k]] = free[k - listed]
        for k in range(listed - 1, -1, -1):
            at = first_label[k] + best
            speed[place[k]] = net.speed[pred[at, 1]]
            best = pred[at, 0]
    return energy, min(energy, below), True
