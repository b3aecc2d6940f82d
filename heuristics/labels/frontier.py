"""What each node knows of the labels popped there, for labels that arrive in order of cost.

One number a node does for K = 1 (the least resource so far), a staircase for K = 2, the chain of
all labels for K >= 3. Staircases of all nodes share one array: node v's is
``stairs[at[v] : at[v] + height[v]]``, resource 0 ascending and resource 1 strictly descending, and
moves to twice the room at the array's end when its ``space[v]`` is full.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.labels.state import grow_rows
from splitopt.instances.core.kernels import Floats, Floats2, Int32s, Ints, kernel, part


class Known(NamedTuple):
    """``top[v]`` is the label popped at v last, ``last_c[v]`` the largest key popped there."""

    top: Int32s
    last_c: Floats
    floor: Floats
    at: Ints
    height: Int32s
    space: Int32s


@kernel()
def nothing_known(n: int) -> Any:
    """Return the state before the first label."""
    return Known(
        np.full(n, -1, np.int32),
        np.full(n, -np.inf),
        np.full(n, np.inf),
        np.zeros(n, np.int64),
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
    )


@part
def _in_chain(
    label: int, c: float, r: Floats2, i: int, lab_c: Floats, lab_r: Floats2, after: Int32s
) -> bool:
    while label >= 0:
        if lab_c[label] <= c:
            worse = False
            for k in range(r.shape[1]):
                if lab_r[label, k] > r[i, k]:
                    worse = True
                    break
            if not worse:
                return True
        label = after[label]
    return False


@part
def beaten(
    v: int,
    c: float,
    r: Floats2,
    i: int,
    lab_c: Floats,
    lab_r: Floats2,
    after: Int32s,
    stairs: Floats2,
    top: Int32s,
    last_c: Floats,
    floor: Floats,
    at: Ints,
    height: Int32s,
) -> bool:
    """Tell whether a label popped at v costs no more than c and uses no more than ``r[i]``."""
    resources = r.shape[1]
    if c >= last_c[v] and resources <= 2:
        if resources == 1:
            return bool(r[i, 0] >= floor[v])
        low, high = at[v], at[v] + height[v]
        while low < high:
            mid = (low + high) >> 1
            if stairs[mid, 0] <= r[i, 0]:
                low = mid + 1
            else:
                high = mid
        return bool(low > at[v] and stairs[low - 1, 1] <= r[i, 1])
    # K >= 3, or rounding let a dearer label of this node leave the heap first.
    return bool(_in_chain(top[v], c, r, i, lab_c, lab_r, after))


@part
def enter(
    v: int,
    label: int,
    lab_c: Floats,
    lab_r: Floats2,
    after: Int32s,
    stairs: Floats2,
    used: int,
    top: Int32s,
    last_c: Floats,
    floor: Floats,
    at: Ints,
    height: Int32s,
    space: Int32s,
) -> Any:
    """Add a popped label to what v knows; return (stairs, entries of it used)."""
    after[label] = top[v]
    top[v] = label
    last_c[v] = max(last_c[v], lab_c[label])
    resources = lab_r.shape[1]
    if resources == 1:
        floor[v] = min(floor[v], lab_r[label, 0])
    if resources != 2:
        return stairs, used
    first, second = lab_r[label, 0], lab_r[label, 1]
    base, tall = at[v], height[v]
    i, j = 0, tall
    while i < j:
        mid = (i + j) >> 1
        if stairs[base + mid, 0] < first:
            i = mid + 1
        else:
            j = mid
    if i > 0 and stairs[base + i - 1, 1] <= second:
        return stairs, used
    end = i
    while end < tall and stairs[base + end, 1] >= second:
        end += 1
    if end == i:
        if tall == space[v]:
            wide = max(4, 2 * tall)
            if used + wide > stairs.shape[0]:
                stairs = grow_rows(stairs, 2 * (used + wide))
            for j in range(tall):
                stairs[used + j, 0] = stairs[base + j, 0]
                stairs[used + j, 1] = stairs[base + j, 1]
            at[v] = used
            space[v] = wide
            base = used
            used += wide
        for j in range(tall, i, -1):
            stairs[base + j, 0] = stairs[base + j - 1, 0]
            stairs[base + j, 1] = stairs[base + j - 1, 1]
        height[v] = tall + 1
    elif end > i + 1:
        gone = end - i - 1
        for j in range(i + 1, tall - gone):
            stairs[base + j, 0] = stairs[base + j + gone, 0]
            stairs[base + j, 1] = stairs[base + j + gone, 1]
        height[v] = tall - gone
    stairs[base + i, 0] = first
    stairs[base + i, 1] = second
    return stairs, used
