"""MEPRA's judge: costs worked out by hand, and each constraint kept and broken."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import sum_rational
from splitopt.instances.judge import certify, check, evaluate, read_instance, read_plan
from splitopt.instances.mepra import judge as mepra_judge
from splitopt.instances.mepra.judge import cost_interval, exact_cost
from splitopt.instances.mepra.model import ExitFractions, MepraInstance, exit_set_bits, exit_set_of
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights
from splitopt.instances.networks.profiles import Layer, MultiExitProfile

DATA = Path(__file__).parents[2] / "data"
SMALL = read_instance(DATA / "small-mepra.json")
PLAN = read_plan(DATA / "small-mepra-plan.json")
FREE = SMALL.replace(exit_set=None)


def broken(plan, instance=SMALL) -> list[str]:
    return [violation.constraint for violation in check(instance, plan)]


def test_costs_by_hand():
    """C = 10, B = 2, w_T = 1, w_E = 0.5, fractions 1/4, 1/4, 1/2; F = 4, 8, 16, G = 1, 2, 4.

    Device 0 (f 2, P 3, Ptx 1), exits 1 and 3, split 1, share 1/2. Layer 1 and branch 1 run
    always: 5 FLOP, 2.5 s. 3/4 go on, and leave at 3 since exit 2 is off: 3/4 * 6 bits / 2 =
    2.25 s; 3/4 * (8 + 16 + 4) = 21 FLOP on 5 FLOP/s, 4.2 s. Energy 3 * 2.5 + 2.25 = 9.75.
    Cost 8.95 + 0.5 * 9.75 = 13.825.

    Device 1 (f 4, P 1, Ptx 2), exits 1, 2, 3, split 0, share 1/2. 8 bits / 2 = 4 s; 5 +
    3/4 * 10 + 1/2 * 20 = 22.5 FLOP, 4.5 s. Energy 2 * 4 = 8. Cost 8.5 + 4 = 12.5.
    """
    found = evaluate(SMALL, PLAN)
    assert found.device_latency_s.tolist() == pytest.approx([8.95, 8.5], rel=1e-15)
    assert found.device_energy_j.tolist() == [9.75, 8.0]
    assert found.device_cost.tolist() == pytest.approx([13.825, 12.5], rel=1e-15)
    assert found.objective == pytest.approx(26.325, rel=1e-15)
    assert (found.latency_s, found.energy_j) == pytest.approx((17.45, 17.75), rel=1e-15)
    assert exact_cost(SMALL, PLAN) == Fraction(26325, 1000)
    assert certify(SMALL, PLAN).feasible


def test_costs_of_everything_on_the_device_by_hand():
    """Device 0 with exits 1, 3: 5 + 21 = 26 FLOP, 13 s, 39 J: 13 + 19.5.

    Device 1: 22.5 FLOP, 5.625 s, 5.625 J: 5.625 * 1.5. No share is needed.
    """
    plan = MepraPlan(np.array([3, 3]), np.zeros(2))
    assert evaluate(SMALL, plan).objective == 32.5 + 8.4375
    assert check(SMALL, plan) == []


def test_exit_at_the_split_runs_on_the_device_by_hand():
    """Device 1, split 2, share 1: on the device 5 + 3/4 * 10 = 12.5 FLOP, 3.125 s.

    1/2 * 3 bits / 2 = 0.75 s; 1/2 * 20 = 10 FLOP on the edge, 1 s. 3.125 + 1.5 J.
    """
    plan = MepraPlan(np.array([3, 2]), np.array([0.0, 1.0]))
    found = evaluate(SMALL, plan)
    assert found.device_latency_s[1] == 4.875
    assert found.device_energy_j[1] == 4.625
    assert found.device_cost[1] == 4.875 + 0.5 * 4.625


def test_free_exits_are_taken_from_the_plan():
    chosen = dataclasses.replace(PLAN, exit_set=np.array([0b101, 0b111]))
    assert evaluate(FREE, chosen).objective == evaluate(SMALL, PLAN).objective
    # Only the last exit: all 28 + 4 FLOP run, 8 bits go: 4 + 6.4 s, 8 J.
    last = dataclasses.replace(PLAN, splits=np.array([0, 0]), exit_set=np.array([0b100, 0b100]))
    assert evaluate(FREE, last).device_latency_s.tolist() == pytest.approx([10.4, 10.4])


def test_work_that_nobody_reaches_costs_nothing():
    """All leave at exit 1: nothing is sent from there on, and no share is needed."""
    early = SMALL.replace(exit_fractions=ExitFractions.of([[1, 0, 0]]))
    plan = MepraPlan(np.array([1, 1]), np.zeros(2))
    assert check(early, plan) == []
    assert evaluate(early, plan).objective == 2.5 + 3.75 + 1.25 + 0.625


def test_time_without_weight_still_needs_a_share():
    free = SMALL.replace(weight_time_per_s=0)
    assert broken(MepraPlan(np.array([0, 3]), np.zeros(2)), free) == ["share"]
    tiny = MepraPlan(np.array([0, 3]), np.array([1e-9, 0.0]))
    assert check(free, tiny) == []
    assert evaluate(free, tiny).device_cost[0] == 0.5 * 4


# -- readings of the fractions -------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "row", "read"),
    [
        ("as-given", [25, 25, 50], ["1/4", "1/4", "1/2"]),
        ("proportional", [10, 20, 50], ["1/8", "1/4", "5/8"]),
        ("leftover-to-last", [10, 20, 50], ["1/10", "2/10", "7/10"]),
        ("leftover-to-last", [50, 50, 25], ["2/5", "2/5", "1/5"]),
    ],
)
def test_reading(reading, row, read):
    """Which share of tasks goes on behind layer 1 and 2, seen in what is sent and computed."""
    instance = SMALL.replace(
        exit_fractions=ExitFractions.of([row], 100, reading), exit_set=np.array([7, 7])
    )
    p = [Fraction(x) for x in read]
    assert instance.exit_fractions.normalised[0].tolist() == pytest.approx([float(x) for x in p])
    plan = MepraPlan(np.array([1, 3]), np.array([1.0, 0.0]))
    after = 1 - p[0]
    edge = after * 10 + p[2] * 20
    seconds = Fraction(5, 2) + after * 6 / 2 + edge / 10
    joules = 3 * Fraction(5, 2) + after * 6 / 2
    local = (5 + after * 10 + p[2] * 20) / 4
    expected = seconds + joules / 2 + local + local / 2
    assert exact_cost(instance, plan) == expected
    assert evaluate(instance, plan).objective == pytest.approx(float(expected), rel=1e-14)


# -- one test a constraint -----------------------------------------------------------------


def test_devices():
    assert broken(MepraPlan(np.array([1]), np.array([1.0]))) == ["devices"]
    with pytest.raises(InputError, match=r"^plan\.devices: "):
        evaluate(SMALL, MepraPlan(np.array([1]), np.array([1.0])))


@pytest.mark.parametrize(("split", "kept"), [(-1, False), (0, True), (3, True), (4, False)])
def test_split(split, kept):
    plan = dataclasses.replace(PLAN, splits=np.array([1, split]))
    found = check(SMALL, plan)
    assert ([] if kept else ["split"]) == [v.constraint for v in found]
    if not kept:
        assert found[0].where == "device 1"
        with pytest.raises(InputError, match=r"^plan\.split: "):
            evaluate(SMALL, plan)


@pytest.mark.parametrize(
    ("bits", "kept"),
    [(0b100, True), (0b111, True), (0b011, False), (0b1100, False), (0, False), (-1, False)],
)
def test_exits(bits, kept):
    plan = dataclasses.replace(PLAN, exit_set=np.array([0b111, bits]))
    assert (check(FREE, plan) == []) == kept
    if not kept:
        assert broken(plan, FREE) == ["exits"]


def test_exits_given_or_missing():
    assert broken(PLAN, FREE) == ["exits"]
    assert broken(dataclasses.replace(PLAN, exit_set=np.array([7, 7]))) == ["exits"]


def test_share():
    for shares, kept in (([0.5, 0.5], True), ([0.0, 1.0], False), ([1.0, -0.0], False)):
        plan = dataclasses.replace(PLAN, shares=np.array(shares))
        assert (check(SMALL, plan) == []) == kept
    (found,) = check(SMALL, dataclasses.replace(PLAN, shares=np.array([0.5, -0.25])))
    assert (found.constraint, found.where, found.value) == ("share", "device 1", -0.25)
    with pytest.raises(InputError, match=r"^plan\.share: "):
        evaluate(SMALL, dataclasses.replace(PLAN, shares=np.array([0.0, 1.0])))


def test_share_sum_is_exact():
    """0.1 + 0.9 is one; the next double is too much; yet it has a cost."""
    assert check(SMALL, dataclasses.replace(PLAN, shares=np.array([0.1, 0.9]))) == []
    over = dataclasses.replace(PLAN, shares=np.array([0.1, 0.9000000000000001]))
    (found,) = check(SMALL, over)
    assert (found.constraint, found.limit) == ("share-sum", 1.0)
    assert evaluate(SMALL, over).objective > 0
    # As doubles 0.1 three times and 0.7 exceed one by less than doubles can tell.
    tenth = np.array([0.1, 0.2, 0.7])
    assert float(np.float64(0.1) + 0.2 + 0.7) == 1.0
    assert sum_rational(tenth) == 1


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=50))
def test_shares_from_weights_never_exceed_one(weights):
    shares = shares_from_weights(weights)
    assert sum_rational(shares) <= 1
    assert (shares >= 0).all()
    if max(weights) > 0:
        assert float(shares.sum()) == pytest.approx(1, abs=1e-10)
        total = np.array(weights) / max(weights)
        assert shares == pytest.approx(total / total.sum(), rel=1e-9, abs=1e-300)


# -- three kinds of numbers ----------------------------------------------------------------


def draw_fleet(seed: int, n: int = 40) -> tuple[MepraInstance, MepraPlan]:
    rng = np.random.default_rng(seed)
    networks = tuple(
        MultiExitProfile(
            f"net{k}",
            float(rng.uniform(1e3, 1e6)),
            tuple(
                Layer(f"l{j}", *(float(x) for x in rng.uniform(0, 1e9, 3))) for j in range(layers)
            ),
        )
        for k, layers in enumerate((2, 5, 3))
    )
    rows = [rng.integers(0, 50, layers).tolist() for layers in (2, 5, 3)]
    for row in rows:
        row[-1] += 1
    reading = ("proportional", "leftover-to-last")[seed % 2]
    profile = rng.integers(0, 3, n)
    layers = np.array([2, 5, 3])[profile]
    bits = (1 << (layers - 1)) | rng.integers(0, 1 << 20, n) % (1 << (layers - 1))
    instance = MepraInstance(
        "fleet",
        float(rng.uniform(1e9, 1e12)),
        float(rng.uniform(1e5, 1e8)),
        1.0,
        0.3,
        networks,
        ExitFractions.of(rows, 100, reading),
        rng.uniform(1e9, 1e10, n),
        rng.uniform(0, 10, n),
        rng.uniform(0, 2, n),
        profile,
        profile,
        bits if seed % 3 else None,
    )
    plan = MepraPlan(
        rng.integers(layers + 1),
        shares_from_weights(rng.uniform(0.1, 1, n)),
        None if seed % 3 else bits,
    )
    return instance, plan


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_doubles_rationals_and_intervals_agree(seed):
    instance, plan = draw_fleet(seed)
    exact = exact_cost(instance, plan)
    assert evaluate(instance, plan).objective == pytest.approx(float(exact), rel=1e-12)
    most = mepra_judge._EXACT_DEVICES
    try:
        mepra_judge._EXACT_DEVICES = 0
        low, high = cost_interval(instance, plan)
    finally:
        mepra_judge._EXACT_DEVICES = most
    assert low <= exact <= high
    assert high - low <= exact * Fraction(1, 10**12)


def test_chunks_do_not_show(monkeypatch):
    instance, plan = draw_fleet(7)
    whole = evaluate(instance, plan)
    monkeypatch.setattr(mepra_judge, "_CHUNK", 7)
    assert evaluate(instance, plan).objective == whole.objective
    assert exact_cost(instance, plan) == certify(instance, plan).low


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_cost_task_by_task(seed):
    """The expected cost of a device is the mean over where its tasks leave, share by share.

    A task that leaves at exit e runs layers 1..e and the enabled branches up to e.
    """
    instance, plan = draw_fleet(seed, n=3)
    total = 0.0
    for i in range(3):
        network = instance.profiles[int(instance.profile[i])]
        L = len(network.layers)
        bits = instance.exit_set if plan.exit_set is None else plan.exit_set
        enabled = exit_set_of(int(bits[i]))
        s, share = int(plan.splits[i]), float(plan.shares[i])
        p = instance.exit_fractions.normalised[int(instance.exit_row[i])][:L]
        for k in range(1, L + 1):
            e = min(j for j in enabled if j >= k)
            run = [
                layer.flops + (layer.branch_flops if j in enabled else 0)
                for j, layer in enumerate(network.layers, start=1)
            ]
            local = sum(run[: min(s, e)]) / instance.speed_flop_per_s[i]
            edge = sum(run[s:e]) / (share * instance.edge_capacity_flop_per_s)
            sent = 0.0
            if s == 0:
                sent = network.input_bits
            elif s < e:
                sent = network.layers[s - 1].activation_bits
            wire = sent / instance.bandwidth_bit_per_s
            joules = instance.power_w[i] * local + instance.transmit_power_w[i] * wire
            total += float(p[k - 1]) * (local + wire + edge + 0.3 * joules)
    assert evaluate(instance, plan).objective == pytest.approx(total, rel=1e-11)


def test_exit_sets_as_bits():
    assert exit_set_bits((1, 3)) == 0b101
    assert exit_set_of(0b101) == (1, 3)
    assert exit_set_of(0) == ()
    for bits in range(64):
        assert exit_set_bits(exit_set_of(bits)) == bits


def test_sixty_two_layers():
    """The most layers there may be: the last exit is bit 61."""
    network = MultiExitProfile("deep", 1, tuple(Layer(f"l{j}", 1, 1, 1) for j in range(62)))
    rows = [[0.0] * 61 + [1.0]]
    one = np.array([1.0])
    for bits in (1 << 61, (1 << 62) - 1):
        instance = MepraInstance(
            "deep",
            1,
            1,
            1,
            0,
            (network,),
            ExitFractions.of(rows),
            one,
            one,
            one,
            np.array([0]),
            np.array([0]),
            np.array([bits]),
        )
        again = MepraInstance.from_document(instance.to_document())
        assert again.exit_set.tolist() == [bits]
        plan = MepraPlan(np.array([62]), np.array([0.0]))
        # 62 layers, and each enabled branch, at one FLOP a second.
        assert evaluate(again, plan).objective == 62 + bits.bit_count()
    with pytest.raises(InputError, match="1 to 62 layers"):
        MultiExitProfile("deeper", 1, tuple(Layer(f"l{j}", 1, 1, 1) for j in range(63)))
