"""Solutions of seven solvers, written by them of our own files, come back as judged plans.

The files in tests/data/solutions were written by HiGHS 1.16.0, SCIP 10.0 (PySCIPOpt 6), CBC 2.10.3,
GLPK 5.0, Gurobi 13.0.3, CPLEX 22.2.0.1 and COPT 8.0.7 after reading the MPS files (SCIP: LP) that
``splitopt export`` writes of cift-tiny-both as flow, and of mepra-crafted-free-rows as conic.
"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.methods.exporting import write
from splitopt.bench.methods.solution_files import parse_solution, plan_of_solution
from splitopt.instances import library
from splitopt.instances.core.documents import write_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import check, evaluate

DATA = Path(__file__).parents[2] / "data" / "solutions"
SOLVERS = ("highs", "scip", "cbc", "glpk", "gurobi", "cplex", "copt")
OPTIMUM = 16095.398460626542  # by enumeration


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_solver_s_file_becomes_the_optimal_plan(solver):
    instance = library.load("cift-tiny-both")
    path = DATA / f"flow.{solver}.sol"
    found = parse_solution(path)
    assert found.program.lower() == solver
    assert found.objective == pytest.approx(OPTIMUM, rel=1e-9)
    plan = plan_of_solution(instance, "flow", found, path.name)
    assert check(instance, plan) == []
    assert evaluate(instance, plan).objective == pytest.approx(OPTIMUM, rel=1e-12)


def test_a_cone_s_solution_comes_back_too():
    instance = library.load("mepra-crafted-free-rows")
    path = DATA / "conic.gurobi.sol"
    plan = plan_of_solution(instance, "conic", parse_solution(path), path.name)
    assert check(instance, plan) == []
    assert evaluate(instance, plan).objective == pytest.approx(1.0574799179, rel=1e-9)


@pytest.mark.parametrize("formulation", ["flow", "assignment", "gdp-bigm", "gdp-hull"])
@pytest.mark.parametrize("kind", ["mps", "lp"])
def test_the_circle_closes_for_every_formulation(tmp_path, formulation, kind):
    """Export, HiGHS, read-solution: the plan is the optimum."""
    import highspy

    instance = library.load("cift-crafted-menu")
    model, solution = tmp_path / f"model.{kind}", tmp_path / "model.sol"
    write(instance, formulation, kind, model)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(model))
    highs.run()
    highs.writeSolution(str(solution), 0)
    plan = plan_of_solution(instance, formulation, parse_solution(solution), "model.sol")
    assert check(instance, plan) == []
    assert evaluate(instance, plan).objective == pytest.approx(2435.0, rel=1e-9)


@pytest.mark.parametrize("solver", ["highs", "cplex", "glpk"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_is_cut_short_is_told(tmp_path, solver, share):
    text = (DATA / f"flow.{solver}.sol").read_text()
    if solver == "highs":  # what follows the columns does not matter
        text = text[: text.index("# Rows")]
    path = tmp_path / "cut.sol"
    path.write_text(text[: int(share * len(text))])
    with pytest.raises(InputError, match="let the solver write it again"):
        parse_solution(path)


@pytest.mark.parametrize("solver", ["scip", "cbc", "gurobi", "copt"])
def test_a_cut_that_the_format_does_not_show_is_no_plan(tmp_path, solver):
    """These end when they end; half of the ones is no path."""
    lines = (DATA / f"flow.{solver}.sol").read_text().splitlines()
    ones = [k for k, line in enumerate(lines) if " 1" in line and not line.startswith("#")]
    path = tmp_path / "cut.sol"
    path.write_text("\n".join(lines[: ones[len(ones) // 2]]) + "\n")
    with pytest.raises(InputError, match="values that are no plan"):
        plan_of_solution(library.load("cift-tiny-both"), "flow", parse_solution(path), "cut.sol")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "none of these solvers"),
        ("hello\n", "none of these solvers"),
        ("# Objective value = 1\n", "no value"),
        ("# Objective value = 1\nx one\n", "'one' where a number belongs"),
        ("# Objective value = 1\nx nan\n", "'nan' where a number belongs"),
        ("solution status: infeasible\nno solution available\n", "solution status: infeasible"),
        ("Infeasible - objective value 0\n", "no value"),
        ("Model status\nInfeasible\n\n# Primal solution values\nNone\n", "no columns"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><CPLEXSolution/>', "a document type"),
        ("<CPLEXSolution>", "no element found"),
        ("<other/>", "an element other"),
    ],
)
def test_what_is_no_solution_is_one_line(tmp_path, text, says):
    path = tmp_path / "bad.sol"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        parse_solution(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.replace("serve_", "swerve_"), "names of this model's columns"),
        (lambda t: t.replace("y_1 1", "y_1 0.75"), "a whole number"),
        (lambda t: t.replace("y_1 1", "y_1 0"), "values that are no plan"),
    ],
)
def test_solutions_of_something_else_are_told(tmp_path, change, says):
    text = (DATA / "flow.gurobi.sol").read_text()
    assert change(text) != text
    path = tmp_path / "other.sol"
    path.write_text(change(text))
    with pytest.raises(InputError, match=says):
        plan_of_solution(library.load("cift-tiny-both"), "flow", parse_solution(path), "other.sol")


def test_columns_by_number_are_refused_with_the_remedy():
    path = DATA / "flow.glpk-write.sol"
    with pytest.raises(InputError, match="glpsol -o"):
        plan_of_solution(library.load("cift-tiny-both"), "flow", parse_solution(path), path.name)


def test_the_command_judges_and_writes_the_plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    solution = str(DATA / "flow.scip.sol")

    def run(*arguments):
        return CliRunner().invoke(cli, ["read-solution", *arguments])

    done = run("cift-tiny-both", "-f", "flow", solution, "--out", "plan.json", "--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert (said["feasible"], said["program"]) == (True, "SCIP")
    assert said["objective_claimed"] == pytest.approx(said["objective"], rel=1e-9)
    assert CliRunner().invoke(cli, ["check", "cift-tiny-both", "plan.json"]).exit_code == 0
    # Of another instance the names differ; nothing is written.
    failed = run("cift-tiny-free", "-f", "flow", solution, "--out", "other.json")
    assert failed.exit_code == 2
    assert failed.stderr.count("\n") == 1
    assert not (tmp_path / "other.json").exists()
    assert run("cift-tiny-both", "-f", "nothing", solution).exit_code == 2


def test_a_plan_that_breaks_a_deadline_is_judged_so(tmp_path, monkeypatch):
    """The same columns under a deadline that the plan misses by a hair."""
    monkeypatch.chdir(tmp_path)
    tight = library.load("cift-tiny-both").replace(inference_deadline_s=0.0584)
    write_json(tmp_path / "tight.json", tight.to_document())
    done = CliRunner().invoke(
        cli, ["read-solution", "tight.json", "-f", "flow", str(DATA / "flow.scip.sol")]
    )
    assert done.exit_code == 1
    assert "inference-deadline" in done.stdout
