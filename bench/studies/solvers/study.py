"""Every solver that is there, in every version that was added, on the same files.

Run ``python -m splitopt.bench.studies solvers --out DIR``: each formulation that it takes, on the
set ``tiny``, whose optima are known by enumeration; resumed where it stopped. What others were
added by ``splitopt solvers add`` takes part; those whose licence is too small are counted as
unsupported. Exit code 1: one of them contradicts another, or what is known. ``--page`` writes the
tables of docs/howto/use-another-solver.md from the folder and runs nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from splitopt.bench.methods.byfile.environments import beside, installed
from splitopt.bench.methods.byfile.names import FORMULATIONS, SOLVERS, MethodName, Solver
from splitopt.bench.store.rows import Limits, Row
from splitopt.bench.store.store import Store
from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.bench.studies.runs import RESULTS, rows_of
from splitopt.instances import library
from splitopt.instances.core.printable import printable

PAGE = Path(__file__).resolve().parents[3] / "docs" / "howto" / "use-another-solver.md"
LIMIT_S = 10.0


def methods(formulations: Sequence[str]) -> list[str]:
    """Return every solver that is there in every version, on formulations that it may take."""
    found = []
    for solver in SOLVERS.values():
        here = beside(solver.package)
        versions = [] if here is None else [here.version]
        versions += [environment.version for environment in installed(solver.package)]
        found += [
            str(MethodName(formulation, solver, version))
            for version in dict.fromkeys(versions)
            for formulation in formulations
            if _may_take(solver, formulation)
        ]
    return found


def _may_take(solver: Solver, formulation: str) -> bool:
    if formulation in ("natural", "conic"):
        return solver.takes == "quadratic" or (solver.takes == "convex" and formulation == "conic")
    return solver.takes != "integers" or formulation == "flow"


def _called(row: Row) -> str:
    """Return solver and version of a row's method."""
    return row.method.partition("@")[2]


def _by_solver(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[_called(row)].append(row)
    return found


def solver_table(rows: Sequence[Row]) -> str:
    """Return what each solver and version made of the files, as Markdown."""
    lines = []
    for called, mine in _by_solver(rows).items():
        said = sorted({str(row.statistics["solver"]) for row in mine if "solver" in row.statistics})
        tried = [row for row in mine if row.termination != "unsupported"]
        ends = Counter(row.status if row.verdict != "wrong" else "wrong" for row in tried)
        proven = [
            row.statistics["solve_s"]
            for row in tried
            if row.status in ("optimal", "infeasible") and "solve_s" in row.statistics
        ]
        formulations = dict.fromkeys(row.method.partition("@")[0] for row in tried)
        lines.append(
            [
                f"`{called}`",
                ", ".join(said) or "-",
                ", ".join(formulations),
                str(len(tried)),
                *(str(ends[status]) for status in ("optimal", "infeasible", "feasible")),
                str(len(tried) - sum(ends[s] for s in ("optimal", "infeasible", "feasible"))),
                str(ends["wrong"]),
                str(len(mine) - len(tried)),
                f"{1000 * statistics.median(proven):.0f}" if proven else "-",
            ]
        )
    header = ("solver", "says it is", "formulations", "runs", "optimal", "infeasible", "feasible",
              "neither", "wrong", "not taken", "solving, median ms")  # fmt: skip
    return markdown_table(header, lines)


def overhead_table(rows: Sequence[Row]) -> str:
    """Return what a run costs beside reading and solving, in milliseconds, as Markdown."""
    lines = []
    for called, mine in _by_solver(r for r in rows if r.method.startswith("flow@")).items():
        done = [r for r in mine if "handed_s" in r.statistics and r.solve_time_s is not None]
        if not done:
            continue

        def median(*names: str, of: Sequence[Row] = done) -> str:
            return f"{1000 * statistics.median(_sum(row, names) for row in of):.0f}"

        beside_solving = [
            row.overhead_s + (row.solve_time_s or 0.0) - _sum(row, ("read_s", "solve_s"))
            for row in done
        ]
        lines.append(
            [
                f"`{called}`",
                str(len(done)),
                f"{1000 * statistics.median(beside_solving):.0f}",
                f"{1000 * statistics.median(row.cpu_time_s or 0.0 for row in done):.0f}",
                median("build_s"),
                median("write_s"),
                median("handed_s"),
                median("plan_s"),
                f"{1000 * statistics.median(row.overhead_s for row in done):.0f}",
                median("read_s"),
                median("solve_s"),
            ]
        )
    header = (
        "solver",
        "runs",
        "beside reading and solving",
        "processor time of it all",
        "build",
        "write",
        "hand over",
        "plan",
        "outside the run",
        "read",
        "solve",
    )
    return markdown_table(header, lines)


def _sum(row: Row, names: Sequence[str]) -> float:
    return sum(float(row.statistics.get(name) or 0.0) for name in names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is left and print the tables, or write them into the page."""
    from splitopt.bench.runs.runner import RunSpec

    parser = argparse.ArgumentParser(
        prog="python -m splitopt.bench.studies solvers", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "solvers")
    parser.add_argument("--set", default="tiny")
    parser.add_argument("--formulations", default=",".join(sum(FORMULATIONS.values(), ())))
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args(arguments)
    if given.page:
        with Store(given.out, readonly=True) as store:
            rows = list(store.rows(heavy=False))
        replace_part(PAGE, "solvers", solver_table(rows))
        replace_part(PAGE, "overhead", overhead_table(rows))
        return 0
    spec = RunSpec(
        instances=library.names(given.set),
        methods=methods(given.formulations.split(",")),
        limits=Limits.of(LIMIT_S),
    )
    try:
        rows = rows_of(spec, given.out)
    except RuntimeError as error:
        sys.stderr.write(f"contradiction: {printable(str(error))}\n")
        return 1
    sys.stdout.write(f"{solver_table(rows)}\n\n{overhead_table(rows)}\n")
    return int(any(row.verdict == "wrong" for row in rows))
