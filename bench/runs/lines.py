"""How far long work is, as lines on stderr: for logs, where a terminal's bar would be no use."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from splitopt.instances.core.printable import printable

_LOOK_EVERY_S = 1.0
_FIRST_S = 10.0
_LONGEST_S = 60.0


@dataclass
class State:
    """What the work says of itself: the share that is done, where it is known, and a text."""

    text: str
    share: float | None = None


def is_due(waited_s: float, more: float | None) -> bool:
    """Return whether it is time for a line.

    That is ten seconds after the last, if a tenth of the work was done meanwhile, and after a
    minute in any case. So quick work says nothing, and a log of hours stays short.

    Parameters
    ----------
    waited_s
        Seconds since the last line, or the start.
    more
        Share of the work done since then; None where there was no line yet.
    """
    return waited_s >= _FIRST_S and (more is None or more >= 0.1 or waited_s >= _LONGEST_S)


@contextlib.contextmanager
def lines(state: State) -> Iterator[None]:
    """Tell what `state` holds from time to time, until the block ends."""
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(state, ended), daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _tell(state: State, ended: threading.Event) -> None:
    start = last = time.monotonic()
    said: float | None = None
    while not ended.wait(_LOOK_EVERY_S):
        now = time.monotonic()
        more = None if said is None else (state.share or 0.0) - said
        if is_due(now - last, more):
            sys.stderr.write(printable(f"splitopt: {now - start:.0f} s: {state.text}") + "\n")
            sys.stderr.flush()
            last, said = now, state.share or 0.0
