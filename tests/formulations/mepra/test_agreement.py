"""Every exact method on MEPRA agrees with an enumeration written for this file alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.bench.methods.registry import load
from splitopt.formulations.mepra.layerwise import WalkedOption
from splitopt.formulations.mepra.options import OptionTable
from splitopt.formulations.solvers.didp import supported
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.core.tolerances import not_above
from splitopt.instances.judge import check
from splitopt.instances.mepra.model import ExitFractions, MepraInstance, exit_set_bits
from splitopt.instances.networks.profiles import Layer, MultiExitProfile

METHODS = (
    "highs-tangent",
    "highs-perspective",
    "cpsat",
    "scip-minlp",
    "lagrangian",
    pytest.param("didp", marks=pytest.mark.skipif(not supported(), reason="no didppy")),
)


def options_of(case: MepraInstance, i: int) -> list[tuple[float, float]]:
    """Return (own cost, root of the edge's part) of every split and exit set of device i."""
    network = case.profiles[int(case.profile[i])]
    depth = len(network.layers)
    fractions = case.exit_fractions.normalised[int(case.exit_row[i])]
    if case.exit_set is None:
        exit_sets = [
            set(c) | {depth}
            for k in range(depth)
            for c in itertools.combinations(range(1, depth), k)
        ]
    else:
        bits = int(case.exit_set[i])
        exit_sets = [{j for j in range(1, depth + 1) if bits >> (j - 1) & 1}]
    found = []
    for split, exits in itertools.product(range(depth + 1), exit_sets):
        device_s = edge_flop = sent_s = 0.0
        reach = 1.0
        for j in range(1, depth + 1):
            layer = network.layers[j - 1]
            if j == split + 1:
                bits_sent = network.input_bits if j == 1 else network.layers[j - 2].activation_bits
                sent_s = reach * bits_sent / case.bandwidth_bit_per_s
            flops = reach * (layer.flops + (layer.branch_flops if j in exits else 0.0))
            if j <= split:
                device_s += flops / float(case.speed_flop_per_s[i])
            else:
                edge_flop += flops
            if j in exits:
                reach = sum(fractions[j:depth].tolist())
        energy_j = float(case.power_w[i]) * device_s + float(case.transmit_power_w[i]) * sent_s
        own = case.weight_time_per_s * (device_s + sent_s) + case.weight_energy_per_j * energy_j
        root = math.sqrt(case.weight_time_per_s * edge_flop / case.edge_capacity_flop_per_s)
        found.append((own, root))
    return found


def optimum(case: MepraInstance) -> float:
    """Return the least of sum a + (sum r)^2 over all combinations."""
    a, r = np.zeros(1), np.zeros(1)
    for i in range(case.devices):
        options = options_of(case, i)
        a = np.add.outer(a, np.array([o[0] for o in options])).ravel()
        r = np.add.outer(r, np.array([o[1] for o in options])).ravel()
        if i < case.devices - 1:  # of equal roots the least own cost, lest it grow too long
            order = np.lexsort((a, r))
            a, r = a[order], r[order]
            better = np.ones(len(a), dtype=bool)
            better[1:] = a[1:] < np.minimum.accumulate(a)[:-1]
            a, r = a[better], r[better]
    return float((a + r * r).min())


@st.composite
def cases(draw: st.DrawFn) -> MepraInstance:
    """Return small instances: exits fixed or free, zeros and ties among the figures."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n, depth = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    spread = draw(st.sampled_from([0.0, 0.5, 2.0]))  # of exponents; 0 makes ties

    def figures(size: int, zeros: float) -> list[float]:
        values = 10.0 ** rng.uniform(-spread, spread, size) * rng.choice([1.0, 2.0, 5.0], size)
        values[rng.random(size) < zeros] = 0.0
        return [float(f"{x:.4g}") for x in values]

    layers = tuple(
        Layer(f"l{j}", *row)
        for j, row in enumerate(
            zip(figures(depth, 0.1), figures(depth, 0.3), figures(depth, 0.2), strict=True)
        )
    )
    rows = [[float(x) for x in rng.integers(0, 4, depth) + (1 if k == 0 else 0)] for k in range(3)]
    rows = [row if sum(row) > 0 else [1.0] * depth for row in rows]
    exit_set = None
    if draw(st.booleans()):
        inner = rng.integers(0, 2 ** (depth - 1), n)
        exit_set = inner | 2 ** (depth - 1)
        if draw(st.booleans()):
            exit_set[:] = 2**depth - 1
    return MepraInstance(
        name="case",
        edge_capacity_flop_per_s=float(10.0 ** rng.uniform(-1, 3)),
        bandwidth_bit_per_s=float(10.0 ** rng.uniform(-1, 2)),
        weight_time_per_s=draw(st.sampled_from([1.0, 1.0, 1.0, 0.3, 0.0])),
        weight_energy_per_j=draw(st.sampled_from([1.0, 1.0, 0.1, 0.0])),
        profiles=(MultiExitProfile("net", figures(1, 0.1)[0], layers),),
        exit_fractions=ExitFractions.of(rows, 1.0, "proportional"),
        speed_flop_per_s=np.array([x or 1.0 for x in figures(n, 0.0)]),
        power_w=np.array(figures(n, 0.3)),
        transmit_power_w=np.array(figures(n, 0.3)),
        profile=np.zeros(n, dtype=np.int64),
        exit_row=rng.integers(0, len(rows), n),
        exit_set=exit_set,
    )


@st.composite
def interior_cases(draw: st.DrawFn) -> MepraInstance:
    """Return instances whose options all count: each is a vertex of its device's hull.

    Bits sent fall with the split s faster than the work left, a_s = a_0 (W_s / W_0)^power, so
    own cost, (W_0 - W_s) / f + a_s / B, is convex in W_s and falls where W_0 / f is large.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 4))
    networks = []
    for i in range(n):
        flops = rng.integers(1, 10, rng.integers(1, 5)).astype(float)
        left = np.append(np.cumsum(flops[::-1])[::-1], 0.0) / flops.sum()
        bits = (rng.uniform(0.2, 2) * left ** rng.uniform(1.2, 3)).round(6).tolist()
        networks.append(
            MultiExitProfile(
                f"net{i}",
                bits[0],
                tuple(Layer(f"l{j}", f, 0.0, bits[j + 1]) for j, f in enumerate(flops)),
            )
        )
    depths = sorted({len(network.layers) for network in networks})
    total = np.array([sum(layer.flops for layer in network.layers) for network in networks])
    return MepraInstance(
        name="interior",
        edge_capacity_flop_per_s=float(rng.uniform(1, 40) * n),
        bandwidth_bit_per_s=1.0,
        weight_time_per_s=1.0,
        weight_energy_per_j=0.0,
        profiles=tuple(networks),
        exit_fractions=ExitFractions.of([[0.0] * (d - 1) + [1.0] for d in depths]),
        speed_flop_per_s=total / rng.uniform(0.5, 8, n),
        power_w=np.zeros(n),
        transmit_power_w=np.zeros(n),
        profile=np.arange(n),
        exit_row=np.array([depths.index(len(network.layers)) for network in networks]),
        exit_set=np.array([1 << (len(network.layers) - 1) for network in networks]),
    )


