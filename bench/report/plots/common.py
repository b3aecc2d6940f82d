"""What the charts share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from splitopt.bench.compare.alignment import align
from splitopt.bench.compare.data import ReportData
from splitopt.bench.report.scale import Scale
from splitopt.bench.store.rows import Row

# The clock is good for about this much; what is quicker is not better.
CLOCK_S = 1e-4
# Where time axes start: nothing is drawn earlier.
EARLIEST_S = 1e-4
# Gaps below it are drawn as 0: that is what a proof means here.
GAP_FLOOR = 1e-6
SHARES = Scale(0.0, 1.0, kind="share")


def task_costs(
    data: ReportData, rows: Sequence[Row], cost: Mapping[str, float]
) -> dict[str, list[float]]:
    """Return costs by method over all tasks, infinite where a method has no run of an instance.

    Tasks are those of `align`.

    Parameters
    ----------
    cost
        Cost of a run, by its key.
    """
    aligned = align(rows, data.variants)
    return {
        name: [math.inf if row is None else cost[row.key] for row in aligned.rows[name]]
        for name in data.ranked_names(rows[0].problem)
        if name in aligned.rows
    }


def gap_scale(gaps: Sequence[float], least: float = 1e-2) -> Scale:
    """Return a logarithmic axis of gaps whose lower end stands for 0."""
    return Scale.over(
        [GAP_FLOOR, least, *gaps], log=True, floor=GAP_FLOOR, kind="gap", floor_label="0"
    )
