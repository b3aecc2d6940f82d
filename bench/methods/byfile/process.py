"""Drivers of solvers in processes of their own: started, asked, answered.

A solver takes a second to import in places, more than most runs take. On Linux a process that has
it imported stays with the process that runs are forked from, and forks for each run (see
`splitopt.formulations.solvers.drivers.start`); elsewhere, or where the solver starts threads when
imported, each run starts one anew.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitopt.bench.methods.byfile.environments import Environment
from splitopt.formulations.solvers import drivers
from splitopt.instances.contract.method import UnsupportedError
from splitopt.instances.core.documents import parse_json, read_bytes
from splitopt.instances.core.errors import InputError

# A request to solve, beside the file, the seconds and the gap.
SOLVE: Mapping[str, Any] = {
    "op": "solve",
    "threads": 1,
    "seed": 0,
    "memory_bytes": None,
    "parameters": {},
    "log": False,
}

_LINUX = sys.platform == "linux"
_LARGEST_ANSWER = 256 << 20
_LOOK_S = 0.1
_LIMITS = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)
_START = str(Path(drivers.__path__[0]) / "start.py")


@dataclass(slots=True)
class Driver:
    """A process that has a solver imported.

    Attributes
    ----------
    solver
        What the solver calls itself, with its version.
    failed
        Why it could not be imported, None where it could.
    """

    process: subprocess.Popen[bytes]
    control: socket.socket
    solver: str = ""
    failed: str | None = None
    forks: bool = False

    @staticmethod
    def start(
        name: str, environment: Environment, *, stay: bool = False, log: bool = False
    ) -> Driver:
        """Start the driver of that name, and wait until its solver is imported."""
        # Of packets, so that a run that is killed half-way leaves no half of a message.
        kind = socket.SOCK_SEQPACKET if _LINUX else socket.SOCK_STREAM
        ours, theirs = socket.socketpair(type=kind)
        mode = "serve" if stay else "once"
        with theirs:
            process = subprocess.Popen(
                [environment.python, "-I", "-S", _START, name, str(theirs.fileno()), mode,
                 json.dumps(environment.paths)],
                stdin=subprocess.DEVNULL,
                stdout=None if log else subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )  # fmt: skip
        made = Driver(process, ours)
        said = ours.recv(1 << 16)
        message = json.loads(said) if said else {"failed": "ended before it could be imported"}
        if "failed" in message:
            made.failed = str(message["failed"])
            made.close()
        else:
            made.solver, made.forks = str(message["solver"]), bool(message["forks"])
        return made

    def close(self) -> None:
        """End it."""
        self.control.close()
        self.process.wait()


# Those that stay, by solver's driver and environment; a run has what its zygote had.
_WARM: dict[tuple[str, str], Driver] = {}


def warm(name: str, environment: Environment) -> int | None:
    """Start a driver that stays; return its process number, None where none can stay."""
    key = (name, str(environment))
    if not _LINUX:
        return None
    if key not in _WARM:
        _WARM[key] = Driver.start(name, environment, stay=True)
        if _WARM[key].failed is None and not _WARM[key].forks:
            _WARM.pop(key).close()
    found = _WARM.get(key)
    return None if found is None or found.failed is not None else found.process.pid


def ask(
    name: str,
    environment: Environment,
    request: Mapping[str, Any],
    folder: Path,
    on_improved: Callable[[Mapping[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Return what the driver says of a request, in a file of `folder`, where it works.

    Parameters
    ----------
    on_improved
        Called with the values of better solutions while it solves, where the driver tells them.

    Raises
    ------
    InputError
        For a parameter that the solver does not have or take.
    UnsupportedError
        When the solver is not to be had, or does not take the model; with its reason.
    RuntimeError
        When it ended without an answer.
    """
    place = folder / "answer.json"
    log = bool(request.get("log"))
    driver = _WARM.get((name, str(environment)))
    stays = driver is not None and driver.failed is None
    if driver is None:
        driver = Driver.start(name, environment, log=log)
    if driver.failed is not None:
        raise UnsupportedError(f"{environment} cannot be used: {driver.failed}")
    try:
        whole = {**request, "answer": str(place), "folder": str(folder)}
        look = None
        if on_improved is not None:
            improved = folder / "improved.json"
            whole["improved"] = str(improved)
            look = _Look(improved, on_improved)
        sys.stdout.flush()
        if stays:
            _hand(driver, whole, log=log, look=look)
        else:
            driver.control.sendall(json.dumps(whole).encode() + b"\n")
            _wait(driver.process, look)
    finally:
        if not stays:
            driver.process.kill()
            driver.close()
    try:
        found = parse_json(read_bytes(place, _LARGEST_ANSWER), place.name)
    except InputError:
        raise RuntimeError(f"the process of {driver.solver} ended without an answer") from None
    assert isinstance(found, dict)
    return _checked(found, driver)


@dataclass(slots=True)
class _Look:
    """A look at what a solver has found meanwhile: often, but for a tenth of the time at most."""

    path: Path
    tell: Callable[[Mapping[str, float]], None]
    pause_s: float = _LOOK_S

    def __call__(self) -> None:
        began = time.perf_counter()
        taken = self.path.with_suffix(".taken")
        with contextlib.suppress(FileNotFoundError):
            self.path.replace(taken)  # at once, so that none is lost that comes meanwhile
            values = parse_json(read_bytes(taken, _LARGEST_ANSWER), taken.name)
            if isinstance(values, dict):
                self.tell(values)
        self.pause_s = max(_LOOK_S, 10 * (time.perf_counter() - began))


def _wait(process: subprocess.Popen[bytes], look: _Look | None) -> None:
    while True:
        try:
            process.wait(None if look is None else look.pause_s)
        except subprocess.TimeoutExpired:
            assert look is not None
            look()
        else:
            return


def _hand(driver: Driver, request: dict[str, Any], *, log: bool, look: _Look | None = None) -> None:
    """Send a request, with all that a process of a run is; wait until it is answered.

    Only to a driver that stays: one that was started for the request has all this.
    """
    ours, theirs = os.pipe()
    output = os.dup(1) if log else os.open(os.devnull, os.O_WRONLY)
    try:
        with contextlib.suppress(OSError):
            request["oom"] = Path("/proc/self/oom_score_adj").read_text()
        request["limits"] = [[kind, resource.getrlimit(kind)] for kind in _LIMITS]
        request["cores"] = sorted(os.sched_getaffinity(0))
        fds = array.array("i", [output, 2, theirs]).tobytes()
        message = json.dumps(request).encode() + b"\n"
        driver.control.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        os.close(theirs)
        theirs = -1
        # Until the process that holds the other end is gone.
        while not select.select([ours], (), (), None if look is None else look.pause_s)[0]:
            assert look is not None
            look()
    finally:
        for fd in (ours, output, *([theirs] if theirs >= 0 else [])):
            os.close(fd)


def _checked(found: dict[str, Any], driver: Driver) -> dict[str, Any]:
    ended = found.get("ended")
    if ended == "parameter":
        name = f"option solver.{found['name']}"
        raise InputError(name, found["value"], found["allowed"], found["remedy"])
    if ended == "unsupported":
        raise UnsupportedError(f"{driver.solver}: {found['reason']}")
    if ended == "memory":
        raise MemoryError
    if ended == "failed":
        raise RuntimeError(f"{driver.solver}: {found['reason']}")
    return found
