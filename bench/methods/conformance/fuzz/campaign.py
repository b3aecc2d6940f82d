"""Many tiny instances: what was tried, what was claimed, what was refuted, each failure shrunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.methods.conformance.fuzz.enumeration import truth_of
from splitopt.bench.methods.conformance.fuzz.shrink import shrunk
from splitopt.bench.methods.conformance.fuzz.trial import (
    Attempt,
    Failure,
    drawn,
    judged,
    run,
    try_instance,
)
from splitopt.bench.methods.registry import METHODS, Entry, load
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.contract.method import Result, SolutionStatus
from splitopt.instances.core.documents import write_json

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Method

_CHUNK = 20  # instances a worker takes at a time


@dataclass(frozen=True)
class Found:
    """A claim refuted: the instance it was drawn as, the run, and what is wrong."""

    index: int
    attempt: Attempt
    failure: Failure


@dataclass
class Tally:
    """What was tried.

    Attributes
    ----------
    instances
        By kind.
    runs
        By method and outcome: ``runs``, a status, ``bound`` (one above 0 was stated), ``refused``,
        ``failed``.
    found
        Claims refuted, in the order of instances.
    """

    instances: Counter[str] = field(default_factory=Counter)
    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take in what another tally counted."""
        self.instances.update(other.instances)
        self.runs.update(other.runs)
        self.found += other.found

    def count(self, name: str, result: Result | None) -> None:
        """Count a run; a result of None raised."""
        self.runs[name, "runs"] += 1
        if result is None:
            return
        self.runs[name, str(result.status)] += 1
        self.runs[name, "bound"] += result.bound is not None and result.bound > 0
        self.runs[name, "refused"] += "refused" in result.statistics


def _kinds(instance: Instance) -> Iterator[str]:
    yield "instances"
    if isinstance(instance, CiftInstance):
        continuous = [isinstance(n.speeds_flop_per_s, SpeedInterval) for n in instance.nodes]
        if all(continuous):
            yield "intervals alone"
        elif any(continuous):
            yield "lists and intervals"
        yield f"{instance.deadlines} deadlines"
    else:
        yield "exits fixed" if instance.exit_set is not None else "exits free"


Methods = dict[str, tuple[Entry, "Method[Any, Any]"]]


def _methods(problem: str, names: Sequence[str]) -> Methods:
    return {
        entry.name: (entry, load(entry.name, problem))
        for entry in METHODS
        if entry.problem == problem and (not names or entry.name in names)
    }


def _stretch(problem: str, seed: int, first: int, last: int, names: Sequence[str]) -> Tally:
    """Try instances first..last-1."""
    tally = Tally()
    methods = _methods(problem, names)
    for index in range(first, last):
        instance = drawn(problem, seed, index)
        tally.instances.update(_kinds(instance))
        if not truth_of(instance).feasible:
            tally.instances["without a plan"] += 1
        for attempt, result, failure in try_instance(instance, index, methods):
            tally.count(attempt.method, result)
            if failure is not None:
                tally.runs[attempt.method, "failed"] += 1
                tally.found.append(Found(index, attempt, failure))
    return tally


def fuzz(
    problem: str,
    count: int,
    *,
    seed: int,
    start: int = 0,
    methods: Sequence[str] = (),
    jobs: int = 1,
    on_chunk: Callable[[int, Tally], None] | None = None,
) -> Tally:
    """Try `count` instances from `start` on; the same ones for the same seed.

    Parameters
    ----------
    methods
        Names to try; empty for all.
    jobs
        Processes at a time. One that dies is a failure of the instance it died on; with one job
        the methods run in this process.
    on_chunk
        Called with the instances done and the tally so far.
    """
    tally = Tally()
    waiting = [
        (first, min(first + _CHUNK, start + count)) for first in range(start, start + count, _CHUNK)
    ]

    def take(found: Tally) -> None:
        tally.add(found)
        if on_chunk is not None:
            on_chunk(tally.instances["instances"], tally)

    if jobs == 1:
        for first, last in waiting:
            take(_stretch(problem, seed, first, last, methods))
        return tally
    while waiting:
        left = []
        with ProcessPoolExecutor(jobs) as pool:
            futures = {
                pool.submit(_stretch, problem, seed, *ends, methods): ends for ends in waiting
            }
            for future in as_completed(futures):
                try:
                    take(future.result())
                except BrokenProcessPool:
                    left.append(futures[future])
        # A process that dies takes the pool with it: what was under way is tried by itself.
        left.sort()
        for first, last in left[: jobs + 1]:
            take(_alone(problem, seed, first, last, methods))
        waiting = left[jobs + 1 :]
    tally.found.sort(key=lambda one: one.index)
    return tally


def _alone(problem: str, seed: int, first: int, last: int, names: Sequence[str]) -> Tally:
    """Try instances first..last-1 in a process of their own; halve them until one kills it."""
    with ProcessPoolExecutor(1) as pool:
        try:
            return pool.submit(_stretch, problem, seed, first, last, names).result()
        except BrokenProcessPool:
            pass
    tally = Tally()
    if last - first == 1:
        died = Failure("process", f"kills its process; seed {seed}, instance {first}")
        tally.instances["instances"] += 1
        tally.found.append(Found(first, Attempt("some-method", problem), died))
        return tally
    middle = (first + last) // 2
    tally.add(_alone(problem, seed, first, middle, names))
    tally.add(_alone(problem, seed, middle, last, names))
    return tally


def save(found: Found, problem: str, seed: int, folder: Path) -> Path:
    """Write the instance of a failure, made as small as still fails alike; return the file."""
    entry, method = _methods(problem, (found.attempt.method,))[found.attempt.method]

    def fails(instance: Instance) -> bool:
        result = run(method, instance, found.attempt)
        if isinstance(result, Failure):
            return result.kind == found.failure.kind
        if result is None:
            return False
        failure = judged(instance, truth_of(instance), result, found.attempt, entry.kind)
        return failure is not None and failure.kind == found.failure.kind

    instance = drawn(problem, seed, found.index)
    small = shrunk(instance, fails) if fails(instance) else instance
    kind = found.failure.kind.replace(" ", "-")
    path = folder / f"{problem}-{seed}-{found.index}-{found.attempt.method}-{kind}.json"
    write_json(path, small.to_document())
    return path


def rows_of(tally: Tally) -> list[dict[str, str | int]]:
    """Return a row of counts for each method."""
    outcomes = ("runs", *map(str, SolutionStatus), "bound", "refused", "failed")
    names = sorted({name for name, _ in tally.runs})
    return [
        {"method": name, **{what: tally.runs[name, what] for what in outcomes}} for name in names
    ]
