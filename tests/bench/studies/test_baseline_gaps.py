"""The table of gaps of the baselines."""

import pytest

from splitopt.bench.methods.registry import load
from splitopt.bench.studies.baselines import study as baseline_gaps
from splitopt.bench.studies.baselines.study import Gap, gaps_of, spec, table
from splitopt.bench.studies.runs import rows_of
from splitopt.instances import library
from splitopt.instances.contract.method import Budget


def test_a_table_by_hand():
    gaps = [
        Gap("cift", "good", "a", True, 0.0, 0.001),
        Gap("cift", "good", "b", True, 0.005, 0.003),
        Gap("cift", "good", "c", True, 1e-7, 0.002),  # below the tolerance: optimal
        Gap("cift", "bad", "a", True, 0.5, 0.001),
        Gap("cift", "bad", "b", True, None, 0.001),
        Gap("cift", "bad", "c", False, None, 0.0),
        Gap("mepra", "other", "d", True, 20.0, 1.0),
    ]
    lines = table(gaps, "cift").splitlines()
    assert lines[0].startswith("| cift, 3 instances |")
    assert lines[2:] == [
        "| `good` | 3 | 0 | 2 | 3 | 0 | 0.5 % | 2 |",
        "| `bad` | 2 | 1 | 0 | 0 | 50 % | 50 % | 1 |",
    ]
    assert table(gaps, "mepra").splitlines()[2] == "| `other` | 1 | 0 | 0 | 0 | 21x | 21x | 1000 |"


def test_gaps_are_those_to_what_enumeration_finds(monkeypatch, tmp_path):
    names = ["cift-tiny-both", "cift-tiny-not-together", "cift-crafted-zero-energy"]
    monkeypatch.setattr(library, "names", lambda reference: names)
    asked = spec(["any"], ["cift"], ["single-cut", "compression-blind"])
    rows = rows_of(asked, tmp_path / "store")
    gaps = list(gaps_of(rows))
    # What has no plan is left out.
    assert {g.instance for g in gaps} == {"cift-tiny-both", "cift-crafted-zero-energy"}
    instance = library.load("cift-tiny-both")
    best = load("brute-force", "cift").solve(instance, Budget(), 0, {})
    for gap in gaps:
        found = load(gap.method, "cift").solve(library.load(gap.instance), Budget(), 0, {})
        if gap.gap is None:
            assert found.status == "none"
        elif gap.instance == "cift-tiny-both":
            assert gap.gap == pytest.approx(found.objective / best.objective - 1, abs=1e-9)
        else:  # an optimum of 0
            assert gap.gap == found.objective
    # The same again does nothing: the table is made of the rows.
    started = {row.key: row.started_at for row in rows}
    assert {row.key: row.started_at for row in rows_of(asked, tmp_path / "store")} == started


def test_a_plan_below_the_optimum_is_a_contradiction():
    assert baseline_gaps._gap("m", "i", 12.0, 10.0) == pytest.approx(0.2)
    assert baseline_gaps._gap("m", "i", 10.0 - 1e-9, 10.0) == 0
    assert baseline_gaps._gap("m", "i", 3.0, 0.0) == 3.0
    with pytest.raises(RuntimeError, match="below the optimum"):
        baseline_gaps._gap("m", "i", 9.9, 10.0)


def test_proven_optima_of_the_standard_set_are_read_not_solved(monkeypatch):
    def refuse(*_):
        raise AssertionError("solved")

    monkeypatch.setattr("splitopt.bench.verdicts.optimum.solved_truth", refuse)
    instance = library.load("cift-standard-002")
    known = baseline_gaps.proven_optimum(instance)
    best = load("jqodi", "cift").solve(instance, Budget(), 0, {})
    assert best.bound * (1 - 1e-9) <= known <= best.objective * (1 + 1e-6)


def test_the_module_writes_its_tables(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(library, "names", lambda reference: ["mepra-crafted-alike"])
    out, store = tmp_path / "gaps.md", str(tmp_path / "store")
    asked = ["any", "--problem", "mepra", "--store", store, "--out", str(out)]
    assert baseline_gaps.main(asked) == 0
    text = capsys.readouterr().out
    assert out.read_text() == text
    assert text.count("\n| `") == sum(
        e.kind == "heuristic" for e in baseline_gaps.entries_for("mepra")
    )
