"""What MILPs claim: bounds with their margins, coefficients far apart, limits on time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from splitopt.bench.methods.registry import load as method
from splitopt.formulations.cift.cpsat.paths import ScipyPlanes
from splitopt.formulations.cift.flow.arcs import build_graph
from splitopt.formulations.cift.flow.method import flow_model
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.planes import HighsPlanes
from splitopt.formulations.cift.pricing import Planes, climb
from splitopt.formulations.solvers.highs import COST_TOLERANCE, SparseModel, load, solve
from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Link, Node
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, Recorder, SolutionStatus
from splitopt.instances.networks.profiles import Block, Profile


def ladder(seed: int) -> CiftInstance:
    """Return six blocks over four nodes with three levels each and two deadlines that bind."""
    rng = np.random.default_rng([7, seed])
    nodes = tuple(
        Node(
            f"n{k}",
            "end" if k == 0 else "edge",
            tuple(float(f) for f in np.round(rng.uniform(1, 3) * np.array([1, 2, 3]), 2)),
            float(np.round(rng.uniform(0.01, 0.1), 3)),
            float(np.round(rng.uniform(0.1, 2), 2)),
            9.0,  # three blocks in training
            5,
        )
        for k in range(4)
    )
    links = tuple(
        Link(f"n{i}", f"n{j}", float(rng.integers(2, 9)), 0.01, 0.05)
        for i in range(4)
        for j in range(i + 1, 4)
    )
    blocks = tuple(Block(f"b{b}", float(rng.integers(1, 9)), 1, 1) for b in range(6))
    instance = CiftInstance(
        "ladder",
        nodes,
        links,
        (Profile("six", 3, blocks),),
        (Compression("none", 1, 1, 1),),
        (Configuration("six", "none", "n0", 1.0, 1),),
        3,
    )
    work = sum(block.flops for block in blocks)
    return instance.replace(
        inference_deadline_s=float(np.round(work / 3, 2)),
        fine_tuning_deadline_s=float(np.round(15 * work / 3, 1)),
    )


class Blind(Incumbent):
    """Takes no plan, so that no arc goes."""

    def offer(self, plan: CiftPlan) -> bool:
        return False


@pytest.mark.parametrize("planes_for", [HighsPlanes, ScipyPlanes])
@pytest.mark.parametrize("seed", range(5))
def test_climbing_ends_at_the_relaxation(
    seed: int, planes_for: Callable[[int, float], Planes]
) -> None:
    instance = ladder(seed)
    graph = build_graph(instance)
    arcs = np.arange(len(graph.arcs))
    model = flow_model(graph, arcs, 1.0)
    model.integer[:] = False
    highs = load(model)
    highs.run()
    relaxed = highs.getInfo().objective_function_value
    blind = Blind(instance, Budget(), Recorder())
    left, cutoff, prices = climb(graph, arcs, blind, 0.0, planes_for)
    assert blind.bound == pytest.approx(relaxed, rel=1e-6)
    assert (prices >= 0).all()
    assert (len(left), cutoff) == (len(arcs), np.inf)


@pytest.mark.parametrize("seed", range(5))
def test_climbing_keeps_the_best_plan_or_knows_it(seed: int) -> None:
    instance = ladder(seed)
    graph = build_graph(instance)
    truth = method("brute-force", "cift").solve(instance, Budget(), 0, {})
    assert truth.plan is not None
    assert truth.objective is not None
    best = Incumbent(instance, Budget(), Recorder())
    left, cutoff, _ = climb(graph, np.arange(len(graph.arcs)), best, 1e-9, HighsPlanes)
    assert best.bound <= truth.objective
    path = graph.path(truth.plan)
    assert path is not None
    assert np.isin(path, left).all() or cutoff <= truth.objective


def spread(dear: float) -> CiftInstance:
    """Return one block that costs 1 J at the end and 3 J far away, or `dear` J nearby."""
    nodes = (
        Node("end", "end", (1.0,), 1.0, 0.0, 1.0, 1),
        Node("near", "edge", (1.0,), dear, 0.0, 1.0),
        Node("far", "cloud", (1.0, 1e6), 1e-12, 2.0, 1.0),
    )
    return CiftInstance(
        "spread",
        nodes,
        (Link("end", "near", 1e6, 0.0, 0.0), Link("near", "far", 1.0, 0.0, 1.0)),
        (Profile("one", 1, (Block("b", 1, 1, 1),)),),
        (Compression("none", 1, 1, 1),),
        (Configuration("one", "none", "end", 1.0, 0),),
        1,
        inference_deadline_s=5.0,
    )


@pytest.mark.parametrize("dear", [1e-12, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize(
    "name", ["highs-flow", "highs-assignment", "highs-oa", "cpsat", "scip-minlp"]
)
def test_coefficients_far_apart_are_decided_or_left_open(name: str, dear: float) -> None:
    found = method(name, "cift").solve(spread(dear), Budget(20), 0, {})
    optimum = min(1.0, dear)
    assert found.bound is None or found.bound <= optimum * (1 + 1e-9)
    if found.status == SolutionStatus.OPTIMAL:
        assert found.objective == pytest.approx(optimum, rel=1e-6)
    else:
        assert found.status == SolutionStatus.FEASIBLE


def knapsack(items: int) -> SparseModel:
    """Return ``max sum w x`` with ``sum w x <= half`` as a minimum, hard enough to take a while."""
    rng = np.random.default_rng(1)
    weight = rng.integers(10**5, 10**6, items).astype(np.float64)
    return SparseModel(
        cost=-weight,
        lower=np.zeros(items),
        upper=np.ones(items),
        integer=np.ones(items, dtype=np.bool_),
        row_lower=np.array([-np.inf]),
        row_upper=np.array([np.floor(weight.sum() / 2) + 0.5]),
        row=np.zeros(items, dtype=np.int64),
        column=np.arange(items),
        value=weight,
    )


def test_the_bound_keeps_clear_of_what_was_pruned() -> None:
    model = knapsack(12)
    found = solve(load(model), time_limit_s=None, relative_gap=1e-2, support=12)
    assert found.ended == "solved"
    assert found.bound is not None
    assert found.objective is not None
    # Half of the gap may have been pruned; the bound says so.
    assert found.bound <= found.objective - 0.5e-2 * abs(found.objective) - 12 * COST_TOLERANCE
    exact = solve(load(model), time_limit_s=None, relative_gap=0.0, support=12)
    assert exact.objective is not None
    assert found.bound <= exact.objective


def test_a_spent_time_limit_ends_the_run() -> None:
    found = solve(load(knapsack(60)), time_limit_s=0.0, relative_gap=0.0, support=60)
    assert found.ended == "time"


def test_solutions_and_bounds_are_reported_as_they_come() -> None:
    seen: list[float] = []
    bounds: list[float] = []
    model = knapsack(15)
    found = solve(
        load(model),
        time_limit_s=None,
        relative_gap=0.0,
        support=15,
        on_solution=lambda values: seen.append(float(model.cost @ values)),
        on_bound=bounds.append,
    )
    assert seen
    assert min(seen) == found.objective
    assert all(bound <= found.objective for bound in bounds)
