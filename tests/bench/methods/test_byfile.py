"""Solvers that read our files, as methods: named, found, run apart, judged."""

import errno
import json
import re
import shutil
import sys

import highspy
import psutil
import pytest
from click.testing import CliRunner
from running import run_set

from splitopt.bench.cli import cli
from splitopt.bench.commands import solve as solving
from splitopt.bench.isolation.machine import OurShortageError, lacking
from splitopt.bench.methods.byfile import environments
from splitopt.bench.methods.byfile import method as by_file_method
from splitopt.bench.methods.byfile.names import SOLVERS, parse
from splitopt.bench.methods.byfile.process import SOLVE, _Look, ask
from splitopt.bench.methods.exporting import formulate
from splitopt.bench.methods.registry import by_file, engine_of, find, load
from splitopt.bench.runs.solve_once import solve_once
from splitopt.bench.store.rows import check_name
from splitopt.bench.store.store import Store
from splitopt.formulations.solvers import drivers
from splitopt.instances import library
from splitopt.instances.contract.method import Budget, Termination, UnsupportedError
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import check, evaluate

OPTIMUM = 16095.398460626542  # of cift-tiny-both, by enumeration
BESIDE = ("highs", "scip", "cpsat", "ortools", "cbc", "glpk")  # with the tests' dependencies


@pytest.fixture(autouse=True)
def no_environments(tmp_path, monkeypatch):
    """Tests see no solvers but those beside splitopt."""
    monkeypatch.setenv("SPLITOPT_SOLVERS", str(tmp_path / "solvers"))


def added(spec):
    """Make what looks like an environment; nothing is installed."""
    (environments.cache_folder() / spec).mkdir(parents=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flow@highs==1.16.0 --pre", "a version such as"),
        ("flow@highs==", "a version such as"),
        ("flow@highs==../../x", "a version such as"),
        ("flow@higs", "did you mean highs"),
        ("folw@highs", "did you mean flow"),
        ("flow@highs@highs", "SOLVER one of"),
        ("flow@requests", "SOLVER one of"),
    ],
)
def test_a_name_that_is_none_is_refused_with_what_is(name, said):
    with pytest.raises(InputError, match=said):
        parse(name)


@pytest.mark.parametrize(
    "spec",
    ["requests", "highspy>=1", "highspy==1.0 requests", "highspy == 1.0", "-r x", "highspy==1.*",
     "git+https://example.org/x", "highspy==1.0; x", "HIGHSPY", "highs", ""],
)  # fmt: skip
def test_nothing_but_a_package_of_the_table_and_a_version_reaches_pip(spec, monkeypatch):
    monkeypatch.setattr(environments.subprocess, "run", None)  # to call it would fail otherwise
    for call in (environments.add, environments.remove):
        with pytest.raises(InputError, match="PACKAGE one of highspy"):
            call(spec)


def test_without_a_version_the_one_beside_comes_first_then_the_newest_added():
    here = environments.beside("highspy")
    for spec in ("highspy==1.9.0", "highspy==1.10.0", "gurobipy==9.5.2", "gurobipy==10.0.1"):
        added(spec)
    assert environments.find(SOLVERS["highs"], None) == here
    assert environments.find(SOLVERS["gurobi"], None).version == "10.0.1"  # not 9.5.2, as texts
    assert environments.find(SOLVERS["highs"], "1.9.0").folder.name == "highspy==1.9.0"
    assert [e.version for e in environments.installed("highspy")] == ["1.9.0", "1.10.0"]
    with pytest.raises(InputError, match=r"splitopt solvers add highspy==1\.8\.0"):
        environments.find(SOLVERS["highs"], "1.8.0")


def test_drafts_and_strangers_in_the_folder_are_no_environments():
    for name in (".adding-x", "highspy", "requests==1.0", "highspy==x", "highspy==1.0.0"):
        added(name)
    assert [str(e) for e in environments.installed()] == ["highspy==1.0.0"]


def test_what_is_removed_is_no_longer_found():
    added("highspy==1.9.0")
    environments.remove("highspy==1.9.0")
    assert environments.installed() == []
    assert list(environments.cache_folder().iterdir()) == []
    with pytest.raises(InputError, match="one that was added: none"):
        environments.remove("highspy==1.9.0")


