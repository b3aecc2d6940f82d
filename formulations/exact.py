"""The frame of an exact method: a start taken, time looked at, then the proof."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from splitopt.instances.contract.frame import Framed, InstanceT, PlanT, Run
from splitopt.instances.contract.method import Recorder, Termination, solver_parameters

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Budget, OptionValue, Result

__all__ = ["ExactMethod"]

StartT = TypeVar("StartT", contravariant=True)


class _Best(Protocol[StartT]):
    """What the frame asks of the best plan and bound of a run."""

    parameters: Mapping[str, OptionValue]

    @property
    def remaining_s(self) -> float | None: ...

    def start(self, plan: StartT) -> bool: ...

    def result(self, termination: Termination) -> Result: ...


BestT = TypeVar("BestT", bound=_Best[Any])


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
