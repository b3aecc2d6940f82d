"""Folders in the temporary directory that go away with whoever made them, at the latest when swept.

A folder is locked as long as a process lives that made it, or was forked from one that did: who can
lock it knows that all are gone, on whatever host they were. The kernel lets go of a lock, however
its holder ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

# What the folders of each kind begin with. Not all are ``splitopt-KIND-``: earlier versions, which
# may run beside this one, made folders of such names without a lock.
_PREFIXES = {
    "scratch": "splitopt-scratch-",  # of runs
    "file": "splitopt-locked-file-",  # models for solvers
    "solver": "splitopt-locked-solver-",  # what such a solver reads and writes
    "store": "splitopt-locked-store-",  # copies of stores
}
# Where a copy goes when the temporary folder is full.
IN_MEMORY = "/dev/shm"


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


def make_temporary(kind: str, above: str | None = None) -> tuple[str, int]:
    """Return a new folder of a kind, and a descriptor that holds its lock.

    Raises
    ------
    OSError
        When the temporary folder, or the one `above`, cannot be written.
    """
    while True:
        path = tempfile.mkdtemp(prefix=_PREFIXES[kind], dir=above)
        try:
            folder = _locked(path, wait=True)
        except FileNotFoundError:
            continue  # swept before it was locked
        if not os.path.exists(path):  # noqa: PTH110 - as above
            os.close(folder)
            continue
        return path, folder


@contextlib.contextmanager
def temporary(kind: str, above: str | None = None) -> Iterator[str]:
    """Yield a new folder that goes away, as `make_temporary` makes it."""
    path, folder = make_temporary(kind, above)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(folder)


def sweep() -> int:
    """Remove the folders that dead processes of this user left; return how many."""
    swept = 0
    found: list[Path] = []
    prefixes = tuple(_PREFIXES.values())
    for above in {tempfile.gettempdir(), IN_MEMORY}:
        with contextlib.suppress(OSError):  # there is none, or it cannot be read
            found += (path for path in Path(above).iterdir() if path.name.startswith(prefixes))
    for path in found:
        with contextlib.suppress(OSError):
            folder = _locked(str(path), wait=False)
            shutil.rmtree(path, ignore_errors=True)
            swept += not path.exists()
            os.close(folder)
    return swept
