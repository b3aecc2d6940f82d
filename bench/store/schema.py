"""The tables of a store, and how an older store becomes a current one."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from splitopt.bench.store.rows import ROW_VERSION, Row, check_heavy
from splitopt.instances.core.errors import InputError

__all__ = [
    "COLUMNS",
    "HEAVY",
    "VERDICT_COLUMNS",
    "VERSION",
    "decode",
    "encode",
    "prepare",
    "unpack",
]

VERSION = 4

# Fields kept packed in a table of their own, so that a look at ten thousand rows is quick.
HEAVY = ("trajectory", "plan", "stdout", "stderr")
_JSON = ("options", "cores", "enforced", "not_enforced", "guarantee", "violations", "statistics")
COLUMNS = tuple(f.name for f in dataclasses.fields(Row) if f.name not in HEAVY)
# What the judge says of a run, and nobody else.
VERDICT_COLUMNS = ("objective", "gap", "violations", "verdict", "verdict_reason")
_INTEGERS = (
    "seed",
    "repetition",
    "memory_limit_bytes",
    "threads",
    "jobs",
    "jobs_on_machine",
    "runs_beside",
    "peak_memory_bytes",
    "stdout_bytes",
    "stderr_bytes",
)
_TEXTS = (
    "key",
    "instance_hash",
    "instance_name",
    "problem",
    "method",
    "environment_hash",
    "started_at",
    "cluster",
    "termination",
    "status",
    "detail",
    "verdict",
    "verdict_reason",
    "method_source",
    "method_version",
)


def _column(name: str) -> str:
    kind = "INTEGER" if name in _INTEGERS else "TEXT" if name in _TEXTS or name in _JSON else "REAL"
    return f"{name} {kind}" + (" NOT NULL UNIQUE" if name == "key" else "")


_CREATE = f"""
CREATE TABLE runs (id INTEGER PRIMARY KEY, {", ".join(map(_column, COLUMNS))});
CREATE INDEX runs_by_instance ON runs (instance_hash);
CREATE TABLE payloads (
    key TEXT PRIMARY KEY REFERENCES runs (key) ON DELETE CASCADE, document BLOB NOT NULL);
CREATE TABLE claims (
    key TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    process_started REAL NOT NULL, expires_at REAL NOT NULL);
CREATE TABLE environments (hash TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE instances (
    hash TEXT PRIMARY KEY, name TEXT NOT NULL, problem TEXT NOT NULL, source TEXT NOT NULL,
    document BLOB);
CREATE TABLE best_known (
    instance_hash TEXT PRIMARY KEY, objective REAL, bound REAL, infeasible INTEGER NOT NULL,
    source TEXT NOT NULL);
CREATE TABLE calls (id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, document TEXT NOT NULL);
CREATE TABLE planned (key TEXT PRIMARY KEY, call INTEGER NOT NULL);
"""


def _clusters_and_plans(connection: sqlite3.Connection) -> None:
    """Version 2: rows say how many runs shared their machine, calls which runs they planned."""
    connection.execute("ALTER TABLE runs ADD COLUMN jobs_on_machine INTEGER")
    connection.execute("ALTER TABLE runs ADD COLUMN cluster TEXT")
    # Until then a set of runs was done on one machine.
    connection.execute("UPDATE runs SET jobs_on_machine = jobs")
    connection.execute("CREATE TABLE planned (key TEXT PRIMARY KEY, call INTEGER NOT NULL)")


def _code_of_methods(connection: sqlite3.Connection) -> None:
    """Version 3: rows say what code of a user's method they are of; of older ones nobody knows."""
    connection.execute("ALTER TABLE runs ADD COLUMN method_source TEXT")
    connection.execute("ALTER TABLE runs ADD COLUMN method_version TEXT")


def _runs_beside(connection: sqlite3.Connection) -> None:
    """Version 4: rows say what other runs were at work on the machine; of older ones unknown."""
    connection.execute("ALTER TABLE runs ADD COLUMN runs_beside INTEGER")


# From a version to the next: each function changes the tables; the number follows by itself.
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {
    1: _clusters_and_plans,
    2: _code_of_methods,
    3: _runs_beside,
}


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables in a new store, or bring an older store up to date, in one transaction.

    Raises
    ------
    InputError
        When a newer splitopt wrote the store.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            for statement in _CREATE.strip().split(";\n"):
                connection.execute(statement)
            version = VERSION
        if version > VERSION:
            raise InputError(
                "store", f"schema version {version}", f"1 to {VERSION}", "update splitopt"
            )
        while version < VERSION:
            MIGRATIONS[version](connection)
            version += 1
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def encode(row: Row) -> tuple[list[Any], bytes]:
    """Return the row's columns in order, and its heavy fields packed."""
    values = []
    for name in COLUMNS:
        value = getattr(row, name)
        if name in _TEXTS and value is not None:
            # Half a surrogate pair in a message must not stop the row from being stored.
            value = str(value).encode("utf-8", "replace").decode()
        if name in _JSON and value is not None:
            value = json.dumps(value, allow_nan=False, separators=(",", ":"), sort_keys=True)
        values.append(value)
    heavy = {name: getattr(row, name) for name in HEAVY}
    packed = json.dumps(heavy, allow_nan=False, separators=(",", ":")).encode()
    return values, zlib.compress(packed, 6)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def unpack(key: str, packed: object) -> dict[str, Any]:
    """Return the heavy fields of a row.

    Raises
    ------
    InputError
        When they are damaged, or not what they should be.
    """
    try:
        if not isinstance(packed, bytes):
            raise ValueError("no bytes")
        found = _DECODER.decode(zlib.decompress(packed).decode())
        if set(found) != set(HEAVY):
            raise ValueError("other fields")
        check_heavy(found)
    except (ValueError, TypeError, RecursionError, zlib.error) as error:
        raise InputError(
            f"payloads: {key[:12]}",
            str(error),
            "a trajectory, a plan and two texts",
            "do not trust what this row came from",
        ) from None
    return dict(found)


def decode(record: Mapping[str, Any], packed: bytes | None) -> Row:
    """Return the row from its columns; without `packed` its heavy fields are empty."""
    document = {name: record[name] for name in COLUMNS}
    for name in _JSON:
        if document[name] is not None:
            document[name] = json.loads(document[name])
    if packed is None:
        document |= {"trajectory": (), "plan": None, "stdout": "", "stderr": ""}
    else:
        document |= unpack(str(record["key"]), packed)
    return Row.from_document(document | {"version": ROW_VERSION})
