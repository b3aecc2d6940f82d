"""One process a run, watched and killed from outside.

The runner's side: start a zygote, ask it for a run, read what comes back with limits, kill
the run when it breaks one.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from splitopt.bench.isolation import wire
from splitopt.bench.isolation.boot import command
from splitopt.bench.isolation.process_tree import tree_cores, tree_memory_bytes
from splitopt.bench.isolation.streams import Capture, Lines, Outcome, Watch, believed_s, hold_times
from splitopt.bench.store.environment import thread_variables
from splitopt.instances.contract.method import Progress
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.kernels import announcement

__all__ = ["Zygote", "ZygoteLostError"]

# A run that has not begun to solve by then is killed: its instance or imports hang.
SETUP_LIMIT_S = 120.0
# After its result a process has this long to end.
_EXIT_LIMIT_S = 10.0
_MOST_POINTS = 10_000
_BETWEEN_CORES_S = 0.05


class ZygoteLostError(RuntimeError):
    """The process that runs are forked from died; the run in progress is lost."""


class Zygote:
    """A process to fork runs from, for one job.

    Parameters
    ----------
    threads
        Threads the libraries of its runs may start.
    targets
        ``module:object`` of the methods whose modules and solvers are imported ahead.
    """

    def __init__(self, threads: int = 1, targets: Sequence[str] = ()) -> None:
        if not hasattr(os, "fork"):
            raise InputError(
                "system", sys.platform, "Linux, macOS or another POSIX system", "use WSL on Windows"
            )
        ours, theirs = socket.socketpair()
        # An instance loads, or a run ends after it was killed, well within that.
        ours.settimeout(300.0)
        self._control = ours
        environment = os.environ | thread_variables(threads) | {"PYTHONHASHSEED": "0"}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the zygote
        try:
            self._process = subprocess.Popen(
                command("splitopt.bench.isolation.zygote", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(theirs.fileno(),),
                env=environment,
                # Ctrl-C in a terminal is for the runner alone.
                start_new_session=True,
            )
        finally:
            theirs.close()
        self._ready = False
        self._asked = 0
        self._targets = list(targets)
        self.adopts = False

    @property
    def pid(self) -> int:
        """The zygote's process number."""
        return self._process.pid

    def _get_ready(self) -> None:
        """Wait for the start and the imports, which run beside the runner's own work."""
        if not self._ready:
            self._receive()
            if not self._asked:
                self._ask_preload(trial=False)
            self._ready = True
        self._await_preload()

    def _ask_preload(self, *, trial: bool) -> None:
        self._send({"op": "preload", "targets": self._targets, "trial": trial})
        self._asked += 1

    def _await_preload(self) -> None:
        told = False
        while self._asked:
            reply = self._receive()
            if "compiling" not in reply:
                self.adopts = bool(reply["adopts"])
                self._asked -= 1
            elif not told:
                sys.stderr.write(announcement(reply["compiling"]) + "\n")
                told = True

    def preload(self, targets: Sequence[str], *, trial: bool = False) -> None:
        """Import what methods need; before the first run, which waits for it.

        For a `trial`, without kernels that a small instance can do without.
        """
        self._targets += targets
        self._ask_preload(trial=trial)

    def load_kernels(self) -> None:
        """Load, or compile, what a trial went without."""
        self._ask_preload(trial=False)
        self._await_preload()

    def close(self) -> None:
        """End the zygote and whatever it runs."""
        self._control.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _send(self, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        try:
            wire.send(self._control, message, descriptors)
        except OSError as error:
            raise self._lost() from error

    def _receive(self) -> dict[str, Any]:
        try:
            got = wire.receive(self._control)
        except (OSError, ValueError) as error:
            raise self._lost() from error
        if got is None:
            raise self._lost()
        return got[0]

    def _lost(self) -> ZygoteLostError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        tail = ""
        with contextlib.suppress(OSError, ValueError):
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - 2000))
            tail = self._log.read().decode(errors="replace").strip()
        last = tail.splitlines()[-1] if tail else "no message"
        return ZygoteLostError(f"the parent of runs ended ({self._process.returncode}): {last}")

    def run(self, request: Mapping[str, Any], watch: Watch) -> Outcome:
        """Do one run and return what came of it.

        Raises
        ------
        ZygoteLostError
            When the zygote died; start another one.
        InputError
            When the code of a user's method has changed since the run was planned.
        """
        self._get_ready()
        return _Run(self, watch).go(dict(request))


def _finite(value: object) -> float | None:
    """Return a figure that a run sent, None where it is no finite number."""
    if type(value) not in (int, float):
        return None
    number = float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None


