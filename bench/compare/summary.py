"""Methods side by side: what each solved, got right, and how long it took."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from splitopt.bench.compare.alignment import align
from splitopt.bench.compare.integrals import Course, RunIntegrals, held_objective, run_course
from splitopt.bench.compare.metrics import gap_to_best, shifted_geometric_mean
from splitopt.bench.store.rows import Row, Verdict
from splitopt.bench.verdicts.references import Reference

# The field's usual shift for times in seconds.
SHIFT_S = 10.0
VIRTUAL_BEST = "virtual best"
# Problem, method, variant.
Names = tuple[str, str, str]


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
        Ended of themselves within the limit with a plan or a proof, true or not.
    right, wrong
        By the judge and the cross-check: every claim holds, in time; a claim is refuted.
    proved
        Right, and with a proof of optimality or of infeasibility.
    failed
        Killed, crashed, out of memory, or done only after the limit.
    gaps
        Runs that are not wrong and held a feasible plan at their limit, on an instance whose best
        objective is known: what the two gaps rest on.
    gap_median, gap_worst
        (objective - best) / |best| over those runs; None without any.
    time_s
        Shifted geometric mean of the charged times; see `charged_time_s`.
    par2_s, par10_s
        Mean time with each run that is not solved and right at 2 and at 10 times its limit.
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
    """Return whether a run ended of itself, in time, with a feasible plan or a proof."""
    return row.termination == "solved" and row.in_time and row.status not in ("none", "relaxed")


def is_right(row: Row, refuted: frozenset[str]) -> bool:
    """Return whether neither the judge nor another run refutes a claim, and there is one in time.

    A relaxed plan answers another problem than the one asked: true, and not counted here. Nor
    is what a run left behind that did not end in order, of which `detail` speaks, nor what came
    after the limit; a run that stopped a moment after it counts with a plan it held by then.
    """
    return (
        row.verdict == Verdict.RIGHT
        and row.status != "relaxed"
        and row.detail is None
        and row.key not in refuted
        and (
            row.in_time
            or (row.status == "feasible" and not row.late and held_objective(row) is not None)
        )
    )


def is_wrong(row: Row, refuted: frozenset[str]) -> bool:
    """Return whether a claim is refuted."""
    return row.verdict == Verdict.WRONG or row.key in refuted


def is_proved(row: Row, refuted: frozenset[str]) -> bool:
    """Return whether a run is right and proves its plan optimal, or that there is none."""
    return is_right(row, refuted) and row.status in ("optimal", "infeasible")


def charged_time_s(row: Row, refuted: frozenset[str], factor: float = 1.0) -> float:
    """Return the seconds a run is charged with.

    One that is solved and right with the time of its solve, any other with `factor` times its
    limit, whether it gave up early or came late. A wrong answer is never a fast one.
    """
    if is_solved(row) and is_right(row, refuted):
        return row.solve_time_s or 0.0
    return factor * row.time_limit_s


def run_gap(row: Row, reference: Reference | None, refuted: frozenset[str]) -> float | None:
    """Return the gap of the plan a run held at its limit to the best known.

    None without a plan, where nothing is known, or where the run is wrong.
    """
    if reference is None or is_wrong(row, refuted):
        return None
    return gap_to_best(held_objective(row, refuted), reference.objective)


@dataclass(slots=True)
class RunFigures:
    """What tables count of a run, worked out once for all tables it is in."""

    solved: bool
    right: bool
    wrong: bool
    proved: bool
    failed: bool
    gap: float | None
    time_limit_s: float
    charged_s: float
    settled: bool
    supported: bool
    told: bool  # whether it has a trajectory
    course: Course | None

    def charged(self, factor: float) -> float:
        """Return `charged_time_s`."""
        return self.charged_s if self.settled else factor * self.time_limit_s


class Figures:
    """The figures of runs, by their rows.

    Parameters
    ----------
    known
        What is known of each instance, by hash.
    refuted
        Keys of rows that the cross-check refutes.
    """

    def __init__(self, known: Mapping[str, Reference], refuted: frozenset[str]) -> None:
        self.known, self.refuted = known, refuted
        self._found: dict[str, RunFigures] = {}

    def of(self, row: Row) -> RunFigures:
        """Return those of a run."""
        found = self._found.get(row.key)
        if found is None:
            found = self._found[row.key] = self._figures(row)
        return found

    def _figures(self, row: Row) -> RunFigures:
        reference, refuted = self.known.get(row.instance_hash), self.refuted
        right, solved = is_right(row, refuted), is_solved(row)
        return RunFigures(
            solved=solved,
            right=right,
            wrong=is_wrong(row, refuted),
            proved=right and row.status in ("optimal", "infeasible"),
            failed=row.termination in ("killed", "crashed", "memory") or row.late,
            gap=run_gap(row, reference, refuted),
            time_limit_s=row.time_limit_s,
            charged_s=row.solve_time_s or 0.0,
            settled=solved and right,
            supported=row.termination != "unsupported",
            told=bool(row.trajectory),
            course=None if reference is None else run_course(row, reference, refuted),
        )


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _one(names: Names, runs: Sequence[RunFigures]) -> MethodSummary:
    tried = [each for each in runs if each.supported]
    gaps = [each.gap for each in tried if each.gap is not None]
    times = [each.charged(1.0) for each in tried]
    integrals: list[RunIntegrals] = []
    if any(each.told for each in runs):
        courses = [each.course for each in tried if each.course is not None]
        integrals = [each.integrals for each in courses if each.integrals is not None]
    par = [_mean([each.charged(factor) for each in tried]) for factor in (2.0, 10.0)]
    problem, method, variant = names
    return MethodSummary(
        problem=problem,
        method=method,
        variant=variant,
        runs=len(tried),
        unsupported=len(runs) - len(tried),
        solved=sum(each.solved for each in tried),
        right=sum(each.right for each in tried),
        wrong=sum(each.wrong for each in tried),
        proved=sum(each.proved for each in tried),
        failed=sum(each.failed for each in tried),
        gaps=len(gaps),
        gap_median=statistics.median(gaps) if gaps else None,
        gap_worst=max(gaps) if gaps else None,
        time_s=shifted_geometric_mean(times, SHIFT_S) if times else None,
        par2_s=par[0],
        par10_s=par[1],
        primal_s=_mean([each.primal_s for each in integrals]),
        primal_dual_s=_mean([each.primal_dual_s for each in integrals]),
    )


def by_variant(
    rows: Iterable[Row], figures: Figures, variants: Mapping[str, str]
) -> dict[Names, list[tuple[int, str, RunFigures]]]:
    """Return the figures of runs by problem, method and variant.

    With each stand its place among `rows`, and the hash of its instance.
    """
    found: dict[Names, list[tuple[int, str, RunFigures]]] = {}
    for k, row in enumerate(rows):
        names = (row.problem, row.method, variants.get(row.key, row.method))
        found.setdefault(names, []).append((k, row.instance_hash, figures.of(row)))
    return found


def summarise_variants(
    variants: Mapping[Names, Sequence[tuple[int, str, RunFigures]]],
    hashes: Collection[str] | None = None,
) -> list[MethodSummary]:
    """Return a summary of each method, on all instances or on those with a hash in `hashes`.

    By problem they stand in the order of their first runs.
    """
    chosen = {
        names: [run for run in runs if hashes is None or run[1] in hashes]
        for names, runs in variants.items()
    }
    order = sorted((runs[0][0], names) for names, runs in chosen.items() if runs)
    found = [_one(names, [run for *_, run in chosen[names]]) for _, names in order]
    return sorted(found, key=lambda summary: summary.problem)


def summarise(
    rows: Iterable[Row], figures: Figures, variants: Mapping[str, str] | None = None
) -> list[MethodSummary]:
    """Return a summary of each method and problem.

    Parameters
    ----------
    variants
        What a run's method is called, by key of the run; its name unless given.
    """
    return summarise_variants(by_variant(rows, figures, variants or {}))


@dataclass(frozen=True, slots=True)
class BestOfTask:
    """The best that any method did on a task, in each figure by itself.

    Attributes
    ----------
    gap
        None where no method held a plan to measure.
    charged_s
        Seconds charged, with a failure at once, twice and ten times its limit.
    """

    gap: float | None
    solved: bool
    right: bool
    proved: bool
    charged_s: tuple[float, float, float]


def _best(mine: Sequence[RunFigures]) -> BestOfTask:
    gaps = [each.gap for each in mine if each.gap is not None]
    once, twice, tenfold = (min([each.charged(k) for each in mine]) for k in (1.0, 2.0, 10.0))
    return BestOfTask(
        min(gaps, default=None),
        any(each.solved for each in mine),
        any(each.right for each in mine),
        any(each.proved for each in mine),
        (once, twice, tenfold),
    )


def best_of_tasks(
    rows: Iterable[Row], figures: Figures, variants: Mapping[str, str]
) -> list[tuple[str, BestOfTask]]:
    """Return the best on each task that a method tried, with the hash of its instance.

    Tasks are those of `align`.

    Parameters
    ----------
    rows
        Runs of one problem.
    variants
        What a run's method is called, by key of the run.
    """
    aligned = align(rows, variants)
    columns = zip(*aligned.rows.values(), strict=True)
    found = []
    for (instance_hash, *_), column in zip(aligned.tasks, columns, strict=True):
        mine = [figures.of(row) for row in column if row is not None]
        if mine:
            found.append((str(instance_hash), _best(mine)))
    return found


def summary_of_best(problem: str, tasks: Sequence[BestOfTask]) -> MethodSummary | None:
    """Return the summary of the best on some tasks; None without one."""
    if not tasks:
        return None
    gaps = [task.gap for task in tasks if task.gap is not None]
    charged = list(zip(*(task.charged_s for task in tasks), strict=True))
    return MethodSummary(
        problem=problem,
        method=VIRTUAL_BEST,
        variant=VIRTUAL_BEST,
        runs=len(tasks),
        unsupported=0,
        solved=sum(task.solved for task in tasks),
        right=sum(task.right for task in tasks),
        wrong=0,
        proved=sum(task.proved for task in tasks),
        failed=0,
        gaps=len(gaps),
        gap_median=statistics.median(gaps) if gaps else None,
        gap_worst=max(gaps) if gaps else None,
        time_s=shifted_geometric_mean(charged[0], SHIFT_S),
        par2_s=statistics.fmean(charged[1]),
        par10_s=statistics.fmean(charged[2]),
    )


def virtual_best_summary(
    rows: Iterable[Row], figures: Figures, variants: Mapping[str, str] | None = None
) -> MethodSummary | None:
    """Return what the best method for each task gives; None without a run.

    On each task every figure is the best of any method's, counted as it is for that method: the
    least charged time, the least gap, right where one is right. So it is no worse than any method
    in any figure, and time and gap of a task may come of different methods.

    Parameters
    ----------
    rows
        Runs of one problem.
    variants
        What a run's method is called, by key of the run; its name unless given.
    """
    rows = list(rows)
    called = variants or {row.key: row.method for row in rows}
    tasks = [best for _, best in best_of_tasks(rows, figures, called)]
    return summary_of_best(rows[0].problem, tasks) if tasks else None
