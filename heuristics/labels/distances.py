"""Shortest paths over arcs as they are given, grouped by one end and neither copied nor numbered.

`by_buckets` is Dial's method with buckets narrower than most arcs: twice as fast as a heap on large
graphs. A node may be left more than once where an arc is narrower than a bucket, so the distances
are those of Dijkstra's method whatever the width; where costs are spread so far that buckets do not
serve, the caller begins anew with `by_heap`. That one can be guided: with a bound on what is left
for each node it is the A* method. A node is entered again where rounding made the bound
inconsistent, by parts in 2^53.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.labels.state import grow
from splitopt.instances.core.kernels import Floats, Floats2, Int32s, part

# Buckets, of half a mean weight each; what lies beyond them waits in the last one.
_BUCKETS = 256
# Arcs looked at for the mean.
_SAMPLE = 256
# Steps by buckets beyond which a heap is better.
_PATIENCE = 12


class Star(NamedTuple):
    """Arcs grouped by one end: place i of node v, ``start[v] <= i < start[v + 1]``.

    It holds arc ``arc[i]``, whose other end is ``end[arc[i]]``: ends and figures are those of all
    arcs, and no copies.
    """

    start: Int32s
    arc: Int32s
    end: Int32s
    cost: Floats
    res: Floats2


@part
def group(n: int, key: Int32s, other: Int32s, cost: Floats, res: Floats2) -> Any:
    """Return the arcs grouped by `key`, in their old order."""
    m = key.size
    start = np.zeros(n + 1, np.int32)
    for e in range(m):
        start[key[e] + 1] += 1
    for v in range(n):
        start[v + 1] += start[v]
    fill = start[:n].copy()
    arc = np.empty(m, np.int32)
    for e in range(m):
        arc[fill[key[e]]] = e
        fill[key[e]] += 1
    return Star(start, arc, other, cost, res)


@part
def _in_order(star: Star, w0: float, w: Floats, weight: Floats, end: Int32s) -> None:
    """Fill `weight` and `end` with those of the arc at each place, to be read in order."""
    arc, cost, res = star.arc, star.cost, star.res
    for i in range(arc.size):
        weight[i] = w0 * cost[arc[i]]
        end[i] = star.end[arc[i]]
    for k in range(w.size):
        if w[k] > 0.0:
            for i in range(arc.size):
                weight[i] += w[k] * res[arc[i], k]


@part
def _mean(weight: Floats) -> float:
    """Return the mean of some weights."""
    m = weight.size
    stride = m // _SAMPLE + 1
    total = 0.0
    for i in range(0, m, stride):
        total += weight[i]
    return float(total * stride / max(m, 1))


@part
def by_buckets(
    start: Int32s,
    arc: Int32s,
    end: Int32s,
    weight: Floats,
    root: int,
    goal: int,
    cutoff: float,
    dist: Floats,
    via: Int32s,
) -> bool:
    """Fill `dist` and `via` (arcs) with the tree from `root`; false: buckets do not serve.

    Places are those of `Star`; `end` and `weight` are by place.

    Nodes beyond `cutoff` are left out. The search ends once `goal` (-1: none) is settled: nodes not
    settled by then have a distance that is inf, or no less than the goal's.
    """
    n = dist.size
    for v in range(n):
        dist[v] = np.inf
        via[v] = -1
    dist[root] = 0.0
    mean = _mean(weight)
    if not 1e-280 < mean < 1e280:
        return False
    inverse = 2.0 / mean
    first = np.full(_BUCKETS, -1, np.int32)
    room = n + _BUCKETS
    then, node, key = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room)
    then[0], node[0], key[0] = -1, root, 0.0
    first[0] = 0
    free, used, waiting, level, steps = -1, 1, 1, 0, 0
    last = np.inf
    most = _PATIENCE * n + 4 * _BUCKETS
    while waiting > 0:
        at = level & (_BUCKETS - 1)
        x = first[at]
        steps += 1
        if x < 0:
            level += 1
            if level > last:
                break
            if steps > most:
                return False
            continue
        first[at] = then[x]
        v, d = node[x], key[x]
        if d * inverse >= level + 1:
            # It was too far for the buckets before.
            at = (level + _BUCKETS - 1) if d * inverse >= level + _BUCKETS else int(d * inverse)
            at &= _BUCKETS - 1
            then[x] = first[at]
            first[at] = x
            continue
        then[x] = free
        free = x
        waiting -= 1
        if d > dist[v]:
            continue
        for i in range(start[v], start[v + 1]):
            u = end[i]
            step = weight[i] + d
            if step < dist[u] and step <= cutoff:
                dist[u] = step
                via[u] = arc[i]
                far = step * inverse
                at = (level + _BUCKETS - 1) if far >= level + _BUCKETS else int(far)
                at &= _BUCKETS - 1
                if u == goal:
                    last = far
                if free >= 0:
                    x = free
                    free = then[x]
                else:
                    if used == room:
                        return False
                    x = used
                    used += 1
                then[x], node[x], key[x] = first[at], u, step
                first[at] = x
                waiting += 1
        if steps > most:
            return False
    return True


@part
def _from_heap(
    star: Star,
    w0: float,
    w: Floats,
    rows: Floats2,
    share: Floats,
    goal: int,
    cutoff: float,
    better: float,
    dist: Floats,
    via: Int32s,
    keys: Floats,
    sums: Floats,
    nodes: Int32s,
    size: int,
) -> int:
    """Go on until the heap is empty, or full: return its size, 0 when done."""
    # Plain locals: reaching through a tuple in the inner loop costs more than the loop itself.
    start, arc, end, cost, res = star.start, star.arc, star.end, star.cost, star.res
    resources = w.size
    mixed = False
    for k in range(resources):
        mixed = mixed or w[k] > 0.0
    while size > 0:
        v, d = nodes[0], sums[0]
        if size + start[v + 1] - start[v] > keys.size:
            return size
        size -= 1
        last, moved, x = keys[size], sums[size], nodes[size]
        i = 0
        while True:
            child = 4 * i + 1
            if child >= size:
                break
            best = child
            for j in range(child + 1, min(child + 4, size)):
                if keys[j] < keys[best]:
                    best = j
            if last <= keys[best]:
                break
            keys[i], sums[i], nodes[i] = keys[best], sums[best], nodes[best]
            i = best
        keys[i], sums[i], nodes[i] = last, moved, x
        if d > dist[v]:
            continue
        if v == goal:
            break
        for i in range(start[v], start[v + 1]):
            e = arc[i]
            u = end[e]
            step = w0 * cost[e]
            if mixed:
                for k in range(resources):
                    step += w[k] * res[e, k]
            step += d
            if not step < better * dist[u]:
                continue
            ahead = step
            for j in range(share.size):
                if share[j] > 0.0:
                    ahead += share[j] * rows[j, u]
            if not ahead <= cutoff:
                continue
            dist[u] = step
            via[u] = e
            j = size
            size += 1
            while j > 0:
                up = (j - 1) >> 2
                if keys[up] <= ahead:
                    break
                keys[j], sums[j], nodes[j] = keys[up], sums[up], nodes[up]
                j = up
            keys[j], sums[j], nodes[j] = ahead, step, u
    return 0


@part
def by_heap(
    star: Star,
    w0: float,
    w: Floats,
    rows: Floats2,
    share: Floats,
    root: int,
    goal: int,
    cutoff: float,
    better: float,
    dist: Floats,
    via: Int32s,
) -> None:
    """Fill `dist` and `via` as `by_buckets` does, guided.

    What is left from node v on is ``sum_j share[j] * rows[j, v]`` at least; nodes whose distance
    and this exceed `cutoff` are left out. Where it may be more than what is left, the path found is
    short and need not be the shortest: then `better` < 1, a distance that is not better by this
    factor does not count, keeps nodes from being entered too often.
    """
    for v in range(dist.size):
        dist[v] = np.inf
        via[v] = -1
    dist[root] = 0.0
    room = 1024
    keys, sums, nodes = np.empty(room), np.empty(room), np.empty(room, np.int32)
    keys[0], sums[0], nodes[0] = 0.0, 0.0, root
    size = 1
    while size > 0:
        size = _from_heap(
            star, w0, w, rows, share, goal, cutoff, better, dist, via, keys, sums, nodes, size
        )
        # Grown out here: arrays that change within a loop make all of it slow.
        room = 2 * (room + star.end.size // 1024)
        if size > 0:
            keys, sums, nodes = grow(keys, room), grow(sums, room), grow(nodes, room)


@part
def settle(
    star: Star,
    w0: float,
    w: Floats,
    root: int,
    goal: int,
    cutoff: float,
    weight: Floats,
    end: Int32s,
    dist: Floats,
    via: Int32s,
) -> None:
    """Fill `dist` and `via` as `by_buckets` does, in the way that serves.

    `weight` and `end` are room for an entry an arc.
    """
    _in_order(star, w0, w, weight, end)
    if not by_buckets(star.start, star.arc, end, weight, root, goal, cutoff, dist, via):
        none = np.empty(0)
        by_heap(star, w0, w, none.reshape(0, 0), none, root, goal, cutoff, 1.0, dist, via)
