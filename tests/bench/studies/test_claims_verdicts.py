"""Verdicts from figures made by hand: what holds, holds in part, does not hold, is not tested."""

from __future__ import annotations

import numpy as np
import pytest

from splitopt.bench.studies.claims import verdicts
from splitopt.bench.studies.claims.assumptions import (
    AXES,
    GRID_MBPS,
    Assumptions,
    grid,
    one_at_a_time,
)
from splitopt.bench.studies.claims.criteria import Criterion, Sweep, judge
from splitopt.bench.studies.claims.statements import (
    ACO,
    CLAIMS,
    DEVICE,
    EDGE,
    FIXED,
    OURS,
    SOURCE_METHODS,
    SPINN,
)
from splitopt.bench.studies.claims.thresholds import THRESHOLDS
from splitopt.bench.studies.claims.verdicts import Verdict, combine

HOLDS, IN_PART, FAILS, UNTESTED = Verdict
B = np.arange(1.0, 61.0)


def made(**changes: object) -> Sweep:
    """Return a sweep in which every method's every figure is 1, but for the changes."""
    names = {
        "device": DEVICE,
        "edge": EDGE,
        "spinn": SPINN,
        "aco": ACO,
        "fixed": FIXED,
        "ours": OURS,
    }
    figures = {
        method: {m: np.ones(60) for m in ("latency_s", "energy_j", "cost")}
        for method in SOURCE_METHODS
    }
    for key, value in changes.items():
        name, _, measure = key.partition("_")
        for m in figures[names[name]] if not measure else [measure]:
            figures[names[name]][m] = value * np.ones(60)
    return Sweep(B, figures)


def of(number: int, sweep: Sweep) -> Verdict:
    """Return the verdict of a claim with the same sweep for both tables."""
    claim = next(c for c in CLAIMS if c.number == number)
    return combine([judge(part.criterion, sweep).verdict for part in claim.parts])


def test_there_are_eleven_claims_and_every_threshold_has_a_reason():
    assert [claim.number for claim in CLAIMS] == list(range(1, 12))
    assert all(len(t.reason) > 30 for t in THRESHOLDS)
    assert len({t.name for t in THRESHOLDS}) == len(THRESHOLDS) == 17


def test_share_at_its_thresholds():
    # 57 of 60 is 95 %, 56 is not; 30 of 60 is half, 29 is not.
    for count, verdict in ((57, HOLDS), (56, IN_PART), (30, IN_PART), (29, FAILS)):
        assert verdicts.share(np.arange(60) < count).verdict is verdict
    assert verdicts.share([]).verdict is UNTESTED


@pytest.mark.parametrize(
    ("better", "worse", "verdict"),
    # Of 60 points: at least 30 wins and at most 3 losses hold; more wins than losses, and more
    # than 3 of them, is in part.
    [
        (30, 0, HOLDS),
        (30, 3, HOLDS),
        (29, 0, IN_PART),
        (40, 4, IN_PART),
        (4, 0, IN_PART),
        (3, 0, FAILS),
        (20, 20, FAILS),
        (0, 60, FAILS),
    ],
)
def test_beats_counts_wins_and_losses(better, worse, verdict):
    mine = np.ones(60)
    mine[:better] = 0.99
    mine[60 - worse :] = 1.01
    assert verdicts.beats(mine, np.ones(60)).verdict is verdict


def test_half_a_percent_is_neither_win_nor_loss():
    found = verdicts.beats(np.full(60, 0.996), np.ones(60))
    assert found.figures["wins"] == 0.0
    assert found.figures["losses"] == 0.0


def test_slightly_is_no_more_than_a_tenth():
    assert verdicts.slightly(np.full(60, 0.95), np.ones(60)).verdict is HOLDS
    assert verdicts.slightly(np.full(60, 0.85), np.ones(60)).verdict is IN_PART
    assert verdicts.slightly(np.full(60, 1.05), np.ones(60)).verdict is FAILS


def test_combining_leaves_out_what_was_not_tested():
    assert combine([HOLDS, HOLDS, UNTESTED]) is HOLDS
    assert combine([FAILS, FAILS]) is FAILS
    assert combine([HOLDS, FAILS]) is IN_PART
    assert combine([IN_PART, FAILS]) is IN_PART
    assert combine([UNTESTED]) is UNTESTED


