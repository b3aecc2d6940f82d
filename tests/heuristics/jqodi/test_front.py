"""The front of energy against a deadline, against single exact solves."""

from __future__ import annotations

import itertools

import pytest

from splitopt.bench.methods.registry import load
from splitopt.heuristics.jqodi.cift.front import EnergyFront, energy_front
from splitopt.heuristics.jqodi.cift.throughput import highest_throughput, throughput_front
from splitopt.instances.cift.distributions import Factor, Scenario
from splitopt.instances.cift.doubt import Doubt
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import generate
from splitopt.instances.judge import check

COLUMN = {"inference": "inference_deadline_s", "fine-tuning": "fine_tuning_deadline_s"}


def energy_within(front, deadline_s):
    """Return the least energy of a point that keeps a deadline, None when none does."""
    return min((p.energy_j for p in front.points if p.deadline_s <= deadline_s), default=None)


def value(instance: CiftInstance, axis: str, deadline: float | None) -> float | None:
    given = instance.replace(**{COLUMN[axis]: deadline})
    return load("highs-flow", "cift").solve(given, Budget(), 0, {}).objective


def small(seed: int) -> CiftInstance:
    return generate("cift-tiers", seed, blocks=5, levels=3, compressions=1)


def deadlines(front: EnergyFront) -> list[float]:
    """Return deadlines at, between and below the steps."""
    steps = [point.deadline_s for point in front.points]
    between = [(a + b) / 2 for a, b in itertools.pairwise(steps)]
    return sorted(
        [*steps[:: max(1, len(steps) // 4)], *between[:: max(1, len(steps) // 4)], steps[0] * 0.999]
    )


@pytest.mark.parametrize("axis", ["inference", "fine-tuning"])
@pytest.mark.parametrize("seed", range(3))
def test_exact_front_is_what_single_solves_find(seed: int, axis: str) -> None:
    instance = small(seed)
    front = energy_front(instance, axis)
    assert front.complete
    for a, b in itertools.pairwise(front.points):
        assert a.deadline_s < b.deadline_s
        assert a.energy_j > b.energy_j
    for point in front.points:
        given = instance.replace(**{COLUMN[axis]: point.deadline_s})
        assert check(given, point.plan) == []
    for deadline in deadlines(front):
        truth = value(instance, axis, deadline)
        found = energy_within(front, deadline * (1 + 1e-9))
        assert (found is None) == (truth is None)
        if truth is not None:
            assert found == pytest.approx(truth, rel=2e-6)
    assert front.points[-1].energy_j == pytest.approx(value(instance, axis, None), rel=2e-6)


@pytest.mark.parametrize("seed", range(3))
def test_front_within_epsilon(seed: int) -> None:
    instance = small(seed)
    for two, epsilon in itertools.product((True, False), (0.5, 0.05)):
        given = instance if two else instance.replace(fine_tuning_deadline_s=None)
        exact, front = energy_front(given), energy_front(given, epsilon=epsilon)
        assert len(front.points) <= len(exact.points)
        longer = epsilon * exact.points[-1].deadline_s if two else 0.0
        for point in exact.points:
            found = energy_within(front, (point.deadline_s + longer) * (1 + 1e-9))
            assert found is not None
            assert found <= point.energy_j * (1 + epsilon) * (1 + 1e-9)


def test_continuous_speeds_need_an_error() -> None:
    instance = generate("cift-continuous", 1, blocks=4, compressions=1)
    with pytest.raises(InputError, match="epsilon"):
        energy_front(instance)
    front = energy_front(instance.replace(fine_tuning_deadline_s=None), epsilon=0.1)
    point = front.points[len(front.points) // 2]
    given = instance.replace(
        fine_tuning_deadline_s=None, inference_deadline_s=point.deadline_s * (1 + 1e-9)
    )
    best = load("jqodi", "cift").solve(given, Budget(), 0, {"epsilon": 1e-3})
    assert point.energy_j <= 1.1 * best.objective * (1 + 1e-9)


def test_time_ends_with_a_part_of_the_front() -> None:
    instance = generate("cift-llm", 1)
    # Shorter and shorter: how far a machine gets in a given time is not what is asked.
    for limit in (0.8, 0.4, 0.2, 0.1, 0.05):
        front = energy_front(instance, time_limit_s=limit)
        if not front.complete:
            break
    assert not front.complete
    assert len(front.points) > 0
    for point in front.points:
        given = instance.replace(inference_deadline_s=point.deadline_s)
        assert check(given, point.plan) == []


def test_nothing_feasible_is_an_empty_front() -> None:
    instance = small(0).replace(fine_tuning_deadline_s=1e-9)
    assert energy_front(instance).points == ()


def test_a_network_in_doubt_has_no_front_over_throughput() -> None:
    # Nominally each request is late; with nodes a billion times as fast none is.
    instance = small(0).replace(inference_deadline_s=1e-6)
    fast = tuple(Factor(node.name, None, 1e9) for node in instance.nodes)
    doubtful = instance.replace(doubt=Doubt(scenarios=(Scenario(1, speeds=fast),)))
    assert throughput_front(instance).points == ()
    for ask in (throughput_front, highest_throughput):
        with pytest.raises(InputError, match="throughput"):
            ask(doubtful)
