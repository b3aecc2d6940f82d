"""Graphs, factors and throughputs: every method against enumeration, the rest refuses."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.bench.methods.conformance.fuzz.beyond import as_graph, widened
from splitopt.bench.methods.conformance.fuzz.draw import draw_cift
from splitopt.bench.methods.registry import entries_for, load
from splitopt.instances.cift.claims import witness
from splitopt.instances.cift.model import BEYOND, CiftInstance
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.core.tolerances import not_above, values_agree
from splitopt.instances.judge import check
from tests.instances.cift.test_graphs import CASE, CUT, EDGE, END

EXACT = ("highs-flow", "fronts", "jqodi-exact", "highs-oa")
ON_GRAPHS = (*EXACT, "highs-assignment")
TRUTH = load("brute-force", "cift")


def agrees(name: str, instance: CiftInstance) -> None:
    method = load(name, "cift")
    if not (TRUTH.supports(instance) and method.supports(instance)):
        return
    truth = TRUTH.solve(instance, Budget(), 0, {})
    found = method.solve(instance, Budget(30), 0, {})
    if found.plan is not None and found.status is not SolutionStatus.NONE:
        assert found.status is SolutionStatus.RELAXED or check(instance, found.plan) == []
    if truth.plan is None:
        assert found.status in (SolutionStatus.INFEASIBLE, SolutionStatus.NONE)
        return
    assert check(instance, truth.plan) == []
    assert found.status is not SolutionStatus.INFEASIBLE
    if found.bound is not None:
        assert not_above(found.bound, truth.objective, 1e-6)
    if found.status is SolutionStatus.OPTIMAL:
        assert values_agree(found.objective, truth.objective)
    if name == "jqodi" and instance.deadlines < 2 and found.termination is Termination.SOLVED:
        assert found.objective <= 1.01 * truth.objective * (1 + 1e-9)


@pytest.mark.parametrize("name", [*EXACT, "jqodi"])
def test_by_hand(name):
    found = load(name, "cift").solve(CASE, Budget(20), 0, {})
    assert found.objective == 47.0
    assert {frozenset(stop.names) for stop in found.plan.stops} == {
        frozenset("ab"),
        frozenset("cd"),
    }
    # At 29 s a request the end must run at speed 2: 120 + 3 + 14 J.
    faster = load(name, "cift").solve(CASE.replace(throughput_per_s=1 / 29), Budget(20), 0, {})
    assert faster.objective == 137.0
    none = load(name, "cift").solve(CASE.replace(throughput_per_s=1 / 14), Budget(20), 0, {})
    assert none.status is SolutionStatus.INFEASIBLE


@pytest.mark.parametrize("name", [*ON_GRAPHS, "jqodi"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=12)
def test_agrees_with_enumeration(name, seed):
    agrees(name, widened(random.Random(seed), draw_cift(5, seed)))


def test_the_assignment_finds_the_cut_by_hand():
    found = load("highs-assignment", "cift").solve(CASE, Budget(20), 0, {})
    assert (found.status, found.objective) == (SolutionStatus.OPTIMAL, 47.0)
    # A memory of three bytes: a alone on the end, 10 + 2 + 18 J.
    room = CASE.replace(nodes=tuple(dataclasses.replace(n, memory_bytes=3) for n in CASE.nodes))
    assert load("highs-assignment", "cift").solve(room, Budget(20), 0, {}).objective == 30.0


@pytest.mark.parametrize("seed", range(8))
def test_a_chain_written_as_a_graph_has_the_optimum_of_the_chain(seed):
    chain = draw_cift(17, seed)
    written = chain.replace(models=tuple(as_graph(model) for model in chain.models))
    for name in ("brute-force", "jqodi"):
        method = load(name, "cift")
        if method.supports(chain):
            first, second = (method.solve(one, Budget(), 0, {}) for one in (chain, written))
            assert (first.status, first.objective) == (second.status, second.objective)


@pytest.mark.parametrize("entry", entries_for("cift"), ids=lambda entry: entry.name)
def test_a_method_takes_what_goes_beyond_chains_or_says_that_it_does_not(entry):
    method = load(entry.name, "cift")
    if set(method.takes) >= BEYOND:
        # A tier that is not there is no matter of graphs.
        tier = getattr(method, "tier", EDGE.tier)
        there = dataclasses.replace(EDGE, tier=EDGE.tier if tier == "end" else tier)
        assert method.supports(CASE.replace(nodes=(END, there)))
        return
    rated = CASE.replace(models=(), configurations=(), throughput_per_s=1.0)
    for instance in (rated, CASE):
        known = set(instance.beyond) <= method.takes
        assert known or not method.supports(instance)


def test_a_start_is_taken():
    for name in (*EXACT, "brute-force", "jqodi"):
        found = load(name, "cift").solve(CASE, Budget(0), 0, {}, warm_start=CUT)
        assert found.objective == 47.0


def test_what_speaks_against_claims_knows_graphs_and_throughputs():
    """Shortest paths over downsets find the plans by hand: 47 J, 137 J where the end is fast."""
    found = witness(CASE)
    assert found.objective_j == 47.0
    assert check(CASE, found.plan) == []
    assert witness(CASE.replace(throughput_per_s=1 / 29)).objective_j == 137.0
    assert witness(CASE.replace(throughput_per_s=1 / 14)).plan is None
