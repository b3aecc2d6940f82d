"""A place where runs are done, one at a time: it keeps the processes they are forked from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from splitopt.bench.isolation.client import Zygote, ZygoteLostError
from splitopt.bench.isolation.streams import Outcome, Watch
from splitopt.bench.methods.registry import entry_at
from splitopt.bench.runs.requests import request_of
from splitopt.bench.store.rows import PlannedRun

__all__ = ["Slot", "solver_families"]


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
    """

    def __init__(self, families: Mapping[str, str | None]) -> None:
        self._families = families
        # One parent of runs for each family of solvers and number of threads, started when needed.
        self._zygotes: dict[tuple[int, str | None], Zygote] = {}

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
    ) -> Outcome:
        """Do a run; once more when the zygote, and not the run, was lost."""
        family = self._families.get(run.target)
        key = (run.limits.threads, family)
        request = request_of(run, cores=cores, instance_document=instance_document)
        lost = ""
        for _ in range(2):
            if key not in self._zygotes:
                wanted = [t for t, f in self._families.items() if f == family]
                self._zygotes[key] = Zygote(run.limits.threads, wanted)
            try:
                return self._zygotes[key].run(request, watch)
            except ZygoteLostError as error:
                lost = str(error)
                self._zygotes.pop(key).close()
                if watch.stop.is_set():
                    return Outcome(killed_for="stop")
        return Outcome(failed=lost, wall_time_s=0.0)
