"""A mixed-integer linear model as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from splitopt.instances.core.arrays import Bools, Floats, Ints

if TYPE_CHECKING:
    pass

ROW_TOLERANCE = 1e-9
UNSEEN = ROW_TOLERANCE / 10


@dataclass(frozen=True, slots=True)
class SparseModel:
    """``min cost'x, row_lower <= A x <= row_upper, lower <= x <= upper``, some x integer.

    Attributes
    ----------
    cost, lower, upper, integer
        Columns, shape (n,).
    row_lower, row_upper
        Rows, shape (m,).
    row, column, value
        Entries of A, shape (nonzeros,), each place at most once.
    """

    cost: Floats
    lower: Floats
    upper: Floats
    integer: Bools
    row_lower: Floats
    row_upper: Floats
    row: Ints
    column: Ints
    value: Floats

    def tidied(self) -> SparseModel:
        """Return the model without terms that HiGHS cannot see beside the others of their row.

        A term ``a x`` whose greatest size is below `UNSEEN` of the greatest in its row goes; the
        row's ends move outward by what it can add: whatever keeps the row keeps what is left.
        """
        lower, upper = self.lower[self.column], self.upper[self.column]
        with np.errstate(invalid="ignore"):
            ends = np.stack([self.value * lower, self.value * upper])
        ends[:, self.value == 0] = 0.0
        size = np.abs(ends).max(axis=0)
        greatest = np.zeros(len(self.row_lower))
        finite = np.isfinite(size)
        np.maximum.at(greatest, self.row[finite], size[finite])
        gone = finite & (size <= UNSEEN * greatest[self.row]) & (self.value != 0)
        if not gone.any():
            return self
        least, most = np.zeros_like(greatest), np.zeros_like(greatest)
        np.add.at(least, self.row[gone], ends[:, gone].min(axis=0))
        np.add.at(most, self.row[gone], ends[:, gone].max(axis=0))
        return replace(
            self,
            row_lower=self.row_lower - most,
            row_upper=self.row_upper - least,
            row=self.row[~gone],
            column=self.column[~gone],
            value=self.value[~gone],
        )

    @property
    def apart(self) -> float:
        """The most that two coefficients of one row differ by, as a ratio; 1 without rows."""
        kept = self.value != 0
        row, value = self.row[kept], np.abs(self.value[kept])
        least, most = np.full(len(self.row_lower), np.inf), np.zeros(len(self.row_lower))
        np.minimum.at(least, row, value)
        np.maximum.at(most, row, value)
        return float(np.max(most / least, initial=1.0, where=most > 0))

    @property
    def size(self) -> dict[str, int]:
        """Rows, columns and nonzeros."""
        return {
            "rows": len(self.row_lower),
            "columns": len(self.cost),
            "nonzeros": int(np.count_nonzero(self.value)),
        }
