"""What labels can keep of a deadline in doubt: linear limits, and how to branch over them.

A *branch* asks of each deadline either that certain scenarios hold while certain others may fail
(`Scenarios`), or that the variance lies in an interval (`Moments`). All it asks is linear in the
arcs, so a cheapest path within it is a constrained shortest path. Where the judge rejects that
path, `split` gives branches that leave it out and miss no plan that keeps the deadline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import numpy as np

from splitopt.heuristics.jqodi.cift.program import Graph
from splitopt.instances.cift.doubt import Draw
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.tolerances import TOLERANCES

_GROWN = 1.0 + TOLERANCES.deadline
_NARROW = 1e-12  # relative width of an interval of variances that is not split again


@dataclass(frozen=True, slots=True)
class Branch:
    """What is asked of both deadlines; empty of one that is absent.

    Attributes
    ----------
    must, may
        Positions of what must hold, and of what may fail, of (inference, fine-tuning).
    least, most
        Ends of the variance of both.
    """

    must: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    may: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    least: tuple[float, float] = (0.0, 0.0)
    most: tuple[float, float] = (math.inf, math.inf)


class Branching(Protocol):
    """One configuration's deadlines in doubt."""

    def root(self) -> Branch:
        """Return the branch that asks nothing yet."""

    def limits(self, branch: Branch) -> tuple[Floats, Floats]:
        """Return resources of the arcs, shape (arcs, K), and their limits."""

    def split(self, branch: Branch, path: Ints | None) -> list[Branch]:
        """Return branches without a path that breaks a deadline; none where rounding decides.

        Without a path, branches all the same where there are any.
        """


class _Seconds(NamedTuple):
    """Of each arc: nominal seconds in doubt and certain ones (a request, a pass), and its place.

    Shapes (2, arcs), (2, arcs) and (arcs,): a wire's or a host's seconds are in doubt, delays are
    not. The place is ``tail * nodes + head``, nodes as `jqodi.cift.network` numbers them, equal on
    a host.
    """

    in_doubt: Floats
    certain: Floats
    at: Ints


def _seconds(instance: CiftInstance, graph: Graph) -> _Seconds:
    """Return the seconds of the arcs of a graph."""
    arcs, case, place = graph.arcs, graph.case, graph.names
    size = len(place)
    node = arcs.mark[:, 0].astype(np.int64)
    of_state = np.full(graph.goal + 1, -1, dtype=np.int64)
    of_state[arcs.head] = node
    of_state[graph.root] = case.load.source
    tail = of_state[arcs.tail]
    tail = np.where(tail < 0, node, tail)  # no path leads there: whatever it is
    training = instance.training
    send = training.communication_factor
    passes = case.load.compute / training.compute_factor
    in_doubt, certain = np.zeros((2, len(node))), np.zeros((2, len(node)))
    in_doubt[0] = arcs.figure[:, 1]
    in_doubt[1] = arcs.figure[:, 2] / passes if passes > 0 else 0.0
    rate, delay = np.ones(size * size), np.zeros(size * size)
    for k in instance.links:
        pair = place[k.tail] * size + place[k.head]
        rate[pair], delay[pair] = k.rate_bit_per_s, k.delay_s
    at = tail * size + node
    hops = np.flatnonzero(tail != node)
    wire = case.chain.bits[arcs.mark[hops, 1]] / rate[at[hops]]
    late = delay[at[hops]]
    trained = passes > 0
    in_doubt[0, hops], in_doubt[1, hops] = wire, send * wire * trained
    certain[0, hops], certain[1, hops] = late, send * late / training.batch_size * trained
    return _Seconds(in_doubt, certain, at)


def _table(instance: CiftInstance, place: dict[str, int], of: Any) -> Floats:
    """Return a figure of each link and node by its place; `of` gives it by names (None: a node)."""
    size = len(place)
    table = np.ones(size * size)
    for n in instance.nodes:
        table[place[n.name] * (size + 1)] = of(n.name, None)
    for k in instance.links:
        table[place[k.tail] * size + place[k.head]] = of(k.tail, k.head)
    return table


def fastest_mean(times: Floats, weights: Floats, share: float) -> Floats:
    """Return the mean of the fastest share of each column of `times`, shape (atoms, columns)."""
    order = np.argsort(times, axis=0, kind="stable")
    before = np.cumsum(weights[order], axis=0) - weights[order]
    part = np.clip(share - before, 0.0, weights[order])
    part[part < 1e-12] = 0.0  # a rounding, and too much where nothing is allowed
    total: Floats = (np.take_along_axis(times, order, axis=0) * part).sum(axis=0) / share
    return total * (1.0 - 1e-13)


