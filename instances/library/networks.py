"""Makes `networks-v1`: networks that are graphs, on generated topologies.

Run ``python -m splitopt.instances.library.networks`` to write the files; they are frozen, and only
listed by ``build``. Drawn as other generated instances are, so that some plan keeps its deadlines.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splitopt.instances.cift.judge import highest_throughput_per_s
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.documents import write_json
from splitopt.instances.generators.cift import build_cift
from splitopt.instances.generators.draws import draws_for, round_digits
from splitopt.instances.generators.graphs import graph
from splitopt.instances.generators.knobs import CiftKnobs
from splitopt.instances.generators.witness import Prices, least
from splitopt.instances.library import build
from splitopt.instances.networks.profiles import Profile

_BASE: dict[str, Any] = {
    "sources": 1,
    "compressions": 1,
    "levels": 3,
    "requests": (1000, 100_000),
    "lateral_links": 0.5,
}
_SERVE: dict[str, Any] = {"epochs": (0, 0), "deadlines": "inference"}
_BOTH: dict[str, Any] = {"epochs": (2, 6), "deadlines": "both", "samples": (50, 300)}
# What besides the network an instance is drawn by; further than knobs: a throughput, factors.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "one deadline": _SERVE | {"stages": 3, "width": 2, "hosts": 2, "tightness": 0.9},
    "one deadline, long": _SERVE | {"stages": 5, "width": 1, "hosts": 3, "tightness": 0.9},
    "two deadlines": _BOTH | {"stages": 3, "width": 2, "hosts": 2, "tightness": 0.8},
    "a throughput": _SERVE | {"stages": 4, "width": 1, "hosts": 2, "tightness": 0.6},
    "factors": _BOTH | {"stages": 3, "width": 2, "hosts": 2, "tightness": 0.9},
    "continuous": _SERVE
    | {"stages": 3, "width": 1, "hosts": 2, "tightness": 0.9, "speeds": "continuous"},
    "continuous, two deadlines": _BOTH
    | {"stages": 3, "width": 1, "hosts": 2, "tightness": 0.8, "speeds": "continuous"},
}
_ACCESS = ("wifi", "5g", "lte")


def with_network(instance: CiftInstance, network: Profile) -> CiftInstance:
    """Return an instance of one model with another network in its place, of the same name."""
    (model,) = instance.models
    return instance.replace(models=(dataclasses.replace(network, name=model.name),))


def _factors(instance: CiftInstance, seed: int) -> CiftInstance:
    """Return the instance with factors of some blocks, none above 1: what was in time stays so."""
    (model,) = instance.models
    nodes = []
    for node in instance.nodes:
        draws = draws_for("networks", seed, f"factors-{node.name}")
        given = tuple(
            (block.name, round_digits(draws.uniform(0.5, 1.0), 3)) for block in model.blocks
        )
        nodes.append(dataclasses.replace(node, factors=((model.name, given),)))
    return instance.replace(nodes=tuple(nodes))


def draw(name: str, network: str, variant: str, seed: int) -> CiftInstance:
    """Return an instance of a graph by name, in a variant; the same on any machine."""
    profile = graph(network)
    draws = draws_for("networks", seed, "knobs")
    knobs = CiftKnobs(**_BASE, **VARIANTS[variant], access=draws.choice(_ACCESS))
    title = f"{profile.title or network}; {variant}"
    instance = build_cift("cift-networks", seed, knobs, name, title, [profile.bare()])
    if variant == "a throughput":
        fast = least(instance, Prices(inference=1.0))
        if fast is not None:
            rate = 0.8 * highest_throughput_per_s(instance, fast)
            instance = instance.replace(throughput_per_s=round_digits(rate, 3))
    return _factors(instance, seed) if variant == "factors" else instance


_DRAWN = (
    "bert24-msr",
    "resnet50-msr-runs",
    "u-small",
    "u-large",
    "branches-4x2",
    "branches-6x1",
    "dense-6",
    "dense-12",
    "inception-3",
)
_IMPORTED = (
    "resnet50-onnx",
    "densenet121-onnx",
    "inception-v1-onnx",
    "inception-v2-onnx",
    "shufflenet-onnx",
    "squeezenet-onnx",
)
# Graph, variant and seed of each instance: every variant of every graph, seeds in turn, and some
# of the two measured ones that have the most downsets; then every variant of the architectures
# that come with the onnx package.
CHOSEN: tuple[tuple[str, str, int], ...] = (
    *(
        (network, variant, 1 + (row + column) % 5)
        for row, network in enumerate(_DRAWN)
        for column, variant in enumerate(VARIANTS)
    ),
    ("resnet50-msr", "one deadline", 3),
    ("resnet50-msr", "two deadlines", 4),
    ("resnet50-msr", "continuous", 1),
    ("inceptionv3-msr-runs", "one deadline", 2),
    ("inceptionv3-msr-runs", "one deadline, long", 1),
    ("inceptionv3-msr-runs", "a throughput", 2),
    *(
        (network, variant, 1 + (row + column) % 5)
        for row, network in enumerate(_IMPORTED)
        for column, variant in enumerate(VARIANTS)
    ),
)


def main(folder: Path = build.FOLDER / "networks-v1") -> None:
    """Write the files of the set."""
    for number, (network, variant, seed) in enumerate(CHOSEN, start=1):
        name = f"cift-networks-{number:03d}"
        write_json(folder / f"{name}.json.gz", draw(name, network, variant, seed).to_document())


if __name__ == "__main__":
    main()
