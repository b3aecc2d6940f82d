"""The outcomes of one configuration under recourse: what they cost at least, and at a placement.

An outcome is a way the network turns out together with a band of K; its figures are certain. What
the sums mean, and what is made of them, says `splitopt.heuristics.jqodi.cift.recourse`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.jqodi.cift.network import OUTWARD, Case, Instance, Load, Network
from splitopt.instances.cift.doubt import Draw
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Floats, Ints

RATIO = 1.0 + 1e-9
_ROUNDS = 60
_INSIDE = 1.0 - 1e-13  # what sums of doubles can be off by: the judge takes what keeps it
_MOST = 20_000  # labels of a phase at a fixed placement


class Outcome(NamedTuple):
    """An outcome of one configuration: what it weighs in units, its network and load."""

    units: int
    net: Network
    load: Load


class Shares(NamedTuple):
    """Weights of the outcomes: in units, as fractions of 1, and units that may be given up."""

    units: Ints
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


def ends_of(data: CiftInstance) -> list[Fraction]:
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


class Configured:
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
            Outcome(
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
        self.shares = Shares(units, units / common, math.floor((1 - share) * common))
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
                        net, chain, load._replace(limit=limit), limit, RATIO, math.inf,
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
