"""A page a problem and a page a method."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from splitopt.bench.compare.data import PROBLEMS, ReportData
from splitopt.bench.compare.paired import compare_methods
from splitopt.bench.methods.byfile.names import is_by_file
from splitopt.bench.methods.registry import METHODS
from splitopt.bench.report.features import feature_groups
from splitopt.bench.report.findings import findings
from splitopt.bench.report.html import Markup, page, tag
from splitopt.bench.report.method_tables import feature_table, kind_of, pair_table, summary_table
from splitopt.bench.report.parts import alarm, charts, facts, glossary, home
from splitopt.bench.report.plots import (
    data_profile_chart,
    epsilon_chart,
    gap_over_time_chart,
    profile_chart,
    quality_chart,
    time_quality_chart,
)
from splitopt.bench.report.tables import instance_table, run_table
from splitopt.bench.store.rows import Row
from splitopt.bench.verdicts.crosscheck import Contradiction

# The methods that all others are held against in pairs: the first in the ranking.
_RIVALS = 6
_OUTPUT_SHOWN = 2000
_FAILURES_SHOWN = 20


def _by_features(data: ReportData, problem: str, root: str) -> Markup | None:
    """Return the table by features; None where the instances do not differ in any."""
    groups = feature_groups(data, problem)
    return feature_table(groups, root) if groups else None


def _pairs(data: ReportData, problem: str, root: str) -> Markup | None:
    against = [s.variant for s in data.of(problem) if s.runs][:_RIVALS]
    found = list(compare_methods(data.of_problem(problem), data.refuted, data.variants, against))
    if not found:
        return None
    called = {s.variant: s.method for s in data.of(problem)}
    return pair_table(found, against[0], root, called)


def problem_page(data: ReportData, problem: str) -> str:
    """Return the page of a problem."""
    rows = data.of_problem(problem)
    best = data.virtual_best(problem)
    keys = {row.key for row in rows}
    refuted = any(c.refuted in keys for c in data.contradictions)
    features, pairs = _by_features(data, problem, ".."), _pairs(data, problem, "..")
    sections = [
        ("methods", "Methods"),
        ("charts", "Charts"),
        *([("pairs", "In pairs")] if pairs is not None else []),
        *([("features", "By features")] if features is not None else []),
        ("instances", "Instances"),
        ("runs", "Runs"),
    ]
    links = [tag("li", tag("a", name, href=f"#{key}")) for key, name in sections]
    body: list[Markup | None] = [
        alarm(data, "..") if refuted else None,
        tag("nav", tag("ul", links), class_="sections", aria_label="Sections"),
        findings(data, problem, ".."),
        tag("h2", "Methods", id="methods"),
        summary_table(data.of(problem), best, f"Methods for {problem.upper()}", ".."),
        glossary(),
        tag("h2", "Charts", id="charts"),
        charts(
            chart(data, problem)
            for chart in (
                profile_chart,
                data_profile_chart,
                time_quality_chart,
                quality_chart,
                gap_over_time_chart,
                epsilon_chart,
            )
        ),
    ]
    if pairs is not None:
        body += [
            tag("h2", "In pairs", id="pairs"),
            tag(
                "p",
                "On the tasks that both tried. Time ratio: geometric mean of its charged time over "
                "that of the method it is held against; below 1 it is faster. Objective ratio: "
                "where both have a plan; above 1 its plans cost more. Intervals are bootstraps "
                "over seeds, over instances where most have one seed.",
                class_="quiet",
            ),
            pairs,
        ]
    if features is not None:
        body += [tag("h2", "By features of instances", id="features"), features]
    body += [
        tag("h2", "Instances", id="instances"),
        instance_table(data, problem, ".."),
        tag("h2", "Runs", id="runs"),
        run_table(data, rows, ".."),
    ]
    return page(PROBLEMS.get(problem, problem), body, root="..", trail=[home(data)])


def method_page(data: ReportData, problem: str, method: str) -> str:
    """Return the page of a method."""
    rows = data.of_method(problem, method)
    summary = "a method of the user's own"
    for entry in METHODS:
        if (entry.name, entry.problem) == (method, problem):
            summary = entry.summary
    if is_by_file(method):
        summary = (
            "a model written to a file, which a solver reads and solves: times are of building, "
            "writing and reading too, told apart in the statistics of each run"
        )
    ends = Counter(row.termination for row in rows)
    guarantees = sorted(
        {
            str(row.guarantee["statement"])
            for row in rows
            if row.guarantee and "statement" in row.guarantee
        }
    )
    options: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        for name, value in row.options.items():
            options[name][str(value)] = None
    given = [f"{name}={', '.join(values)}" for name, values in options.items()]
    mine = [s for s in data.of(problem) if s.method == method]
    keys = {row.key for row in rows}
    refuted = [c for c in data.contradictions if c.refuted in keys]
    body: list[Markup | None] = [
        tag("p", summary, class_="lead"),
        facts(
            [
                ("kind", kind_of(problem, method)),
                ("options", "; ".join(given) or "none"),
                ("ended", ", ".join(f"{k}: {v}" for k, v in sorted(ends.items()))),
                ("guarantees", "; ".join(guarantees) or "none"),
            ]
        ),
        tag("section", tag("h2", "Refuted"), _statements(refuted), class_="alarm")
        if refuted
        else None,
        summary_table(mine, None, "Summary", ".."),
        glossary(),
        charts([epsilon_chart(data, problem, method)]),
    ]
    failed = [r for r in rows if r.termination in ("killed", "crashed", "memory")]
    if failed:
        body += [
            tag("h2", "Runs that failed"),
            *(_failure(data.whole(row)) for row in failed[:_FAILURES_SHOWN]),
        ]
    reasons = Counter(row.detail for row in rows if row.termination == "unsupported")
    if reasons:
        found = [tag("li", f"{reason} ({count})") for reason, count in reasons.most_common()]
        body += [tag("h2", "What it does not support"), tag("ul", found)]
    body += [tag("h2", "Runs"), run_table(data, rows, "..", methods=len(mine) > 1)]
    trail = [home(data), (problem.upper(), f"problems/{problem}.html")]
    return page(f"{method} for {problem.upper()}", body, root="..", trail=trail)


def _statements(found: Sequence[Contradiction]) -> Markup:
    return tag("ul", [tag("li", f"{c.instance_name}: {c.statement}") for c in found])


def _failure(row: Row) -> Markup:
    output = [
        (name, text[-_OUTPUT_SHOWN:])
        for name, text in (("stderr", row.stderr), ("stdout", row.stdout))
        if text
    ]
    return tag(
        "details",
        tag("summary", f"{row.instance_name}, seed {row.seed}: {row.termination}: {row.detail}"),
        [tag("div", tag("p", name), tag("pre", text)) for name, text in output]
        or [tag("p", "It printed nothing.")],
    )
