"""The compact graph the kernels run on.

Only nodes on some walk from source to target stay. They are renumbered; in an acyclic graph the
new numbers are a topological order, the source first and the target last. Arcs are stored by head
when the graph is acyclic, by tail when it is not: the order in which the label kernels read them.
A mirror copy in the other order lets passes towards the source read memory in order too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.instances.core.kernels import Booleans, Floats, Floats2, Int32s, kernel, part


class Graph(NamedTuple):
    """Arcs in structure-of-arrays form; ``res`` has shape (arcs, K).

    ``start`` bounds the arcs that enter (acyclic) or leave (cyclic) a node; ``orig[e]`` is the
    caller's index of arc e. Place i of the mirror, bounded by ``mirror_start`` for the other end,
    holds arc ``mirror[i]``, whose own other end is ``mirror_end[i]``.
    """

    tail: Int32s
    head: Int32s
    cost: Floats
    res: Floats2
    orig: Int32s
    start: Int32s
    mirror_start: Int32s
    mirror: Int32s
    mirror_end: Int32s
    mirror_cost: Floats
    mirror_res: Floats2


@part
def _by(key: Int32s, usable: Booleans, n: int) -> Any:
    """Return (start, arcs): the usable arcs grouped by `key`, in their old order."""
    start = np.zeros(n + 1, np.int32)
    for e in range(key.size):
        if usable[e]:
            start[key[e] + 1] += 1
    for v in range(n):
        start[v + 1] += start[v]
    fill = start[:n].copy()
    arcs = np.empty(start[n], np.int32)
    for e in range(key.size):
        if usable[e]:
            v = key[e]
            arcs[fill[v]] = e
            fill[v] += 1
    return start, arcs


@part
def _flood(root: int, start: Int32s, arcs: Int32s, other: Int32s, n: int) -> Any:
    """Return which nodes a walk over `arcs` from `root` reaches."""
    seen = np.zeros(n, np.bool_)
    stack = np.empty(n, np.int32)
    seen[root] = True
    stack[0] = root
    top = 1
    while top > 0:
        top -= 1
        v = stack[top]
        for i in range(start[v], start[v + 1]):
            w = other[arcs[i]]
            if not seen[w]:
                seen[w] = True
                stack[top] = w
                top += 1
    return seen


@part
def _order(source: int, keep: Booleans, o_start: Int32s, o_arcs: Int32s, head: Int32s) -> Any:
    """Return (nodes, acyclic): the kept nodes in topological order, or in any when cyclic."""
    n = keep.size
    indegree = np.zeros(n, np.int32)
    total = 0
    for v in range(n):
        if keep[v]:
            total += 1
            for i in range(o_start[v], o_start[v + 1]):
                indegree[head[o_arcs[i]]] += 1
    nodes = np.empty(total, np.int32)
    nodes[0] = source
    done = 0
    made = 1
    while done < made:
        v = nodes[done]
        done += 1
        for i in range(o_start[v], o_start[v + 1]):
            w = head[o_arcs[i]]
            if keep[w]:
                indegree[w] -= 1
                if indegree[w] == 0:
                    nodes[made] = w
                    made += 1
    acyclic = made == total
    if not acyclic:
        made = 0
        for v in range(n):
            if keep[v]:
                nodes[made] = v
                made += 1
    return nodes, acyclic


@part
def _with_mirror(
    acyclic: bool,
    tail: Int32s,
    head: Int32s,
    cost: Floats,
    res: Floats2,
    orig: Int32s,
    start: Int32s,
) -> Any:
    """Return the graph with its mirror copy made."""
    n = start.size - 1
    key, end = (tail, head) if acyclic else (head, tail)
    mirror_start = np.zeros(n + 1, np.int32)
    for e in range(key.size):
        mirror_start[key[e] + 1] += 1
    for v in range(n):
        mirror_start[v + 1] += mirror_start[v]
    fill = mirror_start[:n].copy()
    mirror = np.empty(key.size, np.int32)
    mirror_end = np.empty(key.size, np.int32)
    mirror_cost = np.empty(key.size)
    mirror_res = np.empty((key.size, res.shape[1]))
    for e in range(key.size):
        i = fill[key[e]]
        fill[key[e]] += 1
        mirror[i] = e
        mirror_end[i] = end[e]
        mirror_cost[i] = cost[e]
        for k in range(res.shape[1]):
            mirror_res[i, k] = res[e, k]
    return Graph(
        tail,
        head,
        cost,
        res,
        orig,
        start,
        mirror_start,
        mirror,
        mirror_end,
        mirror_cost,
        mirror_res,
    )


@part
def _both(one: Booleans, other: Booleans) -> Any:
    both = np.empty(one.size, np.bool_)
    for i in range(one.size):
        both[i] = one[i] and other[i]
    return both


@part
def _chosen(keep: Booleans) -> Any:
    """Return the places where `keep` holds."""
    count = 0
    for i in range(keep.size):
        if keep[i]:
            count += 1
    places = np.empty(count, np.int32)
    count = 0
    for i in range(keep.size):
        if keep[i]:
            places[count] = i
            count += 1
    return places


@kernel()
def build(
    n: int, tail: Int32s, head: Int32s, cost: Floats, res: Floats2, source: int, target: int
) -> Any:
    """Return (acyclic, nodes, Graph); `nodes` maps new numbers to old ones, empty without a path.

    Loops, arcs into the source and arcs out of the target go: with costs and resources that are
    not negative, some best path does without them.
    """
    m = tail.size
    usable = np.empty(m, np.bool_)
    ascending = True
    for e in range(m):
        usable[e] = tail[e] != head[e] and head[e] != source and tail[e] != target
        if usable[e] and tail[e] > head[e]:
            ascending = False
    i_start, i_arcs = _by(head, usable, n)
    if ascending:
        ahead = np.zeros(n, np.bool_)
        back = np.zeros(n, np.bool_)
        ahead[source] = True
        back[target] = True
        for v in range(n):
            for i in range(i_start[v], i_start[v + 1]):
                if ahead[tail[i_arcs[i]]]:
                    ahead[v] = True
                    break
        for v in range(n - 1, -1, -1):
            if back[v]:
                for i in range(i_start[v], i_start[v + 1]):
                    back[tail[i_arcs[i]]] = True
        keep = _both(ahead, back)
        nodes = _chosen(keep)
        acyclic = True
        o_start, o_arcs = i_start, i_arcs
    else:
        o_start, o_arcs = _by(tail, usable, n)
        keep = _both(
            _flood(source, o_start, o_arcs, head, n), _flood(target, i_start, i_arcs, tail, n)
        )
        nodes = np.empty(0, np.int32)
        acyclic = True
        if keep[source]:
            nodes, acyclic = _order(source, keep, o_start, o_arcs, head)
    if not keep[source]:
        nodes = np.empty(0, np.int32)
    place = np.full(n, -1, np.int32)
    for p in range(nodes.size):
        place[nodes[p]] = p
    size = nodes.size
    resources = res.shape[1]
    start, arcs, other = (i_start, i_arcs, tail) if acyclic else (o_start, o_arcs, head)
    count = 0
    for p in range(size):
        for i in range(start[nodes[p]], start[nodes[p] + 1]):
            if place[other[arcs[i]]] >= 0:
                count += 1
    g_tail = np.empty(count, np.int32)
    g_head = np.empty(count, np.int32)
    g_cost = np.empty(count, np.float64)
    g_res = np.empty((count, resources), np.float64)
    orig = np.empty(count, np.int32)
    bounds = np.zeros(size + 1, np.int32)
    f = 0
    for p in range(size):
        for i in range(start[nodes[p]], start[nodes[p] + 1]):
            e = arcs[i]
            q = place[other[e]]
            if q < 0:
                continue
            g_tail[f] = q if acyclic else p
            g_head[f] = p if acyclic else q
            g_cost[f] = cost[e]
            for k in range(resources):
                g_res[f, k] = res[e, k]
            orig[f] = e
            f += 1
        bounds[p + 1] = f
    return acyclic, nodes, _with_mirror(acyclic, g_tail, g_head, g_cost, g_res, orig, bounds)


@kernel()
def select(n: int, acyclic: bool, graph: Graph, keep: Booleans) -> Any:
    """Return the graph with the arcs of `keep` alone, nodes and arc order as they were."""
    chosen = _chosen(keep)
    m, resources = chosen.size, graph.res.shape[1]
    tail, head, orig = np.empty(m, np.int32), np.empty(m, np.int32), np.empty(m, np.int32)
    cost, res = np.empty(m), np.empty((m, resources))
    bounds = np.zeros(n + 1, np.int32)
    for f in range(m):
        e = chosen[f]
        tail[f], head[f], orig[f], cost[f] = (
            graph.tail[e],
            graph.head[e],
            graph.orig[e],
            graph.cost[e],
        )
        for k in range(resources):
            res[f, k] = graph.res[e, k]
        bounds[(head[f] if acyclic else tail[f]) + 1] += 1
    for v in range(n):
        bounds[v + 1] += bounds[v]
    return _with_mirror(acyclic, tail, head, cost, res, orig, bounds)
