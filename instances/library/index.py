"""The index of the library: a committed list, read without building any instance."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from splitopt.instances import sources
from splitopt.instances.core.documents import parse_json
from splitopt.instances.core.errors import InputError

# In the order shown; what a set is for stands in docs/instances.md.
SETS = (
    *("tiny", "quick", "standard-v1", "networks-v1", "uncertain-v1", "large"),
    *("sources", "source-variants"),
)
_KEYS = ("name", "problem", "sets", "size", "description", "made", "content_hash")


@dataclass(frozen=True, slots=True)
class Entry:
    """One instance of the library.

    Attributes
    ----------
    problem
        ``cift`` or ``mepra``.
    sets
        The sets it belongs to.
    size
        Counts for people: nodes, links, configurations, blocks and deadlines, or devices and
        layers; whether speeds are listed, whether exits are fixed.
    made
        How: ``{"crafted": true}``, ``{"source": true}``, ``{"family", "seed", "knobs"}`` or
        ``{"file": ...}``.
    content_hash
        Of the instance, empty where it is not kept (sources).
    """

    name: str
    problem: str
    sets: tuple[str, ...]
    size: Mapping[str, int | str]
    description: str
    made: Mapping[str, object]
    content_hash: str


def folder() -> Traversable:
    """Return the folder of the committed instances and the index."""
    return resources.files("splitopt.instances") / "data" / "library"


def _read(row: Mapping[str, object]) -> Entry:
    values = [row[key] for key in _KEYS]
    values[2] = tuple(values[2])  # type: ignore[arg-type]
    return Entry(*values)  # type: ignore[arg-type]


@functools.cache
def rows() -> Mapping[str, Entry]:
    """Return what the index lists, by name."""
    found = parse_json((folder() / "index.json").read_bytes(), "index.json")
    if not isinstance(found, list):
        raise InputError("index.json", found, "a list", "restore the committed file")
    return {row["name"]: _read(row) for row in found}


def find(name: str) -> Entry | None:
    """Return the entry of that name: indexed, or one of the sources'."""
    entry = rows().get(name)
    if entry is None and sources.is_source_name(name):
        member = "sources" if name in sources.names() else "source-variants"
        devices = 5 if name.startswith("mepra-image") else 7
        exits = "free" if "free" in name else "fixed"
        return Entry(
            name,
            "mepra",
            (member,),
            {"devices": devices, "exits": exits},
            sources.describe(name),
            {"source": True},
            "",
        )
    return entry
