"""CIFT's decision process: faithful to the judge, and its masks lose no plan that counts."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.bench.methods.registry import load as load_method
from splitopt.heuristics.learner.cift.arrays import Chains, speed_levels
from splitopt.heuristics.learner.cift.bounds import PATTERN, TIME_ONLY, complete
from splitopt.heuristics.learner.cift.features import scores
from splitopt.heuristics.learner.cift.process import CiftProcess, Kind, State
from splitopt.heuristics.learner.cift.view import view
from splitopt.instances.cift.model import Node, SpeedInterval
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import generate
from splitopt.instances.generators.witness import Prices, least
from splitopt.instances.judge import check, evaluate
from splitopt.instances.library import load
from splitopt.instances.library.crafted_cift import CRAFTED_CIFT
from splitopt.instances.library.splits import sample

SMALL = (
    "cift-tiny-free",
    "cift-tiny-inference",
    "cift-tiny-fine-tuning",
    "cift-tiny-both",
    "cift-tiny-hosts",
    "cift-tiny-relay",
    "cift-tiny-menu",
    "cift-tiny-continuous",
    "cift-tiny-not-together",
)


@functools.cache
def process_of(name: str) -> CiftProcess:
    return CiftProcess(load(name))


@functools.cache
def optimum_of(name: str):
    instance = process_of(name).instance
    return load_method("brute-force", "cift").solve(instance, Budget(), 0, {})


def roll(process: CiftProcess, rng: np.random.Generator, masked: bool) -> State:
    """Play uniformly over the actions allowed, or over all that are possible."""
    state = State()
    while state.kind is not Kind.DONE:
        moves = process.moves(state)
        offered = np.flatnonzero(moves.allowed if masked else moves.possible)
        state = process.follow(state, int(rng.choice(offered)))
    return state


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from((*SMALL, *CRAFTED_CIFT)),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_a_label_is_what_the_judge_charges(name, seed, masked):
    process = process_of(name)
    if not process.can_start:
        return
    state = roll(process, np.random.default_rng(seed), masked)
    plan = process.plan(state)
    found = evaluate(process.instance, plan)
    charged = (found.objective, found.inference_latency_s, found.fine_tuning_time_s)
    assert state.label == pytest.approx(charged, rel=1e-12, abs=0)
    # Nothing but a deadline can be broken, and that is what the process itself says.
    broken = {violation.constraint for violation in check(process.instance, plan)}
    assert broken <= {"inference-deadline", "fine-tuning-deadline"}
    assert bool(broken) == (process.excess(state) > 0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 2**32 - 1))
def test_generated_instances_are_played_faithfully(index, seed):
    process = CiftProcess(sample("test", "cift", index))
    state = roll(process, np.random.default_rng(seed), True)
    plan = process.plan(state)
    assert state.label[0] == pytest.approx(evaluate(process.instance, plan).objective, rel=1e-12)


def actions_of(process: CiftProcess, plan):
    """Yield the actions that make a plan; a speed left out is replaced by the next faster one."""
    instance = process.instance
    yield instance.configurations.index(plan.configuration(instance))
    for k, stop in enumerate(plan.stops):
        n = process.network.position[stop.node]
        yield stop.blocks
        for speed in (stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s):
            if speed is not None:
                levels = process.network.levels[n]
                yield next(j for j, f in enumerate(levels) if f >= speed * (1 - 1e-12))
        if k + 1 < len(plan.stops):
            head = process.network.position[plan.stops[k + 1].node]
            yield process.network.heads[n].tolist().index(head)


@pytest.mark.parametrize("name", [n for n in (*SMALL, *CRAFTED_CIFT) if "continuous" not in n])
def test_masks_keep_an_optimum(name):
    """Each decision of a proven optimum is allowed, and the bounds lie around its energy."""
    process, optimum = process_of(name), optimum_of(name)
    if optimum.plan is None:
        assert math.isinf(process.upper_bound_j)
        return
    if process.instance.has_continuous_speeds:
        return
    state = State()
    for action in actions_of(process, optimum.plan):
        assert process.moves(state).allowed[action]
        state = process.follow(state, action)
    assert state.kind is Kind.DONE
    assert state.label[0] == pytest.approx(optimum.objective, rel=1e-9, abs=1e-12)
    assert process.excess(state) == 0
    assert process.lower_bound_j <= optimum.objective * (1 + 1e-9)
    assert process.upper_bound_j >= optimum.objective * (1 - 1e-9)


def test_without_deadlines_the_first_completion_is_the_optimum():
    """With no deadline a plan of least energy is a shortest path, so the bounds meet."""
    process, optimum = process_of("cift-tiny-free"), optimum_of("cift-tiny-free")
    assert process.upper_bound_j == pytest.approx(optimum.objective, rel=1e-12)
    assert process.lower_bound_j == pytest.approx(optimum.objective, rel=1e-12)


@pytest.mark.parametrize("name", ["cift-tiny-both", "cift-tiny-hosts", "cift-tiny-relay"])
def test_completions_are_least_at_their_prices(name):
    """The generators' shortest path shares no code with the completions."""
    process = process_of(name)
    instance, network = process.instance, process.network
    rng = np.random.default_rng(1)
    for _ in range(6):
        energy = process.upper_bound_j
        prices = Prices(
            1.0,
            energy / instance.inference_deadline_s * 10 ** rng.uniform(-2, 1),
            energy / instance.fine_tuning_deadline_s * 10 ** rng.uniform(-2, 1),
        )
        plan = evaluate(instance, least(instance, prices))
        expected = (
            plan.objective
            + prices.inference * plan.inference_latency_s
            + prices.fine_tuning * plan.fine_tuning_time_s
        )
        values = []
        for g in range(len(instance.configurations)):
            chains = Chains.of(network, instance.configurations[g : g + 1])
            weights = np.array([1.0, prices.inference, prices.fine_tuning]).reshape(3, 1, 1)
            root = complete(network, chains, weights).arrived[:, 0, 0, chains.source[0], 0]
            values.append(float(root @ weights[:, 0, 0]))
        assert min(values) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SMALL), st.integers(0, 2**32 - 1))
