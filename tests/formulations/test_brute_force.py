"""The oracles themselves: against the judge over all plans, and against answers by hand."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.formulations.cift.brute_force.enumeration import METHOD as CIFT
from splitopt.formulations.cift.brute_force.oracle import Host, phase_optimum
from splitopt.formulations.cift.brute_force.plans import (
    count_plans,
    larger_than,
    paths,
    segmentations,
    states,
)
from splitopt.formulations.mepra.brute_force import METHOD as MEPRA
from splitopt.formulations.mepra.brute_force import device_choices, undominated
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
    Training,
)
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.core.exact import rational
from splitopt.instances.judge import certify, check, evaluate, read_instance
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights
from splitopt.instances.networks.profiles import Block, Layer, MultiExitProfile, Profile

DATA = Path(__file__).parents[1] / "data"
SMALL = read_instance(DATA / "small-cift.json")
FLEET = read_instance(DATA / "small-mepra.json")


def draw_cift(seed: int, continuous: bool = False) -> CiftInstance:
    draw = random.Random(f"brute-force-{seed}")

    def speeds():
        low = draw.randint(1, 4)
        if continuous:
            return SpeedInterval(low, low * draw.choice((1, 2, 4)))
        return tuple(sorted(draw.sample(range(1, 6), draw.randint(1, 2))))

    count = draw.randint(1, 3)
    nodes = tuple(
        Node(
            f"n{i}",
            "end" if i == 0 else "edge",
            speeds(),
            draw.choice((0, 0.25, 1)),
            draw.choice((0, 1, 8)),
            draw.choice((100, 3)),
            10 if i == 0 else 0,
        )
        for i in range(count)
    )
    links = tuple(
        Link(f"n{i}", f"n{j}", draw.choice((1, 4)), draw.choice((0, 0.5)), draw.choice((0, 0.25)))
        for i in range(count)
        for j in range(i + 1, count)
    )
    blocks = tuple(
        Block(f"b{k}", draw.randint(0, 4), draw.randint(0, 2), draw.randint(0, 4))
        for k in range(draw.randint(1, 3))
    )
    return CiftInstance(
        "drawn",
        nodes,
        links,
        (Profile("m", 4, blocks),),
        (Compression("c", 1, 1, 1), Compression("d", 0.5, 0.5, 0.5)),
        (
            Configuration("m", "c", "n0", 0.1, draw.choice((0, 1))),
            Configuration("m", "d", "n0", 0.2, 2),
        ),
        draw.choice((0, 1, 3)),
        inference_deadline_s=draw.choice((None, 2, 4)),
        fine_tuning_deadline_s=draw.choice((None, 20, 60)),
        training=Training(batch_size=2, memory_factor=2),
    )


def every_plan(instance: CiftInstance):
    """Yield every plan, the feasible and the others: nothing of the oracle's is used."""
    L = len(instance.models[0].blocks)
    names = [node.name for node in instance.nodes]
    for g in instance.configurations:
        trained = instance.sample_passes(g) > 0
        for size in range(1, len(names) + 1):
            for path in itertools.combinations(names, size):
                if path[0] != g.source:
                    continue
                for counts in itertools.product(range(L + 1), repeat=size):
                    if sum(counts) != L or counts[-1] == 0:
                        continue
                    choices = []
                    for name, blocks in zip(path, counts, strict=True):
                        levels = instance.nodes[instance.node_index[name]].speeds_flop_per_s
                        if blocks == 0:
                            choices.append([Stop(name, 0)])
                        elif trained:
                            choices.append(
                                [
                                    Stop(name, blocks, a, b)
                                    for a, b in itertools.product(levels, repeat=2)
                                ]
                            )
                        else:
                            choices.append([Stop(name, blocks, a) for a in levels])
                    for stops in itertools.product(*choices):
                        yield CiftPlan.of(g, stops)


