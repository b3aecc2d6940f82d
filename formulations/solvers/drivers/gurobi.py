"""Gurobi, by gurobipy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from .common import (
    Improvements,
    ParameterError,
    UnsupportedError,
    answer,
    as_kind,
    refuse,
    remaining_s,
)

HELD = {
    "TimeLimit": "--time-limit sets it",
    "MIPGap": "--gap sets it",
    "Threads": "--threads sets it",
    "Seed": "--seed sets it",
    "OutputFlag": "solve --log, run --keep-logs set it",
    "LogToConsole": "solve --log, run --keep-logs set it",
    "LogFile": "run --keep-logs keeps logs",
    "ResultFile": "the solution comes back by itself",
    "SolFiles": "the solution comes back by itself",
}
# Error codes: no licence, and a model that is too large for the one there is.
_LICENCE = (10009, 10010)


def load() -> str:
    """Import the solver and return its name."""
    import gurobipy

    return f"Gurobi {'.'.join(map(str, gurobipy.gurobi.version()))}"


def _environment(*, log: bool) -> Any:
    import gurobipy

    try:
        return gurobipy.Env(params={"OutputFlag": int(log)})
    except gurobipy.GurobiError as error:
        if error.errno in _LICENCE:
            raise UnsupportedError(str(error)) from None
        raise


def _set(model: Any, given: Mapping[str, object]) -> dict[str, Any]:
    import gurobipy

    names = [n for n in dir(gurobipy.GRB.Param) if not n.startswith("_")]
    refuse(given, HELD, names)
    found = {}
    for name, value in given.items():
        _, kind, _, least, most, _ = model.getParamInfo(name)
        typed = as_kind(name, value, kind)
        try:
            model.setParam(name, typed)
        except gurobipy.GurobiError as error:
            raise ParameterError(name, value, f"from {least} to {most}", str(error)) from None
        found[name] = typed
    return found


def check(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters as Gurobi holds them."""
    import gurobipy

    with _environment(log=False) as environment, gurobipy.Model(env=environment) as model:
        return _set(model, parameters)


def _listener(model: Any, improvements: Improvements) -> Callable[[Any, int], None] | None:
    """Return the callback that has better solutions told."""
    import gurobipy

    if improvements.path is None:
        return None
    variables = model.getVars()
    names = model.getAttr("VarName", variables)

    def found(model: Any, where: int) -> None:
        if where == gurobipy.GRB.Callback.MIPSOL:
            improvements.tell(lambda: dict(zip(names, model.cbGetSolution(variables), strict=True)))

    return found


def solve(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read the file and solve it."""
    import gurobipy

    began = time.perf_counter()
    environment = _environment(log=request["log"])
    model = gurobipy.read(request["file"], env=environment)
    for name, value in (
        ("Threads", request["threads"]),
        ("Seed", min(request["seed"], 2_000_000_000)),
        ("MIPGap", request["relative_gap"]),
        ("MIPGapAbs", 0.0),
        ("FeasibilityTol", 1e-9),
        ("IntFeasTol", 1e-9),
        ("OptimalityTol", 1e-9),
    ):
        model.setParam(name, value)
    _set(model, request["parameters"])
    read_s = time.perf_counter() - began
    limit = remaining_s(request, began)
    if limit is not None:
        model.setParam("TimeLimit", limit)
    try:
        model.optimize(_listener(model, Improvements(request)))
    except gurobipy.GurobiError as error:
        if error.errno in _LICENCE:
            raise UnsupportedError(str(error)) from None
        raise
    known = gurobipy.GRB.Status
    ended = {
        known.OPTIMAL: "optimal",
        known.INFEASIBLE: "infeasible",
        known.INF_OR_UNBD: "infeasible",
        known.TIME_LIMIT: "time",
    }.get(model.Status, "limit")
    solved = model.SolCount > 0
    return answer(
        ended,
        objective=model.ObjVal if solved else None,
        bound=None if ended == "infeasible" else model.ObjBound,
        values={v.VarName: v.X for v in model.getVars()} if solved else None,
        nodes=model.NodeCount,
        read_s=read_s,
        solve_s=time.perf_counter() - began - read_s,
        said=f"status {model.Status}",
    )
