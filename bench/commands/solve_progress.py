"""What is shown of one run: incumbent, bound and time; on a terminal a bar, else lines."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from splitopt.bench.commands.output import figure
from splitopt.bench.runs.lines import State, lines

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Progress

_SHOW_AFTER_S = 1.0


@contextlib.contextmanager
def progress(limit_s: float | None) -> Iterator[Callable[[Progress], None]]:
    """Yield what to call with each improvement."""
    if not sys.stderr.isatty():
        state = State("solving, no plan and no bound yet")

        def note(point: Progress) -> None:
            state.text = f"solving, {_found(point)}"

        with lines(state):
            yield note
        return
    latest: list[Progress] = []
    ended = threading.Event()
    shower = threading.Thread(target=_show, args=(limit_s, latest, ended), daemon=True)
    shower.start()
    try:
        yield latest.append
    finally:
        ended.set()
        shower.join()


def _found(point: Progress) -> str:
    return f"objective {figure(point.objective)}, bound {figure(point.bound)}"


def _show(limit_s: float | None, latest: list[Progress], ended: threading.Event) -> None:
    start = time.monotonic()
    if ended.wait(_SHOW_AFTER_S):
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("solving"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[found]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task("solving", total=limit_s, found="")
        while not ended.wait(0.2):
            text = _found(latest[-1]) if latest else ""
            bars.update(task, completed=time.monotonic() - start, found=text)
