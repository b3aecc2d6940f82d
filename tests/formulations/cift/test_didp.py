"""CIFT for didppy: integers rounded down, prices of deadlines, what rounding may hide."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest

from splitopt.bench.methods.conformance.cases import CASES, case
from splitopt.bench.methods.conformance.oracle import optimum_of
from splitopt.formulations.cift.didp.bounds import best_prices, rest
from splitopt.formulations.cift.didp.figures import figures
from splitopt.formulations.cift.didp.method import METHOD
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Link, Node
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, Progress, SolutionStatus, Termination
from splitopt.instances.networks.profiles import Block, Profile
from tests.instances.cift.test_graphs import CASE

INSTALLED = importlib.util.find_spec("didppy") is not None
needs_didppy = pytest.mark.skipif(not INSTALLED, reason="didppy is not installed")


def one_block(deadline_s: float, *speeds: float) -> CiftInstance:
    """Return 1e9 FLOP on one node, kappa 1e-27 and rho 1, one request, no fine-tuning."""
    return CiftInstance(
        "one-block",
        (Node("a", "end", speeds, 1e-27, 1.0, 1e9, 10),),
        (),
        (Profile("m", 1e6, (Block("b", 10**9, 10, 10),)),),
        (Compression("none", 1, 1, 1),),
        (Configuration("m", "none", "a", 1.0, 0),),
        1,
        inference_deadline_s=deadline_s,
    )


def test_without_didppy_it_takes_nothing_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    support = METHOD.supports(one_block(1.0, 1e9))
    assert not support
    assert support.reason == "didp needs the package didppy: pip install 'splitopt[didp]'"


def test_intervals_of_speeds_are_refused() -> None:
    continuous = next(
        c for name in CASES["cift"] if (c := case("cift", name)).has_continuous_speeds
    )
    reason = METHOD.supports(continuous).reason
    assert reason is not None
    assert not INSTALLED or "highs-oa takes continuous ones" in reason


def test_figures_are_integers_at_most_the_true_ones() -> None:
    # e(1e9) = 1e-27 1e18 + 1e-9 J a FLOP: 2 J and 1 s; at 2e9: 4.5 J and 0.5 s.
    data = figures(one_block(0.75, 1e9, 2e9), math.inf)
    (fast, slow), _ = data.levels
    assert data.speeds[0] == [[2e9, 1e9]]
    for level, joules in ((fast, 4.5), (slow, 2.0)):
        scaled = level.energy[0, 0, 1]
        assert scaled == math.floor(scaled) <= joules * data.scale < scaled + 1 + 1e-6 * scaled
    # One second is more than the deadline: cut off just above the limit.
    assert slow.seconds[0, 0, 1] == data.limits[0] + 1
    assert fast.seconds[0, 0, 1] < data.limits[0]


def test_sums_of_a_whole_plan_stay_where_doubles_are_exact() -> None:
    for name in ("cift-tiny-both", "cift-tiny-hosts"):
        instance = case("cift", name)
        for dearest in (math.inf, optimum_of(instance).objective):
            assert dearest is not None
            data = figures(instance, dearest)
            assert data.terms * data.cap < 2.0**52
            assert all(data.terms * (t + 1) < 2.0**52 for t in data.limits if math.isfinite(t))


def test_the_price_of_a_deadline_is_the_slope_between_two_speeds() -> None:
    # Deadline 0.75 s, halfway between 1 s at 2 J and 0.5 s at 4.5 J: (2 + 4.5) / 2 J by Lagrange,
    # at a price of 5 J/s, less what the judge allows on the deadline. Two blocks, as one that
    # takes longer than the deadline by itself is cut off.
    instance = one_block(0.75, 1e9, 2e9).replace(
        models=(Profile("m", 1e6, (Block("b", 5 * 10**8, 5, 10), Block("c", 5 * 10**8, 5, 10))),)
    )
    data = figures(instance, math.inf)
    priced, highest = best_prices(data, math.inf)
    assert highest[0] / data.scale == pytest.approx(3.25 - 5 * 0.75e-9, rel=1e-10)
    per_second = priced.prices[0, 0] * data.limits[0] / 0.75 / data.scale
    assert per_second == pytest.approx(5.0, rel=1e-6)


@pytest.mark.parametrize("name", ["cift-tiny-free", "cift-tiny-both", "cift-tiny-hosts"])
def test_bounds_at_the_start_are_below_the_optimum(name: str) -> None:
    instance = case("cift", name)
    optimum = optimum_of(instance)
    assert isinstance(optimum.plan, CiftPlan)
    data = figures(instance, math.inf)
    _, highest = best_prices(data, math.inf)
    objective = evaluate_cift(instance, optimum.plan).objective
    least = rest(data, np.zeros((2, len(data.chosen)))).start.min()
    assert least <= highest.min() <= objective * data.scale
    # Without deadlines, and with memory for all, a shortest path is the optimum.
    if name == "cift-tiny-free":
        assert least >= objective * data.scale - data.terms


@needs_didppy
def test_a_plan_that_only_rounding_lets_through_is_not_taken() -> None:
    # 0.999999999 (1 + 1e-9) = 1 - 1e-18: a plan of 1 s misses the deadline by less than any double
    # shows. The integers let it pass; the judge does not.
    found = METHOD.solve(one_block(0.999999999, 1e9, 2e9), Budget(), 0, {})
    assert (found.status, found.termination) == (SolutionStatus.FEASIBLE, Termination.LIMIT)
    assert found.objective == 4.5
    assert found.bound == pytest.approx(2.0, rel=1e-12)
    assert found.statistics["rejected"] == 1
    alone = METHOD.solve(one_block(0.999999999, 1e9), Budget(), 0, {})
    assert (alone.status, alone.plan) == (SolutionStatus.NONE, None)
    kept = METHOD.solve(one_block(1.0, 1e9, 2e9), Budget(), 0, {})
    assert (kept.status, kept.objective) == (SolutionStatus.OPTIMAL, 2.0)


@needs_didppy
@pytest.mark.parametrize("powers_w", [(1e13,), (1e14, 1e30), (1e10, 1e20, 1e30)])
def test_dear_detours_do_not_blur_the_optimum(powers_w: tuple[float, ...]) -> None:
    # Without a plan K follows the dearest plan there might be, up to 1e30 times the cheapest: all
    # others then cost about 0, and the one found sets the next scale.
    plain = one_block(10.0, 1e9, 2e9)
    detours = [Node(f"b{w:g}", "edge", (1e9,), 0.0, w, 1e9) for w in powers_w]
    instance = plain.replace(
        nodes=(*plain.nodes, *detours),
        links=tuple(Link("a", node.name, 1e9, 0.0, 0.0) for node in detours),
    )
    found = METHOD.solve(instance, Budget(relative_gap=1e-9), 0, {})
    assert (found.status, found.objective) == (SolutionStatus.OPTIMAL, 2.0)
    assert found.bound == pytest.approx(2.0, rel=1e-9)


@needs_didppy
def test_bounds_come_while_it_searches_and_never_fall() -> None:
    instance = case("cift", "cift-tiny-hosts")
    points: list[Progress] = []
    found = METHOD.solve(instance, Budget(), 0, {}, on_progress=points.append)
    bounds = [point.bound for point in points if point.bound is not None]
    assert bounds == sorted(bounds)
    assert len(set(bounds)) >= 3
    assert found.status is SolutionStatus.OPTIMAL
    # From the optimum only the proof is left.
    again = METHOD.solve(instance, Budget(), 0, {}, warm_start=found.plan)
    assert again.objective == found.objective
    assert int(str(again.statistics["expanded"])) < int(str(found.statistics["expanded"]))


@needs_didppy
def test_memory_bounds_the_width_of_beams() -> None:
    # 4000 bytes hold four states at a thousand bytes each: too few for the proof.
    instance = case("cift", "cift-tiny-hosts")
    found = METHOD.solve(instance, Budget(memory_limit_bytes=4000), 0, {})
    assert (found.termination, found.statistics["width"]) == (Termination.LIMIT, 4)
    assert found.bound is not None
    optimum = optimum_of(instance).objective
    assert optimum is not None
    assert 0 < found.bound <= optimum


def test_segments_between_downsets_take_the_levels_that_keep_up() -> None:
    # Downsets: none, a, ab, ac, abc, abcd of 0, 10, 30, 40, 60 and 100 FLOP. At a request every
    # 29 s the end (2 FLOP/s, then 1) serves 29 FLOP at either level and 58 at the faster one; its
    # memory and the edge's (10 FLOP/s) hold two blocks.
    data = figures(CASE.replace(throughput_per_s=1 / 29), math.inf)
    assert data.segments is not None
    end, edge = data.segments.levels[data.segments.kind[0]]
    assert end.tolist() == [
        [0, 2, 1, 1, 0, 0],
        [0, 0, 2, 1, 1, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 2, 0],
        [0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0],
    ]
    assert ((edge > 0) == (end > 0))[:, :4].all()
    assert edge[3, 5] == 1  # b and d, 60 FLOP in 6 s
    # At 1 J a FLOP b and c cost 50 J: a segment's joules are a difference of sums.
    level = data.levels[0][1]
    joules = (level.energy[0, 0, 4] - level.energy[0, 0, 1]) / data.scale
    assert joules == pytest.approx(50.0, rel=1e-9)
