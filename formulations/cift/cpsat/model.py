"""The CP-SAT model of CIFT: its literals by what they mean, and its scales (see `method`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

Literal = Any


@dataclass
class IntegerModel:
    """The CP-SAT model with its variables, by (offer, block, node, level) and the like.

    What is left out of it costs `cutoff` or more, J. Of a graph `hop` is by tensor in place of
    blocks done; `take` and `done` are its own.
    """

    cp: Any
    cutoff: float = math.inf
    chosen: list[Literal] = field(default_factory=list)
    serve: dict[tuple[int, int, int, float], Literal] = field(default_factory=dict)
    tune: dict[tuple[int, int, int, float], Literal] = field(default_factory=dict)
    hop: dict[tuple[int, int, int, int], Literal] = field(default_factory=dict)
    take: dict[tuple[int, int, int], Literal] = field(default_factory=dict)
    done: dict[tuple[int, int, int, int], Literal] = field(default_factory=dict)
    energy: list[tuple[Literal, int]] = field(default_factory=list)
    latency: list[tuple[Literal, int]] = field(default_factory=list)
    time: list[tuple[Literal, int]] = field(default_factory=list)

    @property
    def blur(self) -> float:
        """What a bound of CP-SAT may be off: the last place of a double as large as all terms.

        CP-SAT moves what all solutions share into an offset, which may be as large as they.
        """
        most = sum(cost for _, cost in self.energy)
        return most * 2.0**-51 if most > 2**52 else 0.0


@dataclass(frozen=True, slots=True)
class Deadline:
    """Q, the limit in seconds rounded up, and the limit scaled."""

    scale: float
    seconds: float
    limit: int


@dataclass(frozen=True, slots=True)
class Scales:
    """K, and the scale of each deadline (None without one)."""

    energy: float
    dearest_j: float
    latency: Deadline | None
    time: Deadline | None


def weighted(terms: list[tuple[Literal, int]]) -> Any:
    """Return the weighted sum of literals."""
    from ortools.sat.python import cp_model

    return cp_model.LinearExpr.weighted_sum([t[0] for t in terms], [t[1] for t in terms])
