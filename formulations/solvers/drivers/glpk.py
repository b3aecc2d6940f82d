"""GLPK, by swiglpk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .common import UnsupportedError, answer, as_kind, refuse, remaining_s

HELD = {
    "tm_lim": "--time-limit sets it",
    "mip_gap": "--gap sets it",
    "msg_lev": "solve --log, run --keep-logs set it",
    "cb_func": "the solution comes back by itself",
    "cb_info": "the solution comes back by itself",
    "cb_size": "the solution comes back by itself",
    "save_sol": "the solution comes back by itself",
}


def load() -> str:
    """Import the solver and return its name."""
    import swiglpk as glpk

    return f"GLPK {glpk.glp_version()}"


def _settings(given: Mapping[str, object]) -> tuple[Any, dict[str, Any]]:
    import swiglpk as glpk

    settings = glpk.glp_iocp()
    glpk.glp_init_iocp(settings)
    settings.presolve, settings.tol_int = glpk.GLP_ON, 1e-9
    names = [n for n in dir(settings) if n[0].islower() and n not in ("foo_bar", "this", "thisown")]
    refuse(given, HELD, names)
    found = {}
    for name, value in given.items():
        found[name] = as_kind(name, value, type(getattr(settings, name)))
        setattr(settings, name, found[name])
    return settings, found


def check(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters as GLPK holds them: the fields of its glp_iocp."""
    return _settings(parameters)[1]


def _read(file: str) -> Any:
    import swiglpk as glpk

    problem = glpk.glp_create_prob()
    if file.endswith(".lp"):
        failed = glpk.glp_read_lp(problem, None, file)
    else:
        failed = glpk.glp_read_mps(problem, glpk.GLP_MPS_FILE, None, file)
    if failed:
        raise UnsupportedError("GLPK does not read the file")
    return problem


def size(file: str) -> dict[str, int]:
    """Return what GLPK reads in a file."""
    import swiglpk as glpk

    glpk.glp_term_out(glpk.GLP_OFF)
    problem = _read(file)
    rows, columns = glpk.glp_get_num_rows(problem), glpk.glp_get_num_cols(problem)
    return {"rows": rows, "columns": columns}


def solve(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read the file and solve it."""
    import swiglpk as glpk

    began = time.perf_counter()
    glpk.glp_term_out(glpk.GLP_ON if request["log"] else glpk.GLP_OFF)
    problem = _read(request["file"])
    settings, _ = _settings(request["parameters"])
    settings.mip_gap = request["relative_gap"]
    read_s = time.perf_counter() - began
    limit = remaining_s(request, began)
    if limit is not None:
        settings.tm_lim = int(1000 * limit)
    code = glpk.glp_intopt(problem, settings)
    status = glpk.glp_mip_status(problem)
    # Its presolve says so by a code.
    nothing = code == glpk.GLP_ENOPFS or status == glpk.GLP_NOFEAS
    ended = "limit"
    if nothing:
        ended = "infeasible"
    elif code == glpk.GLP_EMIPGAP or (code == 0 and status == glpk.GLP_OPT):
        ended = "optimal"  # within the gap that was asked for
    elif code == glpk.GLP_ETMLIM:
        ended = "time"
    values = objective = None
    if status in (glpk.GLP_OPT, glpk.GLP_FEAS):
        columns = range(1, glpk.glp_get_num_cols(problem) + 1)
        values = {glpk.glp_get_col_name(problem, j): glpk.glp_mip_col_val(problem, j)
                  for j in columns}  # fmt: skip
        objective = glpk.glp_mip_obj_val(problem)
    return answer(
        ended,
        objective=objective,
        bound=objective if ended == "optimal" else None,
        values=values,
        read_s=read_s,
        solve_s=time.perf_counter() - began - read_s,
        said=f"code {code}, status {status}",
    )
