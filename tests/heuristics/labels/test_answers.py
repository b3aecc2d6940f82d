"""Answers known beforehand, messages, budgets, and references without code of the kernel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from splitopt.heuristics.labels import Termination, constrained_shortest_path, warm_up
from splitopt.instances.core.errors import InputError


@pytest.fixture(params=["easy", "full"], scope="module", autouse=True)
def way(request):
    """Let the short search settle what it can, then shut it off: both must give the answers."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "full":
            patch.setattr(
                "splitopt.heuristics.labels.solve._may_be_easy", lambda problem, options: False
            )
        yield request.param


# 0 -> 1 -> 3 costs 2 and uses 8; 0 -> 2 -> 3 costs 6 and uses 2.
TAIL, HEAD = [0, 1, 0, 2], [1, 3, 2, 3]
COST, USE = [1.0, 1.0, 3.0, 3.0], [[4.0], [4.0], [1.0], [1.0]]


def diamond(limit, **options):
    return constrained_shortest_path(TAIL, HEAD, COST, USE, 0, 3, [limit], **options)


@pytest.mark.parametrize(
    ("limit", "cost", "arcs"), [(8, 2, [0, 1]), (7.9, 6, [2, 3]), (2, 6, [2, 3])]
)
def test_limit_decides_between_two_paths(limit, cost, arcs):
    result = diamond(limit)
    assert result.cost == result.bound == cost
    assert result.arcs.tolist() == arcs
    assert result.ratio == 1.0
    assert str(result.guarantee) == "the optimum, every limit kept"


def test_reason_names_the_limit_that_alone_forbids_every_path():
    result = diamond(1.9)
    assert result.termination == Termination.INFEASIBLE
    assert result.forbidding == (0,)
    assert result.reason == "limit 0 (1.9) by itself forbids every path"
    assert result.cost is None
    assert result.bound is None
    assert result.arcs.size == 0


def test_reason_tells_limits_that_only_together_forbid():
    # Each arc breaks one limit; either limit by itself leaves a path.
    result = constrained_shortest_path([0, 0], [1, 1], [1, 1], [[0, 2], [2, 0]], 0, 1, [1, 1])
    assert result.forbidding == ()
    assert "each limit" in result.reason
    two = [[0, 2], [2, 0], [1, 1]]
    longer = constrained_shortest_path(
        [0, 0, 1, 1], [1, 1, 2, 2], [1] * 4, [*two[:2], *two[:2]], 0, 2, [3, 1]
    )
    assert longer.termination == Termination.INFEASIBLE
    assert longer.forbidding == ()


def test_reason_without_any_path():
    result = constrained_shortest_path([0, 2], [1, 1], [1, 1], None, 0, 2, [])
    assert result.reason == "no path leads from the source to the target"


def test_source_is_target():
    for tail, head in (([], []), ([0, 1], [1, 0])):
        m = len(tail)
        result = constrained_shortest_path(tail, head, [1.0] * m, np.ones((m, 1)), 0, 0, [0.0])
        assert result.cost == 0
        assert result.resources.tolist() == [0.0]
        assert result.arcs.size == 0


def test_loops_parallel_arcs_and_cycles_that_cost_nothing():
    # A free cycle 1 -> 2 -> 1, a loop at 1, two arcs 0 -> 1 of which only the dear one fits.
    tail, head = [0, 0, 1, 1, 2, 2], [1, 1, 1, 2, 1, 3]
    cost = [1, 5, 0, 0, 0, 1]
    use = [[3], [1], [0], [0], [0], [1]]
    for epsilon in (0.0, 0.5):
        result = constrained_shortest_path(tail, head, cost, use, 0, 3, [3], epsilon)
        assert result.cost == 6
        assert result.arcs.tolist() == [1, 3, 5]


@pytest.mark.parametrize("cyclic", [False, True])
@pytest.mark.parametrize("epsilon", [0.0, 0.01, 1.0, 10.0])
def test_optimum_of_zero_comes_out_as_zero(epsilon, cyclic):
    # The free path uses 9; cheap paths that use less must not stand in for it.
    tail, head = [0, 0, 1, 1, 2, 2], [1, 1, 2, 2, 3, 3]
    cost = [0, 1e-9, 0, 1e-9, 0, 1e-9]
    use = [[3], [1], [3], [1], [3], [1]]
    if cyclic:
        tail, head, cost, use = [*tail, 2], [*head, 1], [*cost, 0], [*use, [0]]
    for early in (True, False):
        result = constrained_shortest_path(
            tail, head, cost, use, 0, 3, [9], epsilon, stop_early=early
        )
        assert result.cost == 0
        assert result.bound == 0
    dear = constrained_shortest_path(tail, head, cost, use, 0, 3, [8.5], epsilon)
    assert 0 < dear.cost <= (1 + epsilon) * 1e-9 * (1 + 1e-12)


