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

from splitopt.heuristics.jqodi.cift.passes import backward, forward, prices_at
from splitopt.heuristics.labels.jit import kernel

__all__ = ["Arcs", "Levels", "Limits", "bounds_of", "write_arcs"]

_UNIT = 2.0**-53


class Levels(NamedTuple):
    """Speeds of one phase: of node n ``first[n] .. first[n + 1] - 1``; f, 1 / f and e(f)."""

    first: Any
    speed: Any
    inverse: Any
    joule: Any


class Limits(NamedTuple):
    """Distances from the source and to the end in one measure, and what a path may reach.

    Paths of which ``forward + arc + backward > limit`` are left out; ``strict`` leaves out equal
    ones too.
    """

    from_arrived: Any
    from_placed: Any
    to_arrived: Any
    to_placed: Any
    serve: Any
    tune: Any
    alpha: Any
    beta: Any
    l1: float
    l2: float
    w0: float
    limit: float
    strict: bool


class Arcs(NamedTuple):
    """Arcs in topological order of tails: figures (E, T_inf, T_ft), and what each means.

    ``mark`` has rows (node, blocks before, blocks after, level of phase 1, level of phase 2), a
    level -1 for none; for a hop the node is the one arrived at.
    """

    tail: Any
    head: Any
    figure: Any
    mark: Any


@kernel
def bounds_of(
    net: Any, chain: Any, load: Any, w0: float, l1: float, l2: float, limit: float, strict: bool
) -> Any:
    """Return distances at prices (w0, l1, l2) of (E, T_inf, T_ft), with a limit on their sum."""
    N, L = load.last.shape
    prices = prices_at(net, load, w0, l1, l2)
    arrived, placed, _ = forward(net, chain, load, prices)
    to_arrived, to_placed = backward(net, chain, load, prices)
    outer = limit * (1.0 + 8.0 * (3 * N + L + 16) * _UNIT)
    return Limits(
        arrived,
        placed,
        to_arrived,
        to_placed,
        prices.serve,
        prices.tune,
        prices.alpha,
        prices.beta,
        l1,
        l2,
        w0,
        outer,
        strict,
    )


@kernel
def _over(total: float, at: Any) -> bool:
    # Infinite distances are over any limit, even an infinite one.
    return total == np.inf or total > at.limit or (at.strict and total == at.limit)


@kernel
def _survivors(
    load: Any, levels: Any, n: int, w: float, i: int, j: int, first: bool, measures: Any, out: Any
) -> int:
    """Collect in `out` the levels of one phase that some path over (n, i, j) may use."""
    count = 0
    for k in range(levels.first[n], levels.first[n + 1]):
        good = True
        for at in measures:
            if first:
                part = (
                    at.w0 * load.requests * levels.joule[k] + at.l1 * levels.inverse[k] + at.tune[n]
                )
            else:
                both = at.w0 * levels.joule[k] + at.l2 * levels.inverse[k]
                part = at.serve[n] + load.compute * both
            if _over(at.from_arrived[n, i] + w * part + at.to_placed[n, j], at):
                good = False
                break
        if good:
            out[count] = k
            count += 1
    return count


@kernel
def _walk(
    net: Any,
    chain: Any,
    load: Any,
    levels: Any,
    second: Any,
    measures: Any,
    write: bool,
    arcs: Any,
    sizes: Any,
) -> Any:
    """Count arcs and states (`write` false) or write them; `sizes` holds states between by node."""
    N, L = load.last.shape
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
            for at in measures:
                if at.from_arrived[n, i] == np.inf:
                    good = False
            if not good:
                continue
            for at in measures:
                if _over(at.from_arrived[n, i] + at.to_placed[n, i], at):
                    good = False
            if good:
                if write:
                    arcs.tail[count] = base[n] + i
                    arcs.head[count] = base[n] + L + sizes[n] + i
                    arcs.mark[count] = (n, i, i, -1, -1)
                count += 1
            for j in range(i + 1, load.last[n, i] + 1):
                w = chain.work[i, j]
                good = True
                for at in measures:
                    x = at.from_arrived[n, i] + w * (at.serve[n] + at.tune[n])
                    if _over(x + at.to_placed[n, j], at):
                        good = False
                        break
                if not good:
                    continue
                a = _survivors(load, levels, n, w, i, j, True, measures, s1)
                b = 1
                if tuned:
                    b = _survivors(load, second, n, w, i, j, False, measures, s2)
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
                                arcs.mark[at_arc] = (n, i, j, k, m)
                    count += a * b
                    continue
                if write:
                    for p in range(a):
                        k = s1[p]
                        arcs.tail[count + p] = tail
                        arcs.head[count + p] = between
                        arcs.figure[count + p, 0] = w * R * levels.joule[k]
                        arcs.figure[count + p, 1] = w * levels.inverse[k]
                        arcs.mark[count + p] = (n, i, j, k, -1)
                    for q in range(b):
                        m = s2[q]
                        arcs.tail[count + a + q] = between
                        arcs.head[count + a + q] = head
                        arcs.figure[count + a + q, 0] = w * c * second.joule[m]
                        arcs.figure[count + a + q, 2] = w * c * second.inverse[m]
                        arcs.mark[count + a + q] = (n, j, j, -1, m)
                else:
                    sizes[n] += 1
                between += 1
                count += a + b
        for e in range(net.first[n], net.first[n + 1]):
            m = net.head[e]
            for b in range(L):
                good = True
                for at in measures:
                    x = at.from_placed[n, b] + (at.alpha[e] * chain.bits[b] + at.beta[e])
                    if _over(x + at.to_arrived[m, b], at):
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
                    arcs.mark[count] = (m, b, b, -1, -1)
                count += 1
    return count, base[load.source], goal


@kernel
def write_arcs(net: Any, chain: Any, load: Any, levels: Any, second: Any, measures: Any) -> Any:
    """Return (arcs, root, goal) of the graph without the arcs that `measures` rule out.

    Parameters
    ----------
    levels, second
        Speeds of serving and of fine-tuning.
    measures
        Tuple of `Limits`.
    """
    N = load.last.shape[0]
    sizes = np.zeros(N, np.int64)
    arcs = Arcs(
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.empty((0, 3)),
        np.empty((0, 5), np.int32),
    )
    count, _, _ = _walk(net, chain, load, levels, second, measures, False, arcs, sizes)
    arcs = Arcs(
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.zeros((count, 3)),
        np.empty((count, 5), np.int32),
    )
    _, root, goal = _walk(net, chain, load, levels, second, measures, True, arcs, sizes)
    return arcs, root, goal
