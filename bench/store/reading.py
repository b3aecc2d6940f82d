"""Open a store to read it, and write nothing: no table, no log, no file beside it.

SQLite's own read-only mode makes two files beside a store that nobody has open, and refuses one in
a folder that cannot be written. So where there is no log the file is read as it is; where there is
one, a runner is at work or was killed, and SQLite's memory of the log, the file ``-shm``, is
used as it stands. Without that, and for a store of an older version, a private copy is made.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from splitopt.bench.store import schema
from splitopt.bench.store.temporary import IN_MEMORY, sweep, temporary
from splitopt.instances.core.errors import InputError

_NAME = "runs.sqlite"
# A row takes some hundred steps of SQLite's machine and a thousand bytes; a store takes no more
# than a few readings of the whole.
_STEP = 1_000_000
_STEPS = 300
_BYTES_A_STEP = 100_000
_SMALL = ("claims", "environments", "instances", "best_known", "calls", "planned")
_ROWS = {"instances": "hash", "best_known": "instance_hash", "calls": "id", "environments": "hash"}
_BLOBS: Mapping[str, Sequence[str]] = defaultdict(
    lambda: ("checksum",),
    payloads=("document", "output", "checksum"),
    instances=("document", "checksum"),
)
_LARGEST_VALUE = 300 << 20
_DAMAGE = (
    *("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_IOERR_SHORT_READ"),
    # In a statement that is right: a column is missing, a text is none, it runs on and on.
    *("SQLITE_ERROR", "SQLITE_INTERRUPT", "SQLITE_TOOBIG", "SQLITE_MISMATCH"),
)
# What reading a damaged file raises; the second where a name in it is no text, in SQLite's message.
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)


def require_store(connection: sqlite3.Connection, path: Path, *, empty: bool = False) -> int:
    """Return the version of a store; refuse a file that is none.

    Parameters
    ----------
    empty
        Whether one without any table will do, to become one.

    Raises
    ------
    InputError
        When it is no SQLite file, or somebody else's, or of a newer version.
    """
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        kinds = dict(connection.execute("SELECT name, type FROM sqlite_master").fetchall())
    except sqlite3.OperationalError:
        raise  # it cannot be opened, and may be one
    except sqlite3.DatabaseError as error:
        raise _no_store(path, str(error)) from None
    if empty and version == 0 and not kinds:
        return 0
    if version < 1 or not {"runs", "payloads", "claims"} <= set(kinds):
        raise _no_store(path, "another SQLite file" if kinds else "an empty file")
    if (code := schema.foreign(connection)) is not None:
        raise _no_store(path, f"another SQLite file, with {code}")
    if version > schema.VERSION:
        newest = f"1 to {schema.VERSION}"
        raise InputError("store", f"schema version {version}", newest, "update splitopt")
    return version


def bound(connection: sqlite3.Connection, path: Path) -> None:
    """Hold what a store costs to read to its size, whatever stands in it."""
    # Views and triggers in it are somebody else's code.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
    left = _STEPS + path.stat().st_size // _BYTES_A_STEP

    def spent() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    connection.set_progress_handler(spent, _STEP)


def damaged(path: Path, found: str) -> InputError:
    """Return the error that a store is damaged."""
    allowed = "a store that is whole"
    return InputError(str(path), found, allowed, "restore a backup, or copy it again")


def damage(error: Exception) -> bool:
    """Return whether an error in reading says that the file is not what was written."""
    if isinstance(error, UnicodeDecodeError):
        return True
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    name = str(getattr(error, "sqlite_errorname", None) or "SQLITE_ERROR")
    return name.startswith(_DAMAGE)


def undecodable(connection: sqlite3.Connection) -> str | None:
    """Return table, row and column of the first text that is none, None without one."""
    connection.text_factory = bytes
    try:
        for table, row in (("runs", "key"), ("payloads", "key"), *_ROWS.items()):
            cursor = connection.execute(f"SELECT {row}, * FROM {table}")
            cursor.row_factory = None
            names = [column[0] for column in cursor.description]
            for key, *values in cursor:
                for name, value in zip(names[1:], values, strict=True):
                    if isinstance(value, bytes) and name not in _BLOBS[table]:
                        try:
                            value.decode()
                        except UnicodeDecodeError:
                            shown = key.decode("utf-8", "replace") if type(key) is bytes else key
                            return f"{table}: {str(shown)[:12]}: {name}"
    except sqlite3.Error:
        return None
    finally:
        connection.text_factory = str
    return None


def _no_store(path: Path, found: str) -> InputError:
    return InputError(str(path), found, "a store that `splitopt run` wrote", "check the path")


class Reading:
    """A connection for reading, with what it needs beside it until it is closed.

    Attributes
    ----------
    path
        The file that is open: the store's, or a copy.
    """

    def __init__(self, path: Path) -> None:
        self._origin = path
        self._copy = contextlib.ExitStack()
        self._stamp: tuple[int, ...] | None = None
        self._whole: set[str] = set()
        self.path = path
        self.uri = ""
        try:
            self.connection = self._open()
        except (InputError, *UNREADABLE, OSError):
            self._copy.close()
            if not self.stale:  # else a runner has written meanwhile
                raise
            self.connection = self._open()
        self.connection.row_factory = sqlite3.Row

    def close(self) -> None:
        """Close it and remove the copy."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        self._copy.close()

    @property
    def stale(self) -> bool:
        """Whether a runner has written since into a file that nobody had open."""
        return self._stamp is not None and self._stamp != _stamp(self._origin)

    def _open(self) -> sqlite3.Connection:
        wal, shm = (self._origin.with_name(_NAME + suffix) for suffix in ("-wal", "-shm"))
        logged = wal.is_file() and wal.stat().st_size > 0
        if not logged:
            self._stamp = _stamp(self._origin)
            connection = self._connect("mode=ro&immutable=1")
        elif shm.is_file():
            connection = self._connect("mode=ro")
            try:
                connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                connection.close()
                connection = self._copied(wal)
        else:
            connection = self._copied(wal)
        try:
            if require_store(connection, self._origin) < schema.VERSION:
                connection = self._brought_up_to_date(connection)
            self.connection = connection
            self.require_whole("runs", *_SMALL)
        except BaseException:
            connection.close()
            raise
        connection.execute("PRAGMA query_only = ON")
        return connection

    def require_whole(self, *tables: str) -> None:
        """Raise unless the pages of these tables and of their indices are in order.

        What was looked at before, in a file that has not changed since, is not looked at again.

        Raises
        ------
        InputError
            When they are damaged: rows may be missing then that nobody misses.
        """
        whole = self._whole if self._stamp is None else _known_whole(self._origin, self._stamp)
        for table in tables:
            if table not in whole:
                (said,) = self.connection.execute(f"PRAGMA integrity_check({table})").fetchone()
                if said != "ok":
                    raise damaged(self._origin, " ".join(str(said).split()))
                whole.add(table)

    def _connect(self, how: str) -> sqlite3.Connection:
        self.uri = f"{self.path.absolute().as_uri()}?{how}"
        connection = sqlite3.connect(
            self.uri, uri=True, timeout=60.0, isolation_level=None, check_same_thread=False
        )
        bound(connection, self._origin)
        return connection

    def _private(self, fill: Callable[[Path], None]) -> None:
        """Make a copy in the temporary folder, or in memory where that is full."""
        self._stamp = None
        sweep()  # the copies of readers that were killed
        places = (None, *((IN_MEMORY,) if os.access(IN_MEMORY, os.W_OK) else ()))
        for above in places:
            try:
                self.path = Path(self._copy.enter_context(temporary("store", above))) / _NAME
                fill(self.path)
            except (OSError, sqlite3.OperationalError):
                self._copy.close()
                if above == places[-1]:
                    raise
            else:
                return

    def _copied(self, wal: Path) -> sqlite3.Connection:
        """Return a connection to a copy of a store whose log has to be played again."""

        def fill(path: Path) -> None:
            shutil.copyfile(self._origin, path)
            with contextlib.suppress(FileNotFoundError):  # its runner has ended meanwhile
                shutil.copyfile(wal, path.with_name(wal.name))
            # Its log is played now, so that a full disk shows here.
            with contextlib.closing(sqlite3.connect(path)) as connection:
                bound(connection, path)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

        self._private(fill)
        return self._connect("mode=rw")

    def _brought_up_to_date(self, old: sqlite3.Connection) -> sqlite3.Connection:
        """Return a connection to a copy of an older store that is migrated."""

        def fill(path: Path) -> None:
            with contextlib.closing(sqlite3.connect(path)) as target:
                old.backup(target)

        if self.path == self._origin:
            self._private(fill)
        old.close()
        connection = self._connect("mode=rw")
        schema.prepare(connection)
        return connection


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_dev, found.st_ino


@functools.lru_cache(maxsize=256)
def _known_whole(path: Path, stamp: tuple[int, ...]) -> set[str]:
    """Return the tables that were found in order in this state of a file; they are added here."""
    return set()
