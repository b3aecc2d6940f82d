"""Continuous speeds: closed forms, tangents that never overstate, speeds fitted to a deadline."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitopt.formulations.cift.outer.building import build_placements
from splitopt.formulations.cift.outer.graph import SERVE
from splitopt.formulations.cift.outer.method import METHOD
from splitopt.formulations.cift.outer.model import OuterModel
from splitopt.formulations.cift.outer.speeds import Engine, fit, joules_per_flop
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
)
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.networks.profiles import Block, Profile


def one_node(
    speeds: SpeedInterval, rho: float, deadline: float | None, kappa: float = 1.0
) -> CiftInstance:
    """Return one request of 12 FLOP in three blocks, on one node."""
    return CiftInstance(
        "one",
        (Node("end", "end", speeds, kappa, rho, 10.0, 1),),
        (),
        (Profile("three", 1, tuple(Block(f"b{k}", 4, 1, 1) for k in range(3))),),
        (Compression("none", 1, 1, 1),),
        (Configuration("three", "none", "end", 1.0, 0),),
        1,
        inference_deadline_s=deadline,
    )


def solve(instance: CiftInstance) -> tuple[float | None, SolutionStatus, float | None]:
    found = METHOD.solve(instance, Budget(), 0, {})
    speed = None if found.plan is None else found.plan.stops[0].inference_speed_flop_per_s
    return found.objective, found.status, speed


def test_without_a_deadline_the_critical_speed_is_best() -> None:
    # f* = (16 / 2)^(1/3) = 2, 12 (4 + 16 / 2) = 144 J.
    objective, status, speed = solve(one_node(SpeedInterval(1.0, 10.0), 16.0, None))
    assert status == SolutionStatus.OPTIMAL
    assert objective == pytest.approx(144.0, rel=1e-9)
    assert speed == pytest.approx(2.0, rel=1e-5)


def test_a_deadline_sets_the_speed() -> None:
    # 12 FLOP in 3 s: 4 FLOP/s, 12 (16 + 16 / 4) = 240 J.
    objective, status, speed = solve(one_node(SpeedInterval(1.0, 10.0), 16.0, 3.0))
    assert status == SolutionStatus.OPTIMAL
    assert objective == pytest.approx(240.0, rel=1e-6)
    assert speed == pytest.approx(4.0, rel=1e-6)


def test_the_ends_of_the_interval_hold() -> None:
    # Above f* = 2 by the lower end: 12 (9 + 16 / 3) = 172 J; past the upper end: infeasible.
    objective, _, speed = solve(one_node(SpeedInterval(3.0, 10.0), 16.0, None))
    assert (objective, speed) == (pytest.approx(172.0), 3.0)
    assert solve(one_node(SpeedInterval(1.0, 10.0), 16.0, 1.19))[1] == SolutionStatus.INFEASIBLE
    assert solve(one_node(SpeedInterval(1.0, 10.0), 16.0, 1.2))[2] == pytest.approx(10.0)


def test_without_kappa_the_highest_speed_is_best() -> None:
    objective, _, speed = solve(one_node(SpeedInterval(1.0, 10.0), 5.0, None, kappa=0.0))
    assert (objective, speed) == (6.0, 10.0)


def test_two_hosts_share_the_time_as_their_marginal_costs_ask() -> None:
    # Hosts of 8 FLOP with kappa 1 and 8, 12 s: marginal costs 2 kappa f^3 agree at f and f / 2,
    # so 8 / f + 16 / f = 12, f = 2: 8 x 4 + 8 x 8 x 1 = 96 J.
    nodes = tuple(
        Node(name, tier, SpeedInterval(0.01, 100.0), kappa, 0.0, 1.0, 1)
        for name, tier, kappa in (("end", "end", 1.0), ("edge", "edge", 8.0))
    )
    instance = CiftInstance(
        "two",
        nodes,
        (Link("end", "edge", 1.0, 0.0, 0.0),),
        (Profile("two", 1, (Block("b1", 8, 1, 0), Block("b2", 8, 1, 0))),),
        (Compression("none", 1, 1, 1),),
        (Configuration("two", "none", "end", 1.0, 0),),
        1,
        inference_deadline_s=12.0,
    )
    found = METHOD.solve(instance, Budget(), 0, {})
    assert found.status == SolutionStatus.OPTIMAL
    assert found.objective == pytest.approx(96.0, rel=1e-6)
    assert found.plan is not None
    speeds = [stop.inference_speed_flop_per_s for stop in found.plan.stops]
    assert speeds == [pytest.approx(2.0, rel=1e-3), pytest.approx(1.0, rel=1e-3)]


@given(
    rho=st.sampled_from([0.0]) | st.floats(1e-3, 50),
    kappa=st.floats(0.01, 10),
    touched=st.floats(0, 1),
    speed=st.floats(0, 1),
    share=st.sampled_from([1 / 3, 2 / 3, 1.0]),
)
def test_tangents_never_overstate_and_meet_where_they_touch(
    rho: float, kappa: float, touched: float, speed: float, share: float
) -> None:
    instance = one_node(SpeedInterval(1.0, 30.0), rho, 1e3, kappa)
    graph = build_placements(instance)
    model = OuterModel(graph, np.arange(len(graph.tail)), 1.0)
    if not model.groups:  # the critical speed is above the interval
        return
    (group,) = model.groups
    engine = group.engine

    def between(part: float) -> float:
        return min(engine.high, engine.low * (engine.high / engine.low) ** part)

    (row,) = model.touch(SERVE, 0, between(touched))
    for f, slack in ((between(speed), 0.0), (between(touched), 1e-9)):
        energy = share * joules_per_flop(engine.node, f) / joules_per_flop(engine.node, engine.high)
        values = np.array([share, share * engine.high / f, energy])
        left = float(row.values @ values)
        assert left >= -1e-12
        if slack:
            assert left <= slack
    assert model.touch(SERVE, 0, between(touched)) == []


@given(
    works=st.lists(st.floats(0.1, 100), min_size=1, max_size=4),
    rhos=st.lists(st.floats(1e-3, 20), min_size=4, max_size=4),
    tightness=st.floats(0.01, 2),
    listed=st.booleans(),
)
def test_fitted_speeds_keep_the_limit(
    works: list[float], rhos: list[float], tightness: float, listed: bool
) -> None:
    speeds = (1.0, 2.0, 4.0) if listed else SpeedInterval(1.0, 4.0)
    engines = [
        Engine.of(Node(f"n{k}", "edge", speeds, 1.0, rho, 1.0))
        for k, rho in enumerate(rhos[: len(works)])
    ]
    fastest = sum(w / engine.high for w, engine in zip(works, engines, strict=True))
    limit = fastest * 4**tightness / 4**0.5
    found = fit(engines, works, limit)
    if limit < fastest:
        # Nothing is ruled out here: the judge sees the highest speeds.
        assert found == [engine.high for engine in engines]
        return
    assert sum(w / f for w, f in zip(works, found, strict=True)) <= limit
    assert all(engine.low <= f <= engine.high for f, engine in zip(found, engines, strict=True))


def test_fitted_speeds_are_best_on_intervals() -> None:
    # Against a fine grid over how two hosts share ten seconds.
    engines = [
        Engine.of(Node(f"n{k}", "edge", SpeedInterval(0.5, 50.0), kappa, rho, 1.0))
        for k, (kappa, rho) in enumerate(((1.0, 2.0), (0.3, 0.5)))
    ]
    works = [7.0, 9.0]
    found = fit(engines, works, 10.0)
    assert found is not None

    def cost(speeds: list[float]) -> float:
        return math.fsum(
            w * joules_per_flop(engine.node, f)
            for w, f, engine in zip(works, speeds, engines, strict=True)
        )

    grid = [cost([7.0 / t, 9.0 / (10.0 - t)]) for t in np.linspace(0.5, 9.5, 20001)]
    assert cost(found) <= min(grid) * (1 + 1e-12)
    assert cost(found) == pytest.approx(min(grid), rel=1e-6)
