"""Parts that several pages share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from splitopt.bench.compare.data import ReportData
from splitopt.bench.compare.summary import SHIFT_S
from splitopt.bench.report.figure import figure
from splitopt.bench.report.html import Markup, sortable_table, tag
from splitopt.bench.report.svg import Chart
from splitopt.bench.report.tables import contradiction_table

_TERMS = (
    ("runs", "Those the method supports. Averages of methods with other runs compare little."),
    ("solved", "Ended of itself with a plan or a proof, true or not."),
    (
        "right",
        "Every claim holds, as far as the judge, the other runs and what is known elsewhere can "
        "tell.",
    ),
    ("proved", "Right, with a proof of optimality or of infeasibility."),
    ("wrong", "A claim is refuted. A wrong run counts as a failure in every figure here."),
    ("failed", "Killed, crashed, out of memory, or done only after the limit."),
    (
        "gap",
        "(objective - best known) / |best known|, over runs with a feasible plan that are not "
        "wrong.",
    ),
    (
        "time",
        f"Shifted geometric mean, exp(mean ln max(1, t + s)) - s, of the seconds inside the "
        f"method with s = {SHIFT_S:g} s; a run that is not solved and right counts with its limit.",
    ),
    (
        "PAR2, PAR10",
        "Mean time, where a run that is not solved and right counts 2 or 10 times its limit.",
    ),
    (
        "primal integral",
        "Mean over runs of the area under the gap between incumbent and best known, 0 to the "
        "time limit, gaps in 0..1: small is early and good. Wrong or without a plan: the limit.",
    ),
    ("primal-dual integral", "The same between incumbent and bound: what is still unproved."),
    (
        "virtual best",
        "On each task the best that any method did, in each column by itself: time and gap may "
        "come of different methods.",
    ),
    ("task", "An instance with a seed, a repetition and limits."),
)


def glossary() -> Markup:
    """Return what the columns say, to be opened."""
    return tag(
        "details",
        tag("summary", "What the columns say"),
        facts(_TERMS),
        class_="glossary",
        id="columns",
    )


def home(data: ReportData) -> tuple[str, str]:
    """Return title and link of the first page."""
    return (f"Results: {data.out.resolve().name}", "index.html")


def facts(pairs: Iterable[tuple[str, object]]) -> Markup:
    """Return a list of names and values."""
    found = [(tag("dt", name), tag("dd", _shown(value))) for name, value in pairs]
    return tag("dl", [part for pair in found for part in pair], class_="facts")


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "-"
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def charts(found: Iterable[Chart | None]) -> Markup | None:
    """Return charts side by side; None where there is none."""
    there = [figure(chart) for chart in found if chart is not None]
    return tag("div", there, class_="charts") if there else None


def alarm(data: ReportData, root: str, only: str | None = None) -> Markup:
    """Return the contradictions, or that there are none."""
    table = contradiction_table(data, root, only)
    if table is None:
        return tag(
            "p",
            "No contradictions: no claim is refuted by the judge, by another run or by what is "
            "known.",
            class_="calm",
        )
    count = sum(only in (None, c.instance_hash) for c in data.contradictions)
    return tag(
        "section",
        tag("h2", f"{count} contradiction{'s' if count != 1 else ''}"),
        tag("p", "Each row below is refuted and counts as wrong everywhere in this report."),
        table,
        class_="alarm",
        id="contradictions",
    )


def _flat(document: Mapping[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat |= {str(k): str(v) for k, v in value.items()}
        elif key.endswith("_bytes") and isinstance(value, int):
            flat[key.removesuffix("_bytes")] = f"{value / 2**30:.1f} GiB"
        elif value is not None:
            flat[key.replace("_", " ")] = str(value)
    return flat


def environment_table(data: ReportData) -> Markup:
    """Return machines and versions, a column each."""
    columns = [_flat(document) for document in data.environments.values()]
    names = list(dict.fromkeys(key for column in columns for key in column))
    header = ["what", *(f"environment {k + 1}" for k in range(len(columns)))]
    lines = [[name, *(column.get(name, "-") for column in columns)] for name in names]
    return sortable_table("Machine and versions", header, lines)


def command_lines(data: ReportData) -> list[str]:
    """Return the lines for a shell that make the runs again."""
    commands = []
    for call in data.calls:
        command = " ".join(_quoted(str(part)) for part in call.get("command") or [])
        if not command:
            command = (
                f"# {call['started_at']}: run_set of {call.get('instances')} instances, methods "
                f"{', '.join(call.get('methods') or [])}, seeds {call.get('seeds')}, "
                f"time limit {call.get('time_limit_s')} s, jobs {call.get('jobs')}"
            )
        commands.append(command)
    commits = {str(e["commit"]) for e in data.environments.values() if e.get("commit")}
    return [*(f"git checkout {commit}" for commit in sorted(commits)), *dict.fromkeys(commands)]


def reproduce(data: ReportData) -> Markup:
    """Return how the runs were made, and how to make them again."""
    return tag(
        "section",
        tag("h2", "How to reproduce", id="reproduce"),
        tag(
            "p",
            "The store beside this report (runs.sqlite) holds the instances, every option and "
            "limit, the plans and the outputs of each run. A finished run is not repeated: give "
            "another folder to --out to measure anew.",
            class_="quiet",
        ),
        tag("pre", tag("code", "\n".join(command_lines(data)))),
    )


def _quoted(part: str) -> str:
    import shlex

    return shlex.quote(part)
