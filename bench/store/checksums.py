"""Checksums of rows, so that a figure that was altered after it was stored is seen.

They say that a row is as it was stored, not who stored it: whoever can write a store can write its
checksums too, and what rows of others are worth is for `splitopt.bench.verdicts.again` to say.

The checksum of a row of `runs` has four bytes of what tables count, by which a hundred thousand
rows are held against a few groups; sixteen of all columns; then a byte a column, which tells which
one differs.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import operator
import struct
import zlib
from collections.abc import Callable, Sequence

OUTCOME_BYTES = 4
_BYTES = 16
_NO_NUMBER = math.nan
_NO_INTEGER = -(2**63)
_NO_TEXT = "\1"
_NO_VALUE = _NO_TEXT.encode()


def checksum(*parts: str | bytes | float | None) -> bytes:
    """Return 16 bytes that differ when a part differs.

    They guard against accidents, and need no key; SHA-256, since processors have it.
    """
    return hashlib.sha256(b"\0".join(map(_packed, parts))).digest()[:_BYTES]


def _packed(value: object) -> bytes:
    """Return a value as bytes; 10 and 10.0, which are one to a column of SQLite, give the same."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if value is None:
        return _NO_VALUE
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).encode()


@functools.lru_cache(maxsize=1024)
def outcome_checksum(said: tuple[str | None, ...], late: bool) -> bytes:
    """Return the checksum of what tables count: problem, method, termination, verdict, lateness."""
    return checksum(*said, int(late))[:OUTCOME_BYTES]


class RowChecksum:
    """Checksums of rows with these columns.

    Parameters
    ----------
    columns
        Names, in the order of the values.
    texts, integers
        Those of them that hold texts and integers; the others hold numbers.
    """

    def __init__(self, columns: Sequence[str], texts: Sequence[str], integers: Sequence[str]):
        self._columns = tuple(columns)
        numbers = [name for name in columns if name not in texts and name not in integers]
        self._texts, self._integers, self._numbers = (
            operator.itemgetter(*map(self._columns.index, names))
            for names in (texts, integers, numbers)
        )
        self._pack: Callable[..., bytes] = struct.Struct(f"<{len(numbers)}d{len(integers)}q").pack
        self._figures = operator.itemgetter(*map(self._columns.index, (*numbers, *integers)))
        none = dict.fromkeys(numbers, _NO_NUMBER) | dict.fromkeys(integers, _NO_INTEGER)
        self._nothing = [none.get(name, _NO_TEXT) for name in self._columns]
        self._late = operator.itemgetter(
            *map(self._columns.index, ("termination", "solve_time_s", "time_limit_s"))
        )
        self._outcome = operator.itemgetter(
            *map(self._columns.index, ("problem", "method", "termination", "verdict"))
        )

    def whole(self, values: Sequence[object]) -> tuple[bytes, bool]:
        """Return the checksum of all columns, and whether each is of its type, and finite."""
        numbers = [_NO_NUMBER if v is None else v for v in self._numbers(values)]
        try:
            integers = [_NO_INTEGER if v is None else v for v in self._integers(values)]
            said = "\0".join([_NO_TEXT if v is None else v for v in self._texts(values)])
            data = self._pack(*numbers, *integers) + said.encode("utf-8", "surrogatepass")
            sound = math.inf not in numbers and -math.inf not in numbers
        except (struct.error, TypeError, OverflowError):
            data, sound = b"\0".join(map(_packed, values)), False  # a text in place of a figure
        return hashlib.sha256(data).digest()[:_BYTES], sound

    def wholes(self, columns: Sequence[Sequence[object]]) -> list[bytes] | None:
        """Return the checksum of all columns of each of many rows, given a sequence a column.

        None where one of them is not of its type or not finite: `whole` tells which. What follows
        the columns is left out.
        """
        filled: list[Sequence[object]] = [
            [nothing if v is None else v for v in column] if None in column else column
            for column, nothing in zip(columns, self._nothing, strict=False)
        ]
        numbers = self._numbers(filled)
        try:
            if any(math.inf in column or -math.inf in column for column in numbers):
                return None
            figures = itertools.starmap(self._pack, zip(*self._figures(filled), strict=True))
            texts = map("\0".join, zip(*self._texts(filled), strict=True))
            return [
                hashlib.sha256(f + t.encode("utf-8", "surrogatepass")).digest()[:_BYTES]
                for f, t in zip(figures, texts, strict=True)
            ]
        except (struct.error, TypeError, OverflowError):
            return None

    def singly(self, columns: Sequence[Sequence[object]]) -> list[bytes]:
        """Return a byte a column for each of many rows, given as for `wholes`.

        Most values of a column stand in many rows, and are packed once.
        """
        found = []
        for column in columns[: len(self._columns)]:
            byte = {value: zlib.crc32(_packed(value)) & 255 for value in set(column)}
            found.append(map(byte.__getitem__, column))
        return list(map(bytes, zip(*found, strict=True)))

    def of(
        self, values: Sequence[object], whole: bytes | None = None, singly: bytes | None = None
    ) -> bytes:
        """Return the checksum of a row.

        `whole` is that of all its columns, `singly` that of each, where they are known.
        """
        termination, solved, limit = self._late(values)
        both = isinstance(solved, int | float) and isinstance(limit, int | float)
        late = both and termination == "solved" and solved > limit
        return (
            outcome_checksum(self._outcome(values), late)
            + (whole or self.whole(values)[0])
            + (singly or bytes([zlib.crc32(_packed(value)) & 255 for value in values]))
        )

    def differs(self, found: bytes, whole: bytes) -> bool:
        """Return whether a stored checksum is not that of all columns."""
        return found[OUTCOME_BYTES : OUTCOME_BYTES + _BYTES] != whole

    def differing(self, values: Sequence[object], found: bytes) -> str:
        """Return the first column that differs, ``checksum`` where none does or none is known."""
        if not self.differs(found, self.whole(values)[0]):
            return "checksum"
        singly = found[OUTCOME_BYTES + _BYTES :]
        for name, value, byte in zip(self._columns, values, singly, strict=False):
            if zlib.crc32(_packed(value)) & 255 != byte:
                return name
        return "checksum"
