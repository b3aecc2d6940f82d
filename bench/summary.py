"""Methods side by side: what each solved, got right, and how long it took."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench.metrics import gap_to_best, penalised_average, shifted_geometric_mean
from bench.references import Reference
from bench.rows import Row, Verdict

__all__ = ["SHIFT_S", "MethodSummary", "charged_time_s", "is_solved", "summarise"]

# The field's usual shift for times in seconds.
SHIFT_S = 10.0


@dataclass(frozen=True, slots=True)
class MethodSummary:
    """One method on a set of instances of one problem.

    Attributes
    ----------
    runs
        Runs that were tried; those it does not support are counted in `unsupported`.
    solved
        Ended of themselves with a plan or a proof, true or not.
    right, wrong
        By the judge and the cross-check: every claim holds; a claim is refuted.
    proved
        Right, and with a proof of optimality or of infeasibility.
    failed
        Killed, crashed or out of memory.
    gaps
        Runs with a feasible plan on an instance whose best objective is known: what the two
        gaps rest on.
    gap_median, gap_worst
        (objective - best) / |best| over those runs; None without any.
    time_s
        Shifted geometric mean of the charged times; see `charged_time_s`.
    par2_s, par10_s
        Mean time with each failure at 2 and at 10 times its limit.
    """

    problem: str
    method: str
    runs: int
    unsupported: int
    solved: int
    right: int
    wrong: int
    proved: int
    failed: int
    gaps: int
    gap_median: float | None
    gap_worst: float | None
    time_s: float | None
    par2_s: float | None
    par10_s: float | None


def is_solved(row: Row) -> bool:
    """Return whether a run ended of itself with something to show."""
    return row.termination == "solved" and row.status != "none"


def _succeeded(row: Row, refuted: frozenset[str]) -> bool:
    return row.verdict == Verdict.RIGHT and row.key not in refuted


def charged_time_s(row: Row, refuted: frozenset[str]) -> float:
    """Return the seconds a run is charged with.

    A right one with the time of its solve; any other with its time limit, or with what it
    took where that is more. A wrong answer is never a fast one.
    """
    taken = row.solve_time_s or 0.0
    return taken if _succeeded(row, refuted) else max(taken, row.time_limit_s)


def _one(
    problem: str,
    method: str,
    rows: list[Row],
    known: Mapping[str, Reference],
    refuted: frozenset[str],
) -> MethodSummary:
    tried = [row for row in rows if row.termination != "unsupported"]
    right = [row for row in tried if _succeeded(row, refuted)]
    gaps = []
    for row in tried:
        reference = known.get(row.instance_hash)
        if reference is not None and not row.violations:
            distance = gap_to_best(row.objective, reference.objective)
            if distance is not None:
                gaps.append(distance)
    times = [charged_time_s(row, refuted) for row in tried]
    par = [
        statistics.fmean(
            penalised_average(
                [row.solve_time_s or 0.0], [_succeeded(row, refuted)], row.time_limit_s, factor
            )
            for row in tried
        )
        if tried
        else None
        for factor in (2.0, 10.0)
    ]
    return MethodSummary(
        problem=problem,
        method=method,
        runs=len(tried),
        unsupported=len(rows) - len(tried),
        solved=sum(map(is_solved, tried)),
        right=len(right),
        wrong=sum(row.verdict == Verdict.WRONG or row.key in refuted for row in tried),
        proved=sum(row.status in ("optimal", "infeasible") for row in right),
        failed=sum(row.termination in ("killed", "crashed", "memory") for row in tried),
        gaps=len(gaps),
        gap_median=statistics.median(gaps) if gaps else None,
        gap_worst=max(gaps) if gaps else None,
        time_s=shifted_geometric_mean(times, SHIFT_S) if times else None,
        par2_s=par[0],
        par10_s=par[1],
    )


def summarise(
    rows: Iterable[Row],
    known: Mapping[str, Reference],
    refuted: frozenset[str],
    by: Callable[[Row], str] = lambda row: "",
) -> dict[str, list[MethodSummary]]:
    """Return a summary of each method and problem, by group.

    Parameters
    ----------
    known
        What is known of each instance, by hash.
    refuted
        Keys of rows that the cross-check refutes.
    by
        Group of a row, such as its instance's family; one group for all unless given.
    """
    groups: dict[str, dict[tuple[str, str], list[Row]]] = {}
    for row in rows:
        methods = groups.setdefault(by(row), {})
        methods.setdefault((row.problem, row.method), []).append(row)
    return {
        group: [
            _one(problem, method, found, known, refuted)
            for (problem, method), found in sorted(methods.items(), key=lambda item: item[0][0])
        ]
        for group, methods in groups.items()
    }
