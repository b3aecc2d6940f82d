"""The one tolerance profile of the suite: every comparison takes its figure from here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Named tolerances.

    Attributes
    ----------
    name
        Name of the profile, stored with every run.
    deadline
        Relative excess at which a deadline still holds.
    optimality
        Relative gap at which an incumbent counts as proven optimal.
    agreement
        Relative difference at which two proven optima agree; twice `optimality`, since
        each of the two may be that far above the optimum.
    bound
        Relative amount by which a bound may exceed a true value before it is a
        contradiction (solvers work in floating point).
    fractions
        Absolute difference from the stated total at which exit fractions add up.
    epochs
        Absolute slack before the ceiling in the rule for the number of epochs.

    Notes
    -----
    Shares of the edge server have no tolerance: they sum to at most one as rationals. No
    tolerance is absolute, or verdicts would depend on units: an optimum of 0 is 0.
    """

    name: str = "standard"
    deadline: float = 1e-9
    optimality: float = 1e-6
    agreement: float = 2e-6
    bound: float = 1e-6
    fractions: float = 1e-9
    epochs: float = 1e-9


TOLERANCES = Tolerances()


def gap(objective: float | None, bound: float | None) -> float | None:
    """Return the relative gap ``(objective - bound) / |objective|``, None when unknown.

    Two equal figures have a gap of 0, also where both are 0; a bound above the objective gives
    a negative gap, which is for the reader to see and not hidden here.
    """
    if objective is None or bound is None:
        return None
    difference = objective - bound
    if difference == 0.0:
        return 0.0
    if objective == 0.0:
        return float("inf") if difference > 0 else float("-inf")
    return difference / abs(objective)


def not_above(low: float, high: float, relative: float) -> bool:
    """Return whether ``low <= high`` up to a relative tolerance."""
    return low <= high + relative * max(abs(low), abs(high))


def values_agree(first: float, second: float) -> bool:
    """Return whether two proven optima agree."""
    return not_above(first, second, TOLERANCES.agreement) and not_above(
        second, first, TOLERANCES.agreement
    )
