"""The store of a set of runs: one SQLite file, safe for several runners, safe to kill.

Each run is one transaction. A runner claims a run before it starts it and renews its claims
while it lives; the claims of a dead runner are free to be taken over. So a runner killed at
any moment loses at most the solves in progress, and no run is done twice.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import os
import sqlite3
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from splitopt.bench.store import records
from splitopt.bench.store.around import Around, BestKnown
from splitopt.bench.store.checksums import OUTCOME_BYTES, outcome_checksum
from splitopt.bench.store.locked import PATIENCE_S, patiently
from splitopt.bench.store.processes import birth, host, lives
from splitopt.bench.store.ranges import check_table, check_values
from splitopt.bench.store.reading import (
    UNREADABLE,
    Reading,
    damage,
    damaged,
    require_store,
    undecodable,
)
from splitopt.bench.store.records import CHECKSUMS, PAYLOAD, RUN
from splitopt.bench.store.rows import PlannedRun, Row, check_name
from splitopt.bench.store.schema import COLUMNS, VERDICT_COLUMNS, prepare
from splitopt.instances.core.errors import InputError

__all__ = [
    "LEASE_S",
    "BestKnown",
    "Claim",
    "Outcome",
    "Store",
    "StoreError",
    "UncheckedRowsWarning",
    "making",
    "uncollected",
]

FILE_NAME = "runs.sqlite"
LEASE_S = 30.0
# By name, so that a column that is missing in a damaged store is.
_CLAIM = "key, owner, host, pid, process_started, expires_at"
_T = TypeVar("_T")


class StoreError(OSError):
    """The store cannot be written: the disk is full, say. What it holds is whole."""


class Claim(StrEnum):
    """What became of an attempt to claim a run."""

    MINE = "mine"
    DONE = "done"  # its row is there
    TAKEN = "taken"  # a living runner is at it


class UncheckedRowsWarning(UserWarning):
    """Rows of earlier versions have no checksum: a change in them cannot be seen."""


class Outcome(NamedTuple):
    """Runs of a method that ended alike, with their number."""

    problem: str
    method: str
    ending: str
    verdict: str
    runs: int


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Read many rows without the collector, which would go through all of them time and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def making(directory: Path) -> Iterator[Store]:
    """Open a store to write into; made if missing, and then removed again by a failure.

    So what is refused late, such as a cluster that is not there, leaves nothing behind; a store
    that has got a row, or that another runner is at, stays.
    """
    folders = [path for path in (directory, *directory.parents) if not path.exists()]
    path = directory / FILE_NAME
    new = not path.exists()
    store: Store | None = None
    try:
        store = Store(directory, create=True)
        yield store
    except BaseException:
        empty = new
        if store is not None:
            with contextlib.suppress(StoreError, sqlite3.Error):
                empty = new and store.there and store.unused
            store.close()
        if empty:
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty, or gone
                for folder in folders:
                    folder.rmdir()
        raise
    store.close()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Store(Around):
    """A store opened for one runner or reader.

    Parameters
    ----------
    directory
        The folder of the set of runs; made when `create` holds.
    create
        Whether a missing store is made; otherwise it is an error.
    readonly
        Whether it is only read: then nothing is written, in it or beside it, whatever version it
        is of and whether or not it can be written.

    Raises
    ------
    InputError
        When there is no store, a newer splitopt wrote it, or it is a link.
    StoreError
        When it cannot be opened or written.
    """

    def __init__(self, directory: Path, *, create: bool = False, readonly: bool = False) -> None:
        self.path = directory / FILE_NAME
        if not create and not self.path.is_file():
            raise InputError(
                "DIR",
                str(directory),
                "a folder with results",
                "splitopt run makes one",
            )
        for suffix in ("", "-wal", "-shm", "-journal"):
            file = directory / f"{FILE_NAME}{suffix}"
            if file.is_symlink():
                # Opening brings an older store up to date: that would write into a stranger's file.
                raise InputError(
                    "DIR", str(file), "a file of its own, no link", "name the folder it leads to"
                )
        self.owner = uuid.uuid4().hex
        self._host = host()
        self._pid = os.getpid()
        self._started = birth(self._pid) or 0.0
        # By key, claims of runners elsewhere: what they said last, when that was looked at last,
        # and the seconds that they have been seen to be silent.
        self._heard: dict[str, tuple[tuple[str, float], float, float]] = {}
        self._lock = threading.RLock()
        self._reading: Reading | None = None
        self._file: tuple[int, int] | None = None
        with self._errors():
            if readonly:
                self._reading = Reading(self.path)
                self._connection = self._reading.connection
                self._file = _identity(self.path)
                self._warn_of_unchecked()
            else:
                directory.mkdir(parents=True, exist_ok=True)
                patiently(self.path, self._open)
                self._file = _identity(self.path)

    def _open(self, wait_s: float) -> None:
        connection = sqlite3.connect(
            self.path.absolute(),
            timeout=wait_s,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        try:
            connection.row_factory = sqlite3.Row
            require_store(connection, self.path, empty=True)
            connection.execute("PRAGMA foreign_keys = ON")
            # Readers and a writer side by side; a commit survives a loss of power.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            prepare(connection)
            connection.execute(f"PRAGMA busy_timeout = {1000 * PATIENCE_S:.0f}")
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _begin(self, wait_s: float) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {1000 * wait_s:.0f}")
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(f"PRAGMA busy_timeout = {1000 * PATIENCE_S:.0f}")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release this runner's claims and close the file."""
        if self._reading is not None:
            self._reading.close()
            return
        with (
            contextlib.suppress(StoreError, sqlite3.ProgrammingError),
            self._transaction() as connection,
        ):
            connection.execute("DELETE FROM claims WHERE owner = ?", (self.owner,))
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    @property
    def unused(self) -> bool:
        """Whether it has no row, and no other runner has a claim."""
        others = self._query("SELECT COUNT(*) AS n FROM claims WHERE owner != ?", (self.owner,))
        return self.count() == 0 and others[0]["n"] == 0

    @property
    def last(self) -> int:
        """The number of the row that was stored last; 0 without rows."""
        return int(self._query("SELECT coalesce(max(id), 0) AS n FROM runs")[0]["n"])

    @property
    def there(self) -> bool:
        """Whether the file that was opened is still where it was."""
        return _identity(self.path) == self._file

    def require_there(self) -> None:
        """Raise unless what is written can be found again.

        Raises
        ------
        StoreError
            When the folder was removed, moved or replaced meanwhile.
        """
        if not self.there:
            raise StoreError(
                f"{self.path.parent}: removed or replaced while runs went on, and what was stored "
                "is gone with it; start again, into a folder that stays"
            )

    # -- transactions ----------------------------------------------------------------------

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (*UNREADABLE, OSError) as error:
            if isinstance(error, sqlite3.ProgrammingError | StoreError):
                raise
            if damage(error):
                known = "decode" in str(error) and hasattr(self, "_connection")
                where = undecodable(self._connection) if known else None
                if where is not None:
                    field = f"{self._where}{where}"
                    raise InputError(field, "no text", records.STORED, records.AGAIN) from error
                raise damaged(self.path, " ".join(str(error).split())) from error
            raise StoreError(
                f"{self.path}: {error}; every run stored so far is whole; free space or check the "
                "path, then start again: finished runs are not repeated"
            ) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors():
            part_of_a_larger_one = self._connection.in_transaction
            if part_of_a_larger_one:
                yield self._connection
                return
            self.require_there()
            patiently(self.path, self._begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                raise

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        return self._steadily(lambda: self._connection.execute(sql, values).fetchall())

    def _steadily(self, read: Callable[[], _T]) -> _T:
        """Return what is read, once more where a runner has written meanwhile."""
        with self._lock, self._errors():
            while True:
                try:
                    found = read()
                except (*UNREADABLE, InputError):
                    if not self._refreshed():
                        raise
                else:
                    if not self._refreshed():
                        return found

    def _tuples(self, sql: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield what a statement selects, a little at a time."""
        return itertools.chain.from_iterable(self._batches(sql, values))

    def _batches(self, sql: str, values: Sequence[object] = ()) -> Iterator[list[tuple[Any, ...]]]:
        cursor = self._connection.cursor()
        cursor.row_factory = None
        cursor.execute(sql, values)
        while found := cursor.fetchmany(500):
            yield found

    @functools.cached_property
    def _where(self) -> str:
        return f"{self.path.parent}: "

    def _refreshed(self) -> bool:
        """Open a store again that a runner has begun to write meanwhile; return whether one did."""
        if self._reading is None or not self._reading.stale:
            return False
        if self._connection.in_transaction:  # a snapshot cannot go on with other rows
            self._require_steady()
        self._reading.close()
        self._reading = Reading(self.path)
        self._connection = self._reading.connection
        return True

    # -- claims ----------------------------------------------------------------------------

    def claim(self, key: str) -> Claim:
        """Claim a run for this runner unless it is done or a living runner has it."""
        with self._transaction() as connection:
            if connection.execute("SELECT 1 FROM runs WHERE key = ?", (key,)).fetchone():
                return Claim.DONE
            held = connection.execute(
                f"SELECT {_CLAIM} FROM claims WHERE key = ?", (key,)
            ).fetchone()
            if held is not None and held["owner"] != self.owner and self._lives(held):
                return Claim.TAKEN
            connection.execute(
                "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?)",
                (key, self.owner, self._host, self._pid, self._started, time.time() + LEASE_S),
            )
        return Claim.MINE

    def _lives(self, held: sqlite3.Row) -> bool:
        """Return whether the runner that holds a claim is alive; no clock of the day is asked.

        On this host its process says so. One elsewhere is alive as long as its claim changes: it
        is dead when that was seen to stand still for `LEASE_S` by a clock of ours. A look counts
        for the time since the last one, but not for more than it takes to renew a claim: where
        this process itself stood still, in a machine that was paused, the other may have too.
        """
        if held["host"] == self._host:
            return lives(held["pid"], held["process_started"])
        now, said = time.monotonic(), (held["owner"], held["expires_at"])
        before, looked, silent_s = self._heard.get(held["key"], (None, now, 0.0))
        silent_s = 0.0 if said != before else silent_s + min(now - looked, LEASE_S / 4)
        self._heard[held["key"]] = (said, now, silent_s)
        return silent_s < LEASE_S

    def renew(self) -> None:
        """Extend this runner's claims; called well within `LEASE_S`."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE claims SET expires_at = ? WHERE owner = ?",
                (time.time() + LEASE_S, self.owner),
            )

    def release(self, key: str) -> None:
        """Give a claim back: the run was not done."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM claims WHERE key = ? AND owner = ?", (key, self.owner))

    def claimed(self) -> int:
        """Return how many runs living runners are at; of those elsewhere, by their own clock."""
        now, living = time.time(), 0
        for held in self._query(f"SELECT {_CLAIM} FROM claims"):
            figures = (held["pid"], held["process_started"], held["expires_at"])
            if not all(isinstance(figure, int | float) for figure in figures):
                where = f"{self._where}claims: {held['key']!s:.12}"
                allowed = "a process and two times"
                raise InputError(where, "other values", allowed, "restore a backup")
            if held["host"] == self._host:
                living += lives(held["pid"], held["process_started"])
            else:
                living += held["expires_at"] >= now
        return living

    # -- rows ------------------------------------------------------------------------------

    def add(self, row: Row) -> bool:
        """Store a finished run and drop its claim, in one transaction.

        Returns False when the run was stored by another runner meanwhile; the first stays.
        """
        values = records.encode(row)
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        with self._transaction() as connection:
            cursor = connection.execute(
                f"INSERT OR IGNORE INTO runs ({', '.join(COLUMNS)}, checksum) VALUES ({marks})",
                (*values, CHECKSUMS.of(values)),
            )
            new = cursor.rowcount == 1
            if new:
                connection.execute(
                    "INSERT INTO payloads (key, document, output, checksum) VALUES (?, ?, ?, ?)",
                    (row.key, *records.pack(row)),
                )
            connection.execute(
                "DELETE FROM claims WHERE key = ? AND owner = ?", (row.key, self.owner)
            )
        return new

    def check(self, *, ranges: bool = True, each: bool = True) -> None:
        """Raise unless all rows are as they were stored, and hold what rows may hold.

        Parameters
        ----------
        ranges
            Whether ranges are checked of rows whose checksum fits, too.
        each
            Whether each row is held against its checksum here; `records` does so too, but for
            what was printed.

        Raises
        ------
        InputError
            At the first one that is not, or does not.
        """
        with self._lock, self._errors():
            self._require_whole(heavy=True)
            if ranges or self.unchecked():
                check_table(self._connection, "main", str(self.path.parent))
            for _ in self._sound(f"SELECT {RUN} FROM runs", wholly=True) if each else ():
                pass
            self._check_payloads(("document", "output") if each else ("output",))

    def _check_payloads(self, parts: Sequence[str]) -> None:
        """Raise unless these parts of the payloads of all rows are as they were stored."""
        # In the order of the table. The plus keeps SQLite from looking up one after the other.
        cursor = self._connection.cursor()
        cursor.row_factory = None
        checked = 0
        for key, *payload in cursor.execute(
            f"SELECT key, {PAYLOAD} FROM payloads WHERE +key IN (SELECT key FROM runs)"
        ):
            records.check_payload(self._where, key, payload, parts)
            checked += 1
        if checked != self.count():
            none = "NOT EXISTS (SELECT 1 FROM payloads WHERE payloads.key = runs.key)"
            for (key,) in self._query(f"SELECT key FROM runs WHERE {none} LIMIT 1"):
                raise records.no_payload(self._where, key, "none is there")

    def outcomes(self) -> list[Outcome]:
        """Return how many runs of each method ended how, each row held against its checksum."""
        late = "termination = 'solved' AND coalesce(solve_time_s > time_limit_s, 0)"
        counts: dict[tuple[str, str, str, str], int] = {}
        for *names, late_, found, number, count in self._query(
            f"SELECT problem, method, termination, verdict, {late}, "
            f"substr(checksum, 1, {OUTCOME_BYTES}), min(id), count(*) FROM runs "
            "GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 7"
        ):
            first = f"SELECT {RUN} FROM runs WHERE id = ?"
            values = self._require_sound(tuple(self._query(first, (number,))[0]))
            if found is not None and found != outcome_checksum(tuple(names), bool(late_)):
                raise records.altered(self._where, values)
            for field, name in zip(("problem", "method"), names, strict=False):
                check_name(field, name, f"{self._where}runs: ")
            problem, method, termination, verdict = names
            key = (problem, method, "late" if late_ else termination, verdict)
            counts[key] = counts.get(key, 0) + count
        return [Outcome(*key, count) for key, count in counts.items()]

    def check_row(self, row: Row) -> None:
        """Raise unless a row that is not stored yet, a worker's say, holds what rows may hold.

        Raises
        ------
        InputError
            When it does not.
        """
        try:
            values = records.encode(row)
            records.pack(row)
        except (TypeError, ValueError, RecursionError) as error:
            allowed = "what JSON can hold"
            raise InputError("row", str(error), allowed, "do not trust its sender") from None
        with self._lock, self._errors():
            check_values(self._connection, values)

    @contextlib.contextmanager
    def taking(self, source: Store) -> Iterator[None]:
        """Make `take` possible from a store open for reading, in a single transaction."""
        with self._lock:
            with self._errors():
                assert source._reading is not None
                self._connection.execute("ATTACH ? AS source", (source._reading.uri,))
                # For the indices, whose pages rows hit at random. What payloads refer to is taken
                # with them.
                self._connection.execute("PRAGMA main.cache_size = -32000")
                self._connection.execute("PRAGMA foreign_keys = OFF")
            try:
                with self._transaction():
                    yield
                    if source._reading.stale:
                        raise StoreError(f"{source.path}: written while it was read; start again")
            finally:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("PRAGMA foreign_keys = ON")
                    self._connection.execute("DETACH source")

    def take(self, marked: Mapping[str, Row], upto: int | None = None) -> tuple[int, int]:
        """Add the rows of the store in `taking` whose runs are not here.

        Returns how many they are, and of how many the run was here.

        Parameters
        ----------
        marked
            By key, rows whose verdict is taken from here.
        upto
            `last` of that store when its rows were checked: what a runner has stored since stays.
        """
        names = ", ".join((*COLUMNS, "checksum"))
        upto = 2**63 - 1 if upto is None else upto
        with self._transaction() as connection:
            last = self.last
            chosen = "FROM source.runs WHERE id <= ?"
            (there,) = connection.execute(f"SELECT count(*) {chosen}", (upto,)).fetchone()
            new = connection.execute(
                f"INSERT OR IGNORE INTO runs ({names}) SELECT {names} {chosen} ORDER BY id", (upto,)
            ).rowcount
            # In the order of the table. The plus keeps SQLite from looking up one after the other.
            connection.execute(
                "INSERT INTO payloads (key, document, output, checksum) "
                "SELECT key, document, output, checksum FROM source.payloads "
                "WHERE +key IN (SELECT key FROM runs WHERE id > ?)",
                (last,),
            )
            assign = ", ".join(f"{name} = ?" for name in (*VERDICT_COLUMNS, "checksum"))
            for key, row in marked.items():
                found = records.encode(row)
                values = dict(zip(COLUMNS, found, strict=True))
                connection.execute(
                    f"UPDATE runs SET {assign} WHERE key = ? AND id > ?",
                    (*(values[name] for name in VERDICT_COLUMNS), CHECKSUMS.of(found), key, last),
                )
        return new, there - new

    def records(
        self, *, heavy: bool = True, order: str = "instance_hash, id", wholly: bool = False
    ) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """Yield the rows as they stand in the tables, with their payloads; see `columns`.

        Values come in the order of `COLUMNS`, then the checksum. A payload is a document, what was
        printed, and a checksum; empty where not `heavy`.
        """
        width = len(COLUMNS) + 1
        for columns in self.columns(heavy=heavy, order=order, wholly=wholly):
            for found in zip(*columns, strict=True):
                yield found[:width], found[width:]

    def columns(
        self, *, heavy: bool = True, order: str = "instance_hash, id", wholly: bool = False
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows as they stand in the tables, some thousand at a time, a tuple a column.

        They are as they were stored. Payloads without what was printed, which nobody here reads,
        follow where `heavy`. With `wholly` the checksums of rows, too, are checked to the last
        byte.
        """
        with self._errors():
            self._require_whole(heavy=heavy)
            payload = PAYLOAD.replace("output", "NULL")
            selected = (
                f"{RUN}, {payload} FROM runs LEFT JOIN payloads USING (key)"
                if heavy
                else f"{RUN} FROM runs"
            )
            yield from self._sound(f"SELECT {selected} ORDER BY {order}", wholly=wholly)
            self._require_steady()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read what stands there at one moment, whatever a runner writes meanwhile."""
        with self._lock:
            with self._errors():
                self._connection.execute("BEGIN")
            try:
                yield  # what goes wrong with the rows elsewhere is no error of this store
            except InputError:
                self._require_steady()  # else it is not damaged, but half of two states
                raise
            finally:
                with self._errors():
                    if self._connection.in_transaction:
                        self._connection.execute("COMMIT")

    def plans_and_trajectories(self) -> Iterator[tuple[bytes | None, bytes]]:
        """Yield plan and trajectory of all rows as JSON texts, in the order they were stored.

        Raises
        ------
        InputError
            At the first payload that is not as it was stored.
        """
        with self._errors():
            self._require_whole(heavy=True)
            selected = PAYLOAD.replace("output", "NULL")
            for key, *payload in self._tuples(
                f"SELECT key, {selected} FROM runs LEFT JOIN payloads USING (key) ORDER BY id"
            ):
                yield records.plan_and_trajectory(self._where, key, payload)
            self._require_steady()

    def _require_steady(self) -> None:
        if self._reading is not None and self._reading.stale:
            raise StoreError(f"{self.path}: written while it was read; start again")

    def _require_whole(self, *, heavy: bool) -> None:
        if self._reading is not None and heavy:
            self._reading.require_whole("runs", "payloads")

    def _sound(
        self, sql: str, values: Sequence[object] = (), *, wholly: bool = False
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield columns of rows that are as they were stored, and of the types that they should be.

        What is selected beside a row follows.
        """
        for batch in self._batches(sql, values):
            columns = list(zip(*batch, strict=True))
            if not records.all_sound(columns, wholly=wholly):
                for found in batch:
                    self._require_sound(found[: len(COLUMNS) + 1], wholly=wholly)
            yield columns

    def _require_sound(self, values: tuple[Any, ...], *, wholly: bool = False) -> tuple[Any, ...]:
        """Return a row that is as it was stored, and of the types that it should be."""
        if not records.checked(self._where, values, wholly=wholly):
            check_table(self._connection, "main", str(self.path.parent))  # says what is wrong
            allowed = "what rows hold"
            raise InputError(f"{self._where}runs: {values[0]!s:.12}", "other", allowed, "redo it")
        return values

    def copy_into(self, target: sqlite3.Connection) -> None:
        """Copy the whole store into an empty database, as it stands at one moment."""
        with self._lock, self._errors():
            self._connection.backup(target)

    def forget(self, keys: Sequence[str]) -> None:
        """Delete rows, so that their runs are done again."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM runs WHERE key = ?", [(key,) for key in keys])

    def keys(self) -> dict[str, str]:
        """Return the keys of the rows stored, each with its termination."""
        found = self._query("SELECT key, termination FROM runs")
        return {record["key"]: record["termination"] for record in found}

    def count(self) -> int:
        """Return how many rows are stored."""
        return int(self._query("SELECT COUNT(*) AS n FROM runs")[0]["n"])

    def rows(
        self,
        *,
        heavy: bool = True,
        output: bool = True,
        plans: bool = True,
        instance_hash: str | None = None,
        key: str | None = None,
    ) -> list[Row]:
        """Return the rows in the order they were stored.

        Parameters
        ----------
        heavy
            Whether trajectories, plans and outputs are read too.
        output, plans
            Of these, whether what runs printed is read, and whether plans are kept.
        instance_hash, key
            Only the rows of this instance; only the row of this run.

        Raises
        ------
        InputError
            At the first row that is not as it was stored.
        """
        return self._steadily(lambda: list(self._decoded(heavy, output, plans, instance_hash, key)))

    def _decoded(
        self, heavy: bool, output: bool, plans: bool, instance_hash: str | None, key: str | None
    ) -> Iterator[Row]:
        self._require_whole(heavy=heavy)
        payload = PAYLOAD if output else PAYLOAD.replace("output", "NULL")
        selected = f"{RUN}, {payload}" if heavy else RUN
        join = "LEFT JOIN payloads USING (key) " if heavy else ""
        given = {"instance_hash": instance_hash, "key": key}
        chosen = {name: value for name, value in given.items() if value is not None}
        where = " AND ".join(f"runs.{name} = ?" for name in chosen) or "1"
        sql = f"SELECT {selected} FROM runs {join}WHERE {where} ORDER BY id"
        width = len(COLUMNS) + 1
        for columns in self._sound(sql, tuple(chosen.values())):
            parts = None
            if heavy:
                payloads = zip(columns[0], zip(*columns[width:], strict=True), strict=True)
                parts = [
                    records.unpack(self._where, key, payload, output=output, plan=plans)
                    for key, payload in payloads
                ]
            yield from records.decoded(self._where, columns, parts)

    def plans(self, keys: Sequence[str]) -> dict[str, bytes | None]:
        """Return the plans of these rows as JSON texts, by key; None for one without.

        Raises
        ------
        InputError
            At the first payload that is not as it was stored.
        """
        marks = ", ".join("?" * len(keys))
        selected = PAYLOAD.replace("output", "NULL")
        chosen = f"SELECT key, {selected} FROM payloads WHERE key IN ({marks})"

        def read() -> dict[str, bytes | None]:
            self._require_whole(heavy=True)
            found = {key: payload for key, *payload in self._tuples(chosen, keys)}
            none = (None, None, None)
            return {
                key: records.plan_and_trajectory(self._where, key, found.get(key, none))[0]
                for key in keys
            }

        return self._steadily(read)

    def _warn_of_unchecked(self) -> None:
        if count := self.unchecked():
            warnings.warn(
                f"{self.path.parent}: {count} rows without a checksum, as before version 4 of the "
                "store: a change in them cannot be seen",
                UncheckedRowsWarning,
                stacklevel=3,
            )

    def unchecked(self) -> int:
        """Return how many rows have no checksum: of earlier versions, as a rule."""
        return int(self._query("SELECT count(*) AS n FROM runs WHERE checksum IS NULL")[0]["n"])

    def discard_damaged(self) -> int:
        """Delete the rows that are not as they were stored; return how many."""
        width = len(COLUMNS) + 1
        with self._transaction() as connection:
            numbers = []
            for number, *found in self._tuples(
                f"SELECT id, {RUN}, {PAYLOAD} FROM runs LEFT JOIN payloads USING (key)"
            ):
                try:
                    values = self._require_sound(tuple(found[:width]), wholly=True)
                    records.decode("", values)
                    records.unpack("", found[0], found[width:])
                except InputError:
                    numbers.append((number,))
            connection.executemany("DELETE FROM runs WHERE id = ?", numbers)
        return len(numbers)

    def other_code(self, runs: Sequence[PlannedRun]) -> dict[str, str]:
        """Return the keys of rows of these runs with other code of their method, and the method.

        Those of ours have no code of their own, and none.
        """
        wanted = {run.versionless_key: run for run in runs if run.source or run.version}
        names = sorted({run.method for run in wanted.values()})
        marks = ", ".join("?" * len(names))
        found = {}
        rows = self._query(f"SELECT {RUN} FROM runs WHERE method IN ({marks})", names)
        for values in map(tuple, rows):
            row = records.decode(self._where, self._require_sound(values))
            run = wanted.get(row.versionless_key)
            if run is not None and row.key != run.key:
                found[row.key] = row.method
        return found