@pytest.mark.parametrize("seed", range(40))
def test_listed_speeds_against_the_judge_over_all_plans(seed):
    """Value, ties, infeasibility: the least (E, T_inf, T_ft, plan) in exact arithmetic."""
    instance = draw_cift(seed)
    best = None
    for plan in every_plan(instance):
        if check(instance, plan):
            continue
        cost = evaluate(instance, plan)
        # All figures are small multiples of powers of two over small integers.
        key = (
            certify(instance, plan).low,
            Fraction(cost.inference_latency_s).limit_denominator(10**6),
            Fraction(cost.fine_tuning_time_s).limit_denominator(10**6),
            plan.order(instance),
        )
        if best is None or key < best[0]:
            best = (key, plan)
    found = CIFT.solve(instance, Budget(), 0, {})
    if best is None:
        assert found.status is SolutionStatus.INFEASIBLE
        return
    assert found.status is SolutionStatus.OPTIMAL
    assert found.plan == best[1]
    assert Fraction(found.bound) <= best[0][0]
    assert found.objective == pytest.approx(float(best[0][0]), rel=1e-14)


def test_by_hand():
    """The small instance (figures in the judge's tests), all plans by hand.

    Memory: the end node takes 6 bytes in training: block 1 (6), not block 2 (9) with it.
    End then edge: end at speed 1 takes 5 s, at 2 takes 2.5 s, so 4.75 s needs speed 2 and
    costs 3250 J; fine-tuning at speed 1 takes 190 s and 820 J, at 2 115 s and 970 J. 4070 J.
    Over the hub: 1/8 + 0.5 + 1/2 = 1.125 s for the hops, so speed 2 again: 2.5 + 1.125 + 1 =
    4.625 s; 100 * (30 + 0.25 + 2) = 3225 J. Fine-tuning at speed 1: 10 * (18 + 2 * (0.625 +
    0.125)) = 195 s, too long; speed 2: 10 * (3 * 3.5 + 1.5) = 120 s, 10 * (3 * 32 + 0.5) = 965 J.
    Raw input to the edge: 4.5 s, 100 * (3 + 4) = 700 J; 10 * (4.5 + 2 * 2.25) = 90 s,
    10 * (9 + 8) = 170 J. 870 J, and the least. Over the hub it takes 7 s.
    """
    found = CIFT.solve(SMALL, Budget(), 0, {})
    assert found.objective == 870.0
    assert found.plan.stops == (Stop("end", 0), Stop("edge", 2, 10.0, 10.0))
    without = tuple(
        dataclasses.replace(n, memory_bytes=14.0) if n.name == "edge" else n for n in SMALL.nodes
    )
    # Now the edge takes one block only.
    found = CIFT.solve(SMALL.replace(nodes=without), Budget(), 0, {})
    assert found.objective == 4070.0
    found = CIFT.solve(SMALL.replace(nodes=without, fine_tuning_deadline_s=150), Budget(), 0, {})
    assert found.objective == 4190.0
    found = CIFT.solve(SMALL.replace(nodes=without, inference_deadline_s=4.6), Budget(), 0, {})
    assert found.status is SolutionStatus.INFEASIBLE


@pytest.mark.parametrize("seed", range(12))
def test_plans_are_counted_right(seed):
    instance = draw_cift(seed)
    index = {node.name: i for i, node in enumerate(instance.nodes)}
    larger = larger_than(states(instance.models[0]))
    count = 0
    for g in instance.configurations:
        for path in paths(instance, index[g.source]):
            for cuts in segmentations(larger, len(path)):
                levels = [
                    len(instance.nodes[n].speeds_flop_per_s)
                    for n, before, behind in zip(path, (0, *cuts), cuts, strict=False)
                    if behind > before
                ]
                count += math.prod(levels) * (2 if instance.sample_passes(g) else 1)
    assert count_plans(instance) == count


