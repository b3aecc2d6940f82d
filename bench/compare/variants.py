"""What a run's method is called in tables: options set apart what they make differ."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable

from splitopt.bench.store.rows import Row


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _traits(row: Row) -> dict[str, str]:
    """Return what tells runs of one method apart: the code, as far as known, and the options."""
    source = row.method_source and row.method_source[:8]
    code = {"version": row.method_version, "source": source}
    traits = {**{name: value for name, value in code.items() if value}, **row.options}
    return {name: _shown(value) for name, value in traits.items()}


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
    found: dict[str, str] = {}
    for (_, method), mine in groups.items():
        # Of a hundred thousand runs few differ: the store gives equal options as one object.
        kinds = [(row.method_version, row.method_source, id(row.options)) for row in mine]
        traits = {k: _traits(row) for k, row in dict(zip(kinds, mine, strict=True)).items()}
        values: dict[str, set[str]] = defaultdict(set)
        for each in traits.values():
            for name, value in each.items():
                values[name].add(value)
        # An option that only some runs know of differs too.
        differ = [
            name
            for name, seen in values.items()
            if len(seen) > 1 or any(name not in each for each in traits.values())
        ]
        names = {
            kind: " ".join([method, *(f"{name}={each[name]}" for name in differ if name in each)])
            for kind, each in traits.items()
        }
        found |= {row.key: names[kind] for kind, row in zip(kinds, mine, strict=True)}
    return found
