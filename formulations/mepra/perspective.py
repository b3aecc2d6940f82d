r"""MEPRA in its conic form, with shares, the cones cut by planes: MILPs for HiGHS.

A device whose chosen option has root r = sqrt(w_T W / C) costs r^2 / alpha at the edge with a
share alpha. For binary x with one option a device, r^2 = (sum_k r_k x_k)^2, so

.. math:: t_i \, \alpha_i \ge \bigl(\textstyle\sum_k r_{ik} x_{ik}\bigr)^2,

a rotated cone: the perspective of the square, and convex. With the right side sum_k r_k^2 x_k,
equal at binary points, the set is not convex and the relaxation of its product weaker.

Variables
---------
``x_k`` in {0, 1} for each option k of each device (`splitopt.formulations.mepra.options`);
``0 <= alpha_i <= 1``, a share, and ``t_i >= 0``, the cost of the edge's time, for each device
that may leave work to the edge.

Constraints
-----------
One option a device, the shares, and planes that touch the cones along a ray of slope kappa::

    sum_{k of i} x_k = 1                                       for each device i
    sum_i alpha_i <= 1
    t_i >= 2 kappa (sum_{k of i} r_k x_k) - kappa^2 alpha_i    for pairs (i, kappa)

(from (r - kappa alpha)^2 >= 0 divided by alpha).

Objective
---------
``min sum_k a_k x_k + sum_i t_i``.

Rounds
------
At the relaxation's optimum each device's share is in proportion to its root, so r / alpha, the
slope at which its plane touches the cone, is R, the sum of roots, for all of them. So the
relaxation is solved again and again, each device's plane added at the R of the last solution,
until its value hardly rises. Then the same with MILPs: for a MILP's solution x the planes at
kappa = R(x) make the model exact there, sum_i t_i >= 2 R R - R^2. Summed over devices, planes of
one kappa are the tangent v >= 2 kappa R - kappa^2 of `splitopt.formulations.mepra.tangent`: the two
relaxations have one bound, and differ in size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from splitopt.formulations.mepra.exact import ExactMepra
from splitopt.formulations.mepra.incumbent import Incumbent, best_responses
from splitopt.formulations.mepra.options import OptionTable, option_table
from splitopt.formulations.mepra.rounds import Rounds
from splitopt.formulations.solvers import OBJECTIVE_SCALE
from splitopt.formulations.solvers.highs import SparseModel, load_for, solve
from splitopt.formulations.solvers.parameters import HIGHS
from splitopt.instances.contract.method import Option, Result, Termination
from splitopt.instances.core.arrays import Floats, Ints

Pairs = list[tuple[int, float]]


class Perspective:
    """Columns and rows of the model in units in which a known plan costs `OBJECTIVE_SCALE`.

    Columns are the options `kept`, then shares, then edge costs of the devices `busy`.
    """

    def __init__(self, table: OptionTable, objective: float) -> None:
        self.table = table
        devices = table.devices
        self.scale = OBJECTIVE_SCALE * max(1.0, devices / 100) / objective
        dear = table.own_cost + table.root**2 > objective * (1 + 1e-9)
        self.kept = np.flatnonzero(~dear).astype(np.int64)
        self.device = table.device[self.kept]
        self.root = table.root[self.kept] * np.sqrt(self.scale)
        self.busy = np.unique(self.device[self.root > 0])
        count, busy = len(self.kept), len(self.busy)
        self.share = count + np.arange(busy)
        self.edge = count + busy + np.arange(busy)
        self.options_of = [
            np.flatnonzero((self.device == i) & (self.root > 0)) for i in self.busy.tolist()
        ]
        # R^2 is part of the cost, so R does not exceed the root of a known plan's.
        most = float(np.sqrt(objective * self.scale))
        self.planes: Pairs = [(b, kappa) for b in range(busy) for kappa in (most / 2, most)]

    def plane(self, b: int, kappa: float) -> tuple[Ints, Floats]:
        """Return columns and values of t - 2 kappa sum r x + kappa^2 alpha >= 0."""
        options = self.options_of[b]
        columns = np.concatenate([options, [self.share[b], self.edge[b]]])
        values = np.concatenate([-2 * kappa * self.root[options], [kappa * kappa, 1.0]])
        return columns.astype(np.int64), values

    def touch(self, highs: Any, slope: float) -> int:
        """Add every device's plane of a slope to a loaded model; return how many."""
        for b in range(len(self.busy)):
            columns, values = self.plane(b, slope)
            highs.addRow(0.0, np.inf, len(columns), columns.astype(np.int32), values)
            self.planes.append((b, slope))
        return len(self.busy)

    def model(self, *, integer: bool) -> SparseModel:
        """Return the MILP (or its relaxation) with the planes so far."""
        planes = self.planes
        count, busy, devices = len(self.kept), len(self.busy), self.table.devices
        # Variables.
        columns = count + 2 * busy
        upper = np.concatenate([np.ones(count + busy), np.full(busy, np.inf)])
        # Constraints: one option a device, the shares, the planes.
        row = [self.device, np.full(busy, devices)]
        column = [np.arange(count), self.share]
        value = [np.ones(count), np.ones(busy)]
        for number, (b, kappa) in enumerate(planes):
            where, values = self.plane(b, kappa)
            row.append(np.full(len(where), devices + 1 + number))
            column.append(where)
            value.append(values)
        return SparseModel(
            # Objective.
            cost=np.concatenate(
                [self.table.own_cost[self.kept] * self.scale, np.zeros(busy), np.ones(busy)]
            ),
            lower=np.zeros(columns),
            upper=upper,
            integer=np.arange(columns) < (count if integer else 0),
            row_lower=np.concatenate([np.ones(devices), [0.0], np.zeros(len(planes))]),
            row_upper=np.concatenate([np.ones(devices + 1), np.full(len(planes), np.inf)]),
            row=np.concatenate(row),
            column=np.concatenate(column),
            value=np.concatenate(value),
        )

    def slope(self, values: Floats) -> float:
        """Return R, the sum of roots of a solution: the slope at which planes touch best."""
        return float(self.root @ values[: len(self.kept)])

    def picked(self, values: Floats) -> Ints | None:
        """Return the options a solution picks, None if not one a device."""
        picked = self.kept[np.flatnonzero(values[: len(self.kept)] > 0.5)]
        everyone = np.arange(self.table.devices)
        return picked if np.array_equal(self.table.device[picked], everyone) else None

    def columns(self, choice: Ints) -> Floats | None:
        """Return the columns of a plan with its best shares, None if an option is not kept."""
        at = np.searchsorted(self.kept, choice)
        if bool((at == len(self.kept)).any()) or bool((self.kept[at] != choice).any()):
            return None
        values = np.zeros(len(self.kept) + 2 * len(self.busy))
        values[at] = 1.0
        roots = self.root[at][self.busy]
        total = roots.sum()
        if total > 0:
            values[self.share] = roots / total * (1 - 1e-12)
            values[self.edge] = roots * total * (1 + 1e-9)
        return values


