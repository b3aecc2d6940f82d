"""Speeds of one phase of CIFT at a price of time, listed or continuous, and for a deadline.

Per FLOP a node takes ``kappa f^2 + rho / f`` joules and ``1 / f`` seconds. At a price of mu watts
on its time the best speed is, on an interval, ``cbrt((rho + mu) / (2 kappa))`` clipped to it, in a
list the level of least ``kappa f^2 + (rho + mu) / f``. It rises with mu, so the seconds of a
placement fall, and the least mu that keeps a deadline is found by bisection. On intervals alone
that is the optimum of the placement (the terms are convex in time); with lists it is a plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from splitopt.instances.cift.model import Node, SpeedInterval

_HALVINGS = 200


def joules_per_flop(node: Node, speed: float) -> float:
    """Return J a FLOP at a speed."""
    return node.kappa_j_s2_per_flop3 * speed * speed + node.busy_power_w / speed


@dataclass(frozen=True, slots=True)
class Engine:
    """The speeds of a node worth having in a phase.

    Attributes
    ----------
    low, high
        Ends: on an interval what lies below the critical speed is left out.
    levels
        Ascending, each cheaper than all faster ones; None on an interval.
    """

    node: Node
    low: float
    high: float
    levels: tuple[float, ...] | None

    @staticmethod
    def of(node: Node, *, charged: bool = True) -> Engine:
        """Return the engine of a node; `charged` says whether energy counts (R > 0)."""
        speeds, rho = node.speeds_flop_per_s, node.busy_power_w
        if isinstance(speeds, SpeedInterval):
            kappa = node.kappa_j_s2_per_flop3
            critical = np.cbrt(rho / (2 * kappa)) if kappa > 0 else np.inf
            if not charged:
                critical = np.inf
            low = float(np.clip(critical, speeds.low, speeds.high))
            return Engine(node, low, speeds.high, None)
        kept: list[float] = []
        for f in reversed(speeds):
            cost = joules_per_flop(node, f) if charged else 0.0
            if not kept or cost < (joules_per_flop(node, kept[-1]) if charged else 0.0):
                kept.append(f)
        return Engine(node, kept[-1], kept[0], tuple(reversed(kept)))

    def from_speed(self, slowest: float) -> Engine:
        """Return the engine without what is slower, but for its highest speed."""
        slowest = min(slowest, self.high)
        levels = self.levels and tuple(f for f in self.levels if f >= slowest)
        return Engine(self.node, max(self.low, slowest), self.high, levels)

    @property
    def fixed(self) -> bool:
        """Whether there is one speed only."""
        return self.low == self.high

    def speed(self, price_w: float) -> float:
        """Return the best speed at a price of time."""
        node = self.node
        if self.levels is not None:
            return min(self.levels, key=lambda f: (joules_per_flop(node, f) + price_w / f, -f))
        kappa = node.kappa_j_s2_per_flop3
        if self.low == self.high or kappa == 0:
            return self.high
        best = float(np.cbrt((node.busy_power_w + price_w) / (2 * kappa)))
        return min(max(best, self.low), self.high)


def fit(engines: Sequence[Engine], work_flop: Sequence[float], seconds: float) -> list[float]:
    """Return a speed for each segment so that they take at most `seconds`.

    The cheapest ones at the least price of time that keeps the limit; the highest where none do,
    which is for the judge to see: nothing is ruled out here.
    """

    def at(price_w: float) -> tuple[list[float], float]:
        speeds = [engine.speed(price_w) for engine in engines]
        return speeds, sum(w / f for w, f in zip(work_flop, speeds, strict=True))

    speeds, taken = at(0.0)
    if taken <= seconds:
        return speeds
    speeds = [engine.high for engine in engines]
    if sum(w / f for w, f in zip(work_flop, speeds, strict=True)) > seconds:
        return speeds
    low, high = 0.0, 1.0
    while at(high)[1] > seconds:
        low, high = high, 4 * high
        if not np.isfinite(high):
            return speeds
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if at(middle)[1] <= seconds:
            high = middle
        else:
            low = middle
    return at(high)[0]
