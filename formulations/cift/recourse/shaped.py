r"""The L-shaped method (Van Slyke and Wets 1969) on one configuration.

A master without speeds, and for each outcome cuts at the prices that its speeds ask for at the
master's placement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from splitopt.formulations.cift.recourse.model import (
    Arcs,
    Figures,
    arcs_of,
    cut,
    figures,
    master,
    placement_at,
)
from splitopt.formulations.cift.recourse.outcomes import GROWN, Outcome, Placement, serves_surely
from splitopt.formulations.solvers import OBJECTIVE_SCALE
from splitopt.formulations.solvers.highs import load, solve
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Floats, Ints

GAP = 1e-6
_ROUNDS = 200
_HALVINGS = 60


def scale_for(floor: float) -> float:
    """Return the factor that brings a positive figure to what solvers' tolerances suit."""
    return OBJECTIVE_SCALE / floor if 0 < floor < math.inf else 1.0


def shaped(
    instance: CiftInstance,
    found: Sequence[Outcome],
    position: int,
    offer: Callable[[Placement], float],
) -> float:
    """Solve a configuration by the L-shaped method; return its bound.

    Where no cut is violated any more though the speeds' own gap is open, the placement is known
    exactly: it is cut off, with what it is worth.
    """
    run = _Master(instance, found, position)
    source = instance.node_index[instance.configurations[position].source]
    worth, bound = math.inf, 0.0
    for _ in range(_ROUNDS):
        ended = solve(
            run.highs,
            time_limit_s=None,
            relative_gap=GAP / 2,
            support=len(run.arcs) + 2 * len(found),
        )
        if ended.values is None:
            return worth
        bound = (ended.bound or 0.0) / run.scale
        placement = placement_at(run.arcs, ended.values, source, position)
        worth = min(worth, offer(placement))
        if bound >= worth * (1 - GAP):
            return bound
        taken = np.flatnonzero(ended.values[: len(run.arcs)] > 0.5)
        cuts = [run.cut(i, ended.values, taken) for i in range(len(found))]
        if not any(cuts):
            # Given up otherwise than is best, or levels that do not divide: its worth is known.
            run.leave(taken)
    return bound


class _Master:
    """The master in HiGHS, with the cuts so far."""

    def __init__(self, instance: CiftInstance, found: Sequence[Outcome], position: int) -> None:
        self.arcs, self.served = arcs_of(instance, position), serves_surely(instance)
        rows, self.y, self.theta = master(instance, found, position, self.arcs)
        self.figures = [figures(o.instance, position, self.arcs) for o in found]
        self.deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
        self.hosts = 2 * len(instance.nodes)
        self.reference = 0.0
        for i, (mine, outcome) in enumerate(zip(self.figures, found, strict=True)):
            coefficients, _ = cut(mine, self.arcs, (0.0, 0.0), self.deadlines)
            self.reference += float(outcome.weight) * float(coefficients.max())
            terms = [(a, -c) for a, c in enumerate(coefficients)]
            rows.row(0.0, np.inf, [(self.theta[i], 1.0), *terms])
        self.scale = scale_for(self.reference)
        self.highs: Any = load(rows.sparse(self.scale))

    def cut(self, i: int, values: Floats, taken: Ints) -> bool:
        """Add what outcome `i` has against a solution with the arcs `taken`; return whether."""
        mine, arcs = self.figures[i], self.arcs
        given_up = values[self.y[i]] > 0.5
        prices = None if given_up else _prices(mine, arcs, taken, self.deadlines)
        if prices is None:
            if self.served and _prices(mine, arcs, taken, (self.deadlines[0], None)) is None:
                self.leave(taken)
                return True
            if not given_up:
                # Not to be held at this placement: given up, or elsewhere.
                self.leave(taken, unless=self.y[i])
            return not given_up
        coefficients, credit = cut(mine, arcs, prices, self.deadlines)
        reached = float(coefficients[taken].sum()) - credit
        if reached <= values[self.theta[i]] * (1 + 1e-9) + 1e-12 * self.reference:
            return False
        big = float(np.sort(coefficients)[-self.hosts :].sum())
        terms = [(self.theta[i], 1.0), (self.y[i], big)]
        self._add(
            [*terms, *((a, -c) for a, c in enumerate(coefficients.tolist()))], -credit, np.inf
        )
        return True

    def leave(self, taken: Ints, unless: int | None = None) -> None:
        """Cut a placement off, but where the column `unless` is one."""
        terms = [(a, 1.0) for a in taken.tolist()]
        terms += [] if unless is None else [(unless, -1.0)]
        self._add(terms, -np.inf, len(taken) - 1.0)

    def _add(self, terms: Sequence[tuple[int, float]], lower: float, upper: float) -> None:
        columns = np.array([column for column, _ in terms], dtype=np.int32)
        values = np.array([number for _, number in terms])
        kept = values != 0
        self.highs.addRow(lower, upper, int(kept.sum()), columns[kept], values[kept])


def _prices(
    mine: Figures,
    arcs: Arcs,
    taken: Ints,
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
