"""Hold the best-known registry against the library, itself, and stores of runs.

Nothing is believed: each plan is judged again in exact arithmetic on the instance that the
library gives, and every figure is compared with the others.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.bench.store.rows import Row
from splitopt.bench.store.store import Store
from splitopt.bench.verdicts.again import Again, instances_of
from splitopt.bench.verdicts.crosscheck import cross_check
from splitopt.bench.verdicts.known import as_known
from splitopt.bench.verdicts.merge import judged_again
from splitopt.instances import library
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES, gap, not_above, values_agree
from splitopt.instances.judge import certify, evaluate, plan_from_document
from splitopt.instances.library.best_known import (
    LABEL_ENGINE,
    KnownInstance,
    Registry,
    plan_documents,
    registry,
)

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

# Sums of a few hundred products in doubles.
_ROUNDING = Fraction(1, 10**9)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that cannot stand.

    Attributes
    ----------
    kind
        ``missing``, ``instance``, ``plan``, ``value``, ``bound``, ``confirmations`` or, with
        results, a kind of `splitopt.bench.verdicts.crosscheck.Contradiction`.
    """

    instance: str
    kind: str
    statement: str


@dataclass(frozen=True, slots=True)
class LibraryVerdict:
    """What a check of the registry came to.

    Attributes
    ----------
    checked, closed, twice
        Instances looked at; those closed; those closed by two solvers or more.
    open
        The others, by name.
    rows
        Rows of results held against it.
    findings
        Empty where everything stands.
    programs
        By instance, what `programs_of` says.
    """

    checked: int
    closed: int
    twice: int
    open: tuple[str, ...]
    rows: int
    findings: tuple[Finding, ...]
    programs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _plan_findings(entry: KnownInstance, document: object | None) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an entry's plan, value and bound: kind and statement."""
    instance = library.load(entry.name)
    if instance.content_hash != entry.content_hash:
        yield "instance", "the library's instance of this name has another content hash"
        return
    if (document is None) != (entry.objective is None):
        yield "plan", "a value and a plan go together"
        return
    if document is None:
        return
    try:
        plan = plan_from_document(document)
        verdict = certify(instance, plan)
    except InputError as error:
        yield "plan", str(error)
        return
    if verdict.low is None or verdict.high is None or not verdict.feasible:
        yield "plan", verdict.violations[0].statement
        return
    if entry.objective is None:  # pragma: no cover - excluded above
        return
    if evaluate(instance, plan).objective != entry.objective:
        yield "value", f"{entry.objective!r} is not what the plan costs by evaluate"
    width = _ROUNDING * max(abs(verdict.low), abs(verdict.high))
    if not verdict.low - width <= Fraction(entry.objective) <= verdict.high + width:
        yield "value", f"{entry.objective!r} is not the exact cost {float(verdict.low)!r}"
    if entry.bound is not None and not not_above(
        entry.bound, float(verdict.high), TOLERANCES.bound
    ):
        yield "bound", f"{entry.bound!r} is above the exact cost {float(verdict.high)!r}"


def _confirmation_findings(entry: KnownInstance) -> Iterator[tuple[str, str]]:
    """Yield contradictions between an entry, its proofs and each other."""
    value, bound = entry.objective, entry.bound
    if value is not None and bound is not None and bound > value:
        yield "bound", f"{bound!r} is above the value {value!r}"
    if entry.infeasible and value is not None:
        yield "confirmations", "called infeasible, and there is a plan"
    proofs = {one.engine for one in entry.confirmations} - {LABEL_ENGINE}
    if entry.infeasible and not proofs:
        yield "confirmations", "called infeasible, and no method confirms it"
    if entry.status == "optimal" and entry.bound_by is None:
        yield "bound", "called optimal by a bound of no method"
    for one in entry.confirmations:
        if entry.infeasible:
            if one.objective is not None or one.bound is not None:
                yield "confirmations", f"{one.method} has a plan or a bound, of an infeasible one"
            continue
        if one.objective is None or value is None:
            yield "confirmations", f"{one.method} proves no plan, and the registry has one"
            continue
        if not values_agree(one.objective, value):
            yield "confirmations", f"{one.method} proved {one.objective!r}, not {value!r}"
        distance = gap(one.objective, one.bound)
        if distance is None or distance > one.relative_gap * (1 + 1e-9):
            yield "confirmations", f"{one.method} confirms at a gap of {distance}"
        if one.bound is not None and not not_above(one.bound, value, TOLERANCES.bound):
            yield "confirmations", f"{one.method}'s bound {one.bound!r} is above {value!r}"


