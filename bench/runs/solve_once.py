"""Solve one instance by one method under hard limits, as `splitopt solve` does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.isolation.client import Zygote
from splitopt.bench.isolation.endings import classify, input_error
from splitopt.bench.isolation.streams import Watch
from splitopt.bench.methods.byfile.names import is_by_file
from splitopt.bench.methods.plugins import Catalogue
from splitopt.bench.methods.registry import METHODS, find
from splitopt.bench.runs.record import Circumstances, make_row
from splitopt.bench.runs.requests import builtin_targets, request_of
from splitopt.bench.store.rows import Limits, PlannedRun
from splitopt.bench.store.sources import load_instance, resolve
from splitopt.bench.verdicts.known import known_of
from splitopt.instances.contract.method import (
    Guarantee,
    OnProgress,
    Progress,
    Result,
    SolutionStatus,
    Termination,
)

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan

# Interpreting takes up to about 0.1 s: no trial where a run has little time.
_TRIAL_S = 10.0
_NO_LIMIT_S = 3e8  # beyond any wait


def solve_once(
    instance: str | Path | Instance,
    method: str,
    *,
    time_limit_s: float | None,
    seed: int = 0,
    options: Mapping[str, object] | None = None,
    warm_start: Plan | None = None,
    on_progress: OnProgress | None = None,
    on_log: Callable[[bytes], None] | None = None,
    threads: int = 1,
    memory_limit_bytes: int | None = None,
    relative_gap: float | None = None,
    grace_s: float | None = None,
    plugins: Sequence[str] = (),
    stop: threading.Event | None = None,
    zygote: Zygote | None = None,
) -> Result:
    """Solve an instance in a process of its own that is killed when it breaks its limits.

    Parameters
    ----------
    instance
        An instance, a name in the library, or a file.
    method
        Name of a method for its problem.
    time_limit_s
        Seconds the method is told; it is killed 2 s and a tenth later, or after `grace_s`.
        None for no limit.
    seed, options, warm_start, on_progress, threads, memory_limit_bytes, relative_gap
        As for `Method.solve`; `on_progress` is called in this process.
    on_log
        Called with the solver's log as it comes; without it the solver writes none.
    plugins
        ``module:object`` of methods of the user's own.
    stop
        When set, the process is killed; what it had sent is returned, as at the time limit.
    zygote
        A parent of the run that was started before, with as many threads; closed here.

    Returns
    -------
    Result
        Objective and violations are the judge's. ``statistics["verdict"]`` is ``right``,
        ``wrong`` or ``not claimed``, ``statistics["checked_by"]`` what by: one run cannot know
        more than that it was not refuted; ``statistics["detail"]`` says what went wrong. A claim
        that the judge refutes is not passed on: its status is ``none``.

    Raises
    ------
    InputError
        For an instance, method or option that is not what it should be.
    MachineError
        When this machine has no room or no process for it.
    KeyboardInterrupt
        On Ctrl-C, after the process was killed.
    """
    document: dict[str, Any] | None = None
    zygote = zygote or Zygote(threads)  # starts while the instance is read
    try:
        if isinstance(instance, str | Path):
            name = resolve(str(instance))
            solved = load_instance(name)
        else:
            name, solved = instance.name, instance
            document = solved.to_document()
        entry = None
        if plugins or not (is_by_file(method) or method in [known.name for known in METHODS]):
            entry = Catalogue.build(plugins, zygote).find(method, solved.problem)
        entry = entry or find(method, solved.problem)
        unlimited = time_limit_s is None
        limits = Limits.of(
            _NO_LIMIT_S if time_limit_s is None else time_limit_s,
            grace_s=0.0 if unlimited and grace_s is None else grace_s,
            memory_limit_bytes=memory_limit_bytes,
            threads=threads,
            relative_gap=relative_gap,
        )
        what = (name, solved.content_hash, solved.name, solved.problem)
        run = PlannedRun(*what, method, entry.target, dict(options or {}), seed, 0, limits)
        ours = builtin_targets([run])
        trial = bool(ours) and limits.time_limit_s >= _TRIAL_S
        zygote.preload(ours, trial=trial)
        request = request_of(
            run,
            instance_document=document,
            warm_start=None if warm_start is None else warm_start.to_document(),
            log=on_log is not None,
        )
        request["trial"] = trial
        if unlimited:
            request["time_limit_s"] = None
        watch = Watch(
            kill_after_s=None if unlimited else limits.kill_after_s,
            memory_limit_bytes=memory_limit_bytes,
            stop=stop or threading.Event(),
            on_point=on_progress,
            time_limit_s=time_limit_s,
            on_output=on_log,
        )
        return _solve(zygote, run, solved, request, watch)
    finally:
        zygote.close()


def _solve(
    zygote: Zygote,
    run: PlannedRun,
    instance: Instance,
    request: dict[str, Any],
    watch: Watch,
) -> Result:
    begin = time.monotonic()
    outcome = zygote.run(request, watch)
    if (outcome.message or {}).get("kind") == "kernels":
        # Too large to interpret: once more, with the clock at 0 and kernels loaded before.
        zygote.load_kernels()
        outcome = zygote.run(request | {"trial": False}, watch)
    limited = run.limits.memory_limit_bytes is not None
    if classify(outcome, limited=limited)[0] is Termination.CRASHED:
        zygote.look()
    message = outcome.message or {}
    if message.get("kind") == "input":
        raise input_error(message)
    row, judgement = make_row(run, instance, outcome, Circumstances.now("", 1, None), None, begin)
    status = SolutionStatus(row.status)
    if row.verdict == "wrong":
        status = SolutionStatus.NONE
    guarantee = row.guarantee if row.verdict != "wrong" else None
    extra = {"verdict": row.verdict, "checked_by": _checked_by(instance)}
    detail = row.verdict_reason or row.detail
    if detail is not None:
        extra["detail"] = detail
    return Result(
        termination=Termination(row.termination),
        status=status,
        plan=judgement.plan if judgement.objective is not None else None,
        objective=judgement.objective,
        bound=row.bound if row.verdict != "wrong" else None,
        guarantee=None if guarantee is None else Guarantee(**guarantee),
        trajectory=tuple(Progress(*point) for point in row.trajectory),
        statistics={**row.statistics, **extra},
        runtime_s=row.solve_time_s or 0.0,
    )


def _checked_by(instance: Instance) -> str:
    """Return what the claims of one run were held against."""
    if known_of(instance, None) is None:
        return "the judge's arithmetic"
    return "the judge's arithmetic and the best-known registry"
