"""CSV files read with suspicion: what is wrong is told by file, line and column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from pathlib import Path
from typing import TypeVar

from splitopt.instances.core import fields
from splitopt.instances.core.csv_columns import Columns
from splitopt.instances.core.documents import read_bytes
from splitopt.instances.core.errors import InputError, InputErrors, did_you_mean

LARGEST_FILE_BYTES = 256 << 20
MOST_ROWS = 5_000_000
MOST_COLUMNS = 200
_INDEX = re.compile(r"[1-9][0-9]?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# Ends of names that stand for another unit: the end it is converted to, and by which factor.
_UNITS = {
    "_ms": ("_s", "1e-3"),
    "_us": ("_s", "1e-6"),
    "_ns": ("_s", "1e-9"),
    "_kib": ("_bytes", "1024"),
    "_mib": ("_bytes", "1048576"),
    "_gib": ("_bytes", "1073741824"),
    "_kbit_per_s": ("_bit_per_s", "1e3"),
    "_mbit_per_s": ("_bit_per_s", "1e6"),
    "_gbit_per_s": ("_bit_per_s", "1e9"),
    "_mflop_per_s": ("_flop_per_s", "1e6"),
    "_gflop_per_s": ("_flop_per_s", "1e9"),
    "_tflop_per_s": ("_flop_per_s", "1e12"),
    "_mw": ("_w", "1e-3"),
    "mflops": ("flops", "1e6"),
    "gflops": ("flops", "1e9"),
}
# Ends that some take for powers of 1000 and others for powers of 1024.
_EITHER = {"_kb": "1000 or 1024", "_mb": "1e6 or 1048576", "_gb": "1e9 or 1073741824"}
_EXACT = Context(prec=60)
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Cells:
    """One line of a table.

    Attributes
    ----------
    source, line
        Name of the file and the line in it, from 1.
    texts
        Cells by column, without the space around them.
    units
        Of columns in another unit: their own name in the file, and the factor they are taken by.
    """

    source: str
    line: int
    texts: dict[str, str]
    units: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def error(self, column: str, value: object, allowed: str, remedy: str) -> InputError:
        """Return the error about one cell, by the file's own name of its column."""
        own, factor = self.units.get(column, (column, ""))
        if factor not in ("", "1"):
            allowed += f", after times {factor}"
        return InputError(f"{self.source} line {self.line}, column {own}", value, allowed, remedy)

    def located(self, error: InputError, columns: Mapping[str, str] | None = None) -> InputError:
        """Return an error about a field of what this line describes, with file and line.

        Parameters
        ----------
        columns
            From which column a field comes, where their names differ.
        """
        column = re.split(r"[.\[]", error.field)[0]
        column = (columns or {}).get(column, column)
        if column in self.texts:
            return self.error(column, self.texts[column], error.allowed, error.remedy)
        where = f"{self.source} line {self.line}"
        field = f"{where}, {error.field}" if error.field else where
        return InputError(field, error.value, error.allowed, error.remedy)

    def has(self, column: str) -> bool:
        """Return whether the column is there and not empty in this line."""
        return bool(self.texts.get(column))

    def text(self, column: str) -> str:
        """Return a cell that must not be empty."""
        if not self.has(column):
            raise self.error(column, "", "a value", "fill in the cell")
        return self.texts[column]

    def number(
        self,
        column: str,
        part: str | None = None,
        *,
        minimum: float | None = None,
        above: float | None = None,
    ) -> float:
        """Return a cell, or a part of one, as a number; others may narrow its range."""
        text = self.text(column) if part is None else part
        if _NUMBER.fullmatch(text) is None:
            raise self.error(
                column, text, "a decimal number such as 1500 or 1.5e9", "correct the figure"
            )
        value = float(text)
        if column in self.units:
            # Decimal, so that 1.5 ms is the double nearest to 0.0015.
            value = float(_EXACT.multiply(Decimal(text), Decimal(self.units[column][1])))
        try:
            return fields.number(column, value, minimum=minimum, above=above)
        except InputError as error:
            raise self.error(column, text, error.allowed, error.remedy) from None

    def integer(self, column: str) -> int:
        """Return a cell as a whole number >= 0."""
        try:
            return fields.integer(column, self.number(column), minimum=0)
        except InputError as error:
            if error.field == column:
                raise self.error(column, self.text(column), error.allowed, error.remedy) from None
            raise


@dataclass(frozen=True, slots=True)
class Table:
    """A table with at least one line.

    Attributes
    ----------
    source
        Name of the file.
    columns
        Its columns, in order.
    rows
        Its lines.
    errors
        What is wrong with other lines; `read_rows` tells it with the rest.
    """

    source: str
    columns: tuple[str, ...]
    rows: tuple[Cells, ...]
    errors: tuple[InputError, ...] = ()


