"""A page a problem, a page a method, a page an instance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench.registry import METHODS
from bench.report.data import PROBLEMS, InstanceEntry, ReportData
from bench.report.features import group_of
from bench.report.html import Markup, page, tag
from bench.report.index_page import TERMS
from bench.report.parts import alarm, charts, facts
from bench.report.picture import picture
from bench.report.plots import (
    epsilon_chart,
    gap_over_time_chart,
    instance_chart,
    profile_chart,
    quality_chart,
    time_quality_chart,
)
from bench.report.tables import (
    group_table,
    instance_table,
    number_text,
    run_table,
    summary_table,
)
from bench.rows import Row
from bench.summary import summarise
from instances.errors import InputError
from instances.judge import plan_from_document

__all__ = ["instance_page", "method_page", "problem_page"]

_OUTPUT_SHOWN = 2000


def _home(data: ReportData) -> tuple[str, str]:
    return (f"splitopt: {data.out.resolve().name}", "index.html")


def problem_page(data: ReportData, problem: str) -> str:
    """Return the page of a problem."""
    rows = data.of_problem(problem)
    mine = [s for s in data.summaries if s.problem == problem]
    groups = {key: group_of(data.instances[key]) for key in {row.instance_hash for row in rows}}
    by: Callable[[Row], str] = lambda row: groups[row.instance_hash]  # noqa: E731 - typed
    body: list[Markup | None] = [
        alarm(data, "..")
        if any(c.refuted in {r.key for r in rows} for c in data.contradictions)
        else None,
        summary_table(mine, f"Methods for {problem.upper()}", ".."),
        tag("p", TERMS, class_="quiet"),
        charts(
            chart(data, problem)
            for chart in (
                profile_chart,
                time_quality_chart,
                quality_chart,
                gap_over_time_chart,
                epsilon_chart,
            )
        ),
    ]
    if len(set(groups.values())) > 1:
        grouped = summarise(rows, data.references, data.refuted, by)
        body += [
            tag("h2", "By kind of instance"),
            group_table(grouped, "By kind of instance", ".."),
        ]
    body += [
        tag("h2", "Instances"),
        instance_table(data, problem, ".."),
        tag("h2", "Runs"),
        run_table(data, rows, ".."),
    ]
    return page(PROBLEMS.get(problem, problem), body, root="..", trail=[_home(data)])


def method_page(data: ReportData, problem: str, method: str) -> str:
    """Return the page of a method."""
    rows = [row for row in data.of_problem(problem) if row.method == method]
    summary = "a method of the user's own"
    kind = "-"
    for entry in METHODS:
        if (entry.name, entry.problem) == (method, problem):
            summary, kind = entry.summary, entry.kind
    ends = Counter(row.termination for row in rows)
    guarantees = sorted(
        {
            str(row.guarantee["statement"])
            for row in rows
            if row.guarantee and "statement" in row.guarantee
        }
    )
    body: list[Markup | None] = [
        facts(
            [
                ("what it does", summary),
                ("kind", kind),
                ("ended", ", ".join(f"{k}: {v}" for k, v in sorted(ends.items()))),
                ("guarantees", "; ".join(guarantees) or "none"),
            ]
        ),
        summary_table(
            [s for s in data.summaries if (s.problem, s.method) == (problem, method)],
            "Summary",
            "..",
        ),
    ]
    failed = [r for r in rows if r.termination in ("killed", "crashed", "memory")]
    if failed:
        body += [tag("h2", "Runs that failed"), *map(_failure, failed[:20])]
    body += [tag("h2", "Runs"), run_table(data, rows, "..", methods=False)]
    trail = [_home(data), (problem.upper(), f"problems/{problem}.html")]
    return page(f"{method} for {problem.upper()}", body, root="..", trail=trail)


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


def instance_page(data: ReportData, entry: InstanceEntry) -> str:
    """Return the page of an instance."""
    rows = data.by_instance[entry.hash]
    reference = data.references[entry.hash]
    instance = entry.instance()
    state = (
        "infeasible, proven"
        if reference.infeasible
        else "optimum proven"
        if reference.proven
        else "optimum not proven"
    )
    pairs: list[tuple[str, object]] = [
        ("state", state),
        ("best objective", number_text(reference.objective)),
        ("held by", reference.holder or "-"),
        ("best bound", number_text(reference.bound)),
        ("content hash", entry.hash),
        # A path says more of the reader's machine than of the instance.
        ("source", Path(entry.source).name),
    ]
    if instance is not None:
        pairs += [
            ("kind", group_of(entry)),
            ("description", instance.description or "-"),
            *((f"origin: {key}", value) for key, value in instance.origin.items()),
        ]
    body: list[Markup | None] = [
        alarm(data, "..", entry.hash)
        if any(c.instance_hash == entry.hash for c in data.contradictions)
        else None,
        facts(pairs),
    ]
    if instance is not None and instance.assumptions:
        body += [
            tag("h2", "Assumptions"),
            tag("ul", [tag("li", line) for line in instance.assumptions]),
        ]
    drawing, method = _best_picture(entry, rows)
    if drawing is not None:
        body += [tag("h2", f"The best plan here, by {method}"), drawing]
    body += [
        charts([instance_chart(rows, reference)]),
        tag("h2", "Runs"),
        run_table(data, rows, "..", instances=False),
        tag("h2", "How to solve it again"),
        tag("pre", tag("code", f"splitopt solve {entry.name} --method {rows[0].method}")),
    ]
    trail = [_home(data), (entry.problem.upper(), f"problems/{entry.problem}.html")]
    return page(entry.name, body, root="..", trail=trail)


def _best_picture(entry: InstanceEntry, rows: list[Row]) -> tuple[Markup | None, str]:
    instance = entry.instance()
    feasible = [r for r in rows if r.plan is not None and not r.violations]
    if instance is None or not feasible:
        return None, ""
    best = min(feasible, key=lambda row: row.objective if row.objective is not None else 1e308)
    try:
        return picture(instance, plan_from_document(best.plan)), best.method
    except InputError:
        return None, ""
