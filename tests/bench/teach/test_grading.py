"""Grading: right and wrong plans and models, and files that are neither."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.methods.exporting import write
from splitopt.bench.teach.exercises import EXERCISES, find
from splitopt.bench.teach.grading import grade
from splitopt.instances import library
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import evaluate, read_plan

SOLUTIONS = Path(__file__).parents[3] / "docs" / "lessons" / "solutions"
PLANS = [e for e in EXERCISES if e.kind == "plan" and (SOLUTIONS / f"{e.name}.json").exists()]


@pytest.mark.parametrize("exercise", PLANS, ids=lambda e: e.name)
def test_the_solutions_pass(exercise):
    found = grade(exercise, SOLUTIONS / f"{exercise.name}.json")
    assert found.passed, found.remarks
    plan = read_plan(SOLUTIONS / f"{exercise.name}.json")
    assert found.objective == evaluate(library.load(exercise.instance), plan).objective


def test_every_exercise_of_a_plan_has_a_solution():
    assert {e.name for e in PLANS} >= {"1-optimal", "3-close", "4-fits", "5-within", "6-optimal"}


def test_a_dearer_plan_is_not_optimal_but_feasible(tmp_path):
    # Everything on the device: feasible, 1.84 times the optimum at 10 Mbit/s.
    plan = tmp_path / "plan.json"
    document = json.loads((SOLUTIONS / "6-optimal.json").read_text())
    document |= {"splits": [13] * 5, "shares": [0.0] * 5}
    plan.write_text(json.dumps(document))
    found = grade(find("6-optimal"), plan)
    assert not found.passed
    assert found.objective > 1.5 * found.optimum


def test_a_plan_that_breaks_a_constraint_says_which(tmp_path):
    document = json.loads((SOLUTIONS / "6-optimal.json").read_text())
    document["shares"] = [0.9] * 5
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(document))
    found = grade(find("6-optimal"), plan)
    assert not found.passed
    assert any("share" in remark for remark in found.remarks)


def test_models_are_told_apart_by_their_relaxation(tmp_path):
    weak, strong = tmp_path / "weak.mps", tmp_path / "strong.mps"
    instance = library.load("cift-tiny-menu")
    write(instance, "assignment", "mps", weak)
    write(instance, "flow", "mps", strong)
    assert grade(find("2-model"), weak).passed
    low, high = grade(find("2-stronger"), weak), grade(find("2-stronger"), strong)
    # Measured in lesson 2: 0.723 and 0.892.
    assert (low.passed, high.passed) == (False, True)
    assert low.root == pytest.approx(0.723, abs=2e-3)
    assert high.root == pytest.approx(0.892, abs=2e-3)


def test_a_model_of_another_instance_has_the_wrong_optimum(tmp_path):
    path = tmp_path / "other.mps"
    write(library.load("cift-tiny-both"), "assignment", "mps", path)
    found = grade(find("2-model"), path)
    assert not found.passed
    assert any("optimum is too" in remark for remark in found.remarks)


def test_a_model_without_integers_is_no_answer(tmp_path):
    path = tmp_path / "lp.mps"
    path.write_text(
        "NAME\nROWS\n N obj\n G r\nCOLUMNS\n x obj 1 r 1\nRHS\n RHS r 5\nBOUNDS\nENDATA\n"
    )
    assert grade(find("2-model"), path).remarks == ("the model has no integer variable",)


@pytest.mark.parametrize(
    ("name", "text"), [("model.mps", "no model at all"), ("model.py", "import os")]
)
def test_what_is_no_model_is_refused(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError):
        grade(find("2-model"), path)


def test_the_command_lists_grades_and_refuses(tmp_path):
    run = CliRunner().invoke
    assert "2-stronger" in run(cli, ["grade", "--list"]).output
    good = run(cli, ["grade", "1-optimal", str(SOLUTIONS / "1-optimal.json"), "--json"])
    assert good.exit_code == 0
    assert json.loads(good.stdout)["passed"] is True
    assert run(cli, ["grade", "9-none", "x"]).exit_code == 2
    assert run(cli, ["grade", "1-optimal"]).exit_code == 2
    assert run(cli, ["grade", "1-optimal", str(tmp_path / "absent.json")]).exit_code == 2
