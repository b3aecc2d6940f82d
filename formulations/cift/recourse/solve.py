r"""The recourse problem, and what it says of the value of planning under doubt.

Configurations are visited by a lower bound: the expected optimum if the outcome were seen first
(`perfect`), by the label program in every outcome; placements that are best in some outcome are
tried at once. What is left below the best known is solved configuration by configuration, as its
deterministic equivalent or by the L-shaped method (Van Slyke and Wets 1969): a master without
speeds, and for each outcome cuts at the prices that its speeds ask for at the master's placement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.recourse.model import (
    Arcs,
    Figures,
    arcs_of,
    cut,
    equivalent,
    figures,
    master,
    placement_at,
)
from splitopt.formulations.cift.recourse.outcomes import (
    GROWN,
    Outcome,
    Placement,
    best_sum,
    energies,
    keep_share,
    outcomes,
    placement_of,
    serves_surely,
    value,
)
from splitopt.formulations.solvers import OBJECTIVE_SCALE
from splitopt.formulations.solvers.highs import load, solve
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.judge import evaluate

__all__ = ["Recourse", "solve_recourse"]

Floats = npt.NDArray[np.float64]
# The optimum of a nominal instance: its plan, None where there is none.
Solve = Callable[[CiftInstance], CiftPlan | None]
# A method from elsewhere: the placement it found, if any, and a bound on all.
Other = Callable[[CiftInstance, Fraction], tuple[Placement | None, float]]
_GAP = 1e-6
_ROUNDS = 200
_HALVINGS = 60


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


def _alone(instance: CiftInstance, position: int) -> CiftInstance:
    return instance.replace(configurations=(instance.configurations[position],))


def _given_up(instance: CiftInstance, *, served: bool) -> CiftInstance:
    """Return an outcome that is given up: without deadlines, or without that of fine-tuning."""
    free = instance.replace(fine_tuning_deadline_s=None)
    return free if served else free.replace(inference_deadline_s=None)


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
    found = outcomes(instance)
    share, served = keep_share(instance), serves_surely(instance)
    best: Placement | None = None
    objective = math.inf

    def offer(placement: Placement) -> float:
        nonlocal best, objective
        worth = value(instance, found, placement)
        if worth < objective:
            best, objective = placement, worth
        return worth

    tried: set[Placement] = set()

    def try_out(plan: CiftPlan) -> Placement:
        placement = placement_of(instance, plan)
        if placement not in tried and _fits(instance, placement):
            tried.add(placement)
            offer(placement)
        return placement

    def least(seen: CiftInstance, *, free: bool) -> float:
        """Return the optimum of an outcome, or of one configuration in it."""
        asked = _given_up(seen, served=served) if free else seen
        plan = optimum(asked)
        if plan is None:
            return math.inf
        one = Placement(placement_of(seen, plan).configuration, try_out(plan).segments)
        # The plan may use all of the judge's tolerance, which placements with recourse do not.
        known = evaluate(asked, plan).objective
        return min(known, energies(seen, one, served=served)[1 if free else 0])

    nominal = optimum(instance.replace(doubt=None))
    expected = None
    if nominal is not None:
        placement = placement_of(instance, nominal)
        expected = offer(placement) if _fits(instance, placement) else math.inf
    seen_first = [
        (o.weight, least(o.instance, free=False), least(o.instance, free=True)) for o in found
    ]
    wait_and_see = best_sum(seen_first, share)
    if callable(method):
        elsewhere, bound = method(instance, share)
        if elsewhere is not None:
            offer(elsewhere)
        return Recourse(best, objective, min(bound, objective), wait_and_see, expected)
    # Without deadlines rates do not matter: a figure for each K and speeds is enough.
    free: dict[tuple[object, ...], float] = {}
    bounds: list[tuple[float, int]] = []
    for position in range(len(instance.configurations)):
        pairs: list[tuple[Fraction, float, float]] = []
        for o in found:
            alone = _alone(o.instance, position)
            key = position, alone.configurations[0].epochs, o.instance.nodes
            if key not in free:
                free[key] = least(alone, free=True)
            pairs.append((o.weight, free[key], free[key]))
        floor = sum(float(weight) * joules for weight, _, joules in pairs)
        if floor < objective * (1 - _GAP):
            pairs = [
                (o.weight, least(_alone(o.instance, position), free=False), known)
                for o, (_, _, known) in zip(found, pairs, strict=True)
            ]
            floor = best_sum(pairs, share)
        bounds.append((floor, position))
    bound = objective
    for floor, position in sorted(bounds):
        if floor >= objective * (1 - _GAP):
            bound = min(bound, max(floor, 0.0))
            break
        reached = (_equivalent if method == "equivalent" else _shaped)(
            instance, found, position, offer
        )
        bound = min(bound, max(reached, floor))
    return Recourse(best, objective, min(bound, objective), wait_and_see, expected)


def _fits(instance: CiftInstance, placement: Placement) -> bool:
    from splitopt.formulations.cift.recourse.outcomes import fits

    g = instance.configurations[placement.configuration]
    return all(fits(instance, g, n, i, j) for n, i, j in placement.segments if j > i)


def _scale(instance: CiftInstance, floor: float) -> float:
    return OBJECTIVE_SCALE / floor if 0 < floor < math.inf else 1.0


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
    scale = _scale(instance, float(np.median(costs)) if costs else 0.0)
    highs = load(rows.sparse(scale))
    source = instance.node_index[instance.configurations[position].source]
    ended = solve(highs, time_limit_s=None, relative_gap=_GAP, support=len(arcs) + 2 * len(found))
    if ended.values is None:
        return math.inf
    offer(placement_at(arcs, ended.values, source, position))
    return (ended.bound or 0.0) / scale


def _shaped(
    instance: CiftInstance,
    found: Sequence[Outcome],
    position: int,
    offer: Callable[[Placement], float],
) -> float:
    """Solve a configuration by the L-shaped method; return its bound.

    Where no cut is violated any more though the speeds' own gap is open, the placement is known
    exactly: it is cut off, with what it is worth.
    """
    arcs, served = arcs_of(instance, position), serves_surely(instance)
    rows, y, theta = master(instance, found, position, arcs)
    mine = [figures(o.instance, position, arcs) for o in found]
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    source = instance.node_index[instance.configurations[position].source]
    reference = 0.0
    for f, outcome in zip(mine, found, strict=True):
        reference += float(outcome.weight) * float(cut(f, arcs, (0.0, 0.0), deadlines)[0].max())
    scale = _scale(instance, reference)
    highs = None
    worth = math.inf
    for _ in range(_ROUNDS):
        if highs is None:
            for i, f in enumerate(mine):
                coefficients, _ = cut(f, arcs, (0.0, 0.0), deadlines)
                rows.row(
                    0.0, np.inf, [(theta[i], 1.0), *((a, -c) for a, c in enumerate(coefficients))]
                )
            highs = load(rows.sparse(scale))
        ended = solve(
            highs, time_limit_s=None, relative_gap=_GAP / 2, support=len(arcs) + 2 * len(found)
        )
        if ended.values is None:
            return worth
        bound = (ended.bound or 0.0) / scale
        placement = placement_at(arcs, ended.values, source, position)
        worth = min(worth, offer(placement))
        if bound >= worth * (1 - _GAP):
            return bound
        taken = np.flatnonzero(ended.values[: len(arcs)] > 0.5)
        added = False
        for i, f in enumerate(mine):
            if ended.values[y[i]] > 0.5:
                if served and _prices(f, arcs, taken, (deadlines[0], None)) is None:
                    _add(highs, [(a, 1.0) for a in taken.tolist()], -np.inf, len(taken) - 1.0)
                    added = True
                continue
            prices = _prices(f, arcs, taken, deadlines)
            if prices is None and served and ended.values[y[i]] <= 0.5:
                surely = _prices(f, arcs, taken, (deadlines[0], None))
                if surely is None:
                    _add(highs, [(a, 1.0) for a in taken.tolist()], -np.inf, len(taken) - 1.0)
                    added = True
                    continue
            if prices is None:
                # Not to be held at this placement: given up, or elsewhere.
                _add(
                    highs,
                    [(a, 1.0) for a in taken.tolist()] + [(y[i], -1.0)],
                    -np.inf,
                    len(taken) - 1.0,
                )
                added = True
                continue
            coefficients, credit = cut(f, arcs, prices, deadlines)
            reached = float(coefficients[taken].sum()) - credit
            if reached > ended.values[theta[i]] * (1 + 1e-9) + 1e-12 * reference:
                big = float(np.sort(coefficients)[-2 * len(instance.nodes) :].sum())
                terms = [(theta[i], 1.0), (y[i], big)]
                terms += [(a, -c) for a, c in enumerate(coefficients.tolist())]
                _add(highs, terms, -credit, np.inf)
                added = True
        if not added:
            # Given up otherwise than is best, or levels that do not divide: its worth is known.
            _add(highs, [(int(a), 1.0) for a in taken], -np.inf, len(taken) - 1.0)
    return bound


def _add(highs: object, terms: Sequence[tuple[int, float]], lower: float, upper: float) -> None:
    columns = np.array([column for column, _ in terms], dtype=np.int32)
    values = np.array([number for _, number in terms])
    kept = values != 0
    highs.addRow(lower, upper, int(kept.sum()), columns[kept], values[kept])  # type: ignore[attr-defined]


def _prices(
    mine: Figures,
    arcs: Arcs,
    taken: npt.NDArray[np.int64],
    deadlines: tuple[float | None, float | None],
) -> tuple[float, float] | None:
    """Return the prices at which a placement's speeds keep both deadlines, None if none do."""
    place = {a: s for s, a in enumerate(arcs.segments)}
    found = [0.0, 0.0]
    for phase, deadline in enumerate(deadlines):
        if deadline is None:
            continue
        hops = sum(mine.hop[a][1 + phase] for a in taken)
        hosts = [mine.levels[phase][place[a]] for a in taken.tolist() if a in place]

        def spent(price: float, hosts: list[list[tuple[float, float]]] = hosts) -> float:
            return sum(min((e + price * s, s) for e, s in levels)[1] for levels in hosts)

        room = deadline * GROWN - hops
        if sum(min(s for _, s in levels) for levels in hosts) > room:
            return None
        if spent(0.0) <= room:
            continue
        low, high = 0.0, 1e-30
        while spent(high) > room and high < 1e60:
            low, high = high, high * 8
        for _ in range(_HALVINGS):
            middle = math.sqrt(low * high) if low > 0 else high / 8
            low, high = (low, middle) if spent(middle) <= room else (middle, high)
        found[phase] = high
    return found[0], found[1]
