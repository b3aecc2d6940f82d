"""The folder that a run works in, and those that dead runs left.

A folder is locked as long as a process of the run lives, or the parent it was forked from: who can
lock it knows that both are gone, on whatever host they were. The kernel lets go of a lock, however
its holder ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from splitopt.bench.isolation.machine import require_room

__all__ = ["make_scratch", "scratch", "sweep"]

_PREFIX = "splitopt-scratch-"


def _locked(path: str, *, wait: bool) -> int:
    """Return a descriptor of a folder of this user's that holds its lock.

    Raises
    ------
    OSError
        When it is none, or somebody else's, or locked where that is not waited for.
    """
    import fcntl

    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(path, flags)
    try:
        if os.fstat(folder).st_uid != os.getuid():
            raise PermissionError(path)
        fcntl.flock(folder, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(folder)
        raise
    return folder


def make_scratch() -> tuple[str, int]:
    """Return a new folder with room for a run, and a descriptor that holds its lock.

    Raises
    ------
    OSError
        When the temporary folder is full, or cannot be written.
    """
    while True:
        path = tempfile.mkdtemp(prefix=_PREFIX)
        try:
            folder = _locked(path, wait=True)
        except FileNotFoundError:
            continue  # swept before it was locked
        if not os.path.exists(path):  # noqa: PTH110 - as above
            os.close(folder)
            continue
        try:
            require_room(path)
        except BaseException:
            os.close(folder)
            shutil.rmtree(path, ignore_errors=True)
            raise
        return path, folder


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """Yield a new folder that goes away."""
    path, folder = make_scratch()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(folder)


def sweep() -> int:
    """Remove the folders that dead runs of this user left; return how many."""
    swept = 0
    try:
        found = list(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))
    except OSError:  # there is none, or it cannot be read
        return 0
    for path in found:
        with contextlib.suppress(OSError):
            folder = _locked(str(path), wait=False)
            shutil.rmtree(path, ignore_errors=True)
            swept += not path.exists()
            os.close(folder)
    return swept
