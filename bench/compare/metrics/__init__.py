"""Metrics of runs, each a pure function of figures; docs/report.md argues each of them.

A failure is an infinite cost (profiles), counts at a penalty (averages) or keeps a gap of 1
(integrals); it is never left out, and never a fast time.
"""

from splitopt.bench.compare.metrics.averages import (
    gap_to_best,
    penalised_average,
    shifted_geometric_mean,
)
from splitopt.bench.compare.metrics.bootstrap import Interval, paired_difference, paired_ratio
from splitopt.bench.compare.metrics.integrals import (
    primal_dual_integral,
    primal_gap,
    primal_integral,
    step_integral,
)
from splitopt.bench.compare.metrics.profiles import (
    StepFunction,
    data_profile,
    performance_profile,
)

__all__ = [
    "Interval",
    "StepFunction",
    "data_profile",
    "gap_to_best",
    "paired_difference",
    "paired_ratio",
    "penalised_average",
    "performance_profile",
    "primal_dual_integral",
    "primal_gap",
    "primal_integral",
    "shifted_geometric_mean",
    "step_integral",
]
