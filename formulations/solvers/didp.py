"""What both problems share of didppy: whether it is there, and beams of growing width.

didppy's integers have 32 bits and wrap around without a word, so all figures here are doubles that
hold integers: sums below 2^53 are exact, and nothing that is compared has been rounded.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from splitopt.instances.contract.method import Budget, Recorder, Support

EXACT = 2.0**52  # doubles hold every integer up to it, and twice as far
_BYTES_A_STATE = 1000  # of a beam: states, their parents, the registry; about half was seen
_WIDEST = 2**26


def supported() -> Support:
    """Return whether didppy can be imported."""
    if importlib.util.find_spec("didppy") is None:
        return Support("didp needs the package didppy: pip install 'splitopt[didp]'")
    return Support()


@dataclass(slots=True)
class Beams:
    """What the search came to.

    Attributes
    ----------
    exhausted
        No solution costs less, in the units of the model; None while some may be left.
    expanded, generated, width
        States, and the width of the last beam.
    full
        Whether the widest beam that memory allows was not wide enough.
    """

    exhausted: float | None = None
    expanded: int = 0
    generated: int = 0
    width: int = 0
    full: bool = False


def widen(
    model: Any,
    budget: Budget,
    recorder: Recorder,
    take: Callable[[list[str], float], float],
    bound: Callable[[float], None],
    ceiling: float,
) -> Beams:
    """Search with beams of 1, 2, 4, ... states a layer (CABS), until one held every state.

    didppy's own loop tells nothing between two solutions; one call a width tells every bound.

    Parameters
    ----------
    take
        Is given the names of a solution's transitions and its cost; returns what others must be
        below to be wanted.
    bound
        Is given lower bounds on all solutions, in the units of the model.
    ceiling
        What solutions must be below.
    """
    import didppy

    found = Beams(width=1)
    most = _WIDEST
    if budget.memory_limit_bytes is not None:
        most = max(1, min(most, budget.memory_limit_bytes // _BYTES_A_STATE))
    while True:
        left = recorder.remaining_s(budget)
        if left == 0:
            return found
        solution = didppy.CABS(
            model,
            primal_bound=ceiling if math.isfinite(ceiling) else None,
            time_limit=left,
            quiet=True,
            initial_beam_size=found.width,
            max_beam_size=found.width,
            threads=budget.threads,
        ).search()
        found.expanded += solution.expanded
        found.generated += solution.generated
        if solution.is_infeasible:
            found.exhausted = ceiling
            return found
        if solution.cost is not None:
            names = [transition.name for transition in solution.transitions]
            ceiling = min(ceiling, solution.cost, take(names, solution.cost))
            if solution.is_optimal:
                found.exhausted = ceiling
                return found
        if solution.best_bound is not None:
            bound(solution.best_bound)
            if solution.best_bound >= ceiling:
                found.exhausted = ceiling
                return found
        if found.width >= most:
            found.full = True
            return found
        found.width *= 2
