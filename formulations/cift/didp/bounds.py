"""Lower bounds on what is left to do, at prices of both deadlines: one sweep over the nodes.

At prices (lambda, mu) a plan costs E + lambda T_inf + mu T_ft. What is left of it costs at least::

    placed(n, L) = 0
    placed(n, b) = min over links n -> m of  H(n, m, b) + arrived(m, b)                  b < L
    arrived(n, b) = min( placed(n, b) if b < L,
                         min over b < j <= reach of  S(n, j) - S(n, b) + placed(n, j) )

with S(n, b) the sum over the first b blocks of what each costs at its cheapest level in serving
plus the same in fine-tuning. A host has one level a phase, so this is a bound, exact where one
level is cheapest for every block. All configurations are swept at once.

Of a graph b and j are downsets, j a superset that n can host. A throughput closes segments and
hops; that it rules out slow levels is left aside here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitopt.formulations.cift.didp.figures import Figures, Level
from splitopt.instances.core.arrays import Floats

FAR = 2.0**60  # stands for infinity
_ROUNDS = 30
_CLOSE = 1e-4  # relative; closer prices prune no more
_DEAREST = 1e3  # prices of a whole deadline, in least energies
_BOX = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
_SLACK = 2.0**-42  # more than the rounding of a few hundred sums, relative to a plan's figures


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left costs at least, at prices of the deadlines.

    Attributes
    ----------
    prices
        Of T_inf and T_ft for each configuration, (2, G).
    serve, tune
        Cheapest sums over the first b blocks, (G, N, B + 1).
    arrived, placed
        By configuration, node and blocks done, (G, N, B + 1).
    start
        Least of each configuration, (G,). These three are lowered by what rounding may have added;
        at prices of nothing, or of one time alone, they are exact.
    times
        T_inf and T_ft of what has it, (2, G).
    """

    prices: Floats
    serve: Floats
    tune: Floats
    arrived: Floats
    placed: Floats
    start: Floats
    times: Floats

    def bound(self, data: Figures) -> Floats:
        """Return a lower bound on the energy of each configuration, (G,)."""
        limits = np.where(np.isfinite(data.limits), data.limits, 0.0)
        return self.start - limits @ self.prices


def _cheapest(levels: list[Level] | tuple[Level, ...], price: Floats, energy: float) -> Floats:
    """Return the cheapest terms of each block, stacked with the times they take, (2, G, N, B)."""
    steps = [level.terms for level in levels]
    costs = np.stack([energy * e + price[:, None, None] * s for e, s in steps])
    best = costs.argmin(axis=0)[None]
    seconds = np.stack([s for _, s in steps])
    return np.stack([np.take_along_axis(part, best, axis=0)[0] for part in (costs, seconds)])


def rest(data: Figures, prices: Floats, energy: float = 1.0) -> Rest:
    """Return the bounds at `prices`, (2, G); `energy` 0 leaves the energy out."""
    G, N, width = data.shape
    counted, sums = np.isfinite(data.limits), data.states.sums
    serve = np.stack([sums(p) for p in _cheapest(list(data.levels[0]), prices[0], energy)])
    tune = np.stack([sums(p) for p in _cheapest(list(data.levels[1]), prices[1], energy)])
    tune *= data.trained[None, :, None, None]
    total = serve[0] + tune[0]
    placed, arrived = np.full((2, G, N, width), FAR)
    spent_placed, spent_arrived = np.zeros((2, 2, G, N, width))
    b = np.arange(width)
    last = data.states.last[:, None]
    cuttable = b < last
    for n in data.order:
        here = np.where(b == last, 0.0, FAR)
        spent = np.zeros((2, G, width))
        for k in range(data.degree[n]):
            hop = data.hops[k]
            m = hop.heads[n]
            cost = energy * hop.energy[:, n] + arrived[:, m]
            used = [hop.latency[:, n], hop.time[:, n]]
            for d in (0, 1):
                if counted[d]:
                    cost = cost + prices[d][:, None] * used[d]
            better = cuttable & (cost < here)
            if hop.wide is not None:
                better &= hop.wide[:, n]
            here = np.where(better, cost, here)
            for d in (0, 1):
                spent[d] = np.where(better, used[d] + spent_arrived[d, :, m], spent[d])
        placed[:, n], spent_placed[:, :, n] = here, spent
        # Segments from b to j.
        gained = total[:, n, None, :] - total[:, n, :, None] + here[:, None, :]
        allowed = (b[None, None, :] > b[None, :, None]) & (b <= data.reach[:, n, :, None])
        if data.segments is not None:
            allowed = data.segments.levels[data.segments.kind[:, n]] > 0
        gained = np.where(allowed, gained, FAR)
        end = gained.argmin(axis=2)
        least = np.take_along_axis(gained, end[:, :, None], axis=2)[:, :, 0]
        relay = cuttable & (here <= least)
        arrived[:, n] = np.minimum(np.where(relay, here, least), FAR)
        for d, taken in ((0, serve[1]), (1, tune[1])):
            run = np.take_along_axis(taken[:, n], end, axis=1) - taken[:, n]
            run += np.take_along_axis(spent[d], end, axis=1)
            spent_arrived[d, :, n] = np.where(relay, spent[d], run)
    if energy and prices.any():
        less = _SLACK * (data.cap + np.where(counted, data.limits, 0.0) @ prices)[:, None, None]
        arrived, placed = arrived - less, placed - less
    at = (np.arange(G), data.source, 0)
    return Rest(
        prices, serve[0], tune[0], arrived, placed, arrived[at], spent_arrived[(slice(None), *at)]
    )


