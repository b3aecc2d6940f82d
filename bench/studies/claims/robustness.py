"""The article's claims over the grid of what it leaves open: how often each holds, and why not.

At every point of the grid the sweep is computed at `GRID_MBPS` and each part of each claim judged.
For a claim and for a part the share of points that hold is then split by the levels of each
assumption; the assumption between whose levels that share differs most is named where the
difference reaches `MATTERS`, and *decides* from `DECIDES` on.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from splitopt.bench.studies.claims.assumptions import AXES, GRID_MBPS, Assumptions
from splitopt.bench.studies.claims.criteria import Sweep, judge
from splitopt.bench.studies.claims.methods import FREE_OPTIMUM, Menu, Outcome, menu_of, run
from splitopt.bench.studies.claims.scenes import Points, scene_of
from splitopt.bench.studies.claims.statements import CLAIMS, OURS, SOURCE_METHODS, Claim
from splitopt.bench.studies.claims.thresholds import DECIDES, MATTERS, ROBUST
from splitopt.bench.studies.claims.verdicts import Finding, Verdict, combine
from splitopt.heuristics.baselines.mepra.exits import exit_options

Floats = npt.NDArray[np.float64]
_CODES = (Verdict.HOLDS, Verdict.IN_PART, Verdict.FAILS, Verdict.UNTESTED)
# Axes that are prices, so that one menu serves all their levels.
_PRICES = ("edge_capacity_flop_per_s", "energy_weight")


def swept_claims() -> tuple[Claim, ...]:
    """Return the claims that are judged on sweeps."""
    return tuple(claim for claim in CLAIMS if claim.source == "001")


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim with the findings of its parts."""

    claim: Claim
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict that follows from the parts."""
        return combine([finding.verdict for finding in self.findings])


def judge_claims(sweeps: dict[str, Sweep]) -> list[Judged]:
    """Return every claim of the article judged on a sweep of each table."""
    return [
        Judged(
            claim,
            tuple(judge(part.criterion, sweeps[str(part.table)]) for part in claim.parts),
        )
        for claim in swept_claims()
    ]


@dataclass(frozen=True, eq=False, slots=True)
class Grid:
    """Verdicts at every point of a grid.

    Attributes
    ----------
    points
        N points.
    claims, parts
        Codes of verdicts (position in holds, in part, does not hold), shape (N, claims) and
        (N, parts of all claims in turn).
    interior
        Share of the ideal ACO-DRL's splits inside the network, over both tables and all
        bandwidths, shape (N,).
    free_gain
        Median over bandwidths of 1 - cost with exits free / ideal ACO-DRL's cost, shape (N,).
    """

    full: bool
    points: tuple[Assumptions, ...]
    claims: npt.NDArray[np.int8]
    parts: npt.NDArray[np.int8]
    interior: Floats
    free_gain: Floats

    def shares(self, codes: npt.NDArray[np.int8]) -> dict[str, float]:
        """Return the share of points by verdict."""
        return {str(v): float((codes == k).mean()) for k, v in enumerate(_CODES[:3])}

    def by_level(self, codes: npt.NDArray[np.int8]) -> dict[str, dict[str, float]]:
        """Return the share of points that hold, by axis and level."""
        found: dict[str, dict[str, float]] = {}
        for axis in AXES:
            values = [getattr(point, axis.name) for point in self.points]
            found[axis.name] = {
                str(level): float((codes[[v == level for v in values]] == 0).mean())
                for level in axis.levels
                if level in values
            }
        return found

    def deciding(self, codes: npt.NDArray[np.int8]) -> tuple[str | None, float, str]:
        """Return the axis that moves the share most, by how much, and decides or matters."""
        moved = {
            name: max(levels.values()) - min(levels.values())
            for name, levels in self.by_level(codes).items()
        }
        name = max(moved, key=lambda axis: moved[axis])
        if moved[name] < MATTERS:
            return None, moved[name], "none"
        return name, moved[name], "decides" if moved[name] >= DECIDES else "matters"

    def robust(self, codes: npt.NDArray[np.int8]) -> str | None:
        """Return the verdict that `ROBUST` of the points share, None where there is none."""
        for verdict, part in self.shares(codes).items():
            if part >= ROBUST:
                return verdict
        return None

    def to_document(self) -> dict[str, Any]:
        """Return what is said of the grid as plain data."""
        claims = []
        column = 0
        for k, claim in enumerate(swept_claims()):
            parts = []
            for part in claim.parts:
                codes = self.parts[:, column]
                parts.append({"table": part.table, "text": part.text, **self._said(codes)})
                column += 1
            claims.append({"number": claim.number, **self._said(self.claims[:, k]), "parts": parts})
        return {
            "kind": "full" if self.full else "quick",
            "points": len(self.points),
            "bandwidths_mbit_per_s": list(GRID_MBPS),
            "interior_split_share": _spread(self.interior),
            "points_with_interior_splits": float((self.interior > 0).mean()),
            "free_exits_gain": _spread(self.free_gain),
            "claims": claims,
        }

    def _said(self, codes: npt.NDArray[np.int8]) -> dict[str, Any]:
        axis, moved, word = self.deciding(codes)
        return {
            "shares": self.shares(codes),
            "robust": self.robust(codes),
            "assumption": axis,
            "assumption_moves": moved,
            "assumption_word": word,
            "holds_by_level": self.by_level(codes),
        }


def _spread(values: Floats) -> dict[str, float]:
    return {
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "least": float(values.min()),
        "most": float(values.max()),
    }


def judge_grid(
    *, full: bool, seed: int, on_block: Callable[[int, int], None] | None = None
) -> Grid:
    """Judge the claims at every point of a grid.

    Parameters
    ----------
    full
        Every level of every axis, or the quick ones.
    seed
        Of FP-AR's allocations.
    on_block
        Told how many of how many blocks are done.
    """
    levels = _levels(full=full)
    outer = _outer()
    blocks = list(itertools.product(*(levels[name] for name in outer)))
    points: list[Assumptions] = []
    rows: list[tuple[list[int], list[int], float, float]] = []
    for done, block in enumerate(blocks):
        if on_block is not None:
            on_block(done, len(blocks))
        base = Assumptions(**dict(zip(outer, block, strict=True)))  # type: ignore[arg-type]
        scenes = {table: scene_of(table, base) for table in ("image", "video")}
        options = {table: exit_options(scene.devices) for table, scene in scenes.items()}
        for exits in levels["exits"]:
            menus = {t: menu_of(scene, options[t], str(exits)) for t, scene in scenes.items()}
            for point, row in _judge_prices(menus, levels, seed):
                points.append(dataclasses.replace(base, exits=str(exits), **point))
                rows.append(row)
    return Grid(
        full,
        tuple(points),
        np.array([row[0] for row in rows], dtype=np.int8),
        np.array([row[1] for row in rows], dtype=np.int8),
        np.array([row[2] for row in rows]),
        np.array([row[3] for row in rows]),
    )


def blocks_of(*, full: bool) -> int:
    """Return in how many blocks a grid is computed."""
    levels = _levels(full=full)
    return math.prod(len(levels[name]) for name in _outer())


def _levels(*, full: bool) -> dict[str, tuple[float | str, ...]]:
    return {axis.name: axis.levels if full else axis.levels[: axis.quick] for axis in AXES}


def _outer() -> list[str]:
    """Return the axes that change the network: each combination is a block."""
    return [axis.name for axis in AXES if axis.name not in (*_PRICES, "exits")]


def _judge_prices(
    menus: dict[str, Menu], levels: Mapping[str, Sequence[Any]], seed: int
) -> Iterator[tuple[dict[str, Any], tuple[list[int], list[int], float, float]]]:
    """Yield the prices of each point and what is found there, for one menu a table."""
    capacities, weights = (levels[name] for name in _PRICES)
    prices = Points.product(capacities, weights, GRID_MBPS)
    outcomes = {table: run(menu, prices, seed, free_optimum=True) for table, menu in menus.items()}
    bandwidths = np.array(GRID_MBPS)
    for k, (capacity, weight) in enumerate(itertools.product(capacities, weights)):
        here = slice(k * len(bandwidths), (k + 1) * len(bandwidths))
        sweeps = {t: _sweep(outcome, here, bandwidths) for t, outcome in outcomes.items()}
        judged = judge_claims(sweeps)
        gains = [
            1.0 - o.figures[FREE_OPTIMUM]["cost"][here] / o.figures[OURS]["cost"][here]
            for o in outcomes.values()
        ]
        yield (
            dict(zip(_PRICES, (capacity, weight), strict=True)),
            (
                [_CODES.index(j.verdict) for j in judged],
                [_CODES.index(f.verdict) for j in judged for f in j.findings],
                float(np.mean([o.interior[here].mean() for o in outcomes.values()])),
                float(np.median(np.concatenate(gains))),
            ),
        )


def _sweep(outcome: Outcome, here: slice, bandwidths: Floats) -> Sweep:
    return Sweep(
        bandwidths,
        {
            method: {m: values[here] for m, values in outcome.figures[method].items()}
            for method in SOURCE_METHODS
        },
    )
