"""Jobs that are refused, end and come to nothing: what is submitted, when, and what is said."""

import asyncio
import contextlib
import json
import math
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.runs.cluster import jobs, losses, pool, task, walltime
from splitopt.bench.runs.cluster.errors import ClusterError
from splitopt.bench.runs.cluster.spec import ClusterSpec
from splitopt.bench.runs.cluster.workers import Worker, Workers
from splitopt.instances.core.errors import InputError

NEEDED_S = 30.0


class Handle:
    """A job as dask-jobqueue makes them, of a queue that does what it is told."""

    def __init__(self, queue, name):
        self.queue, self.name, self.job_id = queue, name, None

    def __await__(self):
        return self.start().__await__()

    async def start(self):
        self.queue.calls.append(f"submit {self.name}")
        if self.queue.refusal is not None:
            raise self.queue.refusal
        self.job_id = str(len(self.queue.states) + 1)
        self.queue.states[self.job_id] = "RUNNING|None"

    async def close(self):
        if self.job_id is not None:
            self.queue.calls.append(f"cancel {self.job_id}")
            if self.queue.states[self.job_id].startswith(("RUNNING", "PENDING")):
                self.queue.states[self.job_id] = "CANCELLED|None"


class Queue:
    """Stands for a cluster of dask-jobqueue's."""

    def __init__(self, loop):
        self.loop = SimpleNamespace(asyncio_loop=loop)
        self.scheduler = SimpleNamespace(contact_address="tls://here:1", address=None)
        self.calls, self.states, self.refusal, self.pools = [], {}, None, []
        self.new_spec = {
            "cls": lambda _address, name, **_: Handle(self, name),
            "options": {"cores": 1, "processes": 1},
        }
        self.job_cls = SimpleNamespace(_call=self.list)

    async def list(self, command):
        assert command[0] == "squeue"
        return "\n".join(f"{number}|{said}" for number, said in self.states.items())


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setattr(jobs, "_ASK_S", 0.0)
    monkeypatch.setattr(jobs, "_AGAIN_S", 0.0)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = Queue(loop)
    yield made
    for of in made.pools:
        of.close()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def made(queue, tmp_path, count=2, left=8, kind="slurm"):
    spec = ClusterSpec(f"{kind}:{count}", kind, count)
    queue.pools.append(jobs.JobPool(queue, spec, tmp_path, NEEDED_S, left))
    return queue.pools[-1]


def worker(name, left_s=1000.0, busy=0, done=0):
    return Worker(name, "host", 1, None, busy, done, True, time.monotonic() + left_s)


def settle(of, workers=(), left=8, done=0):
    """Look until all that was asked and submitted is answered."""
    for job in of._jobs.values():
        job.submitted -= 10  # the queue's next answer is about it
    for _ in range(6):
        of.look(workers, left, done)
        for future in [of._asked, *(job.submission for job in of._jobs.values())]:
            with contextlib.suppress(Exception):
                if future is not None:
                    future.result(5)


def submitted(queue):
    return sum(call.startswith("submit") for call in queue.calls)


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (FileNotFoundError(2, "No such file", "sbatch"), "there is no command sbatch here"),
        (
            RuntimeError(
                "Command exited with non-zero exit code.\nExit code: 1\nCommand:\nsbatch x.sh\n"
                "stdout:\n\nstderr:\nsbatch: error: Batch job submission failed:\n Invalid"
                " account\n"
            ),
            "sbatch: error: Batch job submission failed: Invalid account",
        ),
        (RuntimeError("stdout:\nno more jobs\nstderr:\n\n"), "no more jobs"),
    ],
)
def test_a_refusal_is_one_line_in_the_queues_words(queue, tmp_path, refusal, says):
    queue.refusal = refusal
    with pytest.raises(ClusterError) as caught:
        made(queue, tmp_path)
    assert str(caught.value) == f"slurm:2: no job could be submitted: {says}"
    assert queue.calls == ["submit splitopt-0"]


@pytest.mark.parametrize("refused", [False, True])
def test_the_script_of_a_job_that_is_refused_does_not_stay(tmp_path, refused):
    job = jobs.in_folder(object, tmp_path)()
    job.name, job.job_script = "splitopt-0", lambda: "#!/bin/sh\n"
    with contextlib.suppress(RuntimeError), job.job_file() as path:
        assert Path(path).read_text() == "#!/bin/sh\n"
        if refused:
            raise RuntimeError("sbatch: error")
    assert len(list(tmp_path.iterdir())) == (0 if refused else 1)


def test_no_more_jobs_than_runs_and_all_are_taken_back(queue, tmp_path):
    many = made(queue, tmp_path, count=9, left=3)
    settle(many, left=3)
    assert submitted(queue) == 3
    many.close()
    assert sorted(call for call in queue.calls if "cancel" in call) == [
        f"cancel {number}" for number in (1, 2, 3)
    ]