def test_too_many_plans_are_refused_with_their_number():
    nodes = tuple(
        Node(f"n{i}", "end" if i == 0 else "edge", (1.0, 2.0), 1, 1, 1e9, 1) for i in range(40)
    )
    links = tuple(Link(f"n{i}", f"n{j}", 1, 0, 0) for i in range(40) for j in range(i + 1, 40))
    big = SMALL.replace(
        nodes=nodes,
        links=links,
        models=(Profile("net", 1, tuple(Block(f"b{k}", 1, 1, 1) for k in range(60))),),
        error_target=None,
        configurations=(Configuration("net", "half", "n0", 1, 0),),
    )
    support = CIFT.supports(big)
    assert not support
    assert "plans to enumerate, more than 2000000" in support.reason
    fleet = FLEET.replace(
        **{
            column: np.tile(getattr(FLEET, column), 40)
            for column in (
                "speed_flop_per_s", "power_w", "transmit_power_w", "profile", "exit_row", "exit_set"
            )
        }
    )  # fmt: skip
    assert "combinations of the first" in MEPRA.supports(fleet).reason


def test_time_limit_keeps_the_best_plan_or_says_none():
    found = CIFT.solve(SMALL, Budget(0.0), 0, {})
    assert (found.termination, found.status) == (Termination.TIME, SolutionStatus.NONE)
    assert (found.plan, found.bound) == (None, None)
    found = MEPRA.solve(FLEET, Budget(0.0), 0, {})
    assert (found.termination, found.status, found.bound) == (
        Termination.TIME, SolutionStatus.NONE, None,
    )  # fmt: skip


# -- continuous speeds ---------------------------------------------------------------------

HOST = st.tuples(
    st.floats(0.1, 10), st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([0.0, 1.0, 6.0]),
    st.floats(0.5, 2), st.floats(1, 6),
)  # fmt: skip


def host(row) -> Host:
    work, kappa, rho, low, ratio = row
    return Host(Fraction(work), kappa, rho, low, low * ratio)


@given(st.lists(HOST, min_size=1, max_size=4), st.floats(0.0, 1.2))
def test_phase_optimum_is_certified(rows, tightness):
    """Deadline kept as rationals, bound below and within 1e-9, no sampled speeds better."""
    hosts = [host(row) for row in rows]
    fastest = sum(h.work_flop / rational(h.high_flop_per_s) for h in hosts)
    slowest = sum(h.work_flop / rational(h.low_flop_per_s) for h in hosts)
    limit = fastest + (slowest - fastest) * Fraction(tightness)
    found = phase_optimum(hosts, limit)
    assert found.lower_j <= found.energy_j <= found.lower_j * (1 + 1e-9) + 1e-300
    speeds = found.speeds_flop_per_s
    assert sum(h.work_flop / rational(f) for h, f in zip(hosts, speeds, strict=True)) <= limit
    for h, f in zip(hosts, speeds, strict=True):
        assert h.low_flop_per_s <= f <= h.high_flop_per_s
    draw = random.Random(0)
    for _ in range(50):
        trial = [draw.uniform(h.low_flop_per_s, h.high_flop_per_s) for h in hosts]
        if sum(h.work_flop / Fraction(f) for h, f in zip(hosts, trial, strict=True)) <= limit:
            energy = sum(h.energy_j(f) for h, f in zip(hosts, trial, strict=True))
            assert energy >= found.lower_j


