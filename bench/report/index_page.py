"""The first page: what a reader takes in within a minute."""

from __future__ import annotations

from collections import Counter

from splitopt.bench.compare.data import PROBLEMS, ReportData
from splitopt.bench.report.findings import findings
from splitopt.bench.report.html import Markup, page, tag
from splitopt.bench.report.method_tables import outcome_key, overview_table
from splitopt.bench.report.numbers import time_text
from splitopt.bench.report.parts import alarm, charts, environment_table, glossary, reproduce
from splitopt.bench.report.plots import profile_chart, time_quality_chart


def subtitle(data: ReportData) -> str:
    """Return when, with what limit and on what the runs were made."""
    started = sorted(row.started_at[:10] for row in data.rows)
    days = started[0] if started[0] == started[-1] else f"{started[0]} to {started[-1]}"
    limits = sorted({row.time_limit_s for row in data.rows})
    machines = sorted({str(e.get("processor") or "?") for e in data.environments.values()})
    jobs = sorted({row.jobs for row in data.rows})
    return "; ".join(
        [
            days,
            " and ".join(map(time_text, limits)) + " a run",
            f"{' and '.join(map(str, jobs))} at a time",
            *machines[:2],
        ]
    )


def _tiles(data: ReportData) -> Markup:
    verdicts = Counter(data.verdict(row) for row in data.rows)
    ends = Counter(row.termination for row in data.rows)
    tried = len(data.rows) - ends["unsupported"]
    settled = sum(data.state(key) != "open" for key in data.by_instance)
    failed = ends["killed"] + ends["crashed"] + ends["memory"]
    figures = (
        ("instances", str(len(data.by_instance)), None),
        ("settled by a proof", str(settled), "good"),
        ("methods", str(len(data.summaries)), None),
        ("runs", str(tried), None),
        ("right", str(verdicts["right"]), "good"),
        ("wrong", str(verdicts["wrong"]), "bad" if verdicts["wrong"] else None),
        ("killed or crashed", str(failed), "bad" if failed else None),
    )
    return tag(
        "ul",
        [tag("li", tag("strong", value, class_=class_), name) for name, value, class_ in figures],
        class_="tiles",
    )


def index_page(data: ReportData) -> str:
    """Return the page."""
    body: list[Markup | None] = [alarm(data, "."), _tiles(data)]
    if data.caveats:
        notes = tag("ul", [tag("li", note) for note in data.caveats])
        body.append(tag("aside", tag("strong", "Before comparing"), notes, class_="caveats"))
    for problem in data.problems:
        title = PROBLEMS.get(problem, problem)
        best = data.virtual_best(problem)
        body += [
            tag("h2", title, id=problem),
            findings(data, problem, "."),
            overview_table(data.of(problem), best, f"Methods for {problem.upper()}", "."),
            outcome_key(),
            tag(
                "p",
                tag(
                    "a",
                    f"All of {problem.upper()}: every metric, charts, pairs, features, instances, "
                    "runs",
                    href=f"problems/{problem}.html",
                    class_="more",
                ),
            ),
            charts([time_quality_chart(data, problem), profile_chart(data, problem)]),
        ]
    body += [
        glossary(),
        tag("h2", "Machine and versions", id="machine"),
        environment_table(data),
        reproduce(data),
    ]
    name = data.out.resolve().name
    return page(f"Results: {name}", body, root=".", trail=[], subtitle=subtitle(data))
