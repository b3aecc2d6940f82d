r"""Easy problems without ceremony: one best-first search with completion bounds, in one call.

On many graphs the plain A* search ends after a few labels, and what prepares the large search
(cuts, a dual bound) would take longer than the answer. So it is tried first, with a quota of
labels; beyond the quota nothing of it is used. Labels leave the heap by kappa = c + pi(v) (see the
package's text); one goes when r + (least use from v) exceeds the limits, when a label popped at its
node before dominates it, or when kappa reaches the incumbent. The searches that give pi and the
least uses end at the source; nodes they did not settle have its value for a bound. Limits and kappa
are compared outward by the relative error that sums of n terms can have, so what is found is the
optimum of the rounded sums.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.labels.heap import pop, push
from splitopt.heuristics.labels.passes import dijkstra
from splitopt.heuristics.labels.state import grow, grow_rows
from splitopt.instances.core.kernels import Floats, Floats2, Int32s, Ints, kernel, part

__all__ = ["Easy", "easy_search"]

_ROOM = 512  # labels to begin with


class Easy(NamedTuple):
    """What `easy_search` finds; ``solved`` false: nothing, whatever the reason.

    ``path`` holds arcs in order; labels made = popped and expanded (``kept``) + ``dominated`` +
    ``over_bound`` (in the heap when the search ended) + ``over_limit``.
    """

    solved: bool
    path: Any
    made: int
    kept: int
    dominated: int
    over_limit: int
    over_bound: int


@part
def _sorted(n: int, key: Int32s, other: Int32s, cost: Floats, res: Floats2) -> Any:
    """Return (start, arc, end, cost, res): arcs grouped by `key`, figures beside them."""
    m, K = res.shape
    start = np.zeros(n + 1, np.int32)
    for e in range(m):
        start[key[e] + 1] += 1
    for v in range(n):
        start[v + 1] += start[v]
    fill = start[:n].copy()
    arc, end = np.empty(m, np.int32), np.empty(m, np.int32)
    c, r = np.empty(m), np.empty((m, K))
    for e in range(m):
        i = fill[key[e]]
        fill[key[e]] += 1
        arc[i] = e
        end[i] = other[e]
        c[i] = cost[e]
        for k in range(K):
            r[i, k] = res[e, k]
    return start, arc, end, c, r


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
) -> Any:
    """Put a tree path into `path`; return (arcs, cost), infinite where it breaks a limit."""
    used = np.zeros(limits.size)
    v, count, total = source, 0, 0.0
    while v != target:
        e = via[v]
        path[count] = e
        count += 1
        total += cost[e]
        for k in range(limits.size):
            used[k] += res[e, k]
        v = head[e]
    for k in range(limits.size):
        if used[k] > limits[k]:
            return count, np.inf
    return count, total


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
    none = np.empty(0)
    path = np.empty(n, np.int64)
    nothing = Easy(False, path[:0], 0, 0, 0, 0, 0)
    i_start, i_arc, i_end, i_cost, i_res = _sorted(n, head, tail, cost, res)
    w = np.zeros(K)
    rest_c, via, _ = dijkstra(
        n, i_start, i_arc, i_end, i_cost, i_res, 1.0, w, target, source, none, np.inf
    )
    if rest_c[source] == np.inf:
        return nothing
    _at_least(rest_c, rest_c[source])
    count, best = _kept_path(head, cost, res, via, source, target, limits, path)
    rest_r = np.empty((n, K))
    outer = limits * (1.0 + slack)
    other = np.empty(n, np.int64)
    for k in range(K):
        w[k] = 1.0
        rest, via, _ = dijkstra(
            n, i_start, i_arc, i_end, i_cost, i_res, 0.0, w, target, source, none, outer[k]
        )
        w[k] = 0.0
        if rest[source] == np.inf:
            return nothing
        _at_least(rest, rest[source])
        for v in range(n):
            rest_r[v, k] = rest[v]
        length, value = _kept_path(head, cost, res, via, source, target, limits, other)
        if value < best:
            count, best = length, value
            path, other = other, path
    start, arc, end, o_cost, o_res = _sorted(n, tail, head, cost, res)
    room = min(quota, _ROOM)
    lab_c, lab_r = np.zeros(room), np.zeros((room, K))
    node, by = np.empty(room, np.int32), np.full(room, -1, np.int32)
    pred, before = np.full(room, -1, np.int32), np.empty(room, np.int32)
    keys, ties, labels = np.empty(room), np.empty(room), np.empty(room, np.int32)
    last = np.full(n, -1, np.int32)
    r = np.zeros(K)
    made, kept, dominated, over_limit, size, found = 1, 0, 0, 0, 1, -1
    node[0] = source
    keys[0], ties[0], labels[0] = rest_c[source], 0.0, 0
    while size > 0:
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
            u = end[i]
            c = lab_c[x] + o_cost[i]
            kappa = c + rest_c[u]
            if not kappa * (1.0 - slack) < best:
                continue
            fits = True
            for k in range(K):
                r[k] = lab_r[x, k] + o_res[i, k]
                if not r[k] + rest_r[u, k] <= outer[k]:
                    fits = False
                    break
            if not fits:
                continue
            if _beaten(u, c, r, last, before, lab_c, lab_r):
                continue
            if made == quota:
                return nothing
            if made == room:
                room = min(quota, 4 * room)
                lab_c, lab_r = grow(lab_c, room), grow_rows(lab_r, room)
                node, by, pred = grow(node, room), grow(by, room), grow(pred, room)
                before, labels = grow(before, room), grow(labels, room)
                keys, ties = grow(keys, room), grow(ties, room)
            lab_c[made] = c
            for k in range(K):
                lab_r[made, k] = r[k]
            node[made], by[made], pred[made] = u, arc[i], x
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
    if best == np.inf:
        return nothing
    if found >= 0:
        count = 0
        x = found
        while by[x] >= 0:
            path[n - 1 - count] = by[x]
            x = pred[x]
            count += 1
        path = path[n - count :]
    else:
        path = path[:count]
    return Easy(True, path.copy(), made, kept, dominated, over_limit, size)