def test_the_entry_has_engine_and_version_and_rows_take_the_name():
    entry = find("flow@scip", "cift")
    assert entry.version == str(environments.beside("pyscipopt"))
    assert (entry.kind, entry.engine, engine_of("flow@scip==9.9")) == ("exact", "SCIP", "SCIP")
    for name in ("flow@highs", "gdp-hull@highs==1.16.0", "flow@gurobi==13.0.3"):
        check_name("method", name)
    for name in ("flow@highs/..", "a@b@c", "flow@", "@highs", "flow@highs==", "a b@c"):
        with pytest.raises(InputError):
            check_name("method", name)
    with pytest.raises(InputError, match="flow is of cift"):
        find("flow@scip", "mepra")


@pytest.mark.parametrize("solver", BESIDE)
def test_each_solver_beside_splitopt_proves_the_optimum_of_a_file(solver):
    found = load(f"flow@{solver}", "cift").solve(
        library.load("cift-tiny-both"), Budget(time_limit_s=60), 0, {}
    )
    assert found.status == "optimal", found
    assert found.objective == pytest.approx(OPTIMUM, rel=1e-12)
    assert OPTIMUM * (1 - 1e-6) <= found.bound <= OPTIMUM
    said = found.statistics
    assert said["package"] == str(environments.beside(SOLVERS[solver].package))
    assert said["solver"].startswith(("HiGHS", "SCIP", "CP-SAT", "CBC", "GLPK"))
    assert (said["rows"], said["columns"]) == (184, 377)
    for time in ("build_s", "write_s", "solve_s", "handed_s", "plan_s"):
        assert said[time] >= 0


@pytest.mark.parametrize("name", ["cift-tiny-both", "mepra-tiny-partition"])
def test_a_run_that_starts_from_the_best_plan_ends_no_worse(name):
    """The solver's own plan then is none that the judge refuses.

    An optimal plan of the flow model is an optimum. One of the tangent model is so only up to what
    its tangents lie below: with the same file, machines were seen to end 7e-6 apart.
    """
    instance = library.load(name)
    method = load("flow@highs" if instance.problem == "cift" else "tangent@highs", instance.problem)
    first = method.solve(instance, Budget(), 0, {})
    again = method.solve(instance, Budget(), 0, {}, warm_start=first.plan)
    assert again.termination == first.termination == Termination.SOLVED
    assert max(first.bound, again.bound) <= again.objective <= first.objective
    if instance.problem == "cift":
        assert again.objective == first.objective
    assert "rejected" not in again.statistics


@pytest.mark.parametrize("solver", ["highs", "scip", "glpk"])
def test_a_solver_s_proof_that_there_is_no_plan_is_one(solver):
    instance = library.load("cift-tiny-both")
    too_short = instance.replace(inference_deadline_s=instance.inference_deadline_s / 1e6)
    found = load(f"flow@{solver}", "cift").solve(too_short, Budget(), 0, {})
    assert (found.status, found.plan) == ("infeasible", None)


def test_a_solution_without_a_bound_proves_nothing(monkeypatch):
    """GLPK stops at a limit with a solution and tells no bound: that was called optimal."""
    asked = by_file_method.ask
    monkeypatch.setattr(
        by_file_method, "ask", lambda *given: asked(*given) | {"ended": "time", "bound": None}
    )
    found = load("flow@glpk", "cift").solve(library.load("cift-tiny-both"), Budget(), 0, {})
    assert found.objective == pytest.approx(OPTIMUM, rel=1e-12)
    assert (found.status, found.termination, found.bound) == ("feasible", "time", 0.0)


@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_drivers_put_better_solutions_where_they_can_be_taken(tmp_path, solver):
    instance = library.load("cift-tiny-both")
    model = formulate(instance, "assignment")
    model.write(tmp_path / "model.mps", "mps")
    improved = tmp_path / "improved.json"
    asked = {"file": str(tmp_path / "model.mps"), "time_limit_s": 20.0, "relative_gap": 1e-7}
    environment = environments.beside(SOLVERS[solver].package)
    ask(solver, environment, {**SOLVE, **asked, "improved": str(improved)}, tmp_path)
    plan = model.plan(dict.fromkeys(model.whole(), 0.0) | json.loads(improved.read_text()))
    assert check(instance, plan) == []
    assert evaluate(instance, plan).objective >= OPTIMUM * (1 - 1e-9)