def assert_solved(name: str, case: MepraInstance, best: float) -> None:
    result = load(name, "mepra").solve(case, Budget(time_limit_s=60), 0, {})
    assert result.status is SolutionStatus.OPTIMAL, (name, result)
    assert result.plan is not None
    assert result.objective is not None
    assert result.bound is not None
    assert check(case, result.plan) == []
    assert not_above(best, result.objective, 1e-9)
    assert not_above(result.objective, best, 1.0001e-6)
    assert not_above(result.bound, best, 1e-9)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=40, deadline=None)
@given(case=cases() | interior_cases())
def test_method_finds_the_optimum(name: str, case: MepraInstance) -> None:
    assert_solved(name, case, optimum(case))


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=30, deadline=None)
@given(case=interior_cases(), relative_gap=st.sampled_from([0.01, 0.1, 0.3]))
def test_a_loose_gap_leaves_the_bound_a_bound(
    name: str, case: MepraInstance, relative_gap: float
) -> None:
    best = optimum(case)
    budget = Budget(time_limit_s=60, relative_gap=relative_gap)
    result = load(name, "mepra").solve(case, budget, 0, {})
    assert result.status is SolutionStatus.OPTIMAL
    assert result.objective is not None
    assert result.bound is not None
    assert result.bound <= best * (1 + 1e-9)
    assert best * (1 - 1e-9) <= result.objective <= best / (1 - relative_gap)


def all_on_the_device(table: OptionTable, *_: object, **__: object) -> np.ndarray:
    return table.start[:-1]


def first_walked(_: MepraInstance, options: list[list[WalkedOption]]) -> list[WalkedOption]:
    return [mine[0] for mine in options]


POOR_STARTS = (
    ("highs-tangent", "splitopt.formulations.mepra.tangent.best_responses", all_on_the_device),
    (
        "highs-perspective",
        "splitopt.formulations.mepra.perspective.best_responses",
        all_on_the_device,
    ),
    ("cpsat", "splitopt.formulations.mepra.cpsat.descent", first_walked),
    ("scip-minlp", "splitopt.formulations.mepra.scip.descent", first_walked),
)

OPTIONS: dict[str, tuple[dict[str, object], ...]] = {
    "highs-tangent": ({"reduction": False},),
    "scip-minlp": ({"right_side": "linear"}, {"right_side": "conic"}),
}


