r"""MEPRA in its quadratic form, the square replaced by tangents: a MILP for HiGHS.

With the splits (and exits) fixed the best shares are proportional to
:math:`r_i = \sqrt{w_T W_i / C}`, where W_i is the work device i leaves to the edge, and the cost
is :math:`\sum_i a_i + (\sum_i r_i)^2` with a_i the cost of the device's own time, energy and
sending (Cauchy-Schwarz: :math:`\sum_i r_i^2 / \alpha_i \ge (\sum_i r_i)^2` when the shares sum to
one). So shares vanish from the model, and what is left is convex in one linear form.

Variables
---------
``x_k`` in {0, 1} for each option k of each device but its first, d(i), which it takes when all
its x are 0 (`splitopt.formulations.mepra.options`); ``R >= 0``, the sum of roots; ``v >= 0``, which
stands for R^2; ``one = 1``, which carries the constants.

Constraints
-----------
At most one other option a device, the sum of roots, and tangents to the parabola at some
points rho::

    sum_{k of i} x_k <= 1                  for each device i with two other options or more
    sum_k (r_k - r_d(i)) x_k + (sum_i r_d(i)) one - R = 0
    v >= 2 rho R - rho^2                   for each rho

(With an x for the first options as well, and sums of x equal to one, HiGHS's presolve spends
minutes on ten thousand devices to come to this form.)

Objective
---------
``min sum_k (a_k - a_d(i)) x_k + (sum_i a_d(i)) one + v``.

Before HiGHS starts (option `reduction`), options leave that the relaxation rules out: those
whose penalty exceeds what separates its value from a known plan's cost
(`splitopt.formulations.mepra.relaxation`); and R gets the ends between which such a plan has it.

Where roots have a common step (option `steps`), a whole column K counts it, ``sum_k m_k x_k = K``
(`splitopt.formulations.mepra.lattice`): the relaxation is as it was, and branching on K passes over
the gaps between sums of roots, which no tangent sees.

Rounds
------
A parabola lies above its tangents, so each MILP's bound is a bound on MEPRA. Its solution has
the true cost sum a + R^2, off from the model's by R^2 - v. Where the gap is left, the tangent
at that R is added, which makes the model exact there, and the MILP is solved again, from its
last solution. There are finitely many R, so the rounds end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from splitopt.formulations.mepra.exact import ExactMepra
from splitopt.formulations.mepra.incumbent import Incumbent, best_responses
from splitopt.formulations.mepra.lattice import lattice_of
from splitopt.formulations.mepra.options import OptionTable, option_table
from splitopt.formulations.mepra.relaxation import Relaxation, relax
from splitopt.formulations.mepra.rounds import Rounds
from splitopt.formulations.solvers import OBJECTIVE_SCALE
from splitopt.formulations.solvers.highs import SparseModel
from splitopt.formulations.solvers.parameters import HIGHS
from splitopt.instances.contract.method import Option, Result
from splitopt.instances.core.arrays import Floats, Ints

# Bands to branch over, as for CP-SAT; with many HiGHS probes on without a look at the clock.
_MOST_STEPS = 100
# Times the R of the relaxation: the tangent there makes the MILP's relaxation as good as the
# convex problem's (the Lagrangian bound), its neighbours save rounds.
_FIRST_TANGENTS = (0.3, 0.6, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.6, 3.0)


class TangentModel:
    """Columns and rows of the MILP over some options, with costs times a scale.

    Columns are the options `others`, then one, R and v, and K where roots have a step.

    Parameters
    ----------
    table
        All options.
    kept
        Positions of those in the model, ascending, at least one a device.
    scale
        Factor on costs; roots are multiplied by its square root.
    sums
        What R lies between in every plan that matters.
    steps
        Whether to count steps where roots have one in common.
    """

    def __init__(
        self,
        table: OptionTable,
        kept: Ints,
        scale: float,
        sums: tuple[float, float] = (0.0, math.inf),
        *,
        steps: bool = True,
    ) -> None:
        self.table = table
        self.scale = scale
        device = table.device[kept]
        is_first = np.ones(len(kept), dtype=bool)
        is_first[1:] = device[1:] != device[:-1]
        self.first = kept[is_first]
        self.others = kept[~is_first]
        self.owner = device[~is_first]
        self.base = float(table.root[self.first].sum())
        self.extra = table.root[self.others] - table.root[self.first][self.owner]
        self.lattice = lattice_of(self.extra, self.owner) if steps else None
        if self.lattice is not None:
            least, most = self.lattice.counts(*(end - self.base for end in sums))
            if most - least > _MOST_STEPS:
                self.lattice = None
        # Ends of R alone bring nothing, and HiGHS may propagate them past any limit of time.
        self.sums = (0.0, math.inf) if self.lattice is None else sums

    def milp(self, tangents: Floats) -> SparseModel:
        """Return the MILP with tangents at points in units of the scaled R."""
        table, owner, others = self.table, self.owner, self.others
        m, unit = len(others), np.sqrt(self.scale)
        own = table.own_cost * self.scale
        # Variables.
        one, total, square = m, m + 1, m + 2
        least, most = (end * unit for end in self.sums)
        upper = np.concatenate([np.ones(m + 1), [most, np.inf]])
        lower = np.concatenate([np.zeros(m), [1.0, least, 0.0]])
        # Constraints: one option a device where there is a choice, the sum of roots, tangents.
        crowded, row_of = np.unique(owner, return_inverse=True)
        several = np.bincount(row_of, minlength=len(crowded)) > 1
        number = np.cumsum(several) - 1
        in_row = np.flatnonzero(several[row_of])
        ones = int(several.sum())
        tangent_rows = ones + 1 + np.arange(len(tangents))
        row = np.concatenate([number[row_of[in_row]], np.full(m + 2, ones)])
        row = np.concatenate([row, tangent_rows, tangent_rows])
        column = np.concatenate([in_row, np.arange(m), [one, total]])
        column = np.concatenate([column, np.repeat([square, total], len(tangents))])
        value = np.concatenate(
            [
                np.ones(len(in_row)),
                self.extra * unit,
                [self.base * unit, -1.0],
                np.ones(len(tangents)),
                -2 * tangents,
            ]
        )
        model = SparseModel(
            # Objective.
            cost=np.concatenate(
                [own[others] - own[self.first][owner], [own[self.first].sum(), 0.0, 1.0]]
            ),
            lower=lower,
            upper=upper,
            integer=np.arange(m + 3) < m,
            row_lower=np.concatenate([np.full(ones, -np.inf), [0.0], -(tangents**2)]),
            row_upper=np.concatenate([np.ones(ones), [0.0], np.full(len(tangents), np.inf)]),
            row=row.astype(np.int64),
            column=column.astype(np.int64),
            value=value,
        )
        return self._counted(model)

    def _counted(self, model: SparseModel) -> SparseModel:
        """Return a model with the column K and its row, where roots have a step."""
        if self.lattice is None:
            return model
        whole = np.flatnonzero(self.lattice.whole)
        least, most = self.lattice.counts(*(end - self.base for end in self.sums))
        column, row = len(model.cost), len(model.row_lower)
        return SparseModel(
            cost=np.append(model.cost, 0.0),
            lower=np.append(model.lower, least),
            upper=np.append(model.upper, most),
            integer=np.append(model.integer, True),
            row_lower=np.append(model.row_lower, 0.0),
            row_upper=np.append(model.row_upper, 0.0),
            row=np.append(model.row, np.full(len(whole) + 1, row)),
            column=np.concatenate([model.column, whole, [column]]),
            value=np.concatenate([model.value, self.lattice.whole[whole], [-1.0]]),
        )

    def tangent(self, rho: float) -> tuple[float, Ints, Floats]:
        """Return the row v - 2 rho R >= -rho^2: its left end, columns and values."""
        m = len(self.others)
        return -rho * rho, np.array([m + 1, m + 2], dtype=np.int64), np.array([-2 * rho, 1.0])

    def touch(self, highs: Any, slope: float) -> int:
        """Add the tangent of a slope to a loaded model; return how many rows that is."""
        left, columns, values = self.tangent(slope)
        highs.addRow(left, np.inf, len(columns), columns.astype(np.int32), values)
        return 1

    def picked(self, values: Floats) -> Ints | None:
        """Return the options a solution picks, one a device; None if it picks two."""
        taken = np.flatnonzero(values[: len(self.others)] > 0.5)
        owner = self.owner[taken]
        if len(np.unique(owner)) < len(owner):
            return None
        choice = self.first.copy()
        choice[owner] = self.others[taken]
        return choice

    def columns(self, choice: Ints) -> Floats | None:
        """Return the solution of one option a device; None if one is not in the model."""
        at = np.searchsorted(self.others, choice)
        at[at == len(self.others)] = 0
        other = self.others[at] == choice if len(self.others) else np.zeros(len(choice), bool)
        if not bool((other | (self.first == choice)).all()):
            return None
        m = len(self.others)
        values = np.zeros(m + 3)
        values[at[other]] = 1.0
        values[m] = 1.0
        values[m + 1] = self.table.root[choice].sum() * np.sqrt(self.scale)
        values[m + 2] = values[m + 1] ** 2
        if self.lattice is None:
            return values
        return np.append(values, self.lattice.whole @ values[:m])


def _worth_having(table: OptionTable, objective: float) -> Ints:
    """Return the options that some plan no dearer than `objective` may use.

    A plan with option k costs at least the least own costs of all devices, plus what k's own
    cost exceeds its device's least, plus r_k^2.
    """
    least = np.minimum.reduceat(table.own_cost, table.start[:-1])
    excess = table.own_cost - np.repeat(least, np.diff(table.start))
    at_least = float(least.sum()) + excess + table.root**2
    return np.flatnonzero(at_least <= objective * (1 + 1e-9)).astype(np.int64)


def _not_ruled_out(
    table: OptionTable, relaxed: Relaxation, objective: float
) -> tuple[Ints, tuple[float, float]]:
    """Return what a plan no dearer than `objective` has room for.

    A plan costs the relaxation's value, plus the penalties of its options, plus the square of
    what its sum of roots R is off from the multiplier.

    Returns
    -------
    kept
        The options whose penalty leaves room for such a plan.
    sums
        What R then lies between.
    """
    room = max(0.0, objective * (1 + 1e-12) - relaxed.value + relaxed.error)
    kept = np.flatnonzero(relaxed.penalty(table) <= room).astype(np.int64)
    reach = math.sqrt(room) * (1 + 1e-12) + 1e-12 * relaxed.multiplier
    return kept, (max(0.0, relaxed.multiplier - reach), relaxed.multiplier + reach)


class MepraTangent(ExactMepra):
    """Tangents to the square of the sum of roots, MILPs solved by HiGHS."""

    name = "highs-tangent"
    parameters = HIGHS
    options: tuple[Option, ...] = (
        Option("reduction", True, "drop options that the relaxation rules out"),
        Option("steps", True, "count steps where roots have one in common"),
        Option("max_rounds", 1000, "MILPs solved at most", minimum=1),
    )

    def prove(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        table = option_table(instance)
        relaxed = relax(table)
        choice = None if best.plan is None else table.choice_of(best.plan)
        if choice is None:
            choice = relaxed.default
        choice = best_responses(table, choice, rounds=100)
        best.offer_choice(table, choice)
        if best.objective == 0:
            return best.result()
        if chosen["reduction"]:
            certain = (relaxed.value - relaxed.error) * (1 - table.relative_error)
            best.raise_bound(certain * (1 - 1e-15))
            if best.closed:
                return best.result()
            kept, sums = _not_ruled_out(table, relaxed, best.objective)
        else:
            kept, sums = _worth_having(table, best.objective), (0.0, math.inf)
        form = TangentModel(table, kept, _scale(best), sums, steps=bool(chosen["steps"]))
        points = np.append(relaxed.multiplier * np.array(_FIRST_TANGENTS), table.root[choice].sum())
        tangents = np.unique(points * np.sqrt(form.scale))
        model = form.milp(tangents)
        best.statistics["build_s"] = best.recorder.elapsed_s
        return Rounds(best, form, seed).solve(
            model,
            choice,
            int(chosen["max_rounds"]),
            seen=set(tangents.tolist()),
            planes=("tangents", len(tangents)),
            # Without them a third of the time, measured in docs/strength.md.
            searches=False,
            support=int(model.integer.sum()) + 3,
        )


def _scale(best: Incumbent) -> float:
    """Return the factor on costs that suits HiGHS's tolerances."""
    return OBJECTIVE_SCALE * max(1.0, best.instance.devices / 100) / best.objective


METHOD = MepraTangent()
