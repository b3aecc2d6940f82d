"""Rows of others are judged again: an UPDATE in a store, a word of a worker, change no verdict."""

import dataclasses
import json
import math
import shutil
import sqlite3
import zlib
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from running import run_set

from splitopt.bench.cli import cli
from splitopt.bench.runs.cluster.payload import Answer, read_answer, write_answer
from splitopt.bench.runs.cluster.work import ClusterError, ClusterWork
from splitopt.bench.runs.plan import RunPlan
from splitopt.bench.runs.queue import RunQueue
from splitopt.bench.store.store import Store
from splitopt.bench.verdicts import merge as merging
from splitopt.bench.verdicts.library_check import check_library
from splitopt.bench.verdicts.merge import merge
from splitopt.instances.core.documents import write_json
from splitopt.instances.core.errors import InputError

CHEAP = "cift-tiny-both"  # in the registry


@pytest.fixture(scope="module")
def honest(tmp_path_factory, make_mepra):
    """A store of honest rows, of an instance that the registry knows and of one it does not."""
    folder = tmp_path_factory.mktemp("honest")
    toy = folder / "toy.json"
    write_json(toy, make_mepra().to_document())
    out = folder / "out"
    run_set([str(toy), CHEAP], ["device-only", "brute-force"], out, time_limit_s=20.0)
    return out


@pytest.fixture
def store(honest, tmp_path):
    """A copy of it."""
    return shutil.copytree(honest, tmp_path / "theirs")


def update(folder, sql, values=()):
    connection = sqlite3.connect(folder / "runs.sqlite")
    with connection:
        assert connection.execute(sql, values).rowcount > 0
        unseal(connection)
    connection.close()


def unseal(connection):
    """Take the checksums away, as who forges rows would: what is left is the judge's to see."""
    for table in ("runs", "payloads", "instances"):
        connection.execute(f"UPDATE {table} SET checksum = NULL")


def repack(folder, method, **changes):
    connection = sqlite3.connect(folder / "runs.sqlite")
    with connection:
        for key, packed in connection.execute(
            "SELECT key, payloads.document FROM payloads JOIN runs USING (key) WHERE method = ?",
            (method,),
        ).fetchall():
            document = json.loads(zlib.decompress(packed)) | changes
            packed = zlib.compress(json.dumps(document).encode())
            connection.execute("UPDATE payloads SET document = ? WHERE key = ?", (packed, key))
        unseal(connection)
    connection.close()


def wrong(folder):
    with Store(folder) as store:
        return {
            (r.method, r.problem): r.verdict_reason for r in store.rows() if r.verdict == "wrong"
        }


def test_honest_rows_stand_and_are_merged_as_they_are(store, tmp_path):
    found = merge(tmp_path / "all", [store])
    assert (found.added, found.there, found.refuted, found.unjudged) == (4, 0, (), 0)
    with Store(store) as one, Store(tmp_path / "all") as other:
        assert one.rows() == other.rows()
    assert check_library(["tiny"], [store]).rows == 4


PROVED = (
    "UPDATE runs SET status = 'optimal', bound = objective, gap = 0 WHERE method = 'device-only'"
)
CASES = {
    "a baseline proved": (PROVED, "proves nothing"),
    "a cheaper objective": (
        "UPDATE runs SET objective = objective / 2, objective_claimed = objective / 2",
        "for a plan that costs",
    ),
    "another figure than its own": (
        "UPDATE runs SET objective = objective / 2 WHERE method = 'device-only'",
        "for a plan that costs",
    ),
    "no gap": ("UPDATE runs SET gap = 0.5 WHERE method = 'brute-force'", "a gap of 0.5"),
    "infeasible": (
        "UPDATE runs SET status = 'infeasible', objective = NULL, objective_claimed = NULL, "
        "gap = NULL, bound = NULL WHERE method = 'brute-force' AND problem = 'cift'",
        "claims that there is no plan",
    ),
    "a bound above": (
        "UPDATE runs SET bound = 2 * objective, gap = -1 WHERE method = 'brute-force'",
        "is above a plan",
    ),
}


