"""What an instance is like, in numbers that need no solver: the axes of diversity."""

from __future__ import annotations

import math
import statistics

import numpy as np

from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance, Node, SpeedInterval
from splitopt.instances.generators.witness import Prices, least
from splitopt.instances.mepra.model import MepraInstance


def _log(value: float) -> float:
    return math.log10(max(value, 1e-12))


def _fastest(node: Node) -> float:
    speeds = node.speeds_flop_per_s
    return speeds.high if isinstance(speeds, SpeedInterval) else speeds[-1]


def _joules_a_flop(node: Node) -> float:
    speeds = node.speeds_flop_per_s
    tried = (speeds.low, speeds.high) if isinstance(speeds, SpeedInterval) else speeds
    return min(node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f for f in tried)


def _cift(instance: CiftInstance) -> dict[str, float]:
    """Return the features of a CIFT instance.

    Pressure of a deadline: how much faster than the cheapest plan a plan has to be, the cheapest
    plan's time over the deadline in decades (0 where it keeps the deadline or there is none).
    """
    model = instance.models[0]
    nodes = [node for node in instance.nodes if node.memory_bytes > 0]
    energies = [_joules_a_flop(node) for node in nodes]
    rates = [link.rate_bit_per_s for link in instance.links]
    bits = statistics.median([b.activation_bits for b in model.blocks[:-1]] or [model.input_bits])
    compute = model.flops / statistics.median(map(_fastest, nodes))
    found = {
        "log_nodes": _log(len(instance.nodes)),
        "log_links": _log(len(instance.links)),
        "log_configurations": _log(max(1, len(instance.configurations))),
        "log_blocks": _log(max(len(m.blocks) for m in instance.models)),
        "log_levels": _log(
            statistics.mean(
                64 if isinstance(n.speeds_flop_per_s, SpeedInterval) else len(n.speeds_flop_per_s)
                for n in nodes
            )
        ),
        "log_send_over_compute": _log(bits / statistics.median(rates)) - _log(compute),
        "log_energy_spread": _log(max(energies)) - _log(min(energies)),
        "log_model_over_memory": _log(model.param_bytes)
        - _log(statistics.median(n.memory_bytes for n in nodes)),
        "log_requests": _log(instance.requests),
        "pressure_inference": 0.0,
        "pressure_fine_tuning": 0.0,
        "cheapest_hosts": 0.0,
    }
    plan = least(instance, Prices(energy=1.0))
    if plan is not None:
        cost = evaluate_cift(instance, plan)
        found["cheapest_hosts"] = float(sum(stop.blocks > 0 for stop in plan.stops))
        for key, time, limit in (
            ("pressure_inference", cost.inference_latency_s, instance.inference_deadline_s),
            ("pressure_fine_tuning", cost.fine_tuning_time_s, instance.fine_tuning_deadline_s),
        ):
            if limit is not None and time > 0:
                found[key] = max(0.0, _log(time) - _log(limit))
    return found


def _mepra(instance: MepraInstance) -> dict[str, float]:
    speed = instance.speed_flop_per_s
    first = instance.profiles[0]
    work = sum(layer.flops for layer in first.layers)
    raw = first.input_bits / instance.bandwidth_bit_per_s
    smallest = min((x.activation_bits for x in first.layers[:-1]), default=0.0)
    return {
        "log_devices": _log(instance.devices),
        "log_profiles": _log(len(instance.profiles)),
        "log_layers": _log(float(instance.layers.max())),
        "log_rows": _log(len(instance.exit_fractions.rows)),
        "log_edge_over_devices": _log(instance.edge_capacity_flop_per_s)
        - _log(math.fsum(speed.tolist())),
        "log_send_over_compute": _log(raw) - _log(work / float(np.median(speed))),
        "log_smallest_over_input": _log(smallest) - _log(first.input_bits),
        "log_speed_spread": _log(float(speed.max())) - _log(float(speed.min())),
        "energy_weight": _log(1e-3 + instance.weight_energy_per_j),
        "free": float(instance.exit_set is None),
        "exits_on": 1.0
        if instance.exit_set is None
        else statistics.mean(int(b).bit_count() for b in instance.exit_set[:1000])
        / float(instance.layers.max()),
    }


def features(instance: CiftInstance | MepraInstance) -> dict[str, float]:
    """Return the features of an instance, rounded to four decimals."""
    found = _cift(instance) if isinstance(instance, CiftInstance) else _mepra(instance)
    return {key: round(value, 4) for key, value in found.items()}
