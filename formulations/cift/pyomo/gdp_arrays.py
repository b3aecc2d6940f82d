"""Big-M and hull of the disjunctive program of CIFT, as arrays, for listed speeds.

Of a row ``l <= a'x <= u`` of configuration g, with ``0 <= x <= X``:

big-M
    ``a'x + (low - l) y_g >= low`` and ``a'x + (high - u) y_g <= high``, where low and high are the
    least and the most that ``a'x`` can be; an equation becomes both.
hull
    ``l y_g <= a'x_g <= u y_g`` with ``0 <= x_g <= X y_g``, a copy of each variable in g's rows. A
    variable that a row holds at zero has no copy. Outside, ``x = sum_g x_g``, with a rest
    ``0 <= r <= X (1 - sum_g y_g)`` on the right where only some configurations have x.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from splitopt.formulations.cift.pyomo.data import Key, Written
from splitopt.formulations.cift.pyomo.gdp_rows import Program, Rows
from splitopt.formulations.solvers.files import NamedModel
from splitopt.formulations.solvers.highs import SparseModel
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Bools, Floats, Ints


class _Entries:
    """Entries of a matrix and ends of its rows, gathered from arrays."""

    def __init__(self) -> None:
        self.parts: list[tuple[Any, Any, Any]] = []
        self.ends: list[tuple[Floats, Floats]] = []
        self.count = 0

    def rows(self, lower: Any, upper: Any, count: int) -> Ints:
        """Add rows; return their numbers."""
        self.ends.append((np.full(count, lower), np.full(count, upper)))
        self.count += count
        return np.arange(self.count - count, self.count)

    def put(self, row: Any, column: Any, value: Any) -> None:
        """Add entries; those of value 0 are none."""
        row, column, value = np.broadcast_arrays(row, column, np.asarray(value, np.float64))
        kept = value != 0
        self.parts.append((row[kept], column[kept], value[kept]))

    def model(self, cost: Floats, upper: Floats, integer: Bools) -> SparseModel:
        row, column, value = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        row_lower, row_upper = (np.concatenate(end) for end in zip(*self.ends, strict=True))
        return SparseModel(
            cost,
            np.zeros(len(cost)),
            upper,
            integer,
            row_lower,
            row_upper,
            row.astype(np.int64),
            column.astype(np.int64),
            value,
        )


class _Stacked:
    """The rows of all disjuncts as arrays; `of` is the disjunct of a row."""

    def __init__(self, disjuncts: Iterable[Rows]) -> None:
        every = list(disjuncts)
        length = np.fromiter(itertools.chain.from_iterable(r.length for r in every), np.int64)
        self.row = np.repeat(np.arange(len(length)), length)
        self.column = np.fromiter(itertools.chain.from_iterable(r.column for r in every), np.int64)
        self.value = np.fromiter(itertools.chain.from_iterable(r.value for r in every), np.float64)
        self.lower = np.fromiter(itertools.chain.from_iterable(r.lower for r in every), np.float64)
        self.upper = np.fromiter(itertools.chain.from_iterable(r.upper for r in every), np.float64)
        self.of = np.repeat(np.arange(len(every)), [len(r.length) for r in every])
        self.length = length


def _big_m(rows: _Stacked, entries: _Entries, most: Floats, y: Ints) -> None:
    count = len(rows.of)
    largest = rows.value * most[rows.column]
    for side, of_row, toward in (
        ("lower", rows.lower, np.minimum(largest, 0.0)),
        ("upper", rows.upper, np.maximum(largest, 0.0)),
    ):
        extreme = np.bincount(rows.row, toward, count)
        held = np.isfinite(of_row)
        number = np.zeros(count, np.int64)
        slack = extreme - of_row
        rhs = of_row[held] + slack[held]
        lower, upper = (rhs, np.inf) if side == "lower" else (-np.inf, rhs)
        number[held] = entries.rows(lower, upper, len(rhs))
        kept = held[rows.row]
        entries.put(number[rows.row[kept]], rows.column[kept], rows.value[kept])
        entries.put(number[held], y[rows.of[held]], slack[held])


def _hull(
    rows: _Stacked, entries: _Entries, most: Floats, y: Ints
) -> tuple[dict[str, list[Key]], Floats]:
    """Add the rows of the hull; return its columns, which come after `y`, and their most."""
    n, count = len(most), len(y)
    # One copy a column and disjunct with it, in order of disjuncts.
    pair = rows.of[rows.row] * n + rows.column
    copies = np.unique(pair)
    disjunct, column = np.divmod(copies, n)
    zero = (rows.length == 1) & (rows.lower == 0) & (rows.upper == 0)
    free = ~np.isin(copies, pair[zero[rows.row]])
    place = np.full(len(copies), -1)
    place[free] = n + count + np.arange(free.sum())
    # Within the disjuncts.
    where = place[np.searchsorted(copies, pair)]
    inside = np.bincount(rows.row[where >= 0], minlength=len(rows.of)) > 0
    ends = np.where(np.isfinite(rows.upper), rows.upper, rows.lower)
    stands = (inside | (ends != 0)) & ~zero
    number = np.full(len(rows.of), -1)
    number[stands] = entries.rows(
        np.where(np.isfinite(rows.lower), 0.0, -np.inf)[stands],
        np.where(np.isfinite(rows.upper), 0.0, np.inf)[stands],
        stands.sum(),
    )
    kept = (where >= 0) & stands[rows.row]
    entries.put(number[rows.row[kept]], where[kept], rows.value[kept])
    entries.put(number[stands], y[rows.of[stands]], -ends[stands])
    # Copies between zero and the most of what they copy.
    bounded = most[column] > 0
    number = entries.rows(-np.inf, 0.0, bounded.sum())
    entries.put(number[free[bounded]], place[free & bounded], 1.0)
    entries.put(number, y[disjunct[bounded]], -most[column[bounded]])
    # What they sum to.
    times = np.bincount(column, minlength=n)
    copied = np.flatnonzero(times)
    number = np.full(n, -1)
    number[copied] = entries.rows(0.0, 0.0, len(copied))
    entries.put(number[copied], copied, 1.0)
    entries.put(number[column[free]], place[free], -1.0)
    some = np.flatnonzero((times > 0) & (times < count))
    rest = n + count + free.sum() + np.arange(len(some))
    entries.put(number[some], rest, -1.0)
    number = np.full(n, -1)
    number[some] = entries.rows(-np.inf, most[some], len(some))
    entries.put(number[some], rest, 1.0)
    partly = number[column] >= 0
    entries.put(number[column[partly]], y[disjunct[partly]], most[column[partly]])
    more: dict[str, list[Key]] = {
        "copy": list(zip(disjunct[free].tolist(), column[free].tolist(), strict=True)),
        "rest": some.tolist(),
    }
    return more, np.concatenate([most[column[free]], most[some]])


def written(instance: CiftInstance, transformation: Literal["bigm", "hull"]) -> Written:
    """Return the program of an instance with listed speeds as a MILP in arrays.

    Of the hull, ``copy`` has the place of the configuration and the column it copies, ``rest`` the
    column it is the rest of.

    Raises
    ------
    InputError
        Without configurations.
    """
    program = Program(instance)
    n, count = len(program.upper), len(program.every)
    most = np.array(program.upper)
    y = np.arange(n, n + count)
    entries = _Entries()
    outside = _Stacked([program.outside])
    number = entries.rows(outside.lower, outside.upper, len(outside.of))
    entries.put(number[outside.row], outside.column, outside.value)
    entries.put(entries.rows(1.0, 1.0, 1), y, 1.0)
    rows = _Stacked(program.disjuncts)
    columns = {**program.columns, "choice": [(g.index,) for g in program.every]}
    upper = np.concatenate([most, np.ones(count)])
    if transformation == "bigm":
        _big_m(rows, entries, most, y)
    else:
        more, ends = _hull(rows, entries, most, y)
        columns |= more
        upper = np.concatenate([upper, ends])
    cost = np.zeros(len(upper))
    cost[program.energy] = program.energy_unit_j
    integer = np.zeros(len(upper), np.bool_)
    integer[: program.first["v"]] = integer[y] = True
    return Written(entries.model(cost, upper, integer), columns)


def named(
    instance: CiftInstance, transformation: Literal["bigm", "hull"]
) -> tuple[NamedModel, Written] | None:
    """Return the same with names for files; None for continuous speeds, which have cones.

    What all configurations share is named as in the Pyomo model; a copy or a rest in the hull after
    what it is of.

    Raises
    ------
    InputError
        As `written`.
    """
    if instance.has_continuous_speeds:
        return None
    found = written(instance, transformation)
    names: list[str] = []
    for variable, keys in found.columns.items():
        if variable == "energy":
            names.append(variable)
        elif variable == "copy":
            names += [f"copy_{g}_{names[column]}" for g, column in keys]
        elif variable == "rest":
            names += [f"rest_{names[column]}" for column in keys]
        else:
            names += ["_".join((variable, *map(str, key))) for key in keys]
    rows = tuple(f"row_{k}" for k in range(len(found.model.row_lower)))
    return NamedModel(found.model, tuple(names), rows), found
