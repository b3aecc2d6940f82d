"""Random instances with what not every method takes: graphs, factors of blocks, a throughput."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random

from splitopt.instances.cift.judge import evaluate_cift, highest_throughput_per_s
from splitopt.instances.cift.model import CiftInstance, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop, stop_between
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.fields import LARGEST, SMALLEST
from splitopt.instances.networks.downsets import downsets_of
from splitopt.instances.networks.profiles import Profile
from splitopt.instances.networks.tensors import Tensor

_MOST_PLANS = 5000
_FACTORS = (0.0, 0.5, 1.0, 1.3, 2.0, 10.0)
_RATES = (1.0, 1.0, 1 - 1e-9, 1 + 1e-9, 1 + 1e-12, 0.9, 0.5, 0.1, 1.1)


def as_graph(chain: Profile) -> Profile:
    """Return a chain of blocks, written as a graph."""
    last = len(chain.blocks) - 1
    bits = [chain.input_bits, *(block.activation_bits for block in chain.blocks)]
    tensors = [
        Tensor(f"t{k}", b, None if k == 0 else k - 1, () if k > last else (k,))
        for k, b in enumerate(bits)
    ]
    return Profile.graph(chain.name, chain.blocks, tensors)


def _graph(draw: random.Random, chain: Profile) -> Profile:
    """Return the blocks of a chain with tensors drawn between them."""
    size = len(chain.blocks)
    raw = [Tensor("raw", chain.input_bits, None, tuple(range(size)))]
    made = []
    inputs: list[set[int | None]] = []
    for b in range(size):
        before: list[int | None] = [None, *range(b)]
        near = before[-2:]
        wanted = {draw.choice(near if draw.random() < 0.6 else before)}
        if b and draw.random() < 0.4:
            wanted.add(draw.choice(before))
        inputs.append(wanted)
    raw = [dataclasses.replace(raw[0], consumers=_users(inputs, None))]
    for b, block in enumerate(chain.blocks):
        users = _users(inputs, b)
        made.append(Tensor(f"t{b}", block.activation_bits, b, users))
        if len(users) > 1 and draw.random() < 0.3:
            # A second tensor of the same block, for one of those who need it.
            made.append(Tensor(f"u{b}", draw.choice((0.0, block.activation_bits)), b, users[-1:]))
    return Profile.graph(chain.name, chain.blocks, [*(t for t in raw if t.consumers), *made])


def _users(inputs: list[set[int | None]], producer: int | None) -> tuple[int, ...]:
    return tuple(b for b, wanted in enumerate(inputs) if producer in wanted)


def _factors(draw: random.Random, instance: CiftInstance) -> tuple[Node, ...]:
    nodes = []
    for node in instance.nodes:
        given = []
        for model in instance.models:
            chosen = [block.name for block in model.blocks if draw.random() < 0.6]
            given.append((model.name, tuple((name, draw.choice(_FACTORS)) for name in chosen)))
        nodes.append(dataclasses.replace(node, factors=tuple(given) if draw.random() < 0.7 else ()))
    return tuple(nodes)


def some_plan(instance: CiftInstance, draw: random.Random) -> CiftPlan | None:
    """Return a random plan, whether it keeps limits or not; None without a configuration."""
    if not instance.configurations:
        return None
    g = draw.choice(instance.configurations)
    model = instance.models[instance.model_index[g.model]]
    sets = downsets_of(model)
    path = [g.source]
    while (links := instance.links_from[path[-1]]) and draw.random() < 0.7:
        path.append(draw.choice(links).head)
    states = [0]
    for _ in path[:-1]:
        larger = [states[-1], *(j for j in range(len(sets) - 1) if sets.nested[states[-1], j])]
        states.append(draw.choice(larger))
    states.append(len(sets) - 1)
    stops = []
    for name, (i, j) in zip(path, itertools.pairwise(states), strict=True):
        speeds = instance.nodes[instance.node_index[name]].speeds_flop_per_s
        ends = (speeds.low, speeds.high) if isinstance(speeds, SpeedInterval) else speeds
        chosen = draw.choice(ends), draw.choice(ends) if instance.expected_passes(g) else None
        stops.append(stop_between(model, sets, name, i, j, chosen) if j > i else Stop(name, 0))
    return CiftPlan.of(g, tuple(stops))


def countable(instance: CiftInstance) -> bool:
    """Return whether enumeration takes a moment, so that the truth is known."""
    from splitopt.formulations.cift.brute_force.plans import count_plans

    return count_plans(instance) <= _MOST_PLANS


def widened(draw: random.Random, instance: CiftInstance) -> CiftInstance:
    """Return the instance with some of: networks as graphs, factors, a throughput."""
    if draw.random() < 0.75:
        models = tuple(
            _graph(draw, m) if draw.random() < 0.85 else as_graph(m) for m in instance.models
        )
        instance = instance.replace(models=models)
    if draw.random() < 0.45:
        instance = instance.replace(nodes=_factors(draw, instance))
    plan = some_plan(instance, draw)
    if plan is None:
        return instance
    cost = evaluate_cift(instance, plan)
    changes: dict[str, object] = {}
    # Deadlines of the chain say little of the graph.
    for name, value in (
        ("inference_deadline_s", cost.inference_latency_s),
        ("fine_tuning_deadline_s", cost.fine_tuning_time_s),
    ):
        if getattr(instance, name) is not None and draw.random() < 0.7:
            limit = value * draw.choice(_RATES)
            changes[name] = limit if SMALLEST <= limit <= LARGEST else 0.0
    if draw.random() < 0.45:
        rate = highest_throughput_per_s(instance, plan) * draw.choice(_RATES)
        if math.isfinite(rate) and SMALLEST <= rate <= LARGEST:
            changes["throughput_per_s"] = rate
    try:
        return instance.replace(**changes)
    except InputError:
        return instance