@pytest.mark.parametrize(("sql", "says"), CASES.values(), ids=CASES)
def test_an_update_is_seen_when_merged_and_when_checked(store, tmp_path, sql, says):
    update(store, sql)
    found = merge(tmp_path / "all", [store])
    assert found.added == 4
    assert found.refuted
    assert all(says in row.verdict_reason for row in found.refuted)
    assert wrong(tmp_path / "all") == {
        (r.method, r.problem): r.verdict_reason for r in found.refuted
    }
    # The source is as it was, and so is what is taken on trust.
    assert wrong(store) == {}
    assert merge(tmp_path / "trusted", [store], trust=True).refuted == ()
    assert wrong(tmp_path / "trusted") == {}
    kinds = {(f.kind, says in f.statement) for f in check_library(["tiny"], [store]).findings}
    assert ("judged wrong", True) in kinds


def test_a_marked_row_has_the_judges_figures(store, honest, tmp_path):
    update(store, "UPDATE runs SET objective = objective / 2, violations = '[]'")
    merge(tmp_path / "all", [store])
    with Store(honest) as one, Store(tmp_path / "all") as other:
        assert [r.objective for r in one.rows()] == [r.objective for r in other.rows()]


def test_a_plan_of_another_instance_is_seen(store, tmp_path):
    with Store(store) as held:
        plans = {r.problem: r.plan for r in held.rows() if r.method == "brute-force"}
    plan = plans["mepra"] | {"shares": [0.9, 0.9]}
    repack(store, "device-only", plan=plan)
    found = merge(tmp_path / "all", [store])
    assert {(r.method, r.problem) for r in found.refuted} == {
        ("device-only", "mepra"),
        ("device-only", "cift"),
    }


def test_rows_of_an_instance_that_is_not_there_are_counted(store, tmp_path):
    update(store, "UPDATE instances SET document = NULL WHERE problem = 'mepra'")
    # Nor is one believed that is not what its hash says.
    update(
        store, "UPDATE instances SET document = ? WHERE problem = 'cift'", (zlib.compress(b"{}"),)
    )
    update(store, PROVED)
    found = merge(tmp_path / "all", [store])
    assert found.unjudged == 4
    # What a baseline cannot say needs no instance.
    assert {r.method for r in found.refuted} == {"device-only"}
    with Store(tmp_path / "all") as merged:
        assert [merged.instance_document(e["hash"]) for e in merged.instances()] == [None, None]


BROKEN = {
    "objective": ("1e999", "a finite number"),
    "bound": ("'low'", "a finite number"),
    "seed": ("-1", "an integer >= 0"),
    "wall_time_s": ("-1.0", "seconds"),
    "solve_time_s": ("x'00'", "seconds"),
    "termination": ("'won'", "one of solved"),
    "verdict": ("'true'", "one of right"),
    "status": ("NULL", "one of optimal"),
    "statistics": ("'[1'", "a JSON object"),
    "violations": ("'{}'", "a JSON list"),
    "method": ("'../x'", ".*letters"),
    "detail": ("hex(zeroblob(100000))", "a text of at most"),
}


@pytest.mark.parametrize("field", BROKEN)
def test_what_no_row_can_hold_is_refused_before_anything_is_written(store, tmp_path, field):
    value, allowed = BROKEN[field]
    update(store, f"UPDATE runs SET {field} = {value} WHERE id = 2")
    for call in (
        lambda: merge(tmp_path / "all", [store]),
        lambda: merge(tmp_path / "all", [store], trust=True),
        lambda: check_library(["tiny"], [store]),
    ):
        with pytest.raises(InputError, match=rf"runs: .*{field}: .*expected {allowed}"):
            call()
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"trajectory": [[0.0, "x", None]]},
        {"trajectory": [[0.0, math.inf, None]]},
        {"trajectory": 7},
        {"plan": []},
        {"stdout": 7},
    ],
)
def test_a_payload_that_is_none_is_refused(store, tmp_path, changes):
    repack(store, "device-only", **changes)
    with pytest.raises(InputError, match=r": payloads: \w+: "):
        merge(tmp_path / "all", [store])


