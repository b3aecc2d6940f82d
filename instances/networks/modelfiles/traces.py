"""Seconds of blocks out of the profile that onnxruntime writes of its runs.

Kernels are named after nodes, or, where onnxruntime fused or replaced them, after the tensor they
end with. What it put in between, such as a change of layout, belongs to the block before.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from splitopt.instances.core import fields
from splitopt.instances.core.documents import read_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.modelfiles.graph import GraphBlock
from splitopt.instances.networks.modelfiles.reading import Network
from splitopt.instances.networks.modelfiles.timing import Measured, Timing

_KERNEL = "_kernel_time"
_ADDED = ("_nchwc", "_fused", "_nhwc", "_token_0")


def timing_from_trace(
    path: Path, network: Network, blocks: Sequence[GraphBlock]
) -> tuple[Timing, float]:
    """Return seconds of each block, and the share of time whose kernels no name told.

    The first of several runs is left out: it sets memory up.

    Raises
    ------
    InputError
        When the file is no such profile, holds no whole run, or is of another model.
    """
    home = _homes(network, blocks)
    runs: list[list[float]] = []
    now = [0.0] * len(blocks)
    at, untold, events = 0, 0.0, 0
    for name, kind, seconds in _events(path):
        if kind == "Node" and name.endswith(_KERNEL):
            found = _block(name.removesuffix(_KERNEL), home)
            at = at if found is None else found
            untold += seconds if found is None else 0.0
            now[at] += seconds
            events += 1
        elif name == "model_run":
            runs.append(now)
            now = [0.0] * len(blocks)
    kept = [run for run in runs if any(run)]
    kept = kept[1:] if len(kept) > 1 else kept
    if not kept:
        raise InputError(
            path.name,
            f"{events} kernels, no whole run",
            "a profile of onnxruntime with at least one run",
            "end it with session.end_profiling()",
        )
    every = sum(map(sum, runs))
    for k, block in enumerate(blocks):
        if block.flops and not any(run[k] for run in kept):
            raise InputError(
                path.name,
                f"no kernel of block {block.name}",
                f"a profile of {network.path.name}",
                "give the model that was profiled",
            )
    columns = list(zip(*kept, strict=True))
    measured = [Measured(max(min(x), 1e-9), max(statistics.median(x), 1e-9)) for x in columns]
    totals = [sum(run) for run in kept]
    timing = Timing(tuple(measured), Measured(min(totals), statistics.median(totals)), 0.0)
    return timing, untold / every if every else 0.0


def _homes(network: Network, blocks: Sequence[GraphBlock]) -> dict[str, int]:
    """Return the block of each node's name and each tensor's; tensors come first."""
    names: dict[str, int] = {}
    tensors: dict[str, int] = {}
    for b, block in enumerate(blocks):
        for place in block.operators:
            operator = network.operators[place]
            names[network.model.graph.node[operator.node].name] = b
            tensors |= dict.fromkeys(operator.outputs, b)
    names.pop("", None)
    return names | tensors


def _block(name: str, home: Mapping[str, int]) -> int | None:
    while name not in home:
        end = next((end for end in _ADDED if name.endswith(end)), None)
        if end is None:
            return None
        name = name.removesuffix(end)
    return home[name]


def _events(path: Path) -> list[tuple[str, str, float]]:
    """Return name, category and seconds of each event, in the order of the file."""
    document = read_json(path)
    events = document.get("traceEvents") if isinstance(document, dict) else document
    found = []
    if not isinstance(events, list):
        raise InputError(
            path.name, "no list of events", "what onnxruntime's profiler wrote", "check the file"
        )
    for k, event in enumerate(events):
        where = f"{path.name}[{k}]"
        if not isinstance(event, dict):
            raise InputError(where, event, "an event", "give the JSON of onnxruntime's profiler")
        if "dur" not in event:
            continue
        seconds = 1e-6 * fields.number(f"{where}.dur", event["dur"], minimum=0)
        found.append((str(event.get("name", "")), str(event.get("cat", "")), seconds))
    return found
