"""The row of a run: its fields, stable from version 1 on, and what identifies a run."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from splitopt.instances.contract.method import Budget
from splitopt.instances.core import fields
from splitopt.instances.core.documents import content_hash
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES

ROW_VERSION = 4
# They become parts of file names and lines of tables.
NAMES = ("instance_hash", "instance_name", "problem", "method", "environment_hash")


def check_name(field: str, value: object, where: str = "") -> None:
    """Raise unless `value`, from a store or a worker, is a name as instances and methods have.

    Parameters
    ----------
    field
        The column alone: methods may have names that instances may not.
    where
        What stands before it in the error.

    Raises
    ------
    InputError
        When it is none: no part of this package writes such a name.
    """
    try:
        (fields.method_name if field == "method" else fields.name)(field, value)
    except InputError as error:
        remedy = "do not trust what this row came from"
        raise InputError(where + field, error.value, error.allowed, remedy) from None


def check_heavy(document: Mapping[str, Any]) -> None:
    """Raise ValueError unless trajectory, plan and output are what they should be."""
    points = document["trajectory"]
    for point in () if _plain(points) else points:
        time_s, *values = point
        if len(values) != 2 or not _finite(time_s):
            raise ValueError("trajectory: a point is no time and two figures")
        if not all(value is None or _finite(value) for value in values):
            raise ValueError("trajectory: a figure is not finite")
    if not isinstance(document["plan"], dict | None):
        raise ValueError("plan: no object")
    if not all(isinstance(document[name], str) for name in ("stdout", "stderr")):
        raise ValueError("stdout, stderr: no text")


def _plain(points: Sequence[Sequence[object]]) -> bool:
    """Return True only if every point is a time and two figures, or none: told column by column."""
    try:
        times, incumbents, bounds = zip(*points, strict=True)
        figures = (*times, *filter(None, incumbents), *filter(None, bounds))
        finite = math.isfinite(sum(map(abs, figures)))  # integers of any size do not cancel
    except (TypeError, ValueError, OverflowError):
        return False
    kinds = set(map(type, (*incumbents, *bounds)))
    return finite and set(map(type, times)) <= {float, int} and kinds <= {float, int, type(None)}


def _finite(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max  # type: ignore[arg-type]


class Verdict(StrEnum):
    """What the judge says of a run's claims; the solver has no say in it."""

    RIGHT = "right"  # every claim holds as far as it can be checked
    WRONG = "wrong"  # a claim is refuted
    NOT_CLAIMED = "not claimed"  # nothing to judge: no plan, no proof


def default_grace_s(time_limit_s: float) -> float:
    """Return the seconds a method may overrun before it is killed: 2 s and a tenth."""
    return 2.0 + 0.1 * time_limit_s


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use.

    Attributes
    ----------
    time_limit_s
        Wall-clock limit the method is told.
    grace_s
        The run is killed from outside at ``time_limit_s + grace_s`` after its start.
    cpu_limit_s
        Processor seconds of one process; None for what the threads can burn until the kill.
    memory_limit_bytes
        Bytes held by the run with all its children; None for no limit.
    threads
        Threads a method may use, and cores assigned to it.
    relative_gap
        Gap at which an exact method may stop.
    """

    time_limit_s: float
    grace_s: float
    cpu_limit_s: float | None = None
    memory_limit_bytes: int | None = None
    threads: int = 1
    relative_gap: float = TOLERANCES.optimality

    def __post_init__(self) -> None:
        for name in ("time_limit_s", "grace_s", "cpu_limit_s"):
            value = getattr(self, name)
            # Ten years: an infinite limit is no limit and cannot be waited for.
            if value is None:
                continue
            if isinstance(value, bool) or not 0 <= value <= 3.2e8:
                raise InputError(name, value, "seconds >= 0", "give seconds, such as 10")
            # 10 and 10.0 are the same limit and must give the same key.
            object.__setattr__(self, name, float(value))
        if self.memory_limit_bytes is not None and self.memory_limit_bytes < 1 << 20:
            raise InputError(
                "memory_limit_bytes", self.memory_limit_bytes, "at least 1 MiB", "give more"
            )
        # Threads and gap by the rule of what the method is given.
        Budget(threads=self.threads, relative_gap=self.relative_gap)

    @staticmethod
    def of(
        time_limit_s: float,
        *,
        grace_s: float | None = None,
        cpu_limit_s: float | None = None,
        memory_limit_bytes: int | None = None,
        threads: int = 1,
        relative_gap: float | None = None,
    ) -> Limits:
        """Return limits, where None means what is usual: 2 s and a tenth of the limit of grace."""
        return Limits(
            time_limit_s,
            default_grace_s(time_limit_s) if grace_s is None else grace_s,
            cpu_limit_s,
            memory_limit_bytes,
            threads,
            TOLERANCES.optimality if relative_gap is None else float(relative_gap),
        )

    @property
    def kill_after_s(self) -> float:
        """Seconds after its start at which a run is killed."""
        return self.time_limit_s + self.grace_s


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run to do: what identifies it, and where the instance is found.

    `instance` is the name or path as given; the hash says what it held when planned. So do source
    and version of the code of a user's method; for ours they are None.
    """

    instance: str
    instance_hash: str
    instance_name: str
    problem: str
    method: str
    target: str
    options: Mapping[str, Any]
    seed: int
    repetition: int
    limits: Limits
    source: str | None = None
    version: str | None = None

    @property
    def key(self) -> str:
        """The run's key in a store."""
        return self._key(self.source, self.version)

    @property
    def versionless_key(self) -> str:
        """The key, were the method one of ours: the same whatever the code of a user's is."""
        return self._key(None, None)

    def _key(self, source: str | None, version: str | None) -> str:
        return run_key(
            self.instance_hash,
            self.method,
            self.options,
            self.seed,
            self.repetition,
            self.limits,
            source,
            version,
        )


