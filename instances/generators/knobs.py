"""What can be turned in the generators: typed, checked, frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.parts import keep_numbers

Deadlines = Literal["none", "inference", "fine-tuning", "both"]
Infeasible = Literal["no", "deadline", "deadlines-together", "memory", "no-configuration"]
Hardware = Literal["data-sheet", "fin"]
Speeds = Literal["listed", "continuous"]
ExitKind = Literal["all", "quarters", "last", "free"]
FractionKind = Literal["printed", "drawn"]


def _whole(knobs: object, column: str, low: int, high: int) -> None:
    value = fields.integer(column, getattr(knobs, column), minimum=low, maximum=high)
    object.__setattr__(knobs, column, value)


def _names(knobs: object, column: str) -> None:
    given = fields.sequence(column, getattr(knobs, column), minimum=1)
    read = tuple(fields.name(f"{column}[{k}]", entry) for k, entry in enumerate(given))
    if len(set(read)) < len(read):
        raise InputError(column, list(read), "each name once", "remove doubles")
    object.__setattr__(knobs, column, read)


@dataclass(frozen=True, slots=True)
class CiftKnobs:
    """Knobs of CIFT families.

    Attributes
    ----------
    stages
        Columns of nodes from the end nodes to the cloud; a path can have a host in each.
    sources
        End nodes that hold data and issue requests: the first column.
    width
        Nodes in each column between the first and the last.
    clouds
        Nodes in the last column.
    relays
        Share of the nodes between that have no memory: routers.
    skip_links, lateral_links
        Share of the possible links over one column, and within a column, that exist. Links to
        the next column all exist.
    models, blocks
        Committed profiles, and the most blocks a profile keeps (neighbours merged); None: all.
    compressions
        Number of measured compression levels to choose from.
    fractions
        Shares q of the local data to choose from: the first of 1, 0.5, 0.25, 0.75, 0.1.
    samples
        Range of the local data sets.
    epochs
        Range of the epochs that the first model needs uncompressed on the largest data set;
        that sets the error target. 0 to 0: a target that all meet untrained.
    hosts
        Memory is such that at least about so many hosts are needed; 1: as the hardware has it.
    deadlines, tightness
        Which deadlines there are. A deadline lies between the time of a fast plan (tightness 1)
        and that of the cheapest plan (0); the fast plan keeps both.
    speeds, levels
        Listed levels (how many) or an interval for each node.
    hardware
        Classes of nodes: as data sheets have them, or as in the FIN experiments, where an
        operation takes more energy towards the cloud.
    access
        Class of the links that leave the first column.
    heterogeneity
        Part of each range that is used; 0: all nodes of a class alike.
    digits
        Significant decimal digits of drawn figures.
    bandwidth, bit_energy
        Factors on all rates and on all energies per bit: compute to communication.
    requests
        Range of R.
    infeasible
        Whether and why no plan is feasible: ``deadline`` (one below the least time),
        ``deadlines-together`` (each can be kept, both cannot), ``memory`` (the largest block
        fits nowhere), ``no-configuration`` (the error target is out of reach).
    """

    stages: int = 3
    sources: int = 2
    width: int = 2
    clouds: int = 1
    relays: float = 0.0
    skip_links: float = 0.5
    lateral_links: float = 0.0
    models: tuple[str, ...] = ("resnet18-cifar10",)
    blocks: int | None = None
    compressions: int = 2
    fractions: int = 1
    samples: tuple[int, int] = (100, 1000)
    epochs: tuple[int, int] = (3, 30)
    hosts: int = 1
    deadlines: Deadlines = "both"
    tightness: float = 0.5
    speeds: Speeds = "listed"
    levels: int = 4
    hardware: Hardware = "data-sheet"
    access: str = "wifi"
    heterogeneity: float = 1.0
    digits: int = 3
    bandwidth: float = 1.0
    bit_energy: float = 1.0
    requests: tuple[int, int] = (100, 100_000)
    infeasible: Infeasible = "no"

    def __post_init__(self) -> None:
        for column, fewest, most in (
            ("stages", 2, 40),
            ("sources", 1, 200),
            ("width", 1, 200),
            ("clouds", 1, 200),
            ("compressions", 1, 7),
            ("fractions", 1, 5),
            ("hosts", 1, 40),
            ("levels", 1, 50),
            ("digits", 2, 12),
        ):
            _whole(self, column, fewest, most)
        for column in (
            "relays",
            "skip_links",
            "lateral_links",
            "tightness",
            "heterogeneity",
        ):
            keep_numbers(self, column, minimum=0.0, maximum=1.0)
        for column in ("bandwidth", "bit_energy"):
            keep_numbers(self, column, minimum=1e-6, maximum=1e6)
        if self.blocks is not None:
            _whole(self, "blocks", 1, 100)
        _names(self, "models")
        fields.name("access", self.access)
        fields.one_of("deadlines", self.deadlines, ("none", "inference", "fine-tuning", "both"))
        fields.one_of("speeds", self.speeds, ("listed", "continuous"))
        fields.one_of("hardware", self.hardware, ("data-sheet", "fin"))
        fields.one_of(
            "infeasible",
            self.infeasible,
            ("no", "deadline", "deadlines-together", "memory", "no-configuration"),
        )
        for column in ("samples", "epochs", "requests"):
            ends = fields.sequence(column, getattr(self, column), minimum=2)
            least = 1 if column == "samples" else 0
            low = fields.integer(f"{column}[0]", ends[0], minimum=least, maximum=10**9)
            high = fields.integer(f"{column}[1]", ends[1], minimum=low, maximum=10**9)
            object.__setattr__(self, column, (low, high))
        if self.relays == 1.0 and self.hosts > 2:
            raise InputError("relays", 1.0, "a share < 1 where several hosts are needed", "lower")


@dataclass(frozen=True, slots=True)
class MepraKnobs:
    """Knobs of MEPRA families.

    Attributes
    ----------
    devices
        n.
    models, layers
        Committed profiles, and the most layers a profile keeps; None: all.
    exits
        ``all``, ``quarters`` (of the FLOPs) or ``last``: fixed; ``free``: a decision.
    fractions, rows
        ``printed``: the article's rows, moved to the profile's layers, each of its entries
        changed by up to a half; ``drawn``: any. How many rows a profile.
    feature_bits
        Bits sent for an element of a feature map.
    access
        Class of the links; one rate for all devices, as the problem has it.
    node_classes
        Classes of hardware the devices are drawn from.
    bandwidth
        Factor on the rate.
    edge_share
        Edge capacity over the sum of device speeds (range).
    weight_energy
        w_E in 1/J (range), w_T being 1/s; 0 to 0 leaves energy out.
    heterogeneity, digits
        As in `CiftKnobs`.
    """

    devices: int = 8
    models: tuple[str, ...] = ("resnet50-imagenet",)
    layers: int | None = None
    exits: ExitKind = "quarters"
    fractions: FractionKind = "printed"
    rows: int = 4
    feature_bits: float = 4.0
    access: str = "wifi"
    node_classes: tuple[str, ...] = ("single-board", "phone", "jetson")
    bandwidth: float = 1.0
    edge_share: tuple[float, float] = (0.5, 5.0)
    weight_energy: tuple[float, float] = (0.1, 1.0)
    heterogeneity: float = 1.0
    digits: int = 3

    def __post_init__(self) -> None:
        for column, least, most in (
            ("devices", 1, 5_000_000),
            ("rows", 1, 1000),
            ("digits", 2, 12),
        ):
            _whole(self, column, least, most)
        keep_numbers(self, "heterogeneity", minimum=0.0, maximum=1.0)
        keep_numbers(self, "bandwidth", minimum=1e-6, maximum=1e6)
        keep_numbers(self, "feature_bits", minimum=1e-3, maximum=64.0)
        if self.layers is not None:
            _whole(self, "layers", 1, 62)
        _names(self, "models")
        _names(self, "node_classes")
        fields.name("access", self.access)
        fields.one_of("exits", self.exits, ("all", "quarters", "last", "free"))
        fields.one_of("fractions", self.fractions, ("printed", "drawn"))
        for column, smallest in (("edge_share", 1e-9), ("weight_energy", 0.0)):
            given = fields.sequence(column, getattr(self, column), minimum=2)
            first = fields.number(f"{column}[0]", given[0], minimum=smallest)
            last = fields.number(f"{column}[1]", given[1], minimum=first)
            if first == 0 < last:
                raise InputError(f"{column}[0]", 0.0, "a number > 0, or 0 to 0", "raise it")
            object.__setattr__(self, column, (first, last))


def change(knobs: CiftKnobs | MepraKnobs, changes: Mapping[str, object]) -> CiftKnobs | MepraKnobs:
    """Return `knobs` with some turned.

    Raises
    ------
    InputError
        When there is no such knob, or its value is not allowed.
    """
    known = [column.name for column in dataclasses.fields(knobs)]
    for name in changes:
        if name not in known:
            raise InputError(
                name, changes[name], "knobs " + ", ".join(known), "choose one of these"
            )
    return dataclasses.replace(knobs, **changes)  # type: ignore[arg-type]
