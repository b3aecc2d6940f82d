"""Generated CIFT instances."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Node
from splitopt.instances.core.exact import rational
from splitopt.instances.generators.chains import cift_chain
from splitopt.instances.generators.deadlines import set_deadlines
from splitopt.instances.generators.draws import Draws, draws_for, round_up
from splitopt.instances.generators.knobs import CiftKnobs
from splitopt.instances.generators.topology import draw_links, draw_nodes
from splitopt.instances.generators.transfer import (
    TRANSFER_ASSUMPTION,
    compression_names,
    compressions,
    curve_for,
    epochs_needed,
    error_after,
)
from splitopt.instances.generators.witness import Prices, least
from splitopt.instances.networks.curves import LearningCurve
from splitopt.instances.networks.profiles import Profile

# Uncompressed first, then from mild to strong; only what was measured is offered.
_LEVELS = ("none", "int8", "prune-50-int8", "prune-50", "prune-25", "int4", "prune-75")
_FRACTIONS = (1.0, 0.5, 0.25, 0.75, 0.1)
_ASSUMPTIONS = (
    "Hardware: nodes and links are drawn from ranges of real classes (instances/data/hardware.json "
    "gives the source of each); a node is typical of its class and no product.",
    "Power: kappa f^3 + rho, such that power at the highest speed is as drawn.",
    TRANSFER_ASSUMPTION,
    "Compression: factors as measured on the small networks, means over three of them.",
)


def _configurations(
    knobs: CiftKnobs,
    target: float,
    models: list[Profile],
    levels: tuple[Compression, ...],
    curves: dict[tuple[str, str], LearningCurve],
    nodes: list[Node],
) -> list[Configuration]:
    found = []
    for model in models:
        for level in levels:
            for node in nodes:
                if node.tier != "end":
                    continue
                for fraction in _FRACTIONS[: knobs.fractions]:
                    samples = math.ceil(rational(fraction) * node.samples)
                    epochs = epochs_needed(curves[model.name, level.name], samples, target)
                    if epochs is not None:
                        found.append(
                            Configuration(model.name, level.name, node.name, fraction, epochs)
                        )
    return found


def _target(
    draws: Draws, knobs: CiftKnobs, curves: dict[tuple[str, str], LearningCurve], samples: int
) -> float:
    """Return an error target: what the first model reaches on `samples` in a drawn epoch."""
    low, high = knobs.epochs
    if knobs.infeasible == "no-configuration":
        # Half of the best error anyone can reach in the end.
        return min(error_after(curve, 2**20, samples) for curve in curves.values()) / 2
    if high == 0:
        return 1.0
    epochs = draws.integer(low, high)
    first = next(iter(curves.values()))
    return min(1.0, round_up(error_after(first, epochs, samples), 4))


def _limit_memory(draws: Draws, knobs: CiftKnobs, instance: CiftInstance) -> CiftInstance:
    """Return the instance with routers, and memories that call for several hosts."""
    # Drawn before it is known what is needed: a knob must not shift later draws.
    routers = [draws.chance(knobs.relays) and node.tier == "edge" for node in instance.nodes]
    shares = [1.0 + 0.4 * draws.unit() for _ in instance.nodes]
    passes = any(instance.sample_passes(g) > 0 for g in instance.configurations)
    factor = instance.training.memory_factor if passes else 1.0
    scale = min((level.param_factor for level in instance.compressions), default=1.0) * factor
    model = min(instance.models, key=lambda m: m.param_bytes)
    whole = model.param_bytes * scale
    block = max(b.param_bytes for b in model.blocks) * scale
    grown = 1.0
    while True:
        nodes = []
        for node, router, share in zip(instance.nodes, routers, shares, strict=True):
            memory = node.memory_bytes
            if knobs.hosts > 1:
                memory = round_up(max(whole / knobs.hosts * share, block) * grown, knobs.digits)
            if knobs.infeasible == "memory":
                memory = float(int(block / 2))
            if router:
                memory = 0.0
            nodes.append(dataclasses.replace(node, memory_bytes=memory))
        limited = instance.replace(nodes=tuple(nodes))
        if knobs.infeasible in ("memory", "no-configuration"):
            return limited
        if least(limited, Prices(inference=1.0)) is not None:
            return limited
        # Too tight for the columns there are: grant a little more to all.
        grown *= 1.25
        if grown > 1e6:
            routers = [False] * len(routers)
            grown = 1.0


def build_cift(
    family: str,
    seed: int,
    knobs: CiftKnobs,
    name: str,
    description: str,
    chains: Sequence[Profile] = (),
) -> CiftInstance:
    """Return the CIFT instance of a family, a seed and knobs; the same on any machine.

    Its models are `chains`, or those that the knobs name.
    """
    models = list(chains) or [cift_chain(model, knobs.blocks) for model in knobs.models]
    known = compression_names()
    levels = compressions(tuple(x for x in _LEVELS if x in known)[: knobs.compressions])
    curves = {(m.name, c.name): curve_for(m, c.name) for m in models for c in levels}
    nodes = draw_nodes(draws_for(family, seed, "nodes"), knobs)
    links = draw_links(draws_for(family, seed, "links"), knobs)
    most = max(node.samples for node in nodes)
    target = _target(draws_for(family, seed, "target"), knobs, curves, most)
    low, high = knobs.requests
    draws = draws_for(family, seed, "requests")
    requests = int(round_up(draws.log_uniform(low, high), 2)) if 0 < low < high else low
    instance = CiftInstance(
        name=name,
        nodes=tuple(nodes),
        links=tuple(links),
        models=tuple(models),
        compressions=levels,
        configurations=tuple(_configurations(knobs, target, models, levels, curves, nodes)),
        requests=requests,
        error_target=target,
        curves=tuple(curves.values()),
        description=description,
        assumptions=_ASSUMPTIONS,
    )
    instance = _limit_memory(draws_for(family, seed, "memory"), knobs, instance)
    return set_deadlines(instance, knobs)
