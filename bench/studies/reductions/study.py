"""Measure what HiGHS and CP-SAT prove with and without what is ruled out before they are asked.

``python -m splitopt.bench.studies reductions [--store DIR] [--half odd|even] [--time-limit S]``
runs `highs-flow`, `cpsat` and `highs-tangent` on one half of `standard-v1`, by the instances'
numbers, as they are and with the options of `VARIANTS` off, and puts the table into
docs/strength.md. The even half is what was tried on while they were written. Runs that are there
already are not done again; ``--page-only`` makes the page of those.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from splitopt.bench.runs.spec import RunSpec
from splitopt.bench.store.rows import Limits, Row
from splitopt.bench.store.store import Store
from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.bench.studies.runs import RESULTS, rows_of
from splitopt.instances import library
from splitopt.instances.core.errors import InputError

PAGE = Path(__file__).resolve().parents[3] / "docs" / "strength.md"
# Methods as they are, and with an option off.
VARIANTS: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("highs-flow", {}),
    ("highs-flow", {"expansion": False}),
    ("cpsat", {}),
    ("cpsat", {"reduction": False}),
    ("highs-tangent", {}),
    ("highs-tangent", {"steps": False}),
)


def half(which: str) -> tuple[str, ...]:
    """Return the instances of `standard-v1` with odd or even numbers, those of listed speeds."""
    rest = ("even", "odd").index(which)
    return tuple(
        name
        for name in library.names("standard-v1")
        if int(name[-3:]) % 2 == rest
        and library.entry(name).size.get("speeds", "listed") == "listed"
    )


def specs(which: str, limit_s: float) -> list[RunSpec]:
    """Return the sets of runs."""
    return [
        RunSpec(
            instances=half(which),
            methods=(method,),
            limits=Limits.of(limit_s),
            options={method: options} if options else {},
        )
        for method, options in VARIANTS
    ]


def _family(name: str) -> str:
    return str(library.load(name).origin.get("family", "crafted"))


def _variant(row: Row) -> tuple[str, str]:
    """Return the method, and the option that is off, if one is."""
    off = (name for name in ("expansion", "reduction", "steps") if row.options.get(name) is False)
    return row.method, next(off, "")


def _proved(row: Row) -> bool:
    return row.status in ("optimal", "infeasible") and row.verdict == "right"


def table(rows: Sequence[Row]) -> str:
    """Return how many each variant proved, and its median processor seconds, by family."""
    cells: dict[tuple[str, tuple[str, str]], list[Row]] = defaultdict(list)
    for row in rows:
        if row.termination != "unsupported":
            cells[_family(row.instance_name), _variant(row)].append(row)
    families = sorted({family for family, _ in cells})
    lines = []
    for method, options in VARIANTS:
        variant = method, next(iter(options), "")
        line = [f"`{method}`" + (f", {variant[1]}=false" if variant[1] else "")]
        for family in families:
            mine = cells.get((family, variant), [])
            proved = sum(
                r.status in ("optimal", "infeasible") and r.verdict == "right" for r in mine
            )
            median = statistics.median(r.cpu_time_s or 0.0 for r in mine) if mine else 0.0
            line.append(f"{proved} of {len(mine)}, {median:.2f} s" if mine else "")
        lines.append(line)
    return markdown_table(("proven, median CPU", *families), lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m splitopt.bench.studies reductions", description=__doc__
    )
    parser.add_argument("--half", choices=("odd", "even"), default="odd", help="which instances")
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds a run")
    parser.add_argument("--store", type=Path, default=RESULTS / "reductions")
    parser.add_argument("--page", type=Path, default=PAGE, help="page whose table is replaced")
    parser.add_argument("--page-only", action="store_true", help="run nothing")
    given = parser.parse_args(arguments)
    try:
        if given.page_only:
            with Store(given.store, readonly=True) as store:
                rows = list(store.rows(heavy=False))
        else:
            rows = [
                r for one in specs(given.half, given.time_limit) for r in rows_of(one, given.store)
            ]
        replace_part(given.page, "reductions", table(rows))
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0
