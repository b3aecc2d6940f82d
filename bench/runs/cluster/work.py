"""The runs of a queue, done by the workers of a cluster; this process alone writes the store.

Every run is given to one worker, for one of its threads. A worker that is lost gives its runs
back to the queue; a run whose workers are lost time and again is recorded as crashed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue as queues
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.isolation.machine import MachineError
from splitopt.bench.isolation.streams import Outcome
from splitopt.bench.runs.cluster import task
from splitopt.bench.runs.cluster.connect import connected
from splitopt.bench.runs.cluster.errors import ClusterError
from splitopt.bench.runs.cluster.losses import MOST_LOSSES, Losses, Patience
from splitopt.bench.runs.cluster.payload import Answer, Task, read_answer, write_task
from splitopt.bench.runs.cluster.pool import Pool
from splitopt.bench.runs.cluster.spec import ClusterSpec
from splitopt.bench.runs.cluster.walltime import needed_s
from splitopt.bench.runs.cluster.workers import Workers
from splitopt.bench.runs.plan import RunPlan
from splitopt.bench.runs.queue import RunQueue
from splitopt.bench.runs.record import Circumstances, keep_log, make_row
from splitopt.bench.runs.requests import builtin_targets
from splitopt.bench.store.environment import describe
from splitopt.bench.store.rows import PlannedRun, Row
from splitopt.bench.store.sources import is_file, load_instance
from splitopt.bench.store.store import LEASE_S
from splitopt.bench.verdicts.again import judge_row
from splitopt.instances.core.documents import canonical
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from distributed import Client, Future

    from splitopt.instances.contract.method import Instance

__all__ = ["ClusterError", "ClusterWork"]

_LOOK_S = 0.5
# All that is left may be in the hands of another runner: so often it is asked for again.
_CLAIM_S = 0.2
_TELL_S = 1.0
# A larger instance from a file is read by the workers from the same path.
_LARGEST_DOCUMENT_BYTES = 4 << 20
_ANSWER_S = 60.0


@dataclass(slots=True)
class _Given:
    """A run that a worker is at."""

    run: PlannedRun
    address: str
    host: str
    worker: str
    ends: float
    future: Future
    begin: float
    jobs: int
    jobs_on_machine: int


@dataclass
class ClusterWork:
    """What `splitopt.bench.runs.work.Work` is on one machine."""

    queue: RunQueue
    plan: RunPlan
    spec: ClusterSpec
    plugins: tuple[str, ...] = ()
    logs: Path | None = None
    interrupted: bool = False
    _given: dict[str, _Given] = field(default_factory=dict)
    _held: Instance | None = None

    def __post_init__(self) -> None:
        self._store = self.queue.store
        self._known = self._store.best_known()
        self._environments = set(self._store.environments())
        self._targets = tuple(builtin_targets(self.plan))
        self._documents: dict[str, dict[str, Any] | None] = {}
        self._ended: queues.SimpleQueue[str] = queues.SimpleQueue()
        self._needed_s = max((needed_s(run.limits) for run in self.plan), default=0.0)

    def go(self) -> None:
        """Do all that is left; return when it is done, or after Ctrl-C.

        Raises
        ------
        InputError
            When what was asked for is wrong, or a worker does not fit.
        ClusterError
            When there is no scheduler or it is lost, the queue takes no job, no worker comes or
            one fails; what was stored is kept.
        """
        self.queue.tell("planned")
        if not len(self.queue):
            return
        try:
            out = self._store.path.parent
            with connected(self.spec, out, self._needed_s, len(self.queue)) as (client, pool):
                self._losses = Losses(pool.innocent)
                try:
                    self._serve(client, pool)
                finally:
                    # Workers see that nobody waits, and kill what they are at.
                    for given in self._given.values():
                        _cancel(given.future)
                        self._store.release(given.run.key)
                    self._given.clear()
        except KeyboardInterrupt:
            self.interrupted = True

    def _serve(self, client: Client, pool: Pool) -> None:
        sources = {run.target: run.source for run in self.plan if run.source is not None}
        workers = Workers(client, self.plugins, sources)
        renewed = looked = told = asked = 0.0
        patience = Patience(self.spec, pool)
        while len(self.queue) or self._given:
            now = time.monotonic()
            if now - looked > _LOOK_S:
                self._look(client, workers, pool)
                looked = now
            if now - renewed > LEASE_S / 4:
                self._store.renew()
                renewed = now
            while now - asked > _CLAIM_S and (address := workers.free(self._needed_s)) is not None:
                run = self.queue.claim()
                if run is None:
                    asked = now
                    break
                self._give(client, workers, address, run)
            able = any(worker.holds(self._needed_s) for worker in workers.all())
            patience.look(able or bool(self._given), len(workers.all()))
            if not self._given and now - told > _TELL_S:
                what = "another runner" if able else patience.waits_for
                self.queue.tell("waiting", why=what)
                told = now
            self._collect(workers)

    def _look(self, client: Client, workers: Workers, pool: Pool) -> None:
        """See who has come and gone; runs of workers that are gone are given out again."""
        if client.status == "connecting":
            return  # the connection was cut, and Dask is about to mend it
        if client.status != "running":
            raise ClusterError(_lost(self.spec))
        try:
            workers.look()
        except InputError:
            raise
        except (OSError, TimeoutError):
            # A moment later it is mended, or the status says that it cannot be.
            return
        pool.look(workers.all(), len(self.queue), self.queue.done_now)
        for given in self._given.values():
            given.jobs = max(given.jobs, workers.threads)
            given.jobs_on_machine = max(given.jobs_on_machine, workers.threads_on(given.host))
        for name, given in list(self._given.items()):
            if given.address not in workers:
                _cancel(given.future)
                self._lose(name)

    def _give(self, client: Client, workers: Workers, address: str, run: PlannedRun) -> None:
        worker = workers[address]
        begin = time.monotonic()
        name = f"splitopt-{run.key[:12]}-{uuid.uuid4().hex}"
        text = write_task(
            Task(
                run,
                self._targets,
                self._document(run),
                self._known.get(run.instance_hash),
                self.spec.kind,
                self.logs is not None,
            )
        )
        self.queue.tell("started", run=run)
        try:
            future = client.submit(
                task.do_run,
                text,
                key=name,
                workers=[address],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
        except Exception:
            self._store.release(run.key)
            if client.status != "running":
                raise ClusterError(_lost(self.spec)) from None
            raise
        worker.busy += 1
        local = self.spec.workers if self.spec.kind == "local" else None
        self._given[name] = _Given(
            run,
            address,
            worker.host,
            worker.name,
            worker.ends,
            future,
            begin,
            max(workers.threads, local or 0),
            max(workers.threads_on(worker.host), local or 0),
        )
        future.add_done_callback(lambda _: self._ended.put(name))

    def _instance(self, run: PlannedRun) -> Instance:
        """Return an instance; the last one is kept."""
        if self._held is None or self._held.content_hash != run.instance_hash:
            self._held = load_instance(run.instance)
            if self._held.content_hash != run.instance_hash:
                raise InputError(
                    "instance",
                    run.instance,
                    "the instance that was planned",
                    "start again: it changed",
                )
        return self._held

    def _document(self, run: PlannedRun) -> dict[str, Any] | None:
        """Return an instance that is in a file, so that workers need not share the disk."""
        if not is_file(run.instance):
            return None
        if run.instance_hash not in self._documents:
            document = self._instance(run).to_document()
            small = len(canonical(document)) <= _LARGEST_DOCUMENT_BYTES
            self._documents[run.instance_hash] = document if small else None
        return self._documents[run.instance_hash]

    # -- what comes back -------------------------------------------------------------------

    def _collect(self, workers: Workers) -> None:
        """Take what has ended; wait a little for the first."""
        wait = 0.05
        while True:
            try:
                name = self._ended.get(timeout=wait) if wait else self._ended.get_nowait()
            except queues.Empty:
                return
            wait = 0.0
            given = self._given.get(name)
            if given is None:
                continue  # it was given up
            if given.address in workers:
                workers[given.address].busy -= 1
                workers[given.address].done += 1
            answer = _answer(given)
            if answer is None:
                self._lose(name)
            elif answer.lacking is not None and workers.without(given.address):
                # Another machine may have what this one lacks.
                why = f"the machine of worker {given.address} cannot do runs now: {answer.lacking}"
                self._put_back(self._given.pop(name).run, why)
            else:
                self._take(name, answer)

    def _take(self, name: str, answer: Answer) -> None:
        given = self._given.pop(name)
        if answer.lacking is not None:
            raise ClusterError(f"worker {given.address}: {MachineError(answer.lacking)}")
        if answer.error is not None:
            raise ClusterError(f"worker {given.address}: {answer.error}")
        if answer.row is None or answer.environment is None:
            self._put_back(given.run)
            return
        row, run = answer.row, given.run
        try:
            self._store.check_row(row)
        except InputError as error:
            raise ClusterError(f"worker {given.address}: {error}") from None
        names = ("key", "instance_hash", "instance_name", "problem", "method", "versionless_key")
        if any(getattr(row, name) != getattr(run, name) for name in names) or (
            (row.method_source, row.method_version) != (run.source, run.version)
        ):
            raise ClusterError(f"worker {given.address} answers for another run")
        # Its verdict is not believed: it may come from whoever reached the scheduler.
        row = judge_row(row, self._instance(run), self._known.get(run.instance_hash))
        if row.environment_hash not in self._environments:
            self._environments.add(self._store.put_environment(answer.environment))
        row = dataclasses.replace(row, jobs=given.jobs, jobs_on_machine=given.jobs_on_machine)
        if self.logs is not None and row.stdout:
            row = keep_log(self.logs, row)
        self.queue.finish(run, row, given.begin)

    def _lose(self, name: str) -> None:
        """Give a run out again whose worker is gone, but not for ever."""
        given = self._given.pop(name)
        if self._losses.count(given.run, given.worker, given.ends):
            self.queue.finish(given.run, self._crashed(given), given.begin)
        else:
            self._put_back(given.run)

    def _put_back(self, run: PlannedRun, why: str = "its worker was lost") -> None:
        self.queue.put_back(run)
        self.queue.tell("again", run=run, why=why)

    def _crashed(self, given: _Given) -> Row:
        circumstances = Circumstances.now(
            self._store.put_environment(describe()),
            given.jobs,
            None,
            given.jobs_on_machine,
            self.spec.kind,
        )
        row, _ = make_row(
            given.run,
            self._instance(given.run),
            Outcome(failed=f"its worker was lost, {MOST_LOSSES} times in a row"),
            circumstances,
            None,
            given.begin,
        )
        return row


def _answer(given: _Given) -> Answer | None:
    """Return what a worker says; None when it is gone, and its answer with it.

    Raises
    ------
    ClusterError
        When our own code failed there.
    """
    from distributed import CancelledError, KilledWorker

    try:
        return read_answer(str(given.future.result(timeout=_ANSWER_S)))
    except (OSError, TimeoutError, CancelledError, KilledWorker):
        return None
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        raise ClusterError(f"worker {given.address}: {reason}") from None


def _cancel(future: Future) -> None:
    # Dask has many names for a connection that is gone, and then there is nothing to cancel.
    with contextlib.suppress(Exception):
        future.cancel()


def _lost(spec: ClusterSpec) -> str:
    return (
        f"the scheduler of {spec.text} is gone; every run stored so far is kept: start again, "
        "finished runs are not repeated"
    )
