"""Distributions for learners: train, validation and test, apart by construction.

Instance k of a split has seed ``start + k`` with ranges of seeds that do not meet; the sets of the
library use seeds below all of them, and the sources' instances are in no split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from splitopt.instances.core import fields
from splitopt.instances.generators.draws import Draws, draws_for

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_SIZE = 10**9
# First seed of each split; the library's own sets stay below the first.
SEEDS: dict[str, int] = {"train": _SIZE, "validation": 2 * _SIZE, "test": 3 * _SIZE}

_CIFT_FAMILIES = (
    "cift-tiers",
    "cift-chain",
    "cift-relay",
    "cift-menu",
    "cift-rising",
    "cift-loose",
)
_MEPRA_FAMILIES = ("mepra-fleet", "mepra-dense", "mepra-vgg", "mepra-scarce", "mepra-few-alike")
_CIFT_MODELS = (
    "resnet18-imagenet",
    "resnet50-imagenet",
    "mobilenetv2-imagenet",
    "vgg16-imagenet",
    "alexnet-imagenet",
    "vit-b16-imagenet",
    "bert-base-128",
    "gpt2-small-128",
)


def _cift_knobs(draws: Draws) -> dict[str, object]:
    stages = draws.integer(3, 6)
    return {
        "stages": stages,
        "sources": draws.integer(1, 3),
        "width": draws.integer(1, 4),
        "levels": draws.integer(2, 5),
        "models": tuple(draws.sample(_CIFT_MODELS, draws.integer(1, 2))),
        "compressions": draws.integer(1, 4),
        "hosts": draws.integer(1, stages - 1),
        "tightness": draws.integer(0, 9) / 10,
        "access": draws.choice(("wifi", "5g", "lte", "wired")),
    }


def _mepra_knobs(draws: Draws) -> dict[str, object]:
    return {
        "devices": draws.integer(3, 30),
        "access": draws.choice(("wifi", "5g", "lte")),
        "feature_bits": draws.choice((0.5, 1.0, 2.0, 4.0)),
    }


def sample(split: Split, problem: Literal["cift", "mepra"], index: int) -> Instance:
    """Return instance `index` of a split.

    Parameters
    ----------
    split
        ``train``, ``validation`` or ``test``.
    problem
        ``cift`` (listed speeds) or ``mepra`` (fixed exits).
    index
        0 to 10^9 - 1.
    """
    from splitopt.instances.generators import generate

    fields.one_of("split", split, SPLITS)
    fields.one_of("problem", problem, ("cift", "mepra"))
    index = fields.integer("index", index, minimum=0, maximum=_SIZE - 1)
    seed = SEEDS[split] + index
    draws = draws_for(f"split-{problem}", seed, "knobs")
    name = f"{problem}-{split}-{index}"
    if problem == "cift":
        return generate(draws.choice(_CIFT_FAMILIES), seed, name=name, **_cift_knobs(draws))
    return generate(draws.choice(_MEPRA_FAMILIES), seed, name=name, **_mepra_knobs(draws))
