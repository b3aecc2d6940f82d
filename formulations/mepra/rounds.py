"""MILPs in rounds, until the gap is closed: each solution adds the planes that touch at its R.

What is solved is not said here: a `Form` has its own columns, rows and planes.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

from splitopt.formulations.mepra.incumbent import Incumbent
from splitopt.formulations.mepra.options import OptionTable
from splitopt.formulations.solvers.highs import SparseModel, load_for, solve
from splitopt.instances.contract.method import Result, Termination
from splitopt.instances.core.arrays import Floats, Ints


class Form(Protocol):
    """A model of an option table, with costs times `scale`."""

    table: OptionTable
    scale: float

    def picked(self, values: Floats) -> Ints | None:
        """Return the options a solution picks, one a device; None if it picks otherwise."""

    def columns(self, choice: Ints) -> Floats | None:
        """Return the solution of one option a device; None if one is not in the model."""

    def touch(self, highs: Any, slope: float) -> int:
        """Add the planes of a slope, in units of the scaled R, to a model; return how many."""


class Rounds:
    """A form, and the best plan and bound so far."""

    def __init__(self, best: Incumbent, form: Form, seed: int) -> None:
        self.best, self.form, self.seed = best, form, seed
        # Options left out make no plan cheaper than the one known by then, nor is more proven.
        self.ceiling = best.objective

    def raise_bound(self, bound: float | None) -> None:
        """Take a bound of HiGHS."""
        if bound is not None:
            shrink = 1 - self.form.table.relative_error - 1e-12
            self.best.raise_bound(min(bound / self.form.scale, self.ceiling) * shrink)

    def take(self, values: Floats) -> None:
        """Offer the plan of a solution."""
        picked = self.form.picked(values)
        if picked is not None:
            self.best.offer_choice(self.form.table, picked)

    def solve(
        self,
        model: SparseModel,
        choice: Ints,
        most: int,
        *,
        seen: set[float],
        planes: tuple[str, int],
        support: int,
        searches: bool = True,
    ) -> Result:
        """Solve MILPs, with more planes each, until the gap is closed or the time is up.

        Parameters
        ----------
        model
            The first.
        choice
            The options of the first solution.
        most
            How many MILPs to solve at most.
        seen
            Slopes that all devices have planes of.
        planes
            What the statistics call planes, and how many there are.
        support
            The most columns that are not zero in a solution.
        searches
            Whether HiGHS looks for solutions by searches of its own.
        """
        best, form = self.best, self.form
        name, count = planes
        highs = load_for(best, model, seed=self.seed, searches=searches)
        best.statistics |= model.size | {"nodes": 0}
        nodes = 0
        for number in range(1, most + 1):
            outcome = solve(
                highs,
                time_limit_s=best.remaining_s,
                relative_gap=best.budget.relative_gap / 2,
                support=support,
                start=form.columns(choice),
                on_solution=self.take,
                on_bound=self.raise_bound,
            )
            nodes += outcome.nodes
            best.statistics |= {"rounds": number, "nodes": nodes, name: count}
            self.raise_bound(outcome.bound)
            picked = None if outcome.values is None else form.picked(outcome.values)
            if picked is not None:
                best.offer_choice(form.table, picked)
            if best.closed:
                return best.result()
            if outcome.ended != "solved" or picked is None:
                ended = Termination.TIME if outcome.ended == "time" else Termination.CRASHED
                return best.result(ended)
            slope = float(form.table.root[picked].sum()) * math.sqrt(form.scale)
            if slope in seen:
                # The model is exact at its own solution: what is left is the solver's tolerance.
                return best.result()
            seen.add(slope)
            choice = picked
            count += form.touch(highs, slope)
        return best.result(Termination.LIMIT)
