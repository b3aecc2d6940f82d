"""What was known of a run, and when."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Budget, Plan


@dataclass(frozen=True, slots=True)
class Progress:
    """One point of a run's trajectory: what was known after `time_s` seconds.

    Where the objective is a new one, `plan` is what has it, if the method hands it on; the
    trajectory that is kept has none.
    """

    time_s: float
    objective: float | None
    bound: float | None
    plan: Plan | None = field(default=None, compare=False, repr=False)


OnProgress = Callable[[Progress], None]


class Recorder:
    """Collect the trajectory of a run and pass each point on.

    Only improvements are kept: a lower objective or a higher bound.
    """

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self._start = time.perf_counter()
        self._on_progress = on_progress
        self._points: list[Progress] = []
        self.objective: float | None = None
        self.bound: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the recorder was made."""
        return time.perf_counter() - self._start

    @property
    def points(self) -> tuple[Progress, ...]:
        """The trajectory so far."""
        return tuple(self._points)

    def remaining_s(self, budget: Budget) -> float | None:
        """Return the seconds left of the budget, at least 0; None without a limit."""
        if budget.time_limit_s is None:
            return None
        return max(0.0, budget.time_limit_s - self.elapsed_s)

    def retract_bound(self, known: float | None) -> None:
        """Take back every bound above `known` (None: every bound) that was recorded."""

        def held(bound: float | None) -> float | None:
            return None if bound is None or known is None else min(bound, known)

        self._points = [Progress(p.time_s, p.objective, held(p.bound)) for p in self._points]
        self.bound = held(self.bound)

    def note(
        self,
        objective: float | None = None,
        bound: float | None = None,
        plan: Plan | None = None,
    ) -> None:
        """Record an incumbent's objective, a bound, or both, if they improve.

        `plan` is the feasible plan that has `objective`: a run that is stopped keeps it.
        """
        better, new = False, None
        if (
            objective is not None
            and math.isfinite(objective)
            and (self.objective is None or objective < self.objective)
        ):
            self.objective, better, new = objective, True, plan
        if (
            bound is not None
            and math.isfinite(bound)
            and (self.bound is None or bound > self.bound)
        ):
            self.bound, better = bound, True
        if better:
            point = Progress(self.elapsed_s, self.objective, self.bound)
            self._points.append(point)
            if self._on_progress is not None:
                self._on_progress(replace(point, plan=new))
