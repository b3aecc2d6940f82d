"""The progress bar of a set of runs: on a terminal only, on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from splitopt.instances.core.printable import printable

if TYPE_CHECKING:
    from splitopt.bench.runs.runner import RunEvent

__all__ = ["progress"]


@contextlib.contextmanager
def progress() -> Iterator[Callable[[RunEvent], None] | None]:
    """Yield what to call with each event; None where there is no terminal to show it on."""
    if not sys.stderr.isatty():
        yield None
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
            what = "waiting for another runner" if event.kind == "waiting" else ""
            if event.run is not None:
                what = f"{event.run.method} on {event.run.instance_name}"
            bar.update(task, total=event.total, completed=event.done, left=left, what=what)
            if event.row is not None and event.row.verdict == "wrong":
                bar.console.print(
                    printable(
                        f"wrong: {event.row.method} on {event.row.instance_name}: "
                        f"{event.row.verdict_reason}"
                    ),
                    markup=False,
                )

        yield on_event


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
