r"""JQODI on CIFT: the time-energy program, exact or within a factor 1 + epsilon.

The program is a resource-constrained shortest path on the time-energy graph of each configuration:
labels (E, T_inf, T_ft) at states (blocks done, node, phase), dominated labels dropped, and within
epsilon one label kept in each cell of a geometric grid (`splitopt.heuristics.labels`).
Configurations are visited best bound first and cut by the incumbent (`jqodi.cift.search`); what is
guaranteed in each case stands in `splitopt.heuristics.jqodi.guarantee`.

Continuous speeds: a grid of ratio 1 + s, with ``(1 + s)^2 (1 + epsilon') <= 1 + epsilon``, and at
the end the best speeds for the placement found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, cast

from splitopt.heuristics.jqodi.cift.network import Instance
from splitopt.heuristics.jqodi.cift.program import Rules
from splitopt.heuristics.jqodi.cift.search import EXACT_RATIO, Search
from splitopt.heuristics.jqodi.guarantee import broken, certified, interrupted, promised
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND, CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    EXACT,
    Budget,
    Option,
    OptionValue,
    Result,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found, proven_infeasible
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import gap
from splitopt.instances.judge import check

_REDUCTION = Option(
    "reduction",
    True,
    "cut configurations, arcs and labels by bounds and the incumbent; without, dominance, trimming "
    "and deadlines alone",
)
_EPSILON = Option(
    "epsilon", 0.01, "relative error allowed, that of a grid of speeds included", minimum=1e-6
)
_DEADLINES = Option(
    "deadlines",
    "strict",
    "with two deadlines: keep both, with a guarantee against a tightened optimum, or let the "
    "inference deadline be exceeded by a factor 1 + epsilon",
    choices=("strict", "relaxed"),
)


class JqodiCift(Framed[CiftInstance, CiftPlan]):
    """The label program on CIFT.

    Parameters
    ----------
    exact
        Whether it is run without trimming, for listed speeds.
    """

    takes = BEYOND
    doubt = KINDS

    def __init__(self, *, exact: bool) -> None:
        self.exact = exact
        self.name = "jqodi-exact" if exact else "jqodi"
        self.options: tuple[Option, ...] = (
            (_REDUCTION,) if exact else (_EPSILON, _DEADLINES, _REDUCTION)
        )

    def supports(self, instance: CiftInstance) -> Support:
        """Take all instances; exact, those with listed speeds."""
        if self.exact and instance.has_continuous_speeds:
            return Support("jqodi-exact needs listed speeds; jqodi takes continuous ones")
        return super().supports(instance)

    # Small instances need no kernels.
    prepare_when_wanted = True

    def prepare(self) -> None:
        """Load the compiled kernels."""
        from splitopt.heuristics.jqodi.cift.warm import warm_up

        warm_up()

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Solve within epsilon, or to a relative 1e-9; see `Method.solve`."""
        rules = self._rules(instance, run.options)
        search = self._search(instance, rules, run)
        if run.start is not None:
            search.offer_start(run.start)
        search.go()
        return self._result(instance, search, run.budget)

    def _search(self, instance: CiftInstance, rules: Rules, run: Run[CiftPlan]) -> Search:
        """Return the search for what is in doubt."""
        if instance.doubt is not None and instance.doubt.network:
            from splitopt.heuristics.jqodi.cift.doubt import DoubtfulSearch

            rules = replace(rules, deadlines="strict", reduction=True)
            found: Search = DoubtfulSearch(instance, rules, run.budget, run.recorder)
        else:
            found = Search(Instance(instance), rules, run.budget, run.recorder)
        _check_grid(found.instance, rules)
        return found

    def _rules(self, instance: CiftInstance, chosen: Mapping[str, OptionValue]) -> Rules:
        reduction = bool(chosen["reduction"])
        if self.exact:
            return Rules(0.0, EXACT_RATIO, 0.0, "strict", reduction)
        epsilon = float(chosen["epsilon"])
        deadlines = cast(Literal["strict", "relaxed"], chosen["deadlines"])
        if instance.deadlines < 2:
            deadlines = "strict"
        step, rest = 0.0, epsilon
        limited = instance.deadlines > 0 or instance.throughput_per_s is not None
        if instance.has_continuous_speeds and limited:
            from splitopt.heuristics.jqodi.cift.levels import step_for

            step, rest = step_for(epsilon)
        return Rules(epsilon, 1.0 + rest, step, deadlines, reduction)

    def _result(self, instance: CiftInstance, search: Search, budget: Budget) -> Result:
        rules = search.rules
        done = search.termination is Termination.SOLVED
        promise = promised(instance, rules.epsilon, rules.deadlines)
        guarantee = promise if done else interrupted(promise)
        statistics = search.statistics
        if search.plan is None:
            if done and search.bound == math.inf:
                statistics["infeasible_reason"] = search.reason
                return proven_infeasible(search.recorder, statistics)
            return nothing_found(
                search.recorder,
                bound=search.bound if math.isfinite(search.bound) else None,
                termination=search.termination,
                statistics=statistics,
            )
        distance = gap(search.energy, search.bound)
        closed = distance is not None and distance <= budget.relative_gap
        violations = check(instance, search.plan)
        if not violations and not done:
            # Interrupted, yet proven by then; or both deadlines kept.
            guarantee = EXACT if closed else replace(guarantee, relaxed_deadlines={})
        missed = None
        if done:
            missed = broken(promise, search.energy, search.bound, budget.relative_gap, search.edge)
        if missed is not None:
            guarantee = replace(interrupted(promise), statement=f"no guarantee: {missed}")
            statistics["refused"] = missed
            search.termination = Termination.LIMIT
        exceeds = max((v.value / v.limit for v in violations if v.value and v.limit), default=1.0)
        ratio, line = certified(search.energy, search.bound, exceeds=exceeds)
        statistics |= {
            "guaranteed": guarantee.statement,
            "certified": line,
            "certified_ratio": ratio,
        }
        return conclude(
            instance,
            search.plan,
            search.recorder,
            budget,
            bound=search.bound,
            termination=search.termination,
            guarantee=guarantee,
            statistics=statistics,
        )


def _check_grid(instance: Instance, rules: Rules) -> None:
    """Refuse a grid of speeds that would not fit."""
    if not rules.step:
        return
    from splitopt.heuristics.jqodi.cift.levels import MOST_LEVELS, least_epsilon, levels_needed

    if levels_needed(instance, rules.step) > MOST_LEVELS:
        least = least_epsilon(instance.data)
        raise InputError(
            "option epsilon",
            rules.epsilon,
            f"a number >= {least:.2g} for these intervals of speeds",
            "raise it",
        )


APPROXIMATE = JqodiCift(exact=False)
EXACT_PROGRAM = JqodiCift(exact=True)
