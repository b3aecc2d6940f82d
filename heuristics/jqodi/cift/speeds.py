r"""Speeds at a fixed placement: the two phases decouple, and each has one multiplier.

One phase of hosts k with w_k FLOP minimises ``A sum w_k e(f_k)`` subject to
``C sum w_k / f_k <= room``. At the price l of a second each host chooses alone the speed least in
``A e(f) + l C / f``; the time spent falls as l rises, and a search on the line finds the least l
that keeps the room. Continuous speeds are then optimal. Listed ones leave a rest of the room, which
hosts use one at a time by the step down that saves most: feasible, cheaper, not always optimal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.jqodi.cift.network import Network
from splitopt.heuristics.jqodi.cift.passes import cheapest
from splitopt.instances.core.kernels import Booleans, Floats, Ints, kernel, part


class Phase(NamedTuple):
    """Serving or fine-tuning at a fixed placement.

    Attributes
    ----------
    nodes, works, slowest
        Hosts, their FLOP, and what their speeds are not to be below, shape (hosts,).
    a, c
        Runs of the segment that count for energy and for time.
    """

    nodes: Ints
    works: Floats
    slowest: Floats
    a: float
    c: float


@part
def _at(net: Network, phase: Phase, fixed: Booleans, price: float, speed: Floats) -> Any:
    """Set the speeds of hosts that are not fixed to the best at `price`; return (time, energy)."""
    nodes, works, slowest, a, c = phase
    time, energy = 0.0, 0.0
    for k in range(nodes.size):
        n = nodes[k]
        if fixed[k]:
            f = speed[k]
            joule = net.kappa[n] * f * f + net.rho[n] / f
        else:
            _, _, joule, f = cheapest(net, n, a, price * c, slowest[k])
            speed[k] = f
        time += c * works[k] / f
        energy += a * works[k] * joule
    return time, energy


@part
def _settle(
    net: Network, phase: Phase, fixed: Booleans, room: float, high: float, speed: Floats
) -> float:
    """Set speeds at the least price that keeps the room and return it; `high` is one that does.

    The Lagrangian is concave in the price: where its tangents at both ends meet it is tried next,
    which ends after a few steps on listed speeds; every third step halves the interval (where the
    ends are far apart, their logarithms).
    """
    steps_only = True
    for k in range(phase.nodes.size):
        steps_only &= net.listed[phase.nodes[k]] or fixed[k]
    low = 0.0
    time_low, energy_low = _at(net, phase, fixed, low, speed)
    time_high, energy_high = _at(net, phase, fixed, high, speed)
    for step in range(150):
        middle = 0.5 * (low + high)
        if step % 3 < 2 and time_low > time_high:
            middle = (energy_high - energy_low) / (time_low - time_high)
        elif high > 4.0 * low:
            middle = np.sqrt(low) * np.sqrt(high) if low > 0.0 else high / 1024.0
        if not low < middle < high:
            middle = 0.5 * (low + high)
            if not low < middle < high:
                break
        time, energy = _at(net, phase, fixed, middle, speed)
        if steps_only and step % 3 < 2:
            # The Lagrangian touches its tangents here: no other price does better.
            below = energy_high + middle * (time_high - room)
            if energy + middle * (time - room) >= below - 1e-14 * (energy + middle * room):
                if time <= room:
                    high = middle
                else:
                    _at(net, phase, fixed, high, speed)
                    return middle
                break
        if time <= room:
            high, time_high, energy_high = middle, time, energy
        else:
            low, time_low, energy_low = middle, time, energy
        if high - low <= 1e-15 * high:
            break
    _at(net, phase, fixed, high, speed)
    return high


@part
def _step_down(net: Network, phase: Phase, room: float, time: float, speed: Floats) -> None:
    """Let listed hosts use what is left of the room, the most saving step first."""
    nodes, works, slowest, a, c = phase
    while True:
        best, host, to = 0.0, -1, -1
        for k in range(nodes.size):
            n = nodes[k]
            if not net.listed[n]:
                continue
            now = net.first_level[n]
            while net.speed[now] != speed[k]:
                now += 1
            for level in range(net.first_level[n], now):
                if net.speed[level] < slowest[k]:
                    continue
                saved = a * works[k] * (net.joule[now] - net.joule[level])
                longer = c * works[k] * (net.inverse[level] - net.inverse[now])
                if saved > best and time + longer <= room:
                    best, host, to = saved, k, level
        if host < 0:
            return
        time += c * works[host] * (net.inverse[to] - 1.0 / speed[host])
        speed[host] = net.speed[to]


@kernel()
def phase_speeds(net: Network, phase: Phase, room: float) -> Any:
    """Return (energy, speeds, price of a second); energy is infinite where the room is too small.

    Parameters
    ----------
    room
        Seconds for computing.
    """
    nodes, works, _, a, c = phase
    hosts = nodes.size
    speed = np.empty(hosts)
    fixed = np.zeros(hosts, np.bool_)
    price = 0.0
    if _at(net, phase, fixed, 0.0, speed)[0] > room:
        least = 0.0
        for k in range(hosts):
            least += c * works[k] / net.high[nodes[k]]
        if not least <= room:
            return np.inf, speed, 0.0
        high = 1e-300
        for k in range(hosts):
            n = nodes[k]
            top = net.high[n]
            high = max(high, a * top * (net.kappa[n] * top * top + net.rho[n] / top) / c)
        for _ in range(2000):
            if _at(net, phase, fixed, high, speed)[0] <= room:
                break
            high *= 4.0
            if high == np.inf:
                for k in range(hosts):
                    speed[k] = net.high[nodes[k]]
                break
        if high < np.inf:
            price = _settle(net, phase, fixed, room, high, speed)
        time = 0.0
        for k in range(hosts):
            time += c * works[k] / speed[k]
        _step_down(net, phase, room, time, speed)
        lists = 0
        for k in range(hosts):
            fixed[k] = net.listed[nodes[k]]
            if fixed[k]:
                lists += 1
        if 0 < lists < hosts and high < np.inf:
            _settle(net, phase, fixed, room, high, speed)
    energy = 0.0
    for k in range(hosts):
        n, f = nodes[k], speed[k]
        energy += a * works[k] * (net.kappa[n] * f * f + net.rho[n] / f)
    return energy, speed, price
