"""Methods against each other on the tasks that both tried, with bootstrap intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from splitopt.bench.compare.integrals import held_objective
from splitopt.bench.compare.metrics import Interval, paired_difference, paired_ratio
from splitopt.bench.compare.summary import charged_time_s, is_right, is_wrong, task
from splitopt.bench.store.rows import Row

# Times below it are taken as it: the clock and the machine tell no more.
CLOCK_S = 1e-3
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class PairedMethods:
    """Method `second` against method `first`, on the tasks that both tried.

    Attributes
    ----------
    tasks
        Their number: the same instance, seed, repetition and limits.
    time
        Charged time of `second` over that of `first`: a run that is not solved and right counts
        with its time limit, a time below 1 ms as 1 ms.
    right
        Share of tasks on which `second` is right less that of `first`.
    objective
        Objective of `second` over that of `first` where both held a feasible plan at their limit
        and neither is wrong; None where there is no such task, or an objective is not above 0.
    """

    problem: str
    first: str
    second: str
    tasks: int
    time: Interval
    right: Interval
    objective: Interval | None


def time_statement(ratio: Interval | None) -> str:
    """Return what an interval says of the time: faster, slower, or that it shows neither."""
    if ratio is None:
        return "-"
    if ratio.high < 1.0:
        return "faster"
    return "slower" if ratio.low > 1.0 else "no difference shown"


def _columns(
    pairs: Iterable[tuple[str, float, float]],
) -> tuple[list[list[float]], list[list[float]]]:
    """Return figures of both sides, a row an instance."""
    found: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for instance, one, other in pairs:
        found[instance][0].append(one)
        found[instance][1].append(other)
    sides = list(found.values())
    return [side[0] for side in sides], [side[1] for side in sides]


@dataclass(frozen=True, slots=True)
class _Side:
    """What is compared of a run."""

    instance_hash: str
    time_s: float
    right: float
    held: float | None


def _side(row: Row, refuted: frozenset[str]) -> _Side:
    held = None if is_wrong(row, refuted) else held_objective(row, refuted)
    time_s = max(charged_time_s(row, refuted), CLOCK_S)
    return _Side(row.instance_hash, time_s, float(is_right(row, refuted)), held)


def _pair(
    problem: str,
    names: tuple[str, str],
    rows: Sequence[tuple[_Side, _Side]],
    rng: np.random.Generator,
) -> PairedMethods:
    times = _columns((a.instance_hash, a.time_s, b.time_s) for a, b in rows)
    rights = _columns((a.instance_hash, a.right, b.right) for a, b in rows)
    values = [
        (a.instance_hash, a.held, b.held)
        for a, b in rows
        if a.held is not None and b.held is not None
    ]
    objective = None
    if values and all(min(one, other) > 0 and math.isfinite(other) for _, one, other in values):
        objective = paired_ratio(*_columns(values), rng, resamples=_RESAMPLES)
    return PairedMethods(
        problem,
        *names,
        len(rows),
        paired_ratio(*times, rng, resamples=_RESAMPLES),
        paired_difference(*rights, rng, resamples=_RESAMPLES),
        objective,
    )


def compare_methods(
    rows: Iterable[Row],
    refuted: frozenset[str],
    names: Mapping[str, str],
    against: Sequence[str],
    *,
    seed: int = 0,
) -> Iterator[PairedMethods]:
    """Yield each method against each method named in `against`, on their common tasks.

    Parameters
    ----------
    rows
        Runs of one problem.
    refuted
        Keys of rows that the cross-check refutes.
    names
        What a run's method is called, by key of the run.
    seed
        Of the bootstrap: the same rows give the same intervals.
    """
    problem = ""
    methods: dict[str, dict[tuple[object, ...], _Side]] = defaultdict(dict)
    for row in rows:
        problem = row.problem
        if row.termination != "unsupported":
            methods[names[row.key]][task(row)] = _side(row, refuted)
    for k, first in enumerate(against):
        for j, (second, theirs) in enumerate(methods.items()):
            mine = methods.get(first, {})
            common = [(mine[key], theirs[key]) for key in mine if key in theirs]
            if first != second and common:
                rng = np.random.default_rng([seed, k, j])
                yield _pair(problem, (first, second), common, rng)
