"""Do a set of runs, each in a process of its own, and record every one of them.

The runner can be killed at any moment and started again; several runners can work on one store.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.bench.isolation.client import Zygote
from splitopt.bench.methods.plugins import Catalogue
from splitopt.bench.runs.plan import RunPlan, Skipped, check_selection, plan_runs, put_instance
from splitopt.bench.runs.queue import RunEvent, RunQueue
from splitopt.bench.runs.record import now_text
from splitopt.bench.runs.solve_once import solve_once
from splitopt.bench.runs.spec import RunSpec
from splitopt.bench.runs.work import Work
from splitopt.bench.store.sources import load_instance
from splitopt.bench.store.store import FILE_NAME, Store, making
from splitopt.bench.verdicts.crosscheck import Contradiction, cross_check
from splitopt.instances.contract.method import Termination

if TYPE_CHECKING:
    from splitopt.bench.runs.cluster.spec import ClusterSpec
    from splitopt.bench.runs.cluster.work import ClusterWork

_NOT_IN_ORDER = {Termination.CRASHED, Termination.KILLED, Termination.MEMORY}

__all__ = [
    "RunEvent",
    "RunPlan",
    "RunSpec",
    "RunSummary",
    "Skipped",
    "plan",
    "run_set",
    "solve_once",
]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What became of a set of runs.

    Attributes
    ----------
    out
        Its folder.
    planned, done_before, done_now, done_by_others
        Numbers of runs: of the selection, stored before, by this call, by another runner.
    skipped
        Pairs without a run, with the reason.
    changed
        Of a user's methods, by name, numbers of rows in the store that are of other code.
    terminations, verdicts
        Numbers of rows of the selection by how they ended (`Row.ending`) and by verdict.
    unsupported
        Numbers of those whose method does not take their instance, by the reason it gives.
    contradictions
        Contradictions on the instances of the selection, among all rows of the store.
    interrupted
        Whether it was stopped before the end.
    overhead_s
        Median over this call's runs of the seconds from claim to commit that were not spent
        in the method; None without a run.
    wall_time_s
        Seconds of the call.
    """

    out: Path
    planned: int
    done_before: int
    done_now: int
    done_by_others: int
    skipped: tuple[Skipped, ...]
    changed: Mapping[str, int]
    terminations: Mapping[str, int]
    verdicts: Mapping[str, int]
    unsupported: Mapping[str, int]
    contradictions: tuple[Contradiction, ...]
    interrupted: bool
    overhead_s: float | None
    wall_time_s: float

    @property
    def none_in_order(self) -> bool:
        """Whether there are runs, and every one of them crashed or was killed."""
        return bool(self.terminations) and set(self.terminations) <= _NOT_IN_ORDER

    @property
    def none_taken(self) -> bool:
        """Whether there are runs, and no method takes the instance of its run."""
        return set(self.terminations) == {Termination.UNSUPPORTED}

    @property
    def ok(self) -> bool:
        """Whether all was done, some run ended in order, and nothing contradicts anything."""
        return not (self.interrupted or self.contradictions or self.none_in_order)


def plan(
    spec: RunSpec,
    out: Path | None = None,
    *,
    jobs: int = 1,
    cluster: ClusterSpec | None = None,
) -> RunPlan:
    """Return the runs that `run_set` would do with the same arguments, doing none.

    The plan is a list of runs; it knows those already in the store at `out`, the pairs
    skipped, and the worst-case time.
    """
    with _planned(spec, jobs, cluster) as (chosen, _):
        if out is not None and (out / FILE_NAME).is_file():
            with Store(out, readonly=True) as store:
                chosen.look_up(store)
    return chosen


@contextlib.contextmanager
def _planned(
    spec: RunSpec, jobs: int, cluster: ClusterSpec | None
) -> Iterator[tuple[RunPlan, list[Zygote]]]:
    """Yield the runs of a selection, and the parent of processes that told of their methods.

    Whoever takes it from the list closes it.
    """
    if cluster is not None:
        from splitopt.bench.runs.cluster.walltime import check_walltime

        check_walltime(cluster, spec.limits)
        jobs = cluster.expected_jobs
    check_selection(spec, jobs)  # before a process is started for it
    spare = [Zygote()]
    try:
        chosen = plan_runs(Catalogue.build(spec.plugins, spare[0]), spec, jobs=jobs)
        if cluster is not None or spec.limits.threads != 1:  # nobody takes it, for hours maybe
            spare.pop().close()
        yield chosen, spare
    finally:
        for zygote in spare:
            zygote.close()


