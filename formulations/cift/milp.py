"""Run a MILP of CIFT to a proof: incumbents to the judge, what it rejects cut off."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
from splitopt.instances.core.arrays import Floats, Ints

_COARSE = 10.0  # factor between scales from which solving again is worth it
_SMALL = 5000  # entries up to which a model is solved twice: a second opinion is cheap there
_WIDE_APART = 1e6  # ratio of a row's coefficients from which it is asked for in any case
_APART = 1e6  # a share of one continuous column costs this many optima: then it counts


@dataclass(frozen=True, slots=True)
class Row:
    """``lower <= values . x[columns] <= upper``."""

    lower: float
    upper: float
    columns: npt.NDArray[np.int32]
    values: Floats


@dataclass(frozen=True)
class Formulation:
    """A model in arrays, and what it says of plans.

    Attributes
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
    """

    model: SparseModel
    scale: float
    read: Callable[[Floats], tuple[CiftPlan, Ints]]
    support: int
    start: Callable[[], Floats | None]
    refine: Callable[[], list[Row]] = list
    cuts: Callable[[Ints], list[Row]] = lambda columns: []
    cutoff: float = math.inf
    probing: bool = True


def prove(best: Incumbent, form: Formulation, seed: int) -> Result:
    """Solve a formulation and return the result; `best` is kept up to date.

    HiGHS keeps rows to a tolerance. A plan that `check` rejects for its sake is cut off by
    ``sum of its columns <= their number - 1`` and the model is solved again, so neither a
    bound nor a proof of infeasibility rests on the tolerance.

    Notes
    -----
    What HiGHS says becomes a claim by the rules of `splitopt.instances.cift.claims`. Where
    coefficients are so far apart that the solver's tolerances hide the small ones, or where HiGHS
    contradicts a plan or itself, its bound is not taken; ``refused`` in the statistics says why.
    """
    began = best.recorder.elapsed_s
    model = form.model.tidied()
    try:
        highs = load_for(best, model, seed=seed, probing=form.probing)
    except ModelRefusedError as error:
        best.refuse(str(error))
        return best.claim(Termination.LIMIT)
    best.statistics |= model.size | {"load_s": best.recorder.elapsed_s - began}
    proof = _Proof(best, form, model, highs)
    rounds = nodes = 0
    while True:
        outcome = proof.round()
        rounds, nodes = rounds + 1, nodes + outcome.nodes
        best.statistics |= {
            "nodes": nodes,
            "rounds": rounds,
            "solve_s": best.recorder.elapsed_s - began,
        }
        ended = proof.ending(outcome)
        if ended is not None:
            return ended
        if proof.rejected:
            proof.cut()
            continue
        rows = [] if best.closed else form.refine()
        proof.add(rows)
        if not best.closed and best.objective_scale(1.0) > _COARSE * proof.scale:
            # The first guess was far off: the optimum drowns in the solver's tolerances.
            proof.rescale(best.objective_scale(1.0))
        elif not rows:
            proof.doubt(outcome)
            return best.claim(Termination.SOLVED)


class _Proof:
    """A model in HiGHS, and what its rounds have found."""

    def __init__(self, best: Incumbent, form: Formulation, model: SparseModel, highs: Any) -> None:
        self.best, self.form, self.highs, self.scale = best, form, highs, form.scale
        self.energy_j = model.cost / form.scale
        self.dearest_j = float(self.energy_j[~model.integer].max(initial=0.0))
        apart = model.apart
        if apart > SPREAD:
            best.refuse(
                f"coefficients of one row are {apart:.2g} apart: no bound of HiGHS is taken"
            )
        # A second opinion is cheap, or asked for in any case.
        self.solve_twice = len(model.value) <= _SMALL or apart > _WIDE_APART
        self.rejected: list[Ints] = []
        self.accepted = False

    def round(self) -> Outcome:
        """Solve the model as it stands."""
        outcome = solve(
            self.highs,
            time_limit_s=self.best.remaining_s,
            relative_gap=self.best.budget.relative_gap,
            support=self.form.support,
            start=self.form.start(),
            on_solution=self._found,
            on_bound=self._bounded,
        )
        if outcome.values is not None:
            self._found(outcome.values)
        if outcome.bound is not None:
            self._bounded(outcome.bound)
        return outcome

    def ending(self, outcome: Outcome) -> Result | None:
        """Return the result where the round was the last one."""
        if outcome.ended == "infeasible":
            if self.accepted:
                self.best.refuse("HiGHS found a plan and then says that there is none")
            else:
                self.doubt(outcome)
            return self.best.claim(Termination.SOLVED, exhausted=self.form.cutoff)
        if outcome.ended == "time":
            return self.best.claim(Termination.TIME)
        if outcome.ended == "failed":
            self.best.refuse("HiGHS ended without an answer")
            return self.best.claim(Termination.LIMIT)
        return None

    def doubt(self, first: Outcome) -> None:
        """Solve the model again without presolve where that is cheap; refuse what it disputes."""
        best = self.best
        if "refused" in best.statistics or not self.solve_twice:
            return
        again = solve_again(
            self.highs,
            time_limit_s=best.remaining_s,
            relative_gap=best.budget.relative_gap,
            support=self.form.support,
            start=self.form.start(),
        )
        best.statistics["second_opinion"] = again.ended
        if again.values is not None:
            self._found(again.values)
        if again.ended == "time":
            return
        if again.ended != first.ended:
            best.refuse(f"HiGHS: {first.ended}, and {again.ended} without its presolve")
        elif (
            first.bound is not None and again.objective is not None and first.objective is not None
        ):
            tolerance = best.budget.relative_gap * abs(first.objective)
            if again.objective < min(first.objective - tolerance, first.bound):
                unit = best.units.joule / self.scale
                best.refuse(
                    f"HiGHS: nothing below {first.bound * unit:.9g} J, and a solution of "
                    f"{again.objective * unit:.9g} J without its presolve"
                )

    def cut(self) -> None:
        """Cut off the rejected plans, and what else their columns rule out."""
        for columns in {tuple(path.tolist()) for path in self.rejected}:
            chosen = np.array(columns, dtype=np.int32)
            self.add([Row(-math.inf, len(columns) - 1.0, chosen, np.ones(len(columns)))])
            self.add(self.form.cuts(np.array(columns)))
        self.rejected.clear()

    def add(self, rows: list[Row]) -> None:
        """Add rows to the model."""
        for row in rows:
            self.highs.addRow(row.lower, row.upper, len(row.columns), row.columns, row.values)

    def rescale(self, scale: float) -> None:
        """Let the objective be energy times another scale."""
        self.scale = scale
        every = np.arange(len(self.energy_j), dtype=np.int32)
        self.highs.changeColsCost(len(every), every, self.energy_j * scale)

    def _found(self, values: Floats) -> None:
        plan, columns = self.form.read(values)
        if not self.best.offer(plan):
            self.rejected.append(np.sort(columns))
        else:
            self.accepted = True

    def _bounded(self, bound: float) -> None:
        # Where energies are far apart, a column off by the row tolerance shows in the bound.
        # `scale` is the one in force at the time.
        reference = min(self.best.objective, abs(bound) / self.scale)
        far = self.dearest_j > _APART * reference
        loss = ROW_TOLERANCE * self.dearest_j if far else 0.0
        self.best.propose_bound(min(bound / self.scale - loss, self.form.cutoff))
