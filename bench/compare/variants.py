"""What a run's method is called in tables: options set apart what they make differ."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable

from splitopt.bench.store.rows import Row

__all__ = ["variant_names"]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def variant_names(rows: Iterable[Row]) -> dict[str, str]:
    """Return the name of each run's method, by key of the run.

    A method that ran with different options is several methods to a reader: its name is then
    followed by those options that differ, such as ``jqodi epsilon=0.1``. Options that all its
    runs share are left out.
    """
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[(row.problem, row.method)].append(row)
    found = {}
    for (_, method), mine in groups.items():
        values: dict[str, set[str]] = defaultdict(set)
        for row in mine:
            for name in row.options:
                values[name].add(_shown(row.options[name]))
        # An option that only some runs know of differs too.
        differ = [
            name
            for name, seen in values.items()
            if len(seen) > 1 or any(name not in row.options for row in mine)
        ]
        for row in mine:
            parts = [f"{n}={_shown(row.options[n])}" for n in differ if n in row.options]
            found[row.key] = " ".join([method, *parts])
    return found
