"""Graphs, factors and throughputs: every method against enumeration, the rest refuses."""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.bench.methods.conformance.fuzz.beyond import as_graph, widened
from splitopt.bench.methods.conformance.fuzz.draw import draw_cift
from splitopt.bench.methods.registry import entries_for, load
from splitopt.formulations.cift.pyomo.models import model
from splitopt.formulations.solvers.didp import supported
from splitopt.instances.cift.claims import witness
from splitopt.instances.cift.model import BEYOND, CiftInstance, SpeedInterval
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import not_above, values_agree
from splitopt.instances.judge import check
from tests.instances.cift.test_graphs import CASE, CUT, EDGE, END

EXACT = (
    *("highs-flow", "fronts", "jqodi-exact", "highs-oa", "highs-assignment", "scip-minlp"),
    *("pyomo-flow", "cpsat", *("didp",) * bool(supported())),
)
BY_FILE = ("flow@highs", "flow@scip", "flow@cbc", "flow@glpk", "assignment@highs", "gdp-hull@highs")
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


@pytest.mark.parametrize("name", [*EXACT, "jqodi"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=12)
def test_agrees_with_enumeration(name, seed):
    agrees(name, widened(random.Random(seed), draw_cift(5, seed)))


@pytest.mark.parametrize("name", BY_FILE)
def test_files_agree_with_enumeration(name):
    """What other solvers read: two drawn instances each, of which one at least has a plan."""
    method = load(name, "cift")
    drawn = (widened(random.Random(seed), draw_cift(5, seed)) for seed in itertools.count(40))
    taken = (one for one in drawn if one.beyond and TRUTH.supports(one) and method.supports(one))
    for instance in itertools.islice(taken, 2):
        agrees(name, instance)


@pytest.mark.parametrize("name", ["gdp-bigm", "gdp-hull"])
def test_disjuncts_take_factors_and_a_throughput(name):
    for seed in range(12):
        instance = widened(random.Random(seed), draw_cift(5, seed))
        if instance.beyond:
            agrees(name, instance)


@pytest.mark.parametrize("name", ["flow@glpk", "assignment@glpk"])
def test_files_find_the_cut_by_hand(name):
    for rate, objective in ((None, 47.0), (1 / 29, 137.0), (1 / 14, None)):
        instance = CASE.replace(throughput_per_s=rate)
        found = load(name, "cift").solve(instance, Budget(20), 0, {})
        assert found.objective == objective
        none = objective is None
        assert found.status is (SolutionStatus.INFEASIBLE if none else SolutionStatus.OPTIMAL)


def test_a_refusal_of_intervals_names_what_takes_them():
    """Of a graph with continuous speeds: gdp-hull takes the speeds, and not the graph."""
    nodes = tuple(
        dataclasses.replace(n, speeds_flop_per_s=SpeedInterval(1.0, 2.0)) for n in CASE.nodes
    )
    said = load("flow@highs", "cift").supports(CASE.replace(nodes=nodes)).reason
    assert said == "flow needs listed speeds; highs-oa takes continuous ones"
    with pytest.raises(InputError, match="highs-oa, which take intervals"):
        model(CASE.replace(nodes=nodes), "flow")


@pytest.mark.parametrize("name", ["highs-assignment", "scip-minlp"])
def test_a_memory_by_hand(name):
    # Of three bytes: a alone on the end, 10 + 2 + 18 J.
    room = CASE.replace(nodes=tuple(dataclasses.replace(n, memory_bytes=3) for n in CASE.nodes))
    assert load(name, "cift").solve(room, Budget(20), 0, {}).objective == 30.0


@pytest.mark.parametrize("name", ["highs-assignment", "highs-oa", "scip-minlp"])
@pytest.mark.parametrize(("width", "objective"), [(0.2, 47.0), (0.15, None)])
def test_a_throughput_leaves_a_link_so_many_bits(name, width, objective):
    """A request in 35 s: 7 bits pass, ta and tb are 6; of 5.25 either does, both do not."""
    links = tuple(dataclasses.replace(k, rate_bit_per_s=width) for k in CASE.links)
    instance = CASE.replace(links=links, throughput_per_s=1 / 35)
    found = load(name, "cift").solve(instance, Budget(20), 0, {})
    wanted = SolutionStatus.OPTIMAL if objective else SolutionStatus.INFEASIBLE
    assert (found.status, found.objective) == (wanted, objective)


def test_figures_that_scip_cannot_tell_from_infinity_are_said():
    """A tensor 1e20 times what a link can carry in time: left out, and the costs are said."""
    agrees("scip-minlp", widened(random.Random(1012), draw_cift(5, 1012)))


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
