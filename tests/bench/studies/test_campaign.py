"""The campaign's choice of instances, the measured pages, and the strength of formulations."""

import dataclasses

import pytest

from splitopt.bench.methods.registry import METHODS
from splitopt.bench.store.rows import Row
from splitopt.bench.store.store import Store
from splitopt.bench.studies.campaign.page import kind_of, write_page
from splitopt.bench.studies.campaign.study import PASSES, Pass, main, unsettled
from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.bench.studies.runs import rows_of
from splitopt.bench.studies.strength.study import INSTANCES, root_spec, spec
from splitopt.bench.studies.strength.study import tables as strength_tables
from splitopt.bench.verdicts.optimum import require_optimum
from splitopt.instances import library
from splitopt.instances.core.errors import InputError

# Two of the infeasible ones: a row that says so contradicts nothing that is known.
NAME, OTHER = "cift-standard-023", "cift-standard-026"
PAGE = "\n".join(
    f"<!-- {name}: measured, written by a command -->\nold\n<!-- {name} ends -->"
    for name in ("known", "methods", "kinds", "differ", "shares", "totals")
)


def row(method, name=NAME, **changes):
    fields = {field.name: None for field in dataclasses.fields(Row)}
    fields |= {
        "instance_hash": library.entry(name).content_hash,
        "instance_name": name,
        "problem": library.entry(name).problem,
        "method": method,
        "options": {},
        "seed": 0,
        "repetition": 0,
        "time_limit_s": 10.0,
        "grace_s": 3.0,
        "threads": 1,
        "relative_gap": 1e-6,
        "jobs": 1,
        "enforced": {},
        "not_enforced": {},
        "environment_hash": "e",
        "started_at": "2026-01-01T00:00:00Z",
        "termination": "solved",
        "status": "infeasible",
        "solve_time_s": 2.0,
        "wall_time_s": 3.0,
        "cpu_time_s": 0.5,
        "overhead_s": 0.0,
        "verdict": "right",
        "violations": (),
        "trajectory": (),
        "statistics": {},
        "stdout": "",
        "stdout_bytes": 0,
        "stderr": "",
        "stderr_bytes": 0,
    }
    fields |= changes
    fields["key"] = f"{method} {name} {sorted(changes)}"
    return Row(**fields)


def store(folder, *rows):
    with Store(folder, create=True) as found:
        key = found.put_environment({})
        for one in rows:
            found.add(dataclasses.replace(one, environment_hash=key))
    return folder


def test_the_passes_name_exact_methods():
    exact = {entry.name for entry in METHODS if entry.kind == "exact"}
    assert {method for one in PASSES for method in one.methods} <= exact
    assert len({one.name for one in PASSES}) == len(PASSES)


def test_two_solvers_settle_and_labels_do_not(tmp_path):
    other = OTHER
    folder = store(
        tmp_path / "a",
        # No plan, say HiGHS twice and the label program.
        row("highs-flow", status="none", termination="time"),
        row("highs-oa"),
        row("jqodi-exact"),
        row("highs-flow", other),
        row("cpsat", other),
    )
    assert unsettled([folder], [NAME, other]) == (NAME,)
    assert unsettled([], [NAME, other]) == (NAME, other)


@pytest.fixture
def few(monkeypatch):
    """The set is three instances, so that nothing else has to be loaded."""
    some = (NAME, OTHER, "mepra-standard-001")
    monkeypatch.setattr(library, "names", lambda set_name=None: some)


