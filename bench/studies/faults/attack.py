"""What an attack is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class NotTriedError(Exception):
    """The attack needs what this machine does not have; the text says what."""


@dataclass(frozen=True)
class Attack:
    """Something that goes wrong, and what must hold then.

    Attributes
    ----------
    kind : str
        Which kind of trouble: "machine", "queue", "store", "method", ...
    name : str
        What goes wrong, in a few words.
    holds : str
        What must hold then, in a few words.
    attempt : callable
        Does it in an empty folder of its own; returns what was counted ("40 of 40 runs once"),
        raises `AssertionError` where it does not hold and `NotTriedError` where it cannot be tried.
    """

    kind: str
    name: str
    holds: str
    attempt: Callable[[Path], str]
