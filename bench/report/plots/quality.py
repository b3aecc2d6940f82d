"""Quality of plans, alone and against time."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from splitopt.bench.compare.data import ReportData
from splitopt.bench.compare.integrals import held_objective
from splitopt.bench.compare.metrics import data_profile, primal_gap
from splitopt.bench.compare.summary import charged_time_s, is_wrong
from splitopt.bench.report.numbers import gap_text, time_text
from splitopt.bench.report.plots.common import CLOCK_S, GAP_FLOOR, SHARES, gap_scale, task_costs
from splitopt.bench.report.scale import Scale
from splitopt.bench.report.svg import Chart
from splitopt.bench.store.rows import Row


def quality_chart(data: ReportData, problem: str) -> Chart | None:
    """Return the distribution of gaps to the best known by method."""
    rows = [
        row
        for row in data.of_problem(problem)
        if row.termination != "unsupported" and not data.references[row.instance_hash].infeasible
    ]
    gaps = {}
    for row in rows:
        gap = data.figures.of(row).gap
        gaps[row.key] = math.inf if gap is None else max(0.0, gap)
    if not any(math.isfinite(gap) for gap in gaps.values()):
        return None
    profile = data_profile(task_costs(data, rows, gaps))
    scale = gap_scale([x for steps in profile.values() for x in steps.x])
    chart = Chart(
        "Quality of plans",
        "Share of tasks with a feasible plan within a gap of the best plan known. A run that is "
        "wrong has none; infeasible instances are left out.",
        scale,
        SHARES,
        "gap to the best known, (objective - best) / |best|",
        "share of tasks",
        data.colours(problem),
    )
    for name, steps in profile.items():
        points = [(max(x, GAP_FLOOR), y) for x, y in zip(steps.x, steps.y, strict=True)]
        merged = dict(points)  # of equal gaps the last share holds
        chart.line(name, list(merged.items()), steps=True)
    return chart


def _mean_primal_gap(data: ReportData, rows: list[Row]) -> float | None:
    """Return the mean primal gap, 1 for a run without a plan or a wrong one."""
    gaps = []
    for row in rows:
        reference = data.references[row.instance_hash]
        if reference.infeasible or reference.objective is None:
            continue
        held = None if is_wrong(row, data.refuted) else held_objective(row, data.refuted)
        gaps.append(primal_gap(held, reference.objective))
    return float(np.mean(gaps)) if gaps else None


def time_quality_chart(data: ReportData, problem: str) -> Chart | None:
    """Return time against quality, a point a method."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in data.of_problem(problem):
        if row.termination != "unsupported":
            groups[data.name(row)].append(row)
    points = []
    for name in data.ranked_names(problem):
        rows = groups.get(name, [])
        gap = _mean_primal_gap(data, rows)
        if gap is not None:
            times = [max(charged_time_s(row, data.refuted), CLOCK_S) for row in rows]
            points.append((math.exp(float(np.mean(np.log(times)))), max(gap, GAP_FLOOR), name))
    if not points:
        return None
    chart = Chart(
        "Time against quality",
        "Geometric mean of the time (a run not solved and right counts with its limit) against the "
        "mean primal gap, |objective - best| / max(|objective|, |best|); without a plan, or "
        "wrong, it is 100 %. Over the runs a method supports. Low and left is good.",
        Scale.over([x for x, *_ in points], log=True, floor=CLOCK_S, kind="time"),
        gap_scale([gap for _, gap, _ in points]),
        "time",
        "mean primal gap",
        data.colours(problem),
    )
    for x, gap, name in points:
        shown = 0.0 if gap <= GAP_FLOOR * 1.001 else gap
        said = f"{name}: {time_text(x)}, gap {gap_text(shown)}"
        chart.points(name, [(x, gap, said)])
    chart.labels([(x, gap, name) for x, gap, name in points])
    return chart
