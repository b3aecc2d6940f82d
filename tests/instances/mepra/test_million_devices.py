"""MEPRA at size: columns stay columns, from the file to the verdict. Slow: up to a million."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from splitopt.instances.core.documents import read_json, write_json
from splitopt.instances.judge import (
    certify,
    check,
    evaluate,
    instance_from_document,
    plan_from_document,
)
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights
from splitopt.instances.networks.profiles import load_profile


def fleet(n: int, kinds: int = 200) -> tuple[MepraInstance, MepraPlan]:
    rng = np.random.default_rng(0)
    network = load_profile("vgg16-imagenet").multi_exit()
    layers = len(network.layers)
    rows = rng.multinomial(1000, np.full(layers, 1 / layers), size=kinds).tolist()
    last = 1 << (layers - 1)
    instance = MepraInstance(
        "fleet",
        1e15,
        1e7,
        1.0,
        0.1,
        (network,),
        ExitFractions.of(rows, 1000),
        np.round(rng.uniform(1e9, 1e11, n), -6),
        np.round(rng.uniform(1, 20, n), 2),
        np.round(rng.uniform(0.1, 2, n), 3),
        np.zeros(n, dtype=np.int64),
        rng.integers(0, kinds, n),
        last | rng.integers(0, last, n),
    )
    plan = MepraPlan(rng.integers(0, layers + 1, n), shares_from_weights(rng.uniform(0.1, 1, n)))
    return instance, plan


@pytest.mark.parametrize(
    "n", [3_000, pytest.param(200_000, marks=pytest.mark.slow),
          pytest.param(1_000_000, marks=pytest.mark.slow)],
)  # fmt: skip
def test_many_devices(n, tmp_path):
    """Through the file and back, judged in doubles and in intervals, in bounded memory."""
    instance, plan = fleet(n)
    tracemalloc.start()
    path = tmp_path / "fleet.json"
    write_json(path, instance.to_document())
    again = instance_from_document(read_json(path))
    assert again.content_hash == instance.content_hash
    assert check(again, plan) == []
    cost = evaluate(again, plan)
    verdict = certify(again, plan)
    assert plan_from_document(plan.to_document()).shares.tolist() == plan.shares.tolist()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.feasible
    assert verdict.low <= Fraction(cost.objective) * (1 + Fraction(1, 10**12))
    assert verdict.high >= Fraction(cost.objective) * (1 - Fraction(1, 10**12))
    assert verdict.high - verdict.low <= verdict.low * Fraction(1, 10**12)
    assert peak < 700 * n + 60 * 2**20


def test_the_last_device_counts():
    """A share too much, or an exit set wrong, at the very end is seen."""
    instance, plan = fleet(3_000)
    shares = plan.shares.copy()
    shares[-1] += 1e-15 * shares.sum() + (1 - shares.sum())
    over = MepraPlan(plan.splits, shares * (1 + 1e-12))
    assert [v.constraint for v in check(instance, over)] == ["share-sum"]
    splits = plan.splits.copy()
    splits[-1] = 14
    (found,) = check(instance, MepraPlan(splits, plan.shares))
    assert (found.constraint, found.where) == ("split", "device 2999")
