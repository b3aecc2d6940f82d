"""CIFT by Pareto fronts, built backwards: a dynamic program over the acyclic network.

For each configuration and each state (b, n), what b blocks leave behind has just arrived at node n,
the front holds every triple (E, T_inf, T_ft) in which the rest of the plan can be done and that no
other matches in all three. With H the hops' triples and S those of blocks b+1..j on n at a pair of
speeds::

    placed(j, n)  = nd( union over links n -> m of  H(n, m, j) + front(j, m) ),   placed(L, n) = {0}
    front(b, n)   = nd( placed(b, n)  +  union over j > b, speeds of  S(b, j, n) + placed(j, n) )

Nodes are taken heads before tails. A relay is the first term; since a hosted segment leads to
`placed`, no node hosts two. The optimum is the least E in front(0, source) within the deadlines.

What is left out: triples that, with the least of the way from the source, miss a deadline, or cost
more than the best plan known, in energy alone and at the prices of the configuration's Lagrangian
bound (`splitopt.formulations.cift.fronts.bounds`). A first pass keeps the few cheapest triples a
state and gives that plan; the second keeps all and is the proof.

It shares no code with the label programs of `heuristics`, runs in the other direction, and trims
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from splitopt.formulations.cift.exact import ListedSpeeds
from splitopt.formulations.cift.fronts.bounds import highest, least
from splitopt.formulations.cift.fronts.chain import LATE, Chain, chain_of, topological
from splitopt.formulations.cift.fronts.filter import first_of_kind
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.instances.cift.model import BEYOND
from splitopt.instances.cift.plan import CiftPlan, Stop, stop_between
from splitopt.instances.contract.method import Result, Termination
from splitopt.instances.core.arrays import Floats, Ints

_ROUNDING = 1e-11  # of sums of a few hundred products
_FEW = 24  # triples a state in the first pass
_MOST_TRIPLES = 20_000_000


class _OutOfTimeError(Exception):
    """The time is up."""


class _TooManyError(Exception):
    """More triples than fit."""


@dataclass(slots=True)
class _Front:
    """Triples, shape (3, size), and where each came from: two integers, shape (2, size)."""

    cost: Floats
    origin: Ints

    @property
    def size(self) -> int:
        return int(self.cost.shape[1])


def _empty() -> _Front:
    return _Front(np.empty((3, 0)), np.empty((2, 0), dtype=np.int64))


def _joined(parts: Sequence[_Front]) -> _Front:
    if not parts:
        return _empty()
    return _Front(
        np.concatenate([part.cost for part in parts], axis=1),
        np.concatenate([part.origin for part in parts], axis=1),
    )


def _undominated(front: _Front) -> _Front:
    """Return the triples that no other matches, one of each."""
    order = np.lexsort((front.cost[2], front.cost[1], front.cost[0]))
    cost, origin = front.cost[:, order], front.origin[:, order]
    kept = first_of_kind(np.ascontiguousarray(cost[1]), np.ascontiguousarray(cost[2]))
    return _Front(cost[:, kept], origin[:, kept])


@dataclass
class _Pass:
    """One pass over one configuration.

    Attributes
    ----------
    ahead
        Least of coming to each state from the source, (L, nodes): in energy, in each time, and
        at the Lagrangian prices.
    most
        Triples kept a state; None for all.
    """

    chain: Chain
    order: Sequence[int]
    prices: Floats
    ahead: Sequence[Floats]
    best: Incumbent
    most: int | None
    fronts: dict[tuple[int, int], _Front] = field(default_factory=dict)
    placed: dict[tuple[int, int], _Front] = field(default_factory=dict)
    triples: int = 0
    cut: bool = False

    def run(self) -> None:
        """Fill the fronts of all states, heads of links before their tails."""
        for n in reversed(self.order):
            if not np.isfinite(self.ahead[0][:, n]).any():
                continue
            self._node(n)

    def _node(self, n: int) -> None:
        chain = self.chain
        zero = _Front(np.zeros((3, 1)), np.full((2, 1), -1, dtype=np.int64))
        for j in range(chain.blocks):
            parts = []
            for number, hop in enumerate(chain.hops[n]):
                there = self.fronts.get((j, hop.head))
                if there is not None and there.size and math.isfinite(hop.cost[0, j]):
                    origin = np.stack([np.full(there.size, number), np.arange(there.size)])
                    parts.append(_Front(there.cost + hop.cost[:, j : j + 1], origin))
            # No state before this one is cheaper to come by than the cheapest up to here.
            before = chain.before(j)
            ahead = [table[before, n].min() for table in self.ahead]
            self.placed[j, n] = self._kept(_joined(parts), ahead)
        self.placed[chain.blocks, n] = zero
        for b in range(chain.blocks):
            ahead = [float(table[b, n]) for table in self.ahead]
            if not math.isfinite(ahead[0]):
                continue
            parts = []
            skipped = self.placed[b, n]
            if skipped.size:
                origin = np.stack([np.full(skipped.size, -1), np.arange(skipped.size)])
                parts.append(_Front(skipped.cost, origin))
            for j in np.flatnonzero(chain.fits[n][b]).tolist():
                rest = self.placed[j, n]
                if not rest.size:
                    continue
                work = chain.work[n][b, j]
                for number, level in enumerate(chain.levels[n]):
                    if chain.slowest is not None and level.serve < chain.slowest[n][b, j]:
                        continue
                    code = j * len(chain.levels[n]) + number
                    origin = np.stack([np.full(rest.size, code), np.arange(rest.size)])
                    parts.append(_Front(rest.cost + (work * level.cost)[:, None], origin))
            front = self._kept(_joined(parts), ahead)
            self.fronts[b, n] = front
            self.triples += front.size
            if self.triples > _MOST_TRIPLES:
                raise _TooManyError
        if self.best.remaining_s == 0:
            raise _OutOfTimeError

    def _kept(self, front: _Front, ahead: Sequence[float]) -> _Front:
        """Return the triples that may be part of a better plan within the deadlines."""
        if not front.size:
            return front
        energy, serve, tune, priced = ahead
        limits = self.chain.limits
        ceiling = self.best.objective * (1 + _ROUNDING)
        cost = front.cost
        keep = cost[0] + energy <= ceiling
        keep &= cost[1] + serve <= limits[0] * LATE
        keep &= cost[2] + tune <= limits[1] * LATE
        if math.isfinite(ceiling):
            worth = sum(
                price * limit * LATE
                for price, limit in zip(self.prices[1:], limits, strict=True)
                if price > 0
            )
            reached = self.prices @ cost + priced
            keep &= reached - worth <= ceiling + _ROUNDING * np.abs(reached)
        front = _Front(cost[:, keep], front.origin[:, keep])
        front = _undominated(front)
        if self.most is not None and front.size > self.most:
            self.cut = True
            by_price = np.argsort(self.prices @ front.cost, kind="stable")
            # The fastest of each kind stay, so that a deadline is not missed for want of them.
            chosen = {int(front.cost[1].argmin()), int(front.cost[2].argmin())}
            chosen |= {int(k) for k in by_price[: self.most]}
            picked = sorted(chosen)
            front = _Front(front.cost[:, picked], front.origin[:, picked])
        return front

    def plan(self, index: int) -> CiftPlan:
        """Return the plan of a triple in the front of the source."""
        chain, instance = self.chain, self.best.instance
        b, n = 0, chain.source
        stops: list[Stop] = []
        while True:
            code, rest = (int(part) for part in self.fronts[b, n].origin[:, index])
            name, j = instance.nodes[n].name, b
            if code < 0:
                stops.append(Stop(name, 0))
            else:
                j, number = divmod(code, len(chain.levels[n]))
                level = chain.levels[n][number]
                speeds = level.serve, level.tune
                stops.append(stop_between(chain.model, chain.sets, name, b, j, speeds))
            if j == chain.blocks:
                return CiftPlan.of(chain.configuration, tuple(stops))
            hop, index = (int(part) for part in self.placed[j, n].origin[:, rest])
            b, n = j, chain.hops[n][hop].head


class CiftFronts(ListedSpeeds):
    """Pareto fronts of (E, T_inf, T_ft) built backwards; listed speeds."""

    name = "fronts"
    takes = BEYOND

    def prepare(self) -> None:
        """Compile the filter, so that the first run does not pay for it."""
        first_of_kind(np.zeros(1), np.zeros(1))

    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        try:
            return _solve(best)
        except _OutOfTimeError:
            return best.result(Termination.TIME)
        except _TooManyError:
            return best.result(Termination.LIMIT)


def _solve(best: Incumbent) -> Result:
    instance = best.instance
    order = topological(instance)
    chains: list[tuple[float, Floats, Chain]] = []
    for configuration in instance.configurations:
        chain = chain_of(instance, configuration)
        bound, prices = highest(chain, order, math.inf)
        if math.isfinite(bound):
            chains.append((bound * (1 - _ROUNDING), prices, chain))
        if best.remaining_s == 0:
            raise _OutOfTimeError
    chains.sort(key=lambda entry: entry[0])
    best.statistics |= {
        "build_s": best.recorder.elapsed_s,
        "configurations": len(chains),
        "triples": 0,
    }
    if chains:
        best.raise_bound(min(bound for bound, _, _ in chains))
        best.statistics["root_bound"] = best.bound * best.units.joule
    rejected = math.inf
    for most in (_FEW, None):
        rejected = math.inf
        for bound, prices, chain in chains:
            if bound <= best.objective:
                rejected = min(rejected, _search(best, chain, order, prices, most))
    if best.plan is None and rejected < math.inf:
        # Something is on the very edge of a deadline: no proof that there is no plan.
        return best.result(Termination.LIMIT)
    proven = min(best.objective, rejected) * (1 - _ROUNDING)
    return best.result(Termination.SOLVED, exhausted=proven)


def _search(
    best: Incumbent, chain: Chain, order: Sequence[int], prices: Floats, most: int | None
) -> float:
    """Build the fronts of one configuration and offer what the source's front holds.

    Returns the energy of the cheapest triple that the judge rejects, infinite without any.
    """
    ahead = [least(chain, order, weights).arrived for weights in (*np.eye(3), prices)]
    run = _Pass(chain, order, prices, ahead, best, most)
    run.run()
    best.statistics["triples"] = int(best.statistics["triples"] or 0) + run.triples
    front = run.fronts.get((0, chain.source))
    if front is None:
        return math.inf
    rejected = math.inf
    # Cheapest first: the first that the judge takes is the best of this configuration.
    for index in np.argsort(front.cost[0], kind="stable"):
        if best.offer(run.plan(int(index))):
            break
        rejected = min(rejected, float(front.cost[0, index]))
    return rejected


METHOD = CiftFronts()
