"""The best plan and bound of a run on MEPRA, and a first plan to start from."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from splitopt.formulations.mepra.options import OptionTable
from splitopt.instances.contract.method import (
    Budget,
    OptionValue,
    Recorder,
    Result,
    Statistic,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.core.tolerances import gap
from splitopt.instances.judge import check, evaluate
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

__all__ = ["Incumbent", "best_responses"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Incumbent:
    """The best plan so far, valued by the judge, and the best bound.

    Attributes
    ----------
    plan, objective
        None and infinite while there is none.
    bound
        Valid at any time; costs are never negative.
    parameters
        Of the solver that the method calls, beside what the method sets.
    """

    def __init__(self, instance: MepraInstance, budget: Budget, recorder: Recorder) -> None:
        self.instance = instance
        self.budget = budget
        self.recorder = recorder
        self.plan: MepraPlan | None = None
        self.objective = math.inf
        self.bound = 0.0
        self.statistics: dict[str, Statistic] = {}
        self.parameters: Mapping[str, OptionValue] = {}

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

    def offer_choice(self, table: OptionTable, choice: Integers) -> None:
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
        if self.plan is None:
            return False
        distance = gap(self.objective, self.bound)
        return distance is not None and distance <= self.budget.relative_gap

    @property
    def remaining_s(self) -> float | None:
        """Seconds left, None without a limit."""
        return self.recorder.remaining_s(self.budget)

    def result(
        self,
        termination: Termination = Termination.SOLVED,
        statistics: Mapping[str, Statistic] | None = None,
    ) -> Result:
        """Return the result of the run as it stands."""
        self.statistics |= statistics or {}
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


def best_responses(table: OptionTable, choice: Integers, rounds: int = 1000) -> Integers:
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
