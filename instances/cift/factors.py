"""Factors of single blocks, from a CSV of what was measured on each node."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.core.csv_tables import Cells, read_rows, read_table
from splitopt.instances.core.errors import InputError

_REQUIRED = ("node", "model", "block")
_OPTIONAL = ("factor", "time_s", "speed_flop_per_s")


def with_factors(instance: CiftInstance, path: Path) -> CiftInstance:
    """Return the instance with the factors of a CSV; those it has of other blocks stay.

    Columns: ``node, model, block`` and ``factor``; or ``time_s``, the seconds of the block for one
    sample on that node, at ``speed_flop_per_s`` (where left out, at its highest speed)::

        factor = time_s / (flops / speed_flop_per_s)

    Raises
    ------
    InputError
        Naming file, line and column.
    """
    table = read_table(path, _REQUIRED, _OPTIONAL)
    if ("factor" in table.columns) == ("time_s" in table.columns):
        raise InputError(
            table.source, ", ".join(table.columns), "one of factor and time_s", "give one of them"
        )
    found: dict[str, dict[str, dict[str, float]]] = {
        node.name: {model: dict(blocks) for model, blocks in node.factors}
        for node in instance.nodes
    }

    seen: set[tuple[str, ...]] = set()

    def read(cells: Cells) -> None:
        node, model, block = (cells.text(column) for column in _REQUIRED)
        if node not in instance.node_index:
            raise cells.error("node", node, "a node of the instance", "correct the name")
        if model not in instance.model_index:
            raise cells.error("model", model, "a model of the instance", "correct the name")
        flops = {b.name: b.flops for b in instance.models[instance.model_index[model]].blocks}
        if block not in flops:
            raise cells.error("block", block, f"a block of {model}", "correct the name")
        if (node, model, block) in seen:
            raise cells.error("block", block, f"each block of {node} once", "remove a line")
        seen.add((node, model, block))
        if "factor" in table.columns:
            value = cells.number("factor", minimum=0)
        else:
            speeds = instance.nodes[instance.node_index[node]].speeds_flop_per_s
            speed = speeds.high if isinstance(speeds, SpeedInterval) else speeds[-1]
            if cells.has("speed_flop_per_s"):
                speed = cells.number("speed_flop_per_s", above=0)
            seconds = cells.number("time_s", minimum=0)
            if not flops[block]:
                if seconds:
                    raise cells.error(
                        "time_s",
                        seconds,
                        f"0 for {block}, which has no FLOPs to weigh",
                        "give it FLOPs, or merge it with its neighbour",
                    )
                return
            value = seconds / (flops[block] / speed)
        found[node].setdefault(model, {})[block] = value

    read_rows(table, read)
    nodes = tuple(
        dataclasses.replace(
            node,
            factors=tuple((m, tuple(blocks.items())) for m, blocks in found[node.name].items()),
        )
        for node in instance.nodes
    )
    return instance.replace(nodes=nodes)
