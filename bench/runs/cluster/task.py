"""The worker's side: do one run, in a process of its own, and answer with its row.

The functions here are called by Dask in a thread of the worker; they take and return text.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from splitopt.bench.isolation.cores import assigned_cores
from splitopt.bench.isolation.machine import MachineError, RunLostError
from splitopt.bench.isolation.source import source_hash
from splitopt.bench.isolation.streams import LOG_BYTES, OUTPUT_BYTES, Watch
from splitopt.bench.runs.cluster.code import own_code
from splitopt.bench.runs.cluster.payload import Answer, Task, read_task, write_answer
from splitopt.bench.runs.cluster.walltime import JOB_BEGAN, JOB_WALLTIME
from splitopt.bench.runs.record import Circumstances, make_row, unstorable
from splitopt.bench.runs.slot import Slot, solver_families
from splitopt.bench.store.environment import describe
from splitopt.bench.store.rows import ROW_VERSION
from splitopt.bench.store.sources import load_instance
from splitopt.instances.core.documents import content_hash
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import instance_from_document

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

# Dask says nothing to a function whose caller is gone: it is looked for this often.
_LOOK_S = 0.25
_RUNNING = ("executing", "long-running")

_lock = threading.Lock()
# Slots that wait, by the methods they have imported ahead.
_idle: dict[tuple[str, ...], list[Slot]] = {}
_held: tuple[str, Any] | None = None


def introduce(text: str) -> str:
    """Say what this worker is: its code, its walltime, plugins it lacks, the source of the others.

    `text` is a JSON object with the plugins and the folders where they are looked for last; the
    answer is a JSON object.
    """
    asked = json.loads(text)
    sys.path += [folder for folder in asked["folders"] if folder not in sys.path]
    missing = []
    for module in (plugin.partition(":")[0] for plugin in asked["plugins"]):
        try:
            found = importlib.util.find_spec(module.partition(".")[0]) is not None
        except (ImportError, ValueError):
            found = False
        if not found:
            missing.append(module)
    return json.dumps(
        {
            "row_version": ROW_VERSION,
            "version": describe()["versions"].get("splitopt"),
            "code": own_code(),
            "left_s": _left_s(),
            "missing": missing,
            "sources": {plugin: source_hash(plugin) for plugin in asked["plugins"]},
        }
    )


def _left_s() -> float | None:
    """Return what is left of the walltime of the job this worker is in; None outside of any."""
    ends = []
    with contextlib.suppress(KeyError, ValueError):
        ends.append(float(os.environ["SLURM_JOB_END_TIME"]))
    with contextlib.suppress(KeyError, ValueError):
        ends.append(float(os.environ[JOB_BEGAN]) + float(os.environ[JOB_WALLTIME]))
    return min(ends) - time.time() if ends else None


def do_run(text: str) -> str:
    """Do the run of a task and return the answer, both as text."""
    begin = time.monotonic()
    task = read_task(text)
    try:
        answer = _do(task, begin)
    except MachineError as error:
        return write_answer(Answer(lacking=error.said))
    except (InputError, RunLostError) as error:
        return write_answer(Answer(error=str(error)))
    try:
        return write_answer(answer)
    except (TypeError, ValueError, RecursionError) as error:
        assert answer.row is not None
        return write_answer(dataclasses.replace(answer, row=unstorable(answer.row, error)))


def _do(task: Task, begin: float) -> Answer:
    run = task.run
    instance = _instance(task)
    environment = describe()
    with (
        _watched() as stop,
        _slot(task.targets) as slot,
        assigned_cores(run.limits.threads) as cores,
    ):
        watch = Watch(
            kill_after_s=run.limits.kill_after_s,
            memory_limit_bytes=run.limits.memory_limit_bytes,
            stop=stop,
            time_limit_s=run.limits.time_limit_s,
            output_limit_bytes=LOG_BYTES if task.log else OUTPUT_BYTES,
        )
        # How many runs went on at a time is for the runner to say, who sees all of them.
        circumstances = Circumstances.now(content_hash(environment), 1, cores, cluster=task.cluster)
        outcome = slot.run(run, watch, cores, task.document, log=task.log)
    if outcome.killed_for == "stop":
        return Answer(stopped=True)
    row, _ = make_row(run, instance, outcome, circumstances, task.known, begin)
    return Answer(row, environment)


def _instance(task: Task) -> Instance:
    """Return the instance of a task; the last one is kept."""
    global _held
    run = task.run
    with _lock:
        if _held is not None and _held[0] == run.instance_hash:
            held: Instance = _held[1]
            return held
    if task.document is not None:
        found = instance_from_document(dict(task.document))
    else:
        found = load_instance(run.instance)
    if found.content_hash != run.instance_hash:
        raise InputError(
            "instance", run.instance, "the instance that was planned", "it is another one here"
        )
    with _lock:
        _held = (run.instance_hash, found)
    return found


@contextlib.contextmanager
def _slot(targets: tuple[str, ...]) -> Iterator[Slot]:
    """Lend a slot of this worker: as many are made as runs go on in it at a time."""
    with _lock:
        waiting = _idle.get(targets)
        slot = waiting.pop() if waiting else None
        # Those of a set of runs that is over.
        others = [old for key, slots in _idle.items() if key != targets for old in slots]
        for key in [key for key in _idle if key != targets]:
            del _idle[key]
    for old in others:
        old.close()
    if slot is None:
        slot = Slot(solver_families(targets))
    try:
        yield slot
    finally:
        with _lock:
            _idle.setdefault(targets, []).append(slot)


@contextlib.contextmanager
def _watched() -> Iterator[threading.Event]:
    """Yield an event that is set when nobody waits for the task of this thread any more."""
    from distributed import get_worker

    stop, over = threading.Event(), threading.Event()
    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        state = worker.state.tasks.get(key)
        return (
            state is not None
            and state.state in _RUNNING
            and worker.status.name in ("running", "paused")
        )

    def look() -> None:
        while not over.wait(_LOOK_S):
            if not wanted():
                stop.set()
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        over.set()
        watcher.join()
