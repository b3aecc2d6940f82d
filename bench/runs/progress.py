"""The progress of a set of runs, on stderr: a bar on a terminal, a line for each wait elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from splitopt.instances.core.printable import printable

if TYPE_CHECKING:
    from splitopt.bench.runs.runner import RunEvent

__all__ = ["progress"]


# A wait is told when it has lasted so long, and then every so often.
_WAITS_S = 2.0
_TELL_S = 10.0


@contextlib.contextmanager
def progress() -> Iterator[Callable[[RunEvent], None]]:
    """Yield what to call with each event: it draws on a terminal, else it tells what is waited for.

    Both on stderr.
    """
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.fields[what]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("runs", total=None, left="", what="")

        def on_event(event: RunEvent) -> None:
            left = "" if event.remaining_s is None else f"{_clock(event.remaining_s)} left"
            what = _waits(event) if event.kind == "waiting" else ""
            if event.run is not None:
                what = f"{event.run.method} on {event.run.instance_name}"
            bar.update(
                task, total=event.total, completed=event.done, left=left, what=printable(what)
            )
            if event.row is not None and event.row.verdict == "wrong":
                bar.console.print(
                    printable(
                        f"wrong: {event.row.method} on {event.row.instance_name}: "
                        f"{event.row.verdict_reason}"
                    ),
                    markup=False,
                )
            if event.kind == "again":
                bar.console.print(printable(_again(event)), markup=False)

        yield on_event


class _Lines:
    """Tell in lines why a run is done again, and what is waited for."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._next = 0.0

    def __call__(self, event: RunEvent) -> None:
        """Take an event."""
        if event.kind == "again":
            _note(f"splitopt: {_again(event)}")
        if event.kind != "waiting":
            self._since = None
            return
        now = time.monotonic()
        if self._since is None:
            self._since, self._next = now, now + _WAITS_S
        if now >= self._next:
            _note(f"splitopt: {_waits(event)}; {event.done} of {event.total} runs done")
            self._next = now + _TELL_S


def _waits(event: RunEvent) -> str:
    return f"waiting for {event.why or 'another runner, or for workers'}"


def _again(event: RunEvent) -> str:
    assert event.run is not None
    return f"done again: {event.run.method} on {event.run.instance_name}: {event.why}"


def _note(line: str) -> None:
    """Write a line on stderr at once."""
    sys.stderr.write(printable(line) + "\n")
    sys.stderr.flush()


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
