"""Run one method so that Ctrl-C is heard and a terminal shows how far it is."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bench.commands.output import figure, note

if TYPE_CHECKING:
    from instances.interface import Budget, Instance, Method, Plan, Progress, Result

__all__ = ["run_method"]

_SHOW_AFTER_S = 1.0


def run_method(
    method: Method[Any, Any],
    instance: Instance,
    budget: Budget,
    seed: int,
    options: Mapping[str, object],
    warm_start: Plan | None,
) -> Result:
    """Return what `method` finds; on a terminal stderr shows incumbent, bound and time.

    The method runs in a second thread, since a solver's C code keeps the main thread from
    noticing Ctrl-C. When it comes, the whole process ends: the solver cannot be asked to stop.
    """
    found: list[Result] = []
    failed: list[BaseException] = []
    latest: list[Progress] = []

    def work() -> None:
        try:
            found.append(method.solve(instance, budget, seed, options, warm_start, latest.append))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, name=f"solve-{method.name}", daemon=True)
    thread.start()
    try:
        _wait(thread, budget.time_limit_s, lambda: latest[-1] if latest else None)
    except KeyboardInterrupt:
        note("\nsplitopt: interrupted" + _best(latest))
        sys.stderr.flush()
        os._exit(130)
    if failed:
        raise failed[0]
    return found[0]


def _best(points: list[Progress]) -> str:
    if not points:
        return ""
    return f"; so far objective {figure(points[-1].objective)}, bound {figure(points[-1].bound)}"


def _wait(
    thread: threading.Thread, limit_s: float | None, latest: Callable[[], Progress | None]
) -> None:
    """Wait for the thread; after a second show progress if stderr is a terminal."""
    thread.join(_SHOW_AFTER_S)
    if not thread.is_alive():
        return
    if not sys.stderr.isatty():
        while thread.is_alive():
            thread.join(0.2)  # in slices: a plain join would not hear Ctrl-C everywhere
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    start = time.monotonic() - _SHOW_AFTER_S
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[found]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("solving", total=limit_s, found="")
        while thread.is_alive():
            thread.join(0.2)
            point = latest()
            text = "" if point is None else f"{figure(point.objective)} >= {figure(point.bound)}"
            bar.update(task, completed=time.monotonic() - start, found=text)
