"""COPT, by coptpy."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
    "SolTimeLimit": "--time-limit sets it",
    "RelGap": "--gap sets it",
    "Threads": "--threads sets it",
    "Logging": "solve --log, run --keep-logs set it",
    "LogToConsole": "solve --log, run --keep-logs set it",
}


def load() -> str:
    """Import the solver and return its name."""
    from coptpy import COPT

    return f"COPT {COPT.VERSION_MAJOR}.{COPT.VERSION_MINOR}.{COPT.VERSION_TECHNICAL}"


def _model(*, log: bool) -> Any:
    import coptpy

    try:
        model = coptpy.Envr().createModel("model")
    except coptpy.CoptError as error:
        raise UnsupportedError(str(error)) from None
    model.setParam("Logging", int(log))
    return model


def _set(model: Any, given: Mapping[str, object]) -> dict[str, Any]:
    import coptpy

    names = [n for n in dir(coptpy.COPT.Param) if not n.startswith("_")]
    refuse(given, HELD, names)
    found = {}
    for name, value in given.items():
        _, now, _, least, most = model.getParamInfo(name)
        typed = as_kind(name, value, type(now))
        if not least <= typed <= most:  # COPT takes it, and something else
            raise ParameterError(name, value, f"from {least} to {most}", "correct the value")
        try:
            model.setParam(name, typed)
        except coptpy.CoptError as error:
            raise ParameterError(name, value, f"from {least} to {most}", str(error)) from None
        found[name] = typed
    return found


def check(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters as COPT holds them."""
    return _set(_model(log=False), parameters)


def _listen(model: Any, improvements: Improvements) -> None:
    """Have better solutions told."""
    import coptpy

    if improvements.path is None or not model.ismip:
        return
    variables = model.getVars().getAll()
    names = [variable.name for variable in variables]

    class Found(coptpy.CallbackBase):  # type: ignore[misc]
        def callback(self) -> None:
            improvements.tell(lambda: dict(zip(names, self.getSolution(variables), strict=True)))

    model.setCallback(Found(), coptpy.COPT.CBCONTEXT_MIPSOL)


def solve(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read the file and solve it."""
    import coptpy

    began = time.perf_counter()
    model = _model(log=request["log"])
    for name, value in (
        ("Threads", request["threads"]),
        ("RelGap", request["relative_gap"]),
        ("AbsGap", 0.0),
        ("FeasTol", 1e-9),
        ("IntTol", 1e-9),
        ("DualTol", 1e-9),
    ):
        model.setParam(name, value)
    _set(model, request["parameters"])
    try:
        model.read(request["file"])
        read_s = time.perf_counter() - began
        limit = remaining_s(request, began)
        if limit is not None:
            model.setParam("TimeLimit", limit)
        _listen(model, Improvements(request))
        model.solve()
    except coptpy.CoptError as error:
        said = " ".join(str(error).split())
        if any(word in said.lower() for word in ("licen", "size limit")):
            raise UnsupportedError(said) from None
        raise
    known = coptpy.COPT
    ended = {
        known.OPTIMAL: "optimal",
        known.INFEASIBLE: "infeasible",
        known.INF_OR_UNB: "infeasible",
        known.TIMEOUT: "time",
    }.get(model.status, "limit")
    bound = None
    if model.ismip and ended != "infeasible":
        bound = model.bestbnd
    elif ended == "optimal":
        bound = model.lpobjval
    solved = bool(model.hasmipsol if model.ismip else model.haslpsol)
    names = [variable.name for variable in model.getVars().getAll()]
    return answer(
        ended,
        objective=(model.objval if model.ismip else model.lpobjval) if solved else None,
        bound=bound,
        values=dict(zip(names, model.getValues(), strict=True)) if solved else None,
        nodes=model.nodecnt if model.ismip else None,
        read_s=read_s,
        solve_s=time.perf_counter() - began - read_s,
        said=f"status {model.status}",
    )
