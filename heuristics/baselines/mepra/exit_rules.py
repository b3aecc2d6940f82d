"""Two ways to set exits that the article compares: an even rule, and an ant colony.

**SPINN's rule** (Laskaridis et al., MobiCom 2020): an exit each 15 % of the network's FLOPs, and
the last.

**Ant colony.** The article's "ACO" is not expanded there; we read it as ant colony optimisation of
the exit set. A set of exits is a path 0 -> first exit -> ... -> L. An ant at exit k goes on to l
with probability proportional to t_kl h_kl^beta: pheromone times visibility, the inverse work of the
step,

    1 / h_kl = F_{k+1} + ... + F_l + G_l     (relative to the least from k),

as in every ant system since the first (Dorigo, Maniezzo, Colorni, IEEE Trans. SMC B 26(1), 1996).
After each iteration the pheromone moves towards the best path so far,

    t_kl <- (1 - r) t_kl + r [k -> l on the best path],     kept within [LOWEST, 1],

the hyper-cube framework (Blum and Dorigo, IEEE Trans. SMC B 34(2), 2004) with the best-so-far
update. Each device has a colony of its own, since with the shares given devices are independent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.baselines.mepra.data import Devices

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
SPINN_SHARE = 0.15
LOWEST = 0.02
MOST_ROWS = 200_000  # devices times ants judged at once


def spinn_exits(devices: Devices) -> Integers:
    """Return an exit behind the layer that reaches 15, 30, ..., 90 % of the FLOPs, and the last.

    Returns
    -------
    Exits as bits, int64, shape (n,).
    """
    done = np.cumsum(devices.flops, axis=1)
    whole = np.maximum(done[:, -1:], np.finfo(float).tiny)
    # How many steps of 15 % lie at or below what is done; rounding must not lose a step.
    steps = np.floor(done / whole / SPINN_SHARE + 1e-9)
    reached = np.diff(steps, axis=1, prepend=0.0) > 0
    layer = np.arange(devices.most)
    inside = layer[None, :] < devices.layers[:, None]
    bits = np.where(reached & inside, np.int64(1) << layer[None, :], 0).sum(axis=1)
    last: Integers = np.int64(1) << (devices.layers - 1)
    exits: Integers = bits.astype(np.int64) | last
    return exits


class Colony(NamedTuple):
    """Ants an iteration, iterations, r in (0, 1], and beta >= 0."""

    ants: int
    iterations: int
    evaporation: float
    visibility: float


def colony_exits(
    devices: Devices,
    cost_of: Callable[[Devices, Integers], Floats],
    rng: np.random.Generator,
    colony: Colony,
    stop: Callable[[], bool],
) -> Integers:
    """Return the best exits that each device's colony found, as bits, shape (n,).

    Parameters
    ----------
    cost_of
        Cost of each device for exits given as bits; called with several copies of the devices,
        one after the other, so that many ants are judged at once.
    stop
        Asked after each iteration.
    """
    n, most, ants = devices.count, devices.most, colony.ants
    everyone = np.arange(n)
    pheromone = np.ones((n, most + 1, most + 1))
    # What is on no path: back, beyond the last layer, or out of it.
    place = np.arange(most + 1)
    allowed = (place[None, :] > place[:, None])[None] & (
        place[None, None, :] <= devices.layers[:, None, None]
    )
    seen = _visibility(devices) ** colony.visibility
    best = np.int64(1) << (devices.layers - 1)
    best_cost = cost_of(devices, best)
    batch = max(1, min(ants, MOST_ROWS // n))
    crowds = {size: devices.repeated(size) for size in {batch, ants % batch or batch}}
    for _ in range(colony.iterations):
        weights = np.where(allowed, pheromone * seen, 0.0)
        for start in range(0, ants, batch):
            size = min(batch, ants - start)
            exits = _walk(crowds[size], weights, rng)
            cost = cost_of(crowds[size], exits).reshape(size, n)
            ant = np.argmin(cost, axis=0)
            better = cost[ant, everyone] < best_cost
            best = np.where(better, exits.reshape(size, n)[ant, everyone], best)
            best_cost = np.where(better, cost[ant, everyone], best_cost)
        pheromone *= 1.0 - colony.evaporation
        here = np.zeros(n, dtype=np.int64)
        for exit_ in range(1, most + 1):
            on = (best >> (exit_ - 1)) & 1 == 1
            pheromone[everyone[on], here[on], exit_] += colony.evaporation
            here = np.where(on, exit_, here)
        np.clip(pheromone, LOWEST, 1.0, out=pheromone)
        if stop():
            break
    return best


def _visibility(devices: Devices) -> Floats:
    """Return h_kl relative to the largest from k, in (0, 1], shape (n, L + 1, L + 1).

    A step without work is as visible as can be; where there is no step the figure means nothing.
    """
    n, most = devices.count, devices.most
    done = np.zeros((n, most + 1))
    np.cumsum(devices.flops, axis=1, out=done[:, 1:])
    work = done[:, None, :] - done[:, :, None]
    work[:, :, 1:] += devices.branch_flops[:, None, :]
    place = np.arange(most + 1)
    ahead = place[None, :] > place[:, None]
    least = np.where(ahead, work, np.inf).min(axis=2, keepdims=True)
    # The last row has no step: its least is infinite.
    least = np.where(np.isfinite(least), np.maximum(least, 1.0), 1.0)
    found: Floats = np.minimum(1.0, least / np.maximum(work, least))
    return found


def _walk(devices: Devices, weights: Floats, rng: np.random.Generator) -> Integers:
    """Return one ant's exits for each device; weights repeat over copies of the devices."""
    n = devices.count
    row = np.arange(n) % len(weights)
    here = np.zeros(n, dtype=np.int64)
    exits = np.zeros(n, dtype=np.int64)
    while True:
        walking = here < devices.layers
        if not bool(walking.any()):
            return exits
        drawn = rng.random(n)
        reach = np.cumsum(weights[row, here], axis=1)
        # The first place whose cumulated weight exceeds the draw; the last one with weight if
        # rounding leaves none.
        ahead = np.argmax(reach > (drawn * reach[:, -1])[:, None], axis=1)
        ahead = np.where(ahead > here, ahead, devices.layers)
        here = np.where(walking, ahead, here)
        exits |= np.where(walking, np.int64(1) << np.maximum(here - 1, 0), 0)
