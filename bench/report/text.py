"""The tables that `make bench` ends with, as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from splitopt.bench.compare.data import PROBLEMS, ReportData, load
from splitopt.bench.compare.summary import SHIFT_S, MethodSummary
from splitopt.bench.report.numbers import gap_text, time_text
from splitopt.instances.core.printable import printable

COLUMNS = (
    "method",
    "runs",
    "solved",
    "right",
    "proved",
    "wrong",
    "gap median",
    "gap worst",
    "time",
)


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return lines as columns: the first to the left, the others to the right."""
    lines = [[printable(cell) for cell in cells] for cells in lines]
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(c.rjust(w) for c, w in rest)]).rstrip()

    return "\n".join([line(header), "  ".join("-" * w for w in widths), *map(line, lines)])


def cells_of(summary: MethodSummary) -> list[str]:
    """Return a method's cells under `COLUMNS`."""
    return [
        summary.variant,
        str(summary.runs) if summary.runs else f"0 ({summary.unsupported} unsupported)",
        str(summary.solved),
        str(summary.right),
        str(summary.proved),
        str(summary.wrong),
        gap_text(summary.gap_median),
        gap_text(summary.gap_worst),
        time_text(summary.time_s),
    ]


def _problem(data: ReportData, problem: str) -> str:
    count, proven = data.counted(problem)
    best = data.virtual_best(problem)
    summaries = [*data.of(problem), *([best] if best is not None else [])]
    return "\n".join(
        [
            f"{PROBLEMS.get(problem, problem)}",
            f"{count} instances, {proven} with a proven optimum or proof of infeasibility",
            "",
            table(COLUMNS, [cells_of(summary) for summary in summaries]),
        ]
    )


def text_tables(out: Path) -> str:
    """Return a table for each problem in the store at `out`, contradictions first.

    Raises
    ------
    InputError
        When there is no store.
    """
    return tables_of(load(out, heavy=False))


def tables_of(data: ReportData) -> str:
    """Return a table for each problem, contradictions first."""
    if not data.rows:
        return f"No runs in {data.out} yet."
    parts = []
    if data.contradictions:
        lines = [
            printable(f"  {c.instance_name}: {c.kind}: {c.statement}") for c in data.contradictions
        ]
        parts.append("\n".join([f"CONTRADICTIONS: {len(lines)}", *lines]))
    parts += [_problem(data, problem) for problem in data.problems]
    terms = (
        "runs: those the method supports. solved: ended of itself, in time, with a plan or proof. "
        "right: every claim holds, as far as the judge and the other runs can tell. proved: right, "
        "with a proof of optimality or infeasibility. gap: to the best plan known, over runs that "
        "held a feasible plan and are not wrong. time: shifted geometric mean, shift "
        f"{SHIFT_S:g} s; a run that is not solved and right counts with its time limit. virtual "
        "best: on each task, and in each column by itself, the best of all."
    )
    notes = [textwrap.fill(printable(note), 96) for note in (terms, *data.caveats)]
    parts.append("\n".join(notes))
    return "\n\n".join(parts)
