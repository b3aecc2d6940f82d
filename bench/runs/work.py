"""The slots of this machine: each claims a run, has it done, and stores its row."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.bench.isolation.cores import assigned_cores
from splitopt.bench.isolation.machine import MachineError, RunLostError
from splitopt.bench.isolation.streams import LOG_BYTES, OUTPUT_BYTES, Watch
from splitopt.bench.runs.plan import RunPlan
from splitopt.bench.runs.queue import RunQueue
from splitopt.bench.runs.record import Circumstances, keep_log, make_row
from splitopt.bench.runs.requests import builtin_targets
from splitopt.bench.runs.slot import Slot, solver_families
from splitopt.bench.store.environment import describe
from splitopt.bench.store.rows import PlannedRun
from splitopt.bench.store.sources import load_instance
from splitopt.bench.store.store import LEASE_S
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.bench.isolation.client import Zygote
    from splitopt.instances.contract.method import Instance

_INSTANCES_HELD = 8
# A second runner that has nothing left to claim looks this often whether the first is done.
_WAIT_S = 0.2


@dataclass
class Work:
    """The runs of a queue, done here, ``plan.jobs`` at a time; `logs` is the folder of logs.

    Slots take the parents of runs in `spare` before they start others.
    """

    queue: RunQueue
    plan: RunPlan
    logs: Path | None = None
    spare: list[Zygote] = field(default_factory=list)
    interrupted: bool = False

    def __post_init__(self) -> None:
        self._store = self.queue.store
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._over = threading.Event()
        self._working = 0
        self._failure: BaseException | None = None
        self._known = self._store.best_known()
        self._environment = self._store.put_environment(describe())
        self._families = solver_families(builtin_targets(self.plan))
        self._held: OrderedDict[str, Instance] = OrderedDict()
        # Runs that were lost each time, and the methods of those since the last that was not.
        self._lost: list[RunLostError] = []
        self._lately: set[str] = set()

    def go(self) -> None:
        """Do all that is left; return when it is done, or after Ctrl-C.

        Raises
        ------
        MachineError
            When this machine cannot do runs, or could not do some of them.
        StoreError
            When the store cannot be written.
        """
        self.queue.tell("planned")
        if not len(self.queue):
            return
        try:
            self._start(min(self.plan.jobs, len(self.queue)))
            last = time.monotonic()
            # Short waits, so that Ctrl-C is seen at once.
            while not self._over.wait(0.1):
                if time.monotonic() - last > LEASE_S / 4:
                    self._store.renew()
                    last = time.monotonic()
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            # Runs in progress are killed and their claims given back.
            self._stop.set()
            self._over.wait(30.0)
        if self._failure is not None:
            raise self._failure
        if self._lost and not self.interrupted:
            raise MachineError(
                f"{len(self._lost)} runs were lost each time they were tried, first "
                f"{self._lost[0]} (where its method does that, leave it out)"
            )

    def _start(self, count: int) -> None:
        # Not by joining threads: a join that a signal interrupts takes its thread to be over.
        self._working = count
        for started in range(count):
            try:
                threading.Thread(target=self._work, daemon=True).start()
            except BaseException as error:
                self._leave(count - started)
                if isinstance(error, RuntimeError):  # the system refused a thread
                    raise MachineError(str(error)) from error
                raise

    def _leave(self, count: int) -> None:
        with self._lock:
            self._working -= count
            if not self._working:
                self._over.set()

    # -- a slot ----------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with contextlib.closing(Slot(self._families, self.spare)) as slot:
                while not self._stop.is_set() and (run := self._next()) is not None:
                    self._do(run, slot)
        except BaseException as error:
            # The first failure ends the set: a store that cannot be written, say.
            with self._lock:
                self._failure = self._failure or error
            self._stop.set()
        finally:
            self._leave(1)

    def _next(self) -> PlannedRun | None:
        """Return a run claimed for this slot; None when every run is done."""
        while not self._stop.is_set():
            run = self.queue.claim(self._stop)
            if run is not None:
                return run
            if not len(self.queue):
                return None
            self.queue.tell("waiting", why=f"another runner, at all {len(self.queue)} runs left")
            self._stop.wait(_WAIT_S)
        return None

    def _instance(self, run: PlannedRun) -> Instance:
        with self._lock:
            found = self._held.get(run.instance_hash)
            if found is not None:
                self._held.move_to_end(run.instance_hash)
                return found
        found = load_instance(run.instance)
        if found.content_hash != run.instance_hash:
            raise InputError(
                "instance", run.instance, "the instance that was planned", "start again: it changed"
            )
        with self._lock:
            self._held[run.instance_hash] = found
            while len(self._held) > _INSTANCES_HELD:
                self._held.popitem(last=False)
        return found

    def _do(self, run: PlannedRun, slot: Slot) -> None:
        begin = time.monotonic()
        self.queue.tell("started", run=run)
        watch = Watch(
            kill_after_s=run.limits.kill_after_s,
            memory_limit_bytes=run.limits.memory_limit_bytes,
            stop=self._stop,
            time_limit_s=run.limits.time_limit_s,
            output_limit_bytes=OUTPUT_BYTES if self.logs is None else LOG_BYTES,
        )
        with assigned_cores(run.limits.threads) as cores:
            circumstances = Circumstances.now(self._environment, self.plan.jobs, cores)
            try:
                outcome = slot.run(
                    run,
                    watch,
                    cores,
                    log=self.logs is not None,
                    on_again=lambda why: self.queue.tell("again", run=run, why=why),
                )
            except RunLostError as error:
                self._lose(run, error)
                return
        if outcome.killed_for == "stop":
            self._store.release(run.key)
            return
        self._lately.clear()
        row, _ = make_row(
            run,
            self._instance(run),
            outcome,
            circumstances,
            self._known.get(run.instance_hash),
            begin,
        )
        if self.logs is not None and row.stdout:
            row = keep_log(self.logs, row)
        self.queue.finish(run, row, begin)

    def _lose(self, run: PlannedRun, error: RunLostError) -> None:
        """Put a run aside that was lost each time: a method that sees to that harms no other.

        Raises
        ------
        MachineError
            When that came to runs of two methods, one after another: then it is the machine.
        """
        self._store.release(run.key)
        with self._lock:
            self._lost.append(error)
            self._lately.add(run.method)
            if len(self._lately) > 1:
                raise MachineError(str(error))
