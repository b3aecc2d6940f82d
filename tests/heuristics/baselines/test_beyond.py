"""Baselines of CIFT on graphs, factors, throughputs and doubt, drawn, before the judge."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import random

import numpy as np
import pytest

from splitopt.bench.methods.conformance.fuzz.beyond import widened
from splitopt.bench.methods.conformance.fuzz.draw import draw_cift
from splitopt.bench.methods.registry import entries_for, load
from splitopt.heuristics.baselines.cift.moves import neighbours
from splitopt.heuristics.baselines.cift.pymoo import Decoder
from splitopt.heuristics.baselines.cift.search import excesses, make_plan, settle
from splitopt.heuristics.baselines.cift.states import State, States, random_state
from splitopt.instances.cift.model import BEYOND, CiftInstance, SpeedInterval
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.judge import check, evaluate
from tests.formulations.cift.test_doubt import doubtful
from tests.instances.cift.test_graphs import CASE, CUT

BASELINES = [e.name for e in entries_for("cift") if "heuristics.baselines" in e.target]
TRUTH = load("brute-force", "cift")
KINDS = ["beyond", "e", "s", "es", "v", "intervals"]
QUICK = {"random": {"samples": 150}, "local-search": {"restarts": 4}}
QUICK["pymoo-ga"] = {"population": 10, "generations": 5}


@functools.cache
def drawn(kind: str, seed: int) -> CiftInstance:
    if kind == "beyond":
        return widened(random.Random(seed), draw_cift(23, seed))
    if kind != "intervals":
        return doubtful(seed, kind)
    # Enumeration, which draws the deadlines, takes listed speeds.
    listed = doubtful(seed, "s")
    ends = [(n.speeds_flop_per_s[0], n.speeds_flop_per_s[-1]) for n in listed.nodes]
    return listed.replace(
        nodes=tuple(
            dataclasses.replace(node, speeds_flop_per_s=SpeedInterval(*pair))
            for node, pair in zip(listed.nodes, ends, strict=True)
        )
    )


@functools.cache
def least(kind: str, seed: int) -> float | None:
    """Return the optimum of a drawn instance, None where enumeration does not take it."""
    instance = drawn(kind, seed)
    if not TRUTH.supports(instance):
        return None
    return TRUTH.solve(instance, Budget(), 0, {}).objective


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_state_is_worth_what_the_judge_says(kind, seed):
    """Energy, and whether limits are kept, of random states at their best speeds."""
    instance = drawn(kind, seed)
    if not instance.configurations:
        return
    states, rng = States(instance), np.random.default_rng(seed)
    for _ in range(12):
        placement = states.placement(random_state(states, rng))
        settled = settle(states.instance, placement)
        over, fastest = excesses(states.instance, placement)
        found = settled or fastest
        tuning = None if found.tuning is None else found.tuning.speeds
        plan = make_plan(placement, found.serving.speeds, tuning)
        assert evaluate(instance, plan).objective == pytest.approx(found.energy_j, rel=1e-9)
        broken = check(instance, plan)
        if settled is not None:
            assert broken == []
            assert max(over) <= 1e-9
        else:
            assert max(over) > -1
            # At the edge of a deadline a rounding decides, on the side of the judge.
            assert broken or max(over) < 1e-8


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_claimed_is_true(name, kind):
    """No plan that the judge refuses, none below the optimum."""
    method = load(name, "cift")
    for seed in range(2):
        instance = drawn(kind, seed)
        if not method.supports(instance):
            continue
        found = method.solve(instance, Budget(30), 0, QUICK.get(name, {}))
        if found.status is not SolutionStatus.FEASIBLE:
            assert found.status is SolutionStatus.NONE
            continue
        assert check(instance, found.plan) == []
        if TRUTH.supports(instance):
            optimum = least(kind, seed)
            assert optimum is not None
            assert found.objective >= optimum * (1 - 1e-9)


@pytest.mark.parametrize("name", ["local-search", "pymoo-ga", "random", "fin", "compression-blind"])
def test_the_cut_through_two_tensors_is_found(name):
    """47 J by hand; 137 J where the throughput asks for the end's second speed."""
    method, few = load(name, "cift"), QUICK.get(name, {})
    assert method.solve(CASE, Budget(30), 0, few).objective == pytest.approx(47.0)
    faster = CASE.replace(throughput_per_s=1 / 29)
    assert method.solve(faster, Budget(30), 0, few).objective == pytest.approx(137.0)
    none = CASE.replace(throughput_per_s=1 / 14)
    assert method.solve(none, Budget(30), 0, few).status is SolutionStatus.NONE


def test_moves_lead_from_each_state_of_a_graph_to_each_other():
    states = States(CASE)
    source = states.sources[0]
    waiting = [State(0, (source,), (states.chains[0].length,))]
    met = set(waiting)
    while waiting:
        for other in neighbours(states, waiting.pop()):
            if other not in met:
                met.add(other)
                waiting.append(other)
    sets = states.chains[0].ends.sets
    edge = states.heads[source][0]
    last = len(sets) - 1
    expected = {State(0, (source,), (last,))} | {
        State(0, (source, edge), (s, last)) for s in range(last)
    }
    assert met == expected


def test_vectors_stand_for_every_state_of_a_graph():
    states = States(CASE)
    decoder, rng = Decoder(states), np.random.default_rng(3)
    for _ in range(40):
        state = random_state(states, rng)
        assert decoder.decode(decoder.encode(state)) == state
        some = decoder.decode(rng.random(decoder.dimension))
        nested = states.chains[0].ends.sets.nested
        assert all(a == b or nested[a, b] for a, b in itertools.pairwise((0, *some.ends)))


def test_local_search_starts_from_a_plan_of_a_graph():
    found = load("local-search", "cift").solve(CASE, Budget(30), 0, {"restarts": 1}, CUT)
    assert found.objective == pytest.approx(47.0)


def test_what_a_baseline_takes():
    for name in BASELINES:
        method = load(name, "cift")
        assert set(method.takes) == BEYOND
        known = {"epochs"} if name in ("fin", "neurosurgeon", "neurosurgeon-latency") else None
        assert set(method.doubt) == (known or {"epochs", "scenarios", "spread"})
