"""What an explanation consists of, and the solves that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.method import Budget, Result, SolutionStatus, Termination
from splitopt.instances.core.tolerances import TOLERANCES, not_above

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan

Value = float | int | str | None


def percent(change: float, base: float, unit: str = "") -> str:
    """Return a change of a cost in percent of it; of a cost of 0 as it is, in `unit`."""
    if change == 0:
        return "0"
    return f"{100 * change / base:+.3g} %" if base else f"{change:+.4g}{unit}"


def rounded_up(value: float, digits: int = 6) -> str:
    """Return a positive figure in so many digits, none below it: what suffices still does."""
    exact = Decimal(value)
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return f"{float(exact.quantize(step, ROUND_CEILING)):.{digits}g}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing.

    Attributes
    ----------
    kind
        What it is about, a word for programs: ``binding``, ``next``, ``price``, ...
    text
        A sentence for people.
    figures
        The numbers in it, by name, SI units in the names.
    """

    kind: str
    text: str
    figures: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The optimum of an instance, or that there is none, and findings in order of weight."""

    instance: str
    status: str
    method: str
    objective: float | None
    bound: float | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a solve proved of an optimum: it lies between `low` and `high`, or there is no plan.

    Attributes
    ----------
    low, high
        A bound, and the cost of `plan`; None where the solve has none.
    plan
        The best plan found.
    impossible
        It is proved that there is no plan.
    ended
        Why the solve ended, if it decided neither.
    """

    low: float | None
    high: float | None
    plan: Plan | None
    impossible: bool = False
    ended: str = ""

    @classmethod
    def of(cls, result: Result) -> Answer:
        """Return what a result proves."""
        if result.status is SolutionStatus.INFEASIBLE:
            return cls(None, None, None, impossible=True)
        feasible = result.status in (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE)
        ended = {
            Termination.TIME: "the time limit ended the solve",
            Termination.MEMORY: "the memory limit ended the solve",
            Termination.LIMIT: "a limit of the method ended the solve",
        }.get(result.termination, "the method decides within its guarantee only")
        return cls(
            result.bound,
            result.objective if feasible else None,
            result.plan if feasible else None,
            ended=ended,
        )

    @property
    def closed(self) -> bool:
        """Whether bound and plan meet, within the tolerance of optimality."""
        low, high = self.low, self.high
        return low is not None and high is not None and not_above(high, low, TOLERANCES.optimality)

    @property
    def decided(self) -> bool:
        """Whether a plan was found, or proved not to be there."""
        return self.impossible or self.high is not None

    def at_least(self, cost: float | None) -> bool:
        """Whether the optimum is proved not to be below a cost, within the tolerance."""
        if self.impossible:
            return True
        low = self.low
        return low is not None and cost is not None and not_above(cost, low, TOLERANCES.optimality)

    def below(self, other: Answer) -> bool:
        """Whether this optimum is proved to be below that of `other`."""
        high, low = self.high, other.low
        if high is None or low is None:
            return False
        return not not_above(low, high, TOLERANCES.optimality)

    def against(self, base: Answer, unit: str = "", *, sign: int = 0) -> str:
        """Return in words how far this optimum is from that of `base`, in percent of its cost.

        Parameters
        ----------
        sign
            -1 where this one cannot be higher (more of a resource), 1 where it cannot be lower.
        """
        if self.impossible:
            return "no plan"
        assert base.high is not None
        cost = base.high
        if self.closed and base.closed:
            if self.at_least(cost) and base.at_least(self.high):
                return "no change"
            assert self.high is not None
            return percent(self.high - cost, cost, unit)
        least = None if self.low is None else self.low - cost
        most = None if self.high is None or base.low is None else self.high - base.low
        # More of a resource raises nothing and less lowers nothing, whatever else is known.
        if sign < 0 and most is not None:
            most = min(most, 0.0) or None
        if sign > 0 and least is not None:
            least = max(least, 0.0) or None
        if least is None and most is None:
            return f"not known ({self.ended})"
        if least is None or most is None:
            end = "at most" if least is None else "at least"
            if sign < 0 and least is not None:
                end = "at lowest"
            return f"{end} {percent((least if most is None else most) or 0.0, cost, unit)}"
        low, high = percent(least, cost, unit), percent(most, cost, unit)
        return low if low == high else f"between {low} and {high}"


class Solver:
    """Solve an instance and its neighbours, each within a time limit.

    Listed speeds and MEPRA exactly by `jqodi-exact` and `lagrangian`; continuous speeds within
    0.1 % by `jqodi`: neighbours are solved by the dozen, and this is enough to explain.
    """

    def __init__(self, time_limit_s: float) -> None:
        self.time_limit_s = time_limit_s

    def name(self, instance: Instance) -> str:
        """Return the method that an instance is solved by."""
        if not isinstance(instance, CiftInstance):
            return "lagrangian"
        return "jqodi" if instance.has_continuous_speeds else "jqodi-exact"

    def solve(self, instance: Instance, name: str | None = None) -> Result:
        """Return what a method finds, by default the one of `name`."""
        from splitopt.bench.methods.registry import load

        name = name or self.name(instance)
        options: dict[str, object] = {"epsilon": 0.001} if name == "jqodi" else {}
        method = load(name, instance.problem)
        # Kernels are compiled before the clock of the first solve starts.
        if callable(prepare := getattr(method, "prepare", None)):
            prepare()
        return method.solve(instance, Budget(time_limit_s=self.time_limit_s), 0, options)

    def answer(self, instance: Instance) -> Answer:
        """Return what is proved of an instance's optimum."""
        return Answer.of(self.solve(instance))
