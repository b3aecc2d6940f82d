"""Every exact method for CIFT against hand-computed optima and against enumeration."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from splitopt.bench.methods.registry import load
from splitopt.formulations.solvers.didp import supported
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
from splitopt.instances.contract.method import Budget, Result, SolutionStatus, Termination
from splitopt.instances.core.tolerances import not_above, values_agree
from splitopt.instances.judge import check, evaluate
from splitopt.instances.networks.profiles import Block, Profile

LISTED = (
    "highs-flow",
    "highs-assignment",
    "cpsat",
    pytest.param("didp", marks=pytest.mark.skipif(not supported(), reason="no didppy")),
)
CONTINUOUS = ("highs-oa", "scip-minlp")

# One model of two blocks: 10 and 20 FLOP, 4 and 6 bytes, 8 bits in, 2 bits between.
CHAIN = Profile("chain", 8, (Block("b1", 10, 4, 2), Block("b2", 20, 6, 1)))
PLAIN = Compression("none", 1, 1, 1)
# kappa = 1, rho = 0: at speed 1 one FLOP takes 1 J, at speed 2 it takes 4 J.
END = Node("end", "end", (1.0, 2.0), 1.0, 0.0, 10.0, 5)
# rho = 2 and no kappa: 2 / 10 = 0.2 J a FLOP at speed 10.
EDGE = Node("edge", "edge", (10.0,), 0.0, 2.0, 10.0)
LINK = Link("end", "edge", 4.0, 1.0, 0.5)


def case(**changes: object) -> CiftInstance:
    """Return R = 1 request, no fine-tuning, an end and an edge node, with some fields changed."""
    base = CiftInstance(
        "hand",
        (END, EDGE),
        (LINK,),
        (CHAIN,),
        (PLAIN,),
        (Configuration("chain", "none", "end", 1.0, 0),),
        1,
    )
    return base.replace(**changes)


def solve(
    method: str, instance: CiftInstance, warm_start: CiftPlan | None = None, limit: float = 20
) -> Result:
    found = load(method, "cift").solve(instance, Budget(limit), 0, {}, warm_start=warm_start)
    if found.plan is not None and found.status != SolutionStatus.NONE:
        assert check(instance, found.plan) == []
        assert found.objective == evaluate(instance, found.plan).objective
    if found.objective is not None and found.bound is not None:
        assert not_above(found.bound, found.objective, 1e-9)
    return found


ROOMY = (END, dataclasses.replace(EDGE, memory_bytes=30.0))
tuned = (Configuration("chain", "none", "end", 0.5, 2),)  # N = ceil(2.5) = 3, S = 6

HAND = {
    # All at the edge: 8 bits x 0.5 J + 30 x 0.2 J = 10; cut: 10 + 1 + 4 = 15; end: 30.
    "raw-shipping": (case(), 10.0),
    # Latency of raw shipping 8/4 + 1 + 3 = 6, of the cut at speed 1 10 + 1.5 + 2 = 13.5, at
    # speed 2 5 + 1.5 + 2 = 8.5 with 40 + 1 + 4 = 45 J, at the end 30 or 15 s: the first meets 6.
    "deadline-met": (case(inference_deadline_s=6.0), 10.0),
    "deadline-missed": (case(inference_deadline_s=5.9), None),
    # A slow link of rate 0.1: raw 80 + ..., cut 20 + 1 + 2 + 10 (or 5), end alone 30 or 15 s.
    "one-deadline": (
        case(links=(Link("end", "edge", 0.1, 1.0, 0.5),), inference_deadline_s=29.0),
        45.0,  # cut at speed 2: 28 s; the end at speed 2 takes 15 s and 120 J
    ),
    "slack-deadline": (
        case(links=(Link("end", "edge", 0.1, 1.0, 0.5),), inference_deadline_s=33.0),
        15.0,  # cut at speed 1: 33 s
    ),
    # R = 0, S = 6: energy 6 (3 x 6 + 2 x 4) = 156 raw; time 6 (3 x 3 + 2 (2 + 1/32)) = 78.375.
    "fine-tuning": (
        case(configurations=tuned, requests=0, nodes=ROOMY),
        6 * (3 * 6 + 2 * 4),
    ),
    # Memory in training is threefold: 30 bytes do not fit the edge, 12 (end) and 18 do not
    # either with 10; with 18 only the cut after one block fits.
    "memory": (
        case(
            configurations=tuned,
            nodes=(
                dataclasses.replace(END, memory_bytes=18.0),
                dataclasses.replace(EDGE, memory_bytes=18.0),
            ),
        ),
        15.0 + 6 * (3 * (10 + 4) + 2 * 1),
    ),
    "memory-none": (case(configurations=tuned), None),
    # Two deadlines: the end serves at speed 2 and trains at speed 1. T_inf = 8.5; T_ft =
    # 6 (3 (10 + 2) + 2 (0.5 + 1/32)) = 222.375.
    "two-speeds": (
        case(
            configurations=tuned,
            nodes=(
                dataclasses.replace(END, memory_bytes=18.0),
                dataclasses.replace(EDGE, memory_bytes=18.0),
            ),
            inference_deadline_s=8.5,
            fine_tuning_deadline_s=222.375,
        ),
        45.0 + 6 * (3 * (10 + 4) + 2 * 1),
    ),
    "fine-tuning-missed": (
        case(configurations=tuned, requests=0, nodes=ROOMY, fine_tuning_deadline_s=78.374),
        None,
    ),
    "one-node": (case(nodes=(END,), links=()), 30.0),
    "one-block": (
        case(models=(Profile("chain", 8, (Block("b", 10, 4, 2),)),), nodes=(END,), links=()),
        10.0,
    ),
    "no-cost": (
        case(
            nodes=(
                dataclasses.replace(END, kappa_j_s2_per_flop3=0.0),
                dataclasses.replace(EDGE, busy_power_w=0.0),
            ),
            links=(Link("end", "edge", 4.0, 0.0, 0.0),),
        ),
        0.0,
    ),
    "no-requests-no-tuning": (case(requests=0), 0.0),
    "no-configuration": (case(configurations=()), None),
    # The relay hosts nothing: 8 bits cross two links, 2 x 4 + 6 = 14; it has no memory.
    "relay": (
        case(
            nodes=(
                dataclasses.replace(END, memory_bytes=0.0),
                Node("relay", "edge", (1.0,), 1.0, 1.0, 0.0),
                EDGE,
            ),
            links=(
                Link("end", "relay", 4.0, 1.0, 0.5),
                Link("relay", "edge", 4.0, 1.0, 0.5),
            ),
        ),
        14.0,
    ),
    # Two equal edges: either will do.
    "tie": (
        case(
            nodes=(END, EDGE, dataclasses.replace(EDGE, name="twin")),
            links=(LINK, dataclasses.replace(LINK, head="twin")),
        ),
        10.0,
    ),
    # An end node that is reached from another one hosts the rest.
    "second-end": (
        case(
            nodes=(END, dataclasses.replace(EDGE, name="peer", tier="end")),
            links=(dataclasses.replace(LINK, head="peer"),),
        ),
        10.0,
    ),
    "deadline-zero": (case(inference_deadline_s=0.0), None),
    # Nothing to train and no time to train in: met.
    "deadline-zero-met": (case(fine_tuning_deadline_s=0.0), 10.0),
}


@pytest.mark.parametrize("method", [*LISTED, *CONTINUOUS])
@pytest.mark.parametrize("name", HAND)
def test_hand_computed_optimum(method: str, name: str) -> None:
    instance, optimum = HAND[name]
    found = solve(method, instance)
    if optimum is None:
        assert found.status == SolutionStatus.INFEASIBLE
        return
    assert found.status == SolutionStatus.OPTIMAL
    assert found.objective == pytest.approx(optimum, rel=1e-6, abs=1e-12)


def draw(rng: np.random.Generator, *, continuous: bool = False) -> CiftInstance:
    """Return a small instance with corners: nothing to do, no costs, little memory, ties."""

    def figure(low: float, high: float, *, zero: float = 0.07) -> float:
        # Two digits, so that equal sums happen; sometimes nothing.
        if rng.random() < zero:
            return 0.0
        return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.2g}")

    def speeds() -> tuple[float, ...] | SpeedInterval:
        low = figure(1, 20, zero=0)
        if continuous and rng.random() < 0.7:
            return SpeedInterval(low, low * float(rng.choice([1.0, 2.0, 6.0])))
        return tuple(low * k for k in range(1, int(rng.integers(2, 4))))

    models = tuple(
        Profile(
            f"m{k}",
            figure(1, 30),
            tuple(
                Block(f"b{b}", figure(1, 50), figure(1, 9), figure(1, 30))
                for b in range(int(rng.integers(1, 5)))
            ),
        )
        for k in range(int(rng.integers(1, 3)))
    )
    n = int(rng.integers(1, 6))
    ends = int(rng.integers(1, min(n, 2) + 1))
    size = max(model.param_bytes for model in models)
    nodes = tuple(
        Node(
            f"n{k}",
            "end" if k < ends else "edge" if k < 4 else "cloud",
            speeds(),
            figure(1e-4, 1e-1),
            figure(0.01, 5),
            float(np.ceil(size * rng.choice([0.5, 0.8, 1.0, 1.9, 3.0, 9.0]))),
            int(rng.integers(1, 20)) if k < ends else 0,
        )
        for k in range(n)
    )
    order = range(n) if rng.random() < 0.7 else rng.permutation(n)
    links = tuple(
        Link(
            f"n{order[i]}",
            f"n{order[j]}",
            figure(1, 200, zero=0),
            figure(0.01, 1),
            figure(0.001, 0.1),
        )
        for i in range(n)
        for j in range(i + 1, n)
        if rng.random() < 0.8
    )
    levels = (PLAIN, Compression("half", 0.5, 0.25, 0.5))[: int(rng.integers(1, 3))]
    trained = rng.random() < 0.6
    configurations = tuple(
        Configuration(model.name, level.name, f"n{u}", q, int(rng.integers(0, 4)) if trained else 0)
        for model in models
        for level in levels
        for u in range(ends)
        for q in (1.0, 0.3)
        if rng.random() < 0.9
    )
    return CiftInstance(
        "drawn",
        nodes,
        links,
        models,
        levels,
        configurations,
        int(rng.choice([0, 1, 7, 1000])),
        training=Training(batch_size=int(rng.choice([1, 32]))),
    )


# The judge's tolerance is 1e-9: the first keeps a plan, the second cuts it off within the
# tolerance of a floating-point solver.
EDGES = (1 / (1 + 0.5e-9), 1 / (1 + 1.5e-9))


def with_deadlines(instance: CiftInstance, rng: np.random.Generator) -> CiftInstance:
    """Return the instance with no, one or two deadlines about what its optimum takes."""
    for name, seconds in (
        ("inference_deadline_s", "inference_latency_s"),
        ("fine_tuning_deadline_s", "fine_tuning_time_s"),
    ):
        if rng.random() < 0.25:
            continue
        free = load("brute-force", "cift").solve(instance, Budget(), 0, {})
        if free.plan is not None:
            needed = getattr(evaluate(instance, free.plan), seconds)
            factor = float(rng.choice([0.5, 0.7, 0.8, 0.9, 0.95, 1.0, *EDGES]))
            instance = instance.replace(**{name: factor * needed})
    return instance


def drawn(seed: int, *, continuous: bool = False) -> CiftInstance:
    rng = np.random.default_rng([2026, seed])
    return with_deadlines(draw(rng, continuous=continuous), rng)


@pytest.mark.parametrize("method", [*LISTED, *CONTINUOUS])
@pytest.mark.parametrize("seed", range(50))
def test_agrees_with_enumeration(method: str, seed: int) -> None:
    agree(method, drawn(seed))


def test_cpsat_keeps_what_its_presolve_once_lost() -> None:
    # OR-Tools 9.15.6755 with default settings proves 300.03 J here; 284.27 J is feasible.
    instance = drawn(2083)
    agree("cpsat", instance)
    assert solve("cpsat", instance).objective == pytest.approx(284.274408, rel=1e-9)


@pytest.mark.parametrize("method", CONTINUOUS)
@pytest.mark.parametrize("seed", range(50))
def test_agrees_with_enumeration_on_continuous_speeds(method: str, seed: int) -> None:
    agree(method, drawn(seed, continuous=True))


def agree(method: str, instance: CiftInstance) -> None:
    truth = solve("brute-force", instance)
    found = solve(method, instance)
    assert found.status == truth.status
    assert found.termination == Termination.SOLVED
    if truth.objective is not None:
        assert found.objective is not None
        assert values_agree(found.objective, truth.objective)
        assert found.bound is not None
        assert not_above(found.bound, truth.objective, 1e-9)


@pytest.mark.parametrize("method", [*LISTED, *CONTINUOUS])
def test_no_time_keeps_a_warm_start_and_a_valid_bound(method: str) -> None:
    instance = case(inference_deadline_s=15.0)
    given = CiftPlan("chain", "none", "end", 1.0, (Stop("end", 2, 2.0, None),))
    found = solve(method, instance, given, limit=0)
    assert found.termination == Termination.TIME
    assert found.status == SolutionStatus.FEASIBLE
    assert found.objective == 120.0  # 30 FLOP at speed 2
    assert found.bound is None or found.bound <= 10.0
    nothing = solve(method, instance, limit=0)
    assert nothing.termination == Termination.TIME
    assert nothing.status == SolutionStatus.NONE
    assert nothing.plan is None


@pytest.mark.parametrize("method", [*LISTED, *CONTINUOUS])
@pytest.mark.parametrize("kept", [True, False])
def test_a_warm_start_does_not_change_the_optimum(method: str, kept: bool) -> None:
    instance = case(inference_deadline_s=15.0)
    node = "end" if kept else "nowhere"
    given = CiftPlan("chain", "none", "end", 1.0, (Stop(node, 2, 2.0, None),))
    found = solve(method, instance, given)
    assert found.status == SolutionStatus.OPTIMAL
    assert found.objective == 10.0


@pytest.mark.parametrize("method", LISTED)
def test_continuous_speeds_are_declined_with_a_reason(method: str) -> None:
    instance = case(
        nodes=(dataclasses.replace(END, speeds_flop_per_s=SpeedInterval(1.0, 2.0)), EDGE)
    )
    support = load(method, "cift").supports(instance)
    assert not support
    assert "highs-oa" in (support.reason or "")
