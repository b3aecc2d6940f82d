"""Run a MILP of CIFT to a proof: incumbents to the judge, what it rejects cut off."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.solvers.highs import (
    ROW_TOLERANCE,
    ModelRefusedError,
    Outcome,
    SparseModel,
    load_for,
    solve,
    solve_again,
)
from splitopt.instances.cift.claims import SPREAD
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Result, Termination

__all__ = ["Row", "prove"]

_COARSE = 10.0  # factor between scales from which solving again is worth it
_SMALL = 5000  # entries up to which a model is solved twice: a second opinion is cheap there
_WIDE_APART = 1e6  # ratio of a row's coefficients from which it is asked for in any case
_APART = 1e6  # a share of one continuous column costs this many optima: then it counts

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """``lower <= values . x[columns] <= upper``."""

    lower: float
    upper: float
    columns: npt.NDArray[np.int32]
    values: Floats


def prove(
    best: Incumbent,
    model: SparseModel,
    *,
    scale: float,
    read: Callable[[Floats], tuple[CiftPlan, Ints]],
    support: int,
    seed: int,
    start: Callable[[], Floats | None],
    refine: Callable[[], list[Row]] = list,
    cuts: Callable[[Ints], list[Row]] = lambda columns: [],
    cutoff: float = math.inf,
    probing: bool = True,
) -> Result:
    """Solve `model` and return the result; `best` is kept up to date.

    HiGHS keeps rows to a tolerance. A plan that `check` rejects for its sake is cut off by
    ``sum of its columns <= their number - 1`` and the model is solved again, so neither a
    bound nor a proof of infeasibility rests on the tolerance.

    Parameters
    ----------
    model
        Its objective is energy times `scale`; scaled anew when the optimum turns out to be far
        from `OBJECTIVE_SCALE`.
    read
        From columns to the plan and the 0-1 columns that stand for it.
    support
        The most columns that are not zero in a solution.
    start
        Gives the columns of the best plan, None where it does not fit the model.
    refine
        Called when the model is solved and the gap is not closed: rows that tighten it (valid
        for all plans), none to end.
    cuts
        Rows, valid for all plans, that cut off more than a rejected plan, given its columns.
    cutoff
        The bound on what the model leaves out, J.
    probing
        As of `splitopt.formulations.solvers.highs.load`.

    Notes
    -----
    What HiGHS says becomes a claim by the rules of `splitopt.instances.cift.claims`. Where
    coefficients are so far apart that the solver's tolerances hide the small ones, or where HiGHS
    contradicts a plan or itself, its bound is not taken; ``refused`` in the statistics says why.
    """
    began = best.recorder.elapsed_s
    model = model.tidied()
    try:
        highs = load_for(best, model, seed=seed, probing=probing)
    except ModelRefusedError as error:
        best.refuse(str(error))
        return best.claim(Termination.LIMIT)
    best.statistics |= model.size | {"load_s": best.recorder.elapsed_s - began}
    rejected: list[Ints] = []
    accepted = False
    energy_j = model.cost / scale
    apart = model.apart
    if apart > SPREAD:
        best.refuse(f"coefficients of one row are {apart:.2g} apart: no bound of HiGHS is taken")

    def found(values: Floats) -> None:
        nonlocal accepted
        plan, columns = read(values)
        if not best.offer(plan):
            rejected.append(np.sort(columns))
        else:
            accepted = True

    dearest_j = float(energy_j[~model.integer].max(initial=0.0))

    def bounded(bound: float) -> None:
        # Where energies are far apart, a column off by the row tolerance shows in the bound.
        # `scale` is the one in force at the time.
        reference = min(best.objective, abs(bound) / scale)
        loss = ROW_TOLERANCE * dearest_j if dearest_j > _APART * reference else 0.0
        best.propose_bound(min(bound / scale - loss, cutoff))

    def ask_again(first: Outcome) -> None:
        """Solve the model as it stands again without presolve; refuse the proof if it disagrees."""
        again = solve_again(
            highs,
            time_limit_s=best.remaining_s,
            relative_gap=best.budget.relative_gap,
            support=support,
            integer=bool(model.integer.any()),
            start=start(),
        )
        best.statistics["second_opinion"] = again.ended
        if again.values is not None:
            found(again.values)
        if again.ended == "time":
            return
        if again.ended != first.ended:
            best.refuse(f"HiGHS: {first.ended}, and {again.ended} without its presolve")
        elif (
            first.bound is not None and again.objective is not None and first.objective is not None
        ):
            tolerance = best.budget.relative_gap * abs(first.objective)
            if again.objective < min(first.objective - tolerance, first.bound):
                unit = best.units.joule / scale
                best.refuse(
                    f"HiGHS: nothing below {first.bound * unit:.9g} J, and a solution of "
                    f"{again.objective * unit:.9g} J without its presolve"
                )

    small = len(model.value) <= _SMALL or apart > _WIDE_APART
    nodes = rounds = 0
    while True:
        outcome = solve(
            highs,
            time_limit_s=best.remaining_s,
            relative_gap=best.budget.relative_gap,
            support=support,
            integer=bool(model.integer.any()),
            start=start(),
            on_solution=found,
            on_bound=bounded,
        )
        rounds += 1
        nodes += outcome.nodes
        best.statistics |= {
            "nodes": nodes,
            "rounds": rounds,
            "solve_s": best.recorder.elapsed_s - began,
        }
        if outcome.values is not None:
            found(outcome.values)
        if outcome.bound is not None:
            bounded(outcome.bound)
        if outcome.ended == "infeasible":
            if accepted:
                best.refuse("HiGHS found a plan and then says that there is none")
            elif "refused" not in best.statistics and small:
                ask_again(outcome)
            return best.claim(Termination.SOLVED, exhausted=cutoff)
        if outcome.ended == "time":
            return best.claim(Termination.TIME)
        if outcome.ended == "failed":
            best.refuse("HiGHS ended without an answer")
            return best.claim(Termination.LIMIT)
        if not rejected:
            better = best.objective_scale(1.0)
            rows = [] if best.closed else refine()
            for row in rows:
                highs.addRow(row.lower, row.upper, len(row.columns), row.columns, row.values)
            if not best.closed and better > _COARSE * scale:
                # The first guess was far off: the optimum drowns in the solver's tolerances.
                scale = better
                every = np.arange(len(energy_j), dtype=np.int32)
                highs.changeColsCost(len(every), every, energy_j * scale)
            elif not rows:
                if small and "refused" not in best.statistics:
                    ask_again(outcome)
                return best.claim(Termination.SOLVED)
            continue
        for columns in {tuple(path.tolist()) for path in rejected}:
            count = len(columns)
            highs.addRow(
                -np.inf, count - 1.0, count, np.array(columns, dtype=np.int32), np.ones(count)
            )
            for row in cuts(np.array(columns)):
                highs.addRow(row.lower, row.upper, len(row.columns), row.columns, row.values)
        rejected.clear()
