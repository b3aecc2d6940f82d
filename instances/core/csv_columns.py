"""CSV files with columns of anybody's: which is ours, times what, and how its numbers are written.

Spreadsheets of half the world separate cells by semicolons and write 1.234,5 for 1234.5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from splitopt.instances.core.errors import InputError, did_you_mean

_FACTOR = re.compile(r"[0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?")
_SPACES = " \u00a0\u2009\u202f'\u2019_"


@dataclass(frozen=True, slots=True)
class Columns:
    """How to read a file.

    Attributes
    ----------
    mapping
        Column of ours to the file's name of it and a factor, as it was written.
    decimal
        What stands before decimals; the other of the two then separates thousands, as spaces and
        apostrophes do. None for files of ours, in which nothing separates thousands.
    """

    mapping: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    decimal: Literal["point", "comma"] | None = None

    @property
    def foreign(self) -> bool:
        """Whether the file is not of ours: other columns are passed over, cells are told apart."""
        return bool(self.mapping) or self.decimal is not None

    def separator(self, header: str) -> str:
        """Return what separates the cells, by the line with the names."""
        bare = re.sub(r'"[^"]*"', "", header)
        return max((",", ";", "\t"), key=bare.count) if self.foreign else ","

    def plain(self, text: str) -> str:
        """Return a number as programs write it; what is none comes back as it is."""
        if self.decimal is None:
            return text
        point, other = (".", ",") if self.decimal == "point" else (",", ".")
        between = "[" + re.escape(other + _SPACES) + "]"
        whole = rf"(?:[0-9]{{1,3}}(?:(?P<s>{between})[0-9]{{3}})(?:(?P=s)[0-9]{{3}})*|[0-9]*)"
        found = re.fullmatch(
            rf"([+-]?)({whole})(?:{re.escape(point)}([0-9]*))?([eE][+-]?[0-9]+)?", text
        )
        if found is None or not (found[2] or found[4]):
            return text
        digits = re.sub(r"[^0-9]", "", found[2]) or "0"
        return (
            f"{found[1]}{digits}" + (f".{found[4] or '0'}" if found[4] else "") + (found[5] or "")
        )


def read_columns(given: Sequence[str], known: Sequence[str], decimal: str | None) -> Columns:
    """Return how to read a file from texts ``ours=Theirs`` or ``ours=Theirs*1e-3``.

    Raises
    ------
    InputError
        For a text that is none, a column that is not ours, or one given twice.
    """
    mapping: dict[str, tuple[str, str]] = {}
    for text in given:
        ours, equals, rest = text.partition("=")
        ours, rest = ours.strip(), rest.strip()
        if not equals or not rest:
            raise InputError(
                "--column",
                text,
                "such as time_s=Latency or 'time_s=Latency (ms)*1e-3'",
                "correct it",
            )
        if ours not in known:
            raise InputError(
                "--column",
                ours,
                "one of " + ", ".join(known),
                did_you_mean(ours, known, "rename it"),
            )
        if ours in mapping:
            raise InputError("--column", text, "each column once", "remove one of the two")
        theirs, star, factor = rest.rpartition("*")
        if not star or _FACTOR.fullmatch(factor.strip()) is None:
            theirs, factor = rest, "1"
        if not Decimal(factor.strip()):
            raise InputError("--column", text, "a factor above 0", "correct it")
        theirs = theirs.strip()
        if len(theirs) > 1 and theirs[0] == theirs[-1] and theirs[0] in "\"'":
            theirs = theirs[1:-1]
        mapping[ours] = (theirs, factor.strip())
    return Columns(mapping, decimal)  # type: ignore[arg-type]
