"""How far a set of runs is, on stderr: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from splitopt.bench.runs.lines import State, lines
from splitopt.instances.core.printable import printable

if TYPE_CHECKING:
    from splitopt.bench.runs.runner import RunEvent


@contextlib.contextmanager
def progress() -> Iterator[Callable[[RunEvent], None]]:
    """Yield what to call with each event."""
    if not sys.stderr.isatty():
        state = State("planning the runs")
        with lines(state):
            yield lambda event: _note(state, event)
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
        task = bar.add_task("runs", total=None, left="", what="planning the runs")

        def on_event(event: RunEvent) -> None:
            left, what = _words(event)
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


def _words(event: RunEvent) -> tuple[str, str]:
    """Return how long it will take, and what is going on."""
    left = "" if event.remaining_s is None else f"{_clock(event.remaining_s)} left"
    what = ""
    if event.kind == "waiting":
        what = f"waiting for {event.why}"
    if event.run is not None:
        what = f"{event.run.method} on {event.run.instance_name}"
    return left, what


def _again(event: RunEvent) -> str:
    assert event.run is not None
    return f"done again: {event.run.method} on {event.run.instance_name}: {event.why}"


def _note(state: State, event: RunEvent) -> None:
    """Bring what a log is told up to date; that a run is done again is told at once."""
    if event.kind == "again":
        sys.stderr.write(printable(f"splitopt: {_again(event)}") + "\n")
        sys.stderr.flush()
    words = [f"{event.done} of {event.total} runs", *filter(None, _words(event))]
    state.text = ", ".join(words)
    state.share = event.done / max(1, event.total)


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
