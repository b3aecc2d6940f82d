"""Limits met to the last bit are kept: by the judge's definition, for every method alike."""

import dataclasses
import functools
import math
from pathlib import Path

import numpy as np
import pytest

from splitopt.bench.methods.conformance.oracle import optimum_of as brute
from splitopt.bench.methods.registry import entries_for, load
from splitopt.instances.cift.model import SpeedInterval
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.core.tolerances import values_agree
from splitopt.instances.judge import check, evaluate, read_instance
from splitopt.instances.library import load as load_instance
from splitopt.instances.mepra.plan import MepraPlan

SMALL = read_instance(Path(__file__).parents[2] / "data" / "small-cift.json")
FREE = {"inference_deadline_s": None, "fine_tuning_deadline_s": None}
# Searches need not be long to be held to limits.
FEW = {"random": {"samples": 200}, "ppo": {"samples": 8}}
FEW["pymoo-ga"] = {"population": 16, "generations": 10}


def full_memory(instance, plan):
    """Return the instance with no byte left on any host of a plan."""
    g = plan.configuration(instance)
    model = instance.models[instance.model_index[g.model]]
    level = instance.compressions[instance.compression_index[g.compression]]
    factor = level.param_factor
    if instance.sample_passes(g):
        factor *= instance.training.memory_factor
    held, start = {}, 0
    for stop in plan.stops:
        blocks = model.blocks[start : start + stop.blocks]
        held[stop.node] = factor * sum(block.param_bytes for block in blocks)
        start += stop.blocks
    nodes = [
        dataclasses.replace(node, memory_bytes=held[node.name]) if held.get(node.name) else node
        for node in instance.nodes
    ]
    return instance.replace(nodes=tuple(nodes))


@functools.cache
def cases():
    """Name to instance; all figures of the limits are those of some optimal plan."""
    found = {}
    listed = SMALL.replace(
        nodes=tuple(
            dataclasses.replace(node, speeds_flop_per_s=(5.0, 8.0))
            if isinstance(node.speeds_flop_per_s, SpeedInterval)
            else node
            for node in SMALL.nodes
        )
    )
    for kind, base in (("listed", listed), ("mixed", SMALL)):
        free = base.replace(**FREE)
        best = brute(free)
        took = evaluate(free, best.plan)
        both = (took.inference_latency_s, took.fine_tuning_time_s)
        found[f"{kind}-none"] = free
        found[f"{kind}-latency"] = free.replace(inference_deadline_s=both[0])
        found[f"{kind}-tuning"] = free.replace(fine_tuning_deadline_s=both[1])
        found[f"{kind}-both"] = free.replace(
            inference_deadline_s=both[0], fine_tuning_deadline_s=both[1]
        )
        # One bit less is still within the judge's tolerance, a millionth less is not.
        found[f"{kind}-bit-less"] = free.replace(inference_deadline_s=math.nextafter(both[0], 0))
        found[f"{kind}-less"] = free.replace(inference_deadline_s=both[0] * (1 - 1e-6))
        found[f"{kind}-full"] = full_memory(base, brute(base).plan)
        found[f"{kind}-zero-deadline"] = free.replace(inference_deadline_s=0.0)
        idle = free.replace(
            requests=0,
            error_target=None,
            curves=(),
            configurations=tuple(dataclasses.replace(g, epochs=0) for g in free.configurations),
            fine_tuning_deadline_s=0.0,
        )
        found[f"{kind}-no-work"] = idle
    return found


NAMES = [
    f"{kind}-{what}"
    for kind in ("listed", "mixed")
    for what in (
        "none", "latency", "tuning", "both", "bit-less", "less", "full", "zero-deadline", "no-work",
    )
]  # fmt: skip


def test_the_limits_are_met_with_nothing_to_spare():
    for kind in ("listed", "mixed"):
        met = [
            brute(cases()[f"{kind}-{what}"]) for what in ("latency", "tuning", "both", "bit-less")
        ]
        free = brute(cases()[f"{kind}-none"])
        for found in met:
            assert found.objective == pytest.approx(free.objective, rel=1e-8)
        tighter = brute(cases()[f"{kind}-less"])
        assert tighter.objective is None or tighter.objective > free.objective
        assert brute(cases()[f"{kind}-full"]).status is SolutionStatus.OPTIMAL
        assert brute(cases()[f"{kind}-zero-deadline"]).status is SolutionStatus.INFEASIBLE


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        pytest.param(entry, name, id=f"{entry.name}-{name}")
        for entry in entries_for("cift")
        for name in NAMES
        if entry.speeds == "any" or name.startswith("listed")
    ],
)
def test_cift(entry, name):
    instance, method = cases()[name], load(entry.name, "cift")
    if not method.supports(instance):
        # There is no cloud, and no configuration without compression.
        assert entry.name in ("cloud-only", "compression-blind")
        return
    given = FEW.get(entry.name, {})
    found, truth = method.solve(instance, Budget(60.0), 0, given), brute(instance)
    if found.status in (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE):
        assert check(instance, found.plan) == []
        assert found.objective >= truth.objective * (1 - 1e-9)
    if entry.kind == "exact":
        assert found.status is truth.status
        assert truth.objective is None or values_agree(found.objective, truth.objective)
    elif entry.kind == "approximation":
        assert (found.plan is None) == (truth.plan is None)
        if truth.plan is not None:
            assert found.objective <= found.guarantee.factor * truth.objective * (1 + 1e-9)
    else:
        assert found.status in (
            SolutionStatus.FEASIBLE,
            SolutionStatus.NONE,
            SolutionStatus.OPTIMAL,
        )
        assert truth.plan is not None or found.status is SolutionStatus.NONE


@pytest.mark.parametrize("entry", entries_for("mepra"), ids=lambda entry: entry.name)
def test_mepra_shares_sum_to_one_and_not_a_bit_more(entry):
    instance = load_instance("mepra-tiny-alike")
    method = load(entry.name, "mepra")
    assert method.supports(instance)
    given = FEW.get(entry.name, {})
    found = method.solve(instance, Budget(60.0), 0, given)
    assert found.plan is not None
    assert check(instance, found.plan) == []
    # Halves of halves sum to exactly one; a bit more on any of them is too much.
    halves = 0.5 ** np.minimum(np.arange(instance.devices) + 1, instance.devices - 1)
    start = MepraPlan(np.zeros(instance.devices, dtype=np.int64), halves, found.plan.exit_set)
    assert check(instance, start) == []
    again = method.solve(instance, Budget(60.0), 0, given, warm_start=start)
    assert check(instance, again.plan) == []
    halves[0] = math.nextafter(halves[0], 1)
    more = MepraPlan(start.splits, halves, start.exit_set)
    assert [v.constraint for v in check(instance, more)] == ["share-sum"]
    unmoved = method.solve(instance, Budget(60.0), 0, given, warm_start=more)
    assert check(instance, unmoved.plan) == []
