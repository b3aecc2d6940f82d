"""Plumbing for HiGHS: pass arrays, run within a budget, read a bound that is safe to state.

Tolerances
----------
HiGHS works in floating point. Rows hold to `ROW_TOLERANCE` and integers to the same figure, so
what it solves is a slight relaxation: its bound stays a bound, its solutions must be checked.
Its dual bound rests on reduced costs that may be wrong by `COST_TOLERANCE` each; a solution
with at most H columns at one can so lie H times that below the bound. Nodes are pruned within
`relative_gap` of the incumbent, yet the reported bound may then equal the incumbent. `solve`
takes both off. A limit on seconds or bytes, scaled to one, is written as `WIDE`, so that no
feasible plan lies within the tolerance of it; the judge rejects what then passes wrongly.
Callers scale the objective to about `OBJECTIVE_SCALE`, so that the first is
some 1e-10 relative.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from splitopt.formulations.solvers.parameters import HIGHS
from splitopt.formulations.solvers.sparse import ROW_TOLERANCE, SparseModel
from splitopt.instances.core.arrays import Floats

if TYPE_CHECKING:
    from splitopt.formulations.exact import Best

__all__ = [
    "COST_TOLERANCE",
    "ROW_TOLERANCE",
    "WIDE",
    "Ended",
    "ModelRefusedError",
    "Outcome",
    "SparseModel",
    "load",
    "load_for",
    "silence",
    "solve",
    "solve_again",
]

COST_TOLERANCE = 1e-7
WIDE = 1 + 10 * ROW_TOLERANCE
_PROBING = 1 << 15  # its bit in HiGHS's presolve_rule_off
_SEARCHES = (
    "mip_heuristic_run_feasibility_jump",
    "mip_heuristic_run_rens",
    "mip_heuristic_run_rins",
    "mip_heuristic_run_root_reduced_cost",
)

Ended = Literal["solved", "infeasible", "time", "failed"]


class ModelRefusedError(RuntimeError):
    """HiGHS does not take a model: a coefficient is beyond its range."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What HiGHS came back with.

    Attributes
    ----------
    ended
        ``solved`` and ``infeasible`` are proofs, to the tolerances above.
    values
        Columns of the best solution, None without one.
    objective, bound
        Of that solution, and of any; None where unknown.
    nodes
        Of the tree.
    """

    ended: Ended
    values: Floats | None
    objective: float | None
    bound: float | None
    nodes: int


@functools.cache
def silence() -> None:
    """Build the first ``Highs`` of the process with standard output closed.

    HiGHS 1.16.0 prints its banner there before any option can be set, which would end up in the
    output of whoever calls, JSON included.
    """
    import ctypes

    import highspy

    sys.stdout.flush()
    libc = ctypes.CDLL(None)
    libc.fflush(None)
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        highspy.Highs()
        libc.fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def load(
    model: SparseModel,
    *,
    threads: int = 1,
    seed: int = 0,
    probing: bool = True,
    searches: bool = True,
    parameters: Mapping[str, object] | None = None,
    log: bool = False,
) -> Any:
    """Return a ``highspy.Highs`` that holds `model`, silent unless its `log` is wanted.

    Parameters
    ----------
    probing
        Whether presolve tries what follows from each binary, for which HiGHS 1.16 does not look at
        the clock.
    searches
        Whether HiGHS looks for solutions by MIPs within the MIP and by jumps, if its version can
        be told.
    parameters
        Of HiGHS, as `splitopt.formulations.solvers.parameters.HIGHS` has read them.

    Raises
    ------
    ModelRefusedError
        When HiGHS does not take it.
    """
    import highspy

    kept = model.value != 0
    row, column, value = model.row[kept], model.column[kept], model.value[kept]
    order = np.lexsort((row, column))
    n, m = len(model.cost), len(model.row_lower)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n, m
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = model.cost, model.lower, model.upper
    lp.row_lower_, lp.row_upper_ = model.row_lower, model.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.searchsorted(column[order], np.arange(n + 1)).astype(np.int32)
    lp.a_matrix_.index_ = row[order].astype(np.int32)
    lp.a_matrix_.value_ = value[order]
    if model.integer.any():
        kinds = highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger
        lp.integrality_ = [kinds[i] for i in model.integer.tolist()]
    silence()
    highs = highspy.Highs()
    # The scheduler is one a process: a change of threads needs a fresh one.
    highspy.Highs.resetGlobalScheduler(True)
    for name, setting in (
        ("output_flag", log),
        ("threads", threads),
        ("random_seed", seed % 2**31),
        ("small_matrix_value", 1e-12),
        ("primal_feasibility_tolerance", ROW_TOLERANCE),
        ("mip_feasibility_tolerance", ROW_TOLERANCE),
        ("dual_feasibility_tolerance", COST_TOLERANCE),
        ("mip_abs_gap", 0.0),
        ("presolve_rule_off", 0 if probing else _PROBING),
        *((name, False) for name in _SEARCHES if not searches),
    ):
        highs.setOptionValue(name, setting)
    HIGHS.set(highs, parameters or {})
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise ModelRefusedError("HiGHS refuses the model: its coefficients are too far apart")
    return highs


def load_for(
    best: Best[Any, Any],
    model: SparseModel,
    *,
    seed: int,
    probing: bool = True,
    searches: bool = True,
) -> Any:
    """Return a ``highspy.Highs`` as `load` does, with all that a run asks of its solver."""
    return load(
        model,
        threads=best.budget.threads,
        seed=seed,
        probing=probing,
        searches=searches,
        parameters=best.parameters,
        log=best.budget.log,
    )


def _safe(bound: float, objective: float, *, relative_gap: float, support: int) -> float | None:
    """Return a bound from HiGHS's own, None for none."""
    if not math.isfinite(bound):
        return None
    if math.isfinite(objective):
        bound = min(bound, objective - relative_gap * abs(objective))
    return bound - support * COST_TOLERANCE