@pytest.mark.parametrize(("name", "start", "poor"), POOR_STARTS)
@settings(max_examples=30, deadline=None)
@given(case=cases() | interior_cases())
def test_solver_finds_the_optimum_by_itself(
    name: str, start: str, poor: Callable[..., object], case: MepraInstance
) -> None:
    # With a good plan known from the start a model whose costs are too high would go unnoticed.
    # Scales and margins are relative to the plan known, which is a poor one here.
    best = optimum(case)
    start_cost = sum(max(a for a, r in options_of(case, i) if r == 0) for i in range(case.devices))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start, poor)
        for options in OPTIONS.get(name, ({},)):
            result = load(name, "mepra").solve(case, Budget(time_limit_s=60), 0, options)
            assert result.termination is Termination.SOLVED, (name, result)
            assert result.objective is not None
            assert result.bound is not None
            assert best * (1 - 1e-9) <= result.objective <= best + 1e-6 * start_cost
            assert best - 2e-6 * start_cost <= result.bound <= best * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_brute_force_finds_the_same(case: MepraInstance) -> None:
    method = load("brute-force", "mepra")
    if method.supports(case):
        assert_solved("brute-force", case, optimum(case))


def one_device(**changes: object) -> MepraInstance:
    network = MultiExitProfile("net", 100.0, (Layer("a", 20, 2, 40), Layer("b", 60, 4, 0)))
    case = MepraInstance(
        name="one",
        edge_capacity_flop_per_s=100.0,
        bandwidth_bit_per_s=10.0,
        weight_time_per_s=1.0,
        weight_energy_per_j=1.0,
        profiles=(network,),
        exit_fractions=ExitFractions.of([[0.5, 0.5]]),
        speed_flop_per_s=np.array([10.0]),
        power_w=np.array([2.0]),
        transmit_power_w=np.array([1.0]),
        profile=np.array([0]),
        exit_row=np.array([0]),
        exit_set=np.array([exit_set_bits([1, 2])]),
    )
    return case.replace(**changes)


@pytest.mark.parametrize("name", METHODS)
def test_value_by_hand(name: str) -> None:
    # s = 1: 2.2 s and 4.4 J on the device, 20 bits in 2 s and 2 J, 32 FLOP in 0.32 s: 10.92;
    # s = 2: 5.4 s and 10.8 J: 16.2; s = 0: 10 s, 10 J and 0.54 s: 20.54.
    result = load(name, "mepra").solve(one_device(), Budget(), 0, {})
    assert result.status is SolutionStatus.OPTIMAL
    assert result.objective == pytest.approx(10.92, rel=1e-12)
    assert result.plan is not None
    assert result.plan.splits.tolist() == [1]
    assert result.plan.shares.tolist() == [1.0]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("changes", "best"),
    [
        # Time does not count: 10.92's own energy 4.4 + 2 against 10.8 and 10.
        ({"weight_time_per_s": 0.0}, 6.4),
        # Energy does not count: s = 1 takes 2.2 + 2 + 0.32 s.
        ({"weight_energy_per_j": 0.0}, 4.52),
        # Nothing counts.
        ({"weight_time_per_s": 0.0, "weight_energy_per_j": 0.0}, 0.0),
        # No power anywhere: 2.2 + 2 + 0.32.
        ({"power_w": np.zeros(1), "transmit_power_w": np.zeros(1)}, 4.52),
        # An edge not worth having and a slow link: all on the device.
        ({"edge_capacity_flop_per_s": 1e-6, "bandwidth_bit_per_s": 1e-3}, 16.2),
        # A device not worth having: 54 FLOP at the edge, 100 bits at 10 bit/s and 1 W.
        ({"speed_flop_per_s": np.array([1e-9])}, 20.54),
    ],
)
def test_extremes(name: str, changes: dict[str, object], best: float) -> None:
    result = load(name, "mepra").solve(one_device(**changes), Budget(), 0, {})
    assert result.status is SolutionStatus.OPTIMAL
    assert result.objective == pytest.approx(best, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", METHODS)
def test_time_limit_zero_returns_the_warm_start_or_nothing(name: str) -> None:
    method = load(name, "mepra")
    case = one_device()
    cut = method.solve(case, Budget(time_limit_s=0), 0, {})
    assert cut.termination == "time"
    assert cut.status == "none"
    assert cut.plan is None
    full = method.solve(case, Budget(), 0, {})
    warm = method.solve(case, Budget(time_limit_s=0), 0, {}, warm_start=full.plan)
    assert warm.termination == "time"
    assert warm.objective == full.objective


@pytest.mark.parametrize("name", METHODS)
def test_exits_free_with_all_worth_having_equal_exits_fixed_to_all(name: str) -> None:
    # Free branches can only help: the two problems have one optimum.
    network = MultiExitProfile("net", 100.0, (Layer("a", 20, 0, 40), Layer("b", 60, 0, 0)))
    fixed = one_device(profiles=(network,))
    free = fixed.replace(exit_set=None)
    method = load(name, "mepra")
    first, second = (method.solve(c, Budget(), 0, {}) for c in (fixed, free))
    assert first.objective == pytest.approx(second.objective, rel=1e-12)
    assert second.plan.exit_set.tolist() == [exit_set_bits([1, 2])]
    assert first.plan.exit_set is None
