"""Do a set of runs, each in a process of its own, and record every one of them.

The runner can be killed at any moment and started again; several runners can work on one store.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.bench.isolation.client import Zygote
from splitopt.bench.methods.plugins import Catalogue
from splitopt.bench.runs.plan import RunPlan, Skipped, plan_runs
from splitopt.bench.runs.queue import RunEvent, RunQueue
from splitopt.bench.runs.record import now_text
from splitopt.bench.runs.solve_once import solve_once
from splitopt.bench.runs.work import Work
from splitopt.bench.store.rows import Limits, default_grace_s
from splitopt.bench.store.store import BestKnown, Store
from splitopt.bench.verdicts.crosscheck import Contradiction, cross_check

if TYPE_CHECKING:
    from splitopt.bench.runs.cluster.spec import ClusterSpec
    from splitopt.bench.runs.cluster.work import ClusterWork

__all__ = ["RunEvent", "RunPlan", "RunSummary", "Skipped", "plan", "run_set", "solve_once"]


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
    terminations, verdicts
        Numbers of rows of the selection by termination and by verdict.
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
    terminations: Mapping[str, int]
    verdicts: Mapping[str, int]
    contradictions: tuple[Contradiction, ...]
    interrupted: bool
    overhead_s: float | None
    wall_time_s: float

    @property
    def ok(self) -> bool:
        """Whether everything was done and nothing contradicts anything."""
        return not self.interrupted and not self.contradictions


def _limits(
    time_limit_s: float,
    grace_s: float | None,
    cpu_limit_s: float | None,
    memory_limit_bytes: int | None,
    threads: int,
    relative_gap: float | None,
) -> Limits:
    grace = default_grace_s(time_limit_s) if grace_s is None else grace_s
    limits = Limits(time_limit_s, grace, cpu_limit_s, memory_limit_bytes, threads)
    if relative_gap is None:
        return limits
    return Limits(
        time_limit_s, grace, cpu_limit_s, memory_limit_bytes, threads, float(relative_gap)
    )


def _jobs(jobs: int, cluster: ClusterSpec | None) -> int:
    return jobs if cluster is None else cluster.expected_jobs


@contextlib.contextmanager
def _catalogue(plugins: Sequence[str]) -> Iterator[Catalogue]:
    zygote = Zygote()
    try:
        yield Catalogue.build(plugins, zygote)
    finally:
        zygote.close()


def plan(
    instances: Sequence[str],
    methods: Sequence[str],
    out: Path | None = None,
    *,
    time_limit_s: float,
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    memory_limit_bytes: int | None = None,
    options: Mapping[str, Mapping[str, object]] | None = None,
    plugins: Sequence[str] = (),
    grace_s: float | None = None,
    cpu_limit_s: float | None = None,
    threads: int = 1,
    repetitions: int = 1,
    relative_gap: float | None = None,
    cluster: ClusterSpec | None = None,
) -> RunPlan:
    """Return the runs that `run_set` would do with the same arguments, doing none.

    The plan is a list of runs; it knows those already in the store at `out`, the pairs
    skipped, and the worst-case time.
    """
    limits = _limits(time_limit_s, grace_s, cpu_limit_s, memory_limit_bytes, threads, relative_gap)
    with _catalogue(plugins) as catalogue:
        return plan_runs(
            catalogue,
            instances,
            methods,
            limits=limits,
            seeds=seeds,
            repetitions=repetitions,
            options=options or {},
            jobs=_jobs(jobs, cluster),
            out=out,
        )


def run_set(
    instances: Sequence[str],
    methods: Sequence[str],
    out: Path,
    *,
    time_limit_s: float,
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    memory_limit_bytes: int | None = None,
    options: Mapping[str, Mapping[str, object]] | None = None,
    plugins: Sequence[str] = (),
    on_event: Callable[[RunEvent], None] | None = None,
    grace_s: float | None = None,
    cpu_limit_s: float | None = None,
    threads: int = 1,
    repetitions: int = 1,
    relative_gap: float | None = None,
    best_known: Mapping[str, BestKnown] | None = None,
    output_limit_bytes: int = 64 << 10,
    retry: Sequence[str] = (),
    command: Sequence[str] = (),
    cluster: ClusterSpec | None = None,
) -> RunSummary:
    """Do every run of a selection that the store in `out` does not hold yet.

    Parameters
    ----------
    instances
        Names in the library, or files.
    methods
        Names of methods; one that does not serve an instance's problem is skipped there.
    out
        Folder of the store; made if missing. One that holds a store is resumed.
    time_limit_s, grace_s
        Seconds a method is told, and by how many it may overrun before it is killed; 2 s and
        a tenth of the limit unless given.
    cpu_limit_s, memory_limit_bytes, threads, relative_gap
        See `splitopt.bench.store.rows.Limits`.
    seeds, repetitions
        Every pair is run once for each.
    jobs
        Runs at a time. Rows hold it: times at different parallelism are not to be mixed.
    options
        Options by method.
    plugins
        ``module:object`` of methods of the user's own.
    on_event
        Called from one thread at a time.
    best_known
        What is known of instances from elsewhere, by content hash or by name.
    output_limit_bytes
        What is kept of stdout, and of stderr: its head and its tail.
    retry
        Terminations (``crashed``, ``killed``, ...) whose rows are thrown away and done again.
    command
        The command line, for the report.
    cluster
        Where the runs are spread over workers, as `splitopt.bench.runs.cluster.spec.read_cluster`
        gives it; `jobs` is then the cluster's to say.

    Returns
    -------
    RunSummary
        After Ctrl-C too; `interrupted` holds then.

    Raises
    ------
    InputError
        For a selection that does not exist; before any run.
    StoreError
        When the store cannot be written; what it holds is whole.
    ClusterError
        When the cluster is lost; what was stored is kept.
    """
    begin = time.monotonic()
    limits = _limits(time_limit_s, grace_s, cpu_limit_s, memory_limit_bytes, threads, relative_gap)
    with Store(out, create=True) as store:
        with _catalogue(plugins) as catalogue:
            chosen = plan_runs(
                catalogue,
                instances,
                methods,
                limits=limits,
                seeds=seeds,
                repetitions=repetitions,
                options=options or {},
                jobs=_jobs(jobs, cluster),
                store=store,
            )
        stored = store.keys()
        again = [run.key for run in chosen if stored.get(run.key) in retry]
        store.forget(again)
        chosen.done -= set(again)
        for instance in {run.instance_hash: run for run in chosen}.values():
            for name in (instance.instance_name, instance.instance_hash):
                if best_known and name in best_known:
                    store.put_best_known(instance.instance_hash, best_known[name])
        store.put_call(
            now_text(),
            {
                "command": list(command),
                "instances": len({run.instance_hash for run in chosen}),
                "methods": list(dict.fromkeys(methods)),
                "seeds": list(seeds),
                "repetitions": repetitions,
                "jobs": chosen.jobs,
                "cluster": None if cluster is None else cluster.kind,
                "time_limit_s": time_limit_s,
                "plugins": list(plugins),
            },
            [run.key for run in chosen],
        )
        queue = RunQueue(store, chosen, on_event)
        work: Work | ClusterWork
        if cluster is None:
            work = Work(queue, chosen, output_limit_bytes)
        else:
            from splitopt.bench.runs.cluster.work import ClusterWork

            work = ClusterWork(queue, chosen, output_limit_bytes, cluster, tuple(plugins))
        work.go()
        hashes = {run.instance_hash for run in chosen}
        rows = [row for row in store.rows(heavy=False) if row.instance_hash in hashes]
        keys = {run.key for run in chosen}
        mine = [row for row in rows if row.key in keys]
        return RunSummary(
            out=out,
            planned=len(chosen),
            done_before=len(chosen.done),
            done_now=queue.done_now,
            done_by_others=len(mine) - len(chosen.done) - queue.done_now,
            skipped=tuple(chosen.skipped),
            terminations=_count([row.termination for row in mine]),
            verdicts=_count([row.verdict for row in mine]),
            contradictions=tuple(cross_check(rows, store.best_known())),
            interrupted=work.interrupted,
            overhead_s=statistics.median(queue.overheads_s) if queue.overheads_s else None,
            wall_time_s=time.monotonic() - begin,
        )


def _count(values: Sequence[str]) -> dict[str, int]:
    return {value: values.count(value) for value in dict.fromkeys(values)}
