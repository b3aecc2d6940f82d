"""CSV files read with suspicion: what is wrong is told by file, line and column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from splitopt.instances.core import fields
from splitopt.instances.core.documents import read_bytes
from splitopt.instances.core.errors import InputError

__all__ = ["Cells", "Table", "read_table"]

LARGEST_FILE_BYTES = 256 << 20
MOST_ROWS = 5_000_000
MOST_COLUMNS = 200
_INDEX = re.compile(r"[1-9][0-9]?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Cells:
    """One line of a table.

    Attributes
    ----------
    source, line
        Name of the file and the line in it, from 1.
    texts
        Cells by column, without the space around them.
    """

    source: str
    line: int
    texts: dict[str, str]

    def error(self, column: str, value: object, allowed: str, remedy: str) -> InputError:
        """Return the error about one cell."""
        return InputError(
            f"{self.source} line {self.line}, column {column}", value, allowed, remedy
        )

    def located(self, error: InputError) -> InputError:
        """Return an error about a field of what this line describes, with file and line."""
        column = re.split(r"[.\[]", error.field)[0]
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

    def number(self, column: str, part: str | None = None) -> float:
        """Return a cell, or a part of one, as a number; its range is for others to check."""
        text = self.text(column) if part is None else part
        if _NUMBER.fullmatch(text) is None:
            raise self.error(
                column, text, "a decimal number such as 1500 or 1.5e9", "correct the figure"
            )
        value = float(text)
        try:
            return fields.number(column, value)
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
    """

    source: str
    columns: tuple[str, ...]
    rows: tuple[Cells, ...]


def read_table(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    numbered: str | None = None,
) -> Table:
    """Return the table in a CSV file: UTF-8, commas, a header line with the names of columns.

    Parameters
    ----------
    required, optional
        Names of columns; another name is an error, and so is one that stands twice.
    numbered
        Start of further names that end in 1, 2, 3, ..., such as ``exit_``.

    Raises
    ------
    InputError
        Naming the file, the line and the column.
    """
    source = path.name
    lines = _lines(path, source)
    try:
        line, header = next(lines)
    except StopIteration:
        raise InputError(source, "no line", "a header and at least one line", "add them") from None
    names = [cell.strip() for cell in header]
    _check_header(f"{source} line {line}", names, required, optional, numbered)
    rows: list[Cells] = []
    for line, cells in lines:
        if len(cells) != len(names):
            raise InputError(
                f"{source} line {line}",
                f"{len(cells)} cells",
                f"{len(names)} cells, one for each column",
                "add or remove commas; quote a cell that holds one",
            )
        if len(rows) >= MOST_ROWS:
            raise InputError(source, f"more than {MOST_ROWS} lines", "fewer lines", "split it")
        texts = dict(zip(names, (cell.strip() for cell in cells), strict=True))
        rows.append(Cells(source, line, texts))
    if not rows:
        raise InputError(source, "a header alone", "at least one line below it", "add the figures")
    return Table(source, tuple(names), tuple(rows))


def _lines(path: Path, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each line that is not empty."""
    try:
        # Spreadsheets put a byte order mark in front.
        text = read_bytes(path, LARGEST_FILE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            source, f"byte {error.start}", "UTF-8 text", "save the file as CSV in UTF-8"
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
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
