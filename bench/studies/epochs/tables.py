"""What the study of epochs says in sum: tables, as text and Markdown, and its figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median

from splitopt.bench.studies.epochs.conformal import STRICT
from splitopt.bench.studies.epochs.records import MEASURED, TARGETS, Reach, Record
from splitopt.bench.studies.epochs.regret import Regret

Cell = str | int | float | bool | None
Row = dict[str, Cell]


COLUMNS = {
    "protocol": "protocol",
    "predictor": "predictor",
    "curves": "curves",
    "mean_error": "mean abs. error",
    "bias": "bias",
    "targets": "targets reached",
    "off": "K off by, median",
    "close": "K within 25 %",
    "never": "missed",
    "early": "K = 0",
    "promised": "false promises",
}
COVERAGE_COLUMNS = {
    "protocol": "protocol",
    "targets": "targets reached",
    "covered": "in the 90 % interval",
    "below": "K below it",
    "above": "K above it",
    "width": "high / low, median",
    "unreached": "not reached: in it",
    "calibrated": "calibrated, covered",
    "factor": "calibrated factor",
}
REGRET_COLUMNS = {
    "wrong": "wrong K is",
    "scenario": "K",
    "plans": "plans",
    "no_plan": "no plan in truth",
    "infeasible": "infeasible",
    "regret": "regret, median",
    "worst": "worst",
    "reset_infeasible": "infeasible, speeds reset",
    "reset": "regret, median, reset",
    "reset_worst": "worst, reset",
    "same": "same placement",
}


def _share(values: Iterable[bool]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _off(reach: Reach) -> float:
    """Return |predicted / measured - 1|, infinite for a prediction of never."""
    assert reach.measured is not None
    if reach.predicted is None:
        return math.inf
    return abs(reach.predicted / reach.measured - 1.0)


def _close(reach: Reach) -> bool:
    assert reach.measured is not None
    if reach.predicted is None:
        return False
    return abs(reach.predicted - reach.measured) <= max(1.0, 0.25 * reach.measured)


def summary(records: Sequence[Record], *, strict: bool = True) -> list[Row]:
    """Return one row for each protocol and predictor.

    Parameters
    ----------
    records
        What `splitopt.bench.studies.epochs.study.study` yields.
    strict
        Targets of at most 0.2, else those above.

    Returns
    -------
    list
        ``off`` is the median of |predicted / measured - 1| over targets that were reached within
        the epochs measured (None: never); ``close`` the share within 25 % or one epoch; ``never``
        the share predicted to be reached never or not within the epochs measured; ``early`` the
        share predicted to be reached at once; ``promised`` the share of the targets not reached
        that were predicted to be.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.protocol, record.predictor), []).append(record)
    rows: list[Row] = []
    for (protocol, predictor), group in groups.items():
        reaches = [r for record in group for r in record.reaches if (r.target <= STRICT) is strict]
        reached = [r for r in reaches if r.measured is not None]
        missed = [r for r in reaches if r.measured is None]
        off = median(_off(r) for r in reached) if reached else None
        rows.append(
            {
                "protocol": protocol,
                "predictor": predictor,
                "curves": len(group),
                "mean_error": mean(r.mean_error for r in group),
                "bias": mean(r.bias for r in group),
                "targets": len(reached),
                "off": None if off is None or math.isinf(off) else off,
                "close": _share(_close(r) for r in reached),
                "never": _share(r.predicted is None or r.predicted > MEASURED for r in reached),
                "early": _share(r.predicted == 0 for r in reached),
                "promised": _share(
                    r.predicted is not None and r.predicted <= MEASURED for r in missed
                ),
            }
        )
    return rows


def _rank(epochs: int | None) -> float:
    return math.inf if epochs is None else float(epochs)


def _side(reach: Reach) -> int:
    """Return -1, 0 or 1: the measured K lies below, in or above the interval.

    A target that was not reached has a K beyond the epochs measured: it is in an interval that
    goes beyond.
    """
    low, high = _rank(reach.low), _rank(reach.high)
    if reach.measured is None:
        return 0 if high > MEASURED else 1
    if reach.measured < low:
        return -1
    return int(reach.measured > high)


def _score(reach: Reach) -> float:
    """Return |log(measured / predicted)| with both at least 1/2, capped beyond the measurement."""
    guess = min(max(_rank(reach.predicted), 0.5), MEASURED + 1.0)
    truth = MEASURED + 1.0 if reach.measured is None else max(float(reach.measured), 0.5)
    return abs(math.log(truth / guess))


def coverage(records: Sequence[Record]) -> list[Row]:
    """Return for each protocol how often the interval of the suite's form holds the measured K.

    Targets of at most 0.2: those reached within the epochs measured, and apart from them those that
    were not, which an interval holds when it goes beyond these epochs. ``calibrated`` replaces the
    bootstrap by a factor on K that is the 90 % quantile of |log(measured / predicted)| over the
    targets reached by the *other* models (split conformal).
    """
    rows: list[Row] = []
    own = [r for r in records if r.predictor == "splitopt"]
    for protocol in dict.fromkeys(r.protocol for r in own):
        cases = [
            (record.model, reach)
            for record in own
            if record.protocol == protocol
            for reach in record.reaches
            if reach.target <= STRICT and reach.has_interval
        ]
        reached = [(model, reach) for model, reach in cases if reach.measured is not None]
        sides = [_side(reach) for _, reach in reached]
        widths = [
            math.inf if reach.high is None else reach.high / max(1, reach.low)
            for _, reach in reached
            if reach.low is not None
        ]
        width = median(widths) if widths else math.inf
        held, factors = _calibrated(reached)
        if not cases:
            continue
        rows.append(
            {
                "protocol": protocol,
                "targets": len(reached),
                "covered": _share(s == 0 for s in sides),
                "below": _share(s < 0 for s in sides),
                "above": _share(s > 0 for s in sides),
                "width": None if math.isinf(width) else width,
                "unreached": _share(_side(r) == 0 for _, r in cases if r.measured is None),
                "calibrated": _share(held),
                "factor": mean(factors) if factors else None,
            }
        )
    return rows


