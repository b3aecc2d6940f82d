"""What is the machine's fault is told from what is the method's."""

import errno
import os
import signal
import time
from pathlib import Path

import pytest

from splitopt.bench.isolation import machine
from splitopt.bench.isolation.client import Zygote
from splitopt.bench.isolation.machine import RunLostError, ZygoteLostError, doubt, lacking
from splitopt.bench.isolation.neighbours import at_work
from splitopt.bench.isolation.scratch import make_scratch, scratch
from splitopt.bench.isolation.streams import Outcome, Watch
from splitopt.bench.runs.requests import request_of
from splitopt.bench.runs.slot import Slot
from splitopt.bench.store.rows import Limits, PlannedRun
from splitopt.bench.store.temporary import make_temporary, sweep, temporary
from splitopt.instances.judge import read_instance


def of(number):
    return OSError(number, os.strerror(number))


def caused(error, by):
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (of(errno.ENOSPC), True),
        (of(errno.EROFS), True),
        (of(errno.EAGAIN), True),  # a process or a thread was refused
        (of(errno.ENFILE), True),  # open files of the whole system
        (RuntimeError("can't start new thread"), True),
        (caused(ValueError("no model"), by=of(errno.ENOSPC)), True),
        (of(errno.EMFILE), False),  # its own open files
        (of(errno.ENOENT), False),
        (of(errno.EFBIG), False),  # its own limit
        (MemoryError(), False),
        (ValueError("No space left on device"), False),
    ],
)
def test_which_errors_say_that_the_machine_lacks_something(error, lacks):
    assert (lacking(error) is not None) == lacks


def ended(**changes):
    return Outcome(ready=True, started=True, solve_wall_s=1.0, exit_status=0, **changes)


RESULT = {"kind": "result", "solve_time_s": 1.0}
NO_ROOM = {"kind": "error", "type": "OSError", "message": "x", "lacking": "No space left on device"}


@pytest.mark.parametrize(
    ("outcome", "tries", "own"),
    [
        (ended(message=RESULT), None, None),
        (ended(message={"kind": "error", "message": "x", "lacking": None}), None, None),
        (ended(message=NO_ROOM), 2, True),
        (ended(message=NO_ROOM | {"ours": True}), 2, False),
        # Before the first code of the method's nothing is its fault.
        (Outcome(exit_status=70 << 8), 2, False),
        (Outcome(exit_status=signal.SIGKILL), 2, False),
        # Whole jobs are ended by these; the kernel out of memory uses SIGKILL, on the run.
        (Outcome(ready=True, exit_status=signal.SIGTERM), 2, True),
        (Outcome(ready=True, exit_status=signal.SIGKILL), None, None),
        (Outcome(ready=True, exit_status=signal.SIGSEGV), None, None),
        # Nobody watched: whether it ended in time is not known.
        (ended(message=RESULT, unwatched_s=1.1), 3, False),
        (ended(message=RESULT, unwatched_s=0.9), None, None),
        (ended(killed_for="time", unwatched_s=5.0), 3, False),
        (ended(killed_for="time", unwatched_s=0.9), None, None),
        (ended(killed_for="memory", unwatched_s=5.0), None, None),
    ],
)
def test_which_endings_are_doubted(outcome, tries, own):
    found = doubt(outcome, Watch(time_limit_s=10.0), outcome.solve_wall_s)
    assert (found and found.tries, found and found.own) == (tries, own)


def test_a_run_that_is_late_only_because_nobody_watched_is_doubted():
    for slept, doubted in ((0.0, False), (0.4, False), (0.6, True)):
        outcome = ended(message=RESULT, unwatched_s=slept)
        found = doubt(outcome, Watch(time_limit_s=10.0), 10.5)
        assert (found is not None) == doubted


def test_a_look_tells_room_and_processes(monkeypatch, tmp_path):
    machine.look()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(OSError, match="gone"):
        machine.look()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.fork", lambda: (_ for _ in ()).throw(of(errno.EAGAIN)))
    with pytest.raises(OSError, match="temporarily unavailable"):
        machine.look()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_room_is_what_can_be_written_and_not_a_part_of_it(monkeypatch):
    full = Path("/dev/full")
    monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: full.open("wb"))
    with pytest.raises(OSError, match="No space left"):
        machine.require_room("/tmp")


# -- folders of runs -------------------------------------------------------------------------


