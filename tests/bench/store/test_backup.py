"""A backup in mid-run holds every row stored by then, and is one whole file."""

import contextlib
import shutil
import sqlite3
import threading

import pytest
from click.testing import CliRunner
from stores import restore, row

from splitopt.bench.cli import cli
from splitopt.bench.store import backup as module
from splitopt.bench.store.backup import backup
from splitopt.bench.store.store import Store
from splitopt.instances.core.errors import InputError


def whole(file):
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute("SELECT COUNT(*), COUNT(document) FROM runs "
                                  "LEFT JOIN payloads USING (key)").fetchone()  # fmt: skip


def test_a_backup_has_what_a_copy_of_the_file_has_not(tmp_path):
    saved = tmp_path / "saved" / "runs.sqlite"
    with Store(tmp_path / "out", create=True) as store:
        for seed in range(5):
            store.add(row("m", seed))
        store.claim("in progress")
        # What the docs warn of: the rows are in the log.
        (tmp_path / "copy").mkdir()
        shutil.copy(store.path, tmp_path / "copy" / "runs.sqlite")
        assert backup(tmp_path / "out", saved) == 5
        assert store.claimed() == 1
        rows = store.rows()
    with pytest.raises(InputError):
        Store(tmp_path / "copy", readonly=True)
    assert whole(saved) == (5, 5)
    assert [path.name for path in saved.parent.iterdir()] == ["runs.sqlite"]
    with Store(saved.parent, readonly=True) as store:
        assert store.rows() == rows
        assert store.claimed() == 0


def test_backups_while_rows_are_written(tmp_path):
    saved = tmp_path / "runs.sqlite"
    over = threading.Event()

    def write():
        with Store(tmp_path / "out") as store:
            for seed in range(400):
                store.add(row("m", seed, stderr="x" * 5000))
        over.set()

    Store(tmp_path / "out", create=True).close()
    thread = threading.Thread(target=write)
    thread.start()
    counts = []
    while not over.is_set():
        count = backup(tmp_path / "out", saved)
        assert whole(saved) == (count, count)
        counts.append(count)
    thread.join()
    assert counts == sorted(counts)
    assert backup(tmp_path / "out", saved) == 400


def test_an_older_store_is_left_as_it_is(tmp_path):
    restore(1, tmp_path)
    before = (tmp_path / "runs.sqlite").read_bytes()
    assert backup(tmp_path, tmp_path / "saved" / "runs.sqlite") > 0
    assert (tmp_path / "runs.sqlite").read_bytes() == before
    with Store(tmp_path, readonly=True) as one, Store(tmp_path / "saved") as other:
        assert one.rows() == other.rows()


def test_nothing_else_is_replaced(tmp_path):
    with Store(tmp_path / "out", create=True) as store:
        store.add(row())
    (tmp_path / "mine.txt").write_text("mine")
    with contextlib.closing(sqlite3.connect(tmp_path / "mine.sqlite")) as connection:
        connection.execute("CREATE TABLE mine (x)")
    for name in ("mine.txt", "mine.sqlite", "out/runs.sqlite", "out"):
        before = (tmp_path / name).read_bytes() if name != "out" else b""
        done = CliRunner().invoke(cli, ["backup", str(tmp_path / "out"), str(tmp_path / name)])
        assert done.exit_code == 2, done.output
        assert done.output.startswith("splitopt: error: FILE: ")
        assert name == "out" or (tmp_path / name).read_bytes() == before
    done = CliRunner().invoke(cli, ["backup", str(tmp_path / "none"), str(tmp_path / "x.sqlite")])
    assert done.exit_code == 2
    assert not (tmp_path / "x.sqlite").exists()


def test_a_backup_that_fails_leaves_the_earlier_one(tmp_path, monkeypatch):
    with Store(tmp_path / "out", create=True) as store:
        store.add(row())
    saved = tmp_path / "saved" / "runs.sqlite"
    backup(tmp_path / "out", saved)
    before = saved.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.Store, "copy_into", full)
    with pytest.raises(OSError, match="No space"):
        backup(tmp_path / "out", saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
