r"""Speeds of one phase of a placement whose network is in doubt.

With t_h seconds of host h at nominal speed a deadline asks, in each atom i that may not be late,

    sum_h slow_ih t_h + spent_i <= tau,

or, with means and variances, ``mean + sqrt(V + sum_h (dev_h t_h)^2) <= tau`` (V of the hops, kappa
in both). Which atoms may be late is given, or those go that are latest at the highest speeds: all
times fall as speeds rise, so the highest speeds say whether the placement keeps its deadline.

One price on time gives speeds as without doubt (`splitopt.formulations.cift.outer.speeds`). Where
several intervals share the time, or several atoms bind, they are not the best: from there SLSQP
goes on in ``log t``, in which energy, ``exp(-2 x)`` and ``exp(x)``, and both kinds of limits are
convex. What it returns is made to keep the limits by raising speeds, and taken if it is cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitopt.formulations.cift.chances import Chance
from splitopt.formulations.cift.outer.speeds import Engine, joules_per_flop
from splitopt.instances.core.arrays import Bools, Floats

_HALVINGS = 100
_RAISED = 1e-3  # how much faster, at most, what SLSQP finds is made


@dataclass(frozen=True, slots=True)
class Demand:
    """What a deadline asks of the hosts of a placement.

    Attributes
    ----------
    chance, limit
        The deadline over its atoms, and its seconds.
    spent
        Seconds of the hops, shape (atoms,).
    variance
        kappa squared times the variance of that.
    slow
        Seconds a nominal second of each host takes, shape (atoms, hosts).
    deviation
        kappa times the standard deviation of that, shape (hosts,).
    late
        The atoms that may be late; None: whichever are latest.
    """

    chance: Chance
    limit: float
    spent: Floats
    variance: float
    slow: Floats
    deviation: Floats
    late: Bools | None = None

    def times(self, seconds: Floats) -> Floats:
        """Return what is held against the limit, shape (atoms,), for nominal seconds of hosts."""
        total: Floats = self.spent + self.slow @ seconds
        if self.chance.kappa:
            total = total + np.sqrt(self.variance + ((self.deviation * seconds) ** 2).sum())
        return total

    def gradient(self, seconds: Floats) -> Floats:
        """Return how `times` rises with each host's seconds, shape (atoms, hosts)."""
        if not self.chance.kappa:
            return self.slow
        sd = np.sqrt(self.variance + ((self.deviation * seconds) ** 2).sum())
        slope = self.deviation**2 * seconds / sd if sd > 0 else np.zeros_like(seconds)
        raised: Floats = self.slow + slope
        return raised

    def keeps(self, seconds: Floats) -> bool:
        """Return whether the deadline is kept."""
        missed = self.times(seconds) > self.limit
        if self.late is not None:
            return not (missed & ~self.late).any()
        return self.chance.kept(missed)

    def settled(self, fastest: Floats) -> Demand:
        """Return the demand with its late atoms named: the latest ones at these seconds."""
        if self.late is not None or self.chance.kappa:
            return self
        times = self.times(fastest)
        late = np.zeros(len(times), dtype=np.bool_)
        for atom in np.argsort(-times, kind="stable").tolist():
            late[atom] = True
            if not self.chance.kept(late):
                late[atom] = False
                break
        return Demand(
            self.chance, self.limit, self.spent, self.variance, self.slow, self.deviation, late
        )