def test_jobs_that_end_are_replaced_while_runs_are_left(queue, tmp_path):
    two = made(queue, tmp_path)
    here = [worker("splitopt-0", done=1), worker("splitopt-1", done=1)]
    settle(two, here, left=6, done=2)
    assert submitted(queue) == 2
    queue.states["1"] = "TIMEOUT|TimeLimit"
    settle(two, here[1:], left=6, done=2)
    assert queue.calls[-2:] == ["cancel 1", "submit splitopt-2"]
    queue.states["2"] = "TIMEOUT|TimeLimit"
    settle(two, (), left=0, done=8)  # nothing is left
    assert submitted(queue) == 3
    two.close()


def test_a_job_that_can_hold_no_other_run_is_given_back(queue, tmp_path):
    one = made(queue, tmp_path, count=1)
    settle(one, [worker("splitopt-0", left_s=NEEDED_S - 1, busy=1)])
    assert submitted(queue) == 1  # it is at work
    settle(one, [worker("splitopt-0", left_s=NEEDED_S - 1, done=3)], done=3)
    assert queue.calls == ["submit splitopt-0", "cancel 1", "submit splitopt-1"]
    one.close()


def fail_on(of, queue):
    """Let jobs fail again and again."""
    for _ in range(20):
        queue.states = dict.fromkeys(queue.states, "FAILED|NonZeroExitCode")
        settle(of)


def come_late_on(of):
    """Let a worker come to every job when half of its walltime is over."""
    for number in range(20):
        settle(of, [worker(f"splitopt-{number}", left_s=29.5)])


def test_jobs_that_come_to_nothing_are_an_end_with_their_reason(queue, tmp_path):
    one = made(queue, tmp_path, count=1)
    (tmp_path / "splitopt-4.err").write_text("ModuleNotFoundError: No module named 'splitopt'\n")
    with pytest.raises(ClusterError) as caught:
        fail_on(one, queue)
    assert "4 jobs in a row came to nothing; the last: job 4 ended as FAILED" in str(caught.value)
    assert "No module named 'splitopt'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert submitted(queue) == 4
    # As often again with a run stored meanwhile is nothing to end it for.
    other = made(queue, tmp_path, count=1)
    for done in range(12):
        queue.states = dict.fromkeys(queue.states, "FAILED|NonZeroExitCode")
        settle(other, done=done)
    other.close()


def test_workers_that_come_too_late_in_their_walltime_are_an_end(queue, tmp_path):
    one = made(queue, tmp_path, count=1)
    with pytest.raises(ClusterError, match=r"came with 2. s of its walltime left, and a run needs"):
        come_late_on(one)
    assert submitted(queue) == 4


def test_what_the_queue_ended_is_no_fault_of_the_run(queue, tmp_path):
    two = made(queue, tmp_path)
    settle(two)
    lost = time.monotonic()
    assert two.innocent("splitopt-0", lost + 9)  # nobody has asked since
    queue.states["1"] = "TIMEOUT|TimeLimit"
    settle(two)
    assert two.innocent("splitopt-0", lost)
    assert not two.innocent("splitopt-1", lost)  # its job lives
    assert not two.innocent("splitopt-1-3", lost)
    queue.states["2"] = "OUT_OF_MEMORY|OutOfMemory"
    settle(two)
    assert not two.innocent("splitopt-1", lost)
    two.close()
    assert not made(queue, tmp_path, kind="pbs").innocent("splitopt-0", lost)


def test_what_is_waited_for_is_told_in_the_queues_words(queue, tmp_path):
    two = made(queue, tmp_path)
    settle(two)
    queue.states |= {"1": "PENDING|Priority", "2": "RUNNING|None"}
    settle(two)
    assert two.waits_for == "a worker of its jobs (1 PENDING Priority, 2 RUNNING)"
    waiting = losses.Patience(ClusterSpec("slurm:2", "slurm", 2, wait_s=600.4), two)
    assert waiting.waits_for == f"slurm:2: {two.waits_for}; given up in 600 s"
    waiting.look(able=False, useless=0)
    waiting._since -= 601
    with pytest.raises(
        ClusterError, match=r"no worker .* for 600.4 s \(--worker-wait\), but 1 that"
    ):
        waiting.look(able=False, useless=1)
    two.close()


def run(key="k"):
    return SimpleNamespace(key=key, method="slow", instance_name="one")


