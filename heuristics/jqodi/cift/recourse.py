r"""Placement now, speeds once the outcome is seen: labels over placements, a figure an outcome.

An outcome i of weight w_i is a way the network turns out together with a band of K. A label
is a prefix of a placement; it holds, for each outcome, four sums over the segments and hops so far:
the Lagrangian at the outcome's own prices of its deadlines, the energy at the cheapest speeds, and
the least times. Each is an additive price of a FLOP and of a bit, so what completes a prefix at
least is a shortest path (`jqodi.cift.graph.bounds_of`), and with them the outcome costs

    held_i >= prefix + completion - mu_i tau        (infinite where the least times are over tau)
    free_i >= prefix + completion                   where it is given up

A label's bound is the least weighted sum with at most 1 - p of the weight given up. Where no
outcome can be given up, the outcomes are completed *together* as well: the weighted sum of their
prices is a price again, and its shortest path one completion for all. Labels leave the heap best
bound first; a placement that is complete is solved, outcome by outcome and phase by phase
(`jqodi.cift.phase`). The first label at the incumbent ends the search.

Exact, with listed and with continuous speeds. A label costs O(outcomes); how many there are is
bounded by the prefixes of placements alone, which no polynomial bounds: the gap between the best
placement's energy and the Lagrangian, which the levels of speeds leave open, decides.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.jqodi.cift.network import OUTWARD, Case, Instance, Load, Network
from splitopt.instances.cift.doubt import Draw
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.errors import InputError

__all__ = ["Late", "late_speeds"]

Floats = npt.NDArray[np.float64]
_RATIO = 1.0 + 1e-9
_ROUNDS = 60
_INSIDE = 1.0 - 1e-13  # what sums of doubles can be off by: the judge takes what keeps it
_MOST = 20_000  # labels of a phase at a fixed placement
_PRICES = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, slots=True)
class Late:
    """The best placement with recourse.

    Attributes
    ----------
    configuration
        Its position; -1 where no placement keeps enough.
    segments
        (node, blocks done before, blocks done after) along the path, nodes by position.
    objective_j, bound_j
        Its expected energy, infinite where there is none; nothing costs less than the bound.
    labels, placements
        Labels made, and placements solved.
    """

    configuration: int
    segments: tuple[tuple[int, int, int], ...]
    objective_j: float
    bound_j: float
    labels: int
    placements: int


class _Outcome(NamedTuple):
    """An outcome of one configuration: what it weighs in units, its network and load."""

    units: int
    net: Network
    load: Load


class _Shares(NamedTuple):
    """Weights of the outcomes: in units, as fractions of 1, and units that may be given up."""

    units: npt.NDArray[np.int64]
    weight: Floats
    room: int

    def least(self, held: Floats, free: Floats, *, exact: bool) -> float:
        """Return the least weighted sum with few enough given up, or (not exact) less."""
        must = held == math.inf
        room = self.room - int(self.units[must].sum())
        if room < 0:
            return math.inf
        total = float(self.weight @ np.where(must, free, held))
        saved = np.where(must, 0.0, self.weight * (held - free))
        if room == 0 or not saved.any():
            return total
        if exact:
            best = {0: 0.0}
            for units, value in zip(self.units.tolist(), saved.tolist(), strict=True):
                for used, known in list(best.items()):
                    if value > 0 and used + units <= room:
                        best[used + units] = max(best.get(used + units, 0.0), known + value)
            return total - max(best.values())
        order = np.argsort(-saved / self.units)
        before = np.cumsum(self.units[order]) - self.units[order]
        share = np.clip((room - before) / self.units[order], 0.0, 1.0)
        return total - float(saved[order] @ share) * (1.0 + 1e-12)


def _seen(net: Network, instance: Instance, draw: Draw) -> Network:
    """Return the network of a draw."""
    phi = np.array([float(draw.speed(name)) for name in instance.names])
    rate = [
        float(draw.rate(link.tail, link.head))
        for name in instance.names
        for link in instance.data.links_from[name]
    ]
    levels = np.repeat(phi, np.diff(net.first_level))
    rho = np.repeat(net.rho, np.diff(net.first_level))
    speed = net.speed * levels
    return net._replace(
        rate=net.rate * np.array(rate),
        kappa=net.kappa / phi**2,
        low=net.low * phi,
        high=net.high * phi,
        speed=speed,
        inverse=1.0 / speed,
        joule=net.joule - rho * net.inverse + rho / speed,
    )


def _ends(data: CiftInstance) -> list[Fraction]:
    """Return where bands of probability end: wherever the epochs of any configuration change."""
    every = [data.epochs_in_doubt(g).values() for g in data.configurations]
    return sorted({Fraction(1)}.union(*map(itertools.accumulate, every)))


def _bands(epochs: Mapping[int, Fraction], ends: list[Fraction]) -> list[tuple[int, Fraction]]:
    """Return the epochs of a configuration in each band, with the band's weight."""
    reached = list(zip(itertools.accumulate(epochs.values()), epochs, strict=True))
    return [
        (next(k for total, k in reached if total >= end), end - before)
        for before, end in itertools.pairwise([Fraction(0), *ends])
    ]