def _calibrated(cases: Sequence[tuple[str, Reach]]) -> tuple[list[bool], list[float]]:
    held: list[bool] = []
    factors = []
    for model in dict.fromkeys(name for name, _ in cases):
        scores = sorted(_score(reach) for name, reach in cases if name != model)
        if not scores:
            continue
        rank = min(len(scores), math.ceil(0.9 * (len(scores) + 1)))
        limit = scores[rank - 1]
        factors.append(math.exp(limit))
        held += [_score(reach) <= limit + 1e-12 for name, reach in cases if name == model]
    return held, factors


def regret_summary(found: Sequence[Regret]) -> list[Row]:
    """Return one row for each way of being wrong and scenario, then one for each instance."""
    rows: list[Row] = []
    for wrong, scenario in dict.fromkeys((r.wrong, r.scenario) for r in found):
        rows.append(
            _regret_row(
                [r for r in found if (r.wrong, r.scenario) == (wrong, scenario)], wrong, scenario
            )
        )
    return rows


def regret_by_instance(found: Sequence[Regret]) -> list[Row]:
    """Return one row for each instance, all scenarios together."""
    rows: list[Row] = []
    for name in dict.fromkeys(r.instance for r in found):
        row = _regret_row([r for r in found if r.instance == name], "", "")
        del row["wrong"], row["scenario"]
        rows.append({"instance": name, **row})
    return rows


def _regret_row(group: Sequence[Regret], wrong: str, scenario: str) -> Row:
    there = [r for r in group if r.optimum is not None]
    kept = [r.regret for r in there if r.regret is not None]
    reset = [r.reset for r in there if r.reset is not None]
    return {
        "wrong": wrong,
        "scenario": scenario,
        "plans": len(group),
        "no_plan": len(group) - len(there),
        "infeasible": _share(not r.feasible for r in there),
        "regret": median(kept) if kept else None,
        "worst": max(kept, default=None),
        "reset_infeasible": _share(r.reset is None for r in there),
        "reset": median(reset) if reset else None,
        "reset_worst": max(reset, default=None),
        "same": _share(r.same for r in there),
    }


def _text(column: str, value: Cell, row: Row) -> str:
    if value is None:
        return "never" if column == "off" and row["targets"] else "-"
    if isinstance(value, float):
        if column in ("mean_error", "bias"):
            return f"{value:+.3f}" if column == "bias" else f"{value:.3f}"
        if column in ("factor",) or column.endswith("width"):
            return f"{value:.2f}"
        small = 5e-5 <= abs(value) < 0.01
        return f"{100 * value:.2f} %" if small else f"{100 * value:.0f} %"
    return str(value)


def as_text(rows: Sequence[Row]) -> list[Row]:
    """Return rows with their figures as people read them."""
    return [{key: _text(key, value, row) for key, value in row.items()} for row in rows]


def markdown(columns: Mapping[str, str], rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = ["| " + " | ".join(columns.values()) + " |", "|---" * len(columns) + "|"]
    for row in as_text(rows):
        lines.append("| " + " | ".join(str(row[key]) for key in columns) + " |")
    return "\n".join(lines) + "\n"


def _factor(reach: Reach) -> float:
    """Return by what factor the prediction is off, infinite for never or at once."""
    assert reach.measured is not None
    if reach.predicted is None or reach.predicted == 0:
        return math.inf
    ratio = reach.predicted / reach.measured
    return max(ratio, 1.0 / ratio)


def write_profile(records: Sequence[Record], protocol: str, path: Path) -> None:
    """Draw for each predictor the share of targets whose K it gives to within a factor."""
    from splitopt.bench.report.figures import write_chart
    from splitopt.bench.report.svg import Chart, Scale

    chart = Chart(
        f"Epochs predicted to within a factor: {protocol}",
        "Targets of at most 0.2 that were reached. At 1, left: exactly right; what stays below the "
        "upper edge was predicted never, at once, or further off than a factor of ten.",
        Scale(1.0, 10.0, True),
        Scale(0.0, 1.0),
        "factor between K predicted and K measured",
        "share of targets",
    )
    for predictor in dict.fromkeys(r.predictor for r in records if r.protocol == protocol):
        factors = sorted(
            _factor(reach)
            for record in records
            if (record.protocol, record.predictor) == (protocol, predictor)
            for reach in record.reaches
            if reach.measured is not None and reach.target <= STRICT
        )
        steps = [(f, (k + 1) / len(factors)) for k, f in enumerate(factors) if f <= 10.0]
        chart.line(predictor, [*steps, (10.0, steps[-1][1])] if steps else [], steps=True)
    write_chart(chart, path)


assert STRICT in TARGETS
