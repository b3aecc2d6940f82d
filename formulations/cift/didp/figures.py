"""CIFT in integers for didppy: what blocks, hops and levels cost, rounded so that bounds hold.

With H the most terms a plan has, every energy and time is scaled and rounded down, every limit
too, and a term that is too much by itself is cut off where it is too much::

    e' = min(floor(K e), cap),    t' = min(floor(Q t), tau' + 1),    tau' = floor(Q tau)

A plan that keeps a deadline has sum t' <= tau', and E' <= K E < E' + H, unless it costs as much as
the best plan known, and then E' >= cap - H. So the least E' over K bounds the optimum. Sums stay
below 2^52, where doubles are exact. Memory is compared in rationals.

A place p = g N + n is node n under configuration g. What a segment costs is a difference of sums
over what is done (`splitopt.formulations.cift.didp.states`), exact because the terms are integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np

from splitopt.formulations.cift.didp.states import (
    Segments,
    States,
    longest,
    networks,
    segments,
    states_of,
    wide_hops,
)
from splitopt.formulations.solvers.didp import EXACT
from splitopt.instances.cift.model import CiftInstance, Configuration, Link, SpeedInterval
from splitopt.instances.core.arrays import Bools, Floats, Ints
from splitopt.instances.core.tolerances import TOLERANCES

_DOWN = 1 - 2.0**-48  # takes off more than the rounding of a product of a few doubles


@dataclass(frozen=True, slots=True)
class Level:
    """The k-th level of each node: scaled sums over what is done, (G, N, S).

    `terms` are those of single blocks, energy and seconds, (2, G, N, B).
    """

    energy: Floats
    seconds: Floats
    terms: Floats


@dataclass(frozen=True, slots=True)
class Hop:
    """The k-th link out of each node: scaled figures of what each state leaves, (G, N, S).

    `heads` are the nodes it leads to, (N,); the node itself where there is no such link. `wide`
    says where a throughput leaves it open; None without one.
    """

    energy: Floats
    latency: Floats
    time: Floats
    heads: Ints
    wide: Bools | None


@dataclass(frozen=True, slots=True)
class Figures:
    """G configurations of at most B blocks and S states on N nodes.

    Attributes
    ----------
    chosen
        The configurations.
    source, trained
        Of each: node, and whether there is fine-tuning, (G,).
    states
        What may be done: of a chain, a number of blocks.
    levels
        Serving and fine-tuning: a `Level` for each position in `speeds`.
    speeds
        FLOP/s of each node in serving and in fine-tuning.
    hops
        A `Hop` for each position in `degree`.
    degree
        Links out of each node, (N,).
    reach
        Of chains, the last block of the longest segment behind b blocks that fits, (G, N, S).
    segments
        In place of it for graphs and throughputs.
    order
        Nodes, heads of links before tails.
    scale, cap, terms
        K, and H.
    limits
        tau' of both deadlines, infinite where absent.
    """

    chosen: Sequence[Configuration]
    source: Ints
    trained: Bools
    states: States
    levels: Sequence[Sequence[Level]]
    speeds: Sequence[Sequence[Sequence[float]]]
    hops: Sequence[Hop]
    degree: Ints
    reach: Ints
    segments: Segments | None
    order: Sequence[int]
    scale: float
    cap: float
    terms: int
    limits: Sequence[float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """G, N and S."""
        G, N, S = self.reach.shape
        return G, N, S


def figures(instance: CiftInstance, dearest_j: float) -> Figures:
    """Return the figures; plans that cost `dearest_j` are not wanted (infinite: any is)."""
    chosen = _distinct(instance)
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    blocks = max(len(instance.models[instance.model_index[g.model]].blocks) for g in chosen)
    states = states_of(instance, chosen)
    passes = np.array([float(instance.expected_passes(g)) for g in chosen])
    timed = np.array([float(instance.assured_passes(g)) for g in chosen])
    work, bits = networks(instance, chosen, states, blocks)
    speeds, runs = _computing(instance, work, passes, timed)
    heads = {
        n: [instance.node_index[link.head] for link in instance.links_from[node.name]]
        for n, node in enumerate(instance.nodes)
    }
    leaving = [instance.links_from[node.name] for node in instance.nodes]
    outs = [
        [out[min(k, len(out) - 1)] if out else None for out in leaving]
        for k in range(max(len(out) for out in leaving))
    ]
    shipped = [instance.training.communication_factor * s for s in (passes, timed)]
    cuts = [_cuts(instance, bits, links, *shipped) for links in outs]
    terms = 2 * blocks + len(instance.nodes)
    if not math.isfinite(dearest_j):
        dearest_j = sum(max(float(e.sum(axis=2).max()) for e, _ in part) for part in runs)
        dearest_j += len(instance.nodes) * max((float(c[0].max()) for c in cuts), default=0.0)
    scale, cap = _scale(dearest_j * (1 + 1e-9), terms) if dearest_j > 0 else (1.0, 0.0)
    timing = [_timing(deadline, terms) for deadline in deadlines]
    return Figures(
        chosen,
        np.array([instance.node_index[g.source] for g in chosen]),
        passes > 0,
        states,
        tuple(
            [_level(states, _down(e, scale, cap), _down(s, q, top + 1)) for e, s in part]
            for part, (q, top) in zip(runs, timing, strict=True)
        ),
        speeds,
        [
            Hop(
                _down(energy, scale, cap),
                _down(latency, timing[0][0], timing[0][1] + 1),
                _down(time, timing[1][0], timing[1][1] + 1),
                np.array([out[k] if k < len(out) else n for n, out in heads.items()]),
                wide_hops(instance, chosen, states, outs[k], bits),
            )
            for k, (energy, latency, time) in enumerate(cuts)
        ],
        np.array([len(out) for out in heads.values()]),
        np.stack([longest(instance, g, states.width) for g in chosen]),
        segments(instance, chosen, states, speeds[0]),
        list(TopologicalSorter(heads).static_order()),
        scale,
        cap,
        terms,
        [top for _, top in timing],
    )


def _computing(
    instance: CiftInstance, work: Floats, passes: Floats, timed: Floats
) -> tuple[list[list[list[float]]], list[list[tuple[Floats, Floats]]]]:
    """Return, for serving and for fine-tuning, the speeds of each node and J and s at the k-th."""
    compute, G = instance.training.compute_factor, len(passes)
    rated = instance.throughput_per_s is not None
    speeds, runs = [], []
    for limited, often, counted in (
        (
            rated or instance.inference_deadline_s is not None,
            np.full(G, float(instance.requests)),
            np.ones(G),
        ),
        (instance.fine_tuning_deadline_s is not None, compute * passes, compute * timed),
    ):
        mine = _worthwhile(instance, timed=limited, free=not often.any())
        speeds.append(mine)
        runs.append(
            [
                _runs(instance, work, [f[min(k, len(f) - 1)] for f in mine], often, counted)
                for k in range(max(len(f) for f in mine))
            ]
        )
    return speeds, runs


def _scale(most: float, terms: int) -> tuple[float, float]:
    """Return a scale at which `terms` figures up to `most` stay exact, and `most` scaled."""
    if most == 0:
        return math.inf, 0.0
    scale = EXACT / (2 * terms * most)
    return scale, float(math.floor(most * scale / _DOWN))


def _timing(deadline: float | None, terms: int) -> tuple[float, float]:
    """Return Q and tau' of a deadline, infinite without one."""
    if deadline is None:
        return 0.0, math.inf
    return _scale(deadline * (1 + TOLERANCES.deadline) / _DOWN, terms)


