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
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.jqodi.cift.program import Graph
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.tolerances import TOLERANCES

__all__ = ["Branch", "Branching", "branching_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
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

    def split(self, branch: Branch, path: Ints) -> list[Branch]:
        """Return branches without a path that breaks a deadline; none where rounding decides."""


def _seconds(instance: CiftInstance, graph: Graph) -> tuple[Floats, Floats, Floats, Ints, Ints]:
    """Return of each arc: nominal seconds in doubt and certain ones (a request, a pass), its ends.

    Shapes (2, arcs), (2, arcs) and (arcs,): a wire's or a host's seconds are in doubt, delays are
    not. The ends are nodes as `jqodi.cift.network` numbers them, equal on a host.
    """
    arcs, case, place = graph.arcs, graph.case, graph.names
    node = arcs.mark[:, 0].astype(np.int64)
    of_state = np.full(graph.goal + 1, -1, dtype=np.int64)
    of_state[arcs.head] = node
    of_state[graph.root] = case.load.source
    tail = of_state[arcs.tail]
    tail = np.where(tail < 0, node, tail)  # no path leads there: whatever it is
    hop = tail != node
    training = instance.training
    batch, compute, send = (
        training.batch_size,
        training.compute_factor,
        training.communication_factor,
    )
    in_doubt, certain = np.zeros((2, len(node))), np.zeros((2, len(node)))
    in_doubt[0] = arcs.figure[:, 1]
    passes = case.load.compute / compute
    in_doubt[1] = arcs.figure[:, 2] / passes if passes > 0 else 0.0
    links = {(place[k.tail], place[k.head]): k for k in instance.links}
    at = np.flatnonzero(hop)
    bits = case.chain.bits[arcs.mark[at, 1]]
    ends = [links[t, h] for t, h in zip(tail[at].tolist(), node[at].tolist(), strict=True)]
    wire = bits / np.array([k.rate_bit_per_s for k in ends])
    delay = np.array([k.delay_s for k in ends])
    trained = passes > 0
    in_doubt[0, at], in_doubt[1, at] = wire, send * wire * trained
    certain[0, at], certain[1, at] = delay, send * delay / batch * trained
    return in_doubt, certain, hop, tail, node


def _factors(
    instance: CiftInstance, place: dict[str, int], of: Any, tail: Ints, node: Ints
) -> Floats:
    """Return a figure of each arc's link or node; `of` gives it by names (head None: a node)."""
    size = len(place)
    table = np.ones((size, size))
    for n in instance.nodes:
        table[place[n.name], place[n.name]] = of(n.name, None)
    for k in instance.links:
        table[place[k.tail], place[k.head]] = of(k.tail, k.head)
    found: Floats = table[tail, node]
    return found


class Scenarios:
    """Deadlines over pairs of a scenario and a number of epochs."""

    def __init__(self, instance: CiftInstance, graph: Graph) -> None:
        doubt = instance.doubt
        assert doubt is not None
        in_doubt, certain, _, tail, node = _seconds(instance, graph)
        g = graph.case.configuration
        samples = instance.samples_per_epoch(g)
        self.draws = doubt.draws
        self.times = np.empty((len(self.draws), 2, len(node)))
        for s, draw in enumerate(self.draws):

            def slowness(tail: str, head: str | None, draw: Any = draw) -> float:
                return float(1 / (draw.speed(tail) if head is None else draw.rate(tail, head)))

            slow = _factors(instance, graph.names, slowness, tail, node)
            self.times[s] = in_doubt * slow + certain
        self.shares = doubt.confidences()
        epochs = instance.epochs_in_doubt(g)
        # Atoms: (scenario, what its time is multiplied by, weight).
        self.atoms: tuple[list[tuple[int, float, Fraction]], ...] = (
            [(s, 1.0, draw.weight) for s, draw in enumerate(self.draws)],
            [
                (s, float(k * samples), draw.weight * weight)
                for s, draw in enumerate(self.draws)
                for k, weight in epochs.items()
            ],
        )
        self.deadline = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
        self.base = [self._base(phase) for phase in (0, 1)]

    def _base(self, phase: int) -> Floats:
        """Return per arc the mean of the fastest share over the atoms."""
        atoms = self.atoms[phase]
        times = np.array([self.times[s, phase] * k for s, k, _ in atoms])
        weights = np.array([float(w) for _, _, w in atoms])
        order = np.argsort(times, axis=0, kind="stable")
        before = np.cumsum(weights[order], axis=0) - weights[order]
        share = float(self.shares[phase])
        part = np.clip(share - before, 0.0, weights[order])
        part[part < 1e-12] = 0.0  # a rounding, and too much where nothing is allowed
        total: Floats = (np.take_along_axis(times, order, axis=0) * part).sum(axis=0) / share
        return total * (1.0 - 1e-13)

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
                columns.append(self.times[s, phase] * k)
                limits.append(deadline * _GROWN)
        if not columns:
            return np.zeros((self.times.shape[2], 0)), np.empty(0)
        return np.stack(columns, axis=1), np.array(limits)

    def split(self, branch: Branch, path: Ints) -> list[Branch]:
        """Return one branch for each late atom: it holds, those before it may fail."""
        for phase, deadline in enumerate(self.deadline):
            if deadline is None:
                continue
            spent = self.times[:, phase, path].sum(axis=1)
            atoms = self.atoms[phase]
            late = [a for a, (s, k, _) in enumerate(atoms) if spent[s] * k > deadline * _GROWN]
            room = 1 - self.shares[phase]
            if sum((atoms[a][2] for a in late), Fraction(0)) <= room:
                continue
            open_ = [a for a in late if a not in branch.must[phase] | branch.may[phase]]
            # The latest first: it is the one to give up.
            open_.sort(key=lambda a: (-spent[atoms[a][0]] * atoms[a][1], a))
            failed = sum((atoms[a][2] for a in branch.may[phase]), Fraction(0))
            found, may = [], branch.may[phase]
            for a in open_:
                must = branch.must[phase] | {a}
                found.append(
                    replace(
                        branch,
                        must=_with(branch.must, phase, must),
                        may=_with(branch.may, phase, may),
                    )
                )
                may = may | {a}
                failed += atoms[a][2]
                if failed > room:
                    break
            return found
        return []


def _with(pair: tuple[Any, Any], position: int, value: Any) -> tuple[Any, Any]:
    return (value, pair[1]) if position == 0 else (pair[0], value)


class Moments:
    """Deadlines by Cantelli's bound: mean + kappa sd within the limit."""

    def __init__(self, instance: CiftInstance, graph: Graph) -> None:
        doubt = instance.doubt
        assert doubt is not None
        in_doubt, certain, _, tail, node = _seconds(instance, graph)
        means = {(s.tail, s.head): s.mean for s in doubt.spread}
        variances = {(s.tail, s.head): s.variance for s in doubt.spread}
        mean = _factors(instance, graph.names, lambda t, h: means.get((t, h), 1.0), tail, node)
        varied = _factors(
            instance, graph.names, lambda t, h: variances.get((t, h), 0.0), tail, node
        )
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

    def split(self, branch: Branch, path: Ints) -> list[Branch]:
        """Return the two branches below and above the path's variance."""
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