class MepraPerspective(ExactMepra):
    """The conic form with shares, cones cut by planes, MILPs solved by HiGHS."""

    name = "highs-perspective"
    parameters = HIGHS
    options: tuple[Option, ...] = (
        Option("root_rounds", 50, "relaxations solved at most", minimum=1),
        Option("max_rounds", 1000, "MILPs solved at most", minimum=1),
    )

    def prove(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        table = option_table(instance)
        choice = None if best.plan is None else table.choice_of(best.plan)
        if choice is None:
            choice = table.start[:-1]
        choice = best_responses(table, choice, rounds=10 * table.devices)
        best.offer_choice(table, choice)
        if best.objective == 0:
            return best.result()
        form = Perspective(table, best.objective)
        run = Rounds(best, form, seed)
        best.statistics["build_s"] = best.recorder.elapsed_s
        _relaxations(run, form, int(chosen["root_rounds"]))
        if best.remaining_s == 0:
            return best.result(Termination.TIME)
        return run.solve(
            form.model(integer=True),
            choice,
            int(chosen["max_rounds"]),
            seen=set(),
            planes=("planes", len(form.planes)),
            support=3 * table.devices,
        )


def _relaxations(run: Rounds, form: Perspective, most: int) -> None:
    """Solve the relaxation with ever more planes, until its value hardly rises."""
    best = run.best
    highs = load_for(best, form.model(integer=False), seed=run.seed)
    last = -np.inf
    for number in range(1, most + 1):
        outcome = solve(
            highs,
            time_limit_s=best.remaining_s,
            relative_gap=0.0,
            support=3 * form.table.devices,
        )
        best.statistics["root_rounds"] = number
        if outcome.values is None or outcome.objective is None or outcome.ended != "solved":
            return
        run.raise_bound(outcome.bound)
        best.statistics["root_bound"] = best.bound
        gain = outcome.objective - last
        if gain <= 0.01 * best.budget.relative_gap * outcome.objective:
            return
        last = outcome.objective
        form.touch(highs, form.slope(outcome.values))


METHOD = MepraPerspective()
