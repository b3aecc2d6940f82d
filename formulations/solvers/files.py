r"""Linear models as MPS and LP files that mean the same to every reader.

**MPS**, free form with single blanks (CBC takes a line for one of the fixed form where its blanks
happen to lie so); integer columns between INTORG and INTEND markers, each with explicit bounds (a
reader that skips bounds of type BV solves the relaxation); no OBJSENSE section (GLPK refuses it;
minimising is every reader's default); no RANGES (a row between two ends becomes two rows); no
constant in the objective (readers differ on its sign; a column fixed at one carries it).

**LP**: one term a line, since some readers stop at 255 characters and some at 560; integers under
Generals with explicit bounds.

**Names** hold letters, digits and underscores, begin with a letter, are at most 255 long and no
number (``e1``, which LP readers take for 10): what every reader takes. `plain` makes them of a
model's own names. **Numbers** are the shortest decimals that read back to the same double.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splitopt.formulations.solvers.highs import SparseModel
from splitopt.instances.core.arrays import Ints
from splitopt.instances.core.documents import write_bytes

_MOST = 255
_CHUNK = 8192
_ODD = re.compile(r"[^A-Za-z0-9_]+")
# What LP readers take for a number, or for a word of the format.
_NUMBER = re.compile(r"(?i)(e[0-9_]*|inf|infinity|nan|free|st|end|bounds?|max|min|int|gen|bin)")


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A linear model with the names of its columns and rows, and a constant in its objective."""

    arrays: SparseModel
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    offset: float = 0.0


def plain(names: Iterable[str]) -> tuple[str, ...]:
    """Return names that every reader takes, each once, in the same order."""
    found: dict[str, None] = {}
    for name in names:
        made = _ODD.sub("_", name).strip("_") or "x"
        if not made[0].isalpha() or _NUMBER.fullmatch(made):
            made = f"x_{made}"
        made = made[:_MOST]
        number = 1
        unique = made
        while unique in found:
            number += 1
            end = f"_{number}"
            unique = made[: _MOST - len(end)] + end
        found[unique] = None
    return tuple(found)


def _whole(named: NamedModel) -> NamedModel:
    """Return the model with one end a row and a column for the constant."""
    a, rows, columns = named.arrays, list(named.rows), named.columns
    low, high = a.row_lower, a.row_upper
    both = np.flatnonzero(np.isfinite(low) & np.isfinite(high) & (low != high))
    if len(both):
        place = np.full(len(low), -1, dtype=np.int64)
        place[both] = len(low) + np.arange(len(both))
        again = place[a.row] >= 0
        rows += [f"{rows[k]}_upper" for k in both]
        upper = high.copy()
        upper[both] = np.inf
        a = SparseModel(
            a.cost,
            a.lower,
            a.upper,
            a.integer,
            np.concatenate([low, np.full(len(both), -np.inf)]),
            np.concatenate([upper, high[both]]),
            np.concatenate([a.row, place[a.row[again]]]),
            np.concatenate([a.column, a.column[again]]),
            np.concatenate([a.value, a.value[again]]),
        )
    if named.offset:
        columns = (*columns, "constant")
        a = SparseModel(
            np.append(a.cost, named.offset),
            np.append(a.lower, 1.0),
            np.append(a.upper, 1.0),
            np.append(a.integer, False),
            a.row_lower,
            a.row_upper,
            a.row,
            a.column,
            a.value,
        )
    return NamedModel(a, tuple(columns), plain(rows))


def _kinds(a: SparseModel) -> tuple[list[str], list[float]]:
    """Return the kind (E, L, G, N) and the right side of each row."""
    kinds, sides = [], []
    for low, high in zip(a.row_lower.tolist(), a.row_upper.tolist(), strict=True):
        kind = "E" if low == high else "G" if low > -np.inf else "L" if high < np.inf else "N"
        kinds.append(kind)
        sides.append(0.0 if kind == "N" else high if kind == "L" else low)
    return kinds, sides


def to_mps(named: NamedModel, title: str, comment: str = "") -> Iterator[str]:
    """Yield a model to be minimised as pieces of a free MPS file."""
    named = _whole(named)
    a, rows = named.arrays, named.rows
    kinds, sides = _kinds(a)
    yield (f"* {comment}\n" if comment else "") + f"NAME {plain([title])[0]}\nROWS\n N cost\n"
    yield from (f" {kind} {name}\n" for kind, name in zip(kinds, rows, strict=True))
    yield "COLUMNS\n"
    order = np.argsort(a.column, kind="stable")
    ends = np.searchsorted(a.column[order], np.arange(len(a.cost) + 1))
    integer = a.integer.tolist()
    markers = 0
    for k, (column, price, mine) in enumerate(_by_column(named, order, ends)):
        if integer[k] != bool(markers % 2):
            yield f" MARKER{markers} 'MARKER' '{'INTEND' if markers % 2 else 'INTORG'}'\n"
            markers += 1
        # A column that stands nowhere is declared by a cost of 0.
        text = f" {column} cost {price!r}\n" if price or not mine else ""
        for row, value in mine:
            text += f" {column} {rows[row]} {value!r}\n"
        yield text
    if markers % 2:
        yield f" MARKER{markers} 'MARKER' 'INTEND'\n"
    yield "RHS\n"
    for name, side in zip(rows, sides, strict=True):
        if side:
            yield f" RHS {name} {side!r}\n"
    yield "BOUNDS\n"
    for column, low, high, whole in zip(
        named.columns, a.lower.tolist(), a.upper.tolist(), integer, strict=True
    ):
        yield _mps_bounds(column, low, high, whole=whole)
    yield "ENDATA\n"


