"""The judge of MEPRA: what a plan costs, and which constraints it breaks.

One piece of code computes the cost in three kinds of numbers: doubles for `evaluate`,
rationals for exact verdicts on small instances, outward-rounded intervals on large ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from splitopt.instances.core.arrays import Bools, Floats, Ints
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import Interval, rational, sum_at_most_one, sum_rational
from splitopt.instances.core.violations import Violation
from splitopt.instances.mepra.model import ExitFractions, MepraInstance, exit_set_of
from splitopt.instances.mepra.plan import MepraPlan

Array = Any  # float64 array, object array of Fractions, or Interval
_CHUNK = 1 << 16
_EXACT_DEVICES = 2000


@dataclass(frozen=True, eq=False, slots=True)
class MepraEvaluation:
    """What a plan costs.

    Attributes
    ----------
    objective
        The cost: the sum over devices of w_T * latency + w_E * energy.
    latency_s, energy_j
        Sums over devices.
    device_cost, device_latency_s, device_energy_j
        The same by device, shape (n,).
    """

    objective: float
    latency_s: float
    energy_j: float
    device_cost: Floats
    device_latency_s: Floats
    device_energy_j: Floats


class _Numbers(Protocol):
    """A kind of number, elementwise over devices."""

    def lift(self, values: npt.ArrayLike) -> Array: ...

    def where(self, mask: Bools, yes: Array, no: Array) -> Array: ...

    def fractions(self, table: ExitFractions, rows: Ints) -> list[Array]:
        """Return p_j by layer, each over devices."""


class _Doubles:
    def lift(self, values: npt.ArrayLike) -> Array:
        return np.asarray(values, dtype=np.float64)

    def where(self, mask: Bools, yes: Array, no: Array) -> Array:
        return np.where(mask, yes, no)

    def fractions(self, table: ExitFractions, rows: Ints) -> list[Array]:
        return list(table.normalised[rows].T)


class _Rationals:
    def lift(self, values: npt.ArrayLike) -> Array:
        flat = np.asarray(values, dtype=np.float64)
        out = np.empty(flat.shape, dtype=object)
        for index, value in np.ndenumerate(flat):
            out[index] = rational(float(value))
        return out

    def where(self, mask: Bools, yes: Array, no: Array) -> Array:
        return np.where(mask, yes, no)

    def fractions(self, table: ExitFractions, rows: Ints) -> list[Array]:
        figures = self.lift(table.rows[rows])
        sums = figures.sum(axis=1)
        if table.reading == "leftover-to-last":
            total = rational(table.total)
            last = (np.arange(len(rows)), table.lengths[rows] - 1)
            figures[last] += np.maximum(total - sums, 0)
            sums = figures.sum(axis=1)
        return list((figures / sums[:, None]).T)


class _Intervals:
    def lift(self, values: npt.ArrayLike) -> Array:
        return Interval.around(values)

    def where(self, mask: Bools, yes: Array, no: Array) -> Array:
        return Interval(np.where(mask, yes.low, no.low), np.where(mask, yes.high, no.high))

    def fractions(self, table: ExitFractions, rows: Ints) -> list[Array]:
        distinct, choice = np.unique(rows, return_inverse=True)
        columns = [Interval.around(c) for c in table.rows[distinct].T]
        sums = Interval.around(np.zeros(len(distinct)))
        for part in columns:
            sums += part
        if table.reading == "leftover-to-last":
            rest = Interval.around(np.full(len(distinct), table.total)) - sums
            rest = Interval(np.maximum(rest.low, 0.0), np.maximum(rest.high, 0.0))
            for j, part in enumerate(columns):
                last = table.lengths[distinct] == j + 1
                columns[j] = self.where(last, part + rest, part)
            sums = sums + rest
        shares = [part / sums for part in columns]
        return [Interval(share.low[choice], share.high[choice]) for share in shares]


@dataclass(frozen=True, slots=True)
class _Parts:
    """Per device: local seconds, transmission seconds, edge seconds, joules, cost."""

    local: Array
    transmission: Array
    edge: Array
    energy: Array
    cost: Array


def _parts(instance: MepraInstance, plan: MepraPlan, devices: slice, numbers: _Numbers) -> _Parts:
    """Return what each of `devices` costs.

    With p the fractions as read and X the enabled exits, layer j runs with probability
    P_1 = 1 and P_{j+1} = sum_{k > j} p_k if exit j is enabled, else P_j; branch j runs with
    probability Q_j = P_j if exit j is enabled, else 0. Work is sum P_j F_j + Q_j G_j: up to
    the split on the device, behind it on the edge.
    """
    profile = instance.profile[devices]
    rows = instance.exit_row[devices]
    split = plan.splits[devices]
    bits = plan.exit_set if instance.exit_set is None else instance.exit_set
    assert bits is not None
    bits = bits[devices]
    most = int(instance.layers.max())
    table = np.zeros((len(instance.profiles), 3, most + 1))
    for k, network in enumerate(instance.profiles):
        table[k, 0, 1 : len(network.layers) + 1] = [layer.flops for layer in network.layers]
        table[k, 1, 1 : len(network.layers) + 1] = [layer.branch_flops for layer in network.layers]
        # Nothing is sent behind the last layer.
        table[k, 2, : len(network.layers)] = [
            network.input_bits,
            *(layer.activation_bits for layer in network.layers[:-1]),
        ]
    p = numbers.fractions(instance.exit_fractions, rows)
    zero = numbers.lift(np.zeros(len(split)))
    tails: list[Array] = [zero] * (most + 1)  # tails[j] = sum_{k > j} p_k
    for j in range(most - 1, -1, -1):
        tails[j] = tails[j + 1] + p[j] if j < len(p) else tails[j + 1]
    probability = numbers.lift(np.ones(len(split)))
    local, edge = zero, zero
    sent = zero
    for j in range(1, most + 1):
        sent = numbers.where(split == j - 1, probability, sent)
        on = (bits >> (j - 1)) & 1 == 1
        inside = j <= instance.layers[profile]
        layer = probability * numbers.lift(table[profile, 0, j])
        branch = numbers.where(on, probability * numbers.lift(table[profile, 1, j]), zero)
        work = numbers.where(inside, layer + branch, zero)
        here = split >= j
        local = numbers.where(here, local + work, local)
        edge = numbers.where(here, edge, edge + work)
        probability = numbers.where(on, tails[j], probability)
    one = np.ones(len(split))
    carried = numbers.lift(table[profile, 2, split])
    bandwidth = numbers.lift(instance.bandwidth_bit_per_s * one)
    local_s = local / numbers.lift(instance.speed_flop_per_s[devices])
    transmission_s = sent * carried / bandwidth
    shares = plan.shares[devices]
    busy = shares > 0
    capacity = numbers.lift(np.where(busy, shares, 1.0)) * numbers.lift(
        instance.edge_capacity_flop_per_s * one
    )
    edge_s = edge / capacity
    energy = local_s * numbers.lift(instance.power_w[devices]) + transmission_s * numbers.lift(
        instance.transmit_power_w[devices]
    )
    w_t = numbers.lift(instance.weight_time_per_s * one)
    w_e = numbers.lift(instance.weight_energy_per_j * one)
    cost = w_t * (local_s + transmission_s + edge_s) + w_e * energy
    return _Parts(local_s, transmission_s, edge_s, energy, cost)


def _chunks(instance: MepraInstance) -> Iterator[slice]:
    for start in range(0, instance.devices, _CHUNK):
        yield slice(start, min(start + _CHUNK, instance.devices))


def _structure(instance: MepraInstance, plan: MepraPlan) -> list[Violation]:
    broken: list[Violation] = []
    n = instance.devices
    if len(plan.splits) != n:
        return [Violation("devices", "plan", len(plan.splits), n, f"the plan has not {n} devices")]
    if (plan.exit_set is None) != (instance.exits == "fixed"):
        word = "given" if instance.exits == "fixed" else "missing"
        return [
            Violation(
                "exits", "plan", None, None, f"exits are {instance.exits}, yet {word} in the plan"
            )
        ]
    layers = instance.layers[instance.profile]
    for i in np.nonzero((plan.splits < 0) | (plan.splits > layers))[0].tolist():
        broken.append(
            Violation(
                "split",
                f"device {i}",
                int(plan.splits[i]),
                int(layers[i]),
                f"a split lies in 0 to {int(layers[i])}",
            )
        )
    if plan.exit_set is not None:
        top = np.int64(1) << (layers - 1)
        bad = (plan.exit_set & top == 0) | (plan.exit_set >= 2 * top) | (plan.exit_set <= 0)
        for i in np.nonzero(bad)[0].tolist():
            broken.append(
                Violation(
                    "exits",
                    f"device {i}",
                    None,
                    None,
                    f"{list(exit_set_of(max(0, int(plan.exit_set[i]))))} are not exits from 1 to "
                    f"{int(layers[i])} with the last among them",
                )
            )
    return broken


def _starved(instance: MepraInstance, plan: MepraPlan) -> Bools:
    """Return which devices leave work to the edge and have no share of it, shape (n,)."""
    without: Bools = plan.shares == 0
    if not bool(without.any()):
        return without
    busy = np.zeros(instance.devices, dtype=bool)
    for devices in _chunks(instance):
        # Sums of products of numbers >= 0 are zero in floating point only when they are zero:
        # an instance's numbers are too large for underflow.
        busy[devices] = _parts(instance, plan, devices, _Doubles()).edge > 0
    busy &= without
    return busy


def _share_violations(instance: MepraInstance, plan: MepraPlan) -> list[Violation]:
    broken: list[Violation] = []
    for i in np.nonzero(plan.shares < 0)[0].tolist():
        broken.append(
            Violation("share", f"device {i}", float(plan.shares[i]), 0.0, "a share is >= 0")
        )
    if broken:
        return broken
    for i in np.nonzero(_starved(instance, plan))[0].tolist():
        broken.append(
            Violation(
                "share", f"device {i}", 0.0, None, "a device with edge work needs a share > 0"
            )
        )
    if not sum_at_most_one(plan.shares):
        total = sum_rational(plan.shares)
        broken.append(
            Violation(
                "share-sum",
                "plan",
                float(total),
                1.0,
                f"the shares exceed one by {float(total - 1):.3g}",
            )
        )
    return broken


def check_mepra(instance: MepraInstance, plan: MepraPlan) -> list[Violation]:
    """Return the constraints `plan` breaks, decided exactly; empty when feasible.

    Constraints: ``devices``, ``split``, ``exits``, ``share`` (at least 0, above 0 where there
    is edge work), ``share-sum`` (at most one as rationals, without tolerance).
    """
    return _structure(instance, plan) or _share_violations(instance, plan)


def _require(instance: MepraInstance, plan: MepraPlan) -> None:
    broken = _structure(instance, plan)
    if not broken:
        if bool((plan.shares < 0).any()):
            broken = _share_violations(instance, plan)
        else:
            if bool(_starved(instance, plan).any()):
                broken = [v for v in _share_violations(instance, plan) if v.constraint == "share"]
    if broken:
        first = broken[0]
        raise InputError(
            f"plan.{first.constraint}", first.where, first.statement, "correct the plan"
        )


def evaluate_mepra(instance: MepraInstance, plan: MepraPlan) -> MepraEvaluation:
    """Return what `plan` costs, in floating point.

    Shares that sum to more than one are `check`'s business: the plan still has a cost.

    Raises
    ------
    InputError
        When the plan does not fit the instance, or a device with edge work has no share.
    """
    _require(instance, plan)
    latency, energy, cost = (np.empty(instance.devices) for _ in range(3))
    for devices in _chunks(instance):
        parts = _parts(instance, plan, devices, _Doubles())
        latency[devices] = parts.local + parts.transmission + parts.edge
        energy[devices] = parts.energy
        cost[devices] = parts.cost
    return MepraEvaluation(
        math.fsum(cost.tolist()),
        math.fsum(latency.tolist()),
        math.fsum(energy.tolist()),
        cost,
        latency,
        energy,
    )


def exact_cost(instance: MepraInstance, plan: MepraPlan) -> Fraction:
    """Return the cost of `plan` as the rational it is; for small instances.

    Raises
    ------
    InputError
        As `evaluate_mepra`.
    """
    _require(instance, plan)
    total = Fraction(0)
    for devices in _chunks(instance):
        parts = _parts(instance, plan, devices, _Rationals())
        total += sum(parts.cost.tolist(), Fraction(0))
    return total


def cost_interval(instance: MepraInstance, plan: MepraPlan) -> tuple[Fraction, Fraction]:
    """Return an interval that holds the exact cost; a point for up to 2000 devices.

    Raises
    ------
    InputError
        As `evaluate_mepra`.
    """
    if instance.devices <= _EXACT_DEVICES:
        value = exact_cost(instance, plan)
        return value, value
    _require(instance, plan)
    low, high = Fraction(0), Fraction(0)
    for devices in _chunks(instance):
        part = _parts(instance, plan, devices, _Intervals()).cost.sum()
        low += Fraction(float(part.low))
        high += Fraction(float(part.high))
    return low, high
