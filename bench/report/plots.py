"""The charts of a report, each from rows alone; None where there is nothing to show."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from bench.metrics import data_profile, gap_to_best, performance_profile, primal_gap
from bench.references import Reference
from bench.report.data import ReportData
from bench.report.svg import Chart, Scale
from bench.report.text import gap_text, time_text
from bench.rows import Row
from bench.summary import charged_time_s

__all__ = [
    "epsilon_chart",
    "gap_over_time_chart",
    "instance_chart",
    "profile_chart",
    "quality_chart",
    "time_quality_chart",
]

# The clock is good for about this much; what is quicker is not better.
_CLOCK_S = 1e-4
_GAP_FLOOR = 1e-6
# Where time axes start: nothing is drawn earlier.
_EARLIEST_S = 1e-4


def _task(row: Row) -> tuple[object, ...]:
    """Return what rows of different methods share when they did the same task."""
    return (row.instance_hash, row.seed, row.repetition, row.time_limit_s, row.threads)


def _costs(rows: Sequence[Row], cost: dict[str, float]) -> dict[str, list[float]]:
    """Return costs by method over all tasks, infinite where a method has no such run."""
    tasks = {task: k for k, task in enumerate(dict.fromkeys(map(_task, rows)))}
    table: dict[str, list[float]] = {}
    for row in rows:
        column = table.setdefault(row.method, [math.inf] * len(tasks))
        column[tasks[_task(row)]] = cost[row.key]
    return table


def profile_chart(data: ReportData, problem: str) -> Chart | None:
    """Return the performance profile of the time to a proof."""
    rows = data.of_problem(problem)
    proofs = {
        row.key: row.solve_time_s or 0.0
        for row in rows
        if row.status in ("optimal", "infeasible") and data.verdict(row) == "right"
    }
    provers = {row.method for row in rows if row.key in proofs}
    rows = [row for row in rows if row.method in provers]
    if not provers:
        return None
    costs = _costs(rows, {row.key: proofs.get(row.key, math.inf) for row in rows})
    profile = performance_profile(costs, floor=_CLOCK_S)
    ratios = [x for steps in profile.values() for x in steps.x]
    caveat = (
        " Above two methods the order below the best depends on which methods are there."
        if len(profile) > 2
        else ""
    )
    chart = Chart(
        "Performance profile",
        "Share of tasks proved within a factor of the quickest proof; a task is an instance and "
        "a seed, one that a method does not support or has not run counts as not proved." + caveat,
        Scale.over([1.0, *ratios], log=True, floor=1.0),
        Scale(0.0, 1.0),
        "time over the least time of any method",
        "share of tasks proved",
    )
    for name, steps in profile.items():
        chart.line(name, list(zip(steps.x, steps.y, strict=True)), steps=True)
    return chart


def quality_chart(data: ReportData, problem: str) -> Chart | None:
    """Return the distribution of gaps to the best known by method."""
    rows = data.of_problem(problem)
    gaps: dict[str, float] = {}
    for row in rows:
        reference = data.references[row.instance_hash]
        if reference.infeasible:
            continue
        gap = gap_to_best(None if row.violations else row.objective, reference.objective)
        gaps[row.key] = math.inf if gap is None else max(0.0, gap)
    rows = [row for row in rows if row.key in gaps]
    if not any(math.isfinite(gap) for gap in gaps.values()):
        return None
    profile = data_profile(_costs(rows, gaps))
    top = max((x for steps in profile.values() for x in steps.x), default=1.0)
    scale = Scale.over([_GAP_FLOOR, max(top, 1e-2)], log=True)
    chart = Chart(
        "Quality of plans",
        "Share of tasks with a feasible plan within a gap of the best plan known; infeasible "
        "instances are left out.",
        Scale(scale.low, scale.high, True, floor_label="0"),
        Scale(0.0, 1.0),
        "gap to the best known, (objective - best) / |best|",
        "share of tasks",
    )
    for name, steps in profile.items():
        points = [(max(x, _GAP_FLOOR), y) for x, y in zip(steps.x, steps.y, strict=True)]
        merged = dict(points)  # of equal gaps the last share holds
        chart.line(name, list(merged.items()), steps=True)
    return chart


def time_quality_chart(data: ReportData, problem: str) -> Chart | None:
    """Return time against quality, a point a method."""
    points = []
    for summary in data.summaries:
        if summary.problem == problem and summary.time_s is not None and summary.gaps:
            rows = [r for r in data.of_problem(problem) if r.method == summary.method]
            rows = [r for r in rows if r.termination != "unsupported"]
            # A geometric mean on a logarithmic axis; tasks without a plan count as twice the best.
            gaps = []
            for row in rows:
                reference = data.references[row.instance_hash]
                if reference.infeasible or reference.objective is None:
                    continue
                gap = gap_to_best(None if row.violations else row.objective, reference.objective)
                gaps.append(1.0 if gap is None or gap == math.inf else max(gap, _GAP_FLOOR))
            times = [max(charged_time_s(row, data.refuted), _CLOCK_S) for row in rows]
            if gaps:
                x = math.exp(float(np.mean(np.log(times))))
                points.append((x, float(np.mean(gaps)), summary.method))
    if not points:
        return None
    y = Scale.over([_GAP_FLOOR, *(gap for _, gap, _ in points)], log=True)
    chart = Chart(
        "Time against quality",
        "Geometric mean of the time (a run that is not right counts with its limit) against the "
        "mean gap to the best known (no plan counts as 100 %). Low and left is good.",
        Scale.over([x for x, _, _ in points], log=True, floor=_CLOCK_S),
        Scale(y.low, y.high, True, floor_label="0"),
        "time in s",
        "mean gap to the best known",
    )
    for x, gap, method in points:
        shown = 0.0 if gap <= _GAP_FLOOR * 1.001 else gap
        chart.points(method, [(x, gap, f"{method}: {time_text(x)}, gap {gap_text(shown)}")])
    chart.labels([(x, gap, method) for x, gap, method in points])
    return chart


def epsilon_chart(data: ReportData, problem: str) -> Chart | None:
    """Return the ratio achieved against the epsilon asked for, with the ratio promised."""
    found: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in data.of_problem(problem):
        epsilon = row.options.get("epsilon")
        reference = data.references[row.instance_hash]
        if not isinstance(epsilon, int | float) or epsilon <= 0 or row.violations:
            continue
        gap = gap_to_best(row.objective, reference.objective)
        if reference.proven and gap is not None and math.isfinite(gap):
            found[row.method][float(epsilon)].append(max(0.0, gap))
    epsilons = [e for by in found.values() for e in by]
    if len(set(epsilons)) < 2:
        return None  # one epsilon makes no curve
    worst = {m: sorted((e, max(gaps)) for e, gaps in by.items()) for m, by in found.items()}
    y = Scale.over([_GAP_FLOOR, *epsilons], log=True)
    chart = Chart(
        "Ratio against epsilon",
        "Largest excess over the proven optimum, objective / optimum - 1, for each epsilon; the "
        "line says what is promised.",
        Scale.over(epsilons, log=True),
        Scale(y.low, y.high, True, floor_label="0"),
        "epsilon",
        "objective / optimum - 1",
    )
    chart.line("promised: epsilon", [(e, e) for e in sorted(set(epsilons))])
    for method, points in worst.items():
        said = [(e, max(g, _GAP_FLOOR), f"{method}, epsilon {e:g}: {g:.3g}") for e, g in points]
        chart.line(method, [(e, g) for e, g, _ in said])
        chart.points(method, said)
    return chart


def gap_over_time_chart(data: ReportData, problem: str) -> Chart | None:
    """Return the mean primal gap over the time, by method."""
    rows = [row for row in data.of_problem(problem) if row.trajectory]
    rows = [row for row in rows if data.references[row.instance_hash].objective is not None]
    if not rows:
        return None
    ends = [max(row.solve_time_s or 0.0, row.trajectory[-1][0]) for row in rows]
    scale = Scale.over(
        [max(end, _EARLIEST_S) for end in ends] + [_EARLIEST_S], log=True, floor=_EARLIEST_S
    )
    grid = np.geomspace(scale.low, scale.high, 160)
    chart = Chart(
        "Gap over time",
        "Mean primal gap (0 at the best known, 1 without a plan) of the incumbents that methods "
        "reported on the way; what they reported is not judged.",
        scale,
        Scale(0.0, 1.0),
        "time in s",
        "mean primal gap",
    )
    by_method: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_method[row.method].append(row)
    for method, mine in by_method.items():
        total = np.zeros(len(grid))
        for row in mine:
            total += _gaps_at(row, data.references[row.instance_hash], grid)
        chart.line(method, list(zip(grid.tolist(), (total / len(mine)).tolist(), strict=True)))
    return chart


def _gaps_at(row: Row, reference: Reference, grid: np.ndarray) -> np.ndarray:
    times = [point[0] for point in row.trajectory]
    gaps = [1.0, *(primal_gap(point[1], reference.objective) for point in row.trajectory)]
    return np.asarray(gaps)[np.searchsorted(times, grid, side="right")]


def instance_chart(rows: Sequence[Row], reference: Reference) -> Chart | None:
    """Return incumbents and bounds over time on one instance."""
    rows = [row for row in rows if row.trajectory]
    figures = [v for row in rows for point in row.trajectory for v in point[1:] if v is not None]
    if not figures:
        return None
    if reference.objective is not None:
        # Early figures far off would flatten the rest.
        best, spread = reference.objective, abs(reference.objective) or 1.0
        figures = [min(max(v, best - spread), best + 2 * spread) for v in figures] + [best]
    ends = [max(row.trajectory[-1][0], row.solve_time_s or 0.0, _EARLIEST_S) for row in rows]
    chart = Chart(
        "Incumbents and bounds over time",
        "Incumbents come down, bounds come up, as the methods reported them.",
        Scale.over([_EARLIEST_S, *ends], log=True, floor=_EARLIEST_S),
        Scale.over(figures),
        "time in s",
        "objective",
    )
    for row in rows:
        end = max(row.solve_time_s or 0.0, row.trajectory[-1][0])
        for which in (1, 2):
            points = [
                (max(p[0], _EARLIEST_S), p[which]) for p in row.trajectory if p[which] is not None
            ]
            steps: list[tuple[float, float]] = []
            for t, value in points:
                assert value is not None
                if steps:
                    steps.append((t, steps[-1][1]))
                steps.append((t, value))
            if steps:
                steps.append((max(end, _EARLIEST_S), steps[-1][1]))
                chart.line(row.method, steps)
                chart.points(row.method, [(*steps[-2], f"{row.method}: {steps[-2][1]:.6g}")])
    return chart