def test_phase_by_hand():
    """kappa = 1, rho = 2, one FLOP: f* = (2 / 2)^(1/3) = 1, so 3 J, where there is time.

    Two such hosts with 1 s in all: by symmetry 2 FLOP/s each, 2 * (4 + 1) = 10 J, and the
    multiplier is 2 * 2^3 - 2 = 14 W.
    """
    one = Host(Fraction(1), 1.0, 2.0, 0.5, 4.0)
    free = phase_optimum([one], None)
    assert (free.speeds_flop_per_s, free.energy_j, free.multiplier_w) == ((1.0,), 3.0, 0.0)
    tight = phase_optimum([one, one], Fraction(1))
    assert tight.speeds_flop_per_s == pytest.approx((2.0, 2.0), rel=1e-12)
    assert tight.energy_j == pytest.approx(10.0, rel=1e-11)
    assert tight.multiplier_w == pytest.approx(14.0, rel=1e-11)
    assert phase_optimum([one], Fraction(1, 4)).speeds_flop_per_s == (4.0,)
    assert phase_optimum([one], Fraction(1, 4) - Fraction(1, 10**30)) is None
    assert phase_optimum([one], Fraction(-1)) is None


@pytest.mark.parametrize("seed", range(25))
def test_continuous_speeds_against_fine_lists(seed):
    """Lists of ratio 1.05 inside the intervals: no better, and worse by at most 1.05^2."""
    instance = draw_cift(seed, continuous=True)
    found = CIFT.solve(instance, Budget(), 0, {})

    def listed(node):
        low, high = node.speeds_flop_per_s.low, node.speeds_flop_per_s.high
        steps = math.ceil(math.log(high / low) / math.log(1.05)) if high > low else 0
        levels = {low * (high / low) ** (k / max(1, steps)) for k in range(steps)} | {low, high}
        critical = high
        if node.kappa_j_s2_per_flop3 > 0:
            critical = math.cbrt(node.busy_power_w / (2 * node.kappa_j_s2_per_flop3))
        levels.add(min(max(critical, low), high))
        return dataclasses.replace(node, speeds_flop_per_s=tuple(sorted(levels)))

    lists = instance.replace(nodes=tuple(listed(node) for node in instance.nodes))
    reference = CIFT.solve(lists, Budget(), 0, {})
    assert found.status is reference.status
    if found.plan is not None:
        assert check(instance, found.plan) == []
        assert found.objective - found.bound <= 1e-9 * found.objective
        assert found.bound <= reference.objective
        assert reference.objective <= 1.05**2 * found.objective * (1 + 1e-12)


# -- MEPRA ---------------------------------------------------------------------------------


def draw_mepra(seed: int) -> MepraInstance:
    rng = np.random.default_rng(seed)
    layers = int(rng.integers(1, 4))
    network = MultiExitProfile(
        "net",
        float(rng.integers(1, 20)),
        tuple(Layer(f"l{j}", *(float(x) for x in rng.integers(0, 9, 3))) for j in range(layers)),
    )
    # Three devices of three layers with free exits have 4096 plans: two show the same.
    n = int(rng.integers(1, 4 if seed % 3 and layers < 3 else 3))
    row = rng.integers(0, 5, layers).tolist()
    row[-1] += 1
    top = 1 << (layers - 1)
    return MepraInstance(
        "drawn",
        float(rng.choice([2, 20])),
        float(rng.choice([1, 10])),
        float(rng.choice([0, 1])),
        float(rng.choice([0, 0.5])),
        (network,),
        ExitFractions.of([row], 7, ("proportional", "leftover-to-last")[seed % 2]),
        rng.integers(1, 9, n),
        rng.integers(0, 5, n),
        rng.integers(0, 5, n),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        None if seed % 3 else top | rng.integers(0, top, n),
    )


