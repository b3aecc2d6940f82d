r"""Speeds worth having in each phase, and the grid that stands for continuous ones.

A level goes when a faster one costs no more. On an interval, speeds below
``max(F_min, min(f*, F_max))`` are dominated, ``f* = (rho / (2 kappa))^(1/3)`` being least in
energy; a geometric grid of ratio 1 + s from there to F_max holds for every speed one at most 1 + s
times as fast: no slower, and dearer by at most ``(1 + s)^2``. Without a deadline, or without
requests to serve, one speed is enough, unless a throughput asks for more.
"""

from __future__ import annotations

import math

import numpy as np

from splitopt.heuristics.jqodi.cift.graph import Levels
from splitopt.heuristics.jqodi.cift.network import Instance
from splitopt.instances.cift.model import CiftInstance, Node, SpeedInterval
from splitopt.instances.core.arrays import Floats

MOST_LEVELS = 20_000  # of one node


def step_for(epsilon: float) -> tuple[float, float]:
    """Return (s, e) with ``(1 + s)^2 (1 + e) <= 1 + epsilon``: half of the error each."""
    half = math.sqrt(1.0 + epsilon) * (1.0 - 1e-14)
    return math.sqrt(half) - 1.0, half - 1.0


def least_epsilon(instance: CiftInstance) -> float:
    """Return about the least epsilon whose grid of speeds has at most `MOST_LEVELS` a node."""
    widest = max(
        (math.log(s.high / s.low) for s in map(_speeds_of, instance.nodes) if s is not None),
        default=0.0,
    )
    # The inverse of `step_for`, with a level or two to spare.
    return math.expm1(4.0 * widest / (MOST_LEVELS - 10))


def _speeds_of(node: Node) -> SpeedInterval | None:
    speeds = node.speeds_flop_per_s
    return speeds if isinstance(speeds, SpeedInterval) else None


def _speeds(node: Node, step: float, *, used: bool, limited: bool) -> Floats:
    kappa, rho = node.kappa_j_s2_per_flop3, node.busy_power_w
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        if not used:
            return np.array([speeds.high])
        best = (rho / (2.0 * kappa)) ** (1.0 / 3.0) if kappa > 0 else math.inf
        low = max(speeds.low, min(best, speeds.high))
        if not limited or low == speeds.high:
            return np.array([low])
        count = math.ceil(math.log(speeds.high / low) / math.log1p(step))
        # Even in the logarithm: the ratio is at most 1 + s.
        grid = low * (speeds.high / low) ** (np.arange(count + 1) / count)
        grid[-1] = speeds.high
        rising: Floats = grid[np.append(True, np.diff(grid) > 0)]
        return rising
    f = np.array(speeds)
    cost = kappa * f * f + rho / f if used else np.zeros(len(f))
    least_above = np.append(np.minimum.accumulate(cost[::-1])[::-1][1:], np.inf)
    kept: Floats = f[cost < least_above][: None if limited else 1]
    return kept


def levels_needed(instance: Instance, step: float) -> int:
    """Return an upper bound on the levels of one node at a step."""
    most = 1.0
    for node in instance.nodes:
        speeds = node.speeds_flop_per_s
        if isinstance(speeds, SpeedInterval):
            most = max(most, math.log(speeds.high / speeds.low) / math.log1p(step) + 2)
        else:
            most = max(most, len(speeds))
    return int(most)


def phase_levels(instance: Instance, step: float, *, serving: bool) -> Levels:
    """Return the speeds of all nodes in the serving or the fine-tuning phase."""
    data = instance.data
    used = data.requests > 0 or not serving
    deadline = data.inference_deadline_s if serving else data.fine_tuning_deadline_s
    limited = deadline is not None or (serving and data.throughput_per_s is not None)
    chosen = [_speeds(node, step, used=used, limited=limited) for node in instance.nodes]
    sizes = [len(of_node) for of_node in chosen]
    speed = np.concatenate(chosen)
    kappa = np.repeat([node.kappa_j_s2_per_flop3 for node in instance.nodes], sizes)
    rho = np.repeat([node.busy_power_w for node in instance.nodes], sizes)
    return Levels(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        speed,
        1.0 / speed,
        kappa * speed * speed + rho / speed,
    )
