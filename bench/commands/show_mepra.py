"""Text for people about a MEPRA instance and a plan on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from splitopt.bench.commands.output import echo_table, say, say_all
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import check
from splitopt.instances.mepra.judge import evaluate_mepra
from splitopt.instances.mepra.model import MepraInstance, exit_set_of
from splitopt.instances.mepra.plan import MepraPlan

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Plan

_MOST_ROWS = 30


def _rest(total: int) -> None:
    if total > _MOST_ROWS:
        say(f"... and {total - _MOST_ROWS} more devices")


def _exits(bits: int, layers: int) -> str:
    exits = exit_set_of(bits)
    return f"all {layers}" if len(exits) == layers else " ".join(map(str, exits))


def show_instance(instance: MepraInstance) -> None:
    """Print capacity, weights, networks and devices."""
    say_all(
        f"\n{instance.devices} devices, edge capacity "
        f"{instance.edge_capacity_flop_per_s / 1e9:.6g} GFLOP/s, bandwidth "
        f"{instance.bandwidth_bit_per_s / 1e6:.6g} Mbit/s a device"
    )
    say_all(
        f"weights {instance.weight_time_per_s:.6g} a second, {instance.weight_energy_per_j:.6g} "
        f"a joule; exits {instance.exits}; fractions read {instance.exit_fractions.reading}\n"
    )
    echo_table(
        {
            "name": "network",
            "layers": "layers",
            "flops": "GFLOP",
            "branches": "branches MFLOP",
            "input": "input Mbit",
            "devices": "devices",
        },
        [
            {
                "name": profile.name,
                "layers": len(profile.layers),
                "flops": sum(layer.flops for layer in profile.layers) / 1e9,
                "branches": sum(layer.branch_flops for layer in profile.layers) / 1e6,
                "input": profile.input_bits / 1e6,
                "devices": int(np.count_nonzero(instance.profile == index)),
            }
            for index, profile in enumerate(instance.profiles)
        ],
    )
    say("")
    rows: list[dict[str, str | int | float | bool | None]] = []
    for i in range(min(instance.devices, _MOST_ROWS)):
        profile = int(instance.profile[i])
        row: dict[str, str | int | float | bool | None] = {
            "device": i,
            "network": instance.profiles[profile].name,
            "speed": float(instance.speed_flop_per_s[i]) / 1e9,
            "power": float(instance.power_w[i]),
            "transmit": float(instance.transmit_power_w[i]),
        }
        if instance.exit_set is not None:
            row["exits"] = _exits(int(instance.exit_set[i]), int(instance.layers[profile]))
        else:
            row["exits"] = "free"
        rows.append(row)
    echo_table(
        {
            "device": "device",
            "network": "network",
            "speed": "GFLOP/s",
            "power": "W",
            "transmit": "transmit W",
            "exits": "exits",
        },
        rows,
    )
    _rest(instance.devices)


def show_plan(instance: MepraInstance, plan: Plan) -> None:
    """Print what a plan decides and costs, device by device."""
    if not isinstance(plan, MepraPlan):
        raise InputError("plan", type(plan).__name__, "a plan of mepra", "give another plan")
    result = evaluate_mepra(instance, plan)
    layers = instance.layers[instance.profile]
    inside = int(np.count_nonzero((plan.splits > 0) & (plan.splits < layers)))
    say(
        f"plan: {int(np.count_nonzero(plan.splits == layers))} devices alone, "
        f"{int(np.count_nonzero(plan.splits == 0))} on the edge, {inside} split in between"
    )
    rows: list[dict[str, str | int | float | bool | None]] = []
    for i in range(min(instance.devices, _MOST_ROWS)):
        rows.append(
            {
                "device": i,
                "split": f"{int(plan.splits[i])} of {int(layers[i])}",
                "share": float(plan.shares[i]),
                "exits": "as given"
                if plan.exit_set is None
                else _exits(int(plan.exit_set[i]), int(layers[i])),
                "latency": float(result.device_latency_s[i]) * 1e3,
                "energy": float(result.device_energy_j[i]),
                "cost": float(result.device_cost[i]),
            }
        )
    echo_table(
        {
            "device": "device",
            "split": "split",
            "share": "share",
            "exits": "exits",
            "latency": "latency ms",
            "energy": "J",
            "cost": "cost",
        },
        rows,
    )
    _rest(instance.devices)
    say(
        f"cost {result.objective:.10g}; latency {result.latency_s:.6g} s and energy "
        f"{result.energy_j:.6g} J over all devices"
    )
    for violation in check(instance, plan):
        say(f"violation {violation.constraint}: {violation.statement}")
