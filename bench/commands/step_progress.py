"""Progress over named steps, for commands that know how many there are."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """Yield what to call with the name of each step; a bar on a terminal, else lines."""
    count = 0
    if not sys.stderr.isatty():
        from splitopt.bench.runs.lines import State, lines

        state = State("begins")

        def note(what: str) -> None:
            nonlocal count
            state.text, state.share = f"step {count + 1} of {total}: {what}", count / max(1, total)
            count += 1

        with lines(state):
            yield note
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("steps", total=total, what="")

        def tell(what: str) -> None:
            nonlocal count
            bar.update(task, completed=count, what=what)
            count += 1

        yield tell