def test_limits_of_zero_and_of_infinity():
    result = constrained_shortest_path(
        TAIL, HEAD, COST, [[0, 4], [0, 4], [1, 1], [0, 1]], 0, 3, [0, math.inf], 0.5
    )
    assert result.arcs.tolist() == [0, 1]
    assert result.resources.tolist() == [0.0, 8.0]


def _of_a_buffer(array):
    """Return the array one byte off where a double may begin, not to be written to."""
    return np.frombuffer(b"x" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)


LAID_OUT = {
    "read-only": lambda array: np.broadcast_to(array, array.shape),
    "unaligned": _of_a_buffer,
    "a column of a table": lambda array: np.repeat(array[..., None], 2, -1)[..., 0],
    "backwards": lambda array: array[::-1].copy()[::-1],
}


@pytest.mark.parametrize("layout", LAID_OUT)
def test_figures_and_ids_may_lie_in_memory_as_they_will(layout):
    # As memory maps, columns of a table and pandas have them; compiled kernels take none of these.
    warm_up()
    tail, head = np.array([[0, 0, 1], [1, 1, 2]], np.int32)
    cost, use = np.array([1.0, 2.0, 1.0]), np.array([[3.0], [1.0], [1.0]])
    given = [LAID_OUT[layout](array) for array in (tail, head, cost, use)]
    for easy in (True, False):
        found = constrained_shortest_path(*given, 0, 2, [2.0], easy=easy)
        assert (found.cost, found.arcs.tolist()) == (3.0, [1, 2])


def test_one_resource_may_be_a_vector():
    result = constrained_shortest_path(TAIL, HEAD, COST, [4, 4, 1, 1], 0, 3, [2])
    assert result.cost == 6


def powers(stages):
    """A chain of stages with two parallel arcs: every one of 2^stages paths is on the front."""
    tail = np.repeat(np.arange(stages), 2)
    weight = 2.0 ** np.arange(stages)
    cost = np.column_stack([weight, np.zeros(stages)]).ravel()
    use = np.column_stack([np.zeros(stages), weight]).ravel()
    return tail, tail + 1, cost + 1.0, use[:, None], 0, stages


def test_front_of_powers_of_two_is_exponential_and_trimmed_polynomial():
    case = powers(12)
    limit = [math.inf]
    exact = constrained_shortest_path(*case, limit, front=True)
    assert exact.front.costs.size == 2**12
    assert np.array_equal(exact.front.costs, 12.0 + np.arange(2**12))
    trimmed = constrained_shortest_path(*case, limit, 0.1, front=True)
    assert trimmed.front.costs.size < 2**8
    statistics = trimmed.statistics
    assert statistics.labels_trimmed > 0
    assert statistics.labels_kept <= statistics.label_bound
    # Every point of the exact front has one near it that uses no more.
    for cost, use in zip(exact.front.costs, exact.front.resources[:, 0], strict=True):
        near = trimmed.front.costs[trimmed.front.resources[:, 0] <= use].min()
        assert near <= 1.1 * cost
    # The polynomial does not double with every stage, the exact front does.
    longer = constrained_shortest_path(*powers(24), limit, 0.1, front=True)
    assert longer.statistics.labels_kept < 8 * statistics.labels_kept


def layered(seed, layers, width, degree, resources, back=False):
    rng = np.random.default_rng(seed)
    tail, head = [0] * width, list(range(1, width + 1))
    for layer in range(layers - 1):
        start = 1 + layer * width
        for node in range(start, start + width):
            for other in rng.choice(width, degree, replace=False):
                tail.append(node)
                head.append(start + width + int(other))
                if back and rng.random() < 0.3:
                    tail.append(start + width + int(other))
                    head.append(node)
    last = 1 + (layers - 1) * width
    tail += list(range(last, last + width))
    head += [last + width] * width
    cost = rng.integers(1, 30, len(tail)).astype(float)
    res = rng.integers(1, 30, (len(tail), resources)).astype(float)
    res[:, 0] = 30 - cost + rng.integers(0, 8, len(tail))
    return np.array(tail), np.array(head), cost, res, 0, last + width


