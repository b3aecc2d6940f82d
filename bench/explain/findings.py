"""What an explanation consists of, and the solves that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.method import Budget, Result, SolutionStatus

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

__all__ = ["Explanation", "Finding", "Solver", "percent"]

Value = float | int | str | None


def percent(change: float, base: float, unit: str = "") -> str:
    """Return a change of a cost in percent of it; of a cost of 0 as it is, in `unit`."""
    return f"{100 * change / base:+.3g} %" if base else f"{change:+.4g}{unit}"


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

    def solve(self, instance: Instance) -> Result:
        """Return what the method finds."""
        from splitopt.bench.methods.registry import load

        name = self.name(instance)
        options: dict[str, object] = {"epsilon": 0.001} if name == "jqodi" else {}
        method = load(name, instance.problem)
        # Kernels are compiled before the clock of the first solve starts.
        if callable(prepare := getattr(method, "prepare", None)):
            prepare()
        return method.solve(instance, Budget(time_limit_s=self.time_limit_s), 0, options)

    def value(self, instance: Instance) -> float | None:
        """Return the least cost found, None when there is no plan (or none in time)."""
        result = self.solve(instance)
        if result.status in (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE):
            return result.objective
        return None
