"""The best-known registry as the verdicts, cross-checks and references use it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from splitopt.bench.methods.registry import engine_of
from splitopt.bench.store.rows import Row
from splitopt.bench.store.store import BestKnown
from splitopt.instances.library.best_known import Registry, registry

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

# Plans of larger fleets are not stored.
MOST_DEVICES = 100_000


def as_known(found: Registry) -> dict[str, BestKnown]:
    """Return what a registry knows, by content hash."""
    return {
        key: BestKnown(entry.objective, entry.bound, entry.infeasible, "best-known registry")
        for key, entry in found.entries.items()
        if entry.status != "unknown" or entry.bound is not None
    }


@functools.cache
def _committed() -> dict[str, BestKnown]:
    return as_known(registry())


def registered(content_hash: str) -> BestKnown | None:
    """Return what the registry knows of an instance; None where it is not in it."""
    return _committed().get(content_hash)


def with_registry(content_hash: str, known: BestKnown | None) -> BestKnown | None:
    """Return what is known of an instance from elsewhere and from the registry together.

    The lower objective and the higher bound count; a statement that contradicts the other
    source is for `splitopt.bench.verdicts.crosscheck` to see and for nobody to smooth over.
    """
    entry = registered(content_hash)
    if entry is None or known is None:
        return known if entry is None else entry
    first, second = known, entry
    if second.objective is not None and (
        first.objective is None or second.objective < first.objective
    ):
        first, second = second, first
    bounds = [one.bound for one in (first, second) if one.bound is not None]
    return BestKnown(
        first.objective,
        max(bounds, default=None),
        first.infeasible or second.infeasible,
        first.source,
    )


def known_of(instance: Instance, known: BestKnown | None) -> BestKnown | None:
    """Return `with_registry` of an instance; one too large for the registry is not hashed."""
    if getattr(instance, "devices", 0) > MOST_DEVICES:
        return known
    return with_registry(instance.content_hash, known)


def merged(
    hashes: Iterable[str], known: Mapping[str, BestKnown] | None = None
) -> dict[str, BestKnown]:
    """Return `with_registry` for each of these instances of which anything is known."""
    given = known or {}
    found = {key: with_registry(key, given.get(key)) for key in dict.fromkeys(hashes)}
    return {key: value for key, value in found.items() if value is not None}


def opinion_of(row: Row) -> str | None:
    """Return what a row's proof and bound rest on; None where that is no opinion of its own.

    Where CP-SAT was given what deadlines priced leave, code of the flow has spoken before it.
    """
    priced = row.method == "cpsat" and "arcs_priced" in row.statistics
    return None if priced else engine_of(row.method)
