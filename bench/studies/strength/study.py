"""Measure how strong and how large each formulation is: the table of docs/strength.md.

Run ``python -m splitopt.bench.studies strength`` (some minutes). For each instance of a
stated subset, each formulation and each solver that takes it: rows, columns, nonzeros; seconds to
build and to load; the root bound; nodes; processor seconds to a proof. `root` is, over the optimum,

- of a MILP in Pyomo: its linear relaxation;
- of SCIP: its dual bound when the root node is done, cuts and propagation included;
- of a method of the suite: the bound before it branches, where it states one.

Figures go to a JSON file, one by one, and into the page between its marks; the command goes on
where it was stopped. To measure anew, remove the file.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.methods.registry import find
from splitopt.bench.methods.registry import load as load_method
from splitopt.bench.store.sources import load_instance
from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.bench.verdicts.optimum import require_optimum
from splitopt.instances.contract.method import Budget
from splitopt.instances.contract.supports import supported
from splitopt.instances.core.documents import read_json, write_json
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.formulations.solvers.highs import SparseModel
    from splitopt.instances.contract.method import Instance

__all__ = ["INSTANCES", "Strength", "main", "measure", "tables"]

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "strength.md"
FIGURES = ROOT / "docs" / "data" / "strength.json"
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
# Pyomo formulation to the solvers that read it; linear ones go to both.
MODELS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cift": {
        "gdp-bigm": ("HiGHS", "SCIP"),
        "gdp-hull": ("HiGHS", "SCIP"),
        "assignment": ("HiGHS", "SCIP"),
        "flow": ("HiGHS", "SCIP"),
    },
    "mepra": {"natural": ("SCIP",), "conic": ("SCIP",), "tangent": ("HiGHS", "SCIP")},
}
METHODS: Mapping[str, tuple[str, ...]] = {
    "cift": ("highs-assignment", "highs-flow", "highs-oa", "cpsat", "scip-minlp"),
    "mepra": ("highs-tangent", "highs-perspective", "lagrangian", "cpsat", "scip-minlp"),
}


@dataclass(frozen=True, slots=True)
class Strength:
    """One formulation of one instance in one solver; None where unknown.

    Attributes
    ----------
    root
        Root bound over the optimum; see the module.
    build_s, load_s, solve_s
        Processor seconds; `solve_s` of a method is all of its run.
    status
        ``proven``, ``limit`` or what kept it from being measured.
    """

    instance: str
    problem: str
    formulation: str
    solver: str
    rows: int | None
    columns: int | None
    nonzeros: int | None
    build_s: float | None
    load_s: float | None
    root: float | None
    nodes: int | None
    solve_s: float | None
    status: str


def _ratio(bound: float | None, optimum: float) -> float | None:
    if bound is None or not math.isfinite(bound):
        return None
    if optimum == 0.0:
        return 1.0 if abs(bound) < 1e-9 else None
    return bound / optimum


class _Clock:
    """Processor seconds since the last look."""

    def __init__(self) -> None:
        self._last = time.process_time()

    def split(self) -> float:
        now = time.process_time()
        passed, self._last = now - self._last, now
        return passed


def _scip(path: Path, limit_s: float) -> Any:
    import pyscipopt

    scip = pyscipopt.Model()
    scip.hideOutput()
    scip.setParam("timing/clocktype", 1)  # of the processor: the machine may be busy
    scip.setParam("limits/time", limit_s)
    scip.setParam("limits/gap", 1e-6)
    scip.setParam("numerics/feastol", 1e-9)
    scip.readProblem(str(path))
    return scip


def _by_scip(scip: Any) -> tuple[float | None, int, bool]:
    """Return root bound, nodes and whether it is solved."""
    scip.optimize()
    solved = scip.getStatus() in ("optimal", "gaplimit", "infeasible")
    nodes = int(scip.getNTotalNodes())
    # Settled in presolve or at the root, it has no root bound of its own.
    root = float(scip.getDualbound() if solved and nodes <= 1 else scip.getDualboundRoot())
    return (root if abs(root) < 1e19 else None), nodes, solved


def _linear(model: Any) -> SparseModel:
    from splitopt.formulations.solvers.pyomo import compiled

    return compiled(model)[0]


def _pyomo_rows(instance: Instance, name: str, limit_s: float) -> Iterator[Strength]:
    """Yield the measurements of a Pyomo formulation, one a solver."""
    from splitopt.bench.methods.exporting import build
    from splitopt.formulations.solvers.highs import load, solve
    from splitopt.formulations.solvers.pyomo import write_model

    optimum = require_optimum(instance)
    solvers = MODELS[instance.problem][name]
    clock = _Clock()
    model = build(instance, name, 1.0)
    arrays = _linear(model) if "HiGHS" in solvers else None
    built = clock.split()
    relaxation = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.mps"
        size: dict[str, int | None] = {"rows": None, "columns": None, "nonzeros": None}
        if arrays is not None:
            size |= arrays.size
            scaled = _scaled(arrays, optimum)
            loose = solve(
                load(dataclasses.replace(scaled, integer=scaled.integer & False)),
                time_limit_s=limit_s,
                relative_gap=0.0,
                support=0,
                integer=False,
            )
            if loose.ended == "solved":
                relaxation = loose.objective
            clock.split()
            highs = load(scaled)
            loaded = clock.split()
            outcome = solve(highs, time_limit_s=limit_s, relative_gap=1e-6, support=0)
            yield Strength(
                instance=instance.name,
                problem=instance.problem,
                formulation=name,
                solver="HiGHS",
                **size,
                build_s=built,
                load_s=loaded,
                root=None if relaxation is None else relaxation / _SCALE,
                nodes=outcome.nodes,
                solve_s=clock.split(),
                status="proven" if outcome.ended == "solved" else "limit",
            )
            highs.writeModel(str(path))
        else:
            written = write_model(model, path, "mps")
            size |= {"rows": written["rows"], "columns": written["columns"]}
        if "SCIP" in solvers:
            clock.split()
            scip = _scip(path, limit_s)
            loaded = clock.split()
            root, nodes, solved = _by_scip(scip)
            unit = _SCALE if arrays is not None else optimum
            yield Strength(
                instance=instance.name,
                problem=instance.problem,
                formulation=name,
                solver="SCIP",
                **size,
                build_s=built,
                load_s=loaded,
                root=_ratio(root, unit),
                nodes=nodes,
                solve_s=clock.split(),
                status="proven" if solved else "limit",
            )


_SCALE = 1e3


def _scaled(arrays: SparseModel, optimum: float) -> SparseModel:
    """Return the model with an objective that is `_SCALE` at the optimum."""
    return dataclasses.replace(arrays, cost=arrays.cost * (_SCALE / (optimum or 1.0)))


def _count(found: object) -> int | None:
    return int(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _seconds(found: object) -> float | None:
    return float(found) if isinstance(found, int | float) else None


_warm: set[tuple[str, str]] = set()


def _method_row(instance: Instance, name: str, limit_s: float) -> Strength | None:
    """Return the measurement of a method of the suite, None where it takes no such instance."""
    method, entry = load_method(name, instance.problem), find(name, instance.problem)
    if not supported(method, instance):
        return None
    optimum = require_optimum(instance)
    if (name, instance.problem) not in _warm:
        # What is imported and compiled on first use is not the formulation's.
        method.solve(instance, Budget(limit_s), 0, {})
        _warm.add((name, instance.problem))
    begin = time.process_time()
    result = method.solve(instance, Budget(limit_s), 0, {})
    took = time.process_time() - begin
    said = result.statistics
    proven = result.status in ("optimal", "infeasible")
    nodes = said.get("nodes", said.get("branches"))
    return Strength(
        instance=instance.name,
        problem=instance.problem,
        formulation=name,
        solver=str(entry.engine) if entry.solver else "own",
        rows=_count(said.get("rows", said.get("constraints"))),
        columns=_count(said.get("columns", said.get("booleans", said.get("options")))),
        nonzeros=_count(said.get("nonzeros")),
        build_s=None,
        load_s=None,
        root=_ratio(_seconds(said.get("root_bound")), optimum),
        nodes=_count(nodes) if nodes is not None else (0 if proven else None),
        solve_s=took,
        status="proven" if proven else "limit",
    )


def measure(
    names: Sequence[str],
    limit_s: float,
    on_row: Callable[[Strength], None] | None = None,
    formulations: Sequence[str] = (),
    known: Sequence[Strength] = (),
) -> list[Strength]:
    """Return the measurements of these instances.

    Parameters
    ----------
    limit_s
        Seconds a solve; building has no limit.
    on_row
        Called with each measurement.
    formulations
        Only these formulations and methods; all where none is named.
    known
        Measurements there are already, not made again.

    Raises
    ------
    InputError
        For an instance without a known optimum.
    """
    found: list[Strength] = list(known)
    there = {(row.instance, row.formulation) for row in known}

    def keep(row: Strength) -> None:
        found.append(row)
        if on_row is not None:
            on_row(row)

    for name in names:
        instance = load_instance(name)
        continuous = getattr(instance, "has_continuous_speeds", False)
        for formulation in MODELS[instance.problem]:
            if continuous or (formulations and formulation not in formulations):
                continue
            if (name, formulation) in there:
                continue
            try:
                for row in _pyomo_rows(instance, formulation, limit_s):
                    keep(row)
            except InputError:
                continue  # options too many to list, say: the page names what is missing
        for method in METHODS[instance.problem]:
            if (formulations and method not in formulations) or (name, method) in there:
                continue
            one = _method_row(instance, method, limit_s)
            if one is not None:
                keep(one)
    return found


_COLUMNS = (
    "instance",
    "formulation",
    "solver",
    "rows",
    "columns",
    "nonzeros",
    "root / optimum",
    "nodes",
    "build (s)",
    "load (s)",
    "solve (s)",
)


def _cells(row: Strength) -> list[str]:
    def whole(value: int | None) -> str:
        return "" if value is None else str(value)

    def seconds(value: float | None) -> str:
        return "" if value is None else f"{value:.2f}"

    root = "" if row.root is None else f"{math.floor(row.root * 1e4 + 1e-6) / 1e4:.4f}"
    solve = seconds(row.solve_s) + ("" if row.status == "proven" else ", not proven")
    return [
        row.instance,
        f"`{row.formulation}`" if row.formulation in METHODS[row.problem] else row.formulation,
        row.solver,
        whole(row.rows),
        whole(row.columns),
        whole(row.nonzeros),
        root,
        whole(row.nodes),
        seconds(row.build_s),
        seconds(row.load_s),
        solve,
    ]


def tables(rows: Sequence[Strength]) -> str:
    """Return the table of each problem in Markdown."""
    parts = []
    for problem in ("cift", "mepra"):
        mine = [row for row in rows if row.problem == problem]
        if mine:
            lines = [_cells(row) for row in mine]
            for above, line in reversed(list(itertools.pairwise(lines))):
                if above[0] == line[0]:
                    line[0] = ""
            parts.append(f"### {problem.upper()}\n\n" + markdown_table(_COLUMNS, lines))
    return "\n\n".join(parts)


def _tell(row: Strength) -> None:
    sys.stderr.write(" ".join(_cells(row)) + "\n")


def _read(path: Path) -> list[Strength]:
    document = read_json(path)
    if not isinstance(document, dict) or "rows" not in document:
        raise InputError(path.name, "no rows", "what this command wrote", "measure again")
    return [Strength(**row) for row in document["rows"]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m splitopt.bench.studies strength", description=__doc__
    )
    parser.add_argument("--instances", default=",".join(INSTANCES), help="names with commas")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds a solve")
    parser.add_argument(
        "--out", type=Path, default=FIGURES, help="JSON file of the figures; those in it are kept"
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="page whose table is replaced")
    parser.add_argument("--only-page", action="store_true", help="from the figures that are there")
    given = parser.parse_args(arguments)
    try:
        rows = _read(given.out) if given.out.is_file() else []
        if not given.only_page:
            fresh: list[Strength] = []

            def keep(row: Strength) -> None:
                _tell(row)
                fresh.append(row)
                document = {"rows": [dataclasses.asdict(one) for one in (*rows, *fresh)]}
                write_json(given.out, document, indent=1)

            names = given.instances.split(",")
            rows = measure(names, given.time_limit, keep, known=rows)
        replace_part(given.page, "strength", tables(rows))
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0
