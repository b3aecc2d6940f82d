"""The first page: what a reader takes in within a minute."""

from __future__ import annotations

from collections import Counter

from bench.report.data import PROBLEMS, ReportData
from bench.report.html import Markup, page, tag
from bench.report.parts import alarm, charts, environment_table, reproduce
from bench.report.plots import quality_chart, time_quality_chart
from bench.report.tables import summary_table
from bench.summary import SHIFT_S

__all__ = ["TERMS", "index_page"]

TERMS = (
    "solved: ended of itself with a plan or a proof, true or not. right: every claim holds, as "
    "far as the judge, the other runs and what is known elsewhere can tell. proved: right, with "
    "a proof of optimality or infeasibility. wrong: a claim is refuted. failed: killed, crashed or "
    "out of memory. gap: (objective - best known) / |best known| over runs with a feasible plan. "
    f"time: shifted geometric mean exp(mean ln max(1, t + s)) - s with s = {SHIFT_S:g} s; a run "
    "that is not right counts with its time limit. PAR10: mean time, such runs at ten times the "
    "limit."
)


def _tiles(data: ReportData) -> Markup:
    verdicts = Counter(data.verdict(row) for row in data.rows)
    ends = Counter(row.termination for row in data.rows)
    proven = sum(reference.proven for reference in data.references.values())
    figures = (
        ("instances", len(data.by_instance)),
        ("with a proof", proven),
        ("methods", len({(row.problem, row.method) for row in data.rows})),
        ("runs", len(data.rows)),
        ("right", verdicts["right"]),
        ("wrong", verdicts["wrong"]),
        ("killed, crashed, memory", ends["killed"] + ends["crashed"] + ends["memory"]),
    )
    return tag(
        "ul",
        [
            tag(
                "li",
                tag("strong", str(value), class_="bad" if name == "wrong" and value else None),
                name,
            )
            for name, value in figures
        ],
        class_="tiles",
    )


def _lead(data: ReportData) -> str:
    """Return in a sentence or two who proved most and whose plans are best."""
    sentences = []
    for problem in data.problems:
        mine = [s for s in data.summaries if s.problem == problem and s.runs]
        hashes = {row.instance_hash for row in data.of_problem(problem)}
        provers = sorted((s for s in mine if s.proved), key=lambda s: (-s.proved, s.time_s or 0.0))
        name = PROBLEMS.get(problem, problem).split(":")[0]
        if provers:
            first = provers[0]
            sentences.append(
                f"{name}: {first.method} proves the most, {first.proved} of {first.runs} runs "
                f"on {len(hashes)} instances."
            )
        else:
            sentences.append(f"{name}: nothing is proved on {len(hashes)} instances.")
    return " ".join(sentences)


def index_page(data: ReportData) -> str:
    """Return the page."""
    body: list[Markup | None] = [
        tag("p", _lead(data), class_="lead"),
        alarm(data, "."),
        _tiles(data),
    ]
    if data.caveats:
        body.append(tag("ul", [tag("li", note) for note in data.caveats], class_="quiet"))
    for problem in data.problems:
        mine = [s for s in data.summaries if s.problem == problem]
        title = PROBLEMS.get(problem, problem)
        body += [
            tag("h2", title, id=problem),
            summary_table(mine, f"Methods for {problem.upper()}", "."),
            tag(
                "p",
                tag(
                    "a",
                    f"All of {problem.upper()}: charts, instances, runs",
                    href=f"problems/{problem}.html",
                ),
            ),
            charts([time_quality_chart(data, problem), quality_chart(data, problem)]),
        ]
    body += [
        tag("h2", "What the columns say"),
        tag("p", TERMS, class_="quiet"),
        tag("h2", "Machine and versions", id="machine"),
        environment_table(data),
        reproduce(data),
    ]
    return page(f"splitopt: {data.out.resolve().name}", body, root=".", trail=[])