@pytest.mark.usefixtures("few")
def test_a_pass_of_its_own_is_planned_not_run(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--only", "fronts", "--dry-run"]) == 0
    assert "fronts: 3 instances, 2 runs, 2 left" in capsys.readouterr().out
    assert main(["--out", str(tmp_path), "--only", "no-such-pass"]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("few")
def test_the_page_is_made_from_rows(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{PAGE}\nafter")
    folder = store(
        tmp_path / "fast",
        row("highs-flow", cpu_time_s=0.1),
        row("highs-oa", cpu_time_s=1.0),
        row("cpsat", status="none", termination="time", verdict="not claimed", cpu_time_s=9.0),
        row("lagrangian", "mepra-standard-001", status="none", termination="unsupported"),
    )
    one = Pass("fast", ("highs-flow",), 10.0)
    write_page(page, [(one, folder), (one, tmp_path / "missing")], [])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter")
    assert "old" not in text
    # One run each; the mean of one time is that time; an unproven run is charged its limit.
    assert "| `highs-flow` | fast | 10 | 1 | 1 | 100 % | 0 | 0 | 0.10 | 0.10 | 3.00 |" in text
    assert "| `cpsat` | fast | 10 | 1 | 0 | 0 % | 0 | 0 | 10.00 | 9.00 | 3.00 |" in text
    assert "lagrangian" not in text
    # 10 s against 0.1 s: a hundred times.
    assert "| `highs-flow` 0.10, `highs-oa` 1.00 | `cpsat` | 100 |" in text
    assert "3 runs" in text


def test_kinds_come_from_the_instance():
    assert kind_of(NAME).startswith("cift-t")
    assert {kind_of(f"mepra-standard-{k:03d}").split("-")[0] for k in (1, 2, 3)} == {"mepra"}


def test_parts_are_replaced_between_their_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x: measured, written by a command -->\nold\n<!-- x ends -->\nb\n")
    replace_part(page, "x", "new")
    replace_part(page, "x", "newer")
    assert page.read_text() == (
        "a\n<!-- x: measured, written by a command -->\n\nnewer\n\n<!-- x ends -->\nb\n"
    )
    with pytest.raises(InputError, match="y ends"):
        replace_part(page, "y", "new")
    with pytest.raises(InputError, match="page"):
        replace_part(tmp_path / "none.md", "x", "new")


def test_a_table_escapes_bars():
    assert markdown_table(("a", "b"), [["1|2", "3"]]) == "| a | b |\n| --- | --- |\n| 1\\|2 | 3 |"


# -- strength ------------------------------------------------------------------------------


def test_the_flow_is_larger_and_stronger_than_the_assignment(tmp_path):
    """Sizes were counted by hand-run models before: 167 x 275 and 150 x 183."""
    names, methods = ["cift-tiny-hosts"], ["flow@highs", "assignment@highs", "flow@scip"]
    runs = rows_of(spec(names, 30.0, [*methods, "highs-flow"]), tmp_path)
    roots = rows_of(root_spec(names, 30.0, methods), tmp_path)
    by = {run.method: run for run in runs}
    optimum = by["highs-flow"].objective
    assert {run.status for run in runs} == {"optimal"}
    size = [by["flow@highs"].statistics[name] for name in ("rows", "columns", "nonzeros")]
    assert size == [167, 275, 830]
    size = [by["assignment@highs"].statistics[name] for name in ("rows", "columns", "nonzeros")]
    assert size == [150, 183, 708]
    root = {run.method: run.bound / optimum for run in roots}
    assert root["flow@highs"] == pytest.approx(0.980, abs=5e-4)
    assert root["assignment@highs"] == pytest.approx(0.686, abs=5e-4)
    # A relaxation is a bound and no plan.
    relaxed = next(run for run in roots if run.method == "flow@highs")
    assert (relaxed.status, relaxed.objective, relaxed.verdict) == ("none", None, "not claimed")
    # SCIP's root has cuts on top of the relaxation, and never passes the optimum.
    assert root["flow@highs"] - 1e-6 <= root["flow@scip"] <= 1 + 1e-6
    text = strength_tables(runs, roots, {names[0]: optimum})
    assert "| cift-tiny-hosts | flow | HiGHS | 167 | 275 | 830 | 0.9795 |" in text
    assert "|  | `highs-flow` | HiGHS |" in text


def test_what_strength_is_measured_on_has_a_known_optimum():
    assert set(INSTANCES) <= set(library.names())
    for name in INSTANCES:
        assert require_optimum(library.load(name)) > 0


def test_strength_tables_tell_what_is_not_known(tmp_path):
    one = row("flow@highs", name=NAME, status="optimal", cpu_time_s=1.0)
    other = row("flow@scip", name=NAME, status="feasible", termination="time", cpu_time_s=2.5)
    skipped = row("tangent@scip", name=NAME, termination="unsupported")
    roots = [dataclasses.replace(one, bound=4.9)]
    text = strength_tables([one, other, skipped], roots, {NAME: 5.0})
    assert f"| {NAME} | flow | HiGHS |  |  |  | 0.9800 | 0 | 1.00 |" in text
    assert "|  | flow | SCIP |  |  |  |  |  | 2.50, not proven |" in text
    assert "tangent" not in text


# -- sensitivity ---------------------------------------------------------------------------


def test_ratios_of_seeds_threads_and_gaps():
    from splitopt.bench.studies.sensitivity.study import GAPS, INSTANCES, table

    name = INSTANCES[0]
    base = {"status": "optimal", "name": name}
    rows = [
        row("highs-flow", **base, cpu_time_s=1.0, wall_time_s=2.0),
        row("highs-flow", **base, cpu_time_s=3.0, seed=1),
        row("highs-flow", **base, cpu_time_s=1.5, wall_time_s=1.0, threads=2),
        row("highs-flow", **base, cpu_time_s=0.5, relative_gap=GAPS[0]),
        row("highs-flow", name=name, status="feasible", cpu_time_s=60.0, relative_gap=GAPS[1]),
        row("highs-oa", status="unsupported", termination="unsupported", name=name),
    ]
    # Two seeds a factor 3 apart; half the wall, 1.5 times the CPU; half the CPU; not proven.
    line = (
        "| cift | `highs-flow` | 2 of 2 | 2.00 | 3.00, 3.00 | 0.50 | 1.50 | 0.50 | 1 of 1 "
        "|  | 0 of 1 |"
    )
    assert line in table(rows)
    assert "highs-oa" not in table(rows)