def test_every_completion_promised_can_be_had(name, seed):
    """An action's completion is offered again, at its price, by one of the actions behind it."""
    process = process_of(name)
    rng = np.random.default_rng(seed)
    state = State()
    while True:
        moves = process.moves(state)
        action = int(rng.choice(np.flatnonzero(moves.possible)))
        promised = moves.totals[:, action]
        state = process.follow(state, action)
        if state.kind is Kind.DONE:
            assert np.allclose(promised, np.array(state.label)[:, None], rtol=1e-12)
            return
        behind = process.moves(state)
        weights = process.roots.weights[:, state.configuration]
        with np.errstate(invalid="ignore"):
            priced = np.where(
                behind.possible[:, None], (weights[:, None] * behind.totals).sum(0), np.inf
            )
        assert np.allclose(priced.min(axis=0), (weights * promised).sum(axis=0), rtol=1e-9)


@pytest.mark.parametrize("name", SMALL)
def test_following_the_best_completion_never_gets_worse(name):
    process = process_of(name)
    state, best = State(), math.inf
    while state.kind is not Kind.DONE:
        seen = view(process, state)
        found = np.where(seen.allowed, scores(np, seen, 1e-10, 1.0, TIME_ONLY), np.inf)
        assert found.min() <= best + 1e-9
        best = float(found.min())
        state = process.follow(state, int(found.argmin()))
    missed = 1.0 + min(process.excess(state), 1.0) if process.excess(state) else 0.0
    assert state.label[0] / process.reference_j + missed <= best + 1e-9


def test_speeds_another_dominates_are_left_out():
    # kappa f^2 + rho / f at 1, 2, 4: 9, 8, 18 (rho 8, kappa 1): 1 costs more than 2 and is slower.
    node = Node("n", "edge", (1.0, 2.0, 4.0), 1.0, 8.0, 1e9)
    assert speed_levels(node) == (2.0, 4.0)
    # From the critical speed (8 / 2)^(1/3) on, both ends of the rest included.
    levels = speed_levels(Node("n", "edge", SpeedInterval(1.0, 4.0), 1.0, 8.0, 1e9), 1.1)
    assert levels[0] == pytest.approx(4 ** (1 / 3))
    assert levels[-1] == 4.0
    assert max(b / a for a, b in itertools.pairwise(levels)) <= 1.1 + 1e-12
    # Without busy power any slower speed is cheaper; without kappa the fastest is free.
    assert speed_levels(Node("n", "edge", SpeedInterval(1.0, 1.0), 1.0, 0.0, 1e9)) == (1.0,)
    assert speed_levels(Node("n", "edge", SpeedInterval(1.0, 4.0), 0.0, 8.0, 1e9)) == (4.0,)


def test_where_no_plan_fits_there_is_no_episode():
    instance = generate("cift-tiers", 5, infeasible="memory")
    process = CiftProcess(instance)
    assert not process.can_start
    assert not process.moves(State()).allowed.any()


def test_an_action_out_of_range_is_refused():
    process = process_of("cift-tiny-both")
    with pytest.raises(InputError, match="action"):
        process.follow(State(), len(process.instance.configurations))
    with pytest.raises(InputError, match="state"):
        process.plan(State())


def test_prices_end_with_time_alone():
    process = process_of("cift-tiny-both")
    weights = process.roots.weights
    assert weights.shape[2] == len(PATTERN) + TIME_ONLY
    assert (weights[0, :, : len(PATTERN)] == 1).all()
    assert (weights[0, :, len(PATTERN) :] == 0).all()
    assert (weights[1:, :, : len(PATTERN)] >= 0).all()
