r"""The flow MILP where the network is in doubt: scenarios that may be late, or cuts of a cone.

Beside ``x_a`` (an arc is taken), with t_i(a) what an arc takes in *atom* i, a scenario and a band
of the distribution of K, of weight w_i:

``y_i`` in {0, 1}: the deadline may be missed in atom i. ::

    sum_a (t_i(a) / tau) x_a - M_i y_i <= 1       each atom        sum_i w_i y_i <= 1 - p

M_i is the longest path's time over tau, less one. Bands: one plan has one configuration g, so the
distributions of all configurations are read at the same levels of probability; K_g(i) is the number
of epochs of g there.

Means and variances: every path x0 that breaks Cantelli's bound is cut off by a tangent of the cone,

    sum_a (mean_a + kappa [a in x0] var_a / sd(x0)) x_a <= tau

which holds for every x that keeps it (Cauchy and Schwarz), and by its own arcs.

In either case an arc's mean over the fastest p of the weight (or its mean) makes a nominal deadline
that every plan keeps (``docs/uncertainty.md``); by it arcs are dropped and priced as ever.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

import numpy as np

from splitopt.formulations.cift.flow.arcs import build_graph
from splitopt.formulations.cift.flow.graph import FlowGraph
from splitopt.formulations.cift.milp import Row
from splitopt.formulations.cift.pricing import LOOSE
from splitopt.formulations.solvers.highs import WIDE, SparseModel
from splitopt.instances.cift.doubt import Doubt, Draw, EpochsInDoubt, quantile
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Floats, Ints

_COMMON = 10**9  # weights with a common denominator up to this are written as whole numbers


@dataclass(frozen=True, slots=True)
class _Parts:
    """Seconds of each arc, shape (2, arcs), and its ends.

    A request's, and those of all epochs (of one, where K is in doubt): what is in doubt of them and
    what is not.
    """

    in_doubt: Floats
    certain: Floats
    tail: Ints
    node: Ints


def _nominal(instance: CiftInstance, epochs: tuple[EpochsInDoubt, ...]) -> CiftInstance:
    """Return the instance without doubt of its network; busy powers are the expected ones."""
    doubt = instance.doubt
    assert doubt is not None
    known = Doubt(epochs, fine_tuning_confidence=doubt.fine_tuning_confidence) if epochs else None
    return instance.replace(
        nodes=tuple(
            replace(node, busy_power_w=float(node.busy_power_w * doubt.busy(node.name)))
            for node in instance.nodes
        ),
        doubt=known,
    )


def _parts(instance: CiftInstance, graph: FlowGraph, once: FlowGraph) -> _Parts:
    arcs = graph.arcs
    state = np.full(graph.states, -1, dtype=np.int64)
    state[arcs.head] = arcs.node
    tail = state[arcs.tail]
    sources = np.array([instance.node_index[g.source] for g in instance.configurations])
    tail = np.where(arcs.tail == FlowGraph.root, sources[arcs.configuration], tail)
    tail = np.where(tail < 0, arcs.node, tail)  # no path leads there: whatever it is
    hop = np.flatnonzero(tail != arcs.node)
    total = np.stack([arcs.latency_s, once.arcs.time_s])
    certain = np.zeros_like(total)
    links = {(instance.node_index[k.tail], instance.node_index[k.head]): k for k in instance.links}
    training = instance.training
    for arc in hop.tolist():
        g = instance.configurations[int(arcs.configuration[arc])]
        link = links[int(tail[arc]), int(arcs.node[arc])]
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        done = int(arcs.start[arc])
        bits = model.input_bits
        if done:
            bits = model.blocks[done - 1].activation_bits * level.activation_factor
        wire, delay = bits / link.rate_bit_per_s, link.delay_s
        often = training.communication_factor * once.instance.assured_passes(g)
        total[:, arc] = wire, often * wire
        certain[:, arc] = delay, often * delay / training.batch_size
    return _Parts(total, certain, tail, arcs.node)


def _of_ends(
    parts: _Parts, instance: CiftInstance, of: Callable[[str, str | None], float]
) -> Floats:
    """Return a figure of each arc's link, or of its node."""
    names = [node.name for node in instance.nodes]
    known: dict[tuple[int, int], float] = {}
    found = np.ones(len(parts.node))
    pairs = zip(parts.tail.tolist(), parts.node.tolist(), strict=True)
    for arc, (tail, node) in enumerate(pairs):
        if (tail, node) not in known:
            name = names[node]
            known[tail, node] = of(name, None) if tail == node else of(names[tail], name)
        found[arc] = known[tail, node]
    return found


