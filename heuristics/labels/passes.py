"""Shortest paths on the compact graph: completion bounds, trees and reduced costs.

Every pass minimises ``w0 * cost + sum_k w[k] * resource_k`` for weights that are not negative:
cost alone, one resource alone, or a Lagrangian mixture. One topological pass over the arcs does it
when the graph is acyclic, Dijkstra's method with a 4-ary heap when it is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from splitopt.heuristics.labels.graph import Graph
from splitopt.instances.core.kernels import Booleans, Floats, Floats2, Floats3, Int32s, kernel, part


@part
def _sift_up(heap: Int32s, where: Int32s, key: Floats, i: int) -> None:
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


@part
def _sift_down(heap: Int32s, where: Int32s, key: Floats, size: int) -> None:
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


@part
def dijkstra(
    n: int,
    start: Int32s,
    arcs: Int32s,
    end: Int32s,
    cost: Floats,
    res: Floats2,
    w0: float,
    w: Floats,
    root: int,
    goal: int,
    rest: Floats,
    cutoff: float,
) -> Any:
    """Return (dist, via, order): distances, arc to the parent, settled nodes.

    Place i of node v, ``start[v] <= i < start[v + 1]``, is arc ``arcs[i]`` (i itself when `arcs` is
    empty) to node ``end[i]``. With `rest`, nodes with dist + rest above `cutoff` are left out. The
    search stops when `goal` (-1: none) is settled; nodes not settled have distance inf.
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
    guided = rest.size > 0
    resources = w.size
    mixed = False
    for k in range(resources):
        mixed = mixed or w[k] > 0.0
    while size > 0:
        v = heap[0]
        d = dist[v]
        size -= 1
        where[v] = -2
        if size > 0:
            heap[0] = heap[size]
            _sift_down(heap, where, dist, size)
        order[settled] = v
        settled += 1
        if v == goal:
            break
        for i in range(start[v], start[v + 1]):
            u = end[i]
            if where[u] == -2:
                continue
            x = w0 * cost[i]
            if mixed:
                for k in range(resources):
                    x += w[k] * res[i, k]
            x += d
            if x < dist[u] and x + (rest[u] if guided else 0.0) <= cutoff:
                dist[u] = x
                via[u] = arcs[i] if listed else i
                if where[u] < 0:
                    heap[size] = u
                    where[u] = size
                    size += 1
                _sift_up(heap, where, dist, where[u])
    for i in range(size):
        dist[heap[i]] = np.inf
        via[heap[i]] = -1
    return dist, via, order[:settled]


@part
def _topological(
    n: int,
    start: Int32s,
    arcs: Int32s,
    end: Int32s,
    cost: Floats,
    res: Floats2,
    w0: float,
    w: Floats,
    ascending: bool,
    cutoff: float,
) -> Any:
    """Return (dist, via) from the first node up, or from the last one down; arguments as above."""
    dist = np.full(n, np.inf)
    via = np.full(n, -1, np.int32)
    listed = arcs.size > 0
    resources = w.size
    mixed = False
    for k in range(resources):
        mixed = mixed or w[k] > 0.0
    dist[0 if ascending else n - 1] = 0.0
    for j in range(1, n):
        v = j if ascending else n - 1 - j
        best = np.inf
        at = -1
        for i in range(start[v], start[v + 1]):
            x = w0 * cost[i]
            if mixed:
                for k in range(resources):
                    x += w[k] * res[i, k]
            x += dist[end[i]]
            if x < best:
                best = x
                at = i
        if at >= 0 and best <= cutoff:
            dist[v] = best
            via[v] = arcs[at] if listed else at
    return dist, via


@kernel()
def backward(
    n: int, acyclic: bool, graph: Graph, target: int, w0: float, w: Floats, cutoff: float
) -> Any:
    """Return (dist, via, tree_cost, tree_res): the shortest-path tree into `target`.

    ``dist[v]`` is the least weight from v (inf when none, or none up to `cutoff`), ``via[v]`` the
    first arc of such a path (-1: none), ``tree_cost[v]`` and ``tree_res[v, k]`` what it costs and
    uses.
    """
    start, arcs, end = graph.mirror_start, graph.mirror, graph.mirror_end
    cost, res = graph.mirror_cost, graph.mirror_res
    if acyclic:
        dist, via = _topological(n, start, arcs, end, cost, res, w0, w, False, cutoff)
        order = np.empty(n, np.int32)
        for v in range(n):
            order[v] = n - 1 - v
    else:
        dist, via, order = dijkstra(
            n, start, arcs, end, cost, res, w0, w, target, -1, cost[:0], cutoff
        )
    tree_cost, tree_res = _tree(n, graph, graph.head, via, order, target)
    return dist, via, tree_cost, tree_res


