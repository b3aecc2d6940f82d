"""Tables and figures of a paper: the report's numbers, from the report's functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from splitopt.bench.compare.data import PROBLEMS, ReportData
from splitopt.bench.compare.summary import SHIFT_S, VIRTUAL_BEST
from splitopt.bench.report.features import feature_groups
from splitopt.bench.report.method_tables import kind_of
from splitopt.bench.report.numbers import gap_text, time_text
from splitopt.bench.report.paper.latex import Group, escape, figure, long_table, table
from splitopt.bench.report.paper.setting import setting
from splitopt.bench.report.plots import (
    data_profile_chart,
    epsilon_chart,
    gap_over_time_chart,
    profile_chart,
    quality_chart,
    time_quality_chart,
)
from splitopt.bench.report.svg import Chart
from splitopt.bench.report.text import COLUMNS, cells_of
from splitopt.instances.core.errors import InputError

# More lines than this nobody tells apart in a figure of a column's width.
MOST_SHOWN = 8
_KINDS = ("own", "exact", "approximation", "learner", "heuristic")
_CHARTS: tuple[tuple[str, Callable[[ReportData, str], Chart | None], tuple[str, ...]], ...] = (
    ("profile", profile_chart, ("performance-profile", "profile-caution")),
    ("data-profile", data_profile_chart, ("data-profile",)),
    ("gap-over-time", gap_over_time_chart, ("primal-integral",)),
    ("time-quality", time_quality_chart, ("primal-integral",)),
    ("quality", quality_chart, ()),
    ("epsilon", epsilon_chart, ()),
)
_TERMS = (
    "Runs: those the method supports. Solved: ended of itself, in time, with a plan or a proof. "
    "Right: every claim holds, as far as the judge and the other runs can tell. Proved: right, "
    "with a proof of optimality or of infeasibility. Gap: (objective - best known) / |best known|, "
    "over runs that held a feasible plan and are not wrong. Time: shifted geometric mean, shift "
    f"{SHIFT_S:g} s; a run that is not solved and right counts with its limit. Virtual best: on "
    "each task, and in each column by itself, the best of all."
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its name, the chart, the styles of its methods, its LaTeX, what it cites."""

    name: str
    chart: Chart
    styles: dict[str, int]
    latex: str
    keys: tuple[str, ...]


def _kind(data: ReportData, problem: str, name: str) -> str:
    for summary in data.of(problem):
        if summary.variant == name:
            return kind_of(problem, summary.method)
    return "own"


def _most(data: ReportData, problem: str, names: Sequence[str]) -> list[str]:
    """Return a few of the names: of each kind in turn the one that stands highest in the report."""
    by = {kind: [n for n in names if _kind(data, problem, n) == kind] for kind in _KINDS}
    # Methods of the user's own are what the paper is about.
    others = zip_longest(*(by[kind] for kind in _KINDS[1:]))
    chosen = [*by["own"], *(name for turn in others for name in turn if name is not None)]
    kept = set(chosen[:MOST_SHOWN])
    return [name for name in names if name in kept]


def shown_methods(data: ReportData, asked: Sequence[str]) -> list[str] | None:
    """Return the names of the methods asked for, all variants of each; None for no wish.

    Raises
    ------
    InputError
        For a method that has no runs.
    """
    if not asked:
        return None
    names = {s.variant: s.method for s in data.summaries}
    for name in asked:
        if name not in names and name not in names.values():
            there = ", ".join(dict.fromkeys(names.values()))
            raise InputError("--show", name, f"methods with runs: {there}", "correct the name")
    return [variant for variant, method in names.items() if {variant, method} & set(asked)]


def method_part(data: ReportData, problem: str) -> str:
    """Return the table of all methods of a problem."""
    count, proven = data.counted(problem)
    best = data.virtual_best(problem)
    caption = (
        f"{PROBLEMS.get(problem, problem)}. {count} instances, {proven} with a proven "
        f"optimum or a proof of infeasibility. {_TERMS} {setting(data, problem)}"
    )
    return table(
        escape(caption),
        f"tab:{problem}-methods",
        COLUMNS,
        [cells_of(s) for s in data.of(problem)],
        [cells_of(best)] if best is not None else [],
    )


def feature_part(data: ReportData, problem: str, shown: Sequence[str] | None) -> str | None:
    """Return the table by features of instances; None where no two share what others have not."""
    groups = feature_groups(data, problem)
    chosen = shown or _most(data, problem, data.ranked_names(problem))
    parts = []
    for (feature, value), (count, summaries) in groups.items():
        if count < 2:
            continue
        by = {s.variant: s for s in summaries if s.runs}
        lines = [
            [
                name,
                str(by[name].runs),
                str(by[name].right),
                str(by[name].proved),
                str(by[name].wrong),
                gap_text(by[name].gap_median),
                time_text(by[name].time_s),
            ]
            for name in (*chosen, VIRTUAL_BEST)
            if name in by
        ]
        if lines:
            parts.append(Group(f"{feature}: {value} ({count} instances)", lines))
    if not parts:
        return None
    caption = (
        f"{problem.upper()} by features that two instances or more share; columns as in the "
        f"table of all methods.{_left_out(data, problem, chosen)} {setting(data, problem)}"
    )
    header = ("method", "runs", "right", "proved", "wrong", "gap, median", "time")
    return long_table(escape(caption), f"tab:{problem}-features", header, parts)


def _left_out(data: ReportData, problem: str, chosen: Sequence[str], among: int = 0) -> str:
    total = among or len(data.ranked_names(problem))
    return "" if len(chosen) >= total else f" Shown are {len(chosen)} of {total} methods."


def figures(data: ReportData, problem: str, shown: Sequence[str] | None) -> Iterator[Figure]:
    """Yield the figures of a problem; a method looks the same in all of them."""
    charts = [(name, make(data, problem), keys) for name, make, keys in _CHARTS]
    chosen: dict[str, list[str]] = {}
    for name, chart, _ in charts:
        if chart is not None:
            ranked = [n for n in data.ranked_names(problem) if n in chart.names]
            # Names of no variant, such as a method whose epsilons are on the axis.
            ranked += [n for n in chart.names if n not in ranked and chart.colours.get(n) != -1]
            chosen[name] = (
                _most(data, problem, ranked)
                if shown is None
                else [n for n in ranked if n in shown or n not in data.ranked_names(problem)]
            )
    # The profile shows other methods, those with proofs: the rest share the plainest styles.
    order = sorted(chosen, key=lambda name: name == "profile")
    every = list(dict.fromkeys(n for name in order for n in chosen[name]))
    for name, chart, keys in charts:
        if chart is None or not chosen[name]:
            continue
        cited = f" \\cite{{{','.join(keys)}}}" if keys else ""
        methods = sum(chart.colours.get(n) != -1 for n in chart.names)
        text = f"{chart.description}{_left_out(data, problem, chosen[name], methods)}"
        caption = (
            f"{problem.upper()}: {escape(chart.title.lower())}{cited}. {escape(text)} "
            f"{escape(setting(data, problem))}"
        )
        file = f"{problem}-{name}"
        yield Figure(
            file,
            chart,
            {n: every.index(n) for n in chosen[name]},
            figure(f"figures/{file}.pdf", caption, f"fig:{file}"),
            keys,
        )
