"""Which process is which: its number is given away again, its number and birth are not."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path


def host() -> str:
    """Return what tells machines, boots, process namespaces and kinds of `birth` apart."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/time").readlink()))
    parts.append("ticks" if _stat(os.getpid()) is not None else "seconds")
    return "|".join(parts)


def birth(pid: int) -> float | None:
    """Return when a process started, None where it is over or nothing is known of it.

    On Linux in ticks since the system started, so that a step of its clock changes nothing.
    """
    found = _stat(pid)
    if found is not None:
        state, ticks = found
        return None if state in "ZX" else ticks  # a zombie is over
    if Path("/proc/self/stat").exists():
        return None
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def lives(pid: int, born: float) -> bool:
    """Return whether the process with that number and birth is alive, on this host."""
    found = birth(pid)
    if found is not None:
        return abs(found - born) < 1.0
    try:
        os.kill(pid, 0)
    except PermissionError:
        return _stat(pid) is None  # another user's, of which the system shows nothing
    except (OSError, OverflowError):
        pass
    return False


def _stat(pid: int) -> tuple[str, float] | None:
    """Return state and start of a process, as Linux tells them."""
    try:
        # The name of the program, in brackets, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], float(fields[19])
    except (OSError, IndexError, ValueError):
        return None
