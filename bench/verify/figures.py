"""What a verification says in sum: tables by form and epsilon, fitted exponents, charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

from splitopt.bench.verify.verification import Verdict
from splitopt.instances.contract.method import Statistic

if TYPE_CHECKING:
    from splitopt.bench.report.svg import Chart

COLUMNS = {
    "problem": "problem",
    "form": "form",
    "epsilon": "epsilon",
    "runs": "runs",
    "ended": "in time",
    "ratio": "ratio, median",
    "worst": "worst",
    "allowed": "allowed",
    "certified": "certified, median",
    "labels": "labels, median",
    "most": "most",
    "time": "CPU ms, median",
    "violations": "violations",
}


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None


def _groups(verdicts: Sequence[Verdict]) -> dict[tuple[str, str, float], list[Verdict]]:
    groups: dict[tuple[str, str, float], list[Verdict]] = {}
    for one in verdicts:
        groups.setdefault((one.problem, one.form, one.epsilon), []).append(one)
    return groups


def summary(verdicts: Sequence[Verdict]) -> list[dict[str, Statistic]]:
    """Return one row for each problem, form and epsilon.

    Ratios of runs that ended in order on feasible instances; an allowed ratio is 1 + epsilon, to
    be exceeded only in forms whose guarantee refers to tightened deadlines.
    """
    rows: list[dict[str, Statistic]] = []
    for (problem, form, epsilon), group in _groups(verdicts).items():
        ended = [v for v in group if v.termination == "solved"]
        ratios = [v.ratio for v in ended if v.ratio is not None]
        labels = [v.labels for v in ended if v.labels is not None]
        rows.append(
            {
                "problem": problem,
                "form": form,
                "epsilon": epsilon,
                "runs": len(group),
                "ended": len(ended),
                "ratio": _median(ratios),
                "worst": max(ratios, default=None),
                "allowed": 1.0 + epsilon,
                "certified": _median(
                    v.certified_ratio for v in ended if v.certified_ratio is not None
                ),
                "labels": _median(labels),
                "most": max(labels, default=None),
                "time": _median(1e3 * v.cpu_time_s for v in ended),
                "violations": sum(bool(v.violations) for v in group),
            }
        )
    return rows


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the slope of log y over log x by least squares; None with fewer than two x."""
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread


def exponents(verdicts: Sequence[Verdict]) -> list[dict[str, Statistic]]:
    """Return fitted exponents of labels and time in 1 / epsilon and in size, by problem and form.

    In 1 / epsilon: the median over instances of each one's own fit, over instances that make
    labels at all. In size: one fit over the instances at the smallest epsilon. With each goes the
    number of instances it comes from.
    """
    rows: list[dict[str, Statistic]] = []
    for problem, form in dict.fromkeys((v.problem, v.form) for v in verdicts):
        group = [
            v for v in verdicts if (v.problem, v.form, v.termination) == (problem, form, "solved")
        ]
        if not group:
            continue
        labels_epsilon = _slopes(group, lambda v: float(v.labels or 0))
        time_epsilon = _slopes(group, lambda v: v.cpu_time_s)
        finest = [v for v in group if v.epsilon == min(v.epsilon for v in group)]
        sized = [(v.size, float(v.labels or 0)) for v in finest if v.labels]
        rows.append(
            {
                "problem": problem,
                "form": form,
                "labels_epsilon": _median(labels_epsilon),
                "labels_instances": len(labels_epsilon),
                "time_epsilon": _median(time_epsilon),
                "labels_size": exponent(sized),
                "time_size": exponent([(v.size, v.cpu_time_s) for v in finest]),
                "instances": len(finest),
            }
        )
    return rows


def _slopes(group: Sequence[Verdict], measure: Callable[[Verdict], float]) -> list[float]:
    """Return each instance's exponent of a measure in 1 / epsilon, where it has one."""
    points: dict[str, list[tuple[float, float]]] = {}
    for v in group:
        points.setdefault(v.instance, []).append((1 / v.epsilon, measure(v)))
    fits = [exponent(own) for own in points.values()]
    return [fit for fit in fits if fit is not None]


