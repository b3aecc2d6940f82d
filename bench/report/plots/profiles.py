"""Profiles: shares of tasks by factor of the quickest, and by time."""

from __future__ import annotations

import math

from splitopt.bench.compare.data import ReportData
from splitopt.bench.compare.metrics import data_profile, performance_profile
from splitopt.bench.report.plots.common import CLOCK_S, SHARES, task_costs
from splitopt.bench.report.scale import Scale
from splitopt.bench.report.svg import Chart
from splitopt.bench.store.rows import Row

# A plan this close to the best known is a good one.
TARGET_GAP = 0.01


def profile_chart(data: ReportData, problem: str) -> Chart | None:
    """Return the performance profile of the time to a proof."""
    rows = data.of_problem(problem)
    proofs = {row.key: row.solve_time_s or 0.0 for row in rows if data.figures.of(row).proved}
    provers = {data.name(row) for row in rows if row.key in proofs}
    rows = [row for row in rows if data.name(row) in provers]
    if not provers:
        return None
    costs = task_costs(data, rows, {row.key: proofs.get(row.key, math.inf) for row in rows})
    profile = performance_profile(costs, floor=CLOCK_S)
    ratios = [x for steps in profile.values() for x in steps.x]
    caveat = (
        " Caution: above two methods the order below the best depends on which methods are there."
        if len(profile) > 2
        else ""
    )
    chart = Chart(
        "Performance profile",
        "Share of tasks proved within a factor of the quickest proof; a task is an instance and "
        "a seed, one that a method does not support, has not run or got wrong counts as not "
        "proved." + caveat,
        Scale.over([1.0, *ratios], log=True, floor=1.0),
        SHARES,
        "time over the least time of any method",
        "share of tasks proved",
        data.colours(problem),
        costs=costs,
        floor=CLOCK_S,
    )
    for name, steps in profile.items():
        chart.line(name, list(zip(steps.x, steps.y, strict=True)), steps=True)
    return chart


def time_to_target(data: ReportData, row: Row) -> float:
    """Return the seconds until a run held a plan within 1 % of the best known.

    Infinite where it did not before its limit, and for a run that is wrong. For an instance proved
    infeasible it is the time to a proof of that.
    """
    reference = data.references[row.instance_hash]
    if reference.infeasible:
        return (row.solve_time_s or 0.0) if data.figures.of(row).proved else math.inf
    course = data.figures.of(row).course
    if course is None:
        return math.inf
    for time_s, gap in zip(course.times_s, course.gaps, strict=True):
        if gap <= TARGET_GAP:
            return time_s if time_s <= row.time_limit_s else math.inf
    return math.inf


def data_profile_chart(data: ReportData, problem: str) -> Chart | None:
    """Return the data profile of the time to a good plan."""
    rows = [row for row in data.of_problem(problem) if row.termination != "unsupported"]
    costs = {row.key: time_to_target(data, row) for row in rows}
    if not any(math.isfinite(cost) for cost in costs.values()):
        return None
    floored = {key: max(cost, CLOCK_S) for key, cost in costs.items()}
    profile = data_profile(task_costs(data, rows, floored))
    times = [x for steps in profile.values() for x in steps.x]
    chart = Chart(
        "Good plans over time",
        f"Data profile: share of tasks on which a plan within {100 * TARGET_GAP:g} % of the best "
        "known was held after a time, as far as the judge confirms it. Unlike the performance "
        "profile, a method's line does not depend on the others.",
        Scale.over(times, log=True, floor=CLOCK_S, kind="time"),
        SHARES,
        "time",
        "share of tasks",
        data.colours(problem),
    )
    for name, steps in profile.items():
        chart.line(name, list(zip(steps.x, steps.y, strict=True)), steps=True)
    return chart
