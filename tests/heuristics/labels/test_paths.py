"""The label kernel against every simple path of small random graphs, and its stated answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.heuristics.labels import PathResult, Termination, constrained_shortest_path

SLOW = settings(max_examples=100, deadline=None)


@pytest.fixture(params=["easy", "full"], scope="module", autouse=True)
def way(request):
    """Let the short search settle what it can, then shut it off: both must give the answers."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "full":
            patch.setattr(
                "splitopt.heuristics.labels.solve._may_be_easy", lambda problem, options: False
            )
        yield request.param


def simple_paths(n, tail, head, source, target):
    """Yield every simple path as a list of arcs."""
    out = [[] for _ in range(n)]
    for e, (u, v) in enumerate(zip(tail, head, strict=True)):
        if u != v:
            out[u].append((e, v))
    stack = [(source, (), frozenset([source]))]
    while stack:
        u, arcs, seen = stack.pop()
        if u == target:
            yield list(arcs)
            continue
        for e, v in out[u]:
            if v not in seen:
                stack.append((v, (*arcs, e), seen | {v}))


def summed(values, arcs):
    """Sum from the source on, as the kernel does."""
    total = np.zeros(values.shape[1:])
    for e in arcs:
        total = total + values[e]
    return total


def points(case):
    """Return (cost, resources) of every simple path."""
    n, tail, head, cost, res, source, target, _ = case
    return [
        (float(summed(cost, p)), summed(res, p))
        for p in simple_paths(n, tail, head, source, target)
    ]


def optimum(case, limits=None):
    limits = case[-1] if limits is None else limits
    return min((c for c, r in points(case) if np.all(r <= limits)), default=math.inf)


@st.composite
def cases(draw, most_k=3, acyclic=None):
    n = draw(st.integers(2, 7))
    m = draw(st.integers(0, 16))
    k = draw(st.integers(0, most_k))
    dag = draw(st.booleans()) if acyclic is None else acyclic
    node = st.integers(0, n - 1)
    ends = draw(st.lists(st.tuples(node, node), min_size=m, max_size=m))
    if dag:
        shuffle = draw(st.permutations(range(n)))
        ends = [(shuffle[min(e)], shuffle[max(e)]) for e in ends]
    kind = draw(st.sampled_from(["integers", "tenths", "zeros", "any"]))
    value = {
        "integers": st.integers(0, 6).map(float),
        "tenths": st.integers(0, 9).map(lambda x: x * 0.1),
        "zeros": st.sampled_from([0.0, 0.0, 1.0, 3.0]),
        "any": st.floats(0.0, 1e3) | st.just(0.0),
    }[kind]
    numbers = draw(st.lists(value, min_size=m * (k + 1), max_size=m * (k + 1)))
    table = np.array(numbers, float).reshape(m, k + 1)
    limits = np.array(
        draw(
            st.lists(
                value.map(lambda x: 3 * x) | st.just(math.inf) | st.just(0.0),
                min_size=k,
                max_size=k,
            )
        ),
        float,
    )
    source, target = draw(node), draw(node)
    tail = np.array([u for u, _ in ends], np.int64)
    head = np.array([v for _, v in ends], np.int64)
    return n, tail, head, table[:, 0].copy(), table[:, 1:].copy(), source, target, limits


def run(case, **options) -> PathResult:
    n, tail, head, cost, res, source, target, limits = case
    return constrained_shortest_path(
        tail, head, cost, res, source, target, limits, nodes=n, **options
    )


def assert_path(case, result):
    """The path leads from source to target and has the cost and the use it says."""
    _, tail, head, cost, res, source, target, _ = case
    at = source
    for e in result.arcs:
        assert tail[e] == at
        at = head[e]
    assert at == target
    assert result.cost == summed(cost, result.arcs)
    assert np.array_equal(result.resources, summed(res, result.arcs))


@SLOW
@given(cases())
def test_exact_is_the_optimum_of_all_simple_paths(case):
    result = run(case)
    best = optimum(case)
    if best == math.inf:
        assert result.termination == Termination.INFEASIBLE
        assert result.cost is None
        assert result.bound is None
        assert result.reason
    else:
        assert result.termination == Termination.FINISHED
        assert_path(case, result)
        assert result.cost == best
        assert result.bound == best
        assert np.all(result.resources <= case[-1])
        assert result.guarantee.kind == "exact"


