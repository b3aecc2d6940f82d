"""A tiny model for a solver that was just installed: it runs, reads and answers right, or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from splitopt.bench.methods.byfile.environments import Environment
from splitopt.bench.methods.byfile.names import SOLVERS
from splitopt.bench.methods.byfile.process import SOLVE, ask
from splitopt.bench.store.temporary import temporary
from splitopt.instances.contract.method import UnsupportedError
from splitopt.instances.core.errors import InputError

# min -3 x - 2 y, 2 x + y <= 4.5, x + 2 y <= 4.5, x and y whole, 0 <= x, y <= 9. The vertex of the
# relaxation is (1.5, 1.5), of value -7.5; of whole points (1, 1) has -5, (2, 0) the least, -6.
_MODEL = """\
NAME tiny
ROWS
 N cost
 L one
 L two
COLUMNS
 MARKER0 'MARKER' 'INTORG'
 x cost -3.0
 x one 2.0
 x two 1.0
 y cost -2.0
 y one 1.0
 y two 2.0
 MARKER1 'MARKER' 'INTEND'
RHS
 RHS one 4.5
 RHS two 4.5
BOUNDS
 LO BOUND x 0.0
 UP BOUND x 9.0
 LO BOUND y 0.0
 UP BOUND y 9.0
ENDATA
"""
_OPTIMUM, _POINT = -6.0, {"x": 2.0}


def trials(environment: Environment) -> Iterator[tuple[str, str, str | None]]:
    """Yield of each solver in an environment its name, its version, and what is wrong, or None."""
    for solver in SOLVERS.values():
        if solver.package != environment.package:
            continue
        with temporary("solver") as name:
            folder = Path(name)
            (folder / "tiny.mps").write_text(_MODEL)
            asked = {"file": str(folder / "tiny.mps"), "time_limit_s": 60.0, "relative_gap": 0.0}
            try:
                found = ask(solver.driver, environment, {**SOLVE, **asked}, folder)
            except (InputError, RuntimeError, UnsupportedError, MemoryError) as error:
                yield solver.name, "", " ".join(str(error).split())
                continue
        yield solver.name, str(found["solver"]), _wrong(found)


def _wrong(found: dict[str, Any]) -> str | None:
    """Return what an answer has wrong, None where it is right."""
    if found["ended"] != "optimal":
        return f"ended with {found['ended']}: {found.get('said')}"
    for what in ("objective", "bound"):
        if found[what] is None or abs(found[what] - _OPTIMUM) > 1e-6:
            return f"{what} {found[what]}, which is {_OPTIMUM}"
    off = {n: v for n, v in found["values"].items() if abs(v - _POINT.get(n, 0.0)) > 1e-6}
    return f"the solution {found['values']}" if off or "x" not in found["values"] else None
