"""The table of what is ruled out before solvers are asked, from rows made up here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from splitopt.bench.studies.reductions.study import VARIANTS, half, specs, table


def row(method: str, name: str, cpu_s: float, **options: Any) -> Any:
    status = "optimal" if cpu_s < 10 else "feasible"
    return SimpleNamespace(
        method=method,
        instance_name=name,
        options=options,
        cpu_time_s=cpu_s,
        status=status,
        verdict="right",
        termination="solved",
    )


def test_halves_share_nothing_and_leave_intervals_of_speeds_out() -> None:
    odd, even = half("odd"), half("even")
    assert not set(odd) & set(even)
    assert len(odd) + len(even) == 220 - 18
    assert [dict(one.options) for one in specs("odd", 10.0)] == [
        {method: options} if options else {} for method, options in VARIANTS
    ]


def test_each_variant_has_its_line() -> None:
    tie, lattice = "cift-standard-129", "mepra-standard-073"
    found = table(
        [
            row("highs-flow", tie, 0.25, expansion=True),
            row("highs-flow", tie, 10.0, expansion=False),
            row("highs-tangent", lattice, 0.5, steps=True, reduction=True),
        ]
    ).splitlines()
    assert found[0] == "| proven, median CPU | cift-ties | mepra-lattice |"
    assert "| `highs-flow` | 1 of 1, 0.25 s |  |" in found
    assert "| `highs-flow`, expansion=false | 0 of 1, 10.00 s |  |" in found
    assert "| `highs-tangent` |  | 1 of 1, 0.50 s |" in found
