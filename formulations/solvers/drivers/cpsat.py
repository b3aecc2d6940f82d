"""CP-SAT, by OR-tools' ModelBuilder: it makes integers of a MILP's coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .common import ParameterError, as_kind, refuse
from .ortools import run, without_pyarrow

HELD = {
    "max_time_in_seconds": "--time-limit sets it",
    "num_workers": "--threads sets it",
    "num_search_workers": "--threads sets it",
    "random_seed": "--seed sets it",
    "relative_gap_limit": "--gap sets it",
    "log_search_progress": "solve --log, run --keep-logs set it",
    "log_to_stdout": "solve --log, run --keep-logs set it",
    "max_memory_in_mb": "--memory-limit sets it",
}


def load() -> str:
    """Import the solver and return its name."""
    without_pyarrow()
    import ortools
    from ortools.linear_solver.python import model_builder  # noqa: F401
    from ortools.sat.python import cp_model  # noqa: F401

    return f"CP-SAT {ortools.__version__}"


def set_parameters(parameters: Any, given: Mapping[str, object]) -> dict[str, Any]:
    """Set parameters on a message of CP-SAT and return them as it holds them."""
    kinds = (bool, int, float, str)
    if hasattr(parameters, "DESCRIPTOR"):  # before OR-Tools 9.15
        names = [field.name for field in parameters.DESCRIPTOR.fields]
    else:
        names = [n for n in dir(parameters) if n[0].islower()]
        names = [n for n in names if not callable(getattr(parameters, n))]
    refuse(given, HELD, names)
    found: dict[str, Any] = {}
    for name, value in given.items():
        now = getattr(parameters, name)
        kind = next((kind for kind in kinds if isinstance(now, kind)), None)
        typed = as_kind(name, value, int if kind is None else kind)
        try:
            # Enumerations take their numbers.
            setattr(parameters, name, typed if kind is not None else type(now)(typed))
        except (TypeError, ValueError, AttributeError) as error:
            allowed = f"a value that CP-SAT takes in the place of {now!r}"
            raise ParameterError(name, value, allowed, str(error)) from None
        found[name] = typed
    return found


def check(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters as CP-SAT holds them."""
    from ortools.sat.python import cp_model

    return set_parameters(cp_model.CpSolver().parameters, parameters)


def solve(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read the file and solve it."""
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    settings = solver.parameters
    settings.num_workers = request["threads"]
    settings.random_seed = request["seed"]
    settings.relative_gap_limit = request["relative_gap"]
    settings.absolute_gap_limit = 0.0
    # OR-Tools 9.15 loses solutions where it matches at-most-ones with linear rows in presolve
    # and then proves a wrong optimum (google/or-tools issues 5274 and 5293); this skips it.
    settings.presolve_inclusion_work_limit = 0
    set_parameters(settings, request["parameters"])
    return run(request, "sat", str(settings))
