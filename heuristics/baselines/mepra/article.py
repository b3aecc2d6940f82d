"""The baselines of seed article "Joint Optimization of Model Partitioning and Resource Allocation".

(Ma, Wang, Tang, Electronics 14(8), 2025.) EAR: even allocation of resources, the share 1/n for each
of the n devices. Exits are set by SPINN's rule or by an ant colony (`mepra_exit_rules`), the colony
knowing the split, or choosing for the best split, at the share 1/n.

``spinn-ear``
    SPINN's exits; each device's best split at 1/n.
``aco-ear``
    The colony's exits; each device's best split at 1/n. The article leaves this baseline's
    description blank; it says only that SPINN-EAR splits by the same strategy.
``aco-device-only-ear``, ``aco-edge-only-ear``
    The colony's exits, everything on the device or at the edge.
``fp-ar``
    Every split at layer 6 (or the last, where there are fewer), the colony's exits for it, and the
    best of 1000 allocations, drawn uniformly from the simplex over devices with edge work.

Where the instance fixes its exits there is nothing to set: they are taken as given, and
``spinn-ear`` and ``aco-ear`` come to the same plan. What they cannot represent: shares by need
(EAR), splits by device (``fp-ar``), exits that a rule or a colony misses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.baselines.mepra.data import Devices, device_chunks, split_costs
from splitopt.heuristics.baselines.mepra.exit_rules import Colony, colony_exits, spinn_exits
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    OptionValue,
    Result,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Where = Literal["anywhere", "device", "edge", "layer"]

# Tuned on 16 instances with free exits (tables at 3, 14 and 45 Mbit/s, and the family mepra-free),
# three seeds each: with a visibility of 0.5 to 2 every run ends at the exact best exits. Without
# it, 0.16 % above in the mean, 0.6 % at worst, whatever the evaporation; docs/claims.md measures
# the colony on other instances.
COLONY = (
    Option("ants", 20, "ants an iteration", minimum=1, maximum=10_000),
    Option("iterations", 50, "iterations of the colony", minimum=1, maximum=10**6),
    Option("evaporation", 0.1, "part of the pheromone replaced an iteration", 1e-6, 1.0),
    Option("visibility", 1.0, "exponent of a step's inverse work; 0: pheromone alone", 0.0, 10.0),
)
FIXED_SPLIT = (
    Option("split", 6, "layer behind which every network is cut", minimum=0, maximum=62),
    Option("allocations", 1000, "allocations to draw", minimum=1, maximum=10**7),
)


class ArticleBaseline(Framed[MepraInstance, MepraPlan]):
    """One baseline of the article: how exits are set, where networks are cut, who gets what."""

    def __init__(self, name: str, rule: Literal["spinn", "colony"], where: Where) -> None:
        self.name = name
        self.rule = rule
        self.where = where
        self.options: tuple[Option, ...] = (COLONY if rule == "colony" else ()) + (
            FIXED_SPLIT if where == "layer" else ()
        )

    def supports(self, instance: MepraInstance) -> Support:
        """Take every instance; fixed exits are taken as given."""
        return Support()

    def answer(self, instance: MepraInstance, run: Run[MepraPlan]) -> Result:
        """Return the baseline's plan; at the time limit the colony's best so far."""
        chosen = run.options
        rng = np.random.default_rng(run.seed)
        share = 1.0 / instance.devices

        def stop() -> bool:
            return run.stopped

        splits, exits, works = [], [], []
        for devices in device_chunks(instance):
            if stop():
                return nothing_found(run.recorder, termination=Termination.TIME)
            sets = (
                self._exits(devices, share, chosen, rng, stop)
                if instance.exit_set is None
                else instance.exit_set[devices.rows]
            )
            costs = split_costs(devices, sets)
            split = self._split(devices, costs.at(share, devices.edge_price), chosen)
            splits.append(split)
            exits.append(sets)
            works.append(costs.edge_flop[np.arange(devices.count), split])
        work = np.concatenate(works)
        shares = shares_from_weights(np.ones(instance.devices))
        if self.where == "layer":
            shares = _best_allocation(work, int(chosen["allocations"]), rng, stop)
        plan = MepraPlan(
            np.concatenate(splits),
            shares,
            np.concatenate(exits) if instance.exit_set is None else None,
        )
        return conclude(
            instance,
            plan,
            run.recorder,
            run.budget,
            termination=Termination.TIME if stop() else Termination.SOLVED,
        )

    def _split(
        self, devices: Devices, costs: Floats, options: Mapping[str, OptionValue]
    ) -> Integers:
        """Return each device's split: the cheapest, or the one that is prescribed."""
        if self.where == "anywhere":
            cheapest: Integers = np.argmin(costs, axis=1).astype(np.int64)
            return cheapest
        if self.where == "device":
            return devices.layers
        if self.where == "edge":
            return np.zeros(devices.count, dtype=np.int64)
        prescribed: Integers = np.minimum(devices.layers, int(options["split"]))
        return prescribed

    def _exits(
        self,
        devices: Devices,
        share: float,
        options: Mapping[str, OptionValue],
        rng: np.random.Generator,
        stop: Callable[[], bool],
    ) -> Integers:
        if self.rule == "spinn":
            return spinn_exits(devices)

        def cost_of(copies: Devices, sets: Integers) -> Floats:
            costs = split_costs(copies, sets).at(share, copies.edge_price)
            split = self._split(copies, costs, options)
            cheapest: Floats = costs[np.arange(copies.count), split]
            return cheapest

        return colony_exits(
            devices,
            cost_of,
            rng,
            Colony(
                int(options["ants"]),
                int(options["iterations"]),
                float(options["evaporation"]),
                float(options["visibility"]),
            ),
            stop,
        )


def _best_allocation(
    work: Floats, allocations: int, rng: np.random.Generator, stop: Callable[[], bool]
) -> Floats:
    """Return the best of some drawn shares for the sum of work over share, shape (n,).

    The first drawn is the even one, so that there is always a plan.
    """
    busy = work > 0
    best = np.where(busy, 1.0, 0.0)
    if not bool(busy.any()):
        return best
    least = float(work[busy].sum() * np.count_nonzero(busy))
    for _ in range(allocations - 1):
        if stop():
            break
        drawn = rng.exponential(size=int(np.count_nonzero(busy)))
        drawn = np.maximum(drawn / drawn.sum(), 1e-12)
        time = float((work[busy] / drawn).sum())
        if time < least:
            least = time
            best[busy] = drawn
    return shares_from_weights(best)


SPINN_EAR = ArticleBaseline("spinn-ear", "spinn", "anywhere")
ACO_EAR = ArticleBaseline("aco-ear", "colony", "anywhere")
ACO_DEVICE_ONLY_EAR = ArticleBaseline("aco-device-only-ear", "colony", "device")
ACO_EDGE_ONLY_EAR = ArticleBaseline("aco-edge-only-ear", "colony", "edge")
FP_AR = ArticleBaseline("fp-ar", "colony", "layer")
