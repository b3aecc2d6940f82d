r"""MEPRA in its quadratic form, the square replaced by tangents: a MILP for HiGHS.

With the splits (and exits) fixed the best shares are proportional to
:math:`r_i = \sqrt{w_T W_i / C}`, where W_i is the work device i leaves to the edge, and the cost
is :math:`\sum_i a_i + (\sum_i r_i)^2` with a_i the cost of the device's own time, energy and
sending (Cauchy-Schwarz: :math:`\sum_i r_i^2 / \alpha_i \ge (\sum_i r_i)^2` when the shares sum to
one). So shares vanish from the model, and what is left is convex in one linear form.

Variables
---------
``x_k`` in {0, 1} for each option k of each device (`formulations.mepra_options`);
``R >= 0``, the sum of roots; ``v >= 0``, which stands for R^2.

Constraints
-----------
One option a device, the sum of roots, and tangents to the parabola at some points rho::

    sum_{k of i} x_k = 1           for each device i
    sum_k r_k x_k - R = 0
    v >= 2 rho R - rho^2           for each rho

Objective
---------
``min sum_k a_k x_k + v``.

Rounds
------
A parabola lies above its tangents, so each MILP's bound is a bound on MEPRA. Its solution has
the true cost sum a + R^2, off from the model's by R^2 - v. Where the gap is left, the tangent
at that R is added, which makes the model exact there, and the MILP is solved again, from its
last solution. There are finitely many R, so the rounds end.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from formulations.highs_tools import OBJECTIVE_SCALE, SparseModel, load, solve
from formulations.mepra_incumbent import Incumbent, best_responses
from formulations.mepra_options import OptionTable, option_table
from formulations.mepra_relaxation import relax
from instances.interface import (
    Budget,
    OnProgress,
    Option,
    Recorder,
    Result,
    Support,
    Termination,
    read_options,
)
from instances.mepra import MepraInstance
from instances.mepra_plan import MepraPlan

__all__ = ["METHOD", "MepraTangent", "tangent_model"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Times the R of the relaxation: the tangent there makes the MILP's relaxation as good as the
# convex problem's (the Lagrangian bound), its neighbours save rounds.
_FIRST_TANGENTS = (0.3, 0.6, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.6, 3.0)


def tangent_model(
    table: OptionTable, kept: Integers, tangents: Floats, scale: float
) -> SparseModel:
    """Return the MILP over some options, with costs times `scale`.

    Parameters
    ----------
    kept
        Positions of the options in the model, ascending; column c is option ``kept[c]``, then
        come R and v.
    tangents
        Points rho at which there is a tangent, in units of the scaled R.
    scale
        Factor on costs; roots are multiplied by its square root.
    """
    m, n = len(kept), table.devices
    columns = np.arange(m)
    # Variables.
    total, square = m, m + 1
    lower = np.zeros(m + 2)
    upper = np.append(np.ones(m), [np.inf, np.inf])
    # Constraints: one option a device, the sum of roots, tangents.
    one_row = table.device[kept]
    root_row = n
    tangent_rows = n + 1 + np.arange(len(tangents))
    row = np.concatenate([one_row, np.full(m, root_row), [root_row], tangent_rows, tangent_rows])
    column = np.concatenate(
        [
            columns,
            columns,
            [total],
            np.full(len(tangents), square),
            np.full(len(tangents), total),
        ]
    )
    value = np.concatenate(
        [
            np.ones(m),
            table.root[kept] * np.sqrt(scale),
            [-1.0],
            np.ones(len(tangents)),
            -2 * tangents,
        ]
    )
    return SparseModel(
        # Objective.
        cost=np.append(table.own_cost[kept] * scale, [0.0, 1.0]),
        lower=lower,
        upper=upper,
        integer=np.append(np.ones(m, dtype=bool), [False, False]),
        row_lower=np.concatenate([np.ones(n), [0.0], -(tangents**2)]),
        row_upper=np.concatenate([np.ones(n), [0.0], np.full(len(tangents), np.inf)]),
        row=row.astype(np.int64),
        column=column.astype(np.int64),
        value=value,
    )


def _worth_having(table: OptionTable, objective: float) -> Integers:
    """Return the options that some plan no dearer than `objective` may use.

    A plan with option k costs at least the least own costs of all devices, plus what k's own
    cost exceeds its device's least, plus r_k^2.
    """
    least = np.minimum.reduceat(table.own_cost, table.start[:-1])
    excess = table.own_cost - np.repeat(least, np.diff(table.start))
    at_least = float(least.sum()) + excess + table.root**2
    return np.nonzero(at_least <= objective * (1 + 1e-9))[0].astype(np.int64)


class MepraTangent:
    """Tangents to the square of the sum of roots, MILPs solved by HiGHS."""

    name = "highs-tangent"
    options: tuple[Option, ...] = (Option("max_rounds", 1000, "MILPs solved at most", minimum=1),)

    def supports(self, instance: MepraInstance) -> Support:
        """Take every instance."""
        return Support()

    def solve(
        self,
        instance: MepraInstance,
        budget: Budget,
        seed: int,
        options: Mapping[str, object],
        warm_start: MepraPlan | None = None,
        on_progress: OnProgress | None = None,
    ) -> Result:
        """Solve to ``budget.relative_gap``; see `instances.interface.Method.solve`."""
        chosen = read_options(self.name, self.options, options)
        best = Incumbent(instance, budget, Recorder(on_progress))
        if warm_start is not None:
            best.offer(warm_start)
        if best.remaining_s == 0:
            return best.result(Termination.TIME)
        table = option_table(instance)
        relaxed = relax(table)
        choice = None if best.plan is None else table.choice_of(best.plan)
        if choice is None:
            choice = relaxed.default
        choice = best_responses(table, choice, rounds=100)
        best.offer_choice(table, choice)
        if best.objective == 0:
            return best.result()
        return _rounds(best, table, choice, relaxed.multiplier, seed, int(chosen["max_rounds"]))


def _rounds(
    best: Incumbent,
    table: OptionTable,
    choice: Integers,
    relaxed: float,
    seed: int,
    max_rounds: int,
) -> Result:
    """Solve MILPs, a tangent more each, until the gap is closed or the time is up.

    Parameters
    ----------
    choice
        The options of the first solution.
    relaxed
        The sum of roots at the relaxation's optimum.
    """
    n = table.devices
    scale = OBJECTIVE_SCALE * max(1.0, n / 100) / best.objective
    kept = _worth_having(table, best.objective)
    column = np.full(len(table.own_cost), -1)
    column[kept] = np.arange(len(kept))
    points = np.append(relaxed * np.array(_FIRST_TANGENTS), table.root[choice].sum())
    tangents = np.unique(points * np.sqrt(scale))
    model = tangent_model(table, kept, tangents, scale)
    highs = load(model, threads=best.budget.threads, seed=seed)
    best.statistics |= model.size | {"build_s": best.recorder.elapsed_s, "nodes": 0}
    shrink = 1 - table.relative_error - 1e-12

    def picked_by(values: Floats) -> Integers | None:
        """Return the options a solution picks, None if not one a device."""
        picked = kept[np.nonzero(values[: len(kept)] > 0.5)[0]]
        return picked if np.array_equal(table.device[picked], np.arange(n)) else None

    def take(values: Floats) -> None:
        picked = picked_by(values)
        if picked is not None:
            best.offer_choice(table, picked)

    nodes = 0
    seen = set(tangents.tolist())
    for number in range(1, max_rounds + 1):
        start = None
        if bool((column[choice] >= 0).all()):
            start = np.zeros(len(kept) + 2)
            start[column[choice]] = 1.0
            start[-2] = table.root[choice].sum() * np.sqrt(scale)
            start[-1] = start[-2] ** 2
        outcome = solve(
            highs,
            time_limit_s=best.remaining_s,
            relative_gap=best.budget.relative_gap / 2,
            support=n + 2,
            start=start,
            on_solution=take,
            on_bound=lambda bound: best.raise_bound(bound / scale * shrink),
        )
        nodes += outcome.nodes
        best.statistics |= {"rounds": number, "nodes": nodes, "tangents": len(seen)}
        if outcome.bound is not None:
            best.raise_bound(outcome.bound / scale * shrink)
        picked = None if outcome.values is None else picked_by(outcome.values)
        if picked is not None:
            best.offer_choice(table, picked)
        if best.closed:
            return best.result()
        if outcome.ended != "solved" or picked is None:
            ended = Termination.TIME if outcome.ended == "time" else Termination.CRASHED
            return best.result(ended)
        rho = float(table.root[picked].sum() * np.sqrt(scale))
        if rho in seen:
            # The model is exact at its own solution: what is left is the solver's tolerance.
            return best.result()
        seen.add(rho)
        choice = picked
        highs.addRow(-rho * rho, np.inf, 2, np.array([len(kept), len(kept) + 1]), [-2 * rho, 1.0])
    return best.result(Termination.LIMIT)


METHOD = MepraTangent()
