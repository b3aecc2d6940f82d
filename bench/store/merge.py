"""Bring the stores of several machines together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from splitopt.bench.store.store import Store
from splitopt.instances.core.errors import InputError

__all__ = ["Merged", "merge"]


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: rows added, and rows whose run was there already."""

    added: int
    there: int


def merge(out: Path, sources: Sequence[Path]) -> Merged:
    """Add the rows of other stores to the one at `out`, made if missing.

    Of two rows of the same run the first stays, whichever machine it is from. Nothing in the
    sources changes. What is best known elsewhere is taken from the first store that has it.

    Raises
    ------
    InputError
        When a source is no store, or is `out` itself.
    """
    for source in sources:
        if source.resolve() == out.resolve():
            raise InputError("source", str(source), "a store other than --out", "leave it out")
        Store(source).close()  # all of them are there before anything is written
    added = there = 0
    with Store(out, create=True) as target:
        for source in sources:
            with Store(source) as store:
                for environment in store.environments().values():
                    target.put_environment(environment)
                for entry in store.instances():
                    document = store.instance_document(entry["hash"])
                    target.put_instance(
                        entry["hash"], entry["name"], entry["problem"], entry["source"], document
                    )
                known = target.best_known()
                for key, best in store.best_known().items():
                    if key not in known:
                        target.put_best_known(key, best)
                calls = target.calls()
                for call in store.calls():
                    if call not in calls:
                        document_ = {k: v for k, v in call.items() if k != "started_at"}
                        target.put_call(call["started_at"], document_)
                for row in store.rows():
                    if target.add(row):
                        added += 1
                    else:
                        there += 1
    return Merged(added, there)