def _down(values: Floats, scale: float, top: float) -> Floats:
    if scale == math.inf:  # where nothing is allowed, anything is too much
        return np.where(values > 0, top, 0.0)
    return np.minimum(np.floor(values * (scale * _DOWN)), top)


def _level(states: States, energy: Floats, seconds: Floats) -> Level:
    return Level(states.sums(energy), states.sums(seconds), np.stack([energy, seconds]))


def _distinct(instance: CiftInstance) -> list[Configuration]:
    """Return the configurations; of those that differ in q alone, one with least S_g.

    The others cost at least as much and take at least as long on every placement.
    """
    least: dict[tuple[object, ...], Configuration] = {}
    for g in instance.configurations:
        other = least.setdefault(instance.rival(g), g)
        if instance.expected_passes(g) < instance.expected_passes(other):
            least[instance.rival(g)] = g
    return list(least.values())


def _worthwhile(instance: CiftInstance, *, timed: bool, free: bool) -> list[list[float]]:
    """Return the levels of each node that may be wanted in a phase, the fastest first.

    A level goes where a faster one costs no more; without a deadline only the cheapest stays,
    where computing costs nothing only the fastest.
    """
    found = []
    for node in instance.nodes:
        speeds = node.speeds_flop_per_s
        if isinstance(speeds, SpeedInterval):
            raise TypeError("didp needs listed speeds")
        kept: list[float] = []
        least = math.inf
        for f in reversed(speeds):
            cost = node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f
            if cost < least:
                kept.append(f)
                least = cost
        found.append(kept[:1] if free else kept if timed else kept[-1:])
    return found


def _runs(
    instance: CiftInstance, work: Floats, speeds: Sequence[float], often: Floats, timed: Floats
) -> tuple[Floats, Floats]:
    """Return J and s of every block on every node, each node at one of its speeds, (G, N, B)."""
    f = np.array(speeds)[:, None]
    kappa = np.array([node.kappa_j_s2_per_flop3 for node in instance.nodes])[:, None]
    busy = np.array([node.busy_power_w for node in instance.nodes])[:, None]
    joules = often[:, None, None] * work * (kappa * f * f + busy / f)
    return joules, timed[:, None, None] * (work / f)


def _cuts(
    instance: CiftInstance,
    bits: Floats,
    links: Sequence[Link | None],
    carried: Floats,
    timed: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Return J and both times of every cut over one link of each node, (G, N, S)."""
    rate = np.array([1.0 if link is None else link.rate_bit_per_s for link in links])[:, None]
    delay = np.array([0.0 if link is None else link.delay_s for link in links])[:, None]
    energy = np.array([0.0 if link is None else link.energy_j_per_bit for link in links])[:, None]
    passes = carried[:, None, None]
    wire = bits / rate
    return (
        (instance.requests + passes) * energy * bits,
        wire + delay,
        timed[:, None, None] * (wire + delay / instance.training.batch_size),
    )
