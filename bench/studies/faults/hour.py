"""A campaign of an hour over jobs of a minute: too long to be tried with the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from splitopt.bench.studies.faults.attack import Attack
from splitopt.bench.studies.faults.queue import short_jobs


def _hour(folder: Path) -> str:
    return short_jobs(folder, runs=170, jobs=1, patience_s=3 * 3600.0)


def attacks() -> Iterator[Attack]:
    """Yield it."""
    holds = "every run is done once, none is crashed"
    yield Attack("hour", "an hour of runs over jobs of a minute, one at a time", holds, _hour)