class _Run:
    """One run while it lasts."""

    def __init__(self, zygote: Zygote, watch: Watch) -> None:
        self._zygote = zygote
        self._watch = watch
        self._outcome = Outcome()
        self._lines = Lines()
        self._output = Capture(watch.output_limit_bytes)
        self._errors = Capture(watch.output_limit_bytes)
        self._begin = time.monotonic()
        self._deadline: float | None = self._begin + SETUP_LIMIT_S
        self._stage = "setup"
        self._solve_begin = self._begin
        self._pid: int | None = None
        self._peak = 0
        self._cores: set[int] | None = None
        self._next_cores = self._begin

    def go(self, request: dict[str, Any]) -> Outcome:
        outcome = self._outcome
        self._cores = None if request.get("cores") is None else set(request["cores"])
        ends = [os.pipe() for _ in range(3)]
        readers = [end[0] for end in ends]
        try:
            try:
                self._zygote._send(request, tuple(end[1] for end in ends))
            finally:
                for end in ends:
                    os.close(end[1])
            reply = self._zygote._receive()
            if reply.get("changed"):
                raise InputError(
                    "method", request["target"], "the source that was planned", "start again"
                )
            if "failed" in reply:
                outcome.failed = str(reply["failed"])
            else:
                self._pid = int(reply["pid"])
                try:
                    self._supervise(readers)
                finally:
                    if reply["scratch"] is not None:
                        shutil.rmtree(reply["scratch"], ignore_errors=True)
        finally:
            for reader in readers:
                os.close(reader)
        outcome.wall_time_s = time.monotonic() - self._begin
        hold_times(outcome, int(request.get("threads") or 1))
        outcome.stdout, outcome.stdout_bytes = self._output.kept(), self._output.total
        outcome.stderr, outcome.stderr_bytes = self._errors.kept(), self._errors.total
        return outcome

    def _supervise(self, readers: list[int]) -> None:
        control = self._zygote._control
        limited = self._watch.memory_limit_bytes is not None
        interval = 0.01 if limited else 0.05
        with selectors.DefaultSelector() as selector:
            for reader in readers:
                os.set_blocking(reader, False)
                selector.register(reader, selectors.EVENT_READ, readers.index(reader))
            selector.register(control, selectors.EVENT_READ, None)
            next_look = time.monotonic() + interval
            while True:
                now = time.monotonic()
                until = next_look if self._deadline is None else min(next_look, self._deadline)
                for key, _ in selector.select(max(0.0, until - now)):
                    if key.data is None:
                        self._end(readers)
                        return
                    if not self._read(readers[key.data], key.data):
                        selector.unregister(readers[key.data])
                now = time.monotonic()
                if now >= next_look:
                    self._look()
                    next_look = now + interval
                if self._deadline is not None and now >= self._deadline:
                    self._overdue(now)

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
        elif kind == "ready" and not outcome.enforced:
            # The first is ours: it is sent before any code of the method's.
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
        if time.monotonic() >= self._next_cores:
            self._check_cores()
        held = tree_memory_bytes(self._zygote.pid, self._pid, limit)
        self._peak = max(self._peak, held)
        if limit is not None and held > limit:
            self._kill("memory", f"held {held} bytes with its children; limit {limit} bytes")

    def _check_cores(self) -> None:
        """Look whether the run still keeps to the cores that it was given."""
        enforced = self._outcome.enforced
        self._next_cores = time.monotonic() + _BETWEEN_CORES_S
        if self._cores is not None and "cores" in enforced:
            widened = tree_cores(self._zygote.pid) - self._cores
            if widened:
                del enforced["cores"]
                self._outcome.not_enforced["cores"] = "the run took cores it was not given"

    def _overdue(self, now: float) -> None:
        since = now - self._solve_begin
        if self._stage == "killed":
            # The zygote does not answer: kill past it.
            if self._pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._pid, signal.SIGKILL)
            self._zygote._process.kill()
            self._deadline = None
        elif self._stage == "solve":
            limit = self._watch.kill_after_s
            self._kill("time", f"still running after {since:.2f} s; killed at {limit:g} s")
        elif self._stage == "setup":
            self._kill("setup", f"had not started to solve after {since:.0f} s")
        else:
            self._kill("exit", f"did not end within {_EXIT_LIMIT_S:g} s of its result")

    def _kill(self, why: str, because: str) -> None:
        if self._stage == "killed":
            return
        self._stage = "killed"
        self._outcome.killed_for, self._outcome.killed_because = why, because
        self._deadline = time.monotonic() + 15.0
        self._zygote._send({"op": "kill"})

    def _end(self, readers: list[int]) -> None:
        """Take the report of the end, and what is left in the pipes."""
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
