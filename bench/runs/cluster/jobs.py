"""Workers in the jobs of a queue, submitted as long as runs are left.

dask-jobqueue makes the scripts and calls the queue's commands. When to submit and when a job is
over is decided here: its own scaling submits once, in the background, and tells nobody when the
queue refuses or a job has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import tempfile
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.runs.cluster.errors import ClusterError
from splitopt.bench.runs.cluster.pool import Pool, last_words

if TYPE_CHECKING:
    from splitopt.bench.runs.cluster.spec import ClusterSpec
    from splitopt.bench.runs.cluster.workers import Worker

_SUBMIT_S = 120.0
_END_S = 20.0
# Commands of the queue at a time.
_MOST_CALLS = 8
_MOST_TOLD = 3
# After a refusal, or a job that came to nothing.
_AGAIN_S = 10.0
_ASK_S = 10.0
# A nanny starts a worker that has died again within that.
_GONE_S = 20.0
# So many jobs, and so many more as are wanted at a time, may end with no run stored meanwhile.
_MOST_BARREN = 3
# The jobs of this user, those that have ended lately too: the one queue that was tried.
_LISTING: Mapping[str, Sequence[str]] = {
    "slurm": ("squeue", "--noheader", "--me", "--states=all", "--format=%i|%T|%r")
}
_AT_WORK = {"", "PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "REQUEUED", "STOPPED"}
# A job that ends so was ended by the queue or by a person, not by what ran in it.
_ENDED_BY_QUEUE = {
    *("TIMEOUT", "CANCELLED", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "REVOKED"),
    # Not known any more, or not yet how.
    *("GONE", "COMPLETING"),
}


def in_folder(base: type, folder: Path) -> type:
    """Return a class of jobs whose scripts are written into a folder and stay there if taken."""

    @contextlib.contextmanager
    def job_file(self: Any) -> Iterator[str]:
        # Another runner may be at work on the same results.
        descriptor, path = tempfile.mkstemp(".sh", f"{self.name}-", folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(self.job_script())
        try:
            yield path
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise

    return type(base.__name__, (base,), {"job_file": job_file})


@dataclass(slots=True)
class _Job:
    """A job of the queue, from its submission on."""

    handle: Any
    submission: Future[Any]
    submitted: float = math.inf
    seen: float | None = None
    state: str = ""
    reason: str = ""

    @property
    def number(self) -> str:
        """What the queue calls it."""
        return str(self.handle.job_id or "?")


class JobPool(Pool):
    """The jobs of a queue.

    Parameters
    ----------
    cluster
        A cluster of dask-jobqueue's, which has the scheduler and makes jobs.
    needed_s
        What a worker must have left of its walltime to be given a run.
    """

    def __init__(
        self, cluster: Any, spec: ClusterSpec, folder: Path, needed_s: float, left: int
    ) -> None:
        self._cluster, self._spec, self._folder = cluster, spec, folder
        self._address = cluster.scheduler.contact_address or cluster.scheduler.address
        self._needed_s = needed_s
        options = cluster.new_spec["options"]
        processes = int(options["processes"])
        self._threads = processes * max(1, int(options["cores"]) // processes)
        self._jobs: dict[str, _Job] = {}
        self._fates: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        self._ending: list[Future[Any]] = []
        self._asked: Future[Any] | None = None
        self._last_asked = self._heard = self._not_before = 0.0
        self._count = self._barren = self._done = 0
        self._refused = ""
        self._few = asyncio.Semaphore(_MOST_CALLS)
        first = self._submit()
        try:
            first.submission.result(_SUBMIT_S)
        except BaseException as error:
            self.close()
            if not isinstance(error, Exception):
                raise
            raise ClusterError(f"{spec.text}: no job could be submitted: {_words(error)}") from None
        self._fill((), left)

    # -- the queue's commands, called in the thread of Dask's loop ----------------------------

    def _call(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._cluster.loop.asyncio_loop)

    async def _start(self, job: _Job) -> None:
        async with self._few:
            await job.handle
        job.submitted = time.monotonic()

    async def _close(self, handle: Any) -> None:
        async with self._few:
            with contextlib.suppress(Exception):  # it is over, or the queue does not answer
                await handle.close()

    def _submit(self) -> _Job:
        name = f"splitopt-{self._count}"
        self._count += 1
        made = self._cluster.new_spec
        handle = made["cls"](self._address, name=name, **made["options"])
        job = self._jobs[name] = _Job(handle, Future())
        job.submission = self._call(self._start(job))
        return job

    def _drop(self, name: str) -> None:
        """Take a job back, over or not."""
        job = self._jobs.pop(name)
        self._numbers[job.number] = name
        self._fates.setdefault(name, job.state or "GONE")
        self._ending.append(self._call(self._close(job.handle)))

    def _ask(self, now: float) -> None:
        """Ask the queue what has become of the jobs, now and then."""
        if self._asked is not None and self._asked.done():
            with contextlib.suppress(Exception):  # it does not answer; it is asked again
                self._note(str(self._asked.result()))
            self._asked = None
        if self._spec.kind in _LISTING and self._asked is None and now - self._last_asked > _ASK_S:
            self._last_asked = now
            listing = list(_LISTING[self._spec.kind])
            self._asked = self._call(self._cluster.job_cls._call(listing))

    def _note(self, listing: str) -> None:
        self._heard = self._last_asked
        told = {}
        for line in listing.splitlines():
            number, state, reason = [*line.strip().split("|"), "", ""][:3]
            told[number] = (state.upper(), reason)
            if number in self._numbers and state not in _AT_WORK:
                name = self._numbers[number]
                # What we took back ourselves is called cancelled: it ended before.
                if self._fates.get(name) in _AT_WORK | {"COMPLETING"} and state != "CANCELLED":
                    self._fates[name] = state
        for job in self._jobs.values():
            if job.submitted > self._last_asked - 1:
                continue  # it may be younger than the answer
            job.state, job.reason = told.get(job.number, ("GONE", ""))

    # -- what is there and what is missing ------------------------------------------------------

    def look(self, workers: Sequence[Worker], left: int, done: int) -> None:
        """Drop the jobs that are over, and submit others while runs are left."""
        now = time.monotonic()
        self._ask(now)
        if done > self._done:
            self._barren, self._done = 0, done
        for name, job in list(self._jobs.items()):
            here = [worker for worker in workers if self._job_of(worker.name) == name]
            if why := self._over(job, here, now, left):
                self._drop(name)
                if why != "spent":
                    self._in_vain(job, why, now)
        self._fill(workers, left)

    def _over(self, job: _Job, here: Sequence[Worker], now: float, left: int) -> str | None:
        """Say why a job is over; None while it is not."""
        if not job.submission.done():
            return None
        if job.submission.exception() is not None:
            self._refused = _words(job.submission.exception())
            self._not_before = now + _AGAIN_S
            return "spent"
        if here:
            job.seen = now
            if left and all(
                worker.introduced and not worker.busy and not worker.holds(self._needed_s)
                for worker in here
            ):
                if any(worker.done for worker in here):
                    return "spent"
                most = max(worker.left_s for worker in here)
                return f"a worker came with {most:.0f} s of its walltime left, and a run needs " + (
                    f"{self._needed_s:g} s"
                )
            return None
        if job.state not in _AT_WORK:
            return f"job {job.number} ended as {job.state}"
        if job.seen is not None and now - job.seen > _GONE_S:
            return f"the workers of job {job.number} were lost"
        return None

    def _in_vain(self, job: _Job, why: str, now: float) -> None:
        """Count a job that may have come to nothing; its successor waits if it did."""
        self._barren += 1
        if self._barren < 2:
            return
        self._not_before = now + _AGAIN_S
        assert self._spec.workers is not None
        if self._barren >= _MOST_BARREN + self._spec.workers:
            logs = sorted(self._folder.glob(f"*{job.number}*"))
            words = next((said for log in logs if (said := last_words(log))), "")
            raise ClusterError(
                f"{self._spec.text}: {self._barren} jobs in a row came to nothing; the last: "
                f"{why}{words}; see {self._folder}; every run stored so far is kept"
            )

    def _fill(self, workers: Sequence[Worker], left: int) -> None:
        """Submit jobs while there are more runs than threads to come."""
        peopled = {self._job_of(worker.name) for worker in workers}
        ready = sum(
            worker.threads - worker.busy
            for worker in workers
            if not worker.introduced or worker.holds(self._needed_s)
        ) + self._threads * len(self._jobs.keys() - peopled)
        assert self._spec.workers is not None
        missing = min(
            self._spec.workers - len(self._jobs), math.ceil((left - ready) / self._threads)
        )
        if time.monotonic() < self._not_before:
            return
        for _ in range(missing):
            self._submit()

    def _job_of(self, worker: str) -> str:
        """Return the job of a worker: its name, with a number behind where it has several."""
        return worker if worker.count("-") == 1 else worker.rpartition("-")[0]

    def innocent(self, worker_name: str, lost: float) -> bool:
        """Whether the queue ended the job; as long as it has not said, whether it may have."""
        if self._spec.kind not in _LISTING:
            return False
        name = self._job_of(worker_name)
        job = self._jobs.get(name)
        state = self._fates.get(name, "GONE") if job is None else job.state
        return state in _ENDED_BY_QUEUE or (job is not None and self._heard <= lost)

    @property
    def waits_for(self) -> str:  # type: ignore[override]
        """What the jobs are at, in the queue's words where it has some."""
        each = [
            f"{job.number} {job.state} {job.reason}".strip().removesuffix(" None")
            for job in self._jobs.values()
            if job.submission.done()
        ]
        more = ", ..." if len(each) > _MOST_TOLD else ""
        said = f"a worker of its jobs ({', '.join(each[:_MOST_TOLD])}{more})"
        refused = f"; refused lately: {self._refused}" if self._refused else ""
        return (said if each else "the time to submit its next job") + refused

    def close(self) -> None:
        """Take back every job, and wait for the queue's word."""
        until = time.monotonic() + _END_S
        wait([job.submission for job in self._jobs.values()], timeout=_END_S / 2)
        for name in list(self._jobs):
            self._drop(name)
        wait(self._ending, timeout=max(0.0, until - time.monotonic()))


def _words(error: BaseException | None) -> str:
    """Return the queue's own words out of what dask-jobqueue makes of them, in one line."""
    if isinstance(error, FileNotFoundError):
        return f"there is no command {error.filename} here"
    if isinstance(error, TimeoutError):
        return f"its command did not end within {_SUBMIT_S:g} s"
    text = str(error)
    out, _, err = text.partition("stdout:\n")[2].partition("stderr:\n")
    said = err.strip() or out.strip() or text
    return " ".join(said.split())[:500]
