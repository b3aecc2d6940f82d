"""The machine fails and not the method: one line, no row, and the same command does it later."""

import contextlib
import shutil
import signal
import threading
import time

import psutil
import pytest
from running import run_set

from splitopt.bench.isolation import boot
from splitopt.bench.isolation.machine import MachineError
from splitopt.bench.runs.progress import progress
from splitopt.bench.runs.queue import RunEvent
from splitopt.bench.store.store import Store, StoreError

PATIENCE_S = 60.0
# A parent of runs to which the system refuses something at the third run.
LACKING = """
import errno, os
from splitopt.bench.isolation import zygote

left = {left}
def lacking(wanted):
    def refuse(*given):
        global left
        left -= 1
        if left < 0:
            raise OSError(errno.{code}, os.strerror(errno.{code}))
        return wanted(*given)
    return refuse

def main():
    {place} = lacking({place})
    zygote.main()
"""
# Two processes tell what methods and options there are before those of runs.
PLACES = {
    "room": ("ENOSPC", "zygote.make_scratch", 2, "No space left on device"),
    "process": ("EAGAIN", "os.fork", 4, "Resource temporarily unavailable"),
}


def rows_of(out):
    with Store(out) as store:
        assert store._query("SELECT * FROM claims") == []
        return sorted((row.method, row.seed, row.termination) for row in store.rows())


def solved(count, method="honest"):
    return [(method, seed, "solved") for seed in range(count)]


@pytest.mark.parametrize("missing", PLACES)
def test_a_machine_that_lacks_something_ends_the_set_and_makes_no_row(
    tmp_path, rogues, instance_file, monkeypatch, missing
):
    code, place, left, said = PLACES[missing]
    real, started = boot.command, []
    (tmp_path / "lacking.py").write_text(LACKING.format(code=code, place=place, left=left))
    monkeypatch.syspath_prepend(str(tmp_path))
    selection = {"seeds": range(4), "time_limit_s": 20.0, "plugins": rogues}
    path, out = instance_file(), tmp_path / "out"

    def command(module, *arguments):
        # The first one answers what methods there are and has the runs.
        started.append(module)
        return real("lacking" if len(started) == 1 else module, *arguments)

    monkeypatch.setattr("splitopt.bench.isolation.client.command", command)
    with pytest.raises(MachineError, match="this machine cannot do runs now: ") as caught:
        run_set([path], ["honest"], out, **selection)
    assert said in str(caught.value)
    assert rows_of(out) == solved(2)
    # With room again, the same command does the rest.
    summary = run_set([path], ["honest"], out, **selection)
    assert (summary.done_before, summary.done_now) == (2, 2)
    assert rows_of(out) == solved(4)


def kill_parents():
    """Kill the processes below this one that have a run."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        for parent in psutil.Process().children():
            if parent.children():
                parent.kill()
                return
        time.sleep(0.01)


def test_helpers_that_are_killed_again_and_again_end_the_set(tmp_path, rogues, instance_file):
    def on_event(event):
        if event.kind in ("started", "again"):
            threading.Thread(target=kill_parents, daemon=True).start()

    path, out = instance_file(), tmp_path / "out"
    settings = {"time_limit_s": 20.0, "plugins": rogues, "options": {"honest": {"pause": 10.0}}}
    with pytest.raises(MachineError, match="honest on toy-0: the process that runs are"):
        run_set([path], ["honest"], out, on_event=on_event, **settings)
    # Nothing was stored, so nothing is left behind.
    assert not out.exists()


def test_a_method_that_kills_its_parent_stops_no_other(tmp_path, rogues, instance_file):
    path, out = instance_file(), tmp_path / "out"
    settings = {"time_limit_s": 20.0, "seeds": (0, 1), "plugins": rogues}
    with pytest.raises(MachineError, match="2 runs were lost each time they were tried, first"):
        run_set([path], ["patricide", "honest"], out, **settings)
    assert rows_of(out) == solved(2)


def test_what_looks_like_the_machine_and_is_not_is_done_twice_and_recorded(
    tmp_path, rogues, instance_file
):
    again = []

    def on_event(event):
        if event.kind == "again":
            again.append((event.run.method, event.why))

    methods = ["crammed", "terminated", "raiser", "honest"]
    settings = {"time_limit_s": 20.0, "plugins": rogues, "on_event": on_event}
    summary = run_set([instance_file()], methods, tmp_path / "out", **settings)
    assert summary.terminations == {"crashed": 3, "solved": 1}
    assert again == [("crammed", "No space left on device"), ("terminated", "SIGTERM")]
    with Store(tmp_path / "out") as store:
        details = {row.method: row.detail for row in store.rows()}
    assert details["crammed"] == "OSError: [Errno 28] No space left on device"
    assert details["terminated"] == "SIGTERM"


def test_results_that_are_removed_end_the_set_in_one_line(tmp_path, rogues, instance_file):
    out = tmp_path / "out"

    def on_event(event):
        if event.kind == "finished" and event.done == 2:
            shutil.rmtree(out)

    settings = {"time_limit_s": 20.0, "plugins": rogues, "on_event": on_event}
    for seeds in ((0, 1, 2, 3), (0, 1)):  # in mid-run, and after the last one
        with pytest.raises(StoreError, match="removed or replaced while runs went on"):
            run_set([instance_file()], ["honest"], out, seeds=seeds, **settings)
        assert not out.exists()


def test_a_wait_is_told_where_there_is_no_terminal(monkeypatch):
    told = []

    def lines(state):
        told.append(state)
        return contextlib.nullcontext()

    monkeypatch.setattr("splitopt.bench.runs.progress.lines", lines)
    with progress() as tell:
        tell(RunEvent("waiting", 3, 5, why="another runner, at all 2 runs left"))
    assert told[0].text == "3 of 5 runs, waiting for another runner, at all 2 runs left"
    assert told[0].share == 0.6


def test_signals_that_end_jobs_are_heard_as_ctrl_c(monkeypatch):
    from splitopt.bench.commands import signals

    monkeypatch.setattr(signals, "_heard", [])
    kept = {number: signal.getsignal(number) for number in signals.NUMBERS}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup asks for
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signals.listen()
        signal.raise_signal(signal.SIGHUP)
        assert signals.interruption() == ("splitopt: interrupted", 130)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert signals.interruption() == ("splitopt: interrupted by SIGTERM", 143)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
