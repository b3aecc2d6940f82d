"""What the article leaves open about its experiments, one field a gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.parts import keep_numbers

Table = Literal["image", "video"]
ExitPlacement = Literal["all", "quarters", "free"]
FractionReading = Literal["proportional", "leftover-to-last"]

TABLES: tuple[Table, ...] = ("image", "video")
# Bits of one element of a feature map as it is computed.
FLOAT_BITS = 32.0


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One point in the grid of all that the article does not say; each default has a reason.

    Attributes
    ----------
    table
        ``image`` (5 devices, the first table printed) or ``video`` (7, the second).
    bandwidth_mbit_per_s
        B, the same for each device. The article's text names 10, 30 and 40.
    backbone
        A committed profile. The fractions have 13 entries: VGG-16's convolutions. Another
        backbone takes each exit to its first layer at which at least the same share of the
        FLOPs is done.
    exits
        ``all``: an exit behind each layer, as 13 printed fractions suggest; ``quarters``: exits
        where a quarter, half and three quarters of the FLOPs are done, and at the end;
        ``free``: a decision.
    edge_capacity_flop_per_s
        C. At 10^12 the edge is less than twice as fast as the first table's devices together
        (0.58 x 10^12) and slower than the second's (1.06 x 10^12), so capacity is scarce, and
        the optimum passes from all on the devices (1 Mbit/s) over mixtures (5 to 10) to all
        on the edge (20 and more), where the article places its changes.
    weight_time_per_s, weight_energy_per_j
        w_T and w_E; a second and a joule count the same.
    input_bits
        Bits of one raw input; None for the backbone's own, 224 x 224 x 3 of 8 bits.
    feature_bits_per_element
        Bits sent for one element of a feature map; 32 for fp32 as it is computed.
    reading
        How rows that do not add up to 100 are read. ``leftover-to-last`` is the rival reading
        for rows below 100; rows above it are scaled in both.
    """

    table: Table
    bandwidth_mbit_per_s: float
    backbone: str = "vgg16-imagenet"
    exits: ExitPlacement = "all"
    edge_capacity_flop_per_s: float = 1e12
    weight_time_per_s: float = 1.0
    weight_energy_per_j: float = 1.0
    input_bits: float | None = None
    feature_bits_per_element: float = FLOAT_BITS
    reading: FractionReading = "proportional"

    def __post_init__(self) -> None:
        fields.one_of("table", self.table, TABLES)
        fields.one_of("exits", self.exits, ("all", "quarters", "free"))
        fields.one_of("reading", self.reading, ("proportional", "leftover-to-last"))
        fields.name("backbone", self.backbone)
        positive = ("bandwidth_mbit_per_s", "edge_capacity_flop_per_s", "feature_bits_per_element")
        keep_numbers(self, *positive, above=0)
        keep_numbers(self, "weight_time_per_s", "weight_energy_per_j", minimum=0)
        if self.weight_time_per_s == 0 and self.weight_energy_per_j == 0:
            raise InputError("weight_time_per_s", 0.0, "one weight above 0", "raise one of the two")
        keep_numbers(self, "input_bits", optional=True, minimum=0)


@dataclass(frozen=True, slots=True)
class Variant:
    """A named departure from the defaults.

    Attributes
    ----------
    changes
        Fields of `SourceSettings` that differ from their defaults.
    purpose
        One line for people.
    """

    changes: Mapping[str, object]
    purpose: str


def _variant(purpose: str, **changes: object) -> Variant:
    return Variant(MappingProxyType(changes), purpose)


# 256-fold compression of features at less than 2 % of accuracy: J. Shao, J. Zhang,
# BottleNet++, 2019, arXiv 1910.14315. 0.6 to 0.8 bits an element at less than 1 %:
# R. Cohen, H. Choi, I. Bajic, 2021, arXiv 2105.07102. 16-fold: C.-Y. Hsieh et al., C3-SL,
# 2022, arXiv 2207.12397. The variants stay within what these report.
VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "": _variant("as the article's, VGG-16 with all 13 exits on"),
        "free": _variant("exits are a decision", exits="free"),
        "leftover": _variant(
            "fractions that are missing leave at the last exit", reading="leftover-to-last"
        ),
        "compressed": _variant(
            "feature maps compressed 80-fold before they are sent", feature_bits_per_element=0.4
        ),
        "sparse": _variant(
            "four exits, feature maps compressed 100-fold",
            exits="quarters",
            feature_bits_per_element=0.32,
        ),
        "resnet50": _variant(
            "ResNet-50, feature maps compressed 16-fold",
            backbone="resnet50-imagenet",
            feature_bits_per_element=2.0,
        ),
        "mobilenetv2": _variant(
            "MobileNetV2 with four exits, feature maps in 4 bits",
            backbone="mobilenetv2-imagenet",
            exits="quarters",
            feature_bits_per_element=4.0,
        ),
        "slow-edge": _variant(
            "an edge of 0.4 TFLOP/s, ResNet-50 with four exits, 1 bit an element",
            backbone="resnet50-imagenet",
            exits="quarters",
            edge_capacity_flop_per_s=4e11,
            feature_bits_per_element=1.0,
        ),
        "compressed-free": _variant(
            "feature maps compressed 80-fold, exits are a decision",
            exits="free",
            feature_bits_per_element=0.4,
        ),
    }
)
