"""Call a function of ours on what somebody else made, in a process of its own, under limits.

For readers and solvers in native code, which a damaged file can make spin or crash.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from splitopt.bench.isolation.boot import command
from splitopt.bench.isolation.confine import confine, die_with_parent
from splitopt.bench.isolation.scratch import scratch
from splitopt.bench.isolation.targets import load_target
from splitopt.bench.store.environment import thread_variables
from splitopt.instances.core.errors import InputError

_LARGEST_ANSWER = 1 << 20


class ApartError(RuntimeError):
    """The call gave no answer: it took too long, crashed, or ran out of memory."""


def apart(
    target: str, request: Mapping[str, Any], *, limit_s: float, memory_bytes: int
) -> dict[str, Any]:
    """Return what the function at ``module:object`` says of a JSON object: another one.

    It works in an empty folder of its own that goes away, and is killed with all its children.

    Parameters
    ----------
    limit_s
        Seconds after which it is killed; processor seconds as well.
    memory_bytes
        Bytes that it may take beyond those of its imports.

    Raises
    ------
    ApartError
        When it gives none.
    InputError
        As the function raised it.
    """
    asked = {"request": dict(request), "limit_s": limit_s, "memory_bytes": memory_bytes}
    with scratch() as folder, _files() as files:
        answer, log = files
        process = subprocess.Popen(
            command("splitopt.bench.isolation.apart", target),
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=log,
            cwd=folder,
            env=os.environ | thread_variables(1) | {"TMPDIR": folder},
            start_new_session=True,
        )
        try:
            process.communicate(json.dumps(asked).encode(), timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise ApartError(f"still at it after {limit_s:g} s, killed") from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        answer.seek(0)
        text = answer.read(_LARGEST_ANSWER)
    if process.returncode != 0 or not text:
        code = process.returncode
        why = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise ApartError(f"ended without an answer: {why}")
    found: dict[str, Any] = json.loads(text)
    if "input" in found:
        raise InputError(*found["input"])
    return found


@contextlib.contextmanager
def _files() -> Any:
    with tempfile.TemporaryFile() as one, tempfile.TemporaryFile() as other:
        yield one, other


def main() -> None:
    """Answer the request on standard input; libraries print to nowhere."""
    die_with_parent()
    asked = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    function: Callable[[dict[str, Any]], dict[str, Any]] = load_target(sys.argv[1])
    confine(
        {
            "cpu_limit_s": asked["limit_s"],
            "memory_limit_bytes": asked["memory_bytes"],
            "threads": 1,
            "cores": None,
        }
    )
    try:
        found = function(asked["request"])
    except InputError as error:
        found = {"input": [error.field, str(error.value), error.allowed, error.remedy]}
    with answer:
        json.dump(found, answer, allow_nan=False)
