r"""Easy problems without ceremony: one best-first search with completion bounds, in one call.

On many graphs the plain A* search ends after a few labels, and what prepares the large search
(cuts, a dual bound) would take longer than the answer. So it is tried first, with a quota of
labels; beyond it arcs and distances are handed on, but no label. Labels leave the heap by
kappa = c + pi(v) (see the package's text); one goes when r + (least use from v) exceeds the limits,
when a label popped at its node before dominates it, or when kappa reaches the incumbent. The
searches that give pi and the least uses end at the source; nodes they did not settle have its value
for a bound. Limits and kappa are compared outward by the relative error that sums of n terms can
have, so what is found is the optimum of the rounded sums.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.labels.distances import Star, group, settle
from splitopt.heuristics.labels.heap import pop, push
from splitopt.instances.core.kernels import Floats, Floats2, Int32s, Ints, kernel, part


class Easy(NamedTuple):
    """What `easy_search` finds: the optimum if ``solved``, else what it had by then.

    ``path`` holds arcs in order (none: none within the limits was met); labels made = popped and
    expanded (``kept``) + ``dominated`` + ``over_bound`` (in the heap when the search ended) +
    ``over_limit``. ``rest[0, v]`` is the least cost from v, ``rest[1 + k, v]`` the least use of
    resource k, or less. ``met[j]`` are cost and use of the
    path that attains ``rest[j]`` from the source, infinite where none keeps limit j - 1. `inward`
    and `outward` are the arcs by head and by tail.
    """

    solved: bool
    path: Any
    made: int
    kept: int
    dominated: int
    over_limit: int
    over_bound: int
    rest: Any
    met: Any
    inward: Any
    outward: Any


@part
def _at_least(rest: Floats, bound: float) -> None:
    """Give nodes that the search into the target did not settle the bound where it stopped."""
    for v in range(rest.size):
        rest[v] = min(rest[v], bound)


@part
def _beaten(
    v: int, c: float, r: Floats, last: Int32s, before: Int32s, lab_c: Floats, lab_r: Floats2
) -> bool:
    """Tell whether a label popped at v costs no more than c and uses no more than r."""
    i = last[v]
    while i >= 0:
        if lab_c[i] <= c:
            worse = False
            for k in range(r.size):
                if lab_r[i, k] > r[k]:
                    worse = True
                    break
            if not worse:
                return True
        i = before[i]
    return False


@part
def _kept_path(
    head: Int32s,
    cost: Floats,
    res: Floats2,
    via: Int32s,
    source: int,
    target: int,
    limits: Floats,
    path: Ints,
    met: Floats,
) -> Any:
    """Put a tree path into `path`, its figures into `met`; return (arcs, cost).

    The cost is infinite where the path breaks a limit.
    """
    v, count = source, 0
    for k in range(met.size):
        met[k] = 0.0
    while v != target:
        e = via[v]
        path[count] = e
        count += 1
        met[0] += cost[e]
        for k in range(limits.size):
            met[1 + k] += res[e, k]
        v = head[e]
    for k in range(limits.size):
        if met[1 + k] > limits[k]:
            return count, np.inf
    return count, met[0]


@part
def _search(
    n: int,
    outward: Star,
    rest: Floats2,
    source: int,
    target: int,
    limits: Floats,
    outer: Floats,
    slack: float,
    best: float,
    quota: int,
) -> Any:
    """Return (solved, path, made, kept, dominated, over_limit, open): see `Easy`.

    No path: none is cheaper than `best`, or none was found with the quota.
    """
    start, arc, end, cost, res = (
        outward.start,
        outward.arc,
        outward.end,
        outward.cost,
        outward.res,
    )
    K = limits.size
    # Of full size at once, as memory never written costs nothing.
    room = max(quota, 1)
    lab_c, lab_r = np.empty(room), np.empty((room, K))
    node, by, pred = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
    before, labels = np.empty(room, np.int32), np.empty(room, np.int32)
    keys, ties = np.empty(room), np.empty(room)
    last = np.full(n, -1, np.int32)
    r = np.zeros(K)
    made, kept, dominated, over_limit, size, found = 1, 0, 0, 0, 1, -1
    node[0], by[0], pred[0], lab_c[0], lab_r[0] = source, -1, -1, 0.0, 0.0
    keys[0], ties[0], labels[0] = rest[0, source], 0.0, 0
    solved = True
    while size > 0 and solved:
        x = labels[0]
        if keys[0] * (1.0 - slack) >= best:
            break
        pop(keys, ties, labels, size)
        size -= 1
        v = node[x]
        if _beaten(v, lab_c[x], lab_r[x], last, before, lab_c, lab_r):
            dominated += 1
            continue
        kept += 1
        before[x] = last[v]
        last[v] = x
        for i in range(start[v], start[v + 1]):
            e = arc[i]
            u = end[e]
            c = lab_c[x] + cost[e]
            kappa = c + rest[0, u]
            if not kappa * (1.0 - slack) < best:
                continue
            fits = True
            for k in range(K):
                r[k] = lab_r[x, k] + res[e, k]
                if not r[k] + rest[1 + k, u] <= outer[k]:
                    fits = False
                    break
            if not fits:
                continue
            if _beaten(u, c, r, last, before, lab_c, lab_r):
                continue
            if made >= quota:
                solved = False
                break
            lab_c[made] = c
            for k in range(K):
                lab_r[made, k] = r[k]
            node[made], by[made], pred[made] = u, e, x
            if u == target:
                for k in range(K):
                    fits = fits and r[k] <= limits[k]
                if fits and c < best:
                    best, found = c, made
                    kept += 1
                else:
                    over_limit += 1
            else:
                push(keys, ties, labels, size, kappa, r[0] if K else 0.0, made)
                size += 1
            made += 1
    count = 0
    x = found
    while x >= 0 and by[x] >= 0:
        x = pred[x]
        count += 1
    path = np.empty(count, np.int64)
    x = found
    for i in range(count):
        path[count - 1 - i] = by[x]
        x = pred[x]
    return solved and best < np.inf, path, made, kept, dominated, over_limit, size


@kernel(
    lambda n, tail, head, cost, res, source, target, limits, quota: (
        12 * (len(tail) + n) * (1 + len(limits)) + 40 * quota
    )
)
def easy_search(
    n: int,
    tail: Int32s,
    head: Int32s,
    cost: Floats,
    res: Floats2,
    source: int,
    target: int,
    limits: Floats,
    quota: int,
) -> Any:
    """Search with at most `quota` labels.

    Parameters
    ----------
    n, tail, head, cost, res, source, target, limits
        The problem, as `splitopt.heuristics.labels.problem.Problem` has it; source and target
        differ.
    quota
        Labels to make at most.
    """
    K = limits.size
    slack = 8.0 * (n + 16 + K) * 2.0**-53
    outer = limits * (1.0 + slack)
    path, other = np.empty(n, np.int64), np.empty(n, np.int64)
    rest, via = np.empty((1 + K, n)), np.empty(n, np.int32)
    met = np.full((1 + K, 1 + K), np.inf)
    inward = group(n, head, tail, cost, res)
    nothing = Easy(False, path[:0], 0, 0, 0, 0, 0, rest, met, inward, inward)
    count, best = 0, np.inf
    w, weight, end = np.zeros(K), np.empty(tail.size), np.empty(tail.size, np.int32)
    for j in range(1 + K):
        w0, cutoff = 1.0, np.inf
        if j > 0:
            w[j - 1] = 1.0
            w0, cutoff = 0.0, outer[j - 1]
        settle(inward, w0, w, target, source, cutoff, weight, end, rest[j], via)
        if j > 0:
            w[j - 1] = 0.0
        if rest[j, source] == np.inf:
            return nothing
        _at_least(rest[j], rest[j, source])
        length, value = _kept_path(head, cost, res, via, source, target, limits, other, met[j])
        if value < best:
            count, best = length, value
            path, other = other, path
    path = path[:count].copy()
    outward = group(n, tail, head, cost, res)
    solved, better, made, kept, dominated, over_limit, left = _search(
        n, outward, rest, source, target, limits, outer, slack, best, quota
    )
    if better.size:
        path = better
    return Easy(solved, path, made, kept, dominated, over_limit, left, rest, met, inward, outward)
