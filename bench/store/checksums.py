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
from collections.abc import Callable, Iterator, Sequence

__all__ = ["OUTCOME_BYTES", "RowChecksum", "checksum", "outcome_checksum"]

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
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if value is None:
        return _NO_VALUE
    if isinstance(value, bytes):
        return value
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

    def each(self, rows: Sequence[Sequence[object]]) -> Iterator[tuple[bytes, bool, bytes]]:
        """Yield for each of many rows what `whole` says of it, and a byte a column.

        What follows the columns is left out. Most values of a column stand in many rows, and are
        packed once.
        """
        width = len(self._columns)
        singly, filled, finite = [], [], True
        columns = itertools.islice(zip(*rows, strict=True), width)
        for column, nothing in zip(columns, self._nothing, strict=True):
            values = set(column)
            byte = {value: zlib.crc32(_packed(value)) & 255 for value in values}
            singly.append(map(byte.__getitem__, column))
            finite = finite and math.inf not in values and -math.inf not in values
            some = None in values
            filled.append([nothing if v is None else v for v in column] if some else column)
        try:
            figures = zip(*self._figures(filled), strict=True)
            texts = zip(*self._texts(filled), strict=True)
            wholes = [
                hashlib.sha256(self._pack(*f) + "\0".join(t).encode("utf-8", "surrogatepass"))
                for f, t in zip(figures, texts, strict=True)
            ]
            said = [(whole.digest()[:_BYTES], True) for whole in wholes] if finite else None
        except (struct.error, TypeError, OverflowError):
            said = None
        if said is None:  # one of them is not sound
            said = [self.whole(row[:width]) for row in rows]
        for whole, bytes_ in zip(said, map(bytes, zip(*singly, strict=True)), strict=True):
            yield *whole, bytes_

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
