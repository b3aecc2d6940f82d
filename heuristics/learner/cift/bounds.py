"""Completion bounds: the cheapest way to finish from each state, at many prices of time at once.

A price is a triple of weights (w_E, w_i, w_t). The least ``w_E E + w_i T_inf + w_t T_ft`` of a
completion is a shortest path, since all three add up over hops and segments: with the best speeds
at these weights a FLOP on node n costs c_n, and backwards over nodes, with W_b the work of the
first b blocks::

    left(n, b)    = min over links (n, m) of  hop(b) + arrived(m, b);   left(n, L) = 0
    arrived(n, b) = min( left(n, b),
                         min over b < b' <= reach(n, b) of  c_n (W_b' - W_b) + left(n, b') )

The second minimum slides a window over ``c_n W_b' + left(n, b')``: a table of minima over ranges of
2^j entries answers it in L log L. Each completion is a plan: its E, T_inf and T_ft are kept. So one
table gives, for any state, an upper bound (a completion that keeps the deadlines) and a lower one

    E >= (E of the label + E) + w_i (T_inf - tau_inf) + w_t (T_ft - tau_ft)        at w_E = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from splitopt.heuristics.learner.cift.arrays import Chains, Floats, Integers, Network

# Multiples (alpha, beta) of the two deadlines' own prices: around one, alone, and far above.
PATTERN: tuple[tuple[float, float], ...] = (
    (0.0, 0.0),
    (0.4, 0.4),
    (0.7, 0.7),
    (0.85, 0.85),
    (1.0, 1.0),
    (1.2, 1.2),
    (1.6, 1.6),
    (3.0, 3.0),
    (30.0, 30.0),
    (1.0, 0.3),
    (0.3, 1.0),
    (2.0, 0.7),
    (0.7, 2.0),
    (1.0, 0.0),
    (0.0, 1.0),
)
# Further weights behind those: T_inf alone, T_ft alone, both over their deadlines.
TIME_ONLY = 3
# A deadline that does not bind gets this elasticity as its price, d log E / d log T.
_LEAST_ELASTICITY = 0.02
_SEARCHES = 8
_CHUNK_CELLS = 4_000_000


class Rates(NamedTuple):
    """A FLOP at the best speeds, for serving and for fine-tuning: shape (2, G, P, N).

    Attributes
    ----------
    energy_j
        Joules of all passes.
    time_s
        Seconds that count for its deadline: of one request, and of all sample passes.
    """

    energy_j: Floats
    time_s: Floats


@dataclass(frozen=True)
class Completions:
    """Completions of G configurations at P prices.

    Attributes
    ----------
    arrived, left
        E in J, T_inf in s, T_ft in s of the completion of least price from (node, blocks done),
        having arrived there or about to leave; infinite where there is none; shape
        (3, G, P, N, Lmax + 1).
    """

    arrived: Floats
    left: Floats


class Roots(NamedTuple):
    """What the completions from the source say of each configuration.

    Attributes
    ----------
    weights
        Prices (w_E, w_i, w_t) used for it, shape (3, G, P), the last three of them time alone.
    figures
        E, T_inf and T_ft of a whole plan, shape (3, G, P); infinite where no plan fits.
    """

    weights: Floats
    figures: Floats


def price_rates(network: Network, chains: Chains, weights: Floats) -> Rates:
    """Return what a FLOP costs at the best speeds for weights of shape (3, G, P)."""
    energy, latency, time = (w[:, :, None, None] for w in weights)
    joules, seconds = network.joules[None, None], network.seconds[None, None]
    compute, pace = chains.compute[:, None, None], chains.pace[:, None, None]
    with np.errstate(invalid="ignore"):
        serving = energy * chains.requests * joules + latency * seconds
        tuning = energy * joules + time * pace[..., None] * seconds
    serving[np.isnan(serving)] = np.inf
    tuning[np.isnan(tuning)] = np.inf
    nodes = np.arange(network.joules.shape[0])
    fast, slow = serving.argmin(axis=-1), tuning.argmin(axis=-1)
    return Rates(
        np.stack(
            [chains.requests * network.joules[nodes, fast], compute * network.joules[nodes, slow]]
        ),
        np.stack([network.seconds[nodes, fast], compute * pace * network.seconds[nodes, slow]]),
    )


def _window(values: Floats, reach: Integers) -> tuple[Floats, Integers]:
    """Return least values over b < b' <= reach(b) and where, shape (G, P, Lmax + 1).

    Infinite where the window is empty.
    """
    count = values.shape[-1]
    places = np.broadcast_to(np.arange(count), values.shape)
    tables = [places]
    while 2 ** len(tables) < count:
        before, step = tables[-1], 2 ** (len(tables) - 1)
        first, second = before[..., :-step], before[..., step:]
        better = np.take_along_axis(values, second, -1) < np.take_along_axis(values, first, -1)
        grown = before.copy()
        grown[..., :-step] = np.where(better, second, first)
        tables.append(grown)
    start = np.arange(count)[None] + 1
    length = reach - start + 1
    fits = length > 0
    size = np.frexp(np.maximum(length, 1))[1] - 1  # floor of the binary logarithm
    stacked = np.stack(tables)
    g = np.arange(values.shape[0])[:, None, None]
    p = np.arange(values.shape[1])[None, :, None]
    last = np.minimum(start, count - 1)
    first = stacked[size[:, None], g, p, np.broadcast_to(last, reach.shape)[:, None]]
    second = stacked[size[:, None], g, p, np.maximum(reach - 2**size + 1, 0)[:, None]]
    left, right = np.take_along_axis(values, first, -1), np.take_along_axis(values, second, -1)
    chosen = np.where(right < left, second, first)
    least = np.where(fits[:, None], np.minimum(left, right), np.inf)
    return least, chosen


def complete(network: Network, chains: Chains, weights: Floats) -> Completions:
    """Return the completions of least price, for weights of shape (3, G, P)."""
    rates = price_rates(network, chains, weights)
    groups, prices = weights.shape[1:]
    nodes, count = len(network.nodes), chains.work_flop.shape[1]
    shape = (groups, prices, nodes, count)
    w_e, w_i, w_t = (w[:, :, None] for w in weights)
    arrived, left = np.full((3, *shape), np.inf), np.full((3, *shape), np.inf)
    priced = np.full(shape, np.inf)  # of `arrived`
    done = np.arange(count)[None] == chains.length[:, None]
    beyond = np.arange(count)[None] > chains.length[:, None]
    work = chains.work_flop[:, None, :]
    for n in reversed(range(nodes)):
        here = np.full((3, groups, prices, count), np.inf)
        value = np.full((groups, prices, count), np.inf)
        heads = network.heads[n]
        if len(heads):
            hops = chains.hops(network, n)[:, :, :, None, :]  # (3, D, G, 1, count)
            cost = w_e * hops[0] + w_i * hops[1] + w_t * hops[2]
            offers = cost + priced[:, :, heads].transpose(2, 0, 1, 3)
            best = offers.argmin(axis=0)[None]
            value = np.take_along_axis(offers, best, 0)[0]
            for k in range(3):
                there = arrived[k][:, :, heads].transpose(2, 0, 1, 3) + hops[k]
                here[k] = np.take_along_axis(there, best, 0)[0]
        # Once all blocks are placed nothing is left to do, and no hop can help.
        over = done | beyond
        value = np.where(over[:, None], np.where(done[:, None], 0.0, np.inf), value)
        here = np.where(over[None, :, None], np.where(done[:, None], 0.0, np.inf)[None], here)
        left[:, :, :, n] = here
        e, t = rates.energy_j[:, :, :, n, None], rates.time_s[:, :, :, n, None]
        flop = w_e * (e[0] + e[1]) + w_i * t[0] + w_t * t[1]
        least, where = _window(flop * work + value, chains.reach[:, n])
        with np.errstate(invalid="ignore"):
            hosted = least - flop * work
        relayed = np.where(done[:, None], np.inf, value)
        hosts = hosted < relayed
        priced[:, :, n] = np.where(hosts, hosted, relayed)
        segment = np.take_along_axis(np.broadcast_to(work, value.shape), where, -1) - work
        parts = ((e[0] + e[1]) * segment, t[0] * segment, t[1] * segment)
        for k, part in enumerate(parts):
            grown = np.take_along_axis(here[k], where, -1) + part
            relay = np.where(done[:, None], np.inf, here[k])
            arrived[k, :, :, n] = np.where(hosts, np.where(np.isinf(hosted), np.inf, grown), relay)
    return Completions(arrived, left)


def _root_figures(network: Network, chains: Chains, weights: Floats) -> Floats:
    """Return E, T_inf and T_ft from the source, shape (3, G, P), some configurations at a time."""
    groups, prices = weights.shape[1:]
    cells = prices * len(network.nodes) * chains.work_flop.shape[1]
    step = max(1, _CHUNK_CELLS // max(1, cells))
    found = np.empty((3, groups, prices))
    for first in range(0, groups, step):
        part = np.arange(first, min(first + step, groups))
        table = complete(network, chains.take(part), weights[:, part]).arrived
        found[:, part] = table[:, np.arange(len(part)), :, chains.source[part], 0].transpose(
            1, 0, 2
        )
    return found


def _own_prices(network: Network, chains: Chains, ends: Floats, limits: Floats) -> Floats:
    """Return for each deadline alone the price of its time in J/s, shape (2, G).

    The dual of the program with this one deadline, by the line through a plan that keeps it and
    one that does not (G. Y. Handler and I. Zang 1980): the plan of least price at the line's slope
    replaces one of the two.

    Parameters
    ----------
    ends
        E, T_inf and T_ft of the cheapest plans, of those of least T_inf, and of least T_ft, shape
        (3, G, 3).
    limits
        Deadlines, shape (2,).
    """
    groups = ends.shape[1]
    tau = limits[:, None]
    over_e = np.stack([ends[0, :, 0]] * 2)
    over_t = ends[1:, :, 0]
    kept_e = np.stack([ends[0, :, 1], ends[0, :, 2]])
    kept_t = np.stack([ends[1, :, 1], ends[2, :, 2]])
    with np.errstate(invalid="ignore", divide="ignore"):
        active = (over_t > tau) & (kept_t <= tau) & np.isfinite(over_e) & np.isfinite(kept_e)
        floor = np.where(np.isfinite(tau), _LEAST_ELASTICITY * over_e / np.maximum(tau, 1e-300), 0)
    price = np.zeros((2, groups))
    for _ in range(_SEARCHES):
        if not active.any():
            break
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = np.maximum(0.0, (kept_e - over_e) / (over_t - kept_t))
        price = np.where(active, slope, price)
        weights = np.zeros((3, groups, 2))
        weights[0] = 1.0
        weights[1, :, 0], weights[2, :, 1] = price
        index = np.flatnonzero(active.any(axis=0))
        found = np.full((3, groups, 2), np.inf)
        found[:, index] = _root_figures(network, chains.take(index), weights[:, index])
        e = found[0].T
        t = np.stack([found[1, :, 0], found[2, :, 1]])
        with np.errstate(invalid="ignore"):
            value, line = e + price * t, kept_e + price * kept_t
        moved = active & (value < line - 1e-9 * np.abs(line))
        keeps = t <= tau
        kept_e, kept_t = np.where(moved & keeps, e, kept_e), np.where(moved & keeps, t, kept_t)
        over_e, over_t = np.where(moved & ~keeps, e, over_e), np.where(moved & ~keeps, t, over_t)
        active = moved
    return np.maximum(price, np.where(np.isfinite(floor), floor, 0.0))


def roots(network: Network, chains: Chains) -> Roots:
    """Return the prices of each configuration and what a whole plan costs at each.

    Prices are the multiples `PATTERN` of what each deadline alone is worth in this configuration,
    and three of time alone, whose figures bound T_inf, T_ft and both from below.
    """
    groups = len(chains.configurations)
    limits = network.deadlines_s
    count = len(PATTERN)
    weights = np.zeros((3, groups, count + TIME_ONLY))
    weights[0, :, :count] = 1.0
    # Without a deadline its time has no price; energy stands in for it.
    inverse = np.where(np.isfinite(limits), 1.0 / np.maximum(limits, 1e-300), 0.0)
    weights[1, :, count], weights[2, :, count + 1] = inverse
    weights[1, :, count + 2], weights[2, :, count + 2] = inverse
    for k in range(TIME_ONLY):
        if not weights[1:, :, count + k].any():
            weights[0, :, count + k] = 1.0
    ends = _root_figures(network, chains, weights[:, :, [0, count, count + 1]])
    own = _own_prices(network, chains, ends, limits)
    pattern = np.array(PATTERN)
    weights[1, :, :count] = own[0][:, None] * pattern[:, 0]
    weights[2, :, :count] = own[1][:, None] * pattern[:, 1]
    return Roots(weights, _root_figures(network, chains, weights))
