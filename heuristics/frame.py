"""The frame of heuristics: options read, a recorder made, the search left to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import (
    Budget,
    OnProgress,
    Option,
    OptionValue,
    Recorder,
    Result,
    Support,
    read_options,
)
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

__all__ = ["Heuristic", "Run"]

InstanceT = TypeVar("InstanceT", CiftInstance, MepraInstance)
PlanT = TypeVar("PlanT", CiftPlan, MepraPlan)


@dataclass(frozen=True, slots=True)
class Run(Generic[PlanT]):
    """One solve.

    Attributes
    ----------
    budget, seed, options
        As `Method.solve` is given them, options with their defaults.
    start
        The plan to start from, if there is one.
    recorder
        What was found so far, and when.
    """

    budget: Budget
    seed: int
    options: Mapping[str, OptionValue]
    start: PlanT | None
    recorder: Recorder

    @property
    def stopped(self) -> bool:
        """Whether the time is up."""
        return self.recorder.remaining_s(self.budget) == 0.0


class Heuristic(ABC, Generic[InstanceT, PlanT]):
    """A method that proves nothing; subclasses say `search`.

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
        """Search once; see `Method.solve`."""
        chosen = read_options(self.name, self.options, options)
        run = Run(budget, seed, chosen, warm_start, Recorder(on_progress))
        return self.search(instance, run)

    @abstractmethod
    def search(self, instance: InstanceT, run: Run[PlanT]) -> Result:
        """Return the best plan found."""
