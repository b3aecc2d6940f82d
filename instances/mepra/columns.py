"""Columns of devices: numbers checked entry by entry, sets of exits as bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from splitopt.instances.core import fields
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.documents import survives
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.profiles import MOST_LAYERS


def exit_set_bits(exits: Sequence[int]) -> int:
    """Return the set of exits {1..L} as bits, exit j in bit j - 1."""
    bits = 0
    for j in exits:
        bits |= 1 << (j - 1)
    return bits


def exit_set_of(bits: int) -> tuple[int, ...]:
    """Return the exits whose bits are set, ascending."""
    return tuple(j + 1 for j in range(bits.bit_length()) if bits >> j & 1)


def read_exit_sets(document: Mapping[str, object], prefix: str = "") -> Ints:
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
    check_within(f"{prefix}exit_set", choice, len(rows))
    return np.array(rows, dtype=np.int64)[choice]


def write_exit_sets(bits: Ints) -> dict[str, object]:
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


def bits_column(where: str, value: object) -> Ints:
    """Return a column of exit sets as a read-only int64 array."""
    array = np.asarray(value)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(
            where,
            f"{array.ndim}-dimensional {array.dtype}",
            "a flat array of integers",
            "give bits",
        )
    return frozen(array)


def check_within(where: str, choice: Floats | Ints, count: int) -> None:
    """Raise unless positions lie below a count."""
    bad = (choice < 0) | (choice >= count)
    if bool(bad.any()):
        index = int(np.argmax(bad))
        raise InputError(
            f"{where}[{index}]", choice[index].item(), f"0 to {count - 1}", "name a row that exists"
        )


def require_positive(where: str, values: Floats, *, zero: bool) -> None:
    """Raise unless figures are of a magnitude that is taken, or 0 where that is too."""
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


def frozen(values: npt.NDArray[np.generic]) -> Ints:
    """Return a read-only int64 copy."""
    array = np.array(values, dtype=np.int64)
    array.flags.writeable = False
    return array