def test_the_command_says_it_and_ends_with_1(store, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(cli, ["merge", str(store), "--out", *arguments])

    assert run(str(tmp_path / "one")).exit_code == 0
    update(store, PROVED)
    done = run(str(tmp_path / "two"))
    assert done.exit_code == 1
    assert "refuted: two-devices: device-only (seed 0): device-only proves nothing" in done.output
    assert run(str(tmp_path / "three"), "--trust").exit_code == 0
    document = json.loads(run(str(tmp_path / "four"), "--json").stdout)
    assert {entry["method"] for entry in document["refuted"]} == {"device-only"}


# -- workers ---------------------------------------------------------------------------------


@pytest.fixture
def intake(honest, tmp_path):
    """Return a function that has a runner take a row, as a worker sends it; and an honest row."""
    with Store(honest) as held:
        rows = {row.method: row for row in held.rows() if row.instance_name == CHEAP}
    row = rows["device-only"]
    run = SimpleNamespace(
        **{n: getattr(row, n) for n in ("key", "instance_hash", "instance_name", "problem")},
        method=row.method,
        versionless_key=row.versionless_key,
        source=None,
        version=None,
        instance=CHEAP,
        target="",
    )
    with Store(tmp_path / "taken", create=True) as store:
        queue = RunQueue(store, RunPlan([]), None)
        work = ClusterWork(queue, RunPlan([]), SimpleNamespace(kind="local"))

        def take(**changes):
            text = write_answer(Answer(dataclasses.replace(row, **changes), {"python": "3"}))
            given = SimpleNamespace(run=run, address="w", begin=0.0, jobs=1, jobs_on_machine=1)
            work._given["name"] = given
            work._take("name", read_answer(text))
            (stored,) = store.rows()
            return stored

        yield row, take


def test_a_workers_verdict_is_not_believed(intake):
    row, take = intake
    stored = take(
        objective=row.objective / 2, verdict="right", violations=(), status="optimal", gap=0.0
    )
    assert stored.verdict == "wrong"
    assert stored.objective == row.objective


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": 7}, "another run"),
        ({"options": {"a": 1}}, "another run"),
        ({"time_limit_s": 7.0}, "another run"),
        ({"method": "jqodi"}, "another run"),
        ({"termination": "won"}, "termination"),
        ({"wall_time_s": -1.0}, "wall_time_s"),
        ({"bound": 10**400}, "too large"),
        ({"options": []}, "options"),
        ({"seed": [1]}, "row"),
    ],
)
def test_a_worker_that_sends_what_cannot_be_is_named(intake, changes, says):
    _, take = intake
    with pytest.raises(ClusterError, match=f"worker w.*({says})"):
        take(**changes)


def test_infinite_figures_of_a_worker_are_refused(intake):
    row, _ = intake
    document = row.to_document() | {"objective_claimed": math.inf}
    text = json.dumps({"row": document, "environment": {}, "stopped": False, "error": None})
    with pytest.raises(ValueError, match="Infinity is no number"):
        read_answer(text)


def test_each_distinct_plan_is_judged_once(store, tmp_path, monkeypatch):
    """A thousand seeds of a method without chance cost as much as one."""
    connection = sqlite3.connect(store / "runs.sqlite")
    with connection:
        names = [c[1] for c in connection.execute("PRAGMA table_info(runs)") if c[1] != "id"]
        rest = ", ".join(n for n in names if n not in ("key", "seed"))
        for seed in range(1, 50):
            connection.execute(
                f"INSERT INTO runs (key, seed, {rest}) SELECT key || ?, ?, {rest} FROM runs "
                "WHERE seed = 0",
                (seed, seed),
            )
            connection.execute(
                "INSERT INTO payloads (key, document) SELECT key || ?, document FROM payloads "
                "WHERE length(key) = 64",
                (seed,),
            )
        unseal(connection)
    connection.close()
    calls = []
    judge = merging.Again.refuted
    monkeypatch.setattr(
        merging.Again, "refuted", lambda self, row: calls.append(row.key) or judge(self, row)
    )
    found = merge(tmp_path / "all", [store])
    assert (found.added, found.refuted) == (200, ())
    assert len(calls) == 4
