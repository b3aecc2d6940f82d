"""A copy of a store that is whole, whoever writes into it meanwhile."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

from splitopt.bench.store.reading import UNREADABLE, require_store
from splitopt.bench.store.store import Store
from splitopt.instances.core.errors import InputError


def backup(directory: Path, file: Path) -> int:
    """Copy the store in a folder to a file, replaced in one step; return its number of rows.

    The copy is one file, without a log beside it and without claims of runs in progress. A store
    of an older version is brought up to date in it.

    Raises
    ------
    InputError
        When there is no store, or `file` is it, or a folder, or something that is no store.
    """
    with Store(directory, readonly=True) as store:
        _check(store.path, file)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        os.close(handle)
        try:
            with contextlib.closing(sqlite3.connect(name, isolation_level=None)) as copy:
                store.copy_into(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
                copy.execute("DELETE FROM claims")
                (rows,) = copy.execute("SELECT COUNT(*) FROM runs").fetchone()
            with Path(name).open("rb") as stream:
                os.fsync(stream.fileno())
            Path(name).chmod(store.path.stat().st_mode & 0o666)
            Path(name).replace(file)
        except BaseException:
            for suffix in ("", "-journal", "-wal", "-shm"):
                Path(name + suffix).unlink(missing_ok=True)
            raise
    return int(rows)


def _check(store: Path, file: Path) -> None:
    """Raise unless `file` is new, or an earlier backup."""
    if file.is_dir():
        raise InputError("FILE", str(file), "a file, such as saved/runs.sqlite", "add a name")
    if not file.exists():
        return
    if file.samefile(store):
        raise InputError("FILE", str(file), "a file other than the store", "name another")
    try:
        uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            require_store(connection, file)
    except (InputError, *UNREADABLE):
        raise InputError(
            "FILE", str(file), "a new file or an earlier backup", "name another"
        ) from None
