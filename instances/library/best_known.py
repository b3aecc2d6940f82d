"""The best-known registry: what is known of each instance, as committed data.

For each instance: the best plan's value, the best proven bound, and which methods, on which
solvers, confirm it. Two files of the library's folder hold it, written by
``python -m splitopt.bench.verdicts.update_best_known`` from stores of runs and read here without
any solver: ``best_known.json.gz`` (figures) and ``best_known_plans.json.gz`` (plans, by content
hash).

Status
------
``optimal``
    Value and bound are within the tolerance, the bound by a method that is no label program.
``infeasible``
    Such a method proved that there is no plan.
``open``
    A plan is known, no proof within the tolerance.
``unknown``
    Neither a plan nor a proof.
"""

from __future__ import annotations

import functools
import gzip
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from splitopt.instances.core import fields
from splitopt.instances.core.documents import parse_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES, gap
from splitopt.instances.library.index import folder

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


FORMAT = "splitopt-best-known"
VERSION = 1
FIGURES = "best_known.json.gz"
PLANS = "best_known_plans.json.gz"
# Confirms, and never alone: the label programs are what the registry is there to judge.
LABEL_ENGINE = "labels"

Status = Literal["optimal", "infeasible", "open", "unknown"]


def _figure(column: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(column, value, "a finite number or null", "restore the committed file")
    return float(value)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A proof of one method that agrees with the registry.

    Attributes
    ----------
    method, engine
        The method, and what solves for it: ``HiGHS``, ``SCIP``, ``CP-SAT``, ``Lagrangian``
        (bounds and branching of the suite's own), ``enumeration``, ``labels``.
    objective, bound
        What it proved; both None for a proof of infeasibility.
    relative_gap
        Gap at which it was allowed to stop.
    time_limit_s, cpu_time_s
        Its limit, and the processor seconds it took (None where unknown).
    environment
        Position in the registry's list of environments: versions of code and solvers.
    """

    method: str
    engine: str
    objective: float | None
    bound: float | None
    relative_gap: float
    time_limit_s: float
    cpu_time_s: float | None
    environment: int


@dataclass(frozen=True, slots=True)
class KnownInstance:
    """What is known of one instance.

    Attributes
    ----------
    objective
        `evaluate` of the stored plan; None without a plan.
    bound
        Best bound proven by a method that is no label program, at most `objective`.
    plan_by, bound_by
        Methods that gave them.
    infeasible
        Whether it is proven that there is no plan.
    confirmations
        Proofs of optimality or infeasibility, one a method.
    """

    name: str
    problem: str
    content_hash: str
    objective: float | None
    bound: float | None
    plan_by: str | None
    bound_by: str | None
    infeasible: bool
    confirmations: tuple[Confirmation, ...]

    @property
    def status(self) -> Status:
        """What it amounts to; see the module."""
        if self.infeasible:
            return "infeasible"
        if self.objective is None:
            return "unknown"
        distance = gap(self.objective, self.bound)
        closed = distance is not None and distance <= TOLERANCES.optimality
        return "optimal" if closed else "open"

    @property
    def closed(self) -> bool:
        """Whether the optimum, or that there is none, is known."""
        return self.status in ("optimal", "infeasible")

    @property
    def gap(self) -> float | None:
        """(objective - bound) / abs(objective); None where one is unknown."""
        return gap(self.objective, self.bound)

    @property
    def engines(self) -> tuple[str, ...]:
        """What confirms it independently of each other, sorted."""
        return tuple(sorted({one.engine for one in self.confirmations}))

    def to_document(self) -> dict[str, object]:
        """Return the entry as a JSON object."""
        return {
            "name": self.name,
            "problem": self.problem,
            "content_hash": self.content_hash,
            "objective": self.objective,
            "bound": self.bound,
            "plan_by": self.plan_by,
            "bound_by": self.bound_by,
            "infeasible": self.infeasible,
            "confirmations": [
                {name: getattr(one, name) for name in Confirmation.__dataclass_fields__}
                for one in self.confirmations
            ],
        }

    @staticmethod
    def from_document(document: object) -> KnownInstance:
        """Return the entry in a JSON object.

        Raises
        ------
        InputError
            When a field is missing, unknown or no number.
        """
        columns = tuple(KnownInstance.__dataclass_fields__)
        found = dict(fields.mapping("", document, columns, ()))
        parts = tuple(Confirmation.__dataclass_fields__)
        listed = found.pop("confirmations")
        if not isinstance(listed, list):
            raise InputError("confirmations", listed, "a list", "restore the committed file")
        confirmations = []
        for one in listed:
            read = dict(fields.mapping("", one, parts, ()))
            for column in ("objective", "bound", "cpu_time_s"):
                read[column] = _figure(column, read[column])
            confirmations.append(Confirmation(**read))  # type: ignore[arg-type]
        for column in ("objective", "bound"):
            found[column] = _figure(column, found[column])
        return KnownInstance(**found, confirmations=tuple(confirmations))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Registry:
    """All entries, and what they were proven with.

    Attributes
    ----------
    entries
        By content hash, in the order of the library.
    environments
        Versions of Python, the solvers and the code: what confirmations refer to.
    tolerance
        Relative gap at which an instance counts as closed.
    """

    entries: Mapping[str, KnownInstance]
    environments: tuple[Mapping[str, object], ...] = ()
    tolerance: float = TOLERANCES.optimality

    def to_document(self) -> dict[str, object]:
        """Return the registry as a JSON object."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "tolerance": self.tolerance,
            "environments": [dict(one) for one in self.environments],
            "entries": [entry.to_document() for entry in self.entries.values()],
        }

    @staticmethod
    def from_document(document: object) -> Registry:
        """Return the registry in a JSON object.

        Raises
        ------
        InputError
            When it is none, or of another version.
        """
        keys = ("format", "version", "tolerance", "environments", "entries")
        found = fields.mapping(FIGURES, document, keys, ())
        if (found["format"], found["version"]) != (FORMAT, VERSION):
            raise InputError(
                FIGURES,
                f"{found['format']} {found['version']}",
                f"{FORMAT} {VERSION}",
                "restore the committed file",
            )
        read = [KnownInstance.from_document(one) for one in cast("list[object]", found["entries"])]
        environments = cast("list[Mapping[str, object]]", found["environments"])
        return Registry(
            {entry.content_hash: entry for entry in read},
            tuple(environments),
            fields.number("tolerance", found["tolerance"], above=0),
        )


def _read(place: Traversable, name: str) -> object:
    path = place / name
    if not path.is_file():
        return None
    return parse_json(gzip.decompress(path.read_bytes()), name)


@functools.cache
def registry() -> Registry:
    """Return the committed registry; an empty one where there is none yet."""
    document = _read(folder(), FIGURES)
    return Registry({}) if document is None else Registry.from_document(document)


@functools.cache
def plan_documents() -> Mapping[str, object]:
    """Return the stored plans as JSON objects, by content hash."""
    return cast("Mapping[str, object]", _read(folder(), PLANS) or {})


def solu(entries: Iterable[KnownInstance]) -> str:
    """Return the entries as a ``.solu`` file, the format of MIPLIB.

    One line an instance: ``=opt=`` with a proven optimum, ``=best=`` with the best value known,
    ``=inf=`` for a proof that there is no plan, ``=unkn=`` for neither.
    """
    lines = []
    for entry in entries:
        mark = {"optimal": "opt", "infeasible": "inf", "open": "best", "unknown": "unkn"}
        value = "" if entry.objective is None else f" {entry.objective!r}"
        lines.append(f"={mark[entry.status]}= {entry.name}{value}\n")
    return "".join(lines)
