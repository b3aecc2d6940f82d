"""The frame of a method's `solve`: options read, a recorder made, the rest left to the method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from splitopt.instances.contract.method import Recorder, Support, UnsupportedError, read_options
from splitopt.instances.contract.supports import lacking

if TYPE_CHECKING:
    from splitopt.instances.contract.method import (
        Budget,
        OnProgress,
        Option,
        OptionValue,
        Parameters,
        Result,
    )

InstanceT = TypeVar("InstanceT")
PlanT = TypeVar("PlanT")


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


class Framed(ABC, Generic[InstanceT, PlanT]):
    """A method; subclasses say `answer`.

    Attributes
    ----------
    name, options
        As the registry and users know them.
    parameters
        Of the solver it calls; None without one.
    takes
        What it takes of that which instances may have beyond the plain problem, in the words of
        ``instance.beyond``.
    doubt
        The kinds of doubt it takes (`splitopt.instances.cift.doubt`).
    """

    name: str
    options: tuple[Option, ...] = ()
    parameters: Parameters | None = None
    takes: frozenset[str] = frozenset()
    doubt: frozenset[str] = frozenset()

    def supports(self, instance: InstanceT) -> Support:
        """Take every instance that has nothing beyond what the method takes."""
        return lacking(self, instance)

    def solve(
        self,
        instance: InstanceT,
        budget: Budget,
        seed: int,
        options: Mapping[str, object],
        warm_start: PlanT | None = None,
        on_progress: OnProgress | None = None,
    ) -> Result:
        """Solve as `answer` says; see `Method.solve`."""
        if not (taken := lacking(self, instance)):
            raise UnsupportedError(taken.reason)
        chosen = read_options(self.name, self.options, options, self.parameters)
        return self.answer(instance, Run(budget, seed, chosen, warm_start, Recorder(on_progress)))

    @abstractmethod
    def answer(self, instance: InstanceT, run: Run[PlanT]) -> Result:
        """Return what the method finds."""
