"""SCIP, by PySCIPOpt."""

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
    "limits/time": "--time-limit sets it",
    "limits/gap": "--gap sets it",
    "limits/memory": "--memory-limit sets it",
    "lp/threads": "--threads sets it",
    "parallel/maxnthreads": "--threads sets it",
    "randomization/randomseedshift": "--seed sets it",
    "display/verblevel": "solve --log, run --keep-logs set it",
}


def load() -> str:
    """Import the solver and return its name."""
    import pyscipopt

    scip = pyscipopt.Model()
    return f"SCIP {scip.getMajorVersion()}.{scip.getMinorVersion()}.{scip.getTechVersion()}"


def set_parameters(scip: Any, given: Mapping[str, object]) -> dict[str, Any]:
    """Set parameters and return them as SCIP holds them."""
    known = scip.getParams() if given else {}
    refuse(given, HELD, known)
    found = {}
    for name, value in given.items():
        now = known[name]
        # One of a single letter comes as such: SCIP tells no kinds apart otherwise.
        typed = as_kind(name, value, type(now))
        try:
            scip.setParam(name, typed)
        except Exception as error:  # PySCIPOpt raises no other class
            allowed = f"a value that SCIP takes in the place of {now!r}"
            raise ParameterError(name, value, allowed, str(error)) from None
        found[name] = typed
    return found


def check(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters as SCIP holds them."""
    import pyscipopt

    scip = pyscipopt.Model()
    scip.hideOutput()
    return set_parameters(scip, parameters)


def _read(scip: Any, file: str) -> None:
    try:
        scip.readProblem(file)
    except Exception as error:  # PySCIPOpt raises no other class
        raise UnsupportedError(f"SCIP does not read the file: {error}") from None


def size(file: str) -> dict[str, int]:
    """Return what SCIP reads in a file."""
    import pyscipopt

    scip = pyscipopt.Model()
    scip.hideOutput()
    _read(scip, file)
    return {"rows": scip.getNConss(), "columns": scip.getNVars()}


def _listen(scip: Any, improvements: Improvements) -> None:
    """Have better solutions told."""
    import pyscipopt

    if improvements.path is None:
        return
    variables = {variable.name: variable for variable in scip.getVars()}

    class Found(pyscipopt.Eventhdlr):  # type: ignore[misc]
        def eventinit(self) -> None:
            self.model.catchEvent(pyscipopt.SCIP_EVENTTYPE.BESTSOLFOUND, self)

        def eventexec(self, event: Any) -> None:
            best = self.model.getBestSol()
            improvements.tell(
                lambda: {name: best[variable] for name, variable in variables.items()}
            )

    scip.includeEventhdlr(Found(), "improved", "tells better solutions")


def solve(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read the file and solve it."""
    import pyscipopt

    began = time.perf_counter()
    scip = pyscipopt.Model()
    scip.hideOutput(not request["log"])
    for name, value in (
        ("limits/gap", request["relative_gap"]),
        ("limits/absgap", 0.0),
        ("lp/threads", request["threads"]),
        ("randomization/randomseedshift", request["seed"]),
        ("numerics/feastol", 1e-9),
        ("numerics/dualfeastol", 1e-9),
    ):
        scip.setParam(name, value)
    if request["memory_bytes"] is not None:
        scip.setParam("limits/memory", request["memory_bytes"] / 2**20)
    set_parameters(scip, request["parameters"])
    _read(scip, request["file"])
    read_s = time.perf_counter() - began
    limit = remaining_s(request, began)
    if limit is not None:
        scip.setParam("limits/time", limit)
    _listen(scip, Improvements(request))
    scip.optimize()
    status = scip.getStatus()
    ended = {
        "optimal": "optimal",
        "gaplimit": "optimal",
        "infeasible": "infeasible",
        "timelimit": "time",
    }.get(status, "limit")
    values = objective = None
    if scip.getNSols() > 0:
        best = scip.getBestSol()
        values = {variable.name: scip.getSolVal(best, variable) for variable in scip.getVars()}
        objective = scip.getSolObjVal(best)
    return answer(
        ended,
        objective=objective,
        bound=None if ended == "infeasible" else scip.getDualbound(),
        values=values,
        nodes=scip.getNTotalNodes(),
        read_s=read_s,
        solve_s=time.perf_counter() - began - read_s,
        said=status,
    )
