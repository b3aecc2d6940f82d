"""What the sets `tiny`, `quick` and `large` consist of, and how each instance is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Recipe:
    """One generated instance of a set: family, seed and turned knobs."""

    name: str
    family: str
    seed: int
    knobs: Mapping[str, object]


def _recipe(name: str, family: str, seed: int, **knobs: object) -> Recipe:
    return Recipe(name, family, seed, MappingProxyType(knobs))


_VISION = ("resnet18-imagenet", "mobilenetv2-imagenet")
_SMALL: dict[str, object] = {
    "stages": 4,
    "sources": 1,
    "width": 2,
    "blocks": 6,
    "levels": 3,
    "compressions": 2,
    "models": ("resnet18-imagenet",),
    "epochs": (3, 6),
    "hosts": 2,
    "tightness": 0.7,
    "lateral_links": 0.5,
    "access": "5g",
}

# Brute force enumerates each within about a second.
TINY: tuple[Recipe, ...] = (
    _recipe("cift-tiny-free", "cift-tiers", 1, **_SMALL, deadlines="none"),
    _recipe("cift-tiny-inference", "cift-tiers", 2, **_SMALL, deadlines="inference"),
    _recipe(
        "cift-tiny-fine-tuning",
        "cift-tiers",
        3,
        **(_SMALL | {"models": ("mobilenetv2-imagenet",), "hosts": 1}),
        deadlines="fine-tuning",
    ),
    _recipe(
        "cift-tiny-both",
        "cift-tiers",
        4,
        **(_SMALL | {"models": ("vit-b16-imagenet",), "hosts": 3, "tightness": 0.9}),
    ),
    _recipe(
        "cift-tiny-rising",
        "cift-rising",
        5,
        **(_SMALL | {"models": ("vgg16-imagenet",), "hosts": 1}),
    ),
    _recipe("cift-tiny-alike", "cift-ties", 6, **(_SMALL | {"models": ("gpt2-small-128",)})),
    _recipe(
        "cift-tiny-hosts",
        "cift-chain",
        7,
        **(_SMALL | {"stages": 6, "width": 1, "hosts": 4, "models": ("vit-b16-imagenet",)}),
    ),
    _recipe("cift-tiny-relay", "cift-relay", 8, **(_SMALL | {"stages": 5, "relays": 0.5})),
    _recipe(
        "cift-tiny-menu",
        "cift-menu",
        9,
        **(
            _SMALL
            | {"models": _VISION, "compressions": 4, "fractions": 2, "sources": 2, "blocks": 5}
        ),
    ),
    _recipe(
        "cift-tiny-continuous",
        "cift-continuous",
        10,
        **(_SMALL | {"models": ("resnet50-imagenet",)}),
    ),
    _recipe("cift-tiny-continuous-free", "cift-continuous", 11, **_SMALL, deadlines="none"),
    _recipe(
        "cift-tiny-continuous-inference", "cift-continuous", 12, **_SMALL, deadlines="inference"
    ),
    _recipe("cift-tiny-not-together", "cift-infeasible", 13, **_SMALL),
    _recipe("cift-tiny-too-short", "cift-continuous", 14, **_SMALL, infeasible="deadline"),
    _recipe("mepra-tiny-fleet", "mepra-fleet", 1, devices=4, feature_bits=1),
    _recipe("mepra-tiny-dense", "mepra-dense", 2, devices=4, feature_bits=1),
    _recipe("mepra-tiny-vgg", "mepra-vgg", 3, devices=4, bandwidth=0.3),
    _recipe("mepra-tiny-scarce", "mepra-scarce", 4, devices=4, feature_bits=0.5, bandwidth=0.3),
    _recipe("mepra-tiny-alike", "mepra-ties", 5, devices=4, feature_bits=1),
    _recipe("mepra-tiny-free", "mepra-free", 6, devices=3, layers=10, feature_bits=0.5),
    _recipe(
        "mepra-tiny-free-mixed",
        "mepra-free",
        7,
        devices=3,
        layers=4,
        models=("mobilenetv2-imagenet", "vgg16-imagenet"),
        feature_bits=0.25,
        bandwidth=0.3,
        fractions="drawn",
    ),
    _recipe("mepra-tiny-partition", "mepra-partition", 8, devices=10),
    _recipe("mepra-tiny-lattice", "mepra-lattice", 9, devices=12),
)

# The article's sweep in short, and one of each kind of variant.
QUICK_SOURCES: tuple[str, ...] = (
    "mepra-image-1mbps",
    "mepra-image-5mbps",
    "mepra-image-10mbps",
    "mepra-image-20mbps",
    "mepra-image-30mbps",
    "mepra-image-60mbps",
    "mepra-video-1mbps",
    "mepra-video-5mbps",
    "mepra-video-10mbps",
    "mepra-video-30mbps",
    "mepra-image-free-10mbps",
    "mepra-video-sparse-10mbps",
    "mepra-image-resnet50-10mbps",
)

# Generated members of `quick`, each proved by the fastest MILP within a few seconds.
QUICK: tuple[Recipe, ...] = (
    _recipe("cift-quick-tiers", "cift-tiers", 101),
    _recipe("cift-quick-chain", "cift-chain", 102),
    _recipe("cift-quick-mesh", "cift-mesh", 103),
    _recipe("cift-quick-menu", "cift-menu", 104),
    _recipe("cift-quick-relay", "cift-relay", 105),
    _recipe("cift-quick-llm", "cift-llm", 106, models=("gpt2-small-128",), hosts=4),
    _recipe("cift-quick-rising", "cift-rising", 107, stages=4, hosts=2),
    _recipe("cift-quick-tight", "cift-tight", 108, width=2, models=("vit-b16-imagenet",)),
    _recipe("cift-quick-alike", "cift-ties", 109, models=("bert-base-128",), stages=7, hosts=4),
    _recipe("cift-quick-continuous", "cift-continuous", 110),
    _recipe("cift-quick-loose", "cift-loose", 111),
    _recipe("cift-quick-infeasible", "cift-infeasible", 112),
    _recipe("mepra-quick-fleet", "mepra-fleet", 101, devices=60),
    _recipe("mepra-quick-few-alike", "mepra-few-alike", 102),
    _recipe("mepra-quick-free", "mepra-free", 103, devices=12, layers=None, feature_bits=1),
    _recipe("mepra-quick-scarce", "mepra-scarce", 104, devices=200, rows=20, feature_bits=1),
)

LARGE: tuple[Recipe, ...] = (
    *(
        _recipe(f"mepra-large-{n}", "mepra-large", k, devices=n)
        for k, n in enumerate((10_000, 100_000, 1_000_000), start=201)
    ),
    _recipe("mepra-large-free-10000", "mepra-large", 204, devices=10_000, exits="free"),
    _recipe("mepra-large-free-1000000", "mepra-large", 205, devices=1_000_000, exits="free"),
    _recipe("mepra-large-dense-100000", "mepra-large", 206, devices=100_000, exits="all"),
    _recipe("mepra-large-alike-100000", "mepra-ties", 207, devices=100_000),
    _recipe("mepra-large-lattice", "mepra-lattice", 208, devices=150),
    _recipe("cift-large-alike", "cift-ties", 211, stages=30, hosts=24),
    _recipe("cift-large-llm", "cift-llm", 212, stages=16, width=8, hosts=8, levels=8),
    _recipe("cift-large-tight", "cift-tight", 213, stages=12, width=12, levels=8),
    _recipe(
        "cift-large-mesh", "cift-mesh", 214, stages=12, width=12, models=("resnet50-imagenet",)
    ),
    _recipe("cift-large-menu", "cift-menu", 215, sources=20, width=10, stages=5, fractions=5),
    _recipe("cift-large-relay", "cift-relay", 216, stages=16, width=12),
    _recipe("cift-large-continuous", "cift-continuous", 217, stages=10, width=8, hosts=5),
    _recipe("cift-large-infeasible", "cift-infeasible", 218, stages=10, width=8, hosts=5),
)
