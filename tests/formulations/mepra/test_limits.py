"""MEPRA's exact methods where the proof is out of reach, and from a given plan."""

from __future__ import annotations

import math

import numpy as np
import pytest

from splitopt.bench.methods.registry import load
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.judge import check, evaluate
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.mepra.plan import MepraPlan
from splitopt.instances.networks.profiles import Layer, MultiExitProfile

METHODS = ("highs-tangent", "highs-perspective", "cpsat", "scip-minlp", "lagrangian")


def lattice(n: int, seed: int) -> MepraInstance:
    """Return devices whose roots keep to a lattice that misses the best sum of roots.

    Roots are near multiples of ten, own costs are 2 theta r, theta lies between what sums of
    roots can reach: all subsets tie in the relaxation, and branching decides nothing.
    """
    rng = np.random.default_rng(seed)
    root = 10.0 * rng.integers(2, 5, n) + rng.uniform(0, 6 / n, n)
    theta = 10 * math.floor(root.sum() / 20) + 6.5
    return MepraInstance(
        name="lattice",
        edge_capacity_flop_per_s=1.0,
        bandwidth_bit_per_s=1.0,
        weight_time_per_s=1.0,
        weight_energy_per_j=0.0,
        profiles=tuple(
            MultiExitProfile(f"net{i}", 0.0, (Layer("all", r * r, 0.0, 0.0),))
            for i, r in enumerate(root.tolist())
        ),
        exit_fractions=ExitFractions.of([[1.0]]),
        speed_flop_per_s=root / (2 * theta),
        power_w=np.zeros(n),
        transmit_power_w=np.zeros(n),
        profile=np.arange(n),
        exit_row=np.zeros(n, dtype=np.int64),
        exit_set=np.ones(n, dtype=np.int64),
    )


@pytest.mark.parametrize("name", METHODS)
def test_cut_short_keeps_plan_and_bound(name: str) -> None:
    case = lattice(40, 1)
    proven = load("lagrangian", "mepra").solve(case, Budget(), 0, {})
    assert proven.status is SolutionStatus.OPTIMAL
    assert proven.objective is not None
    # The lattice is hard for a tangent model that does not count its steps.
    options = {"steps": False} if name == "highs-tangent" else {}
    budget = Budget(time_limit_s=0.7, relative_gap=1e-9)
    cut = load(name, "mepra").solve(case, budget, 0, options)
    assert cut.status is SolutionStatus.FEASIBLE
    assert cut.termination is Termination.TIME
    assert cut.plan is not None
    assert cut.objective is not None
    assert cut.bound is not None
    assert check(case, cut.plan) == []
    assert cut.objective == evaluate(case, cut.plan).objective
    assert 0 <= cut.bound <= proven.objective * (1 + 1e-9)
    assert cut.trajectory[-1].objective == cut.objective
    assert (cut.trajectory[-1].bound or 0.0) == cut.bound


@pytest.mark.parametrize("name", METHODS)
def test_never_worse_than_the_plan_given(name: str) -> None:
    case = lattice(8, 2)
    best = load("lagrangian", "mepra").solve(case, Budget(relative_gap=1e-9), 0, {})
    assert best.plan is not None
    assert best.objective is not None
    result = load(name, "mepra").solve(case, Budget(time_limit_s=20), 0, {}, warm_start=best.plan)
    assert result.objective is not None
    assert result.objective <= best.objective
    assert result.trajectory[0].objective == best.objective


@pytest.mark.parametrize("name", METHODS)
def test_a_plan_that_breaks_a_constraint_is_not_taken(name: str) -> None:
    case = lattice(3, 2)
    wrong = MepraPlan(np.zeros(3, dtype=np.int64), np.full(3, 0.5))  # shares of one and a half
    result = load(name, "mepra").solve(case, Budget(time_limit_s=0), 0, {}, warm_start=wrong)
    assert result.plan is None
    assert result.status is SolutionStatus.NONE


def test_both_right_sides_give_one_optimum() -> None:
    case = lattice(7, 3)
    method = load("scip-minlp", "mepra")
    linear, conic = (
        method.solve(case, Budget(), 0, {"right_side": s}) for s in ("linear", "conic")
    )
    assert linear.status is SolutionStatus.OPTIMAL
    assert conic.status is SolutionStatus.OPTIMAL
    assert linear.objective == pytest.approx(conic.objective, rel=2e-6)


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_plan(name: str) -> None:
    case = lattice(6, 4)
    first, second = (load(name, "mepra").solve(case, Budget(), 7, {}) for _ in range(2))
    assert first.plan is not None
    assert second.plan is not None
    assert first.plan.splits.tolist() == second.plan.splits.tolist()
    assert first.objective == second.objective
