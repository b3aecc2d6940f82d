"""Kinds of instances, by which results are broken down."""

from __future__ import annotations

import json
from typing import Any

from bench.report.data import InstanceEntry

__all__ = ["group_of"]


def _size(count: int) -> str:
    for top in (10, 100, 1000, 10_000):
        if count <= top:
            return f"up to {top}"
    return "above 10000"


def group_of(entry: InstanceEntry) -> str:
    """Return the kind of an instance in words: its family where it says so, else its shape."""
    if entry.document is None:
        return "large"
    document: dict[str, Any] = json.loads(entry.document)
    family = document.get("origin", {}).get("family")
    if isinstance(family, str):
        return family
    if entry.problem == "mepra":
        devices = len(document["devices"]["speed_flop_per_s"])
        return f"exits {document['exits']}, {_size(devices)} devices"
    deadlines = sum(
        document.get(name) is not None
        for name in ("inference_deadline_s", "fine_tuning_deadline_s")
    )
    continuous = any(isinstance(n["speeds_flop_per_s"], dict) for n in document["nodes"])
    speeds = "continuous speeds" if continuous else "listed speeds"
    return f"{speeds}, {deadlines} deadlines, {_size(len(document['nodes']))} nodes"
