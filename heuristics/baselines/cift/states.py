"""States that the searches of CIFT walk over: a configuration, a path, and where it is cut.

A state is worth what its placement costs at the best speeds, which are found exactly
(`splitopt.heuristics.baselines.cift.speeds`); so speeds are no part of the search. Its key is the
pair (excess, energy): excess is by how much memory and deadlines are exceeded even at top speeds,
each as a share of what is allowed, summed over hosts and deadlines; 0 where the placement is
feasible. A sum and not the worst, so that mending one of two full hosts counts as progress. Keys
are compared in lexicographic order, so that any feasible state beats any other.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from splitopt.heuristics.baselines.cift.chances import Times, charged, plus
from splitopt.heuristics.baselines.cift.data import Chain, Hop
from splitopt.heuristics.baselines.cift.routes import Route
from splitopt.heuristics.baselines.cift.search import Placement, Segment, excesses, settle
from splitopt.instances.cift.model import CiftInstance, Link

Key = tuple[float, float]
_MOST_KEPT = 200_000


class State(NamedTuple):
    """A configuration by its number, a path of nodes by theirs, and blocks done behind each node.

    ``ends`` ascends weakly to L; node k hosts blocks ends[k - 1] + 1..ends[k], a relay none. The
    last node hosts at least one. Of a graph they are downsets, each a subset of the next.
    """

    case: int
    nodes: tuple[int, ...]
    ends: tuple[int, ...]


class States:
    """An instance as graph and chains, and the keys of states met so far."""

    def __init__(self, instance: CiftInstance) -> None:
        self.instance = instance = charged(instance)
        self.chains = [Chain.of(instance, g) for g in instance.configurations]
        self.sources = [instance.node_index[g.source] for g in instance.configurations]
        index = instance.node_index
        self.links: dict[tuple[int, int], Link] = {
            (index[link.tail], index[link.head]): link for link in instance.links
        }
        self.heads: list[list[int]] = [[] for _ in instance.nodes]
        self.tails: list[list[int]] = [[] for _ in instance.nodes]
        for tail, head in self.links:
            self.heads[tail].append(head)
            self.tails[head].append(tail)
        self.evaluations = 0
        self._cheapest = [[c.least_flop_j(node) for node in instance.nodes] for c in self.chains]
        self._keys: dict[State, Key] = {}
        self._hops: dict[tuple[int, int, int, int], Hop] = {}

    def _hop(self, case: int, tail: int, head: int, done: int) -> Hop:
        key = (case, tail, head, done)
        found = self._hops.get(key)
        if found is None:
            chain = self.chains[case]
            found = chain.hop(self.links[tail, head], chain.bits[done])
            self._hops[key] = found
        return found

    def placement(self, state: State) -> Placement:
        """Return the placement of a state."""
        case, nodes, ends = state
        # As `Route.further` adds up, but once: descents spend a good part of their time here.
        energy = latency = time = narrow = 0.0
        times: Times = ()
        segments = []
        done = 0
        for k, node in enumerate(nodes):
            if k > 0:
                hop = self._hop(case, nodes[k - 1], node, done)
                energy += hop.energy_j
                latency += hop.latency_s
                time += hop.time_s
                narrow = max(narrow, hop.narrow)
                times = plus(times, hop.times)
            if ends[k] > done:
                segments.append(Segment(k, done, ends[k]))
                done = ends[k]
        names = tuple(self.instance.nodes[n].name for n in nodes)
        route = Route(energy, latency, time, names, narrow, times)
        return Placement(self.chains[case], route, tuple(segments))

    def _floor(self, placement: Placement, state: State) -> float:
        """Return a lower bound on the energy: each segment at its node's least joules a FLOP."""
        chain = placement.chain
        flops = sum(
            self._cheapest[state.case][state.nodes[at]] * chain.work(first, last)
            for at, first, last in placement.segments
        )
        return placement.route.energy_j + (chain.requests + chain.compute_passes) * flops

    def key(self, state: State, than: Key = (math.inf, math.inf)) -> Key:
        """Return the key of a state, or any that is not below `than` where its own is not."""
        found = self._keys.get(state)
        if found is not None:
            return found
        placement = self.placement(state)
        if than[0] == 0.0 and self._floor(placement, state) >= than[1]:
            return than
        self.evaluations += 1
        settled = settle(self.instance, placement)
        if settled is not None:
            found = (0.0, settled.energy_j)
        else:
            over, fastest = excesses(self.instance, placement)
            # Rounding may see a plan at the very edge of a deadline from both sides.
            found = (max(sum(over), 5e-324), fastest.energy_j)
        if len(self._keys) >= _MOST_KEPT:
            self._keys.clear()
        self._keys[state] = found
        return found


def random_state(states: States, rng: np.random.Generator, case: int | None = None) -> State:
    """Return a random walk of a random configuration with random cuts."""
    if case is None:
        case = int(rng.integers(len(states.chains)))
    nodes = [states.sources[case]]
    while True:
        leaving = states.heads[nodes[-1]]
        step = int(rng.integers(len(leaving) + 1))
        if step == len(leaving):
            break
        nodes.append(leaving[step])
    chain = states.chains[case]
    return State(case, tuple(nodes), (*random_cuts(chain, len(nodes) - 1, rng), chain.length))


def random_cuts(chain: Chain, count: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Return what is done behind each of so many nodes, the last block not: any may come up."""
    blocks = len(chain.model.blocks)
    sizes = sorted(rng.integers(blocks, size=count).tolist())
    order = chain.ends.ordered(rng.random(blocks).tolist()) if chain.model.is_graph else []
    return chain.ends.along(order, sizes)