def test_better_solutions_are_recorded_while_a_solver_goes_on(monkeypatch):
    """One that is none changes nothing, and the last word counts."""
    points = []

    def go_on(driver, environment, request, folder, on_improved):
        found = ask(driver, environment, request, folder)
        on_improved({"x": 1.0})
        on_improved({name: 0.5 * value for name, value in found["values"].items()})
        assert points == []
        on_improved(found["values"])
        assert [point.objective for point in points] == [pytest.approx(OPTIMUM, rel=1e-6)]
        return {**found, "ended": "time", "values": None, "objective": None, "bound": None}

    monkeypatch.setattr(by_file_method, "ask", go_on)
    method = by_file_method.method("assignment@highs")
    found = method.solve(
        library.load("cift-tiny-both"), Budget(20.0), 0, {}, None, lambda *told: points.extend(told)
    )
    assert (found.status, found.termination) == ("feasible", "time")


def test_a_look_takes_what_is_there_and_keeps_to_a_tenth_of_the_time(tmp_path):
    improved, told = tmp_path / "improved.json", []
    look = _Look(improved, told.append)
    look()
    improved.write_text('{"x": 1.0}')
    look()
    look()
    assert told == [{"x": 1.0}]
    assert not improved.exists()
    assert look.pause_s >= 0.1


def test_cones_are_for_solvers_that_read_them():
    instance = library.load("mepra-tiny-fleet")
    assert "no quadratic rows" in load("conic@highs", "mepra").supports(instance).reason
    assert load("conic@scip", "mepra").supports(instance)
    continuous = library.load("cift-tiny-continuous")
    assert "listed speeds" in load("flow@highs", "cift").supports(continuous).reason
    with pytest.raises(UnsupportedError, match="whole columns only"):
        load("tangent@cpsat", "mepra").solve(instance, Budget(), 0, {})


def test_in_a_set_of_runs_one_process_stays_and_each_run_is_confined(tmp_path):
    """The solver's process keeps to the run's memory, cores and threads, and is seen."""
    instances = ["cift-tiny-both", "cift-crafted-menu"]
    methods = ["flow@highs", "flow@cbc", "highs-flow"]
    summary = run_set(
        instances, methods, tmp_path / "out", time_limit_s=30, memory_limit_bytes=1 << 30
    )
    assert summary.ok
    assert summary.verdicts == {"right": 6}
    with Store(tmp_path / "out", readonly=True) as store:
        rows = {(row.instance_name, row.method): row for row in store.rows()}
    for name in instances:
        assert len({rows[name, method].objective for method in methods}) == 1
    mine = rows["cift-crafted-menu", "flow@highs"]
    assert mine.method_version == f"highspy=={environments.beside('highspy').version}"
    assert mine.status == "optimal"
    assert "clock" not in mine.not_enforced
    if sys.platform == "linux":
        assert {"cores", "memory at once", "cpu"} <= {*mine.enforced, *mine.not_enforced}
        assert mine.cpu_time_s > mine.statistics["solve_s"] * 0.2
    # The same set again does nothing.
    again = run_set(
        instances, methods, tmp_path / "out", time_limit_s=30, memory_limit_bytes=1 << 30
    )
    assert (again.done_before, again.done_now) == (6, 0)


def test_another_version_is_another_run(tmp_path, monkeypatch):
    """The key of a run holds the version that is taken where the name has none."""
    from running import plan

    def keys():
        return {run.key for run in plan(["cift-tiny-both"], ["flow@highs"], time_limit_s=1)}

    before = keys()
    monkeypatch.setattr(
        environments, "beside", lambda package: environments.Environment(package, "1.99.0")
    )
    assert by_file("flow@highs").version == "highspy==1.99.0"
    assert not keys() & before


PLUGIN = """
from splitopt.bench.methods.byfile import process
process._START = {start!r}
from splitopt.bench.methods.byfile.method import method
METHOD = method("flow@highs")
METHOD.name = "broken"
"""


@pytest.mark.parametrize(
    ("does", "termination", "detail"),
    [
        ("time.sleep(600)", "killed", "still running"),
        ("os.kill(os.getpid(), 11)", "crashed", "ended without an answer"),
        ("raise common.UnsupportedError('no licence')", "unsupported", "Broken 1: no licence"),
    ],
)
def test_whatever_a_solver_s_process_does_the_run_ends_in_order(
    monkeypatch, tmp_path, does, termination, detail
):
    broken = tmp_path / "drivers"
    shutil.copytree(drivers.__path__[0], broken)
    (broken / "highs.py").write_text(
        "import os, time\nfrom . import common\n\ndef load():\n    return 'Broken 1'\n\n"
        f"def solve(request):\n    {does}\n"
    )
    (tmp_path / "broken_plugin.py").write_text(PLUGIN.format(start=str(broken / "start.py")))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = solve_once(
        "cift-tiny-both", "broken", time_limit_s=1.5, grace_s=0.5, plugins=["broken_plugin:METHOD"]
    )
    assert found.termination == termination, found
    assert detail in found.statistics["detail"]
    left = [p for p in psutil.process_iter() if any(str(broken) in word for word in words_of(p))]
    assert not left


