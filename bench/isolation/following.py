"""Follow one run: read what comes from it with limits, kill it when it breaks one."""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import shutil
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from splitopt.bench.isolation.machine import MachineError, ZygoteLostError
from splitopt.bench.isolation.neighbours import at_work
from splitopt.bench.isolation.process_tree import tree_cores, tree_memory_bytes
from splitopt.bench.isolation.streams import (
    OUTPUT_BYTES,
    Capture,
    Lines,
    Outcome,
    Watch,
    believed_s,
    hold_times,
)
from splitopt.instances.contract.method import Progress
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.bench.isolation.client import Zygote

# A run that has not begun to solve by then is killed: its instance or imports hang.
SETUP_LIMIT_S = 120.0
# After its result a process has this long to end.
_EXIT_LIMIT_S = 10.0
_MOST_POINTS = 10_000
_BETWEEN_CORES_S = 0.05
_BETWEEN_NEIGHBOURS_S = 0.5
# A look that is late by so much: the runner was not scheduled. Less is usual on a busy machine.
_NAP_S = 0.5


def _finite(value: object) -> float | None:
    """Return a figure that a run sent, None where it is no finite number."""
    if type(value) not in (int, float):
        return None
    number = float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None


class Following:
    """One run while it lasts.

    Parameters
    ----------
    zygote
        The process to fork it from.
    watch
        What it is watched for.
    """

    def __init__(self, zygote: Zygote, watch: Watch) -> None:
        self._zygote = zygote
        self._watch = watch
        self._outcome = Outcome()
        self._lines = Lines()
        self._output = Capture(watch.output_limit_bytes)
        self._errors = Capture(OUTPUT_BYTES)
        self._begin = time.monotonic()
        self._deadline: float | None = self._begin + SETUP_LIMIT_S
        self._stage = "setup"
        self._solve_begin = self._begin
        self._pid: int | None = None
        self._peak = 0
        self._cores: set[int] | None = None
        self._next_cores = self._next_neighbours = self._begin
        self._seen = (self._begin, time.thread_time())
        self._others: Callable[[], int | None] = lambda: None

    def go(self, request: dict[str, Any]) -> Outcome:
        """Do the run and return what came of it; raises as `Zygote.run` does."""
        outcome = self._outcome
        self._cores = None if request.get("cores") is None else set(request["cores"])
        try:
            ends = [os.pipe() for _ in range(3)]
        except OSError as error:
            raise MachineError(str(error)) from error
        readers = [end[0] for end in ends]
        with at_work() as self._others:
            try:
                self._follow(request, readers, [end[1] for end in ends])
            finally:
                for reader in readers:
                    os.close(reader)
        outcome.wall_time_s = time.monotonic() - self._begin
        hold_times(outcome, int(request.get("threads") or 1))
        outcome.stdout, outcome.stdout_bytes = self._output.kept(), self._output.total
        outcome.stderr, outcome.stderr_bytes = self._errors.kept(), self._errors.total
        return outcome

    def _follow(self, request: dict[str, Any], readers: list[int], writers: list[int]) -> None:
        """Have the run started and watch it to its end."""
        try:
            self._zygote._send(request, tuple(writers))
        finally:
            for writer in writers:
                os.close(writer)
        reply = self._zygote._receive()
        if reply.get("changed"):
            raise InputError(
                "method", request["target"], "the source that was planned", "start again"
            )
        if "input" in reply:
            raise InputError(*reply["input"])
        if "lacking" in reply:
            raise MachineError(str(reply["lacking"]))
        self._pid = int(reply["pid"])
        self._woke()
        try:
            self._supervise(readers)
        except ZygoteLostError:
            self._kill_directly()  # on Linux it is dead, but for what it started itself
            raise
        finally:
            if reply["scratch"] is not None:
                shutil.rmtree(reply["scratch"], ignore_errors=True)

    def _supervise(self, readers: list[int]) -> None:
        control = self._zygote._control
        limited = self._watch.memory_limit_bytes is not None
        interval = 0.01 if limited else 0.05
        with selectors.DefaultSelector() as selector:
            for which, reader in enumerate(readers):
                os.set_blocking(reader, False)
                selector.register(reader, selectors.EVENT_READ, which)
            selector.register(control, selectors.EVENT_READ, None)
            next_look = time.monotonic() + interval
            while True:
                now = time.monotonic()
                until = next_look if self._deadline is None else min(next_look, self._deadline)
                wait = max(0.0, until - now)
                found = selector.select(wait)
                now = self._woke(wait)
                if self._due(now):
                    # What is in the pipes came in time: it is read before that is judged.
                    found = selector.select(0)
                for key, _ in found:
                    if key.data is None:
                        self._end(readers)
                        return
                    if not self._read(readers[key.data], key.data):
                        selector.unregister(readers[key.data])
                if now >= next_look:
                    self._look()
                    next_look = now + interval
                if self._due(now):
                    self._overdue(now)

    def _due(self, now: float) -> bool:
        return self._deadline is not None and now >= self._deadline

    def _woke(self, wait: float | None = None) -> float:
        """Return the time; note how long this thread was not scheduled, past `wait` seconds asleep.

        Whoever does not look cannot say that a run overran its limit: the limit is later by that.
        """
        now, worked = time.monotonic(), time.thread_time()
        if wait is not None:
            missed = now - self._seen[0] - (worked - self._seen[1]) - wait
            if missed > _NAP_S and self._stage in ("setup", "solve"):
                self._outcome.unwatched_s += missed
                if self._deadline is not None:
                    self._deadline += missed
        self._seen = now, worked
        return now

    def _read(self, reader: int, which: int) -> bool:
        """Read some of what a pipe holds; return whether there may be more."""
        try:
            data = os.read(reader, 1 << 20)
        except BlockingIOError:
            return True
        self._take(data, which)
        return bool(data)

    def _drain(self, reader: int, which: int) -> None:
        """Read all that a pipe holds now."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(reader, 1 << 20):
                self._take(data, which)

    def _take(self, data: bytes, which: int) -> None:
        if which == 1:
            self._output.add(data)
            if data and self._watch.on_output is not None:
                self._watch.on_output(data)
        elif which == 2:
            self._errors.add(data)
        elif data and self._stage != "killed":
            now = time.monotonic()
            try:
                for message in self._lines.add(data):
                    self._hear(message, now)
            except (OverflowError, TypeError, ValueError) as error:
                # Not ours, then: the method itself wrote into the pipe.
                self._kill("result", f"sent what is no message: {error}")

    def _hear(self, message: dict[str, Any], now: float) -> None:
        """Take a message that was there, unread, at `now`."""
        outcome = self._outcome
        kind = message.get("kind")
        if kind == "point":
            self._point(message, now)
        elif kind == "ready" and not outcome.ready:
            # The first is ours: it is sent before any code of the method's.
            outcome.ready = True
            outcome.enforced = dict(message.get("enforced") or {})
            outcome.not_enforced = dict(message.get("not_enforced") or {})
        elif kind == "started" and self._stage == "setup":
            setup = f"{now - self._begin:.3g} s before the clock, killed at {SETUP_LIMIT_S:g} s"
            outcome.enforced["setup"] = setup
            outcome.started, self._solve_begin, self._stage = True, now, "solve"
            limit = self._watch.kill_after_s
            self._deadline = None if limit is None else now + limit
        elif outcome.message is None and self._stage in ("setup", "solve"):
            if outcome.started:
                outcome.solve_wall_s = now - self._solve_begin
            outcome.message = message
            outcome.reading_s = time.monotonic() - now
            self._check_cores()
            self._stage, self._deadline = "exit", now + _EXIT_LIMIT_S

    def _point(self, message: dict[str, Any], now: float) -> None:
        objective, bound = _finite(message.get("objective")), _finite(message.get("bound"))
        at = now - self._solve_begin
        point = Progress(
            believed_s(message.get("time_s"), at),
            objective,
            bound,
        )
        if len(self._outcome.points) >= _MOST_POINTS:
            # Every second one goes; the last one stays, and with it what was known.
            self._outcome.points = self._outcome.points[::2]
        self._outcome.points.append((point.time_s, point.objective, point.bound))
        limit = self._watch.time_limit_s
        plan = message.get("plan")
        if isinstance(plan, dict) and (limit is None or at <= limit):
            self._outcome.plan, self._outcome.plan_objective = plan, point.objective
        if self._watch.on_point is not None:
            self._watch.on_point(point)

    def _look(self) -> None:
        """Look at the memory of the process tree, and whether the run shall stop."""
        if self._watch.stop.is_set():
            self._kill("stop", "the runner was stopped")
            return
        limit = self._watch.memory_limit_bytes
        now = time.monotonic()
        if now >= self._next_cores:
            self._check_cores()
        if now >= self._next_neighbours:
            self._next_neighbours = now + _BETWEEN_NEIGHBOURS_S
            self._count_neighbours()
        held = tree_memory_bytes(self._zygote.pid, self._pid, limit, self._zygote.kept)
        self._peak = max(self._peak, held)
        if limit is not None and held > limit:
            self._kill("memory", f"held {held} bytes with its children; limit {limit} bytes")

    def _count_neighbours(self) -> None:
        beside = self._others()
        if beside is not None:
            self._outcome.runs_beside = max(beside, self._outcome.runs_beside or 0)

    def _check_cores(self) -> None:
        """Look whether the run still keeps to the cores that it was given."""
        enforced = self._outcome.enforced
        self._next_cores = time.monotonic() + _BETWEEN_CORES_S
        if self._cores is not None and "cores" in enforced:
            widened = tree_cores(self._zygote.pid, self._zygote.kept) - self._cores
            if widened:
                del enforced["cores"]
                self._outcome.not_enforced["cores"] = "the run took cores it was not given"

    def _overdue(self, now: float) -> None:
        since = now - self._solve_begin
        if self._stage == "killed":
            # The zygote does not answer: kill past it.
            self._kill_directly()
            self._zygote._process.kill()
            self._deadline = None
        elif self._stage == "solve":
            limit = self._watch.kill_after_s
            self._kill("time", f"still running after {since:.2f} s; killed at {limit:g} s")
        elif self._stage == "setup":
            self._kill("setup", f"had not started to solve after {since:.0f} s")
        else:
            self._kill("exit", f"did not end within {_EXIT_LIMIT_S:g} s of its result")

    def _kill_directly(self) -> None:
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)

    def _kill(self, why: str, because: str) -> None:
        if self._stage == "killed":
            return
        self._stage = "killed"
        self._outcome.killed_for, self._outcome.killed_because = why, because
        self._deadline = time.monotonic() + 15.0
        self._zygote._send({"op": "kill"})

    def _end(self, readers: list[int]) -> None:
        """Take the report of the end, and what is left in the pipes."""
        self._count_neighbours()
        report = self._zygote._receive()
        for which, reader in enumerate(readers):
            self._drain(reader, which)
        outcome = self._outcome
        outcome.exit_status = int(report["exit"])
        outcome.cpu_time_s = float(report["cpu_time_s"])
        outcome.peak_memory_bytes = max(self._peak, int(report["peak_bytes"]))
        if outcome.started and outcome.solve_wall_s is None:
            outcome.solve_wall_s = time.monotonic() - self._solve_begin
        if self._watch.memory_limit_bytes is not None:
            outcome.enforced["memory"] = "process tree watched, killed from outside"
        if not self._zygote.adopts:
            outcome.not_enforced["children that leave the session"] = (
                "this system cannot hand orphans to the runner"
            )
