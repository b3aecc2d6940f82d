r"""Dominance and trimming on a batch of labels: the pieces any label program can reuse.

A batch is a set of labels of one state in structure-of-arrays form: cost ``c[i]``, resources
``r[i, k]``. With `carry`, label i also carries ``lo_c[i]`` and ``lo_r[i, k]``, the least cost and
the least of each resource over all the labels it stands for; whoever takes over a discarded label
takes the minima (:func:`absorb`), on dominance as on trimming. ``fate[i]`` tells what became of i.

Label i *dominates* j when no component of i is larger. Sorted by cost, then resources, a label can
only be dominated by one before it, so a sweep suffices: against the last label kept (K = 1),
against a staircase of (r0, r1) searched by bisection (K = 2), against all kept (K >= 3).
"""

from __future__ import annotations

import numpy as np

from splitopt.heuristics.labels.sorting import stable_order
from splitopt.instances.core.kernels import Bytes, Floats, Floats2, Int32s, Ints, kernel, part

KEPT, DOMINATED, TRIMMED = 0, 1, 2
_FEW = 24  # labels to sort by insertion


@part
def absorb(lo_c: Floats, lo_r: Floats2, into: int, gone: int) -> None:
    """Let label `into` stand for label `gone` too: component-wise minima of what both carry."""
    lo_c[into] = min(lo_c[into], lo_c[gone])
    for k in range(lo_r.shape[1]):
        lo_r[into, k] = min(lo_r[into, k], lo_r[gone, k])


@part
def precedes(c: Floats, r: Floats2, i: int, j: int) -> bool:
    """Tell whether label i comes before j in the order (cost, resource 0, resource 1, ...)."""
    if c[i] != c[j]:
        return bool(c[i] < c[j])
    for k in range(r.shape[1]):
        if r[i, k] != r[j, k]:
            return bool(r[i, k] < r[j, k])
    return False


@kernel()
def sort_runs(
    c: Floats, r: Floats2, order: Int32s, spare: Int32s, bounds: Int32s, runs: int
) -> None:
    """Sort `order` in place by :func:`precedes`, merging its sorted runs two by two.

    ``bounds[0..runs]`` bounds the runs and is overwritten; `spare` is as long as `order`. The work
    is labels x log2(runs), which beats a sort where every run comes from one predecessor.
    """
    while runs > 1:
        made = 0
        i = 0
        while i < runs:
            a, stop_a = bounds[i], bounds[i + 1]
            if i + 1 == runs:
                for k in range(a, stop_a):
                    spare[k] = order[k]
                stop_b = stop_a
            else:
                b, stop_b = stop_a, bounds[i + 2]
                o = a
                while a < stop_a and b < stop_b:
                    if precedes(c, r, order[b], order[a]):
                        spare[o] = order[b]
                        b += 1
                    else:
                        spare[o] = order[a]
                        a += 1
                    o += 1
                while a < stop_a:
                    spare[o] = order[a]
                    a += 1
                    o += 1
                while b < stop_b:
                    spare[o] = order[b]
                    b += 1
                    o += 1
            made += 1
            bounds[made] = stop_b
            i += 2
        for k in range(bounds[made]):
            order[k] = spare[k]
        runs = made


@part
def _place(
    c: Floats,
    r: Floats2,
    lo_c: Floats,
    lo_r: Floats2,
    fate: Bytes,
    carry: bool,
    out: Int32s,
    first: int,
    o: int,
    x: int,
) -> int:
    """Append label x to the K = 1 front ``out[first:o]``; return the front's new end."""
    if o > first:
        y = out[o - 1]
        if r[x, 0] >= r[y, 0]:
            fate[x] = DOMINATED
            if carry:
                absorb(lo_c, lo_r, y, x)
            return o
        if c[x] == c[y]:
            # Rounding made two costs of one run equal: the later one uses less.
            fate[y] = DOMINATED
            if carry:
                absorb(lo_c, lo_r, x, y)
            out[o - 1] = x
            return o
    out[o] = x
    return o + 1


