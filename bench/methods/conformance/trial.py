"""Try methods, each check in a process of its own: one that hangs or crashes is named."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

from splitopt.bench.isolation.confine import die_with_parent
from splitopt.bench.isolation.targets import pick
from splitopt.bench.methods.conformance.cases import case
from splitopt.bench.methods.conformance.checks import (
    CHECKS,
    EXACT_LIMIT_S,
    OTHER_LIMIT_S,
    Check,
    names_of,
)
from splitopt.bench.methods.conformance.oracle import optimum_of
from splitopt.bench.methods.conformance.promises import BrokenPromiseError, Subject
from splitopt.bench.methods.registry import Entry
from splitopt.bench.store.rows import default_grace_s

# Beside its limits a step has the seconds to import the method and to be judged.
_ALLOWANCE_S = 60.0
# No case needs a hundredth of it.
_MEMORY_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one check.

    Attributes
    ----------
    steps
        Cases and switches that were tried.
    failure
        What is wrong and where; None when it passed.
    """

    method: str
    problem: str
    check: str
    what: str
    steps: int
    failure: str | None

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.failure is None


def try_method(
    entry: Entry,
    on_finding: Callable[[Finding], None] | None = None,
    checks: Sequence[Check] = CHECKS,
    patience_s: float | None = None,
) -> list[Finding]:
    """Return what becomes of each check of a method.

    Parameters
    ----------
    entry
        The method; its target is imported in the processes of the checks alone.
    on_finding
        Called with each as it is found.
    patience_s
        Seconds after which a step is killed; by default what a solve may take, and a minute.
    """
    for name in names_of(entry.problem):
        optimum_of(case(entry.problem, name))  # once, for all checks
    if patience_s is None:
        proves = entry.kind in ("exact", "approximation")
        limit = EXACT_LIMIT_S if proves else OTHER_LIMIT_S
        # Two solves in a step where they are compared.
        patience_s = 2 * (limit + default_grace_s(limit)) + _ALLOWANCE_S
    findings = []
    for check in checks:
        steps, failure = _in_a_process(check, entry, patience_s)
        found = Finding(entry.name, entry.problem, check.name, check.what, steps, failure)
        findings.append(found)
        if on_finding is not None:
            on_finding(found)
    return findings


def _in_a_process(check: Check, entry: Entry, patience_s: float) -> tuple[int, str | None]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.close(reader)
            os.setsid()
            die_with_parent()
            _hold()
            with os.fdopen(writer, "wb", buffering=0) as stream:
                _work(check, entry, stream)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    steps, where, failure, over = 0, "", None, False
    try:
        for message in _messages(reader, patience_s):
            if message is None:
                failure = f"{where}: still at it after {patience_s:.0f} s, killed".lstrip(": ")
                over = True
                break
            if "step" in message:
                steps, where = steps + 1, str(message["step"])
            elif "failure" in message:
                failure, over = str(message["failure"]), True
            else:
                over = True
    finally:
        os.close(reader)
        for kill in (os.killpg, os.kill):
            try:
                kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        _, status = os.waitpid(pid, 0)
    if not over:
        failure = f"{where}: {_ending(status)}".lstrip(": ")
    return steps, failure


def _hold() -> None:
    """Keep a method that allocates without end from taking the machine with it."""
    import resource

    with contextlib.suppress(OSError, ValueError, AttributeError):
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = _MEMORY_BYTES if most == resource.RLIM_INFINITY else min(_MEMORY_BYTES, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"the process ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"the process ended with exit code {os.WEXITSTATUS(status)} in mid-check"


def _messages(reader: int, patience_s: float) -> Any:
    """Yield what a process says, a line of JSON each; None when it is silent for too long."""
    held = b""
    until = time.monotonic() + patience_s
    while True:
        if not select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
            yield None
            return
        data = os.read(reader, 1 << 16)
        if not data:
            return
        until = time.monotonic() + patience_s
        *lines, held = (held + data).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _work(check: Check, entry: Entry, stream: IO[bytes]) -> None:
    """Do a check, in its own process, and say how it goes."""
    # What the method prints is its own affair.
    faulthandler.disable()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)

    def say(**message: object) -> None:
        stream.write(json.dumps(message).encode() + b"\n")

    where = ""
    try:
        method = pick(entry.target, entry.name)
        subject = Subject(method, entry.name, entry.problem, entry.kind)
        if callable(getattr(method, "prepare", None)):
            method.prepare()
        for where, step in check.steps(subject):
            say(step=where)
            step()
    except BrokenPromiseError as error:
        say(failure=_line(where, str(error)))
    except BaseException as error:  # whatever a method raises is a finding
        say(failure=_line(where, f"{type(error).__name__}: {error}"))
    else:
        say(done=True)


def _line(where: str, text: str) -> str:
    return " ".join(f"{where}: {text}".split()).lstrip(": ")[:2000]
