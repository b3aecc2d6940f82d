"""The user's own measurements: profiles and CIFT instances from CSV files.

The checks are those of any profile and any instance; an error names file, line and column.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
    Speeds,
    Training,
)
from splitopt.instances.core import fields
from splitopt.instances.core.csv_columns import Columns
from splitopt.instances.core.csv_tables import Cells, Table, read_rows, read_table
from splitopt.instances.core.documents import read_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.parts import Plain, within
from splitopt.instances.networks.profiles import Block, Profile, load_profile

UNCOMPRESSED = Compression("none", 1.0, 1.0, 1.0)
BLOCK_COLUMNS = (
    "name",
    "param_bytes",
    "flops",
    "time_s",
    "activation_bits",
    "activation_bytes",
    "exit_flops",
)
NODE_COLUMNS = tuple(c.name for c in dataclasses.fields(Node) if c.default is dataclasses.MISSING)
_MOST_BLOCKS = 10_000
PartT = TypeVar("PartT", bound=Plain)
_TOTALS = {"total", "totals", "sum", "overall", "all", "grand total"}


def read_profile(reference: str) -> Profile:
    """Return a profile by the name of a committed one, or from a JSON file.

    Raises
    ------
    InputError
        When there is none, or the file is no profile.
    """
    if "/" not in reference and not reference.endswith((".json", ".json.gz")):
        return load_profile(reference)
    path = Path(reference)
    document = read_json(path)  # names the file itself
    with within(path.name):
        return Profile.from_document(document)


def _speed(given: float | None, *, timed: bool) -> float:
    """Return the speed at which seconds become FLOPs; 1 where a file gives FLOPs."""
    if timed and given is None:
        raise InputError(
            "measured speed",
            None,
            "the speed in FLOP/s of the node the times were measured on",
            "give --measured-speed NODE FLOP_PER_S, or a column flops",
        )
    if not timed and given is not None:
        raise InputError(
            "measured speed",
            given,
            "nothing where the file gives flops",
            "leave it out, or give a column time_s",
        )
    return 1.0 if given is None else fields.number("measured speed", given, above=0)


def profile_from_csv(
    path: Path,
    name: str,
    input_bits: float,
    *,
    measured_on: str = "",
    measured_speed_flop_per_s: float | None = None,
    head_blocks: int = 0,
    classes: int = 0,
    title: str = "",
    columns: Columns | None = None,
) -> Profile:
    """Return the profile whose blocks stand in a CSV file, a line a block, in order.

    Columns: ``name``; ``flops``, or ``time_s`` (forward seconds of one sample); ``param_bytes``;
    ``activation_bits`` or ``activation_bytes`` (the block's output for one sample); and perhaps
    ``exit_flops`` (an early exit behind the block).

    Parameters
    ----------
    input_bits
        Bits of one raw input.
    measured_on, measured_speed_flop_per_s
        With ``time_s``: the node the times were measured on and its speed. A block then counts
        time * speed FLOPs, the work that takes this node as long as measured.
    columns
        What the file calls these columns and how it writes numbers, where it is not of ours.

    Raises
    ------
    InputError
        Naming file, line and column.
    """
    table = read_table(path, BLOCK_COLUMNS[:2], BLOCK_COLUMNS[2:], columns=columns)
    timed = _either(table, "flops", "time_s") == "time_s"
    activation = _either(table, "activation_bits", "activation_bytes")
    speed = _speed(measured_speed_flop_per_s, timed=timed)
    notes: tuple[str, ...] = ()
    if timed:
        where = fields.name("measured on", measured_on)
        notes = (f"flops: measured seconds on {where} times {speed:g} FLOP/s.",)
    factor = 8 if activation == "activation_bytes" else 1

    own = {"flops": "time_s" if timed else "flops", "activation_bits": activation}
    names = _apart(table)
    if names:
        notes += (f"names: {len(names)} stood more than once and are told apart by a number.",)

    def block(cells: Cells) -> Block:
        work = cells.number("time_s") * speed if timed else cells.number("flops")
        figures = (
            names.get(cells.line) or cells.text("name"),
            work,
            cells.number("param_bytes"),
            cells.number(activation) * factor,
            cells.number("exit_flops") if cells.has("exit_flops") else 0,
        )
        try:
            return Block(*figures)
        except InputError as error:
            raise cells.located(error, own) from None

    if len(table.rows) > _MOST_BLOCKS:
        raise InputError(
            table.source, f"{len(table.rows)} blocks", f"at most {_MOST_BLOCKS}", "merge blocks"
        )
    _no_total(table)
    blocks = read_rows(table, block)
    return Profile(
        name,
        input_bits,
        blocks,
        head_blocks=head_blocks,
        classes=classes,
        title=title,
        source=f"imported from {path.name}",
        notes=notes,
    )


def cift_from_csv(
    name: str,
    profiles: Sequence[Profile],
    nodes: Path,
    links: Path | None,
    *,
    requests: int,
    compressions: Path | None = None,
    configurations: Path | None = None,
    epochs: int = 0,
    inference_deadline_s: float | None = None,
    fine_tuning_deadline_s: float | None = None,
    training: Training | None = None,
    description: str = "",
) -> CiftInstance:
    """Return the CIFT instance that CSV files describe.

    Columns of `nodes`: ``name, tier, speeds_flop_per_s, kappa_j_s2_per_flop3, busy_power_w,
    memory_bytes`` and perhaps ``samples``. Speeds are levels, ``1e9;2e9``, or an interval,
    ``1e9..2e9``. Columns of `links`: ``tail, head, rate_bit_per_s, delay_s, energy_j_per_bit``.
    Columns of `compressions`: ``name, flops_factor, param_factor, activation_factor``; without it
    there is one level, ``none``. Columns of `configurations`: ``model, compression, source,
    fraction, epochs``; without it every profile at every level from every end node, with all its
    data and `epochs` epochs. The error target is null: epochs are given, not derived.

    Raises
    ------
    InputError
        Naming file, line and column, or the option.
    """
    tables = {"nodes": read_table(nodes, NODE_COLUMNS, ("samples",))}
    known = read_rows(tables["nodes"], _node)
    _once(tables["nodes"], "name")
    if configurations is None and all(node.tier != "end" for node in known):
        raise InputError(
            nodes.name, "no end node", "at least one node of tier end", "add the source"
        )
    read_links: tuple[Link, ...] = ()
    if links is not None:
        tables["links"] = read_table(links, _columns(Link))
        read_links = read_rows(tables["links"], partial(_plain, Link))
        _check_ends(tables["links"], known, nodes.name)
    levels: tuple[Compression, ...] = (UNCOMPRESSED,)
    if compressions is not None:
        tables["compressions"] = read_table(compressions, _columns(Compression))
        levels = read_rows(tables["compressions"], partial(_plain, Compression))
    if configurations is not None:
        tables["configurations"] = read_table(configurations, _columns(Configuration))
        chosen = read_rows(tables["configurations"], partial(_plain, Configuration))
    else:
        chosen = tuple(
            Configuration(profile.name, level.name, node.name, 1.0, epochs)
            for profile in profiles
            for level in levels
            for node in known
            if node.tier == "end"
        )
    try:
        return CiftInstance(
            name=name,
            nodes=known,
            links=read_links,
            models=tuple(profiles),
            compressions=levels,
            configurations=chosen,
            requests=requests,
            inference_deadline_s=inference_deadline_s,
            fine_tuning_deadline_s=fine_tuning_deadline_s,
            training=training or Training(),
            description=description,
            origin={"imported": True} | _origins(profiles),
        )
    except InputError as error:
        raise _by_line(error, tables) from None


def _origins(profiles: Sequence[Profile]) -> dict[str, fields.Scalar]:
    """Return how the profiles were made, under names that fit."""
    found = {f"{p.name}.{key}": value for p in profiles for key, value in p.origin.items()}
    return {key: value for key, value in found.items() if len(key) <= 120}


def _by_line(error: InputError, tables: Mapping[str, Table]) -> InputError:
    """Return an error about ``links[3]`` as one about a line of the file of links."""
    found = re.fullmatch(r"(\w+)\[(\d+)\]\.?(.*)", error.field)
    if found is None or found[1] not in tables:
        return error
    cells = tables[found[1]].rows[int(found[2])]
    return cells.located(InputError(found[3], error.value, error.allowed, error.remedy))


def _check_ends(table: Table, nodes: Sequence[Node], source: str) -> None:
    names = {node.name for node in nodes}
    for cells in table.rows:
        for end in ("tail", "head"):
            if cells.text(end) not in names:
                raise cells.error(end, cells.text(end), f"a node of {source}", "correct the name")


def _apart(table: Table) -> dict[int, str]:
    """Return new names, by line, for those that stood before: profilers repeat names of layers."""
    taken = {cells.texts["name"] for cells in table.rows}
    seen: set[str] = set()
    renamed = {}
    for cells in table.rows:
        name = cells.texts["name"]
        if name in seen and name:
            number = 2
            while f"{name}-{number}" in taken:
                number += 1
            renamed[cells.line] = f"{name}-{number}"
            taken.add(renamed[cells.line])
        seen.add(name)
    return renamed


def _no_total(table: Table) -> None:
    """Refuse the line below the blocks in which profilers add them up."""
    for cells in table.rows:
        name = cells.texts["name"]
        if len(table.rows) > 1 and name.strip(": ").casefold() in _TOTALS:
            raise cells.error(
                "name", name, "a block; this looks like the sum of all", "remove the line"
            )


def _once(table: Table, column: str) -> None:
    seen: dict[str, int] = {}
    for cells in table.rows:
        value = cells.text(column)
        if value in seen:
            raise cells.error(
                column, value, f"names used once; line {seen[value]} has it", "rename one"
            )
        seen[value] = cells.line


def _either(table: Table, first: str, second: str) -> str:
    """Return which of two columns the table has; exactly one must be there."""
    found = [column for column in (first, second) if column in table.columns]
    if len(found) != 1:
        raise InputError(
            f"{table.source} line 1",
            " and ".join(found) or ", ".join(table.columns),
            f"one of the columns {first}, {second}",
            "add one" if not found else "remove one",
        )
    return found[0]


def _speeds(cells: Cells) -> Speeds:
    text = cells.text("speeds_flop_per_s")
    low, dots, high = text.partition("..")
    if dots:
        return SpeedInterval(
            *(cells.number("speeds_flop_per_s", end.strip()) for end in (low, high))
        )
    return tuple(cells.number("speeds_flop_per_s", part.strip()) for part in text.split(";"))


def _node(cells: Cells) -> Node:
    try:
        speeds = _speeds(cells)
    except InputError as error:
        if error.field.startswith(cells.source):
            raise
        raise error.within("speeds_flop_per_s") from None
    return Node(
        cells.text("name"),
        cells.text("tier"),  # type: ignore[arg-type]
        speeds,
        cells.number("kappa_j_s2_per_flop3"),
        cells.number("busy_power_w"),
        cells.number("memory_bytes"),
        cells.integer("samples") if cells.has("samples") else 0,
    )


def _columns(kind: type[Plain]) -> tuple[str, ...]:
    return tuple(column.name for column in dataclasses.fields(kind))  # type: ignore[arg-type]


def _plain(kind: type[PartT], cells: Cells) -> PartT:
    """Return a part whose fields have the names of columns."""
    read: dict[str, Callable[[str], object]]
    read = {"str": cells.text, "float": cells.number, "int": cells.integer}
    columns = dataclasses.fields(kind)  # type: ignore[arg-type]
    return kind(**{column.name: read[str(column.type)](column.name) for column in columns})
