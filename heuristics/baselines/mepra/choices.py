"""What a device of MEPRA may do, as a table: the choices that the searches walk over.

A choice is a split and, where exits are free, a set of exits; it has a base cost a and, with
p = w_T / C, a root r = sqrt(edge work). For given choices the best shares are in proportion to r
and the cost is::

    sum_i a_i + p (sum_i r_i)^2

Exits are those that cost least for the split at a share of 2^k / n, k = -2..2: which exits are best
depends on the share alone, so the optimum's are near one of these, if not among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitopt.heuristics.baselines.mepra.data import Floats, Integers, device_chunks, split_costs
from splitopt.heuristics.baselines.mepra.exits import best_exits
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights

_SHARES = (0.25, 0.5, 1.0, 2.0, 4.0)  # times 1/n


@dataclass(frozen=True, eq=False, slots=True)
class Choices:
    """The choices of n devices, m each; infinite base cost beyond a device's last layer.

    Attributes
    ----------
    base, root
        a and r, shape (n, m).
    split
        Shape (m,).
    exits
        Sets as bits, shape (n, m); None where the instance fixes them.
    price
        p.
    """

    base: Floats
    root: Floats
    split: Integers
    exits: Integers | None
    price: float

    def cost(self, chosen: Integers) -> float:
        """Return the cost of one choice a device."""
        everyone = np.arange(len(self.base))
        load = float(self.root[everyone, chosen].sum())
        return float(self.base[everyone, chosen].sum()) + self.price * load * load

    def start(self) -> Integers:
        """Return each device's cheapest choice at the share 1/n."""
        best: Integers = np.argmin(self.base + self.price * len(self.base) * self.root**2, axis=1)
        return best

    def plan(self, chosen: Integers) -> MepraPlan:
        """Return the plan of one choice a device, with the best shares."""
        everyone = np.arange(len(self.base))
        return MepraPlan(
            self.split[chosen],
            shares_from_weights(self.root[everyone, chosen]),
            None if self.exits is None else self.exits[everyone, chosen],
        )


def choices_of(instance: MepraInstance) -> Choices:
    """Return the choices of an instance."""
    splits = np.arange(int(instance.layers.max()) + 1)
    shares = _SHARES if instance.exit_set is None else (1.0,)
    split = np.tile(splits, len(shares))
    shape = (instance.devices, len(split))
    base, root = np.empty(shape), np.empty(shape)
    exits = np.zeros(shape, dtype=np.int64) if instance.exit_set is None else None
    for devices in device_chunks(instance):
        rows = devices.rows
        if exits is None:
            assert instance.exit_set is not None
            costs = split_costs(devices, instance.exit_set[rows])
            base[rows], root[rows] = costs.base, np.sqrt(costs.edge_flop)
            continue
        for k, share in enumerate(np.repeat(shares, len(splits)).tolist()):
            there = np.full(devices.count, split[k], dtype=np.int64)
            _, exits[rows, k] = best_exits(devices, there, share / instance.devices)
            costs = split_costs(devices, exits[rows, k])
            base[rows, k] = costs.base[:, split[k]]
            root[rows, k] = np.sqrt(costs.edge_flop[:, split[k]])
    price = instance.weight_time_per_s / instance.edge_capacity_flop_per_s
    return Choices(base, root, split, exits, price)
