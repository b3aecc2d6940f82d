"""A chart on a page: two drawings, a legend that switches series, its figures as a table."""

from __future__ import annotations

import json
import math
from typing import Any

from splitopt.bench.report.html import Cell, Markup, sortable_table, tag
from splitopt.bench.report.svg import MOST_POINTS, NARROW, WIDE, Chart, Layout, marker, series_class

# A chart of a few thousand points is all of them in the table; beyond that nobody reads it.
_MOST_LINES = 300
# Beyond it the costs of all tasks, from which the script draws a profile anew, are megabytes.
_MOST_TASKS = 5000


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _data(chart: Chart) -> dict[str, Any]:
    """Return what the script needs to answer a pointer and to draw anew."""

    def axis(scale: Any, label: str) -> dict[str, Any]:
        return {
            "low": scale.low,
            "high": scale.high,
            "log": scale.log,
            "kind": scale.kind,
            "floor": scale.floor_label,
            "label": label,
        }

    def layout(to: Layout) -> list[int]:
        return [to.width, to.height, to.left, to.right, to.top, to.bottom]

    return {
        "x": axis(chart.x, chart.x_label),
        "y": axis(chart.y, chart.y_label),
        "names": chart.names,
        "layouts": {to.name: layout(to) for to in (WIDE, NARROW)},
        "series": [
            {
                "k": series.k,
                "style": series.style,
                "part": series.part,
                "points": [[_number(x), _number(y)] for x, y in series.points],
                "said": list(series.said),
            }
            for series in chart.series
        ],
        "costs": None
        if chart.costs is None or _too_many(chart)
        else [[_number(cost) for cost in chart.costs[name]] for name in chart.names],
        "floor": chart.floor,
    }


def _script(document: object) -> Markup:
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    # Nothing in it may end the element.
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return tag("script", Markup(text), type="application/json")


def _legend(chart: Chart) -> Markup:
    buttons = []
    for k, name in enumerate(chart.names):
        colour = chart.colour(k)
        points = any(s.k == k and s.style == "points" for s in chart.series)
        lines = any(s.k == k and s.style != "points" for s in chart.series)
        key = tag(
            "svg",
            tag("path", d="M0 6H24", class_="line") if lines else None,
            marker(colour, 12, 6, None) if points else None,
            viewbox="0 0 24 12",
            class_=series_class(colour),
            aria_hidden="true",
        )
        buttons.append(
            tag("button", key, " " + name, type="button", aria_pressed="true", data_series=k)
        )
    if len(chart.names) > 2:
        buttons += [
            tag("button", word, type="button", class_="every", data_show=word.lower())
            for word in ("All", "None")
        ]
    return tag("div", buttons, class_="legend", role="group", aria_label="Series shown")


def _left_out(chart: Chart) -> str:
    """Return what is not on the page, in words."""
    said = ""
    if chart.thinned:
        said += f" Lines of more points than that are drawn through {MOST_POINTS} of them."
    if _too_many(chart):
        said += (
            f" There are too many tasks ({len(next(iter((chart.costs or {}).values())))}) to draw "
            "the profile of a choice of methods here: splitopt export-runs has the figures."
        )
    return said


def _too_many(chart: Chart) -> bool:
    return any(len(costs) > _MOST_TASKS for costs in (chart.costs or {}).values())


def figure(chart: Chart) -> Markup:
    """Return the chart with its caption, legend, table and data."""
    header, body = chart.figures()
    lines = [[Cell(cell) for cell in line] for line in body[:_MOST_LINES]]
    table = sortable_table(f"{chart.title}: figures", header, lines)
    more = len(body) - len(lines)
    among = (
        tag(
            "label",
            tag("input", type="checkbox", class_="among"),
            " Compare only the methods shown",
            class_="among-label",
        )
        if chart.costs is not None and len(chart.names) > 2 and not _too_many(chart)
        else None
    )
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("strong", chart.title),
            tag("span", chart.description + _left_out(chart), class_="about"),
        ),
        tag(
            "div",
            chart.drawing(to=WIDE),
            chart.drawing(to=NARROW),
            tag("div", class_="tip", role="status", hidden=True),
            class_="plot",
        ),
        _legend(chart),
        among,
        tag(
            "details",
            tag("summary", "Figures as a table"),
            table,
            tag("p", f"and {more} more", class_="quiet") if more else None,
            class_="figures",
        ),
        _script(_data(chart)),
        class_="chart",
    )
