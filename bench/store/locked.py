"""A store that another process has locked: it is waited for, and that is said."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from splitopt.instances.core.printable import printable

PATIENCE_S = 60.0
_SILENT_S = 2.0


def patiently(path: Path, act: Callable[[float], None]) -> None:
    """Do what waits for a lock; where that takes more than two seconds a line says for what.

    Parameters
    ----------
    act
        Is given the seconds to wait, and called once more where they were too few.

    Raises
    ------
    sqlite3.OperationalError
        When the store is locked for a minute.
    """
    try:
        act(_SILENT_S)
        return
    except sqlite3.OperationalError as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        if not name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise
    left_s = PATIENCE_S - _SILENT_S
    said = f"waiting for {path}, which another process has locked; given up in {left_s:.0f} s"
    sys.stderr.write(printable(f"splitopt: {said}") + "\n")
    sys.stderr.flush()
    act(left_s)
