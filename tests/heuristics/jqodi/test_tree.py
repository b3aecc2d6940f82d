"""The time-energy tree as data."""

from __future__ import annotations

import numpy as np
import pytest

from splitopt.bench.methods.registry import load
from splitopt.heuristics.jqodi.cift.tree import FATES, time_energy_tree
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import generate

INSTANCE = generate("cift-tiers", 1, blocks=5, levels=3, compressions=1)


@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_tree_holds_a_path_to_the_best_plan(epsilon: float) -> None:
    best = load("brute-force", "cift").solve(INSTANCE, Budget(), 0, {})
    position = INSTANCE.configurations.index(best.plan.configuration(INSTANCE))
    tree = time_energy_tree(INSTANCE, position, epsilon)
    assert tree.complete
    assert sum(tree.counts().values()) == len(tree)
    if epsilon:
        assert tree.counts()["trimmed"] > 0
    # Energy and times grow along the tree.
    for label in range(1, len(tree)):
        before = int(tree.parent[label])
        assert 0 <= before < label
        assert tree.energy_j[label] >= tree.energy_j[before]
        assert tree.inference_latency_s[label] >= tree.inference_latency_s[before]
        assert tree.fate[before] == FATES.index("kept")
    path = np.flatnonzero(tree.optimal)
    assert path[0] == 0
    assert tree.parent[0] == -1
    assert tree.energy_j[path[-1]] <= best.objective * (1 + epsilon) * (1 + 1e-9)
    assert tree.blocks[path[-1]] == len(INSTANCE.models[0].blocks)
    if not epsilon:
        assert tree.energy_j[path[-1]] == pytest.approx(best.objective, rel=1e-9)
        nodes = list(dict.fromkeys(tree.node[k] for k in path))
        assert nodes == [stop.node for stop in best.plan.stops]


def test_a_tree_without_deadlines_and_one_cut_short() -> None:
    free = INSTANCE.replace(inference_deadline_s=None, fine_tuning_deadline_s=None)
    tree = time_energy_tree(free, 0)
    assert tree.counts()["over a deadline"] == 0
    assert not time_energy_tree(free, 0, most=10).complete


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="configuration"):
        time_energy_tree(INSTANCE, 99)
    with pytest.raises(InputError, match="epsilon"):
        time_energy_tree(generate("cift-continuous", 1, blocks=3), 0)
    late = INSTANCE.replace(inference_deadline_s=1e-12)
    assert time_energy_tree(late, 0) is None
