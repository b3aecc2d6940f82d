"""What a method is given and what it gives back: fixed for every method of the suite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, runtime_checkable

from splitopt.instances.contract.options import (
    SOLVER,
    Option,
    OptionValue,
    Parameters,
    read_options,
    solver_parameters,
)
from splitopt.instances.contract.progress import OnProgress, Progress, Recorder
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES, gap

if TYPE_CHECKING:
    from splitopt.instances.cift.model import CiftInstance
    from splitopt.instances.cift.plan import CiftPlan
    from splitopt.instances.mepra.model import MepraInstance
    from splitopt.instances.mepra.plan import MepraPlan

    Instance = CiftInstance | MepraInstance
    Plan = CiftPlan | MepraPlan

__all__ = [
    "SOLVER",
    "Budget",
    "Guarantee",
    "Method",
    "OnProgress",
    "Option",
    "OptionValue",
    "Parameters",
    "Progress",
    "Recorder",
    "Result",
    "SolutionStatus",
    "Support",
    "Termination",
    "UnsupportedError",
    "read_options",
    "solver_parameters",
]


Statistic = bool | int | float | str | None


class Termination(StrEnum):
    """Why a run ended; says nothing about what it found."""

    SOLVED = "solved"  # the method did all it set out to do
    TIME = "time"
    MEMORY = "memory"
    LIMIT = "limit"  # another limit of the method's own: labels, nodes, iterations
    KILLED = "killed"
    CRASHED = "crashed"
    UNSUPPORTED = "unsupported"


class SolutionStatus(StrEnum):
    """What a run claims to have; says nothing about why it ended."""

    OPTIMAL = "optimal"  # a plan and a bound within the tolerance asked for
    FEASIBLE = "feasible"
    RELAXED = "relaxed"  # a plan that exceeds deadlines, by no more than its guarantee admits
    INFEASIBLE = "infeasible"  # proven
    NONE = "none"  # no feasible plan and no proof that there is none


@dataclass(frozen=True, slots=True)
class Budget:
    """Resources a run may use.

    Attributes
    ----------
    time_limit_s
        Wall-clock seconds; None for no limit.
    threads
        Threads a solver may start.
    memory_limit_bytes
        Bytes the run may hold; None for no limit.
    relative_gap
        Relative gap at which an exact method may stop.
    log
        Whether the solver's own log is wanted on standard output.
    """

    time_limit_s: float | None = None
    threads: int = 1
    memory_limit_bytes: int | None = None
    relative_gap: float = TOLERANCES.optimality
    log: bool = False

    def __post_init__(self) -> None:
        limit = self.time_limit_s
        if limit is not None and not (math.isfinite(limit) and limit >= 0):
            raise InputError("time_limit_s", limit, "a number >= 0", "give seconds, such as 10")
        if self.threads < 1:
            raise InputError("threads", self.threads, "an integer >= 1", "give 1")
        if self.memory_limit_bytes is not None and self.memory_limit_bytes <= 0:
            raise InputError(
                "memory_limit_bytes", self.memory_limit_bytes, "an integer > 0", "leave it out"
            )
        if not 0 <= self.relative_gap < 1:
            raise InputError("relative_gap", self.relative_gap, "0 <= gap < 1", "give 1e-6")


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What holds for the plan by theory, as data.

    ``objective <= factor * OPT`` where OPT is the optimum of the instance with each
    deadline divided by its entry of `reference_deadlines` (1 when absent), and the plan
    keeps each deadline times its entry of `relaxed_deadlines` (1 when absent).

    Attributes
    ----------
    kind
        ``exact`` (factor 1 up to the gap asked for), ``approximation``, or ``none``.
    factor
        The ratio proved; None for kind ``none``.
    relaxed_deadlines
        Deadline name (``inference``, ``fine-tuning``) to the factor by which the plan may
        exceed it.
    reference_deadlines
        Deadline name to the factor by which the reference optimum's deadline is tightened.
    statement
        One line for people.
    """

    kind: Literal["exact", "approximation", "none"]
    factor: float | None
    statement: str
    relaxed_deadlines: Mapping[str, float] = field(default_factory=dict)
    reference_deadlines: Mapping[str, float] = field(default_factory=dict)

    def to_document(self) -> dict[str, object]:
        """Return the guarantee as plain data."""
        return {
            "kind": self.kind,
            "factor": self.factor,
            "statement": self.statement,
            "relaxed_deadlines": dict(self.relaxed_deadlines),
            "reference_deadlines": dict(self.reference_deadlines),
        }


