"""The frame of an exact method: a start taken, time looked at, then the proof."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from splitopt.instances.contract.frame import Framed, InstanceT, PlanT, Run
from splitopt.instances.contract.method import Recorder, Termination, solver_parameters
from splitopt.instances.core.tolerances import gap

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Budget, OptionValue, Result, Statistic


class Best(Generic[InstanceT, PlanT]):
    """The best plan and bound of a run; subclasses say how they are taken and told.

    Attributes
    ----------
    instance
        What models are built from.
    plan, objective
        None and infinite while there is none.
    bound
        Valid at any time; costs are never negative.
    statistics
        The method's own figures.
    parameters
        Of the solver that the method calls, beside what the method sets.
    """

    def __init__(self, instance: InstanceT, budget: Budget, recorder: Recorder) -> None:
        self.instance = instance
        self.budget = budget
        self.recorder = recorder
        self.plan: PlanT | None = None
        self.objective = math.inf
        self.bound = 0.0
        self.statistics: dict[str, Statistic] = {}
        self.parameters: Mapping[str, OptionValue] = {}

    @property
    def remaining_s(self) -> float | None:
        """Seconds left, None without a limit."""
        return self.recorder.remaining_s(self.budget)

    def reached(self, bound: float) -> bool:
        """Return whether a bound closes the gap asked for."""
        if self.plan is None:
            return False
        distance = gap(self.objective, bound)
        return distance is not None and distance <= self.budget.relative_gap

    @abstractmethod
    def start(self, plan: PlanT) -> bool:
        """Take a plan to start from; return whether it is feasible."""

    @abstractmethod
    def result(self, termination: Termination) -> Result:
        """Return the result of the run as it stands."""


BestT = TypeVar("BestT", bound=Best[Any, Any])


class ExactMethod(Framed[InstanceT, PlanT], Generic[InstanceT, PlanT, BestT]):
    """A method that proves, to ``budget.relative_gap``: subclasses say `open` and `prove`."""

    def answer(self, instance: InstanceT, run: Run[PlanT]) -> Result:
        """Take the start, and prove while there is time."""
        best = self.open(instance, run.budget, run.recorder)
        best.parameters = solver_parameters(run.options)
        if run.start is not None:
            best.start(run.start)
        if best.remaining_s == 0:
            return best.result(Termination.TIME)
        return self.prove(best, run.options, run.seed)

    @abstractmethod
    def open(self, instance: InstanceT, budget: Budget, recorder: Recorder) -> BestT:
        """Return what will hold the best plan and bound."""

    @abstractmethod
    def prove(self, best: BestT, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
