"""The assignment model of CIFT as arrays: columns by what they mean, rows as they are written.

`splitopt.formulations.cift.assignment.method` states the mathematics, `building` writes the model,
`plans` reads its solutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from splitopt.formulations.cift.assignment.choices import Choice
from splitopt.formulations.cift.chances import Chance
from splitopt.formulations.cift.doubtful import Deadline
from splitopt.formulations.solvers.highs import SparseModel
from splitopt.instances.cift.model import CiftInstance, Compression
from splitopt.instances.core.arrays import Bools, Floats, Ints
from splitopt.instances.networks.profiles import Profile


@dataclass(frozen=True, slots=True)
class Crossing:
    """Columns of a choice: u by link, e by node, d by block and link, t by tensor and link."""

    model: Profile
    u: Ints
    e: Ints
    d: Ints
    t: Ints


class AssignmentModel:
    """Columns by what they mean, and rows as they are written, whole arrays at a time.

    Attributes
    ----------
    y, x, h, z, v
        Column of each variable: y[k], x[k][b, n], h[k][b, link], z[phase, n, f],
        v[phase, k, n, f]; k numbers `choices`, blocks and cuts count from 0, n and link are places
        in the reach of k; -1 where there is no column.
    energy_j
        Objective.
    """

    def __init__(
        self,
        instance: CiftInstance,
        choices: list[Choice],
        in_doubt: tuple[Chance, Chance] | None = None,
    ) -> None:
        self.instance = instance
        self.chances = in_doubt
        self.deadlines: list[Deadline] = []
        self.choices = choices
        self.y: list[int] = []
        self.x: list[Ints] = []
        self.h: list[Ints] = []
        self.crossing: dict[int, Crossing] = {}  # of the choices whose network is a graph
        self.z: dict[tuple[str, int, float], int] = {}
        self.v: dict[tuple[str, int, int, float], int] = {}
        self.columns = 0
        self.rows = 0
        self._energy: list[Floats] = []
        self._continuous: list[Ints] = []
        self._ruled_out: list[Ints] = []
        self._entries: list[tuple[Ints, Ints, Floats]] = []
        self._ends: list[tuple[int, float, float]] = []

    def network(self, k: int) -> Profile:
        """Return the network of a choice."""
        g = self.instance.configurations[self.choices[k].index]
        return self.instance.models[self.instance.model_index[g.model]]

    def level(self, k: int) -> Compression:
        """Return the compression of a choice."""
        g = self.instance.configurations[self.choices[k].index]
        return self.instance.compressions[self.instance.compression_index[g.compression]]

    def new(self, energy_j: Floats | list[float]) -> Ints:
        """Add binary columns, with their energies; return them."""
        self._energy.append(np.asarray(energy_j))
        self.columns += len(energy_j)
        return np.arange(self.columns - len(energy_j), self.columns)

    def share(self, whole: bool) -> int:
        """Add a column from 0 to 1 that costs nothing, 0-1 if `whole`; return it."""
        column = self.new([0.0])
        if not whole:
            self.relax(column)
        return int(column[0])

    def relax(self, columns: Ints) -> None:
        """Let columns take fractions."""
        self._continuous.append(columns)

    def rule_out(self, columns: Ints) -> None:
        """Hold columns at zero."""
        self._ruled_out.append(columns)

    def add_rows(self, row: Ints, column: Ints, value: Floats, lower: float, upper: float) -> None:
        """Add the rows that have entries; `row` numbers them from 0, with gaps."""
        there = np.bincount(row) > 0
        number = self.rows - 1 + np.cumsum(there)
        count = int(there.sum())
        self._entries.append((number[row], column, value))
        self._ends.append((count, lower, upper))
        self.rows += count

    @cached_property
    def energy_j(self) -> Floats:
        """Joules of each column."""
        return np.concatenate(self._energy)

    @cached_property
    def binary(self) -> Bools:
        """Which columns are integer."""
        whole = np.ones(self.columns, dtype=np.bool_)
        whole[np.concatenate(self._continuous)] = False
        return whole

    @property
    def support(self) -> int:
        """The most columns that are not zero in a solution whose levels do not mix."""
        most = 1 + max(c.blocks for c in self.choices) + 5 * len(self.instance.nodes)
        most += sum(deadline.added for deadline in self.deadlines)
        return most + max(
            (c.d.size + c.t.size + c.u.size for c in self.crossing.values()), default=0
        )

    @property
    def least_energy_j(self) -> float:
        """A guess at the optimum: the least positive cost of a whole chain on one node."""
        whole = self.energy_j[list(self.v.values())]
        return float(min(whole[whole > 0], default=0.0))

    def sparse(self, scale: float) -> SparseModel:
        """Return the model, its objective times `scale`."""
        upper = np.ones(self.columns)
        for columns in self._ruled_out:
            upper[columns] = 0.0
        counts, row_lower, row_upper = zip(*self._ends, strict=True)
        row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        return SparseModel(
            cost=self.energy_j * scale,
            lower=np.zeros(self.columns),
            upper=upper,
            integer=self.binary,
            row_lower=np.repeat(row_lower, counts),
            row_upper=np.repeat(row_upper, counts),
            row=row,
            column=column,
            value=value,
        )
