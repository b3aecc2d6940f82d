"""Bring the best-known registry up to date from stores of runs.

Run ``python -m splitopt.bench.verdicts.update_best_known STORE...``. For every instance of the sets
named it takes from the stores and from the registry as it stands

- the best plan: the judge recomputes it in exact arithmetic from the library's own instance, and
  one that breaks a constraint is refused;
- the best bound of an exact method that is no label program, cut to the plan's value where
  rounding put it above by no more than the tolerance;
- the methods that proved the same optimum, or that there is none, each with its solver, its
  limits and the versions it ran with.

Rows that a cross-check refutes give neither a bound nor a proof. While a contradiction is left,
nothing is written and the exit code is 1.
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from splitopt.bench.store.rows import Row
from splitopt.bench.store.store import Store
from splitopt.bench.verdicts.crosscheck import Contradiction, cross_check, is_feasible
from splitopt.bench.verdicts.known import MOST_DEVICES, as_known, opinion_of
from splitopt.instances import library
from splitopt.instances.core.documents import write_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES, gap, values_agree
from splitopt.instances.judge import certify, evaluate, plan_from_document
from splitopt.instances.library.best_known import (
    FIGURES,
    LABEL_ENGINE,
    PLANS,
    Confirmation,
    KnownInstance,
    Registry,
    plan_documents,
    registry,
)

FOLDER = Path(__file__).resolve().parents[2] / "instances" / "data" / "library"
SETS = ("standard-v1", "networks-v1", "uncertain-v1", "quick", "tiny")
# What a confirmation records of the machine and the software.
_KEPT = ("versions", "commit", "commit_changed", "python", "system", "processor")


@dataclass
class Update:
    """A registry in the making, and what was said of the stores.

    Attributes
    ----------
    registry, plans
        What would be written.
    contradictions
        Statements that cannot both hold, among the rows and with the registry.
    refused
        Plans that the judge refuses, in words.
    """

    registry: Registry
    plans: dict[str, object]
    contradictions: list[Contradiction] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def _reduced(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {key: environment.get(key) for key in _KEPT}


@dataclass
class _Environments:
    """The list of environments, each once."""

    known: list[Mapping[str, object]]

    def index(self, environment: Mapping[str, Any]) -> int:
        kept = _reduced(environment)
        if kept not in self.known:
            self.known.append(kept)
        return self.known.index(kept)


def members(sets: Sequence[str]) -> dict[str, str]:
    """Return name by content hash of the instances of these sets, small enough to be kept."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(name for one in sets for name in library.names(one)):
        entry = library.entry(name)
        if int(entry.size.get("devices", 0)) <= MOST_DEVICES and entry.content_hash:
            found.setdefault(entry.content_hash, name)
    return found


def _judged(name: str, document: object, said: list[str]) -> float | None:
    """Return what a plan costs on the library's instance; None, said why, where it is refused."""
    try:
        instance, plan = _instance(name), plan_from_document(document)
        verdict = certify(instance, plan)
        if verdict.feasible:
            return evaluate(instance, plan).objective
        said.append(f"{name}: {verdict.violations[0].statement}")
    except InputError as error:
        said.append(f"{name}: {error}")
    return None


@functools.lru_cache(maxsize=4)
def _instance(name: str) -> Any:
    return library.load(name)


def _confirms(row: Row, objective: float | None, refuted: frozenset[str]) -> bool:
    """Return whether a row proves what the registry holds."""
    if row.key in refuted or row.verdict != "right" or opinion_of(row) is None:
        return False
    if objective is None:
        return row.status == "infeasible"
    return (
        row.status == "optimal"
        and row.objective is not None
        and row.bound is not None
        and row.relative_gap <= TOLERANCES.optimality
        and values_agree(row.objective, objective)
    )


def _confirmation(row: Row, environment: int) -> Confirmation:
    optimal = row.status == "optimal"
    return Confirmation(
        row.method,
        str(opinion_of(row)),
        row.objective if optimal else None,
        row.bound if optimal else None,
        row.relative_gap,
        row.time_limit_s,
        None if row.cpu_time_s is None else round(row.cpu_time_s, 3),
        environment,
    )


def _entry(
    name: str,
    rows: Sequence[Row],
    before: KnownInstance | None,
    plans: dict[str, object],
    refuted: frozenset[str],
    environment_of: Mapping[str, int],
    refused: list[str],
) -> KnownInstance:
    """Return the entry of an instance from its rows and the entry there was."""
    about = library.entry(name)
    entry = before or KnownInstance(
        name, about.problem, about.content_hash, None, None, None, None, False, ()
    )
    entry = replace(entry, name=name)
    for row in rows:
        better = entry.objective is None or (row.objective or math.inf) < entry.objective
        if row.plan is None or not is_feasible(row) or not better:
            continue
        value = _judged(name, row.plan, refused)
        if value is not None and (entry.objective is None or value < entry.objective):
            entry = replace(entry, objective=value, plan_by=row.method)
            plans[about.content_hash] = row.plan
    for row in rows:
        engine = opinion_of(row)
        if row.key in refuted or engine in (None, LABEL_ENGINE) or row.bound is None:
            continue
        bound = row.bound if entry.objective is None else min(row.bound, entry.objective)
        if entry.bound is None or bound > entry.bound:
            entry = replace(entry, bound=bound, bound_by=row.method)
    confirmed = {one.method: one for one in entry.confirmations}
    for row in rows:
        if _confirms(row, entry.objective, refuted):
            new = _confirmation(row, environment_of[row.environment_hash])
            confirmed[row.method] = _fresher(confirmed.get(row.method), new)
    kept = tuple(confirmed[method] for method in sorted(confirmed))
    if entry.objective is not None:
        kept = tuple(
            one
            for one in kept
            if one.objective is not None and values_agree(one.objective, entry.objective)
        )
    proofs = {one.engine for one in kept} - {LABEL_ENGINE}
    return replace(entry, confirmations=kept, infeasible=entry.objective is None and bool(proofs))


