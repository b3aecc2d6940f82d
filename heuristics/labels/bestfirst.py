"""The label program on any digraph: labels leave a heap by least possible total cost.

Keys are cost + least remaining cost, ties by the strict resource. Since no reduced cost is negative
keys never fall along a walk, so a label popped at a node can only be dominated by one popped there
before: one number (K = 1), a staircase (K = 2) or a list (K >= 3) a node decides.

Trimming rounds *reduced* costs (cost + rest[head] - rest[tail]) and the reduced resources other
than the strict one down to whole multiples of a unit and solves that problem exactly, the true
sums travelling along. A label stands for everything it beats, and its rounded cost is a lower bound
on all of it: the carried minimum needs no upkeep.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.labels.frontier import Known, beaten, enter
from splitopt.heuristics.labels.graph import Graph
from splitopt.heuristics.labels.heap import pop, push
from splitopt.heuristics.labels.state import (
    BOUND,
    BOUNDED,
    DOMINATED_COUNT,
    DONE,
    FULL,
    KEPT_COUNT,
    LEAST,
    LIMITED,
    MADE,
    OVER_BOUND,
    OVER_LIMIT,
    QUOTA,
    STOPPED,
    TRIMMED_COUNT,
    Bounds,
    Rules,
    complete,
    grow,
    grow_rows,
    promising,
    verdict,
)
from splitopt.heuristics.labels.sweeps import DOMINATED, KEPT, TRIMMED
from splitopt.heuristics.labels.topological import Log, note_label
from splitopt.instances.core.kernels import Floats, Floats2, Int32s, Ints, kernel


class Keys(NamedTuple):
    """The problem the search solves exactly: the true one, or the one rounded down.

    ``cost[e]``, ``res[e, k]`` are arc weights, ``rest_c[v]``, ``rest_r[v, k]`` completions. When
    `rounded`, a carried cost (completion included) is ``base_c + unit_c * key``, and a carried
    resource ``base_r[k] + unit_r[k] * key`` (unit 0: the true value is the key).
    """

    cost: Floats
    res: Floats2
    rest_c: Floats
    rest_r: Floats2
    rounded: bool
    base_c: float
    unit_c: float
    base_r: Floats
    unit_r: Floats


class Store(NamedTuple):
    """All labels made, the heap of those open, and the staircases of the nodes.

    ``c``, ``r`` are keys, ``true_c``, ``true_r`` sums (empty unless rounded). ``after`` chains the
    labels popped at a node.
    """

    c: Floats
    r: Floats2
    true_c: Floats
    true_r: Floats2
    pred: Int32s
    arc: Int32s
    note: Int32s
    after: Int32s
    heap_key: Floats
    heap_tie: Floats
    heap_label: Int32s
    stairs: Floats2


@kernel()
def start_store(resources: int, rounded: bool, record: bool, key: float) -> Any:
    """Return a store with the source's label in it, which the heap holds under `key`."""
    size = 1024
    heap_key = np.zeros(size)
    heap_key[0] = key
    return Store(
        np.zeros(size),
        np.zeros((size, resources)),
        np.zeros(size if rounded else 0),
        np.zeros((size if rounded else 0, resources)),
        np.full(size, -1, np.int32),
        np.full(size, -1, np.int32),
        np.zeros(size if record else 0, np.int32),
        np.full(size, -1, np.int32),
        heap_key,
        np.zeros(size),
        np.zeros(size, np.int32),
        np.empty((size, 2)),
    )


