"""The tables of a report: instances, runs, contradictions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

from splitopt.bench.compare.data import InstanceEntry, ReportData
from splitopt.bench.compare.summary import is_right
from splitopt.bench.report.html import Cell, Column, Markup, sortable_table, table_of, tag
from splitopt.bench.report.numbers import gap_text, memory_text, number_text, time_text
from splitopt.bench.store.rows import Row

# A browser sorts and filters this many rows at ease. Of more, which nobody reads through, a page
# has the first thousand: it then opens at once.
MOST_RUNS = 3000
FIRST_RUNS = 1000


def method_link(problem: str, method: str, shown: str, root: str) -> Markup:
    """Return a link to a method's page."""
    return tag("a", shown, href=f"{root}/methods/{problem}-{method}.html")


def instance_link(entry: InstanceEntry, root: str) -> Markup:
    """Return a link to an instance's page."""
    return tag("a", entry.name, href=f"{root}/instances/{entry.slug}.html")


def number_cell(value: float | None, show: Callable[[float | None], str]) -> Cell:
    """Return a figure; what is unknown sorts behind everything."""
    return Cell(show(value), math.nan if value is None else value)


def count_cell(value: int, class_: str | None = None) -> Cell:
    """Return a count, marked with a class unless it is 0."""
    return Cell(str(value), value, class_ if value else None)


def verdict_cell(data: ReportData, row: Row) -> Cell:
    """Return the verdict, which says the same in words and in colour."""
    verdict = data.verdict(row)
    return Cell(verdict, verdict, f"verdict {verdict.replace(' ', '-')}")


def instance_table(data: ReportData, problem: str, root: str) -> Markup:
    """Return the instances of a problem with what is known of each."""
    lines: list[list[Cell | str]] = []
    for key, rows in data.by_instance.items():
        if rows[0].problem != problem:
            continue
        reference = data.references[key]
        right = {data.name(row) for row in rows if is_right(row, data.refuted)}
        wrong = sum(data.verdict(row) == "wrong" for row in rows)
        lines.append(
            [
                Cell(instance_link(data.instances[key], root), data.instances[key].name),
                data.state(key),
                number_cell(reference.objective, number_text),
                number_cell(reference.bound, number_text),
                reference.holder or "-",
                count_cell(len(right)),
                count_cell(wrong, "bad"),
                count_cell(len(rows)),
            ]
        )
    header = ("instance", "state", "best", "bound", "held by", "methods right", "wrong", "runs")
    return sortable_table(
        "Instances", header, lines, filter_label="Show instances with", facets={1: None}
    )


_INSTANCE, _METHOD = Column("instance"), Column("method")
# What a table of runs says of a run on every page; all of it figures but the words.
_WORDS = ("options", "ended", "status", "verdict", "remark")
_COLUMNS = tuple(
    Column(title, figures=title not in _WORDS, right=title not in _WORDS)
    for title in (
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
    )
)


@functools.lru_cache(maxsize=4096)
def _word(shown: str, class_: str | None = None) -> Markup:
    return Cell(shown, None, class_).markup(False)


def _run(data: ReportData, row: Row) -> Markup:
    """Return the cells of a run under `_COLUMNS`, which stand on several pages."""
    found = data.drawn.get(row.key)
    if found is None:
        options = ", ".join(f"{k}={v}" for k, v in row.options.items())
        memory = None if row.peak_memory_bytes is None else int(row.peak_memory_bytes)
        cells = (
            count_cell(row.seed).markup(False),
            _word(options or "-", "remark"),
            _word(row.ending),
            _word(row.status),
            verdict_cell(data, row).markup(False),
            number_cell(row.objective, number_text).markup(False),
            number_cell(row.bound, number_text).markup(False),
            number_cell(data.figures.of(row).gap, gap_text).markup(False),
            number_cell(row.solve_time_s, time_text).markup(False),
            number_cell(row.cpu_time_s, time_text).markup(False),
            Cell(memory_text(memory), math.nan if memory is None else memory).markup(False),
            _word(row.verdict_reason or row.detail or "", "remark"),
        )
        found = data.drawn[row.key] = "".join(cells)
    return Markup(found)


def run_table(
    data: ReportData,
    rows: Sequence[Row],
    root: str,
    *,
    instances: bool = True,
    methods: bool = True,
) -> Markup:
    """Return runs, a line each; without most of them where there are very many."""
    shown = rows if len(rows) <= MOST_RUNS else rows[:FIRST_RUNS]

    @functools.cache
    def first(instance: tuple[str, str], method: tuple[str, str, str]) -> Markup:
        cells = []
        if instances:
            cells.append(Cell(instance_link(data.instances[instance[0]], root), instance[1]))
        if methods:
            cells.append(Cell(method_link(*method, root), method[-1]))
        return Markup("".join(cell.markup(k == 0) for k, cell in enumerate(cells)))

    body = []
    for row in shown:
        instance = (row.instance_hash, row.instance_name)
        method = (row.problem, row.method, data.name(row))
        body.append(tag("tr", first(instance, method), _run(data, row)))
    columns = [*([_INSTANCE] if instances else []), *([_METHOD] if methods else []), *_COLUMNS]
    said: Mapping[str, Callable[[Row], str]] = {
        "method": data.name,
        "ended": lambda row: row.ending,
        "verdict": data.verdict,
    }
    table = table_of(
        "Runs",
        columns,
        body,
        filter_label="Show runs with",
        choices={
            k: (dict.fromkeys(map(said[column.title], shown)), None)
            for k, column in enumerate(columns)
            if column.title in said
        },
    )
    if len(shown) == len(rows):
        return table
    note = (
        f"The first {len(shown)} of {len(rows)} runs. Pages of methods and instances have theirs; "
        "splitopt export-runs writes all of them."
    )
    return tag("div", tag("p", note), table)


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
            Cell(c.statement, None, "remark"),
        ]
        for c in found
    ]
    return sortable_table("Contradictions", ("instance", "kind", "refuted", "why"), lines)
