"""Put measured tables into pages of the documentation, between marks that stay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.errors import InputError


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; a bar in a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def replace_part(path: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of a part of a page.

    The marks are ``<!-- NAME: measured, written by a command -->`` and ``<!-- NAME ends -->``.

    Raises
    ------
    InputError
        When the page cannot be read or does not have both marks, in this order, once.
    """
    begin, end = f"<!-- {name}: measured, written by a command -->", f"<!-- {name} ends -->"
    try:
        page = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError("page", str(path), "a page", error.strerror or "check it") from None
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise InputError("page", path.name, f"{begin} and {end} once", "restore the marks")
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2]
    write_bytes(path, f"{before}{begin}\n\n{text}\n\n{end}{after}".encode())
