"""The label program with speeds set late: by hand, and against methods that share no code."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from splitopt.formulations.cift.recourse.outcomes import Placement, keep_share, outcomes, value
from splitopt.heuristics.jqodi.cift.recourse import late_speeds
from splitopt.instances.cift.doubt import Doubt, Factor, Scenario, Spread
from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Link, Node
from splitopt.instances.core.errors import InputError
from splitopt.instances.library import load
from splitopt.instances.networks.profiles import Block, Profile
from tests.formulations.cift.test_doubt import doubtful
from tests.formulations.cift.test_recourse import enumerated


def slow_link(confidence: float) -> CiftInstance:
    """Return one block of 10 FLOP, on a or behind a link that takes 1 s, or 10 s in 1 of 4.

    On a: 10 J at 1 FLOP/s (10 s), 40 J at 2 (5 s). On b: 5 J at 2 FLOP/s (5 s), 20 J at 4
    (2.5 s), and 1 J of the link. The deadline is 6 s.
    """
    return CiftInstance(
        "two",
        (
            Node("a", "end", (1.0, 2.0), 1.0, 0.0, 9, 1),
            Node("b", "edge", (2.0, 4.0), 0.125, 0.0, 9),
        ),
        (Link("a", "b", 1.0, 0.0, 1.0),),
        (Profile("m", 1, (Block("x", 10, 1, 1),)),),
        (Compression("c", 1, 1, 1),),
        (Configuration("m", "c", "a", 1.0, 0),),
        1,
        inference_deadline_s=6.0,
        doubt=Doubt(
            scenarios=(Scenario("1/4", (Factor("a", "b", 0.1),)), Scenario("3/4")),
            inference_confidence=confidence,
        ),
    )


@pytest.mark.parametrize(
    ("confidence", "node", "joules"),
    [
        # b keeps 6 s in 3 of 4 (1 + 5 s), and is given up at its cheapest speed in the fourth.
        (0.75, 1, 6.0),
        # In all four only a at 2 FLOP/s is in time.
        (1.0, 0, 40.0),
    ],
)
def test_what_may_be_given_up_decides_the_host(confidence: float, node: int, joules: float) -> None:
    found = late_speeds(slow_link(confidence), Fraction(confidence))
    assert found.segments[-1] == (node, 0, 1)
    assert found.objective_j == pytest.approx(joules, rel=1e-12)
    assert joules * (1 - 1e-8) <= found.bound_j <= joules


def test_no_placement_keeps_enough() -> None:
    found = late_speeds(slow_link(1.0).replace(inference_deadline_s=4.0), Fraction(1))
    assert found.configuration == -1
    assert found.objective_j == math.inf == found.bound_j


@pytest.mark.parametrize(
    ("number", "joules"), [(5, 2.421018549485883), (22, 1.2784857282198172), (10, math.inf)]
)
def test_frozen_instances(number: int, joules: float) -> None:
    """What the deterministic equivalent proves, within its gap of 1e-6, in a second each."""
    instance = load(f"cift-uncertain-{number:03d}")
    found = late_speeds(instance, keep_share(instance))
    assert found.objective_j == pytest.approx(joules, rel=1e-9)
    if found.configuration >= 0:
        placement = Placement(found.configuration, found.segments)
        valued = value(instance, outcomes(instance), placement)
        assert found.objective_j == pytest.approx(valued, rel=1e-12)


@pytest.mark.parametrize(("seed", "joules"), [(284, 2690.01), (366, 571.55625)])
def test_outcomes_are_of_all_configurations_at_once(seed: int, joules: float) -> None:
    """Bands of K finer than a configuration's own leave more to give up: all placements tried."""
    instance = doubtful(seed, "es")
    assert enumerated(instance) == pytest.approx(joules)
    found = late_speeds(instance, keep_share(instance))
    assert found.objective_j == pytest.approx(joules, rel=1e-9)


def test_few_labels_leave_a_bound() -> None:
    instance = load("cift-uncertain-022")
    found = late_speeds(instance, keep_share(instance), most=1)
    assert found.bound_j <= 1.2784857282198172 <= found.objective_j


def test_means_and_variances_have_no_outcomes() -> None:
    doubt = Doubt(spread=(Spread("a", "b", 1.0, 0.1),), inference_confidence=0.9,
                  fine_tuning_confidence=0.9)  # fmt: skip
    with pytest.raises(InputError, match="add scenarios"):
        late_speeds(slow_link(0.75).replace(doubt=doubt), Fraction(9, 10))
