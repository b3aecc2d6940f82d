r"""What the Pyomo models of MEPRA read of an instance: steps through a network, and options.

Tasks leave at enabled exits alone, so what a stretch of layers costs depends on the last enabled
exit d before it: a share tail_d of the tasks is still there (tail_0 = 1, tail_d = the sum of the
fractions behind exit d). From d to the next enabled exit k, with the layers' FLOP F and the exit
branch's G, a step is

- on the device:   FLOP tail_d (F_{d+1} + ... + F_k + G_k) there;
- at the edge:     the same FLOP at the edge;
- across, cut behind layer s (d <= s < k):  tail_d (F_{d+1} + ... + F_s) on the device,
  tail_d a_s bits sent, tail_d (F_{s+1} + ... + F_k + G_k) at the edge.

A plan of a device is a path of steps from 0 to L: on the device until the cut, at the edge
behind it. Fixed exits leave one next exit at each place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from splitopt.instances.core.errors import InputError
from splitopt.instances.mepra.model import MepraInstance

MOST_FREE_LAYERS = 10
DEVICE, EDGE = 0, 1


@dataclass(frozen=True, slots=True)
class Step:
    """From exit d to exit k of a device, before or behind the cut.

    Attributes
    ----------
    tail, head
        (place, side): side 0 is the device, 1 the edge.
    split
        s where the step crosses, L where it ends on the device, None elsewhere.
    own_cost
        w_T times its own and sending seconds plus w_E times joules.
    edge_cost
        w_T times the seconds its edge work takes on the whole server.
    """

    tail: tuple[int, int]
    head: tuple[int, int]
    split: int | None
    own_cost: float
    edge_cost: float


@dataclass(frozen=True, slots=True)
class Option:
    """A split and an exit set (bits) of a device: its own cost and r = sqrt(edge cost)."""

    split: int
    exit_set: int
    own_cost: float
    root: float


def steps(instance: MepraInstance, device: int) -> list[Step]:
    """Return the steps that a device may take."""
    network = instance.profiles[int(instance.profile[device])]
    L = len(network.layers)
    fractions = instance.exit_fractions.normalised[int(instance.exit_row[device]), :L].tolist()
    tail = [1.0, *(math.fsum(fractions[d:]) for d in range(1, L))]
    flops = [layer.flops for layer in network.layers]
    bits = [network.input_bits, *(layer.activation_bits for layer in network.layers)]
    exits = list(range(1, L + 1))
    if instance.exit_set is not None:
        exits = [j for j in exits if int(instance.exit_set[device]) >> (j - 1) & 1]

    speed = float(instance.speed_flop_per_s[device])
    w_time, w_energy = instance.weight_time_per_s, instance.weight_energy_per_j
    a_flop = (w_time + w_energy * float(instance.power_w[device])) / speed
    sending = w_time + w_energy * float(instance.transmit_power_w[device])
    a_bit = sending / instance.bandwidth_bit_per_s
    an_edge_flop = w_time / instance.edge_capacity_flop_per_s

    found = []
    for d in [0, *exits[:-1]]:
        later = [k for k in exits if k > d]
        for k in later if instance.exit_set is None else later[:1]:
            branch = network.layers[k - 1].branch_flops
            whole = tail[d] * (sum(flops[d:k]) + branch)
            end = k if k == L else None
            found.append(Step((d, DEVICE), (k, DEVICE), end, a_flop * whole, 0.0))
            if d > 0:
                found.append(Step((d, EDGE), (k, EDGE), None, 0.0, an_edge_flop * whole))
            for s in range(d, k):
                own = a_flop * tail[d] * sum(flops[d:s]) + a_bit * tail[d] * bits[s]
                rest = tail[d] * (sum(flops[s:k]) + branch)
                found.append(Step((d, DEVICE), (k, EDGE), s, own, an_edge_flop * rest))
    return found


def options(instance: MepraInstance) -> list[list[Option]]:
    """Return for each device its options, Pareto-optimal in (own cost, root).

    Every path of steps is followed; where exits are free there are (L + 1) 2^(L - 1) of them.

    Raises
    ------
    InputError
        Where a device with free exits has more layers than `MOST_FREE_LAYERS`.
    """
    if instance.exits == "free":
        most = int(instance.layers[instance.profile].max())
        if most > MOST_FREE_LAYERS:
            raise InputError(
                "layers",
                most,
                f"at most {MOST_FREE_LAYERS} where exits are free and options are listed",
                "use the formulation natural, whose paths need no list",
            )

    found: list[list[Option]] = []
    kinds: dict[tuple[float, ...], list[Option]] = {}
    for i in range(instance.devices):
        kind = tuple(
            float(column[i])
            for column in (
                instance.profile,
                instance.exit_row,
                instance.speed_flop_per_s,
                instance.power_w,
                instance.transmit_power_w,
                *(() if instance.exit_set is None else (instance.exit_set,)),
            )
        )
        if kind not in kinds:
            kinds[kind] = _options(instance, i)
        found.append(kinds[kind])
    return found


def _options(instance: MepraInstance, device: int) -> list[Option]:
    onward: dict[tuple[int, int], list[Step]] = {}
    for step in steps(instance, device):
        onward.setdefault(step.tail, []).append(step)
    L = len(instance.profiles[int(instance.profile[device])].layers)
    paths = [((0, DEVICE), 0, 0, 0.0, 0.0)]
    complete = []
    while paths:
        place, split, exits, own, edge = paths.pop()
        if place[0] == L:
            complete.append((own, edge, split, exits))
            continue
        for step in onward[place]:
            paths.append(
                (
                    step.head,
                    split if step.split is None else step.split,
                    exits | 1 << (step.head[0] - 1),
                    own + step.own_cost,
                    edge + step.edge_cost,
                )
            )
    kept: list[Option] = []
    least = math.inf
    for own, edge, split, exits in sorted(complete):
        if edge < least:
            kept.append(Option(split, exits, own, math.sqrt(edge)))
            least = edge
    return kept
