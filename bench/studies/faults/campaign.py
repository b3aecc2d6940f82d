"""A small set of runs to attack, with a method that says each time that it is called."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from splitopt.bench.store.store import FILE_NAME

_PATIENCE_S = 120.0
_INSTANCE = "mepra-image-10mbps"
# `steady` waits and answers, with so many bytes of statistics; the others do as they are called.
_PLUGIN = """
import os, signal, time
from splitopt.heuristics.baselines.mepra.even import EVEN_SHARES
from splitopt.instances.contract.method import Option


class Steady:
    name, problem = "steady", "mepra"
    options = (Option("pause", 0.2, "seconds", minimum=0.0), Option("size", 0, "bytes", minimum=0))
    supports = EVEN_SHARES.supports

    def act(self):
        pass

    def solve(self, instance, budget, seed, options, warm_start=None, on_progress=None):
        with open({marks!r}, "a") as stream:
            stream.write(f"{{self.name}} {{seed}}\\n")
        time.sleep(options["pause"])
        self.act()
        result = EVEN_SHARES.solve(instance, budget, seed, {{}}, None, on_progress)
        result.statistics["ballast"] = "x" * options["size"]
        return result


class Patricide(Steady):
    name = "patricide"

    def act(self):
        os.kill(os.getppid(), signal.SIGKILL)


class Hoarder(Steady):
    name = "hoarder"

    def act(self):
        self.files = []
        while True:
            self.files.append(open(os.devnull))


class Writer(Steady):
    name = "writer"

    def act(self):
        with open("large", "wb") as stream:
            stream.write(bytes(256 << 10))


class Filler(Steady):
    name = "filler"

    def act(self):
        with open("larger", "wb") as stream:
            while True:
                stream.write(bytes(1 << 16))


METHODS = [Steady(), Patricide(), Hoarder(), Writer(), Filler()]
"""


_MAIN = """
import sys
from splitopt.bench.cli import main
sys.argv[0] = "splitopt"
main()
"""
_started: list[subprocess.Popen[str]] = []


def end_all() -> None:
    """Kill what an attack has left running, when it failed."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            send(signal.SIGKILL, process.pid, *family(process))
            process.communicate()


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until something holds; it is broken where that takes minutes."""
    until = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.01)


class Campaign:
    """Runs of `steady` on one instance, in a folder of its own.

    Parameters
    ----------
    folder
        Where results, plugin and marks go.
    runs
        Runs of each method.
    """

    def __init__(self, folder: Path, runs: int = 8, methods: str = "steady", **more: float) -> None:
        self.folder = folder
        self.runs = runs
        self.methods = methods
        self.out = folder / "results"
        self.marks = folder / "marks"
        self.scratch = folder / "temporary"
        self.scratch.mkdir(exist_ok=True)
        self._more = {"time_limit": 20, **more}
        (folder / "attacked.py").write_text(_PLUGIN.format(marks=str(self.marks)))

    def command(self, **more: object) -> list[str]:
        """Return the command line of the set of runs."""
        settings = {"seeds": f"0..{self.runs - 1}", **self._more, **more}
        options = [
            text
            for name, value in settings.items()
            for text in (
                ["-o", f"steady.{name}={value}"]
                if name in ("pause", "size")
                else [f"--{name.replace('_', '-')}", str(value)]
            )
        ]
        chosen = ["-m", self.methods, "--plugin", "attacked:METHODS", "--out", str(self.out)]
        return ["run", _INSTANCE, *chosen, *options]

    def start(self, before: str = "", **more: object) -> subprocess.Popen[str]:
        """Start a runner; `before` is code that it executes first."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"{before}{_MAIN}", *self.command(**more)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self._environment(),
            start_new_session=True,
            preexec_fn=heed_signals,
        )
        _started.append(process)
        return process

    def _environment(self) -> Mapping[str, str]:
        # Where this process finds the package, and the plugin behind it.
        path = os.pathsep.join([*(entry for entry in sys.path if entry), str(self.folder)])
        return os.environ | {"TMPDIR": str(self.scratch), "PYTHONPATH": path}

    def end(self, process: subprocess.Popen[str], code: int, *says: str) -> str:
        """Wait for a runner: it must end with this code, and tell all of that in its own lines."""
        _, err = process.communicate(timeout=_PATIENCE_S)
        assert process.returncode == code, f"exit code {process.returncode}: {err.strip()[-300:]}"
        assert "Traceback" not in err, err.strip()[-300:]
        lines = [line for line in err.splitlines() if line.startswith("splitopt: ")]
        for text in says:
            assert any(text in line for line in lines), f"nothing of {text!r}: {err.strip()[-300:]}"
        assert not says or err.strip().splitlines()[-1] in lines, err.strip()[-300:]
        return err

    def rows(self) -> list[tuple[str, int, str, int | None]]:
        """Return method, seed, termination and neighbours of the rows."""
        if not (self.out / FILE_NAME).exists():
            return []
        with (
            contextlib.suppress(sqlite3.OperationalError),  # it is being made
            contextlib.closing(sqlite3.connect(self.out / FILE_NAME)) as connection,
        ):
            return connection.execute(
                "SELECT method, seed, termination, runs_beside FROM runs"
            ).fetchall()
        return []

    def claims(self) -> int:
        """Return how many claims are in the store."""
        with contextlib.closing(sqlite3.connect(self.out / FILE_NAME)) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM claims").fetchone()[0])

    def called(self) -> Counter[str]:
        """Return how often each run was begun."""
        return Counter(self.marks.read_text().splitlines() if self.marks.exists() else ())

    def wait(self, count: int) -> None:
        """Wait until so many runs are stored."""
        wait_for(lambda: len(self.rows()) >= count, f"{count} rows")

    def wait_begun(self, count: int) -> None:
        """Wait until so many runs were begun."""
        wait_for(lambda: self.called().total() >= count, f"{count} runs begun")

    def finish(self, methods: Sequence[str] = ("steady",)) -> str:
        """Start it again, undisturbed; then each run is there once and has ended in order."""
        before = len(self.rows())
        process = self.start()
        _, err = process.communicate(timeout=_PATIENCE_S)
        assert process.returncode == 0, err.strip()[-300:]
        rows = self.rows()
        wanted = {(method, seed) for method in methods for seed in range(self.runs)}
        assert {row[:2] for row in rows} == wanted, f"{len(rows)} rows of {len(wanted)}"
        assert len(rows) == len(wanted), "a run is there twice"
        ends = Counter(row[2] for row in rows)
        assert ends == {"solved": len(wanted)}, json.dumps(ends)
        assert self.claims() == 0, "a claim is left"
        return f"{before} of {len(wanted)} kept, the rest done by the same command"


def heed_signals() -> None:
    """Take up signals that are ignored in the background of a shell, and below nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def family(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes below a runner, its zygotes first."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    return []


def zygotes(process: subprocess.Popen[str]) -> list[int]:
    """Return the children of a runner that have a run now."""
    import psutil

    found = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children():
            with contextlib.suppress(psutil.Error):
                found += [child.pid] if child.children() else []
    return found


def send(number: signal.Signals, *processes: int) -> None:
    """Send a signal to processes, of which some may be gone."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