def table_optimum(case, limit):
    """Return the optimum for one integer resource by a table over (use, node)."""
    tail, head, cost, res, source, target = case
    use = res[:, 0].astype(int)
    best = np.full((int(limit) + 1, target + 1), math.inf)
    best[0, source] = 0.0
    for amount in range(int(limit) + 1):
        for e in np.nonzero(use <= amount)[0]:
            value = best[amount - use[e], tail[e]] + cost[e]
            best[amount, head[e]] = min(best[amount, head[e]], value)
    return best[:, target].min()


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_one_integer_resource_against_a_table(seed, back):
    case = layered(seed, 7, 6, 3, 1, back)
    least = constrained_shortest_path(*case[:2], case[3][:, 0], None, *case[4:], []).cost
    for limit in (least, least * 1.15, least * 1.4):
        best = table_optimum(case, limit)
        exact = constrained_shortest_path(*case, [limit])
        assert exact.cost == exact.bound == best
        for epsilon in (1.0, 0.1, 0.01):
            for early in (True, False):
                result = constrained_shortest_path(*case, [limit], epsilon, stop_early=early)
                assert result.bound <= best <= result.cost <= (1 + epsilon) * best
                assert result.resources[0] <= limit
                assert result.ratio <= 1 + epsilon


def milp_optimum(case, limits):
    """Return the optimum by HiGHS: unit flow with one row a limit; inf when infeasible."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    tail, head, cost, res, source, target = case
    flow = np.zeros((target + 1, tail.size))
    np.add.at(flow, (tail, np.arange(tail.size)), 1.0)
    np.add.at(flow, (head, np.arange(tail.size)), -1.0)
    supply = np.zeros(target + 1)
    supply[source], supply[target] = 1.0, -1.0
    answer = milp(
        cost,
        integrality=np.ones(tail.size),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(flow, supply, supply),
            LinearConstraint(res.T, -np.inf, limits),
        ],
        options={"mip_rel_gap": 0.0},
    )
    return math.inf if answer.status == 2 else answer.fun


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("resources", [1, 2, 3])
def test_agrees_with_a_milp(resources, back):
    case = layered(10 + resources, 8, 8, 3, resources, back)
    cheapest = constrained_shortest_path(*case[:3], None, *case[4:], [])
    use = case[3][cheapest.arcs].sum(axis=0)
    least = [
        constrained_shortest_path(*case[:2], case[3][:, k], None, *case[4:], []).cost
        for k in range(resources)
    ]
    for share in (0.3, 0.6):
        limits = least + share * (np.maximum(use, 1.3 * np.array(least)) - least)
        best = milp_optimum(case, limits)
        exact = constrained_shortest_path(*case, limits)
        assert (exact.cost or math.inf) == pytest.approx(best, abs=1e-6)
        for others in ("relaxed", "kept"):
            for early in (True, False):
                result = constrained_shortest_path(
                    *case, limits, 0.05, others=others, stop_early=early
                )
                if result.bound is not None:
                    assert result.bound <= best + 1e-6
                if result.cost is not None:
                    factors = np.ones(resources)
                    for k, factor in result.guarantee.relaxed:
                        factors[k] = factor
                    assert np.all(result.resources <= limits * factors)
                    if others == "relaxed" or resources == 1:
                        assert result.cost <= 1.05 * best + 1e-6


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("others", ["relaxed", "kept"])
def test_two_resources_any_strict_limit(others, back):
    case = layered(5, 8, 8, 4, 2, back)
    limits = np.array([150.0, 100.0])
    best = constrained_shortest_path(*case, limits).cost
    for strict in (0, 1):
        result = constrained_shortest_path(
            *case, limits, 0.1, strict=strict, others=others, stop_early=False
        )
        assert result.resources[strict] <= limits[strict]
        assert result.bound <= best
        tight = limits / 1.1
        tight[strict] = limits[strict]
        if others == "kept":
            assert result.guarantee.tightened == ((1 - strict, 1.1),)
            assert np.all(result.resources <= limits)
            assert result.cost <= 1.1 * constrained_shortest_path(*case, tight).cost
        else:
            assert result.guarantee.relaxed == ((1 - strict, 1.1),)
            assert result.cost <= 1.1 * best
        assert result.statistics.labels_kept <= result.statistics.label_bound


@pytest.mark.parametrize("scale", [1e-12, 1e9])
@pytest.mark.parametrize("back", [False, True])
def test_scaling_costs_scales_the_answer(scale, back):
    case = layered(7, 8, 8, 4, 1, back)
    tail, head, cost, res, source, target = case
    scaled = (tail, head, cost * scale, res, source, target)
    for epsilon in (0.0, 0.1):
        one = constrained_shortest_path(*case, [120], epsilon)
        other = constrained_shortest_path(*scaled, [120], epsilon)
        assert other.cost == pytest.approx(one.cost * scale, rel=0.1 if epsilon else 1e-12)


@pytest.mark.parametrize("back", [False, True])
def test_budgets_keep_incumbent_and_bound(back):
    # A front leaves no way to stop early, so a budget must end the run.
    case = layered(3, 30, 30, 8, 3, back)
    full = np.full(3, 1e4)
    budgets = {
        Termination.LABELS: {"label_limit": 50_000},
        Termination.MEMORY: {"memory_limit_bytes": 1 << 20},
        Termination.TIME: {"time_limit_s": 0.05},
    }
    for termination, budget in budgets.items():
        result = constrained_shortest_path(*case, full, front=True, **budget)
        assert result.termination == termination
        assert result.guarantee.kind == "none"
        assert not result.front.complete
        # The optimum is plain: no limit binds.
        best = constrained_shortest_path(*case[:3], None, *case[4:], []).cost
        assert result.bound <= best <= result.cost


@pytest.mark.parametrize("back", [False, True])
def test_log_tells_every_label_and_its_fate(back):
    case = layered(2, 5, 4, 2, 1, back)
    result = constrained_shortest_path(*case, [90], front=True, record=True)
    log = result.log
    assert log.complete
    assert log.node.size == result.statistics.labels_made
    kept = [log.FATES[f] for f in log.fate].count("kept")
    assert kept == result.statistics.labels_kept
    ends = (log.node == case[5]) & (log.fate == 0)
    assert sorted(log.cost[ends]) == sorted(result.front.costs)
    short = constrained_shortest_path(*case, [90], front=True, record=5)
    assert short.log.node.size == 5
    assert not short.log.complete


def test_second_warm_up_is_free_and_compile_time_is_told_apart():
    warm_up()
    assert warm_up() == 0.0
    assert diamond(2).statistics.compile_s == 0.0


GOOD = {
    "tail": TAIL,
    "head": HEAD,
    "cost": COST,
    "resources": USE,
    "source": 0,
    "target": 3,
    "limits": [8.0],
}


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ({"tail": [0, 1, 0]}, "head: 4, expected 3 entries"),
        ({"tail": [0.0, 1.0, 0.0, 2.0]}, "tail: dtype('float64'), expected an integer array"),
        ({"tail": [0, 1, -1, 2]}, "tail[2]: -1"),
        ({"head": [[1, 3], [2, 3]]}, "head: (2, 2)"),
        ({"cost": [1, 1, 3]}, "cost: (3,), expected shape (4,)"),
        ({"cost": [1, 1, -3, 3]}, "cost[2]: -3.0, expected finite and >= 0"),
        ({"cost": [1, 1, math.nan, 3]}, "cost[2]: nan"),
        ({"cost": [1, 1, math.inf, 3]}, "cost[2]: inf"),
        ({"cost": ["a"] * 4}, "cost: dtype"),
        ({"resources": [[4, 1]] * 4}, "resources: (4, 2), expected shape (4, 1)"),
        ({"resources": [[4], [4], [-1], [1]]}, "resources[2, 0]: -1.0"),
        ({"source": 4}, "source: 4, expected 0 to 3"),
        ({"target": -1}, "target: -1, expected 0 to 3"),
        ({"source": 0.5}, "source: 0.5, expected an integer"),
        ({"nodes": 3}, "head: 3, expected 0 to 2"),
        ({"limits": [-1.0]}, "limits[0]: -1.0"),
        ({"limits": [math.nan]}, "limits[0]: nan"),
        ({"limits": 8.0}, "limits: 8.0, expected a list of K numbers"),
        ({"epsilon": -0.1}, "epsilon: -0.1"),
        ({"epsilon": math.nan}, "epsilon: nan"),
        ({"strict": 1}, "strict: 1, expected 0 to 0"),
        ({"others": "some"}, "others: 'some'"),
        ({"time_limit_s": -1}, "time_limit_s: -1"),
        ({"label_limit": 0}, "label_limit: 0"),
    ],
)
def test_bad_input_is_told_in_one_line(change, start):
    with pytest.raises(InputError) as caught:
        constrained_shortest_path(**{**GOOD, **change})
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)


def test_front_within_epsilon_needs_finite_limits_on_what_is_relaxed():
    with pytest.raises(InputError, match=r"limits\[1\]"):
        constrained_shortest_path(
            TAIL, HEAD, COST, [[1, 1]] * 4, 0, 3, [8, math.inf], 0.1, front=True
        )


def test_a_lagrangian_bound_above_every_path_proves_that_limits_clash():
    # Each layer offers (1, 9) or (9, 1): either limit can be kept, but use adds up to 10 a layer.
    layers = 12
    tail = np.repeat(np.arange(layers), 2)
    use = np.tile([[1.0, 9.0], [9.0, 1.0]], (layers, 1))
    cost = np.tile([1.0, 2.0], layers)
    result = constrained_shortest_path(tail, tail + 1, cost, use, 0, layers, [55, 55], 0.1)
    assert result.termination == Termination.INFEASIBLE
    assert result.forbidding == ()
    assert result.reason == "a Lagrangian bound exceeds the cost of every path"
    assert result.statistics.labels_made == 0


def grid(rng, layers, width):
    """Return a layered digraph with random costs and uses that run against them."""
    tail, head = [], []
    for layer in range(layers):
        for u in range(width):
            for v in range(width):
                tail.append(0 if layer == 0 else 1 + (layer - 1) * width + u)
                head.append(1 + layer * width + v)
    last = 1 + layers * width
    tail += range(last - width, last)
    head += [last] * width
    cost = rng.uniform(1, 10, len(tail))
    return tail, head, cost, np.column_stack([11 - cost, rng.uniform(1, 10, len(tail))]), last


@pytest.mark.parametrize("quota", [2, 50, 8000])
def test_short_search_beyond_its_quota_is_as_if_it_had_not_been(quota, way, monkeypatch):
    monkeypatch.setattr("splitopt.heuristics.labels.solve._EASY", quota)
    tail, head, cost, use, target = grid(np.random.default_rng(3), 6, 3)
    limits = [36.0, 40.0]
    first = constrained_shortest_path(tail, head, cost, use, 0, target, limits)
    second = constrained_shortest_path(tail, head, cost, use, 0, target, limits, easy=False)
    assert first.cost == second.cost == first.bound
    assert first.termination == "finished"
    settled = way == "easy" and quota == 8000
    # The long search finds a dual bound first.
    assert (first.statistics.lagrangian_bound is None) == settled
    s = first.statistics
    ends = (s.labels_kept, s.labels_dominated, s.labels_trimmed, s.labels_over_limit)
    assert s.labels_made == sum(ends) + s.labels_over_bound + s.labels_open


def test_short_search_leaves_reasons_to_the_long_one():
    # Either limit can be kept, both cannot: the message is the long search's.
    tail, head, cost, use, target = grid(np.random.default_rng(3), 3, 3)
    result = constrained_shortest_path(tail, head, cost, use, 0, target, [9.0, 7.0])
    assert result.termination == Termination.INFEASIBLE
    assert result.reason


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
@pytest.mark.parametrize("front", [False, True])
def test_a_run_that_ends_before_the_first_node_claims_no_more_than_was_known(epsilon, front):
    tail, head, cost, use, target = grid(np.random.default_rng(3), 8, 4)
    limits = [48.0, 55.0]
    optimum = constrained_shortest_path(tail, head, cost, use, 0, target, limits).cost
    result = constrained_shortest_path(
        tail, head, cost, use, 0, target, limits, epsilon, front=front, label_limit=1
    )
    # The one label there may be is the source's, so nothing was searched; within 10 % the bounds
    # beforehand are enough.
    enough = epsilon > 0 and not front
    assert result.termination == (Termination.FINISHED if enough else Termination.LABELS)
    assert result.cost is None or result.cost > optimum
    assert result.bound <= optimum * (1 + 1e-9)
