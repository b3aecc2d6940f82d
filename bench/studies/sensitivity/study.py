"""How much times depend on the solver's seed, its threads, and the gap asked for.

Run ``python -m splitopt.bench.studies sensitivity --out DIR``: a stated subset of
`standard-v1`, seeds 0 to 4 at one thread and 1e-6; seed 0 with two threads; seed 0 at gaps of 1e-4
and 1e-8. Resumed where it stopped. ``--page`` writes the table of docs/strength.md from the folder
and runs nothing.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from splitopt.bench.store.rows import Limits, Row
from splitopt.bench.store.store import Store
from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.printable import printable

PAGE = Path(__file__).resolve().parents[3] / "docs" / "strength.md"
# Proven within seconds by every method below, and not at once.
INSTANCES = (
    "cift-standard-002",
    "cift-standard-036",
    "mepra-standard-003",
    "mepra-standard-022",
)
METHODS = (
    "highs-flow",
    "highs-assignment",
    "highs-tangent",
    "highs-perspective",
    "cpsat",
    "scip-minlp",
    "lagrangian",
)
SEEDS = range(5)
LIMIT_S = 60.0
BASE_GAP = 1e-6
GAPS = (1e-4, 1e-8)
THREADS = 2
# Below it the clock tells more of the machine than of the method.
_FLOOR_S = 0.01


def run(out: Path) -> bool:
    """Do the runs that are left; return whether nothing contradicts anything."""
    from splitopt.bench.runs import runner

    fine = True
    variants: list[tuple[Sequence[int], int, float]] = [(SEEDS, 1, BASE_GAP)]
    variants += [((0,), THREADS, BASE_GAP), *(((0,), 1, gap) for gap in GAPS)]
    for seeds, threads, gap in variants:
        summary = runner.run_set(
            runner.RunSpec(
                instances=INSTANCES,
                methods=METHODS,
                limits=Limits.of(LIMIT_S, threads=threads, relative_gap=gap),
                seeds=tuple(seeds),
            ),
            out,
            command=["python", "-m", "splitopt.bench.studies", "sensitivity"],
        )
        for one in summary.contradictions:
            said = printable(f"contradiction: {one.instance_name}: {one.statement}")
            sys.stderr.write(f"{said}\n")
        fine = fine and summary.ok
    return fine


def _ratios(
    rows: Sequence[Row], other: Callable[[Row], bool], value: Callable[[Row], float]
) -> list[float]:
    """Return, by instance, the value of the varied run over that of the base run."""
    base = {row.instance_name: row for row in rows if _is_base(row) and row.seed == 0}
    found = []
    for row in rows:
        if other(row) and row.instance_name in base and _proved(row):
            reference = base[row.instance_name]
            if _proved(reference):
                found.append(max(value(row), _FLOOR_S) / max(value(reference), _FLOOR_S))
    return found


def _proved(row: Row) -> bool:
    return row.status in ("optimal", "infeasible") and row.verdict == "right"


def _is_base(row: Row) -> bool:
    return row.threads == 1 and row.relative_gap == BASE_GAP


def _cpu(row: Row) -> float:
    return row.cpu_time_s or 0.0


def _mean(ratios: Sequence[float]) -> str:
    if not ratios:
        return ""
    return f"{math.exp(statistics.fmean(map(math.log, ratios))):.2f}"


def table(rows: Sequence[Row]) -> str:
    """Return the table in Markdown."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.termination != "unsupported" and row.instance_name in INSTANCES:
            groups[row.problem, row.method].append(row)
    lines = []
    for (problem, method), mine in sorted(groups.items()):
        by_instance: dict[str, list[float]] = defaultdict(list)
        for row in mine:
            if _is_base(row) and _proved(row):
                by_instance[row.instance_name].append(_cpu(row))
        spreads = [
            max(max(times), _FLOOR_S) / max(min(times), _FLOOR_S)
            for times in by_instance.values()
            if len(times) > 1
        ]
        base = [row for row in mine if _is_base(row)]
        loose, tight = ([row for row in mine if row.relative_gap == gap] for gap in GAPS)
        lines.append(
            [
                problem,
                f"`{method}`",
                f"{sum(map(_proved, base))} of {len(base)}",
                f"{statistics.median(map(_cpu, base)):.2f}" if base else "",
                f"{statistics.median(spreads):.2f}, {max(spreads):.2f}" if spreads else "",
                _mean(_ratios(mine, lambda row: row.threads == THREADS, lambda r: r.wall_time_s)),
                _mean(_ratios(mine, lambda row: row.threads == THREADS, _cpu)),
                _mean(_ratios(mine, lambda row: row.relative_gap == GAPS[0], _cpu)),
                f"{sum(map(_proved, loose))} of {len(loose)}",
                _mean(_ratios(mine, lambda row: row.relative_gap == GAPS[1], _cpu)),
                f"{sum(map(_proved, tight))} of {len(tight)}",
            ]
        )
    columns = (
        "problem", "method", "proven", "median CPU (s)", "slowest / fastest seed: median, worst",
        "2 threads: wall", "2 threads: CPU", "gap 1e-4: CPU", "proven", "gap 1e-8: CPU", "proven",
    )  # fmt: skip
    return markdown_table(columns, lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m splitopt.bench.studies sensitivity", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--page", action="store_true", help="write the page's table, run nothing")
    given = parser.parse_args(arguments)
    try:
        if not given.page:
            return 0 if run(given.out) else 1
        with Store(given.out, readonly=True) as found:
            replace_part(PAGE, "sensitivity", table(found.rows(heavy=False)))
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0
