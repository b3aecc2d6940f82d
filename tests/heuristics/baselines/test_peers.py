"""Neurosurgeon, FIN and the article's baselines against enumerations and exact exits."""

import itertools

import numpy as np
import pytest

from splitopt.bench.methods.registry import load
from splitopt.heuristics.baselines.cift.fin import METHOD as FIN
from splitopt.heuristics.baselines.cift.neurosurgeon import METHOD as NEUROSURGEON
from splitopt.heuristics.baselines.mepra import article as article
from splitopt.heuristics.baselines.mepra import even as even
from splitopt.heuristics.baselines.mepra.data import device_chunks
from splitopt.heuristics.baselines.mepra.exit_rules import spinn_exits
from splitopt.heuristics.baselines.mepra.neurosurgeon import METHOD as MEPRA_NEUROSURGEON
from splitopt.instances import library
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.generators import generate
from splitopt.instances.judge import check, evaluate
from splitopt.instances.mepra.model import exit_set_of

BRUTE = load("brute-force", "cift")


def tiny_cift():
    return [name for name in library.names("tiny") if name.startswith("cift")]


# -- FIN -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tiny_cift())
def test_fin_stays_between_the_optimum_and_feasibility(name):
    instance = library.load(name)
    found = FIN.solve(instance, Budget(), 0, {"gamma": 100})
    optimum = BRUTE.solve(instance, Budget(), 0, {})
    if found.status is SolutionStatus.FEASIBLE:
        assert check(instance, found.plan) == []
        assert found.objective >= optimum.objective * (1 - 1e-9)
    elif found.plan is not None:
        # Rounding up keeps the inference deadline: only what FIN does not see is broken.
        assert {v.constraint for v in check(instance, found.plan)} == {"fine-tuning-deadline"}
    if instance.deadlines == 0 and not instance.has_continuous_speeds:
        # A shortest path, so exact.
        assert found.status is not SolutionStatus.FEASIBLE or found.objective == pytest.approx(
            optimum.objective, rel=1e-9
        )
        assert (found.plan is None) == (optimum.plan is None)


def test_a_finer_grid_finds_what_a_coarse_one_loses():
    """On a chain with tight latency ten levels are too few; the exact optimum needs more."""
    instance = generate("cift-chain", 3, deadlines="inference", tightness=0.9)
    coarse = FIN.solve(instance, Budget(), 0, {"gamma": 3})
    fine = FIN.solve(instance, Budget(), 0, {"gamma": 1000})
    optimum = load("highs-flow", "cift").solve(instance, Budget(), 0, {})
    assert optimum.status is SolutionStatus.OPTIMAL
    assert fine.status is SolutionStatus.FEASIBLE
    assert fine.objective == pytest.approx(optimum.objective, rel=0.02)
    assert coarse.status is SolutionStatus.NONE or coarse.objective >= fine.objective * (1 - 1e-9)


# -- Neurosurgeon --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_neurosurgeon_cuts_where_latency_is_least(seed):
    """No placement with blocks on the source and one server is quicker at top speeds."""
    instance = generate("cift-tiers", seed, deadlines="none", blocks=5)
    found = NEUROSURGEON.solve(instance, Budget(), 0, {"objective": "latency"})
    assert found.status is SolutionStatus.FEASIBLE
    hosts = [stop for stop in found.plan.stops if stop.blocks]
    assert len(hosts) <= 2
    assert len(hosts) == 1 or hosts[0].node == found.plan.source
    by_energy = NEUROSURGEON.solve(instance, Budget(), 0, {"objective": "energy"})
    assert by_energy.objective <= found.objective * (1 + 1e-9)
    assert _top_latency(instance, found.plan) <= _top_latency(instance, by_energy.plan) * (1 + 1e-9)
    # Without deadlines the best single cut of all is no worse.
    best = load("single-cut", "cift").solve(instance, Budget(), 0, {})
    assert best.objective <= by_energy.objective * (1 + 1e-9)


def _top_latency(instance, plan):
    from dataclasses import replace

    def top(stop):
        if not stop.blocks:
            return stop
        speed = instance.nodes[instance.node_index[stop.node]].speeds_flop_per_s[-1]
        return replace(stop, inference_speed_flop_per_s=speed)

    fast = replace(plan, stops=tuple(top(stop) for stop in plan.stops))
    return evaluate(instance, fast).inference_latency_s


def test_neurosurgeon_of_devices_is_blind_to_load():
    """With one device nothing is shared, so its choice is the best there is."""
    alone = generate("mepra-fleet", 5, devices=1, weight_energy=(0.0, 0.0))
    found = MEPRA_NEUROSURGEON.solve(alone, Budget(), 0, {})
    best = load("brute-force", "mepra").solve(alone, Budget(), 0, {})
    assert found.objective == pytest.approx(best.objective, rel=1e-9)
    assert not MEPRA_NEUROSURGEON.supports(generate("mepra-free", 1))


# -- the article's -------------------------------------------------------------------------


def test_spinn_exits_each_fifteen_percent():
    instance = library.load("mepra-image-free-10mbps")
    (devices,) = device_chunks(instance)
    flops = [layer.flops for layer in instance.profiles[0].layers]
    done = list(itertools.accumulate(flops))
    expected = {
        next(j for j, reached in enumerate(done, 1) if reached >= 0.15 * k * done[-1] * (1 - 1e-9))
        for k in range(1, 7)
    } | {len(flops)}
    for bits in spinn_exits(devices).tolist():
        assert set(exit_set_of(bits)) == expected


@pytest.mark.parametrize("seed", range(3))
def test_the_colony_is_close_to_the_exact_exits(seed):
    instance = generate("mepra-free", seed, devices=4)
    for colony, exact in (
        (article.ACO_EAR, even.EVEN_SHARES),
        (article.ACO_DEVICE_ONLY_EAR, even.DEVICE_ONLY),
        (article.ACO_EDGE_ONLY_EAR, even.EDGE_ONLY),
    ):
        found = colony.solve(instance, Budget(), 7, {})
        best = exact.solve(instance, Budget(), 0, {})
        assert check(instance, found.plan) == []
        assert best.objective * (1 - 1e-12) <= found.objective <= best.objective * 1.02
        again = colony.solve(instance, Budget(), 7, {})
        assert again.plan.exit_set.tolist() == found.plan.exit_set.tolist()


def test_fixed_exits_are_taken_as_given():
    instance = library.load("mepra-image-10mbps")
    plans = [
        method.solve(instance, Budget(), 0, {})
        for method in (article.ACO_EAR, article.SPINN_EAR, even.EVEN_SHARES)
    ]
    assert len({plan.objective for plan in plans}) == 1


def test_fp_ar_splits_at_six_and_searches_allocations():
    instance = library.load("mepra-video-10mbps")
    few = article.FP_AR.solve(instance, Budget(), 2, {"allocations": 1})
    many = article.FP_AR.solve(instance, Budget(), 2, {"allocations": 1000})
    assert set(many.plan.splits.tolist()) == {6}
    assert many.objective <= few.objective
    # One allocation is the even one.
    assert np.ptp(few.plan.shares) == pytest.approx(0.0, abs=1e-12)
    deep = article.FP_AR.solve(instance, Budget(), 2, {"split": 62})
    assert deep.plan.splits.tolist() == instance.layers[instance.profile].tolist()
