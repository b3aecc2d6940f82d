"""Speeds of one phase at a fixed placement, against enumeration and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from splitopt.heuristics.jqodi.cift.network import Network
from splitopt.heuristics.jqodi.cift.phase import phase_bound, phase_optimum
from splitopt.heuristics.jqodi.cift.speeds import Phase, phase_speeds


def network(levels: list[tuple[float, ...]], kappa: list[float], rho: list[float]) -> Network:
    """Return nodes without links; two levels with a gap in between stand for an interval."""
    sizes = [len(of_node) for of_node in levels]
    speed = np.array([f for of_node in levels for f in of_node])
    k, r = np.array(kappa), np.array(rho)
    none = np.empty(0)
    return Network(
        np.zeros(len(levels) + 1, np.int64),
        np.empty(0, np.int64),
        none,
        none,
        none,
        k,
        r,
        np.array([of_node[0] for of_node in levels]),
        np.array([of_node[-1] for of_node in levels]),
        np.ones(len(levels), np.bool_),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        speed,
        1 / speed,
        np.repeat(k, sizes) * speed**2 + np.repeat(r, sizes) / speed,
    )


@pytest.mark.parametrize("seed", range(60))
def test_listed_phase_is_solved_and_bounded(seed: int) -> None:
    rng = np.random.default_rng([4, seed])
    hosts = int(rng.integers(1, 5))
    levels = [
        tuple(np.cumsum(rng.integers(1, 9, int(rng.integers(1, 5)))).astype(float).tolist())
        for _ in range(hosts)
    ]
    kappa, rho = rng.uniform(0, 1, hosts), rng.uniform(0, 50, hosts) * (rng.random(hosts) < 0.7)
    net = network(levels, kappa.tolist(), rho.tolist())
    works = rng.integers(0, 9, hosts).astype(float)
    a, c = float(rng.choice([0.0, 1.0, 30.0])), float(rng.choice([1.0, 7.0]))
    slowest = sum(c * w / f[0] for w, f in zip(works, levels, strict=True))
    fastest = sum(c * w / f[-1] for w, f in zip(works, levels, strict=True))
    room = fastest + float(rng.choice([-0.1, 0.0, 0.2, 0.5, 1.0])) * (slowest - fastest + 1e-3)
    best = math.inf
    for chosen in itertools.product(*levels):
        time = sum(c * w / f for w, f in zip(works, chosen, strict=True))
        if time <= room * (1 + 1e-15):
            energy = sum(
                a * w * (k * f * f + r / f)
                for w, f, k, r in zip(works, chosen, kappa, rho, strict=True)
            )
            best = min(best, energy)
    phase = Phase(np.arange(hosts), works, np.zeros(hosts), a, c)
    room *= 1 + 1e-15
    energy, speed, price = phase_speeds(net, phase, room)
    if best == math.inf:
        assert energy == math.inf
        return
    assert energy >= best * (1 - 1e-12)
    bound = min(phase_bound(net, phase, room, price), energy)
    assert bound <= best * (1 + 1e-12)
    energy, bound, solved = phase_optimum(
        net,
        phase,
        room,
        room,
        energy,
        speed,
        price,
        bound,
        math.inf,
        1000,
    )
    assert solved
    assert energy == pytest.approx(best, rel=1e-12, abs=1e-300)
    assert bound == pytest.approx(best, rel=1e-12, abs=1e-300)
    assert sum(c * w / f for w, f in zip(works, speed, strict=True)) <= room * (1 + 1e-12)


def test_continuous_hosts_share_one_multiplier() -> None:
    # kappa = 1, rho = 0, w = 1 and 8: l = 2 f^3 for both, so equal speeds, f = 9 / room.
    net = network([(0.1, 100.0)] * 2, [1.0, 1.0], [0.0, 0.0])
    net = net._replace(listed=np.zeros(2, np.bool_), first_level=np.zeros(3, np.int64))
    phase = Phase(np.arange(2), np.array([1.0, 8.0]), np.zeros(2), 1.0, 1.0)
    energy, speed, price = phase_speeds(net, phase, 3.0)
    assert speed == pytest.approx([3.0, 3.0], rel=1e-9)
    assert energy == pytest.approx(9 * 9.0, rel=1e-9)
    assert price == pytest.approx(2 * 27.0, rel=1e-9)
    assert phase_bound(net, phase, 3.0, price) == pytest.approx(81.0, rel=1e-9)


def test_a_host_at_its_fastest_leaves_the_rest_to_the_other() -> None:
    # The first host stops at speed 2 (1 s of 3): the other needs 8 / 2 = 4 FLOP/s.
    net = network([(0.1, 2.0), (0.1, 100.0)], [1.0, 1.0], [0.0, 0.0])
    net = net._replace(listed=np.zeros(2, np.bool_), first_level=np.zeros(3, np.int64))
    phase = Phase(np.arange(2), np.array([2.0, 8.0]), np.zeros(2), 1.0, 1.0)
    _, speed, _ = phase_speeds(net, phase, 3.0)
    assert speed == pytest.approx([2.0, 4.0], rel=1e-9)
