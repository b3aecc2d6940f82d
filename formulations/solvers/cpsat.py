"""One run of CP-SAT within the budget of a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from splitopt.formulations.solvers.parameters import CPSAT

if TYPE_CHECKING:
    from splitopt.formulations.exact import Best


def run(
    best: Best[Any, Any],
    model: Any,
    settings: Mapping[str, object],
    seed: int,
    *,
    take: Callable[[Callable[[Any], int]], None],
    bound: Callable[[float], None],
) -> tuple[Any, Any]:
    """Run CP-SAT on a model; return its solver and the status.

    Parameters
    ----------
    settings
        What the method sets beside limits and seed.
    take
        Called with each solution: what gives the value of a literal.
    bound
        Called with each bound on the objective.
    """
    from ortools.sat.python import cp_model

    class _OnSolution(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            take(self.value)

    solver = cp_model.CpSolver()
    if best.remaining_s is not None:
        solver.parameters.max_time_in_seconds = best.remaining_s
    solver.parameters.num_workers = best.budget.threads
    solver.parameters.random_seed = seed % 2**31
    # OR-Tools 9.15 loses solutions where it matches at-most-ones with linear rows in presolve
    # and then proves a wrong optimum (google/or-tools issues 5274 and 5293); this skips it.
    solver.parameters.presolve_inclusion_work_limit = 0
    for name, value in settings.items():
        setattr(solver.parameters, name, value)
    CPSAT.set(solver.parameters, best.parameters)
    solver.parameters.log_search_progress = best.budget.log
    solver.best_bound_callback = bound
    status = solver.solve(model, _OnSolution())
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        take(solver.value)
    if status not in (cp_model.MODEL_INVALID, cp_model.INFEASIBLE):
        bound(solver.best_objective_bound)
    return solver, status
