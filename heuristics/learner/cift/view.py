"""A state of the process as the policy sees it: totals without units."""

from __future__ import annotations

import numpy as np

from splitopt.heuristics.learner.cift.bounds import TIME_ONLY
from splitopt.heuristics.learner.cift.features import Scaled
from splitopt.heuristics.learner.cift.process import CiftProcess, State


def view(process: CiftProcess, state: State, *, priced: bool = True) -> Scaled:
    """Return the actions of a state without units.

    Parameters
    ----------
    priced
        Whether completions at all prices are seen, or only the cheapest and the fastest ones.
    """
    moves = process.moves(state)
    totals, weights = moves.totals, moves.weights
    if not priced:
        seen = [0, *range(-TIME_ONLY, 0)]
        totals, weights = totals[:, :, seen], weights[:, :, seen]
    latency, time = process.shares(totals[1:])
    scale = process.finite_deadlines_s / process.reference_j
    g = state.configuration
    progress = 0.0
    if g >= 0:
        work = process.chains.work_flop[g]
        progress = float(work[state.done] / max(work[-1], 1e-300))
    return Scaled(
        totals[0] / process.reference_j,
        latency,
        time,
        weights[1] * scale[0],
        weights[2] * scale[1],
        moves.possible,
        moves.allowed,
        np.array(int(state.kind)),
        np.array(progress),
        (process.inverse_deadlines > 0).astype(np.float64),
    )
