"""A row as it stands in the tables: made of a run, and read back with suspicion.

Values come in the order of `COLUMNS`, then the checksum; of a payload come its document, its output
and its checksum.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import operator
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from splitopt.bench.store.checksums import RowChecksum, checksum
from splitopt.bench.store.ranges import LONGEST_S, SECONDS
from splitopt.bench.store.rows import NAMES, Row, Verdict, check_heavy, check_name
from splitopt.bench.store.schema import COLUMNS, HEAVY, INTEGERS, JSON, TEXTS
from splitopt.instances.contract.method import SolutionStatus, Termination
from splitopt.instances.core.documents import MOST_CONTAINERS
from splitopt.instances.core.errors import InputError

CHECKSUMS = RowChecksum(COLUMNS, (*TEXTS, *JSON), INTEGERS)
# What is selected of a row and of its payload.
RUN = ", ".join(f"runs.{name}" for name in (*COLUMNS, "checksum"))
PAYLOAD = "document, output, payloads.checksum"
# A store has a figure in each of them, whatever became of the run.
REQUIRED = (
    *("key", *NAMES, "started_at", "termination", "status", "verdict"),
    *("options", "enforced", "not_enforced", "statistics", "violations"),
    *("seed", "repetition", "stdout_bytes", "stderr_bytes", "threads", "jobs"),
    *("time_limit_s", "grace_s", "wall_time_s", "overhead_s", "relative_gap"),
)
# A run sends no more than this: `splitopt.bench.isolation.streams`.
_LARGEST_BYTES = 256 << 20
_HALF = 8
_KEY = COLUMNS.index("key")
_DISTRUST = "do not trust what this row came from"
STORED = "what was stored: its checksum does not fit"
AGAIN = "do the run again by splitopt run --retry damaged, or restore a backup"


def encode(row: Row) -> list[Any]:
    """Return the row's columns in order."""
    values = []
    for name in COLUMNS:
        value = getattr(row, name)
        if value is None:
            pass
        elif name in TEXTS:
            # Half a surrogate pair in a message must not stop the row from being stored.
            value = str(value).encode("utf-8", "replace").decode()
        elif name in JSON:
            value = json.dumps(value, allow_nan=False, separators=(",", ":"), sort_keys=True)
        elif isinstance(value, float):
            value = None if math.isnan(value) else value + 0.0  # as SQLite stores them: no -0.0
        values.append(value)
    return values


def pack(row: Row) -> tuple[bytes, bytes | None, bytes]:
    """Return the row's heavy fields, packed: trajectory and plan, output, checksum of both."""
    document = zlib.compress(_dumped({"trajectory": row.trajectory, "plan": row.plan}), 6)
    output = None
    if row.stdout or row.stderr:
        output = zlib.compress(_dumped({"stdout": row.stdout, "stderr": row.stderr}), 6)
    return document, output, _checksum(row.key, document) + _checksum(row.key, output)


def _dumped(value: object) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _checksum(key: str, packed: bytes | None) -> bytes:
    return checksum(key, packed)[:_HALF]


def inflate(packed: object, most: int = _LARGEST_BYTES) -> bytes:
    """Return what zlib packed, ValueError where it is damaged or larger than any of ours."""
    if not isinstance(packed, bytes):
        raise ValueError("no bytes")
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(packed, most)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if unpacker.unconsumed_tail:
        raise ValueError(f"more than {most >> 20} MiB when unpacked")
    if not unpacker.eof:
        raise ValueError("it is cut short")
    return data


_NO_OUTPUT = {"stdout": "", "stderr": ""}


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _read(data: bytes) -> Any:
    if data.count(b"[") + data.count(b"{") > MOST_CONTAINERS:
        raise ValueError(f"more than {MOST_CONTAINERS} lists and objects")
    return _DECODER.decode(data.decode())


_PARTS = ("document", "output")


def check_payload(
    where: str, key: str, payload: Sequence[Any], parts: Sequence[str] = _PARTS
) -> None:
    """Raise unless these parts of a payload are as they were stored.

    Raises
    ------
    InputError
        When they are not; of a payload of an earlier version that is not known.
    """
    if payload[0] is None:
        raise no_payload(where, key, "none is there")
    found = payload[2]
    for name in parts if found is not None else ():
        place = _PARTS.index(name)
        half = slice(_HALF * place, _HALF * (place + 1))
        if not isinstance(found, bytes) or found[half] != _checksum(key, payload[place]):
            field = f"{where}payloads: {key[:12]}: {name}"
            raise InputError(field, "other bytes", STORED, AGAIN)


def no_payload(where: str, key: str, found: str) -> InputError:
    """Return the error that a row has no payload that could be read."""
    allowed = "a trajectory, a plan and two texts"
    return InputError(f"{where}payloads: {key[:12]}", found, allowed, _DISTRUST)


