"""Builds a MEPRA instance from a printed table and settings for all the article leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from splitopt.instances.mepra.model import ExitFractions, MepraInstance, exit_set_bits
from splitopt.instances.networks.profiles import Layer, MultiExitProfile, load_profile
from splitopt.instances.sources.settings import FLOAT_BITS, SourceSettings
from splitopt.instances.sources.tables import CITATION, printed_devices

_REFERENCE = "vgg16-imagenet"


def place_exits(flops: Sequence[float], reference: Sequence[float]) -> list[int]:
    """Return for each layer of `reference` the layer of `flops` its exit goes to, from 0.

    Exit j, behind share c_j of the reference's FLOPs, goes behind the first layer at which at
    least c_j of the FLOPs are done. The same chain gives the identity, and the last exit goes
    to the last layer.
    """
    done, done_there = list(accumulate(flops)), list(accumulate(reference))
    places = []
    k = 0
    for there in done_there:
        # Cross-multiplied: FLOPs are whole numbers, and a share need not be exact in binary.
        while done[k] * done_there[-1] < there * done[-1] and k < len(done) - 1:
            k += 1
        places.append(k)
    return places


def exits_at_quarters(flops: Sequence[float]) -> list[int]:
    """Return the layers, from 1, behind which 1/4, 1/2, 3/4 and all of the FLOPs are done."""
    quarters = place_exits(flops, [1.0] * 4)
    return sorted({k + 1 for k in quarters} | {len(flops)})


def _network(settings: SourceSettings) -> MultiExitProfile:
    network = load_profile(settings.backbone).multi_exit()
    factor = settings.feature_bits_per_element / FLOAT_BITS
    return MultiExitProfile(
        network.name,
        network.input_bits if settings.input_bits is None else settings.input_bits,
        tuple(
            Layer(layer.name, layer.flops, layer.branch_flops, layer.activation_bits * factor)
            for layer in network.layers
        ),
    )


def _assumptions(settings: SourceSettings, network: MultiExitProfile) -> tuple[str, ...]:
    layers = len(network.layers)
    lines = [
        f"Table: that this is the table of the {settings.table} experiments follows its place in "
        "the article alone.",
        f"Edge capacity: {settings.edge_capacity_flop_per_s:g} FLOP/s; the article gives none.",
        f"Weights: w_T = {settings.weight_time_per_s:g}/s, w_E = {settings.weight_energy_per_j:g}"
        "/J; the article gives none.",
        f"Bandwidth: {settings.bandwidth_mbit_per_s:g} Mbit/s for each device, not shared; one "
        "inference task a device, costs added over devices.",
        f"Backbone: {settings.backbone}; 13 fractions fit VGG-16's convolutions, pooling goes "
        "with the convolution before it.",
        f"Input: {network.input_bits:.15g} bits a task"
        + (", the profile's raw 8-bit input." if settings.input_bits is None else ", chosen."),
        f"Features: {settings.feature_bits_per_element:g} bits an element of a feature map"
        + (
            ", fp32 as computed."
            if settings.feature_bits_per_element == FLOAT_BITS
            else f", compressed from fp32 by {FLOAT_BITS / settings.feature_bits_per_element:g}; "
            "the coder's own work is not counted."
        ),
        "Branches: global average pooling and one linear layer behind each layer but the last; "
        "the network's own head is the last branch, always charged when reached.",
    ]
    if settings.backbone != _REFERENCE:
        lines.append(
            f"Fractions: printed for 13 exits, taken to {layers} layers at equal shares of FLOPs."
        )
    if settings.exits == "all":
        lines.append("Exits: fixed, one behind each layer.")
    elif settings.exits == "quarters":
        lines.append("Exits: fixed, behind a quarter, half, three quarters and all of the FLOPs.")
    else:
        lines.append("Exits: free; fractions do not depend on which exits are enabled.")
    sums = [sum(device.exit_percent) for device in printed_devices(settings.table)]
    if any(total != 100 for total in sums):
        lines.append(
            f"Fractions: rows add up to {', '.join(map(str, sums))} %; read "
            + (
                "proportionally."
                if settings.reading == "proportional"
                else "with what is missing at the last exit, rows above 100 % proportionally."
            )
        )
    return tuple(lines)


def build(
    settings: SourceSettings, name: str, description: str = "", variant: str = ""
) -> MepraInstance:
    """Return the instance of a printed table under `settings`.

    Raises
    ------
    InputError
        When the backbone is no committed profile.
    """
    network = _network(settings)
    flops = [layer.flops for layer in network.layers]
    reference = [layer.flops for layer in load_profile(_REFERENCE).multi_exit().layers]
    places = place_exits(flops, reference)
    devices = printed_devices(settings.table)
    rows = []
    for device in devices:
        row = [0] * len(flops)
        for place, percent in zip(places, device.exit_percent, strict=True):
            row[place] += percent
        rows.append(row)
    n = len(devices)
    if settings.exits == "free":
        exit_set = None
    else:
        everywhere = range(1, len(flops) + 1)
        chosen = everywhere if settings.exits == "all" else exits_at_quarters(flops)
        exit_set = [exit_set_bits(list(chosen))] * n
    return MepraInstance(
        name=name,
        edge_capacity_flop_per_s=settings.edge_capacity_flop_per_s,
        bandwidth_bit_per_s=settings.bandwidth_mbit_per_s * 1e6,
        weight_time_per_s=settings.weight_time_per_s,
        weight_energy_per_j=settings.weight_energy_per_j,
        profiles=(network,),
        exit_fractions=ExitFractions.of(rows, total=100.0, reading=settings.reading),
        speed_flop_per_s=[device.speed_gflops * 1e9 for device in devices],  # type: ignore[arg-type]
        power_w=[device.power_w for device in devices],  # type: ignore[arg-type]
        transmit_power_w=[device.transmit_power_w for device in devices],  # type: ignore[arg-type]
        profile=[0] * n,  # type: ignore[arg-type]
        exit_row=list(range(n)),  # type: ignore[arg-type]
        exit_set=exit_set,  # type: ignore[arg-type]
        description=description,
        assumptions=_assumptions(settings, network),
        origin={
            "citation": CITATION,
            "table": settings.table,
            "variant": variant,
            "bandwidth_mbit_per_s": settings.bandwidth_mbit_per_s,
        },
    )
