"""FICO Xpress, by its Python package."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .common import ParameterError, UnsupportedError, answer, as_kind, refuse, remaining_s

HELD = {
    "timelimit": "--time-limit sets it",
    "maxtime": "--time-limit sets it",
    "miprelstop": "--gap sets it",
    "threads": "--threads sets it",
    "randomseed": "--seed sets it",
    "outputlog": "solve --log, run --keep-logs set it",
}


def load() -> str:
    """Import the solver and return its name."""
    import xpress

    return f"Xpress {xpress.__version__}"


def _problem() -> Any:
    """Return a problem, with the licence there is: the user's, else the wheel's."""
    import xpress

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if not any(name in os.environ for name in ("XPAUTH_PATH", "XPRESSDIR")):
                for folder in Path(xpress.__file__).parent.parent.glob("xpresslibs/bin"):
                    xpress.init(str(folder / "community-xpauth.xpr"))
            return xpress.problem()
        except Exception as error:  # each version has classes of its own
            raise UnsupportedError(str(error)) from None


def _set(problem: Any, given: Mapping[str, object]) -> dict[str, Any]:
    now = problem.getControl() if given else {}
    refuse(given, HELD, now)
    found: dict[str, Any] = {}
    for name, value in given.items():
        kind = next(kind for kind in (int, float, str) if isinstance(now[name], kind))
        found[name] = as_kind(name, value, kind)
        try:
            problem.setControl(name, found[name])
        except Exception as error:  # as above
            allowed = f"a value that Xpress takes in the place of {now[name]!r}"
            raise ParameterError(name, value, allowed, str(error)) from None
    return found


def check(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters as Xpress holds them."""
    return _set(_problem(), parameters)


def solve(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read the file and solve it."""
    import xpress

    began = time.perf_counter()
    problem = _problem()
    for name, value in (
        ("outputlog", int(request["log"])),
        ("threads", request["threads"]),
        ("randomseed", request["seed"]),
        ("miprelstop", request["relative_gap"]),
        ("mipabsstop", 0.0),
        # By default nodes within 1e-6 of the best solution are cut off, whatever gap is asked for.
        ("miprelcutoff", 0.0),
        ("mipaddcutoff", 0.0),
        ("feastol", 1e-9),
        ("miptol", 1e-9),
        ("optimalitytol", 1e-9),
    ):
        problem.setControl(name, value)
    _set(problem, request["parameters"])
    try:
        reader = problem.readProb if hasattr(problem, "readProb") else problem.read
        reader(request["file"])
        read_s = time.perf_counter() - began
        limit = remaining_s(request, began)
        if limit is not None:
            problem.setControl("timelimit", limit)
        problem.optimize()
    except Exception as error:  # as above
        said = " ".join(str(error).split())
        if any(word in said.lower() for word in ("licen", "size limit", "limits exceeded")):
            raise UnsupportedError(said) from None
        raise
    found = problem.attributes
    ended = "limit"
    if found.solvestatus == xpress.SolveStatus.COMPLETED:
        ended = {
            xpress.SolStatus.OPTIMAL: "optimal",
            xpress.SolStatus.INFEASIBLE: "infeasible",
        }.get(found.solstatus, "limit")
    elif found.solvestatus == xpress.SolveStatus.STOPPED:
        over = limit is not None and time.perf_counter() - began >= 0.99 * limit
        ended = "time" if over else "limit"
    solved = found.solstatus in (xpress.SolStatus.OPTIMAL, xpress.SolStatus.FEASIBLE)
    names = [variable.name for variable in problem.getVariable()]
    return answer(
        ended,
        objective=found.objval if solved else None,
        bound=None if ended == "infeasible" else found.bestbound,
        values=dict(zip(names, problem.getSolution(), strict=True)) if solved else None,
        nodes=found.nodes,
        read_s=read_s,
        solve_s=time.perf_counter() - began - read_s,
        said=f"{found.solvestatus!s}, {found.solstatus!s}",
    )
