"""Searches over MEPRA's choices against figures by hand and enumeration."""

import itertools

import numpy as np
import pytest

from splitopt.bench.methods.registry import load
from splitopt.heuristics.baselines.mepra import local_search as mepra_local_search
from splitopt.heuristics.baselines.mepra import pymoo as mepra_pymoo
from splitopt.heuristics.baselines.mepra.choices import Choices, choices_of
from splitopt.instances import library
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.generators import generate
from splitopt.instances.judge import check, evaluate

SEARCHES = (mepra_local_search.METHOD, mepra_pymoo.METHOD)


def by_hand() -> Choices:
    """Two devices alike: keep all (a = 3, r = 0) or send all (a = 0, r = 1), p = 2.

    Both keep: 6. One sends: 3 + 2 = 5. Both send: 2 (1 + 1)^2 = 8.
    """
    base = np.array([[0.0, 3.0], [0.0, 3.0]])
    root = np.array([[1.0, 0.0], [1.0, 0.0]])
    return Choices(base, root, np.array([0, 1]), None, 2.0)


def test_costs_and_start_by_hand():
    choices = by_hand()
    assert choices.cost(np.array([1, 1])) == 6
    assert choices.cost(np.array([0, 1])) == 5
    assert choices.cost(np.array([0, 0])) == 8
    # At half of the edge sending costs 2 x 2 x 1 = 4, keeping 3: both keep.
    assert choices.start().tolist() == [1, 1]


def test_a_sweep_stops_when_the_load_is_taken():
    """For each device alone sending gains 1; for the second one after the first it loses 3."""
    chosen = np.array([1, 1])
    assert mepra_local_search._sweep(by_hand(), chosen, lambda: False)
    assert sorted(chosen.tolist()) == [0, 1]
    assert not mepra_local_search._sweep(by_hand(), chosen, lambda: False)


def test_an_exchange_finds_what_no_move_does():
    """Each may keep all (a = 5) or send it (r = 2 and 1.9); p = 1.

    First sends: 5 + 4 = 9. Both keep: 10. Both send: 3.9^2 = 15.21. Second sends: 5 + 3.61 = 8.61,
    two changes away from the first.
    """
    base = np.array([[0.0, 5.0], [0.0, 5.0]])
    root = np.array([[2.0, 0.0], [1.9, 0.0]])
    choices = Choices(base, root, np.array([0, 1]), None, 1.0)
    chosen = np.array([0, 1])
    assert not mepra_local_search._sweep(choices, chosen, lambda: False)
    assert choices.cost(chosen) == 9
    rng = np.random.default_rng(0)
    assert mepra_local_search._exchange(choices, chosen, rng, lambda: False)
    assert chosen.tolist() == [1, 0]
    assert choices.cost(chosen) == pytest.approx(8.61)


@pytest.mark.parametrize("name", ["mepra-tiny-fleet", "mepra-tiny-free-mixed", "mepra-tiny-vgg"])
def test_the_table_is_what_the_judge_says(name):
    instance = library.load(name)
    choices = choices_of(instance)
    rng = np.random.default_rng(4)
    for _ in range(20):
        chosen = np.array([rng.choice(np.flatnonzero(np.isfinite(row))) for row in choices.base])
        plan = choices.plan(chosen)
        assert check(instance, plan) == []
        assert evaluate(instance, plan).objective == pytest.approx(choices.cost(chosen), rel=1e-9)


@pytest.mark.parametrize("method", SEARCHES)
@pytest.mark.parametrize("seed", range(4))
def test_searches_find_the_optimum_of_small_fleets(method, seed):
    instance = generate("mepra-fleet", seed, devices=3, layers=4, feature_bits=1)
    best = load("brute-force", "mepra").solve(instance, Budget(), 0, {})
    found = method.solve(instance, Budget(), 3, {})
    assert found.status is SolutionStatus.FEASIBLE
    assert found.objective == pytest.approx(best.objective, rel=1e-9)
    assert method.solve(instance, Budget(), 3, {}).objective == found.objective


@pytest.mark.parametrize("seed", range(3))
def test_free_exits_are_near_the_best(seed):
    instance = generate("mepra-free", seed, devices=3, layers=5)
    best = load("brute-force", "mepra").solve(instance, Budget(), 0, {})
    found = mepra_local_search.METHOD.solve(instance, Budget(), 0, {})
    assert best.objective * (1 - 1e-9) <= found.objective <= best.objective * 1.005


def test_no_move_and_no_exchange_is_left():
    """At the end of a descent no single device gains, by enumeration with the judge."""
    instance = generate("mepra-scarce", 3, devices=5, layers=4, feature_bits=1)
    choices = choices_of(instance)
    chosen = choices.start()
    mepra_local_search._descend(choices, chosen, np.random.default_rng(0), lambda: False)
    cost = evaluate(instance, choices.plan(chosen)).objective
    for device, choice in itertools.product(range(5), range(len(choices.split))):
        other = chosen.copy()
        other[device] = choice
        if np.isfinite(choices.base[device, choice]):
            value = evaluate(instance, choices.plan(other)).objective
            assert value >= cost * (1 - 1e-12)


def test_vectors_and_choices():
    choices = choices_of(library.load("mepra-tiny-free-mixed"))
    decoder = mepra_pymoo._Decoder(choices)
    rng = np.random.default_rng(2)
    for _ in range(50):
        chosen = decoder.decode(rng.random(len(choices.base)))
        assert np.isfinite(choices.base[np.arange(len(chosen)), chosen]).all()
        assert decoder.decode(decoder.encode(chosen)).tolist() == chosen.tolist()


def test_limits():
    instance = library.load("mepra-quick-scarce")
    result = mepra_pymoo.METHOD.solve(
        instance, Budget(0.2), 0, {"generations": 10**6, "patience": 10**6}
    )
    assert result.termination is Termination.TIME
    many = generate("mepra-fleet", 1, devices=10_001, layers=3)
    assert "10001 devices" in mepra_pymoo.METHOD.supports(many).reason
    assert mepra_local_search.METHOD.supports(many)
    found = mepra_local_search.METHOD.solve(many, Budget(), 0, {"restarts": 1})
    bound = load("lagrangian", "mepra").solve(many, Budget(), 0, {}).bound
    assert found.objective == pytest.approx(bound, rel=1e-6)
