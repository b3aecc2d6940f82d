"""Memory of a run with all its children."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path

_LINUX = sys.platform.startswith("linux")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def _descendants(pid: int, without: Collection[int] = ()) -> list[int]:
    """Return the processes below one, without some and those below these."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        tasks = Path(f"/proc/{waiting.pop()}/task")
        try:
            for task in os.listdir(tasks):  # noqa: PTH208 - called a hundred times a second
                with (tasks / task / "children").open() as stream:
                    children = [c for c in map(int, stream.read().split()) if c not in without]
                found += children
                waiting += children
        except OSError:
            continue  # it ended meanwhile
    return found


def tree_cores(zygote: int, without: Collection[int] = ()) -> set[int]:
    """Return the cores that any thread of the processes below `zygote` may run on; Linux only."""
    found: set[int] = set()
    if not _LINUX:
        return found
    for process in _descendants(zygote, without):
        try:
            for thread in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208 - as above
                found |= os.sched_getaffinity(int(thread))
        except OSError:
            continue  # it ended meanwhile
    return found


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as stream:  # noqa: PTH123 - as above
            return int(stream.read().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def _proportional_bytes(pid: int) -> int:
    """Return resident bytes, those shared with other processes in proportion."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as stream:  # noqa: PTH123 - as above
            for line in stream:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    return _resident_bytes(pid)


def tree_memory_bytes(
    zygote: int, pid: int | None, limit: int | None, without: Collection[int] = ()
) -> int:
    """Return the bytes held by everything below `zygote`, but for `without`.

    Resident bytes are cheap and count shared pages once a process; only when they exceed
    `limit` are proportional ones read, which decide.
    """
    if _LINUX:
        processes = _descendants(zygote, without)
        held = sum(map(_resident_bytes, processes))
        if limit is not None and held > limit:
            held = sum(map(_proportional_bytes, processes))
        return held
    import psutil

    held = 0
    try:
        tree = [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]
    except psutil.Error:
        return 0
    for process in tree:
        try:
            held += int(process.memory_info().rss)
        except psutil.Error:
            continue
    return held
