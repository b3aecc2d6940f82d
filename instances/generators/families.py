"""The families of generated instances, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from splitopt.instances.core.errors import InputError, did_you_mean
from splitopt.instances.generators.knobs import CiftKnobs, MepraKnobs


@dataclass(frozen=True, slots=True)
class Family:
    """One family.

    Attributes
    ----------
    knobs
        Where its knobs stand unless they are turned.
    purpose
        One line for people.
    builder
        ``module:function`` of the builder.
    """

    name: str
    problem: Literal["cift", "mepra"]
    knobs: CiftKnobs | MepraKnobs
    purpose: str
    builder: str


_CIFT = "splitopt.instances.generators.cift:build_cift"
_MEPRA = "splitopt.instances.generators.mepra:build_mepra"
_VISION = ("resnet18-imagenet", "mobilenetv2-imagenet", "vgg16-imagenet")


def _cift(name: str, purpose: str, knobs: CiftKnobs) -> Family:
    return Family(f"cift-{name}", "cift", knobs, purpose, _CIFT)


def _mepra(name: str, purpose: str, knobs: MepraKnobs, builder: str = _MEPRA) -> Family:
    return Family(f"mepra-{name}", "mepra", knobs, purpose, builder)


_LIST = (
    _cift("tiers", "end, edge and cloud nodes, a mixed menu of models", CiftKnobs(models=_VISION)),
    _cift(
        "chain",
        "one long path, memory that calls for four hosts or more",
        CiftKnobs(
            stages=7,
            sources=1,
            width=1,
            skip_links=0.3,
            models=("resnet50-imagenet",),
            compressions=3,
            hosts=4,
            access="wired",
        ),
    ),
    _cift(
        "mesh",
        "many nodes in many columns, links within and over columns",
        CiftKnobs(
            stages=5,
            sources=3,
            width=4,
            clouds=2,
            lateral_links=0.4,
            models=("resnet18-cifar10", "resnet50-cifar10"),
            compressions=3,
            hosts=3,
            levels=5,
        ),
    ),
    _cift(
        "menu",
        "many configurations: models, compressions, sources, shares of the data",
        CiftKnobs(
            sources=4,
            width=3,
            models=("alexnet-imagenet", *_VISION, "resnet50-imagenet"),
            compressions=7,
            fractions=3,
        ),
    ),
    _cift(
        "relay",
        "half of the nodes between are routers",
        CiftKnobs(
            stages=6,
            sources=2,
            width=3,
            relays=0.5,
            lateral_links=0.2,
            models=("mobilenetv2-imagenet", "resnet18-imagenet"),
            hosts=3,
        ),
    ),
    _cift(
        "llm",
        "a decoder language model over hosts that hold a part of it each",
        CiftKnobs(
            stages=7,
            sources=2,
            width=2,
            clouds=2,
            models=("gpt2-large-128",),
            compressions=3,
            hosts=5,
            access="5g",
            requests=(100, 10_000),
        ),
    ),
    _cift(
        "rising",
        "energy an operation rises towards the cloud, deadlines press work there",
        CiftKnobs(hardware="fin", models=_VISION, tightness=0.7, width=3),
    ),
    _cift(
        "tight",
        "two deadlines close to what is possible together",
        CiftKnobs(
            stages=6,
            sources=2,
            width=3,
            clouds=2,
            models=("resnet50-imagenet", "vit-b16-imagenet"),
            compressions=4,
            tightness=0.85,
            hosts=4,
            levels=6,
            lateral_links=0.2,
        ),
    ),
    _cift(
        "ties",
        "a transformer over a long path of nodes nearly alike, with few speeds: MILPs branch on",
        CiftKnobs(
            stages=24,
            sources=1,
            width=2,
            clouds=1,
            models=("gpt2-large-128",),
            compressions=1,
            heterogeneity=0.02,
            digits=8,
            hosts=18,
            levels=3,
            tightness=0.4,
            skip_links=0.1,
            access="5g",
            requests=(100, 10_000),
        ),
    ),
    _cift(
        "continuous",
        "speeds from intervals",
        CiftKnobs(models=_VISION, speeds="continuous", tightness=0.6, hosts=2, stages=4),
    ),
    _cift(
        "loose",
        "no deadline",
        CiftKnobs(models=_VISION, deadlines="none", hosts=3, stages=5),
    ),
    _cift(
        "infeasible",
        "each of two deadlines can be kept, both cannot",
        CiftKnobs(
            models=_VISION,
            infeasible="deadlines-together",
            hosts=2,
            stages=4,
            sources=3,
            width=3,
            access="5g",
        ),
    ),
    _mepra(
        "fleet",
        "boards, phones and embedded GPUs with several networks",
        MepraKnobs(models=("resnet50-imagenet", "mobilenetv2-imagenet", "resnet18-imagenet")),
    ),
    _mepra("dense", "an exit behind each layer", MepraKnobs(exits="all")),
    _mepra(
        "vgg",
        "VGG-16 with four exits, feature maps compressed 100-fold",
        MepraKnobs(models=("vgg16-imagenet",), feature_bits=0.32),
    ),
    _mepra("free", "exits are a decision", MepraKnobs(exits="free", layers=8)),
    _mepra(
        "scarce",
        "an edge slower than the devices together",
        MepraKnobs(edge_share=(0.05, 0.5), models=("resnet50-imagenet", "mobilenetv2-imagenet")),
    ),
    _mepra(
        "ties",
        "devices of a class alike: many plans of equal cost",
        MepraKnobs(devices=12, heterogeneity=0.0, rows=1, fractions="drawn"),
    ),
    _mepra(
        "few-alike",
        "few large devices whose choices weigh against each other",
        MepraKnobs(
            devices=20,
            heterogeneity=0.1,
            models=("vit-b16-imagenet",),
            feature_bits=1.0,
            edge_share=(0.5, 2.0),
            fractions="drawn",
        ),
    ),
    _mepra(
        "partition",
        "the reduction from PARTITION: choose numbers that add up to half",
        MepraKnobs(devices=20, models=("vgg16-imagenet",)),
        "splitopt.instances.generators.mepra:build_partition",
    ),
    _mepra(
        "lattice",
        "every choice ties in the relaxation, none is near the best that it promises",
        MepraKnobs(devices=50, models=("vgg16-imagenet",)),
        "splitopt.instances.generators.mepra:build_lattice",
    ),
    _mepra(
        "large",
        "100 000 devices",
        MepraKnobs(
            devices=100_000,
            models=("resnet50-imagenet", "mobilenetv2-imagenet", "resnet18-imagenet"),
            rows=50,
        ),
    ),
)

FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in _LIST})


def find(name: str) -> Family:
    """Return a family by name.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    if name not in FAMILIES:
        remedy = did_you_mean(name, FAMILIES, "splitopt generate lists them")
        raise InputError("family", name, "a family there is", remedy)
    return FAMILIES[name]
