"""Attacks on stores: what damage, and what malice, reading commands meet.

A store of a few runs is damaged at random, a thousand times, and read. Each reading must end in
order, or in one line with exit code 2; and what it shows must be what the whole store shows,
unless a line says a word.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import signal
import sqlite3
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path

from splitopt.bench.studies.faults.attack import Attack

# Each command that reads a store, with a folder for what it writes.
COMMANDS: Mapping[str, Callable[[str, str], list[str]]] = {
    "status": lambda store, aside: ["status", store],
    "report": lambda store, aside: ["report", store, "--out", f"{aside}/report"],
    "compare": lambda store, aside: ["compare", store, store],
    "export-runs": lambda store, aside: ["export-runs", store, f"{aside}/rows.csv"],
    "merge": lambda store, aside: ["merge", store, "--out", f"{aside}/merged"],
    "check": lambda store, aside: ["check", "--library", "--set", "tiny", "--results", store],
}
_INSTANCES = ("cift-tiny-both", "mepra-image-10mbps")
_METHODS = ("even-shares", "single-cut", "random")
_SECONDS = 60
_MOST_BYTES = 1 << 30
_TIMES = 200

# -- reading -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ending:
    """How a reading ended: exit code, what was printed to both, what was written."""

    code: int
    output: str
    errors: str
    written: str

    def fault(self, whole: Ending) -> str | None:
        """Return what must not be, None where nothing is; `whole` is how the whole store ends."""
        lines = self.errors.splitlines()
        if self.code < 0:
            return f"ended by signal {-self.code}"
        if "unexpected error" in self.errors or "Traceback" in self.errors:
            return next(line for line in lines if "unexpected" in line or "Traceback" in line)
        if self.code == 2 and len(lines) - self.errors.count("splitopt: note:") == 1:
            return None
        refuted = self.code == 1 and ("refuted" in self.errors + self.output)
        if not refuted and self.code != whole.code:
            return f"exit code {self.code}: {self.errors.strip()}"
        same = (self.output, self.written) == (whole.output, whole.written)
        return None if same or lines or refuted else "other figures without a word"


def reading(command: str, folder: Path) -> Ending:
    """Return how a command ends that reads the store ``folder/store``, in a process of its own."""
    answer = folder / f"{command}.json"
    pid = os.fork()
    if pid == 0:  # pragma: no cover - another process
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        # Of a processor: a busy machine is no hang. By the clock only what waits for nothing.
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        signal.alarm(10 * _SECONDS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MOST_BYTES, used + _MOST_BYTES))
        code = 70
        try:
            answer.write_text(json.dumps(_read(command, folder)))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        return Ending(code if code < 0 else -code, "", "no answer", "")
    return Ending(*json.loads(answer.read_text()))


def _read(command: str, folder: Path) -> tuple[int, str, str, str]:
    from click.testing import CliRunner

    # As its user calls it: nothing here is built on the command line.
    cli = import_module("splitopt.bench.cli").cli
    with contextlib.chdir(folder):
        aside = Path(tempfile.mkdtemp(prefix="aside-", dir="."))
        found = CliRunner().invoke(cli, COMMANDS[command]("store", str(aside)))
        written = {}
        for path in sorted(aside.rglob("*")):
            if path.name == "runs.sqlite":
                with contextlib.closing(sqlite3.connect(path)) as connection:
                    written[path.name] = repr(
                        connection.execute("SELECT * FROM runs ORDER BY key").fetchall()
                    )
            elif path.suffix in (".html", ".csv"):
                written[str(path.relative_to(aside))] = path.read_text()
    text = re.sub(r"aside-\w+", "ASIDE", found.stdout)
    return found.exit_code, text, found.stderr, json.dumps(written)


# -- damage --------------------------------------------------------------------------------


def _flipped(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _overwritten(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    start = 0 if rng.random() < 0.1 else rng.randrange(len(data))
    size = min(rng.choice((1, 4, 100, 5000)), len(data) - start)
    data[start : start + size] = rng.randbytes(size)
    path.write_bytes(data)


def _truncated(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def _shuffled(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    first, second = (size * k for k in rng.sample(range(1, len(data) // size), 2))
    one, other = data[first : first + size], data[second : second + size]
    how = rng.randrange(3)
    data[first : first + size] = bytes(size) if how == 0 else other
    if how == 1:
        data[second : second + size] = one
    path.write_bytes(data)


_TABLES = ("runs", "runs", "runs", "payloads", "instances", "environments", "calls")


def _altered(path: Path, rng: random.Random) -> None:
    """Alter a value by SQL."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        table = rng.choice(_TABLES)
        names = [found[1] for found in connection.execute(f"PRAGMA table_info({table})")]
        column = rng.choice([name for name in names if name != "id"])
        number, value = rng.choice(
            connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
        )
        with contextlib.suppress(sqlite3.IntegrityError):
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (_other(value, rng), number)
            )