def run_key(
    instance_hash: str,
    method: str,
    options: Mapping[str, Any],
    seed: int,
    repetition: int,
    limits: Limits,
    source: str | None = None,
    version: str | None = None,
) -> str:
    """Return the SHA-256 of what makes two runs the same run.

    `options` are all options of the method with their values, defaults included, so that a
    changed default is another run. So is other code of a user's method. Methods of ours have
    neither source nor version here: what changes them is a new version of the whole package.
    """
    code = {"source": source, "version": version}
    return content_hash(
        {
            **{name: value for name, value in code.items() if value is not None},
            "instance": instance_hash,
            "method": method,
            "options": dict(options),
            "seed": seed,
            "repetition": repetition,
            "limits": dataclasses.asdict(limits),
        }
    )


@dataclass(frozen=True, slots=True)
class Row:
    """Everything recorded of one run; docs/rows.md explains each field.

    Unknown figures are None, never 0 or infinite. Times are seconds, memory is bytes.
    """

    # What was run.
    key: str
    instance_hash: str
    instance_name: str
    problem: str
    method: str
    options: Mapping[str, Any]
    seed: int
    repetition: int
    # Under which limits, and where.
    time_limit_s: float
    grace_s: float
    cpu_limit_s: float | None
    memory_limit_bytes: int | None
    threads: int
    relative_gap: float
    jobs: int
    cores: tuple[int, ...] | None
    load_average: float | None
    enforced: Mapping[str, str]
    not_enforced: Mapping[str, str]
    environment_hash: str
    started_at: str
    # How it ended.
    termination: str
    status: str
    detail: str | None
    solve_time_s: float | None
    wall_time_s: float
    cpu_time_s: float | None
    peak_memory_bytes: int | None
    overhead_s: float
    # What it claims, and what the judge says.
    objective: float | None
    objective_claimed: float | None
    bound: float | None
    gap: float | None
    guarantee: Mapping[str, Any] | None
    verdict: str
    verdict_reason: str | None
    violations: tuple[Mapping[str, Any], ...]
    # The rest.
    trajectory: tuple[tuple[float, float | None, float | None], ...] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] | None = None
    stdout: str = ""
    stdout_bytes: int = 0
    stderr: str = ""
    stderr_bytes: int = 0
    # Since version 2.
    jobs_on_machine: int | None = None
    cluster: str | None = None
    # Since version 3.
    method_source: str | None = None
    method_version: str | None = None
    # Since version 4.
    runs_beside: int | None = None

    @property
    def limits(self) -> Limits:
        """The limits of the run."""
        return Limits(
            self.time_limit_s,
            self.grace_s,
            self.cpu_limit_s,
            self.memory_limit_bytes,
            self.threads,
            self.relative_gap,
        )

    @property
    def versionless_key(self) -> str:
        """As that of a planned run."""
        return run_key(
            self.instance_hash, self.method, self.options, self.seed, self.repetition, self.limits
        )

    @property
    def in_time(self) -> bool:
        """Whether it ended within its time limit."""
        return self.solve_time_s is None or self.solve_time_s <= self.time_limit_s

    @property
    def late(self) -> bool:
        """Whether it ended of itself, but after its time limit: a failure in every figure."""
        return self.termination == "solved" and not self.in_time

    @property
    def ending(self) -> str:
        """How it ended, as tables count it: its termination, or ``late``."""
        return "late" if self.late else self.termination

    @property
    def parallelism(self) -> str:
        """How many runs went on at a time, and on this one's machine: times differ with both."""
        here = self.jobs if self.jobs_on_machine is None else self.jobs_on_machine
        said = f"{self.jobs}" if here == self.jobs else f"{self.jobs} ({here} a machine)"
        # Of its own runner there were at most `here - 1` beside it: the rest is of others.
        others = 0 if self.runs_beside is None else self.runs_beside + 1 - here
        return f"{said} beside {others} of other runners" if others > 0 else said

    def to_document(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        document = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        document["version"] = ROW_VERSION
        return document

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Row:
        """Return the row in a JSON object of this version."""
        found = dict(document)
        version = found.pop("version", None)
        if version != ROW_VERSION:
            raise InputError("version", version, str(ROW_VERSION), "use the splitopt that wrote it")
        known = {f.name for f in dataclasses.fields(Row)}
        unknown = sorted(set(found) - known)
        if unknown:
            raise InputError(unknown[0], found[unknown[0]], "a field of a row", "remove it")
        for name in NAMES:
            check_name(name, found.get(name))
        if found["cores"] is not None:
            found["cores"] = tuple(found["cores"])
        found["violations"] = tuple(found["violations"])
        found["trajectory"] = tuple((p[0], p[1], p[2]) for p in found["trajectory"])
        return Row(**found)
