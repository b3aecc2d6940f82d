"""What CIFT's policies are trained on, and that training teaches."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from splitopt.heuristics.learner.cift.play import best_completion, decide, read_policy, write_policy
from splitopt.heuristics.learner.cift.policy import ACTOR_SHAPES
from splitopt.heuristics.learner.cift.process import CiftProcess
from splitopt.heuristics.learner.cift.training import (
    CONFIG,
    SIZES,
    bank_of,
    instance_of,
    train_cift,
)
from splitopt.instances.core.errors import InputError
from splitopt.instances.library.candidates import candidates
from splitopt.instances.library.recipes import LARGE, QUICK, TINY
from splitopt.instances.library.splits import SEEDS


def test_training_sees_no_seed_of_another_split():
    """Seeds lie in the split's own range, above those of every set of the library."""
    families = set()
    for split in ("train", "validation"):
        for index in (0, 3, 7, 11):
            origin = instance_of(split, index).origin
            assert 0 <= origin["seed"] - SEEDS[split] < 10**9
            families.add(origin["family"])
    assert {"cift-ties", "cift-tight", "cift-mesh"} <= families
    assert all(r.seed < min(SEEDS.values()) for r in (*TINY, *QUICK, *LARGE, *candidates()))


def test_a_bank_holds_what_was_asked_for():
    bank = bank_of("train", 3)
    assert bank.first.shape == (3,)
    assert bank.arrived.shape[:3] == (bank.count.sum(), SIZES.nodes, SIZES.blocks + 1)
    assert np.array_equal(bank.first, np.cumsum(bank.count) - bank.count)
    assert bank.arrived.dtype == np.float32


def test_an_unknown_variant_is_refused(tmp_path):
    with pytest.raises(InputError, match="variant"):
        train_cift("odd", 0, tmp_path / "p.npz")


@pytest.mark.slow
def test_a_minute_of_training_beats_deciding_at_random(tmp_path):
    config = dataclasses.replace(CONFIG, updates=12, evaluate_every=12)
    train_cift("priced", 0, tmp_path / "p.npz", config=config, instances=(6, 4))
    trained = read_policy(tmp_path / "p.npz")
    blank = {name: np.zeros(shape) for name, shape in ACTOR_SHAPES.items()}
    write_policy(tmp_path / "blank.npz", blank, "priced", {})
    blank = read_policy(tmp_path / "blank.npz")
    costs = []
    for k in range(8):
        process = CiftProcess(instance_of("validation", k))
        rule = best_completion(process).label[0]
        rng = np.random.default_rng(k)
        drawn = np.median([decide(process, blank, rng).label[0] for _ in range(9)])
        costs.append((decide(process, trained).label[0] / rule, drawn / rule))
    learned, random = np.mean(costs, axis=0)
    assert learned < 1.1 < random
