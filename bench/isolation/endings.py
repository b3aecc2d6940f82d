"""Why a run ended, in a word and a line, from what its process left."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from splitopt.bench.isolation.streams import Outcome, believed_s
from splitopt.instances.contract.method import Termination
from splitopt.instances.core.errors import InputError

_LONGEST = 4000  # of a line, whatever a method writes
_NO_MEMORY = (b"std::bad_alloc", b"MemoryError", b"Cannot allocate memory", b"Out of memory")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _ending(outcome: Outcome, limited: bool) -> tuple[Termination, str]:
    """Name how a process ended that sent no result."""
    status = outcome.exit_status
    if status is None:
        return Termination.CRASHED, outcome.failed or "never started"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = _signal_name(number)
        if number == signal.SIGXCPU:
            return Termination.KILLED, "the CPU limit: SIGXCPU"
        if number == signal.SIGKILL:
            return Termination.KILLED, (
                "SIGKILL from outside the runner: a person, or the system out of memory"
            )
        if limited and any(text in outcome.stderr for text in _NO_MEMORY):
            return Termination.MEMORY, f"no memory within the limit: {name}"
        return Termination.CRASHED, name
    code = os.WEXITSTATUS(status)
    return Termination.CRASHED, f"ended with exit code {code} and without a result"


def classify(outcome: Outcome, *, limited: bool) -> tuple[Termination, str | None]:
    """Return why a run ended and a line about it, None where a result came back in order.

    Parameters
    ----------
    limited
        Whether there was a memory limit.
    """
    termination, detail = _classify(outcome, limited)
    return termination, None if detail is None else detail[:_LONGEST]


def _classify(outcome: Outcome, limited: bool) -> tuple[Termination, str | None]:
    why = outcome.killed_for
    message = outcome.message
    if why in ("time", "setup", "stop"):
        return Termination.KILLED, outcome.killed_because
    if why == "memory":
        return Termination.MEMORY, outcome.killed_because
    if why == "result":
        return Termination.CRASHED, outcome.killed_because
    if message is None:
        return _ending(outcome, limited)
    kind = message.get("kind")
    if kind == "unsupported":
        return Termination.UNSUPPORTED, str(message.get("reason"))
    if kind == "memory":
        return Termination.MEMORY, "the method ran out of memory: MemoryError"
    if kind == "input":
        return Termination.CRASHED, f"InputError: {input_error(message)}"
    if kind == "error":
        return Termination.CRASHED, f"{message.get('type')}: {message.get('message')}"
    if kind != "result":
        return Termination.CRASHED, "sent something that is no result"
    return Termination.SOLVED, None


def input_error(message: Mapping[str, Any]) -> InputError:
    """Return the error in a message of the kind ``input``."""
    field, allowed, remedy = (str(message.get(n)) for n in ("field", "allowed", "remedy"))
    return InputError(field, message.get("value"), allowed, remedy)


def solve_time_s(outcome: Outcome) -> float | None:
    """Return the seconds of `supports` and `solve`, None where the run did not get to solving.

    The clock outside decides. It also counts what it takes to write and read the result, and the
    runner's own delays; so the run's own figure stands where both agree closely.
    """
    message = outcome.message or {}
    if outcome.solve_wall_s is None or message.get("kind") == "unsupported":
        return None
    return believed_s(message.get("solve_time_s"), outcome.solve_wall_s, outcome.reading_s)
