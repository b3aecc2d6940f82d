"""A place where runs are done, one at a time: it keeps the processes they are forked from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from splitopt.bench.isolation.client import Zygote
from splitopt.bench.isolation.endings import classify, solve_time_s
from splitopt.bench.isolation.machine import Doubt, RunLostError, ZygoteLostError, doubt
from splitopt.bench.isolation.streams import Outcome, Watch
from splitopt.bench.methods.registry import entry_at
from splitopt.bench.runs.requests import request_of
from splitopt.bench.store.rows import PlannedRun
from splitopt.bench.store.temporary import sweep
from splitopt.instances.contract.method import Termination


def solver_families(targets: Iterable[str]) -> dict[str, str | None]:
    """Return the native library that each of our own methods calls, by target.

    A user's code is not among them: it is imported in the process of its run.
    """
    entries = {target: entry_at(target) for target in targets}
    return {target: entry.solver for target, entry in entries.items() if entry is not None}


class Slot:
    """One run at a time, each in a process of its own.

    Parameters
    ----------
    families
        Target of a method to the native library it calls, as `solver_families` gives it.
    spare
        Parents of runs of one thread that have imported nothing yet; one that is taken from the
        list is closed here.
    """

    def __init__(
        self, families: Mapping[str, str | None], spare: list[Zygote] | None = None
    ) -> None:
        self._families = families
        self._spare = [] if spare is None else spare
        # One parent of runs for each family of solvers and number of threads, started when needed.
        self._zygotes: dict[tuple[int, str | None], Zygote] = {}
        sweep()

    def close(self) -> None:
        """End the processes that runs are forked from."""
        while self._zygotes:
            self._zygotes.popitem()[1].close()

    def run(
        self,
        run: PlannedRun,
        watch: Watch,
        cores: tuple[int, ...] | None,
        instance_document: Mapping[str, Any] | None = None,
        *,
        log: bool = False,
        on_again: Callable[[str], None] = lambda why: None,
    ) -> Outcome:
        """Do a run; again where it is not sure that it ended through what its method did.

        Parameters
        ----------
        on_again
            Called with the reason before that.

        Raises
        ------
        MachineError
            When this machine lacks what runs need.
        RunLostError
            When it was lost each time, and nothing is known of it.
        """
        request = request_of(run, cores=cores, instance_document=instance_document, log=log)
        tries = 1
        while True:
            outcome, why = self._try(run, request, watch)
            if watch.stop.is_set():
                return Outcome(killed_for="stop")
            if outcome is not None and (why is None or (why.own and tries >= why.tries)):
                return outcome
            assert why is not None
            if tries >= why.tries:
                raise RunLostError(f"{run.method} on {run.instance_name}: {why.why}")
            tries += 1
            on_again(why.why)

    def _try(
        self, run: PlannedRun, request: Mapping[str, Any], watch: Watch
    ) -> tuple[Outcome | None, Doubt | None]:
        """Return what came of a run, None where it was lost, and the doubt about it."""
        family = self._families.get(run.target)
        key = (run.limits.threads, family)
        if key not in self._zygotes:
            wanted = [t for t, f in self._families.items() if f == family]
            self._zygotes[key] = self._parent(run.limits.threads, wanted)
        zygote = self._zygotes[key]
        try:
            outcome = zygote.run(request, watch)
            termination, _ = classify(outcome, limited=watch.memory_limit_bytes is not None)
            why = doubt(outcome, watch, solve_time_s(outcome))
            if termination is Termination.CRASHED or why is not None:
                zygote.look()
        except ZygoteLostError as error:
            self._zygotes.pop(key).close()
            return None, Doubt(str(error))
        return outcome, why

    def _parent(self, threads: int, wanted: list[str]) -> Zygote:
        """Return a parent of runs that imports what is wanted: a spare one, or another."""
        try:
            zygote = self._spare.pop() if threads == 1 else None
        except IndexError:  # there was none, or another slot has it
            zygote = None
        if zygote is not None:
            try:
                zygote.preload(wanted)
            except ZygoteLostError:  # it died meanwhile
                zygote.close()
            else:
                return zygote
        return Zygote(threads, wanted)
