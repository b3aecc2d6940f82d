"""The best plan and bound of a run on MEPRA, and a first plan to start from."""

from __future__ import annotations

import numpy as np

from splitopt.formulations.exact import Best
from splitopt.formulations.mepra.options import OptionTable
from splitopt.instances.contract.method import Result, Termination
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.core.arrays import Ints
from splitopt.instances.judge import check, evaluate
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan


class Incumbent(Best[MepraInstance, MepraPlan]):
    """The best plan so far, valued by the judge, and the best bound."""

    def offer(self, plan: MepraPlan) -> bool:
        """Take a plan if it is feasible and better; return whether it is feasible."""
        if check(self.instance, plan):
            return False
        self._take(plan)
        return True

    def start(self, plan: MepraPlan) -> bool:
        """Take a plan to start from, as `offer` does."""
        return self.offer(plan)

    def _take(self, plan: MepraPlan) -> None:
        objective = evaluate(self.instance, plan).objective
        if objective < self.objective:
            self.plan, self.objective = plan, objective
            self.recorder.note(objective=objective, plan=plan)

    def offer_choice(self, table: OptionTable, choice: Ints) -> None:
        """Take one option a device (positions, shape (n,)) if that is better.

        Such a plan is feasible by construction; `conclude` checks the last one anyway.
        """
        if table.cost(choice) < self.objective:
            self._take(table.plan(self.instance, choice))

    def raise_bound(self, bound: float) -> None:
        """Take a valid bound if it is better."""
        if bound > self.bound:
            self.bound = bound
            self.recorder.note(bound=bound)

    @property
    def closed(self) -> bool:
        """Whether the gap asked for is reached."""
        return self.reached(self.bound)

    def result(self, termination: Termination = Termination.SOLVED) -> Result:
        """Return the result of the run as it stands."""
        if self.plan is None:
            return nothing_found(
                self.recorder,
                bound=self.bound,
                termination=termination,
                statistics=self.statistics,
            )
        return conclude(
            self.instance,
            self.plan,
            self.recorder,
            self.budget,
            bound=self.bound,
            termination=termination,
            statistics=self.statistics,
        )


def best_responses(table: OptionTable, choice: Ints, rounds: int = 1000) -> Ints:
    """Return `choice` after the best single change, again and again, until none helps.

    Changing device i from option k to l, with R the sum of all roots, changes the cost by
    a_l - a_k + (r_l - r_k) (2 R + r_l - r_k).
    """
    choice = choice.copy()
    device = table.device
    for _ in range(rounds):
        total = float(table.root[choice].sum())
        step = table.root - table.root[choice][device]
        change = table.own_cost - table.own_cost[choice][device] + step * (2 * total + step)
        best = int(np.argmin(change))
        if not change[best] < -1e-13 * max(total * total, float(table.own_cost[choice].sum())):
            break
        choice[device[best]] = best
    return choice
