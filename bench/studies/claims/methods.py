"""The article's methods at many prices at once, for the grid.

The same decisions as the registered methods', with one difference: where an ant colony sets exits,
the exact best exits stand in for what it finds. On the default sweep both are computed and
compared. ACO-DRL is the ideal one: ACO-EAR's exits, and for these the proven optimum over splits
and shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from splitopt.bench.studies.claims.optimum import least_cost
from splitopt.bench.studies.claims.scenes import Choice, Points, Scene, Works, figures, works
from splitopt.bench.studies.claims.statements import ACO, DEVICE, EDGE, FIXED, OURS, SPINN
from splitopt.heuristics.baselines.mepra.exit_rules import spinn_exits
from splitopt.heuristics.baselines.mepra.exits import ExitOptions

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
FREE_OPTIMUM = "optimum-free-exits"
# As in the article: where FP-AR cuts, and how many allocations it tries.
FIXED_SPLIT = 6
ALLOCATIONS = 1000


@dataclass(frozen=True, eq=False, slots=True)
class Menu:
    """Exit sets that the methods of a scene can take, and what each split costs with each.

    Attributes
    ----------
    options
        All useful pairs of split and exits, whatever the level of the axis ``exits``.
    chooses
        Whether each ACO method chooses among the sets of the options; else there is one set.
    by_set
        Figures by device, exit set and split, shape (n, m, L + 1).
    whole
        Which set is best for the network in one place, shape (n,).
    spinn
        Figures by split under SPINN's rule, shape (n, L + 1).
    """

    scene: Scene
    options: ExitOptions
    chooses: bool
    by_set: Works
    whole: Integers
    spinn: Works


def menu_of(scene: Scene, options: ExitOptions, exits: str) -> Menu:
    """Return the menu for a level of the axis ``exits``; `options` are those of the scene."""
    devices = scene.devices
    n, most = devices.count, devices.most
    at_end = options.split == devices.layers[:, None]
    whole = np.where(at_end, options.local_flop, np.inf).argmin(axis=1)
    if exits == "own":
        # Padding is never taken; any set does for its figures.
        sets = np.where(options.exit_set > 0, options.exit_set, options.exit_set[:, :1])
    elif exits == "common":
        sets = options.exit_set[np.arange(n), whole][:, None]
    elif exits == "all":
        sets = ((np.int64(1) << devices.layers) - 1)[:, None]
    else:
        sets = np.full((n, 1), scene.quarters, dtype=np.int64)
    m = sets.shape[1]
    by_set = works(devices.repeated(m), sets.T.ravel()).each(
        lambda x: np.ascontiguousarray(x.reshape(m, n, most + 1).transpose(1, 0, 2))
    )
    return Menu(
        scene,
        options,
        exits == "own",
        by_set,
        whole if exits == "own" else np.zeros(n, dtype=np.int64),
        works(devices, spinn_exits(devices)),
    )


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """Figures by method and measure, shape (K,), and how many splits are inside the network.

    Attributes
    ----------
    interior
        Share of the ideal ACO-DRL's splits that cut inside the network, shape (K,).
    """

    figures: dict[str, dict[str, Floats]]
    interior: Floats


@dataclass(frozen=True, eq=False, slots=True)
class _Prices:
    """Prices of a scene at K points, shaped (K, n, 1) or (K, 1, 1)."""

    local: Floats
    sent: Floats
    edge: Floats

    def own(self, given: Works) -> Floats:
        """Return the cost without the edge's time, shape (K, n, m)."""
        cost: Floats = self.local * given.local_flop + self.sent * given.sent_bits
        return cost

    def even(self, given: Works) -> Floats:
        """Return the cost at even shares, shape (K, n, m)."""
        devices = self.local.shape[1]
        cost: Floats = self.own(given) + devices * self.edge * given.edge_flop
        return cost

    def cheapest(self, given: Works) -> Integers:
        """Return the best position of the last axis at even shares, shape (K, n)."""
        found: Integers = self.even(given).argmin(axis=2)
        return found

    def optimal(self, given: Works) -> Integers:
        """Return the positions of the optimum over splits and shares, shape (K, n)."""
        return least_cost(self.own(given), np.sqrt(self.edge * given.edge_flop))[1]


