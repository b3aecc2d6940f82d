"""The two printed tables of devices, kept exactly as printed."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

from splitopt.instances.core import fields
from splitopt.instances.core.documents import parse_json

CITATION = (
    "Y. Ma, Y. Wang, B. Tang, Joint Optimization of Model Partitioning and Resource Allocation "
    "for Multi-Exit DNNs in Edge-Device Collaboration, Electronics 2025, 14, 1647"
)
_FILE = "ma-wang-tang-2025.json"


@dataclass(frozen=True, slots=True)
class PrintedDevice:
    """One row as printed.

    Attributes
    ----------
    exit_percent
        Percentage of tasks that would leave at each of 13 exits; need not add up to 100.
    """

    power_w: float
    transmit_power_w: float
    speed_gflops: float
    exit_percent: tuple[int, ...]


@functools.cache
def printed_devices(table: str) -> tuple[PrintedDevice, ...]:
    """Return the rows of table ``image`` or ``video``."""
    path = resources.files("splitopt.instances") / "data" / "sources" / _FILE
    document = parse_json(path.read_bytes(), _FILE)
    tables = fields.mapping("", document, ("citation", "licence", "notes", "tables"))["tables"]
    rows = fields.sequence(table, fields.mapping("tables", tables, ("image", "video"))[table])
    devices = []
    for index, row in enumerate(rows):
        where = f"{table}[{index}]"
        found = fields.mapping(
            where, row, ("power_w", "transmit_power_w", "speed_gflops", "exit_percent")
        )
        devices.append(
            PrintedDevice(
                fields.number(f"{where}.power_w", found["power_w"], above=0),
                fields.number(f"{where}.transmit_power_w", found["transmit_power_w"], above=0),
                fields.number(f"{where}.speed_gflops", found["speed_gflops"], above=0),
                tuple(
                    fields.integer(f"{where}.exit_percent", p, minimum=0)
                    for p in fields.sequence(f"{where}.exit_percent", found["exit_percent"])
                ),
            )
        )
    return tuple(devices)
