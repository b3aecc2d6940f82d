"""The tables of a report that set methods side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from splitopt.bench.compare.paired import PairedMethods, time_statement
from splitopt.bench.compare.summary import SHIFT_S, VIRTUAL_BEST, MethodSummary
from splitopt.bench.methods.byfile.names import is_by_file
from splitopt.bench.methods.registry import METHODS
from splitopt.bench.report.html import Cell, Markup, sortable_table, tag
from splitopt.bench.report.numbers import gap_text, interval_text, ratio_text, time_text
from splitopt.bench.report.tables import count_cell, method_link, number_cell

_BAR = 120


def kind_of(problem: str, method: str) -> str:
    """Return what kind of method it is: exact, approximation, heuristic, learner, own.

    A solver that reads a file is ``exact, by file``: its times are of building, writing and reading
    too.
    """
    if is_by_file(method):
        return "exact, by file"
    for entry in METHODS:
        if (entry.name, entry.problem) == (method, problem):
            return entry.kind
    return "own"


def _name(summary: MethodSummary, root: str) -> Cell:
    if summary.method == VIRTUAL_BEST:
        return Cell(VIRTUAL_BEST, VIRTUAL_BEST)
    link = method_link(summary.problem, summary.method, summary.variant, root)
    return Cell(link, summary.variant)


def _outcome(summary: MethodSummary) -> Cell:
    """Return a bar: proved, right without a proof, neither, wrong; then unsupported."""
    total = max(1, summary.runs + summary.unsupported)
    rest = summary.runs - summary.right - summary.wrong
    parts = (
        ("proved", summary.proved),
        ("right", summary.right - summary.proved),
        ("nothing", rest),
        ("wrong", summary.wrong),
        ("unsupported", summary.unsupported),
    )
    marks, x = [], 0.0
    for name, count in parts:
        width = _BAR * count / total
        if count:
            marks.append(
                tag("rect", x=f"{x:.2f}", y=0, width=f"{width:.2f}", height=12, class_=name)
            )
        x += width
    said = ", ".join(f"{name} {count}" for name, count in parts if count)
    drawing = tag(
        "svg",
        tag("title", said),
        marks,
        viewbox=f"0 0 {_BAR} 12",
        preserveaspectratio="none",
        class_="outcome",
        role="img",
        aria_label=f"{said} of {total}",
    )
    share = (summary.proved + 1e-6 * summary.right) / total
    return Cell(drawing, share, drawn=True)


def outcome_key() -> Markup:
    """Return what the colours of the bars mean."""
    entries = (
        ("proved", "proved"),
        ("right", "right, no proof"),
        ("nothing", "no claim that holds"),
        ("wrong", "wrong"),
        ("unsupported", "not supported"),
    )
    parts = [(tag("span", class_=f"swatch {c}", aria_hidden="true"), word) for c, word in entries]
    return tag("p", [part for pair in parts for part in pair], class_="key")


def overview_table(
    summaries: Sequence[MethodSummary], best: MethodSummary | None, caption: str, root: str
) -> Markup:
    """Return methods side by side in few columns: what a reader takes in at once."""

    def line(s: MethodSummary) -> list[Cell | str]:
        return [
            _name(s, root),
            _outcome(s),
            count_cell(s.proved),
            count_cell(s.right),
            count_cell(s.wrong, "bad"),
            count_cell(s.runs),
            number_cell(s.gap_median, gap_text),
            number_cell(s.gap_worst, gap_text),
            number_cell(s.time_s, time_text),
            "-" if s.method == VIRTUAL_BEST else kind_of(s.problem, s.method),
        ]

    header = (
        "method",
        "outcome",
        "proved",
        "right",
        "wrong",
        "runs",
        "gap, median",
        "gap, worst",
        f"time (shift {SHIFT_S:g} s)",
        "kind",
    )
    return sortable_table(
        caption,
        header,
        [line(s) for s in summaries],
        facets={9: None} if len({kind_of(s.problem, s.method) for s in summaries}) > 1 else None,
        footer=[line(best)] if best is not None else (),
    )


def summary_table(
    summaries: Sequence[MethodSummary],
    best: MethodSummary | None,
    caption: str,
    root: str,
) -> Markup:
    """Return methods side by side with every metric."""

    def line(s: MethodSummary) -> list[Cell | str]:
        return [
            _name(s, root),
            count_cell(s.runs),
            count_cell(s.solved),
            count_cell(s.right),
            count_cell(s.proved),
            count_cell(s.wrong, "bad"),
            count_cell(s.failed, "bad"),
            count_cell(s.unsupported),
            number_cell(s.gap_median, gap_text),
            number_cell(s.gap_worst, gap_text),
            number_cell(s.time_s, time_text),
            number_cell(s.par2_s, time_text),
            number_cell(s.par10_s, time_text),
            number_cell(s.primal_s, time_text),
            number_cell(s.primal_dual_s, time_text),
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
        "PAR2",
        "PAR10",
        "primal integral",
        "primal-dual integral",
    )
    return sortable_table(
        caption,
        header,
        [line(s) for s in summaries],
        filter_label="Show methods with" if len(summaries) > 4 else None,
        footer=[line(best)] if best is not None else (),
    )


def feature_table(
    groups: Mapping[tuple[str, str], tuple[int, Sequence[MethodSummary]]], root: str
) -> Markup:
    """Return methods side by side within instances that share a feature.

    Parameters
    ----------
    groups
        By feature and value: the number of instances, and the methods.
    """
    lines: list[list[Cell | str]] = [
        [
            f"{feature}: {value}",
            _name(s, root),
            feature,
            count_cell(count),
            _outcome(s),
            count_cell(s.runs),
            count_cell(s.right),
            count_cell(s.proved),
            count_cell(s.wrong, "bad"),
            number_cell(s.gap_median, gap_text),
            number_cell(s.time_s, time_text),
        ]
        for (feature, value), (count, summaries) in groups.items()
        for s in summaries
        if s.runs
    ]
    header = (
        "instances with",
        "method",
        "feature",
        "instances",
        "outcome",
        "runs",
        "right",
        "proved",
        "wrong",
        "gap, median",
        "time",
    )
    first = next(iter(groups), ("", ""))[0]
    return sortable_table(
        "By features of instances",
        header,
        lines,
        filter_label="Show rows with",
        facets={2: first, 1: None},
    )


def _mixed(first: str, second: str) -> str:
    """Return what is to be said of the times of two methods, one of which goes by file."""
    return ", one by file" if is_by_file(first) != is_by_file(second) else ""


def pair_table(
    pairs: Iterable[PairedMethods], first: str, root: str, called: Mapping[str, str]
) -> Markup:
    """Return methods against each other, those against `first` shown at the start.

    Parameters
    ----------
    called
        The name of a variant's method.
    """
    lines: list[list[Cell | str]] = []
    for p in pairs:
        objective, spread = "-", "-"
        if p.objective is not None:
            objective = ratio_text(p.objective.estimate)
            spread = interval_text(p.objective.low, p.objective.high)
        lines.append(
            [
                Cell(method_link(p.problem, called[p.second], p.second, root), p.second),
                p.first,
                count_cell(p.tasks),
                number_cell(p.time.estimate, ratio_text),
                interval_text(p.time.low, p.time.high),
                time_statement(p.time) + _mixed(called.get(p.first, p.first), called[p.second]),
                number_cell(p.right.estimate, lambda v: f"{100 * (v or 0.0):+.0f} %"),
                f"{100 * p.right.low:+.0f} to {100 * p.right.high:+.0f} %",
                Cell(objective, math.nan if p.objective is None else p.objective.estimate),
                spread,
                p.time.over,
            ]
        )
    header = (
        "method",
        "against",
        "tasks",
        "time ratio",
        "95 % interval",
        "it is",
        "more often right",
        "95 % interval of that",
        "objective ratio",
        "95 % interval of it",
        "resampled",
    )
    return sortable_table(
        "Methods in pairs", header, lines, filter_label="Show pairs with", facets={1: first}
    )
