"""The best plan and the best bound of a run on CIFT, and the result they make."""

from __future__ import annotations

import math

from instances.cift import CiftInstance
from instances.cift_plan import CiftPlan
from instances.interface import Budget, Recorder, Result, Statistic, Termination
from instances.judge import check, evaluate
from instances.outcome import conclude, nothing_found, proven_infeasible
from instances.tolerances import gap

__all__ = ["Incumbent"]


class Incumbent:
    """The best plan so far, valued by the judge, and the best bound.

    Attributes
    ----------
    plan, objective
        None and infinite while there is none.
    bound
        Valid at any time; energy is never negative.
    statistics
        The method's own figures.
    """

    def __init__(self, instance: CiftInstance, budget: Budget, recorder: Recorder) -> None:
        self.instance = instance
        self.budget = budget
        self.recorder = recorder
        self.plan: CiftPlan | None = None
        self.objective = math.inf
        self.bound = 0.0
        self.statistics: dict[str, Statistic] = {}

    @property
    def remaining_s(self) -> float | None:
        """Seconds left, None without a limit."""
        return self.recorder.remaining_s(self.budget)

    @property
    def closed(self) -> bool:
        """Whether the gap asked for is reached."""
        if self.plan is None:
            return False
        distance = gap(self.objective, self.bound)
        return distance is not None and distance <= self.budget.relative_gap

    def offer(self, plan: CiftPlan) -> bool:
        """Take a plan if it is feasible and better; return whether it is feasible."""
        if check(self.instance, plan):
            return False
        objective = evaluate(self.instance, plan).objective
        if objective < self.objective:
            self.plan, self.objective = plan, objective
            self.recorder.note(objective=objective)
        return True

    def raise_bound(self, bound: float) -> None:
        """Take a bound on all plans that are better than the best one known."""
        known = min(bound, self.objective)
        if math.isfinite(known):
            self.bound = max(self.bound, known)
            self.recorder.note(bound=self.bound)

    def result(self, termination: Termination, *, exhausted: float | None = None) -> Result:
        """Return the result.

        Parameters
        ----------
        termination
            Why the run ends.
        exhausted
            A figure below which no plan costs, the best one included if infinite; None while
            plans may be left.
        """
        if self.plan is None:
            if exhausted is not None:
                return proven_infeasible(self.recorder, self.statistics)
            return nothing_found(
                self.recorder,
                bound=self.bound,
                termination=termination,
                statistics=self.statistics,
            )
        if exhausted is not None:
            self.raise_bound(exhausted)
        return conclude(
            self.instance,
            self.plan,
            self.recorder,
            self.budget,
            bound=self.bound,
            termination=termination,
            statistics=self.statistics,
        )
