"""The Lagrangian bound and the search behind it: certified, exact, and blind to nothing."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from splitopt.formulations.mepra.branching import Core, search
from splitopt.formulations.mepra.lagrangian import METHOD
from splitopt.formulations.mepra.options import OptionTable, option_table
from splitopt.formulations.mepra.relaxation import relax
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.judge import certify
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.networks.profiles import Layer, MultiExitProfile


def table_of(options: list[list[tuple[float, float]]]) -> OptionTable:
    """Return a table straight from pairs (own cost, root)."""
    flat = [pair for mine in options for pair in mine]
    start = np.cumsum([0, *map(len, options)])
    root = np.array([r for _, r in flat])
    zeros = np.zeros(len(flat), dtype=np.int64)
    return OptionTable(start, np.array([a for a, _ in flat]), root**2, root, zeros, zeros, 0.0)


pairs = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda p: (float(p[0]), float(p[1])))


@settings(max_examples=100, deadline=None)
@example([[(0.0, 1.0), (0.0, 0.0)]])  # the best multiplier is 0
@given(st.lists(st.lists(pairs, min_size=1, max_size=4), min_size=1, max_size=4))
def test_relaxation_is_the_best_multiplier_of_all(options: list[list[tuple[float, float]]]) -> None:
    table = table_of(options)
    relaxed = relax(table)

    def dual(multiplier: Fraction) -> Fraction:
        return (
            sum(
                min(Fraction(a) + 2 * multiplier * Fraction(r) for a, r in mine) for mine in options
            )
            - multiplier**2
        )

    # The dual is concave and piecewise quadratic: its maximum lies at a breakpoint of some
    # device or where the sum of roots of some choice equals the multiplier.
    places = {
        Fraction(sum(Fraction(r) for _, r in choice)) for choice in itertools.product(*options)
    }
    for mine in options:
        for (a, r), (b, q) in itertools.combinations(mine, 2):
            if r != q:
                places.add(Fraction(b - a) / (2 * Fraction(r - q)))
    best = max(dual(m) for m in places | {Fraction(0)} if m >= 0)
    assert Fraction(relaxed.value) - Fraction(relaxed.error) <= dual(Fraction(relaxed.multiplier))
    assert relaxed.value <= best + Fraction(relaxed.error)
    assert relaxed.value == pytest.approx(float(best), rel=1e-12, abs=1e-12)
    least = min(
        sum(a for a, _ in choice) + sum(r for _, r in choice) ** 2
        for choice in itertools.product(*options)
    )
    assert relaxed.value - relaxed.error <= least


@st.composite
def cores(draw: st.DrawFn) -> Core:
    shifts = st.integers(-20, 20).map(float)
    penalties = st.sampled_from([0.0, 0.0, 0.5, 3.0, 10.0, 40.0, 150.0])
    counts = draw(st.lists(st.integers(2, 4), min_size=1, max_size=6))
    penalty, shift = [], []
    for count in counts:
        penalty += [0.0] + [draw(penalties) for _ in range(count - 1)]
        shift += [0.0] + [draw(shifts) for _ in range(count - 1)]
    start = np.cumsum([0, *counts])
    offset = draw(st.integers(-400, 400)) / 8
    return Core(start, np.array(penalty), np.array(shift), offset)


def least_value(core: Core) -> float:
    ranges = [range(core.start[j], core.start[j + 1]) for j in range(core.devices)]
    return min(
        sum(core.penalty[k] for k in choice)
        + (core.offset + sum(core.shift[k] for k in choice)) ** 2
        for choice in itertools.product(*ranges)
    )


def bound_by_multipliers(core: Core) -> float:
    """Return max over m of the sum of min (p + 2 m d) + 2 m D - m^2: a node's bound, dually."""

    def dual(m: float) -> float:
        price = core.penalty + 2 * m * core.shift
        return (
            float(np.minimum.reduceat(price, core.start[:-1]).sum()) + 2 * m * core.offset - m * m
        )

    low, high = -1e4, 1e4
    for _ in range(300):
        third = (high - low) / 3
        if dual(low + third) < dual(high - third):
            low += third
        else:
            high -= third
    return dual((low + high) / 2)