SCARCE_COST = np.where(B <= 10, 1.0, 0.5)
# For each claim: a sweep in which it holds, one in which it holds in part, one in which not.
CASES = {
    1: (made(spinn=1.05), made(spinn=1.3), made(spinn=0.9)),
    2: (
        made(ours=0.9),
        made(ours_cost=0.9),
        made(ours=1.1),
    ),
    3: (
        made(ours=0.9, fixed_energy_j=1.2),
        made(ours=0.9, fixed_energy_j=0.8),
        made(ours=1.2, fixed_energy_j=0.8),
    ),
    4: (
        made(edge_energy_j=0.5, edge_latency_s=np.where(B <= 10, 2.5, 1.0)),
        made(edge_energy_j=0.5),
        made(edge_energy_j=1.5),
    ),
    5: (
        made(ours_latency_s=0.9, ours_cost=0.9, ours_energy_j=1.04),
        made(ours_latency_s=0.9, ours_cost=0.9, ours_energy_j=0.9),
        made(ours=1.1),
    ),
    6: (
        made(ours_cost=0.9 + 0.05 / B),
        made(ours_cost=0.9, edge_cost=1.0 + 60.0 / B),
        # Four of six fall by more than a tenth, and another is lowest.
        made(
            ours_cost=3 + 60 / B,
            aco_cost=3 + 60 / B,
            edge_cost=3 + 60 / B,
            spinn_cost=3 + 60 / B,
        ),
    ),
    7: (
        made(fixed_energy_j=0.95, fixed_latency_s=1.5),
        made(fixed_energy_j=0.8, fixed_latency_s=1.5),
        made(fixed_energy_j=1.05, fixed_latency_s=1.4),
    ),
    8: (
        made(device=1.2, edge=1.2),
        made(device=1.2),
        made(device=0.9, edge=0.9),
    ),
    9: (
        made(ours=1.04),
        made(ours_latency_s=1.04, ours_cost=1.06),
        made(ours=1.06),
    ),
}


@pytest.mark.parametrize("number", CASES)
@pytest.mark.parametrize(("index", "verdict"), [(0, HOLDS), (1, IN_PART), (2, FAILS)])
def test_each_claim_holding_in_part_and_failing(number, index, verdict):
    assert of(number, CASES[number][index]) is verdict


def test_a_missing_method_leaves_its_parts_untested_and_says_so():
    sweep = made(ours=0.9)
    without = Sweep(B, {m: f for m, f in sweep.figures.items() if m != OURS})
    found = judge(Criterion("better_than_all", (OURS, ACO), "cost"), without)
    assert found.verdict is UNTESTED
    assert OURS in found.note
    assert of(2, without) is UNTESTED
    # Claim 3 keeps the part on FP-AR's energy, which needs no learner: 1 is not above the others.
    assert of(3, without) is FAILS


def test_claims_look_only_at_their_range():
    # Worse up to 10 Mbit/s does not matter to claim 5, which speaks of what is above.
    sweep = made(ours_latency_s=np.where(B <= 10, 9.0, 0.9), ours_cost=0.9)
    assert of(5, sweep) is HOLDS


def test_most_is_more_than_half_of_the_other_five():
    three = judge(
        Criterion("above_most", (FIXED,), "cost"),
        made(device_cost=0.9, edge_cost=0.9, spinn_cost=0.9),
    )
    assert three.verdict is HOLDS
    assert three.figures["methods_below"] == 3
    two = judge(Criterion("above_most", (FIXED,), "cost"), made(device_cost=0.9, edge_cost=0.9))
    assert two.verdict is FAILS


def test_grids_hold_the_default_first_and_every_combination():
    points = list(grid(full=False))
    assert points[0] == Assumptions()
    assert len(points) == len(set(points)) == 4 * 3 * 3 * 2**5
    assert len(set(grid(full=True))) == 4 * 6 * 3 * 2 * 3 * 3 * 3 * 2
    alone = list(one_at_a_time())
    assert len(alone) == 1 + sum(len(axis.levels) - 1 for axis in AXES)
    assert all(
        getattr(point, name) != getattr(Assumptions(), name) for name, point in alone if name
    )
    for axis in AXES:
        assert axis.default == getattr(Assumptions(), axis.name)
    assert {10, 30, 40} <= set(GRID_MBPS)