@kernel()
def forward(
    n: int,
    acyclic: bool,
    graph: Graph,
    source: int,
    w0: float,
    w: Floats,
    goal: int,
    rest: Floats,
    cutoff: float,
) -> Any:
    """Return (dist, via, tree_cost, tree_res): the shortest-path tree out of `source`.

    ``via[v]`` is the last arc of a path to v. In a cyclic graph the search stops at `goal` (-1:
    never) and passes by nodes whose distance + ``rest`` (empty: 0) exceeds `cutoff`. With one
    weight at 1 and the others 0, ``dist[v]`` is the least *floating-point* sum taken from the
    source on, since rounded addition is monotone.
    """
    start, end, cost, res = graph.start, graph.head, graph.cost, graph.res
    none = graph.mirror[:0]
    if acyclic:
        dist, via = _topological(n, start, none, graph.tail, cost, res, w0, w, True, np.inf)
        order = np.empty(n, np.int32)
        for v in range(n):
            order[v] = v
    else:
        dist, via, order = dijkstra(
            n, start, none, end, cost, res, w0, w, source, goal, rest, cutoff
        )
    tree_cost, tree_res = _tree(n, graph, graph.tail, via, order, source)
    return dist, via, tree_cost, tree_res


@part
def _tree(n: int, graph: Graph, end: Int32s, via: Int32s, order: Int32s, root: int) -> Any:
    """Return cost and use of every tree path; `order` lists parents before children."""
    resources = graph.res.shape[1]
    cost, res = graph.cost, graph.res
    tree_cost = np.full(n, np.inf)
    tree_res = np.full((n, resources), np.inf)
    tree_cost[root] = 0.0
    for k in range(resources):
        tree_res[root, k] = 0.0
    for i in range(order.size):
        v = order[i]
        e = via[v]
        if e >= 0:
            tree_cost[v] = cost[e] + tree_cost[end[e]]
            for k in range(resources):
                tree_res[v, k] = res[e, k] + tree_res[end[e], k]
    return tree_cost, tree_res


@kernel()
def stitch(
    graph: Graph,
    keep: Booleans,
    ahead_cost: Floats2,
    ahead_res: Floats3,
    back_cost: Floats2,
    back_res: Floats3,
    limit: Floats,
    top: float,
) -> Any:
    """Return (arc, a, b): the cheapest path of forward tree a, an arc of `keep`, backward tree b.

    Only paths within `limit` and cheaper than `top` count; arc -1 when there is none.
    """
    best = top
    found = -1
    tree_a = -1
    tree_b = -1
    for e in range(graph.tail.size):
        if not keep[e]:
            continue
        u, v = graph.tail[e], graph.head[e]
        for a in range(ahead_cost.shape[0]):
            x = ahead_cost[a, u] + graph.cost[e]
            if not x < best:
                continue
            for b in range(back_cost.shape[0]):
                if not x + back_cost[b, v] < best:
                    continue
                fits = True
                for k in range(limit.size):
                    if ahead_res[a, u, k] + graph.res[e, k] + back_res[b, v, k] > limit[k]:
                        fits = False
                        break
                if fits:
                    best = x + back_cost[b, v]
                    found = e
                    tree_a = a
                    tree_b = b
    return found, tree_a, tree_b


@kernel()
def slack_mask(
    graph: Graph, ahead: Floats, back: Floats, w0: float, w: Floats, limit: float, keep: Booleans
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


@kernel()
def walk(graph: Graph, via: Int32s, start: int, stop: int, ahead: bool) -> Any:
    """Return the arcs of the tree path from `start` to `stop`, first arc first.

    `via` holds first arcs (`ahead` true: a tree into `stop`) or last arcs (false: a tree out of
    `start`).
    """
    path = np.empty(via.size, np.int64)
    count = 0
    v, last = (start, stop) if ahead else (stop, start)
    while v != last:
        path[count] = via[v]
        v = graph.head[via[v]] if ahead else graph.tail[via[v]]
        count += 1
    found = np.empty(count, np.int64)
    for i in range(count):
        found[i] = path[i if ahead else count - 1 - i]
    return found


@kernel()
def longest_steps(n: int, graph: Graph, merging_only: bool) -> Any:
    """Return, for each node of an acyclic graph, the most steps on a path from it to the end.

    A step is an arc, or with `merging_only` an arc into a node with two arcs in or more: only
    there can two labels meet. -1 for a node without a path to the last node.
    """
    steps = np.full(n, -1, np.int64)
    steps[n - 1] = 0
    start, end, entering = graph.mirror_start, graph.mirror_end, graph.start
    for v in range(n - 2, -1, -1):
        best = -1
        for i in range(start[v], start[v + 1]):
            w = end[i]
            if steps[w] >= 0:
                add = 0 if merging_only and entering[w + 1] - entering[w] < 2 else 1
                best = max(best, steps[w] + add)
        steps[v] = best
    return steps


@kernel()
def longest_cost(n: int, graph: Graph) -> float:
    """Return the cost of the dearest path through an acyclic graph, 0 without any."""
    dear = np.full(n, -np.inf)
    dear[0] = 0.0
    for v in range(1, n):
        for e in range(graph.start[v], graph.start[v + 1]):
            dear[v] = max(dear[v], dear[graph.tail[e]] + graph.cost[e])
    return float(max(dear[n - 1], 0.0))


@kernel()
def node_extremes(n: int, node: Int32s, values: Floats) -> Any:
    """Return (least, most) of the values of each node's arcs, inf and 0 for a node without."""
    least = np.full(n, np.inf)
    most = np.zeros(n)
    for e in range(node.size):
        least[node[e]] = min(least[node[e]], values[e])
        most[node[e]] = max(most[node[e]], values[e])
    return least, most
