"""The sets of runs that the campaign is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pass:
    """One set of runs.

    Attributes
    ----------
    name
        Name of its folder.
    methods
        Run on every instance of the set that they take.
    time_limit_s
        Seconds by the clock a run.
    unsettled
        Whether only instances are taken that fewer than two solvers have settled before.
    """

    name: str
    methods: tuple[str, ...]
    time_limit_s: float
    unsettled: bool = False


PASSES = (
    Pass(
        "fast",
        ("highs-flow", "highs-oa", "highs-tangent", "lagrangian", "jqodi-exact", "cpsat"),
        10.0,
    ),
    Pass("slow", ("highs-assignment", "scip-minlp", "highs-perspective", "gdp-hull"), 10.0),
    Pass("fronts", ("fronts",), 60.0),
    Pass("long", ("highs-flow", "highs-oa", "scip-minlp", "cpsat"), 60.0, unsettled=True),
)