def _fresher(old: Confirmation | None, new: Confirmation) -> Confirmation:
    """Return the confirmation with the smaller gap; of equals the new one."""
    if old is None:
        return new
    gaps = [gap(one.objective, one.bound) or 0.0 for one in (old, new)]
    return old if gaps[0] < gaps[1] else new


def update(
    stores: Iterable[Path],
    sets: Sequence[str] = SETS,
    *,
    base: Registry | None = None,
    plans: Mapping[str, object] | None = None,
) -> Update:
    """Return the registry with what the stores add.

    Parameters
    ----------
    stores
        Folders that `splitopt run` wrote.
    sets
        Sets of the library whose instances are kept; the others are left as they are.
    base, plans
        The registry to start from; the committed one unless given.

    Raises
    ------
    InputError
        When a folder holds no store, or there is no such set.
    """
    start = registry() if base is None else base
    kept_plans = dict(plan_documents() if plans is None else plans)
    kept = members(sets)
    environments = _Environments([dict(one) for one in start.environments])
    rows: dict[str, list[Row]] = {key: [] for key in kept}
    environment_of: dict[str, int] = {}
    for folder in stores:
        with Store(folder, readonly=True) as store:
            known = store.environments()
            for content_hash in kept:
                found = store.rows(instance_hash=content_hash)
                rows[content_hash] += found
                for row in found:
                    if row.environment_hash not in environment_of:
                        index = environments.index(known.get(row.environment_hash, {}))
                        environment_of[row.environment_hash] = index
    flat = [row for found in rows.values() for row in found]
    contradictions = cross_check(flat, as_known(start), registry=False)
    refuted = frozenset(one.refuted for one in contradictions if one.refuted is not None)
    entries = dict(start.entries)
    refused: list[str] = []
    for content_hash, name in kept.items():
        entries[content_hash] = _entry(
            name,
            rows[content_hash],
            entries.get(content_hash),
            kept_plans,
            refuted,
            environment_of,
            refused,
        )
    ordered = [*kept, *(key for key in entries if key not in kept)]
    entries = {key: entries[key] for key in ordered}
    used = {one.environment for entry in entries.values() for one in entry.confirmations}
    new = Registry(entries, tuple(environments.known))
    return Update(_renumbered(new, sorted(used)), kept_plans, contradictions, refused)


def _renumbered(found: Registry, used: Sequence[int]) -> Registry:
    """Return the registry without environments that nothing refers to."""
    place = {old: new for new, old in enumerate(used)}
    entries = {
        key: replace(
            entry,
            confirmations=tuple(
                replace(one, environment=place[one.environment]) for one in entry.confirmations
            ),
        )
        for key, entry in found.entries.items()
    }
    return Registry(entries, tuple(found.environments[old] for old in used), found.tolerance)


def _summary(found: Registry, before: Registry, hashes: Iterable[str]) -> str:
    entries = [found.entries[key] for key in hashes]
    counts = dict.fromkeys(("optimal", "infeasible", "open", "unknown"), 0)
    for entry in entries:
        counts[entry.status] += 1
    twice = sum(entry.closed and len(entry.engines) >= 2 for entry in entries)
    lines = [
        ", ".join(f"{count} {status}" for status, count in counts.items())
        + f" of {len(entries)}; {twice} closed by two solvers or more",
    ]
    for entry in entries:
        old = before.entries.get(entry.content_hash)
        if old is not None and old != entry and old.objective != entry.objective:
            lines.append(f"{entry.name}: {old.objective!r} -> {entry.objective!r}")
        if not entry.closed:
            known = "nothing" if entry.gap is None else f"gap {entry.gap:.3g}"
            lines.append(f"{entry.name}: {entry.status}, {known}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m splitopt.bench.verdicts.update_best_known", description=__doc__
    )
    parser.add_argument("stores", nargs="*", type=Path, metavar="STORE")
    parser.add_argument("--sets", default=",".join(SETS), help="sets of the library, with commas")
    parser.add_argument("--dry-run", action="store_true", help="say what would be, write nothing")
    given = parser.parse_args(arguments)
    sets = tuple(given.sets.split(","))
    try:
        found = update(given.stores, sets)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    for line in found.refused:
        sys.stderr.write(f"refused: {line}\n")
    for one in found.contradictions:
        sys.stderr.write(f"contradiction: {one.instance_name}: {one.kind}: {one.statement}\n")
    sys.stdout.write(_summary(found.registry, registry(), members(sets)) + "\n")
    if found.contradictions:
        sys.stderr.write("nothing written: find out which of the statements is wrong first\n")
        return 1
    if not given.dry_run:
        write_json(folder / FIGURES, found.registry.to_document())
        write_json(folder / PLANS, found.plans)
    return 0


if __name__ == "__main__":
    sys.exit(main())