def write_charts(verdicts: Sequence[Verdict], folder: Path) -> list[Path]:
    """Write charts of ratio, labels and time against epsilon and size; return their paths."""
    from splitopt.bench.report.figures import write_chart

    ended = [v for v in verdicts if v.termination == "solved"]
    written = []
    for problem in dict.fromkeys(v.problem for v in ended):
        mine = [v for v in ended if v.problem == problem]
        charts = {"ratio": _ratio_chart(problem, mine)}
        for name, axis, measure in _MEASURES:
            if any(measure(v) > 0 for v in mine):
                charts[f"{name}-epsilon"] = _epsilon_chart(problem, mine, name, axis, measure)
                charts[f"{name}-size"] = _size_chart(problem, mine, name, axis, measure)
        for name, chart in charts.items():
            if chart is not None:
                path = folder / f"{problem}-{name}.svg"
                write_chart(chart, path)
                written.append(path)
    return written


_MEASURES: tuple[tuple[str, str, Callable[[Verdict], float]], ...] = (
    ("labels", "labels made", lambda v: float(v.labels or 0)),
    ("time", "processor time (s)", lambda v: v.cpu_time_s),
)


def _by_epsilon(
    verdicts: Sequence[Verdict],
    form: str,
    measure: Callable[[Verdict], float | None],
    middle: Callable[[list[float]], float],
) -> list[tuple[float, float]]:
    """Return a middle of what was measured of a form at each epsilon that has any."""
    found: dict[float, list[float]] = {}
    for v in verdicts:
        value = measure(v)
        if v.form == form and value is not None:
            found.setdefault(v.epsilon, []).append(value)
    return [(epsilon, middle(values)) for epsilon, values in sorted(found.items())]


def _ratio_chart(problem: str, verdicts: Sequence[Verdict]) -> Chart | None:
    from splitopt.bench.report.svg import Chart, Scale

    forms = list(dict.fromkeys(v.form for v in verdicts))
    epsilons = sorted({v.epsilon for v in verdicts})
    excess = [v.ratio - 1.0 for v in verdicts if v.ratio is not None]
    if not excess:
        return None
    chart = Chart(
        f"{problem}: actual ratio to the optimum against the one guaranteed",
        "The worst over the instances with a proven optimum, less one, and of the first "
        "form the mean; below 1e-6 is optimal.",
        Scale.over(epsilons, log=True, floor=1e-9),
        Scale.over([*excess, *epsilons], log=True),
        "epsilon",
        "ratio - 1",
    )
    chart.line("guaranteed", [(e, e) for e in epsilons])
    lines: list[tuple[str, str, Callable[[list[float]], float]]]
    lines = [(f"worst, {form}", form, max) for form in forms]
    for label, form, middle in [*lines, (f"mean, {forms[0]}", forms[0], fmean)]:
        ratios = _by_epsilon(verdicts, form, lambda v: v.ratio or None, middle)
        chart.line(label, [(e, max(ratio - 1.0, 1e-6)) for e, ratio in ratios])
    return chart


def _epsilon_chart(
    problem: str,
    verdicts: Sequence[Verdict],
    name: str,
    axis: str,
    measure: Callable[[Verdict], float],
) -> Chart:
    from splitopt.bench.report.svg import Chart, Scale

    chart = Chart(
        f"{problem}: {name} against epsilon",
        "Median over the instances.",
        Scale.over(sorted({v.epsilon for v in verdicts}), log=True, floor=1e-9),
        Scale.over([measure(v) for v in verdicts if measure(v) > 0], log=True),
        "epsilon",
        axis,
    )
    for form in dict.fromkeys(v.form for v in verdicts):
        line = _by_epsilon(verdicts, form, measure, median)
        chart.line(form, [(e, value) for e, value in line if value > 0])
    return chart


def _size_chart(
    problem: str,
    verdicts: Sequence[Verdict],
    name: str,
    axis: str,
    measure: Callable[[Verdict], float],
) -> Chart:
    from splitopt.bench.report.svg import Chart, Scale

    finest = min(v.epsilon for v in verdicts)
    chart = Chart(
        f"{problem}: {name} against size at epsilon {finest:g}",
        "A point an instance.",
        Scale.over([v.size for v in verdicts], log=True),
        Scale.over([measure(v) for v in verdicts if measure(v) > 0], log=True),
        "size",
        axis,
    )
    for form in dict.fromkeys(v.form for v in verdicts):
        chart.points(
            form,
            [
                (v.size, measure(v), f"{v.instance}: {measure(v):g}")
                for v in verdicts
                if v.form == form and v.epsilon == finest and measure(v) > 0
            ],
        )
    return chart
