"""Candidates for `standard-v1`: a wide random design over the generators' knobs."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING

from splitopt.instances.generators.draws import Draws, draws_for
from splitopt.instances.library.recipes import Recipe

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

CIFT, CIFT_ALIKE, CIFT_CORE, CIFT_DEEP, MEPRA = 300, 90, 70, 24, 300
_FIRST_SEED = 10_000
_TRANSFORMERS = (
    "vit-b16-imagenet",
    "bert-base-128",
    "gpt2-small-128",
    "gpt2-medium-128",
    "gpt2-large-128",
)
_NETWORKS = (
    "alexnet-imagenet",
    "vgg16-imagenet",
    "resnet18-imagenet",
    "resnet50-imagenet",
    "mobilenetv2-imagenet",
    "alexnet-cifar10",
    "vgg16-cifar10",
    "resnet18-cifar10",
    "resnet50-cifar10",
    "mobilenetv2-cifar10",
)
_MULTI_EXIT = (
    "vgg16-imagenet",
    "resnet18-imagenet",
    "resnet50-imagenet",
    "mobilenetv2-imagenet",
    "alexnet-imagenet",
    "vit-b16-imagenet",
)


def _cift(draws: Draws) -> dict[str, object]:
    # Half of the draws from where MILPs were found to work hard: transformers, whose blocks are
    # alike, on nodes that are alike.
    alike = draws.chance(0.5)
    stages = draws.choice((3, 4, 5, 6, 8, 10, 12))
    width = draws.choice((1, 2, 3, 4, 6, 8) if stages <= 6 else (1, 2, 3, 4))
    heterogeneity = draws.choice((0.02, 0.05, 0.1, 0.3) if alike else (0.3, 1.0, 1.0))
    pool = _TRANSFORMERS if alike else _NETWORKS + _TRANSFORMERS
    kind = draws.unit()
    infeasible = "no"
    if kind < 0.08:
        infeasible = draws.choice(
            ("deadlines-together", "deadlines-together", "deadlines-together", "deadline", "memory")
        )
    return {
        "stages": stages,
        "width": width,
        "sources": draws.choice((1, 2, 3, 4)),
        "clouds": draws.choice((1, 2)),
        "levels": draws.choice((2, 3, 4, 5, 8)),
        "hosts": min(draws.choice((1, 1, 2, 3, 4, 5, 6, 8)), stages),
        "tightness": draws.choice((0.2, 0.4, 0.6, 0.8, 0.95)),
        "heterogeneity": heterogeneity,
        "digits": 3 if heterogeneity == 1.0 else 6,
        "skip_links": draws.choice((0.0, 0.1, 0.3)),
        "lateral_links": draws.choice((0.0, 0.0, 0.2)),
        "relays": draws.choice((0.0, 0.0, 0.0, 0.3)),
        "models": tuple(draws.sample(pool, draws.choice((1, 1, 2, 3)))),
        "compressions": draws.choice((1, 2, 3, 5, 7)),
        "fractions": draws.choice((1, 1, 2, 3)),
        "hardware": draws.choice(("fin", "data-sheet")),
        "access": draws.choice(("wifi", "lte", "5g", "wired")),
        "bandwidth": draws.choice((0.1, 1.0, 1.0, 10.0)),
        "bit_energy": draws.choice((0.1, 1.0, 1.0, 10.0)),
        "deadlines": draws.choice(("both", "both", "both", "inference", "fine-tuning", "none")),
        "speeds": "continuous" if 0.08 <= kind < 0.2 else "listed",
        "infeasible": infeasible,
    }


def _cift_alike(draws: Draws) -> dict[str, object]:
    # Around the family `cift-ties`, where branching fails: equal blocks on equal nodes, few
    # speeds, many hosts, so that no reduced cost tells plans apart.
    hosts = draws.choice((8, 11, 14, 18, 22))
    return {
        "stages": hosts + draws.integer(2, 8),
        "width": draws.choice((1, 2, 2, 3, 4)),
        "clouds": draws.choice((1, 2)),
        "levels": draws.choice((3, 3, 3, 4, 5)),
        "hosts": hosts,
        "tightness": draws.choice((0.2, 0.3, 0.4, 0.5, 0.6)),
        "heterogeneity": draws.choice((0.0, 0.005, 0.01, 0.02, 0.03)),
        "skip_links": draws.choice((0.0, 0.1, 0.5)),
        "models": (
            draws.choice(
                ("gpt2-large-128", "gpt2-large-128", "gpt2-medium-128", "vit-b16-imagenet")
            ),
        ),
        "hardware": draws.choice(("fin", *("data-sheet",) * 7)),
        "access": draws.choice(("wifi", "lte", "5g", "wired")),
        "bandwidth": draws.choice((0.3, 1.0, 1.0, 3.0)),
        "bit_energy": draws.choice((0.3, 1.0, 1.0, 3.0)),
        "requests": draws.choice(((100, 10_000), (100, 10_000), (10_000, 100_000))),
    }


def _cift_core(draws: Draws) -> dict[str, object]:
    # The family `cift-ties` itself, of which a MILP leaves about three in four unproven.
    return {
        "stages": draws.integer(20, 26),
        "width": draws.choice((2, 2, 3)),
        "hosts": draws.choice((16, 18, 20)),
        "tightness": draws.choice((0.3, 0.4, 0.5)),
        "heterogeneity": draws.choice((0.01, 0.02, 0.03)),
        "skip_links": draws.choice((0.0, 0.1, 0.5)),
        "access": draws.choice(("wifi", "lte", "5g", "wired")),
        "bandwidth": draws.choice((0.5, 1.0, 2.0)),
        "bit_energy": draws.choice((0.3, 1.0, 2.0)),
        "requests": draws.choice(((100, 10_000), (10_000, 100_000))),
        "epochs": draws.choice(((1, 3), (3, 30), (30, 60))),
    }


def _cift_deep(draws: Draws) -> dict[str, object]:
    # The same with longer paths, other networks and small menus.
    hosts = draws.choice((18, 20, 24, 28))
    return {
        "stages": hosts + draws.integer(3, 8),
        "width": draws.choice((2, 3, 4)),
        "hosts": hosts,
        "levels": draws.choice((3, 3, 4)),
        "tightness": draws.choice((0.3, 0.4, 0.5)),
        "heterogeneity": draws.choice((0.01, 0.02, 0.03)),
        "skip_links": draws.choice((0.0, 0.1, 0.3)),
        "models": (draws.choice(("gpt2-large-128", "gpt2-large-128", "gpt2-medium-128")),),
        "compressions": draws.choice((1, 1, 2)),
        "access": draws.choice(("wifi", "lte", "5g", "wired")),
        "bandwidth": draws.choice((0.5, 1.0, 2.0)),
        "bit_energy": draws.choice((0.3, 1.0, 2.0)),
        "requests": draws.choice(((100, 10_000), (10_000, 100_000))),
        "epochs": draws.choice(((1, 3), (3, 30), (30, 60))),
    }


def _mepra(draws: Draws) -> dict[str, object]:
    heterogeneity = draws.choice((0.0, 0.1, 0.5, 1.0, 1.0))
    size = draws.unit()
    if size < 0.45:
        devices = draws.integer(2, 30)
    elif size < 0.75:
        devices = draws.integer(31, 500)
    elif size < 0.92:
        devices = draws.integer(501, 5000)
    else:
        devices = draws.integer(12_000, 25_000)
    return {
        "devices": devices,
        "models": tuple(draws.sample(_MULTI_EXIT, draws.choice((1, 1, 2, 3)))),
        "exits": draws.choice(("all", "quarters", "quarters", "last", "free")),
        "fractions": draws.choice(("printed", "drawn")),
        "rows": draws.choice((1, 4, 12)),
        "feature_bits": draws.choice((0.25, 0.5, 1.0, 2.0, 8.0, 32.0)),
        "access": draws.choice(("wifi", "lte", "5g")),
        "edge_share": draws.choice(((0.05, 0.5), (0.5, 5.0), (0.5, 5.0), (5.0, 50.0))),
        "weight_energy": draws.choice(((0.0, 0.0), (0.1, 1.0), (0.1, 1.0), (1.0, 10.0))),
        "heterogeneity": heterogeneity,
        "digits": 3 if heterogeneity == 1.0 else 6,
    }


def candidates() -> Iterator[Recipe]:
    """Yield the recipes of all candidates, in a fixed order.

    CIFT's are turned from `cift-tiers` and `cift-ties`, MEPRA's from `mepra-fleet`; the last of
    MEPRA's are PARTITION and lattice problems.
    """
    for axis, family, count, knobs in (
        ("cift", "cift-tiers", CIFT, _cift),
        ("cift-alike", "cift-ties", CIFT_ALIKE, _cift_alike),
        ("cift-core", "cift-ties", CIFT_CORE, _cift_core),
        ("cift-deep", "cift-ties", CIFT_DEEP, _cift_deep),
        ("mepra", "mepra-fleet", MEPRA, _mepra),
    ):
        for k in range(count):
            seed = _FIRST_SEED + k
            turned = knobs(draws_for("standard-v1", seed, axis))
            problem, _, kind = axis.partition("-")
            name = "-".join(part for part in (problem, "candidate", kind, str(k)) if part)
            yield Recipe(name, family, seed, MappingProxyType(turned))
    for k, devices in enumerate((12, 20, 30, 40, 60, 100, 200, 400)):
        name, seed = f"mepra-candidate-partition-{k}", _FIRST_SEED + k
        yield Recipe(name, "mepra-partition", seed, MappingProxyType({"devices": devices}))
    for k, devices in enumerate((16, 20, 24, 30, 35, 40, 45, 50, 55, 60, 65, 70, 80, 90, 100, 110)):
        name, seed = f"mepra-candidate-lattice-{k}", _FIRST_SEED + k
        yield Recipe(name, "mepra-lattice", seed, MappingProxyType({"devices": devices}))


def generate_candidate(recipe: Recipe, name: str | None = None) -> Instance:
    """Return the instance of a candidate, under a name of its own or that of the recipe."""
    from splitopt.instances.generators import generate

    title = recipe.name if name is None else name
    return generate(recipe.family, recipe.seed, name=title, **recipe.knobs)