@kernel()
def merge_fronts(
    c: Floats,
    r: Floats2,
    lo_c: Floats,
    lo_r: Floats2,
    fate: Bytes,
    carry: bool,
    order: Int32s,
    spare: Int32s,
    bounds: Int32s,
    runs: int,
) -> int:
    """Merge runs sorted by cost into one front for K = 1, dropping dominated labels on the way.

    Return the number of labels left at the head of `order`: costs ascending, resource strictly
    descending. Every merge drops what is dominated, so later merges have less to read.
    """
    single = runs == 1
    while runs > 1 or single:
        single = False
        made = 0
        i = 0
        o = 0
        while i < runs:
            a, stop_a = bounds[i], bounds[i + 1]
            b, stop_b = stop_a, stop_a
            if i + 1 < runs:
                stop_b = bounds[i + 2]
            first = o
            while a < stop_a and b < stop_b:
                x, y = order[a], order[b]
                if c[y] < c[x] or (c[y] == c[x] and r[y, 0] < r[x, 0]):
                    o = _place(c, r, lo_c, lo_r, fate, carry, spare, first, o, y)
                    b += 1
                else:
                    o = _place(c, r, lo_c, lo_r, fate, carry, spare, first, o, x)
                    a += 1
            while a < stop_a:
                o = _place(c, r, lo_c, lo_r, fate, carry, spare, first, o, order[a])
                a += 1
            while b < stop_b:
                o = _place(c, r, lo_c, lo_r, fate, carry, spare, first, o, order[b])
                b += 1
            made += 1
            bounds[made] = o
            i += 2
        for k in range(o):
            order[k] = spare[k]
        runs = made
    return bounds[runs] if runs > 0 else 0


@part
def _sweep_stairs(
    c: Floats,
    r: Floats2,
    lo_c: Floats,
    lo_r: Floats2,
    fate: Bytes,
    carry: bool,
    order: Int32s,
    count: int,
) -> int:
    """Drop dominated labels for K = 2 from `order`, sorted; return how many stay."""
    stair = np.empty(count, np.int32)  # labels, r0 ascending and r1 strictly descending
    height = 0
    kept = 0
    for i in range(count):
        x = order[i]
        low, high = 0, height  # the first stair with r0 > r0 of x
        while low < high:
            mid = (low + high) >> 1
            if r[stair[mid], 0] <= r[x, 0]:
                low = mid + 1
            else:
                high = mid
        if low > 0 and r[stair[low - 1], 1] <= r[x, 1]:
            fate[x] = DOMINATED
            if carry:
                absorb(lo_c, lo_r, stair[low - 1], x)
            continue
        at = low  # stairs at least as far out in both go: x covers them from here on
        if at > 0 and r[stair[at - 1], 0] == r[x, 0]:
            at -= 1
        end = at
        while end < height and r[stair[end], 1] >= r[x, 1]:
            end += 1
        if end == at:
            for j in range(height, at, -1):
                stair[j] = stair[j - 1]
            height += 1
        elif end > at + 1:
            shift = end - at - 1
            for j in range(at + 1, height - shift):
                stair[j] = stair[j + shift]
            height -= shift
        stair[at] = x
        order[kept] = x
        kept += 1
    return kept


@part
def _sweep_all(
    c: Floats,
    r: Floats2,
    lo_c: Floats,
    lo_r: Floats2,
    fate: Bytes,
    carry: bool,
    order: Int32s,
    count: int,
    stop: Ints,
) -> int:
    """Drop dominated labels for any K from `order`, sorted; -1 when `stop` was raised meanwhile."""
    kept = 0
    for i in range(count):
        if (i & 255) == 0 and stop[0] != 0:
            return -1
        x = order[i]
        beaten = False
        for j in range(kept):
            y = order[j]
            beaten = True
            for k in range(r.shape[1]):
                if r[y, k] > r[x, k]:
                    beaten = False
                    break
            if beaten:
                fate[x] = DOMINATED
                if carry:
                    absorb(lo_c, lo_r, y, x)
                break
        if not beaten:
            order[kept] = x
            kept += 1
    return kept


@kernel()
def nondominated(
    c: Floats,
    r: Floats2,
    lo_c: Floats,
    lo_r: Floats2,
    fate: Bytes,
    carry: bool,
    order: Int32s,
    count: int,
    stop: Ints,
) -> int:
    """Drop dominated labels from ``order[:count]``, sorted by :func:`precedes`.

    Return how many stay, at the head of `order` and still sorted; -1 when ``stop[0]`` was raised
    during the quadratic sweep that K >= 3 needs.
    """
    if r.shape[1] == 2:
        return int(_sweep_stairs(c, r, lo_c, lo_r, fate, carry, order, count))
    return int(_sweep_all(c, r, lo_c, lo_r, fate, carry, order, count, stop))


