r"""The options of each device of MEPRA, reduced to those an optimum can need.

An **option** of device i is a split s and, where exits are free, an exit set X. It has an own
cost A (all but the edge's time) and leaves the work W to the edge:

.. math::

    A = u_i \cdot \text{local}(s, X) + v_i \cdot \text{bits}(s, X), \qquad
    u_i = \frac{w_T + w_E P_i}{f_i}, \quad v_i = \frac{w_T + w_E P^{tx}_i}{B},

with local and W in FLOP and bits the expected bits sent. With the best shares for given
options the cost of a plan is :math:`\sum_i A_i + (\sum_i r_i)^2`, :math:`r_i = \sqrt{w_T W_i/C}`.

**One option a pair (split, last exit on the device) suffices when exits are free.** Let
tail(e) be the fraction of tasks that would leave behind exit e (tail(0) = 1). A layer behind
the last enabled exit e runs with probability tail(e). Fix a split s and the last enabled
exit e <= s. Then bits = tail(e) a_s; exits before e change only the local work, exits behind s
only the edge work, and either is least on a shortest path over exits, the arc from exit d to
the next exit k costing tail(d) (F_{d+1} + ... + F_k + G_k). Cost rises with each of the three
figures, so the pair's two shortest paths make its best option: at most (L + 1)(L + 2) / 2
options in place of (L + 1) 2^(L - 1), and no enumeration of exit sets.

**Vertices of the lower-left hull of (A, W) suffice, for the integer optimum too.** Take an
optimal plan with shares alpha. For fixed shares the cost is the sum over devices of
A_i + mu_i W_i with mu_i = w_T / (alpha_i C), linear in (A, W), so each device may move to a
vertex of its hull that minimises it, and the plan costs no more. A device without a share
has W = 0 and takes the least A at W = 0: the hull's first vertex (a split at L makes W = 0
possible always). If w_T = 0 only A counts: the last vertex.

Rounding. All figures are sums, products and quotients of numbers >= 0, so each differs from
its exact value by a relative error of at most `OptionTable.relative_error` (Higham, Accuracy
and Stability of Numerical Algorithms, lemma 3.1: gamma_m for m roundings). An option is
dropped only where the table's figures, as they stand, put it on or above the hull of options
kept, rounding of that test included. A cost is monotone and homogeneous in the table's
figures, hence the table's optimum T gives (1 - relative_error) T <= optimum of the instance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from splitopt.formulations.mepra.points import (
    EPS,
    Points,
    by_edge_work,
    fixed_points,
    free_points,
    lower_left_hull,
    undominated,
)
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights

_CHUNK = 1 << 22  # options worked on together


@dataclass(frozen=True, eq=False, slots=True)
class OptionTable:
    """Options of all devices, those of device i at positions start[i] to start[i + 1] - 1.

    Within a device edge work rises and own cost falls strictly.

    Attributes
    ----------
    start
        int64, shape (n + 1,).
    own_cost
        A: the cost of the device's own time and energy and of sending, shape (m,).
    edge_work_flop
        W, shape (m,).
    root
        r = sqrt(w_T W / C), shape (m,).
    split, exit_set
        What the option means; exits as bits, int64, shape (m,).
    relative_error
        No figure differs from its exact value by more than this, relatively.
    """

    start: Ints
    own_cost: Floats
    edge_work_flop: Floats
    root: Floats
    split: Ints
    exit_set: Ints
    relative_error: float

    @property
    def devices(self) -> int:
        """Number n of devices."""
        return len(self.start) - 1

    @property
    def device(self) -> Ints:
        """The device of each option, int64, shape (m,)."""
        return np.repeat(np.arange(self.devices), np.diff(self.start))

    def cost(self, choice: Ints) -> float:
        """Return sum A + (sum r)^2 of one option a device, positions of shape (n,)."""
        return float(self.own_cost[choice].sum() + self.root[choice].sum() ** 2)

    def plan(self, instance: MepraInstance, choice: Ints) -> MepraPlan:
        """Return the plan with these options (positions, shape (n,)) and the best shares.

        The best shares are proportional to the roots of the edge work; with w_T = 0 any
        shares do that are positive where there is edge work, and these are.
        """
        free = instance.exits == "free"
        return MepraPlan(
            self.split[choice],
            shares_from_weights(np.sqrt(self.edge_work_flop[choice])),
            self.exit_set[choice] if free else None,
        )

    def choice_of(self, plan: MepraPlan) -> Ints | None:
        """Return the options (positions, shape (n,)) a plan takes, None if one is not here."""
        device = self.device
        same = self.split == plan.splits[device]
        if plan.exit_set is not None:
            same &= self.exit_set == plan.exit_set[device]
        found = np.nonzero(same)[0]
        return found if np.array_equal(device[found], np.arange(self.devices)) else None


def option_table(instance: MepraInstance, *, reduced: bool = True) -> OptionTable:
    """Return the table of options of an instance; memory is that of the table and a chunk.

    Without `reduced` it keeps those that no optimum needs: every split, by edge work, and where
    exits are free the best option of every pair (split, last exit on the device).
    """
    n = instance.devices
    u, v = _rates(instance)
    counts = np.zeros(n, dtype=np.int64)
    parts: list[tuple[Ints, tuple[npt.NDArray[np.generic], ...]]] = []
    for network, devices in _chunks(instance):
        points, kind = _points_of(instance, network, devices, reduced=reduced)
        a = u[devices, None] * points.local[kind] + v[devices, None] * points.bits[kind]
        a[~points.valid[kind]] = np.inf
        kept = lower_left_hull(a, points.edge[kind]) if reduced else points.valid[kind]
        counts[devices] = kept.sum(axis=1)
        row, position = np.nonzero(kept)
        at = (kind[row], position)
        parts.append(
            (
                devices,
                (a[kept], points.edge[at], points.split[at].astype(np.int8), points.exit_set[at]),
            )
        )
    start = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(counts, out=start[1:])
    own, work = np.empty(start[-1]), np.empty(start[-1])
    split, bits = np.empty(start[-1], dtype=np.int64), np.empty(start[-1], dtype=np.int64)
    for devices, (a_part, w_part, s_part, x_part) in parts:
        count = counts[devices]
        first = np.cumsum(count) - count
        to = np.repeat(start[devices] - first, count) + np.arange(len(a_part))
        own[to], work[to], split[to], bits[to] = a_part, w_part, s_part, x_part
    root = np.sqrt(work * (instance.weight_time_per_s / instance.edge_capacity_flop_per_s))
    return OptionTable(start, own, work, root, split, bits, _relative_error(instance))


def _rates(instance: MepraInstance) -> tuple[Floats, Floats]:
    """Return u_i (cost of a FLOP on the device) and v_i (cost of a bit sent), shape (n,)."""
    w_t, w_e = instance.weight_time_per_s, instance.weight_energy_per_j
    u = (w_t + w_e * instance.power_w) / instance.speed_flop_per_s
    v = (w_t + w_e * instance.transmit_power_w) / instance.bandwidth_bit_per_s
    return u, v


def _relative_error(instance: MepraInstance) -> float:
    """Return a bound on the relative error of every figure of the table.

    Reading a decimal, adding L fractions, dividing, adding tails, adding and multiplying
    along a path of at most L exits: fewer than 5 L + 40 roundings of half an eps each.
    Adding leftovers subtracts, the only place where a relative error can grow.
    """
    layers = int(instance.layers.max())
    error = (5 * layers + 40) * EPS
    table = instance.exit_fractions
    if table.reading == "leftover-to-last":
        last = table.rows[np.arange(len(table.rows)), table.lengths - 1]
        rest = table.total - table.rows.sum(axis=1)
        grown = rest > 0
        if bool(grown.any()):
            absolute = (layers + 2) * EPS * table.total
            error += float(np.max(absolute / (last + rest)[grown]))
    return min(error, 1.0)


def _chunks(instance: MepraInstance) -> Iterator[tuple[int, Ints]]:
    """Yield (profile, devices that run it), few devices at a time."""
    for network, layers in enumerate(instance.layers.tolist()):
        devices = np.flatnonzero(instance.profile == network).astype(np.int64)
        options = (layers + 1) * (layers + 2) // 2 if instance.exit_set is None else layers + 1
        count = max(1, min(1 << 15, _CHUNK // options))
        for begin in range(0, len(devices), count):
            yield network, devices[begin : begin + count]


def _points_of(
    instance: MepraInstance, network: int, devices: Ints, *, reduced: bool
) -> tuple[Points, Ints]:
    """Return the options of the kinds among `devices`, and each device's kind."""
    layers = instance.profiles[network].layers
    flops = np.array([layer.flops for layer in layers])
    branch = np.array([layer.branch_flops for layer in layers])
    # sent[s]: bits a task sends when cut behind layer s.
    sent = np.array(
        [
            instance.profiles[network].input_bits,
            *(layer.activation_bits for layer in layers[:-1]),
            0.0,
        ]
    )
    row = instance.exit_row[devices]
    if instance.exit_set is None:
        rows, kind = np.unique(row, return_inverse=True)
        tails = _tails(instance, rows, len(layers))
        points = free_points(flops, branch, sent, tails)
    else:
        sets, choice = np.unique(instance.exit_set[devices], return_inverse=True)
        keys, kind = np.unique(row * len(sets) + choice, return_inverse=True)
        tails = _tails(instance, keys // len(sets), len(layers))
        points = fixed_points(flops, branch, sent, tails, sets[keys % len(sets)])
    return by_edge_work(undominated(points) if reduced else points), kind.astype(np.int64)


def _tails(instance: MepraInstance, rows: Ints, layers: int) -> Floats:
    """Return tail(e) for e = 0..L by row, shape (rows, L + 1)."""
    p = instance.exit_fractions.normalised[rows, :layers]
    tails = np.zeros((len(rows), layers + 1))
    tails[:, :layers] = np.cumsum(p[:, ::-1], axis=1)[:, ::-1]
    tails[:, 0] = 1.0
    return tails
