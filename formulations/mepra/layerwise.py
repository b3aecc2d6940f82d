"""The options of a device of MEPRA, found by walking its network layer by layer.

Written apart from `splitopt.formulations.mepra.options`, so that two models of MEPRA have no line
in common that turns data into coefficients. Nothing here uses convexity: every Pareto-optimal
option stays.

For one split s a walk over layers j = 1..L keeps states. A state is the last enabled exit
(which fixes the probability P_j that layer j runs) with a label of three figures: FLOP on the
device, bits sent, FLOP at the edge. Layer j adds P_j F_j to the device's work if j <= s, else
to the edge's; enabling its exit adds Q_j G_j with Q_j = P_j and makes P_{j+1} the fraction of
tasks that would leave later; behind layer s the transmission adds P_{s+1} a_s bits. Labels of
one state that are no better in any figure go. With exits fixed each layer has one way on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights


@dataclass(frozen=True, slots=True)
class WalkedOption:
    """An option of one device.

    Attributes
    ----------
    own_cost
        w_T times its own and its sending seconds plus w_E times its joules.
    edge_flop
        Work it leaves to the edge.
    split, exit_set
        What it means; exits as bits.
    """

    own_cost: float
    edge_flop: float
    split: int
    exit_set: int


_Label = tuple[float, float, float, int]  # device FLOP, bits sent, edge FLOP, exits


def _pareto(labels: list[_Label]) -> list[_Label]:
    """Return the labels that no other beats or equals in all three figures."""
    kept: list[_Label] = []
    for label in sorted(labels):
        if not any(k[0] <= label[0] and k[1] <= label[1] and k[2] <= label[2] for k in kept):
            kept.append(label)
    return kept


def _walk(
    instance: MepraInstance, network: int, row: int, exits: int | None, split: int
) -> list[_Label]:
    """Return the Pareto-optimal labels of one split; `exits` is None where they are free."""
    layers = instance.profiles[network].layers
    depth = len(layers)
    fractions = instance.exit_fractions.normalised[row, :depth].tolist()
    states: dict[int, list[_Label]] = {0: [(0.0, 0.0, 0.0, 0)]}
    for j, layer in enumerate(layers, start=1):
        onward: dict[int, list[_Label]] = {}
        if j == depth:
            ways: tuple[bool, ...] = (True,)
        elif exits is None:
            ways = (False, True)
        else:
            ways = (bool(exits >> (j - 1) & 1),)
        for last, labels in states.items():
            runs = sum(fractions[last:]) if last else 1.0
            for on in ways:
                flop = runs * layer.flops + (runs * layer.branch_flops if on else 0.0)
                here, there = (flop, 0.0) if j <= split else (0.0, flop)
                bit = 1 << (j - 1) if on else 0
                sent = 0.0
                if j == split + 1:
                    a = instance.profiles[network].input_bits
                    if split:
                        a = layers[split - 1].activation_bits
                    sent = runs * a
                onward.setdefault(j if on else last, []).extend(
                    (d + here, b + sent, e + there, x | bit) for d, b, e, x in labels
                )
        states = {last: _pareto(labels) for last, labels in onward.items()}
    return states[depth]


def walked_options(instance: MepraInstance) -> list[list[WalkedOption]]:
    """Return for each device its options, Pareto-optimal in (own cost, edge work)."""
    walks: dict[tuple[int, int, int | None], list[tuple[int, _Label]]] = {}
    found = []
    for i in range(instance.devices):
        network, row = int(instance.profile[i]), int(instance.exit_row[i])
        exits = None if instance.exit_set is None else int(instance.exit_set[i])
        key = (network, row, exits)
        if key not in walks:
            depth = len(instance.profiles[network].layers)
            walks[key] = [
                (split, label)
                for split in range(depth + 1)
                for label in _walk(instance, network, row, exits, split)
            ]
        power, transmit = float(instance.power_w[i]), float(instance.transmit_power_w[i])
        speed = float(instance.speed_flop_per_s[i])
        options = []
        for split, (device_flop, bits, edge_flop, chosen) in walks[key]:
            busy_s, sending_s = device_flop / speed, bits / instance.bandwidth_bit_per_s
            joules = power * busy_s + transmit * sending_s
            cost = instance.weight_time_per_s * (busy_s + sending_s)
            cost += instance.weight_energy_per_j * joules
            options.append(WalkedOption(cost, edge_flop, split, chosen))
        options.sort(key=lambda o: (o.edge_flop, o.own_cost))
        front: list[WalkedOption] = []
        for option in options:
            if not front or option.own_cost < front[-1].own_cost:
                front.append(option)
        found.append(front)
    return found


def root_of(instance: MepraInstance, option: WalkedOption) -> float:
    """Return r = sqrt(w_T W / C) of an option: the best shares are proportional to it."""
    seconds = option.edge_flop / instance.edge_capacity_flop_per_s
    return math.sqrt(instance.weight_time_per_s * seconds)


def plan_of(instance: MepraInstance, picked: Sequence[WalkedOption]) -> MepraPlan:
    """Return the plan of one option a device, with the best shares."""
    return MepraPlan(
        np.array([o.split for o in picked]),
        shares_from_weights(np.sqrt([o.edge_flop for o in picked])),
        np.array([o.exit_set for o in picked]) if instance.exits == "free" else None,
    )


def descent(instance: MepraInstance, options: list[list[WalkedOption]]) -> list[WalkedOption]:
    """Return options from which no device alone can improve (at most 50 rounds)."""
    picked = [mine[0] for mine in options]
    total = sum(root_of(instance, o) for o in picked)
    for _ in range(50):
        changed = False
        for i, mine in enumerate(options):
            others = total - root_of(instance, picked[i])
            costs = [o.own_cost + (others + root_of(instance, o)) ** 2 for o in mine]
            k = min(range(len(mine)), key=costs.__getitem__)
            if costs[k] < (picked[i].own_cost + total**2) * (1 - 1e-12):
                picked[i], total, changed = mine[k], others + root_of(instance, mine[k]), True
        if not changed:
            break
    return picked
