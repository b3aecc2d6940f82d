"""Methods side by side: what each solved, got right, and how long it took."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from splitopt.bench.compare.alignment import align
from splitopt.bench.compare.integrals import run_integrals
from splitopt.bench.compare.metrics import gap_to_best, penalised_average, shifted_geometric_mean
from splitopt.bench.store.rows import Row, Verdict
from splitopt.bench.verdicts.crosscheck import is_feasible
from splitopt.bench.verdicts.references import Reference

__all__ = [
    "SHIFT_S",
    "VIRTUAL_BEST",
    "MethodSummary",
    "charged_time_s",
    "is_proved",
    "is_right",
    "is_solved",
    "run_gap",
    "summarise",
    "task",
    "virtual_best_summary",
]

# The field's usual shift for times in seconds.
SHIFT_S = 10.0
VIRTUAL_BEST = "virtual best"


@dataclass(frozen=True, slots=True)
class MethodSummary:
    """One method on a set of instances of one problem.

    Attributes
    ----------
    method, variant
        Its name, and its name with the options that set its runs apart from others of it.
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
        Runs that are not wrong, with a feasible plan, on an instance whose best objective is
        known: what the two gaps rest on.
    gap_median, gap_worst
        (objective - best) / |best| over those runs; None without any.
    time_s
        Shifted geometric mean of the charged times; see `charged_time_s`.
    par2_s, par10_s
        Mean time with each failure at 2 and at 10 times its limit.
    primal_s, primal_dual_s
        Mean integrals; None where no trajectory was read or no plan is known.
    """

    problem: str
    method: str
    variant: str
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
    primal_s: float | None = None
    primal_dual_s: float | None = None


def task(row: Row) -> tuple[object, ...]:
    """Return what rows of different methods share when they did the same task."""
    return (
        row.instance_hash,
        row.seed,
        row.repetition,
        row.time_limit_s,
        row.threads,
        row.relative_gap,
    )


def is_solved(row: Row) -> bool:
    """Return whether a run ended of itself with a plan that keeps all limits, or a proof."""
    return row.termination == "solved" and row.status not in ("none", "relaxed")


def is_right(row: Row, refuted: frozenset[str]) -> bool:
    """Return whether neither the judge nor another run refutes a claim, and there is one.

    A relaxed plan answers another problem than the one asked: true, and not counted here. Nor
    is what a run left behind that did not end in order, of which `detail` speaks.
    """
    return (
        row.verdict == Verdict.RIGHT
        and row.status != "relaxed"
        and row.detail is None
        and row.key not in refuted
    )


def is_wrong(row: Row, refuted: frozenset[str]) -> bool:
    """Return whether a claim is refuted."""
    return row.verdict == Verdict.WRONG or row.key in refuted


def is_proved(row: Row, refuted: frozenset[str]) -> bool:
    """Return whether a run is right and proves its plan optimal, or that there is none."""
    return is_right(row, refuted) and row.status in ("optimal", "infeasible")


def charged_time_s(row: Row, refuted: frozenset[str]) -> float:
    """Return the seconds a run is charged with.

    A right one with the time of its solve; any other with its time limit, or with what it
    took where that is more. A wrong answer is never a fast one.
    """
    taken = row.solve_time_s or 0.0
    return taken if is_right(row, refuted) else max(taken, row.time_limit_s)


def run_gap(row: Row, reference: Reference | None, refuted: frozenset[str]) -> float | None:
    """Return the gap of a run's plan to the best known; None without one to speak of.

    That is: without a feasible plan, where nothing is known, or where the run is wrong.
    """
    if reference is None or is_wrong(row, refuted) or not is_feasible(row):
        return None
    return gap_to_best(row.objective, reference.objective)


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _one(
    names: tuple[str, str, str],
    rows: list[Row],
    known: Mapping[str, Reference],
    refuted: frozenset[str],
) -> MethodSummary:
    tried = [row for row in rows if row.termination != "unsupported"]
    right = [row for row in tried if is_right(row, refuted)]
    found = [run_gap(row, known.get(row.instance_hash), refuted) for row in tried]
    gaps = [gap for gap in found if gap is not None]
    times = [charged_time_s(row, refuted) for row in tried]
    integrals = []
    if any(row.trajectory for row in rows):
        possible = [
            run_integrals(row, known[row.instance_hash], refuted)
            for row in tried
            if row.instance_hash in known
        ]
        integrals = [each for each in possible if each is not None]
    par = [
        _mean(
            [
                penalised_average(
                    [row.solve_time_s or 0.0], [is_right(row, refuted)], row.time_limit_s, factor
                )
                for row in tried
            ]
        )
        for factor in (2.0, 10.0)
    ]
    problem, method, variant = names
    return MethodSummary(
        problem=problem,
        method=method,
        variant=variant,
        runs=len(tried),
        unsupported=len(rows) - len(tried),
        solved=sum(map(is_solved, tried)),
        right=len(right),
        wrong=sum(is_wrong(row, refuted) for row in tried),
        proved=sum(is_proved(row, refuted) for row in right),
        failed=sum(row.termination in ("killed", "crashed", "memory") for row in tried),
        gaps=len(gaps),
        gap_median=statistics.median(gaps) if gaps else None,
        gap_worst=max(gaps) if gaps else None,
        time_s=shifted_geometric_mean(times, SHIFT_S) if times else None,
        par2_s=par[0],
        par10_s=par[1],
        primal_s=_mean([each.primal_s for each in integrals]),
        primal_dual_s=_mean([each.primal_dual_s for each in integrals]),
    )


def summarise(
    rows: Iterable[Row],
    known: Mapping[str, Reference],
    refuted: frozenset[str],
    by: Callable[[Row], str] = lambda row: "",
    variants: Mapping[str, str] | None = None,
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
    variants
        What a run's method is called, by key of the run; its name unless given.
    """
    called = variants or {}
    groups: dict[str, dict[tuple[str, str, str], list[Row]]] = {}
    for row in rows:
        methods = groups.setdefault(by(row), {})
        names = (row.problem, row.method, called.get(row.key, row.method))
        methods.setdefault(names, []).append(row)
    return {
        group: [
            _one(names, found, known, refuted)
            for names, found in sorted(methods.items(), key=lambda item: item[0][0])
        ]
        for group, methods in groups.items()
    }


