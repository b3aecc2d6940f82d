"""MEPRA for didppy: penalties and shifts in integers, what rounding may blur."""

from __future__ import annotations

import importlib.util
import itertools
import math

import numpy as np
import pytest

from splitopt.bench.methods.conformance.cases import case
from splitopt.bench.methods.conformance.oracle import optimum_of
from splitopt.formulations.mepra.didp.method import METHOD
from splitopt.formulations.mepra.didp.stages import stages_of
from splitopt.formulations.mepra.layerwise import plan_of, walked_options
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.generators import generate
from splitopt.instances.judge import evaluate
from splitopt.instances.mepra.model import MepraInstance

needs_didppy = pytest.mark.skipif(
    importlib.util.find_spec("didppy") is None, reason="didppy is not installed"
)


@pytest.mark.parametrize("name", ["mepra-tiny-partition", "mepra-tiny-dense", "mepra-tiny-free"])
def test_penalties_and_shifts_make_up_the_cost_of_every_plan(name: str) -> None:
    """Cost = L + sum p + D^2, and the integers are below that by no more than is said."""
    instance = case("mepra", name)
    assert isinstance(instance, MepraInstance)
    # Against a dear plan all options stay.
    stages = stages_of(instance, walked_options(instance), 1e9, 1e-6)
    few = [range(min(2, len(mine))) for mine in stages.options]
    for choice in itertools.islice(itertools.product(*few), 0, 64, 7):
        rows = np.arange(len(choice))
        reached = stages.offset + stages.shift[rows, choice].sum()
        least = max(0.0, reached, -reached - stages.loose) ** 2
        model = stages.penalty[rows, choice].sum() + least
        objective = evaluate(instance, plan_of(instance, stages.picked(choice))).objective
        assert stages.bound(model) <= objective
        error = stages.error(abs(reached) + stages.loose) + 1e-10 * objective
        assert stages.bound(model) >= objective - error


def test_integers_stay_where_their_squares_are_exact_doubles() -> None:
    instance = generate("mepra-lattice", 3, devices=30)
    assert isinstance(instance, MepraInstance)
    stages = stages_of(instance, walked_options(instance), 1e12, 0.0)
    most = abs(stages.offset) + stages.shift.max(axis=1).sum()
    assert most**2 < 2.0**50
    finite = stages.penalty[np.isfinite(stages.penalty)]
    assert (finite == np.floor(finite)).all()


@needs_didppy
def test_a_lattice_that_milps_leave_open_is_closed() -> None:
    instance = generate("mepra-lattice", 5, devices=14)
    found = METHOD.solve(instance, Budget(), 0, {})
    assert found.status is SolutionStatus.OPTIMAL
    assert found.statistics["stages"] == 14
    roots = [math.sqrt(profile.layers[0].flops) for profile in instance.profiles]
    # The source's formula: (R - theta)^2 and a constant, by enumeration of every subset.
    theta = roots[0] / (2 * float(instance.speed_flop_per_s[0]))
    sums = np.zeros(1)
    for root in roots:
        sums = np.concatenate([sums, sums + root])
    constant = 2 * theta * math.fsum(roots) - theta**2
    optimum = float(((sums - theta) ** 2).min()) + constant
    assert found.objective == pytest.approx(optimum, rel=1e-6)
    assert found.bound is not None
    assert found.bound <= optimum * (1 + 1e-12)


@needs_didppy
def test_without_a_gap_the_bound_is_within_what_scaling_blurs() -> None:
    for name in ("mepra-tiny-partition", "mepra-crafted-alike"):
        instance = case("mepra", name)
        optimum = optimum_of(instance).objective
        assert optimum is not None
        found = METHOD.solve(instance, Budget(relative_gap=0.0), 0, {})
        assert found.objective == pytest.approx(optimum, rel=1e-12)
        assert found.bound is not None
        error = float(str(found.statistics["scaling_error"]))
        assert optimum - error - 1e-10 * optimum <= found.bound <= optimum
        assert found.termination in (Termination.SOLVED, Termination.LIMIT)


def test_large_instances_are_refused_with_the_reason() -> None:
    instance = generate("mepra-fleet", 1, devices=5001)
    assert METHOD.supports(instance).reason == (
        "didp takes at most 5000 devices: it finds options one device at a time"
    )
