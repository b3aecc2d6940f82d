"""Cores for runs: each assigned to one run at a time, across all runners of a machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def _own_folder(path: Path) -> int:
    """Return a descriptor of the folder at `path`, made if missing, that is this user's alone.

    Anybody may put something of that name into the temporary folder first.

    Raises
    ------
    OSError
        When it is a link or no folder, or others own it or may write into it.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    found = os.fstat(folder)
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        os.close(folder)
        raise PermissionError(f"{path} is open to others")
    return folder


def lock_folder() -> int:
    """Return a descriptor of the folder with the locks of this user on this machine.

    Raises
    ------
    OSError
        When it cannot be had, or is open to others.
    """
    return _own_folder(Path(tempfile.gettempdir()) / f"splitopt-cores-{os.getuid()}")


def lock_in(folder: int, name: str) -> IO[bytes] | None:
    """Return an open file that holds a lock of that name, None when another run has it.

    The lock goes with the process that holds it, however that ends.
    """
    import fcntl

    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    stream = os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "r+b")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        return None
    return stream


def _lock(core: int) -> IO[bytes] | None:
    folder = lock_folder()
    try:
        return lock_in(folder, str(core))
    finally:
        os.close(folder)


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
