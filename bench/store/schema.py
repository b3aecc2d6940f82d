"""The tables of a store, and how an older store becomes a current one."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable

from splitopt.bench.store.rows import Row
from splitopt.instances.core.errors import InputError

VERSION = 4

# Fields kept packed in a table of their own, so that a look at ten thousand rows is quick.
HEAVY = ("trajectory", "plan", "stdout", "stderr")
JSON = ("options", "cores", "enforced", "not_enforced", "guarantee", "violations", "statistics")
COLUMNS = tuple(f.name for f in dataclasses.fields(Row) if f.name not in HEAVY)
# What the judge says of a run, and nobody else.
VERDICT_COLUMNS = ("objective", "gap", "violations", "verdict", "verdict_reason")
INTEGERS = (
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
TEXTS = (
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
    kind = "INTEGER" if name in INTEGERS else "TEXT" if name in TEXTS or name in JSON else "REAL"
    return f"{name} {kind}" + (" NOT NULL UNIQUE" if name == "key" else "")


_CREATE = f"""
CREATE TABLE runs (id INTEGER PRIMARY KEY, {", ".join(map(_column, COLUMNS))}, checksum BLOB);
CREATE INDEX runs_by_instance ON runs (instance_hash);
CREATE TABLE payloads (
    key TEXT PRIMARY KEY REFERENCES runs (key) ON DELETE CASCADE, document BLOB NOT NULL,
    output BLOB, checksum BLOB);
CREATE TABLE claims (
    key TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    process_started REAL NOT NULL, expires_at REAL NOT NULL);
CREATE TABLE environments (hash TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE instances (
    hash TEXT PRIMARY KEY, name TEXT NOT NULL, problem TEXT NOT NULL, source TEXT NOT NULL,
    document BLOB, checksum BLOB);
CREATE TABLE best_known (
    instance_hash TEXT PRIMARY KEY, objective REAL, bound REAL, infeasible INTEGER NOT NULL,
    source TEXT NOT NULL, checksum BLOB);
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, document TEXT NOT NULL, checksum BLOB);
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


def _checksums(connection: sqlite3.Connection) -> None:
    """Version 4: what other runs were at work on the machine, a checksum a row, outputs apart.

    What older rows were, and what ran beside them, is not known any more.
    """
    connection.execute("ALTER TABLE runs ADD COLUMN runs_beside INTEGER")
    for table in ("runs", "payloads", "instances", "best_known", "calls"):
        connection.execute(f"ALTER TABLE {table} ADD COLUMN checksum BLOB")
    connection.execute("ALTER TABLE payloads ADD COLUMN output BLOB")


# From a version to the next: each function changes the tables; the number follows by itself.
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {
    1: _clusters_and_plans,
    2: _code_of_methods,
    3: _checksums,
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


def foreign(connection: sqlite3.Connection) -> str | None:
    """Return what code of others a store brings along, None where there is none.

    Views, triggers, computed columns, virtual tables and indices on expressions are run by who
    reads them, as long as they like.
    """
    ours = {statement.strip() for statement in _CREATE.split(";")}
    for name, kind, page, sql in connection.execute(
        "SELECT name, type, rootpage, sql FROM sqlite_master"
    ):
        if kind not in ("table", "index"):
            return f"a {kind}, {name}"
        if not page:
            return f"a virtual table, {name}"
        if kind == "index" and sql is not None and sql not in ours:
            return f"an index, {name}"
        hidden = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden"
        if (column := connection.execute(hidden, (name,)).fetchone()) is not None:
            return f"a computed column, {name}.{column[0]}"
    return None
