"""What a worker of a local cluster does before anything else; Dask imports it there."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

__all__ = ["SAFE_PATH", "dask_setup"]

# What we set PYTHONSAFEPATH to: any text does, and this one tells ours from a user's.
SAFE_PATH = "splitopt"


def dask_setup(_worker: Any) -> None:
    """Leave Ctrl-C in the terminal to the runner, which ends its workers in order."""
    if os.environ.get("PYTHONSAFEPATH") == SAFE_PATH:
        del os.environ["PYTHONSAFEPATH"]  # it is not for what a method starts
    with contextlib.suppress(ValueError):  # where this is not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
