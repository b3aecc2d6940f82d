"""The hosts of a rehearsal as processes: started, told, listened to, and gone at the end."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from splitopt.bench.isolation.boot import command
from splitopt.bench.rehearse.wire import LOOPBACK
from splitopt.bench.store.environment import thread_variables
from splitopt.instances.core.errors import InputError

_PATIENCE_S = 60.0
Host = subprocess.Popen[str]


class RehearsalError(RuntimeError):
    """A host of the rehearsal ended, or said nothing for too long."""


@contextlib.contextmanager
def listeners(count: int, first_port: int | None) -> Iterator[list[socket.socket]]:
    """Yield sockets that listen on the loopback device alone, at free ports or at those given.

    Raises
    ------
    InputError
        When a port is taken.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for k in range(count):
            port = 0 if first_port is None else first_port + k
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, port))
            except (OSError, OverflowError) as error:
                if getattr(error, "errno", None) not in (None, errno.EADDRINUSE, errno.EACCES):
                    raise
                raise InputError(
                    "--port", port, f"{count} free ports on {LOOPBACK}", "choose another, or none"
                ) from None
            listener.listen(1)
            found.append(listener)
        yield found


def run_hosts(
    tasks: Sequence[dict[str, Any]],
    waiting: Sequence[socket.socket],
    requests: int,
    folder: Path,
    between: Callable[[], None],
) -> list[list[list[float]]]:
    """Start the hosts, do requests one after another, return the times of each host.

    What is to happen between two requests is called after each.

    Raises
    ------
    RehearsalError
        When a host gives up.
    """
    with contextlib.ExitStack() as stack:
        hosts: list[Host] = []
        logs = []
        for k, task in enumerate(tasks):
            handed = (waiting[k - 1].fileno(),) if k else ()
            ports = [x.getsockname()[1] for x in waiting[k : k + 1]]
            logs.append(stack.enter_context((folder / f"log-{k}").open("w+")))
            hosts.append(stack.enter_context(_host(logs[k], handed)))
            more = {"listener": (*handed, None)[0], "next_port": (*ports, None)[0]}
            _tell(hosts[k], json.dumps(task | more))
        patience = _PATIENCE_S + 10 * sum(x["wire_s"] + x["delay_s"] for x in tasks)

        def hear(k: int, word: str) -> str:
            line = _line(hosts[k], patience)
            if line is None:
                raise RehearsalError(f"host {tasks[k]['node']} said nothing for {patience:.0f} s")
            if not line.startswith(word) or not line:
                raise RehearsalError(_last_words(hosts, logs) or f"{tasks[k]['node']} has gone")
            return line

        for k in range(len(hosts)):
            hear(k, "ready")
        for _ in range(requests):
            _tell(hosts[0], "go")
            hear(len(hosts) - 1, "done")
            between()
        assert hosts[0].stdin is not None
        hosts[0].stdin.close()
        return [json.loads(hear(k, "{"))["times"] for k in range(len(hosts))]


@contextlib.contextmanager
def _host(log: IO[str], handed: tuple[int, ...]) -> Iterator[Host]:
    """Start a host and see that it is gone at the end."""
    process = subprocess.Popen(
        command("splitopt.bench.rehearse.host"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        pass_fds=handed,
        env=os.environ | thread_variables(1),
    )
    try:
        yield process
    finally:
        process.kill()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        process.wait()


def _tell(host: Host, line: str) -> None:
    assert host.stdin is not None
    with contextlib.suppress(OSError):  # it has gone: the next who listens says so
        host.stdin.write(line + "\n")
        host.stdin.flush()


def _line(host: Host, patience_s: float) -> str | None:
    """Return a host's next line, empty when it has gone; None when it says nothing for long."""
    assert host.stdout is not None
    ready, _, _ = select.select([host.stdout], [], [], patience_s)
    return host.stdout.readline().strip() if ready else None


def _last_words(hosts: Sequence[Host], logs: Sequence[IO[str]]) -> str:
    """Return why the first host fell; it takes the others with it."""
    for host in hosts:
        with contextlib.suppress(subprocess.TimeoutExpired):
            host.wait(timeout=1)
    said = []
    for log in logs:
        log.seek(0)
        said += log.read().strip().splitlines()[-1:]
    gone = [line for line in said if "has gone" not in line and "refused" not in line]
    return (gone or said or [""])[0]