@dataclass(frozen=True)
class Doubtful:
    """The graph of an instance in doubt: `graph` has times that every plan keeps."""

    graph: FlowGraph
    extra: Extra


def doubtful_graph(instance: CiftInstance) -> Doubtful:
    """Return the graph and what has to be added to its model."""
    doubt = instance.doubt
    assert doubt is not None
    graph = once = build_graph(_nominal(instance, doubt.epochs))
    if doubt.epochs:
        ones = tuple(
            EpochsInDoubt(*g.key, (int(instance.expected_passes(g) > 0),), (1,))
            for g in instance.configurations
        )
        once = build_graph(_nominal(instance, ones))
    parts = _parts(instance, graph, once)
    extra: Extra = (Cone if doubt.spread else Atoms)(instance, graph, parts)
    latency, time = extra.relaxed
    arcs = replace(graph.arcs, latency_s=latency, time_s=time)
    return Doubtful(replace(graph, arcs=arcs), extra)


def _slowness(draw: Draw) -> Callable[[str, str | None], float]:
    return lambda tail, head: float(
        1 / (draw.speed(tail) if head is None else draw.rate(tail, head))
    )


class Extra(Protocol):
    """What a network in doubt adds to the flow model."""

    relaxed: list[Floats]

    def late(self, path: Ints) -> Floats:
        """Return the values of the added columns for a path."""

    def add(self, model: SparseModel, arcs: Ints) -> SparseModel:
        """Return the model with what is added."""

    def cuts(self, path: Ints, arcs: Ints) -> list[Row]:
        """Return rows that a rejected path breaks and no plan does."""


class Atoms:
    """Deadlines over scenarios and bands of K."""

    def __init__(self, instance: CiftInstance, graph: FlowGraph, parts: _Parts) -> None:
        doubt = instance.doubt
        assert doubt is not None
        self.graph = graph
        self.limits = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
        self.shares = doubt.confidences()
        times = [
            parts.in_doubt * _of_ends(parts, instance, _slowness(draw)) + parts.certain
            for draw in doubt.draws
        ]
        used = np.unique(graph.arcs.configuration).tolist()
        spread = {g: instance.epochs_in_doubt(instance.configurations[g]) for g in used}
        ends = {Fraction(1)}
        if doubt.epochs:
            for epochs in spread.values():
                ends |= set(itertools.accumulate(epochs.values()))
        # Weight and seconds of each atom, by phase.
        self.weights: list[list[Fraction]] = [[draw.weight for draw in doubt.draws], []]
        self.seconds: list[list[Floats]] = [[t[0] for t in times], []]
        before = Fraction(0)
        for end in sorted(ends):
            often = np.ones(len(instance.configurations))
            if doubt.epochs:
                for g, epochs in spread.items():
                    often[g] = quantile(epochs.items(), end)
            for draw, t in zip(doubt.draws, times, strict=True):
                self.weights[1].append(draw.weight * (end - before))
                self.seconds[1].append(t[1] * often[graph.arcs.configuration])
            before = end
        self.relaxed = [self._relaxed(phase) for phase in (0, 1)]

    def _relaxed(self, phase: int) -> Floats:
        """Return of each arc the mean of the fastest p of the weight."""
        times = np.stack(self.seconds[phase])
        weights = np.array([float(w) for w in self.weights[phase]])
        order = np.argsort(times, axis=0)
        sorted_weights = weights[order]
        upto = np.minimum(np.cumsum(sorted_weights, axis=0), float(self.shares[phase]))
        part = np.diff(upto, axis=0, prepend=0.0)
        part[part < 1e-12] = 0.0
        mean: Floats = (np.take_along_axis(times, order, axis=0) * part).sum(axis=0)
        return mean / float(self.shares[phase]) * (1 - 1e-13)

    def late(self, path: Ints) -> Floats:
        """Return y of a path."""
        found = []
        for phase, limit in enumerate(self.limits):
            if limit is not None:
                found += [t[path].sum() > limit * LOOSE for t in self.seconds[phase]]
        return np.array(found, dtype=np.float64)

    def add(self, model: SparseModel, arcs: Ints) -> SparseModel:
        """Return the model with a row and a column for each atom."""
        columns = len(arcs)
        height = len(model.row_lower)
        rows, cols, values, upper = [], [], [], []
        for phase, limit in enumerate(self.limits):
            if limit is None:
                continue
            first, unit = columns, limit * LOOSE if limit > 0 else 1.0
            for seconds in self.seconds[phase]:
                shares = seconds[arcs] / unit
                longest = _longest(self.graph, arcs, shares)
                used = np.flatnonzero(shares)
                rows.append(np.full(len(used) + 1, height))
                cols.append(np.append(used, columns))
                values.append(np.append(shares[used], -max(longest, 1.0)))
                upper.append(WIDE if limit > 0 else 0.0)
                height, columns = height + 1, columns + 1
            weights = self.weights[phase]
            room = 1 - self.shares[phase]
            common = math.lcm(*(w.denominator for w in weights))
            if common <= _COMMON:
                parts, most = [float(w * common) for w in weights], math.floor(room * common) + 0.5
            else:
                parts, most = [float(w) for w in weights], float(room) + 1e-9
            rows.append(np.full(len(parts), height))
            cols.append(np.arange(first, columns))
            values.append(np.array(parts) / max(parts))
            upper.append(most / max(parts))
            height += 1
        more = columns - len(arcs)
        return SparseModel(
            cost=np.append(model.cost, np.zeros(more)),
            lower=np.append(model.lower, np.zeros(more)),
            upper=np.append(model.upper, np.ones(more)),
            integer=np.append(model.integer, np.ones(more, dtype=np.bool_)),
            row_lower=np.append(model.row_lower, np.full(len(upper), -np.inf)),
            row_upper=np.append(model.row_upper, upper),
            row=np.concatenate([model.row, *rows]).astype(np.int64),
            column=np.concatenate([model.column, *cols]).astype(np.int64),
            value=np.concatenate([model.value, *values]),
        )

    def cuts(self, path: Ints, arcs: Ints) -> list[Row]:
        """Return nothing: rows say it all."""
        return []


