r"""Compiled passes over the time-energy graph of one configuration, never written out.

States are *arrived* (n, b) and *placed* (n, b): node n reached with b blocks done, and n done with
hosting. At prices (w0, l1, l2) of E, T_inf and T_ft a FLOP on node n costs::

    price_n = min_f [w0 R e(f) + l1 / f]  +  c S min_f [w0 e(f) + l2 / f]

and a hop over a link ``alpha a_b + beta``, so a shortest path takes O(N L^2 + links L) operations
whatever the number of speeds. Without w0 it is a path of least time; with w0 = 1 it is the
Lagrangian relaxation of the deadlines, a bound on energy::

    g(l) = min_path (E + l1 T_inf + l2 T_ft) - l1 tau_inf - l2 tau_ft
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.jqodi.cift.network import Chain, Load, Network
from splitopt.instances.core.kernels import Floats, Floats2, Ints3, part


class Prices(NamedTuple):
    """Prices at one set of multipliers, and what the cheapest speeds spend.

    ``serve[n]`` and ``tune[n]`` are the two parts of a FLOP's price; ``energy``, ``latency`` and
    ``time`` what a FLOP adds to E, T_inf and T_ft at the speeds that reach it; ``alpha``, ``beta``
    the price of a link.
    """

    serve: Floats
    tune: Floats
    energy: Floats
    latency: Floats
    time: Floats
    alpha: Floats
    beta: Floats


@part
def cheapest(net: Network, n: int, a: float, b: float, slowest: float) -> Any:
    """Return (price, 1 / f, e(f), f) for the speed of node n that minimises a e(f) + b / f.

    Of those that are not below `slowest`; of equal ones the fastest.
    """
    if net.listed[n]:
        best, at = np.inf, net.first_level[n + 1] - 1
        for k in range(net.first_level[n], net.first_level[n + 1]):
            if net.speed[k] < slowest:
                continue
            x = a * net.joule[k] + b * net.inverse[k]
            if x <= best:
                best, at = x, k
        return best, net.inverse[at], net.joule[at], net.speed[at]
    kappa, rho = net.kappa[n], net.rho[n]
    f = net.high[n]
    if a * kappa > 0.0:
        # As a power, of which NumPy and machine code have the same: of `cbrt` they do not.
        f = ((a * rho + b) / (2.0 * a * kappa)) ** (1.0 / 3.0)
        f = min(max(f, net.low[n], slowest), net.high[n])
    joule = kappa * f * f + rho / f
    return a * joule + b / f, 1.0 / f, joule, f


@part
def prices_at(net: Network, load: Load, w0: float, l1: float, l2: float) -> Any:
    """Return the prices of all nodes and links."""
    N, links = net.kappa.size, net.head.size
    serve, tune = np.empty(N), np.zeros(N)
    energy, latency, time = np.empty(N), np.empty(N), np.zeros(N)
    alpha, beta = np.empty(links), np.empty(links)
    for n in range(N):
        serve[n], inverse, joule, _ = cheapest(net, n, w0 * load.requests, l1, 0.0)
        energy[n], latency[n] = load.requests * joule, inverse
        if load.compute > 0.0:
            price, inverse, joule, _ = cheapest(net, n, w0, l2, 0.0)
            tune[n] = load.compute * price
            energy[n] += load.compute * joule
            time[n] = load.compute * inverse
    for e in range(links):
        both = l1 + l2 * load.communication
        alpha[e] = (
            w0 * (load.requests + load.communication) * net.bit_energy[e] + both / net.rate[e]
        )
        beta[e] = (l1 + l2 * load.communication / load.batch) * net.delay[e]
    return Prices(serve, tune, energy, latency, time, alpha, beta)


def steps_of_pass(net: Network, chain: Chain, load: Load) -> float:
    """Return about how many steps a pass takes, for the choice to interpret it."""
    nodes, blocks = load.first.shape
    return float(load.count.sum() + 2 * nodes * blocks + net.head.size * (blocks + 8))


@part
def slowest_of(chain: Chain, n: int, i: int, j: int) -> float:
    """Return the least serving speed of a segment."""
    if chain.slowest.shape[0] == 0:
        return 0.0
    return float(chain.slowest[n, i, j])


@part
def is_closed(load: Load, e: int, b: int) -> bool:
    """Return whether a link is too narrow for what b blocks leave behind."""
    if load.closed.shape[0] == 0:
        return False
    return bool(load.closed[e * load.first.shape[1] + b] != 0)


@part
def leads(load: Load, n: int, i: int, j: int) -> bool:
    """Return whether a segment of node n leads from i to j."""
    for k in range(load.first[n, i], load.first[n, i] + load.count[n, i]):
        if load.after[k] == j:
            return True
    return False


@part
def forward(net: Network, chain: Chain, load: Load, prices: Prices) -> Any:
    """Return (arrived, placed, via): least price from the source, shapes (N, L), (N, L + 1).

    ``via[n, b]`` packs the tail and the link by which (n, b) is reached best, -1 for none.
    """
    N, L = load.first.shape
    bits = chain.bits
    arrived = np.full((N, L), np.inf)
    placed = np.full((N, L + 1), np.inf)
    via = np.full((N, L, 2), -1, np.int64)
    arrived[load.source, 0] = 0.0
    for n in range(load.source, N):
        price = prices.serve[n] + prices.tune[n]
        here, out, work = arrived[n], placed[n], chain.work[chain.kind[n]]
        any_here = False
        for i in range(L):
            a = here[i]
            if a == np.inf:
                continue
            any_here = True
            out[i] = min(out[i], a)
            row = work[i]
            if load.plain:
                for j in range(i + 1, i + 1 + load.count[n, i]):
                    out[j] = min(out[j], a + row[j] * price)
            else:
                for k in range(load.first[n, i], load.first[n, i] + load.count[n, i]):
                    j = load.after[k]
                    out[j] = min(out[j], a + row[j] * price)
        if not any_here:
            continue
        for e in range(net.first[n], net.first[n + 1]):
            m, alpha, beta = net.head[e], prices.alpha[e], prices.beta[e]
            for b in range(L):
                x = out[b] + (alpha * bits[b] + beta)
                if x < arrived[m, b] and not is_closed(load, e, b):
                    arrived[m, b] = x
                    via[m, b, 0] = n
                    via[m, b, 1] = e
    return arrived, placed, via


@part
def backward(net: Network, chain: Chain, load: Load, prices: Prices) -> Any:
    """Return (arrived, placed): least price to the end, shapes (N, L), (N, L + 1)."""
    N, L = load.first.shape
    bits = chain.bits
    arrived = np.full((N, L), np.inf)
    placed = np.full((N, L + 1), np.inf)
    for n in range(N - 1, load.source - 1, -1):
        price = prices.serve[n] + prices.tune[n]
        out, work = placed[n], chain.work[chain.kind[n]]
        out[L] = 0.0
        for e in range(net.first[n], net.first[n + 1]):
            m, alpha, beta = net.head[e], prices.alpha[e], prices.beta[e]
            for b in range(L):
                x = arrived[m, b] + (alpha * bits[b] + beta)
                if x < out[b] and not is_closed(load, e, b):
                    out[b] = x
        for i in range(L):
            best = out[i]
            row = work[i]
            if load.plain:
                for j in range(i + 1, i + 1 + load.count[n, i]):
                    best = min(best, out[j] + row[j] * price)
            else:
                for k in range(load.first[n, i], load.first[n, i] + load.count[n, i]):
                    j = load.after[k]
                    best = min(best, out[j] + row[j] * price)
            arrived[n, i] = best
    return arrived, placed


@part
def trace(
    net: Network,
    chain: Chain,
    load: Load,
    prices: Prices,
    arrived: Floats2,
    placed: Floats2,
    via: Ints3,
    end: int,
) -> Any:
    """Return (stops, E, T_inf, T_ft) of the path found by `forward` that ends at node `end`.

    ``stops`` has rows (node, blocks done before, blocks done after), source first.
    """
    N, L = load.first.shape
    stops = np.empty((N, 3), np.int64)
    count = N
    n, b = end, L
    energy, latency, time = 0.0, 0.0, 0.0
    while True:
        price = prices.serve[n] + prices.tune[n]
        i = b
        if b == L or arrived[n, b] > placed[n, b]:
            i = 0
            work = chain.work[chain.kind[n]]
            while arrived[n, i] + work[i, b] * price != placed[n, b] or not leads(load, n, i, b):
                i += 1
        count -= 1
        stops[count, 0], stops[count, 1], stops[count, 2] = n, i, b
        w = chain.work[chain.kind[n], i, b]
        energy += w * prices.energy[n]
        latency += w * prices.latency[n]
        time += w * prices.time[n]
        b = i
        if n == load.source:
            break
        tail, e = via[n, b, 0], via[n, b, 1]
        wire = chain.bits[b] / net.rate[e]
        energy += (load.requests + load.communication) * net.bit_energy[e] * chain.bits[b]
        latency += wire + net.delay[e]
        time += load.communication * (wire + net.delay[e] / load.batch)
        n = tail
    return stops[count:].copy(), energy, latency, time
