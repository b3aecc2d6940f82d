"""Incumbents and bounds over time."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from splitopt.bench.compare.data import ReportData
from splitopt.bench.compare.integrals import Course
from splitopt.bench.report.plots.common import EARLIEST_S, SHARES
from splitopt.bench.report.scale import Scale
from splitopt.bench.report.svg import Chart
from splitopt.bench.store.rows import Row
from splitopt.bench.verdicts.references import Reference

_GRID = 150
_COURSES = 1000  # looked at together
# Beyond this many runs a chart of an instance is a tangle: one a method is shown.
_MOST_RUNS = 24


def gap_over_time_chart(data: ReportData, problem: str) -> Chart | None:
    """Return the mean primal gap over the time, by method."""
    rows = [
        row
        for row in data.of_problem(problem)
        if row.termination != "unsupported"
        and data.references[row.instance_hash].objective is not None
    ]
    if not any(row.trajectory for row in rows):
        return None
    ends = [max(row.solve_time_s or 0.0, EARLIEST_S) for row in rows]
    scale = Scale.over([*ends, EARLIEST_S], log=True, floor=EARLIEST_S, kind="time")
    grid = np.geomspace(scale.low, scale.high, _GRID)
    chart = Chart(
        "Gap over time",
        "Mean primal gap, 0 at the best known and 100 % without a plan or when wrong, of the "
        "incumbents reported on the way; none counts for less than the plan the run ended with. "
        "The area under a line, over the time itself, is the primal integral.",
        scale,
        SHARES,
        "time",
        "mean primal gap",
        data.colours(problem),
    )
    by_method: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_method[data.name(row)].append(row)
    for name in data.ranked_names(problem):
        mine = by_method.get(name)
        if not mine:
            continue
        total = np.zeros(len(grid))
        courses = [course for row in mine if (course := data.figures.of(row).course) is not None]
        for k in range(0, len(courses), _COURSES):
            for gaps in _gaps_at(courses[k : k + _COURSES], grid):
                total += gaps
        chart.line(name, _corners(grid, total / len(mine)), hold=True)
    return chart


def _gaps_at(courses: Sequence[Course], grid: np.ndarray) -> np.ndarray:
    """Return the gap of each run at each time of a grid."""
    # Each run ends with a point that no time is after, and the next begins before all times.
    times: list[float] = []
    gaps: list[float] = []
    for course in courses:
        times += (-math.inf, *itertools.accumulate(course.times_s, max), math.inf)
        gaps += (1.0, *course.gaps, 0.0)
    first = np.searchsorted(grid, times, side="left")
    held = np.maximum(np.diff(first, append=0), 0)
    return np.repeat(gaps, held).reshape(len(courses), len(grid))


def _corners(grid: np.ndarray, heights: np.ndarray) -> list[tuple[float, float]]:
    """Return the points at which a line on a grid changes, and its end."""
    kept = [0, *(k for k in range(1, len(grid)) if heights[k] != heights[k - 1])]
    if kept[-1] != len(grid) - 1:
        kept.append(len(grid) - 1)
    return [(float(grid[k]), float(heights[k])) for k in kept]


def instance_chart(data: ReportData, rows: Sequence[Row], reference: Reference) -> Chart | None:
    """Return incumbents and bounds over time on one instance."""
    rows = [row for row in rows if row.trajectory]
    if len(rows) > _MOST_RUNS:
        rows = list({data.name(row): row for row in reversed(rows)}.values())
    figures = [v for row in rows for point in row.trajectory for v in point[1:] if v is not None]
    if not figures:
        return None
    if reference.objective is not None:
        # Early figures far off would flatten the rest.
        best, spread = reference.objective, abs(reference.objective) or 1.0
        figures = [min(max(v, best - spread), best + 2 * spread) for v in figures] + [best]
    ends = [max(row.trajectory[-1][0], row.solve_time_s or 0.0, EARLIEST_S) for row in rows]
    chart = Chart(
        "Incumbents and bounds over time",
        "Incumbents come down; bounds, thinner, come up; as the methods reported them. Figures "
        "far from the best lie at the edge.",
        Scale.over([EARLIEST_S, *ends], log=True, floor=EARLIEST_S, kind="time"),
        Scale.over(figures),
        "time",
        "objective",
        data.colours(rows[0].problem),
    )
    for row in sorted(rows, key=data.name):
        end = max(row.solve_time_s or 0.0, row.trajectory[-1][0], EARLIEST_S)
        for which, part in ((1, "incumbent"), (2, "bound")):
            points = []
            for point in row.trajectory:
                value = point[which]
                if value is not None:
                    points.append((max(point[0], EARLIEST_S), value))
            if points:
                chart.line(data.name(row), [*points, (end, points[-1][1])], hold=True, part=part)
    return chart