def _by_column(
    named: NamedModel, order: Ints, ends: Ints
) -> Iterator[tuple[str, float, list[tuple[int, float]]]]:
    """Yield name, cost and entries of each column; some columns at a time become Python's."""
    a = named.arrays
    for begin in range(0, len(a.cost), _CHUNK):
        stop = min(begin + _CHUNK, len(a.cost))
        first = int(ends[begin])
        part = order[first : int(ends[stop])]
        entries = list(zip(a.row[part].tolist(), a.value[part].tolist(), strict=True))
        bounds = (ends[begin : stop + 1] - first).tolist()
        for k, price in enumerate(a.cost[begin:stop].tolist()):
            yield named.columns[begin + k], price, entries[bounds[k] : bounds[k + 1]]


def _mps_bounds(column: str, low: float, high: float, *, whole: bool) -> str:
    if low == high:
        return f" FX BOUND {column} {low!r}\n"
    text = ""
    if low == -np.inf:
        text = f" MI BOUND {column}\n"
    elif low != 0 or whole:
        text = f" LO BOUND {column} {low!r}\n"
    if high < np.inf:
        return text + f" UP BOUND {column} {high!r}\n"
    return text + (f" PL BOUND {column}\n" if whole else "")


def _terms(names: Sequence[str], places: Sequence[int], values: Sequence[float]) -> str:
    return "".join(
        f" {'-' if value < 0 else '+'} {abs(value)!r} {names[place]}\n"
        for place, value in zip(places, values, strict=True)
    )


def to_lp(named: NamedModel, comment: str = "") -> Iterator[str]:
    """Yield a model to be minimised as pieces of an LP file."""
    named = _whole(named)
    a = named.arrays
    kinds, sides = _kinds(a)
    yield (f"\\ {comment}\n" if comment else "") + "Minimize\n cost:\n"
    priced = np.flatnonzero(a.cost)
    if not len(priced):
        priced = np.arange(min(1, len(a.cost)))
    yield _terms(named.columns, priced.tolist(), a.cost[priced].tolist())
    yield "Subject To\n"
    order = np.argsort(a.row, kind="stable")
    column, value = a.column[order].tolist(), a.value[order].tolist()
    ends = np.searchsorted(a.row[order], np.arange(len(kinds) + 1)).tolist()
    sign = {"E": "=", "L": "<=", "G": ">="}
    for k, (kind, side) in enumerate(zip(kinds, sides, strict=True)):
        if kind == "N" or ends[k] == ends[k + 1]:
            continue
        mine = slice(ends[k], ends[k + 1])
        left = _terms(named.columns, column[mine], value[mine])
        yield f" {named.rows[k]}:\n{left} {sign[kind]} {side!r}\n"
    yield "Bounds\n"
    for name, low, high in zip(named.columns, a.lower.tolist(), a.upper.tolist(), strict=True):
        if low == high:
            yield f" {name} = {low!r}\n"
        elif low == -np.inf and high == np.inf:
            yield f" {name} free\n"
        else:
            left = "-inf" if low == -np.inf else repr(low)
            right = "+inf" if high == np.inf else repr(high)
            yield f" {left} <= {name} <= {right}\n"
    whole = np.flatnonzero(a.integer).tolist()
    if whole:
        yield "Generals\n"
        yield from (f" {named.columns[k]}\n" for k in whole)
    yield "End\n"


def write_named(
    named: NamedModel, path: Path, kind: str, name: str, comment: str = "", *, lasting: bool = True
) -> dict[str, int]:
    """Write a model to `path` in one step, as ``mps`` or ``lp``; return what the file has."""
    named = _whole(named)
    text = to_mps(named, name, comment) if kind == "mps" else to_lp(named, comment)
    pieces = iter(lambda: "".join(itertools.islice(text, _CHUNK)).encode("ascii"), b"")
    write_bytes(path, pieces, lasting=lasting)
    return {
        "rows": len(named.arrays.row_lower),
        "columns": len(named.arrays.cost),
        "nonzeros": len(named.arrays.value),
        "integers": int(named.arrays.integer.sum()),
    }
