"""Fractions of tasks that leave at each exit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from splitopt.instances.core import fields
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.parts import keep_numbers
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.mepra.columns import column, frozen, require_positive
from splitopt.instances.networks.profiles import MOST_LAYERS

READINGS = ("as-given", "proportional", "leftover-to-last")
Reading = Literal["as-given", "proportional", "leftover-to-last"]


@dataclass(frozen=True, eq=False)
class ExitFractions:
    """Fractions p_j of tasks that would leave at exit j, one row a kind of task.

    Attributes
    ----------
    rows
        The figures as given, shape (K, most layers), padded with zeros.
    lengths
        Layers of each row, shape (K,).
    total
        What a row adds up to in full: 1, or 100 for percentages.
    reading
        ``as-given``: every row adds up to `total`. ``proportional``: divide by the row's own
        sum. ``leftover-to-last``: what a row lacks leaves at the last exit; a row with too
        much is read proportionally.
    """

    rows: Floats
    lengths: Ints
    total: float
    reading: Reading

    @staticmethod
    def of(
        rows: Sequence[Sequence[float]], total: float = 1.0, reading: Reading = "as-given"
    ) -> ExitFractions:
        """Return checked fractions from lists of figures."""
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        if len(rows) == 0:
            raise InputError("rows", [], "at least one row", "add the fractions")
        bad = (lengths < 1) | (lengths > MOST_LAYERS)
        if bool(bad.any()):
            k = int(np.argmax(bad))
            raise InputError(
                f"rows[{k}]",
                f"{len(rows[k])} figures",
                f"1 to {MOST_LAYERS} figures, one a layer",
                "give one a layer",
            )
        try:
            flat = column("rows", [figure for row in rows for figure in row])
        except InputError:
            # Once more, row by row, to name the place.
            for index, row in enumerate(rows):
                column(f"rows[{index}]", row)
            raise
        padded = np.zeros((len(rows), int(lengths.max())))
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = flat
        return ExitFractions(padded, lengths, total, reading)

    def __post_init__(self) -> None:
        fields.one_of("reading", self.reading, READINGS)
        keep_numbers(self, "total", above=0)
        rows = np.array(self.rows, dtype=np.float64) + 0.0
        lengths = frozen(self.lengths)
        if rows.ndim != 2 or lengths.shape != rows.shape[:1]:
            raise InputError(
                "rows",
                f"an array of shape {rows.shape}",
                "one row a length",
                "use ExitFractions.of",
            )
        require_positive("rows", rows, zero=True)
        if bool(rows[np.arange(rows.shape[1]) >= lengths[:, None]].any()):
            raise InputError("rows", "figures", "zeros behind a row's end", "use ExitFractions.of")
        sums = rows.sum(axis=1)
        if self.reading == "as-given":
            off = np.abs(sums - self.total) > TOLERANCES.fractions * max(1.0, self.total)
            remedy = 'correct the row or choose the reading "proportional"'
            allowed = f"fractions that add up to {self.total:g}"
        else:
            off, allowed, remedy = sums <= 0, "fractions with a sum > 0", "correct the row"
        if bool(off.any()):
            k = int(np.argmax(off))
            raise InputError(f"rows[{k}]", f"a sum of {float(sums[k])!r}", allowed, remedy)
        rows.flags.writeable = False
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "lengths", lengths)

    @cached_property
    def normalised(self) -> Floats:
        """The fractions as read, each row adding up to one, shape (K, most layers)."""
        rows = self.rows.copy()
        sums = rows.sum(axis=1)
        if self.reading == "leftover-to-last":
            last = (np.arange(len(rows)), self.lengths - 1)
            rows[last] += np.maximum(0.0, self.total - sums)
            sums = rows.sum(axis=1)
        rows /= sums[:, None]
        rows.flags.writeable = False
        return rows

    @staticmethod
    def from_document(document: object) -> ExitFractions:
        """Return the fractions in a JSON object."""
        found = fields.mapping("", document, ("rows",), ("total", "reading"))
        rows = fields.sequence("rows", found["rows"], minimum=1)
        lists = [fields.sequence(f"rows[{k}]", row, minimum=1) for k, row in enumerate(rows)]
        return ExitFractions.of(
            lists,  # type: ignore[arg-type]
            fields.number("total", found.get("total", 1.0), above=0),
            fields.one_of("reading", found.get("reading", "as-given"), READINGS),  # type: ignore[arg-type]
        )

    def to_document(self) -> dict[str, object]:
        """Return the fractions as a JSON object."""
        return {
            "total": self.total,
            "reading": self.reading,
            "rows": [
                row[:length]
                for row, length in zip(self.rows.tolist(), self.lengths.tolist(), strict=True)
            ],
        }
