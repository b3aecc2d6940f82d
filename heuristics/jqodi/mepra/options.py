r"""What a MEPRA device can do, for JQODI: points (local work, bits, edge work), and its own front.

With X the enabled exits and e the last of them at or before the split s, layers behind e run with
probability ``tail(e) = sum_{k > e} p_k`` (1 where e = 0), so a device's work before s and the work
behind it depend on each other through e alone. For each (s, e) both are least by dynamic
programming over (last exit, next exit)::

    before(k) = min_e  before(e) + tail(e) (F_{e+1} + .. + F_k + G_k)
    after(e)  = min_k  tail(e) (F_{e+1} + .. + F_k + G_k) + after(k)            after(L) = 0
    point(s, e):  local = before(e) + tail(e) (F_{e+1} + .. + F_s),   bits = tail(e) a_s,
                  edge = min_k  tail(e) (F_{s+1} + .. + F_k + G_k) + after(k)

which gives at most (L + 1) (L + 2) / 2 points; with exits fixed there is one a split. A device of
speed f, powers P and Ptx then pays ``A = u local + v bits`` with ``u = (w_T + w_E P) / f`` and
``v = (w_T + w_E Ptx) / B``, and the edge ``(sum_i r_i)^2`` with ``r = sqrt(w_T edge / C)``. At
fixed shares the cost is linear in A and edge work, so only vertices of the lower-left hull of (A,
edge work) can be in an optimum.

Devices alike in profile, fractions, exits, speed and powers form a group with one front.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights

_UNIT = 2.0**-53
_SORTED = 20_000
_ODD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)


@dataclass(frozen=True, eq=False, slots=True)
class Fronts:
    """Fronts of all groups of devices; options of group g at ``start[g] .. start[g + 1] - 1``.

    Within a group r rises and A falls.

    Attributes
    ----------
    group, count
        The group of each device, shape (n,), and the devices of each group.
    own, root
        A and r of each option.
    point
        Position of each option among the points.
    edge, split, exit_set
        Edge work of each point, its split and exits as bits.
    relative_error
        By which figures may be off.
    """

    group: Ints
    count: Ints
    start: Ints
    own: Floats
    root: Floats
    point: npt.NDArray[np.int32]
    edge: Floats
    split: Ints
    exit_set: Ints
    relative_error: float

    def plan(self, instance: MepraInstance, option: Ints) -> MepraPlan:
        """Return the plan with these options (one a device) and the best shares."""
        point = self.point[option]
        return MepraPlan(
            self.split[point],
            shares_from_weights(np.sqrt(self.edge[point])),
            None if instance.exit_set is not None else self.exit_set[point],
        )

    def options_of(self, plan: MepraPlan) -> Ints | None:
        """Return the options a plan takes, None when one of them is not on its front."""
        n = len(self.group)
        if len(plan.splits) != n:
            return None
        chosen = np.empty(n, dtype=np.int64)
        for i in range(n):
            first, last = self.start[self.group[i]], self.start[self.group[i] + 1]
            points = self.point[first:last]
            same = self.split[points] == plan.splits[i]
            if plan.exit_set is not None:
                same &= self.exit_set[points] == plan.exit_set[i]
            found = np.flatnonzero(same)
            if not len(found):
                return None
            chosen[i] = first + found[0]
        return chosen


def _kinds(instance: MepraInstance) -> tuple[Ints, list[tuple[int, int, int]]]:
    """Return the kind of each device, and (profile, row of fractions, exits) of each kind."""
    rows = len(instance.exit_fractions.rows)
    key = instance.profile * rows + instance.exit_row
    if instance.exit_set is None:
        distinct, kind = np.unique(key, return_inverse=True)
        return kind.astype(np.int64), [(int(k) // rows, int(k) % rows, 0) for k in distinct]
    sets, place = np.unique(instance.exit_set, return_inverse=True)
    distinct, kind = np.unique(key * len(sets) + place, return_inverse=True)
    parts = [divmod(int(k), len(sets)) for k in distinct]
    return kind.astype(np.int64), [(k // rows, k % rows, int(sets[x])) for k, x in parts]


def _points(
    instance: MepraInstance, kinds: list[tuple[int, int, int]]
) -> tuple[Ints, list[Floats]]:
    """Return (start, [local, bits, edge, split, exits]) of the points of all kinds."""
    from splitopt.heuristics.jqodi.mepra.kernels import fixed_points, free_points, useful

    chains = {}
    tails = {}
    columns: list[list[npt.NDArray[np.generic]]] = [[], [], [], [], []]
    start = [0]
    for profile, row, exits in kinds:
        if profile not in chains:
            network = instance.profiles[profile]
            chains[profile] = (
                np.array([layer.flops for layer in network.layers], dtype=np.float64),
                np.array([layer.branch_flops for layer in network.layers], dtype=np.float64),
                np.array(
                    [
                        network.input_bits,
                        *(layer.activation_bits for layer in network.layers[:-1]),
                        0.0,
                    ],
                    dtype=np.float64,
                ),
            )
        flops, branch, sent = chains[profile]
        if (profile, row) not in tails:
            p = instance.exit_fractions.normalised[row, : len(flops)]
            tail = np.zeros(len(flops) + 1)
            tail[:-1] = np.cumsum(p[::-1])[::-1]
            tail[0] = 1.0
            tails[profile, row] = tail
        tail = tails[profile, row]
        if instance.exit_set is None:
            found = free_points(flops, branch, sent, tail)
        else:
            found = fixed_points(flops, branch, sent, tail, exits)
        kept = useful(*found[:3])
        for column, values in zip(columns, found, strict=True):
            column.append(values[kept])
        start.append(start[-1] + len(kept))
    return np.array(start, dtype=np.int64), [np.concatenate(column) for column in columns]


def _groups(instance: MepraInstance, kind: Ints) -> tuple[Ints, Ints]:
    """Return the group of each device and one device of each group; groups only where they pay."""
    n = instance.devices
    columns = (kind, instance.speed_flop_per_s, instance.power_w, instance.transmit_power_w)
    if n > _SORTED:
        # One sort of hashes tells whether sorting by all columns is worth its time.
        mixed = np.zeros(n, dtype=np.uint64)
        for column, odd in zip(columns, _ODD, strict=True):
            mixed ^= np.ascontiguousarray(column).view(np.uint64) * np.uint64(odd)
            mixed ^= mixed >> np.uint64(29)
        mixed.sort()
        if np.count_nonzero(np.diff(mixed)) > n // 2:
            return np.arange(n), np.arange(n)
    order = np.lexsort(columns)
    new = np.zeros(n, dtype=np.bool_)
    new[0] = True
    for column in columns:
        new[1:] |= np.diff(column[order]) != 0
    group = np.empty(n, dtype=np.int64)
    group[order] = np.cumsum(new) - 1
    return group, order[new]


def fronts_of(instance: MepraInstance) -> Fronts:
    """Return the fronts of an instance."""
    from splitopt.heuristics.jqodi.mepra.kernels import hulls

    kind, kinds = _kinds(instance)
    first, (local, bits, edge, split, exits) = _points(instance, kinds)
    group, member = _groups(instance, kind)
    w_t, w_e = instance.weight_time_per_s, instance.weight_energy_per_j
    u = (w_t + w_e * instance.power_w[member]) / instance.speed_flop_per_s[member]
    v = (w_t + w_e * instance.transmit_power_w[member]) / instance.bandwidth_bit_per_s
    start, own, point = hulls(first, local, bits, edge, kind[member], u, v)
    root = np.sqrt(edge * (w_t / instance.edge_capacity_flop_per_s))
    return Fronts(
        group,
        np.bincount(group, minlength=len(member)),
        start,
        own,
        root[point],
        point,
        edge,
        split.astype(np.int64),
        exits.astype(np.int64),
        _relative_error(instance),
    )


def _relative_error(instance: MepraInstance) -> float:
    """Return a bound on the relative error of A and r.

    Along a chain of L layers each figure is a sum of at most 2 L products of sums: fewer than
    8 L + 64 roundings. Leftovers are the one place where a difference is taken.
    """
    layers = int(instance.layers.max())
    error = (8 * layers + 64) * _UNIT
    table = instance.exit_fractions
    if table.reading == "leftover-to-last":
        last = table.rows[np.arange(len(table.rows)), table.lengths - 1]
        rest = table.total - table.rows.sum(axis=1)
        grown = rest > 0
        if bool(grown.any()):
            error += float(np.max((layers + 2) * 2 * _UNIT * table.total / (last + rest)[grown]))
    return min(error, 1.0)