@pytest.mark.parametrize("seed", range(30))
def test_mepra_against_the_judge_over_all_plans(seed):
    """Every split and exit set, the shares by the square-root rule."""
    instance = draw_mepra(seed)
    n, L = instance.devices, len(instance.profiles[0].layers)
    top = 1 << (L - 1)
    sets = [[top | rest for rest in range(top)]] * n
    if instance.exit_set is not None:
        sets = [[int(bits)] for bits in instance.exit_set]
    best = math.inf
    for splits in itertools.product(range(L + 1), repeat=n):
        for exits in itertools.product(*sets):
            even = MepraPlan(
                np.array(splits),
                shares_from_weights(np.ones(n)),
                None if instance.exit_set is not None else np.array(exits),
            )
            cost = evaluate(instance, even)
            # Edge seconds at share 1/n, from the difference that half the share makes.
            half = evaluate(instance, dataclasses.replace(even, shares=even.shares / 2))
            edge = half.device_latency_s - cost.device_latency_s
            edge = np.where(edge > 1e-12, edge, 0.0)
            rule = np.sqrt(edge / n).sum() ** 2
            value = cost.objective + instance.weight_time_per_s * (rule - edge.sum())
            best = min(best, value)
    found = MEPRA.solve(instance, Budget(), 0, {})
    assert found.status is SolutionStatus.OPTIMAL
    assert check(instance, found.plan) == []
    assert found.objective == pytest.approx(best, rel=1e-9, abs=1e-12)
    assert found.bound <= found.objective


def test_mepra_by_hand():
    """One device of the small fleet alone: device 0 with exits 1 and 3, all splits.

    Split 0: 4 + 26/10 s, 4 J: 6.6 + 2 = 8.6. Split 1: 2.5 + 2.25 + 2.1 s, 9.75 J: 11.725.
    Split 2: 8.5/2... 5 + 6 = 11 FLOP, 5.5 s; 3/4 * 3 / 2 = 1.125 s; 15/10 s; 16.5 + 1.125 J:
    8.125 + 8.8125. Split 3: 13 s, 39 J: 32.5. The raw input is shipped.
    """
    alone = FLEET.replace(
        speed_flop_per_s=[2.0], power_w=[3.0], transmit_power_w=[1.0], profile=np.array([0]),
        exit_row=np.array([0]), exit_set=np.array([0b101]),
    )  # fmt: skip
    found = MEPRA.solve(alone, Budget(), 0, {})
    assert found.objective == pytest.approx(8.6, rel=1e-14)
    assert found.plan.splits.tolist() == [0]
    assert found.plan.shares.tolist() == [1.0]
    slow = alone.replace(bandwidth_bit_per_s=1e-3)
    assert MEPRA.solve(slow, Budget(), 0, {}).plan.splits.tolist() == [3]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_undominated_options_are_enough(seed):
    """For every price of edge work the cheapest option is among those kept."""
    instance = draw_mepra(seed)
    options = device_choices(instance, 0)
    kept = undominated(options)
    assert {(c.split, c.exits) for c in kept} <= {(c.split, c.exits) for c in options}
    for option in options:
        assert any(k.own_cost <= option.own_cost and k.edge_flop <= option.edge_flop for k in kept)
    for first, second in itertools.pairwise(kept):
        assert first.own_cost < second.own_cost
        assert first.edge_flop > second.edge_flop


def test_mepra_takes_more_devices_than_an_array_has_axes():
    """One undominated option each: nothing to choose, and numpy stops at 64 axes."""
    profile = MultiExitProfile("m", 1e9, (Layer("one", 1.0, 1.0, 0.0),))
    ones = np.ones(70)
    instance = MepraInstance(
        name="many",
        edge_capacity_flop_per_s=1.0,
        bandwidth_bit_per_s=1.0,
        weight_time_per_s=1.0,
        weight_energy_per_j=1.0,
        profiles=(profile,),
        exit_fractions=ExitFractions.of([[1.0]]),
        speed_flop_per_s=ones,
        power_w=ones,
        transmit_power_w=ones,
        profile=np.zeros(70, dtype=np.int64),
        exit_row=np.zeros(70, dtype=np.int64),
        exit_set=np.ones(70, dtype=np.int64),
    )
    found = MEPRA.solve(instance, Budget(), 0, {})
    assert found.status is SolutionStatus.OPTIMAL
    # Two FLOP at 1 FLOP/s and 1 W on each device: 2 s and 2 J.
    assert found.objective == pytest.approx(280.0)
