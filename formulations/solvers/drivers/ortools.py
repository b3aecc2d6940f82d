"""SCIP within OR-tools, by its ModelBuilder; `cpsat` is the same with CP-SAT."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from .common import ParameterError, UnsupportedError, answer, remaining_s


def without_pyarrow() -> None:
    """Let pandas do without pyarrow, which starts a thread: such a process cannot be forked."""
    sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type]


def load() -> str:
    """Import the solver and return its name."""
    without_pyarrow()
    import ortools
    from ortools.linear_solver.python import model_builder

    if not model_builder.Solver("scip").solver_is_supported():
        raise UnsupportedError("this build of OR-tools has no SCIP")
    return f"SCIP of OR-tools {ortools.__version__}"


def check(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters: none is taken, ModelBuilder does not check them."""
    for name, value in parameters.items():
        allowed = "no parameter: OR-tools does not check those of its SCIP"
        raise ParameterError(name, value, allowed, "FORMULATION@scip takes them")
    return {}


def run(request: Mapping[str, Any], engine: str, settings: str) -> dict[str, Any]:
    """Read the file and solve it by an engine of ModelBuilder with settings of its own."""
    from ortools.linear_solver.python import model_builder

    began = time.perf_counter()
    model = model_builder.Model()
    lp = request["file"].endswith(".lp")
    reader = model.import_from_lp_file if lp else model.import_from_mps_file
    if not reader(request["file"]):
        raise UnsupportedError("OR-tools does not read the file")
    read_s = time.perf_counter() - began
    solver = model_builder.Solver(engine)
    solver.enable_output(request["log"])
    solver.set_solver_specific_parameters(settings)
    limit = remaining_s(request, began)
    if limit is not None:
        solver.set_time_limit_in_seconds(limit)
    status = solver.solve(model)
    known = model_builder.SolveStatus
    values = None
    # FEASIBLE says that a limit was met with a solution, NOT_SOLVED without one.
    ended = {known.OPTIMAL: "optimal", known.INFEASIBLE: "infeasible"}.get(status)
    if ended is None:
        ended = "time" if status in (known.FEASIBLE, known.NOT_SOLVED) else "limit"
    if status in (known.MODEL_INVALID, known.INVALID_SOLVER_PARAMETERS):
        raise UnsupportedError(f"OR-tools: {status.name}: {solver.status_string}")
    if status in (known.OPTIMAL, known.FEASIBLE):
        values = {v.name: solver.value(v) for v in model.get_variables()}
    return answer(
        ended,
        objective=solver.objective_value if values is not None else None,
        bound=None if ended == "infeasible" else solver.best_objective_bound,
        values=values,
        read_s=read_s,
        solve_s=time.perf_counter() - began - read_s,
        said=status.name,
    )


def solve(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read the file and solve it."""
    check(request["parameters"])
    settings = {
        "limits/gap": request["relative_gap"],
        "limits/absgap": 0.0,
        "numerics/feastol": 1e-9,
        "randomization/randomseedshift": request["seed"],
    }
    return run(request, "scip", "\n".join(f"{name} = {value}" for name, value in settings.items()))
