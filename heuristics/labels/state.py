"""What the two label kernels share: their inputs as tuples, their counters, their tests."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.labels.graph import Graph
from splitopt.instances.core.kernels import Floats, Floats2, Floats3, Int32s2, Ints, part

# Places in the counter array.
MADE, KEPT_COUNT, DOMINATED_COUNT, TRIMMED_COUNT, OVER_LIMIT, OVER_BOUND = 0, 1, 2, 3, 4, 5
INCUMBENT_LABEL, INCUMBENT_TREE, LOGGED, ABANDONED = 6, 7, 8, 9
# Places in the value array: cost of the incumbent; least bound among the labels it discarded.
BOUND, LEAST = 0, 1
# What a kernel returns: it is through; its quota is used up; it was told to stop; storage is full.
DONE, QUOTA, STOPPED, FULL = 0, 1, 2, 3
# Fates beside those of splitopt.heuristics.labels.sweeps.
LIMITED, BOUNDED = 3, 4


class Bounds(NamedTuple):
    """What is known of every node's completions to the target.

    ``rest_c[v]`` and ``rest_r[v, k]`` are least cost and least resource k; ``dual[v]`` is the least
    of cost + sum_k multiplier[k] * resource_k, and ``credit`` is sum_k multiplier[k] * limit[k].
    Tree t completes a label at v by the arc ``via[t, v]``, at ``tree_c[t, v]`` and
    ``tree_r[t, v, k]``.
    """

    rest_c: Floats
    rest_r: Floats2
    dual: Floats
    multiplier: Floats
    credit: float
    via: Int32s2
    tree_c: Floats2
    tree_r: Floats3


class Rules(NamedTuple):
    """What a label may do.

    ``given`` are the caller's limits, ``limit`` is what a path in the result may use; ``outer`` and
    ``accept`` are these two rounded outward, so that completion bounds above them are certainly too
    much. At the target a label's use is the path's and is held to ``limit`` itself. `slack` is the
    relative rounding error of a sum along a path, `mixed_slack` that of a Lagrangian one; `whole`
    tells that costs are integers, so that bounds may be rounded up. With `prune`, a label goes when
    its carried bound reaches incumbent / `ratio`. With `trim`, the allowances are ``growth[v]`` in
    cost (times at least `scale`) and ``room[v, k]`` in resources but `strict`.
    """

    given: Floats
    limit: Floats
    outer: Floats
    accept: Floats
    slack: float
    mixed_slack: float
    whole: bool
    ratio: float
    prune: bool
    trim: bool
    scale: float
    growth: Floats
    room: Floats2
    strict: int


@part
def grow(array: Any, size: int) -> Any:
    """Return a copy of `array` with room for `size` entries."""
    longer = np.empty(size, array.dtype)
    for i in range(array.size):
        longer[i] = array[i]
    return longer


@part
def grow_rows(array: Floats2, size: int) -> Any:
    """Return a copy of the two-dimensional `array` with room for `size` rows."""
    longer = np.empty((size, array.shape[1]), array.dtype)
    for i in range(array.shape[0]):
        for k in range(array.shape[1]):
            longer[i, k] = array[i, k]
    return longer


@part
def least_cost(
    plain: float,
    mixed: float,
    slack: float,
    credit: float,
    mixed_slack: float,
    whole: bool,
) -> float:
    """Return a lower bound, rounded outward, on any feasible path that a label stands for.

    `plain` is carried cost + least remaining cost; `mixed` the same with multipliers x use added,
    worth `credit` less.
    """
    best = plain - slack * plain
    if credit > 0.0:
        best = max(best, mixed - credit - mixed_slack * (mixed + credit))
    return np.ceil(best) if whole else best


@part
def mixture(dual: float, multiplier: Floats, c: float, r: Floats2, i: int) -> float:
    """Return c + multiplier . r[i] + the least mixed completion `dual`."""
    total = c + dual
    for k in range(multiplier.size):
        total += multiplier[k] * r[i, k]
    return total


@part
def verdict(
    v: int,
    c: float,
    r: Floats2,
    i: int,
    lo_c: float,
    lo_r: Floats2,
    j: int,
    rest_c: Floats,
    rest_r: Floats2,
    dual: Floats,
    multiplier: Floats,
    credit: float,
    outer: Floats,
    accept: Floats,
    slack: float,
    mixed_slack: float,
    whole: bool,
    ratio: float,
    prune: bool,
    values: Floats,
) -> int:
    """Return 0 when a label at v may live, else LIMITED or BOUNDED; keep ``values[LEAST]`` right.

    The label costs c, uses ``r[i]`` and carries lo_c, ``lo_r[j]``. It is LIMITED without counting
    when nothing it stands for keeps the limits; when only the representative breaks them, its
    carried bound counts.
    """
    over = False
    for k in range(outer.size):
        if lo_r[j, k] + rest_r[v, k] > outer[k]:
            return LIMITED
        if r[i, k] + rest_r[v, k] > accept[k]:
            over = True
    if not (over or prune):
        return 0
    plain = lo_c + rest_c[v]
    mixed = mixture(dual[v], multiplier, lo_c, lo_r, j) if credit > 0.0 else 0.0
    low = least_cost(plain, mixed, slack, credit, mixed_slack, whole)
    if over:
        values[LEAST] = min(values[LEAST], low)
        return LIMITED
    kappa = c + rest_c[v]
    if low * ratio >= values[BOUND] or kappa - slack * kappa >= values[BOUND]:
        values[LEAST] = min(values[LEAST], low)
        return BOUNDED
    return 0


@part
def promising(
    v: int,
    c: float,
    r: Floats2,
    i: int,
    tree_c: Floats2,
    tree_r: Floats3,
    accept: Floats,
    values: Floats,
) -> int:
    """Return a tree that seems to complete label (c, ``r[i]``) below the incumbent, or -1."""
    for t in range(tree_c.shape[0]):
        if not c + tree_c[t, v] < values[BOUND]:
            continue
        fits = True
        for k in range(accept.size):
            if r[i, k] + tree_r[t, v, k] > accept[k]:
                fits = False
                break
        if fits:
            return t
    return -1


@part
def complete(
    graph: Graph,
    via: Int32s2,
    limit: Floats,
    t: int,
    v: int,
    target: int,
    c: float,
    r: Floats2,
    i: int,
    label: int,
    values: Floats,
    counts: Ints,
) -> bool:
    """Sum a completion along tree t again, from the label on, and make it the incumbent if good.

    Tree sums are taken backward, so only this sum is that of the path.
    """
    used = np.empty(limit.size)
    for k in range(limit.size):
        used[k] = r[i, k]
    total = c
    while v != target:
        e = via[t, v]
        total += graph.cost[e]
        for k in range(limit.size):
            used[k] += graph.res[e, k]
        v = graph.head[e]
    for k in range(limit.size):
        if used[k] > limit[k]:
            return False
    if total < values[BOUND]:
        values[BOUND] = total
        counts[INCUMBENT_LABEL] = label
        counts[INCUMBENT_TREE] = t
        return True
    return False