@kernel()
def run_best_first(
    graph: Graph,
    bounds: Bounds,
    rules: Rules,
    keys: Keys,
    store: Store,
    known: Known,
    log: Log,
    source: int,
    target: int,
    size: int,
    count: int,
    used: int,
    quota: int,
    most_made: int,
    most_stored: int,
    stop: Ints,
    values: Floats,
    counts: Ints,
) -> Any:
    """Pop labels until the heap is empty, the incumbent closes it, or the quota is used up.

    Return (status, heap size, labels stored, staircase entries used, store).
    """
    # Plain locals: reaching through a tuple in the inner loop costs more than the loop itself.
    start, head, orig, arc_c, arc_r = (
        graph.start,
        graph.head,
        graph.orig,
        graph.cost,
        graph.res,
    )
    rest_c, rest_r, dual, multiplier = bounds.rest_c, bounds.rest_r, bounds.dual, bounds.multiplier
    credit, via, tree_c, tree_r = bounds.credit, bounds.via, bounds.tree_c, bounds.tree_r
    given, limit, outer, accept = rules.given, rules.limit, rules.outer, rules.accept
    slack, mixed_slack, whole = rules.slack, rules.mixed_slack, rules.whole
    ratio, prune = rules.ratio, rules.prune
    key_arc_c, key_arc_r, key_rest_c, key_rest_r = keys.cost, keys.res, keys.rest_c, keys.rest_r
    rounded, base_c, unit_c = keys.rounded, keys.base_c, keys.unit_c
    base_r, unit_r = keys.base_r, keys.unit_r
    strict = rules.strict
    c, r, pred, arc, note = store.c, store.r, store.pred, store.arc, store.note
    # Unless rounded, sums are the keys: the same arrays under another name.
    true_c = store.true_c if rounded else c
    true_r = store.true_r if rounded else r
    after, stairs = store.after, store.stairs
    heap_key, heap_tie, heap_label = store.heap_key, store.heap_tie, store.heap_label
    top, last_c, floor = known.top, known.last_c, known.floor
    at, height, space = known.at, known.height, known.space
    resources = limit.size
    record = log.node.size > 0
    fallen = TRIMMED if rounded else DOMINATED
    fallen_count = TRIMMED_COUNT if rounded else DOMINATED_COUNT
    row = np.empty((1, resources))
    made = 0
    status = DONE
    while size > 0:
        if made >= quota:
            status = QUOTA
            break
        if stop[0] != 0 or counts[MADE] + made >= most_made:
            status = STOPPED
            break
        key = heap_key[0]
        i = heap_label[0]
        low = base_c + unit_c * key if rounded else key
        low -= slack * low
        if prune and low * ratio >= values[BOUND]:
            values[LEAST] = min(values[LEAST], low)
            counts[OVER_BOUND] += size
            if record:
                for j in range(size):
                    if note[heap_label[j]] >= 0:
                        log.fate[note[heap_label[j]]] = BOUNDED
            size = 0
            break
        v = source if arc[i] < 0 else head[arc[i]]
        degree = start[v + 1] - start[v]
        if count + degree > most_stored:
            status = FULL
            break
        pop(heap_key, heap_tie, heap_label, size)
        size -= 1
        if beaten(v, c[i], r, i, c, r, after, stairs, top, last_c, floor, at, height):
            counts[fallen_count] += 1
            if record and note[i] >= 0:
                log.fate[note[i]] = fallen
            continue
        stairs, used = enter(v, i, c, r, after, stairs, used, top, last_c, floor, at, height, space)
        if count + degree > c.size:
            longer = 2 * (count + degree)
            c, r = grow(c, longer), grow_rows(r, longer)
            true_c = grow(true_c, longer) if rounded else c
            true_r = grow_rows(true_r, longer) if rounded else r
            pred, arc, after = grow(pred, longer), grow(arc, longer), grow(after, longer)
            if record:
                note = grow(note, longer)
        if size + degree > heap_key.size:
            longer = 2 * (size + degree)
            heap_key, heap_tie = grow(heap_key, longer), grow(heap_tie, longer)
            heap_label = grow(heap_label, longer)
        counts[KEPT_COUNT] += 1
        if prune:
            t = promising(v, true_c[i], true_r, i, tree_c, tree_r, accept, values)
            if t >= 0:
                complete(graph, via, limit, t, v, target, true_c[i], true_r, i, i, values, counts)
        if v == target:
            values[LEAST] = min(values[LEAST], low)
            continue
        for e in range(start[v], start[v + 1]):
            w = head[e]
            if rest_c[w] == np.inf:
                continue
            made += 1
            c[count] = c[i] + key_arc_c[e]
            for k in range(resources):
                r[count, k] = r[i, k] + key_arc_r[e, k]
            low_c = c[count]
            low_r = r
            low_row = count
            if rounded:
                true_c[count] = true_c[i] + arc_c[e]
                low_c = base_c + unit_c * c[count] - rest_c[w]
                low_r = row
                low_row = 0
                for k in range(resources):
                    true_r[count, k] = true_r[i, k] + arc_r[e, k]
                    row[0, k] = true_r[count, k]
                    if unit_r[k] > 0.0:
                        row[0, k] = base_r[k] + unit_r[k] * r[count, k] - rest_r[w, k]
            answer = verdict(
                w,
                true_c[count],
                true_r,
                count,
                low_c,
                low_r,
                low_row,
                rest_c,
                rest_r,
                dual,
                multiplier,
                credit,
                outer,
                accept,
                slack,
                mixed_slack,
                whole,
                ratio,
                prune,
                values,
            )
            if answer == 0 and w == target:
                # The sums are the path's, and its limits hold to the last bit. What it stands for
                # counts, unless a sum that no rounding touched tells that it is too much as well.
                counted = rounded
                for k in range(resources):
                    if true_r[count, k] > limit[k]:
                        answer = LIMITED
                    if true_r[count, k] > given[k] and unit_r[k] == 0.0:
                        counted = False
                if answer != 0 and counted:
                    values[LEAST] = min(values[LEAST], low_c - slack * low_c)
            if (
                answer == 0
                and c[count] >= last_c[w]
                and beaten(
                    w, c[count], r, count, c, r, after, stairs, top, last_c, floor, at, height
                )
            ):
                answer = DOMINATED
            if answer == 0 and not prune and w != target:
                # The whole front is wanted: give up what the paths found already beat.
                for k in range(resources):
                    x = r[count, k] + key_rest_r[w, k]
                    row[0, k] = x - slack * x
                x = c[count] + key_rest_c[w]
                x -= slack * x
                if x >= last_c[target] and beaten(
                    target, x, row, 0, c, r, after, stairs, top, last_c, floor, at, height
                ):
                    answer = DOMINATED
            if answer != 0:
                if answer == BOUNDED:
                    counts[OVER_BOUND] += 1
                elif answer == DOMINATED:
                    counts[fallen_count] += 1
                    answer = fallen
                else:
                    counts[OVER_LIMIT] += 1
                if record:
                    note_label(
                        log, counts, w, true_c[count], true_r, count, note[i], orig[e], answer
                    )
                continue
            pred[count] = i
            arc[count] = e
            if record:
                note[count] = note_label(
                    log, counts, w, true_c[count], true_r, count, note[i], orig[e], KEPT
                )
            push(
                heap_key,
                heap_tie,
                heap_label,
                size,
                c[count] + key_rest_c[w],
                r[count, strict],
                count,
            )
            size += 1
            count += 1
    counts[MADE] += made
    kept_c = true_c if rounded else store.true_c
    kept_r = true_r if rounded else store.true_r
    return (
        status,
        size,
        count,
        used,
        Store(
            c,
            r,
            kept_c,
            kept_r,
            pred,
            arc,
            note,
            after,
            heap_key,
            heap_tie,
            heap_label,
            stairs,
        ),
    )
