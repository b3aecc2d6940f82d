"""The charts of a report, each from rows alone; None where there is nothing to show."""

from splitopt.bench.report.plots.epsilon import epsilon_chart
from splitopt.bench.report.plots.profiles import data_profile_chart, profile_chart
from splitopt.bench.report.plots.progress import gap_over_time_chart, instance_chart
from splitopt.bench.report.plots.quality import quality_chart, time_quality_chart

__all__ = [
    "data_profile_chart",
    "epsilon_chart",
    "gap_over_time_chart",
    "instance_chart",
    "profile_chart",
    "quality_chart",
    "time_quality_chart",
]