def _adds_up(highs: Any, objective: float) -> bool:
    """Tell whether the solution held costs what HiGHS says it does."""
    lp = highs.getLp()
    cost = np.array(lp.col_cost_)
    values = np.array(highs.getSolution().col_value)
    with np.errstate(invalid="ignore"):
        terms = np.where(cost != 0, cost * values, 0.0)
    off = abs(float(terms.sum()) + float(lp.offset_) - objective)
    return off <= 1e-6 * float(np.abs(terms).sum())


def solve_again(highs: Any, **how: Any) -> Outcome:
    """Run HiGHS once more on the model it holds, without presolve; arguments as of `solve`."""
    highs.clearSolver()
    _, before = highs.getOptionValue("presolve")
    highs.setOptionValue("presolve", "off")
    try:
        return solve(highs, **how)
    finally:
        highs.setOptionValue("presolve", before)


def solve(
    highs: Any,
    *,
    time_limit_s: float | None,
    relative_gap: float,
    support: int,
    start: Floats | None = None,
    on_solution: Callable[[Floats], None] | None = None,
    on_bound: Callable[[float], None] | None = None,
) -> Outcome:
    """Run HiGHS.

    Parameters
    ----------
    highs
        From `load`; rows may have been added since.
    time_limit_s
        Wall-clock seconds from now.
    relative_gap
        Gap at which the proof is complete.
    support
        The most columns that are not zero in any solution; sets the bound's margin.
    start
        A solution to start from, shape (columns,).
    on_solution, on_bound
        Called with the columns of each improving solution, and with each safe bound.
    """
    import highspy

    end = math.inf if time_limit_s is None else time.perf_counter() + time_limit_s
    integer = len(highs.getLp().integrality_) > 0
    # Half of the gap is for the search, the rest for the margins taken off the bound.
    inner_gap = relative_gap / 2
    safe = functools.partial(_safe, relative_gap=inner_gap if integer else 0.0, support=support)
    highs.setOptionValue("mip_rel_gap", inner_gap)
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = start.tolist()
        highs.setSolution(solution)

    def solution_found(event: Any) -> None:
        if on_solution is not None:
            on_solution(np.array(event.data_out.mip_solution))

    def progress(event: Any) -> None:
        data = event.data_out
        bound = safe(data.mip_dual_bound, data.mip_primal_bound)
        if on_bound is not None and bound is not None:
            on_bound(bound)

    _run_until(highs, end, solution_found, progress, integer=integer)
    outcome = _outcome(highs, safe, integer=integer)
    if outcome is None and start is not None:
        # HiGHS 1.16.0 can call a start optimal at the value of a relaxation: without one, then.
        left = None if time_limit_s is None else max(0.0, end - time.perf_counter())
        highs.clearSolver()
        return solve(
            highs,
            time_limit_s=left,
            relative_gap=relative_gap,
            support=support,
            on_solution=on_solution,
            on_bound=on_bound,
        )
    nodes = max(0, int(highs.getInfo().mip_node_count))
    return outcome or Outcome("failed", None, None, None, nodes)


def _run_until(
    highs: Any,
    end: float,
    solution_found: Callable[[Any], None],
    progress: Callable[[Any], None],
    *,
    integer: bool,
) -> None:
    """Run HiGHS until `end` on the clock, and have it tell what it finds."""
    # HiGHS counts its run time over all runs of one object.
    highs.setOptionValue("time_limit", highs.getRunTime() + max(0.0, end - time.perf_counter()))

    def interrupt(event: Any) -> None:
        # HiGHS overruns its own limit; this asks again from outside.
        if time.perf_counter() > end:
            event.interrupt()

    heard = (
        (highs.cbMipImprovingSolution, solution_found),
        (highs.cbMipLogging, progress),
        (highs.cbMipInterrupt, interrupt),
    )
    for event, listener in heard if integer else ():
        event.subscribe(listener)
    try:
        highs.run()
    finally:
        for event, listener in heard if integer else ():
            event.unsubscribe(listener)


def _outcome(
    highs: Any, safe: Callable[[float, float], float | None], *, integer: bool
) -> Outcome | None:
    """Return what HiGHS ended with, None where its solution does not cost what it says."""
    import highspy

    statuses = highspy.HighsModelStatus
    info, status = highs.getInfo(), highs.getModelStatus()
    has_solution = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    objective = float(info.objective_function_value) if has_solution else math.inf
    if has_solution and not _adds_up(highs, objective):
        return None
    bound = float(info.mip_dual_bound)
    if not integer:
        bound = objective if status == statuses.kOptimal else -math.inf
    ends: dict[Any, Ended] = {
        statuses.kOptimal: "solved",
        statuses.kInfeasible: "infeasible",
        statuses.kTimeLimit: "time",
        statuses.kInterrupt: "time",
    }
    return Outcome(
        ends.get(status, "failed"),
        np.array(highs.getSolution().col_value) if has_solution else None,
        objective if has_solution else None,
        safe(bound, objective),
        max(0, int(info.mip_node_count)),
    )