def test_a_run_is_crashed_for_its_own_losses_and_not_for_the_queues(monkeypatch):
    blamed = {"bad"}
    counted = losses.Losses(lambda name, _at: name not in blamed)
    assert [counted.count(run(), "bad", math.inf) for _ in range(3)] == [False, False, True]
    soon = time.monotonic() + 1
    assert not any(counted.count(run("other"), "bad", soon) for _ in range(9))
    with pytest.raises(
        ClusterError, match=r"slow on one was lost 10 times .* 10 times at its wall"
    ):
        counted.count(run("other"), "bad", soon)


def test_local_workers_are_replaced_but_not_for_ever(tmp_path, monkeypatch):
    dead = [sys.executable, "-S", "-c", "import sys; sys.stderr.write('no luck\\n'); sys.exit(7)"]
    monkeypatch.setattr(pool, "command", lambda *_: dead)
    monkeypatch.setattr(pool, "_MOST_DEATHS", 1)
    monkeypatch.setattr(pool, "_DEATHS_EACH", 1)
    two = pool.LocalPool(2, "tls://here:1", [], tmp_path)

    def look(done):
        for process in two._processes:
            process.wait()
        two.look((), 8, done)

    look(0)
    look(1)  # a run was stored
    with pytest.raises(ClusterError) as caught:
        look(1)
    assert str(caught.value) == (
        "the workers of local:2 died 4 times with no run stored meanwhile, the last one by exit "
        "code 7 (no luck); every run stored so far is kept"
    )
    two.close()


# -- walltimes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "seconds"),
    [
        ("slurm", "90", 5400),
        ("slurm", "90:30", 5430),
        ("slurm", "01:30:00", 5400),
        ("slurm", "2-0", 172800),
        ("slurm", "1-02:03", 93780),
        ("slurm", "1-02:03:04", 93784),
        ("slurm", "UNLIMITED", None),
        ("pbs", "01:30:00", 5400),
        ("pbs", "5400", 5400),
        ("sge", "00:02:00", 120),
        ("lsf", "1:30", 5400),
        ("lsf", "90", 5400),
        ("oar", "2", 7200),
        ("oar", "0:30", 1800),
    ],
)
def test_walltimes_are_read_as_each_queue_does(kind, text, seconds):
    assert walltime.walltime_s(ClusterSpec("q:1", kind, 1, {"walltime": text})) == seconds


@pytest.mark.parametrize("text", ["soon", "1h", "1:2:3:4", "-5", "1-2-3", ""])
def test_a_walltime_that_no_queue_reads_is_refused(text):
    with pytest.raises(InputError, match="a time as slurm reads it"):
        walltime.walltime_s(ClusterSpec("slurm:1", "slurm", 1, {"walltime": text}))


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry"])
def test_a_walltime_below_limit_and_grace_is_refused(tmp_path, monkeypatch, dry):
    pytest.importorskip("dask_jobqueue")
    pytest.importorskip("cryptography")
    monkeypatch.chdir(tmp_path)
    options = {"cores": 1, "memory": "1GiB", "walltime": "00:00:30"}
    (tmp_path / "slurm.json").write_text(json.dumps(options))
    arguments = ["run", "mepra-image-10mbps", "-m", "even-shares", "--out", "new", "--grace", "3"]
    arguments += ["--cluster", "slurm:1", "--cluster-options", "slurm.json", *dry]
    done = CliRunner().invoke(cli, [*arguments, "--time-limit", "25"])
    assert done.exit_code == 2, done.output
    assert "walltime: '30 s', expected at least 31 s: limit + grace" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slurm.json"]
    if dry:
        done = CliRunner().invoke(cli, [*arguments, "--time-limit", "24"])
        assert done.exit_code == 0, done.output


def test_dask_jobqueues_default_walltime_counts():
    pytest.importorskip("dask_jobqueue")
    assert walltime.walltime_s(ClusterSpec("slurm:1", "slurm", 1)) == 1800


def test_a_worker_gets_no_run_that_its_walltime_cannot_hold(monkeypatch):
    known = Workers(None, (), {})
    known._known = {"old": worker("w", left_s=29.0), "new": worker("v", left_s=31.0)}
    assert known.free(NEEDED_S) == "new"
    known._known.pop("new")
    assert known.free(NEEDED_S) is None
    # What a worker says of the job it is in.
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    assert task._left_s() is None
    monkeypatch.setenv(walltime.JOB_BEGAN, str(int(time.time()) - 50))
    monkeypatch.setenv(walltime.JOB_WALLTIME, "60")
    assert task._left_s() == pytest.approx(10, abs=2)
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 5))
    assert task._left_s() == pytest.approx(5, abs=2)


def test_importing_dask_jobqueue_leaves_ctrl_c_alone():
    """Its import makes SIGINT end the process with exit code 0."""
    pytest.importorskip("dask_jobqueue")
    code = (
        "import signal\n"
        "from splitopt.bench.runs.cluster.options import job_queue_module\n"
        "job_queue_module()\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
