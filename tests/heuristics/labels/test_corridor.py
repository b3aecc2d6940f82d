"""Graphs with cycles are narrowed to a corridor first: nothing is lost, and what that rests on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.heuristics.labels import constrained_shortest_path, corridor, lagrange
from splitopt.heuristics.labels.corridor import Corridor
from splitopt.heuristics.labels.distances import by_buckets, by_heap, group
from splitopt.heuristics.labels.solve import _Run


def streets(side, resources, seed):
    """Return a grid with arcs both ways: tail, head, cost, use, source, target."""
    rng = np.random.default_rng(seed)
    node = np.arange(side * side).reshape(side, side)
    a = np.concatenate([node[:, :-1].ravel(), node[:-1].ravel()])
    b = np.concatenate([node[:, 1:].ravel(), node[1:].ravel()])
    cost = rng.uniform(1.0, 9.0, a.size)
    use = rng.uniform(0.5, 1.5, (a.size, resources)) * (10.0 - cost)[:, None]
    order = rng.permutation(2 * a.size)
    tail, head = np.concatenate([a, b])[order], np.concatenate([b, a])[order]
    return tail, head, np.tile(cost, 2)[order], np.tile(use, (2, 1))[order], 0, side * side - 1


def limited(case, share):
    """Return limits at a share between the least use and that of the cheapest path."""
    tail, head, cost, use, source, target = case
    most = use[constrained_shortest_path(tail, head, cost, None, source, target, []).arcs].sum(0)
    mixed = (use / most).sum(1)
    least = use[constrained_shortest_path(tail, head, mixed, None, source, target, []).arcs].sum(0)
    return least + share * (most - least)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    resources=st.integers(1, 2),
    share=st.floats(-0.05, 1.0),
    epsilon=st.sampled_from([0.0, 0.02]),
    short=st.booleans(),
)
def test_the_corridor_holds_the_optimum(seed, resources, share, epsilon, short):
    # Same kernel, whole graph: what was left out must not matter, to the last bit.
    case = streets(9, resources, seed)
    limits = limited(case, share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Run, "_corridor", lambda self, ratio: None)
        whole = constrained_shortest_path(*case, limits, easy=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corridor, "_SMALL", 0 if short else corridor._SMALL)
        found = constrained_shortest_path(*case, limits, epsilon, others="kept", easy=False)
    if epsilon == 0.0:
        assert found.cost == whole.cost
        assert found.bound == whole.bound
        assert found.guarantee == whole.guarantee
    elif whole.cost is not None:
        assert found.bound <= whole.cost
        assert found.cost is None or whole.cost <= found.cost <= (1 + epsilon) * found.bound


@pytest.mark.parametrize("resources", [1, 2])
def test_rounds_that_take_short_paths_bound_from_below(resources, monkeypatch):
    tail, head, cost, use, *ends = case = streets(15, resources, 4)
    rounds, plain = [], Corridor._oracle

    def noted(self, multiplier):
        rounds.append((multiplier, *plain(self, multiplier)))
        return rounds[-1][1:]

    monkeypatch.setattr(Corridor, "_oracle", noted)
    monkeypatch.setattr(corridor, "_SMALL", 0)
    constrained_shortest_path(*case, limited(case, 0.4), easy=False)
    gaps = []
    for multiplier, bound, length, used in rounds:
        mixed = cost + use @ multiplier
        least = constrained_shortest_path(tail, head, mixed, None, *ends, []).cost
        assert bound <= least * (1 + 1e-12) <= (length + used @ multiplier) * (1 + 2e-12)
        gaps.append(least - bound)
    # Some were short without being searched for everywhere, and the last ones exact.
    assert max(gaps) > 1e-3 * least
    assert min(gaps) < 1e-9 * least


def test_the_guess_is_raised_where_it_is_too_low(monkeypatch):
    case = streets(9, 2, 7)
    limits = limited(case, 0.2)
    wanted = constrained_shortest_path(*case, limits).cost
    tops = []

    def low(self):
        return self.bound * (1.0 + 1e-9)

    plain = Corridor.cut
    monkeypatch.setattr(Corridor, "likely", low)
    monkeypatch.setattr(Corridor, "cut", lambda self, top: tops.append(top) or plain(self, top))
    assert constrained_shortest_path(*case, limits, easy=False).cost == wanted
    assert len(tops) > 1
    assert tops == sorted(tops)


# Of one size, without cost, and spread so far that most buckets are empty or one holds them all.
WEIGHTS = {
    "equal": lambda rng, m: np.ones(m),
    "alike": lambda rng, m: rng.uniform(1.0, 9.0, m),
    "zeros": lambda rng, m: rng.choice([0.0, 0.0, 1.0], m),
    "spread": lambda rng, m: 10.0 ** rng.uniform(-9.0, 9.0, m),
    "nothing": lambda rng, m: np.zeros(m),
}


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("goal", [-1, 30])
def test_buckets_and_heap_give_the_same_distances(kind, goal):
    rng = np.random.default_rng(3)
    n, m = 40, 160
    tail, head = rng.integers(0, n, (2, m)).astype(np.int32)
    star = group(n, tail, head, WEIGHTS[kind](rng, m), np.zeros((m, 0)))
    none, rows = np.empty(0), np.empty((0, 0))
    found, wanted = np.empty(n), np.empty(n)
    via = np.empty(n, np.int32)
    end, weight = star.end[star.arc], star.cost[star.arc]
    served = by_buckets(star.start, star.arc, end, weight, 0, goal, np.inf, found, via)
    by_heap(star, 1.0, none, rows, none, 0, -1, np.inf, 1.0, wanted, via)
    # Where nothing costs anything there is no width for a bucket.
    assert served == (kind != "nothing")
    if served:
        # Beyond the goal distances may be too long, never too short.
        near = wanted <= (wanted[goal] if goal >= 0 else np.inf)
        assert np.array_equal(found[near], wanted[near])
        assert np.all(found >= wanted)


def test_shares_make_the_best_bound_that_the_target_allows():
    # Distances 10 by cost, 4 by time, 20 by cost + 2 time: for cost + 3 time the last and one of
    # the second are worth 24, against 22 without the last.
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0]])
    share = lagrange.combine(rows, np.array([10.0, 4.0, 20.0]), np.array([1.0, 3.0]))
    assert share == pytest.approx([0.0, 1.0, 1.0])
    assert np.all(share @ rows <= [1.0, 3.0])
    # A resource that does not count rules out rows that hold it.
    share = lagrange.combine(rows, np.array([10.0, 4.0, 20.0]), np.array([1.0, 0.0]))
    assert share == pytest.approx([1.0, 0.0, 0.0])


def test_a_bound_below_nothing_is_none(monkeypatch):
    # The first multiplier comes of two paths, of use 4 and 0; at it the third is worth less than 0.
    monkeypatch.setattr(corridor, "_ROUNDS", 1)
    figures = np.array([[1.0, 4.0], [100.0, 0.0], [1.5, 2.93], [9.0, 9.0], [9.0, 9.0]])
    tail, head = [0, 0, 0, 1, 2], [1, 1, 1, 2, 1]
    options = {"easy": False, "label_limit": 1, "time_limit_s": 0.0}
    found = constrained_shortest_path(
        tail, head, figures[:, 0], figures[:, 1:], 0, 1, [3.0], **options
    )
    assert found.cost == 1.5
    assert 0.0 <= found.bound <= 1.5
