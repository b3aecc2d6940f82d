"""Output of the commands: JSON for programs, tables for people, progress on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from splitopt.instances.core.printable import printable

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs instead of text."
)

Cell = str | int | float | bool | None


def echo_json(document: object) -> None:
    """Print `document` as one JSON value on stdout."""
    click.echo(json.dumps(document, indent=1, allow_nan=False))


def say(line: str = "") -> None:
    """Print a line for people on stdout; whatever stands in it, it stays one line and harmless."""
    click.echo(printable(line))


def say_all(text: str) -> None:
    """Print a text of several lines, in which what others wrote is escaped already, on stdout."""
    for line in text.split("\n"):
        say(line)


def note(line: str) -> None:
    """Print a line for people on stderr, so that stdout stays data."""
    click.echo(printable(line), err=True)


def figure(value: Cell) -> str:
    """Return a cell as people read it: six digits, a dash for what is unknown."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(str(value))


def echo_table(
    columns: Mapping[str, str], rows: Sequence[Mapping[str, Cell]], title: str = ""
) -> None:
    """Print a table: boxed and coloured on a terminal, plain columns elsewhere.

    Parameters
    ----------
    columns
        Key of a cell to the heading of its column, in order.
    rows
        Cells by key; a missing one is unknown.
    """
    numeric = {
        key
        for key in columns
        if all(isinstance(row.get(key), int | float) or row.get(key) is None for row in rows)
        and any(row.get(key) is not None for row in rows)
    }
    cells = [[figure(row.get(key)) for key in columns] for row in rows]
    if sys.stdout.isatty():
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=Text(printable(title)) if title else None, box=SIMPLE_HEAD, title_justify="left"
        )
        for key, heading in columns.items():
            table.add_column(
                heading, justify="right" if key in numeric else "left", overflow="fold"
            )
        for line in cells:
            # Text, not str: a bracket in a name is no markup.
            table.add_row(*(Text(cell) for cell in line))
        Console().print(table)
        return
    if title:
        say(title)
    headings = list(columns.values())
    widths = [max(len(line[i]) for line in (headings, *cells)) for i in range(len(headings))]
    for line in (headings, *cells):
        parts = [
            cell.rjust(width) if key in numeric else cell.ljust(width)
            for key, cell, width in zip(columns, line, widths, strict=True)
        ]
        say("  ".join(parts).rstrip())


def check_writable(option: str, path: Path) -> None:
    """Raise unless a file can be made at `path`, so that long work is not done in vain.

    Raises
    ------
    InputError
        When it is a folder, or lies below something that is none or is closed.
    """
    from splitopt.instances.core.errors import InputError

    above = path.absolute().parent
    while not above.exists() and above != above.parent:
        above = above.parent
    if path.is_dir() or not above.is_dir() or not os.access(above, os.W_OK):
        raise InputError(option, str(path), "a file in a folder that can be written", "choose one")
