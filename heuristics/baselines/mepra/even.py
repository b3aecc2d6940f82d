"""MEPRA with even shares: ``device-only``, ``edge-only`` and ``even-shares``.

Every device has the share 1/n of the edge, as in the source's EAR (even allocation of resources).

``device-only``
    Nothing leaves the device.
``edge-only``
    Everything runs at the edge.
``even-shares``
    Each device takes the split that costs it least at 1/n; devices do not depend on each other,
    so this is the best plan with even shares.

Where exits are free, each device takes the exits that cost it least for its split at 1/n, found
exactly; a baseline is not handicapped by its exits. What they cannot represent: uneven shares.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from splitopt.heuristics.baselines.mepra.data import Devices, Integers, device_chunks, split_costs
from splitopt.heuristics.baselines.mepra.exits import best_exits
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Result,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights


def allowed_splits(devices: Devices, where: str) -> list[Integers]:
    """Return the splits to choose from, each as an int64 column over devices."""
    if where == "device":
        return [devices.layers]
    if where == "edge":
        return [np.zeros(devices.count, dtype=np.int64)]
    return [np.full(devices.count, s, dtype=np.int64) for s in range(devices.most + 1)]


class EvenShares(Framed[MepraInstance, MepraPlan]):
    """Even shares with all splits, or one kind of split, allowed."""

    def __init__(self, name: str, where: Literal["device", "edge", "anywhere"]) -> None:
        self.name = name
        self.where = where

    def supports(self, instance: MepraInstance) -> Support:
        """Take every instance; free exits are set to the best for the split at 1/n."""
        return Support()

    def answer(self, instance: MepraInstance, run: Run[MepraPlan]) -> Result:
        """Return the best plan of this kind."""
        share = 1.0 / instance.devices
        splits, exits = [], []
        for devices in device_chunks(instance):
            if run.stopped:
                return nothing_found(run.recorder, termination=Termination.TIME)
            best = np.full(devices.count, np.inf)
            chosen = devices.layers.copy()
            chosen_exits = np.zeros(devices.count, dtype=np.int64)
            table = None
            if instance.exit_set is not None:
                costs = split_costs(devices, instance.exit_set[devices.rows])
                table = costs.at(share, devices.edge_price)
            for split in allowed_splits(devices, self.where):
                if table is None:
                    cost, sets = best_exits(devices, split, share)
                else:
                    cost, sets = table[np.arange(devices.count), split], chosen_exits
                better = cost < best
                best = np.where(better, cost, best)
                chosen = np.where(better, split, chosen)
                chosen_exits = np.where(better, sets, chosen_exits)
            splits.append(chosen)
            exits.append(chosen_exits)
        plan = MepraPlan(
            np.concatenate(splits),
            shares_from_weights(np.ones(instance.devices)),
            np.concatenate(exits) if instance.exit_set is None else None,
        )
        return conclude(instance, plan, run.recorder, run.budget)


DEVICE_ONLY = EvenShares("device-only", "device")
EDGE_ONLY = EvenShares("edge-only", "edge")
EVEN_SHARES = EvenShares("even-shares", "anywhere")
