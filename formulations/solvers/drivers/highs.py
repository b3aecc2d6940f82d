"""HiGHS, by highspy."""

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
    "time_limit": "--time-limit sets it",
    "threads": "--threads sets it",
    "random_seed": "--seed sets it",
    "mip_rel_gap": "--gap sets it",
    "output_flag": "solve --log, run --keep-logs set it",
    "log_to_console": "solve --log, run --keep-logs set it",
    "log_file": "run --keep-logs keeps logs",
    "solution_file": "the solution comes back by itself",
    "write_solution_to_file": "the solution comes back by itself",
    "mip_improving_solution_file": "the solution comes back by itself",
    "mip_improving_solution_save": "the solution comes back by itself",
    "write_iis_model_file": "splitopt export writes the model",
    "write_presolved_model_to_file": "splitopt export writes the model",
    "write_model_to_file": "splitopt export writes the model",
    "write_model_file": "splitopt export writes the model",
    "read_solution_file": "plans to start from are given by --warm-start",
    "read_basis_file": "plans to start from are given by --warm-start",
}


def load() -> str:
    """Import the solver and return its name."""
    import highspy

    return f"HiGHS {highspy.Highs().version()}"


def set_parameters(highs: Any, given: Mapping[str, object]) -> dict[str, Any]:
    """Set parameters and return them as HiGHS holds them."""
    import highspy

    names = {n for n in dir(highs.getOptions()) if not n.startswith("_")}
    # highspy 1.16 lists a third of them not, which it takes by name.
    names |= {n for n in given if highs.getOptionValue(n)[0] == highspy.HighsStatus.kOk}
    refuse(given, HELD, names)
    found = {}
    for name, value in given.items():
        now = highs.getOptionValue(name)[1]
        typed = as_kind(name, value, type(now))
        if highs.setOptionValue(name, typed) != highspy.HighsStatus.kOk:
            allowed = f"a value that HiGHS takes in the place of {now!r}"
            raise ParameterError(name, value, allowed, "correct the value")
        found[name] = typed
    return found


def check(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters as HiGHS holds them."""
    import highspy

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    return set_parameters(highs, parameters)


def size(file: str) -> dict[str, int]:
    """Return what HiGHS reads in a file."""
    import highspy

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    if highs.readModel(file) == highspy.HighsStatus.kError:
        raise UnsupportedError("HiGHS does not read the file")
    return {"rows": highs.getNumRow(), "columns": highs.getNumCol()}


def _listen(highs: Any, names: list[str], improvements: Improvements) -> None:
    """Have better solutions told; by versions whose callbacks are events, from 1.8 on."""
    if improvements.path is None or not hasattr(highs, "cbMipImprovingSolution"):
        return

    def found(event: Any) -> None:
        values = event.data_out.mip_solution
        improvements.tell(lambda: dict(zip(names, values, strict=True)))

    highs.cbMipImprovingSolution += found


def solve(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read the file and solve it."""
    import highspy

    began = time.perf_counter()
    highs = highspy.Highs()
    for name, value in (
        ("output_flag", request["log"]),
        ("threads", request["threads"]),
        ("random_seed", request["seed"]),
        ("small_matrix_value", 1e-12),
        ("primal_feasibility_tolerance", 1e-9),
        ("mip_feasibility_tolerance", 1e-9),
        ("mip_rel_gap", request["relative_gap"]),
        ("mip_abs_gap", 0.0),
    ):
        highs.setOptionValue(name, value)
    set_parameters(highs, request["parameters"])
    if highs.readModel(request["file"]) == highspy.HighsStatus.kError:
        raise UnsupportedError("HiGHS does not read the file")
    names = list(highs.getLp().col_names_)
    read_s = time.perf_counter() - began
    limit = remaining_s(request, began)
    if limit is not None:
        highs.setOptionValue("time_limit", limit)
    _listen(highs, names, Improvements(request))
    highs.run()
    info, status = highs.getInfo(), highs.getModelStatus()
    statuses = highspy.HighsModelStatus
    ended = {
        statuses.kOptimal: "optimal",
        statuses.kInfeasible: "infeasible",
        statuses.kUnboundedOrInfeasible: "infeasible",
        statuses.kTimeLimit: "time",
    }.get(status, "limit")
    solved = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    # The optimum of the relaxation is a bound; its columns are no plan.
    relaxed = bool(highs.getLp().integrality_) and highs.getOptionValue("solve_relaxation")[1]
    whole = bool(highs.getLp().integrality_) and not relaxed
    objective = info.objective_function_value if solved else None
    bound = info.mip_dual_bound if whole else objective if ended == "optimal" else None
    return answer(
        "limit" if relaxed and ended == "optimal" else ended,
        objective=objective,
        bound=bound,
        values=dict(zip(names, highs.getSolution().col_value, strict=True))
        if solved and not relaxed
        else None,
        nodes=max(0, info.mip_node_count),
        read_s=read_s,
        solve_s=time.perf_counter() - began - read_s,
        said=highs.modelStatusToString(status),
    )
