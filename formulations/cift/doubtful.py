r"""Deadlines in doubt as rows of a MILP: scenarios that may be late, tangents of a cone.

With a_ic the share of a deadline that column c takes in atom i, l_c the mean of its fastest p and
``y_i`` in {0, 1} (`splitopt.formulations.cift.chances`)::

    sum_c l_c x_c <= 1
    sum_c a_ic x_c <= 1 + M_i y_i    each atom,        sum_i w_i y_i <= 1 - p

By the first row no atom takes more than ``max_c a_ic / l_c``: that less one is M_i, and an atom
for which it is at most nil needs no row. Of one scenario an atom with more epochs is late first.
Rows are written over the time of one pass, summed up once for each configuration and for what is
slow alike: with nine bands of K and ten scenarios they would else be ninety times the columns.

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

from splitopt.formulations.cift.chances import Chance, room
from splitopt.formulations.cift.milp import Row
from splitopt.formulations.solvers.highs import WIDE, ModelRefusedError, SparseModel, load
from splitopt.instances.core.arrays import Floats, Ints

_ROOM = 1e-7  # relative, on M_i: the first row holds to a tolerance
_BEYOND = 1e-7  # how far a point lies outside the cone for a tangent to be worth it
_ROUNDS = 15


@dataclass(frozen=True, slots=True)
class Spent:
    """What takes time towards a deadline; all of shape (columns,).

    Attributes
    ----------
    columns
        Each once.
    configuration
        Whose passes count.
    element
        Which node or link it is, as `splitopt.formulations.cift.chances.elements` numbers them. On
        one of them a plan has one column above 0, or several of which none is above its `most`, as
        shares of one.
    certain, doubtful
        Seconds a pass: those that no doubt changes, and those that are longer by the element's
        slowness.
    most
        Upper ends.
    """

    columns: Ints
    configuration: Ints
    element: Ints
    certain: Floats
    doubtful: Floats
    most: Floats

    @staticmethod
    def joined(parts: Sequence[Spent]) -> Spent:
        """Return all of them as one."""
        names = ("columns", "configuration", "element", "certain", "doubtful", "most")
        return Spent(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class Deadline:
    """A deadline over columns of a model; `rows` state it, but for the cone.

    Parameters
    ----------
    ends
        Of each element.
    limit
        Seconds.
    new
        Adds a column from 0 to 1 that costs nothing, 0-1 if told so, and returns it.
    """

    def __init__(
        self,
        chance: Chance,
        ends: Sequence[tuple[str, str | None]],
        spent: Spent,
        limit: float,
        new: Callable[[bool], int],
    ) -> None:
        self._chance, self._spent, self._new = chance, spent, new
        self.columns, self._element = spent.columns, spent.element
        self._unit, self._top = (limit, WIDE) if limit > 0 else (1.0, 0.0)
        self._slow = np.array([chance.slowness(*end) for end in ends]).T
        self._often = chance.passes[:, spent.configuration]
        seconds = spent.certain + spent.doubtful * self._slow[:, spent.element]
        self._shares = self._often * seconds / self._unit
        deviations = np.array([chance.deviation(*end) for end in ends])[spent.element]
        self._deviation = deviations * spent.doubtful * self._often[0] / self._unit
        self._mean = chance.relaxed(self._shares)
        self.late: dict[int, int] = {}  # column of each atom that can be late
        self.atoms = len(self._shares)
        self._known: set[bytes] = set()
        self._sums: list[tuple[int, Ints, Floats]] = []
        self.rows = [self._row(self._mean)]
        if self.atoms > 1:
            self._scenarios()

    def _row(self, shares: Floats) -> Row:
        used = np.flatnonzero(shares)
        return Row(-np.inf, self._top, self.columns[used].astype(np.int32), shares[used])

    def _scenarios(self) -> None:
        chance = self._chance
        over = [self._lateness(shares) for shares in self._shares]
        if max(over) <= _ROOM:
            return
        sums = self._totals()
        before: dict[int, int] = {}
        for atom, most in enumerate(over):
            if most <= _ROOM:
                continue
            late = self.late[atom] = self._new(True)
            columns = [column for column, _, _ in sums]
            values = [chance.passes[atom, g] * slow[atom] for _, g, slow in sums]
            row = np.array([*columns, late], dtype=np.int32), np.array([*values, -most])
            self.rows.append(Row(-np.inf, self._top, *row))
            # Of one scenario more epochs are late first.
            draw = id(chance.draws[atom])
            if draw in before:
                pair = np.array([before[draw], late], dtype=np.int32)
                self.rows.append(Row(-np.inf, 0.0, pair, np.array([1.0, -1.0])))
            before[draw] = late
        weights, room_ = room(chance.weights, chance.share)
        columns = list(self.late.values())
        self.rows.append(
            Row(-np.inf, room_, np.array(columns, dtype=np.int32), weights[list(self.late)])
        )

    def _lateness(self, shares: Floats) -> float:
        """Return M of an atom."""
        over = self._greatest(shares)
        if self._top > 0:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.nan_to_num(shares / self._mean, nan=0.0, posinf=np.inf)
            over = min(over, float(ratio.max(initial=0.0)) * (1 + _ROOM) - 1)
        return over

    def _greatest(self, shares: Floats) -> float:
        """Return more than any plan takes."""
        greatest = np.zeros(self._slow.shape[1])
        np.maximum.at(greatest, self._element, shares * self._spent.most)
        return float(greatest.sum())

    def _totals(self) -> list[tuple[int, int, Floats]]:
        """Add the time of one pass, by configuration and by what is slow alike, as columns.

        So an atom's row has one entry for each of them, and not for each column. Return them with
        their configuration and with their share of the deadline in each atom.
        """
        spent, found = self._spent, []
        alike, kind = np.unique(self._slow, axis=1, return_inverse=True)
        kind = kind.reshape(-1)[spent.element]
        steady = np.ones((self.atoms, 1))
        for g in np.unique(spent.configuration).tolist():
            mine = spent.configuration == g
            parts = [(spent.certain * mine, steady[:, 0])]
            for k in np.unique(kind[mine]).tolist():
                seconds = spent.doubtful * (mine & (kind == k))
                if (alike[:, k] == 1).all():
                    parts[0] = (parts[0][0] + seconds, parts[0][1])
                else:
                    parts.append((seconds, alike[:, k]))
            for seconds, slow in parts:
                used = np.flatnonzero(seconds)
                whole = self._greatest(seconds)
                if not len(used) or whole == 0:
                    continue
                column = self._new(False)
                shares = seconds[used] / whole
                columns = np.append(self.columns[used], column).astype(np.int32)
                self.rows.append(Row(0.0, 0.0, columns, np.append(shares, -1.0)))
                self._sums.append((column, used, shares))
                found.append((column, g, slow * (whole / self._unit)))
        return found

    @property
    def added(self) -> int:
        """How many columns were added."""
        return len(self.late) + len(self._sums)

    @property
    def cone(self) -> bool:
        """Whether there is a cone."""
        return bool(self._deviation.any())

    def lateness(self, values: Floats) -> dict[int, float]:
        """Return the columns that were added, for what the others are."""
        found = {
            column: float(shares @ values[self.columns[used]])
            for column, used, shares in self._sums
        }
        taken = self._shares @ values[self.columns]
        limit = self._top / WIDE * (1 + 1e-12)
        return found | {column: float(taken[i] > limit) for i, column in self.late.items()}

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