class Scenarios:
    """Deadlines over pairs of a scenario and a number of epochs."""

    def __init__(self, instance: CiftInstance, graph: Graph) -> None:
        doubt = instance.doubt
        assert doubt is not None
        self.seconds = _seconds(instance, graph)
        g = graph.case.configuration
        samples = instance.samples_per_epoch(g)
        tables = []
        for draw in doubt.draws:

            def slowness(tail: str, head: str | None, draw: Draw = draw) -> float:
                return 1.0 / float(draw.speed(tail) if head is None else draw.rate(tail, head))

            tables.append(_table(instance, graph.names, slowness))
        self.slow = np.array(tables)
        self.shares = doubt.confidences()
        epochs = instance.epochs_in_doubt(g)
        # Atoms: (scenario, what its time is multiplied by, weight).
        self.atoms: tuple[list[tuple[int, float, Fraction]], ...] = (
            [(s, 1.0, draw.weight) for s, draw in enumerate(doubt.draws)],
            [
                (s, float(k * samples), draw.weight * weight)
                for s, draw in enumerate(doubt.draws)
                for k, weight in epochs.items()
            ],
        )
        self.deadline = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
        self.base = [self._base(phase) for phase in (0, 1)]

    def _base(self, phase: int) -> Floats:
        """Return per arc what the mean of the fastest share over the atoms is at least.

        Seconds in doubt and certain ones each at their own fastest share, link by link.
        """
        atoms = self.atoms[phase]
        weights = np.array([float(w) for _, _, w in atoms])
        share = float(self.shares[phase])
        factor = np.array([k for _, k, _ in atoms])
        slow = self.slow[[s for s, _, _ in atoms]] * factor[:, None]
        in_doubt, certain, at = self.seconds
        sure = fastest_mean(factor[:, None], weights, share)[0]
        base: Floats = in_doubt[phase] * fastest_mean(slow, weights, share)[at]
        base += certain[phase] * sure
        return base

    def _times(self, phase: int, scenario: int) -> Floats:
        """Return the seconds of the arcs in a scenario, a request or a pass."""
        in_doubt, certain, at = self.seconds
        times: Floats = in_doubt[phase] * self.slow[scenario][at] + certain[phase]
        return times

    def root(self) -> Branch:
        """Return the branch that asks nothing yet."""
        return Branch()

    def limits(self, branch: Branch) -> tuple[Floats, Floats]:
        """Return the fastest share's mean and each scenario that must hold, as resources."""
        columns, limits = [], []
        for phase, deadline in enumerate(self.deadline):
            if deadline is None:
                continue
            columns.append(self.base[phase])
            limits.append(deadline * _GROWN)
            most: dict[int, float] = {}
            for atom in branch.must[phase]:
                s, k, _ = self.atoms[phase][atom]
                most[s] = max(k, most.get(s, 0.0))
            for s, k in most.items():
                columns.append(self._times(phase, s) * k)
                limits.append(deadline * _GROWN)
        if not columns:
            return np.zeros((len(self.seconds.at), 0)), np.empty(0)
        return np.stack(columns, axis=1), np.array(limits)

    def split(self, branch: Branch, path: Ints | None) -> list[Branch]:
        """Return one branch for each late atom: it holds, those before it may fail.

        Without a path, for each that is open, of the deadline with most of them. At most 1 - p of
        the weight may fail: what has no room left to fail must hold, too.
        """
        phases = [phase for phase, deadline in enumerate(self.deadline) if deadline is not None]
        opened = {p: self._open(branch, p) for p in phases}
        if path is None:
            phase = max(phases, key=lambda p: len(opened[p]), default=0)
            return self._parts(branch, phase, opened.get(phase, []))
        in_doubt, certain, at = self.seconds
        for phase in phases:
            spent = self.slow[:, at[path]] @ in_doubt[phase, path] + certain[phase, path].sum()
            atoms, limit = self.atoms[phase], (self.deadline[phase] or 0.0) * _GROWN
            late = {a: spent[s] * k for a, (s, k, _) in enumerate(atoms) if spent[s] * k > limit}
            if sum((atoms[a][2] for a in late), Fraction(0)) <= 1 - self.shares[phase]:
                continue
            # The latest first: it is the one to give up.
            return self._parts(
                branch, phase, sorted(late.keys() & set(opened[phase]), key=lambda a: (-late[a], a))
            )
        return []

    def _open(self, branch: Branch, phase: int) -> list[int]:
        """Return the atoms that neither must hold nor may fail, what is slow on the whole first."""
        decided = branch.must[phase] | branch.may[phase]
        atoms, slow = self.atoms[phase], self.slow.mean(axis=1)
        found = [a for a in range(len(atoms)) if a not in decided]
        return sorted(found, key=lambda a: (-slow[atoms[a][0]] * atoms[a][1], a))

    def _parts(self, branch: Branch, phase: int, atoms: list[int]) -> list[Branch]:
        """Return a branch for each of some open atoms: it holds, those before it may fail."""
        if not atoms:
            return []
        weight = [w for _, _, w in self.atoms[phase]]
        may, room = branch.may[phase], 1 - self.shares[phase]
        room -= sum((weight[a] for a in may), Fraction(0))
        others = set(range(len(weight))) - branch.must[phase]
        found = []
        for a in atoms:
            must = branch.must[phase] | {a} | {b for b in others - may if weight[b] > room}
            found.append(
                replace(
                    branch,
                    must=_with(branch.must, phase, must),
                    may=_with(branch.may, phase, may),
                )
            )
            may = may | {a}
            room -= weight[a]
            if room < 0:
                return found
        must = branch.must[phase] | {b for b in others - may if weight[b] > room}
        both = _with(branch.must, phase, must), _with(branch.may, phase, may)
        return [*found, replace(branch, must=both[0], may=both[1])]


