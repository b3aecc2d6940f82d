"""Planes of `splitopt.formulations.cift.pricing` in HiGHS, for methods that load it anyway."""

from __future__ import annotations

import numpy as np

from splitopt.formulations.cift.pricing import FARTHEST
from splitopt.formulations.solvers.highs import SparseModel, load
from splitopt.instances.core.arrays import Floats


class HighsPlanes:
    """The planes as a linear program that HiGHS keeps warm."""

    def __init__(self, prices: int, reference: float) -> None:
        # max height <= constant + slope . prices, 0 <= prices <= most; energies in `reference`.
        self._reference = reference
        self._highs = load(
            SparseModel(
                cost=np.append(-1.0, np.zeros(prices)),
                lower=np.append(-np.inf, np.zeros(prices)),
                upper=np.append(np.inf, np.full(prices, FARTHEST)),
                integer=np.zeros(prices + 1, dtype=np.bool_),
                row_lower=np.empty(0),
                row_upper=np.empty(0),
                row=np.empty(0, dtype=np.int64),
                column=np.empty(0, dtype=np.int64),
                value=np.empty(0),
            )
        )

    def add(self, energy: float, slope: Floats) -> None:
        """Add the plane of a path."""
        n = len(slope) + 1
        self._highs.addRow(
            -np.inf,
            energy / self._reference,
            n,
            np.arange(n, dtype=np.int32),
            np.append(1.0, -slope),
        )

    def highest(self) -> tuple[float, Floats]:
        """Return the height and the prices of the highest point below all planes."""
        self._highs.run()
        values = np.array(self._highs.getSolution().col_value)
        return float(values[0]) * self._reference, values[1:] * self._reference
