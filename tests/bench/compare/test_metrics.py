"""Every metric against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from splitopt.bench.compare.metrics import (
    bootstrap,
    data_profile,
    gap_to_best,
    paired_difference,
    paired_ratio,
    penalised_average,
    performance_profile,
    primal_dual_integral,
    primal_gap,
    primal_integral,
    shifted_geometric_mean,
)
from splitopt.instances.core.errors import InputError

INF = math.inf


def test_shifted_geometric_mean_by_hand():
    # (10 + 10) * (90 + 10) * (490 + 10) = 10^6, whose cube root is 100.
    assert shifted_geometric_mean([10, 90, 490], shift=10) == pytest.approx(90, rel=1e-12)
    # Without a shift: sqrt(4 * 9) = 6.
    assert shifted_geometric_mean([4, 9], shift=0) == pytest.approx(6, rel=1e-12)
    # Values below one second count as one without a shift: sqrt(1 * 4) = 2.
    assert shifted_geometric_mean([0.001, 4], shift=0) == pytest.approx(2, rel=1e-12)
    with pytest.raises(ValueError, match="nothing"):
        shifted_geometric_mean([])


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=20), st.floats(1, 100))
def test_shifted_geometric_mean_lies_between_the_extremes_and_below_the_mean(values, shift):
    mean = shifted_geometric_mean(values, shift)
    assert min(values) - 1e-6 <= mean <= sum(values) / len(values) + 1e-6


def test_penalised_average_by_hand():
    # 2, 4 and a failure at 10 times 10: (2 + 4 + 100) / 3; PAR2: (2 + 4 + 20) / 3.
    assert penalised_average([2, 4, 1], [True, True, False], 10) == pytest.approx(106 / 3)
    assert penalised_average([2, 4, 1], [True, True, False], 10, 2) == pytest.approx(26 / 3)
    # Solved after the limit: no better than giving up.
    assert penalised_average([11.0], [True], 10, 2) == penalised_average([1.0], [False], 10, 2)


def test_a_fast_failure_is_no_fast_time():
    slow = penalised_average([9.0], [True], 10)
    wrong = penalised_average([0.001], [False], 10)
    assert wrong > slow


def test_gap_to_best():
    assert gap_to_best(11.0, 10.0) == pytest.approx(0.1)
    assert gap_to_best(10.0, 10.0) == 0.0
    assert gap_to_best(9.0, 10.0) == pytest.approx(-0.1)
    assert gap_to_best(0.0, 0.0) == 0.0
    assert gap_to_best(1.0, 0.0) == INF
    assert gap_to_best(-9.0, -10.0) == pytest.approx(0.1)
    assert gap_to_best(None, 1.0) is None
    assert gap_to_best(1.0, None) is None


def test_performance_profile_by_hand():
    profile = performance_profile({"a": [1.0, 2.0, INF, 4.0], "b": [2.0, 1.0, INF, INF]})
    # a: ratios 1, 2, never, 1.   b: ratios 2, 1, never, never.
    assert [profile["a"](x) for x in (0.5, 1, 1.9, 2, 100)] == [0, 0.5, 0.5, 0.75, 0.75]
    assert [profile["b"](x) for x in (0.5, 1, 1.9, 2, 100)] == [0, 0.25, 0.25, 0.5, 0.5]


def test_performance_profile_of_zero_costs_and_below_the_floor():
    profile = performance_profile({"a": [0.0], "b": [0.0], "c": [1.0]})
    assert (profile["a"](1), profile["b"](1), profile["c"](1e9)) == (1, 1, 0)
    # Both below the clock's resolution: neither is better.
    profile = performance_profile({"a": [1e-6], "b": [1e-4]}, floor=1e-3)
    assert (profile["a"](1), profile["b"](1)) == (1, 1)


def test_leaving_out_the_best_can_swap_the_order_of_the_others():
    # The caveat above two methods, as numbers: b leads c at ratio 2 only while a is there.
    costs = {"a": [1.0, 1.0, 1.0], "b": [2.0, 2.0, 9.0], "c": [3.0, 3.0, 1.0]}
    with_a = performance_profile(costs)
    assert with_a["b"](2) > with_a["c"](2)
    without = performance_profile({k: costs[k] for k in "bc"})
    assert without["b"](2) < without["c"](2)


def test_data_profile_by_hand():
    profile = data_profile({"a": [1.0, 3.0, INF, 10.0]})
    assert [profile["a"](x) for x in (0.9, 1, 3, 9, 10)] == [0, 0.25, 0.5, 0.5, 0.75]
    # Sizes 0, 2, 9, 4: budgets of n + 1 = 1, 3, 10, 5, so scaled costs 1, 1, never, 2.
    profile = data_profile({"a": [1.0, 3.0, INF, 10.0]}, sizes=[0, 2, 9, 4])
    assert [profile["a"](x) for x in (0.9, 1, 2)] == [0, 0.5, 0.75]


def test_profiles_refuse_what_is_no_cost():
    for bad in ({"a": [float("nan")]}, {"a": [-1.0]}, {"a": []}):
        with pytest.raises(ValueError, match="cost"):
            performance_profile(bad)


def test_primal_gap():
    assert primal_gap(None, 1.0) == 1.0
    assert primal_gap(0.0, 0.0) == 0.0
    assert primal_gap(-1.0, 1.0) == 1.0
    assert primal_gap(4.0, 3.0) == 0.25
    assert primal_gap(3.0, 4.0) == 0.25


def test_primal_integral_by_hand():
    # Nothing until 2 s (gap 1), then 20 against 10 (gap 1/2) until 6 s, then the best until 10 s.
    trajectory = [(2.0, 20.0, None), (6.0, 10.0, None)]
    assert primal_integral(trajectory, 10.0, 10.0) == pytest.approx(2 * 1 + 4 * 0.5 + 4 * 0)
    # The horizon cuts it.
    assert primal_integral(trajectory, 10.0, 4.0) == pytest.approx(2 * 1 + 2 * 0.5)
    # No incumbent at all, or no best known: the gap is 1 throughout.
    assert primal_integral([], 10.0, 10.0) == 10.0
    assert primal_integral(trajectory, None, 10.0) == 10.0


def test_primal_dual_integral_by_hand():
    # 1 until there are both at 2 s; then |20 - 5| / 20 until 4 s; then |20 - 15| / 20 until 10 s.
    trajectory = [(1.0, 20.0, None), (2.0, 20.0, 5.0), (4.0, 20.0, 15.0)]
    assert primal_dual_integral(trajectory, 10.0) == pytest.approx(2 + 2 * 0.75 + 6 * 0.25)


def test_points_after_the_horizon_do_not_count():
    assert primal_integral([(50.0, 10.0, None)], 10.0, 10.0) == 10.0


def test_paired_ratio_by_hand():
    rng = np.random.default_rng(0)
    # Instance 1: ratios 2 and 8, mean 4. Instance 2: ratios 1 and 1. Together sqrt(4 * 1) = 2.
    found = paired_ratio([[1.0, 1.0], [3.0, 5.0]], [[2.0, 8.0], [3.0, 5.0]], rng)
    assert found.estimate == pytest.approx(2.0)
    # Only instance 1 varies: its mean log ratio is ln 2, ln 4 or ln 8 in a resample, so half
    # of that lies between ln 2 / 2 and ln 8 / 2, both ends with probability 1/4.
    assert found.low == pytest.approx(math.sqrt(2))
    assert found.high == pytest.approx(math.sqrt(8))
    assert found.pairs == 4


def test_paired_ratio_of_a_constant_factor_has_no_width():
    rng = np.random.default_rng(1)
    first = [[1.0, 2.0, 3.0], [5.0]]
    found = paired_ratio(first, [[2 * x for x in row] for row in first], rng)
    assert (found.low, found.estimate, found.high) == pytest.approx((2, 2, 2))


def test_paired_ratio_with_one_seed_resamples_instances():
    rng = np.random.default_rng(2)
    found = paired_ratio([[1.0]] * 50, [[2.0]] * 25 + [[0.5]] * 25, rng)
    assert found.estimate == pytest.approx(1.0)
    assert found.low < 1.0 < found.high


def test_paired_ratio_refuses_zero_without_a_shift():
    rng = np.random.default_rng(3)
    with pytest.raises(InputError, match="shift"):
        paired_ratio([[0.0]], [[1.0]], rng)
    assert paired_ratio([[0.0]], [[1.0]], rng, shift=1.0).estimate == pytest.approx(2.0)


def test_a_few_instances_with_seeds_do_not_speak_for_all():
    rng = np.random.default_rng(4)
    # One instance of five has several seeds, all alike: over seeds the width would be 0.
    first = [[1.0, 1.0, 1.0], [1.0], [1.0], [1.0], [1.0]]
    second = [[2.0, 2.0, 2.0], [1.0], [3.0], [0.5], [4.0]]
    found = paired_ratio(first, second, rng)
    assert found.over == "instances"
    assert found.low < found.estimate < found.high
    assert paired_ratio([[1.0, 1.0]], [[2.0, 2.0]], rng).over == "seeds"


def test_paired_difference_by_hand():
    rng = np.random.default_rng(5)
    # Instance 1: differences 1 and 0, mean 1/2. Instance 2: -1 and -1. Together -1/4.
    found = paired_difference([[0.0, 1.0], [1.0, 1.0]], [[1.0, 1.0], [0.0, 0.0]], rng)
    assert found.estimate == pytest.approx(-0.25)
    # Instance 1 gives 0, 1/2 or 1 in a resample, the ends with probability 1/4 each.
    assert (found.low, found.high) == pytest.approx((-0.5, 0.0))
    with pytest.raises(InputError, match="level"):
        paired_difference([[0.0]], [[1.0]], rng, level=1.0)


# -- against other implementations -------------------------------------------------------------

costs = st.one_of(st.floats(1e-3, 1e3), st.just(INF))


@given(st.lists(st.floats(1.0, 1e5), min_size=1, max_size=20), st.floats(0, 100))
def test_shifted_geometric_mean_is_scipys_of_shifted_values(values, shift):
    theirs = stats.gmean(np.asarray(values) + shift) - shift
    assert shifted_geometric_mean(values, shift) == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(st.lists(costs, min_size=n, max_size=n), min_size=1, max_size=4)
    ),
    st.floats(1, 50),
)
def test_performance_profiles_are_what_their_definition_counts(table, tau):
    named = {str(k): column for k, column in enumerate(table)}
    profile = performance_profile(named)
    n = len(table[0])
    for name, column in named.items():
        counted = 0
        for i in range(n):
            best = min(other[i] for other in table)
            # The quotient, as in the definition: tau * best would round differently.
            counted += column[i] < INF and column[i] / best <= tau
        assert profile[name](tau) == pytest.approx(counted / n)
    # Data profiles are distributions, as SciPy has them.
    for name, column in named.items():
        finite = [c for c in column if c < INF]
        share = stats.ecdf(finite).cdf.evaluate(tau) * len(finite) / n if finite else 0.0
        assert data_profile(named)[name](tau) == pytest.approx(share)


steps = st.lists(
    st.tuples(st.floats(0, 10), st.floats(1, 100), st.floats(0.1, 100)), min_size=0, max_size=6
)


@settings(max_examples=50)
@given(steps, st.floats(1, 100), st.floats(0.5, 12))
def test_integrals_are_those_of_a_fine_sum(points, best, horizon):
    trajectory = sorted(points)
    n = 20_000
    middles = (np.arange(n) + 0.5) * horizon / n
    primal, dual = np.ones(n), np.ones(n)
    for time_s, incumbent, bound in trajectory:
        primal[middles >= time_s] = abs(incumbent - best) / max(incumbent, best)
        dual[middles >= time_s] = abs(incumbent - bound) / max(incumbent, bound)
    # Each of at most 6 steps falls inside one cell of the sum.
    error = 7 * horizon / n
    assert primal_integral(trajectory, best, horizon) == pytest.approx(
        primal.mean() * horizon, abs=error
    )
    assert primal_dual_integral(trajectory, horizon) == pytest.approx(
        dual.mean() * horizon, abs=error
    )


def test_intervals_over_instances_are_scipys():
    rng = np.random.default_rng(6)
    first = rng.lognormal(0.0, 0.5, 40)
    second = first * rng.lognormal(0.2, 0.4, 40)
    ours = paired_ratio([[x] for x in first], [[x] for x in second], rng, resamples=20_000)
    theirs = stats.bootstrap(
        (np.log(second / first),), np.mean, n_resamples=20_000, method="percentile", rng=rng
    ).confidence_interval
    # Both are Monte Carlo: their ends agree to a few standard errors of a quantile.
    width = np.log(ours.high / ours.low)
    assert np.log(ours.low) == pytest.approx(theirs.low, abs=0.03 * width)
    assert np.log(ours.high) == pytest.approx(theirs.high, abs=0.03 * width)


def test_an_interval_over_seeds_covers_the_truth_about_as_often_as_it_says():
    # 12 seeds of normal noise on each of 4 instances; the truth is a ratio of 1.
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        noise = np.exp(rng.normal(0.0, 0.3, (4, 12)))
        found = paired_ratio(np.ones((4, 12)), noise, rng, resamples=400)
        covered += found.low <= 1.0 <= found.high
    # Percentile intervals of 12 seeds are a little narrow: 0.95 less a few hundredths.
    assert 0.88 <= covered / 300 <= 0.98


@pytest.mark.parametrize("picks", [1, 3000, 1 << 16])
def test_resamples_are_those_of_one_row_after_the_other(picks, monkeypatch):
    """Whatever is drawn together: the definition, written out, gives the same to the last bit."""
    monkeypatch.setattr(bootstrap, "_PICKS", picks)
    figures = np.random.default_rng(5)
    sizes = [3, 3, 3, 1, 7, 7, 150, 20, 20, 3]
    rows = [figures.lognormal(size=size) for size in sizes]
    rows[1][:] = 0.1  # three times 0.1 is not 0.3
    rows[5][:] = -1.0 / 3.0
    rng = np.random.default_rng(7)
    draws = np.zeros(300)
    for row in rows:
        if row.size > 100:
            draws += rng.normal(row.mean(), row.std() / math.sqrt(row.size), 300)
        else:
            draws += row[rng.integers(0, row.size, size=(300, row.size))].mean(axis=1)
    low, high = np.quantile(draws / len(rows), [0.05, 0.95])
    nothing = [[0.0] * size for size in sizes]
    found = paired_difference(nothing, rows, np.random.default_rng(7), level=0.9, resamples=300)
    assert (found.low, found.high) == (low, high)
    assert found.estimate == np.mean([row.mean() for row in rows])
