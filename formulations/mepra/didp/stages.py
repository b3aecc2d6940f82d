"""The stages of MEPRA's dynamic program: options as penalties and shifts, in integers.

See `splitopt.formulations.mepra.didp.method`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from splitopt.formulations.mepra.layerwise import WalkedOption, root_of
from splitopt.instances.core.arrays import Floats
from splitopt.instances.mepra.model import MepraInstance

SPENT = 0.75  # of the gap asked for: on rounding, and by which plans must be better to matter
_ROUNDING = 1e-11  # relative; covers the rounding of every double here
_FINEST = 2.0**-24  # of the range of D: its square stays exact


@dataclass(frozen=True, slots=True)
class Stages:
    """The devices that still have a choice, in steps of delta and delta^2.

    Attributes
    ----------
    order
        Devices, the widest choice first.
    options
        By stage.
    settled
        By device: its option where one is left.
    penalty, shift
        p' and d', (stages, K); infinite and 0 where a stage has fewer options.
    offset
        D'_0.
    step, base
        delta, and L.
    loose
        Steps by which D' may be too small: n.
    """

    order: Sequence[int]
    options: Sequence[Sequence[WalkedOption]]
    settled: dict[int, WalkedOption]
    penalty: Floats
    shift: Floats
    offset: float
    step: float
    base: float
    loose: float

    def bound(self, cost: float) -> float:
        """Return the bound on the optimum that a bound on the model's cost gives."""
        return (self.base + cost * self.step * self.step) * (1 - _ROUNDING)

    def ceiling(self, cost: float) -> float:
        """Return at least what a plan of that cost costs in the model."""
        return (cost * (1 + _ROUNDING) - self.base) / self.step / self.step

    def error(self, wide: float) -> float:
        """Return the most by which rounding lowers plans that deviate by up to `wide` steps."""
        return (2 * wide * self.loose + self.loose**2 + len(self.order)) * self.step**2

    def picked(self, choice: Sequence[int]) -> list[WalkedOption]:
        """Return the option of each device of a solution: one position a stage."""
        found = dict(self.settled)
        for i, mine, k in zip(self.order, self.options, choice, strict=True):
            found[i] = mine[k]
        return [found[i] for i in sorted(found)]


def _multiplier(own: Floats, root: Floats) -> float:
    """Return the lambda that is about the sum of roots of the devices' choices at it.

    Parameters
    ----------
    own, root
        a and r, (n, K); a is infinite where a device has fewer options.
    """
    low, high = 0.0, math.fsum(root.max(axis=1).tolist())
    rows = np.arange(len(own))
    for _ in range(100):
        middle = (low + high) / 2
        if root[rows, (own + 2 * middle * root).argmin(axis=1)].sum() > middle:
            low = middle
        else:
            high = middle
    return high


def stages_of(
    instance: MepraInstance, table: Sequence[list[WalkedOption]], objective: float, gap: float
) -> Stages:
    """Return the stages for plans that cost less than `objective` > 0."""
    n, K = len(table), max(len(mine) for mine in table)
    own, root = np.full((n, K), np.inf), np.zeros((n, K))
    for i, mine in enumerate(table):
        own[i, : len(mine)] = [o.own_cost for o in mine]
        root[i, : len(mine)] = [root_of(instance, o) for o in mine]
    multiplier = _multiplier(own, root)
    price = own + 2 * multiplier * root
    least = price.min(axis=1)
    base = math.fsum(least.tolist()) - multiplier**2
    room = max(objective - base, 0.0) + 4 * _ROUNDING * (objective + multiplier**2)
    penalty = price - least[:, None]
    kept = penalty <= room
    lowest = np.where(kept, root, np.inf).min(axis=1)
    shift = np.where(kept, root - lowest[:, None], 0.0)
    offset = math.fsum(lowest.tolist()) - multiplier
    choice = kept.sum(axis=1) > 1
    order = sorted(np.flatnonzero(choice).tolist(), key=lambda i: -float(shift[i].max()))
    wide, most = math.sqrt(room), abs(offset) + math.fsum(shift[order].max(axis=1).tolist())
    wanted = SPENT * gap * objective / (2 * (len(order) + 1) * wide) if wide > 0 else 0.0
    step = max(wanted, max(most, wide) * _FINEST) or 1.0
    # Options left first, in their order.
    left = np.argsort(~kept, axis=1, kind="stable")[order, : max(1, int(kept.sum(axis=1).max()))]
    row = np.array(order, dtype=np.int64)[:, None]
    there = kept[row, left]
    return Stages(
        order,
        [[table[i][k] for k in mine if kept[i, k]] for i, mine in zip(order, left, strict=True)],
        {i: table[i][int(kept[i].argmax())] for i in np.flatnonzero(~choice).tolist()},
        np.where(there, np.floor(np.where(there, penalty[row, left], 0.0) / step / step), np.inf),
        np.floor(shift[row, left] / step),
        float(math.floor(offset / step)),
        step,
        base,
        float(len(order) + 1),
    )
