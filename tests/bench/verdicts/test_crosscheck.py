"""Verdicts and cross-checks, each rule with a case that keeps it and one that breaks it."""

import dataclasses
import math

import numpy as np
import pytest

from splitopt.bench.methods import registry
from splitopt.bench.store.rows import Row, Verdict
from splitopt.bench.store.store import BestKnown
from splitopt.bench.verdicts.crosscheck import cross_check
from splitopt.bench.verdicts.references import references
from splitopt.bench.verdicts.verdict import judge, read_claims
from splitopt.instances.contract.method import Budget, Termination
from splitopt.instances.judge import evaluate
from splitopt.instances.library import load
from splitopt.instances.mepra.plan import MepraPlan

GAP = 1e-6


@pytest.fixture(scope="module")
def instance(make_mepra):
    return make_mepra()


@pytest.fixture(scope="module")
def plan():
    """Everything on the two devices."""
    return MepraPlan(np.array([2, 2]), np.zeros(2))


@pytest.fixture(scope="module")
def cost(instance, plan):
    return evaluate(instance, plan).objective


def claims(given=None, **changes):
    document = {
        "termination": "solved",
        "status": "feasible",
        "objective": None,
        "bound": None,
        "plan": None if given is None else given.to_document(),
        "guarantee": None,
        "trajectory": [],
        "statistics": {},
    }
    return read_claims(document | changes)


def test_a_feasible_plan_with_its_cost_is_right(instance, plan, cost):
    found = judge(instance, claims(plan, objective=cost), GAP)
    assert (found.verdict, found.objective, found.violations) == (Verdict.RIGHT, cost, ())


def test_an_infeasible_plan_called_feasible_is_wrong(instance):
    starved = MepraPlan(np.array([0, 2]), np.array([2.0, 0.0]))
    value = evaluate(instance, starved).objective
    found = judge(instance, claims(starved, objective=value), GAP)
    assert found.verdict is Verdict.WRONG
    assert "share-sum" in found.reason
    # The same plan without a claim is judged, and nothing is held against it.
    found = judge(instance, claims(starved, objective=value, status="none"), GAP)
    assert found.verdict is Verdict.NOT_CLAIMED
    assert found.violations[0]["constraint"] == "share-sum"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"bound": 0.0}, Verdict.RIGHT),
        ({"bound": 1.0}, Verdict.RIGHT),  # times the cost
        ({"bound": 1.0 + 1e-7}, Verdict.RIGHT),  # rounding
        ({"bound": 1.0 + 1e-5}, Verdict.WRONG),
        ({"status": "optimal", "bound": 1.0}, Verdict.RIGHT),
        ({"status": "optimal", "bound": 1.0 - 9e-7}, Verdict.RIGHT),
        ({"status": "optimal", "bound": 1.0 - 1e-5}, Verdict.WRONG),
        ({"status": "optimal", "bound": None}, Verdict.WRONG),
        ({"objective": 1.0 + 1e-5}, Verdict.WRONG),
        ({"objective": None}, Verdict.WRONG),
    ],
)
def test_bound_and_status_are_held_against_the_plan(instance, plan, cost, changes, verdict):
    scaled = {
        key: value * cost if isinstance(value, float) else value for key, value in changes.items()
    }
    assert judge(instance, claims(plan, **({"objective": cost} | scaled)), GAP).verdict is verdict


def promise(kind="approximation", factor=1.01, **deadlines):
    return {"kind": kind, "factor": factor, "statement": "E <= 1.01 OPT"} | deadlines


@pytest.mark.parametrize(
    ("guarantee", "ratio", "verdict"),
    [
        (promise(), 1.0099, Verdict.RIGHT),
        (promise(), 1.01 * (1 + 5e-7), Verdict.RIGHT),  # the gap asked for
        (promise(), 1.089, Verdict.WRONG),
        (promise("exact", 1.0), 1.089, Verdict.WRONG),
        (promise("none", None), 1.089, Verdict.RIGHT),  # promises nothing
        # Of another problem than the bound is of.
        (promise(reference_deadlines={"inference": 1.01}), 1.089, Verdict.RIGHT),
        (promise(relaxed_deadlines={"inference": 1.01}), 1.089, Verdict.RIGHT),
    ],
)
def test_a_run_is_held_to_its_promise_by_its_own_bound(
    instance, plan, cost, guarantee, ratio, verdict
):
    given = claims(plan, objective=cost, bound=cost / ratio, guarantee=guarantee)
    assert judge(instance, given, GAP).verdict is verdict
    # A run that its limit ended has not said that it is done.
    early = dataclasses.replace(given, termination=Termination.TIME)
    assert judge(instance, early, GAP).verdict is Verdict.RIGHT


@pytest.mark.parametrize(
    ("factor", "of", "verdict"),
    [
        (1.1, "inference", Verdict.RIGHT),
        (1.01, "inference", Verdict.WRONG),  # late by 5 %
        (1.1, "fine-tuning", Verdict.WRONG),  # another deadline than it misses
    ],
)
def test_a_relaxed_plan_is_right_within_what_was_announced(factor, of, verdict):
    kept = load("cift-tiny-both")
    found = registry.load("brute-force", "cift").solve(kept, Budget(), 0, {})
    late = evaluate(kept, found.plan).inference_latency_s
    tight = kept.replace(inference_deadline_s=late / 1.05)
    given = claims(
        found.plan,
        status="relaxed",
        objective=found.objective,
        guarantee=promise(relaxed_deadlines={of: factor}),
    )
    assert judge(tight, given, GAP).verdict is verdict
    unannounced = dataclasses.replace(given, guarantee=None)
    assert judge(tight, unannounced, GAP).verdict is Verdict.WRONG
    cheaper = dataclasses.replace(given, objective=0.9 * found.objective)
    assert judge(tight, cheaper, GAP).verdict is Verdict.WRONG