@kernel()
def trim_line(
    c: Floats,
    lo_c: Floats,
    lo_r: Floats2,
    fate: Bytes,
    order: Int32s,
    count: int,
    rest: float,
    scale: float,
    growth: float,
) -> int:
    r"""Trim a K = 1 front: of each group keep the last label, which uses least.

    With kappa = c + `rest` (the cost of a best completion) and carried kappa_lo, a group is a
    longest stretch in which the last kappa is at most
    ``allowed = kappa_lo + growth * max(scale, kappa_lo)`` for every member; a member with
    kappa_lo = 0 allows 0 alone. If every member enters with growth g' < `growth`, a group reaches
    past its first label by ``(growth - g') * max(scale, kappa)`` at least, so groups are no more
    than the cells of that grid. Return how many labels stay, at the head of `order`.
    """
    kept = 0
    i = 0
    while i < count:
        head = order[i]
        low = lo_c[head] + rest
        allowed = low + growth * max(scale, low) if low > 0.0 else 0.0
        j = i
        while j + 1 < count and c[order[j + 1]] + rest <= allowed:
            low = lo_c[order[j + 1]] + rest
            allowed = min(allowed, low + growth * max(scale, low) if low > 0.0 else 0.0)
            j += 1
        y = order[j]
        for x in order[i:j]:
            fate[x] = TRIMMED
            absorb(lo_c, lo_r, y, x)
        order[kept] = y
        kept += 1
        i = j + 1
    return kept


@part
def _reorder(keys: Floats, order: Int32s, first: int) -> None:
    """Sort the labels of `order` from place `first` on by their `keys`."""
    if keys.size <= _FEW:
        for i in range(1, keys.size):
            key, label, j = keys[i], order[first + i], i
            while j > 0 and keys[j - 1] > key:
                keys[j], order[first + j] = keys[j - 1], order[first + j - 1]
                j -= 1
            keys[j], order[first + j] = key, label
        return
    ranks = stable_order(keys)
    old = np.empty(keys.size, np.int32)
    for i in range(keys.size):
        old[i] = order[first + i]
    for i in range(keys.size):
        order[first + i] = old[ranks[i]]


@kernel()
def trim_grid(
    c: Floats,
    r: Floats2,
    lo_c: Floats,
    lo_r: Floats2,
    fate: Bytes,
    order: Int32s,
    count: int,
    rest: float,
    scale: float,
    growth: float,
    strict: int,
    room: Floats,
) -> int:
    """Trim for K >= 2: of each group keep the label that uses least of resource `strict`.

    Groups are stretches in cost as in :func:`trim_line`, each cut again into stretches in every
    other resource k, in which the last value is at most ``lo_r[., k] + room[k]`` for every member.
    Whoever stays is thus within both allowances of all it stands for. Return how many stay, at the
    head of `order`, sorted by cost.
    """
    if count == 0:
        return 0
    bounds = np.empty(count + 1, np.int32)
    finer = np.empty(count + 1, np.int32)
    keys = np.empty(count)
    groups = 0
    bounds[0] = 0
    i = 0
    while i < count:
        low = lo_c[order[i]] + rest
        allowed = low + growth * max(scale, low) if low > 0.0 else 0.0
        j = i + 1
        while j < count and c[order[j]] + rest <= allowed:
            low = lo_c[order[j]] + rest
            allowed = min(allowed, low + growth * max(scale, low) if low > 0.0 else 0.0)
            j += 1
        groups += 1
        bounds[groups] = j
        i = j
    for k in range(r.shape[1]):
        if k == strict:
            continue
        made = 0
        finer[0] = 0
        for g in range(groups):
            a, b = bounds[g], bounds[g + 1]
            if b - a > 1:
                for i in range(a, b):
                    keys[i - a] = r[order[i], k]
                _reorder(keys[: b - a], order, a)
            i = a
            while i < b:
                allowed = lo_r[order[i], k] + room[k]
                j = i + 1
                while j < b and r[order[j], k] <= allowed:
                    allowed = min(allowed, lo_r[order[j], k] + room[k])
                    j += 1
                made += 1
                finer[made] = j
                i = j
        for g in range(made + 1):
            bounds[g] = finer[g]
        groups = made
    kept = 0
    for g in range(groups):
        y = order[bounds[g]]
        for i in range(bounds[g] + 1, bounds[g + 1]):
            x = order[i]
            if r[x, strict] < r[y, strict] or (r[x, strict] == r[y, strict] and c[x] < c[y]):
                y = x
        for i in range(bounds[g], bounds[g + 1]):
            x = order[i]
            if x != y:
                fate[x] = TRIMMED
                absorb(lo_c, lo_r, y, x)
        order[kept] = y
        kept += 1
    for i in range(kept):
        keys[i] = c[order[i]]
    _reorder(keys[:kept], order, 0)
    return kept