def check_library(
    sets: Sequence[str],
    results: Sequence[Path] = (),
    *,
    found: Registry | None = None,
    plans: dict[str, object] | None = None,
    on_instance: Callable[[str], None] | None = None,
) -> LibraryVerdict:
    """Return what a check of the registry comes to.

    Parameters
    ----------
    sets
        Sets of the library; every instance of theirs that the registry can hold must be in it.
    results
        Folders of results to hold against it, and against each other.
    found, plans
        A registry and its plans by hash, in place of the committed ones.
    on_instance
        Called with each name before it is looked at.

    Raises
    ------
    InputError
        For a set that does not exist, or a folder without results.
    """
    from splitopt.bench.verdicts.update_best_known import members

    here = registry() if found is None else found
    documents = plan_documents() if plans is None else plans
    wanted = members(sets)
    findings: list[Finding] = []
    entries = []
    for content_hash, name in wanted.items():
        entry = here.entries.get(content_hash)
        if on_instance is not None:
            on_instance(name)
        if entry is None:
            findings.append(Finding(name, "missing", "the registry does not have it"))
            continue
        entries.append(entry)
        plan = _plan_findings(entry, documents.get(content_hash))
        wrong = itertools.chain(plan, _confirmation_findings(entry))
        findings += [Finding(name, kind, statement) for kind, statement in wrong]
    rows = [row for folder in results for row in _rows_judged_again(folder)]
    findings += [
        Finding(one.instance_name, one.kind, one.statement)
        for one in cross_check(rows, as_known(here), registry=False)
    ]
    return LibraryVerdict(
        checked=len(entries),
        closed=sum(entry.closed for entry in entries),
        twice=sum(entry.closed and len(entry.engines) >= 2 for entry in entries),
        open=tuple(entry.name for entry in entries if not entry.closed),
        rows=len(rows),
        findings=tuple(findings),
        programs={entry.name: programs_of(entry) for entry in entries},
    )


def _rows_judged_again(folder: Path) -> list[Row]:
    with Store(folder, readonly=True) as store:
        store.check(each=False)  # `judged_again` goes through all of them
        standing = judged_again(store, Again(_instance_of(store)))
        return [standing.refuted.get(row.key, row) for row in store.rows(heavy=False)]


def _instance_of(store: Store) -> Callable[[str], Instance | None]:
    """Return a function that finds instances by their hash: the library's, else the store's."""
    names = {entry["hash"]: entry["name"] for entry in store.instances()}
    held = instances_of(store)

    @functools.lru_cache(maxsize=32)
    def find(instance_hash: str) -> Instance | None:
        found = held(instance_hash)
        if found is None and names.get(instance_hash) in library.names():
            found = library.load(names[instance_hash])
        return found if found is not None and found.content_hash == instance_hash else None

    return find


def programs_of(entry: KnownInstance) -> tuple[str, ...]:
    """Return the programs whose proofs stand behind an entry, as ``engine (methods)``, sorted.

    Methods of one engine share a solver; those of different engines share no code.
    """
    by_engine: dict[str, list[str]] = defaultdict(list)
    for one in entry.confirmations:
        by_engine[one.engine].append(one.method)
    return tuple(
        f"{engine} ({', '.join(sorted(by_engine[engine]))})" for engine in sorted(by_engine)
    )
