"""Placement now, speeds later: both methods against enumeration of placements, and by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.bench.explain.doubt import late
from splitopt.bench.methods.registry import load
from splitopt.formulations.cift.brute_force.plans import Data, placements
from splitopt.formulations.cift.recourse.outcomes import Placement, best_sum, outcomes, value
from splitopt.formulations.cift.recourse.solve import solve_recourse
from splitopt.instances.cift.doubt import Doubt, EpochsInDoubt, Factor, Scenario
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    Training,
)
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.profiles import Block, Profile


def optimum(instance: CiftInstance) -> CiftPlan | None:
    return load("jqodi-exact", "cift").solve(instance, Budget(), 0, {}).plan


def small(seed: int) -> CiftInstance:
    """Return an instance of two nodes, two levels each, K and the one link in doubt."""
    pick = [int(c) for c in f"{seed:06d}"]
    nodes = (
        Node("a", "end", (1.0, 2.0), 0.5, 1.0, 40, 2),
        Node("b", "edge", (3.0, 4.0 + pick[0] % 3), 0.02 * (1 + pick[1]), 1.0, 90),
    )
    doubt = Doubt(
        (EpochsInDoubt("m", "c", "a", 1.0, (1, 2, 4 + pick[2] % 3)),),
        (Scenario("1/4", (Factor("a", "b", 0.25),)), Scenario("3/4")),
        fine_tuning_confidence=(0.5, 0.75, 1.0)[pick[3] % 3],
    )
    blocks = (Block("x", 6, 3, 4 + pick[4]), Block("y", 9, 4, 1), Block("z", 3, 2, 1))
    return CiftInstance(
        "small", nodes, (Link("a", "b", 3.0, 0.5, 0.1),), (Profile("m", 7, blocks),),
        (Compression("c", 1, 1, 1),), (Configuration("m", "c", "a", 1.0, 2),), 10,
        fine_tuning_deadline_s=120.0 + 25.0 * pick[5], doubt=doubt,
    )  # fmt: skip


def enumerated(instance: CiftInstance) -> float:
    found, best = outcomes(instance), math.inf
    for position, g in enumerate(instance.configurations):
        for path, cuts in placements(instance, g, Data.of(instance, g)):
            segments = tuple(zip(path, (0, *cuts), cuts, strict=False))
            best = min(best, value(instance, found, Placement(position, segments)))
    return best


@given(seed=st.integers(0, 10**6 - 1))
@settings(max_examples=5, deadline=None)
def test_all_methods_find_what_enumeration_finds(seed: int) -> None:
    instance = small(seed)
    truth = enumerated(instance)
    for method in ("equivalent", "l-shaped", late):
        found = solve_recourse(instance, optimum, method)
        assert found.objective_j == pytest.approx(truth, rel=2e-6)
        assert found.bound_j <= truth * (1 + 1e-6)
        assert found.wait_and_see_j <= truth * (1 + 1e-9)
        if math.isfinite(truth) and found.expected_of_nominal_j is not None:
            assert found.stochastic_solution_j >= -1e-9 * truth
            assert found.perfect_information_j >= -1e-9 * truth


def test_what_is_given_up_is_a_knapsack() -> None:
    """Of weights 2, 3, 5 tenths at most half may go: 2 and 3 save 20 + 30 tenths, 5 saves 45."""
    tenths = [Fraction(k, 10) for k in (2, 3, 5)]
    pairs = list(zip(tenths, (20.0, 20.0, 19.0), (10.0, 10.0, 10.0), strict=True))
    assert best_sum(pairs, Fraction(1, 2)) == pytest.approx(0.5 * 10 + 9.5)
    assert best_sum(pairs, Fraction(1)) == pytest.approx(19.5)
    late = [(w, math.inf if w == tenths[2] else h, f) for w, h, f in pairs]
    assert best_sum(late, Fraction(1, 2)) == pytest.approx(0.5 * 20 + 0.5 * 10)
    assert best_sum(late, Fraction(6, 10)) == math.inf


def one_node(deadline_s: float) -> CiftInstance:
    return CiftInstance(
        "one", (Node("a", "end", (1.0, 2.0), 1.0, 0.0, 9, 1),), (),
        (Profile("m", 1, (Block("b", 10, 1, 1),)),), (Compression("c", 1, 1, 1),),
        (Configuration("m", "c", "a", 1.0, 1),), 0, fine_tuning_deadline_s=deadline_s,
        training=Training(compute_factor=1),
        doubt=Doubt((EpochsInDoubt("m", "c", "a", 1.0, (1, 2)),)),
    )  # fmt: skip


def test_recourse_is_worth_its_speeds() -> None:
    """One node at 1 or 2 FLOP/s, 10 FLOP, c = 1: K of 1 or 2 within 10 s.

    At 1 FLOP/s a pass takes 10 s and 10 J, at 2 it takes 5 s and 40 J. Fixed: K = 2 needs the fast
    level, (1 + 2) / 2 * 40 = 60 J. With recourse K = 1 runs slowly: (10 + 80) / 2 = 45 J.
    """
    instance = one_node(10.0)
    fixed = load("brute-force", "cift").solve(instance, Budget(), 0, {})
    found = solve_recourse(instance, optimum)
    assert fixed.objective == 60.0
    assert found.objective_j == pytest.approx(45.0)
    assert found.wait_and_see_j == pytest.approx(45.0)
    assert found.perfect_information_j == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("excess", "joules"), [(0.99, 45.0), (1.01, math.inf)])
def test_recourse_uses_the_tolerance_of_the_judge(excess: float, joules: float) -> None:
    """As above, with a deadline short of 10 s: by 0.99 of the tolerance all is as it was.

    By 1.01 of it nothing keeps it: K = 2 takes 10 s at the fast level, too.
    """
    instance = one_node(10.0 / (1 + excess * 1e-9))
    for method in ("equivalent", "l-shaped", late):
        assert solve_recourse(instance, optimum, method).objective_j == pytest.approx(joules)


def test_means_and_variances_have_no_outcomes() -> None:
    from splitopt.instances.cift.doubt import Spread

    doubt = Doubt(spread=(Spread("a", "b", 1.0, 0.1),), inference_confidence=0.9,
                  fine_tuning_confidence=0.9)  # fmt: skip
    with pytest.raises(InputError, match="add scenarios"):
        outcomes(small(0).replace(doubt=doubt))


@pytest.mark.parametrize("method", ["equivalent", "l-shaped", late])
def test_no_bound_lies_above_a_placement_at_the_edge_of_the_tolerance(method: str) -> None:
    """All on a within 10 s, at the last 5e-14 of the tolerance: 10 J seen first.

    That is too late with recourse, whose sums of doubles need room: 1000 J at the fast level. The
    second block on b costs 9 + 20 J, in 9.1 s.
    """
    nodes = (
        Node("a", "end", (1.0, 10.0), 1.0, 0.0, 9, 1),
        Node("b", "edge", (10.0,), 0.0, 0.0, 1),
    )
    instance = CiftInstance(
        "edge", nodes, (Link("a", "b", 1e6, 0.0, 20.0),),
        (Profile("m", 1, (Block("x", 9, 1, 1), Block("y", 1, 1, 1))),),
        (Compression("c", 1, 1, 1),), (Configuration("m", "c", "a", 1.0, 0),), 1,
        inference_deadline_s=10 * (1 + 5e-14) / (1 + 1e-9),
        doubt=Doubt((EpochsInDoubt("m", "c", "a", 1.0, (0,)),)),
    )  # fmt: skip
    truth = enumerated(instance)
    assert truth == pytest.approx(29.0)
    found = solve_recourse(instance, optimum, method)
    assert found.bound_j <= truth * (1 + 1e-9)
    assert found.wait_and_see_j <= truth * (1 + 1e-9)
    assert found.objective_j >= truth * (1 - 1e-9)