@settings(max_examples=200, deadline=None)
@given(cores())
def test_a_nodes_bound_is_its_best_lagrangian_bound(core: Core) -> None:
    stopped = search(
        core, threshold=lambda: 1e9, loss=0.0, found=lambda _: None, out_of_time=lambda: True
    )
    assert stopped.bound == pytest.approx(bound_by_multipliers(core), rel=1e-9, abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(cores(), st.sampled_from([0.0, 0.1, 5.0, 1e3]), st.sampled_from([1, 3, 1 << 20]))
def test_search_is_exact_up_to_the_loss_it_states(core: Core, loss: float, most: int) -> None:
    best = math.inf

    def found(choice: np.ndarray) -> None:
        nonlocal best
        assert (choice >= core.start[:-1]).all()
        assert (choice < core.start[1:]).all()
        value = core.penalty[choice].sum() + (core.offset + core.shift[choice].sum()) ** 2
        best = min(best, float(value))

    outcome = search(
        core,
        threshold=lambda: best if math.isfinite(best) else 1e6,
        loss=loss,
        found=found,
        out_of_time=lambda: False,
        most_nodes=most,
    )
    least = least_value(core)
    assert outcome.finished
    assert outcome.bound <= least + 1e-9
    assert outcome.bound >= best - loss - 1e-9
    assert best >= least - 1e-9
    if loss == 0.0:
        assert best == pytest.approx(least, abs=1e-9)


def test_search_stopped_at_once_still_bounds() -> None:
    # Two devices that can shift by 3 each from -4: least value is 1 at a shift of 3.
    core = Core(np.array([0, 2, 4]), np.zeros(4), np.array([0.0, 3.0, 0.0, 3.0]), -4.0)
    stopped = search(
        core, threshold=lambda: 16.0, loss=0.0, found=lambda _: None, out_of_time=lambda: True
    )
    assert not stopped.finished
    assert stopped.bound == 0.0  # 4 / 3 of a device each, were they divisible
    full = search(
        core, threshold=lambda: 16.0, loss=0.0, found=lambda _: None, out_of_time=lambda: False
    )
    assert full.bound == 1.0


def test_a_nodes_bound_by_hand() -> None:
    # Shifts of 3 at a slope of 2 and of 5 at a slope of 3 from -4.8: 2 (-4.8 + t) + 3 = 0 at
    # t = 3.3, which costs 6 + 0.3 * 3 + 1.5^2.
    core = Core(
        np.array([0, 2, 4]), np.array([0.0, 6.0, 0.0, 15.0]), np.array([0.0, 3.0, 0.0, 5.0]), -4.8
    )
    stopped = search(
        core, threshold=lambda: 1e9, loss=0.0, found=lambda _: None, out_of_time=lambda: True
    )
    assert stopped.bound == pytest.approx(9.15, rel=1e-12)


def two_ways(own: list[float], root: list[float]) -> MepraInstance:
    """Return devices that cost `own` alone, or leave work with this root to the edge for free."""
    n = len(own)
    squares = np.array(root) ** 2
    return MepraInstance(
        name="two-ways",
        edge_capacity_flop_per_s=1.0,
        bandwidth_bit_per_s=1.0,
        weight_time_per_s=1.0,
        weight_energy_per_j=0.0,
        profiles=tuple(
            MultiExitProfile(f"net{i}", 0.0, (Layer("all", w, 0.0, 0.0),))
            for i, w in enumerate(squares.tolist())
        ),
        exit_fractions=ExitFractions.of([[1.0]]),
        speed_flop_per_s=squares / np.array(own),
        power_w=np.zeros(n),
        transmit_power_w=np.zeros(n),
        profile=np.arange(n),
        exit_row=np.zeros(n, dtype=np.int64),
        exit_set=np.ones(n, dtype=np.int64),
    )


@pytest.mark.parametrize(
    ("own", "root", "relative_gap", "best"),
    [
        # Both at the edge 144, the first alone 29.4 + 64, the second alone 65.23 + 16.
        ([29.4, 65.23], [4.0, 8.0], 0.01, 81.23),
        # The last alone: 14.52 + 15^2; the first: 91 + 8^2; last two: 94.73 + 8^2; the first and
        # the last: 105.52 + 7^2.
        ([91.0, 80.21, 14.52], [8.0, 7.0, 1.0], 0.03, 154.52),
    ],
)
def test_an_option_left_out_limits_what_is_proven(
    own: list[float], root: list[float], relative_gap: float, best: float
) -> None:
    result = METHOD.solve(two_ways(own, root), Budget(relative_gap=relative_gap), 0, {})
    assert result.bound is not None
    assert result.bound <= best
    assert result.objective is not None
    assert result.objective <= best / (1 - relative_gap)


def lattice(n: int, seed: int) -> MepraInstance:
    """Return devices whose roots lie near multiples of ten and whose own costs follow them.

    With a = 2 theta r every subset of devices at the edge ties in the relaxation; the sums of
    roots keep clear of theta, which only integrality shows.
    """
    rng = np.random.default_rng(seed)
    slack = 0.3
    root = 10.0 * rng.integers(1, 4, n) + rng.uniform(0, 20 * slack / n, n)
    theta = 10 * math.floor(root.sum() / 20) + 10 * (slack + (1 - slack) / 2)
    return two_ways((2 * theta * root).tolist(), root.tolist())


def test_gap_that_only_integrality_closes() -> None:
    case = lattice(14, 3)
    root = np.sqrt([network.layers[0].flops for network in case.profiles])
    own = root**2 / case.speed_flop_per_s
    on = np.array(list(itertools.product([0, 1], repeat=14)))
    best = float(((1 - on) @ own + (on @ root) ** 2).min())
    result = METHOD.solve(case, Budget(), 0, {})
    assert result.status is SolutionStatus.OPTIMAL
    assert result.objective == pytest.approx(best, rel=1e-6)
    assert result.bound is not None
    assert result.bound <= best
    without = METHOD.solve(case, Budget(), 0, {"branch": False})
    assert without.status is SolutionStatus.FEASIBLE
    assert without.bound is not None
    assert without.bound < best * (1 - 1e-5)


def test_merging_keeps_sixty_devices_small() -> None:
    # 2^60 subsets tie; merged within the gap asked for, two million nodes prove the optimum.
    result = METHOD.solve(lattice(60, 1), Budget(), 0, {})
    assert result.status is SolutionStatus.OPTIMAL
    assert 1 < int(result.statistics["nodes"] or 0) < 4_000_000


def test_time_cut_keeps_plan_and_bound() -> None:
    result = METHOD.solve(lattice(60, 1), Budget(time_limit_s=0.02, relative_gap=1e-12), 0, {})
    assert result.termination in (Termination.TIME, Termination.SOLVED)
    if result.plan is not None:
        assert result.bound is not None
        assert result.objective is not None
        assert result.bound <= result.objective


def many(n: int, *, free: bool) -> MepraInstance:
    rng = np.random.default_rng(5)
    network = MultiExitProfile(
        "net", 4e5, tuple(Layer(f"l{j}", 5e7, 1e6, 8e5 / 2**j) for j in range(6))
    )
    return MepraInstance(
        name="many",
        edge_capacity_flop_per_s=2e9 * n,
        bandwidth_bit_per_s=1e7,
        weight_time_per_s=1.0,
        weight_energy_per_j=0.3,
        profiles=(network,),
        exit_fractions=ExitFractions.of(rng.uniform(0, 1, (5, 6)).tolist(), 1, "proportional"),
        speed_flop_per_s=rng.uniform(1e9, 2e10, n),
        power_w=rng.uniform(1, 5, n),
        transmit_power_w=rng.uniform(0, 2, n),
        profile=np.zeros(n, dtype=np.int64),
        exit_row=rng.integers(0, 5, n),
        exit_set=None if free else rng.integers(0, 32, n) | 32,
    )


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("n", [1, 7, 50, 20_000])
def test_bound_is_below_the_exact_cost_of_the_plan_and_close(n: int, free: bool) -> None:
    case = many(n, free=free)
    result = METHOD.solve(case, Budget(relative_gap=1e-9), 0, {})
    assert result.status is SolutionStatus.OPTIMAL
    assert result.plan is not None
    assert result.bound is not None
    verdict = certify(case, result.plan)
    assert verdict.feasible
    assert verdict.low is not None
    assert verdict.high is not None
    assert Fraction(result.bound) <= verdict.high
    assert verdict.low - Fraction(result.bound) <= Fraction(2, 10**9) * verdict.high


def test_widely_spread_figures_are_still_bounded_from_below() -> None:
    # Speeds over twelve decades: the certificate holds, whatever the gap.
    case = many(40, free=True)
    spread = case.replace(speed_flop_per_s=10.0 ** np.linspace(4, 16, 40))
    result = METHOD.solve(spread, Budget(), 0, {})
    assert result.status is SolutionStatus.OPTIMAL
    assert result.plan is not None
    assert result.bound is not None
    high = certify(spread, result.plan).high
    assert high is not None
    assert Fraction(result.bound) <= high
    assert relax(option_table(spread)).error < 1e-12 * float(high)
