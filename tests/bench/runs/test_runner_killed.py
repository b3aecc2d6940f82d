"""The runner, its helper processes and its disk die at the worst moment; nothing is lost."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from running import gone, run_set

from splitopt.bench.store.store import Store

SCRIPT = Path(__file__).parents[1] / "plugins" / "runner_script.py"
PATIENCE_S = 60.0


def start(out, instances, methods, **settings):
    """Start a runner in a process of its own."""
    settings = {"time_limit_s": 30.0, "plugins": ["rogues:METHODS"], **settings}
    document = {"out": str(out), "instances": instances, "methods": methods, **settings}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), json.dumps(document)],
        stdout=subprocess.PIPE,
        text=True,
    )


def events_until(process, kind, count=1):
    """Read events until `count` of a kind have come."""
    found = []
    for line in process.stdout:
        event = json.loads(line)
        if event["kind"] == kind:
            found.append(event)
            if len(found) == count:
                return found
    raise AssertionError(f"the runner ended after {len(found)} {kind}")


def wait_until(condition):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def methods_of(out):
    with Store(out) as store:
        return [(row.method, row.seed) for row in store.rows()]


def test_kill_9_of_the_runner_loses_only_what_was_in_progress(
    tmp_path, rogues, instance_file, monkeypatch
):
    path = instance_file()
    selection = {"seeds": [0, 1, 2, 3, 4, 5], "options": {"honest": {"pause": 0.3}}, "jobs": 2}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    process = start(tmp_path, [path], ["honest"], **selection)
    events_until(process, "finished", 2)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2  # a zygote a job, and what they run
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    # Its processes end with it.
    wait_until(lambda: gone(family))
    assert not list(scratch.glob("splitopt-scratch-*"))
    kept = methods_of(tmp_path)
    assert 2 <= len(kept) < 6
    # Started again it does the rest, at once: the claims of the dead are free.
    summary = run_set([path], ["honest"], tmp_path, time_limit_s=30.0, plugins=rogues, **selection)
    assert (summary.done_before, summary.done_now) == (len(kept), 6 - len(kept))
    assert sorted(methods_of(tmp_path)) == [("honest", seed) for seed in range(6)]
    assert summary.verdicts == {"right": 6}


def test_kill_9_at_any_moment_again_and_again(tmp_path, rogues, instance_file):
    """As a run is taken up, as one is stored, and in between."""
    path = instance_file()
    selection = {"seeds": list(range(12)), "options": {"honest": {"pause": 0.1}}, "jobs": 2}
    told = 0
    for kind, delay in (("planned", 0.0), ("started", 0.0), ("finished", 0.0), ("finished", 0.15)):
        process = start(tmp_path, [path], ["honest"], **selection)
        (event,) = events_until(process, kind)
        told = max(told, event["done"])
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        told = max([told, *(json.loads(line)["done"] for line in process.stdout)])
        process.wait()
        process.stdout.close()
        # What was reported as stored is stored, and nothing is there twice.
        kept = methods_of(tmp_path)
        assert told <= len(kept) == len(set(kept)) <= 12
    settings = {"time_limit_s": 30.0, "plugins": rogues, **selection}
    summary = run_set([path], ["honest"], tmp_path, **settings)
    assert summary.done_before == len(kept)
    assert summary.verdicts == {"right": 12}
    with Store(tmp_path) as store:
        assert store._query("PRAGMA integrity_check")[0][0] == "ok"
        assert store.claimed() == 0


def test_kill_9_of_a_run_is_named_and_the_others_go_on(tmp_path, rogues, instance_file):
    done = []

    def kill_first(event):
        if event.kind == "started" and not done:
            done.append(event.run.seed)
            threading.Thread(target=kill_leaf, daemon=True).start()

    def kill_leaf():
        def leaves():
            below = psutil.Process().children(recursive=True)
            return [p for p in below if not p.children() and p.ppid() != os.getpid()]

        # The method's process: below the zygote, which is below this one.
        wait_until(leaves)
        time.sleep(0.2)
        for leaf in leaves():
            leaf.kill()

    summary = run_set(
        [instance_file()],
        ["honest"],
        tmp_path,
        seeds=(0, 1),
        time_limit_s=30.0,
        plugins=rogues,
        options={"honest": {"pause": 1.0}},
        on_event=kill_first,
    )
    assert summary.terminations == {"killed": 1, "solved": 1}
    with Store(tmp_path) as store:
        first, second = sorted(store.rows(), key=lambda row: row.seed)
    assert first.detail.startswith("SIGKILL from outside the runner")
    assert second.verdict == "right"


def test_kill_9_of_the_zygote_costs_nothing(tmp_path, rogues, instance_file):
    killed = []

    def kill_zygote(event):
        if event.kind == "started" and not killed:
            killed.append(True)
            threading.Thread(target=kill, daemon=True).start()

    def kill():
        def parents():
            below = psutil.Process().children()
            return [p for p in below if p.children()]

        wait_until(parents)
        time.sleep(0.2)
        for parent in parents():
            parent.kill()

    summary = run_set(
        [instance_file()],
        ["honest"],
        tmp_path,
        seeds=(0, 1),
        time_limit_s=30.0,
        plugins=rogues,
        options={"honest": {"pause": 0.6}},
        on_event=kill_zygote,
    )
    assert killed
    assert summary.terminations == {"solved": 2}
    assert summary.verdicts == {"right": 2}


def test_two_runners_on_one_store_share_the_work(tmp_path, rogues, instance_file):
    paths = [instance_file(), instance_file()]
    selection = {
        "seeds": list(range(8)),
        "options": {"honest": {"pause": 0.05}},
        "jobs": 2,
    }
    runners = [start(tmp_path, paths, ["honest"], **selection) for _ in range(2)]
    ends = [events_until(runner, "summary")[0] for runner in runners]
    for runner in runners:
        assert runner.wait() == 0
        runner.stdout.close()
    # Both saw all of it done; between them they did each run once.
    assert [end["verdicts"] for end in ends] == [{"right": 16}] * 2
    assert sum(end["done_now"] for end in ends) == 16
    assert len(methods_of(tmp_path)) == 16
    with Store(tmp_path) as store:
        assert store._query("PRAGMA integrity_check")[0][0] == "ok"
        assert store.claimed() == 0


@pytest.mark.parametrize("limit_bytes", [150_000, 400_000])
def test_a_full_disk_ends_in_one_line_and_keeps_what_was_stored(
    tmp_path, rogues, instance_file, limit_bytes
):
    paths = [instance_file() for _ in range(2)]
    selection = {"seeds": list(range(8))}
    process = start(tmp_path, paths, ["honest"], file_size_limit_bytes=limit_bytes, **selection)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    events = [json.loads(line) for line in output.splitlines()]
    assert events[-1]["kind"] == "store error"
    assert "every run stored so far is whole" in events[-1]["message"]
    finished = sum(event["kind"] == "finished" for event in events)
    assert finished < 16
    # With room again: every run that was reported finished is there, and none is done twice.
    summary = run_set(paths, ["honest"], tmp_path, time_limit_s=30.0, plugins=rogues, **selection)
    assert summary.done_before >= finished
    assert summary.done_before + summary.done_now == 16
    assert summary.verdicts == {"right": 16}
    connection = sqlite3.connect(tmp_path / "runs.sqlite")
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    connection.close()


def test_ctrl_c_ends_cleanly_and_gives_claims_back(tmp_path, rogues, instance_file):
    process = start(
        tmp_path,
        [instance_file()],
        ["honest"],
        seeds=[0, 1],
        options={"honest": {"pause": 25.0}},
    )
    events_until(process, "started")
    wait_until(lambda: psutil.Process(process.pid).children())
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    end = events_until(process, "summary")[0]
    assert process.wait() == 0
    process.stdout.close()
    assert end["interrupted"]
    assert end["done_now"] == 0
    wait_until(lambda: gone(family))
    with Store(tmp_path) as store:
        assert store.claimed() == 0
        assert store._query("SELECT * FROM claims") == []
