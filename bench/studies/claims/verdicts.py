"""How a verdict follows from figures.

A claim has parts. A part is a test over points (bandwidths of a sweep, instances, runs) that gives
a verdict and the figures it rests on. A claim *holds* where every part holds, *does not hold* where
none does even in part, and *holds in part* otherwise; parts that could not be tested are left out
and named.

Two rules turn points into a part's verdict:

share
    A statement is true at a share of the points: it holds at `CONSISTENT` and more, in part at
    `PARTLY` and more.
beats
    Wins are points where the figure is lower by more than `VISIBLE`, losses where it is higher by
    more. It holds with wins at `PARTLY` of the points and losses at no more than 1 - `CONSISTENT`:
    curves may coincide, but not all along. It holds in part where wins are more than losses and
    more than 1 - `CONSISTENT`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from splitopt.bench.studies.claims.thresholds import CONSISTENT, PARTLY, SLIGHT, VISIBLE

Floats = npt.NDArray[np.float64]


class Verdict(StrEnum):
    """What is said of a claim or a part of one."""

    HOLDS = "holds"
    IN_PART = "holds in part"
    FAILS = "does not hold"
    UNTESTED = "not tested"


@dataclass(frozen=True, slots=True)
class Finding:
    """A part's verdict with its figures; `note` says why one was not tested."""

    verdict: Verdict
    figures: Mapping[str, float | None] = field(default_factory=dict)
    note: str = ""

    def to_document(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"verdict": str(self.verdict), "figures": dict(self.figures), "note": self.note}


def share(true: npt.ArrayLike, **figures: float | None) -> Finding:
    """Judge a statement by the share of points at which it is true."""
    found = np.asarray(true, dtype=bool)
    if found.size == 0:
        return Finding(Verdict.UNTESTED, dict(figures), "no points")
    part = float(found.mean())
    if part >= CONSISTENT:
        verdict = Verdict.HOLDS
    elif part >= PARTLY:
        verdict = Verdict.IN_PART
    else:
        verdict = Verdict.FAILS
    return Finding(verdict, {"share": part, **figures})


def beats(mine: Floats, others: Floats) -> Finding:
    """Judge whether `mine` is lower than `others`, point by point; figures at least 0."""
    if mine.size == 0:
        return Finding(Verdict.UNTESTED, {}, "no points")
    wins = float((mine < others * (1.0 - VISIBLE)).mean())
    losses = float((mine > others * (1.0 + VISIBLE)).mean())
    rare = 1.0 - CONSISTENT + 1e-12
    if wins >= PARTLY and losses <= rare:
        verdict = Verdict.HOLDS
    elif wins > losses and wins > rare:
        verdict = Verdict.IN_PART
    else:
        verdict = Verdict.FAILS
    return Finding(verdict, {"wins": wins, "losses": losses, **_advantage(mine, others)})


def slightly(mine: Floats, others: Floats) -> Finding:
    """Judge whether `mine` beats `others`, and by no more than `SLIGHT`: if by more, in part."""
    found = beats(mine, others)
    median = found.figures.get("median_advantage")
    if found.verdict is Verdict.HOLDS and median is not None and median > SLIGHT:
        return Finding(Verdict.IN_PART, found.figures, "better, but not slightly")
    return found


def _advantage(mine: Floats, others: Floats) -> dict[str, float | None]:
    """Return the median and extremes of 1 - mine / others where both are known."""
    known = np.isfinite(mine) & np.isfinite(others) & (others > 0)
    if not bool(known.any()):
        return {"median_advantage": None, "least_advantage": None, "most_advantage": None}
    gain = 1.0 - mine[known] / others[known]
    return {
        "median_advantage": float(np.median(gain)),
        "least_advantage": float(gain.min()),
        "most_advantage": float(gain.max()),
    }


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of a claim from those of its parts."""
    tested = [verdict for verdict in verdicts if verdict is not Verdict.UNTESTED]
    if not tested:
        return Verdict.UNTESTED
    if all(verdict is Verdict.HOLDS for verdict in tested):
        return Verdict.HOLDS
    if all(verdict is Verdict.FAILS for verdict in tested):
        return Verdict.FAILS
    return Verdict.IN_PART
