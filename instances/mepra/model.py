"""MEPRA instances: many multi-exit DNNs split between devices and one edge server.

Stored by column, so that a million devices load.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from splitopt.instances.core import fields
from splitopt.instances.core.documents import content_hash, survives
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.profiles import MOST_LAYERS, MultiExitProfile, read_version

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
READINGS = ("as-given", "proportional", "leftover-to-last")
Reading = Literal["as-given", "proportional", "leftover-to-last"]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
MOST_DEVICES = 5_000_000


def exit_set_bits(exits: Sequence[int]) -> int:
    """Return the set of exits {1..L} as bits, exit j in bit j - 1."""
    bits = 0
    for j in exits:
        bits |= 1 << (j - 1)
    return bits


def exit_set_of(bits: int) -> tuple[int, ...]:
    """Return the exits whose bits are set, ascending."""
    return tuple(j + 1 for j in range(bits.bit_length()) if bits >> j & 1)


def read_exit_sets(document: Mapping[str, object], prefix: str = "") -> Integers:
    """Return one exit set a device, as bits, from ``exit_sets`` and ``exit_set``.

    ``exit_sets`` lists the distinct sets, ``exit_set`` each device's position in that list.
    """
    rows = []
    for index, row in enumerate(
        fields.sequence(f"{prefix}exit_sets", document["exit_sets"], minimum=1)
    ):
        where = f"{prefix}exit_sets[{index}]"
        exits = [
            fields.integer(f"{where}[{k}]", j, minimum=1, maximum=MOST_LAYERS)
            for k, j in enumerate(fields.sequence(where, row, minimum=1))
        ]
        if sorted(set(exits)) != exits:
            raise InputError(where, exits, "ascending exits, each once", "sort them")
        rows.append(exit_set_bits(exits))
    choice = column(f"{prefix}exit_set", document["exit_set"], integer=True).astype(np.int64)
    _within(f"{prefix}exit_set", choice, len(rows))
    return np.array(rows, dtype=np.int64)[choice]


def write_exit_sets(bits: Integers) -> dict[str, object]:
    """Return the inverse of `read_exit_sets`."""
    distinct, choice = np.unique(bits, return_inverse=True)
    return {
        "exit_sets": [list(exit_set_of(row)) for row in distinct.tolist()],
        "exit_set": choice.tolist(),
    }


def column(where: str, value: object, *, integer: bool = False) -> Floats:
    """Return a column of numbers as a read-only float64 array, checked entry by entry."""
    if isinstance(value, np.ndarray):
        array = value
    else:
        if not isinstance(value, list | tuple):
            raise InputError(where, value, "a list of numbers", "write [...]")
        kinds = set(map(type, value))
        if not kinds <= {int, float}:
            for index, entry in enumerate(value):
                if isinstance(entry, bool) or not isinstance(entry, int | float | np.integer):
                    raise InputError(f"{where}[{index}]", entry, "a number", "correct the figure")
        if int in kinds and max(map(abs, value), default=0) > 2**53:
            for index, entry in enumerate(value):
                if isinstance(entry, int) and not survives(entry):
                    allowed = "a number that a double holds"
                    raise InputError(f"{where}[{index}]", entry, allowed, "correct the figure")
        try:
            array = np.array(value, dtype=np.float64)
        except OverflowError:
            index = next(i for i, x in enumerate(value) if isinstance(x, int) and abs(x) > 2**1000)
            raise InputError(
                f"{where}[{index}]", value[index], "a finite number", "correct the figure"
            ) from None
    if array.ndim != 1 or array.dtype.kind not in "fiu":
        raise InputError(
            where, f"{array.ndim}-dimensional {array.dtype}", "a flat list of numbers", "flatten it"
        )
    array = np.array(array, dtype=np.float64)
    bad = ~np.isfinite(array)
    if integer:
        bad |= (array != np.rint(array)) | (np.abs(array) > 2.0**53)
    if bool(bad.any()):
        index = int(np.argmax(bad))
        allowed = "a whole number below 2^53" if integer else "a finite number"
        raise InputError(f"{where}[{index}]", float(array[index]), allowed, "correct the figure")
    array += 0.0  # a negative zero becomes zero
    array.flags.writeable = False
    return array


def bits_column(where: str, value: object) -> Integers:
    """Return a column of exit sets as a read-only int64 array."""
    array = np.asarray(value)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(
            where,
            f"{array.ndim}-dimensional {array.dtype}",
            "a flat array of integers",
            "give bits",
        )
    return _frozen(array)


def _within(where: str, choice: Floats | Integers, count: int) -> None:
    bad = (choice < 0) | (choice >= count)
    if bool(bad.any()):
        index = int(np.argmax(bad))
        raise InputError(
            f"{where}[{index}]", choice[index].item(), f"0 to {count - 1}", "name a row that exists"
        )


def _positive(where: str, values: Floats, *, zero: bool) -> None:
    bad = ~((values >= fields.SMALLEST) & (values <= fields.LARGEST))
    if zero:
        bad &= values != 0
    if bool(bad.any()):
        position = np.unravel_index(int(np.argmax(bad)), values.shape)
        raise InputError(
            where + "".join(f"[{index}]" for index in position),
            float(values[position]),
            ("0 or " if zero else "") + f"a number from {fields.SMALLEST:g} to {fields.LARGEST:g}",
            "correct the figure",
        )


@dataclass(frozen=True, eq=False)
class ExitFractions:
    """Fractions p_j of tasks that would leave at exit j, one row a kind of task.

    Attributes
    ----------
    rows
        The figures as given, shape (K, most layers), padded with zeros.
    lengths
        Layers of each row, shape (K,).
    total
        What a row adds up to in full: 1, or 100 for percentages.
    reading
        ``as-given``: every row adds up to `total`. ``proportional``: divide by the row's own
        sum. ``leftover-to-last``: what a row lacks leaves at the last exit; a row with too
        much is read proportionally.
    """

    rows: Floats
    lengths: Integers
    total: float
    reading: Reading

    @staticmethod
    def of(
        rows: Sequence[Sequence[float]], total: float = 1.0, reading: Reading = "as-given"
    ) -> ExitFractions:
        """Return checked fractions from lists of figures."""
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        if len(rows) == 0:
            raise InputError("rows", [], "at least one row", "add the fractions")
        bad = (lengths < 1) | (lengths > MOST_LAYERS)
        if bool(bad.any()):
            k = int(np.argmax(bad))
            raise InputError(
                f"rows[{k}]",
                f"{len(rows[k])} figures",
                f"1 to {MOST_LAYERS} figures, one a layer",
                "give one a layer",
            )
        try:
            flat = column("rows", [figure for row in rows for figure in row])
        except InputError:
            # Once more, row by row, to name the place.
            for index, row in enumerate(rows):
                column(f"rows[{index}]", row)
            raise
        padded = np.zeros((len(rows), int(lengths.max())))
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = flat
        return ExitFractions(padded, lengths, total, reading)

    def __post_init__(self) -> None:
        fields.one_of("reading", self.reading, READINGS)
        object.__setattr__(self, "total", fields.number("total", self.total, above=0))
        rows = np.array(self.rows, dtype=np.float64) + 0.0
        lengths = _frozen(self.lengths)
        if rows.ndim != 2 or lengths.shape != rows.shape[:1]:
            raise InputError(
                "rows",
                f"an array of shape {rows.shape}",
                "one row a length",
                "use ExitFractions.of",
            )
        _positive("rows", rows, zero=True)
        if bool(rows[np.arange(rows.shape[1]) >= lengths[:, None]].any()):
            raise InputError("rows", "figures", "zeros behind a row's end", "use ExitFractions.of")
        sums = rows.sum(axis=1)
        if self.reading == "as-given":
            off = np.abs(sums - self.total) > TOLERANCES.fractions * max(1.0, self.total)
            remedy = 'correct the row or choose the reading "proportional"'
            allowed = f"fractions that add up to {self.total:g}"
        else:
            off, allowed, remedy = sums <= 0, "fractions with a sum > 0", "correct the row"
        if bool(off.any()):
            k = int(np.argmax(off))
            raise InputError(f"rows[{k}]", f"a sum of {float(sums[k])!r}", allowed, remedy)
        rows.flags.writeable = False
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "lengths", lengths)

    @cached_property
    def normalised(self) -> Floats:
        """The fractions as read, each row adding up to one, shape (K, most layers)."""
        rows = self.rows.copy()
        sums = rows.sum(axis=1)
        if self.reading == "leftover-to-last":
            last = (np.arange(len(rows)), self.lengths - 1)
            rows[last] += np.maximum(0.0, self.total - sums)
            sums = rows.sum(axis=1)
        rows /= sums[:, None]
        rows.flags.writeable = False
        return rows

    @staticmethod
    def from_document(document: object) -> ExitFractions:
        """Return the fractions in a JSON object."""
        found = fields.mapping("", document, ("rows",), ("total", "reading"))
        rows = fields.sequence("rows", found["rows"], minimum=1)
        lists = [fields.sequence(f"rows[{k}]", row, minimum=1) for k, row in enumerate(rows)]
        return ExitFractions.of(
            lists,  # type: ignore[arg-type]
            fields.number("total", found.get("total", 1.0), above=0),
            fields.one_of("reading", found.get("reading", "as-given"), READINGS),  # type: ignore[arg-type]
        )

    def to_document(self) -> dict[str, object]:
        """Return the fractions as a JSON object."""
        return {
            "total": self.total,
            "reading": self.reading,
            "rows": [
                row[:length]
                for row, length in zip(self.rows.tolist(), self.lengths.tolist(), strict=True)
            ],
        }


@dataclass(frozen=True, eq=False)
class MepraInstance:
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
    profile: Integers
    exit_row: Integers
    exit_set: Integers | None = None
    description: str = ""
    assumptions: tuple[str, ...] = ()
    origin: Mapping[str, fields.Scalar] = field(default_factory=dict)

    problem = "mepra"
    deadlines = 0

    def __post_init__(self) -> None:
        fields.name("name", self.name)
        fields.text("description", self.description)
        for group in ("profiles", "assumptions"):
            object.__setattr__(self, group, tuple(getattr(self, group)))
        for index, line in enumerate(self.assumptions):
            fields.text(f"assumptions[{index}]", line)
        for scalar in ("edge_capacity_flop_per_s", "bandwidth_bit_per_s"):
            object.__setattr__(self, scalar, fields.number(scalar, getattr(self, scalar), above=0))
        for scalar in ("weight_time_per_s", "weight_energy_per_j"):
            object.__setattr__(
                self, scalar, fields.number(scalar, getattr(self, scalar), minimum=0)
            )
        if not self.profiles:
            raise InputError("profiles", [], "at least one profile", "add the networks")
        fields.names_differ("profiles", [profile.name for profile in self.profiles])
        self._check_columns()
        self._check_lengths()

    def _check_columns(self) -> None:
        counts = set()
        for name in ("speed_flop_per_s", "power_w", "transmit_power_w"):
            values = column(f"devices.{name}", getattr(self, name))
            _positive(f"devices.{name}", values, zero=name != "speed_flop_per_s")
            object.__setattr__(self, name, values)
            counts.add(len(values))
        for name, rows in (
            ("profile", len(self.profiles)),
            ("exit_row", len(self.exit_fractions.rows)),
        ):
            choice = column(f"devices.{name}", getattr(self, name), integer=True)
            _within(f"devices.{name}", choice, rows)
            counts.add(len(choice))
            object.__setattr__(self, name, _frozen(choice))
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
    def layers(self) -> Integers:
        """Layers L of each profile, shape (profiles,)."""
        return _frozen(np.array([len(p.layers) for p in self.profiles], dtype=np.int64))

    @property
    def exits(self) -> Literal["fixed", "free"]:
        """Whether exits are given or a decision."""
        return "free" if self.exit_set is None else "fixed"

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of what determines the optimum; name and annotations are left out."""
        document = self.to_document()
        for annotation in ("name", "description", "assumptions", "origin"):
            del document[annotation]
        return content_hash(document)

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
        profiles = []
        for index, entry in enumerate(fields.sequence("profiles", found["profiles"], minimum=1)):
            try:
                profiles.append(MultiExitProfile.from_document(entry))
            except InputError as error:
                raise error.within(f"profiles[{index}]") from None
        try:
            fractions = ExitFractions.from_document(found["exit_fractions"])
        except InputError as error:
            raise error.within("exit_fractions") from None
        columns = fields.mapping(
            "devices",
            found["devices"],
            ("speed_flop_per_s", "power_w", "transmit_power_w", "profile", "exit_row")
            + (("exit_sets", "exit_set") if fixed else ()),
        )
        return MepraInstance(
            name=fields.name("name", found["name"]),
            edge_capacity_flop_per_s=found["edge_capacity_flop_per_s"],  # type: ignore[arg-type]
            bandwidth_bit_per_s=found["bandwidth_bit_per_s"],  # type: ignore[arg-type]
            weight_time_per_s=found["weight_time_per_s"],  # type: ignore[arg-type]
            weight_energy_per_j=found["weight_energy_per_j"],  # type: ignore[arg-type]
            profiles=tuple(profiles),
            exit_fractions=fractions,
            speed_flop_per_s=columns["speed_flop_per_s"],  # type: ignore[arg-type]
            power_w=columns["power_w"],  # type: ignore[arg-type]
            transmit_power_w=columns["transmit_power_w"],  # type: ignore[arg-type]
            profile=columns["profile"],  # type: ignore[arg-type]
            exit_row=columns["exit_row"],  # type: ignore[arg-type]
            exit_set=read_exit_sets(columns, "devices.") if fixed else None,
            description=fields.text("description", found.get("description", "")),
            assumptions=fields.read_lines(found, "assumptions"),
            origin=fields.read_origin(found),
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


def _frozen(values: npt.NDArray[np.generic]) -> Integers:
    """Return a read-only int64 copy."""
    array = np.array(values, dtype=np.int64)
    array.flags.writeable = False
    return array