class _Configuration:
    """One configuration: its outcomes, what they cost at least, and placements worth a look."""

    def __init__(
        self,
        instance: Instance,
        position: int,
        share: Fraction,
        ends: list[Fraction],
    ) -> None:
        data = instance.data
        self.case: Case = instance.case(position)
        # Nothing that the inference deadline counts is in doubt: it always holds.
        self.served = data.doubt is None or not data.doubt.scenarios
        self.limit = instance.limit
        g, training = self.case.configuration, data.training
        samples = data.samples_per_epoch(g)
        parts = [
            (draw, k, draw.weight * weight)
            for draw in data.draws
            for k, weight in _bands(data.epochs_in_doubt(g), ends)
        ]
        common = math.lcm(*(weight.denominator for _, _, weight in parts))
        nets = {id(draw): _seen(instance.network, instance, draw) for draw in data.draws}
        self.outcomes = [
            _Outcome(
                int(weight * common),
                nets[id(draw)],
                self.case.load._replace(
                    compute=float(training.compute_factor * k * samples),
                    communication=float(training.communication_factor * k * samples),
                    limit=instance.limit,
                ),
            )
            for draw, k, weight in parts
        ]
        units = np.array([o.units for o in self.outcomes])
        self.shares = _Shares(units, units / common, math.floor((1 - share) * common))
        self.met: list[Any] = []
        self.floor = self._bounded()

    def _bounded(self) -> float:
        """Find prices of the deadlines in each outcome; return what every placement costs."""
        from splitopt.heuristics.jqodi.cift import dual

        chain, size = self.case.chain, len(self.outcomes)
        held, free, self.prices = np.empty(size), np.empty(size), np.zeros((size, 2))
        none = np.full(2, math.inf)
        first: dict[tuple[int, float], int] = {}
        for i, (_, net, load) in enumerate(self.outcomes):
            known_at = first.setdefault((id(net), load.compute), i)
            if known_at < i:
                held[i], free[i] = held[known_at], free[known_at]
                self.prices[i] = self.prices[known_at]
                continue
            least = dual.least_times(net, chain, load)
            if math.inf in least or (self.served and least[0] > load.limit[0] * (1.0 + OUTWARD)):
                return math.inf
            late = any(t > x * (1.0 + OUTWARD) for t, x in zip(least, load.limit, strict=True))
            for given_up in (False, True):
                limit = none if given_up else load.limit
                known = 0.0
                if given_up or not late:
                    found = dual.ascend(
                        net, chain, load._replace(limit=limit), limit, _RATIO, math.inf,
                        self.case.dearest_j, 0.0, 1 if given_up else _ROUNDS,
                    )  # fmt: skip
                    known = found.bound
                    if found.energy < math.inf:
                        self.met.append(found.stops)
                    if not given_up:
                        self.prices[i] = found.l1, found.l2
                (free if given_up else held)[i] = known
            if late:
                held[i] = math.inf
        return self.shares.least(np.maximum(held, free), free, exact=False)

    def value(self, stops: Any) -> float:
        """Return the expected energy of a placement, infinite where it keeps too few outcomes."""
        known: dict[tuple[int, float], tuple[float, float]] = {}
        pairs = []
        for _, net, load in self.outcomes:
            key = id(net), load.compute
            if key not in known:
                known[key] = self._energies(net, load, stops)
            pairs.append(known[key])
        held, free = np.array(pairs).T
        return math.inf if np.any(free == math.inf) else self.shares.least(held, free, exact=True)

    def _energies(self, net: Network, load: Load, stops: Any) -> tuple[float, float]:
        """Return the least energy of a placement in an outcome, held and given up."""
        from splitopt.heuristics.jqodi.cift.phase import phase_bound, phase_optimum
        from splitopt.heuristics.jqodi.cift.speeds import Phase, phase_speeds

        chain, spent, energy = self.case.chain, np.zeros(2), 0.0
        for (n, _, b), (m, _, _) in itertools.pairwise(stops.tolist()):
            e = next(e for e in range(net.first[n], net.first[n + 1]) if net.head[e] == m)
            wire = chain.bits[b] / net.rate[e]
            energy += (load.requests + load.communication) * net.bit_energy[e] * chain.bits[b]
            spent[0] += wire + net.delay[e]
            spent[1] += load.communication * (wire + net.delay[e] / load.batch)
        hosts = stops[stops[:, 2] > stops[:, 1]]
        nodes = np.ascontiguousarray(hosts[:, 0])
        works = chain.work[chain.kind[nodes], hosts[:, 1], hosts[:, 2]]
        held = free = energy
        for phase, (a, c) in enumerate(((load.requests, 1.0), (load.compute, load.compute))):
            if c == 0.0:
                held += 0.0 if spent[phase] <= load.limit[phase] * _INSIDE else math.inf
                continue
            problem = Phase(nodes, works, np.zeros(len(nodes)), a, c)
            room = float(load.limit[phase] * _INSIDE - spent[phase])
            found, speeds, price = phase_speeds(net, problem, room)
            if found < math.inf:
                bound = min(phase_bound(net, problem, room, price), found)
                found = phase_optimum(
                    net, problem, room, room, found, speeds, price, bound, math.inf, _MOST
                )[0]
            held += found
            surely = self.served and phase == 0
            free += found if surely else phase_speeds(net, problem, math.inf)[0]
        return held, free