def words_of(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_the_command_line_lists_and_refuses(tmp_path):
    runner = CliRunner()
    listed = json.loads(runner.invoke(cli, ["solvers", "list", "--json"]).stdout)
    known = {row["solver"]: row for row in listed["solvers"]}
    assert set(known) == set(SOLVERS)
    assert known["highs"]["beside"] == environments.beside("highspy").version
    assert known["gurobi"]["added"] == []
    out = tmp_path / "out"
    for method in ("flow@gurobi", "flow@highs==0.0.1", "flow@none", "none@highs"):
        done = runner.invoke(cli, ["run", "tiny", "-m", method, "--out", str(out)])
        assert done.exit_code == 2, done.output
        assert len(done.stderr.splitlines()) == 1
    assert not out.exists()


def test_verify_tries_what_is_beside():
    done = CliRunner().invoke(cli, ["solvers", "verify", "highspy", "swiglpk"])
    assert done.exit_code == 0, done.output
    assert "solves a tiny model right" in done.stdout


SPELT = {
    "highs-flow": ("mip_heuristic_efort=0.1", "mip_heuristic_effort"),
    "scip-minlp": ("limits/node=5", "limits/nodes"),
    "cpsat": ("symetry_level=1", "symmetry_level"),
    "flow@highs": ("mip_heuristic_efort=0.1", "mip_heuristic_effort"),
    "flow@cbc": ("cutDept=3", "cutDepth"),
}


@pytest.mark.parametrize("method", SPELT)
def test_a_parameter_that_a_solver_does_not_have_is_refused_with_the_nearest(method):
    (name, _, value), meant = SPELT[method][0].partition("="), SPELT[method][1]
    with pytest.raises(InputError, match=rf"such as .*{meant}"):
        load(method, "cift").parameters.read({name: value})


def test_a_parameter_that_highspy_does_not_list_is_taken():
    name = "mip_allow_cut_separation_at_nodes"
    if highspy.Highs().getOptionValue(name)[0] != highspy.HighsStatus.kOk:
        pytest.skip("this HiGHS has no such parameter")
    assert load("highs-flow", "cift").parameters.read({name: "false"}) == {name: False}


def test_it_is_refused_before_any_run_and_nothing_is_written(tmp_path):
    out = tmp_path / "out"
    arguments = ["run", "cift-tiny-both", "-m", "flow@highs,device-only", "--out", str(out)]
    done = CliRunner().invoke(cli, [*arguments, "-o", "flow@highs.solver.mip_heuristic_efort=1"])
    assert done.exit_code == 2, done.output
    assert "mip_heuristic_effort" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("method", "given", "said"),
    [
        ("highs-flow", "threads=2", "--threads sets it"),
        ("highs-flow", "mip_abs_gap=1", "the method's bound rests on it"),
        ("highs-flow", "presolve=perhaps", "a value that HiGHS takes"),
        ("highs-flow", "mip_max_nodes=few", "a whole number"),
        ("device-only", "threads=2", "options of device-only: none"),
        ("flow@highs", "time_limit=2", "--time-limit sets it"),
        ("flow@ortools", "limits/nodes=5", "does not check"),
        # CBC goes on without what it does not take.
        ("flow@cbc", "heuristicsOnOff=banana", "'banana', expected off on"),
        ("flow@cbc", "maxNodes=few", "'few', expected what CBC takes"),
        ("flow@cbc", "maxNodes=-5", "expected -1 to 2147483647"),
    ],
)
def test_what_the_suite_sets_itself_and_what_does_not_fit_is_refused(method, given, said):
    done = CliRunner().invoke(
        cli, ["solve", "cift-tiny-both", "-m", method, "-o", f"solver.{given}"]
    )
    assert done.exit_code == 2
    assert said in done.stderr