def test_folders_of_dead_runs_are_swept_and_others_are_not(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    aside = tmp_path / "aside"
    aside.mkdir()
    (aside / "kept").touch()
    (tmp_path / "splitopt-scratch-link").symlink_to(aside)
    (tmp_path / "splitopt-scratch-file").touch()
    (tmp_path / "others-scratch-1").mkdir()
    path, lock = make_scratch()
    (Path(path) / "left").touch()
    # The process that it was forked from is gone: the run still holds the lock.
    assert os.get_inheritable(lock) is False
    kept = os.dup(lock)
    os.close(lock)
    assert sweep() == 0
    assert (Path(path) / "left").exists()
    os.close(kept)
    assert sweep() == 1
    assert not Path(path).exists()
    assert sorted(found.name for found in tmp_path.iterdir()) == [
        "aside",
        "others-scratch-1",
        "splitopt-scratch-file",
        "splitopt-scratch-link",
    ]
    assert (aside / "kept").exists()
    with scratch() as path:
        assert sweep() == 0
    assert not Path(path).exists()


@pytest.mark.parametrize("kind", ["file", "solver", "store"])
def test_other_folders_that_killed_processes_left_are_swept_too(monkeypatch, tmp_path, kind):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary(kind) as path:
        (Path(path) / "held").touch()
        assert sweep() == 0
        assert (Path(path) / "held").exists()
    # As a process leaves it that is killed: nobody holds its lock.
    left, lock = make_temporary(kind)
    (Path(left) / "runs.sqlite").touch()
    os.close(lock)
    # Of earlier versions, which lock none: one may be at work in it.
    older = tmp_path / f"splitopt-{kind}-1"
    older.mkdir()
    assert sweep() == 1
    assert list(tmp_path.iterdir()) == [older]


def test_folders_of_other_users_are_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "splitopt-scratch-1").mkdir()
    uid = os.getuid() + 1
    monkeypatch.setattr("os.getuid", lambda: uid)
    assert sweep() == 0
    assert (tmp_path / "splitopt-scratch-1").exists()


# -- runs ------------------------------------------------------------------------------------


def planned(path, method, **limits):
    instance = read_instance(Path(path))
    limits = Limits(**({"time_limit_s": 20.0, "grace_s": 5.0} | limits))
    name, problem = instance.name, instance.problem
    where = (str(path), instance.content_hash, name, problem, method, "rogues:METHODS")
    return PlannedRun(*where, {}, 0, 0, limits)


def test_runs_at_work_are_seen_by_others(monkeypatch, tmp_path, rogues, instance_file):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = planned(instance_file(), "honest")
    zygote = Zygote()
    try:
        with at_work() as first, at_work() as second:
            assert (first(), second()) == (1, 1)
            assert zygote.run(request_of(run), Watch()).runs_beside == 2
        with at_work() as others:
            assert others() == 0
        assert zygote.run(request_of(run), Watch()).runs_beside == 0
        # Where the locks cannot be had, nothing is known.
        (next(tmp_path.glob("splitopt-cores-*"))).chmod(0o777)
        assert zygote.run(request_of(run), Watch()).runs_beside is None
    finally:
        zygote.close()


class Naps:
    """A watcher that is not scheduled when an improvement comes, for the first so many runs."""

    def __init__(self, runs, seconds):
        self.left, self.seconds = runs, seconds

    def __call__(self, point):
        if self.left > 0 and point.objective == 1000.0:
            self.left -= 1
            time.sleep(self.seconds)


@pytest.fixture
def slot(rogues):
    slot = Slot({})
    yield slot
    slot.close()


def test_a_result_that_came_while_nobody_watched_is_not_thrown_away(rogues, instance_file):
    """It is larger than a pipe: it comes in parts, as the runner reads."""
    zygote = Zygote()
    try:
        limits = {"time_limit_s": 0.3, "grace_s": 0.2}
        request = request_of(planned(instance_file(), "bulky", **limits))
        watch = Watch(kill_after_s=0.5, on_point=Naps(1, 1.5), time_limit_s=0.3)
        outcome = zygote.run(request, watch)
    finally:
        zygote.close()
    assert outcome.killed_for is None
    assert outcome.message["kind"] == "result"
    assert outcome.unwatched_s > 1.0


def test_a_run_that_nobody_watched_is_done_again_but_not_for_ever(slot, instance_file):
    run = planned(instance_file(), "bulky", time_limit_s=0.5, grace_s=0.5)
    again = []

    def do(naps):
        watch = Watch(kill_after_s=1.0, on_point=Naps(naps, 1.6), time_limit_s=0.5)
        return slot.run(run, watch, None, on_again=again.append)

    assert do(1).message["kind"] == "result"
    assert len(again) == 1
    assert "nobody could watch the run for" in again[0]
    with pytest.raises(RunLostError, match="bulky on toy-0: too busy, or stopped"):
        do(3)
    assert len(again) == 3


def test_a_parent_of_runs_that_is_gone_is_named(rogues, instance_file):
    zygote = Zygote()
    os.kill(zygote.pid, signal.SIGKILL)
    with pytest.raises(ZygoteLostError, match="ended with code -9"):
        zygote.run(request_of(planned(instance_file(), "honest")), Watch())
    zygote.close()
