"""What holds a run to its limits from inside its own process, before any method's code runs."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# Address space that is reserved and never touched: thread stacks, arenas.
_SLACK_BYTES = 1 << 30
_LARGEST_FILE_BYTES = 4 << 30
# Seconds of processor time that loading the instance and the method may take.
SETUP_LIMIT_S = 120.0


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def die_with_parent() -> bool:
    """Ask the kernel to kill this process when its parent dies; Linux only."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def become_subreaper() -> bool:
    """Become the parent of orphaned descendants, so that none escapes; Linux only."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _address_space_bytes() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return None


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    import resource

    _, top = resource.getrlimit(kind)
    hard = soft if hard is None else hard
    if top != resource.RLIM_INFINITY:
        soft, hard = min(soft, top), min(hard, top)
    resource.setrlimit(kind, (soft, hard))


def confine(request: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Apply the limits of a request to this process.

    Returns
    -------
    enforced, not_enforced
        Limit to the means by which it is held, and to why it is not.
    """
    import resource

    held: dict[str, str] = {"wall": "killed from outside"}
    missing: dict[str, str] = {}
    seconds = request["cpu_limit_s"]
    if seconds is None and request["time_limit_s"] is not None:
        kill_after_s = request["time_limit_s"] + request["grace_s"]
        seconds = request["threads"] * kill_after_s + SETUP_LIMIT_S
    try:
        if seconds is None:
            raise ValueError("no time limit was asked for")
        # Whole seconds; a process that ignores the first signal is killed one second later.
        whole = max(1, math.ceil(seconds))
        _lower(resource.RLIMIT_CPU, whole, whole + 1)
        held["cpu"] = f"RLIMIT_CPU {whole} s, each process"
    except (OSError, ValueError) as error:
        missing["cpu"] = str(error)
    limit = request["memory_limit_bytes"]
    if limit is not None:
        base = _address_space_bytes()
        if base is None:
            missing["memory at once"] = "the address space in use is not known on this system"
        else:
            try:
                _lower(resource.RLIMIT_AS, base + limit + _SLACK_BYTES)
                held["memory at once"] = "RLIMIT_AS, each process"
            except (OSError, ValueError) as error:
                missing["memory at once"] = str(error)
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _LARGEST_FILE_BYTES),
    ):
        with contextlib.suppress(OSError, ValueError):
            _lower(kind, value)
    with contextlib.suppress(OSError):
        # Out of memory, the kernel takes the run and not the runner.
        Path("/proc/self/oom_score_adj").write_text("1000")
    cores = request["cores"]
    if cores is None:
        missing["cores"] = "no free core to assign, or this system cannot assign any"
    else:
        try:
            os.sched_setaffinity(0, cores)
            held["cores"] = "affinity " + ",".join(map(str, cores))
        except OSError as error:
            missing["cores"] = str(error)
    held["threads"] = f"environment variables, {request['threads']}"
    return held, missing
