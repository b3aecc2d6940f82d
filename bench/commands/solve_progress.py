"""What a terminal shows of one run: incumbent, bound and time, from its second second on."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from splitopt.bench.commands.output import figure

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Progress

__all__ = ["progress"]

_SHOW_AFTER_S = 1.0


@contextlib.contextmanager
def progress(limit_s: float | None) -> Iterator[Callable[[Progress], None] | None]:
    """Yield what to call with each improvement; None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
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
            text = ""
            if latest:
                text = f"objective {figure(latest[-1].objective)}, bound {figure(latest[-1].bound)}"
            bars.update(task, completed=time.monotonic() - start, found=text)
