r"""MEPRA by Lagrangian relaxation: a certified bound, a repaired plan, branch and bound.

With the best shares the cost is :math:`\sum_i a_i + R^2`, :math:`R = \sum_i r_i` (see
`splitopt.formulations.mepra.options`). Since :math:`R^2 = \max_{\lambda \ge 0} 2 \lambda R -
\lambda^2`, every multiplier gives a bound in which each device chooses alone:

.. math:: L(\lambda) = \sum_i \min_k (a_{ik} + 2 \lambda r_{ik}) - \lambda^2 \le \text{optimum}.

L is concave; its maximiser is the lambda at which the sum of roots of the devices' choices
crosses lambda. At most one device need be fractional at the maximum, so the gap is at most
max_i (range of r_i)^2 / 4: with n devices of a kind about 1 / n^2 of the cost.

Method
------
1. lambda by bisection (`splitopt.formulations.mepra.relaxation`).
2. The devices' choices at lambda are a plan; single changes repair it.
3. Options whose penalty a + 2 lambda r - min exceeds what separates L from the plan's cost
   cannot be in a better plan; devices with one option left leave.
4. Where the gap asked for is not reached, branch and bound over the devices that remain
   (`splitopt.formulations.mepra.branching`).

Certificate
-----------
Let u = 2^-53. Each a + 2 lambda r is off by at most 3 u relatively, `math.fsum` adds without
error but its last rounding, and lambda^2 and the difference round once each: L is at most
4 u (sum of minima + lambda^2) above the true figure of the table. The table's own error is
relative and multiplies the bound (`OptionTable.relative_error`). Penalties and shifts add up
over at most n' branchings, each rounding once: what search values err by is at most
8 u (n' + 8) times the cost. Everything reported is rounded down by these amounts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from splitopt.formulations.mepra.branching import Core, search
from splitopt.formulations.mepra.exact import ExactMepra
from splitopt.formulations.mepra.incumbent import Incumbent
from splitopt.formulations.mepra.options import OptionTable, option_table
from splitopt.formulations.mepra.relaxation import relax
from splitopt.instances.contract.method import Option, Result, Termination
from splitopt.instances.core.arrays import Ints

_U = 2.0**-53


class MepraLagrangian(ExactMepra):
    """Lagrangian bound, repair, and branch and bound; certified."""

    name = "lagrangian"
    options: tuple[Option, ...] = (
        Option("branch", True, "branch and bound where the relaxation leaves a gap"),
        Option("most_nodes", 1 << 20, "nodes worked on together", minimum=1),
    )

    def prove(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        table = option_table(instance)
        best.statistics["options"] = len(table.own_cost)
        if best.remaining_s == 0:
            return best.result(Termination.TIME)
        run = _Run(best, table)
        run.repair()
        if not best.closed and chosen["branch"]:
            return run.branch(int(chosen["most_nodes"]))
        return best.result()


class _Run:
    """One run: the relaxation and the plan it led to."""

    def __init__(self, best: Incumbent, table: OptionTable) -> None:
        self.best = best
        self.table = table
        self.relaxation = relax(table)
        self.certify(0.0, 0)
        default = self.relaxation.default
        self.penalty = self.relaxation.penalty(table)
        self.choice = default.copy()
        best.statistics |= {
            "multiplier": self.relaxation.multiplier,
            "root_bound": best.bound,
            "relax_s": best.recorder.elapsed_s,
        }

    def certify(self, excess: float, branchings: int) -> None:
        """Raise the bound to L + `excess`, rounded down by all that computing may be off."""
        value = self.relaxation.value + excess
        error = self.relaxation.error
        if branchings:
            error += 16 * _U * (branchings + 8) * (abs(value) + self.relaxation.multiplier**2)
        bound = (value - error) * (1 - self.table.relative_error)
        self.best.raise_bound(bound * (1 - 4 * _U))

    def threshold(self) -> float:
        """Return tau: the excess over L that a plan worth finding stays below."""
        objective = self.best.objective
        return objective * (1 - self.best.budget.relative_gap / 2) - self.relaxation.value

    def deviation(self, choice: Ints) -> float:
        """Return the sum of roots minus lambda."""
        return math.fsum(self.table.root[choice].tolist()) - self.relaxation.multiplier

    def repair(self) -> None:
        """Offer the defaults' plan, and what single changes make of it.

        From deviation D and penalties P, going from option k to l of a device changes the cost
        by p_l - p_k + (D + d)^2 - D^2, d = r_l - r_k. Only options with a penalty below D^2
        can help.
        """
        self.best.offer_choice(self.table, self.choice)
        if self.best.closed:
            return
        deviation = self.deviation(self.choice)
        some = np.flatnonzero(self.penalty < deviation * deviation)
        device = np.searchsorted(self.table.start, some, side="right") - 1
        penalty, root = self.penalty[some], self.table.root[some]
        for _ in range(1000):
            now = self.choice[device]
            step = root - self.table.root[now]
            change = penalty - self.penalty[now] + step * (2 * deviation + step)
            k = int(np.argmin(change)) if len(change) else 0
            if not len(change) or not change[k] < -1e-12 * deviation * deviation:
                break
            self.choice[device[k]] = some[k]
            deviation += float(step[k])
        self.best.offer_choice(self.table, self.choice)

    def core(self) -> tuple[Core, Ints, float]:
        """Return what is left to decide, its options' positions in the table, and a bound.

        The bound is the least penalty of an option left out: no plan with one has a lower
        excess over L. Devices with long shifts come first, so that merging sees a short range
        later on.
        """
        table, default = self.table, self.relaxation.default
        alive = self.penalty < self.threshold()
        left_out = float(self.penalty[~alive].min(initial=math.inf))
        alive[default] = False
        others = np.flatnonzero(alive)
        device = np.searchsorted(table.start, others, side="right") - 1
        shift = table.root[others] - table.root[default[device]]
        open_devices, place = np.unique(device, return_inverse=True)
        longest = np.zeros(len(open_devices))
        np.maximum.at(longest, place, np.abs(shift))
        rank = np.empty(len(open_devices), dtype=np.int64)
        rank[np.argsort(-longest, kind="stable")] = np.arange(len(open_devices))
        # Defaults first within each device.
        owner = np.concatenate([rank, rank[place]])
        position = np.concatenate([default[open_devices], others])
        order = np.argsort(owner, kind="stable")
        owner, position = owner[order], position[order]
        start = np.searchsorted(owner, np.arange(len(open_devices) + 1))
        base = np.repeat(table.root[position[start[:-1]]], np.diff(start))
        core = Core(
            start.astype(np.int64),
            self.penalty[position],
            table.root[position] - base,
            self.deviation(default),
        )
        return core, position, left_out

    def branch(self, most_nodes: int) -> Result:
        """Search the devices that the relaxation leaves open."""
        best = self.best
        core, position, left_out = self.core()
        default = self.relaxation.default
        best.statistics |= {"core_devices": core.devices, "core_options": len(position)}

        def found(taken: Ints) -> None:
            choice = default.copy()
            picked = position[taken]
            choice[np.searchsorted(self.table.start, picked, side="right") - 1] = picked
            best.offer_choice(self.table, choice)

        outcome = search(
            core,
            threshold=self.threshold,
            loss=0.4 * best.budget.relative_gap * best.objective,
            found=found,
            out_of_time=lambda: best.remaining_s == 0,
            most_nodes=most_nodes,
        )
        self.certify(min(outcome.bound, left_out), core.devices + 1)
        best.statistics |= {
            "nodes": outcome.nodes,
            "merged": outcome.merged,
            "bounded": outcome.bounded,
            "search_s": best.recorder.elapsed_s,
        }
        return best.result(Termination.SOLVED if outcome.finished else Termination.TIME)


METHOD = MepraLagrangian()