def run_set(
    spec: RunSpec,
    out: Path,
    *,
    jobs: int = 1,
    cluster: ClusterSpec | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
    retry: Sequence[str] = (),
    command: Sequence[str] = (),
    keep_logs: bool = False,
) -> RunSummary:
    """Do every run of a selection that the store in `out` does not hold yet.

    Parameters
    ----------
    spec
        Which runs.
    out
        Folder of the store; made if missing. One that holds a store is resumed.
    jobs
        Runs at a time. Rows hold it: times at different parallelism are not to be mixed.
    cluster
        Where the runs are spread over workers, as `splitopt.bench.runs.cluster.spec.read_cluster`
        gives it; `jobs` is then the cluster's to say.
    on_event
        Called from one thread at a time.
    retry
        Terminations (``crashed``, ``killed``, ...) whose rows are thrown away and done again.
    command
        The command line, for the report.
    keep_logs
        Whether solvers write logs, which are kept in the folder ``logs`` of `out`.

    Returns
    -------
    RunSummary
        After Ctrl-C too; `interrupted` holds then.

    Raises
    ------
    InputError
        For a selection that does not exist; before any run.
    StoreError
        When the store cannot be written; what it holds is whole. Or when it was removed.
    MachineError
        When this machine cannot do runs; what was stored is kept.
    ClusterError
        When the cluster cannot be had or is lost; what was stored is kept.
    """
    begin = time.monotonic()
    # Planning refuses what is wrong before anything is written.
    with _planned(spec, jobs, cluster) as (chosen, spare), making(out) as store:
        chosen.look_up(store)
        for run in {run.instance_hash: run for run in chosen}.values():
            if not store.has_instance(run.instance_hash):
                put_instance(store, load_instance(run.instance), run.instance)
        stored = store.keys()
        again = [run.key for run in chosen if stored.get(run.key) in retry]
        store.forget(again)
        chosen.done -= set(again)
        kind = None if cluster is None else cluster.kind
        call = {"command": list(command), **_call(spec, chosen), "cluster": kind}
        store.put_call(now_text(), call, [run.key for run in chosen])
        queue = RunQueue(store, chosen, on_event)
        work: Work | ClusterWork
        logs = out / "logs" if keep_logs else None
        if cluster is None:
            work = Work(queue, chosen, logs, spare)
        else:
            from splitopt.bench.runs.cluster.work import ClusterWork

            work = ClusterWork(queue, chosen, cluster, tuple(spec.plugins), logs)
        work.go()
        store.require_there()
        found = _summary(store, out, chosen, queue)
        wall_time_s = time.monotonic() - begin
        return dataclasses.replace(found, interrupted=work.interrupted, wall_time_s=wall_time_s)


def _call(spec: RunSpec, chosen: RunPlan) -> dict[str, object]:
    """Return what a store says of a call, beside its command line."""
    return {
        "instances": len({run.instance_hash for run in chosen}),
        "methods": list(dict.fromkeys(spec.methods)),
        "seeds": list(spec.seeds),
        "repetitions": spec.repetitions,
        "jobs": chosen.jobs,
        "time_limit_s": spec.limits.time_limit_s,
        "plugins": list(spec.plugins),
    }


def _summary(store: Store, out: Path, chosen: RunPlan, queue: RunQueue) -> RunSummary:
    """Return what the store holds of these runs now; of the call itself nothing yet."""
    hashes = {run.instance_hash for run in chosen}
    rows = [row for row in store.rows(heavy=False) if row.instance_hash in hashes]
    keys = {run.key for run in chosen}
    mine = [row for row in rows if row.key in keys]
    # What an earlier version of a method said is no fault of this one.
    current = [row for row in rows if row.key not in chosen.changed]
    return RunSummary(
        out=out,
        planned=len(chosen),
        done_before=len(chosen.done),
        done_now=queue.done_now,
        done_by_others=len(mine) - len(chosen.done) - queue.done_now,
        skipped=tuple(chosen.skipped),
        changed=_count(list(chosen.changed.values())),
        terminations=_count([row.ending for row in mine]),
        verdicts=_count([row.verdict for row in mine]),
        unsupported=_count(
            [row.detail or "" for row in mine if row.termination == Termination.UNSUPPORTED]
        ),
        contradictions=tuple(cross_check(current, store.best_known())),
        interrupted=False,
        overhead_s=statistics.median(queue.overheads_s) if queue.overheads_s else None,
        wall_time_s=0.0,
    )


def _count(values: Sequence[str]) -> dict[str, int]:
    return {value: values.count(value) for value in dict.fromkeys(values)}
