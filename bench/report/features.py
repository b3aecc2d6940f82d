"""Features of instances, by which results are broken down."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from splitopt.bench.compare.data import InstanceEntry, ReportData
from splitopt.bench.compare.summary import MethodSummary
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.mepra.model import MepraInstance


def _size(count: int) -> str:
    for top in (3, 10, 100, 1000, 10_000):
        if count <= top:
            return f"up to {top}"
    return "above 10000"


def _cift(document: dict[str, Any]) -> dict[str, str]:
    limits = [
        word
        for word, name in (
            ("inference", "inference_deadline_s"),
            ("fine-tuning", "fine_tuning_deadline_s"),
        )
        if document.get(name) is not None
    ]
    continuous = any(isinstance(n["speeds_flop_per_s"], dict) for n in document["nodes"])
    return {
        "deadlines": " and ".join(limits) or "none",
        "speeds": "continuous" if continuous else "listed",
        "nodes": _size(len(document["nodes"])),
        "links": _size(len(document.get("links", []))),
        "configurations": _size(len(document.get("configurations", []))),
    }


def _mepra(document: dict[str, Any]) -> dict[str, str]:
    columns = document["devices"]
    return {
        "exits": str(document.get("exits")),
        "devices": _size(len(columns["speed_flop_per_s"])),
        "profiles": _size(len(document.get("profiles", []))),
    }


def features_of(entry: InstanceEntry) -> dict[str, str]:
    """Return an instance's features in words: its family where it has one, then its shape."""
    if entry.document is None:
        return {"size": "too large for the store"}
    document: dict[str, Any] = json.loads(entry.document)
    family = document.get("origin", {}).get("family")
    found = {"family": family if isinstance(family, str) else "not generated"}
    try:
        found |= _mepra(document) if entry.problem == "mepra" else _cift(document)
    except (KeyError, TypeError):
        return found  # a document of another version: what is plain is enough
    return found


def feature_groups(
    data: ReportData, problem: str
) -> dict[tuple[str, str], tuple[int, list[MethodSummary]]]:
    """Return by feature and value the number of instances that have it, and the methods on them.

    Features in which the instances of a problem do not differ are left out; what is known of an
    instance is one. The virtual best comes last.
    """
    values: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for key in dict.fromkeys(row.instance_hash for row in data.of_problem(problem)):
        features = features_of(data.instances[key]) | {"state": data.state(key)}
        for name, value in features.items():
            values[name][value].add(key)
    groups = {}
    for name, by in values.items():
        if len(by) < 2:
            continue
        for value, hashes in sorted(by.items()):
            found = data.summarised(problem, hashes)
            best = data.virtual_best(problem, hashes)
            groups[name, value] = (len(hashes), [*found, *([best] if best is not None else [])])
    return groups


def shape_of(instance: CiftInstance | MepraInstance) -> list[tuple[str, str]]:
    """Return an instance's size and limits in words."""
    if isinstance(instance, CiftInstance):
        limits = (
            ("deadline of a request", instance.inference_deadline_s),
            ("deadline of fine-tuning", instance.fine_tuning_deadline_s),
        )
        return [
            ("size", f"{len(instance.nodes)} nodes, {len(instance.links)} links"),
            ("choices", f"{len(instance.configurations)} configurations"),
            *((name, "none" if limit is None else f"{limit:.4g} s") for name, limit in limits),
            ("requests", f"{instance.requests:g}"),
        ]
    layers = sorted({int(count) for count in instance.layers})
    return [
        ("size", f"{instance.devices} devices, {' or '.join(map(str, layers))} layers"),
        ("exits", "free" if instance.exit_set is None else "fixed"),
        ("bandwidth", f"{instance.bandwidth_bit_per_s / 1e6:.4g} Mbit/s"),
        ("edge capacity", f"{instance.edge_capacity_flop_per_s / 1e9:.4g} GFLOP/s"),
    ]