def unpack(
    where: str, key: str, payload: Sequence[Any], *, output: bool = True, plan: bool = True
) -> dict[str, Any]:
    """Return the heavy fields of a row; without `output` nothing of what it printed.

    Without `plan` none, and one whose checksum fits is not looked into.

    Raises
    ------
    InputError
        When they are damaged, or not what they should be.
    """
    check_payload(where, key, payload, _PARTS if output else _PARTS[:1])
    try:
        document = inflate(payload[0])
        trajectory = None if plan or payload[2] is None else _split(document)[0]
        if trajectory is None:
            found = _NO_OUTPUT | _read(document)
        else:
            found = _NO_OUTPUT | {"trajectory": _read(trajectory), "plan": None}
        if output and payload[1] is not None:
            found |= _read(inflate(payload[1]))
        if set(found) != set(HEAVY):
            raise ValueError("other fields")
        check_heavy(found)
        if not output:
            found |= _NO_OUTPUT
        if not plan:
            found["plan"] = None
    except (ValueError, TypeError, RecursionError) as error:
        raise no_payload(where, key, str(error)) from None
    return dict(found)


def plan_and_trajectory(where: str, key: str, payload: Sequence[Any]) -> tuple[bytes | None, bytes]:
    """Return plan and trajectory as the JSON texts that they are; the plan None without one."""
    if payload[2] is not None:
        check_payload(where, key, payload, _PARTS[:1])
        try:
            document = inflate(payload[0])
            if not document.isascii():
                document.decode()
            trajectory, plan = _split(document)
        except ValueError as error:
            raise no_payload(where, key, str(error)) from None
        if trajectory is not None:
            return None if plan == b"null" else plan, trajectory
    heavy = unpack(where, key, payload, output=False)  # says what is wrong, if anything is
    plan, trajectory = (_dumped(heavy[name]) for name in ("plan", "trajectory"))
    return None if heavy["plan"] is None else plan, trajectory


def plan_of(where: str, key: str, text: bytes) -> dict[str, Any]:
    """Return the plan in such a text.

    Raises
    ------
    InputError
        When it is none.
    """
    try:
        found = _read(text)
        if not isinstance(found, dict):
            raise ValueError("plan: no object")
    except (ValueError, RecursionError) as error:
        raise no_payload(where, key, str(error)) from None
    return found


def _split(document: bytes) -> tuple[bytes | None, bytes]:
    """Return trajectory and plan of a document, JSON texts; no trajectory where it is not ours."""
    before, found, plan = document.partition(b',"plan":')
    # Figures alone stand before the plan.
    if found and before.startswith(b'{"trajectory":['):
        return before[len(b'{"trajectory":') :], plan[:-1]
    return None, document


# -- reading -------------------------------------------------------------------------------

_required = operator.itemgetter(*map(COLUMNS.index, REQUIRED))
_words = operator.itemgetter(*map(COLUMNS.index, ("termination", "status", "verdict")))
_seconds = operator.itemgetter(*map(COLUMNS.index, SECONDS))
_names = operator.itemgetter(*map(COLUMNS.index, NAMES))
_WORDS = (frozenset(Termination), frozenset(SolutionStatus), frozenset(Verdict))


@functools.lru_cache(maxsize=4096)
def _known(words: tuple[str, ...]) -> bool:
    return all(word in known for word, known in zip(words, _WORDS, strict=True))


def _lasts(seconds: Sequence[float | None]) -> bool:
    """Tell whether no figure is below 0 or above what seconds may be: nothing can be drawn then."""
    found = [s for s in seconds if s is not None]
    return not found or (min(found) >= 0.0 and max(found) <= LONGEST_S)


@functools.lru_cache(maxsize=4096)
def _named(field: str, name: object) -> None:
    """Raise unless it is a name."""
    check_name(field, name)


def checked(where: str, values: Sequence[Any], *, wholly: bool = False) -> bool:
    """Return whether a row is of the types it should be; one without a checksum is.

    Parameters
    ----------
    wholly
        Whether the checksum itself is checked, beyond what tells that the row is as it was stored:
        wanted where it is copied, or has to be good for whatever reads the row later.

    Raises
    ------
    InputError
        When it is not as it was stored.
    """
    found = values[-1]
    whole, sound = CHECKSUMS.whole(values[:-1])
    if found is not None and (
        not isinstance(found, bytes)
        or CHECKSUMS.differs(found, whole)
        or (wholly and found != CHECKSUMS.of(values[:-1], whole))
    ):
        raise altered(where, values)
    filled = sound and None not in _required(values)
    return filled and _known(_words(values)) and _lasts(_seconds(values))


