"""IBM CPLEX, by its Python package."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .common import ParameterError, UnsupportedError, answer, as_kind, refuse, remaining_s

HELD = {
    "timelimit": "--time-limit sets it",
    "mip.tolerances.mipgap": "--gap sets it",
    "threads": "--threads sets it",
    "randomseed": "--seed sets it",
}
_TOO_LARGE, _NOT_CONVEX, _NO_LICENCE = 1016, 5002, range(32000, 33000)


def load() -> str:
    """Import the solver and return its name."""
    import cplex

    return f"CPLEX {cplex.Cplex().get_version()}"


def _problem(*, log: bool) -> Any:
    import cplex

    try:
        problem = cplex.Cplex()
    except cplex.exceptions.CplexError as error:
        raise UnsupportedError(str(error)) from None
    output = sys.stdout if log else None
    for stream in (problem.set_results_stream, problem.set_log_stream,
                   problem.set_warning_stream, problem.set_error_stream):  # fmt: skip
        stream(output)
    return problem


def _parameters(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every parameter with its name, as ``mip.tolerances.mipgap``."""
    for name in dir(group):
        if name.startswith("_"):
            continue
        part = getattr(group, name)
        if hasattr(part, "set") and hasattr(part, "get"):
            yield f"{above}{name}", part
        elif hasattr(part, "get_changed"):
            yield from _parameters(part, f"{above}{name}.")


def _set(problem: Any, given: Mapping[str, object]) -> dict[str, Any]:
    import cplex

    known = dict(_parameters(problem.parameters)) if given else {}
    refuse(given, HELD, known)
    found = {}
    for name, value in given.items():
        typed = as_kind(name, value, type(known[name].get()))
        try:
            known[name].set(typed)
        except cplex.exceptions.CplexError as error:
            allowed = f"a value that CPLEX takes in the place of {known[name].get()!r}"
            raise ParameterError(name, value, allowed, str(error)) from None
        found[name] = typed
    return found


def check(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters as CPLEX holds them."""
    return _set(_problem(log=False), parameters)


def solve(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read the file and solve it."""
    import cplex

    began = time.perf_counter()
    problem = _problem(log=request["log"])
    settings = problem.parameters
    settings.threads.set(request["threads"])
    settings.randomseed.set(request["seed"])
    settings.mip.tolerances.mipgap.set(request["relative_gap"])
    settings.mip.tolerances.absmipgap.set(0.0)
    settings.mip.tolerances.integrality.set(0.0)
    settings.simplex.tolerances.feasibility.set(1e-9)
    settings.simplex.tolerances.optimality.set(1e-9)
    _set(problem, request["parameters"])
    try:
        problem.read(request["file"])
        read_s = time.perf_counter() - began
        limit = remaining_s(request, began)
        if limit is not None:
            settings.timelimit.set(limit)
        problem.solve()
    except cplex.exceptions.CplexSolverError as error:
        code = error.args[2] if len(error.args) > 2 else None
        if code in (_TOO_LARGE, _NOT_CONVEX) or code in _NO_LICENCE:
            raise UnsupportedError(str(error.args[0])) from None
        raise
    solution = problem.solution
    said = solution.get_status_string()
    ended = "limit"
    if "infeasible" in said and "optimal" not in said:
        ended = "infeasible"
    elif "optimal" in said:
        ended = "optimal"
    elif "time limit" in said:
        ended = "time"
    solved = solution.is_primal_feasible()
    whole = problem.get_problem_type() not in (
        problem.problem_type.LP, problem.problem_type.QP, problem.problem_type.QCP
    )  # fmt: skip
    objective = solution.get_objective_value() if solved else None
    bound = None
    if whole and ended != "infeasible":
        bound = solution.MIP.get_best_objective()
    elif ended == "optimal":
        bound = objective
    names, values = problem.variables.get_names(), solution.get_values() if solved else []
    return answer(
        ended,
        objective=objective,
        bound=bound,
        values=dict(zip(names, values, strict=True)) if solved else None,
        nodes=solution.progress.get_num_nodes_processed(),
        read_s=read_s,
        solve_s=time.perf_counter() - began - read_s,
        said=said,
    )
