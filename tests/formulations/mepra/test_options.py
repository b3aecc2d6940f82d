"""The option table: figures by hand, exactness of the reduction, error bound."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.formulations.mepra.options import option_table
from splitopt.instances.core.exact import rational
from splitopt.instances.judge import check, evaluate
from splitopt.instances.mepra.model import ExitFractions, MepraInstance, exit_set_bits
from splitopt.instances.networks.profiles import Layer, MultiExitProfile


def instance_of(
    layers: list[tuple[float, float, float]],
    fractions: list[list[float]],
    *,
    input_bits: float = 100.0,
    speed: list[float] | None = None,
    power: list[float] | None = None,
    transmit: list[float] | None = None,
    exit_sets: list[list[int]] | None = None,
    capacity: float = 100.0,
    bandwidth: float = 10.0,
    w_t: float = 1.0,
    w_e: float = 1.0,
    total: float = 1.0,
    reading: str = "as-given",
) -> MepraInstance:
    """One profile; device i takes row i of the fractions."""
    n = len(fractions)
    profile = MultiExitProfile(
        "net", input_bits, tuple(Layer(f"l{j}", *row) for j, row in enumerate(layers))
    )
    return MepraInstance(
        name="case",
        edge_capacity_flop_per_s=capacity,
        bandwidth_bit_per_s=bandwidth,
        weight_time_per_s=w_t,
        weight_energy_per_j=w_e,
        profiles=(profile,),
        exit_fractions=ExitFractions.of(fractions, total, reading),  # type: ignore[arg-type]
        speed_flop_per_s=np.array(speed or [10.0] * n),
        power_w=np.array(power or [2.0] * n),
        transmit_power_w=np.array(transmit or [1.0] * n),
        profile=np.zeros(n, dtype=np.int64),
        exit_row=np.arange(n),
        exit_set=None
        if exit_sets is None
        else np.array([exit_set_bits(x) for x in exit_sets], dtype=np.int64),
    )


def exact_option(
    instance: MepraInstance, i: int, split: int, exits: tuple[int, ...]
) -> tuple[Fraction, Fraction]:
    """Return (A, W) of an option in rationals, straight from the definition."""
    network = instance.profiles[int(instance.profile[i])]
    table = instance.exit_fractions
    row = int(instance.exit_row[i])
    p = [rational(x) for x in table.rows[row, : len(network.layers)].tolist()]
    if table.reading == "leftover-to-last":
        p[-1] += max(Fraction(0), rational(table.total) - sum(p))
    p = [x / sum(p) for x in p]
    reach, local, edge, sent = Fraction(1), Fraction(0), Fraction(0), Fraction(0)
    for j, layer in enumerate(network.layers, start=1):
        if split == j - 1:
            bits = network.input_bits if j == 1 else network.layers[j - 2].activation_bits
            sent = reach * rational(bits)
        work = reach * rational(layer.flops)
        if j in exits:
            work += reach * rational(layer.branch_flops)
            reach = sum(p[j:], Fraction(0))
        if j <= split:
            local += work
        else:
            edge += work
    w_t, w_e = rational(instance.weight_time_per_s), rational(instance.weight_energy_per_j)
    local_s = local / rational(float(instance.speed_flop_per_s[i]))
    sent_s = sent / rational(instance.bandwidth_bit_per_s)
    power, transmit = (
        rational(float(instance.power_w[i])),
        rational(float(instance.transmit_power_w[i])),
    )
    own = w_t * (local_s + sent_s) + w_e * (power * local_s + transmit * sent_s)
    return own, edge


def exit_sets_of(layers: int) -> list[tuple[int, ...]]:
    inner = range(1, layers)
    return [
        (*chosen, layers)
        for size in range(layers)
        for chosen in itertools.combinations(inner, size)
    ]


def test_figures_by_hand() -> None:
    # One device, fixed exits {1, 2}, half the tasks leave at exit 1.
    case = instance_of([(20, 2, 40), (60, 4, 0)], [[0.5, 0.5]], exit_sets=[[1, 2]])
    table = option_table(case)
    # s = 2: local 22 + 0.5 * 64 = 54 FLOP = 5.4 s, 10.8 J: A = 16.2, W = 0.
    # s = 1: local 2.2 s, 4.4 J; 20 bits = 2 s, 2 J: A = 10.6, W = 32.
    # s = 0: 10 s, 10 J: A = 20, W = 54: dominated by s = 1.
    assert table.split.tolist() == [2, 1]
    assert table.own_cost.tolist() == pytest.approx([16.2, 10.6], rel=1e-14)
    assert table.edge_work_flop.tolist() == [0, 32]
    assert table.root.tolist() == pytest.approx([0, 0.32**0.5], rel=1e-15)
    assert table.start.tolist() == [0, 2]


def test_free_exits_by_hand() -> None:
    # The branch costs more than it saves, so no early exit is worth having.
    dear = instance_of([(20, 90, 40), (60, 4, 0)], [[0.5, 0.5]])
    assert set(option_table(dear).exit_set.tolist()) == {exit_set_bits([2])}
    # A free branch saves half of layer 2 and half of the bits: on in every option.
    free = instance_of([(20, 0, 40), (60, 4, 0)], [[0.5, 0.5]])
    assert set(option_table(free).exit_set.tolist()) == {exit_set_bits([1, 2])}


figures = st.sampled_from([0.0, 1.0, 3.0, 7.5, 40.0, 1e3])
powers = st.sampled_from([0.0, 0.5, 2.0, 10.0])


@st.composite
def cases(draw: st.DrawFn, devices: int = 2) -> MepraInstance:
    depth = draw(st.integers(1, 4))
    layers = draw(st.lists(st.tuples(figures, figures, figures), min_size=depth, max_size=depth))
    weights = [
        draw(st.lists(st.integers(0, 5), min_size=depth, max_size=depth).filter(any))
        for _ in range(devices)
    ]
    fixed = draw(st.booleans())
    return instance_of(
        layers,
        [[float(x) for x in row] for row in weights],
        input_bits=draw(figures),
        speed=draw(
            st.lists(st.sampled_from([1.0, 7.0, 100.0]), min_size=devices, max_size=devices)
        ),
        power=draw(st.lists(powers, min_size=devices, max_size=devices)),
        transmit=draw(st.lists(powers, min_size=devices, max_size=devices)),
        exit_sets=[list(draw(st.sampled_from(exit_sets_of(depth)))) for _ in range(devices)]
        if fixed
        else None,
        capacity=draw(st.sampled_from([1.0, 50.0, 1e4])),
        bandwidth=draw(st.sampled_from([1.0, 30.0])),
        w_t=draw(st.sampled_from([0.0, 1.0, 3.0])),
        w_e=draw(st.sampled_from([0.0, 1.0, 0.1])),
        total=5.0,
        reading=draw(st.sampled_from(["proportional", "leftover-to-last"])),
    )


@settings(max_examples=150, deadline=None)
@given(cases())
def test_table_is_the_lower_left_hull_of_all_options(case: MepraInstance) -> None:
    table = option_table(case)
    depth = len(case.profiles[0].layers)
    tolerance = Fraction(table.relative_error)
    for i in range(case.devices):
        mine = slice(int(table.start[i]), int(table.start[i + 1]))
        sets = exit_sets_of(depth)
        if case.exit_set is not None:
            sets = [x for x in sets if exit_set_bits(x) == int(case.exit_set[i])]
        every = [exact_option(case, i, s, x) for s in range(depth + 1) for x in sets]
        kept = []
        for own, work, split, bits in zip(
            table.own_cost[mine].tolist(),
            table.edge_work_flop[mine].tolist(),
            table.split[mine].tolist(),
            table.exit_set[mine].tolist(),
            strict=True,
        ):
            exits = tuple(j for j in range(1, depth + 1) if bits >> (j - 1) & 1)
            exact_own, exact_work = exact_option(case, i, split, exits)
            assert abs(Fraction(own) - exact_own) <= tolerance * exact_own
            assert abs(Fraction(work) - exact_work) <= tolerance * exact_work
            kept.append((exact_own, exact_work))
        assert kept[0][1] == 0  # everything on the device, or nothing left for the edge
        assert table.own_cost[mine].tolist() == sorted(table.own_cost[mine].tolist())[::-1]
        # At every price the best kept option is the best option.
        for price in (Fraction(0), Fraction(1, 1000), Fraction(1, 7), Fraction(1), Fraction(900)):
            best = min(own + price * work for own, work in every)
            found = min(own + price * work for own, work in kept)
            assert best <= found <= best * (1 + 3 * tolerance)


@settings(max_examples=50, deadline=None)
@given(cases(devices=3), st.randoms(use_true_random=False))
def test_cost_of_a_choice_is_what_the_judge_says(case: MepraInstance, random: object) -> None:
    table = option_table(case)
    choice = np.array(
        [
            random.randrange(int(table.start[i]), int(table.start[i + 1]))  # type: ignore[attr-defined]
            for i in range(case.devices)
        ]
    )
    plan = table.plan(case, choice)
    assert check(case, plan) == []
    assert table.cost(choice) == pytest.approx(evaluate(case, plan).objective, rel=1e-12)


def test_profiles_of_different_depth_keep_their_devices_apart() -> None:
    short = MultiExitProfile("short", 10.0, (Layer("a", 5.0, 1.0, 0.0),))
    deep = MultiExitProfile("deep", 10.0, tuple(Layer(f"l{j}", 5.0, 1.0, 1.0) for j in range(3)))
    rng = np.random.default_rng(1)
    n = 40
    profile = rng.integers(0, 2, n)
    case = MepraInstance(
        name="mixed",
        edge_capacity_flop_per_s=1e3,
        bandwidth_bit_per_s=5.0,
        weight_time_per_s=1.0,
        weight_energy_per_j=1.0,
        profiles=(short, deep),
        exit_fractions=ExitFractions.of([[1.0], [0.2, 0.3, 0.5]]),
        speed_flop_per_s=rng.uniform(1, 9, n),
        power_w=rng.uniform(0, 3, n),
        transmit_power_w=rng.uniform(0, 3, n),
        profile=profile,
        exit_row=profile,
    )
    whole = option_table(case)
    for i in range(n):
        alone = option_table(
            case.replace(
                speed_flop_per_s=case.speed_flop_per_s[i : i + 1],
                power_w=case.power_w[i : i + 1],
                transmit_power_w=case.transmit_power_w[i : i + 1],
                profile=case.profile[i : i + 1],
                exit_row=case.exit_row[i : i + 1],
            )
        )
        mine = slice(int(whole.start[i]), int(whole.start[i + 1]))
        assert whole.own_cost[mine].tolist() == alone.own_cost.tolist()
        assert whole.edge_work_flop[mine].tolist() == alone.edge_work_flop.tolist()
        assert whole.split[mine].tolist() == alone.split.tolist()


def least_at_price(case: MepraInstance, price: float) -> float:
    """Return the least A + price * W of a device with free exits, split by split, exit by exit."""
    network = case.profiles[0]
    depth = len(network.layers)
    p = case.exit_fractions.normalised[0]
    tail = [1.0, *(float(p[e:].sum()) for e in range(1, depth + 1))]
    w_t, w_e = case.weight_time_per_s, case.weight_energy_per_j
    here = (w_t + w_e * float(case.power_w[0])) / float(case.speed_flop_per_s[0])
    sending = (w_t + w_e * float(case.transmit_power_w[0])) / case.bandwidth_bit_per_s
    best = float("inf")
    for split in range(depth + 1):
        cost = {0: 0.0}  # by last enabled exit
        for j, layer in enumerate(network.layers, start=1):
            flop = here if j <= split else price
            if j == split + 1:
                bits = network.layers[split - 1].activation_bits if split else network.input_bits
                cost = {e: c + sending * bits * tail[e] for e, c in cost.items()}
            cost = {e: c + flop * tail[e] * layer.flops for e, c in cost.items()}
            left = min(c + flop * tail[e] * layer.branch_flops for e, c in cost.items())
            cost = {**cost, j: left}
        best = min(best, cost[depth])
    return best


def test_sixty_two_layers_with_free_exits() -> None:
    # 63 * 2^61 options; 2016 pairs of split and last exit; a few dozen hull vertices.
    rng = np.random.default_rng(0)
    depth = 62
    layers = [
        (float(f), float(g), float(a))
        for f, g, a in zip(
            rng.integers(1, 100, depth),
            rng.integers(0, 30, depth),
            rng.integers(1, 60, depth) * np.linspace(3, 0.1, depth).round(2),
            strict=True,
        )
    ]
    fractions = rng.integers(0, 5, depth).astype(float).tolist()
    case = instance_of(
        layers, [fractions], input_bits=300.0, reading="proportional", bandwidth=20.0
    )
    table = option_table(case)
    assert len(table.own_cost) > 3
    for price in (0.0, 0.01, 0.05, 0.1, 0.3, 1.0, 10.0):
        found = float((table.own_cost + price * table.edge_work_flop).min())
        assert found == pytest.approx(least_at_price(case, price), rel=1e-12)
