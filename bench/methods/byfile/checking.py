"""A model's file read back by the solvers beside splitopt: its size, and its optimum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from splitopt.bench.methods.byfile.environments import beside
from splitopt.bench.methods.byfile.names import SOLVERS, Solver
from splitopt.bench.methods.byfile.process import SOLVE, ask
from splitopt.bench.store.temporary import temporary
from splitopt.instances.contract.method import UnsupportedError
from splitopt.instances.core.errors import InputError

MOST_COLUMNS = 2000  # of models that are read, or with --check solved, in a second
_LIMIT_S = 30.0
_AGREE = 1e-5
# Those that say what they read, the likely fastest first, and those that only solve.
_SIZED, _OTHERS = ("highs", "glpk", "scip"), ("cbc", "ortools")


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a solver says of a file.

    Attributes
    ----------
    optimum
        In the unit of the file; None where it was not asked for, or not proven in time.
    right
        Whether size and optimum are those of the model and of other readers.
    """

    solver: str
    rows: int | None
    columns: int | None
    optimum: float | None
    right: bool
    said: str


def read_back(path: Path, size: Mapping[str, Any], *, every: bool) -> list[ReadBack]:
    """Return what solvers beside splitopt read in a file that was written with this size.

    Parameters
    ----------
    every
        All of `_SIZED` and `_OTHERS`, and where the model is small its optimum; else the first one
        that reads it.
    """
    found = []
    names = [*_SIZED, *_OTHERS] if every else list(_SIZED)
    for name in names:
        solver = SOLVERS[name]
        if beside(solver.package) is None or not _takes(solver, path, linear=bool(size["linear"])):
            continue
        found.append(_one(solver, path, size, optimum=every and size["columns"] <= MOST_COLUMNS))
        if not every:
            break
    return list(_agreed(found))


def _takes(solver: Solver, path: Path, *, linear: bool) -> bool:
    """Return whether a solver is known to read such files; `exporting` tells who misreads them."""
    if not linear:
        return solver.takes == "quadratic"
    return solver.name != "ortools" or path.suffix == ".mps"


def _one(solver: Solver, path: Path, size: Mapping[str, Any], *, optimum: bool) -> ReadBack:
    environment = beside(solver.package)
    assert environment is not None
    file = str(path.absolute())
    rows = columns = value = None
    try:
        with temporary("solver") as folder:
            if solver.name in _SIZED:
                read = ask(solver.driver, environment, {"op": "size", "file": file}, Path(folder))
                rows, columns = int(read["rows"]), int(read["columns"])
            if optimum:
                asked = {"file": file, "time_limit_s": _LIMIT_S, "relative_gap": 1e-7}
                solved = ask(solver.driver, environment, {**SOLVE, **asked}, Path(folder))
                value = solved["objective"] if solved["ended"] == "optimal" else None
    except (InputError, RuntimeError, UnsupportedError) as error:
        said = " ".join(str(error).split())
        return ReadBack(solver.engine, None, None, None, right=False, said=said)
    right = rows is None or columns is None or _same(rows, columns, size, path)
    parts = [] if rows is None else [f"{rows} rows, {columns} columns"]
    if optimum:
        parts.append("no optimum" if value is None else f"optimum {value:.10g}")
    if solver.name == "ortools":
        parts.append("by OR-tools' reader")
    return ReadBack(solver.engine, rows, columns, value, right, ", ".join(parts))


def _same(rows: int, columns: int, size: Mapping[str, Any], path: Path) -> bool:
    """Return whether what was read may be what was written."""
    if size["linear"] and path.suffix == ".mps":
        return bool(rows == size["rows"] and columns == size["columns"])
    # LP files have no rows without a term, and Pyomo no columns that stand nowhere.
    return bool(rows <= size["rows"] and columns <= size["columns"])


def _agreed(found: list[ReadBack]) -> Iterator[ReadBack]:
    """Yield what was read, wrong where its optimum is not that of the first that has one."""
    known = [one.optimum for one in found if one.optimum is not None]
    for one in found:
        off = one.optimum is not None and abs(one.optimum - known[0]) > _AGREE * abs(known[0])
        yield replace(one, right=False) if off else one
