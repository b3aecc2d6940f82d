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
from pathlib import Path
from typing import Any

from splitopt.bench.isolation import child, wire
from splitopt.bench.isolation.confine import become_subreaper, confine, die_with_parent
from splitopt.bench.isolation.source import source_hash
from splitopt.bench.store.sources import load_instance
from splitopt.instances.core import kernels
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import instance_from_document

__all__ = ["main"]


def _children() -> list[int]:
    """Return this process's children, adopted ones included."""
    found: list[int] = []
    try:
        for task in Path("/proc/self/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:
        import psutil

        found = [process.pid for process in psutil.Process().children(recursive=True)]
    return found


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
            elif message["op"] == "preload":
                from splitopt.bench.isolation.preload import preload

                kernels.on_compiling(lambda s: wire.send(self._control, {"compiling": s}))
                names = preload(message["targets"], trial=message["trial"])
                # What is there now is shared with every run: keep the collector from touching it.
                gc.collect()
                gc.freeze()
                wire.send(self._control, {"preloaded": names, "adopts": self._adopts})

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

    def _fork(self, request: dict[str, Any], descriptors: list[int]) -> None:
        try:
            instance = scratch = None
            if request["op"] == "solve":
                instance = self._load(request)
                source = request["source"]
                if source is not None and source_hash(request["target"]) != source:
                    raise SourceChangedError(request["target"])
                scratch = tempfile.mkdtemp(prefix="splitopt-run-")
        except Exception as error:
            for descriptor in descriptors:
                os.close(descriptor)
            changed = isinstance(error, SourceChangedError)
            said = " ".join(str(error).split())[:2000]
            wire.send(self._control, {"failed": said, "changed": changed})
            return
        zygote = os.getpid()
        request["scratch"] = scratch
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                self._control.close()
                code = _child(request, instance, descriptors, zygote)
            finally:
                # No handlers at exit, no destructors: what they do is no part of the run.
                os._exit(code)
        try:
            for descriptor in descriptors:
                os.close(descriptor)
            # The runner removes the folder too, should this process die.
            wire.send(self._control, {"pid": pid, "scratch": scratch})
            self._wait(pid)
        finally:
            _sweep()
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)

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
            continue
        for orphan in _children():
            _kill(orphan)
        time.sleep(0.002)
    return cpu_time_s


def _child(request: dict[str, Any], instance: Any, descriptors: list[int], zygote: int) -> int:
    results, output, errors = descriptors
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's to handle
    wire.send(control, {"hello": os.getpid()})
    # When the runner dies the socket says so, in a read or in a write.
    with contextlib.suppress(ConnectionError):
        Zygote(control).serve()
    # Whoever closed the socket waits: no time for the interpreter to tidy up.
    os._exit(0)
