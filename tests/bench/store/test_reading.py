"""Reading commands write nothing, and read what cannot be written."""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from running import run_set
from stores import OLD_STORES, fill, restore, row

from splitopt.bench.cli import cli
from splitopt.bench.compare.frames import export
from splitopt.bench.report import write_report
from splitopt.bench.store.store import Store
from splitopt.instances.core.errors import InputError


def snapshot(folder):
    """Return what stands in a folder, but for SQLite's memory of a log, which its readers share."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }


def reading(folder, aside):
    """Return every command that reads results, as arguments."""
    return {
        "status": ["status", folder],
        "report": ["report", folder, "--out", aside / "report"],
        "compare": ["compare", folder, folder],
        "export": ["export-runs", folder, aside / "rows.csv"],
        "merge": ["merge", folder, "--out", aside / "merged"],
        "check": ["check", "--library", "--set", "tiny", "--results", folder],
        "dry run": [
            *("run", "mepra-image-10mbps", "-m", "even-shares", "--out", folder, "--dry-run")
        ],
    }


COMMANDS = list(reading(Path(), Path()))


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A store with three rows."""
    out = tmp_path_factory.mktemp("real") / "store"
    settings = {"time_limit_s": 20.0, "seeds": range(3)}
    run_set(["mepra-image-10mbps"], ["even-shares"], out, **settings)
    return out


def killed(folder, real):
    """Make a store as a runner leaves it that was killed: with a log that is not in the file."""
    with Store(real, readonly=True) as store:
        rows = store.rows()
    living = shutil.copytree(real, folder / "living")
    with Store(living) as store:
        store.forget([r.key for r in rows])
        for one in rows:
            store.add(one)
        shutil.copytree(living, folder / "store")
    shutil.rmtree(living)
    return folder / "store"


def closed(folder, real):
    return shutil.copytree(real, folder / "store")


def older(folder, real):
    (folder / "store").mkdir()
    restore(2, folder / "store")
    return folder / "store"


