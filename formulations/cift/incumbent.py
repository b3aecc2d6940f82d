"""The best plan and the best bound of a run on CIFT, and the result they make.

A run works on the instance in units of its own (`splitopt.instances.cift.units`); plans are judged,
and results and progress told, in those of the instance as given. What a solver proves in floating
point becomes a claim only where `splitopt.instances.cift.claims` lets it.
"""

from __future__ import annotations

import math

from splitopt.formulations.exact import Best
from splitopt.formulations.solvers import OBJECTIVE_SCALE
from splitopt.instances.cift.claims import doubt_bound, doubt_infeasible, witness
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.cift.units import scaled
from splitopt.instances.contract.method import Budget, Recorder, Result, Termination
from splitopt.instances.contract.outcome import conclude, nothing_found, proven_infeasible
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.judge import check, evaluate


class Incumbent(Best[CiftInstance, CiftPlan]):
    """The best plan so far, valued by the judge, and the best bound.

    Attributes
    ----------
    given, units
        The instance as given, and the units of `instance`.
    instance
        The same in units of its own: what models are built from; plan and objective are in them.
    bound
        Valid at any time, whoever is trusted; energy is never negative.
    """

    def __init__(self, instance: CiftInstance, budget: Budget, recorder: Recorder) -> None:
        self.given = instance
        in_units, self.units = scaled(instance)
        super().__init__(in_units, budget, recorder)
        self._proposed = 0.0
        self._best: CiftPlan | None = None

    @property
    def proposed(self) -> float:
        """The best bound with that of a solver in it, which is still to pass the gate."""
        return max(self.bound, min(self._proposed, self.objective))

    @property
    def closed(self) -> bool:
        """Whether the gap asked for is reached, if the solver is right."""
        return self.reached(self.proposed)

    def objective_scale(self, guess_j: float) -> float:
        """Return a factor that brings the optimum to about `OBJECTIVE_SCALE`.

        Parameters
        ----------
        guess_j
            Used where neither a plan nor a positive bound is known.
        """
        for energy in (self.objective, self.bound, guess_j):
            if 0 < energy < math.inf:
                return OBJECTIVE_SCALE / energy
        return 1.0

    def start(self, plan: CiftPlan) -> bool:
        """Take a plan of the instance as given, as `offer` does."""
        return self.offer(self.units.into(plan))

    def offer(self, plan: CiftPlan) -> bool:
        """Take a plan if it is feasible and better; return whether it is feasible."""
        as_given = self.units.back(plan)
        if check(self.given, as_given):
            return False
        objective = evaluate(self.given, as_given).objective / self.units.joule
        if objective < self.objective:
            self.plan, self.objective, self._best = plan, objective, as_given
            self.recorder.note(objective=objective * self.units.joule, plan=as_given)
        return True

    def raise_bound(self, bound: float) -> None:
        """Take a bound that rests on arithmetic of our own, on all plans better than the best."""
        known = min(bound, self.objective)
        if math.isfinite(known):
            self.bound = max(self.bound, known)
            self.recorder.note(bound=self.bound * self.units.joule)

    def propose_bound(self, bound: float) -> None:
        """Take a bound that rests on the word of a solver; `claim` decides on it.

        What the best plan contradicts is refused at once.
        """
        if not math.isfinite(bound):
            return
        doubt = doubt_bound(bound, self.objective)
        if doubt is not None:
            self.refuse(doubt)
            return
        self._proposed = max(self._proposed, bound)
        if "refused" not in self.statistics:
            self.recorder.note(bound=self.proposed * self.units.joule)

    def refuse(self, reason: str) -> None:
        """Take nothing that a solver says of bounds from now on; the first reason is kept."""
        self.statistics.setdefault("refused", reason)
        self._proposed = 0.0
        self.recorder.retract_bound(self.bound * self.units.joule)

    def result(self, termination: Termination, *, exhausted: float | None = None) -> Result:
        """Return the result.

        Parameters
        ----------
        termination
            Why the run ends.
        exhausted
            A figure below which no plan costs, the best one included if infinite; None while
            plans may be left. Proven by arithmetic of our own.
        """
        return self._result(termination, exhausted)

    def claim(self, termination: Termination, *, exhausted: float | None = None) -> Result:
        """Return the result of a run whose proof rests on a solver in floating point.

        As `result`; bounds proposed and `exhausted` count only where nothing speaks against them.
        """
        if exhausted is not None and self.plan is None:
            doubt = doubt_infeasible(witness(self.instance))
            if doubt is not None:
                self.refuse(doubt)
        elif exhausted is not None:
            self.propose_bound(min(exhausted, self.objective))
        if self._proposed > self.bound and "refused" not in self.statistics:
            least = witness(self.instance, below_j=self._proposed * (1 - TOLERANCES.bound))
            doubt = doubt_bound(self._proposed, least.objective_j)
            if doubt is not None:
                self.refuse(doubt)
        if "refused" not in self.statistics:
            self.raise_bound(self._proposed)
            return self._result(termination, exhausted)
        if termination is Termination.SOLVED:
            termination = Termination.LIMIT
        return self._result(termination, None)

    def _result(self, termination: Termination, exhausted: float | None) -> Result:
        if self._best is None:
            if exhausted is not None:
                return proven_infeasible(self.recorder, self.statistics)
            return nothing_found(
                self.recorder,
                bound=self.bound * self.units.joule,
                termination=termination,
                statistics=self.statistics,
            )
        if exhausted is not None:
            self.raise_bound(exhausted)
        return conclude(
            self.given,
            self._best,
            self.recorder,
            self.budget,
            bound=self.bound * self.units.joule,
            termination=termination,
            statistics=self.statistics,
        )
