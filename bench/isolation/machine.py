"""What is the machine's fault and no method's: told here, and nowhere else.

A run needs a folder with room, a process, a parent that lives and a runner that watches. Where the
machine gives none of these there is no run, and so no row: the runner ends in one line, and the
same command does it later. The rule, for whatever went wrong:

- Before the first code of the method's nothing is its fault.
- After it, a look from outside decides, with all of the run's own processes and files gone: where a
  file cannot be written or a process not be forked even then, the machine lacks something. Where it
  can, the run is done once more if what ended it looks like the machine's (no room, no process, a
  signal of those that end whole jobs); when that comes back on a machine that lacks nothing, the
  run did it to itself; what the suite writes for it, such as a model for a solver that reads files,
  never is. One that opens too many files breaks a limit of its own, and the kernel that
  kills a run for its memory keeps to the run.
- A parent of runs that was killed, or a watcher that was not scheduled, says nothing of the run: it
  is done again, and in the end not judged at all.
"""

from __future__ import annotations

import errno
import os
import signal
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splitopt.bench.isolation.streams import Outcome, Watch

# Of the whole machine: room, or a medium that can be written; processes, memory, open files.
_LACKING = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
        errno.EAGAIN,
        errno.ENOMEM,
        errno.ENFILE,
    }
)
# What ends all processes of a job at once.
_ENDS_JOBS = {getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP", "SIGINT")}
# A folder for a run has room for that; folders alone can be made on full disks.
_ROOM_BYTES = 64 << 10
# A watcher that was not scheduled for so long in all, and so much of the run, did not watch it.
_SLACK = (1.0, 0.02)


class MachineError(OSError):
    """There is no room, no process or no memory for runs on this machine now."""

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(
            f"this machine cannot do runs now: {said}; put it right, then start again: "
            "what is stored is kept and not repeated"
        )


class OurShortageError(OSError):
    """What the suite itself does for a method, such as writing a model, finds no room."""


class ZygoteLostError(OSError):
    """The process that runs are forked from died; the run in progress is lost."""


class RunLostError(OSError):
    """A run was lost time and again, through no fault that could be found."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why it is not sure that a run ended as it did through what its method did.

    Attributes
    ----------
    why
        In words.
    tries
        Times that such a run is done before it is given up.
    own
        Whether it is taken to be the method's doing then; otherwise nothing is said of the run.
    """

    why: str
    tries: int = 2
    own: bool = False


def lacking(error: BaseException | None) -> str | None:
    """Return what of the machine's an error says that there is none of, None where it is else.

    Those that it came from count too.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in _LACKING:
            return os.strerror(error.errno)
        if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
            return os.strerror(errno.EAGAIN)
        error = error.__cause__ or error.__context__
    return None


def require_room(folder: str) -> None:
    """Raise OSError unless a file can be written in a folder."""
    with tempfile.TemporaryFile(dir=folder) as stream:
        stream.write(bytes(_ROOM_BYTES))
        stream.flush()


def look() -> None:
    """Raise OSError where this machine lacks what runs need; called where nothing else runs."""
    with tempfile.TemporaryDirectory(prefix="splitopt-look-") as folder:
        require_room(folder)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def doubt(outcome: Outcome, watch: Watch, seconds: float | None) -> Doubt | None:
    """Return the doubt there is about how a run ended; None where it is its own.

    Parameters
    ----------
    seconds
        Seconds of its solve, as they would be recorded.
    """
    if outcome.killed_for in ("memory", "result", "stop"):
        return None
    slept, so_far = outcome.unwatched_s, outcome.solve_wall_s or outcome.wall_time_s
    limit = watch.time_limit_s
    late = limit is not None and seconds is not None and seconds > limit >= seconds - slept
    if slept > _SLACK[0] + _SLACK[1] * so_far or late:
        why = f"too busy, or stopped: nobody could watch the run for {slept:.3g} s"
        return Doubt(why, tries=3)
    status = outcome.exit_status
    if not outcome.ready and outcome.killed_for is None:
        said = (outcome.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        return Doubt(f"its process ended before it began: {said}")
    message = outcome.message
    if message is not None:
        lacks = message.get("lacking") if message.get("kind") == "error" else None
        ours = message.get("ours") is True
        return None if lacks is None else Doubt(str(lacks)[:200], own=not ours)
    if outcome.killed_for is None and status is not None and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return Doubt(signal.Signals(number).name, own=True) if number in _ENDS_JOBS else None
    return None
