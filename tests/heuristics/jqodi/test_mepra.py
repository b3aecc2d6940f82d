"""JQODI on MEPRA against enumeration: optima, guarantees, bounds; fronts against all options."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.bench.methods.registry import load
from splitopt.heuristics.jqodi.mepra.dual import relax
from splitopt.heuristics.jqodi.mepra.options import fronts_of
from splitopt.instances.contract.method import Budget, Result, SolutionStatus, Termination
from splitopt.instances.core.tolerances import not_above, values_agree
from splitopt.instances.generators import generate
from splitopt.instances.judge import check, evaluate
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.mepra.plan import MepraPlan
from splitopt.instances.networks.profiles import Layer, MultiExitProfile

EPSILONS = (1.0, 0.5, 0.1, 0.01)


def draw(seed: int, *, most: int = 4) -> MepraInstance:
    """Return a small instance: exits fixed or free, zeros and ties among the figures."""
    rng = np.random.default_rng([5, seed])
    n, depth = int(rng.integers(1, most + 1)), int(rng.integers(1, 5))
    spread = float(rng.choice([0.0, 0.5, 1.5]))

    def figures(size: int, zeros: float) -> list[float]:
        values = 10.0 ** rng.uniform(-spread, spread, size) * rng.choice([1.0, 2.0, 5.0], size)
        values[rng.random(size) < zeros] = 0.0
        return [float(f"{x:.3g}") for x in values]

    layers = tuple(
        Layer(f"l{j}", *row)
        for j, row in enumerate(
            zip(figures(depth, 0.1), figures(depth, 0.3), figures(depth, 0.1), strict=True)
        )
    )
    rows = [[float(x) for x in rng.integers(0, 4, depth)] for _ in range(2)]
    rows = [row if sum(row) > 0 else [1.0] * depth for row in rows]
    exits = None
    if rng.random() < 0.5:
        exits = rng.integers(0, 2 ** (depth - 1), n) | 2 ** (depth - 1)
    return MepraInstance(
        "drawn",
        float(10.0 ** rng.uniform(-0.5, 2)),
        float(10.0 ** rng.uniform(-0.5, 1)),
        float(rng.choice([1.0, 1.0, 0.0])),
        float(rng.choice([1.0, 0.1, 0.0])),
        (MultiExitProfile("net", figures(1, 0.1)[0], layers),),
        ExitFractions.of(rows, 1.0, "proportional"),
        np.array(figures(n, 0.0)),
        np.array(figures(n, 0.3)),
        np.array(figures(n, 0.3)),
        np.zeros(n, dtype=np.int64),
        rng.integers(0, 2, n),
        exits,
    )


def solve(method: str, instance: MepraInstance, gap: float = 1e-6, **options: object) -> Result:
    found = load(method, "mepra").solve(instance, Budget(relative_gap=gap), 0, options)
    assert found.plan is not None
    assert check(instance, found.plan) == []
    assert found.termination == Termination.SOLVED
    return found


@pytest.mark.parametrize("seed", range(60))
def test_exact_program_agrees_with_enumeration(seed: int) -> None:
    instance = draw(seed)
    truth = solve("brute-force", instance).objective
    for gap, reduction in itertools.product((0.0, 1e-6), (True, False)):
        found = solve("jqodi-exact", instance, gap, reduction=reduction)
        assert not_above(found.bound, truth, 1e-9)
        if gap:
            assert found.status is SolutionStatus.OPTIMAL
            assert values_agree(found.objective, truth)
        else:
            assert found.objective == pytest.approx(truth, rel=2e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(60, 100))
def test_guarantee_and_bound(seed: int) -> None:
    instance = draw(seed)
    truth = solve("brute-force", instance).objective
    for epsilon, reduction in itertools.product(EPSILONS, (True, False)):
        found = solve("jqodi", instance, epsilon=epsilon, reduction=reduction)
        assert not_above(found.objective, (1 + epsilon) * truth, 1e-9)
        assert not_above(found.bound, truth, 1e-9)
        # What was certified is never worse than what was promised.
        assert not_above(found.objective, (1 + epsilon) * found.bound, 1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_fronts_hold_the_best_option_at_any_price(seed: int) -> None:
    instance = draw(seed, most=1)
    fronts = fronts_of(instance)
    depth = int(instance.layers[0])
    w, capacity = instance.weight_time_per_s, instance.edge_capacity_flop_per_s
    sets = [None]
    if instance.exit_set is None:
        sets = [np.array([x | 1 << (depth - 1)]) for x in range(1 << (depth - 1))]
    points = []
    for split, exits in itertools.product(range(depth + 1), sets):
        # At full capacity the edge's part is w_T W / C; the rest of the cost is A.
        cost = evaluate(instance, MepraPlan(np.array([split]), np.array([1.0]), exits)).objective
        half = evaluate(instance, MepraPlan(np.array([split]), np.array([0.5]), exits)).objective
        points.append((2 * cost - half, half - cost))
    for price in (0.0, 0.01, 0.3, 1.0, 3.0, 100.0):
        best = min(a + price * e for a, e in points)
        edge = w * fronts.edge[fronts.point] / capacity
        assert (fronts.own + price * edge).min() == pytest.approx(best, rel=1e-9, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_lagrangian_is_a_bound_that_the_plan_comes_near(seed: int) -> None:
    instance = draw(seed)
    fronts = fronts_of(instance)
    found = relax(fronts)
    cost = evaluate(instance, fronts.plan(instance, found.option)).objective
    truth = solve("brute-force", instance).objective
    assert not_above(found.bound, truth, 1e-12)
    assert not_above(truth, cost, 1e-9)
    ranges = [np.ptp(fronts.root[a:b]) for a, b in itertools.pairwise(fronts.start)]
    assert truth - found.bound <= max(ranges) ** 2 / 4 + 1e-9 * truth + 1e-12


def test_alike_devices_form_a_group() -> None:
    instance = generate("mepra-ties", 1)
    fronts = fronts_of(instance)
    assert len(fronts.count) < instance.devices
    assert fronts.count.sum() == instance.devices
    assert solve("jqodi-exact", instance).status is SolutionStatus.OPTIMAL


def test_many_devices_are_certified_by_the_lagrangian() -> None:
    instance = generate("mepra-large", 3, devices=20_000, exits="free")
    found = solve("jqodi", instance)
    assert found.objective == pytest.approx(found.bound, rel=1e-9)


def test_hard_sums_are_solved_by_labels() -> None:
    # PARTITION: the optimum is (S / 2)^2 + what a perfect half costs, all integers.
    instance = generate("mepra-partition", 3, devices=12)
    found = solve("jqodi-exact", instance, gap=0.0)
    assert found.statistics["labels"] > 0
    assert values_agree(found.objective, solve("lagrangian", instance).objective)


def test_no_time_and_a_warm_start() -> None:
    instance = draw(1)
    start = solve("brute-force", instance).plan
    for name in ("jqodi", "jqodi-exact"):
        method = load(name, "mepra")
        nothing = method.solve(instance, Budget(0.0), 0, {})
        assert nothing.plan is None
        assert nothing.termination is Termination.TIME
        kept = method.solve(instance, Budget(0.0), 0, {}, warm_start=start)
        assert kept.status is SolutionStatus.FEASIBLE


def test_memory_ends_the_run_with_a_plan_and_a_bound() -> None:
    instance = generate("mepra-partition", 1, devices=30)
    budget = Budget(memory_limit_bytes=20_000, relative_gap=1e-12)
    found = load("jqodi-exact", "mepra").solve(instance, budget, 0, {})
    assert found.termination is Termination.MEMORY
    assert found.plan is not None
    assert 0 < found.bound <= found.objective
    assert found.guarantee.kind == "none"
