"""The slots that do runs, one at a time each.

A slot is a thread that claims a run in the store, has a zygote fork its process, watches it,
judges what comes back and stores the row.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bench.environment import describe
from bench.isolation.client import Zygote, ZygoteLostError
from bench.isolation.cores import assigned_cores
from bench.isolation.preload import solver_family
from bench.isolation.requests import builtin_targets, request_of
from bench.isolation.streams import Outcome, Watch
from bench.plan_runs import RunPlan
from bench.record import Circumstances, make_row
from bench.rows import PlannedRun, Row
from bench.sources import load_instance
from bench.store import LEASE_S, Claim, Store
from instances.errors import InputError

if TYPE_CHECKING:
    from instances.interface import Instance

__all__ = ["RunEvent", "Work"]

_INSTANCES_HELD = 8
# A second runner that has nothing left to claim looks this often whether the first is done.
_WAIT_S = 0.2


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened in a set of runs.

    Attributes
    ----------
    kind
        ``planned`` once, then ``started`` and ``finished`` for each run; ``waiting`` when all
        that is left is in the hands of another runner.
    done, total
        Runs stored, of those planned.
    run, row
        The run, and its row once it is finished.
    remaining_s
        Estimate of the seconds left; None until the first run is finished.
    """

    kind: Literal["planned", "started", "finished", "waiting"]
    done: int
    total: int
    run: PlannedRun | None = None
    row: Row | None = None
    remaining_s: float | None = None


@dataclass
class Work:
    """The runs that are left, and the slots that do them."""

    store: Store
    plan: RunPlan
    output_limit_bytes: int
    on_event: Callable[[RunEvent], None] | None
    done_now: int = 0
    interrupted: bool = False
    overheads_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._left = self.plan.left
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._known = self.store.best_known()
        self._environment = self.store.put_environment(describe())
        # Our own methods alone: a user's code is imported in the process of its run.
        self._families = {t: solver_family(t) for t in builtin_targets(self.plan)}
        self._held: OrderedDict[str, Instance] = OrderedDict()
        self._begin = time.monotonic()
        self._stored = len(self.plan.done)

    def go(self) -> None:
        """Do all that is left; return when it is done, or after Ctrl-C."""
        self._tell("planned")
        if not self._left:
            return
        slots = [
            threading.Thread(target=self._slot, daemon=True)
            for _ in range(min(self.plan.jobs, len(self._left)))
        ]
        try:
            for slot in slots:
                slot.start()
            last = time.monotonic()
            while any(slot.is_alive() for slot in slots):
                # Short waits, so that Ctrl-C is seen at once.
                slots[0].join(0.1) if slots[0].is_alive() else time.sleep(0.05)
                if time.monotonic() - last > LEASE_S / 4:
                    self.store.renew()
                    last = time.monotonic()
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            # Runs in progress are killed and their claims given back.
            self._stop.set()
            for slot in slots:
                if slot.ident is not None:
                    slot.join(30.0)
        if self._failure is not None:
            raise self._failure

    def _tell(
        self, kind: Literal["planned", "started", "finished", "waiting"], **more: Any
    ) -> None:
        if self.on_event is None:
            return
        with self._lock:
            done, total = self._stored, len(self.plan)
            remaining = None
            if self.done_now:
                elapsed = time.monotonic() - self._begin
                remaining = elapsed / self.done_now * (total - done)
            self.on_event(RunEvent(kind, done, total, remaining_s=remaining, **more))

    # -- a slot ----------------------------------------------------------------------------

    def _slot(self) -> None:
        # One parent of runs for each family of solvers, started when first needed.
        zygotes: dict[tuple[str, ...], Zygote] = {}
        try:
            while not self._stop.is_set() and (run := self._next()) is not None:
                self._do(run, zygotes)
        except BaseException as error:
            # The first failure ends the set: a store that cannot be written, say.
            with self._lock:
                self._failure = self._failure or error
            self._stop.set()
        finally:
            for zygote in zygotes.values():
                zygote.close()

    def _next(self) -> PlannedRun | None:
        """Return a run claimed for this slot; None when every run is done."""
        while not self._stop.is_set():
            with self._lock:
                waiting = len(self._left)
            for _ in range(waiting):
                with self._lock:
                    if not self._left:
                        break
                    run = self._left.pop(0)
                claim = self.store.claim(run.key)
                if claim is Claim.MINE:
                    return run
                with self._lock:
                    if claim is Claim.TAKEN:
                        self._left.append(run)
                    else:
                        self._stored += 1
                if claim is Claim.TAKEN and self._stop.is_set():
                    return None
            with self._lock:
                if not self._left:
                    return None
            self._tell("waiting")
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

    def _do(self, run: PlannedRun, zygotes: dict[tuple[str, ...], Zygote]) -> None:
        begin = time.monotonic()
        self._tell("started", run=run)
        with assigned_cores(run.limits.threads) as cores:
            circumstances = Circumstances.now(self._environment, self.plan.jobs, cores)
            outcome = self._attempt(run, zygotes, cores)
        if outcome.killed_for == "stop":
            self.store.release(run.key)
            return
        row, _ = make_row(
            run,
            self._instance(run),
            outcome,
            circumstances,
            self._known.get(run.instance_hash),
            begin,
        )
        self.store.add(row)
        with self._lock:
            self._stored += 1
            self.done_now += 1
            self.overheads_s.append(time.monotonic() - begin - (row.solve_time_s or 0.0))
        self._tell("finished", run=run, row=row)

    def _attempt(
        self,
        run: PlannedRun,
        zygotes: dict[tuple[str, ...], Zygote],
        cores: tuple[int, ...] | None,
    ) -> Outcome:
        """Do a run; once more when the zygote, and not the run, was lost."""
        family = self._families.get(run.target, ())
        watch = Watch(
            kill_after_s=run.limits.kill_after_s,
            memory_limit_bytes=run.limits.memory_limit_bytes,
            output_limit_bytes=self.output_limit_bytes,
            stop=self._stop,
        )
        lost = ""
        for _ in range(2):
            if family not in zygotes:
                wanted = [t for t, f in self._families.items() if f == family]
                zygotes[family] = Zygote(run.limits.threads, wanted)
            try:
                return zygotes[family].run(request_of(run, cores=cores), watch)
            except ZygoteLostError as error:
                lost = str(error)
                zygotes.pop(family).close()
                if self._stop.is_set():
                    return Outcome(killed_for="stop")
        return Outcome(failed=lost, wall_time_s=0.0)