@SLOW
@given(cases(), st.sampled_from([1.0, 0.5, 0.1, 0.01]), st.booleans(), st.data())
def test_epsilon_keeps_what_the_result_promises(case, epsilon, early, data):
    k = case[-1].size
    strict = data.draw(st.integers(0, max(k - 1, 0)))
    others = data.draw(st.sampled_from(["relaxed", "kept"]))
    result = run(case, epsilon=epsilon, strict=strict, others=others, stop_early=early)
    best = optimum(case)
    tight = case[-1] / (1 + epsilon)
    if k:
        tight[strict] = case[-1][strict]
    reference = best
    if result.termination == Termination.INFEASIBLE:
        assert best == math.inf
        return
    assert result.bound <= best * (1 + 1e-9)
    if result.termination == Termination.TIGHTENED_INFEASIBLE:
        assert optimum(case, tight) == math.inf
        return
    assert_path(case, result)
    promise = result.guarantee
    if promise.kind == "tightened optimum":
        reference = optimum(case, tight)
    allowed = case[-1].copy()
    for j, factor in promise.relaxed:
        allowed[j] *= factor
    assert result.cost <= reference * promise.factor * (1 + 1e-12)
    assert np.all(result.resources <= allowed)
    if not promise.relaxed:
        assert result.bound <= result.cost
    if promise.kind == "exact":
        assert result.cost == best
    if k == 1:
        assert not promise.relaxed
        assert not promise.tightened


def brute_front(case):
    inside = {(c, *r.tolist()) for c, r in points(case) if np.all(r <= case[-1])}
    return sorted(
        p
        for p in inside
        if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in inside)
    )


@SLOW
@given(cases())
def test_front_is_the_pareto_front_of_all_simple_paths(case):
    result = run(case, front=True)
    front = result.front
    found = sorted((c, *r) for c, r in zip(front.costs, front.resources.tolist(), strict=True))
    assert front.complete
    assert found == brute_front(case)
    for cost, use, path in zip(front.costs, front.resources, front.paths, strict=True):
        assert cost == summed(case[3], path)
        assert np.array_equal(use, summed(case[4], path))


@SLOW
@given(cases(most_k=2), st.sampled_from([1.0, 0.1]))
def test_front_within_epsilon_has_a_point_near_every_path(case, epsilon):
    case = (*case[:-1], np.where(np.isinf(case[-1]), 1e4, case[-1]))
    result = run(case, front=True, epsilon=epsilon)
    limits = case[-1]
    for cost, use in points(case):
        if np.any(use > limits):
            continue
        room = use.copy()
        room[1:] += epsilon * limits[1:]
        assert any(
            c <= cost * (1 + epsilon) and np.all(r <= room * (1 + 1e-12))
            for c, r in zip(result.front.costs, result.front.resources, strict=True)
        )


@SLOW
@given(cases(), st.integers(1, 12), st.sampled_from([0.0, 0.1, 1.0]))
def test_bound_holds_when_the_budget_ends_the_run(case, labels, epsilon):
    result = run(case, epsilon=epsilon, label_limit=labels)
    best = optimum(case)
    if result.bound is not None:
        assert result.bound <= best * (1 + 1e-9)
    else:
        assert best == math.inf
    if result.cost is not None:
        assert_path(case, result)
        if result.termination == Termination.LABELS:
            assert result.guarantee.kind == "none"


@SLOW
@given(cases(), st.sampled_from([0.0, 0.5]), st.booleans())
def test_counts_add_up_and_the_log_agrees(case, epsilon, front):
    if np.any(np.isinf(case[-1])):
        case = (*case[:-1], np.where(np.isinf(case[-1]), 1e4, case[-1]))
    result = run(case, epsilon=epsilon, front=front, record=True)
    s = result.statistics
    parts = (
        s.labels_kept
        + s.labels_dominated
        + s.labels_trimmed
        + s.labels_over_limit
        + s.labels_over_bound
        + s.labels_open
    )
    assert s.labels_made == parts
    assert s.labels_open == 0
    if s.label_bound is not None:
        assert s.labels_kept <= s.label_bound
        assert s.labels_made <= s.label_bound_made + 1
    if result.log is not None and s.rounds == 1:
        log = result.log
        assert log.complete
        assert log.node.size == s.labels_made
        fates = np.bincount(log.fate, minlength=5)
        assert fates.tolist() == [
            s.labels_kept,
            s.labels_dominated,
            s.labels_trimmed,
            s.labels_over_limit,
            s.labels_over_bound,
        ]
        for i in range(1, log.node.size):
            assert log.node[i] == case[2][log.arc[i]]
            assert log.node[log.parent[i]] == case[1][log.arc[i]]
            assert log.cost[i] == log.cost[log.parent[i]] + case[3][log.arc[i]]
