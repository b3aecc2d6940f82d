"""Exit codes are those of docs/commands.md, and what is refused leaves nothing behind."""

import contextlib
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from stores import fill, row

from splitopt.bench.cli import cli
from splitopt.bench.runs.work import Work
from splitopt.bench.store.store import Store, StoreError, making
from splitopt.instances.core.errors import InputError

PLUGINS = Path(__file__).parents[1] / "plugins"


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Return a function that calls the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(PLUGINS)])

    def call(*arguments):
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return call


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


RUN = ("run", "mepra-image-10mbps", "--out", "new/out")
BAD = {
    "no run at all": (*RUN, "-m", "fin"),
    "an option of a method without a run": (*RUN, "-m", "single-cut", "-o", "single-cut.x=1"),
    "a scheduler in the open": (*RUN, "-m", "even-shares", "--cluster", "tcp://10.0.0.1:1"),
    "no method": (*RUN, "-m", "none-such"),
    "no plugin": (*RUN, "-m", "even-shares", "--plugin", "none_such:METHOD"),
    "no instance": ("run", "none-such", "-m", "even-shares", "--out", "new/out"),
    "no file": ("run", "none.json", "-m", "even-shares", "--out", "new/out"),
    "an option": (*RUN, "-m", "random", "-o", "random.samples=-1"),
    "seeds": (*RUN, "-m", "even-shares", "--seeds", "2..1"),
    "jobs": (*RUN, "-m", "even-shares", "--jobs", "0"),
    "a limit": (*RUN, "-m", "even-shares", "--time-limit", "nan"),
    "retry": (*RUN, "-m", "even-shares", "--retry", "lost"),
    "a queue without options": (*RUN, "-m", "even-shares", "--cluster", "slurm:2"),
    "no source": ("merge", "none", "--out", "new/out"),
    "a damaged source": ("merge", "damaged", "--out", "new/out"),
    "nothing to verify": ("verify", "--set", "none-such", "--out", "new/out"),
    "no pair": ("epochs", "--pair", "none-such", "--out", "new/out"),
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_leaves_nothing(invoke, tmp_path, arguments):
    fill(tmp_path / "damaged", [row(wall_time_s=-1.0)])
    done = invoke(*arguments)
    assert done.exit_code == 2, done.output
    # What takes long says so on the way.
    lines = [line for line in done.output.splitlines() if " s: 0 of 1 runs" not in line]
    assert len(lines) == 1
    assert lines[0].startswith("splitopt: error: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged"]


def test_no_scheduler_is_no_bad_input_and_leaves_nothing(invoke, tmp_path, monkeypatch):
    connect = pytest.importorskip("splitopt.bench.runs.cluster.connect")
    monkeypatch.setattr(connect, "_CONNECT_S", 0.5)
    done = invoke(*RUN, "-m", "even-shares", "--cluster", f"tcp://127.0.0.1:{free_port()}")
    assert done.exit_code == 1, done.output
    assert done.output.startswith("splitopt: error: no Dask scheduler answers at tcp://127.0.0.1:")
    assert done.output.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def attempt(folder, work, error):
    """Work on a store, and fail."""
    with making(folder) as store:
        work(store)
        raise error


def test_a_store_that_has_a_row_or_a_runner_stays(tmp_path):
    for error in (InputError("a", 1, "b", "c"), StoreError("full"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            attempt(tmp_path / "new" / "out", lambda store: store.put_call("now", {}), error)
        assert list(tmp_path.iterdir()) == []
    full = StoreError("full")
    out = tmp_path / "out"
    with pytest.raises(StoreError):
        attempt(out, lambda store: store.add(row()), full)
    with Store(out) as store:
        assert store.count() == 1
        store.forget([row().key])
    # One that was there stays, row or not.
    with pytest.raises(StoreError):
        attempt(out, lambda store: None, full)
    assert (out / "runs.sqlite").exists()
    other = tmp_path / "other"
    with contextlib.ExitStack() as second, pytest.raises(StoreError):
        attempt(other, lambda _: second.enter_context(Store(other)).claim("k"), full)
    assert (other / "runs.sqlite").exists()


def test_a_runner_that_fails_before_its_first_row_leaves_nothing(invoke, tmp_path, monkeypatch):
    def fail(self):
        raise StoreError("the disk is full")

    monkeypatch.setattr(Work, "go", fail)
    done = invoke(*RUN, "-m", "even-shares")
    assert done.exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("methods", "code"),
    [
        ("raiser", 1),
        ("raiser,segfault,sleeper", 1),
        ("raiser,honest", 0),
        ("picky", 0),
        ("quitter", 0),
        ("cheat", 1),
    ],
)
def test_all_runs_crashed_is_not_0(invoke, methods, code):
    arguments = ("-m", methods, "--plugin", "rogues:METHODS", "--time-limit", "2", "--grace", "1")
    done = invoke(*RUN, *arguments)
    assert done.exit_code == code, done.output
    assert ("not one run ended in order" in done.output) == methods.startswith("raiser") * code
    said = "no method takes any of these instances: takes no instance called mepra-image-10mbps"
    assert (said in done.output) == (methods == "picky")
    if methods in ("raiser", "picky", "cheat"):
        # Nor is it when the same command finds them done.
        assert invoke(*RUN, *arguments, "--json").exit_code == code
