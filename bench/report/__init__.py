"""Reports of a set of runs: tables for the terminal, pages for a browser, LaTeX for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_report(out: Path, folder: Path | None = None) -> Path:
    """Write the report of the store at `out` and return its first page; see `build`."""
    from splitopt.bench.report.build import write_report as write

    return write(out, folder)


def write_paper(out: Path, folder: Path, shown: Sequence[str] = ()) -> Path:
    """Write the results of the store at `out` for a paper; see `paper.build`."""
    from splitopt.bench.report.paper.build import write_paper as write

    return write(out, folder, shown)


def text_tables(out: Path) -> str:
    """Return a table for each problem in the store at `out`; see `text`."""
    from splitopt.bench.report.text import text_tables as write

    return write(out)


def tables_and_report(out: Path, folder: Path | None = None) -> tuple[str, Path]:
    """Return what both of the others do, of one reading of the store."""
    from splitopt.bench.compare.data import load
    from splitopt.bench.report.build import write_pages
    from splitopt.bench.report.text import tables_of
    from splitopt.bench.store.store import uncollected

    data = load(out)
    try:
        with uncollected():
            return tables_of(data), write_pages(data, folder)
    finally:
        data.close()
