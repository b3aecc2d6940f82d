"""What the MEPRA baselines compute from an instance: each device's cost of each split.

With the fractions p of a device, its exits X (bit j - 1 for exit j), T_k = p_{k+1} + ... + p_L and
T_0 = 1, layer j runs with probability T_k, where k < j is the last enabled exit before it (0 for
none), and branch j, where enabled, with the same. For a split s::

    local work  = sum_{j <= s} (P_j F_j + Q_j G_j)
    edge work   = sum_{j >  s} (P_j F_j + Q_j G_j)
    sent bits   = P_{s+1} a_s                                (0 for s = L)
    base cost   = (w_T + w_E P) local / f + (w_T + w_E Ptx) sent / B
    cost        = base cost + w_T edge / (alpha C)

Devices come in chunks, so that a million of them fit in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from splitopt.instances.mepra.model import MepraInstance

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
CHUNK = 1 << 16


@dataclass(frozen=True, eq=False, slots=True)
class Devices:
    """A chunk of n devices; layers are padded to the longest network, L.

    Attributes
    ----------
    rows
        Which devices of the instance these are.
    layers
        L_i, int64, shape (n,).
    flops, branch_flops
        F_j and G_j, 0 beyond the last layer, shape (n, L).
    bits
        a_s, the input at s = 0 and nothing from L_i on, shape (n, L + 1).
    tail
        T_k, shape (n, L + 1).
    local_price, sent_price
        Cost of a FLOP on the device and of a bit sent, shape (n,).
    edge_price
        Cost of a FLOP on the edge at a share of one: w_T / C.
    """

    rows: slice
    layers: Integers
    flops: Floats
    branch_flops: Floats
    bits: Floats
    tail: Floats
    local_price: Floats
    sent_price: Floats
    edge_price: float

    @property
    def count(self) -> int:
        """Number n of devices."""
        return len(self.layers)

    @property
    def most(self) -> int:
        """Layers L of the longest network."""
        return int(self.flops.shape[1])

    def repeated(self, times: int) -> Devices:
        """Return so many copies of the devices, one after the other."""
        columns: dict[str, Any] = {
            column.name: np.concatenate([getattr(self, column.name)] * times)
            for column in dataclasses.fields(self)
            if column.name not in ("rows", "edge_price")
        }
        return dataclasses.replace(self, **columns)


@dataclass(frozen=True, eq=False, slots=True)
class SplitCosts:
    """Cost of each split s = 0..L of n devices; infinite beyond a device's last layer.

    Attributes
    ----------
    base
        What does not depend on shares, shape (n, L + 1).
    edge_flop
        Edge work, shape (n, L + 1).
    """

    base: Floats
    edge_flop: Floats

    def at(self, share: float, edge_price: float) -> Floats:
        """Return the cost of each split at one share for everybody, shape (n, L + 1)."""
        return self.base + self.edge_flop * (edge_price / share)


def device_chunks(instance: MepraInstance, size: int = CHUNK) -> Iterator[Devices]:
    """Yield the devices in chunks."""
    most = int(instance.layers.max())
    kinds = len(instance.profiles)
    flops, branches = np.zeros((kinds, most)), np.zeros((kinds, most))
    bits = np.zeros((kinds, most + 1))
    for k, profile in enumerate(instance.profiles):
        length = len(profile.layers)
        flops[k, :length] = [layer.flops for layer in profile.layers]
        branches[k, :length] = [layer.branch_flops for layer in profile.layers]
        bits[k, 0] = profile.input_bits
        bits[k, 1:length] = [layer.activation_bits for layer in profile.layers[:-1]]
    fractions = np.zeros((len(instance.exit_fractions.rows), most))
    given = instance.exit_fractions.normalised
    fractions[:, : min(most, given.shape[1])] = given[:, :most]
    tails = np.ones((len(fractions), most + 1))
    # Summed from behind: differences would leave 1e-17 where nothing is left.
    tails[:, 1:-1] = np.cumsum(fractions[:, :0:-1], axis=1)[:, ::-1]
    tails[:, -1] = 0.0
    w_t, w_e = instance.weight_time_per_s, instance.weight_energy_per_j
    for start in range(0, instance.devices, size):
        rows = slice(start, min(start + size, instance.devices))
        profile_of = instance.profile[rows]
        yield Devices(
            rows,
            instance.layers[profile_of],
            flops[profile_of],
            branches[profile_of],
            bits[profile_of],
            tails[instance.exit_row[rows]],
            (w_t + w_e * instance.power_w[rows]) / instance.speed_flop_per_s[rows],
            (w_t + w_e * instance.transmit_power_w[rows]) / instance.bandwidth_bit_per_s,
            w_t / instance.edge_capacity_flop_per_s,
        )


def all_exits(devices: Devices) -> Integers:
    """Return the set of every exit, as bits, for each device."""
    return (np.int64(1) << devices.layers) - 1


def split_costs(devices: Devices, exit_set: Integers) -> SplitCosts:
    """Return the costs of each split for given exits, int64 bits, shape (n,)."""
    n, most = devices.count, devices.most
    work = np.empty((n, most))
    reach = np.empty((n, most + 1))  # probability that layer j + 1 runs
    reach[:, 0] = 1.0
    for j in range(most):
        enabled = (exit_set >> j) & 1 == 1
        work[:, j] = reach[:, j] * (
            devices.flops[:, j] + np.where(enabled, devices.branch_flops[:, j], 0.0)
        )
        reach[:, j + 1] = np.where(enabled, devices.tail[:, j + 1], reach[:, j])
    local = np.zeros((n, most + 1))
    np.cumsum(work, axis=1, out=local[:, 1:])
    edge = np.zeros((n, most + 1))
    # Summed from behind: a total minus a sum would leave edge work where there is none.
    edge[:, :most] = np.cumsum(work[:, ::-1], axis=1)[:, ::-1]
    base = local * devices.local_price[:, None]
    base += reach * devices.bits * devices.sent_price[:, None]
    beyond = np.arange(most + 1)[None, :] > devices.layers[:, None]
    base[beyond] = np.inf
    edge[beyond] = 0.0
    return SplitCosts(base, edge)
