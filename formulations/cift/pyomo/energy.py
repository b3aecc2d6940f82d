"""What a FLOP costs on a node in the Pyomo models of CIFT, and what a plan costs at least."""

from __future__ import annotations

import math
from collections.abc import Iterator
from graphlib import TopologicalSorter

import numpy as np

from splitopt.formulations.cift.pyomo.data import chains
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.networks.downsets import Downsets


def _busy_w(instance: CiftInstance, n: int) -> float:
    """Return rho of a node; in doubt, as long as it is expected to be busy for a second's work."""
    node, doubt = instance.nodes[n], instance.doubt
    return node.busy_power_w if doubt is None else float(node.busy_power_w * doubt.busy(node.name))


def levels(instance: CiftInstance, n: int) -> dict[int, tuple[float, float]]:
    """Return the speeds f of a node by position, with kappa f^2 + rho / f, the joules of a FLOP.

    A level goes when a faster one takes no more energy.
    """
    node, rho = instance.nodes[n], _busy_w(instance, n)
    speeds = node.speeds_flop_per_s
    assert not isinstance(speeds, SpeedInterval)
    kept: dict[int, tuple[float, float]] = {}
    least = float("inf")
    for position in reversed(range(len(speeds))):
        f = speeds[position]
        joules = node.kappa_j_s2_per_flop3 * f * f + rho / f
        if joules < least:
            kept[position] = (f, joules)
            least = joules
    return dict(sorted(kept.items()))


def _joules_a_flop(instance: CiftInstance, n: int) -> float:
    """Return the least kappa f^2 + rho / f over the speeds of a node."""
    node, speeds = instance.nodes[n], instance.nodes[n].speeds_flop_per_s
    if not isinstance(speeds, SpeedInterval):
        return min(joules for _, joules in levels(instance, n).values())
    kappa, rho = node.kappa_j_s2_per_flop3, _busy_w(instance, n)
    critical = (rho / (2 * kappa)) ** (1 / 3) if kappa else speeds.high
    f = min(max(critical, speeds.low), speeds.high)
    return kappa * f * f + rho / f


def least_energy_j(instance: CiftInstance) -> float:
    """Return the energy of the cheapest plan without deadlines, memories and the rule of one visit.

    A lower bound on the optimum (0 without configurations), by a dynamic program over what is done,
    a block at a time, and the node it is at.
    """
    joules = [_joules_a_flop(instance, n) for n in range(len(instance.nodes))]
    best = math.inf
    for g in chains(instance):
        before: dict[int, set[int]] = {n: set() for n in g.nodes}
        onward: dict[int, list[tuple[int, float]]] = {n: [] for n in g.nodes}
        for hop in g.hops:
            before[hop.head].add(hop.tail)
            onward[hop.tail].append((hop.head, (g.serving + g.sending) * hop.joules_a_bit))
        order = list(TopologicalSorter(before).static_order())
        step = {
            n: [(g.serving + g.computing) * w * joules[n] for w in g.flops_on(n)] for n in order
        }
        cost = [dict.fromkeys(g.nodes, math.inf) for _ in range(len(g.sets))]
        cost[0][g.source] = 0.0
        for s, b, done in _one_more(g.sets):
            here = cost[s]
            for n in order:
                for head, a_bit in onward[n]:
                    here[head] = min(here[head], here[n] + a_bit * g.bits[s])
                cost[done][n] = min(cost[done][n], here[n] + step[n][b])
        best = min(best, *cost[-1].values())
    return 0.0 if best == math.inf else best


def _one_more(sets: Downsets) -> Iterator[tuple[int, int, int]]:
    """Yield each set but the last with a block that may come next, and the set with it."""
    for mask, s in sorted(sets.number.items(), key=lambda pair: pair[1]):
        for b in np.flatnonzero(~sets.member[s]).tolist():
            if mask | 1 << b in sets.number:
                yield s, b, sets.number[mask | 1 << b]