def test_what_is_known_elsewhere_counts(instance, plan, cost):
    known = BestKnown(objective=cost / 2)
    optimal = claims(plan, objective=cost, bound=cost, status="optimal")
    assert judge(instance, optimal, GAP, known).verdict is Verdict.WRONG
    infeasible = claims(status="infeasible")
    assert judge(instance, infeasible, GAP).verdict is Verdict.RIGHT
    assert judge(instance, infeasible, GAP, known).verdict is Verdict.WRONG


def test_claims_without_a_plan(instance):
    assert judge(instance, claims(status="feasible"), GAP).verdict is Verdict.WRONG
    assert judge(instance, claims(status="none"), GAP).verdict is Verdict.NOT_CLAIMED


@pytest.mark.parametrize(
    "changes",
    [
        {"termination": "bored"},
        {"status": "great"},
        {"objective": "1"},
        {"objective": math.nan},
        {"bound": math.inf},
        {"bound": True},
        {"plan": []},
        {"guarantee": 3},
        {"trajectory": [[1]]},
        {"trajectory": 7},
        {"statistics": None},
    ],
)
def test_malformed_results_are_refused(changes):
    what = "malformed|no number|not finite|no object|not a valid|unpack"
    with pytest.raises(ValueError, match=what):
        claims(**changes)


def test_odd_statistics_are_made_storable():
    found = claims(statistics={"a": math.inf, "b": {"c": [math.nan]}}).statistics
    assert found == {"a": "inf", "b": {"c": ["nan"]}}


# -- between rows ----------------------------------------------------------------------------


def row(method, **changes):
    filled = {field.name: None for field in dataclasses.fields(Row)} | {
        "key": method,
        "method": method,
        "instance_hash": "h",
        "instance_name": "one",
        "problem": "mepra",
        "seed": 0,
        "status": "none",
        "termination": "solved",
        "verdict": "right",
        "violations": (),
        "relative_gap": 1e-6,
        "guarantee": None,
    }
    return Row(**(filled | changes))


def kinds(rows, known=None):
    return [(c.kind, c.refuted) for c in cross_check(rows, known)]


def test_rows_that_agree():
    rows = [
        row("exact", status="optimal", objective=10.0, bound=10.0),
        row("other", status="optimal", objective=10.000001, bound=9.99999999),
        row("heuristic", status="feasible", objective=12.0),
        row("bounder", bound=9.0),
        row("idle"),
    ]
    assert kinds(rows) == []
    reference = references(rows)["h"]
    assert (reference.objective, reference.holder, reference.proven) == (10.0, "exact", True)


def test_a_bound_above_a_plan_is_refuted_whoever_found_the_plan():
    rows = [row("plan", status="feasible", objective=10.0), row("bounder", bound=10.1)]
    assert kinds(rows) == [("bound above a plan", "bounder")]
    # A refuted bound does not enter what is known.
    assert references(rows, refuted=frozenset({"bounder"}))["h"].bound is None


def test_a_proven_optimum_above_a_plan_is_refuted_once():
    rows = [
        row("plan", status="feasible", objective=10.0),
        row("liar", status="optimal", objective=11.0, bound=11.0),
    ]
    assert kinds(rows) == [("bound above a plan", "liar")]


def test_infeasible_beside_a_plan():
    rows = [row("denier", status="infeasible"), row("plan", status="feasible", objective=1.0)]
    assert kinds(rows) == [("infeasible with a plan", "denier")]


def test_an_infeasible_plan_refutes_nobody():
    broken = row("broken", objective=1.0, violations=({"constraint": "memory"},))
    assert kinds([row("denier", status="infeasible"), broken, row("b", bound=5.0)]) == []


def test_guarantees_are_held_against_the_best_plan():
    promise = {"kind": "approximation", "factor": 1.1, "statement": ""}
    good = row("good", status="feasible", objective=10.9, guarantee=promise)
    bad = row("bad", status="feasible", objective=11.2, guarantee=promise)
    # Against a tightened optimum nothing follows from a plan for the instance as it is.
    other = row(
        "other",
        status="feasible",
        objective=20.0,
        guarantee=promise | {"reference_deadlines": {"inference": 1.1}},
    )
    rows = [row("plan", status="feasible", objective=10.0), good, bad, other]
    assert kinds(rows) == [("guarantee broken", "bad")]


def test_the_registry_can_be_wrong_too():
    rows = [row("plan", status="feasible", objective=10.0)]
    assert kinds(rows, {"h": BestKnown(infeasible=True)}) == [("registry", None)]
    assert kinds(rows, {"h": BestKnown(bound=11.0)}) == [("registry", None)]
    assert kinds(rows, {"h": BestKnown(objective=9.0, bound=9.0)}) == []
    assert kinds([row("b", bound=9.5)], {"h": BestKnown(objective=9.0)}) == [
        ("bound above a plan", "b")
    ]


def test_rows_of_different_instances_do_not_meet():
    rows = [
        row("plan", status="feasible", objective=10.0),
        row("bounder", bound=20.0, instance_hash="other"),
    ]
    assert kinds(rows) == []


def test_optima_within_their_gaps_agree():
    loose = {"status": "optimal", "relative_gap": 0.05}
    rows = [
        row("a", objective=10.0, bound=9.6, **loose),
        row("b", objective=10.4, bound=9.9, **loose),
    ]
    assert kinds(rows) == []
