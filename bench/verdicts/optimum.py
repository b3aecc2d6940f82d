"""The optimum of an instance with its proof, which is never the label program's.

First the best-known registry, whose optima and bounds come from exact methods other than the label
program; what it proves is not solved again. An instance it does not list goes to exact methods that
share nothing with the label kernel, the likely fastest first. Of an instance that stays open an
interval is known: its best plan is above the optimum and its best bound below.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from splitopt.bench.methods.registry import load, references
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.contract.supports import supported
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan


@dataclass(frozen=True, slots=True)
class Truth:
    """What is proven of an instance.

    Attributes
    ----------
    optimum
        Value of the best plan known; None without one. When `proven`, the optimum, or None for an
        instance that is proven to have no plan.
    proven
        Whether `optimum`, None included, is proven.
    method
        Which method proved it, or ``registry``.
    time_s
        What that took.
    bound
        A proven lower bound where the optimum is open; None where nothing is known.
    plan
        An optimal plan, where solving found one.
    """

    optimum: float | None
    proven: bool
    method: str | None
    time_s: float
    bound: float | None = None
    plan: Plan | None = None

    @property
    def known(self) -> bool:
        """Whether there is anything to hold a run against."""
        return self.proven or self.optimum is not None or self.bound is not None


def truth_of(instance: Instance, time_limit_s: float) -> Truth:
    """Return what the registry knows of an instance, else what solving it proves.

    Parameters
    ----------
    time_limit_s
        Seconds for each method asked, where the registry does not list the instance.
    """
    from splitopt.bench.verdicts.known import MOST_DEVICES
    from splitopt.instances.library.best_known import registry

    if getattr(instance, "devices", 0) <= MOST_DEVICES:
        entry = registry().entries.get(instance.content_hash)
        if entry is not None and entry.status != "unknown":
            closed = entry.closed
            return Truth(entry.objective, closed, "registry", 0.0, None if closed else entry.bound)
    return solved_truth(instance, time_limit_s)


def solved_truth(instance: Instance, time_limit_s: float) -> Truth:
    """Return what the reference methods prove of an instance, each within the time limit."""
    began = time.perf_counter()
    value, bound = None, None
    for name in references(instance.problem):
        method = load(name, instance.problem)
        if not supported(method, instance):
            continue
        found = method.solve(instance, Budget(time_limit_s), 0, {})
        spent = time.perf_counter() - began
        if found.status is SolutionStatus.OPTIMAL:
            return Truth(found.objective, True, name, spent, plan=found.plan)
        if found.status is SolutionStatus.INFEASIBLE:
            return Truth(None, True, name, spent)
        if found.status is SolutionStatus.FEASIBLE and found.objective is not None:
            value = found.objective if value is None else min(value, found.objective)
        if found.bound is not None:
            bound = found.bound if bound is None else max(bound, found.bound)
    return Truth(value, False, None, time.perf_counter() - began, bound)


def proven_optimum(instance: Instance, time_limit_s: float = 60.0) -> float | None:
    """Return the optimum; None where there is no plan, or no proof within the time limit."""
    truth = truth_of(instance, time_limit_s)
    return truth.optimum if truth.proven else None


def require_optimum(instance: Instance, time_limit_s: float = 60.0) -> float:
    """Return the optimum.

    Raises
    ------
    InputError
        Where there is no plan, or no proof within the time limit.
    """
    found = proven_optimum(instance, time_limit_s)
    if found is None:
        raise InputError(
            "instance",
            instance.name,
            f"one whose optimum is in the registry or proven in {time_limit_s:g} s",
            "give more time, or leave it out",
        )
    return found