def all_sound(columns: Sequence[Sequence[Any]], *, wholly: bool) -> bool:
    """Return whether each of many rows, given a sequence a column, is as it was stored, and sound.

    That is, whether `checked` would return True for each; which one is not is for it to say.

    Parameters
    ----------
    wholly
        Whether checksums are held beyond what tells that rows are as they were stored.
    """
    found = columns[len(COLUMNS)]
    wholes = CHECKSUMS.wholes(columns)
    if wholes is None or not set(map(type, found)) <= {bytes, type(None)}:
        return False
    if wholly:
        singly = CHECKSUMS.singly(columns)
        each = zip(zip(*columns, strict=True), wholes, singly, strict=True)
        right = [CHECKSUMS.of(*one) for one in each]
        held = all(f is None or f == r for f, r in zip(found, right, strict=True))
    else:
        differs = CHECKSUMS.differs
        held = not any(f is not None and differs(f, w) for f, w in zip(found, wholes, strict=True))
    filled = not any(None in column for column in _required(columns))
    known = filled and all(map(_known, set(zip(*_words(columns), strict=True))))
    return held and known and all(map(_lasts, _seconds(columns)))


def altered(where: str, values: Sequence[Any]) -> InputError:
    """Return the error that a row is not as it was stored, with the column as far as known."""
    columns, found = values[:-1], values[-1]
    name = CHECKSUMS.differing(columns, found) if isinstance(found, bytes) else "checksum"
    shown = "other bytes" if name == "checksum" else columns[COLUMNS.index(name)]
    return InputError(f"{where}runs: {str(columns[_KEY])[:12]}: {name}", shown, STORED, AGAIN)


def decode(where: str, values: Sequence[Any], heavy: Mapping[str, Any] | None = None) -> Row:
    """Return the row from its values; see `decoded`."""
    columns = [(value,) for value in values]
    return next(decoded(where, columns, None if heavy is None else [heavy]))


def decoded(
    where: str, columns: Sequence[Sequence[Any]], heavy: Sequence[Mapping[str, Any]] | None = None
) -> Iterator[Row]:
    """Yield rows from their values, given a sequence a column; without `heavy` those are empty.

    Raises
    ------
    InputError
        When a name or a JSON text in it is none.
    """
    keys = columns[_KEY]
    for name, column in zip(NAMES, _names(columns), strict=True):
        for value in dict.fromkeys(column):
            try:
                _named(name, value)
            except InputError as error:
                field = f"{where}runs: {str(keys[column.index(value)])[:12]}: {error.field}"
                raise InputError(field, error.value, error.allowed, error.remedy) from None
    parts: list[Sequence[Any]] = list(columns[: len(COLUMNS)])
    for name, values in json_columns(where, columns).items():
        parts[COLUMNS.index(name)] = values
    found = [_EMPTY] * len(keys) if heavy is None else heavy
    parts.append([tuple(map(tuple, each["trajectory"])) for each in found])
    parts += ([each[name] for each in found] for name in HEAVY[1:])
    return map(Row, *_ordered(parts))


def json_columns(where: str, columns: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Return what rows hold as JSON texts, by column; None where there is none.

    Raises
    ------
    InputError
        When a text is none that was stored: whoever forges a row can make its checksum fit.
    """
    found: dict[str, list[Any]] = {}
    for name, read in _READERS.items():
        values = found[name] = []
        for key, text in zip(columns[_KEY], columns[COLUMNS.index(name)], strict=True):
            try:
                values.append(None if text is None else read(text))
            except (ValueError, TypeError, RecursionError) as error:
                field = f"{where}runs: {str(key)[:12]}: {name}"
                raise InputError(field, str(error), "the JSON that was stored", _DISTRUST) from None
    return found


_EMPTY: Mapping[str, Any] = {"trajectory": (), "plan": None, "stdout": "", "stderr": ""}
_ordered = operator.itemgetter(
    *((*COLUMNS, *HEAVY).index(field.name) for field in dataclasses.fields(Row))
)


# Most rows share most of their options, limits and guarantees: of equal texts one value is kept.
@functools.lru_cache(maxsize=4096)
def _object(text: str) -> dict[str, Any]:
    found = _DECODER.decode(text)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


@functools.lru_cache(maxsize=4096)
def _list(text: str) -> tuple[Any, ...]:
    found = _DECODER.decode(text)
    if not isinstance(found, list):
        raise ValueError("no list")
    return tuple(found)


_READERS: Mapping[str, Callable[[str], Any]] = {
    # No two rows have the same.
    name: _object.__wrapped__ if name == "statistics" else _object
    for name in JSON
} | {"cores": _list, "violations": _list}
