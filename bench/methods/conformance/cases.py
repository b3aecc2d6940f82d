"""The cases that every method is tried on: small enough for enumeration, and full of edges.

Crafted instances, the set ``tiny`` of the library, and seeded ones of a few nodes or devices in
which anything may be free, slow, full or out of reach.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from splitopt.bench.methods.conformance.oracle import optimum_of
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
)
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.generators import generate
from splitopt.instances.library.crafted_cift import CRAFTED_CIFT
from splitopt.instances.library.crafted_mepra import CRAFTED_MEPRA
from splitopt.instances.library.recipes import TINY
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.networks.profiles import Block, Layer, MultiExitProfile, Profile

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance


def random_cift(seed: int) -> CiftInstance:
    """Return a few nodes and blocks, any free, slow or full; deadlines about to bind."""
    draw = random.Random(f"conformance-cift-{seed}")
    continuous = seed % 3 == 2

    def speeds() -> SpeedInterval | tuple[float, ...]:
        low = round(10 ** draw.uniform(8.5, 9.5), -6)
        if continuous and draw.random() < 0.7:
            return SpeedInterval(low, low * draw.choice((1, 2, 8)))
        return tuple(sorted({low, low * draw.choice((1, 2)), low * draw.choice((1, 4))}))

    count = draw.randint(2, 4)
    nodes = tuple(
        Node(
            f"n{i}",
            "end" if i == 0 else draw.choice(("edge", "cloud")),
            speeds(),
            draw.choice((0, 1e-28, 1e-27)),
            draw.choice((0, 1, 5)),
            draw.choice((1e9, 1e9, 2e6)),
            100 if i == 0 else 0,
        )
        for i in range(count)
    )
    links = tuple(
        Link(
            f"n{i}",
            f"n{j}",
            round(10 ** draw.uniform(6, 8), -4),
            draw.choice((0, 0.01)),
            draw.choice((0, 1e-8, 1e-7)),
        )
        for i in range(count)
        for j in range(i + 1, count)
        if draw.random() < 0.8
    )
    blocks = tuple(
        Block(f"b{k}", draw.randint(0, 10**8), draw.randint(0, 4 * 10**5), draw.randint(0, 10**6))
        for k in range(draw.randint(2, 4))
    )
    return _about_to_bind(
        CiftInstance(
            f"micro-{seed}",
            nodes,
            links,
            (Profile("m", 1e6, blocks),),
            (Compression("none", 1, 1, 1), Compression("half", 0.5, 0.25, 0.5)),
            (
                Configuration("m", "none", "n0", 0.5, draw.choice((0, 3))),
                Configuration("m", "half", "n0", 1, 5),
            ),
            draw.choice((1, 1000)),
        ),
        seed,
        draw,
    )


def _about_to_bind(instance: CiftInstance, seed: int, draw: random.Random) -> CiftInstance:
    """Return the instance with deadlines near what its cheapest plan takes."""
    free = optimum_of(instance)
    if free.plan is None:
        return instance
    assert isinstance(free.plan, CiftPlan)
    cost = evaluate_cift(instance, free.plan)
    serving, training = cost.inference_latency_s, cost.fine_tuning_time_s
    if seed % 4 in (1, 3):
        instance = instance.replace(inference_deadline_s=serving * draw.choice((0.6, 0.8, 1.1)))
    if seed % 4 in (2, 3):
        instance = instance.replace(fine_tuning_deadline_s=training * draw.choice((0.6, 0.8, 1.1)))
    return instance


def random_mepra(seed: int) -> MepraInstance:
    """Return a few devices of two networks, exits fixed and free, weights down to 0."""
    rng = np.random.default_rng([seed, 41])
    networks = tuple(
        MultiExitProfile(
            f"net{k}",
            float(rng.integers(10**5, 10**6)),
            tuple(
                Layer(
                    f"l{j}",
                    float(rng.integers(0, 10**9)),
                    float(rng.integers(0, 10**7)),
                    float(rng.integers(0, 10**6)),
                )
                for j in range(layers)
            ),
        )
        for k, layers in enumerate((2, 4))
    )
    n = int(rng.integers(1, 5))
    profile = rng.integers(0, 2, n)
    rows = [[30, 70], [100, 0], [10, 20, 30, 40], [0, 50, 0, 50]]
    layers = np.array([2, 4])[profile]
    fixed = (1 << (layers - 1)) | (rng.integers(0, 16, n) & ((1 << (layers - 1)) - 1))
    return MepraInstance(
        f"micro-{seed}",
        float(rng.choice([1e9, 1e10, 1e11])),
        float(rng.choice([1e5, 1e6, 1e7])),
        float(rng.choice([0, 1, 1])),
        float(rng.choice([0, 0.1, 1])),
        networks,
        ExitFractions.of(rows, 100),
        np.round(10 ** rng.uniform(8, 10, n), -6),
        np.round(rng.uniform(0, 10, n), 2),
        np.round(rng.uniform(0, 2, n), 2),
        profile,
        2 * profile + rng.integers(0, 2, n),
        None if seed % 2 else fixed,
    )


CASES: dict[str, dict[str, Callable[[], Instance]]] = {
    "cift": {
        **{name: functools.partial(build, name) for name, build in CRAFTED_CIFT.items()},
        **{f"micro-{seed}": functools.partial(random_cift, seed) for seed in range(12)},
    },
    "mepra": {
        **{name: functools.partial(build, name) for name, build in CRAFTED_MEPRA.items()},
        **{f"micro-{seed}": functools.partial(random_mepra, seed) for seed in range(8)},
    },
}
for recipe in TINY:
    CASES[recipe.name.partition("-")[0]][recipe.name] = functools.partial(
        generate, recipe.family, recipe.seed, name=recipe.name, **recipe.knobs
    )


@functools.cache
def case(problem: str, name: str) -> Instance:
    """Return a case; each is made once."""
    return CASES[problem][name]()