def best_prices(data: Figures, enough: float) -> tuple[Rest, Floats]:
    """Return the bounds at the highest prices found for each configuration, and how high they are.

    The bound is concave in the prices and each plan met gives a plane above it: cutting planes.
    The highest point under them lies on the newest and two others, or a price of nothing. A
    configuration whose bound is `enough` is done with.
    """
    limits = np.where(np.isfinite(data.limits), data.limits, 0.0)
    least = rest(data, np.zeros((2, len(data.chosen))))
    # Prices x are in energy for a whole deadline.
    unit = np.where(limits > 0, 1.0 / np.maximum(limits, 1.0), 0.0)[:, None]
    most = np.maximum(least.start, 1.0)[:, None] * np.where(limits > 0, _DEAREST, 0.0)
    prices = best = np.zeros((len(data.chosen), 2))
    cuts: list[tuple[Floats, Floats]] = []
    found, highest = least, least.bound(data)
    for _ in range(_ROUNDS):
        bound = found.bound(data)
        better = bound > highest
        best = np.where(better[:, None], prices, best)
        highest = np.maximum(highest, bound)
        over = found.times.T * unit.T - (limits > 0)
        over = np.where(most > 0, over, 0.0)
        cuts.append((bound - (prices * over).sum(axis=1), over))
        prices, top = _highest(cuts, most)
        if ((top - highest <= _CLOSE * np.abs(highest)) | (highest >= enough)).all():
            break
        found = rest(data, (prices * unit.T).T)
    return rest(data, (best * unit.T).T), highest


def _highest(cuts: list[tuple[Floats, Floats]], most: Floats) -> tuple[Floats, Floats]:
    """Return where the least of ``c + s x`` is highest, 0 <= x <= most, and how high, by vertices.

    Of each configuration: x is (G, 2), the last cut is one of those that are equal there.
    """
    G = len(most)
    constant = np.stack([c for c, _ in cuts], axis=1)  # (G, k)
    slope = np.stack([s for _, s in cuts], axis=1)  # (G, k, 2)
    # Rows a x = b that may hold beside the last cut: equal to another cut, or an end of the box.
    rows = np.concatenate([slope[:, :-1] - slope[:, -1:], np.broadcast_to(_BOX, (G, 4, 2))], axis=1)
    right = np.concatenate([constant[:, -1:] - constant[:, :-1], np.zeros((G, 2)), most], axis=1)
    one, two = np.triu_indices(rows.shape[1], 1)
    a, b, c, d = rows[:, one, 0], rows[:, one, 1], rows[:, two, 0], rows[:, two, 1]
    det = a * d - b * c
    size = np.abs(a * d) + np.abs(b * c)
    fine = np.abs(det) > 1e-12 * size
    det = np.where(fine, det, 1.0)
    p, q = right[:, one], right[:, two]
    points = np.stack([(p * d - b * q) / det, (a * q - p * c) / det], axis=2)  # (G, pairs, 2)
    inside = (points >= -1e-9 * most[:, None]) & (points <= (1 + 1e-9) * most[:, None])
    points = np.clip(points, 0.0, most[:, None])
    heights = constant[:, None, :] + np.einsum("gpd,gkd->gpk", points, slope)
    height = np.where(fine & inside.all(axis=2), heights.min(axis=2), -np.inf)
    at = height.argmax(axis=1)
    return points[np.arange(G), at], height[np.arange(G), at]
