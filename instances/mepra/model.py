"""MEPRA instances: many multi-exit DNNs split between devices and one edge server.

Stored by column, so that a million devices load.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from splitopt.instances.core import fields
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.parts import (
    Annotated,
    keep_numbers,
    read_annotations,
    read_parts,
    within,
)
from splitopt.instances.mepra.columns import (
    bits_column,
    check_within,
    column,
    exit_set_bits,
    exit_set_of,
    frozen,
    read_exit_sets,
    require_positive,
    write_exit_sets,
)
from splitopt.instances.mepra.fractions import ExitFractions
from splitopt.instances.networks.profiles import MultiExitProfile, read_version

__all__ = [
    "ExitFractions",
    "MepraInstance",
    "exit_set_bits",
    "exit_set_of",
    "read_exit_sets",
    "write_exit_sets",
]


FORMAT = "splitopt-mepra"
VERSION = 1
MOST_DEVICES = 5_000_000


@dataclass(frozen=True, eq=False)
class MepraInstance(Annotated):
    """One instance of MEPRA, checked when it is built and never changed.

    Attributes
    ----------
    edge_capacity_flop_per_s
        C.
    bandwidth_bit_per_s
        B, the same for each device and not shared.
    weight_time_per_s, weight_energy_per_j
        w_T and w_E.
    profiles
        Multi-exit DNNs the devices run.
    exit_fractions
        Rows of p_ij.
    speed_flop_per_s, power_w, transmit_power_w
        f_i, P_i and Ptx_i; float64, shape (n,).
    profile, exit_row
        Each device's position in `profiles` and in the rows of `exit_fractions`; int64.
    exit_set
        X_i as bits (exit j in bit j - 1), int64, shape (n,); None where exits are free.
    """

    name: str
    edge_capacity_flop_per_s: float
    bandwidth_bit_per_s: float
    weight_time_per_s: float
    weight_energy_per_j: float
    profiles: tuple[MultiExitProfile, ...]
    exit_fractions: ExitFractions
    speed_flop_per_s: Floats
    power_w: Floats
    transmit_power_w: Floats
    profile: Ints
    exit_row: Ints
    exit_set: Ints | None = None
    description: str = ""
    assumptions: tuple[str, ...] = ()
    origin: Mapping[str, fields.Scalar] = field(default_factory=dict)

    problem = "mepra"
    deadlines = 0

    def __post_init__(self) -> None:
        self.keep_annotations("profiles")
        keep_numbers(self, "edge_capacity_flop_per_s", "bandwidth_bit_per_s", above=0)
        keep_numbers(self, "weight_time_per_s", "weight_energy_per_j", minimum=0)
        if not self.profiles:
            raise InputError("profiles", [], "at least one profile", "add the networks")
        fields.names_differ("profiles", [profile.name for profile in self.profiles])
        self._check_columns()
        self._check_lengths()

    def _check_columns(self) -> None:
        counts = set()
        for name in ("speed_flop_per_s", "power_w", "transmit_power_w"):
            values = column(f"devices.{name}", getattr(self, name))
            require_positive(f"devices.{name}", values, zero=name != "speed_flop_per_s")
            object.__setattr__(self, name, values)
            counts.add(len(values))
        for name, rows in (
            ("profile", len(self.profiles)),
            ("exit_row", len(self.exit_fractions.rows)),
        ):
            choice = column(f"devices.{name}", getattr(self, name), integer=True)
            check_within(f"devices.{name}", choice, rows)
            counts.add(len(choice))
            object.__setattr__(self, name, frozen(choice))
        if self.exit_set is not None:
            # Bits above 2^53 would not survive a float column.
            bits = bits_column("devices.exit_set", self.exit_set)
            counts.add(len(bits))
            object.__setattr__(self, "exit_set", bits)
        if len(counts) != 1:
            raise InputError(
                "devices", f"columns of {sorted(counts)} entries", "columns of one length", "pad it"
            )
        if not 1 <= self.devices <= MOST_DEVICES:
            raise InputError(
                "devices", self.devices, f"1 to {MOST_DEVICES} devices", "split the instance"
            )

    def _check_lengths(self) -> None:
        layers = self.layers[self.profile]
        short = self.exit_fractions.lengths[self.exit_row] != layers
        if bool(short.any()):
            i = int(np.argmax(short))
            raise InputError(
                f"devices.exit_row[{i}]",
                f"a row of {int(self.exit_fractions.lengths[self.exit_row[i]])} fractions",
                f"one fraction a layer, so {int(layers[i])}",
                "choose another row or profile",
            )
        if self.exit_set is not None:
            top = np.int64(1) << (layers - 1)
            bad = (self.exit_set & top == 0) | (self.exit_set >= 2 * top) | (self.exit_set <= 0)
            if bool(bad.any()):
                i = int(np.argmax(bad))
                raise InputError(
                    f"devices.exit_set[{i}]",
                    list(exit_set_of(max(0, int(self.exit_set[i])))),
                    f"exits from 1 to {int(layers[i])} with the last among them",
                    "the last layer always exits: add it",
                )

    # -- derived ---------------------------------------------------------------------------

    @property
    def devices(self) -> int:
        """Number n of devices."""
        return len(self.speed_flop_per_s)

    @cached_property
    def layers(self) -> Ints:
        """Layers L of each profile, shape (profiles,)."""
        return frozen(np.array([len(p.layers) for p in self.profiles], dtype=np.int64))

    @property
    def exits(self) -> Literal["fixed", "free"]:
        """Whether exits are given or a decision."""
        return "free" if self.exit_set is None else "fixed"

    def replace(self, **changes: object) -> MepraInstance:
        """Return a copy with some fields changed, checked like any other instance."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    # -- documents -------------------------------------------------------------------------

    @staticmethod
    def from_document(document: object) -> MepraInstance:
        """Return the instance in a JSON object.

        Raises
        ------
        InputError
            Naming the field, the value, what is allowed and the remedy.
        """
        found = fields.mapping(
            "",
            document,
            (
                "format",
                "version",
                "name",
                "exits",
                "edge_capacity_flop_per_s",
                "bandwidth_bit_per_s",
                "weight_time_per_s",
                "weight_energy_per_j",
                "profiles",
                "exit_fractions",
                "devices",
            ),
            ("description", "assumptions", "origin"),
        )
        read_version(found, FORMAT, VERSION)
        fixed = fields.one_of("exits", found["exits"], ("fixed", "free")) == "fixed"
        profiles = read_parts(found, "profiles", MultiExitProfile.from_document, minimum=1)
        with within("exit_fractions"):
            fractions = ExitFractions.from_document(found["exit_fractions"])
        columns = fields.mapping(
            "devices",
            found["devices"],
            ("speed_flop_per_s", "power_w", "transmit_power_w", "profile", "exit_row")
            + (("exit_sets", "exit_set") if fixed else ()),
        )
        return MepraInstance(
            **read_annotations(found),
            edge_capacity_flop_per_s=found["edge_capacity_flop_per_s"],  # type: ignore[arg-type]
            bandwidth_bit_per_s=found["bandwidth_bit_per_s"],  # type: ignore[arg-type]
            weight_time_per_s=found["weight_time_per_s"],  # type: ignore[arg-type]
            weight_energy_per_j=found["weight_energy_per_j"],  # type: ignore[arg-type]
            profiles=profiles,
            exit_fractions=fractions,
            speed_flop_per_s=columns["speed_flop_per_s"],  # type: ignore[arg-type]
            power_w=columns["power_w"],  # type: ignore[arg-type]
            transmit_power_w=columns["transmit_power_w"],  # type: ignore[arg-type]
            profile=columns["profile"],  # type: ignore[arg-type]
            exit_row=columns["exit_row"],  # type: ignore[arg-type]
            exit_set=read_exit_sets(columns, "devices.") if fixed else None,
        )

    def to_document(self) -> dict[str, object]:
        """Return the instance as a JSON object."""
        devices: dict[str, object] = {
            "speed_flop_per_s": self.speed_flop_per_s.tolist(),
            "power_w": self.power_w.tolist(),
            "transmit_power_w": self.transmit_power_w.tolist(),
            "profile": self.profile.tolist(),
            "exit_row": self.exit_row.tolist(),
        }
        if self.exit_set is not None:
            devices |= write_exit_sets(self.exit_set)
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "description": self.description,
            "assumptions": list(self.assumptions),
            "origin": dict(self.origin),
            "exits": self.exits,
            "edge_capacity_flop_per_s": self.edge_capacity_flop_per_s,
            "bandwidth_bit_per_s": self.bandwidth_bit_per_s,
            "weight_time_per_s": self.weight_time_per_s,
            "weight_energy_per_j": self.weight_energy_per_j,
            "profiles": [profile.to_document() for profile in self.profiles],
            "exit_fractions": self.exit_fractions.to_document(),
            "devices": devices,
        }
