"""Shortest paths on the compact graph: completion bounds, trees and reduced costs.

Every pass minimises ``w0 * cost + sum_k w[k] * resource_k`` for weights that are not negative:
cost alone, one resource alone, or a Lagrangian mixture. One topological pass over the arcs does it
when the graph is acyclic, Dijkstra's method with a 4-ary heap when it is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from heuristics.labels.jit import kernel

__all__ = ["backward", "forward", "longest_steps", "slack_mask", "walk"]


@kernel
def _sift_up(heap: Any, where: Any, key: Any, i: int) -> None:
    v = heap[i]
    d = key[v]
    while i > 0:
        up = (i - 1) >> 2
        if key[heap[up]] <= d:
            break
        heap[i] = heap[up]
        where[heap[i]] = i
        i = up
    heap[i] = v
    where[v] = i


@kernel
def _sift_down(heap: Any, where: Any, key: Any, size: int) -> None:
    i = 0
    v = heap[0]
    d = key[v]
    while True:
        child = 4 * i + 1
        if child >= size:
            break
        best = child
        for j in range(child + 1, min(child + 4, size)):
            if key[heap[j]] < key[heap[best]]:
                best = j
        if key[heap[best]] >= d:
            break
        heap[i] = heap[best]
        where[heap[i]] = i
        i = best
    heap[i] = v
    where[v] = i


@kernel
def _dijkstra(
    n: int,
    start: Any,
    arcs: Any,
    other: Any,
    cost: Any,
    res: Any,
    w0: float,
    w: Any,
    root: int,
    cutoff: float,
) -> Any:
    """Return (dist, via, order): distances up to `cutoff`, arc to the parent, settled nodes.

    `arcs` may be empty: the arcs of node v are then ``start[v] .. start[v + 1]`` themselves.
    """
    dist = np.full(n, np.inf)
    via = np.full(n, -1, np.int32)
    heap = np.empty(n, np.int32)
    where = np.full(n, -1, np.int32)
    order = np.empty(n, np.int32)
    dist[root] = 0.0
    heap[0] = root
    where[root] = 0
    size = 1
    settled = 0
    listed = arcs.size > 0
    while size > 0:
        v = heap[0]
        d = dist[v]
        if d > cutoff:
            break
        size -= 1
        where[v] = -2
        if size > 0:
            heap[0] = heap[size]
            _sift_down(heap, where, dist, size)
        order[settled] = v
        settled += 1
        for i in range(start[v], start[v + 1]):
            e = arcs[i] if listed else i
            u = other[e]
            if where[u] == -2:
                continue
            x = w0 * cost[e]
            for k in range(w.size):
                x += w[k] * res[e, k]
            x += d
            if x < dist[u]:
                dist[u] = x
                via[u] = e
                if where[u] < 0:
                    heap[size] = u
                    where[u] = size
                    size += 1
                _sift_up(heap, where, dist, where[u])
    for i in range(size):
        dist[heap[i]] = np.inf
        via[heap[i]] = -1
    return dist, via, order[:settled]


@kernel
def backward(
    n: int, acyclic: bool, graph: Any, target: int, w0: float, w: Any, cutoff: float
) -> Any:
    """Return (dist, via, tree_cost, tree_res): the shortest-path tree into `target`.

    ``dist[v]`` is the least weight from v (inf when none, or none up to `cutoff`), ``via[v]`` the
    first arc of such a path (-1: none), ``tree_cost[v]`` and ``tree_res[v, k]`` what it costs and
    uses.
    """
    tail, head, cost, res = graph.tail, graph.head, graph.cost, graph.res
    resources = res.shape[1]
    tree_cost = np.full(n, np.inf)
    tree_res = np.full((n, resources), np.inf)
    tree_cost[target] = 0.0
    tree_res[target, :] = 0.0
    if not acyclic:
        dist, via, order = _dijkstra(
            n, graph.in_start, graph.in_arc, tail, cost, res, w0, w, target, cutoff
        )
        for i in range(1, order.size):
            v = order[i]
            e = via[v]
            tree_cost[v] = cost[e] + tree_cost[head[e]]
            for k in range(resources):
                tree_res[v, k] = res[e, k] + tree_res[head[e], k]
        return dist, via, tree_cost, tree_res
    dist = np.full(n, np.inf)
    via = np.full(n, -1, np.int32)
    start = graph.in_start
    dist[target] = 0.0
    for v in range(n - 1, -1, -1):
        d = dist[v]
        if d > cutoff:
            dist[v] = np.inf
            via[v] = -1
            continue
        if via[v] >= 0:
            e = via[v]
            tree_cost[v] = cost[e] + tree_cost[head[e]]
            for k in range(resources):
                tree_res[v, k] = res[e, k] + tree_res[head[e], k]
        if d == np.inf:
            continue
        for e in range(start[v], start[v + 1]):
            x = w0 * cost[e]
            for k in range(resources):
                x += w[k] * res[e, k]
            x += d
            if x < dist[tail[e]]:
                dist[tail[e]] = x
                via[tail[e]] = e
    return dist, via, tree_cost, tree_res


@kernel
def forward(
    n: int, acyclic: bool, graph: Any, source: int, w0: float, w: Any, cutoff: float
) -> Any:
    """Return (dist, via): least weight from `source` to each node, and the last arc of such a path.

    With one weight at 1 and the rest 0, ``dist[v]`` is the least *floating-point* sum taken from
    the source on, since rounded addition is monotone.
    """
    if not acyclic:
        none = graph.in_arc[:0]
        dist, via, _ = _dijkstra(
            n, graph.out_start, none, graph.head, graph.cost, graph.res, w0, w, source, cutoff
        )
        return dist, via
    dist = np.full(n, np.inf)
    via = np.full(n, -1, np.int32)
    dist[source] = 0.0
    start, tail, cost, res = graph.in_start, graph.tail, graph.cost, graph.res
    for v in range(n):
        best = dist[v]
        for e in range(start[v], start[v + 1]):
            x = w0 * cost[e]
            for k in range(w.size):
                x += w[k] * res[e, k]
            x += dist[tail[e]]
            if x < best:
                best = x
                via[v] = e
        dist[v] = best
    return dist, via


@kernel
def slack_mask(
    graph: Any, ahead: Any, back: Any, w0: float, w: Any, limit: float, keep: Any
) -> float:
    """Clear ``keep[e]`` where ``ahead[tail] + weight + back[head] > limit``.

    Return the least such sum among the arcs cleared here that were kept before and that lie on
    some path at all (inf when none).
    """
    least = np.inf
    for e in range(graph.tail.size):
        if not keep[e]:
            continue
        x = w0 * graph.cost[e]
        for k in range(w.size):
            x += w[k] * graph.res[e, k]
        x = ahead[graph.tail[e]] + x + back[graph.head[e]]
        if not x <= limit:
            keep[e] = False
            least = min(least, x)
    return least


@kernel
def walk(graph: Any, via: Any, start: int, stop: int, ahead: bool) -> Any:
    """Return the arcs of the tree path from `start` to `stop`, first arc first.

    `via` holds first arcs (`ahead` true: a tree into `stop`) or last arcs (false: a tree out of
    `start`).
    """
    path = np.empty(via.size, np.int64)
    count = 0
    if ahead:
        v = start
        while v != stop:
            path[count] = via[v]
            v = graph.head[via[v]]
            count += 1
        return path[:count].copy()
    v = stop
    while v != start:
        path[count] = via[v]
        v = graph.tail[via[v]]
        count += 1
    return path[:count][::-1].copy()


@kernel
def longest_steps(n: int, graph: Any, merging_only: bool) -> Any:
    """Return, for each node of an acyclic graph, the most steps on a path from it to the end.

    A step is an arc, or with `merging_only` an arc into a node with two arcs in or more: only
    there can two labels meet. -1 for a node without a path to the last node.
    """
    steps = np.full(n, -1, np.int64)
    steps[n - 1] = 0
    start = graph.in_start
    for v in range(n - 1, -1, -1):
        if steps[v] < 0:
            continue
        add = 0 if merging_only and start[v + 1] - start[v] < 2 else 1
        for e in range(start[v], start[v + 1]):
            steps[graph.tail[e]] = max(steps[graph.tail[e]], steps[v] + add)
    return steps
