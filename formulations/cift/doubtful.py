r"""Deadlines in doubt as rows of a MILP: scenarios that may be late, tangents of a cone.

With a_ic the share of a deadline that column c takes in atom i, l_c the mean of its fastest p and
``y_i`` in {0, 1} (`splitopt.formulations.cift.chances`)::

    sum_c l_c x_c <= 1
    sum_c a_ic x_c <= 1 + M_i y_i    each atom,        sum_i w_i y_i <= 1 - p

By the first row no atom takes more than ``max_c a_ic / l_c``: that less one is M_i, and an atom
for which it is at most nil needs no row.

Means and variances: of one node, or one link, a plan takes one thing at a time, so what its columns
take adds up to ``z_e = sum_{c of e} dev_c x_c`` and the deadline is ``mean + || z || <= 1``. Each
point x0 gives a tangent, valid for every x (Cauchy and Schwarz)::

    sum_c (mean_c + dev_c z0_e / || z0 ||) x_c <= 1

Tangents of the relaxation go in before branching, those of rejected plans after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.chances import Chance, room
from splitopt.formulations.cift.milp import Row
from splitopt.formulations.solvers.highs import WIDE, ModelRefusedError, SparseModel, load

__all__ = ["Deadline", "Spent", "extended", "root_tangents"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ROOM = 1e-7  # relative, on M_i: the first row holds to a tolerance
_BEYOND = 1e-7  # how far a point lies outside the cone for a tangent to be worth it
_ROUNDS = 15


@dataclass(frozen=True, slots=True)
class Spent:
    """What takes time towards a deadline.

    Attributes
    ----------
    columns
        Each once.
    seconds
        In each atom, shape (atoms, columns).
    deviation
        kappa times the standard deviation, shape (columns,).
    element
        Which node or link it is, shape (columns,). On one of them a plan has one column above 0,
        or several of which none is above its `most`, as shares of one.
    most
        Upper ends, shape (columns,).
    """

    columns: Ints
    seconds: Floats
    deviation: Floats
    element: Ints
    most: Floats

    @staticmethod
    def joined(parts: Sequence[Spent]) -> Spent:
        """Return all of them as one."""
        return Spent(
            np.concatenate([part.columns for part in parts]),
            np.concatenate([part.seconds for part in parts], axis=1),
            np.concatenate([part.deviation for part in parts]),
            np.concatenate([part.element for part in parts]),
            np.concatenate([part.most for part in parts]),
        )


class Deadline:
    """A deadline over columns of a model; `rows` state it, but for the cone.

    Parameters
    ----------
    limit
        Seconds.
    new
        Adds a 0-1 column that costs nothing, and returns it.
    """

    def __init__(self, chance: Chance, spent: Spent, limit: float, new: Callable[[], int]) -> None:
        self.columns, self._element = spent.columns, spent.element
        self._unit, self._top = (limit, WIDE) if limit > 0 else (1.0, 0.0)
        self._shares = spent.seconds / self._unit
        self._most = spent.most
        self._deviation = spent.deviation / self._unit
        self._mean = chance.relaxed(self._shares)
        self.late: dict[int, int] = {}  # column of each atom that can be late
        self.atoms = len(self._shares)
        self._known: set[bytes] = set()
        self.rows = [self._row(self._mean)]
        if len(self._shares) > 1:
            self._scenarios(chance, new)

    def _row(self, shares: Floats, late: tuple[int, float] | None = None) -> Row:
        used = np.flatnonzero(shares)
        columns, values = self.columns[used], shares[used]
        if late is not None:
            columns, values = np.append(columns, late[0]), np.append(values, -late[1])
        return Row(-np.inf, self._top, columns.astype(np.int32), values)

    def _scenarios(self, chance: Chance, new: Callable[[], int]) -> None:
        for atom, shares in enumerate(self._shares):
            greatest = np.zeros(int(self._element.max(initial=-1)) + 1)
            np.maximum.at(greatest, self._element, shares * self._most)
            over = float(greatest.sum())
            if self._top > 0:
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratio = np.nan_to_num(shares / self._mean, nan=0.0, posinf=np.inf)
                over = min(over, float(ratio.max(initial=0.0)) * (1 + _ROOM) - 1)
            if over > _ROOM:
                self.late[atom] = new()
                self.rows.append(self._row(shares, (self.late[atom], over)))
        if self.late:
            weights, most = room(chance.weights, chance.share)
            columns = np.array(list(self.late.values()), dtype=np.int32)
            self.rows.append(Row(-np.inf, most, columns, weights[list(self.late)]))

    @property
    def cone(self) -> bool:
        """Whether there is a cone."""
        return bool(self._deviation.any())

    def lateness(self, values: Floats) -> dict[int, float]:
        """Return the columns of the atoms that are late, for what the others are."""
        taken = self._shares @ values[self.columns]
        limit = self._top / WIDE * (1 + 1e-12)
        return {column: float(taken[atom] > limit) for atom, column in self.late.items()}

    def tangents(self, values: Floats, *, inside: bool = False) -> list[Row]:
        """Return the tangent of the cone at a point outside of it; if wanted, elsewhere too.

        None where there is one already.
        """
        parts = np.bincount(self._element, self._deviation * values[self.columns])
        norm = math.sqrt(float(parts @ parts))
        spent = float(self._mean @ values[self.columns]) + norm
        if norm == 0 or not (inside or spent > self._top + _BEYOND):
            return []
        where = np.round(parts / norm, 7).tobytes()
        if where in self._known:
            return []
        self._known.add(where)
        return [self._row(self._mean + self._deviation * parts[self._element] / norm)]


def root_tangents(
    model: SparseModel, deadlines: Sequence[Deadline], late: Callable[[], bool]
) -> list[Row]:
    """Return tangents where the relaxation leaves the cones, until it leaves them no more."""
    found: list[Row] = []
    if not any(deadline.cone for deadline in deadlines):
        return found
    try:
        highs = load(replace(model.tidied(), integer=np.zeros(len(model.cost), dtype=np.bool_)))
    except ModelRefusedError:
        return found
    for _ in range(_ROUNDS):
        highs.run()
        values = np.array(highs.getSolution().col_value)
        if late() or len(values) != len(model.cost):
            break
        rows = [row for deadline in deadlines for row in deadline.tangents(values)]
        if not rows:
            break
        for row in rows:
            highs.addRow(row.lower, row.upper, len(row.columns), row.columns, row.values)
        found += rows
    return found


def extended(model: SparseModel, rows: Sequence[Row]) -> SparseModel:
    """Return a model with more rows."""
    if not rows:
        return model
    sizes = [len(row.columns) for row in rows]
    first = len(model.row_lower)
    return replace(
        model,
        row_lower=np.append(model.row_lower, [row.lower for row in rows]),
        row_upper=np.append(model.row_upper, [row.upper for row in rows]),
        row=np.append(model.row, first + np.repeat(np.arange(len(rows)), sizes)),
        column=np.concatenate([model.column, *(row.columns for row in rows)]).astype(np.int64),
        value=np.concatenate([model.value, *(row.values for row in rows)]),
    )
