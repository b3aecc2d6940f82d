"""Write a report: a folder of pages that opens from disk, without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from splitopt.bench.compare.data import ReportData, load
from splitopt.bench.report.detail_pages import method_page, problem_page
from splitopt.bench.report.index_page import index_page
from splitopt.bench.report.instance_page import instance_page
from splitopt.bench.store.store import uncollected
from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.errors import InputError

ASSETS = ("report.css", "theme.js", "tables.js", "charts.js")


def write_report(out: Path, folder: Path | None = None) -> Path:
    """Write the report of the store at `out` and return its first page.

    Parameters
    ----------
    folder
        Where it is written; by default into ``out/report``.

    Raises
    ------
    InputError
        When there is no store, or it has no run yet; when a link in the folder leads elsewhere, or
        it cannot be written; when a name is none that could be part of a file's.
    """
    data = load(out)
    try:
        with uncollected():
            return write_pages(data, folder)
    finally:
        data.close()


def write_pages(data: ReportData, folder: Path | None = None) -> Path:
    """Write the report of a store that was read; see `write_report`."""
    out = data.out
    if not data.rows:
        raise InputError("store", str(out), "a store with at least one run", "splitopt run first")
    if folder is None:
        folder = out / "report"
        there = folder if folder.is_dir() else out
        if not os.access(there, os.W_OK):
            raise InputError(
                "DIR", str(out), "results that can be written", "give --out with another folder"
            )
    elif folder.exists() and any(folder.iterdir()) and not (folder / "assets" / ASSETS[0]).exists():
        # Pages of an earlier report are removed there, and nothing else.
        raise InputError(
            "--out", str(folder), "a new or empty folder, or one with a report", "name another"
        )
    kinds = ("problems", "methods", "instances")
    for below in (folder, *(folder / name for name in ("assets", *kinds))):
        if below.is_symlink():
            raise InputError(
                "report", str(below), "a folder of its own in the results", "remove the link"
            )
    assets = resources.files("splitopt.bench.report") / "assets"
    for name in ASSETS:
        write_bytes(folder / "assets" / name, (assets / name).read_bytes())
    written = {"index.html"}
    # One page at a time, so that no more than one is held; the first page last: a reader who finds
    # it finds the others too.
    first = index_page(data)
    for name, text in _pages(data):
        # A report is made again in no time: no page waits for the disk but the first.
        write_bytes(folder / name, text.encode("utf-8", "replace"), lasting=False)
        written.add(name)
    write_bytes(folder / "index.html", first.encode("utf-8", "replace"))
    for kind in kinds:
        # Pages of an earlier report that this one has no more.
        for path in (folder / kind).glob("*.html"):
            if f"{kind}/{path.name}" not in written:
                path.unlink()
    return folder / "index.html"


def _pages(data: ReportData) -> Iterator[tuple[str, str]]:
    """Yield name and text of every page but the first."""
    for problem in data.problems:
        yield f"problems/{problem}.html", problem_page(data, problem)
        for method in data.methods(problem):
            yield f"methods/{problem}-{method}.html", method_page(data, problem, method)
    for key in data.by_instance:
        entry = data.instances[key]
        yield f"instances/{entry.slug}.html", instance_page(data, entry)
