"""What a verification says in sum: tables by form and epsilon, fitted exponents, charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from splitopt.bench.verify.verification import Verdict
from splitopt.instances.contract.method import Statistic

__all__ = ["exponent", "exponents", "summary", "write_charts"]

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
    from splitopt.bench.report.svg import Chart, Scale

    ended = [v for v in verdicts if v.termination == "solved"]
    written = []
    for problem in dict.fromkeys(v.problem for v in ended):
        mine = [v for v in ended if v.problem == problem]
        forms = list(dict.fromkeys(v.form for v in mine))
        epsilons = sorted({v.epsilon for v in mine})
        excess = [v.ratio - 1.0 for v in mine if v.ratio is not None]
        if excess:
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
            for form in forms:
                worst = []
                for e in epsilons:
                    here = [v.ratio for v in mine if v.form == form and v.epsilon == e and v.ratio]
                    if here:
                        worst.append((e, max(max(here) - 1.0, 1e-6)))
                chart.line(f"worst, {form}", worst)
            mean = []
            for e in epsilons:
                here = [v.ratio for v in mine if v.form == forms[0] and v.epsilon == e and v.ratio]
                if here:
                    mean.append((e, max(sum(here) / len(here) - 1.0, 1e-6)))
            chart.line(f"mean, {forms[0]}", mean)
            path = folder / f"{problem}-ratio.svg"
            write_chart(chart, path)
            written.append(path)
        for name, unit, measure in (
            ("labels", "labels made", lambda v: float(v.labels or 0)),
            ("time", "processor time (s)", lambda v: v.cpu_time_s),
        ):
            values = [measure(v) for v in mine if measure(v) > 0]
            if not values:
                continue
            chart = Chart(
                f"{problem}: {name} against epsilon",
                "Median over the instances.",
                Scale.over(epsilons, log=True, floor=1e-9),
                Scale.over(values, log=True),
                "epsilon",
                unit,
            )
            for form in forms:
                line = []
                for e in epsilons:
                    here = [measure(v) for v in mine if v.form == form and v.epsilon == e]
                    if here and median(here) > 0:
                        line.append((e, median(here)))
                chart.line(form, line)
            path = folder / f"{problem}-{name}-epsilon.svg"
            write_chart(chart, path)
            written.append(path)
            chart = Chart(
                f"{problem}: {name} against size at epsilon {epsilons[0]:g}",
                "A point an instance.",
                Scale.over([v.size for v in mine], log=True),
                Scale.over(values, log=True),
                "size",
                unit,
            )
            for form in forms:
                chart.points(
                    form,
                    [
                        (v.size, measure(v), f"{v.instance}: {measure(v):g}")
                        for v in mine
                        if v.form == form and v.epsilon == epsilons[0] and measure(v) > 0
                    ],
                )
            path = folder / f"{problem}-{name}-size.svg"
            write_chart(chart, path)
            written.append(path)
    return written
