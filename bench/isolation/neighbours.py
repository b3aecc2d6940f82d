"""What else is at work on this machine: runs of all runners of its user, seen through locks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from splitopt.bench.isolation.cores import lock_folder, lock_in

_MOST = 4096


@contextlib.contextmanager
def at_work() -> Iterator[Callable[[], int | None]]:
    """Be seen at work; yield a function that counts the others, or knows none (None)."""
    with contextlib.ExitStack() as held:
        own: str | None = None
        with contextlib.suppress(OSError):
            folder = lock_folder()
            held.callback(os.close, folder)
            for number in range(_MOST):
                stream = lock_in(folder, f"run-{number}")
                if stream is not None:
                    held.callback(stream.close)
                    own = f"run-{number}"
                    break
        yield lambda: None if own is None else _others(folder, own)


def _others(folder: int, own: str) -> int | None:
    try:
        names = [name for name in os.listdir(folder) if name.startswith("run-") and name != own]
        return sum(_held(folder, name) for name in names)
    except OSError:
        return None


def _held(folder: int, name: str) -> bool:
    """Return whether a run holds a lock; those who look share it among themselves."""
    import fcntl

    with contextlib.suppress(OSError):
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
    return False
