"""What calibrated intervals of epochs cover and cost: tables, figure, and the scores to keep.

`splitopt.bench.studies.epochs.conformal` makes the intervals. Every pair counts the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from splitopt.bench.studies.epochs.conformal import LEVEL, Case, calibrate, cases_of
from splitopt.bench.studies.epochs.records import Record
from splitopt.bench.studies.epochs.regression import Pair
from splitopt.bench.studies.epochs.tables import Cell, Row
from splitopt.instances.networks.calibration import HORIZON, KNOWN

CALIBRATED_COLUMNS = {
    "protocol": "protocol",
    "predictor": "predictor",
    "targets": "targets reached",
    "bootstrap": "bootstrap: covered",
    "bootstrap_width": "high / low",
    "covered": "calibrated: covered",
    "width": "high / low",
    "open": "no upper end",
    "unreached": "not reached: covered",
    "bound": "upper bound holds",
    "bound_width": "bound / K",
    "unbounded": "no bound",
}
NETWORK_COLUMNS = {
    "protocol": "protocol",
    "predictor": "predictor",
    "network": "network left out",
    "covered": "covered",
    "width": "high / low",
    "widest_covered": "by the widest: covered",
    "widest_width": "high / low",
}


def _evenly(found: Sequence[tuple[Pair, bool]]) -> float | None:
    """Return the share of what is true, every pair counting the same."""
    by_pair: dict[Pair, list[bool]] = {}
    for pair, true in found:
        by_pair.setdefault(pair, []).append(true)
    return mean(mean(map(float, those)) for those in by_pair.values()) if by_pair else None


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value


def _width(ends: Sequence[tuple[float, float]]) -> float | None:
    widths = [high / max(1.0, low) for low, high in ends if not math.isinf(low)]
    return _finite(median(widths)) if widths else None


def _row(cases: Sequence[Case]) -> dict[str, Cell]:
    found = calibrate(cases)
    reached = [f for f in found if f.case.reached]
    old = [(f.case, f.case.bootstrap) for f in reached if f.case.bootstrap is not None]
    planned = [f for f in found if f.case.score.within]
    return {
        "targets": len(reached),
        "bootstrap": _evenly([(c.pair, ends[0] <= c.truth <= ends[1]) for c, ends in old]),
        "bootstrap_width": _width([ends for _, ends in old]),
        "covered": _evenly([(f.case.pair, f.covers) for f in reached]),
        "width": _width([(f.low, f.high) for f in reached]),
        "open": mean(float(math.isinf(f.high)) for f in reached) if reached else None,
        "unreached": _evenly([(f.case.pair, f.covers) for f in found if not f.case.reached]),
        "bound": _evenly([(f.case.pair, f.case.truth <= f.bound) for f in planned]),
        "bound_width": _width([(f.case.truth, f.bound) for f in planned if f.case.reached]),
        "unbounded": mean(float(math.isinf(f.bound)) for f in planned) if planned else None,
    }


def calibrated(records: Sequence[Record]) -> list[Row]:
    """Return one row for each protocol and predictor.

    Shares of targets reached and of targets not reached, every pair counting the same. The upper
    bound is judged where a plan would be made: on predictions within the epochs measured.
    """
    rows: list[Row] = []
    for protocol, predictor in dict.fromkeys((r.protocol, r.predictor) for r in records):
        cases = cases_of(records, protocol, predictor)
        if cases:
            rows.append({"protocol": protocol, "predictor": predictor, **_row(cases)})
    return rows


def other_networks(records: Sequence[Record]) -> list[Row]:
    """Return for the suite's form, or the regression, what others' scores are worth on a network.

    ``widest`` takes in every score of the other networks.
    """
    rows: list[Row] = []
    for protocol in dict.fromkeys(r.protocol for r in records):
        predictor = "regression" if protocol.startswith("epochs-") else "splitopt"
        cases = cases_of(records, protocol, predictor)
        both = [calibrate(cases, level, "network") for level in (LEVEL, 1.0)]
        for network in dict.fromkeys(case.pair[0] for case in cases):
            row: Row = {"protocol": protocol, "predictor": predictor, "network": network}
            for name, found in zip(("", "widest_"), both, strict=True):
                mine = [f for f in found if f.case.reached and f.case.pair[0] == network]
                row |= {
                    f"{name}covered": _evenly([(f.case.pair, f.covers) for f in mine]),
                    f"{name}width": _width([(f.low, f.high) for f in mine]),
                }
            rows.append(row)
    return rows


def calibration_document(records: Sequence[Record]) -> dict[str, Any]:
    """Return what `epochs_distribution` reads: scores of the suite's form by protocol and pair.

    ``within`` and ``beyond`` by whether the target was predicted to be reached within the epochs
    measured; scores are rounded up, which is the safe side.
    """
    scores: list[dict[str, object]] = []
    for protocol in KNOWN:
        by_pair: dict[Pair, dict[str, list[float]]] = {}
        for case in cases_of(records, protocol, "splitopt"):
            kinds = by_pair.setdefault(case.pair, {"within": [], "beyond": []})
            kind = "within" if case.score.within else "beyond"
            kinds[kind].append(math.ceil(case.score.late * 1e3) / 1e3)
        for (model, level), found in by_pair.items():
            ordered = {kind: sorted(those) for kind, those in found.items()}
            scores.append({"differs": protocol, "model": model, "compression": level, **ordered})
    return {
        "format": "splitopt-epochs-calibration",
        "version": 1,
        "name": "digits-calibration",
        "curves": "digits",
        "predictor": "splitopt",
        "epochs": HORIZON,
        "scores": scores,
    }


def write_price(rows: Sequence[Row], path: Path) -> None:
    """Draw coverage over width, before and after, for the suite's form and the regression."""
    from splitopt.bench.report.figures import write_chart
    from splitopt.bench.report.svg import Chart, Scale

    widest = 100.0
    chart = Chart(
        "What coverage costs: intervals of epochs before and after calibration",
        "Share of targets in their 90 % interval over the median of its upper by its lower end; "
        f"at the right edge, {widest:g}, what is wider or has no upper end.",
        Scale(1.0, widest, True),
        Scale(0.0, 1.0),
        "high / low, median",
        "share of reached targets covered",
    )
    chart.line("nominal", [(1.0, LEVEL), (widest, LEVEL)])
    kinds = (("bootstrap", "splitopt", "bootstrap", "bootstrap_width"),
             ("calibrated", "splitopt", "covered", "width"),
             ("regression, calibrated", "regression", "covered", "width"))  # fmt: skip
    for name, predictor, share, width in kinds:
        points = []
        for row in rows:
            y, x = row[share], row[width]
            if row["predictor"] == predictor and isinstance(y, float):
                x = min(x, widest) if isinstance(x, float) else widest
                points.append((x, y, f"{row['protocol']}: {100 * y:.0f} %"))
                if predictor == "splitopt":
                    chart.labels([(x, y, str(row["protocol"]))])
        chart.points(name, points)
    write_chart(chart, path)