def fit_in_doubt(engines: Sequence[Engine], work: Sequence[float], demand: Demand) -> list[float]:
    """Return a speed for each host so that the deadline is kept, the highest where none do."""
    works = np.array(work)

    def seconds(speeds: Sequence[float]) -> Floats:
        return works / np.array(speeds) if len(works) else works

    free = [engine.speed(0.0) for engine in engines]
    if demand.limit == np.inf or demand.keeps(seconds(free)):
        return free
    top = [engine.high for engine in engines]
    demand = demand.settled(seconds(top))
    if not demand.keeps(seconds(top)):
        return top
    held = ~demand.late if demand.late is not None else np.ones(len(demand.spent), dtype=np.bool_)
    worst = np.argmax(np.where(held, demand.times(seconds(top)), -np.inf))
    weights = demand.gradient(seconds(top))[worst]

    def at(price_w: float) -> list[float]:
        pairs = zip(engines, weights.tolist(), strict=True)
        return [engine.speed(price_w * weight) for engine, weight in pairs]

    low, high = 0.0, 1.0
    while not demand.keeps(seconds(at(high))):
        low, high = high, 4 * high
        if not np.isfinite(high):
            return _polished(engines, works, demand, top)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if demand.keeps(seconds(at(middle))):
            high = middle
        else:
            low = middle
    return _polished(engines, works, demand, at(high))


def _polished(
    engines: Sequence[Engine], works: Floats, demand: Demand, speeds: list[float]
) -> list[float]:
    """Return speeds that are no dearer: the best of the intervals, levels as they are."""
    open_ = [h for h, e in enumerate(engines) if e.levels is None and not e.fixed and works[h] > 0]
    if not open_:
        return speeds
    from scipy.optimize import minimize

    start: Floats = works / np.array(speeds)
    held = np.flatnonzero(~demand.late) if demand.late is not None else np.arange(len(demand.slow))
    kappa = np.array([engines[h].node.kappa_j_s2_per_flop3 for h in open_])
    rho = np.array([engines[h].node.busy_power_w for h in open_])
    w = works[open_]
    least = np.log(w / np.array([engines[h].high for h in open_]))
    most = np.log(w / np.array([engines[h].low for h in open_]))
    unit = float((kappa * w**3 / start[open_] ** 2 + rho * start[open_]).sum()) or 1.0

    def whole(x: Floats) -> Floats:
        t = start.copy()
        t[open_] = np.exp(x)
        return t

    def energy(x: Floats) -> tuple[float, Floats]:
        grows, idles = kappa * w**3 * np.exp(-2 * x) / unit, rho * np.exp(x) / unit
        return float((grows + idles).sum()), idles - 2 * grows

    def slack(x: Floats) -> Floats:
        left: Floats = 1 - demand.times(whole(x))[held] / demand.limit
        return left

    def slope(x: Floats) -> Floats:
        t = whole(x)
        steep: Floats = -demand.gradient(t)[held][:, open_] * t[open_] / demand.limit
        return steep

    limits: Any = [{"type": "ineq", "fun": slack, "jac": slope}]
    options: Any = {"ftol": 1e-13, "maxiter": 100}
    found = minimize(
        energy,
        np.clip(np.log(start[open_]), least, most),
        jac=True,
        bounds=list(zip(least, most, strict=True)),
        constraints=limits,
        method="SLSQP",
        options=options,
    ).x
    tried = dict(zip(open_, (w / np.exp(found)).tolist(), strict=True))
    return _kept(engines, works, demand, speeds, tried)


def _kept(
    engines: Sequence[Engine],
    works: Floats,
    demand: Demand,
    known: list[float],
    wanted: dict[int, float],
) -> list[float]:
    """Return the speeds wanted, raised to keep the deadline; the known ones if they are cheaper."""

    def joules(chosen: Sequence[float]) -> float:
        pairs = zip(engines, works.tolist(), chosen, strict=True)
        return float(sum(work * joules_per_flop(engine.node, f) for engine, work, f in pairs))

    step = 0.0
    while step < _RAISED and all(map(math.isfinite, wanted.values())):
        tried = list(known)
        for h, f in wanted.items():
            tried[h] = min(max(f * (1 + step), engines[h].low), engines[h].high)
        if demand.keeps(works / np.array(tried)):
            return tried if joules(tried) < joules(known) else known
        step = max(2.0**-50, 2 * step)
    return known
