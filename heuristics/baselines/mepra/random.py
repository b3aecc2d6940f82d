"""``random`` for MEPRA: the best of many random split vectors.

A sample draws each device's split uniformly; shares follow by the square-root rule, which is best
for given splits. Where exits are free, each device takes the exits that cost it least for its split
at an even share 1/n.
"""

from __future__ import annotations

import math

import numpy as np

from splitopt.heuristics.baselines.mepra.data import Floats, Integers, device_chunks, split_costs
from splitopt.heuristics.baselines.mepra.exits import best_exits
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    Result,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights


class RandomSplits(Framed[MepraInstance, MepraPlan]):
    """The cheapest of `samples` random split vectors with square-root shares."""

    name = "random"
    options = (Option("samples", 1000, "split vectors to draw", minimum=1, maximum=10**9),)

    def supports(self, instance: MepraInstance) -> Support:
        """Take every instance; free exits are set to the best for each split at 1/n."""
        return Support()

    def answer(self, instance: MepraInstance, run: Run[MepraPlan]) -> Result:
        """Return the best plan drawn."""
        samples = int(run.options["samples"])
        rng = np.random.default_rng(run.seed)
        if run.stopped:
            return nothing_found(run.recorder, termination=Termination.TIME)
        base, root, exits = _tables(instance)
        edge_price = instance.weight_time_per_s / instance.edge_capacity_flop_per_s
        everyone = np.arange(instance.devices)
        layers = instance.layers[instance.profile]
        best, drawn = math.inf, 0
        chosen: Integers = layers
        while drawn < samples and not (drawn and run.stopped):
            drawn += 1
            splits = rng.integers(layers + 1)
            load = float(root[everyone, splits].sum())
            cost = float(base[everyone, splits].sum()) + edge_price * load * load
            if cost < best:
                best, chosen = cost, splits
                run.recorder.note(best)
        plan = MepraPlan(
            chosen,
            shares_from_weights(root[everyone, chosen]),
            None if exits is None else exits[everyone, chosen],
        )
        return conclude(
            instance,
            plan,
            run.recorder,
            run.budget,
            termination=Termination.SOLVED if drawn == samples else Termination.TIME,
            statistics={"samples": drawn},
        )


def _tables(instance: MepraInstance) -> tuple[Floats, Floats, Integers | None]:
    """Return by device and split: base cost, sqrt(edge work), and exits where free.

    Without a factor, since shares must be above 0 where there is edge work even if time is free.
    """
    shape = (instance.devices, int(instance.layers.max()) + 1)
    base, root = np.empty(shape), np.empty(shape)
    exits = np.zeros(shape, dtype=np.int64) if instance.exit_set is None else None
    for devices in device_chunks(instance):
        rows = devices.rows
        if exits is None:
            assert instance.exit_set is not None
            costs = split_costs(devices, instance.exit_set[rows])
            base[rows] = costs.base
            root[rows] = np.sqrt(costs.edge_flop)
            continue
        for s in range(shape[1]):
            split = np.full(devices.count, s, dtype=np.int64)
            _, sets = best_exits(devices, split, 1.0 / instance.devices)
            costs = split_costs(devices, sets)
            exits[rows, s] = sets
            base[rows, s] = costs.base[:, s]
            root[rows, s] = np.sqrt(costs.edge_flop[:, s])
    return base, root, exits


METHOD = RandomSplits()
