"""What a run's method is called in tables: options set apart what they make differ."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable

from splitopt.bench.store.rows import Row

__all__ = ["variant_names"]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _traits(row: Row) -> dict[str, object]:
    """Return what tells runs of one method apart: the code, as far as known, and the options."""
    source = row.method_source and row.method_source[:8]
    code = {"version": row.method_version, "source": source}
    return {**{name: value for name, value in code.items() if value}, **row.options}


def variant_names(rows: Iterable[Row]) -> dict[str, str]:
    """Return the name of each run's method, by key of the run.

    A method that ran with different options is several methods to a reader: its name is then
    followed by those options that differ, such as ``jqodi epsilon=0.1``. Options that all its
    runs share are left out. A user's method whose code changed is several, too: its version and
    the first digits of its source's hash tell them apart.
    """
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[(row.problem, row.method)].append(row)
    found = {}
    for (_, method), mine in groups.items():
        values: dict[str, set[str]] = defaultdict(set)
        for row in mine:
            for name, value in _traits(row).items():
                values[name].add(_shown(value))
        # An option that only some runs know of differs too.
        differ = [
            name
            for name, seen in values.items()
            if len(seen) > 1 or any(name not in _traits(row) for row in mine)
        ]
        for row in mine:
            traits = _traits(row)
            parts = [f"{name}={_shown(traits[name])}" for name in differ if name in traits]
            found[row.key] = " ".join([method, *parts])
    return found
