"""The folder that a run works in."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from splitopt.bench.isolation.machine import require_room
from splitopt.bench.store.temporary import make_temporary, temporary


def make_scratch() -> tuple[str, int]:
    """Return a new folder with room for a run, and a descriptor that holds its lock.

    Raises
    ------
    OSError
        When the temporary folder is full, or cannot be written.
    """
    path, folder = make_temporary("scratch")
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
    with temporary("scratch") as path:
        require_room(path)
        yield path
