"""The frame of an exact method: options read, a start taken, time looked at, then the proof."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from splitopt.instances.contract.method import Recorder, Support, Termination, read_options

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Budget, OnProgress, Option, Result

__all__ = ["ExactMethod"]

InstanceT = TypeVar("InstanceT")
PlanT = TypeVar("PlanT", contravariant=True)


class _Best(Protocol[PlanT]):
    """What the frame asks of the best plan and bound of a run."""

    @property
    def remaining_s(self) -> float | None: ...

    def start(self, plan: PlanT) -> bool: ...

    def result(self, termination: Termination) -> Result: ...


BestT = TypeVar("BestT", bound=_Best[Any])


class ExactMethod(ABC, Generic[InstanceT, PlanT, BestT]):
    """A method that proves: subclasses say `open` and `prove`.

    Attributes
    ----------
    name, options
        As the registry and users know them.
    """

    name: str
    options: tuple[Option, ...] = ()

    def supports(self, instance: InstanceT) -> Support:
        """Take every instance."""
        return Support()

    def solve(
        self,
        instance: InstanceT,
        budget: Budget,
        seed: int,
        options: Mapping[str, object],
        warm_start: PlanT | None = None,
        on_progress: OnProgress | None = None,
    ) -> Result:
        """Solve to ``budget.relative_gap``; see `Method.solve`."""
        chosen = read_options(self.name, self.options, options)
        best = self.open(instance, budget, Recorder(on_progress))
        if warm_start is not None:
            best.start(warm_start)
        if best.remaining_s == 0:
            return best.result(Termination.TIME)
        return self.prove(best, chosen, seed)

    @abstractmethod
    def open(self, instance: InstanceT, budget: Budget, recorder: Recorder) -> BestT:
        """Return what will hold the best plan and bound."""

    @abstractmethod
    def prove(self, best: BestT, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
