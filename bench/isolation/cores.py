"""Cores for runs: each assigned to one run at a time, across all runners of a machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = ["assigned_cores"]


def _lock(core: int) -> IO[bytes] | None:
    """Return an open file that holds the lock of a core, None when another run has it.

    The lock goes with the process that holds it, however that ends.
    """
    import fcntl

    folder = Path(tempfile.gettempdir()) / f"splitopt-cores-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    stream = (folder / str(core)).open("ab")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        return None
    return stream


@contextlib.contextmanager
def assigned_cores(count: int) -> Iterator[tuple[int, ...] | None]:
    """Hold `count` cores of this machine; None when so many are not free or cannot be assigned.

    Runners agree through locks on files in the temporary folder, so two of them on one machine
    do not put their runs on the same core.
    """
    with contextlib.ExitStack() as held:
        cores: list[int] = []
        if hasattr(os, "sched_getaffinity"):
            for core in sorted(os.sched_getaffinity(0)):
                with contextlib.suppress(OSError):
                    stream = _lock(core)
                    if stream is not None:
                        held.callback(stream.close)
                        cores.append(core)
                if len(cores) == count:
                    break
        if len(cores) < count:
            held.close()
            yield None
        else:
            yield tuple(cores)