EXACT = Guarantee("exact", 1.0, "optimal to the gap asked for")


class UnsupportedError(Exception):
    """A method finds out while solving that it does not take an instance, or cannot run here.

    Such as a licence that is missing or too small. The run is then one that is not supported.
    """


@dataclass(frozen=True, slots=True)
class Support:
    """Whether a method takes an instance, and the reason where it does not."""

    reason: str | None = None

    def __bool__(self) -> bool:
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gives back; unknown figures are None, never 0 or infinite.

    Attributes
    ----------
    termination, status
        Why the run ended and what it claims to have.
    plan
        The plan, or None. With status ``relaxed`` it exceeds deadlines by no more than the
        guarantee admits; with ``none`` it is a last attempt that breaks a constraint. `check`
        says which.
    objective
        The plan's objective as `evaluate` computes it.
    bound
        A valid lower bound on the optimum.
    guarantee
        What theory promises of the plan.
    trajectory
        Incumbents and bounds with their times.
    statistics
        Counts and times of the method's own.
    runtime_s
        Wall-clock seconds of the call.
    """

    termination: Termination
    status: SolutionStatus
    plan: Plan | None
    objective: float | None
    bound: float | None
    guarantee: Guarantee | None
    trajectory: tuple[Progress, ...]
    statistics: Mapping[str, Statistic]
    runtime_s: float

    def __post_init__(self) -> None:
        if (self.plan is None) != (self.objective is None):
            raise ValueError("a plan and its objective go together")
        with_plan = (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE, SolutionStatus.RELAXED)
        if self.status in with_plan and self.plan is None:
            raise ValueError(f"status {self.status} needs a plan")
        if self.status is SolutionStatus.INFEASIBLE and self.plan is not None:
            raise ValueError("an infeasible instance has no plan")
        if self.status is SolutionStatus.OPTIMAL and self.bound is None:
            raise ValueError("status optimal needs a bound")
        for figure in (self.objective, self.bound):
            if figure is not None and not math.isfinite(figure):
                raise ValueError("an unknown figure is None, not infinite or NaN")

    def summary(self, unit: str = "") -> dict[str, str]:
        """Return status, objective, bound, gap, guarantee and time in words, by name.

        Parameters
        ----------
        unit
            Behind objective and bound, such as `` J``.
        """
        relaxed = self.status is SolutionStatus.RELAXED
        # A relaxed plan solves another problem than its bound is of.
        distance = None if relaxed else gap(self.objective, self.bound)
        promised = "-" if self.guarantee is None else self.guarantee.statement
        certified = self.statistics.get("certified")

        def figure(value: float | None) -> str:
            return "-" if value is None else f"{value:.10g}{unit}"

        return {
            "status": f"{self.status} (termination: {self.termination})",
            "objective": figure(self.objective),
            "bound": figure(self.bound) + (", with every deadline kept" if relaxed else ""),
            "gap": "-" if distance is None else f"{100 * distance:.3g} %",
            "guarantee": promised if certified is None else f"{promised}; certified: {certified}",
            "time": f"{self.runtime_s:.3f} s",
        }

    def __str__(self) -> str:
        return "\n".join(f"{name:<12} {value}" for name, value in self.summary().items())


InstanceT_contra = TypeVar("InstanceT_contra", contravariant=True)
PlanT_contra = TypeVar("PlanT_contra", contravariant=True)


@runtime_checkable
class Method(Protocol[InstanceT_contra, PlanT_contra]):
    """A method for one of the two problems.

    A method with the same name for both problems is two objects; the registry tells them
    apart by the instance's problem.
    """

    @property
    def name(self) -> str:
        """Name, stable from the day it is published."""

    @property
    def options(self) -> tuple[Option, ...]:
        """Options with their defaults."""

    def supports(self, instance: InstanceT_contra) -> Support:
        """Say whether the method takes this instance, with the reason where it does not."""

    def solve(
        self,
        instance: InstanceT_contra,
        budget: Budget,
        seed: int,
        options: Mapping[str, object],
        warm_start: PlanT_contra | None = None,
        on_progress: OnProgress | None = None,
    ) -> Result:
        """Solve `instance` within `budget`.

        Parameters
        ----------
        instance
            What to solve; `supports` must hold for it.
        budget
            Limits on time, threads and memory, and the gap to reach.
        seed
            Seed of whatever is random; the same seed gives the same run.
        options
            Options by name; unknown ones raise.
        warm_start
            A plan to start from, where the method can use one.
        on_progress
            Called with each improvement.

        Raises
        ------
        InputError
            For an unknown option or a value out of range.
        """
