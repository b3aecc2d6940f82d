"""What methods are given and give back: budgets, options, results, tolerances."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitopt.instances.contract.method import (
    EXACT,
    Budget,
    Option,
    Recorder,
    Result,
    SolutionStatus,
    Termination,
    read_options,
)
from splitopt.instances.contract.outcome import conclude, nothing_found, proven_infeasible
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import gap, not_above, values_agree
from splitopt.instances.judge import evaluate, read_instance, read_plan

DATA = Path(__file__).parents[2] / "data"
SMALL = read_instance(DATA / "small-mepra.json")
PLAN = read_plan(DATA / "small-mepra-plan.json")


@pytest.mark.parametrize(
    "change",
    [
        {"time_limit_s": -1.0},
        {"time_limit_s": math.nan},
        {"time_limit_s": math.inf},
        {"threads": 0},
        {"memory_limit_bytes": 0},
        {"relative_gap": 1.0},
        {"relative_gap": -1e-9},
    ],
)
def test_bad_budget(change):
    (field,) = change
    with pytest.raises(InputError, match=rf"^{field}: "):
        Budget(**change)


OPTIONS = (
    Option("epsilon", 0.01, "a number", minimum=1e-6, maximum=1),
    Option("rounds", 10, "an integer", minimum=1),
    Option("reduction", True, "a switch"),
    Option("side", "linear", "a choice", choices=("linear", "conic")),
)


def test_options_are_read():
    given = {"epsilon": "0.5", "rounds": "3", "reduction": "false", "side": "conic"}
    assert read_options("m", OPTIONS, given) == {
        "epsilon": 0.5, "rounds": 3, "reduction": False, "side": "conic",
    }  # fmt: skip
    assert read_options("m", OPTIONS, {})["rounds"] == 10
    assert read_options("m", OPTIONS, {"rounds": 3.0})["rounds"] == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epsilon", 0),
        ("epsilon", 2),
        ("epsilon", math.nan),
        ("epsilon", "nan"),
        ("epsilon", "x"),
        ("epsilon", True),
        ("epsilon", None),
        ("epsilon", 10**400),
        ("rounds", 1.5),
        ("rounds", 0),
        ("rounds", "1e3"),
        ("rounds", math.inf),
        ("rounds", -(10**400)),
        ("reduction", 1),
        ("reduction", "yes"),
        ("side", "round"),
        ("side", 1),
        ("colour", 1),
    ],
)
def test_bad_options(name, value):
    with pytest.raises(InputError, match=rf"^option {name}: ") as caught:
        read_options("m", OPTIONS, {name: value})
    assert str(caught.value).isprintable()


def test_huge_integers_are_options_where_nothing_bounds_them():
    assert read_options("m", OPTIONS, {"rounds": 10**400})["rounds"] == 10**400


def test_recorder_keeps_improvements():
    seen = []
    recorder = Recorder(seen.append)
    for objective, bound in ((9, None), (9, 1), (10, 1), (8, 0), (math.inf, math.nan), (8, 2)):
        recorder.note(objective, bound)
    assert [(p.objective, p.bound) for p in recorder.points] == [
        (9, None), (9, 1), (8, 1), (8, 2),
    ]  # fmt: skip
    assert tuple(seen) == recorder.points
    assert recorder.remaining_s(Budget()) is None
    assert recorder.remaining_s(Budget(0.0)) == 0.0


def test_conclude_says_what_the_judge_says():
    cost = evaluate(SMALL, PLAN).objective
    found = conclude(SMALL, PLAN, Recorder(), Budget(), bound=cost * (1 - 1e-7))
    assert (found.status, found.guarantee, found.objective) == (
        SolutionStatus.OPTIMAL, EXACT, cost,
    )  # fmt: skip
    found = conclude(SMALL, PLAN, Recorder(), Budget(), bound=cost * (1 - 1e-5))
    assert (found.status, found.guarantee) == (SolutionStatus.FEASIBLE, None)
    found = conclude(
        SMALL, PLAN, Recorder(), Budget(relative_gap=1e-4), bound=cost * (1 - 1e-5),
        termination=Termination.TIME,
    )  # fmt: skip
    assert (found.status, found.termination) == (SolutionStatus.OPTIMAL, Termination.SOLVED)
    greedy = dataclasses.replace(PLAN, shares=np.array([1.0, 1.0]))
    found = conclude(SMALL, greedy, Recorder(), Budget(), bound=0.0)
    assert (found.status, found.plan) == (SolutionStatus.NONE, greedy)
    assert [p.objective for p in found.trajectory] == [None]


def test_results_without_a_plan():
    found = proven_infeasible(Recorder())
    assert (found.status, found.termination) == (SolutionStatus.INFEASIBLE, Termination.SOLVED)
    found = nothing_found(Recorder(), bound=3.0, termination=Termination.TIME)
    assert (found.status, found.bound, found.objective) == (SolutionStatus.NONE, 3.0, None)


@pytest.mark.parametrize(
    "change",
    [
        {"objective": None},
        {"plan": None},
        {"bound": None},
        {"bound": math.inf},
        {"objective": math.nan},
        {"status": SolutionStatus.INFEASIBLE},
        {"plan": None, "objective": None},
    ],
)
def test_results_that_contradict_themselves(change):
    good = conclude(SMALL, PLAN, Recorder(), Budget(), bound=evaluate(SMALL, PLAN).objective)
    assert isinstance(good, Result)
    with pytest.raises(ValueError, match=r"plan|unknown|bound"):
        dataclasses.replace(good, **change)


def test_gap():
    assert gap(10.0, 9.0) == pytest.approx(0.1)
    assert gap(10.0, 11.0) == pytest.approx(-0.1)
    assert gap(0.0, 0.0) == 0.0
    assert gap(0.0, -1.0) == math.inf
    assert gap(0.0, 1.0) == -math.inf
    assert gap(None, 1.0) is None
    assert gap(1.0, None) is None


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_agreement_is_symmetric(a, b):
    assert values_agree(a, b) == values_agree(b, a)
    assert values_agree(a, a)
    assert not_above(a, b, 1e-6) or not_above(b, a, 1e-6)
    if values_agree(a, b):
        assert abs(a - b) <= 2.1e-6 * max(abs(a), abs(b)) + 2e-12
