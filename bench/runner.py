"""Do a set of runs, each in a process of its own, and record every one of them.

A slot is one run at a time: a thread that claims a run in the store, has a zygote fork its
process, watches it, judges what comes back and stores the row. The runner can be killed at any
moment and started again; several runners can work on one store.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.cores import assigned_cores
from bench.crosscheck import Contradiction, cross_check
from bench.environment import describe
from bench.isolation import Outcome, Watch, Zygote, ZygoteLostError
from bench.plan_runs import RunPlan, Skipped, plan_runs
from bench.plugins import Catalogue
from bench.preload import solver_family
from bench.record import Circumstances, make_row, now_text
from bench.requests import builtin_targets, request_of
from bench.rows import Limits, PlannedRun, Row, default_grace_s
from bench.solve_once import solve_once
from bench.sources import load_instance
from bench.store import LEASE_S, BestKnown, Claim, Store
from instances.errors import InputError

if TYPE_CHECKING:
    from instances.interface import Instance

__all__ = ["RunEvent", "RunPlan", "RunSummary", "Skipped", "plan", "run_set", "solve_once"]

_INSTANCES_HELD = 8
# A second runner that has nothing left to claim looks this often whether the first is done.
_WAIT_S = 0.2


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened in a set of runs.

    Attributes
    ----------
    kind
        ``planned`` once, then ``started`` and ``finished`` for each run; ``waiting`` when all
        that is left is in the hands of another runner.
    done, total
        Runs stored, of those planned.
    run, row
        The run, and its row once it is finished.
    remaining_s
        Estimate of the seconds left; None until the first run is finished.
    """

    kind: Literal["planned", "started", "finished", "waiting"]
    done: int
    total: int
    run: PlannedRun | None = None
    row: Row | None = None
    remaining_s: float | None = None


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
            jobs=jobs,
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
        See `bench.rows.Limits`.
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
                jobs=jobs,
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
                "jobs": jobs,
                "time_limit_s": time_limit_s,
                "plugins": list(plugins),
            },
        )
        work = _Work(store, chosen, output_limit_bytes, on_event)
        work.go()
        hashes = {run.instance_hash for run in chosen}
        rows = [row for row in store.rows(heavy=False) if row.instance_hash in hashes]
        keys = {run.key for run in chosen}
        mine = [row for row in rows if row.key in keys]
        return RunSummary(
            out=out,
            planned=len(chosen),
            done_before=len(chosen.done),
            done_now=work.done_now,
            done_by_others=len(mine) - len(chosen.done) - work.done_now,
            skipped=tuple(chosen.skipped),
            terminations=_count([row.termination for row in mine]),
            verdicts=_count([row.verdict for row in mine]),
            contradictions=tuple(cross_check(rows, store.best_known())),
            interrupted=work.interrupted,
            overhead_s=statistics.median(work.overheads_s) if work.overheads_s else None,
            wall_time_s=time.monotonic() - begin,
        )


def _count(values: Sequence[str]) -> dict[str, int]:
    return {value: values.count(value) for value in dict.fromkeys(values)}