def read_table(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    numbered: str | None = None,
    columns: Columns | None = None,
    texts: Sequence[str] = ("name",),
) -> Table:
    """Return the table in a CSV file: UTF-8, commas, a header line with the names of columns.

    Parameters
    ----------
    required, optional
        Names of columns; another name is an error, and so is one that stands twice.
    numbered
        Start of further names that end in 1, 2, 3, ..., such as ``exit_``.
    columns
        What the file calls them and how it writes numbers, where it is not of ours.
    texts
        Columns that hold no numbers.

    Raises
    ------
    InputError
        Naming the file, the line and the column.
    """
    source = path.name
    form = columns or Columns()
    lines = _lines(path, source, form)
    try:
        line, header = next(lines)
    except StopIteration:
        raise InputError(source, "no line", "a header and at least one line", "add them") from None
    names = [cell.strip() for cell in header]
    where = f"{source} line {line}"
    known = (*required, *optional)
    names, units = _ours(where, names, known, form)
    _check_header(where, [x for x in names if x[:1] != " "], required, optional, numbered)
    figures = set(known) - set(texts)
    rows: list[Cells] = []
    errors: list[InputError] = []
    for line, cells in lines:
        if len(cells) != len(names):
            errors.append(
                InputError(
                    f"{source} line {line}",
                    f"{len(cells)} cells",
                    f"{len(names)} cells, one for each column",
                    "add or remove commas; quote a cell that holds one",
                )
            )
            continue
        if len(rows) >= MOST_ROWS:
            raise InputError(source, f"more than {MOST_ROWS} lines", "fewer lines", "split it")
        found = dict(zip(names, (cell.strip() for cell in cells), strict=True))
        found |= {name: form.plain(found[name]) for name in names if name in figures}
        rows.append(Cells(source, line, found, units))
    if errors and not rows:
        raise InputErrors(errors)
    if not rows:
        raise InputError(source, "a header alone", "at least one line below it", "add the figures")
    return Table(source, tuple(names), tuple(rows), tuple(errors))


def read_rows(table: Table, read: Callable[[Cells], Part]) -> tuple[Part, ...]:
    """Return what `read` makes of each line.

    Raises
    ------
    InputErrors
        With all that is wrong in any line, each located by file, line and column.
    """
    parts: list[Part] = []
    errors = list(table.errors)
    for cells in table.rows:
        # A cell that is wrong is told and passed over, to see what else is.
        texts = dict(cells.texts)
        for _ in range(len(texts) + 1):
            try:
                parts.append(read(Cells(cells.source, cells.line, texts, cells.units)))
                break
            except InputError as error:
                inside = error.field.startswith(f"{cells.source} line")
                told = error if inside else cells.located(error)
                column = told.field.partition(", column ")[2]
                column = next((c for c, (own, _) in cells.units.items() if own == column), column)
                if errors and told.field == errors[-1].field:
                    break
                errors.append(told)
                if column not in texts:
                    break
                texts[column] = "1"
    if errors:
        raise InputErrors(errors)
    return tuple(parts)


def _units(where: str, names: Sequence[str], known: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the known columns that stand in another unit, with their own name and the factor.

    Raises
    ------
    InputError
        For a column whose unit some read one way and some another.
    """
    found: dict[str, tuple[str, str]] = {}
    for name in names:
        if name in known:
            continue
        for end, factors in _EITHER.items():
            column = name.removesuffix(end) + "_bytes"
            if name.endswith(end) and column in known:
                raise InputError(
                    where, name, f"a column {column}", f"multiply by {factors}, whichever it is"
                )
        for end, (base, factor) in _UNITS.items():
            column = name.removesuffix(end) + base
            if name.endswith(end) and column in known and column not in names:
                found[column] = (name, factor)
    return found


def _ours(
    where: str, names: Sequence[str], known: Sequence[str], form: Columns
) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Return the columns under our names, and the file's own name and factor of those changed.

    A foreign file's other columns get a name that begins with a space and is none of ours.
    """
    units = _units(where, names, known)
    if form.mapping:
        _check_mapped(where, names, {theirs for theirs, _ in form.mapping.values()})
        units = {ours: unit for ours, unit in units.items() if ours not in form.mapping}
        units |= form.mapping
    own = dict.fromkeys(form.mapping, "") | {name: ours for ours, (name, _) in units.items()}
    found = [own.get(name, name) for name in names]
    if form.foreign:
        found = [name if name in known else f" {k}" for k, name in enumerate(found)]
    return found, units


def _check_mapped(where: str, names: Sequence[str], wanted: Iterable[str]) -> None:
    """Raise unless the file has the columns that are asked for, each once."""
    for name in wanted:
        if names.count(name) != 1:
            raise InputError(
                where,
                ", ".join(names),
                f"a column {name}" + (", once" if name in names else ""),
                did_you_mean(name, names, "correct --column"),
            )


def _lines(path: Path, source: str, form: Columns) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each line that is not empty."""
    try:
        # Spreadsheets put a byte order mark in front.
        text = read_bytes(path, LARGEST_FILE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            source, f"byte {error.start}", "UTF-8 text", "save the file as CSV in UTF-8"
        ) from None
    header = next(filter(str.strip, text.splitlines()), "")
    reader = csv.reader(
        io.StringIO(text, newline=""), strict=True, delimiter=form.separator(header)
    )
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"{source} line {reader.line_num}",
                str(error),
                "cells between commas, quotes in pairs",
                "correct the line",
            ) from None
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _check_header(
    where: str,
    names: Sequence[str],
    required: Sequence[str],
    optional: Sequence[str],
    numbered: str | None,
) -> None:
    if len(names) > MOST_COLUMNS:
        raise InputError(where, f"{len(names)} columns", f"at most {MOST_COLUMNS}", "remove some")
    allowed = ", ".join((*required, *optional, *([f"{numbered}1, ..."] if numbered else [])))
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(where, name, "each column once", "remove or rename one of the two")
        known = name in required or name in optional
        if not known and not (
            numbered and name.startswith(numbered) and _INDEX.fullmatch(name[len(numbered) :])
        ):
            hint = "rename it; the first line of the file names the columns"
            if ";" in name or "\t" in name:
                hint = "separate columns by commas"
            elif name == "exits":
                hint = "read it with --exits column, or remove it"
            raise InputError(where, name, f"columns {allowed}", hint)
    for name in required:
        if name not in names:
            raise InputError(where, ", ".join(names), f"a column {name}", f"add {name}")
