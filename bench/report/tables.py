"""The tables of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.metrics import gap_to_best
from bench.report.data import InstanceEntry, ReportData
from bench.report.html import Cell, Markup, sortable_table, tag
from bench.report.text import gap_text, time_text
from bench.rows import Row
from bench.summary import SHIFT_S, MethodSummary

__all__ = [
    "contradiction_table",
    "group_table",
    "instance_table",
    "memory_text",
    "method_link",
    "number_text",
    "run_table",
    "summary_table",
]


def number_text(value: float | None) -> str:
    """Return a figure with enough digits to compare."""
    return "-" if value is None else f"{value:.8g}"


def memory_text(count: int | None) -> str:
    """Return bytes in MiB."""
    return "-" if count is None else f"{count / 2**20:.0f} MiB"


def method_link(problem: str, method: str, root: str) -> Markup:
    """Return a link to a method's page."""
    return tag("a", method, href=f"{root}/methods/{problem}-{method}.html")


def instance_link(entry: InstanceEntry, root: str) -> Markup:
    """Return a link to an instance's page."""
    return tag("a", entry.name, href=f"{root}/instances/{entry.slug}.html")


def _number(value: float | None, show: Callable[[float | None], str]) -> Cell:
    # What is unknown sorts behind everything.
    return Cell(show(value), 1e308 if value is None else value)


def _count(value: int, class_: str | None = None) -> Cell:
    return Cell(str(value), value, class_ if value else None)


def verdict_cell(data: ReportData, row: Row) -> Cell:
    """Return the verdict, which says the same in words and in colour."""
    verdict = data.verdict(row)
    return Cell(verdict, verdict, f"verdict {verdict.replace(' ', '-')}")


def summary_table(summaries: Sequence[MethodSummary], caption: str, root: str) -> Markup:
    """Return methods side by side."""
    lines: list[list[Cell | str]] = [
        [
            Cell(method_link(s.problem, s.method, root), s.method),
            _count(s.runs),
            _count(s.solved),
            _count(s.right),
            _count(s.proved),
            _count(s.wrong, "bad"),
            _count(s.failed, "bad"),
            _count(s.unsupported),
            _number(s.gap_median, gap_text),
            _number(s.gap_worst, gap_text),
            _number(s.time_s, time_text),
            _number(s.par10_s, time_text),
        ]
        for s in summaries
    ]
    header = (
        "method",
        "runs",
        "solved",
        "right",
        "proved",
        "wrong",
        "failed",
        "unsupported",
        "gap, median",
        "gap, worst",
        f"time (shift {SHIFT_S:g} s)",
        "PAR10",
    )
    return sortable_table(caption, header, lines)


def group_table(groups: dict[str, list[MethodSummary]], caption: str, root: str) -> Markup:
    """Return methods side by side within groups of instances."""
    lines: list[list[Cell | str]] = [
        [
            group,
            Cell(method_link(s.problem, s.method, root), s.method),
            _count(s.runs),
            _count(s.right),
            _count(s.proved),
            _count(s.wrong, "bad"),
            _number(s.gap_median, gap_text),
            _number(s.time_s, time_text),
        ]
        for group, summaries in sorted(groups.items())
        for s in summaries
        if s.runs
    ]
    header = ("group", "method", "runs", "right", "proved", "wrong", "gap, median", "time")
    return sortable_table(caption, header, lines, filter_label="Show rows with")


def instance_table(data: ReportData, problem: str, root: str) -> Markup:
    """Return the instances of a problem with what is known of each."""
    lines: list[list[Cell | str]] = []
    for key, rows in data.by_instance.items():
        if rows[0].problem != problem:
            continue
        reference = data.references[key]
        state = "infeasible" if reference.infeasible else "optimal" if reference.proven else "open"
        right = {row.method for row in rows if data.verdict(row) == "right"}
        wrong = sum(data.verdict(row) == "wrong" for row in rows)
        lines.append(
            [
                Cell(instance_link(data.instances[key], root), data.instances[key].name),
                state,
                _number(reference.objective, number_text),
                _number(reference.bound, number_text),
                reference.holder or "-",
                _count(len(right)),
                _count(wrong, "bad"),
                _count(len(rows)),
            ]
        )
    header = ("instance", "state", "best", "bound", "held by", "methods right", "wrong", "runs")
    return sortable_table("Instances", header, lines, filter_label="Show instances with")


def run_table(
    data: ReportData,
    rows: Sequence[Row],
    root: str,
    *,
    caption: str = "Runs",
    instances: bool = True,
    methods: bool = True,
) -> Markup:
    """Return runs, a line each."""
    lines: list[list[Cell | str]] = []
    for row in rows:
        reference = data.references[row.instance_hash]
        gap = gap_to_best(None if row.violations else row.objective, reference.objective)
        line: list[Cell | str] = []
        if instances:
            link = instance_link(data.instances[row.instance_hash], root)
            line.append(Cell(link, row.instance_name))
        if methods:
            line.append(Cell(method_link(row.problem, row.method, root), row.method))
        options = ", ".join(f"{k}={v}" for k, v in row.options.items())
        line += [
            _count(row.seed),
            Cell(options or "-"),
            row.termination,
            row.status,
            verdict_cell(data, row),
            _number(row.objective, number_text),
            _number(row.bound, number_text),
            _number(gap, gap_text),
            _number(row.solve_time_s, time_text),
            _number(row.cpu_time_s, time_text),
            _number(row.peak_memory_bytes, lambda v: memory_text(None if v is None else int(v))),
            Cell(row.verdict_reason or row.detail or "", None, "remark"),
        ]
        lines.append(line)
    header = [
        *(["instance"] if instances else []),
        *(["method"] if methods else []),
        "seed",
        "options",
        "ended",
        "status",
        "verdict",
        "objective",
        "bound",
        "gap to best",
        "time",
        "CPU",
        "memory",
        "remark",
    ]
    return sortable_table(caption, header, lines, filter_label="Show runs with")


def contradiction_table(data: ReportData, root: str, only: str | None = None) -> Markup | None:
    """Return contradictions, those of one instance where `only` is its hash; None without any."""
    found = [c for c in data.contradictions if only in (None, c.instance_hash)]
    if not found:
        return None
    lines: list[list[Cell | str]] = [
        [
            Cell(instance_link(data.instances[c.instance_hash], root), c.instance_name),
            c.kind,
            c.method,
            c.statement,
        ]
        for c in found
    ]
    return sortable_table("Contradictions", ("instance", "kind", "refuted", "why"), lines)
