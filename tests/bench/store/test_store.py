"""The store: nothing lost, nothing twice, whoever dies and whoever else writes."""

import dataclasses
import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
import threading

import pytest
from running import plan, run_set
from stores import OLD_STORES, restore

from splitopt.bench.methods.registry import METHODS
from splitopt.bench.runs.cluster.payload import Answer, read_answer, write_answer
from splitopt.bench.store import locked
from splitopt.bench.store import schema as store_schema
from splitopt.bench.store.environment import describe
from splitopt.bench.store.processes import birth, lives
from splitopt.bench.store.rows import Limits, Row, run_key
from splitopt.bench.store.store import LEASE_S, BestKnown, Claim, Store, StoreError, making
from splitopt.bench.verdicts.merge import merge
from splitopt.instances.core.errors import InputError


def row(key="a" * 64, **changes):
    filled = Row(
        key=key,
        instance_hash="b" * 64,
        instance_name="one",
        problem="mepra",
        method="m",
        options={"epsilon": 0.1},
        seed=2**62,
        repetition=0,
        time_limit_s=1.0,
        grace_s=2.0,
        cpu_limit_s=None,
        memory_limit_bytes=None,
        threads=1,
        relative_gap=1e-6,
        jobs=2,
        cores=(0,),
        load_average=0.5,
        enforced={"wall": "killed from outside"},
        not_enforced={},
        environment_hash="c" * 64,
        started_at="2026-01-01T00:00:00.000+00:00",
        termination="solved",
        status="feasible",
        detail=None,
        solve_time_s=0.1,
        wall_time_s=0.2,
        cpu_time_s=0.1,
        peak_memory_bytes=1 << 40,
        overhead_s=0.01,
        objective=1.0,
        objective_claimed=1.0,
        bound=None,
        gap=None,
        guarantee={"kind": "none", "factor": None},
        verdict="right",
        verdict_reason=None,
        violations=({"constraint": "memory", "where": "x"},),
        trajectory=((0.0, None, 0.5), (0.1, 1.0, 0.5)),
        statistics={"nodes": 3},
        plan={"format": "p"},
        stdout="out",
        stdout_bytes=3,
        stderr="",
        stderr_bytes=0,
    )
    return dataclasses.replace(filled, **changes)


def test_a_locked_store_is_waited_for_and_that_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(locked, "_SILENT_S", 0.05)
    path = tmp_path / "runs.sqlite"
    with Store(tmp_path, create=True) as store:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.rollback)
        timer.start()
        store.forget(["nothing"])
        timer.join()
        assert capsys.readouterr().err == (
            f"splitopt: waiting for {path}, which another process has locked; given up in 60 s\n"
        )
        monkeypatch.setattr(locked, "PATIENCE_S", 0.1)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="database is locked"):
            store.forget(["nothing"])
        other.close()
        store.forget(["nothing"])
        assert "waiting" in capsys.readouterr().err


def test_a_row_comes_back_as_it_was(tmp_path):
    with Store(tmp_path, create=True) as store:
        assert store.add(row())
        assert store.rows() == [row()]
        light = dataclasses.replace(row(), trajectory=(), plan=None, stdout="", stderr="")
        assert store.rows(heavy=False) == [light]
    # Another process, later.
    with Store(tmp_path) as store:
        assert store.rows() == [row()]
        assert store.keys() == {row().key: "solved"}


def test_the_first_row_of_a_key_stays(tmp_path):
    with Store(tmp_path, create=True) as store:
        assert store.add(row())
        assert not store.add(row(objective=2.0))
        assert [r.objective for r in store.rows()] == [1.0]


