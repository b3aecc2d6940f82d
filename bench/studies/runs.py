"""Runs of a study, in a store: isolated and judged like any others, so a page is made of rows."""

from __future__ import annotations

import sys
from pathlib import Path

from splitopt.bench.runs import runner
from splitopt.bench.runs.progress import progress
from splitopt.bench.store.rows import Row
from splitopt.bench.store.store import Store

RESULTS = Path("results") / "studies"


def rows_of(spec: runner.RunSpec, out: Path, *, jobs: int = 1) -> list[Row]:
    """Do what a store lacks of the runs asked for, and return their rows, heavy fields left out.

    Raises
    ------
    KeyboardInterrupt
        When it was interrupted; the same call goes on.
    RuntimeError
        When a run contradicts another one, or what is known: no page is made of that.
    """
    with progress() as on_event:
        summary = runner.run_set(
            spec, out, jobs=jobs, on_event=on_event, command=["python", *sys.argv]
        )
    if summary.interrupted:
        raise KeyboardInterrupt
    if summary.contradictions:
        first = summary.contradictions[0]
        raise RuntimeError(f"{first.instance_name}: {first.method}: {first.statement}")
    keys = {run.key for run in runner.plan(spec, out, jobs=jobs)}
    with Store(out, readonly=True) as store:
        return [row for row in store.rows(heavy=False) if row.key in keys]
