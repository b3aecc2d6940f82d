"""What is achieved against what is promised."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict

from splitopt.bench.compare.data import ReportData
from splitopt.bench.compare.metrics import gap_to_best
from splitopt.bench.report.plots.common import GAP_FLOOR, gap_scale
from splitopt.bench.report.scale import Scale
from splitopt.bench.report.svg import Chart
from splitopt.bench.verdicts.crosscheck import is_feasible


def epsilon_chart(data: ReportData, problem: str, only: str | None = None) -> Chart | None:
    """Return the ratio achieved against the epsilon asked for, with the ratio promised.

    Of one method where `only` names it.
    """
    found: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    tightened = False
    for row in data.of_problem(problem) if only is None else data.of_method(problem, only):
        epsilon = row.options.get("epsilon")
        reference = data.references[row.instance_hash]
        if not isinstance(epsilon, int | float) or epsilon <= 0 or not is_feasible(row):
            continue
        gap = gap_to_best(row.objective, reference.objective)
        if reference.proven and gap is not None and math.isfinite(gap):
            name = row.method
            if (row.guarantee or {}).get("reference_deadlines"):
                name, tightened = f"{row.method}, tightened", True
            found[name][float(epsilon)].append(max(0.0, gap))
    epsilons = sorted({e for by in found.values() for e in by})
    if len(epsilons) < 2:
        return None  # one epsilon makes no curve
    note = (
        " Runs called tightened promise a factor of the optimum under tightened deadlines, which "
        "is no less than this one: they may lie above the line."
        if tightened
        else ""
    )
    achieved = [gap for by in found.values() for gaps in by.values() for gap in gaps]
    chart = Chart(
        "Ratio against epsilon",
        "Excess over the proven optimum, objective / optimum - 1, for each epsilon: the largest "
        "and, thinner, the median. Above the line of what is promised the guarantee would be "
        "broken." + note,
        Scale.over(epsilons, log=True, kind="number"),
        gap_scale([*epsilons, *achieved]),
        "epsilon",
        "objective / optimum - 1",
        {"promised: epsilon": -1},
    )
    chart.line("promised: epsilon", [(e, e) for e in epsilons])
    for name, by in found.items():
        for part, take in (("worst", max), ("median", statistics.median)):
            points = [(e, max(float(take(by[e])), GAP_FLOOR)) for e in sorted(by)]
            chart.line(name, points, part=part)
        chart.points(
            name,
            [
                (e, max(max(by[e]), GAP_FLOOR), f"{name}, epsilon {e:g}: worst {max(by[e]):.3g}")
                for e in sorted(by)
            ],
        )
    return chart