@dataclass
class _Work:
    """The runs that are left, and the slots that do them."""

    store: Store
    plan: RunPlan
    output_limit_bytes: int
    on_event: Callable[[RunEvent], None] | None
    done_now: int = 0
    interrupted: bool = False
    overheads_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._left = self.plan.left
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._known = self.store.best_known()
        self._environment = self.store.put_environment(describe())
        # Our own methods alone: a user's code is imported in the process of its run.
        self._families = {t: solver_family(t) for t in builtin_targets(self.plan)}
        self._held: OrderedDict[str, Instance] = OrderedDict()
        self._begin = time.monotonic()
        self._stored = len(self.plan.done)

    def go(self) -> None:
        self._tell("planned")
        if not self._left:
            return
        slots = [
            threading.Thread(target=self._slot, daemon=True)
            for _ in range(min(self.plan.jobs, len(self._left)))
        ]
        try:
            for slot in slots:
                slot.start()
            last = time.monotonic()
            while any(slot.is_alive() for slot in slots):
                # Short waits, so that Ctrl-C is seen at once.
                slots[0].join(0.1) if slots[0].is_alive() else time.sleep(0.05)
                if time.monotonic() - last > LEASE_S / 4:
                    self.store.renew()
                    last = time.monotonic()
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            # Runs in progress are killed and their claims given back.
            self._stop.set()
            for slot in slots:
                if slot.ident is not None:
                    slot.join(30.0)
        if self._failure is not None:
            raise self._failure

    def _tell(
        self, kind: Literal["planned", "started", "finished", "waiting"], **more: Any
    ) -> None:
        if self.on_event is None:
            return
        with self._lock:
            done, total = self._stored, len(self.plan)
            remaining = None
            if self.done_now:
                elapsed = time.monotonic() - self._begin
                remaining = elapsed / self.done_now * (total - done)
            self.on_event(RunEvent(kind, done, total, remaining_s=remaining, **more))

    # -- a slot ----------------------------------------------------------------------------

    def _slot(self) -> None:
        # One parent of runs for each family of solvers, started when first needed.
        zygotes: dict[tuple[str, ...], Zygote] = {}
        try:
            while not self._stop.is_set() and (run := self._next()) is not None:
                self._do(run, zygotes)
        except BaseException as error:
            # The first failure ends the set: a store that cannot be written, say.
            with self._lock:
                self._failure = self._failure or error
            self._stop.set()
        finally:
            for zygote in zygotes.values():
                zygote.close()

    def _next(self) -> PlannedRun | None:
        """Return a run claimed for this slot; None when every run is done."""
        while not self._stop.is_set():
            with self._lock:
                waiting = len(self._left)
            for _ in range(waiting):
                with self._lock:
                    if not self._left:
                        break
                    run = self._left.pop(0)
                claim = self.store.claim(run.key)
                if claim is Claim.MINE:
                    return run
                with self._lock:
                    if claim is Claim.TAKEN:
                        self._left.append(run)
                    else:
                        self._stored += 1
                if claim is Claim.TAKEN and self._stop.is_set():
                    return None
            with self._lock:
                if not self._left:
                    return None
            self._tell("waiting")
            self._stop.wait(_WAIT_S)
        return None

    def _instance(self, run: PlannedRun) -> Instance:
        with self._lock:
            found = self._held.get(run.instance_hash)
            if found is not None:
                self._held.move_to_end(run.instance_hash)
                return found
        found = load_instance(run.instance)
        if found.content_hash != run.instance_hash:
            raise InputError(
                "instance", run.instance, "the instance that was planned", "start again: it changed"
            )
        with self._lock:
            self._held[run.instance_hash] = found
            while len(self._held) > _INSTANCES_HELD:
                self._held.popitem(last=False)
        return found

    def _do(self, run: PlannedRun, zygotes: dict[tuple[str, ...], Zygote]) -> None:
        begin = time.monotonic()
        self._tell("started", run=run)
        with assigned_cores(run.limits.threads) as cores:
            circumstances = Circumstances.now(self._environment, self.plan.jobs, cores)
            outcome = self._attempt(run, zygotes, cores)
        if outcome.killed_for == "stop":
            self.store.release(run.key)
            return
        row, _ = make_row(
            run,
            self._instance(run),
            outcome,
            circumstances,
            self._known.get(run.instance_hash),
            begin,
        )
        self.store.add(row)
        with self._lock:
            self._stored += 1
            self.done_now += 1
            self.overheads_s.append(time.monotonic() - begin - (row.solve_time_s or 0.0))
        self._tell("finished", run=run, row=row)

    def _attempt(
        self,
        run: PlannedRun,
        zygotes: dict[tuple[str, ...], Zygote],
        cores: tuple[int, ...] | None,
    ) -> Outcome:
        """Do a run; once more when the zygote, and not the run, was lost."""
        family = self._families.get(run.target, ())
        watch = Watch(
            kill_after_s=run.limits.kill_after_s,
            memory_limit_bytes=run.limits.memory_limit_bytes,
            output_limit_bytes=self.output_limit_bytes,
            stop=self._stop,
        )
        lost = ""
        for _ in range(2):
            if family not in zygotes:
                wanted = [t for t, f in self._families.items() if f == family]
                zygotes[family] = Zygote(run.limits.threads, wanted)
            try:
                return zygotes[family].run(request_of(run, cores=cores), watch)
            except ZygoteLostError as error:
                lost = str(error)
                zygotes.pop(family).close()
                if self._stop.is_set():
                    return Outcome(killed_for="stop")
        return Outcome(failed=lost, wall_time_s=0.0)
