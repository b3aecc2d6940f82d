"""Measure how strong and how large each formulation is: the table of docs/strength.md.

``python -m splitopt.bench.studies strength [--instances I,...] [--time-limit S] [--store DIR]``
runs, in a store as `splitopt run` does, each formulation in each solver that reads its file, once
to a proof and once for its root, and the methods of the suite; and puts the table into the page.
Runs that are there already are not done again. `root` is, over the optimum,

- of a file in HiGHS: its linear relaxation (``solver.solve_relaxation``);
- of one in SCIP: its bound when the root node is done, with cuts and propagation
  (``solver.limits/nodes``);
- of a method of the suite: the bound before it branches, where it states one.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from splitopt.bench.methods.byfile.names import SOLVERS, is_by_file, parse
from splitopt.bench.methods.registry import find
from splitopt.bench.runs.spec import RunSpec
from splitopt.bench.store.rows import Limits, Row
from splitopt.bench.store.sources import load_instance
from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.bench.studies.runs import RESULTS, rows_of
from splitopt.bench.verdicts.optimum import require_optimum
from splitopt.instances.core.errors import InputError

PAGE = Path(__file__).resolve().parents[3] / "docs" / "strength.md"
# Small enough that every formulation is built, different in what makes them hard.
INSTANCES = (
    "cift-tiny-hosts",
    "cift-tiny-menu",
    "cift-quick-tiers",
    "cift-quick-alike",
    "cift-quick-continuous",
    "mepra-image-10mbps",
    "mepra-image-free-10mbps",
    "mepra-quick-scarce",
)
FILES = (
    *(f"{name}@{by}" for name in ("gdp-bigm", "gdp-hull", "assignment", "flow", "tangent")
      for by in ("highs", "scip")),
    "natural@scip",
    "conic@scip",
)  # fmt: skip
METHODS = (
    *("highs-assignment", "highs-flow", "highs-oa"),
    *("highs-tangent", "highs-perspective", "lagrangian"),
    *("cpsat", "scip-minlp"),
)
# Options that end a solver at its root.
_ROOT: Mapping[str, Mapping[str, object]] = {
    "highs": {"solver.solve_relaxation": True},
    "scip": {"solver.limits/nodes": 1},
}


def spec(instances: Sequence[str], limit_s: float, methods: Sequence[str] = ()) -> RunSpec:
    """Return the runs to a proof: all formulations and methods, or those named."""
    chosen = methods or (*FILES, *METHODS)
    return RunSpec(instances=instances, methods=chosen, limits=Limits.of(limit_s))


def root_spec(instances: Sequence[str], limit_s: float, methods: Sequence[str] = ()) -> RunSpec:
    """Return the runs that end at the root, one for each formulation and solver."""
    files = [name for name in methods or FILES if is_by_file(name)]
    options = {name: _ROOT[parse(name).solver.name] for name in files}
    return RunSpec(instances=instances, methods=files, limits=Limits.of(limit_s), options=options)


def _ratio(bound: object, optimum: float) -> float | None:
    if not isinstance(bound, int | float) or not math.isfinite(bound):
        return None
    if optimum == 0.0:
        return 1.0 if abs(bound) < 1e-9 else None
    return bound / optimum


_COLUMNS = (
    *("instance", "formulation", "solver", "rows", "columns", "nonzeros"),
    *("root / optimum", "nodes", "CPU (s)"),
)


def _whole(row: Row, *names: str) -> str:
    """Return the first of some statistics that a row has, as a whole number."""
    found = next((row.statistics[name] for name in names if name in row.statistics), None)
    return str(int(found)) if isinstance(found, int | float) else ""


def _cells(row: Row, root: float | None) -> list[str]:
    if is_by_file(row.method):
        name = parse(row.method)
        formulation, solver = name.formulation, SOLVERS[name.solver.name].engine
    else:
        entry = find(row.method, row.problem)
        formulation = f"`{row.method}`"
        solver = str(entry.engine) if entry.solver else "own"
    proven = row.status in ("optimal", "infeasible")
    return [
        row.instance_name,
        formulation,
        solver,
        _whole(row, "rows", "constraints"),
        _whole(row, "columns", "booleans", "options"),
        _whole(row, "nonzeros"),
        # A margin of a millionth or two is taken off the bounds of solvers.
        "" if root is None else f"{math.floor(root * 1e4 + 0.03) / 1e4:.4f}",
        _whole(row, "nodes", "branches") or ("0" if proven else ""),
        f"{row.cpu_time_s or 0.0:.2f}" + ("" if proven else ", not proven"),
    ]


def tables(rows: Sequence[Row], roots: Sequence[Row], optima: Mapping[str, float]) -> str:
    """Return the table of each problem in Markdown.

    Parameters
    ----------
    rows, roots
        Runs to a proof, and those of `root_spec`.
    optima
        By instance.
    """
    bounds: dict[tuple[str, str], object] = {
        (row.instance_name, row.method): row.bound for row in roots
    }
    parts = []
    for problem in ("cift", "mepra"):
        lines = []
        for row in rows:
            if row.problem == problem and row.termination != "unsupported":
                bound = bounds.get((row.instance_name, row.method))
                bound = row.statistics.get("root_bound") if bound is None else bound
                lines.append(_cells(row, _ratio(bound, optima[row.instance_name])))
        for above, line in reversed(list(itertools.pairwise(lines))):
            if above[0] == line[0]:
                line[0] = ""
        if lines:
            parts.append(f"### {problem.upper()}\n\n" + markdown_table(_COLUMNS, lines))
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m splitopt.bench.studies strength", description=__doc__
    )
    parser.add_argument("--instances", default=",".join(INSTANCES), help="names with commas")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds a run")
    parser.add_argument("--store", type=Path, default=RESULTS / "strength")
    parser.add_argument("--page", type=Path, default=PAGE, help="page whose table is replaced")
    given = parser.parse_args(arguments)
    names = given.instances.split(",")
    try:
        optima = {name: require_optimum(load_instance(name)) for name in names}
        rows = rows_of(spec(names, given.time_limit), given.store)
        roots = rows_of(root_spec(names, given.time_limit), given.store)
        order = {method: k for k, method in enumerate((*FILES, *METHODS))}
        rows.sort(key=lambda row: (names.index(row.instance_name), order[row.method]))
        replace_part(given.page, "strength", tables(rows, roots, optima))
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0