def _longest(graph: FlowGraph, arcs: Ints, weight: Floats) -> float:
    """Return what no path over some arcs exceeds."""
    most = np.zeros(graph.states)
    tail, head = graph.arcs.tail[arcs], graph.arcs.head[arcs]
    order = np.argsort(graph.stage[tail], kind="stable")
    stages = graph.stage[tail][order]
    for group in np.split(order, np.flatnonzero(np.diff(stages)) + 1):
        np.maximum.at(most, head[group], most[tail[group]] + weight[group])
    return float(most[graph.goal]) * (1 + 1e-9)


class Cone:
    """Deadlines by Cantelli's bound."""

    def __init__(self, instance: CiftInstance, graph: FlowGraph, parts: _Parts) -> None:
        doubt = instance.doubt
        assert doubt is not None
        self.limits = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
        self.kappa = [math.sqrt(p / (1 - p)) for p in map(float, doubt.confidences())]
        means = {(s.tail, s.head): s.mean for s in doubt.spread}
        variances = {(s.tail, s.head): s.variance for s in doubt.spread}
        mean = _of_ends(parts, instance, lambda t, h: means.get((t, h), 1.0))
        varied = _of_ends(parts, instance, lambda t, h: variances.get((t, h), 0.0))
        self.mean: Floats = parts.in_doubt * mean + parts.certain
        self.variance: Floats = varied * parts.in_doubt**2
        self.relaxed = list(self.mean * (1 - 1e-13))

    def late(self, path: Ints) -> Floats:
        """Return nothing: there are no columns beside the arcs."""
        return np.empty(0)

    def add(self, model: SparseModel, arcs: Ints) -> SparseModel:
        """Return the model as it is."""
        return model

    def cuts(self, path: Ints, arcs: Ints) -> list[Row]:
        """Return the tangents at a path, over the columns of `arcs`."""
        found = []
        for phase, limit in enumerate(self.limits):
            sd = math.sqrt(self.variance[phase, path].sum())
            if limit is None or sd == 0:
                continue
            slope = self.mean[phase].copy()
            slope[path] += self.kappa[phase] * self.variance[phase, path] / sd
            unit = limit * LOOSE if limit > 0 else 1.0
            shares = slope[arcs] / unit
            used = np.flatnonzero(shares)
            top = WIDE if limit > 0 else 0.0
            found.append(Row(-np.inf, top, used.astype(np.int32), shares[used]))
        return found
