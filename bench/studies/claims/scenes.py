"""What the grid computes from: the devices of a table at many prices, and what plans cost.

A scene is a printed table with everything fixed that changes the network: backbone, resolution,
coding of the input, width of features, reading of fractions. Bandwidth, capacity and weights are
prices; a `Points` holds many combinations of them, and every method's figures at all of them are
one array operation. With w_T = 1, the expected figures of a task give::

    A = u local + v bits,   u = (1 + w_E P) / f,   v = (1 + w_E Ptx) / B
    edge time = edge / (alpha C)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from splitopt.bench.studies.claims.assumptions import Assumptions
from splitopt.heuristics.baselines.mepra.data import Devices, device_chunks, split_costs
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.networks.profiles import load_profile
from splitopt.instances.sources.mepra import build
from splitopt.instances.sources.settings import SourceSettings

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
#: The exits that an instance states for each level of the axis: what methods set is free.
PLACEMENT = {"own": "free", "common": "free", "all": "all", "quarters": "quarters"}


def instance_of(table: str, point: Assumptions, bandwidth_mbit_per_s: float) -> MepraInstance:
    """Return the instance of a table at a point of the grid; exits that methods set are free."""
    backbone = f"{point.backbone}-{point.resolution}"
    settings = SourceSettings(
        table,  # type: ignore[arg-type]
        bandwidth_mbit_per_s,
        backbone=backbone,
        exits=PLACEMENT[point.exits],  # type: ignore[arg-type]
        edge_capacity_flop_per_s=point.edge_capacity_flop_per_s,
        weight_time_per_s=1.0,
        weight_energy_per_j=point.energy_weight,
        input_bits=None
        if point.input_coding == 1.0
        else load_profile(backbone).multi_exit().input_bits * point.input_coding,
        feature_bits_per_element=point.feature_bits_per_element,
        reading=point.reading,  # type: ignore[arg-type]
    )
    return build(settings, f"mepra-{table}-{bandwidth_mbit_per_s:g}mbps")


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """A table's n devices and network, without prices.

    Attributes
    ----------
    devices
        With prices of one for a local FLOP and none for a bit; only data is read from it.
    quarters
        The exits behind each quarter of the FLOPs, as bits.
    """

    devices: Devices
    speed_flop_per_s: Floats
    power_w: Floats
    transmit_power_w: Floats
    quarters: int


def scene_of(table: str, point: Assumptions) -> Scene:
    """Return the scene of a table at a point of the grid."""
    instance = instance_of(table, dataclasses.replace(point, exits="quarters"), 1.0)
    (devices,) = device_chunks(instance)
    assert instance.exit_set is not None
    return Scene(
        devices,
        instance.speed_flop_per_s,
        instance.power_w,
        instance.transmit_power_w,
        int(instance.exit_set[0]),
    )


@dataclass(frozen=True, eq=False, slots=True)
class Points:
    """K combinations of prices, each of shape (K,)."""

    bandwidth_bit_per_s: Floats
    edge_capacity_flop_per_s: Floats
    energy_weight: Floats

    @staticmethod
    def product(
        capacities: Sequence[float], weights: Sequence[float], bandwidths_mbps: Sequence[float]
    ) -> Points:
        """Return all combinations, the bandwidth running fastest."""
        c, w, b = np.meshgrid(capacities, weights, bandwidths_mbps, indexing="ij")
        return Points(b.ravel() * 1e6, c.ravel(), w.ravel())

    def local_price(self, scene: Scene) -> Floats:
        """Return u, shape (K, n)."""
        return (1.0 + self.energy_weight[:, None] * scene.power_w) / scene.speed_flop_per_s

    def sent_price(self, scene: Scene) -> Floats:
        """Return v, shape (K, n)."""
        power = 1.0 + self.energy_weight[:, None] * scene.transmit_power_w
        return power / self.bandwidth_bit_per_s[:, None]


class Works(NamedTuple):
    """Expected local FLOPs, bits and edge FLOPs of a task, arrays of one shape.

    The last axis may run over splits or options; then local work is infinite where there is none.
    """

    local_flop: Floats
    sent_bits: Floats
    edge_flop: Floats

    def each(self, change: Callable[[Floats], Floats]) -> Works:
        """Return the three arrays, each changed in the same way."""
        return Works(*map(change, self))

    def taken(self, position: Integers) -> Works:
        """Return the figures at positions (K, n) of the last axis; shapes (n, m) or (K, n, m)."""

        def take(values: Floats) -> Floats:
            whole = np.broadcast_to(values, (len(position), *values.shape[-2:]))
            found: Floats = np.take_along_axis(whole, position[:, :, None], axis=2)[:, :, 0]
            return found

        return self.each(take)


def works(devices: Devices, exits: Integers) -> Works:
    """Return the figures of each split, shape (rows, L + 1)."""
    one, none = np.ones(devices.count), np.zeros(devices.count)
    local = split_costs(dataclasses.replace(devices, local_price=one, sent_price=none), exits)
    sent = split_costs(dataclasses.replace(devices, local_price=none, sent_price=one), exits)
    return Works(local.base, np.where(np.isfinite(sent.base), sent.base, 0.0), local.edge_flop)


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """What a method chose at K points: splits, their figures and shares, each shape (K, n)."""

    split: Integers
    works: Works
    share: Floats


def figures(scene: Scene, points: Points, choice: Choice) -> dict[str, Floats]:
    """Return latency, energy and cost, summed over devices, shape (K,)."""
    local_flop, sent_bits, edge_flop = choice.works
    local_s = local_flop / scene.speed_flop_per_s
    sent_s = sent_bits / points.bandwidth_bit_per_s[:, None]
    edge_s = np.zeros(edge_flop.shape)
    rate = choice.share * points.edge_capacity_flop_per_s[:, None]
    np.divide(edge_flop, rate, out=edge_s, where=edge_flop > 0)
    latency: Floats = (local_s + sent_s + edge_s).sum(axis=1)
    energy: Floats = (scene.power_w * local_s + scene.transmit_power_w * sent_s).sum(axis=1)
    return {
        "latency_s": latency,
        "energy_j": energy,
        "cost": latency + points.energy_weight * energy,
    }
