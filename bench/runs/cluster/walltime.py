"""How long the jobs of a queue last, and whether runs fit into them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from splitopt.bench.runs.cluster.options import job_queue_module
from splitopt.bench.runs.cluster.spec import QUEUES, ClusterSpec
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.bench.store.rows import Limits

# The variables by which workers in a job know until when it lasts: a time and a number of seconds.
JOB_BEGAN, JOB_WALLTIME = "SPLITOPT_JOB_BEGAN", "SPLITOPT_JOB_WALLTIME"

# From being given out to its clock, and from its end to the runner.
_MARGIN_S = 3.0
_ENDLESS = ("UNLIMITED", "INFINITE", "-1")
_SECONDS, _MINUTES, _HOURS, _DAYS = 1, 60, 3600, 86400
# What the numbers between colons are, by how many there are; as each queue reads them.
_CLOCKS = {
    "slurm": {1: (_MINUTES,), 2: (_MINUTES, _SECONDS), 3: (_HOURS, _MINUTES, _SECONDS)},
    "lsf": {1: (_MINUTES,), 2: (_HOURS, _MINUTES)},
    "oar": {1: (_HOURS,), 2: (_HOURS, _MINUTES), 3: (_HOURS, _MINUTES, _SECONDS)},
}
_OTHERS = {1: (_SECONDS,), 2: (_MINUTES, _SECONDS), 3: (_HOURS, _MINUTES, _SECONDS)}
# Slurm's days-hours[:minutes[:seconds]].
_AFTER_DAYS = {1: (_HOURS,), 2: (_HOURS, _MINUTES), 3: (_HOURS, _MINUTES, _SECONDS)}


def needed_s(limits: Limits) -> float:
    """Return the seconds a worker must have left to be given a run."""
    return limits.kill_after_s + _MARGIN_S


def walltime_s(spec: ClusterSpec) -> float | None:
    """Return the walltime of the jobs of a queue; None without one.

    Raises
    ------
    InputError
        For a text that the queue would not read.
    """
    text = spec.options.get("walltime")
    if text is None:
        import dask

        job_queue_module()  # and with it come its defaults
        text = dask.config.get(f"jobqueue.{spec.kind}.walltime", None)
    return None if text is None else _seconds(spec.kind, str(text).strip())


def _seconds(kind: str, text: str) -> float | None:
    if kind == "slurm" and text.upper() in _ENDLESS:
        return None
    days, dash, clock = text.rpartition("-") if kind == "slurm" else ("", "", text)
    units = (_AFTER_DAYS if dash else _CLOCKS.get(kind, _OTHERS)).get(clock.count(":") + 1)
    if units is None or not re.fullmatch(r"([0-9]{1,4}-)?[0-9]{1,9}(:[0-9]{1,9})*", text):
        raise InputError("walltime", text, f"a time as {kind} reads it", "write 02:00:00, say")
    numbers = map(int, clock.split(":"))
    return int(days or 0) * _DAYS + sum(n * unit for n, unit in zip(numbers, units, strict=True))


def check_walltime(spec: ClusterSpec, limits: Limits) -> None:
    """Refuse jobs that end before a run of theirs could.

    Raises
    ------
    InputError
        When the walltime is below limit + grace.
    """
    if spec.kind not in QUEUES:
        return
    walltime, needed = walltime_s(spec), needed_s(limits)
    if walltime is not None and walltime < needed:
        raise InputError(
            "walltime",
            f"{walltime:g} s",
            f"at least {needed:g} s: limit + grace and {_MARGIN_S:g} s to begin and to answer",
            "ask the queue for longer jobs, or lower --time-limit and --grace",
        )
