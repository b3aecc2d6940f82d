"""Baselines of MEPRA against enumerations over the judge's own figures."""

import itertools

import numpy as np
import pytest

from splitopt.heuristics.baselines.mepra.data import device_chunks
from splitopt.heuristics.baselines.mepra.even import DEVICE_ONLY, EDGE_ONLY, EVEN_SHARES
from splitopt.heuristics.baselines.mepra.exits import best_exits
from splitopt.heuristics.baselines.mepra.random import METHOD as RANDOM
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.judge import check, evaluate
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights
from splitopt.instances.networks.profiles import Layer, MultiExitProfile


def small_instance(seed: int, *, free: bool, devices: int = 2) -> MepraInstance:
    """Networks of three and two layers, so that padding is at work."""
    rng = np.random.default_rng(seed)

    def network(name: str, layers: int) -> MultiExitProfile:
        return MultiExitProfile(
            name,
            float(rng.integers(1, 9)) * 1e5,
            tuple(
                Layer(
                    f"l{j}",
                    float(rng.integers(0, 9)) * 1e8,
                    float(rng.integers(0, 3)) * 1e6,
                    float(rng.integers(1, 9)) * 5e4,
                )
                for j in range(layers)
            ),
        )

    lengths = [3, 2]
    profile = rng.integers(2, size=devices)
    rows = [[20.0, 30.0, 50.0], [60.0, 40.0]]
    fixed = [[0b111, 0b101, 0b100], [0b11, 0b10, 0b10]]
    return MepraInstance(
        f"small-{seed}",
        float(rng.choice([2e9, 2e10])),
        float(rng.choice([1e6, 2e7])),
        1.0,
        float(rng.choice([0.0, 0.5])),
        tuple(network(f"n{k}", length) for k, length in enumerate(lengths)),
        ExitFractions.of(rows, 100.0),
        rng.choice([1e9, 5e9], size=devices),
        rng.choice([2.0, 9.0], size=devices),
        rng.choice([0.5, 1.5], size=devices),
        profile,
        profile,
        None
        if free
        else np.array([fixed[k][int(rng.integers(3))] for k in profile.tolist()], dtype=np.int64),
    )


def decisions(instance: MepraInstance):
    """Every vector of splits, and of exit sets where they are free."""
    layers = instance.layers[instance.profile].tolist()
    splits = [range(length + 1) for length in layers]
    if instance.exit_set is not None:
        for vector in itertools.product(*splits):
            yield np.array(vector), None
        return
    sets = [[bits for bits in range(1 << n) if bits >> (n - 1)] for n in layers]
    for vector in itertools.product(*splits):
        for exits in itertools.product(*sets):
            yield np.array(vector), np.array(exits)


def least(instance: MepraInstance, keep) -> float:
    even = shares_from_weights(np.ones(instance.devices))
    return min(
        evaluate(instance, MepraPlan(splits, even, exits)).objective
        for splits, exits in decisions(instance)
        if keep(splits)
    )


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_restricted_optima(seed, free):
    instance = small_instance(seed, free=free)
    layers = instance.layers[instance.profile]
    for method, keep in (
        (DEVICE_ONLY, lambda s: (s == layers).all()),
        (EDGE_ONLY, lambda s: (s == 0).all()),
        (EVEN_SHARES, lambda s: True),
    ):
        result = method.solve(instance, Budget(), 0, {})
        assert result.status is SolutionStatus.FEASIBLE
        assert check(instance, result.plan) == []
        assert result.objective == pytest.approx(least(instance, keep), rel=1e-12)


@pytest.mark.parametrize("free", [False, True])
def test_random_improves_with_samples_and_is_seeded(free):
    instance = small_instance(4, free=free, devices=6)
    one = RANDOM.solve(instance, Budget(), 9, {"samples": 1})
    many = RANDOM.solve(instance, Budget(), 9, {"samples": 50})
    again = RANDOM.solve(instance, Budget(), 9, {"samples": 50})
    assert many.objective <= one.objective
    assert many.objective == again.objective
    assert check(instance, many.plan) == []
    # What the baseline believes is what the judge says.
    assert many.trajectory[-1].objective == pytest.approx(many.objective, rel=1e-12)


def test_best_exits_by_hand():
    """One device, two layers, split behind the first, share a half.

    Layer 1: 1e9 FLOP on a 1 GFLOP/s device, layer 2: 1e9 FLOP on a 10 GFLOP/s edge, so 0.2 s
    at a half share; 1e6 bits at 1 Mbit/s take 1 s. With half of the tasks leaving at exit 1,
    whose branch takes 0.1 s: 1 + 0.1 + 0.5 * (1 + 0.2) = 1.7 s. Without exit 1: 1 + 1 + 0.2 s.
    """
    instance = MepraInstance(
        "hand",
        1e10,
        1e6,
        1.0,
        0.0,
        (MultiExitProfile("n", 5e6, (Layer("a", 1e9, 1e8, 1e6), Layer("b", 1e9, 0, 1))),),
        ExitFractions.of([[0.5, 0.5]]),
        np.array([1e9]),
        np.array([1.0]),
        np.array([1.0]),
        np.array([0]),
        np.array([0]),
    )
    (devices,) = device_chunks(instance)
    cost, exits = best_exits(devices, np.array([1]), 0.5)
    assert cost.tolist() == pytest.approx([1.7])
    assert exits.tolist() == [0b11]
    # A branch of 0.7 s on the device costs more than the 0.6 s it saves.
    dear = instance.profiles[0].layers[0]
    layers = (Layer("a", dear.flops, 7e8, dear.activation_bits), instance.profiles[0].layers[1])
    (devices,) = device_chunks(instance.replace(profiles=(MultiExitProfile("n", 5e6, layers),)))
    cost, exits = best_exits(devices, np.array([1]), 0.5)
    assert cost.tolist() == pytest.approx([2.2])
    assert exits.tolist() == [0b10]


def test_chunks_do_not_change_the_plan():
    instance = small_instance(1, free=True, devices=9)
    whole = [d.local_price for d in device_chunks(instance)]
    parts = [d.local_price for d in device_chunks(instance, size=4)]
    assert np.concatenate(parts).tolist() == whole[0].tolist()


def test_no_time_left():
    instance = small_instance(1, free=False)
    for method in (EVEN_SHARES, RANDOM):
        result = method.solve(instance, Budget(time_limit_s=0.0), 0, {})
        assert (result.termination, result.status) == (Termination.TIME, SolutionStatus.NONE)
