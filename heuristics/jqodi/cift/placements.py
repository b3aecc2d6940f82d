r"""Placements one by one, where few are left: at each, the two phases decouple.

Depth first over the time-energy graph, without speeds: a prefix goes when it cannot be completed
within a deadline, or not below the threshold by the Lagrangian of the dual bound::

    value of the prefix + least value of a completion  >  limit

A placement that is complete has a bound of its own, the sum of its hops and of the Lagrangian
bounds of its two phases, each at its own best multiplier; where that is below the threshold both
phases are solved (`jqodi.cift.phase`). When the search ends within its quota of steps, and every
placement was solved or has a bound at the threshold at least, the configuration is solved, for two
strict deadlines and for continuous speeds as well; else the labels take over.

What rules out a placement uses limits `OUTWARD` of a rounding; what is found is for the judge.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.jqodi.cift.graph import Limits
from splitopt.heuristics.jqodi.cift.network import OUTWARD, Chain, Load, Network
from splitopt.heuristics.jqodi.cift.passes import is_closed, slowest_of
from splitopt.heuristics.jqodi.cift.phase import phase_bound, phase_optimum
from splitopt.heuristics.jqodi.cift.speeds import Phase, phase_speeds
from splitopt.instances.core.kernels import Floats, Ints, Ints2, kernel, part

_MOST_LABELS = 20_000
_LEAF = 20  # steps a placement counts for


class Enumerated(NamedTuple):
    """What `enumerate_placements` finds.

    ``complete`` tells that nothing below the threshold is left open; every plan of the
    configuration then costs ``bound`` at least. The rest as in `jqodi.cift.dual.Dual`.
    """

    complete: bool
    bound: float
    steps: int
    leaves: int
    energy: float
    stops: Any
    serve: Any
    tune: Any


@part
def _least_time(net: Network, nodes: Ints, works: Floats) -> float:
    """Return the seconds of one run at the highest speeds."""
    total = 0.0
    for k in range(nodes.size):
        total += works[k] / net.high[nodes[k]]
    return total


@part
def _leaf(
    net: Network, chain: Chain, load: Load, accept: Floats, stops: Ints2, threshold: float
) -> Any:
    """Return (energy, bound, serving speeds, fine-tuning speeds) of a placement.

    Continuous speeds keep `accept`, a little inside the deadlines, to stay feasible when rounded.
    """
    size = stops.shape[0]
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
    serve, tune = np.full(size, np.nan), np.full(size, np.nan)
    c = load.compute
    serving = Phase(nodes, works, slowest, load.requests, 1.0)
    tuning = Phase(nodes, works, any_speed, c, c)
    room1 = load.limit[0] * (1.0 + OUTWARD) - latency
    room2 = load.limit[1] * (1.0 + OUTWARD) - time
    e1, speed1, price1 = phase_speeds(net, serving, accept[0] - latency)
    if e1 == np.inf:
        # Not even the highest speeds will do; within a rounding of it nobody can tell.
        late = not _least_time(net, nodes, works) <= room1
        return np.inf, np.inf if late else 0.0, serve, tune
    b1 = min(phase_bound(net, serving, room1, price1), e1)
    e2, b2, price2 = 0.0, 0.0, 0.0
    speed2 = speed1
    if c > 0.0:
        e2, speed2, price2 = phase_speeds(net, tuning, accept[1] - time)
        if e2 == np.inf:
            late = not c * _least_time(net, nodes, works) <= room2
            return np.inf, np.inf if late else 0.0, serve, tune
        b2 = min(phase_bound(net, tuning, room2, price2), e2)
    if energy + b1 + b2 < threshold:
        left = threshold - energy - b2
        e1, b1, _ = phase_optimum(
            net,
            serving,
            room1,
            accept[0] - latency,
            e1,
            speed1,
            price1,
            b1,
            left,
            _MOST_LABELS,
        )
        if c > 0.0:
            left = threshold - energy - b1
            e2, b2, _ = phase_optimum(
                net,
                tuning,
                room2,
                accept[1] - time,
                e2,
                speed2,
                price2,
                b2,
                left,
                _MOST_LABELS,
            )
            for h in range(hosts):
                tune[place[h]] = speed2[h]
    elif c > 0.0:
        for h in range(hosts):
            tune[place[h]] = speed2[h]
    for h in range(hosts):
        serve[place[h]] = speed1[h]
    return energy + e1 + e2, energy + b1 + b2, serve, tune


@kernel(lambda *given: 20 * given[-1])
def enumerate_placements(
    net: Network,
    chain: Chain,
    load: Load,
    accept: Floats,
    measures: Limits,
    credit: float,
    ratio: float,
    incumbent: float,
    quota: int,
) -> Any:
    """Search all placements that may lead below the threshold ``incumbent / ratio``.

    Parameters
    ----------
    accept
        Times that plans met may take, shape (2,).
    measures
        The first for energy at multipliers that are paid back by `credit`.
    quota
        Steps to make at most.
    """
    N, L = load.first.shape
    K = measures.limit.size
    price, limit = np.empty((N, K)), measures.limit.copy()
    for n in range(N):
        for k in range(K):
            price[n, k] = measures.serve[n, k] + measures.tune[n, k]
    alpha, beta = measures.alpha, measures.beta
    to_arrived, to_placed = measures.to_arrived, measures.to_placed
    # Frames: node, state on arrival, state after, link tried; values on arrival and after.
    node, start = np.zeros(N + 1, np.int64), np.zeros(N + 1, np.int64)
    stop, link = np.zeros(N + 1, np.int64), np.zeros(N + 1, np.int64)
    tried = np.zeros(N + 1, np.int64)  # of the states after: the state on arrival, then a list
    arrived, placed = np.zeros((N + 1, K)), np.zeros((N + 1, K))
    energy, best = incumbent, np.empty((0, 3), np.int64)
    serve, tune = np.empty(0), np.empty(0)
    cut = energy / ratio
    unsolved = np.inf
    steps, leaves = 0, 0
    depth = 0
    node[0], start[0] = load.source, 0
    link[0] = 0
    fresh = True  # the top frame wants its next segment
    while depth >= 0:
        steps += 1
        if steps > quota:
            return Enumerated(False, 0.0, steps, leaves, energy, best, serve, tune)
        n, i = node[depth], start[depth]
        if fresh:
            k = tried[depth]
            if k > load.count[n, i]:
                depth -= 1
                fresh = False
                continue
            tried[depth] = k + 1
            j = i if k == 0 else load.after[load.first[n, i] + k - 1]
            stop[depth] = j
            w = chain.work[chain.kind[n], i, j]
            good = True
            for k in range(K):
                x = arrived[depth, k] + w * price[n, k]
                placed[depth, k] = x
                if not x + to_placed[n, j, k] <= limit[k]:
                    good = False
                    break
            if not good:
                continue
            if j < L:
                link[depth] = net.first[n]
                fresh = False
                continue
            leaves += 1
            steps += _LEAF
            stops = np.empty((depth + 1, 3), np.int64)
            for d in range(depth + 1):
                stops[d, 0], stops[d, 1], stops[d, 2] = node[d], start[d], stop[d]
            found, bound, f_serve, f_tune = _leaf(net, chain, load, accept, stops, cut)
            if found < energy:
                energy, best, serve, tune = found, stops, f_serve, f_tune
                cut = energy / ratio
                limit[0] = min(limit[0], (cut + credit) * (1.0 + 1e-12))
            if bound < found:
                unsolved = min(unsolved, bound)
            continue
        e, j = link[depth], stop[depth]
        if j >= L or e >= net.first[n + 1]:
            fresh = True
            continue
        link[depth] = e + 1
        m = net.head[e]
        good = not is_closed(load, e, j)
        for k in range(K):
            x = placed[depth, k] + (alpha[e, k] * chain.bits[j] + beta[e, k])
            arrived[depth + 1, k] = x
            if not x + to_arrived[m, j, k] <= limit[k]:
                good = False
                break
        if good:
            depth += 1
            node[depth], start[depth], tried[depth] = m, j, 0
            fresh = True
    # Rounding aside: a bound of an optimum falls short of it by as much.
    solved = unsolved >= cut * (1.0 - 1e-12)
    return Enumerated(solved, min(cut, unsolved), steps, leaves, energy, best, serve, tune)
