"""The runs that are left: claimed one after another, counted, and told of as they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from splitopt.bench.runs.plan import RunPlan
from splitopt.bench.runs.record import unstorable
from splitopt.bench.store.rows import PlannedRun, Row
from splitopt.bench.store.store import Claim, Store

EventKind = Literal["planned", "started", "finished", "waiting", "again"]


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened in a set of runs.

    Attributes
    ----------
    kind
        ``planned`` once, then ``started`` and ``finished`` for each run; ``waiting`` when all
        that is left is in the hands of another runner, or when no worker is there yet; ``again``
        when a run is done once more, since the machine and not its method failed.
    done, total
        Runs stored, of those planned.
    run, row
        The run, and its row once it is finished.
    remaining_s
        Estimate of the seconds left; None until the first run is finished.
    why
        What is waited for, or why a run is done again.
    """

    kind: EventKind
    done: int
    total: int
    run: PlannedRun | None = None
    row: Row | None = None
    remaining_s: float | None = None
    why: str | None = None


class RunQueue:
    """What is left of a plan; safe to be used by several threads.

    Attributes
    ----------
    done_now
        Rows stored through this queue.
    overheads_s
        Of each of them, the seconds from claim to commit that were not spent in the method.
    """

    def __init__(
        self, store: Store, plan: RunPlan, on_event: Callable[[RunEvent], None] | None
    ) -> None:
        self.store = store
        self.done_now = 0
        self.overheads_s: list[float] = []
        self._left = plan.left
        self._total = len(plan)
        self._stored = len(plan.done)
        self._on_event = on_event
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many runs are neither done nor claimed through this queue."""
        with self._lock:
            return len(self._left)

    def claim(self, stop: threading.Event | None = None) -> PlannedRun | None:
        """Return a run that is claimed now; None when there is none to be had.

        Runs that another runner has stored are dropped; those it is at stay in the queue, which
        is empty when everything is done.
        """
        for _ in range(len(self)):
            with self._lock:
                if not self._left:
                    return None
                run = self._left.pop(0)
            claim = self.store.claim(run.key)
            if claim is Claim.MINE:
                return run
            with self._lock:
                if claim is Claim.TAKEN:
                    self._left.append(run)
                else:
                    self._stored += 1
            if stop is not None and stop.is_set():
                return None
        return None

    def put_back(self, run: PlannedRun) -> None:
        """Take back a run that was not done; its claim is given back."""
        self.store.release(run.key)
        with self._lock:
            self._left.insert(0, run)

    def finish(self, run: PlannedRun, row: Row, begin: float) -> None:
        """Store the row of a run that was taken up at `begin`, by `time.monotonic`."""
        try:
            new = self.store.add(row)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            row = unstorable(row, error)
            new = self.store.add(row)
        with self._lock:
            self._stored += 1
            # Another runner may have thought this one dead and have done the run meanwhile.
            self.done_now += new
            self.overheads_s.append(time.monotonic() - begin - (row.solve_time_s or 0.0))
        self.tell("finished", run=run, row=row)

    def tell(self, kind: EventKind, **more: Any) -> None:
        """Tell the listener that something happened; one thread at a time."""
        if self._on_event is None:
            return
        with self._lock:
            remaining = None
            if self.done_now:
                elapsed = time.monotonic() - self._begin
                remaining = elapsed / self.done_now * (self._total - self._stored)
            self._on_event(RunEvent(kind, self._stored, self._total, remaining_s=remaining, **more))
