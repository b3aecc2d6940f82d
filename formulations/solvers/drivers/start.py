"""Run a driver by the interpreter of an environment in which splitopt is not installed.

``python -I -S start.py DRIVER SOCKET MODE PATHS``, where a message on the socket is a JSON object
with the descriptors of standard output, of standard error and of a pipe that is held until the
answer is written. In mode ``once`` the first request is answered. In mode ``serve`` each request is
answered by a process forked for it, which has the solver imported: it becomes an orphan, so that
whoever started this process adopts, watches and kills it like any process of a run.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

_MOST = 1 << 20
_PR_SET_PDEATHSIG = 1


def _driver(name: str) -> ModuleType:
    """Return a module of this folder; the package that it is in has a name of its own here."""
    folder = Path(__file__).parent
    spec = importlib.util.spec_from_file_location(
        "splitopt_drivers", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    sys.modules["splitopt_drivers"] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"splitopt_drivers.{name}")


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    data, passed = b"", array.array("i")
    while not data.endswith(b"\n"):
        part, ancillary, _, _ = control.recvmsg(_MOST, socket.CMSG_SPACE(3 * passed.itemsize))
        for level, kind, fds in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                passed.frombytes(fds[: len(fds) - len(fds) % passed.itemsize])
        if not part:
            return None
        data += part
    return json.loads(data), passed.tolist()


def _say(control: socket.socket, message: dict[str, Any]) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def _answer(driver: ModuleType, solver: str, request: dict[str, Any]) -> dict[str, Any]:
    common = importlib.import_module("splitopt_drivers.common")
    try:
        if request["op"] == "check":
            return {"ended": "checked", "parameters": driver.check(request["parameters"])}
        if request["op"] == "size":
            return {"ended": "read", **driver.size(request["file"])}
        return {**driver.solve(request), "solver": solver}
    except common.ParameterError as error:
        return {"ended": "parameter", "name": error.name, "value": str(error.value),
                "allowed": error.allowed, "remedy": error.remedy}  # fmt: skip
    except common.UnsupportedError as error:
        return {"ended": "unsupported", "reason": " ".join(str(error).split())}
    except MemoryError:
        return {"ended": "memory"}
    except Exception as error:
        return {"ended": "failed", "reason": f"{type(error).__name__}: {error}"[:2000]}


def _write(path: str, found: dict[str, Any]) -> None:
    draft = f"{path}.draft"
    with open(draft, "w", encoding="utf-8") as stream:  # noqa: PTH123 - as little import as can be
        json.dump(found, stream, allow_nan=False)
    os.replace(draft, path)  # noqa: PTH105


def _confine(request: dict[str, Any]) -> None:
    """Take the limits and cores of the process that asked."""
    import resource

    for kind, limits in request["limits"]:
        resource.setrlimit(kind, tuple(limits))
    os.sched_setaffinity(0, request["cores"])


def _settle(request: dict[str, Any], fds: list[int], libc: Any, before: int) -> None:
    """Become a process of the run: adopted, in its folder, with its streams."""
    os.setsid()
    while os.getppid() == before:  # until whoever adopts us has
        time.sleep(0.0002)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    asked = select.poll()
    asked.register(fds[2], 0)
    if asked.poll(0):
        os._exit(1)  # nobody waits: the run was killed meanwhile
    os.chdir(request["folder"])
    os.environ["TMPDIR"] = request["folder"]
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(request.get("oom", "0"))
    for fd, place in zip(fds[:2], (1, 2), strict=True):
        os.dup2(fd, place)


def _serve(driver: ModuleType, solver: str, control: socket.socket) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    while (got := _receive(control)) is not None:
        request, fds = got
        middle = os.fork()
        if middle:
            for fd in fds:
                os.close(fd)
            os.waitpid(middle, 0)
            continue
        before = os.getpid()
        _confine(request)  # before whoever watches the run sees the next one
        if os.fork():
            os._exit(0)
        code = 70
        try:
            control.close()
            _settle(request, fds, libc, before)
            _write(request["answer"], _answer(driver, solver, request))
            code = 0
        finally:
            os._exit(code)


def main() -> None:
    """Import the solver, say so, and answer."""
    _, name, descriptor, mode, paths = sys.argv
    control = socket.socket(fileno=int(descriptor))
    control.set_inheritable(False)
    sys.argv[1:] = []
    sys.path += json.loads(paths)
    import faulthandler
    import site

    site.sethelper()  # there is one wherever solvers expect to be imported
    faulthandler.enable()
    try:
        driver = _driver(name)
        solver = driver.load()
    except Exception as error:
        _say(control, {"failed": f"{type(error).__name__}: {error}"[:2000]})
        return
    alone = sys.platform != "linux" or len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208
    _say(control, {"solver": solver, "forks": alone})
    if mode == "serve":
        if alone:
            _serve(driver, solver, control)
        return
    got = _receive(control)
    if got is not None:
        os.chdir(got[0]["folder"])
        _write(got[0]["answer"], _answer(driver, solver, got[0]))
        os._exit(0)  # destructors of solvers are no part of the answer


if __name__ == "__main__":
    main()
