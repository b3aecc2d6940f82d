"""Compiled parts of JQODI on MEPRA: points of a kind, hulls of devices, choices at a multiplier."""

from __future__ import annotations

from typing import Any

import numpy as np

from splitopt.heuristics.labels.sorting import stable_order
from splitopt.instances.core.kernels import Floats, Ints, kernel, part

_EPS = 2.0**-52


@kernel(lambda flops, *_: 20 * len(flops))
def fixed_points(flops: Floats, branch: Floats, sent: Floats, tail: Floats, exits: int) -> Any:
    """Return (local, bits, edge, split, exits) of each split at a given set of exits."""
    L = flops.size
    work, reach = np.zeros(L + 1), np.ones(L + 1)
    probability = 1.0
    for j in range(1, L + 1):
        on = (exits >> (j - 1)) & 1 == 1
        work[j] = probability * flops[j - 1]
        if on:
            work[j] += probability * branch[j - 1]
            probability = tail[j]
        reach[j] = probability
    local, edge = np.zeros(L + 1), np.zeros(L + 1)
    for j in range(1, L + 1):
        local[j] = local[j - 1] + work[j]
    for j in range(L - 1, -1, -1):
        edge[j] = edge[j + 1] + work[j + 1]
    bits = np.empty(L + 1)
    split, of = np.empty(L + 1, np.int64), np.empty(L + 1, np.int64)
    for j in range(L + 1):
        bits[j], split[j], of[j] = reach[j] * sent[j], j, exits
    return local, bits, edge, split, of


@kernel(lambda flops, *_: len(flops) * (len(flops) + 4) ** 2)
def free_points(flops: Floats, branch: Floats, sent: Floats, tail: Floats) -> Any:
    """Return (local, bits, edge, split, exits) of each pair of a split and the last exit before."""
    L = flops.size
    # chain[d, k]: FLOP of layers d + 1 .. k, summed from d on.
    chain = np.zeros((L + 1, L + 1))
    for d in range(L):
        for k in range(d + 1, L + 1):
            chain[d, k] = chain[d, k - 1] + flops[k - 1]
    before, before_set = np.zeros(L + 1), np.zeros(L + 1, np.int64)
    for k in range(1, L + 1):
        before[k] = np.inf
        for e in range(k):
            x = before[e] + tail[e] * (chain[e, k] + branch[k - 1])
            if x < before[k]:
                before[k] = x
                before_set[k] = before_set[e] | (np.int64(1) << (k - 1))
    after, after_set = np.zeros(L + 1), np.zeros(L + 1, np.int64)
    for e in range(L - 1, 0, -1):
        after[e] = np.inf
        for k in range(e + 1, L + 1):
            x = tail[e] * (chain[e, k] + branch[k - 1]) + after[k]
            if x < after[e]:
                after[e] = x
                after_set[e] = after_set[k] | (np.int64(1) << (k - 1))
    size = L * (L + 1) // 2 + 1
    local, bits, edge = np.empty(size), np.empty(size), np.empty(size)
    split, exits = np.empty(size, np.int64), np.empty(size, np.int64)
    at = 0
    for s in range(L):
        for e in range(s + 1):
            best, rest = np.inf, np.int64(0)
            for k in range(s + 1, L + 1):
                x = tail[e] * (chain[s, k] + branch[k - 1]) + after[k]
                if x < best:
                    best, rest = x, after_set[k] | (np.int64(1) << (k - 1))
            local[at] = before[e] + tail[e] * chain[e, s]
            bits[at] = tail[e] * sent[s]
            edge[at] = best
            split[at], exits[at] = s, before_set[e] | rest
            at += 1
    local[at], bits[at], edge[at] = before[L], 0.0, 0.0
    split[at], exits[at] = L, before_set[L]
    return local, bits, edge, split, exits


@kernel(lambda local, *_: len(local) * (len(local) + 20))
def useful(local: Floats, bits: Floats, edge: Floats) -> Any:
    """Return positions, by rising edge work, of points that no other beats in all three."""
    order = stable_order(edge)
    kept = np.empty(order.size, np.int64)
    count = 0
    for i in order:
        beaten = False
        for j in range(count):
            k = kept[j]
            if local[k] <= local[i] and bits[k] <= bits[i]:
                beaten = True
                break
        if not beaten:
            # Of equal edge work the earlier may be beaten by the later.
            while count > 0:
                k = kept[count - 1]
                if edge[k] == edge[i] and local[i] <= local[k] and bits[i] <= bits[k]:
                    count -= 1
                else:
                    break
            kept[count] = i
            count += 1
    return kept[:count].copy()


