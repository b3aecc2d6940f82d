r"""The recourse problem, and what it says of the value of planning under doubt.

Configurations are visited by a lower bound: the expected optimum if the outcome were seen first
(`perfect`), by the label program in every outcome; placements that are best in some outcome are
tried at once. What is left below the best known is solved configuration by configuration, as its
deterministic equivalent or by the L-shaped method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from splitopt.formulations.cift.recourse.model import arcs_of, equivalent, placement_at
from splitopt.formulations.cift.recourse.outcomes import (
    Outcome,
    Placement,
    best_sum,
    energies,
    fits,
    keep_share,
    outcomes,
    placement_of,
    serves_surely,
    value,
)
from splitopt.formulations.cift.recourse.shaped import GAP, scale_for, shaped
from splitopt.formulations.solvers.highs import load, solve
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.judge import evaluate

# The optimum of a nominal instance: its plan, None where there is none.
Solve = Callable[[CiftInstance], CiftPlan | None]
# A method from elsewhere: the placement it found, if any, and a bound on all.
Other = Callable[[CiftInstance, Fraction], tuple[Placement | None, float]]
# Offers the placements of a configuration, and returns its bound.
SolveOne = Callable[[CiftInstance, Sequence[Outcome], int, Callable[[Placement], float]], float]


@dataclass(frozen=True, slots=True)
class Recourse:
    """What was found.

    Attributes
    ----------
    placement, objective_j
        The best placement and its expected energy; None and infinite where none keeps enough.
    bound_j
        Nothing costs less.
    wait_and_see_j
        WS: expected energy with everything decided after the outcome is seen.
    expected_of_nominal_j
        EEV: the nominal plan's placement with its speeds set in each outcome; infinite where it
        keeps too few outcomes, None without a nominal plan.
    """

    placement: Placement | None
    objective_j: float
    bound_j: float
    wait_and_see_j: float
    expected_of_nominal_j: float | None

    @property
    def perfect_information_j(self) -> float:
        """EVPI = RP - WS."""
        return self.objective_j - self.wait_and_see_j

    @property
    def stochastic_solution_j(self) -> float | None:
        """VSS = EEV - RP; infinite where the nominal placement does not do."""
        known = self.expected_of_nominal_j
        return None if known is None else known - self.objective_j


def solve_recourse(
    instance: CiftInstance,
    optimum: Solve,
    method: Literal["equivalent", "l-shaped"] | Other = "equivalent",
) -> Recourse:
    """Return the best placement with recourse.

    Parameters
    ----------
    optimum
        Solves nominal instances with listed speeds.
    method
        How configurations that bounds leave are solved; or what solves the problem in its place,
        given the share of outcomes to be kept: its placement is valued here.

    Raises
    ------
    InputError
        Where there are no outcomes to see, or speeds are continuous.
    """
    search = _Search(instance, optimum)
    nominal = optimum(instance.replace(doubt=None))
    expected = None
    if nominal is not None:
        placement = placement_of(instance, nominal)
        expected = search.offer(placement) if search.fits(placement) else math.inf
    seen_first = [
        (o.weight, search.least(o.instance, free=False), search.least(o.instance, free=True))
        for o in search.outcomes
    ]
    wait_and_see = best_sum(seen_first, search.share)
    if callable(method):
        elsewhere, bound = method(instance, search.share)
        if elsewhere is not None:
            search.offer(elsewhere)
    else:
        bound = search.solve(_equivalent if method == "equivalent" else shaped)
    objective = search.objective
    return Recourse(search.best, objective, min(bound, objective), wait_and_see, expected)


class _Search:
    """The best placement so far, and what else there is to it."""

    def __init__(self, instance: CiftInstance, optimum: Solve) -> None:
        self.instance, self.optimum = instance, optimum
        self.outcomes = outcomes(instance)
        self.share, self.served = keep_share(instance), serves_surely(instance)
        self.best: Placement | None = None
        self.objective = math.inf
        self._tried: set[Placement] = set()

    def fits(self, placement: Placement) -> bool:
        """Return whether every segment fits its node."""
        g = self.instance.configurations[placement.configuration]
        return all(fits(self.instance, g, n, i, j) for n, i, j in placement.segments if j > i)

    def offer(self, placement: Placement) -> float:
        """Return what a placement is worth, and take it if it is better."""
        worth = value(self.instance, self.outcomes, placement)
        if worth < self.objective:
            self.best, self.objective = placement, worth
        return worth

    def least(self, seen: CiftInstance, *, free: bool) -> float:
        """Return the optimum of an outcome, or of one configuration in it.

        With `free` the outcome is given up: no deadlines, or that of serving alone.
        """
        asked = seen
        if free:
            asked = seen.replace(fine_tuning_deadline_s=None)
            if not self.served:
                asked = asked.replace(inference_deadline_s=None)
        plan = self.optimum(asked)
        if plan is None:
            return math.inf
        placement = placement_of(self.instance, plan)
        if placement not in self._tried and self.fits(placement):
            self._tried.add(placement)
            self.offer(placement)
        one = Placement(placement_of(seen, plan).configuration, placement.segments)
        # The plan may use all of the judge's tolerance, which placements with recourse do not.
        known = evaluate(asked, plan).objective
        return min(known, energies(seen, one, served=self.served)[1 if free else 0])

    def floors(self) -> list[tuple[float, int]]:
        """Return what each configuration costs at least, ascending."""
        # Without deadlines rates do not matter: a figure for each K and speeds is enough.
        free: dict[tuple[object, ...], float] = {}
        found: list[tuple[float, int]] = []
        for position in range(len(self.instance.configurations)):
            pairs: list[tuple[Fraction, float, float]] = []
            for o in self.outcomes:
                alone = _alone(o.instance, position)
                key = position, alone.configurations[0].epochs, o.instance.nodes
                if key not in free:
                    free[key] = self.least(alone, free=True)
                pairs.append((o.weight, free[key], free[key]))
            floor = sum(float(weight) * joules for weight, _, joules in pairs)
            if floor < self.objective * (1 - GAP):
                pairs = [
                    (o.weight, self.least(_alone(o.instance, position), free=False), known)
                    for o, (_, _, known) in zip(self.outcomes, pairs, strict=True)
                ]
                floor = best_sum(pairs, self.share)
            found.append((floor, position))
        return sorted(found)

    def solve(self, solve_one: SolveOne) -> float:
        """Solve the configurations that bounds leave; return the bound on all of them."""
        floors, bound = self.floors(), self.objective
        for floor, position in floors:
            if floor >= self.objective * (1 - GAP):
                return min(bound, max(floor, 0.0))
            reached = solve_one(self.instance, self.outcomes, position, self.offer)
            bound = min(bound, max(reached, floor))
        return bound


def _alone(instance: CiftInstance, position: int) -> CiftInstance:
    return instance.replace(configurations=(instance.configurations[position],))


def _equivalent(
    instance: CiftInstance,
    found: Sequence[Outcome],
    position: int,
    offer: Callable[[Placement], float],
) -> float:
    """Solve the deterministic equivalent of a configuration; return its bound."""
    arcs = arcs_of(instance, position)
    rows = equivalent(instance, found, position, arcs)
    costs = [c for c in rows.cost if c > 0]
    scale = scale_for(float(np.median(costs)) if costs else 0.0)
    highs = load(rows.sparse(scale))
    source = instance.node_index[instance.configurations[position].source]
    ended = solve(highs, time_limit_s=None, relative_gap=GAP, support=len(arcs) + 2 * len(found))
    if ended.values is None:
        return math.inf
    offer(placement_at(arcs, ended.values, source, position))
    return (ended.bound or 0.0) / scale