def _other(value: object, rng: random.Random) -> object:
    if rng.random() < 0.3:
        return rng.choice([None, 0, -1, 1e308 * 10, "", "x", b"\0\xff", 2**62, "{}", "[[]]"])
    if isinstance(value, int | float):
        return value * rng.choice((0.5, 1.001, 2)) + rng.choice((0, 1))
    if isinstance(value, str) and value:
        k = rng.randrange(len(value))
        return value[:k] + rng.choice("a0}\x1b/") + value[k + 1 :]
    if isinstance(value, bytes) and value:
        k = rng.randrange(len(value))
        return value[:k] + rng.randbytes(1) + value[k + 1 :]
    return rng.choice([1, 1.5, "x"])


DAMAGES: Mapping[str, Callable[[Path, random.Random], None]] = {
    "flipped bits": _flipped,
    "random bytes": _overwritten,
    "a file cut short": _truncated,
    "pages shuffled, doubled, emptied": _shuffled,
    "values altered by SQL": _altered,
}


def damaged_at_random(
    folder: Path, name: str, times: int, commands: Sequence[str] = tuple(COMMANDS), seed: int = 0
) -> str:
    """Damage a store so many times, read each by one command in turn, and count the endings."""
    rng = random.Random(f"{name} {seed}")  # the same damages each time
    path = folder / "store" / "runs.sqlite"
    path.parent.mkdir(exist_ok=True)
    counts: Counter[str] = Counter()
    for k in range(times):
        command = commands[k % len(commands)]
        path.write_bytes(_whole()[0])
        DAMAGES[name](path, rng)
        found = reading(command, folder)
        fault = found.fault(_whole()[1][command])
        assert fault is None, f"damage {k}, {command}: {fault}"
        counts["one line" if found.code == 2 else "as the whole store, or with a word"] += 1
    return f"{times} readings: " + ", ".join(f"{count} {end}" for end, count in counts.items())


@cache
def _whole() -> tuple[bytes, Mapping[str, Ending]]:
    """Return a store, made by runs of a few methods, and how each command ends on it."""
    from splitopt.bench.runs.runner import run_set
    from splitopt.bench.runs.spec import RunSpec
    from splitopt.bench.store.rows import Limits

    with tempfile.TemporaryDirectory(prefix="splitopt-fault-") as name:
        folder = Path(name)
        spec = RunSpec(
            instances=_INSTANCES, methods=_METHODS, seeds=range(2), limits=Limits.of(5.0)
        )
        run_set(spec, folder / "store")
        # Here, so that what it imports is there when others are forked.
        endings = {command: Ending(*_read(command, folder)) for command in COMMANDS}
        return (folder / "store" / "runs.sqlite").read_bytes(), endings


# -- malice --------------------------------------------------------------------------------


def _sealed(connection: sqlite3.Connection) -> None:
    """Write checksums that fit, as who forges a store can."""
    from splitopt.bench.store.checksums import checksum
    from splitopt.bench.store.records import CHECKSUMS
    from splitopt.bench.store.schema import COLUMNS

    names = ", ".join(COLUMNS)
    for number, *values in connection.execute(f"SELECT id, {names} FROM runs").fetchall():
        connection.execute(
            "UPDATE runs SET checksum = ? WHERE id = ?", (CHECKSUMS.of(values), number)
        )
    for key, document, output in connection.execute(
        "SELECT key, document, output FROM payloads"
    ).fetchall():
        both = checksum(key, document)[:8] + checksum(key, output)[:8]
        connection.execute("UPDATE payloads SET checksum = ? WHERE key = ?", (both, key))


