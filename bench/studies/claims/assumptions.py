"""What the second source leaves open: the axes of the grid, their levels and the defaults.

Fixed with the thresholds, before anything was computed. The first level of each axis is the
default; the quick grid takes the levels before the mark `quick`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

#: The sweep. The article does not print its ends; its text names 10, 30 and 40.
SWEEP_MBPS: tuple[float, ...] = tuple(float(b) for b in range(1, 61))
#: Bandwidths at each point of the grid: five up to 10, four up to 30, six above.
GRID_MBPS: tuple[float, ...] = (1, 2, 4, 7, 10, 13, 18, 24, 30, 35, 40, 44, 48, 54, 60)
Level = float | str


@dataclass(frozen=True, slots=True)
class Axis:
    """One assumption: its name, what it is, its levels (the default first), and the reason.

    Attributes
    ----------
    quick
        How many of the levels the quick grid takes, from the first on.
    """

    name: str
    text: str
    levels: tuple[Level, ...]
    quick: int
    reason: str

    @property
    def default(self) -> Level:
        """The first level."""
        return self.levels[0]


AXES: tuple[Axis, ...] = (
    Axis(
        "exits",
        "exits of the ACO methods: own (each method's colony knows where it cuts), common (one "
        "set a device, best for the network in one place), all (all 13), quarters (behind each "
        "quarter of the FLOPs); SPINN-EAR keeps SPINN's rule",
        ("own", "common", "all", "quarters"),
        4,
        "The source refers to another paper; its tables print 13 fractions.",
    ),
    Axis(
        "edge_capacity_flop_per_s",
        "edge capacity",
        (1e12, 5e12, 2e11, 5e11, 2e12, 2e13),
        3,
        "From below the fastest device of the video table to a datacentre's accelerator.",
    ),
    Axis(
        "energy_weight",
        "w_E / w_T in s/J",
        (1.0, 0.1, 10.0),
        3,
        "Latency ten times, as much, and a tenth as important per unit.",
    ),
    Axis(
        "resolution",
        "input resolution",
        ("imagenet", "cifar10"),
        2,
        "224 x 224 or 32 x 32 pixels: the two sizes at which such networks are published.",
    ),
    Axis(
        "input_coding",
        "bits sent for a raw input, as a multiple of 8 bits a value",
        (1.0, 0.1, 4.0),
        2,
        "Raw bytes, a JPEG's tenth, and 32-bit tensors.",
    ),
    Axis(
        "feature_bits_per_element",
        "bits sent for one element of a feature map",
        (32.0, 0.4, 8.0),
        2,
        "fp32 as computed, the strongest published compression, and 8-bit quantisation.",
    ),
    Axis(
        "backbone",
        "backbone",
        ("vgg16", "resnet50", "mobilenetv2"),
        2,
        "The only one cited, and two of other shapes.",
    ),
    Axis(
        "reading",
        "fractions that do not add up to 100 %",
        ("proportional", "leftover-to-last"),
        2,
        "Three rows of the video table lack something; scale, or let it leave at the last exit.",
    ),
)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """One point of the grid; see `AXES`."""

    exits: str = "own"
    edge_capacity_flop_per_s: float = 1e12
    energy_weight: float = 1.0
    resolution: str = "imagenet"
    input_coding: float = 1.0
    feature_bits_per_element: float = 32.0
    backbone: str = "vgg16"
    reading: str = "proportional"

    def to_document(self) -> dict[str, Level]:
        """Return the point as plain data."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def grid(*, full: bool) -> Iterator[Assumptions]:
    """Yield the points of the grid: every combination of levels, in the order of the axes."""
    levels = [axis.levels if full else axis.levels[: axis.quick] for axis in AXES]
    for point in itertools.product(*levels):
        yield Assumptions(*point)  # type: ignore[arg-type]


def one_at_a_time() -> Iterator[tuple[str, Assumptions]]:
    """Yield the default point, and each that differs from it in one axis, with that axis' name."""
    yield "", Assumptions()
    for axis in AXES:
        for level in axis.levels[1:]:
            change: Mapping[str, Level] = {axis.name: level}
            yield axis.name, Assumptions(**change)  # type: ignore[arg-type]
