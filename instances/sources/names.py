"""The sources' instances by name: ``mepra-image-10mbps``, ``mepra-video-sparse-30mbps``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from splitopt.instances.core.errors import InputError
from splitopt.instances.sources.settings import TABLES, VARIANTS, SourceSettings

if TYPE_CHECKING:
    from splitopt.instances.mepra.model import MepraInstance

__all__ = [
    "BANDWIDTHS_MBPS",
    "TABLES",
    "VARIANTS",
    "describe",
    "is_source_name",
    "load",
    "names",
]

# The article sweeps the bandwidth and does not print the ends; its text names 10, 30 and 40.
BANDWIDTHS_MBPS = range(1, 61)
_NAME = re.compile(r"mepra-(image|video)(?:-([a-z0-9-]+?))?-([1-9][0-9]?)mbps")


def _read(name: str) -> tuple[str, str, int] | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    table, variant, bandwidth = found[1], found[2] or "", int(found[3])
    if variant not in VARIANTS or bandwidth not in BANDWIDTHS_MBPS:
        return None
    return table, variant, bandwidth


def is_source_name(name: str) -> bool:
    """Return whether `name` is one of the sources' instances."""
    return _read(name) is not None


def names(variant: str = "") -> tuple[str, ...]:
    """Return the names of one variant: both tables at 1 to 60 Mbit/s.

    Raises
    ------
    InputError
        When there is no such variant.
    """
    if variant not in VARIANTS:
        raise InputError("variant", variant, "one of " + ", ".join(VARIANTS), "choose one of them")
    middle = f"-{variant}" if variant else ""
    return tuple(
        f"mepra-{table}{middle}-{bandwidth}mbps"
        for table in TABLES
        for bandwidth in BANDWIDTHS_MBPS
    )


def describe(name: str) -> str:
    """Return one line about the instance of that name."""
    found = _read(name)
    if found is None:
        raise _unknown(name)
    table, variant, bandwidth = found
    devices = 5 if table == "image" else 7
    return (
        f"Ma, Wang, Tang 2025, {table} table ({devices} devices), {bandwidth} Mbit/s: "
        f"{VARIANTS[variant].purpose}"
    )


def load(name: str) -> MepraInstance:
    """Return one of the sources' instances by name.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    found = _read(name)
    if found is None:
        raise _unknown(name)
    # Imported here: names can be listed without numpy.
    from splitopt.instances.sources.mepra import build

    table, variant, bandwidth = found
    settings = SourceSettings(table, bandwidth, **VARIANTS[variant].changes)  # type: ignore[arg-type]
    return build(settings, name, describe(name), variant)


def _unknown(name: str) -> InputError:
    known = ", ".join(variant for variant in VARIANTS if variant)
    return InputError(
        "name",
        name,
        "mepra-{image,video}[-VARIANT]-{1..60}mbps with VARIANT one of " + known,
        "choose such a name",
    )
