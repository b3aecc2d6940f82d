"""The flow formulation of CIFT, of which `flow` states the mathematics, as arrays.

Without Pyomo: what is written to a file needs no model of it, and `flow.model` is made of the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitopt.formulations.cift.milp import Row
from splitopt.formulations.cift.pyomo.atoms import fastest
from splitopt.formulations.cift.pyomo.data import Key, Written, chains, need
from splitopt.formulations.cift.pyomo.energy import levels
from splitopt.formulations.cift.pyomo.flow_steps import VARIABLES, Steps
from splitopt.formulations.solvers.files import NamedModel
from splitopt.formulations.solvers.highs import SparseModel
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, Stop, stop_between
from splitopt.instances.core.arrays import Floats, Ints

_PHASES = (("latency", ("serve", "hop")), ("time", ("tune", "hop")))
_COMMON = 10**9  # weights with a common denominator up to this are written as whole numbers


def arcs(instance: CiftInstance) -> int:
    """Return about how many variables the model has, without building it."""
    total = 0
    for chain in chains(instance):
        segments, sets = int(chain.sets.nested.sum()), len(chain.sets) - 1
        for n in chain.nodes:
            count = len(levels(instance, n))
            total += segments * count * (2 if chain.passes else 1) + sets
        total += sets * len(chain.hops)
    return total


@dataclass(frozen=True, slots=True)
class Cone:
    """A deadline by Cantelli's bound, in shares: ``mean . x + kappa sqrt(variance . x^2) <= 1``.

    Attributes
    ----------
    mean, variance
        Of all columns; with 0-1 columns ``x^2 = x``.
    """

    name: str
    kappa: float
    mean: Floats
    variance: Floats

    def tangent(self, columns: Ints) -> Row | None:
        """Return the row that a plan of these columns touches the cone at."""
        sd = math.sqrt(self.variance[columns].sum())
        if sd == 0:
            return None
        slope = self.mean.copy()
        slope[columns] += self.kappa * self.variance[columns] / sd
        used = np.flatnonzero(slope)
        return Row(-np.inf, 1.0, used.astype(np.int32), slope[used])


class Flow:
    """The model as arrays.

    Attributes
    ----------
    columns
        The variables' indices in order of their columns, by name.
    cost
        Joules of the columns.
    groups
        Names of the groups of rows in order, each with how many it has; one of 1 has a name of its
        own, others number their rows.
    cones
        What is not linear: deadlines by mean and variance. The rows have relaxations of them.

    Raises
    ------
    InputError
        For continuous speeds, or without configurations.
    """

    def __init__(self, instance: CiftInstance) -> None:
        need(instance, "flow")
        known: dict[Any, Any] = {}
        self.every = [Steps(instance, g, known) for g in chains(instance)]
        self.columns: dict[str, list[Key]] = {}
        self.first: dict[tuple[str, int], int] = {}
        self.groups: list[tuple[str, int]] = []
        self.cones: list[Cone] = []
        self._parts: list[tuple[Any, Any, Any]] = []
        self._ends: list[tuple[Any, Any]] = []
        self._height = count = 0
        for name in VARIABLES:
            self.columns[name] = []
            for index, steps in enumerate(self.every):
                keys = steps.columns[name].keys
                self.first[name, index] = count
                count += len(keys)
                self.columns[name] += map(tuple, keys.tolist())
        self.columns["late"] = []
        self._count = count
        self.cost = np.concatenate(
            [steps.columns[name].joules for name in VARIABLES for steps in self.every]
        )
        y = np.arange(len(self.every))
        self._rows("one", [(np.zeros(len(y), np.int64), y, np.ones(len(y)))], [1.0], [1.0])
        self._flow()
        for phase in (0, 1):
            self._deadline(phase)

    def _rows(self, name: str, parts: list[tuple[Any, Any, Any]], lower: Any, upper: Any) -> None:
        """Add rows: entries by row counted from 0, column and value; and both ends of each."""
        self._parts += [(row + self._height, column, value) for row, column, value in parts]
        self._ends.append((np.asarray(lower), np.asarray(upper)))
        self._height += len(self._ends[-1][0])
        self.groups.append((name, len(self._ends[-1][0])))

    def _flow(self) -> None:
        """Add what enters a state leaves it: +1 for entering, -1 for leaving."""
        base = np.cumsum([0, *(steps.states for steps in self.every)])
        states, count = [], 0
        for name in VARIABLES:
            for index, steps in enumerate(self.every):
                columns = steps.columns[name]
                ends = (columns.tail, columns.head) if name != "y" else (columns.head, columns.tail)
                states.append(np.stack(ends, axis=1) + base[index])
                count += len(columns)
        # Rows in order of their first terms.
        found, first, row = np.unique(
            np.concatenate(states).ravel(), return_index=True, return_inverse=True
        )
        place = np.empty(len(found), dtype=np.int64)
        place[np.argsort(first)] = np.arange(len(found))
        numbers, signs = np.repeat(np.arange(count), 2), np.tile([-1.0, 1.0], count)
        signs[: 2 * len(self.every)] *= -1.0  # y enters where a plan begins
        zero = np.zeros(len(found))
        self._rows("flow", [(place[row], numbers, signs)], zero, zero)

    def _deadline(self, phase: int) -> None:
        """Add the rows of a deadline, if there is one."""
        most = self.every[0].deadlines[phase].most
        if most == math.inf:
            return
        name, variables = _PHASES[phase]
        shares: list[Floats] = []
        columns: list[Ints] = []
        for index, steps in enumerate(self.every):
            deadline = steps.deadlines[phase]
            for variable in variables:
                found = steps.columns[variable]
                columns.append(self.first[variable, index] + np.arange(len(found)))
                each = [steps.seconds(found, atom, phase) for atom in deadline.atoms]
                shares.append(fastest(np.stack(each), deadline))
        if most > 0:
            self._one_row(name, phase, np.concatenate(columns), np.concatenate(shares) / most)
        for index, steps in enumerate(self.every):
            if not steps.deadlines[phase].certain and not steps.deadlines[phase].kappa:
                self._atoms(phase, index)

    def _one_row(self, name: str, phase: int, columns: Ints, shares: Floats) -> None:
        """Add the row of a deadline that every plan keeps."""
        kappa, most = (getattr(self.every[0].deadlines[phase], k) for k in ("kappa", "most"))
        if kappa:
            mean, variance = np.zeros(self._count), np.zeros(self._count)
            mean[columns] = shares
            for index, steps in enumerate(self.every):
                (atom,) = steps.deadlines[phase].atoms
                for variable in _PHASES[phase][1]:
                    found = steps.columns[variable]
                    first = self.first[variable, index]
                    varied = steps.variance(found, atom, phase) / most / most
                    variance[first : first + len(found)] = varied
            if variance.any():
                self.cones.append(Cone(name, kappa, mean, variance))
                # kappa sigma <= 1 - mean <= 1, so its square, which is linear, is no more.
                shares = shares + kappa * kappa * variance[columns]
        used = np.flatnonzero(shares)
        if len(used):
            entries = (np.zeros(len(used), np.int64), columns[used], shares[used])
            self._rows(name, [entries], [-np.inf], [1.0])

    def _atoms(self, phase: int, index: int) -> None:
        """Add for a configuration a row an atom, and which of them may be late."""
        steps = self.every[index]
        deadline, variables = steps.deadlines[phase], _PHASES[phase][1]
        name = _PHASES[phase][0]
        right = 1.0 if deadline.most > 0 else 0.0
        y = self.first["y", index]
        columns = np.concatenate(
            [self.first[v, index] + np.arange(len(steps.columns[v])) for v in variables]
        )
        late: list[tuple[int, Any]] = []
        for k, atom in enumerate(deadline.atoms):
            found = {v: steps.seconds(steps.columns[v], atom, phase) for v in variables}
            for v, seconds in found.items():
                found[v] = seconds / deadline.most if right else (seconds > 0).astype(np.float64)
            over = steps.longest(found) - right
            if over <= 0:
                continue
            shares = np.concatenate([found[v] for v in variables])
            used = np.flatnonzero(shares)
            entries = [(columns[used], shares[used]), ([y], [-right])]
            if atom.weight <= deadline.room:
                late.append((self._count, atom.weight))
                self.columns["late"].append((phase, steps.g.index, k))
                entries.append(([self._count], [-over]))
                self._count += 1
            column, value = (np.concatenate([e[side] for e in entries]) for side in (0, 1))
            kept = value != 0
            parts = [(np.zeros(kept.sum(), np.int64), column[kept], value[kept])]
            self._rows(f"{name}_{steps.g.index}_{k}", parts, [-np.inf], [0.0])
        weights = [weight for _, weight in late]
        if sum(weights) <= deadline.room:
            return  # all of them may be late
        common = math.lcm(*(w.denominator for w in weights))
        if common <= _COMMON:
            whole = [float(w * common) for w in weights]
            most = math.floor(deadline.room * common) + 0.5
        else:
            whole, most = [float(w) for w in weights], float(deadline.room) + 1e-9
        values = np.array([*whole, -most]) / max(whole)
        numbers = np.array([*(column for column, _ in late), y])
        parts = [(np.zeros(len(numbers), np.int64), numbers, values)]
        self._rows(f"late_{name}_{steps.g.index}", parts, [-np.inf], [0.0])

    def row_names(self) -> tuple[str, ...]:
        """Return the names of the rows in files."""
        return tuple(
            name if count == 1 and name != "flow" else f"{name}_{k}"
            for name, count in self.groups
            for k in range(count)
        )

    def written(self) -> Written:
        """Return it as one matrix."""
        row, column, value = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        lower, upper = (np.concatenate(end) for end in zip(*self._ends, strict=True))
        model = SparseModel(
            np.append(self.cost, np.zeros(self._count - len(self.cost))),
            np.zeros(self._count),
            np.ones(self._count),
            np.ones(self._count, dtype=np.bool_),
            lower.astype(np.float64),
            upper.astype(np.float64),
            row.astype(np.int64),
            column.astype(np.int64),
            value.astype(np.float64),
        )
        return Written(model, self.columns)

    def cuts(self, columns: Ints) -> list[Row]:
        """Return the tangents of the cones at a plan."""
        found = [cone.tangent(columns) for cone in self.cones]
        return [row for row in found if row is not None]


def named(instance: CiftInstance) -> tuple[NamedModel, Written] | None:
    """Return the model with the names that files of `flow.model` have, and with what reads values.

    None where it has cones.

    Raises
    ------
    InputError
        As `flow.model`.
    """
    flow = Flow(instance)
    if flow.cones:
        return None
    found = flow.written()
    columns = (
        f"{variable}_{'_'.join(map(str, key))}"
        for variable, keys in found.columns.items()
        for key in keys
    )
    return NamedModel(found.model, tuple(columns), flow.row_names()), found


def plan(instance: CiftInstance, chosen: Mapping[str, Iterable[Key]]) -> CiftPlan:
    """Return the plan of the variables that are one, by name."""
    ((g,),) = itertools.islice(chosen["y"], 1)
    chain = chains(instance)[g]
    model, sets = chain.network[0], chain.sets
    serve = {(n, i): (j, f) for c, i, j, n, f in chosen["serve"] if c == g}
    tune = {(n, i): f for c, i, _, n, f in chosen["tune"] if c == g}
    hop = {(b, n): k for c, b, n, k in chosen["hop"] if c == g}
    n, done, stops = chain.source, 0, []
    while True:
        node = instance.nodes[n]
        if (n, done) in serve:
            start, (done, f) = done, serve[n, done]
            speeds: Any = node.speeds_flop_per_s
            tuned = speeds[tune[n, start]] if chain.passes else None
            stops.append(stop_between(model, sets, node.name, start, done, (speeds[f], tuned)))
        else:
            stops.append(Stop(node.name, 0))
        if done == len(sets) - 1:
            return CiftPlan.of(instance.configurations[g], tuple(stops))
        n = hop[done, n]
