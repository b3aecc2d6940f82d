"""What provides the workers: nobody here, processes of this machine, or jobs of a queue.

A pool starts workers while runs are left, and replaces those that are gone; how often in vain is
bounded, and what it ends with then is what happened.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.bench.isolation.boot import command
from splitopt.bench.runs.cluster.errors import ClusterError
from splitopt.bench.runs.cluster.network import LOOPBACK

if TYPE_CHECKING:
    from splitopt.bench.runs.cluster.workers import Worker

WORKER = "splitopt.bench.runs.cluster.daemons.QuietWorker"
_END_S = 5.0
# So many workers may die, and so many for each that is wanted, with no run stored meanwhile.
_MOST_DEATHS, _DEATHS_EACH = 10, 3


class Pool:
    """Workers that somebody else starts."""

    waits_for = "workers"

    def look(self, workers: Sequence[Worker], left: int, done: int) -> None:
        """Start what is missing.

        Parameters
        ----------
        workers
            Those that are there.
        left
            Runs that nobody is at.
        done
            Runs stored by this call so far.

        Raises
        ------
        ClusterError
            When workers come to nothing time and again.
        """

    def innocent(self, worker_name: str, lost: float) -> bool:
        """Whether a worker that was lost then, by `time.monotonic`, went as the queue ended it."""
        return False

    def close(self) -> None:
        """End what was started."""


def worker_arguments() -> list[str]:
    """Return what every worker of ours is told: to serve no pages."""
    return ["--no-dashboard", "--worker-class", WORKER]


class LocalPool(Pool):
    """Worker processes on this machine, each with one run at a time."""

    def __init__(self, count: int, address: str, credentials: Sequence[str], folder: Path) -> None:
        self._count = count
        self._folder = folder
        self._arguments = [
            address,
            *("--host", LOOPBACK, "--no-nanny", "--nthreads", "1", "--death-timeout", "60"),
            # Runs have limits of their own; a worker holds next to nothing.
            *("--memory-limit", "0", "--local-directory", str(folder)),
            *worker_arguments(),
            *credentials,
        ]
        self._processes: list[subprocess.Popen[bytes]] = []
        self._deaths = self._done = 0
        self.waits_for = f"its {count} worker{'s' * (count > 1)} to start"
        try:
            while len(self._processes) < count:
                self._processes.append(self._start())
        except OSError as error:
            self.close()
            raise ClusterError(f"no worker can be started: {error}") from None

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                command("distributed.cli.dask_worker", *self._arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal is for the runner alone, which ends its workers in order.
                start_new_session=True,
            )

    def look(self, workers: Sequence[Worker], left: int, done: int) -> None:
        """Start a worker for each one that has died."""
        if done > self._done:
            self._deaths, self._done = 0, done
        for index, process in enumerate(self._processes):
            if process.poll() is None:
                continue
            self._deaths += 1
            if self._deaths > _MOST_DEATHS + _DEATHS_EACH * self._count:
                raise ClusterError(
                    f"the workers of local:{self._count} died {self._deaths} times with no run "
                    f"stored meanwhile, the last one by {_ending(process)}"
                    f"{last_words(self._folder / 'log')}; every run stored so far is kept"
                )
            with contextlib.suppress(OSError):  # tried again at the next look
                self._processes[index] = self._start()

    def close(self) -> None:
        """End the processes: first in order, as their scheduler has gone."""
        until = time.monotonic() + _END_S
        for end in (lambda _: None, subprocess.Popen.terminate, subprocess.Popen.kill):
            _all_end(self._processes, end, until)
            until = time.monotonic() + _END_S


def _all_end(
    processes: Sequence[subprocess.Popen[bytes]],
    end: Callable[[subprocess.Popen[bytes]], None],
    until: float,
) -> None:
    for process in processes:
        if process.poll() is None:
            end(process)
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))


def _ending(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def last_words(log: Path) -> str:
    """Return what a worker wrote last, to be put behind a sentence; nothing where it is silent."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 4096))
            lines = stream.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    said = [" ".join(line.split()) for line in lines if line.strip()]
    return f" ({said[-1][:300]})" if said else ""
