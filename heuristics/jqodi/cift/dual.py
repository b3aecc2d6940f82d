r"""The Lagrangian bound of one configuration, by column generation, and plans met on the way.

The bound is the value of the master problem over all paths p of the time-energy graph::

    min  sum_p mu_p E_p    s.t.  sum_p mu_p = 1,   sum_p mu_p (T_pk - tau_k) / tau_k <= 0,   mu >= 0

solved by the simplex method on a basis of three columns. A shortest path at the multipliers of the
basis (`jqodi.cift.passes`) prices a new column in and gives the bound g(l); when it does not
price in, the master is solved. The incumbent is a column of its own, of its energy and no time, so
that the multipliers stay bounded. The run ends as soon as g(l) reaches the threshold above which a
configuration is of no interest: the incumbent over the ratio asked for.

Each path met is a placement; with its best speeds (`jqodi.cift.speeds`) it often is a plan.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.jqodi.cift.network import Chain, Load, Network
from splitopt.heuristics.jqodi.cift.passes import (
    forward,
    prices_at,
    slowest_of,
    steps_of_pass,
    trace,
)
from splitopt.heuristics.jqodi.cift.speeds import Phase, phase_speeds
from splitopt.instances.core.kernels import Floats, Floats2, Ints2, kernel, part

_UNIT = 2.0**-53


class Dual(NamedTuple):
    """What `ascend` finds.

    ``bound`` holds for every plan of the configuration, at the multipliers ``l1``, ``l2``;
    ``solved`` tells that no multipliers do better. ``energy`` is that of the best plan met
    (infinite: none), by ``stops`` as `jqodi.cift.passes.trace` has them, with speeds (NaN for
    none).
    """

    bound: float
    l1: float
    l2: float
    solved: bool
    rounds: int
    energy: float
    stops: Any
    serve: Any
    tune: Any


@kernel(lambda net, chain, load: 2 * steps_of_pass(net, chain, load))
def least_times(net: Network, chain: Chain, load: Load) -> Any:
    """Return the least T_inf and the least T_ft of any path, infinite where there is none."""
    L = load.first.shape[1]
    prices = prices_at(net, load, 0.0, 1.0, 0.0)
    _, placed, _ = forward(net, chain, load, prices)
    first = placed[_nearest(placed), L]
    prices = prices_at(net, load, 0.0, 0.0, 1.0)
    _, placed, _ = forward(net, chain, load, prices)
    return first, placed[_nearest(placed), L]


@part
def _nearest(placed: Floats2) -> int:
    """Return the node where all blocks are done at least price."""
    L = placed.shape[1] - 1
    best = 0
    for n in range(placed.shape[0]):
        if placed[n, L] < placed[best, L]:
            best = n
    return best


@kernel(lambda net, chain, load, stops, room: 4000 * len(stops))
def plan_speeds(net: Network, chain: Chain, load: Load, stops: Ints2, room: Floats) -> Any:
    """Return (energy, serving speeds, fine-tuning speeds) of a placement within times `room`.

    Energy is infinite where the times are too short; speeds are NaN where there is none.
    """
    size = stops.shape[0]
    serve, tune = np.full(size, np.nan), np.full(size, np.nan)
    hosts = 0
    energy, latency, time = 0.0, 0.0, 0.0
    for k in range(size):
        if stops[k, 2] > stops[k, 1]:
            hosts += 1
        if k + 1 < size:
            bits = chain.bits[stops[k, 2]]
            e = net.first[stops[k, 0]]
            while net.head[e] != stops[k + 1, 0]:
                e += 1
            wire = bits / net.rate[e]
            energy += (load.requests + load.communication) * net.bit_energy[e] * bits
            latency += wire + net.delay[e]
            time += load.communication * (wire + net.delay[e] / load.batch)
    nodes, works, place = np.empty(hosts, np.int64), np.empty(hosts), np.empty(hosts, np.int64)
    slowest, any_speed = np.empty(hosts), np.zeros(hosts)
    h = 0
    for k in range(size):
        n, i, j = stops[k, 0], stops[k, 1], stops[k, 2]
        if j > i:
            nodes[h], works[h], place[h] = n, chain.work[chain.kind[n], i, j], k
            slowest[h] = slowest_of(chain, n, i, j)
            h += 1
    serving = Phase(nodes, works, slowest, load.requests, 1.0)
    part, speed, _ = phase_speeds(net, serving, room[0] - latency)
    energy += part
    if energy < np.inf:
        for h in range(hosts):
            serve[place[h]] = speed[h]
    if energy < np.inf and load.compute > 0.0:
        c = load.compute
        tuning = Phase(nodes, works, any_speed, c, c)
        part, speed, _ = phase_speeds(net, tuning, room[1] - time)
        energy += part
        for h in range(hosts):
            tune[place[h]] = speed[h]
    return energy, serve, tune


@part
def _enter(inverse: Floats2, x: Floats, cost: Floats, column: Floats, price: float) -> None:
    """Pivot a column of cost `price` into the basis."""
    d = np.zeros(3)
    for r in range(3):
        for k in range(3):
            d[r] += inverse[r, k] * column[k]
    row, least = -1, np.inf
    for r in range(3):
        if d[r] > 1e-11:
            step = x[r] / d[r]
            if step < least or (step == least and d[r] > d[row]):
                row, least = r, step
    if row < 0:
        return
    pivot = d[row]
    for k in range(3):
        inverse[row, k] /= pivot
    x[row] /= pivot
    for r in range(3):
        if r != row:
            for k in range(3):
                inverse[r, k] -= d[r] * inverse[row, k]
            x[r] = max(x[r] - d[r] * x[row], 0.0)
    cost[row] = price


@part
def _duals(inverse: Floats2, cost: Floats) -> Any:
    """Return the duals of a basis."""
    y = np.zeros(3)
    for r in range(3):
        for k in range(3):
            y[k] += cost[r] * inverse[r, k]
    return y


@part
def _reduced(price: float, column: Floats, y: Floats) -> float:
    return float(price - column[0] * y[0] - column[1] * y[1] - column[2] * y[2])


@kernel(
    lambda net, chain, load, *rest: (
        rest[-1] * (steps_of_pass(net, chain, load) + 40 * rest[-1] + 400 * len(net.kappa)) / 4
    )
)
def ascend(
    net: Network,
    chain: Chain,
    load: Load,
    accept: Floats,
    ratio: float,
    incumbent: float,
    top: float,
    known: float,
    rounds: int,
) -> Any:
    """Raise the Lagrangian bound until it is solved or reaches the incumbent over `ratio`.

    Parameters
    ----------
    accept
        Times a plan may take, shape (2,); plans met are kept where they do.
    incumbent, top
        Least energy of a plan known (infinite: none); an upper end for the multipliers' sake
        where there is none.
    known
        A bound known already.
    rounds
        Paths to price at most.
    """
    N, L = load.first.shape
    slack = 8.0 * (3 * N + L + 16) * _UNIT
    limit = load.limit
    active, scale = np.empty(2, np.bool_), np.ones(2)
    for k in range(2):
        active[k] = limit[k] < np.inf
        if active[k] and limit[k] > 0.0:
            scale[k] = limit[k]
    # Columns: the threshold, two slacks, then paths.
    columns = np.zeros((3 + rounds, 3))
    price = np.zeros(3 + rounds)
    columns[0, 0] = 1.0
    columns[1, 1] = 1.0
    columns[2, 2] = 1.0
    cut = incumbent / ratio
    # Above the threshold, or bounds would only come near it.
    price[0] = min(incumbent, top) * (1.0 + 1e-9)
    inverse, x, cost = np.zeros((3, 3)), np.zeros(3), np.zeros(3)
    for k in range(3):
        inverse[k, k] = 1.0
    x[0], cost[0] = 1.0, price[0]
    bound, at1, at2 = known, 0.0, 0.0
    energy = incumbent
    best = np.empty((0, 3), np.int64)
    serve, tune = np.empty(0), np.empty(0)
    solved = False
    size = 3
    done = 0
    while done < rounds:
        for _ in range(100):
            y = _duals(inverse, cost)
            entering, least = -1, -1e-12 * (1e-300 + abs(y[0]))
            for p in range(size):
                reduced = _reduced(price[p], columns[p], y)
                if reduced < least:
                    entering, least = p, reduced
            if entering < 0:
                break
            _enter(inverse, x, cost, columns[entering], price[entering])
        y = _duals(inverse, cost)
        l1, l2 = max(0.0, -y[1]) / scale[0], max(0.0, -y[2]) / scale[1]
        prices = prices_at(net, load, 1.0, l1, l2)
        arrived, placed, via = forward(net, chain, load, prices)
        end = _nearest(placed)
        value = placed[end, L]
        done += 1
        if not value < np.inf:
            # There are paths (`least_times`), so these prices are beyond doubles: no proof.
            break
        credit = 0.0
        if active[0]:
            credit += l1 * limit[0]
        if active[1]:
            credit += l2 * limit[1]
        g = value - credit - slack * (value + credit)
        if g > bound or done == 1:
            bound, at1, at2 = max(g, bound), l1, l2
        stops, e, latency, time = trace(net, chain, load, prices, arrived, placed, via, end)
        found, f_serve, f_tune = plan_speeds(net, chain, load, stops, accept)
        if found < energy:
            energy, best, serve, tune = found, stops, f_serve, f_tune
            cut = min(cut, energy / ratio)
        if bound >= cut:
            break
        columns[size, 0] = 1.0
        columns[size, 1] = (latency - limit[0]) / scale[0] if active[0] else 0.0
        columns[size, 2] = (time - limit[1]) / scale[1] if active[1] else 0.0
        price[size] = e
        if _reduced(e, columns[size], y) > -1e-9 * (1e-300 + abs(y[0])):
            solved = True
            break
        size += 1
    return Dual(bound, at1, at2, solved, done, energy, best, serve, tune)
