"""Make the row of a run from what came back and from what the judge says of it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.bench.isolation.endings import classify, solve_time_s
from splitopt.bench.isolation.streams import Outcome
from splitopt.bench.store.rows import PlannedRun, Row, Verdict
from splitopt.bench.store.store import BestKnown
from splitopt.bench.verdicts.again import finite_gap
from splitopt.bench.verdicts.verdict import Claims, Judgement, judge, read_claims
from splitopt.instances.cift.claims import doubt_bound, witness
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.method import SolutionStatus, Termination
from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.tolerances import TOLERANCES

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

# What reading, judging or encoding raises of what a method sent; a full disk is no such thing.
_NOT_STORABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a row records of the time and place of a run."""

    environment_hash: str
    jobs: int
    cores: tuple[int, ...] | None
    load_average: float | None
    started_at: str
    jobs_on_machine: int
    cluster: str | None = None

    @staticmethod
    def now(
        environment_hash: str,
        jobs: int,
        cores: tuple[int, ...] | None,
        jobs_on_machine: int | None = None,
        cluster: str | None = None,
    ) -> Circumstances:
        """Return the circumstances of a run that starts now, on this machine."""
        load = None
        with contextlib.suppress(OSError, AttributeError):
            load = os.getloadavg()[0]
        here = jobs if jobs_on_machine is None else jobs_on_machine
        return Circumstances(environment_hash, jobs, cores, load, now_text(), here, cluster)


def now_text() -> str:
    """Return the time in UTC, as rows hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _left_behind(instance: Instance, outcome: Outcome, termination: Termination) -> Claims:
    """Return what a run without a result leaves: its last incumbent, bound and trajectory.

    The bound may be the word of a solver and has not passed the gate that results pass.
    """
    points = tuple(outcome.points)
    bound = next((b for _, _, b in reversed(points) if b is not None), None)
    if bound is not None and isinstance(instance, CiftInstance):
        least = witness(instance, below_j=bound * (1 - TOLERANCES.bound))
        if doubt_bound(bound, least.objective_j) is not None:
            bound = None
    return Claims(
        termination,
        SolutionStatus.NONE if outcome.plan is None else SolutionStatus.FEASIBLE,
        outcome.plan_objective,
        bound,
        outcome.plan,
        None,
        points,
        {},
    )


def make_row(
    run: PlannedRun,
    instance: Instance,
    outcome: Outcome,
    circumstances: Circumstances,
    known: BestKnown | None,
    begin: float,
) -> tuple[Row, Judgement]:
    """Return the row of a run, judged.

    Parameters
    ----------
    begin
        `time.monotonic` when the runner took the run up.
    """
    try:
        return _row(run, instance, outcome, circumstances, known, begin)
    except _NOT_STORABLE as error:
        # Something that a method sent, past all checks: its run is crashed, and the set goes on.
        bare = dataclasses.replace(
            outcome,
            message=None,
            points=[],
            plan=None,
            killed_for="result",
            killed_because=_because(error),
        )
        return _row(run, instance, bare, circumstances, known, begin)


def keep_log(folder: Path, row: Row) -> Row:
    """Write what a run printed to a file of its own; return the row, which tells where it is."""
    name = f"{row.instance_name}.{row.method}.s{row.seed}.{row.key[:8]}.log"
    write_bytes(folder / name, row.stdout.encode("utf-8"))
    return dataclasses.replace(row, stdout=f"kept in {folder.name}/{name}\n")


def unstorable(row: Row, error: Exception) -> Row:
    """Return the row of a run that sent what no store can hold: crashed, without what it sent."""
    return dataclasses.replace(
        row,
        termination=str(Termination.CRASHED),
        status=str(SolutionStatus.NONE),
        detail=_because(error),
        objective=None,
        objective_claimed=None,
        bound=None,
        gap=None,
        guarantee=None,
        verdict=str(Verdict.NOT_CLAIMED),
        verdict_reason=None,
        violations=(),
        trajectory=(),
        statistics={},
        plan=None,
        enforced={},
        not_enforced={},
    )


def _because(error: Exception) -> str:
    said = " ".join(str(error).split())[:500]
    return f"sent what cannot be stored: {type(error).__name__}: {said}"


def _claims(
    run: PlannedRun, instance: Instance, outcome: Outcome
) -> tuple[Termination, str | None, Claims]:
    """Return how a run ended, why, and what it claims."""
    limited = run.limits.memory_limit_bytes is not None
    termination, detail = classify(outcome, limited=limited)
    if detail is None and outcome.message is not None:
        try:
            claims = read_claims(outcome.message.get("document"))
        except ValueError as error:
            termination, detail = Termination.CRASHED, str(error)
        else:
            if outcome.clock_denied:
                # Its points are by the same clock; those that came on the way have ours.
                claims = dataclasses.replace(claims, trajectory=tuple(outcome.points))
            return claims.termination, None, claims
    return termination, detail, _left_behind(instance, outcome, termination)


def _row(
    run: PlannedRun,
    instance: Instance,
    outcome: Outcome,
    circumstances: Circumstances,
    known: BestKnown | None,
    begin: float,
) -> tuple[Row, Judgement]:
    limits = run.limits
    termination, detail, claims = _claims(run, instance, outcome)
    judgement = judge(instance, claims, limits.relative_gap, known)
    seconds = solve_time_s(outcome)
    row = Row(
        key=run.key,
        instance_hash=run.instance_hash,
        instance_name=run.instance_name,
        problem=run.problem,
        method=run.method,
        options=dict(run.options),
        seed=run.seed,
        repetition=run.repetition,
        time_limit_s=limits.time_limit_s,
        grace_s=limits.grace_s,
        cpu_limit_s=limits.cpu_limit_s,
        memory_limit_bytes=limits.memory_limit_bytes,
        threads=limits.threads,
        relative_gap=limits.relative_gap,
        jobs=circumstances.jobs,
        cores=circumstances.cores,
        load_average=circumstances.load_average,
        enforced=outcome.enforced,
        not_enforced=outcome.not_enforced,
        environment_hash=circumstances.environment_hash,
        started_at=circumstances.started_at,
        termination=str(termination),
        status=str(claims.status),
        detail=detail,
        solve_time_s=seconds,
        wall_time_s=outcome.wall_time_s,
        cpu_time_s=outcome.cpu_time_s,
        peak_memory_bytes=outcome.peak_memory_bytes,
        overhead_s=max(0.0, time.monotonic() - begin - (seconds or 0.0)),
        objective=judgement.objective,
        objective_claimed=claims.objective,
        bound=claims.bound,
        # A relaxed plan solves another problem than its bound is of: there is no gap.
        gap=None
        if claims.status is SolutionStatus.RELAXED
        else finite_gap(judgement.objective, claims.bound),
        guarantee=claims.guarantee,
        verdict=str(judgement.verdict),
        verdict_reason=judgement.reason,
        violations=judgement.violations,
        trajectory=claims.trajectory,
        statistics=claims.statistics,
        plan=None if judgement.plan is None else judgement.plan.to_document(),
        stdout=outcome.stdout.decode(errors="replace"),
        stdout_bytes=outcome.stdout_bytes,
        stderr=outcome.stderr.decode(errors="replace"),
        stderr_bytes=outcome.stderr_bytes,
        jobs_on_machine=circumstances.jobs_on_machine,
        cluster=circumstances.cluster,
        method_source=run.source,
        method_version=run.version,
        runs_beside=outcome.runs_beside,
    )
    return row, judgement