def test_no_room_for_the_model_is_no_fault_of_the_methods(monkeypatch):
    instance = library.load("cift-tiny-both")
    full = OSError(errno.ENOSPC, "No space left on device")

    def write(*_, **__):
        raise full

    monkeypatch.setattr("splitopt.bench.methods.exporting.Formulated.write", write)
    with pytest.raises(OurShortageError, match="the model: No space left") as caught:
        load("flow@highs", "cift").solve(instance, Budget(20.0), 0, {})
    assert lacking(caught.value) is not None


def test_parameters_reach_the_solver_stand_in_the_row_and_logs_are_kept(tmp_path):
    """HiGHS is told to stop at its first solution, which is not the best, and does."""
    out = tmp_path / "out"
    methods = ["flow@highs", "highs-assignment"]
    options = {"flow@highs": {"solver.mip_max_improving_sols": "1", "solver.presolve": "off"}}
    run_set(["cift-tiny-both"], methods, out, time_limit_s=20, options=options, keep_logs=True)
    with Store(out, readonly=True) as store:
        rows = {row.method: row for row in store.rows()}
    told = rows["flow@highs"]
    assert told.options == {"solver.mip_max_improving_sols": 1, "solver.presolve": "off"}
    assert told.statistics["said"] == "Solution limit reached"
    assert (told.termination, told.verdict) == ("limit", "right")
    assert rows["highs-assignment"].status == "optimal"
    for row in rows.values():
        name = row.stdout.removeprefix("kept in ").strip()
        assert name.startswith(f"logs/cift-tiny-both.{row.method}.s0.")
        assert "rows" in (out / name).read_text()


def test_solvers_are_quiet_unless_their_log_is_asked_for():
    arguments = ["solve", "cift-tiny-both", "-m", "flow@highs", "--json"]
    quiet = CliRunner().invoke(cli, arguments)
    assert quiet.stderr == ""
    assert json.loads(quiet.stdout)["solution_status"] == "optimal"
    told = CliRunner().invoke(cli, [*arguments, "--log"])
    assert "Presolving model" in told.stderr
    assert json.loads(told.stdout)["objective"] == json.loads(quiet.stdout)["objective"]


def test_the_last_words_of_a_log_are_shown_without_an_end_of_line(capsys):
    log = solving._Log()
    for data in (b"one\ntw", b"o\nkilled a", b"t 5"):
        log(data)
    log.end()
    log.end()
    assert capsys.readouterr().err == "one\ntwo\nkilled at 5\n"


def test_an_export_is_read_back_and_a_reader_that_reads_another_model_is_told_of(
    tmp_path, monkeypatch
):
    from splitopt.bench.methods.byfile import checking

    path = str(tmp_path / "model.mps")
    arguments = ["export", "mepra-crafted-free-rows", "-f", "tangent", "--out", path, "--json"]
    done = CliRunner().invoke(cli, arguments)
    assert [one["solver"] for one in json.loads(done.stdout)["read_back"]] == ["HiGHS"]
    done = CliRunner().invoke(cli, [*arguments, "--check"])
    assert done.exit_code == 0, done.output
    refused = CliRunner().invoke(cli, [*arguments, "--format", "nl", "--check"])
    assert refused.exit_code == 2
    assert "--check: 'nl'" in refused.stderr
    found = json.loads(done.stdout)
    assert [one["solver"] for one in found["read_back"]] == ["HiGHS", "GLPK", "SCIP", "CBC", "SCIP"]
    assert len({round(one["optimum"], 4) for one in found["read_back"]}) == 1
    assert {one["rows"] for one in found["read_back"]} == {found["rows"], None}
    monkeypatch.setattr(checking, "ask", lambda *_: {"rows": found["rows"], "columns": 0})
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1
    assert "HiGHS reads another model" in done.stderr


def test_a_device_with_edge_work_has_a_share_where_time_weighs_nothing():
    """With w_T = 0 all roots are 0, and shares in proportion to them were none at all."""
    found = load("tangent@highs", "mepra").solve(
        library.load("mepra-crafted-no-time-weight"), Budget(), 0, {}
    )
    assert found.plan is not None
    assert "rejected" not in found.statistics


def test_the_file_of_a_run_is_in_the_folder_that_goes_with_it(tmp_path):
    """What a run that was killed had written stayed in the temporary folder for good."""
    run_set(["cift-tiny-both"], ["flow@glpk"], tmp_path, time_limit_s=20, keep_logs=True)
    (log,) = (tmp_path / "logs").iterdir()
    first = log.read_text().splitlines()[0]
    assert re.search(r"/splitopt-scratch-\w+/splitopt-locked-file-\w+/model.mps", first), first