def test_half_a_character_does_not_stop_a_row(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.add(row(detail="bad \ud800 text", statistics={"x": "\ud800"}))
        assert store.rows()[0].detail == "bad ? text"


def test_reading_needs_a_store(tmp_path):
    with pytest.raises(InputError, match="splitopt run"):
        Store(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_claim_is_held_by_one(tmp_path):
    with Store(tmp_path, create=True) as first, Store(tmp_path) as second:
        assert first.claim("k") is Claim.MINE
        assert first.claim("k") is Claim.MINE
        assert second.claim("k") is Claim.TAKEN
        assert second.claimed() == 1
        first.release("k")
        assert second.claim("k") is Claim.MINE
        second.add(row(key="k"))
        assert first.claim("k") is Claim.DONE
        assert second.claimed() == 0


def test_closing_gives_claims_back(tmp_path):
    with Store(tmp_path, create=True) as first:
        first.claim("k")
    with Store(tmp_path) as second:
        assert second.claim("k") is Claim.MINE


def test_the_claims_of_a_dead_runner_are_taken_over(tmp_path):
    with Store(tmp_path, create=True) as first, Store(tmp_path) as second:
        first.claim("k")
        # As a process that died leaves it: its number belongs to nobody, or to somebody younger.
        with sqlite3.connect(first.path) as connection:
            connection.execute("UPDATE claims SET process_started = process_started - 1000")
        connection.close()
        assert second.claim("k") is Claim.MINE


class Clocks:
    """A clock of the day and a monotonic one, both set by hand."""

    def __init__(self):
        self.day, self.since_start = 1e9, 1e3

    def time(self):
        return self.day

    def monotonic(self):
        return self.since_start

    def wait(self, seconds):
        self.day += seconds
        self.since_start += seconds


@pytest.fixture
def clocks(monkeypatch):
    found = Clocks()
    monkeypatch.setattr("splitopt.bench.store.store.time", found)
    return found


def test_no_step_of_a_clock_makes_a_living_claim_free(tmp_path, clocks):
    """On this host the process decides, however old its claim seems to be."""
    with Store(tmp_path, create=True) as first, Store(tmp_path) as second:
        first.claim("k")
        for step in (86_400.0, -2 * 86_400.0):
            clocks.day += step
            assert second.claim("k") is Claim.TAKEN
            assert second.claimed() == 1
        clocks.wait(10 * LEASE_S)  # it was stopped for so long, and lives
        assert second.claim("k") is Claim.TAKEN


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells ticks")
def test_the_birth_of_a_process_is_not_told_by_the_clock_of_the_day(monkeypatch):
    """What psutil tells is: with a step of the clock it becomes another process."""
    before = birth(os.getpid())
    monkeypatch.setattr("psutil.boot_time", lambda: 1e9)
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: 1e9)
    assert birth(os.getpid()) == before
    assert lives(os.getpid(), before)
    assert not lives(os.getpid(), before - 2)
    assert birth(os.getppid()) <= before


def test_a_zombie_is_over():
    child = subprocess.Popen([sys.executable, "-c", ""])
    born = birth(child.pid)
    assert born is not None
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not lives(child.pid, born)
    child.wait()


def test_the_claims_of_a_runner_elsewhere_last_while_they_change(tmp_path, clocks):
    with Store(tmp_path, create=True) as first, Store(tmp_path) as second:
        first._host = "another machine"
        first.claim("k")
        assert second.claim("k") is Claim.TAKEN
        # Steps of either clock of the day are no time.
        for step in (86_400.0, -2 * 86_400.0):
            clocks.day += step
            assert second.claim("k") is Claim.TAKEN
        for _ in range(20):
            clocks.wait(LEASE_S / 5)
            if _ % 2:
                first.renew()
            assert second.claim("k") is Claim.TAKEN
        # Silent from now on: for as long as a lease it is waited for.
        begin = clocks.since_start
        while second.claim("k") is Claim.TAKEN:
            clocks.wait(1.0)
        assert LEASE_S <= clocks.since_start - begin + LEASE_S / 5 <= LEASE_S + LEASE_S / 5 + 1


def test_a_machine_that_was_paused_takes_no_claim_of_another(tmp_path, clocks):
    """When it goes on, so may the other: it gets the time to say so."""
    with Store(tmp_path, create=True) as first, Store(tmp_path) as second:
        first._host = "a container on this machine"
        first.claim("k")
        assert second.claim("k") is Claim.TAKEN
        clocks.wait(100 * LEASE_S)
        assert second.claim("k") is Claim.TAKEN
        first.renew()
        clocks.wait(LEASE_S - 1)
        assert second.claim("k") is Claim.TAKEN


def test_a_store_that_was_removed_or_replaced_takes_no_row(tmp_path):
    store = Store(tmp_path / "a", create=True)
    store.claim("k")
    (tmp_path / "a").rename(tmp_path / "b")
    for change in (lambda: store.add(row()), store.renew, lambda: store.claim("l")):
        with pytest.raises(StoreError, match="removed or replaced while runs went on"):
            change()
    with Store(tmp_path / "a", create=True) as other:  # somebody else's
        with pytest.raises(StoreError, match="removed or replaced"):
            store.require_there()
        assert other.count() == 0
    store.close()


def test_what_was_put_in_the_place_of_a_removed_store_is_left_alone(tmp_path):
    def replace(first):
        (tmp_path / "a").rename(tmp_path / "b")
        Store(tmp_path / "a", create=True).close()
        first.require_there()

    with pytest.raises(StoreError), making(tmp_path / "a") as first:
        replace(first)
    assert (tmp_path / "a" / "runs.sqlite").exists()


def test_forgotten_rows_take_their_payload_along(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.add(row())
        store.forget([row().key])
        assert store.rows() == []
        assert store.add(row())


def test_what_rows_refer_to_comes_back(tmp_path):
    with Store(tmp_path, create=True) as store:
        key = store.put_environment({"python": "3"})
        assert store.put_environment({"python": "3"}) == key
        assert store.environments() == {key: {"python": "3"}}
        store.put_instance("h", "name", "mepra", "name", b"{}")
        assert store.instance_document("h") == b"{}"
        assert store.has_instance("h")
        assert not store.has_instance("other")
        store.put_best_known("h", BestKnown(2.0, 1.0, source="paper"))
        store.put_best_known("h", BestKnown(1.5, 1.0, source="paper"))
        assert store.best_known() == {"h": BestKnown(1.5, 1.0, source="paper")}
        store.put_call("then", {"command": ["splitopt", "run"]})
        assert store.calls() == [{"started_at": "then", "command": ["splitopt", "run"]}]


def test_a_newer_store_is_refused(tmp_path):
    with Store(tmp_path, create=True) as store:
        path = store.path
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {store_schema.VERSION + 1}")
    connection.close()
    with pytest.raises(InputError, match="update splitopt"):
        Store(tmp_path)


def test_an_older_store_is_migrated_step_by_step_and_keeps_its_rows(tmp_path, monkeypatch):
    with Store(tmp_path, create=True) as store:
        store.add(row())
    version = store_schema.VERSION
    steps = []

    def first(connection):
        steps.append(1)
        connection.execute("CREATE TABLE added (x)")

    def second(connection):
        steps.append(2)
        connection.execute("INSERT INTO added VALUES (7)")

    monkeypatch.setattr(store_schema, "VERSION", version + 2)
    monkeypatch.setattr(store_schema, "MIGRATIONS", {version: first, version + 1: second})
    with Store(tmp_path) as store:
        assert steps == [1, 2]
        assert store._query("SELECT x FROM added")[0]["x"] == 7
        assert store.rows() == [row()]
    with Store(tmp_path):
        assert steps == [1, 2]


def test_every_older_version_has_a_store_to_migrate():
    kept = {path.name for path in OLD_STORES.glob("version-*.sql")}
    assert kept == {f"version-{number}.sql" for number in range(1, store_schema.VERSION)}


CALLS = {
    1: ("even-shares,single-cut,brute-force,random", 12),
    2: ("even-shares,single-cut,random", 8),
    3: ("even-shares,single-cut,random", 8),
}


@pytest.mark.parametrize("version", CALLS)
def test_runs_of_our_methods_in_an_older_store_are_done(tmp_path, version):
    """The key of a built-in method's run is what it always was."""
    restore(version, tmp_path)
    methods, count = CALLS[version]
    chosen = plan(
        ["mepra-image-10mbps", "cift-tiny-both"],
        methods.split(","),
        tmp_path,
        time_limit_s=5.0,
        seeds=(0, 1),
        options={"random": {"samples": 20}},
    )
    assert (len(chosen), len(chosen.done), chosen.changed) == (count, count, {})


# What wrote the rows of `own` in the store of version 2, which does not say so.
OWN = """
from splitopt.heuristics.baselines.mepra.even import EVEN_SHARES

class Own:
    name, problem, options = "own", "mepra", ()
    supports, solve = EVEN_SHARES.supports, EVEN_SHARES.solve

METHOD = Own()
"""


def test_runs_of_a_plugin_whose_code_was_not_recorded_are_done_again(tmp_path, monkeypatch):
    restore(2, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own.py").write_text(OWN)
    settings = {"time_limit_s": 5.0, "seeds": (0, 1), "plugins": ("own:METHOD",)}
    summary = run_set(["mepra-image-10mbps"], ["own", "even-shares"], tmp_path, **settings)
    assert (summary.done_before, summary.done_now, summary.changed) == (2, 2, {"own": 2})
    with Store(tmp_path) as store:
        codes = [row.method_source for row in store.rows() if row.method == "own"]
    assert codes[:2] == [None, None]
    assert codes[2] == codes[3]
    assert codes[2] is not None
    again = run_set(["mepra-image-10mbps"], ["own", "even-shares"], tmp_path, **settings)
    assert (again.done_before, again.done_now) == (4, 0)


def test_a_store_of_version_1_is_opened_and_read_in_full(tmp_path):
    old = restore(1, tmp_path)
    with Store(tmp_path) as store:
        rows = store.rows()
        assert store._query("PRAGMA user_version")[0][0] == store_schema.VERSION
        assert store.progress() == (0, 0)  # what its call had planned was not stored then
        assert [call["time_limit_s"] for call in store.calls()] == [5.0]
        assert set(store.environments()) == {row.environment_hash for row in rows}
        for entry in store.instances():
            assert store.instance_document(entry["hash"])
        assert store._query("PRAGMA integrity_check")[0][0] == "ok"
        assert store._query("PRAGMA foreign_key_check") == []
    assert len(rows) == len(old) == 12
    for row, found in zip(rows, old, strict=True):
        for name in ("key", "method", "seed", "jobs", "objective", "bound", "verdict", "status"):
            assert getattr(row, name) == found[name]
        assert row.jobs_on_machine == row.jobs == 1
        assert row.cluster is None
        assert row.plan is not None
        # One that found no feasible plan has no incumbent to record.
        assert bool(row.trajectory) == (row.status != "none")
    best = {row.instance_name: row.objective for row in rows if row.status == "optimal"}
    assert best == {
        "mepra-image-10mbps": 1.227671161648494,
        "cift-tiny-both": 16095.398460626542,
    }


def test_a_migrated_store_is_the_same_as_a_new_one(tmp_path):
    """Columns and tables, whatever order they came in."""

    def tables(folder):
        with Store(folder, create=True) as store:
            names = [r["name"] for r in store._query("SELECT name FROM sqlite_master")]
            return {
                name: {
                    (column["name"], column["type"], column["notnull"], column["pk"])
                    for column in store._query(f"PRAGMA table_info({name})")
                }
                for name in names
            }

    for version in range(1, store_schema.VERSION):
        folder = tmp_path / str(version)
        folder.mkdir()
        restore(version, folder)
        assert tables(folder) == tables(tmp_path / "new")


def test_a_run_of_an_old_store_goes_on_where_it_was(tmp_path):
    restore(1, tmp_path)
    with Store(tmp_path) as store:
        (first, *_) = store.rows()
        assert not store.add(dataclasses.replace(first, objective=0.0))
        assert store.add(dataclasses.replace(first, key="f" * 64, jobs_on_machine=3, cluster="x"))
        assert len(store.rows()) == 13
        assert (store.rows()[-1].jobs_on_machine, store.rows()[-1].cluster) == (3, "x")


def test_progress_counts_the_runs_of_the_last_call(tmp_path):
    with Store(tmp_path, create=True) as store:
        assert store.progress() == (0, 0)
        store.put_call("first", {}, ["a", "b", "c"])
        store.add(row(key="a"))
        assert store.progress() == (1, 3)
        store.put_call("second", {}, ["a", "d"])
        assert store.progress() == (1, 2)
        store.add(row(key="d"))
        store.add(row(key="b"))
        assert store.progress() == (2, 2)


def test_a_failed_migration_changes_nothing(tmp_path, monkeypatch):
    with Store(tmp_path, create=True) as store:
        store.add(row())
    version = store_schema.VERSION

    def broken(connection):
        connection.execute("DROP TABLE payloads")
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(store_schema, "VERSION", version + 1)
        patch.setattr(store_schema, "MIGRATIONS", {version: broken})
        with pytest.raises(RuntimeError, match="no"):
            Store(tmp_path)
    with Store(tmp_path) as store:
        assert store.rows() == [row()]


def test_every_option_seed_and_limit_makes_another_run():
    base = {
        "instance_hash": "h",
        "method": "m",
        "options": {"a": 1},
        "seed": 0,
        "repetition": 0,
        "limits": Limits(10, 2),
    }
    changed = [
        {"instance_hash": "i"},
        {"method": "n"},
        {"options": {"a": 2}},
        {"seed": 1},
        {"repetition": 1},
        {"source": "1"},
        {"version": "1"},
        {"source": "1", "version": "1"},
        *(
            {"limits": limits}
            for limits in (
                Limits(11, 2),
                Limits(10, 3),
                Limits(10, 2, cpu_limit_s=5),
                Limits(10, 2, memory_limit_bytes=1 << 30),
                Limits(10, 2, threads=2),
                Limits(10, 2, relative_gap=0.01),
            )
        ),
    ]
    keys = {run_key(**base), *(run_key(**(base | change)) for change in changed)}
    assert len(keys) == 1 + len(changed)
    # 10 and 10.0 are one limit.
    assert run_key(**base) == run_key(**(base | {"limits": Limits(10.0, 2.0)}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_limit_s", -1.0),
        ("time_limit_s", float("nan")),
        ("time_limit_s", float("inf")),
        ("grace_s", -0.1),
        ("memory_limit_bytes", 10),
        ("threads", 0),
    ],
)
def test_limits_say_what_is_wrong(field, value):
    with pytest.raises(InputError, match=field):
        Limits(**({"time_limit_s": 1.0, "grace_s": 1.0} | {field: value}))


@pytest.mark.parametrize("field", ["method", "instance_name", "problem", "instance_hash"])
@pytest.mark.parametrize("name", ["../../x", "a\nb", "a\x1b[2J", "", None])
def test_a_row_with_what_is_no_name_is_refused(tmp_path, field, name):
    """Names become parts of file names and lines of tables, whether a store or a worker says so."""
    bad = row(**{field: name})
    with pytest.raises(InputError, match=f"^{field}: ") as caught:
        read_answer(write_answer(Answer(bad)))
    assert str(caught.value).isprintable()
    with Store(tmp_path, create=True) as store:
        store.add(bad)
        with pytest.raises(InputError, match=rf": runs: (.*: )?{field}: "):
            store.rows()
    for worse in (7, [], {}):
        answer = json.dumps({"row": row().to_document() | {field: worse}})
        with pytest.raises(InputError, match=f"^{field}: "):
            read_answer(answer)


def test_every_reading_takes_the_name_of_a_method_by_file(tmp_path):
    """`status`, `merge` and `check --results` refused stores whose rows `report` could read."""
    name = "flow@highs==1.16.0"
    with Store(tmp_path / "in", create=True) as store:
        store.add(row(method=name, options={}))
        assert [one.method for one in store.rows()] == [name]
        assert [one.method for one in store.outcomes()] == [name]
    assert merge(tmp_path / "out", [tmp_path / "in"], trust=True).added == 1


def test_environments_hold_the_version_of_every_solver_that_is_called():
    """What a row was measured with is nowhere else."""
    called = {entry.solver for entry in METHODS if entry.solver is not None} | {"pymoo"}
    there = {package for package in called if importlib.util.find_spec(package) is not None}
    assert {"highspy", "ortools", "pyscipopt"} <= there <= describe()["versions"].keys()
