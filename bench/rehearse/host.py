"""One host of a rehearsed plan, in a process of its own.

Its task comes as one line of JSON on standard input. It then answers ``ready`` and does requests:
take tensors from the host before (the first one: a line on standard input), run its part of the
network, pass on what the hosts behind it need. When the host before closes the connection it prints
its times, and goes. Times are of the monotonic clock, one for all processes of a machine.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from splitopt.bench.isolation.confine import die_with_parent
from splitopt.bench.rehearse.wire import Form, accept, connect, empty, receive, send
from splitopt.instances.core.errors import InputError


def main() -> None:
    """Do the task on standard input."""
    die_with_parent()
    # Ctrl-C is for the parent to answer. A session of its own would hide it from the terminal, too,
    # but schedulers share a machine out by sessions, and its priority would be lost.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    task = json.loads(sys.stdin.readline())
    try:
        _Host(task).serve()
    except (InputError, OSError) as error:
        sys.exit(f"host {task['node']}: {error}")


class _Host:
    """What a task has made of this process."""

    def __init__(self, task: dict[str, Any]) -> None:
        if task["core"] is not None:
            os.sched_setaffinity(0, {task["core"]})
        self._task = task
        self._runner = None
        if task["model"] is not None:
            from splitopt.instances.networks.modelfiles.cutting import session

            self._runner = session(Path(task["model"]).read_bytes())
        self._taken = [_form(entry) for entry in task["takes"]]
        self._arrays = {form.name: empty(form) for form in self._taken}
        token = bytes.fromhex(task["token"])
        self._next = None if task["next_port"] is None else connect(task["next_port"], token)
        self._before = None
        if task["listener"] is not None:
            with socket.socket(fileno=task["listener"]) as listener:
                self._before = accept(listener, token)
        else:
            for form in self._taken:
                data = Path(task["inputs"][form.name]).read_bytes()
                self._arrays[form.name].reshape(-1).view("uint8")[:] = memoryview(data)
        self._times: list[list[float]] = []
        self._lost = 0.0

    def serve(self) -> None:
        """Do requests until there are no more, and print the times."""
        _say("ready")
        number = self._wait()
        while number is not None:
            received = time.monotonic()
            tensors = self._compute()
            computed = time.monotonic()
            if self._next is not None:
                sends = [tensors[name] for name in self._task["sends"]]
                send(self._next, number, sends, self._task["wire_s"], computed)
            else:
                _say("done")
            self._times.append([received, computed, self._lost])
            number = self._wait()
        if self._next is not None:
            self._next.close()
        else:
            self._keep_outputs()
        print(json.dumps({"times": self._times}), flush=True)  # noqa: T201 - our answer

    def _wait(self) -> int | None:
        """Return the number of the next request once its tensors are here."""
        if self._before is None:
            return len(self._times) if sys.stdin.readline() else None
        return receive(self._before, list(self._arrays.values()), self._task["delay_s"])

    def _compute(self) -> dict[str, Any]:
        """Return all tensors there are now; a slower host than this machine sleeps the rest."""
        if self._runner is None:
            return self._arrays
        # Processor time: what other programs take of the machine is not to be multiplied.
        began, seen = time.thread_time(), time.monotonic()
        given = {x.name: self._arrays[x.name] for x in self._runner.get_inputs()}
        names = [x.name for x in self._runner.get_outputs()]
        self._made = dict(zip(names, self._runner.run(names, given), strict=True))
        spent = time.thread_time() - began
        self._lost = max(0.0, time.monotonic() - seen - spent)
        # What a call costs that computes nothing was taken off the profile, too.
        spent = max(0.0, spent - self._task["call_s"])
        if self._task["slower"] > 1:
            time.sleep((self._task["slower"] - 1) * spent)
        return self._arrays | self._made

    def _keep_outputs(self) -> None:
        for name, path in self._task["keeps"].items():
            Path(path).write_bytes(self._made[name].tobytes())


def _form(entry: dict[str, Any]) -> Form:
    return Form(entry["name"], tuple(entry["shape"]), entry["kind"])


def _say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - what the rehearsal waits for
