"""The process that runs are forked from: it has imported what they need and runs nothing.

Started by the runner, one a job, with the descriptor of one end of a socket as argument.
For each request it forks a child in a session of its own,
waits for it, kills whatever the child left behind, and reports how it ended. When the runner
dies the socket closes: the zygote kills the run in progress and ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from splitopt.bench.isolation import child, wire
from splitopt.bench.isolation.confine import become_subreaper, confine, die_with_parent
from splitopt.bench.isolation.kept import KEPT
from splitopt.bench.isolation.machine import look
from splitopt.bench.isolation.scratch import make_scratch
from splitopt.bench.isolation.source import source_hash
from splitopt.bench.store.sources import load_instance
from splitopt.instances.core import kernels
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import instance_from_document


def _children() -> list[int]:
    """Return this process's children, adopted ones included, but for those it keeps."""
    found: list[int] = []
    try:
        for task in Path("/proc/self/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:
        import psutil

        found = [process.pid for process in psutil.Process().children(recursive=True)]
    return [pid for pid in found if pid not in KEPT]


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


class SourceChangedError(Exception):
    """The code of a user's method is not what it was when its runs were planned."""


class Zygote:
    """The serving loop."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._wake, waker = socket.socketpair()
        for end in (self._wake, waker):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self._waker = waker
        self._adopts = become_subreaper()
        self._instance: tuple[tuple[str, str], Any] | None = None

    def serve(self) -> None:
        """Answer requests until the runner goes away."""
        while (got := wire.receive(self._control)) is not None:
            message, descriptors = got
            if message["op"] in ("solve", "probe"):
                self._fork(message, descriptors)
            elif message["op"] == "look":
                wire.send(self._control, self._look())
            elif message["op"] == "preload":
                from splitopt.bench.isolation.preload import preload

                kernels.on_compiling(lambda s: wire.send(self._control, {"compiling": s}))
                names = preload(message["targets"], trial=message["trial"])
                # What is there now is shared with every run: keep the collector from touching it.
                gc.collect()
                gc.freeze()
                wire.send(
                    self._control,
                    {"preloaded": names, "adopts": self._adopts, "kept": sorted(KEPT)},
                )

    def _load(self, request: dict[str, Any]) -> Any:
        key = (request["instance"], request["instance_hash"])
        if self._instance is None or self._instance[0] != key:
            self._instance = None  # not two large ones at a time
            document = request["instance_document"]
            if document is not None:
                instance = instance_from_document(document)
            else:
                instance = load_instance(request["instance"])
            if instance.content_hash != request["instance_hash"]:
                raise InputError(
                    "instance", request["instance"], "the instance planned", "it changed meanwhile"
                )
            self._instance = (key, instance)
        return self._instance[1]

    def _look(self) -> dict[str, Any]:
        try:
            look()
        except (OSError, MemoryError) as error:
            return {"lacking": _said(error)}
        return {"lacking": None}

    def _fork(self, request: dict[str, Any], descriptors: list[int]) -> None:
        zygote = os.getpid()
        instance = scratch = lock = None
        try:
            if request["op"] == "solve":
                instance = self._load(request)
                source = request["source"]
                if source is not None and source_hash(request["target"]) != source:
                    raise SourceChangedError(request["target"])
                scratch, lock = make_scratch()
            request["scratch"] = scratch
            pid = os.fork()
        except Exception as error:
            _clear(scratch, [*descriptors, *([] if lock is None else [lock])])
            wire.send(self._control, _refusal(error))
            return
        if pid == 0:
            code = 70
            try:
                self._control.close()
                code = _child(request, instance, descriptors, zygote)
            except BaseException:
                traceback.print_exc()
                raise
            finally:
                # No handlers at exit, no destructors: what they do is no part of the run.
                os._exit(code)
        try:
            _clear(None, descriptors)
            # The runner removes the folder too, should this process die.
            wire.send(self._control, {"pid": pid, "scratch": scratch})
            self._wait(pid)
        finally:
            _sweep()
            _clear(scratch, [] if lock is None else [lock])

    def _wait(self, pid: int) -> None:
        while True:
            readable, _, _ = select.select([self._control, self._wake], [], [], 1.0)
            if self._wake in readable:
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(4096)
            if self._control in readable:
                if wire.receive(self._control) is None:
                    raise ConnectionError("the runner is gone")
                _kill(pid)
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done:
                break
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        cpu_time_s = usage.ru_utime + usage.ru_stime + _sweep()
        wire.send(
            self._control,
            {
                "exit": status,
                "cpu_time_s": cpu_time_s,
                "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            },
        )


def _clear(scratch: str | None, descriptors: list[int]) -> None:
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
    for descriptor in descriptors:
        os.close(descriptor)


def _refusal(error: Exception) -> dict[str, Any]:
    """Return what is told of a run that did not come to be: never its method's fault."""
    if isinstance(error, SourceChangedError):
        return {"changed": True}
    if isinstance(error, InputError):
        return {"input": [error.field, str(error.value), error.allowed, error.remedy]}
    return {"lacking": _said(error)}


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:2000] or type(error).__name__


def _sweep() -> float:
    """Kill and reap everything that is left; return the processor time it had used."""
    cpu_time_s = 0.0
    until = time.monotonic() + 10.0
    while time.monotonic() < until:
        try:
            done, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if done:
            cpu_time_s += usage.ru_utime + usage.ru_stime
            KEPT.discard(done)  # one that was to stay, and died
            continue
        orphans = _children()
        if not orphans and KEPT:
            break
        for orphan in orphans:
            _kill(orphan)
        time.sleep(0.002)
    return cpu_time_s


def _child(request: dict[str, Any], instance: Any, descriptors: list[int], zygote: int) -> int:
    results, output, errors = descriptors
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    mortal = die_with_parent()
    if os.getppid() != zygote:
        return 0
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    for descriptor in (nothing, output, errors):
        os.close(descriptor)
    os.set_inheritable(results, False)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable(2)
    send = child.line_sender(results)
    if request["op"] == "probe":
        child.probe(request, send)
        child.flush()
        return 0
    if request["scratch"] is not None:
        os.chdir(request["scratch"])
        os.environ["TMPDIR"] = request["scratch"]
        # Whoever prepared may have asked for it already, and this one is forked with the answer.
        tempfile.tempdir = request["scratch"]
    held, missing = confine(request)
    if not mortal:
        missing["end with the runner"] = "this system does not kill a run whose runner is killed"
    send({"kind": "ready", "enforced": held, "not_enforced": missing})
    child.solve(request, instance, send)
    child.flush()
    return 0


def main() -> None:
    """Serve the socket whose descriptor is the first argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The runner's to handle: batch systems send them to all processes of a job.
        signal.signal(number, signal.SIG_IGN)
    wire.send(control, {"hello": os.getpid()})
    # When the runner dies the socket says so, in a read or in a write.
    with contextlib.suppress(ConnectionError):
        Zygote(control).serve()
    # Whoever closed the socket waits: no time for the interpreter to tidy up.
    os._exit(0)
