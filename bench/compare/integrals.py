"""The integrals of a run, from its trajectory as far as the judge confirms it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from splitopt.bench.compare.metrics import primal_gap, step_integral
from splitopt.bench.store.rows import Row, Verdict
from splitopt.bench.verdicts.crosscheck import is_feasible
from splitopt.bench.verdicts.references import Reference

Point = tuple[float, float | None, float | None]


@dataclass(frozen=True, slots=True)
class RunIntegrals:
    """Primal and primal-dual integral of a run in s, 0 to its time limit."""

    primal_s: float
    primal_dual_s: float


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went, as far as the judge confirms it.

    Attributes
    ----------
    times_s, gaps
        Since when it held a primal gap, and that gap, 0..1; it is 1 before.
    integrals
        None for an instance that has no plan.
    """

    times_s: array[float]
    gaps: array[float]
    integrals: RunIntegrals | None


def held_objective(row: Row, refuted: frozenset[str] = frozenset()) -> float | None:
    """Return the cost of the plan that a run held at its time limit, None without one.

    Of a run that ended later it is the last incumbent it had told by then, which counts for no
    less than the plan it ended with.
    """
    if row.in_time:
        return row.objective if is_feasible(row) else None
    held = [
        incumbent
        for time_s, incumbent, _ in judged_trajectory(row, refuted)
        if incumbent is not None and time_s <= row.time_limit_s
    ]
    return min(held, default=None)


def judged_trajectory(row: Row, refuted: frozenset[str] = frozenset()) -> list[Point]:
    """Return the trajectory with nothing in it that is better than what was judged.

    What a method reports on the way is its own word. So an incumbent counts for no less than
    the plan the run ended with, as evaluated, and a bound for no more than the final one; a
    run without a plan had no incumbent, and a run that is wrong has nothing at all. The last
    point is what the run ended with.
    """
    if row.verdict == Verdict.WRONG or row.key in refuted:
        return []
    objective, most = row.objective if is_feasible(row) else None, row.bound
    points: list[Point] = [
        (
            time_s,
            None if incumbent is None or objective is None else max(incumbent, objective),
            None if bound is None or most is None else min(bound, most),
        )
        for time_s, incumbent, bound in row.trajectory
    ]
    end = row.time_limit_s if row.solve_time_s is None else row.solve_time_s
    last = points[-1][0] if points else 0.0
    return [*points, (max(end, last), objective, row.bound)]


def run_course(
    row: Row, reference: Reference, refuted: frozenset[str] = frozenset()
) -> Course | None:
    """Return the course of a run; None where no plan is known to measure it by.

    Parameters
    ----------
    reference
        What is known of the run's instance.
    refuted
        Keys of rows that the cross-check refutes: their gap is 1 throughout.
    """
    if reference.objective is None:
        return None
    points = judged_trajectory(row, refuted)
    times_s = array("d", [time_s for time_s, _, _ in points])
    gaps = array("d", [primal_gap(value, reference.objective) for _, value, _ in points])
    integrals = None
    if not reference.infeasible:
        between = [primal_gap(incumbent, bound) for _, incumbent, bound in points]
        integrals = RunIntegrals(
            step_integral(zip(times_s, gaps, strict=True), row.time_limit_s),
            step_integral(zip(times_s, between, strict=True), row.time_limit_s),
        )
    return Course(times_s, gaps, integrals)


def run_integrals(
    row: Row, reference: Reference, refuted: frozenset[str] = frozenset()
) -> RunIntegrals | None:
    """Return the integrals of a run; None where there is no plan, or none is known."""
    course = run_course(row, reference, refuted)
    return None if course is None else course.integrals
