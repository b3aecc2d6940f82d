"""Generated MEPRA instances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.generators.chains import mepra_chain
from splitopt.instances.generators.draws import Draws, draws_for, round_digits
from splitopt.instances.generators.hardware import link_class, node_class, transmit_power_w
from splitopt.instances.generators.knobs import MepraKnobs
from splitopt.instances.mepra.model import ExitFractions, MepraInstance, exit_set_bits
from splitopt.instances.networks.profiles import Layer, MultiExitProfile, load_profile
from splitopt.instances.sources.mepra import exits_at_quarters, place_exits
from splitopt.instances.sources.tables import printed_devices

_TOTAL = 1000
_REFERENCE = "vgg16-imagenet"
_ASSUMPTIONS = (
    "Hardware: speeds and powers are drawn from ranges of real classes (instances/data/"
    "hardware.json gives the source of each); a device is typical of its class and no product.",
    "Bandwidth: one rate for each device, not shared; one inference task a device.",
    "Branches: global average pooling and one linear layer behind each layer but the last; the "
    "network's own head is the last branch, always charged when reached.",
)


def _whole_shares(weights: list[float]) -> list[int]:
    """Return whole numbers in proportion to `weights` that add up to 1000 (largest remainder)."""
    total = math.fsum(weights)
    exact = [w / total * _TOTAL for w in weights]
    shares = [int(x) for x in exact]
    rest = sorted(range(len(exact)), key=lambda k: (shares[k] - exact[k], k))
    for k in rest[: _TOTAL - sum(shares)]:
        shares[k] += 1
    return shares


def _fraction_row(draws: Draws, knobs: MepraKnobs, profile: MultiExitProfile) -> list[int]:
    flops = [layer.flops for layer in profile.layers]
    if knobs.fractions == "drawn":
        # Squares make few exits take most; about a third take none.
        weights = [draws.unit() for _ in flops]
        weights = [w * w if draws.chance(0.7) else 0.0 for w in weights]
        return _whole_shares(weights if any(weights) else [1.0] * len(flops))
    printed = draws.choice([*printed_devices("image"), *printed_devices("video")])
    reference = [layer.flops for layer in load_profile(_REFERENCE).multi_exit().layers]
    places = place_exits(flops, reference)
    weights = [0.0] * len(flops)
    for place, percent in zip(places, printed.exit_percent, strict=True):
        weights[place] += percent * (0.5 + draws.unit())
    return _whole_shares(weights)


def _exit_bits(knobs: MepraKnobs, profile: MultiExitProfile) -> int:
    count = len(profile.layers)
    if knobs.exits == "all":
        return exit_set_bits(range(1, count + 1))
    if knobs.exits == "last":
        return exit_set_bits([count])
    return exit_set_bits(exits_at_quarters([layer.flops for layer in profile.layers]))


def _devices(draws: Draws, knobs: MepraKnobs) -> tuple[Floats, Floats, Floats]:
    n, spread = knobs.devices, knobs.heterogeneity
    kinds = [node_class(name) for name in knobs.node_classes]
    kind = draws.integers(0, len(kinds) - 1, n)
    speeds = np.stack([draws.log_uniforms(*k.speed_flop_per_s, n, spread) for k in kinds])
    powers = np.stack([draws.log_uniforms(*k.power_w, n, spread) for k in kinds])
    every = np.arange(n)
    return (
        speeds[kind, every],
        powers[kind, every],
        draws.log_uniforms(*transmit_power_w(), n, spread),
    )


def build_mepra(
    family: str, seed: int, knobs: MepraKnobs, name: str, description: str
) -> MepraInstance:
    """Return the MEPRA instance of a family, a seed and knobs; the same on any machine."""
    n = knobs.devices
    profiles = [mepra_chain(model, knobs.layers, knobs.feature_bits) for model in knobs.models]
    speed, power, transmit = _devices(draws_for(family, seed, "devices"), knobs)
    draws = draws_for(family, seed, "tasks")
    rows = [_fraction_row(draws, knobs, profile) for profile in profiles for _ in range(knobs.rows)]
    profile = draws.integers(0, len(profiles) - 1, n)
    exit_row = profile * knobs.rows + draws.integers(0, knobs.rows - 1, n)
    exit_set = None
    if knobs.exits != "free":
        exit_set = np.array([_exit_bits(knobs, p) for p in profiles], dtype=np.int64)[profile]
    draws = draws_for(family, seed, "edge")
    kind = link_class(knobs.access)
    rate = draws.log_uniform(*kind.rate_bit_per_s, knobs.heterogeneity) * knobs.bandwidth
    capacity = draws.log_uniform(*knobs.edge_share) * math.fsum(speed.tolist())
    low, high = knobs.weight_energy
    weight = draws.log_uniform(low, high) if low > 0 else 0.0
    bits = f"Features: {knobs.feature_bits:g} bits an element of a feature map"
    return MepraInstance(
        name=name,
        edge_capacity_flop_per_s=round_digits(capacity, knobs.digits),
        bandwidth_bit_per_s=round_digits(rate, knobs.digits),
        weight_time_per_s=1.0,
        weight_energy_per_j=round_digits(weight, knobs.digits),
        profiles=tuple(profiles),
        exit_fractions=ExitFractions.of(rows, total=float(_TOTAL)),
        speed_flop_per_s=speed,
        power_w=power,
        transmit_power_w=transmit,
        profile=profile,
        exit_row=exit_row,
        exit_set=exit_set,
        description=description,
        assumptions=(
            *_ASSUMPTIONS,
            bits + ("." if knobs.feature_bits == 32 else "; the coder's own work is not counted."),
            "Fractions: the article's printed rows, moved to the layers at equal shares of FLOPs, "
            "each entry changed by up to a half."
            if knobs.fractions == "printed"
            else "Fractions: drawn.",
        ),
    )


def build_partition(
    family: str, seed: int, knobs: MepraKnobs, name: str, description: str
) -> MepraInstance:
    """Return an instance that is a PARTITION problem: choose numbers c_i that add up to half.

    One layer a device, weights w_T = 1/s and w_E = 0, C = 1 FLOP/s, no input bits. On the edge
    device i adds nothing but r_i = c_i (edge work c_i^2 FLOP); on the device it costs S c_i s
    (speed c_i / S). With x_i = 1 for the edge the cost is
    ``sum S c_i (1 - x_i) + (sum c_i x_i)^2 = (sum c_i x_i - S / 2)^2 + constant``. S is a power
    of two, so that the speeds are exact.
    """
    draws = draws_for(family, seed, "numbers")
    n = knobs.devices
    numbers = [draws.integer(500, 1500) for _ in range(n)]
    whole = 1
    while whole < sum(numbers[:-1]) + 100:
        whole *= 2
    # The last number fills up to the power of two, spread over all where it is large.
    rest = whole - sum(numbers)
    numbers = [c + rest // n for c in numbers]
    numbers[-1] += whole - sum(numbers)
    profiles = tuple(
        MultiExitProfile(f"number-{c}", 0.0, (Layer("all", float(c * c), 0.0, 0.0),))
        for c in sorted(set(numbers))
    )
    place = {p.name: k for k, p in enumerate(profiles)}
    return _alone(
        profiles,
        speeds=np.array([c / whole for c in numbers]),
        profile=np.array([place[f"number-{c}"] for c in numbers]),
        name=name,
        description=description,
        assumptions=("Made up: the reduction from PARTITION that shows MEPRA to be NP-hard.",),
    )


def build_lattice(
    family: str, seed: int, knobs: MepraKnobs, name: str, description: str
) -> MepraInstance:
    """Return an instance whose relaxation cannot tell subsets apart, and no subset is near best.

    As in `build_partition` a device adds r_i on the edge, or costs ``2 theta r_i`` s alone, so
    that the cost of the set on the edge, with R the sum of its r_i, is
    ``(R - theta)^2 + constant``. Here r_i = 10 k_i + u_i with k_i in 1..3 and small u_i: every R
    modulo 10 lies in [0, 4.5], and theta modulo 10 between 4.5 and 10. A proof has to show that no
    subset comes nearer to theta than that, while each gives the relaxation the same bound.
    One may read r_i as the side of an image: work grows with its square.
    """
    draws = draws_for(family, seed, "roots")
    n = knobs.devices
    slack = 0.3 + 0.15 * draws.unit()
    top = draws.integer(3, 7)
    # Multiples of 2^-20, so that squares are exact doubles.
    noise = int(slack * 10 * 2 / n * 2**20)
    roots = [10.0 * draws.integer(1, top) + draws.integer(0, noise) * 2.0**-20 for _ in range(n)]
    half = int(math.fsum(roots) / 20.0) * 10.0
    theta = half + 10.0 * (slack + (1.0 - slack) / 2.0)
    profiles = tuple(
        MultiExitProfile(f"side-{k}", 0.0, (Layer("all", root * root, 0.0, 0.0),))
        for k, root in enumerate(roots, start=1)
    )
    return _alone(
        profiles,
        speeds=np.array([root / (2.0 * theta) for root in roots]),
        profile=np.arange(n),
        name=name,
        description=description,
        assumptions=("Made up: costs in exact proportion to roots that lie near a lattice.",),
    )


def _alone(
    profiles: tuple[MultiExitProfile, ...], speeds: Floats, profile: Ints, **named: Any
) -> MepraInstance:
    """Return an instance of one layer a device in which work alone costs, by its time."""
    n = len(speeds)
    return MepraInstance(
        edge_capacity_flop_per_s=1.0,
        bandwidth_bit_per_s=1.0,
        weight_time_per_s=1.0,
        weight_energy_per_j=0.0,
        profiles=profiles,
        exit_fractions=ExitFractions.of([[1.0]]),
        speed_flop_per_s=speeds,
        power_w=np.zeros(n),
        transmit_power_w=np.zeros(n),
        profile=profile,
        exit_row=np.zeros(n, dtype=np.int64),
        exit_set=np.ones(n, dtype=np.int64),
        **named,
    )