def _with(pair: tuple[Any, Any], position: int, value: Any) -> tuple[Any, Any]:
    return (value, pair[1]) if position == 0 else (pair[0], value)


class Moments:
    """Deadlines by Cantelli's bound: mean + kappa sd within the limit."""

    def __init__(self, instance: CiftInstance, graph: Graph) -> None:
        doubt = instance.doubt
        assert doubt is not None
        in_doubt, certain, at = _seconds(instance, graph)
        means = {(s.tail, s.head): s.mean for s in doubt.spread}
        variances = {(s.tail, s.head): s.variance for s in doubt.spread}
        mean = _table(instance, graph.names, lambda t, h: means.get((t, h), 1.0))[at]
        varied = _table(instance, graph.names, lambda t, h: variances.get((t, h), 0.0))[at]
        passes = np.array([[1.0], [float(instance.assured_passes(graph.case.configuration))]])
        self.mean: Floats = passes * (in_doubt * mean + certain)
        self.variance: Floats = varied * (passes * in_doubt) ** 2
        self.kappa = [math.sqrt(float(p / (1 - p))) for p in doubt.confidences()]
        self.deadline = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)

    def root(self) -> Branch:
        """Return the branch of all variances that leave a mean of nil."""
        most = [
            math.inf if d is None else (d * _GROWN / kappa) ** 2 * (1.0 + 1e-9)
            for d, kappa in zip(self.deadline, self.kappa, strict=True)
        ]
        return Branch(most=(most[0], most[1]))

    def limits(self, branch: Branch) -> tuple[Floats, Floats]:
        """Return mean + kappa (chord of the root), and the variance, as resources."""
        columns, limits = [], []
        for phase, deadline in enumerate(self.deadline):
            if deadline is None:
                continue
            low, high = branch.least[phase], branch.most[phase]
            root = math.sqrt(low)
            slope = 1.0 / (root + math.sqrt(high)) if high > 0 else 0.0
            columns.append(self.mean[phase] + self.kappa[phase] * slope * self.variance[phase])
            limits.append(max(deadline * _GROWN - self.kappa[phase] * (root - slope * low), 0.0))
            columns.append(self.variance[phase])
            limits.append(high)
        if not columns:
            return np.zeros((self.mean.shape[1], 0)), np.empty(0)
        return np.stack(columns, axis=1), np.array(limits)

    def split(self, branch: Branch, path: Ints | None) -> list[Branch]:
        """Return the two branches below and above the path's variance."""
        if path is None:
            return []
        for phase, deadline in enumerate(self.deadline):
            if deadline is None:
                continue
            mean = float(self.mean[phase, path].sum())
            at = float(self.variance[phase, path].sum())
            if mean + self.kappa[phase] * math.sqrt(at) <= deadline * _GROWN:
                continue
            low, high = branch.least[phase], branch.most[phase]
            if not low * (1 + _NARROW) < at < high * (1 - _NARROW):
                return []
            return [
                replace(branch, most=_with(branch.most, phase, at)),
                replace(branch, least=_with(branch.least, phase, at)),
            ]
        return []


def branching_of(instance: CiftInstance, graph: Graph) -> Branching:
    """Return the branching of one configuration of an instance whose network is in doubt."""
    assert instance.doubt is not None
    return (Moments if instance.doubt.spread else Scenarios)(instance, graph)
