"""What ends a command from outside: Ctrl-C, and what batch systems and closed terminals send."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType

# Those that this system has.
NUMBERS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_heard: list[int] = []


def hear(number: int) -> None:
    """Note that a signal came; the first one counts."""
    _heard.append(number)


def _stop(number: int, _frame: FrameType | None) -> None:
    hear(number)
    raise KeyboardInterrupt


def listen() -> None:
    """Have SIGTERM and SIGHUP end this process in order, as Ctrl-C does.

    What is ignored stays so: `nohup` asks for that.
    """
    for number in NUMBERS:
        if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_DFL:
            with contextlib.suppress(ValueError):  # where this is not the main thread
                signal.signal(number, _stop)


def interruption() -> tuple[str, int]:
    """Return how a command tells that it was interrupted, and its exit code: 128 + the signal."""
    number = _heard[0] if _heard else signal.SIGINT
    said = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    return f"splitopt: interrupted{said}", 128 + number
