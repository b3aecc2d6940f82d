r"""The time-energy graph of one configuration, written out as far as anything good can use it.

Arcs: a segment of node n from *arrived* (n, i) to *placed* (n, j) at a pair of speeds; where both
phases have several, f_inf and f_ft are chosen in series through a state between; a relay from
arrived to placed; a hop from placed (n, b) to arrived (n', b). All placed states with every block
done are the goal, so a path from the root (source, 0 blocks) to the goal is a plan.

An arc is left out when every path over it is certainly too slow or too dear::

    forward(tail) + price of the arc + backward(head)  >  deadline,  or  >=  threshold

for T_inf, for T_ft, and for the Lagrangian at the multipliers of the dual bound.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.jqodi.cift.network import Chain, Load, Network
from splitopt.heuristics.jqodi.cift.passes import (
    backward,
    forward,
    is_closed,
    prices_at,
    slowest_of,
    steps_of_pass,
)
from splitopt.instances.core.kernels import (
    Booleans,
    Floats,
    Floats2,
    Floats3,
    Int32s2,
    Ints,
    kernel,
    part,
)

_UNIT = 2.0**-53


class Levels(NamedTuple):
    """Speeds of one phase: of node n ``first[n] .. first[n + 1] - 1``; f, 1 / f and e(f)."""

    first: Ints
    speed: Floats
    inverse: Floats
    joule: Floats


class Limits(NamedTuple):
    """Distances from the source and to the end in K measures, and what a path may reach in each.

    The measure is the last axis. Paths of which ``forward + arc + backward > limit`` in one are
    left out; ``strict`` leaves out equal ones too. ``prices`` has rows (w0, l1, l2).
    """

    from_arrived: Floats3
    from_placed: Floats3
    to_arrived: Floats3
    to_placed: Floats3
    serve: Floats2
    tune: Floats2
    alpha: Floats2
    beta: Floats2
    prices: Floats2
    limit: Floats
    strict: Booleans


class Arcs(NamedTuple):
    """Arcs in topological order of tails: figures (E, T_inf, T_ft), and what each means.

    ``mark`` has rows (node, blocks before, blocks after, level of phase 1, level of phase 2), a
    level -1 for none; for a hop the node is the one arrived at.
    """

    tail: Ints
    head: Ints
    figure: Floats2
    mark: Int32s2


@kernel(lambda net, chain, load, prices, *_: 3 * len(prices) * steps_of_pass(net, chain, load))
def bounds_of(
    net: Network, chain: Chain, load: Load, prices: Floats2, limit: Floats, strict: Booleans
) -> Any:
    """Return distances at prices (w0, l1, l2) of (E, T_inf, T_ft), with limits on their sums.

    Parameters
    ----------
    prices, limit, strict
        Of each measure, see `Limits`; shapes (K, 3), (K,), (K,).
    """
    N, L = load.first.shape
    K, links = limit.size, net.head.size
    from_arrived, from_placed = np.empty((N, L, K)), np.empty((N, L + 1, K))
    to_arrived, to_placed = np.empty((N, L, K)), np.empty((N, L + 1, K))
    serve, tune = np.empty((N, K)), np.empty((N, K))
    alpha, beta = np.empty((links, K)), np.empty((links, K))
    outer = np.empty(K)
    for k in range(K):
        at = prices_at(net, load, prices[k, 0], prices[k, 1], prices[k, 2])
        arrived, placed, _ = forward(net, chain, load, at)
        rest_arrived, rest_placed = backward(net, chain, load, at)
        for n in range(N):
            serve[n, k], tune[n, k] = at.serve[n], at.tune[n]
            for b in range(L):
                from_arrived[n, b, k], to_arrived[n, b, k] = arrived[n, b], rest_arrived[n, b]
            for b in range(L + 1):
                from_placed[n, b, k], to_placed[n, b, k] = placed[n, b], rest_placed[n, b]
        for e in range(links):
            alpha[e, k], beta[e, k] = at.alpha[e], at.beta[e]
        outer[k] = limit[k] * (1.0 + 8.0 * (3 * N + L + 16) * _UNIT)
    return Limits(
        from_arrived,
        from_placed,
        to_arrived,
        to_placed,
        serve,
        tune,
        alpha,
        beta,
        prices,
        outer,
        strict,
    )


@part
def _over(total: float, limit: float, strict: bool) -> bool:
    # Infinite distances are over any limit, even an infinite one.
    return total == np.inf or total > limit or (strict and total == limit)


@part
def _survivors(
    load: Load,
    levels: Levels,
    n: int,
    w: float,
    i: int,
    j: int,
    first: bool,
    slowest: float,
    at: Limits,
    out: Ints,
) -> int:
    """Collect in `out` the levels of one phase that some path over (n, i, j) may use."""
    count = 0
    for k in range(levels.first[n], levels.first[n + 1]):
        good = levels.speed[k] >= slowest
        for q in range(at.limit.size):
            w0, l1, l2 = at.prices[q, 0], at.prices[q, 1], at.prices[q, 2]
            if first:
                part = w0 * load.requests * levels.joule[k] + l1 * levels.inverse[k] + at.tune[n, q]
            else:
                both = w0 * levels.joule[k] + l2 * levels.inverse[k]
                part = at.serve[n, q] + load.compute * both
            total = at.from_arrived[n, i, q] + w * part + at.to_placed[n, j, q]
            if _over(total, at.limit[q], at.strict[q]):
                good = False
                break
        if good:
            out[count] = k
            count += 1
    return count


@part
def _mark(arcs: Arcs, at: int, node: int, before: int, after: int, first: int, second: int) -> None:
    row = arcs.mark[at]
    row[0], row[1], row[2], row[3], row[4] = node, before, after, first, second


@part
def _walk(
    net: Network,
    chain: Chain,
    load: Load,
    levels: Levels,
    second: Levels,
    at: Limits,
    write: bool,
    arcs: Arcs,
    sizes: Ints,
) -> Any:
    """Count arcs and states (`write` false) or write them; `sizes` holds states between by node."""
    N, L = load.first.shape
    K = at.limit.size
    tuned = load.compute > 0.0
    most = 1
    for n in range(N):
        most = max(most, levels.first[n + 1] - levels.first[n])
        most = max(most, second.first[n + 1] - second.first[n])
    s1, s2 = np.empty(most, np.int64), np.empty(most, np.int64)
    count = 0
    base = np.zeros(N + 1, np.int64)
    for n in range(N):
        base[n + 1] = base[n] + 2 * L + sizes[n]
    goal = base[N]
    R, c, v = load.requests, load.compute, load.communication
    for n in range(load.source, N):
        between = base[n] + L
        for i in range(L):
            good = True
            for q in range(K):
                if at.from_arrived[n, i, q] == np.inf:
                    good = False
            if not good:
                continue
            for q in range(K):
                total = at.from_arrived[n, i, q] + at.to_placed[n, i, q]
                if _over(total, at.limit[q], at.strict[q]):
                    good = False
            if good:
                if write:
                    arcs.tail[count] = base[n] + i
                    arcs.head[count] = base[n] + L + sizes[n] + i
                    _mark(arcs, count, n, i, i, -1, -1)
                count += 1
            for u in range(load.first[n, i], load.first[n, i] + load.count[n, i]):
                j = load.after[u]
                w = chain.work[chain.kind[n], i, j]
                good = True
                for q in range(K):
                    x = at.from_arrived[n, i, q] + w * (at.serve[n, q] + at.tune[n, q])
                    if _over(x + at.to_placed[n, j, q], at.limit[q], at.strict[q]):
                        good = False
                        break
                if not good:
                    continue
                a = _survivors(load, levels, n, w, i, j, True, slowest_of(chain, n, i, j), at, s1)
                b = 1
                if tuned:
                    b = _survivors(load, second, n, w, i, j, False, 0.0, at, s2)
                if a == 0 or b == 0:
                    continue
                tail = base[n] + i
                head = goal if j == L else base[n] + L + sizes[n] + j
                if not tuned or a * b <= a + b:
                    if write:
                        for p in range(a):
                            for q in range(b):
                                k = s1[p]
                                at_arc = count + p * b + q
                                arcs.tail[at_arc] = tail
                                arcs.head[at_arc] = head
                                arcs.figure[at_arc, 0] = w * R * levels.joule[k]
                                arcs.figure[at_arc, 1] = w * levels.inverse[k]
                                m = -1
                                if tuned:
                                    m = s2[q]
                                    arcs.figure[at_arc, 0] += w * c * second.joule[m]
                                    arcs.figure[at_arc, 2] = w * c * second.inverse[m]
                                _mark(arcs, at_arc, n, i, j, k, m)
                    count += a * b
                    continue
                if write:
                    for p in range(a):
                        k = s1[p]
                        arcs.tail[count + p] = tail
                        arcs.head[count + p] = between
                        arcs.figure[count + p, 0] = w * R * levels.joule[k]
                        arcs.figure[count + p, 1] = w * levels.inverse[k]
                        _mark(arcs, count + p, n, i, j, k, -1)
                    for q in range(b):
                        m = s2[q]
                        arcs.tail[count + a + q] = between
                        arcs.head[count + a + q] = head
                        arcs.figure[count + a + q, 0] = w * c * second.joule[m]
                        arcs.figure[count + a + q, 2] = w * c * second.inverse[m]
                        _mark(arcs, count + a + q, n, j, j, -1, m)
                else:
                    sizes[n] += 1
                between += 1
                count += a + b
        for e in range(net.first[n], net.first[n + 1]):
            m = net.head[e]
            for b in range(L):
                good = not is_closed(load, e, b)
                for q in range(K):
                    x = at.from_placed[n, b, q] + (at.alpha[e, q] * chain.bits[b] + at.beta[e, q])
                    if _over(x + at.to_arrived[m, b, q], at.limit[q], at.strict[q]):
                        good = False
                        break
                if not good:
                    continue
                if write:
                    wire = chain.bits[b] / net.rate[e]
                    arcs.tail[count] = base[n] + L + sizes[n] + b
                    arcs.head[count] = base[m] + b
                    arcs.figure[count, 0] = (R + v) * net.bit_energy[e] * chain.bits[b]
                    arcs.figure[count, 1] = wire + net.delay[e]
                    arcs.figure[count, 2] = v * (wire + net.delay[e] / load.batch)
                    _mark(arcs, count, m, b, b, -1, -1)
                count += 1
    return count, base[load.source], goal


@kernel(
    lambda net, chain, load, levels, second, at: (
        2
        * len(at.limit)
        * steps_of_pass(net, chain, load)
        * (1 + (len(levels.speed) + len(second.speed)) / len(net.kappa))
    )
)
def write_arcs(
    net: Network, chain: Chain, load: Load, levels: Levels, second: Levels, at: Limits
) -> Any:
    """Return (arcs, root, goal) of the graph without the arcs that `measures` rule out.

    Parameters
    ----------
    levels, second
        Speeds of serving and of fine-tuning.
    at
        The measures.
    """
    N = load.first.shape[0]
    sizes = np.zeros(N, np.int64)
    arcs = Arcs(
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.empty((0, 3)),
        np.empty((0, 5), np.int32),
    )
    count, _, _ = _walk(net, chain, load, levels, second, at, False, arcs, sizes)
    arcs = Arcs(
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.zeros((count, 3)),
        np.empty((count, 5), np.int32),
    )
    _, root, goal = _walk(net, chain, load, levels, second, at, True, arcs, sizes)
    return arcs, root, goal
