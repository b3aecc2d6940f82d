"""A page an instance, with pictures of its plans."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.compare.data import InstanceEntry, ReportData
from splitopt.bench.compare.summary import is_right
from splitopt.bench.report.features import shape_of
from splitopt.bench.report.html import Markup, page, tag
from splitopt.bench.report.numbers import gap_text, number_text
from splitopt.bench.report.parts import alarm, charts, facts, home
from splitopt.bench.report.picture import picture
from splitopt.bench.report.plots import instance_chart
from splitopt.bench.report.tables import run_table
from splitopt.bench.store.records import plan_of
from splitopt.bench.store.rows import Row
from splitopt.instances.core.documents import content_hash
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import plan_from_document

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

# Pictures of plans other than the best one; each is a drawing of its own.
_MOST_PICTURES = 6
_STATES = {
    "infeasible": "infeasible, proven",
    "optimal": "optimum proven",
    "open": "optimum not proven",
}


def instance_page(data: ReportData, entry: InstanceEntry) -> str:
    """Return the page of an instance."""
    rows = data.by_instance[entry.hash]
    reference = data.references[entry.hash]
    instance = entry.instance()
    pairs: list[tuple[str, object]] = [
        ("state", _STATES[data.state(entry.hash)]),
        ("best objective", number_text(reference.objective)),
        ("held by", reference.holder or "-"),
        ("best bound", number_text(reference.bound)),
        *(shape_of(instance) if instance is not None else ()),
        ("content hash", entry.hash),
        # A path says more of the reader's machine than of the instance.
        ("source", Path(entry.source).name),
    ]
    if instance is not None:
        pairs += [(f"origin: {key}", value) for key, value in instance.origin.items()]
    body: list[Markup | None] = [
        alarm(data, "..", entry.hash)
        if any(c.instance_hash == entry.hash for c in data.contradictions)
        else None,
        tag("p", instance.description, class_="lead")
        if instance is not None and instance.description
        else None,
        tag(
            "div",
            facts(pairs),
            charts([instance_chart(data, rows, reference)]),
            class_="beside",
        ),
        *_pictures(data, entry, instance, rows),
        tag("h2", "Runs"),
        run_table(data, rows, "..", instances=False),
    ]
    if instance is not None and instance.assumptions:
        body += [
            tag("h2", "Assumptions"),
            tag("ul", [tag("li", line) for line in instance.assumptions]),
        ]
    body += [
        tag("h2", "How to solve it again"),
        tag("pre", tag("code", _command(data, entry, rows))),
    ]
    trail = [home(data), (entry.problem.upper(), f"problems/{entry.problem}.html")]
    return page(entry.name, body, root="..", trail=trail)


def _command(data: ReportData, entry: InstanceEntry, rows: list[Row]) -> str:
    """Return the command of the run that holds the best plan, or of the first one."""
    right = [row for row in rows if is_right(row, data.refuted) and row.objective is not None]
    row = min(right, key=lambda r: (r.objective, r.solve_time_s or 0.0), default=rows[0])
    where = Path(entry.source).name
    parts = ["splitopt", "solve", where, "--method", row.method]
    parts += ["--time-limit", f"{row.time_limit_s:g}", "--seed", str(row.seed)]
    for name, value in row.options.items():
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        parts += ["--option", f"{name}={shown}"]
    return shlex.join(parts)


def _pictures(
    data: ReportData, entry: InstanceEntry, instance: Instance | None, rows: list[Row]
) -> list[Markup]:
    """Return the best plan's picture, and those of other methods' plans to be opened."""
    heading = tag("h2", "Plans")
    if instance is None:
        return [heading, tag("p", "The store does not hold the instance, so there is no picture.")]
    plans = _best_plans(data, rows)
    if not plans:
        return [heading, tag("p", "No run found a feasible plan, so there is no picture.")]
    drawn = []
    for found in plans:
        try:
            drawing = picture(instance, plan_from_document(found.plan))
        except InputError:
            continue
        if drawing is not None:
            drawn.append((found, drawing))
        if len(drawn) > _MOST_PICTURES:
            break
    if not drawn:
        return [heading, tag("p", "No plan fits the instance any more.")]
    (best, drawing), *others = drawn
    said = f"Objective {number_text(best.row.objective)}, found by {', '.join(best.finders)}."
    parts = [tag("h2", "The best plan here"), tag("p", said, class_="quiet"), drawing]
    for found, drawing in others:
        objective, gap = number_text(found.row.objective), data.figures.of(found.row).gap
        summary = f"{', '.join(found.finders)}: {objective}, gap {gap_text(gap)}"
        parts.append(tag("details", tag("summary", summary), drawing, class_="plan"))
    return parts


@dataclass(frozen=True, slots=True)
class _Found:
    """A plan, the first run that found it, and what the methods are called that did."""

    plan: dict[str, Any]
    row: Row
    finders: list[str]


def _best_plans(data: ReportData, rows: list[Row]) -> list[_Found]:
    """Return the best plan of each method, the best first, and of equal plans one."""
    order = sorted(rows, key=lambda r: math.inf if r.objective is None else r.objective)
    order = [row for row in order if data.figures.of(row).gap is not None]
    first = {data.name(row): row for row in reversed(order)}
    texts = data.plans(list(first.values()))
    plans: dict[str, _Found] = {}
    hashes: dict[bytes, str] = {}
    seen = set()
    for row in order:
        name = data.name(row)
        if name in seen:
            continue
        text = texts[row.key] if row.key in texts else data.plans([row])[row.key]
        if text is None:
            continue
        seen.add(name)
        if text not in hashes:
            plan = plan_of(f"{data.out}: ", row.key, text)
            hashes[text] = content_hash(plan)
            plans.setdefault(hashes[text], _Found(plan, row, []))
        plans[hashes[text]].finders.append(name)
    return list(plans.values())
