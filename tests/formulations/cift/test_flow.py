"""The flow model's own parts: path to plan and back, reductions, tolerances, trajectories."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from splitopt.formulations.cift.flow.arcs import build_graph
from splitopt.formulations.cift.flow.method import METHOD, flow_model
from splitopt.formulations.cift.pricing import within
from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Link, Node
from splitopt.instances.contract.method import Budget, Progress, SolutionStatus
from splitopt.instances.judge import evaluate
from splitopt.instances.networks.profiles import Block, Profile


def ladder(**changes: object) -> CiftInstance:
    """Return four blocks of 10 FLOP on two nodes with speeds 1 and 2 each; energy w f^2."""
    nodes = tuple(
        Node(name, tier, (1.0, 2.0), 1.0, 0.0, 100.0, 4)
        for name, tier in (("end", "end"), ("edge", "edge"))
    )
    blocks = tuple(Block(f"b{b}", 10, 1, 1) for b in range(4))
    return CiftInstance(
        "ladder",
        nodes,
        (Link("end", "edge", 1.0, 0.0, 0.0),),
        (Profile("four", 1, blocks),),
        (Compression("none", 1, 1, 1),),
        (Configuration("four", "none", "end", 1.0, 1),),
        1,
    ).replace(**changes)


def test_graph_counts() -> None:
    # States: root, goal; end: 4 placed; edge: 4 arrived, 4 placed. Segments: 4 at the end
    # (they start at block 1), 10 at the edge; two levels twice are 4 arcs either way, so one
    # arc carries both. Relays: 1 at the end, 4 at the edge. Hops: 4.
    graph = build_graph(ladder(inference_deadline_s=99.0, fine_tuning_deadline_s=999.0))
    assert graph.states == 2 + 4 + 8
    assert len(graph.arcs) == 14 * 4 + 5 + 4


def test_more_levels_are_chosen_in_series() -> None:
    # Three levels twice: 6 arcs and one state between them a segment, not 9 arcs.
    nodes = tuple(
        dataclasses.replace(node, speeds_flop_per_s=(1.0, 2.0, 3.0)) for node in ladder().nodes
    )
    graph = build_graph(
        ladder(nodes=nodes, inference_deadline_s=99.0, fine_tuning_deadline_s=999.0)
    )
    assert graph.states == 2 + 4 + 8 + 14
    assert len(graph.arcs) == 14 * 6 + 5 + 4


def test_without_deadlines_the_cheapest_level_is_left() -> None:
    graph = build_graph(ladder())
    assert len(graph.arcs) == 14 + 5 + 4


def test_every_path_is_a_plan_and_back() -> None:
    instance = ladder(inference_deadline_s=99.0, fine_tuning_deadline_s=999.0)
    graph = build_graph(instance)
    rng = np.random.default_rng(0)
    sweeps = graph.sweeps(np.arange(len(graph.arcs)))
    for _ in range(30):
        weight = rng.random(len(graph.arcs))
        least, figures = sweeps.best_through(weight, graph.arcs.energy_j[None, :])
        # A relay in the last node leads nowhere.
        arc = int(rng.choice(np.flatnonzero(np.isfinite(least))))
        path = sweeps.path_through(arc)
        assert arc in path
        assert weight[path].sum() == pytest.approx(least[arc], rel=1e-12)
        assert graph.arcs.energy_j[path].sum() == pytest.approx(figures[0, arc], rel=1e-12)
        plan = graph.plan(path)
        figures = evaluate(instance, plan)
        assert figures.objective == pytest.approx(graph.arcs.energy_j[path].sum(), rel=1e-12)
        assert figures.inference_latency_s == pytest.approx(
            graph.arcs.latency_s[path].sum(), rel=1e-12
        )
        assert figures.fine_tuning_time_s == pytest.approx(graph.arcs.time_s[path].sum(), rel=1e-12)
        back = graph.path(plan)
        assert back is not None
        assert back.tolist() == path.tolist()


def test_reduction_keeps_what_meets_the_deadline() -> None:
    # 40 FLOP at speed 2 take 20 s, the hop 1 s more: at 20 s the end alone is left.
    instance = ladder(inference_deadline_s=20.0)
    graph = build_graph(instance)
    share = graph.arcs.latency_s / graph.limits[0][1]
    kept = graph.arcs.take(within(graph, np.arange(len(graph.arcs)), share))
    assert len(kept) == 1
    assert kept.inference_speed.tolist() == [2.0]


@pytest.mark.parametrize("excess", [0.5e-9, 1.5e-9, 1e-8])
@pytest.mark.parametrize("reduction", [True, False])
def test_solver_tolerance_never_decides(excess: float, reduction: bool) -> None:
    # Two blocks end, two edge, at speeds 1 and 2: 20 + 10 + 1 = 31 s and 20 + 80 J.
    instance = ladder(inference_deadline_s=31.0 / (1 + excess))
    found = METHOD.solve(instance, Budget(), 0, {"reduction": reduction})
    assert found.status == SolutionStatus.OPTIMAL
    # Fine-tuning takes 4 passes x 3 x 40 FLOP at speed 1: 480 J, on top of serving.
    # Of the splits k | 4 - k with one part at speed 1, 10 k + 5 (4 - k) + 1 <= 31 gives k = 2.
    # Just under 31 s, the next best has k = 1: 10 + 15 + 1 = 26 s and 10 + 120 J, or the
    # end alone at speed 2: 20 s and 160 J.
    assert found.objective == (480 + 100 if excess < 1e-9 else 480 + 130)


def test_trajectory_ends_at_the_result() -> None:
    points: list[Progress] = []
    instance = ladder(inference_deadline_s=31.0)
    found = METHOD.solve(instance, Budget(), 0, {}, on_progress=points.append)
    assert tuple(points) == found.trajectory
    assert points[-1].objective == found.objective == 580.0
    assert points[-1].bound == found.bound


def test_relaxation_is_integral_without_deadlines() -> None:
    from splitopt.formulations.solvers.highs import load

    instance = ladder()
    graph = build_graph(instance)
    model = flow_model(graph, np.arange(len(graph.arcs)), 1.0)
    model.integer[:] = False
    highs = load(model)
    highs.run()
    flow = np.array(highs.getSolution().col_value)
    assert np.allclose(flow, flow.round())
    assert highs.getInfo().objective_function_value == pytest.approx(520.0)
