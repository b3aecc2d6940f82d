"""The user's own measurements: a MEPRA instance from a CSV file of devices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from splitopt.instances.core.csv_tables import Cells, Table, read_rows, read_table
from splitopt.instances.core.errors import InputError
from splitopt.instances.mepra.columns import exit_set_bits
from splitopt.instances.mepra.fractions import ExitFractions, Reading
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.networks.profiles import MultiExitProfile, Profile

FRACTION = "fraction_"


def mepra_from_csv(
    name: str,
    profiles: Sequence[Profile],
    devices: Path,
    *,
    edge_capacity_flop_per_s: float,
    bandwidth_bit_per_s: float,
    weight_time_per_s: float = 1.0,
    weight_energy_per_j: float = 1.0,
    exits: Literal["all", "free", "column"] = "all",
    total: float = 1.0,
    reading: Reading = "as-given",
    description: str = "",
) -> MepraInstance:
    """Return the MEPRA instance whose devices stand in a CSV file, a line a device.

    Columns: ``speed_flop_per_s, power_w, transmit_power_w``; ``fraction_1, fraction_2, ...``, the
    fractions of tasks that would leave at each exit, as many as the device's network has layers;
    ``profile``, which may be left out with one profile; ``exits``, such as ``3;7;13``, where
    `exits` is ``column``; and perhaps ``name``, for people.

    Parameters
    ----------
    profiles
        Networks; the blocks before the head are the layers, with an exit behind each.
    exits
        ``all`` exits enabled, ``free`` (a decision), or as the ``column`` says.
    total, reading
        What fractions add up to, and how they are read; see `ExitFractions`.

    Raises
    ------
    InputError
        Naming file, line and column, or the option.
    """
    given = exits == "column"
    table = read_table(
        devices,
        ("speed_flop_per_s", "power_w", "transmit_power_w", *(("exits",) if given else ())),
        ("name", "profile"),
        numbered=FRACTION,
    )
    networks = tuple(profile.multi_exit() for profile in profiles)
    read: dict[tuple[float, ...], int] = {}

    def device(cells: Cells) -> tuple[int, int, int, float, float, float]:
        profile = _network(table, cells, networks)
        layers = len(networks[profile].layers)
        row = _fractions(table, cells, layers)
        if row not in read:
            _check_row(cells, row, total, reading)
            read[row] = len(read)
        return (
            profile,
            read[row],
            _exit_set(cells, layers) if given else (1 << layers) - 1,
            cells.number("speed_flop_per_s", above=0),
            cells.number("power_w", minimum=0),
            cells.number("transmit_power_w", minimum=0),
        )

    found = read_rows(table, device)
    chosen, exit_row, sets, speed, power, transmit = zip(*found, strict=True)
    return MepraInstance(
        name=name,
        edge_capacity_flop_per_s=edge_capacity_flop_per_s,
        bandwidth_bit_per_s=bandwidth_bit_per_s,
        weight_time_per_s=weight_time_per_s,
        weight_energy_per_j=weight_energy_per_j,
        profiles=networks,
        exit_fractions=ExitFractions.of(list(read), total, reading),
        speed_flop_per_s=np.array(speed),
        power_w=np.array(power),
        transmit_power_w=np.array(transmit),
        profile=np.array(chosen, dtype=np.int64),
        exit_row=np.array(exit_row, dtype=np.int64),
        exit_set=None if exits == "free" else np.array(sets, dtype=np.int64),
        description=description,
        origin={"imported": True},
    )


def _network(table: Table, cells: Cells, networks: Sequence[MultiExitProfile]) -> int:
    names = [network.name for network in networks]
    if "profile" not in table.columns and len(names) == 1:
        return 0
    if "profile" not in table.columns:
        raise InputError(
            f"{table.source} line 1",
            ", ".join(table.columns),
            "a column profile where there are several",
            "add profile",
        )
    found = cells.text("profile")
    if found not in names:
        raise cells.error(
            "profile", found, "one of " + ", ".join(names), "correct it, or give the profile"
        )
    return names.index(found)


def _fractions(table: Table, cells: Cells, layers: int) -> tuple[float, ...]:
    """Return the fractions of a device; those beyond its last layer must be empty."""
    row = []
    for j in range(1, layers + 1):
        column = f"{FRACTION}{j}"
        if column not in table.columns:
            raise InputError(
                f"{table.source} line 1",
                ", ".join(table.columns),
                f"columns {FRACTION}1 to {FRACTION}{layers}",
                f"add {column}",
            )
        row.append(cells.number(column, minimum=0))
    beyond = [
        column
        for column in table.columns
        if column.startswith(FRACTION) and int(column[len(FRACTION) :]) > layers
    ]
    for column in beyond:
        if cells.has(column):
            raise cells.error(
                column, cells.texts[column], f"nothing beyond layer {layers}", "empty the cell"
            )
    return tuple(row)


def _check_row(cells: Cells, row: tuple[float, ...], total: float, reading: Reading) -> None:
    try:
        ExitFractions.of([row], total, reading)
    except InputError as error:
        raise InputError(
            f"{cells.source} line {cells.line}, columns {FRACTION}1 to {FRACTION}{len(row)}",
            error.value,
            error.allowed,
            error.remedy.replace('the reading "proportional"', "--reading proportional"),
        ) from None


def _exit_set(cells: Cells, layers: int) -> int:
    text = cells.text("exits")
    wrong = cells.error(
        "exits",
        text,
        f"exits from 1 to {layers} between semicolons, {layers} among them",
        "the last layer always exits",
    )
    parts = [part.strip() for part in text.split(";")]
    if not all(part.isdecimal() and len(part) < 4 for part in parts):
        raise wrong
    numbers = sorted({int(part) for part in parts})
    if numbers[0] < 1 or numbers[-1] != layers or len(numbers) != len(parts):
        raise wrong
    return exit_set_bits(numbers)
