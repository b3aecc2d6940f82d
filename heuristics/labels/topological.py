"""The label program on an acyclic graph: node by node in topological order.

All labels of a node are known before any leaves it, so each node merges the sorted lists that come
over its arcs in, drops what is dominated, trims, and stores the rest in one sorted block. No label
is extended that something else at its node makes needless, and memory is read in order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.labels.graph import Graph
from splitopt.heuristics.labels.state import (
    ABANDONED,
    BOUND,
    BOUNDED,
    DOMINATED_COUNT,
    DONE,
    FULL,
    KEPT_COUNT,
    LEAST,
    LOGGED,
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
    least_cost,
    mixture,
    promising,
    verdict,
)
from splitopt.heuristics.labels.sweeps import (
    DOMINATED,
    KEPT,
    TRIMMED,
    merge_fronts,
    nondominated,
    sort_runs,
    trim_grid,
    trim_line,
)
from splitopt.instances.core.kernels import Bytes, Floats, Floats2, Int32s, Ints, kernel, part


class Labels(NamedTuple):
    """Labels kept: cost, resources, the carried minima, the label before, the arc that led here.

    Labels of node v are ``first[v] .. last[v] - 1``. The carried arrays are empty when nothing is
    trimmed: a dominated label has nothing smaller than the one that stays. ``note`` is the label's
    place in the log.
    """

    c: Floats
    r: Floats2
    lo_c: Floats
    lo_r: Floats2
    pred: Int32s
    arc: Int32s
    note: Int32s
    first: Int32s
    last: Int32s


class Log(NamedTuple):
    """Every label made, for pictures of small runs: node, cost, resources, parent, arc, fate."""

    node: Ints
    c: Floats
    r: Floats2
    parent: Ints
    arc: Ints
    fate: Bytes


@part
def note_label(
    log: Log, counts: Ints, v: int, c: float, r: Floats2, row: int, parent: int, arc: int, fate: int
) -> int:
    """Append a label to the log; return its place, -1 when the log is full."""
    i = counts[LOGGED]
    if i >= log.node.size:
        return -1
    log.node[i] = v
    log.c[i] = c
    for k in range(r.shape[1]):
        log.r[i, k] = r[row, k]
    log.parent[i] = parent
    log.arc[i] = arc
    log.fate[i] = fate
    counts[LOGGED] = i + 1
    return int(i)


@kernel()
def run_topological(
    graph: Graph,
    bounds: Bounds,
    rules: Rules,
    labels: Labels,
    log: Log,
    begin: int,
    count: int,
    quota: int,
    most_made: int,
    most_stored: int,
    stop: Ints,
    values: Floats,
    counts: Ints,
) -> Any:
    """Process nodes from `begin` on until the quota of labels made in this call is used up.

    Return (status, next node, labels stored, labels). Node 0 is the source and must hold its label
    already. A node that cannot be finished is left as if untouched.
    """
    n = graph.start.size - 1
    # Plain locals: reaching through a tuple in the inner loop costs more than the loop itself.
    start, tail, orig, arc_c, arc_r = (
        graph.start,
        graph.tail,
        graph.orig,
        graph.cost,
        graph.res,
    )
    rest_c, rest_r, dual, multiplier = bounds.rest_c, bounds.rest_r, bounds.dual, bounds.multiplier
    credit, via, tree_c, tree_r = bounds.credit, bounds.via, bounds.tree_c, bounds.tree_r
    given, limit, outer, accept = rules.given, rules.limit, rules.outer, rules.accept
    slack, mixed_slack, whole = rules.slack, rules.mixed_slack, rules.whole
    ratio, prune = rules.ratio, rules.prune
    trim, scale, growth, room = rules.trim, rules.scale, rules.growth, rules.room
    resources = limit.size
    c, r, lo_c, lo_r = labels.c, labels.r, labels.lo_c, labels.lo_r
    pred, arc, note, first, last = labels.pred, labels.arc, labels.note, labels.first, labels.last
    record = log.node.size > 0
    space = 1024
    b_c = np.empty(space)
    b_r = np.empty((space, resources))
    # Without trimming nothing is carried: these are then the true values under another name.
    b_lc = np.empty(space) if trim else b_c
    b_lr = np.empty((space, resources)) if trim else b_r
    b_pred = np.empty(space, np.int32)
    b_arc = np.empty(space, np.int32)
    fate = np.empty(space, np.int8)
    b_note = np.empty(space if record else 0, np.int32)
    order = np.empty(space, np.int32)
    spare = np.empty(space, np.int32)
    ends = np.empty(8, np.int32)
    made_at_start = counts[MADE]
    status = DONE
    v = begin
    while v < n:
        if counts[MADE] - made_at_start >= quota:
            status = QUOTA
            break
        if stop[0] != 0 or counts[MADE] >= most_made:
            status = STOPPED
            break
        a, b = start[v], start[v + 1]
        first[v] = count
        last[v] = count
        if ends.size < b - a + 1:
            ends = np.empty(2 * (b - a) + 1, np.int32)
        size = 0
        runs = 0
        ends[0] = 0
        made, over_limit, over_bound = 0, 0, 0
        rest = rest_c[v]
        # At the target there is nothing left to round.
        most = given if v == n - 1 else outer
        allowed = limit if v == n - 1 else accept
        for e in range(a, b) if rest < np.inf else range(0):
            u = tail[e]
            i0, i1 = first[u], last[u]
            if i0 == i1:
                continue
            # One node may take tens of millions of labels.
            if stop[0] != 0 and size > 0:
                break
            if size + i1 - i0 > space:
                space = 2 * (size + i1 - i0)
                b_c, b_r = grow(b_c, space), grow_rows(b_r, space)
                b_lc = grow(b_lc, space) if trim else b_c
                b_lr = grow_rows(b_lr, space) if trim else b_r
                b_pred, b_arc, fate = grow(b_pred, space), grow(b_arc, space), grow(fate, space)
                order, spare = grow(order, space), grow(spare, space)
                if record:
                    b_note = grow(b_note, space)
            step = arc_c[e]
            for i in range(i0, i1):
                x = c[i] + step
                kappa = x + rest
                if not (trim or record) and prune and kappa - slack * kappa >= values[BOUND]:
                    # Costs ascend: no later label over this arc can do better.
                    made += i1 - i
                    over_bound += i1 - i
                    values[LEAST] = min(values[LEAST], values[BOUND])
                    break
                made += 1
                b_c[size] = x
                for k in range(resources):
                    b_r[size, k] = r[i, k] + arc_r[e, k]
                if trim:
                    b_lc[size] = lo_c[i] + step
                    for k in range(resources):
                        b_lr[size, k] = lo_r[i, k] + arc_r[e, k]
                answer = verdict(
                    v,
                    x,
                    b_r,
                    size,
                    b_lc[size],
                    b_lr,
                    size,
                    rest_c,
                    rest_r,
                    dual,
                    multiplier,
                    credit,
                    most,
                    allowed,
                    slack,
                    mixed_slack,
                    whole,
                    ratio,
                    prune,
                    values,
                )
                if answer != 0:
                    if answer == BOUNDED:
                        over_bound += 1
                    else:
                        over_limit += 1
                    if record:
                        note_label(log, counts, v, x, b_r, size, note[i], orig[e], answer)
                    continue
                b_pred[size] = i
                b_arc[size] = e
                fate[size] = KEPT
                order[size] = size
                size += 1
            if size > ends[runs]:
                runs += 1
                ends[runs] = size
        counts[MADE] += made
        counts[OVER_LIMIT] += over_limit
        counts[OVER_BOUND] += over_bound
        if v == begin and v == 0:
            # The source: its label is there already.
            first[0] = 0
            last[0] = count
            v += 1
            continue
        if stop[0] != 0 and size > 0:
            counts[ABANDONED] += size
            status = STOPPED
            break
        if size == 0:
            v += 1
            continue
        if count + size > most_stored:
            counts[ABANDONED] += size
            status = FULL
            break
        if resources == 1:
            kept = merge_fronts(b_c, b_r, b_lc, b_lr, fate, trim, order, spare, ends, runs)
            if trim:
                kept = trim_line(b_c, b_lc, b_lr, fate, order, kept, rest, scale, growth[v])
        else:
            sort_runs(b_c, b_r, order, spare, ends, runs)
            kept = nondominated(b_c, b_r, b_lc, b_lr, fate, trim, order, size, stop)
            if kept < 0:
                counts[ABANDONED] += size
                status = STOPPED
                break
            if trim:
                kept = trim_grid(
                    b_c,
                    b_r,
                    b_lc,
                    b_lr,
                    fate,
                    order,
                    kept,
                    rest,
                    scale,
                    growth[v],
                    rules.strict,
                    room[v],
                )
        for i in range(size):
            if fate[i] == DOMINATED:
                counts[DOMINATED_COUNT] += 1
            elif fate[i] == TRIMMED:
                counts[TRIMMED_COUNT] += 1
        if record:
            for i in range(size):
                b_note[i] = note_label(
                    log, counts, v, b_c[i], b_r, i, note[b_pred[i]], orig[b_arc[i]], fate[i]
                )
        if count + kept > c.size:
            longer = 2 * (count + kept)
            c, r = grow(c, longer), grow_rows(r, longer)
            if trim:
                lo_c, lo_r = grow(lo_c, longer), grow_rows(lo_r, longer)
            pred, arc = grow(pred, longer), grow(arc, longer)
            if record:
                note = grow(note, longer)
        for j in range(kept):
            i = order[j]
            # The incumbent may have improved within this block.
            x = b_c[i] + rest
            if prune and x - slack * x >= values[BOUND]:
                mixed = mixture(dual[v], multiplier, b_lc[i], b_lr, i)
                low = least_cost(b_lc[i] + rest, mixed, slack, credit, mixed_slack, whole)
                values[LEAST] = min(values[LEAST], low)
                counts[OVER_BOUND] += 1
                if record and b_note[i] >= 0:
                    log.fate[b_note[i]] = BOUNDED
                continue
            c[count] = b_c[i]
            for k in range(resources):
                r[count, k] = b_r[i, k]
            if trim:
                lo_c[count] = b_lc[i]
                for k in range(resources):
                    lo_r[count, k] = b_lr[i, k]
            pred[count] = b_pred[i]
            arc[count] = b_arc[i]
            if record:
                note[count] = b_note[i]
            counts[KEPT_COUNT] += 1
            t = promising(v, b_c[i], b_r, i, tree_c, tree_r, accept, values)
            if t >= 0:
                complete(graph, via, limit, t, v, n - 1, b_c[i], b_r, i, count, values, counts)
            count += 1
        last[v] = count
        v += 1
    return status, v, count, Labels(c, r, lo_c, lo_r, pred, arc, note, first, last)


@kernel()
def open_bound(graph: Graph, bounds: Bounds, rules: Rules, labels: Labels, reached: int) -> float:
    """Return the least carried bound among labels that still had to be extended (inf: none).

    Nodes before `reached` are done; theirs are open if an arc leads to `reached` or beyond. Labels
    at the target stand for finished paths and count always.
    """
    n = graph.start.size - 1
    furthest = np.full(n, -1, np.int32)
    furthest[n - 1] = n
    for e in range(graph.tail.size):
        furthest[graph.tail[e]] = max(furthest[graph.tail[e]], graph.head[e])
    best = np.inf
    lo_c = labels.lo_c if rules.trim else labels.c
    lo_r = labels.lo_r if rules.trim else labels.r
    for v in range(min(reached, n)):
        if furthest[v] >= reached:
            for i in range(labels.first[v], labels.last[v]):
                mixed = mixture(bounds.dual[v], bounds.multiplier, lo_c[i], lo_r, i)
                low = least_cost(
                    lo_c[i] + bounds.rest_c[v],
                    mixed,
                    rules.slack,
                    bounds.credit,
                    rules.mixed_slack,
                    rules.whole,
                )
                best = min(best, low)
    return best
