"""A time limit holds within a node too: one may take most of the labels."""

import numpy as np
import pytest

from splitopt.heuristics.labels import topological
from splitopt.heuristics.labels.api import constrained_shortest_path
from splitopt.instances.contract.method import Termination


class Flag:
    """A flag that is raised after some looks at it, as a timer does in mid-node."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __getitem__(self, _: int) -> int:
        self.looks -= 1
        return int(self.looks < 0)


def layered():
    """Return layers of nodes, an arc from each node to each of the next layer."""
    rng = np.random.default_rng(1)
    layers, width = 6, 4
    ends = [
        (0 if k == 0 else 1 + (k - 1) * width + i, 1 + k * width + j)
        for k in range(layers)
        for i in range(1 if k == 0 else width)
        for j in range(width)
    ]
    ends += [(1 + (layers - 1) * width + i, 1 + layers * width) for i in range(width)]
    tail, head = np.array(ends).T
    cost = rng.integers(1, 100, tail.size).astype(float)
    use = rng.integers(1, 100, (tail.size, 2)).astype(float)
    return tail, head, cost, use, 0, 1 + layers * width, np.full(2, 300.0)


def watched(monkeypatch, looks):
    """Return what comes of the search when the flag is raised after so many looks, and the flag."""
    real, flag = topological.run_topological, Flag(looks)

    def with_flag(*arguments):
        return real.interpret(*arguments[:10], flag, *arguments[11:])

    with monkeypatch.context() as patched:
        patched.setattr(topological, "run_topological", with_flag)
        return constrained_shortest_path(*layered(), front=True), flag


def test_the_flag_is_looked_at_with_every_arc(monkeypatch):
    _, flag = watched(monkeypatch, 10**9)
    assert 10**9 - flag.looks > layered()[0].size


@pytest.mark.parametrize("looks", [3, 12, 20, 33, 70])
def test_a_stop_in_mid_node_keeps_the_bound_true(monkeypatch, looks):
    optimum = constrained_shortest_path(*layered(), front=True).cost
    found, _ = watched(monkeypatch, looks)
    assert found.termination is not Termination.SOLVED
    assert found.bound <= optimum
    assert found.cost is None or found.cost >= optimum
