"""What a worker of a local cluster does before anything else; Dask imports it there."""

from __future__ import annotations

import contextlib
import signal
from typing import Any

__all__ = ["dask_setup"]


def dask_setup(_worker: Any) -> None:
    """Leave Ctrl-C in the terminal to the runner, which ends its workers in order."""
    with contextlib.suppress(ValueError):  # where this is not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