def virtual_best_summary(
    rows: Iterable[Row],
    known: Mapping[str, Reference],
    refuted: frozenset[str],
    variants: Mapping[str, str] | None = None,
) -> MethodSummary | None:
    """Return what choosing the best method for each task would give; None without a run.

    On each task it is the quickest proof; where nothing is proved, the run that is right with
    the least gap, at the time limit. Its time is therefore that to a proof, as of methods that
    prove. Tasks are those of `align`.

    Parameters
    ----------
    rows
        Runs of one problem.
    variants
        What a run's method is called, by key of the run; its name unless given.
    """
    rows = list(rows)
    called = variants or {row.key: row.method for row in rows}
    aligned = align(rows, called)
    columns = [
        [row for row in column if row is not None]
        for column in zip(*aligned.rows.values(), strict=True)
    ]
    tasks = [column for column in columns if column]
    if not tasks:
        return None
    times, proofs, gaps, limits, right, solved = [], [], [], [], 0, 0
    for mine in tasks:
        good = [row for row in mine if is_right(row, refuted)]
        proving = [row.solve_time_s or 0.0 for row in good if is_proved(row, refuted)]
        proofs.append(bool(proving))
        limits.append(mine[0].time_limit_s)
        times.append(min(proving, default=mine[0].time_limit_s))
        found = [run_gap(row, known.get(row.instance_hash), refuted) for row in good]
        there = [gap for gap in found if gap is not None]
        gaps += [min(there)] if there else []
        right += bool(good)
        solved += any(map(is_solved, good))
    par = [
        statistics.fmean(
            penalised_average([t], [proof], limit, factor)
            for t, proof, limit in zip(times, proofs, limits, strict=True)
        )
        for factor in (2.0, 10.0)
    ]
    return MethodSummary(
        problem=rows[0].problem,
        method=VIRTUAL_BEST,
        variant=VIRTUAL_BEST,
        runs=len(tasks),
        unsupported=0,
        solved=solved,
        right=right,
        wrong=0,
        proved=sum(proofs),
        failed=0,
        gaps=len(gaps),
        gap_median=statistics.median(gaps) if gaps else None,
        gap_worst=max(gaps) if gaps else None,
        time_s=shifted_geometric_mean(times, SHIFT_S),
        par2_s=par[0],
        par10_s=par[1],
    )