def run(menu: Menu, points: Points, seed: int, *, free_optimum: bool = False) -> Outcome:
    """Return the figures of all methods of a scene at all points.

    Parameters
    ----------
    seed
        Of FP-AR's allocations, which are the same at all points.
    free_optimum
        Whether to add the optimum over splits, exits and shares.
    """
    scene = menu.scene
    prices = _Prices(
        points.local_price(scene)[:, :, None],
        points.sent_price(scene)[:, :, None],
        1.0 / points.edge_capacity_flop_per_s[:, None, None],
    )
    shape = (len(points.energy_weight), scene.devices.count)
    layers = np.broadcast_to(scene.devices.layers, shape)
    even = np.full(shape, 1.0 / scene.devices.count)
    found: dict[str, dict[str, Floats]] = {}

    def keep(name: str, split: Integers, given: Works, share: Floats) -> None:
        found[name] = figures(scene, points, Choice(split, given, share))

    whole = menu.by_set.each(lambda x: x[np.arange(shape[1]), menu.whole])
    keep(DEVICE, layers, whole.taken(layers), even)
    keep(EDGE, np.zeros_like(layers), whole.taken(np.zeros_like(layers)), even)
    split = prices.cheapest(menu.spinn)
    keep(SPINN, split, menu.spinn.taken(split), even)
    mine = _under(menu, _sets(menu, prices, None))
    split = prices.cheapest(mine)
    keep(ACO, split, mine.taken(split), even)
    fixed = np.minimum(layers, FIXED_SPLIT)
    given = _under(menu, _sets(menu, prices, FIXED_SPLIT)).taken(fixed)
    keep(FIXED, fixed, given, _drawn(given.edge_flop, seed))
    split = prices.optimal(mine)
    given = mine.taken(split)
    keep(OURS, split, given, _by_roots(given.edge_flop))
    inside = ((split > 0) & (split < layers)).mean(axis=1)
    if free_optimum:
        o = menu.options
        every = Works(o.local_flop, o.sent_bits, o.edge_flop)
        option = prices.optimal(every)
        given = every.taken(option)
        keep(FREE_OPTIMUM, o.split[np.arange(shape[1]), option], given, _by_roots(given.edge_flop))
    return Outcome(found, inside)


def _sets(menu: Menu, prices: _Prices, split: int | None) -> Integers:
    """Return the exit set that is best at even shares for any split, or one, shape (K, n)."""
    if not menu.chooses:
        return np.zeros(prices.local.shape[:2], dtype=np.int64)
    o = menu.options
    local = o.local_flop
    if split is not None:
        wanted = np.minimum(menu.scene.devices.layers, split)[:, None]
        local = np.where(o.split == wanted, local, np.inf)
    return prices.cheapest(Works(local, o.sent_bits, o.edge_flop))


def _under(menu: Menu, sets: Integers) -> Works:
    """Return the figures by split under the exit sets taken, shape (K, n, L + 1)."""
    return menu.by_set.each(lambda x: x[np.arange(x.shape[0]), sets])


def _by_roots(edge_flop: Floats) -> Floats:
    """Return the best shares, proportional to the roots of the edge work, shape (K, n)."""
    root = np.sqrt(edge_flop)
    total = root.sum(axis=1, keepdims=True)
    shares: Floats = root / np.where(total > 0, total, 1.0)
    return shares


def _drawn(edge_flop: Floats, seed: int) -> Floats:
    """Return the best of `ALLOCATIONS` allocations for each row, the even one among them.

    A split at 6 leaves edge work to every device of more layers, so each needs a share.
    """
    shares = _allocations(edge_flop.shape[1], seed)
    best = (edge_flop @ (1.0 / shares).T).argmin(axis=1)
    found: Floats = shares[best]
    return found


@lru_cache(maxsize=8)
def _allocations(devices: int, seed: int) -> Floats:
    drawn = np.random.default_rng(seed).exponential(size=(ALLOCATIONS, devices))
    drawn[0] = 1.0
    shares: Floats = drawn / drawn.sum(axis=1, keepdims=True)
    return shares
