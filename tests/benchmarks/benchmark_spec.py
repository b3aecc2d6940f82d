"""What a benchmark is: a frozen input, and phases of work on it that are timed apart."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Phase:
    """One thing that is timed.

    Attributes
    ----------
    prepare
        Makes the arguments of a round; its time does not count.
    run
        What is timed.
    answer
        The figure that stands for what `run` gave: it is frozen too, since a benchmark that
        computes something else is another one. None where there is nothing to compare.
    rounds
        Rounds measured; the smoke run does one.
    optimal
        Whether the answer is an optimum. One of a method that promises none may become better,
        never worse.
    smoke
        Whether it is part of the smoke run, where its spec is.
    """

    name: str
    prepare: Callable[[], tuple[Any, ...]]
    run: Callable[..., Any]
    answer: Callable[[Any], float] | None = None
    rounds: int = 5
    optimal: bool = True
    smoke: bool = True


@dataclass(frozen=True)
class Spec:
    """A frozen input with its phases.

    Attributes
    ----------
    suite
        ``models``, ``methods``, ``data``, ``kernels``, ``learner`` or ``start-up``.
    group
        What it is compared with: specs of one group do the same work in different ways.
    small
        Whether continuous integration runs it, once, to see that it works.
    fingerprint
        Text that names its input: a hash of an instance, a hash of arrays.
    needs
        Modules without which it is skipped.
    """

    name: str
    suite: str
    group: str
    small: bool
    phases: tuple[Phase, ...]
    fingerprint: Callable[[], str]
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Modules that it needs and that are not here."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]