@part
def _hull(
    local: Floats,
    bits: Floats,
    edge: Floats,
    first: int,
    last: int,
    u: float,
    v: float,
    stack: Ints,
    cost: Floats,
) -> int:
    """Put the vertices of the lower-left hull of (A, edge work) on `stack`; return their number.

    Points come by rising edge work. Andrew's monotone chain; a point that could lie below within
    rounding stays.
    """
    size = 0
    for j in range(first, last):
        a = u * local[j] + v * bits[j]
        if size > 0 and cost[size - 1] <= a:
            continue
        if size > 0 and edge[stack[size - 1]] == edge[j]:
            size -= 1
        while size >= 2:
            q, t = stack[size - 2], stack[size - 1]
            span = edge[j] - edge[q]
            above = (cost[size - 2] - cost[size - 1]) * span <= (1.0 - 8.0 * _EPS) * (
                (cost[size - 2] - a) * (edge[t] - edge[q])
            )
            if not above:
                break
            size -= 1
        stack[size], cost[size] = j, a
        size += 1
    return size


@kernel(lambda first, local, bits, edge, kind, u, v: 4 * len(kind) * len(local))
def hulls(
    first: Ints, local: Floats, bits: Floats, edge: Floats, kind: Ints, u: Floats, v: Floats
) -> Any:
    """Return (start, A, point) of the hulls of devices with kinds and prices (u, v)."""
    n = kind.size
    widest = 0
    for k in range(first.size - 1):
        widest = max(widest, first[k + 1] - first[k])
    stack, cost = np.empty(widest, np.int64), np.empty(widest)
    start = np.zeros(n + 1, np.int64)
    room = 4 * n + 64
    own, point = np.empty(room), np.empty(room, np.int32)
    for i in range(n):
        k = kind[i]
        size = _hull(local, bits, edge, first[k], first[k + 1], u[i], v[i], stack, cost)
        at = start[i]
        if at + size > room:
            room = 2 * (at + size)
            longer, places = np.empty(room), np.empty(room, np.int32)
            for j in range(at):
                longer[j], places[j] = own[j], point[j]
            own, point = longer, places
        for j in range(size):
            own[at + j], point[at + j] = cost[j], stack[j]
        start[i + 1] = at + size
    return start, own[: start[n]].copy(), point[: start[n]].copy()


@kernel(lambda start, own, *_: 2 * len(own) + 4 * len(start))
def choose(start: Ints, own: Floats, root: Floats, count: Ints, price: float, option: Ints) -> Any:
    """Set each group's option least in A + price r; return the sums of A and r over devices.

    Of equal ones the least r. Sums are of blocks, so that their error stays small.
    """
    total_a, total_r = 0.0, 0.0
    block_a, block_r = 0.0, 0.0
    for g in range(start.size - 1):
        best, at = np.inf, -1
        for k in range(start[g], start[g + 1]):
            x = own[k] + price * root[k]
            if x < best:
                best, at = x, k
        option[g] = at
        block_a += count[g] * own[at]
        block_r += count[g] * root[at]
        if g & 1023 == 1023:
            total_a += block_a
            total_r += block_r
            block_a, block_r = 0.0, 0.0
    return total_a + block_a, total_r + block_r


@kernel(lambda start, own, root, group, *_: 8 * len(group) * (2 + len(own) / len(start)))
def improve(
    start: Ints, own: Floats, root: Floats, group: Ints, option: Ints, total: float, sweeps: int
) -> float:
    """Let devices change their option in turn while that lowers sum A + (sum r)^2; return sum r."""
    for _ in range(sweeps):
        changed = False
        for i in range(group.size):
            now = option[i]
            g = group[i]
            if start[g + 1] - start[g] == 1:
                continue
            best, at = 0.0, now
            for k in range(start[g], start[g + 1]):
                d = root[k] - root[now]
                x = own[k] - own[now] + d * (2.0 * total + d)
                if x < best:
                    best, at = x, k
            # Differences below rounding would go round in circles.
            if best < -1e-15 * (own[now] + total * root[now]):
                total += root[at] - root[now]
                option[i] = at
                changed = True
        if not changed:
            break
    return total