class _Search:
    """Labels of one configuration, best bound first."""

    def __init__(self, of: _Configuration) -> None:
        from splitopt.heuristics.jqodi.cift.graph import bounds_of

        self.of, chain = of, of.case.chain
        self.net = of.outcomes[0].net
        none, anything = np.full(4, math.inf), np.zeros(4, dtype=np.bool_)
        found = []
        for (_, net, load), prices in zip(of.outcomes, of.prices, strict=True):
            rows = _PRICES.copy()
            rows[0, 1:] = prices
            found.append(bounds_of(net, chain, load, rows, none, anything))
        # Axes of what follows: place, outcome, measure.
        self.flop = np.stack([f.serve + f.tune for f in found], axis=1)
        self.alpha = np.stack([f.alpha for f in found], axis=1)
        self.beta = np.stack([f.beta for f in found], axis=1)
        self.placed = np.stack([f.to_placed for f in found], axis=2)
        priced = np.where(of.prices > 0, of.prices * np.where(of.prices > 0, of.limit, 0.0), 0.0)
        self.credit = priced.sum(axis=1)
        self.together = None if of.shares.room >= of.shares.units.min() else self._together()

    def _together(self) -> Floats:
        """Return ``[n, b]``: one completion for all outcomes, at their own prices, from placed."""
        of, net, chain = self.of, self.net, self.of.case.chain
        load, weight = of.case.load, of.shares.weight
        flop, alpha, beta = (x[:, :, 0] @ weight for x in (self.flop, self.alpha, self.beta))
        N, L = load.first.shape
        arrived, placed = np.full((N, L), np.inf), np.full((N, L + 1), np.inf)
        for n in range(N - 1, load.source - 1, -1):
            placed[n, L] = 0.0
            for e in range(net.first[n], net.first[n + 1]):
                hop = arrived[net.head[e]] + (alpha[e] * chain.bits + beta[e])
                placed[n, :L] = np.minimum(placed[n, :L], hop)
            for i in range(L):
                to = load.after[load.first[n, i] : load.first[n, i] + load.count[n, i]]
                rest = placed[n, to] + chain.work[chain.kind[n], i, to] * flop[n]
                arrived[n, i] = min(placed[n, i], rest.min(initial=np.inf))
        return placed

    def bound(self, spent: Floats, n: int, b: int) -> float:
        """Return what every completion of a prefix costs at least."""
        of = self.of
        total = spent + self.placed[n, b]
        over = total[:, 2:] > of.limit * (1.0 + OUTWARD)
        if of.served and over[:, 0].any():
            return math.inf
        free = total[:, 1]
        held = np.maximum(total[:, 0] - self.credit, free)
        held[over.any(axis=1)] = math.inf
        found = of.shares.least(held, free, exact=False)
        if self.together is not None and found < math.inf:
            joint = float(of.shares.weight @ (spent[:, 0] - self.credit)) + self.together[n, b]
            found = max(found, joint)
        return found * (1.0 - 1e-12)

    def after(self, spent: Floats, n: int, i: int) -> Iterator[tuple[Floats, int]]:
        """Yield prefixes with a segment, or none, on the node reached: (sums, blocks done)."""
        load, chain = self.of.case.load, self.of.case.chain
        yield spent, i
        for j in load.after[load.first[n, i] : load.first[n, i] + load.count[n, i]].tolist():
            yield spent + chain.work[chain.kind[n], i, j] * self.flop[n], j


