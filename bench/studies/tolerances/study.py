"""What "optimal" means by solver: one file, its exact optimum, and what each reports.

``python -m splitopt.bench.studies tolerances`` writes the files of `CASES`, has every solver that
is installed solve them at its defaults and at a gap of 0, and prints tables of what they promise,
of the optima and of what they report; with ``--page`` it puts them into
docs/explanation/tolerances.md. The optimum of a file is that of its instance, by a plan of a method
that needs no solver, valued in rationals; that of MEPRA's tangents, a relaxation, is found by
enumerating its binaries in rationals.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.isolation.apart import ApartError, apart
from splitopt.bench.methods.exporting import build, unit_of_file, write
from splitopt.bench.methods.registry import load
from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.bench.studies.tolerances.solvers import LIMIT_S, SOLVERS
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import certify

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

# Instance, formulation, and what proves its optimum without a solver.
CASES = (
    ("cift-tiny-both", "assignment", "brute-force"),
    ("cift-tiny-rising", "assignment", "brute-force"),
    ("cift-tiny-alike", "flow", "brute-force"),
    ("mepra-tiny-lattice", "tangent", "enumeration"),
    ("mepra-tiny-partition", "conic", "brute-force"),
    ("mepra-image-10mbps", "conic", "lagrangian"),
)
_MEMORY = 4 << 30


@dataclass(frozen=True, slots=True)
class Report:
    """What one solver said of one file.

    Attributes
    ----------
    case, solver, exact
        Which file, who, and whether a gap of 0 was asked for.
    truth
        The optimum of the file, in the instance's unit.
    said
        As `splitopt.bench.studies.tolerances.solvers.answer` gives it, objective and bound in the
        instance's unit; None where there was no answer.
    why
        Why there was none.
    """

    case: str
    solver: str
    exact: bool
    truth: Fraction
    said: Mapping[str, Any] | None
    why: str = ""


def exact_optimum(instance: Instance, formulation: str, method: str) -> Fraction:
    """Return the optimum of an instance in a formulation; of an interval its lower end."""
    if method == "enumeration":
        return _tangent_optimum(instance)
    found = load(method, instance.problem).solve(instance, Budget(), 0, {})
    if found.status is not SolutionStatus.OPTIMAL or found.plan is None:
        raise RuntimeError(f"{instance.name}: {method} proves nothing")
    low = certify(instance, found.plan).low
    assert low is not None
    return low


def _tangent_optimum(instance: Instance) -> Fraction:
    """Return the optimum of the MILP by tangents: every combination of options, in rationals."""
    from pyomo.repn import generate_standard_repn

    model = build(instance, "tangent", 1.0)
    lines = []
    for row in model.tangent.values():
        body = generate_standard_repn(row.body)
        at = {v.name: Fraction(c) for v, c in zip(body.linear_vars, body.linear_coefs, strict=True)}
        assert at["v"] < 0
        offset = Fraction(body.constant) - Fraction(row.upper())
        lines.append((at["R"] / -at["v"], offset / -at["v"]))  # v >= slope R + level
    listed = [[(Fraction(o.own_cost), Fraction(o.root)) for o in mine] for mine in model.options]
    best: Fraction | None = None
    for picked in itertools.product(*listed):
        own, total = (sum(part, Fraction(0)) for part in zip(*picked, strict=True))
        cost = own + max(Fraction(0), *(slope * total + level for slope, level in lines))
        best = cost if best is None else min(best, cost)
    assert best is not None
    return best


def measure(solvers: Sequence[str], folder: Path) -> Iterator[Report]:
    """Yield what the solvers say of every file, defaults first; files go to `folder`."""
    from splitopt.bench.store.sources import load_instance

    for name, formulation, method in CASES:
        instance = load_instance(name)
        path = folder / f"{name}.{formulation}.mps"
        write(instance, formulation, "mps", path)
        unit, truth = unit_of_file(path), exact_optimum(instance, formulation, method)
        for solver, exact in itertools.product(solvers, (False, True)):
            request = {"solver": solver, "path": str(path.resolve()), "exact": exact}
            case = f"{name}, {formulation}"
            try:
                said = apart(
                    "splitopt.bench.studies.tolerances.solvers:answer",
                    request,
                    limit_s=3 * LIMIT_S,
                    memory_bytes=_MEMORY,
                )
            except (ApartError, InputError) as error:
                why = str(error.value) if isinstance(error, InputError) else str(error)
                yield Report(case, solver, exact, truth, None, why)
                continue
            for figure in ("objective", "bound"):
                if said[figure] is not None:
                    said[figure] *= unit
            yield Report(case, solver, exact, truth, said)


def off(value: float | None, truth: Fraction) -> str:
    """Return by how much of the truth a figure is above (+) or below (-) it."""
    if value is None:
        return "-"
    distance = (Fraction(value) - truth) / truth
    return "0" if abs(distance) < Fraction(1, 10**13) else f"{float(distance):+.1e}"


def tables(reports: Sequence[Report]) -> dict[str, str]:
    """Return the parts of the page by name."""
    cases = list(dict.fromkeys((r.case, r.truth) for r in reports))
    at = {(r.case, r.solver, r.exact): r for r in reports}
    solvers = list(dict.fromkeys(r.solver for r in reports))
    versions = {one.name: one.version for one in SOLVERS}

    def cell(report: Report) -> str:
        if report.said is None:
            return report.why
        found, proven = (off(report.said[key], report.truth) for key in ("objective", "bound"))
        word = report.said["status"]
        short = "" if "opt" in word.lower() and "sub" not in word.lower() else f"{word}: "
        return f"{short}{found}" + (f" ({proven})" if proven not in ("-", found) else "")

    def grid(exact: bool) -> str:
        rows = [
            [f"{solver} {versions[solver] or ''}"]
            + [cell(at[case, solver, exact]) for case, _ in cases]
            for solver in solvers
        ]
        return markdown_table(["solver", *(case for case, _ in cases)], rows)

    promised = {r.solver: r.said["promised"] for r in reports if r.said is not None}
    optima = [[case, f"{float(truth):.17g}"] for case, truth in cases]
    names = [
        [solver, ", ".join(f"{name} {value:g}" for name, value in promised[solver].items())]
        for solver in solvers
        if solver in promised
    ]
    missing = [one.name for one in SOLVERS if one.name not in solvers]
    absent = f"\n\nNot installed: {', '.join(missing)}." if missing else ""
    return {
        "promises": markdown_table(["solver", "defaults, read by its interface"], names) + absent,
        "optima": markdown_table(["file", "optimum"], optima),
        "defaults": grid(exact=False),
        "gap 0": grid(exact=True),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and write the page if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m splitopt.bench.studies tolerances", description=__doc__
    )
    installed = [one.name for one in SOLVERS if one.version is not None]
    parser.add_argument("--solver", action="append", choices=installed, help="of these alone")
    parser.add_argument("--page", type=Path, help="put the tables into this page")
    chosen = parser.parse_args(arguments)
    for one in SOLVERS:
        if one.version is None:
            sys.stderr.write(f"not installed: {one.name} (pip install {one.package})\n")
    reports = []
    with tempfile.TemporaryDirectory() as folder:
        for report in measure(chosen.solver or installed, Path(folder)):
            reports.append(report)
            mode = "gap 0" if report.exact else "defaults"
            sys.stderr.write(f"{report.case}, {report.solver}, {mode}\n")
    parts = tables(reports)
    for name, text in parts.items():
        sys.stdout.write(f"{name}\n\n{text}\n\n")
        if chosen.page is not None:
            replace_part(chosen.page, name, text)
    return 0