KINDS = {"closed": (closed, 3), "killed": (killed, 3), "older": (older, 10)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_reads_writes_nothing(tmp_path, real, kind, command):
    folder = KINDS[kind][0](tmp_path, real)
    before = snapshot(folder)
    done = CliRunner().invoke(cli, list(map(str, reading(folder, tmp_path)[command])))
    assert done.exit_code == 0, done.output
    assert snapshot(folder) == before


def test_rows_of_an_older_store_are_as_when_it_is_migrated(tmp_path):
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        restore(number, folder)
        with Store(folder, readonly=True) as store:
            rows, progress = store.rows(), store.progress()
        with Store(folder) as store:
            assert store.rows() == rows
            assert store.progress() == progress
        assert rows
    assert len(list(OLD_STORES.glob("*.sql"))) >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_a_strangers_sqlite_file_is_left_alone(tmp_path, command):
    folder = tmp_path / "theirs"
    folder.mkdir()
    connection = sqlite3.connect(folder / "runs.sqlite")
    connection.execute("CREATE TABLE notes (text)")
    connection.commit()
    connection.close()
    before = snapshot(folder)
    done = CliRunner().invoke(cli, list(map(str, reading(folder, tmp_path)[command])))
    assert done.exit_code == 2, done.output
    assert "'another SQLite file'" in done.output
    assert snapshot(folder) == before
    # Nor is it made a store by a command that writes.
    with pytest.raises(InputError, match="another SQLite file"):
        Store(folder, create=True)
    assert snapshot(folder) == before


@pytest.mark.parametrize("data", [b"", b"no database at all, but long enough" * 40, bytes(4096)])
def test_what_is_no_store_is_one_line_and_bad_input(tmp_path, data):
    (tmp_path / "runs.sqlite").write_bytes(data)
    done = CliRunner().invoke(cli, ["status", str(tmp_path)])
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert (tmp_path / "runs.sqlite").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["runs.sqlite"]


@pytest.mark.parametrize(
    "code",
    [
        "CREATE VIEW more AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
        "SELECT x FROM n",
        "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM claims; END",
    ],
)
def test_code_of_others_in_a_store_is_refused(tmp_path, real, code):
    folder = closed(tmp_path, real)
    with contextlib.closing(sqlite3.connect(folder / "runs.sqlite")) as connection:
        connection.execute(code)
        connection.commit()
    for how in ({"readonly": True}, {}, {"create": True}):
        with pytest.raises(InputError, match="another SQLite file"):
            Store(folder, **how)


def test_a_reader_sees_what_a_living_runner_writes(tmp_path):
    folder = fill(tmp_path / "store", [row("m", seed) for seed in range(3)])
    with Store(folder, readonly=True) as reader:
        assert reader.count() == 3
        # A runner comes, writes more than a log holds, and the file under the reader changes.
        with Store(folder) as runner:
            for seed in range(3, 200):
                runner.add(row("m", seed, stderr=os.urandom(4000).hex()))
            assert reader.count() in (3, 200)
            runner._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            assert reader.count() == 200
        assert len(reader.rows()) == 200


def test_writing_into_a_store_open_for_reading_fails(tmp_path, real):
    folder = closed(tmp_path, real)
    with Store(folder, readonly=True) as store, pytest.raises(OSError, match="readonly"):
        store.add(row("m", 9))


def mounted(*arguments):
    """Return whether something could be mounted, which needs the right to do so."""
    command = ["mount", *map(str, arguments)]
    return (
        os.getuid() == 0
        and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )


@contextlib.contextmanager
def closed_to_writing(folder):
    """Make a folder as on a medium that cannot be written; permissions do not hold root back."""
    if os.getuid() != 0:
        modes = {path: path.stat().st_mode for path in (*folder.iterdir(), folder)}
        for path, mode in modes.items():
            path.chmod(mode & 0o555)
        yield
        for path, mode in modes.items():
            path.chmod(mode)
        return
    if not mounted("--bind", folder, folder):
        pytest.skip("needs the right to mount")
    try:
        assert mounted("-o", "remount,ro,bind", folder)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_cannot_be_written_can_be_read(tmp_path, real, kind):
    make, count = KINDS[kind]
    folder = make(tmp_path, real)
    if kind == "killed":
        # As on a medium to which a folder was copied.
        (folder / "runs.sqlite-shm").unlink()
    with closed_to_writing(folder):
        with pytest.raises(OSError, match=r"."):
            (folder / "file").write_text("")
        for command, line in reading(folder, tmp_path).items():
            done = CliRunner().invoke(cli, list(map(str, line)))
            assert done.exit_code == 0, (command, done.output)
        done = CliRunner().invoke(cli, ["report", str(folder)])
        assert done.exit_code == 2
        assert "give --out with another folder" in done.output
    with Store(tmp_path / "merged", readonly=True) as merged, Store(folder, readonly=True) as store:
        assert merged.count() == store.count() == count


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder):
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_does_not_stop_the_export(tmp_path, real, small_disk, kind, monkeypatch):
    """Nor one on which the temporary folder is."""
    make, count = KINDS[kind]
    folder = shutil.copytree(make(tmp_path, real), small_disk / "store")
    rest = os.open(small_disk / "rest", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(rest, bytes(4096)):
            pass
    os.close(rest)
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    rows = export(folder, tmp_path / "elsewhere.csv")
    assert rows == count


def test_a_report_elsewhere_removes_nothing_of_others(tmp_path, real):
    mine = tmp_path / "mine"
    (mine / "instances").mkdir(parents=True)
    (mine / "instances" / "page.html").write_text("mine")
    with pytest.raises(InputError, match=r"^--out: .*a new or empty folder"):
        write_report(real, mine)
    assert (mine / "instances" / "page.html").read_text() == "mine"
    assert write_report(real, tmp_path / "new").exists()
    assert write_report(real, tmp_path / "new").exists()
