"""Small MEPRA instances made by hand, each with one property that methods trip over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from splitopt.instances.mepra.model import ExitFractions, MepraInstance, exit_set_bits
from splitopt.instances.networks.profiles import Layer, MultiExitProfile

_MADE_UP = ("Made up: a small network and small figures, for the property alone.",)


def _network(
    *rows: tuple[float, float, float], name: str = "net", input_bits: float = 1e6
) -> MultiExitProfile:
    """Return a chain of layers (FLOPs, branch FLOPs, activation bits)."""
    return MultiExitProfile(
        name, input_bits, tuple(Layer(f"l{k}", *row) for k, row in enumerate(rows, start=1))
    )


_THREE = _network((2e9, 1e7, 4e5), (3e9, 1e7, 2e5), (1e9, 2e7, 1e5))


def _instance(
    name: str,
    purpose: str,
    *,
    networks: tuple[MultiExitProfile, ...] = (_THREE,),
    rows: Sequence[Sequence[float]] = ((0.3, 0.2, 0.5),),
    speeds: Sequence[float] = (1e10, 3e10),
    powers: Sequence[float] = (1.0, 3.0),
    transmit: Sequence[float] = (0.2, 0.4),
    exits: Sequence[int] | None = (1, 2, 3),
    capacity: float = 5e10,
    bandwidth: float = 4e6,
    weights: tuple[float, float] = (1.0, 0.5),
    profile: Sequence[int] | None = None,
    exit_row: Sequence[int] | None = None,
) -> MepraInstance:
    n = len(speeds)
    bits = None if exits is None else np.full(n, exit_set_bits(exits), dtype=np.int64)
    return MepraInstance(
        name=name,
        edge_capacity_flop_per_s=capacity,
        bandwidth_bit_per_s=bandwidth,
        weight_time_per_s=weights[0],
        weight_energy_per_j=weights[1],
        profiles=networks,
        exit_fractions=ExitFractions.of(rows),
        speed_flop_per_s=np.array(speeds),
        power_w=np.array(powers),
        transmit_power_w=np.array(transmit),
        profile=np.array([0] * n if profile is None else profile),
        exit_row=np.array([0] * n if exit_row is None else exit_row),
        exit_set=bits,
        description=purpose,
        assumptions=_MADE_UP,
        origin={"crafted": name},
    )


def _one_device(name: str) -> MepraInstance:
    return _instance(
        name, "one device has the edge to itself", speeds=[2e10], powers=[2.0], transmit=[0.3]
    )


def _one_layer(name: str) -> MepraInstance:
    single = _network((4e9, 1e7, 1e5))
    return _instance(
        name, "one layer: device or edge, no split between", networks=(single,), rows=[[1.0]],
        exits=[1],
    )  # fmt: skip


def _zero_cost(name: str) -> MepraInstance:
    empty = _network((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), input_bits=0.0)
    return _instance(
        name, "nothing costs anything: the optimum is 0", networks=(empty,), rows=[[0.5, 0.5]],
        exits=[1, 2],
    )  # fmt: skip


def _no_time_weight(name: str) -> MepraInstance:
    return _instance(
        name, "time has no weight: shares do not matter, the square vanishes", weights=(0.0, 1.0)
    )


def _no_energy_weight(name: str) -> MepraInstance:
    return _instance(name, "energy has no weight", weights=(1.0, 0.0))


def _leave_early(name: str) -> MepraInstance:
    return _instance(
        name,
        "all tasks leave at the first exit: splits behind it tie to the last digit",
        rows=[[1.0, 0.0, 0.0]],
    )


def _alike(name: str) -> MepraInstance:
    return _instance(
        name,
        "four devices alike: optima tie under every permutation",
        speeds=[2e10] * 4,
        powers=[1.5] * 4,
        transmit=[0.3] * 4,
        bandwidth=3e6,
    )


def _last_exit(name: str) -> MepraInstance:
    return _instance(name, "only the last exit is on", exits=[3])


def _free(name: str) -> MepraInstance:
    return _instance(
        name,
        "exits are a decision; a costly branch is better off",
        networks=(_network((2e9, 2e9, 4e5), (3e9, 1e7, 2e5), (1e9, 2e7, 1e5)),),
        exits=None,
    )


def _free_rows(name: str) -> MepraInstance:
    other = _network((1e9, 5e8, 1e5), (1e9, 1e6, 5e4), (2e9, 1e9, 2e4), (1e9, 1e6, 1e4), name="b")
    return _instance(
        name,
        "exits are a decision, two networks of different length",
        networks=(_THREE, other),
        rows=[[0.3, 0.2, 0.5], [0.1, 0.4, 0.1, 0.4], [0.0, 0.0, 0.9, 0.1]],
        speeds=[1e10, 2e10, 4e10],
        powers=[1.0, 2.0, 4.0],
        transmit=[0.2, 0.3, 0.4],
        profile=[0, 1, 1],
        exit_row=[0, 1, 2],
        exits=None,
    )


def _slow_edge(name: str) -> MepraInstance:
    return _instance(name, "the edge is slower than any device: all stay", capacity=1e8)


def _fast_edge(name: str) -> MepraInstance:
    return _instance(
        name, "the edge and the link cost next to nothing: all go", capacity=1e16, bandwidth=1e12
    )


CRAFTED_MEPRA: Mapping[str, Callable[[str], MepraInstance]] = {
    f"mepra-crafted-{name}": build
    for name, build in (
        ("one-device", _one_device),
        ("one-layer", _one_layer),
        ("zero-cost", _zero_cost),
        ("no-time-weight", _no_time_weight),
        ("no-energy-weight", _no_energy_weight),
        ("leave-early", _leave_early),
        ("alike", _alike),
        ("last-exit", _last_exit),
        ("free", _free),
        ("free-rows", _free_rows),
        ("slow-edge", _slow_edge),
        ("fast-edge", _fast_edge),
    )
}