def _bomb(size: int, piece: bytes = b" ") -> bytes:
    """Return what zlib unpacks to so many bytes."""
    packer = zlib.compressobj(9)
    block = piece * ((1 << 20) // len(piece))
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def _in_place_of(table: str, what: str) -> str:
    return f"ALTER TABLE {table} RENAME TO kept; {what}"


_ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
_DEEP = "[" * 200_000
# What a stranger may have made of a store: statements, with values for the last one.
HOSTILE: Mapping[str, tuple[str, Callable[[], Sequence[object]]]] = {
    "an endless view in place of the rows": (
        _in_place_of("runs", f"CREATE VIEW runs AS SELECT x AS id, kept.* FROM kept, ({_ENDLESS})"),
        tuple,
    ),
    "an endless view of what is best known": (
        _in_place_of(
            "best_known",
            "CREATE VIEW best_known AS SELECT x AS instance_hash, 1.0 AS objective, 1.0 AS bound, "
            f"0 AS infeasible, 'x' AS source, NULL AS checksum FROM ({_ENDLESS})",
        ),
        tuple,
    ),
    "a trigger": ("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END", tuple),
    "a column that is computed, of a gigabyte": (
        "ALTER TABLE runs ADD COLUMN much TEXT AS (hex(zeroblob(500000000)))",
        tuple,
    ),
    "an index on an expression": ("CREATE INDEX more ON runs (length(detail) * 2)", tuple),
    "a payload that unpacks to a gigabyte": (
        "UPDATE payloads SET document = ?",
        lambda: (_bomb(1 << 30),),
    ),
    "a payload of eighty million lists": (
        "UPDATE payloads SET document = ?",
        lambda: (_bomb(240 << 20, b"[],"),),
    ),
    "an output that unpacks to a gigabyte": (
        "UPDATE payloads SET output = ?",
        lambda: (_bomb(1 << 30),),
    ),
    "an instance that unpacks to a gigabyte": (
        "UPDATE instances SET checksum = NULL, document = ?",
        lambda: (_bomb(1 << 30),),
    ),
    "options nested deep": ("UPDATE runs SET options = ?", lambda: (_DEEP,)),
    "a call nested deep": ("UPDATE calls SET checksum = NULL, document = ?", lambda: (_DEEP,)),
    "a text in place of a time": ("UPDATE runs SET solve_time_s = 'soon'", tuple),
    "an infinite objective": ("UPDATE runs SET objective = 9e999", tuple),
    "no time limit": ("UPDATE runs SET time_limit_s = NULL", tuple),
    "an ending that is none": ("UPDATE runs SET termination = 'won'", tuple),
    "a claim of a process that is a text": (
        "INSERT INTO claims VALUES ('k', 'o', 'h', 'p', 'now', 'then')",
        tuple,
    ),
    "a best known that is a text": (
        "INSERT INTO best_known VALUES ('h', 'cheap', NULL, 0, 'x', NULL)",
        tuple,
    ),
    "no table of calls": ("DROP TABLE calls", tuple),
    "no column of gaps": ("ALTER TABLE runs DROP COLUMN gap", tuple),
    "no payloads": ("DELETE FROM payloads", tuple),
}


def hostile(folder: Path, name: str, commands: Sequence[str] = tuple(COMMANDS)) -> str:
    """Read a hostile store by these commands."""
    statements, values = HOSTILE[name]
    path = folder / "store" / "runs.sqlite"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(_whole()[0])
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        *first, last = [statements] if "TRIGGER" in statements else statements.split("; ")
        for statement in first:
            connection.execute(statement)
        connection.execute(last, values())
        if last.startswith("UPDATE"):
            _sealed(connection)
    counts: Counter[str] = Counter()
    for command in commands:
        found = reading(command, folder)
        fault = found.fault(_whole()[1][command])
        assert fault is None, f"{command}: {fault}"
        counts["one line" if found.code == 2 else "not touched by it"] += 1
    return ", ".join(f"{count} {end}" for end, count in counts.items())


def attacks() -> Iterator[Attack]:
    """Yield the attacks on stores."""
    holds = "exit code 2 and one line, or the figures of the whole store"
    for name in DAMAGES:
        attempt = partial(_attempt_damage, name)
        yield Attack("store", f"{name}, {_TIMES} times", holds, attempt)
    holds = "one line, within a minute and a gigabyte"
    for name in HOSTILE:
        yield Attack("store", name, holds, partial(_attempt_hostile, name))


def _attempt_damage(name: str, folder: Path) -> str:
    return damaged_at_random(folder, name, _TIMES)


def _attempt_hostile(name: str, folder: Path) -> str:
    return hostile(folder, name)
