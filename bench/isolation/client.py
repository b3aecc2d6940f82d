"""One process a run, watched and killed from outside.

The runner's side: start a zygote, ask it for a run, have that followed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from splitopt.bench.isolation import wire
from splitopt.bench.isolation.boot import command
from splitopt.bench.isolation.following import Following
from splitopt.bench.isolation.machine import MachineError, ZygoteLostError
from splitopt.bench.isolation.streams import Outcome, Watch
from splitopt.bench.store.environment import thread_variables
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.kernels import announcement

__all__ = ["Zygote", "ZygoteLostError"]


class Zygote:
    """A process to fork runs from, for one job.

    Parameters
    ----------
    threads
        Threads the libraries of its runs may start.
    targets
        ``module:object`` of the methods whose modules and solvers are imported ahead.
    """

    def __init__(self, threads: int = 1, targets: Sequence[str] = ()) -> None:
        if not hasattr(os, "fork"):
            raise InputError(
                "system", sys.platform, "Linux, macOS or another POSIX system", "use WSL on Windows"
            )
        try:
            ours, theirs = socket.socketpair()
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the zygote
        except OSError as error:
            raise MachineError(str(error)) from error
        # An instance loads, or a run ends after it was killed, well within that.
        ours.settimeout(300.0)
        self._control = ours
        environment = os.environ | thread_variables(threads) | {"PYTHONHASHSEED": "0"}
        try:
            self._process = subprocess.Popen(
                command("splitopt.bench.isolation.zygote", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(theirs.fileno(),),
                env=environment,
                # Ctrl-C in a terminal is for the runner alone.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            self._log.close()
            raise MachineError(str(error)) from error
        finally:
            theirs.close()
        self._ready = False
        self._asked = 0
        self._targets = list(targets)
        self.adopts = False
        self.kept: tuple[int, ...] = ()

    @property
    def pid(self) -> int:
        """The zygote's process number."""
        return self._process.pid

    def _get_ready(self) -> None:
        """Wait for the start and the imports, which run beside the runner's own work."""
        if not self._ready:
            self._receive()
            if not self._asked:
                self._ask_preload(trial=False)
            self._ready = True
        self._await_preload()

    def _ask_preload(self, *, trial: bool) -> None:
        self._send({"op": "preload", "targets": self._targets, "trial": trial})
        self._asked += 1

    def _await_preload(self) -> None:
        told = False
        while self._asked:
            reply = self._receive()
            if "compiling" not in reply:
                self.adopts = bool(reply["adopts"])
                self.kept = tuple(reply["kept"])
                self._asked -= 1
            elif not told:
                sys.stderr.write(announcement(reply["compiling"]) + "\n")
                told = True

    def preload(self, targets: Sequence[str], *, trial: bool = False) -> None:
        """Import what methods need; before the first run, which waits for it.

        For a `trial`, without kernels that a small instance can do without.
        """
        self._targets += targets
        self._ask_preload(trial=trial)

    def load_kernels(self) -> None:
        """Load, or compile, what a trial went without."""
        self._ask_preload(trial=False)
        self._await_preload()

    def look(self) -> None:
        """Raise where this machine lacks what runs need; between two runs.

        Raises
        ------
        MachineError
            When it does.
        """
        self._send({"op": "look"})
        said = self._receive()["lacking"]
        if said is not None:
            raise MachineError(said)

    def close(self) -> None:
        """End the zygote and whatever it runs."""
        self._control.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _send(self, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        try:
            wire.send(self._control, message, descriptors)
        except OSError as error:
            raise self._lost() from error

    def _receive(self) -> dict[str, Any]:
        try:
            got = wire.receive(self._control)
        except (OSError, ValueError) as error:
            raise self._lost() from error
        if got is None:
            raise self._lost()
        return got[0]

    def _lost(self) -> ZygoteLostError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        tail = ""
        with contextlib.suppress(OSError, ValueError):
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - 2000))
            tail = self._log.read().decode(errors="replace").strip()
        last = tail.splitlines()[-1] if tail else "no message"
        code = self._process.returncode
        how = "does not answer" if code is None else f"ended with code {code}"
        return ZygoteLostError(f"the process that runs are forked from {how}: {last}")

    def run(self, request: Mapping[str, Any], watch: Watch) -> Outcome:
        """Do one run and return what came of it.

        Raises
        ------
        ZygoteLostError
            When the zygote died; start another one.
        MachineError
            When there is no room or no process for it.
        InputError
            When the instance or the code of a user's method has changed since it was planned.
        """
        self._get_ready()
        return Following(self, watch).go(dict(request))