class _Best:
    """The best placement so far; `offer` solves one and keeps the better."""

    def __init__(self, most: int) -> None:
        self.objective, self.position, self.stops = math.inf, -1, np.empty((0, 3), np.int64)
        self.seen: set[tuple[int, bytes]] = set()
        self.labels, self.most = 0, most

    @property
    def threshold(self) -> float:
        """What is of no interest any more."""
        return self.objective / _RATIO

    def offer(self, of: _Configuration, stops: Any) -> None:
        """Solve a placement that is new."""
        key = of.case.position, stops.tobytes()
        if key in self.seen:
            return
        self.seen.add(key)
        worth = of.value(stops)
        if worth < self.objective:
            self.objective, self.position, self.stops = worth, of.case.position, stops

    def run(self, of: _Configuration) -> float:
        """Search a configuration; return its bound."""
        search, load = _Search(of), of.case.load
        L, number = load.first.shape[1], itertools.count()
        start = np.zeros((len(of.outcomes), 4))
        heap: list[Any] = [(of.floor, next(number), load.source, 0, start, ())]
        while heap and heap[0][0] < self.threshold and self.labels < self.most:
            _, _, n, i, spent, before = heapq.heappop(heap)
            for sums, j in search.after(spent, n, i):
                bound = search.bound(sums, n, j)
                if not bound < self.threshold:
                    continue
                stops = (*before, (n, i, j))
                if j == L:
                    self.offer(of, np.array(stops, dtype=np.int64))
                    continue
                for e in range(search.net.first[n], search.net.first[n + 1]):
                    more = sums + search.alpha[e] * of.case.chain.bits[j] + search.beta[e]
                    self.labels += 1
                    entry = bound, -next(number), int(search.net.head[e]), j, more, stops
                    heapq.heappush(heap, entry)
        return min(self.threshold, heap[0][0] if heap else math.inf)


def late_speeds(instance: CiftInstance, share: Fraction, *, most: int = 1_000_000) -> Late:
    """Return the best placement with speeds set once the outcome is seen.

    Parameters
    ----------
    share
        Weight of the outcomes in which the deadlines in doubt are kept, all at once; a deadline
        that is not in doubt is kept in every outcome.
    most
        Labels to make at most: beyond, the bound is below the optimum.

    Raises
    ------
    InputError
        For means and variances, and for what segments of a chain cannot say.
    """
    instance.require_plain("recourse")
    if instance.doubt is None or instance.doubt.spread:
        given = "none" if instance.doubt is None else "spread"
        raise InputError("doubt", given, "epochs or scenarios", "add scenarios")
    arrays, best = Instance(instance), _Best(most)
    ends = _ends(instance)
    every = [
        _Configuration(arrays, position, share, ends)
        for position in range(len(instance.configurations))
    ]
    bound = math.inf
    for of in sorted(every, key=lambda c: (c.floor, c.case.position)):
        if of.floor < best.threshold:
            for stops in of.met:
                best.offer(of, stops)
        if not of.floor < best.threshold:
            bound = min(bound, of.floor)
            break
        bound = min(bound, max(of.floor, best.run(of)))
    place = [instance.node_index[name] for name in arrays.names]
    segments = tuple((place[n], i, j) for n, i, j in best.stops.tolist())
    bound = min(bound, best.objective)
    return Late(best.position, segments, best.objective, bound, best.labels, len(best.seen))
