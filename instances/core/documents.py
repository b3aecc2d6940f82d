"""JSON documents: read with suspicion, written atomically and always to the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import os
import stat
import tempfile
import zlib
from collections.abc import Iterable
from decimal import Context, Decimal, InvalidOperation
from pathlib import Path
from typing import IO

from splitopt.instances.core.errors import InputError

LARGEST_FILE_BYTES = 1 << 30
# A columnar file of a million devices has a dozen brackets; more than this many means a file
# made to exhaust memory (an empty list costs 60 bytes for every 2 read).
MOST_CONTAINERS = 3_000_000
# Any decimal of 15 significant digits comes back whole from the double nearest to it.
_DIGITS_KEPT = 15
_ALIKE = bytes.maketrans(b"123456789.E", b"0000000000e")


def _reject_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in pairs:
        if key in result:
            raise InputError(key, value, "a field given once", "remove one of the two")
        result[key] = value
    return result


def _reject_constant(constant: str) -> object:
    raise InputError("document", constant, "finite JSON numbers", "replace it by a number")


def _double(text: str) -> float:
    """Return the double that `text` stands for; refuse digits that it cannot hold.

    What a program writes of a double is taken: its shortest decimal, or its exact value
    rounded to as many digits as are given (C's ``%.17g``). Of 0.500000000000000001 only 0.5
    would be left, and two shares that sum to more than one would pass together.
    """
    value = float(text)
    if (value and len(text) <= _DIGITS_KEPT) or repr(value) == text or abs(value) == math.inf:
        return value
    try:
        given = Decimal(text)
    except InvalidOperation:  # an exponent beyond any
        given = Decimal("NaN")
    digits = len(given.as_tuple().digits)
    if given == Decimal(repr(value)) or given == Context(prec=max(1, digits)).create_decimal(value):
        return value
    raise InputError(
        "document", _shortened(text), "numbers that a double holds", f"write {value!r}"
    )


def survives(value: int) -> bool:
    """Return whether `value` is left whole by the nearest double.

    So it is up to 2^53, and where it is the value of a double or its shortest decimal (10^23).
    What no double reaches is left for others to refuse.
    """
    if abs(value) <= 2**53 or abs(value) >= 10**300:
        return True
    near = float(value)
    return int(near) == value or Decimal(repr(near)) == value


def _whole(text: str) -> int:
    """Return the integer that `text` is; refuse one that would not survive as a double."""
    value = int(text)
    if len(text) > _DIGITS_KEPT and not survives(value):
        raise InputError(
            "document", _shortened(text), "numbers that a double holds", f"write {float(value)!r}"
        )
    return value


def _long_numbers(data: bytes) -> bool:
    """Return whether there may be a number of many digits, or one hardly above zero.

    Only files with one pay for looking at each.
    """
    alike = data.translate(_ALIKE)
    return b"0" * (_DIGITS_KEPT + 1) in alike or b"0e-000" in alike


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def parse_json(data: bytes, source: str) -> object:
    """Return the JSON value in `data`; `source` names it in errors.

    Raises
    ------
    InputError
        For anything that is not one plain JSON value: truncated, nested too deep, NaN or
        Infinity, a field given twice, more brackets than any real file has, a number with
        digits that a double cannot hold.
    """
    if data.count(b"[") + data.count(b"{") > MOST_CONTAINERS:
        raise InputError(
            source,
            f"{data.count(b'[') + data.count(b'{')} brackets",
            f"at most {MOST_CONTAINERS} lists and objects",
            "store devices by column",
        )
    exact = _long_numbers(data)
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_reject_duplicates,
            parse_constant=_reject_constant,
            parse_float=_double if exact else None,
            parse_int=_whole if exact else None,
        )
    except UnicodeDecodeError as error:
        raise InputError(
            source, f"byte {error.start}", "UTF-8 text", "save the file as UTF-8"
        ) from None
    except RecursionError:
        raise InputError(
            source, "brackets nested too deep", "a few levels of nesting", "check the file"
        ) from None
    except json.JSONDecodeError as error:
        raise InputError(
            source,
            f"line {error.lineno} column {error.colno}: {error.msg}",
            "one whole JSON document",
            "check that the file is complete",
        ) from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        # An integer with thousands of digits.
        raise InputError(source, str(error), "numbers up to 1e50", "shorten it") from None


def _drain(stream: IO[bytes] | gzip.GzipFile, most: int) -> bytes:
    """Return what `stream` holds, and no more than shows that it is too much.

    In pieces: a read of the whole limit would set aside as much at once.
    """
    pieces = bytearray()
    while len(pieces) <= most:
        piece = stream.read(1 << 20)
        if not piece:
            break
        pieces += piece
    return bytes(pieces)


def read_bytes(path: Path, most: int) -> bytes:
    """Return what a file or a pipe holds.

    Raises
    ------
    InputError
        For what cannot be read, is a device, or holds more than `most` bytes.
    """
    try:
        with path.open("rb") as stream:
            kind = os.fstat(stream.fileno()).st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
                raise InputError("file", str(path), "a file or a pipe", "check the path")
            data = _drain(stream, most)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        # ValueError: a path with a null byte.
        why = getattr(error, "strerror", None)
        allowed = "a file that can be read" + (f" ({why})" if why else "")
        raise InputError("file", str(path), allowed, "check the path") from None
    if len(data) > most:
        raise InputError(path.name, "more", f"at most {most} bytes", "split it")
    return data


def read_json(path: Path) -> object:
    """Return the JSON value in the file at `path` (gzip-compressed where it ends in .gz)."""
    source, data = path.name, read_bytes(path, LARGEST_FILE_BYTES)
    if path.suffix == ".gz":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
                data = _drain(unpacked, LARGEST_FILE_BYTES)
        except (OSError, EOFError, zlib.error):
            raise InputError(
                source, "damaged gzip data", "a whole gzip file", "copy it again"
            ) from None
        if len(data) > LARGEST_FILE_BYTES:
            raise InputError(
                source, "more after unpacking", f"at most {LARGEST_FILE_BYTES} bytes", "split it"
            )
    return parse_json(data, source)


def canonical(document: object, *, indent: int | None = None) -> bytes:
    """Return `document` as JSON bytes: the same value gives the same bytes on any machine."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(
        document, allow_nan=False, ensure_ascii=True, separators=separators, indent=indent
    )
    return text.encode("ascii")


def content_hash(document: object) -> str:
    """Return the SHA-256 of `document` with its keys sorted, in hexadecimal."""
    text = json.dumps(
        document, allow_nan=False, ensure_ascii=True, separators=(",", ":"), sort_keys=True
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def write_bytes(path: Path, data: bytes | Iterable[bytes], *, lasting: bool = True) -> None:
    """Replace the file at `path` by `data`, whole or in pieces, in one step: old or new is seen.

    What need not outlast a loss of power is not `lasting`: the disk takes a hundredth of a second.
    A pipe or a device is written into: replaced, /dev/null would be a file to all programs.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as stream:
            stream.writelines([data] if isinstance(data, bytes) else data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines([data] if isinstance(data, bytes) else data)
            stream.flush()
            if lasting:
                os.fsync(stream.fileno())
        # mkstemp makes private files; a result is an ordinary file.
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, document: object, *, indent: int | None = None) -> None:
    """Write `document` to `path` atomically, gzip-compressed where the name ends in .gz."""
    data = canonical(document, indent=indent) + b"\n"
    if path.suffix == ".gz":
        # A fixed time stamp: the same document gives the same file.
        data = gzip.compress(data, compresslevel=9, mtime=0)
    write_bytes(path, data)
