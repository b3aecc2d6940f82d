"""What a zygote is told of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from splitopt.bench.isolation.targets import BY_FILE
from splitopt.bench.methods.registry import METHODS
from splitopt.bench.store.rows import PlannedRun


def builtin_targets(runs: Iterable[PlannedRun]) -> list[str]:
    """Return the targets of runs that are ours to import ahead; a user's code is not."""
    ours = {entry.target for entry in METHODS}
    return sorted({r.target for r in runs if r.target in ours or r.target.startswith(BY_FILE)})


def request_of(
    run: PlannedRun,
    *,
    cores: tuple[int, ...] | None = None,
    instance_document: Mapping[str, Any] | None = None,
    warm_start: Mapping[str, Any] | None = None,
    log: bool = False,
) -> dict[str, Any]:
    """Return the request for a run.

    Parameters
    ----------
    cores
        Cores the run is held to.
    instance_document
        The instance itself, where it has no name or file.
    warm_start
        A plan to start from.
    log
        Whether the solver's log is wanted on standard output.
    """
    limits = run.limits
    return {
        "op": "solve",
        "instance": run.instance,
        "instance_hash": run.instance_hash,
        "instance_document": instance_document,
        "target": run.target,
        "source": run.source,
        "method": run.method,
        "options": dict(run.options),
        "seed": run.seed,
        "time_limit_s": limits.time_limit_s,
        "grace_s": limits.grace_s,
        "cpu_limit_s": limits.cpu_limit_s,
        "memory_limit_bytes": limits.memory_limit_bytes,
        "threads": limits.threads,
        "relative_gap": limits.relative_gap,
        "cores": None if cores is None else list(cores),
        "warm_start": warm_start,
        "log": log,
        # The zygote has prepared our own methods; a user's is prepared in its own process.
        "prepare": not builtin_targets([run]),
    }
