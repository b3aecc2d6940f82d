"""Ranges of real hardware, each with its source, from which generators draw."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

from splitopt.instances.core import fields
from splitopt.instances.core.documents import parse_json
from splitopt.instances.core.errors import InputError

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class NodeClass:
    """A class of nodes.

    Attributes
    ----------
    speed_flop_per_s
        Highest sustained speed, fp32.
    power_w
        Power at that speed.
    dynamic_share
        Share of it that grows with the cube of the speed.
    slowest_share
        Lowest admissible speed over the highest.
    memory_bytes
        Memory.
    sources
        Where the figures come from.
    """

    name: str
    title: str
    speed_flop_per_s: Range
    power_w: Range
    dynamic_share: Range
    slowest_share: float
    memory_bytes: Range
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinkClass:
    """A class of links; energy is for both ends together."""

    name: str
    title: str
    rate_bit_per_s: Range
    delay_s: Range
    energy_j_per_bit: Range
    sources: tuple[str, ...]


def _range(where: str, value: object) -> Range:
    low, high = (
        fields.number(f"{where}[{k}]", end, above=0)
        for k, end in enumerate(fields.sequence(where, value, minimum=2)[:2])
    )
    if low > high:
        raise InputError(where, [low, high], "the lower end first", "swap the two")
    return low, high


def _texts(where: str, value: object) -> tuple[str, ...]:
    return tuple(fields.text(where, line) for line in fields.sequence(where, value, minimum=1))


def _rows(where: str, value: object) -> list[tuple[str, dict[str, object]]]:
    if not isinstance(value, dict) or not all(isinstance(row, dict) for row in value.values()):
        raise InputError(where, value, "an object of objects", "restore the committed file")
    return list(value.items())


@functools.cache
def _tables() -> tuple[dict[str, NodeClass], dict[str, LinkClass], Range]:
    path = resources.files("splitopt.instances") / "data" / "hardware.json"
    document = fields.mapping(
        "",
        parse_json(path.read_bytes(), "hardware.json"),
        ("format", "version", "notes", "nodes", "transmit_power_w", "links"),
    )
    nodes, links = {}, {}
    for name, row in _rows("nodes", document["nodes"]):
        nodes[name] = NodeClass(
            name,
            fields.text(f"{name}.title", row["title"]),
            _range(f"{name}.speed_flop_per_s", row["speed_flop_per_s"]),
            _range(f"{name}.power_w", row["power_w"]),
            _range(f"{name}.dynamic_share", row["dynamic_share"]),
            fields.number(f"{name}.slowest_share", row["slowest_share"], above=0, maximum=1),
            _range(f"{name}.memory_bytes", row["memory_bytes"]),
            _texts(f"{name}.sources", row["sources"]),
        )
    for name, row in _rows("links", document["links"]):
        links[name] = LinkClass(
            name,
            fields.text(f"{name}.title", row["title"]),
            _range(f"{name}.rate_bit_per_s", row["rate_bit_per_s"]),
            _range(f"{name}.delay_s", row["delay_s"]),
            _range(f"{name}.energy_j_per_bit", row["energy_j_per_bit"]),
            _texts(f"{name}.sources", row["sources"]),
        )
    transmit = fields.mapping(
        "transmit_power_w", document["transmit_power_w"], ("range", "sources")
    )
    return nodes, links, _range("transmit_power_w.range", transmit["range"])


def node_class(name: str) -> NodeClass:
    """Return a class of nodes by name."""
    known = _tables()[0]
    if name not in known:
        raise InputError("node class", name, "one of " + ", ".join(known), "choose one of them")
    return known[name]


def link_class(name: str) -> LinkClass:
    """Return a class of links by name."""
    known = _tables()[1]
    if name not in known:
        raise InputError("link class", name, "one of " + ", ".join(known), "choose one of them")
    return known[name]


def transmit_power_w() -> Range:
    """Return the range of transmit powers of end devices."""
    return _tables()[2]
