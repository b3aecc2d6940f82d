"""Dominance and trimming on batches of labels against pairwise comparison."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from splitopt.heuristics.labels.sweeps import (
    DOMINATED,
    KEPT,
    merge_fronts,
    nondominated,
    sort_runs,
    trim_grid,
    trim_line,
)


def batch(rng, count, resources, runs):
    """Return labels in `runs` runs sorted by (cost, resources), with many ties."""
    c = rng.integers(0, 12, count).astype(float)
    r = rng.integers(0, 12, (count, resources)).astype(float)
    cuts = np.sort(rng.choice(np.arange(1, count), runs - 1, replace=False))
    bounds = np.concatenate([[0], cuts, [count]])
    order = np.empty(count, np.int32)
    for a, b in itertools.pairwise(bounds):
        rows = np.arange(a, b)
        order[a:b] = rows[np.lexsort([*r[rows].T[::-1], c[rows]])]
    return c, r, order, bounds.astype(np.int32)


def vectors(c, r):
    return [(x, *y) for x, y in zip(c.tolist(), r.tolist(), strict=True)]


def front(points):
    def beats(p, q):
        return p != q and all(a <= b for a, b in zip(p, q, strict=True))

    return sorted({q for q in points if not any(beats(p, q) for p in points)})


@pytest.mark.parametrize("resources", [1, 2, 3])
@pytest.mark.parametrize("runs", [1, 2, 5])
def test_fronts_equal_pairwise_comparison(resources, runs):
    rng = np.random.default_rng(resources * 10 + runs)
    for _ in range(30):
        count = int(rng.integers(runs, 60))
        c, r, order, bounds = batch(rng, count, resources, runs)
        fate = np.full(count, KEPT, np.int8)
        lo_c, lo_r = c - rng.integers(0, 3, count), r - rng.integers(0, 3, r.shape)
        least = lo_c.min()
        spare = np.empty_like(order)
        if resources == 1:
            kept = merge_fronts(c, r, lo_c, lo_r, fate, True, order, spare, bounds, runs)
        else:
            sort_runs(c, r, order, spare, bounds, runs)
            stop = np.zeros(1, np.int64)
            kept = nondominated(c, r, lo_c, lo_r, fate, True, order, count, stop)
        rows = order[:kept]
        assert vectors(c[rows], r[rows]) == front(vectors(c, r))
        assert np.count_nonzero(fate == DOMINATED) == count - kept
        # Whoever stays carries the minima of those it took over.
        assert lo_c[rows].min() == least


def test_stop_ends_the_quadratic_sweep():
    rng = np.random.default_rng(1)
    c, r, order, _ = batch(rng, 20, 3, 1)
    fate = np.full(20, KEPT, np.int8)
    stop = np.ones(1, np.int64)
    assert nondominated(c, r, c.copy(), r.copy(), fate, True, order, 20, stop) == -1


def test_line_keeps_the_thriftiest_of_each_stretch():
    # kappa 100, 104, 109, 116, 130: with 10 % the first three fit one stretch, then 116; 130.
    c = np.array([60.0, 64, 69, 76, 90])
    r = np.array([[5.0], [4], [3], [2], [1]])
    lo_c, lo_r = c.copy(), r.copy()
    fate = np.zeros(5, np.int8)
    order = np.arange(5, dtype=np.int32)
    kept = trim_line(c, lo_c, lo_r, fate, order, 5, 40.0, 0.0, 0.1)
    assert order[:kept].tolist() == [2, 3, 4]
    assert lo_c[2] == 60.0
    # A scale above kappa widens the allowance: 0.1 * 300 lets all five meet.
    lo_c, fate, order = c.copy(), np.zeros(5, np.int8), np.arange(5, dtype=np.int32)
    assert trim_line(c, lo_c, lo_r, fate, order, 5, 40.0, 300.0, 0.1) == 1


def test_line_keeps_zero_apart():
    c = np.array([0.0, 1e-300, 5.0])
    r = np.array([[5.0], [4], [3]])
    order = np.arange(3, dtype=np.int32)
    kept = trim_line(c, c.copy(), r.copy(), np.zeros(3, np.int8), order, 3, 0.0, 10.0, 1.0)
    assert order[:kept].tolist() == [0, 2]


@pytest.mark.parametrize("resources", [2, 3])
def test_grid_represents_every_label_within_its_allowances(resources):
    rng = np.random.default_rng(resources)
    for _ in range(40):
        count = int(rng.integers(2, 80))
        c = np.sort(rng.uniform(50, 100, count))
        r = rng.uniform(0, 100, (count, resources))
        lo_c, lo_r = c.copy(), r.copy()
        order = np.arange(count, dtype=np.int32)
        strict = int(rng.integers(resources))
        room = np.full(resources, 20.0)
        fate = np.zeros(count, np.int8)
        kept = trim_grid(c, r, lo_c, lo_r, fate, order, count, 0.0, 0.0, 0.1, strict, room)
        rows = order[:kept]
        assert np.all(np.diff(c[rows]) >= 0)
        assert np.count_nonzero(fate) == count - kept
        for i in range(count):
            near = c[rows] <= 1.1 * c[i]
            for k in range(resources):
                near &= r[rows, k] <= r[i, k] + (0.0 if k == strict else room[k])
            assert near.any()
