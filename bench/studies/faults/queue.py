"""What goes wrong with a job queue, tried on a real Slurm that is started for it.

It needs Debian's or Ubuntu's `slurm-wlm` and `munge`; nothing of an installed Slurm is touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from splitopt.bench.store.store import FILE_NAME, Store
from splitopt.bench.studies.faults.attack import Attack
from splitopt.bench.studies.faults.campaign import heed_signals
from splitopt.bench.studies.faults.slurm import Slurm, slurm

_PATIENCE_S = 400.0
# A method that takes as long as it is told, whatever the instance.
_METHOD = """\
import time

from splitopt.heuristics.baselines.mepra.even import EVEN_SHARES


class Slow:
    name, problem, options = "slow", "mepra", EVEN_SHARES.options

    def supports(self, instance):
        return EVEN_SHARES.supports(instance)

    def solve(self, *arguments, **more):
        time.sleep({seconds})
        return EVEN_SHARES.solve(*arguments, **more)


METHOD = Slow()
"""


class _Campaign:
    """A set of runs of some seconds each, over jobs of one worker."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *more: str,
        runs: int = 8,
        seconds: float = 4.0,
        walltime: str = "00:10:00",
        partition: str = "short",
        jobs: int = 2,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self.folder = folder
        self.patience_s = patience_s
        self.out = folder / "out"
        self.runs = runs
        (folder / "slow.py").write_text(_METHOD.format(seconds=seconds))
        (folder / "slurm.yaml").write_text(
            f"queue: {partition}\naccount: nobody\ncores: 1\nmemory: 500MiB\n"
            f"walltime: {walltime}\ninterface: lo\n"
        )
        entries = [str(folder), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        limit = ("--time-limit", f"{seconds + 4:g}", "--grace", "2")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "splitopt", "run", "mepra-image-10mbps"),
                *("--methods", "slow", "--plugin", "slow:METHOD", *limit),
                *("--seeds", f"0..{runs - 1}", "--out", str(self.out)),
                *(
                    "--cluster",
                    f"slurm:{jobs}",
                    "--cluster-options",
                    str(folder / "slurm.yaml"),
                    *more,
                ),
            ],
            env=dict(environment) | {"PYTHONPATH": os.pathsep.join(entries)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=(folder / "stdout").open("wb"),
            stderr=(folder / "stderr").open("wb"),
            start_new_session=True,
            preexec_fn=heed_signals,
        )

    @property
    def said(self) -> str:
        """What it has written on the standard error so far."""
        return (self.folder / "stderr").read_text()

    @property
    def last_words(self) -> str:
        """The end of it, in one line."""
        return " / ".join(self.said.splitlines()[-3:])[-600:]

    def stored(self) -> int:
        """Return how many rows are stored."""
        if not (self.out / FILE_NAME).exists():
            return 0
        with contextlib.suppress(OSError, ValueError), Store(self.out, readonly=True) as store:
            return store.count()
        return 0

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Return when something holds."""
        until = time.monotonic() + _PATIENCE_S
        while not condition():
            over = self.process.poll() is not None
            assert not over, f"it ended before {what}: {self.last_words}"
            assert time.monotonic() < until, f"{what}: not within {_PATIENCE_S:g} s"
            time.sleep(0.2)

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        try:
            return self.process.wait(self.patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end: {self.last_words}") from None

    def check_all_once(self) -> str:
        """Hold the store to every run done once, in order; return the count."""
        code = self.end()
        assert code == 0, f"exit code {code}: {self.last_words}"
        with Store(self.out, readonly=True) as store:
            rows = store.rows(heavy=False)
        keys = {row.key for row in rows}
        assert len(rows) == len(keys) == self.runs, f"{len(rows)} rows of {self.runs} runs"
        wrong = [row.ending for row in rows if row.verdict != "right"]
        assert not wrong, f"{len(wrong)} rows are {wrong[0]}"
        return f"{len(rows)} of {self.runs} runs once"

    def check_refused(self, says: str) -> str:
        """Hold it to one line, exit code 1 and no store; return the line."""
        began = time.monotonic()
        code = self.end()
        lines = [line for line in self.said.splitlines() if "waiting for" not in line]
        assert code == 1, f"exit code {code}: {lines}"
        assert len(lines) == 1, f"{len(lines)} lines: {self.last_words}"
        assert says in lines[0], lines[0]
        assert not (self.out / FILE_NAME).exists(), "an empty store is left"
        said = lines[0].removeprefix("splitopt: error: ").replace(str(self.folder), "DIR")
        return f"after {time.monotonic() - began:.0f} s: {said}"


@contextlib.contextmanager
def _campaign(folder: Path, queue: Slurm, *more: str, **settings: Any) -> Iterator[_Campaign]:
    begun = _Campaign(folder, queue.environment, *more, **settings)
    try:
        yield begun
    finally:
        if begun.process.poll() is None:
            begun.process.kill()
            begun.process.wait()


def _taken_back(queue: Slurm) -> None:
    until = time.monotonic() + 30
    while left := queue.jobs("PENDING", "RUNNING"):
        assert time.monotonic() < until, f"jobs {', '.join(left)} are left"
        time.sleep(0.2)


def short_jobs(folder: Path, **settings: Any) -> str:
    """Do a set of runs of 12 s over jobs of a minute."""
    settings = {"runs": 14, **settings}
    began = time.monotonic()
    with (
        slurm(folder / "slurm") as queue,
        _campaign(folder, queue, seconds=12.0, walltime="00:01:00", **settings) as campaign,
    ):
        counted = campaign.check_all_once()
        jobs = queue.accounted()
        assert len(jobs) > 2, "no job was replaced"
        assert "TIMEOUT" not in jobs.values(), "a job was killed at its walltime"
        took = f"{(time.monotonic() - began) / 60:.0f} minutes"
        return f"{counted}, in {len(jobs)} jobs of a minute, none killed at its walltime, {took}"


def _walltime_kill(folder: Path) -> str:
    """Cut the limit of jobs in mid-run: their workers do not know."""
    with (
        slurm(folder / "slurm") as queue,
        _campaign(folder, queue, runs=6, seconds=50.0) as campaign,
    ):
        campaign.wait_for(lambda: len(queue.jobs("RUNNING")) == 2, "two jobs")
        time.sleep(8)
        cut = queue.jobs("RUNNING")
        for job in cut:
            queue.call("scontrol", "update", f"JobId={job}", "TimeLimit=00:00:01")
        campaign.wait_for(lambda: len(queue.jobs("TIMEOUT")) == len(cut), "a walltime kill")
        counted = campaign.check_all_once()
        return f"{counted}, {len(cut)} jobs killed at their walltime in mid-run"


def _scancel(folder: Path) -> str:
    with slurm(folder / "slurm") as queue, _campaign(folder, queue, runs=10) as campaign:
        cancelled = 0

        def more_than(count: int) -> Callable[[], bool]:
            return lambda: campaign.stored() > count

        for _ in range(4):
            campaign.wait_for(more_than(campaign.stored()), "a run")
            time.sleep(1)
            jobs = queue.jobs("RUNNING", "PENDING")
            queue.call("scancel", *jobs)
            cancelled += len(jobs)
        return f"{campaign.check_all_once()}, {cancelled} jobs cancelled 4 times in mid-run"


def _drained(folder: Path) -> str:
    with slurm(folder / "slurm") as queue, _campaign(folder, queue) as campaign:
        campaign.wait_for(lambda: campaign.stored() > 1, "two runs")
        queue.call("scontrol", "update", "NodeName=node", "State=DRAIN", "Reason=repair")
        queue.call("scancel", *queue.jobs("RUNNING", "PENDING"))
        campaign.wait_for(lambda: "PENDING" in campaign.said, "a word of what it waits for")
        word = re.findall(r"PENDING [^,;()]*", campaign.said)[-1]
        queue.call("scontrol", "update", "NodeName=node", "State=RESUME")
        return f"{campaign.check_all_once()}; it said meanwhile: {word}"


def _controller(folder: Path) -> str:
    with slurm(folder / "slurm") as queue, _campaign(folder, queue) as campaign:
        campaign.wait_for(lambda: campaign.stored() > 1, "two runs")
        queue.call("scancel", *queue.jobs("RUNNING"))
        queue.end("slurmctld")
        time.sleep(20)
        queue.start_controller()
        return f"{campaign.check_all_once()}, jobs cancelled and no controller for 20 s"


def _refused(folder: Path) -> str:
    with slurm(folder / "slurm") as queue, _campaign(folder, queue, partition="closed") as campaign:
        seen = campaign.check_refused("Invalid account or account/partition combination")
        assert not queue.jobs(), "there are jobs"
        return seen


def _no_command(folder: Path) -> str:
    with slurm(folder / "slurm") as queue:
        path = queue.environment["PATH"]
        queue.environment["PATH"] = str(folder)
        with _campaign(folder, queue) as campaign:
            queue.environment["PATH"] = path
            return campaign.check_refused("there is no command sbatch")


def _no_worker(folder: Path) -> str:
    with slurm(folder / "slurm") as queue:
        queue.call("scontrol", "update", "NodeName=node", "State=DRAIN", "Reason=repair")
        with _campaign(folder, queue, "--worker-wait", "15") as campaign:
            seen = campaign.check_refused("no worker that can do a run was there for 15 s")
            _taken_back(queue)
            return seen + "; its jobs taken back"


def _interrupted(folder: Path) -> str:
    with slurm(folder / "slurm") as queue, _campaign(folder, queue) as campaign:
        campaign.wait_for(lambda: campaign.stored() > 0, "a run")
        campaign.process.send_signal(signal.SIGINT)
        code = campaign.end()
        assert code == 130, f"exit code {code}: {campaign.last_words}"
        _taken_back(queue)
        left = list((campaign.out / "cluster").glob("tls-*"))
        assert not left, "credentials are left"
        return f"exit code 130, {campaign.stored()} runs stored, no job and no credentials left"


def _runner_killed(folder: Path) -> str:
    with slurm(folder / "slurm") as queue:
        with _campaign(folder, queue) as campaign:
            campaign.wait_for(lambda: campaign.stored() > 0, "a run")
            campaign.process.kill()
            campaign.process.wait()
            began = time.monotonic()
            _taken_back(queue)
            ended = time.monotonic() - began
        with _campaign(folder, queue) as campaign:
            counted = campaign.check_all_once()
        assert len(list((campaign.out / "cluster").glob("tls-*"))) == 0, "credentials are left"
        return f"its jobs ended within {ended:.0f} s; after the same command {counted}"


def _outsiders(folder: Path) -> str:
    """Look at every port that the runner and its jobs listen on, and knock."""
    with slurm(folder / "slurm") as queue, _campaign(folder, queue) as campaign:
        campaign.wait_for(lambda: campaign.stored() > 1, "two runs")
        ports = _listening(folder)
        assert len(ports) == 5, f"{len(ports)} ports of a scheduler, two workers, two nannies"
        open_to_all = [ip for ip, _ in ports if ip in ("0.0.0.0", "::")]
        assert not open_to_all, f"{len(open_to_all)} ports on every address"
        for ip, port in ports:
            answer = _knock(ip, port)
            assert answer is None, f"{ip}:{port} answers {answer!r} to a stranger"
        counted = campaign.check_all_once()
        return f"{len(ports)} ports, all on 127.0.0.1, all turn a stranger away; {counted}"


def _listening(folder: Path) -> list[tuple[str, int]]:
    """Return where the processes that know the folder listen, and their children."""
    known: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if f"{folder}/out" in " ".join(process.cmdline()):
                known |= {process, *process.children(recursive=True)}
    found = set()
    for process in known:
        with contextlib.suppress(psutil.Error):
            listed = getattr(process, "net_connections", None) or process.connections
            found |= {
                (str(each.laddr.ip), int(each.laddr.port))
                for each in listed("inet")
                if each.status == psutil.CONN_LISTEN
            }
    return sorted(found)


def _knock(ip: str, port: int) -> bytes | None:
    """Return what a port answers to Dask's greeting without TLS; None when it says nothing."""
    with contextlib.suppress(OSError), socket.create_connection((ip, port), timeout=5) as knocked:
        knocked.sendall(b"\x08" + bytes(15) + b"GET / HTTP/1.0\r\n\r\n")
        answer = knocked.recv(64)
        # An alert of TLS turns away, as does an end without a word.
        return answer if answer and answer[0] != 0x15 else None
    return None


def attacks() -> Iterator[Attack]:
    """Yield what is tried on a queue."""
    once = "every run is done once, none is crashed"
    line = "one line in the queue's words, exit code 1, nothing left"
    for name, holds, attempt in (
        ("jobs end long before the set of runs", once, short_jobs),
        ("the queue kills jobs at their walltime in mid-run", once, _walltime_kill),
        ("somebody cancels every job, again and again", once, _scancel),
        ("jobs are cancelled and the node is drained", once + ", and it says why", _drained),
        ("jobs are cancelled and the controller restarts", once, _controller),
        ("the queue refuses the account", line, _refused),
        ("there is no sbatch", line, _no_command),
        ("no job ever starts", "one line within --worker-wait, jobs taken back", _no_worker),
        ("Ctrl-C", "exit code 130, jobs taken back, credentials removed", _interrupted),
        ("kill -9 of the runner", once + " after the same command", _runner_killed),
        ("strangers on the same machine", "no open port, none that answers", _outsiders),
    ):
        yield Attack("queue", name, holds, attempt)
