"""What options cost by kind of device, and which of them no optimum needs.

No instance is known here: figures come as arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitopt.instances.core.arrays import Bools, Floats, Ints

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Points:
    """Figures by kind of device and option, shape (kinds, options); `valid` marks real ones.

    Sorted along each row by edge work, real ones first.
    """

    local: Floats
    bits: Floats
    edge: Floats
    split: Ints
    exit_set: Ints
    valid: Bools


def fixed_points(flops: Floats, branch: Floats, sent: Floats, tails: Floats, sets: Ints) -> Points:
    """Return one option a split for each kind, a row of tails and an exit set."""
    kinds, width = tails.shape
    work = np.zeros((kinds, width))
    reach = np.ones((kinds, width))  # reach[:, s]: probability that layer s + 1 runs
    probability = np.ones(kinds)
    for j in range(1, width):
        on = (sets >> (j - 1)) & 1 == 1
        work[:, j] = probability * (flops[j - 1] + np.where(on, branch[j - 1], 0.0))
        probability = np.where(on, tails[:, j], probability)
        reach[:, j] = probability
    local = np.cumsum(work, axis=1)
    edge = np.zeros_like(work)
    edge[:, :-1] = np.cumsum(work[:, :0:-1], axis=1)[:, ::-1]
    shape = np.ones((kinds, 1), dtype=np.int64)
    return Points(
        local,
        reach * sent,
        edge,
        shape * np.arange(width),
        sets[:, None] * np.ones(width, dtype=np.int64),
        np.ones((kinds, width), dtype=bool),
    )


def free_points(flops: Floats, branch: Floats, sent: Floats, tails: Floats) -> Points:
    """Return the best option of every pair (split, last exit on the device), by kind."""
    kinds, width = tails.shape
    last = width - 1
    # chain[d, k] = F_{d+1} + ... + F_k, each summed from d on: no differences.
    chain = np.zeros((width, width))
    for d in range(width):
        chain[d, d + 1 :] = np.cumsum(flops[d:])
    with_branch = chain[:, 1:] + branch  # column k - 1: the branch of exit k as well
    before = np.zeros((kinds, width))  # least local work up to and with exit e, and its exits
    before_set = np.zeros((kinds, width), dtype=np.int64)
    each = np.arange(kinds)
    for k in range(1, width):
        ways = before[:, :k] + tails[:, :k] * with_branch[:k, k - 1]
        best = np.argmin(ways, axis=1)
        before[:, k] = ways[each, best]
        before_set[:, k] = before_set[each, best] | np.int64(1) << np.int64(k - 1)
    after = np.zeros((kinds, width))  # least edge work behind exit e, and its exits
    after_set = np.zeros((kinds, width), dtype=np.int64)

    def onward(probability: Floats, s: int) -> tuple[Floats, Ints]:
        """Return the least work behind layer s, reached with `probability`, and its exits."""
        ways = probability[:, None] * with_branch[s, s:] + after[:, s + 1 :]
        best = np.argmin(ways, axis=1)
        exits = after_set[each, s + 1 + best] | np.left_shift(np.int64(1), s + best)
        return ways[each, best], exits

    for e in range(last - 1, -1, -1):
        after[:, e], after_set[:, e] = onward(tails[:, e], e)
    local: list[Floats] = []
    bits: list[Floats] = []
    edge: list[Floats] = []
    split: list[Ints] = []
    exit_set: list[Ints] = []
    for s in range(last):
        for e in range(s + 1):
            work, exits = onward(tails[:, e], s)
            local.append(before[:, e] + tails[:, e] * chain[e, s])
            bits.append(tails[:, e] * sent[s])
            edge.append(work)
            split.append(np.full(kinds, s))
            exit_set.append(before_set[:, e] | exits)
    local.append(before[:, last])
    bits.append(np.zeros(kinds))
    edge.append(np.zeros(kinds))
    split.append(np.full(kinds, last))
    exit_set.append(before_set[:, last])
    return Points(
        np.stack(local, axis=1),
        np.stack(bits, axis=1),
        np.stack(edge, axis=1),
        np.stack(split, axis=1),
        np.stack(exit_set, axis=1),
        np.ones((kinds, len(local)), dtype=bool),
    )


def undominated(points: Points) -> Points:
    """Mark invalid what another option of the kind beats in local work, bits and edge work."""
    kinds, width = points.local.shape
    if kinds * width > 1 << 18:
        return points  # the hull removes them as well
    valid = points.valid.copy()
    for k in range(width):
        one = slice(k, k + 1)
        no_worse = (
            (points.local <= points.local[:, one])
            & (points.bits <= points.bits[:, one])
            & (points.edge <= points.edge[:, one])
        )
        # Of equal ones the first stays.
        same = (
            (points.local == points.local[:, one])
            & (points.bits == points.bits[:, one])
            & (points.edge == points.edge[:, one])
        )
        same[:, :k] = False
        valid[:, k] = ~(no_worse & ~same).any(axis=1)
    return Points(points.local, points.bits, points.edge, points.split, points.exit_set, valid)


def by_edge_work(points: Points) -> Points:
    """Return the options of each kind by rising edge work, and no column without a real one."""
    order = np.argsort(np.where(points.valid, points.edge, np.inf), axis=1, kind="stable")
    order = order[:, : int(points.valid.sum(axis=1).max())]
    return Points(
        np.take_along_axis(points.local, order, axis=1),
        np.take_along_axis(points.bits, order, axis=1),
        np.take_along_axis(points.edge, order, axis=1),
        np.take_along_axis(points.split, order, axis=1),
        np.take_along_axis(points.exit_set, order, axis=1),
        np.take_along_axis(points.valid, order, axis=1),
    )


def lower_left_hull(a: Floats, w: Floats) -> Bools:
    """Return which points of each row are vertices of the lower-left hull of (a, w).

    Parameters
    ----------
    a, w
        Shape (rows, points); w rises along each row; a is infinite for padding.

    Notes
    -----
    Andrew's monotone chain with one stack a row, all rows at once, columns in turn. The top t of
    a stack goes when it lies on or above the segment from its predecessor q to the new point p:
    (a_q - a_t)(w_p - w_q) <= (a_q - a_p)(w_t - w_q). Each side carries three roundings; a point
    that could lie below stays.
    """
    rows, width = a.shape
    stack = np.zeros((width, rows), dtype=np.int16)
    size = np.zeros(rows, dtype=np.int16)
    certain = 1.0 - 8 * EPS
    # A vertex costs less than every point before it.
    wins = np.isfinite(a)
    wins[:, 1:] &= a[:, 1:] < np.minimum.accumulate(a, axis=1)[:, :-1]
    for j in range(width):
        r = np.flatnonzero(wins[:, j])
        a_p, w_p = a[r, j], w[r, j]
        top = stack[size[r] - 1, r]
        equal = (size[r] > 0) & (w[r, top] == w_p)
        size[r] -= equal  # the same edge work at a higher cost
        todo = np.flatnonzero(size[r] >= 2)
        while len(todo):
            row = r[todo]
            t, q = stack[size[row] - 1, row], stack[size[row] - 2, row]
            a_q, w_q = a[row, q], w[row, q]
            above = (a_q - a[row, t]) * (w_p[todo] - w_q) <= certain * (
                (a_q - a_p[todo]) * (w[row, t] - w_q)
            )
            todo = todo[above]
            size[r[todo]] -= 1
            todo = todo[size[r[todo]] >= 2]
        stack[size[r], r] = j
        size[r] += 1
    kept = np.zeros((rows, width), dtype=bool)
    place, row = np.nonzero(np.arange(width)[:, None] < size)
    kept[row, stack[place, row]] = True
    return kept
