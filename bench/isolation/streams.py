"""What a run is watched for, what comes back from it, and its streams read with limits."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from splitopt.instances.contract.method import Progress

# A plan for a million devices takes about 30 MB.
_LARGEST_RESULT_BYTES = 256 << 20
# Of what a run prints so much is kept, of each stream.
OUTPUT_BYTES = 64 << 10
# Where the log of a solver is kept.
LOG_BYTES = 4 << 20

# A clock of a run may be behind the one outside by so much, and by so much of what that says.
_CLOSE = (0.02, 0.02)
# On a busy machine the one outside may be late itself: what differs by more is no accident.
_FAR = (0.1, 0.1)
# Writing a result takes a few times as long as reading it does (4.7 for a million devices).
_WRITING = 8.0
# Processor time beyond what the threads can take in the wall time: what clocks may differ by.
_MORE = (0.5, 0.1)


def _late(inside: float, outside: float, reading_s: float, within: tuple[float, float]) -> bool:
    seconds, share = within
    return outside - inside > seconds + share * outside + _WRITING * reading_s


def believed_s(inside: object, outside: float, reading_s: float = 0.0) -> float:
    """Return the seconds that count: a run's own where both clocks agree closely, else outside's.

    Parameters
    ----------
    reading_s
        Seconds that it took to read what the run sent: a large plan is long in coming.
    """
    if not _is_time(inside) or _late(inside, outside, reading_s, _CLOSE):
        return outside
    # One that is ahead: the runner was late to hear that the run started.
    return outside if _late(outside, inside, 0.0, _FAR) else inside


def _denied(inside: object, outside: float, reading_s: float = 0.0) -> bool:
    """Return whether a run's own clock is further from the one outside than by accident."""
    if not _is_time(inside):
        return True
    return _late(inside, outside, reading_s, _FAR) or _late(outside, inside, 0.0, _FAR)


def _is_time(value: object) -> TypeGuard[float]:
    return type(value) in (int, float) and 0.0 <= value < 1e9  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Watch:
    """What the runner watches while a run lasts.

    Attributes
    ----------
    kill_after_s
        Seconds after the start of the solve at which it is killed; None for never.
    memory_limit_bytes
        Bytes of the whole process tree; None for no limit.
    output_limit_bytes
        Bytes of stdout that are kept; of stderr never more than `OUTPUT_BYTES`.
    stop
        When set the run is killed and its outcome thrown away.
    on_point
        Called with each improvement as it arrives.
    time_limit_s
        Seconds after the start of the solve after which no incumbent counts; None for never.
    on_output
        Called with what it writes on standard output, as it comes.
    """

    kill_after_s: float | None = None
    memory_limit_bytes: int | None = None
    output_limit_bytes: int = OUTPUT_BYTES
    stop: threading.Event = field(default_factory=threading.Event)
    on_point: Callable[[Progress], None] | None = None
    time_limit_s: float | None = None
    on_output: Callable[[bytes], None] | None = None


@dataclass(slots=True)
class Outcome:
    """What came back from a run, unjudged.

    Attributes
    ----------
    message
        The last message of the run but points: ``result``, ``description``, ``unsupported``,
        ``memory``, ``input`` or ``error``; None when it ended without one.
    killed_for
        ``time``, ``memory``, ``setup``, ``result``, ``exit`` or ``stop`` when the runner
        killed it, with the reason in words in `killed_because`.
    plan, plan_objective
        Document and cost, by the run's own word, of the last incumbent it sent within its
        limit.
    reading_s
        Seconds that reading `message` took.
    clock_denied
        Whether the run's own clock was too far from the one outside for its times to count.
    exit_status
        As `os.wait4` gives it; None when the run was never started.
    ready
        Whether its process got as far as to run code of the method's.
    unwatched_s
        Seconds, before the result came, in which the runner should have looked and was not
        scheduled.
    runs_beside
        The most other runs that were seen at work on this machine; None where that is not known.
    """

    message: dict[str, Any] | None = None
    points: list[tuple[float, float | None, float | None]] = field(default_factory=list)
    plan: dict[str, Any] | None = None
    plan_objective: float | None = None
    killed_for: str | None = None
    killed_because: str | None = None
    failed: str | None = None
    exit_status: int | None = None
    ready: bool = False
    started: bool = False
    unwatched_s: float = 0.0
    runs_beside: int | None = None
    solve_wall_s: float | None = None
    reading_s: float = 0.0
    clock_denied: bool = False
    wall_time_s: float = 0.0
    cpu_time_s: float | None = None
    peak_memory_bytes: int | None = None
    enforced: dict[str, str] = field(default_factory=dict)
    not_enforced: dict[str, str] = field(default_factory=dict)
    stdout: bytes = b""
    stdout_bytes: int = 0
    stderr: bytes = b""
    stderr_bytes: int = 0


def hold_times(outcome: Outcome, threads: int) -> None:
    """Hold the times of a run that is over against each other; note what does not go together.

    Parameters
    ----------
    threads
        Threads that the run was allowed.
    """
    wall, inside = outcome.solve_wall_s, (outcome.message or {}).get("solve_time_s")
    if wall is not None and inside is not None and _denied(inside, wall, outcome.reading_s):
        outcome.clock_denied = True
        outcome.not_enforced["clock"] = "the run's own was far from the one outside, which counts"
    seconds, share = _MORE
    possible = threads * outcome.wall_time_s
    if (outcome.cpu_time_s or 0.0) > possible * (1.0 + share) + seconds:
        outcome.enforced.pop("threads", None)
        outcome.not_enforced["threads"] = "used more processor time than its threads can"


class Capture:
    """The head and the tail of a stream, up to a cap."""

    def __init__(self, cap: int) -> None:
        self._half = max(1, cap // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        """Take what came next."""
        self.total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if len(data) >= self._half:
            self._tail[:] = data[-self._half :]
        elif data:
            self._tail = (self._tail + data)[-self._half :]

    def kept(self) -> bytes:
        """Return the head and the tail, with what was left out between them said."""
        left_out = self.total - len(self._head) - len(self._tail)
        middle = f"\n[... {left_out} bytes left out ...]\n".encode() if left_out else b""
        return bytes(self._head) + middle + bytes(self._tail)


class Lines:
    """Messages of a run, a line each."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0

    def add(self, data: bytes) -> list[dict[str, Any]]:
        """Return the messages that are complete now."""
        if b"\n" not in data:
            self._parts.append(data)
            self._held += len(data)
            if self._held > _LARGEST_RESULT_BYTES:
                raise OverflowError(f"a result of more than {_LARGEST_RESULT_BYTES} bytes")
            return []
        *lines, rest = (b"".join(self._parts) + data).split(b"\n")
        self._parts, self._held = [rest], len(rest)
        found = []
        for line in lines:
            try:
                message = json.loads(line, parse_constant=lambda name: None)
            except (ValueError, RecursionError):
                message = {"kind": "error", "type": "MalformedMessage", "message": "no JSON"}
            if isinstance(message, dict):
                found.append(message)
        return found
