"""Minimum cuts of graphs against all downsets; baselines on graphs against the judge."""

from __future__ import annotations

import random

import numpy as np
import pytest

from splitopt.bench.methods.conformance.fuzz.beyond import widened
from splitopt.bench.methods.conformance.fuzz.draw import draw_cift
from splitopt.bench.methods.registry import load
from splitopt.heuristics.baselines.cift.min_cut import smallest_cut
from splitopt.instances.cift.model import GRAPHS
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.generators.graphs import graph
from splitopt.instances.judge import check, evaluate
from splitopt.instances.networks.downsets import downsets_of
from tests.instances.cift.test_graphs import CASE

ON_GRAPHS = (
    "device-only", "edge-only", "cloud-only", "single-cut", "neurosurgeon",
    "neurosurgeon-latency", "partition-blind", "min-cut",
)  # fmt: skip


@pytest.mark.parametrize("name", ["branches-4x2", "inception-3", "u-small", "resnet50-msr-runs"])
@pytest.mark.parametrize("seed", range(3))
def test_the_cut_found_is_the_cheapest_of_all(name, seed):
    rng = np.random.default_rng([7, seed])
    model = graph(name)
    sets = downsets_of(model)
    near = rng.integers(0, 20, len(model.blocks)).astype(float)
    far = rng.integers(0, 20, len(model.blocks)).astype(float)
    sent = rng.integers(0, 30, len(model.tensors)).astype(float)
    cost = sets.member @ near + ~sets.member @ far + sets.crossing @ sent
    found = smallest_cut(model, near.tolist(), far.tolist(), sent.tolist())
    # Integers of a capacity of 2^30 in all: whole prices round to themselves.
    assert cost[found] == cost.min()


@pytest.mark.parametrize("name", ON_GRAPHS)
def test_baselines_keep_to_the_judge_on_graphs(name):
    method = load(name, "cift")
    taken = 0
    for seed in range(30):
        instance = widened(random.Random(seed), draw_cift(3, seed))
        if GRAPHS not in instance.beyond or not method.supports(instance):
            continue
        taken += 1
        found = method.solve(instance, Budget(10), 0, {})
        if found.status is SolutionStatus.FEASIBLE:
            assert check(instance, found.plan) == []
        if found.plan is not None:
            assert found.objective == evaluate(instance, found.plan).objective
    assert taken > 2


def test_the_best_plan_of_two_hosts_is_the_optimum_of_two_nodes():
    """a and b on the end, c and d on the edge: 47 J, as enumeration has it."""
    assert load("single-cut", "cift").solve(CASE, Budget(10), 0, {}).objective == 47.0
