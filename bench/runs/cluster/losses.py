"""What becomes of a run whose worker is lost, and of a set of runs without workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from splitopt.bench.runs.cluster.errors import ClusterError

if TYPE_CHECKING:
    from splitopt.bench.runs.cluster.pool import Pool
    from splitopt.bench.runs.cluster.spec import ClusterSpec
    from splitopt.bench.store.rows import PlannedRun

# A run is given out so often when its workers are lost; then it is taken to be the reason.
MOST_LOSSES = 3
# Losses for which the queue is the reason do not count as such, but there is an end to them too.
_MOST_RETURNS = 10
# A worker that is lost so short before its walltime was ended by it; queues have clocks of theirs.
_NEAR_S = 10.0


@dataclass(frozen=True, slots=True)
class _Loss:
    """A worker that was lost with a run: its name, when, and whether its walltime was over."""

    worker: str
    at: float
    over: bool


class Losses:
    """How often each run was lost, and through whom.

    Parameters
    ----------
    innocent
        Whether a worker of that name, lost then, was ended by the queue and not by its run.
    """

    def __init__(self, innocent: Callable[[str, float], bool]) -> None:
        self._innocent = innocent
        self._of: dict[str, list[_Loss]] = {}

    def count(self, run: PlannedRun, worker: str, ends: float) -> bool:
        """Note a loss; return whether the run is to be given up.

        Raises
        ------
        ClusterError
            When the queue has ended the jobs of this run time and again.
        """
        now = time.monotonic()
        losses = self._of.setdefault(run.key, [])
        losses.append(_Loss(worker, now, now >= ends - _NEAR_S))
        # Why is known by now of all but the last of them.
        counted = sum(not (loss.over or self._innocent(loss.worker, loss.at)) for loss in losses)
        if counted >= MOST_LOSSES:
            return True
        if len(losses) >= _MOST_RETURNS:
            times = sum(loss.over for loss in losses)
            raise ClusterError(
                f"{run.method} on {run.instance_name} was lost {len(losses)} times with the job it "
                f"was in, {times} times at its walltime: ask the queue for longer jobs; every run "
                "stored so far is kept"
            )
        return False


class Patience:
    """How long a set of runs waits for workers, and what it says of that."""

    def __init__(self, spec: ClusterSpec, pool: Pool) -> None:
        self._spec, self._pool = spec, pool
        self._since = time.monotonic()

    def look(self, able: bool, useless: int) -> None:
        """Note whether somebody can do runs.

        Parameters
        ----------
        useless
            Workers that are there but cannot.

        Raises
        ------
        ClusterError
            When nobody could for too long.
        """
        now = time.monotonic()
        if able:
            self._since = now
        elif now - self._since > self._spec.wait_s:
            there = f", but {useless} that cannot" if useless else ""
            raise ClusterError(
                f"{self._spec.text}: no worker that can do a run was there for "
                f"{self._spec.wait_s:g} s (--worker-wait){there}; waited for "
                f"{self._pool.waits_for}; every run stored so far is kept"
            )

    @property
    def waits_for(self) -> str:
        """What is waited for and how long still."""
        left_s = self._spec.wait_s - (time.monotonic() - self._since)
        until = f"{left_s / 3600:.1f} h" if left_s > 7200 else f"{left_s:.0f} s"
        return f"{self._spec.text}: {self._pool.waits_for}; given up in {until}"
