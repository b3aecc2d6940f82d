"""``pymoo-ga`` for CIFT: pymoo's genetic algorithm on vectors that are decoded to placements.

A vector x in [0, 1]^(2 + 2 n + B), n nodes, stands for a state
(`splitopt.heuristics.baselines.cift.states`)::

    x_0              the configuration, floor(x_0 |G|)
    x_1              the last node, among those that the source's links lead to, itself included
    x_2 .. x_n+1     ranks: from each node the path goes on to the head of largest rank among those
                     from which the last node can be reached
    the next n       shares: along the path a node hosts blocks in proportion to max(0, x - 1/4),
                     cuts rounded to whole blocks; the last one hosts one block at least
    the rest         of a network that is a graph, a rank for each block: they run in the order of
                     rank, each after its needs; B is the most blocks of a graph, 0 of chains

Every vector is a placement, and every placement has vectors: its nodes ranked along the path, and
shares in proportion to its blocks. Speeds are the best for each placement. The one constraint
handed to pymoo is the excess over memory and deadlines, at most 0: feasible vectors come before
infeasible ones, these by excess. Selection, crossover, mutation and survival are pymoo's
(`splitopt.heuristics.baselines.pymoo_run`). The first population is drawn, but for one vector for
each configuration, all blocks on the source, as far as there is room for a quarter of it.

It can represent every plan; what it lacks is
a proof.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from splitopt.heuristics.baselines.cift.search import conclude_placement
from splitopt.heuristics.baselines.cift.states import Key, State, States
from splitopt.heuristics.baselines.pymoo_run import OPTIONS, Floats, evolve, preload
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND, CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    Result,
    Termination,
)
from splitopt.instances.contract.outcome import nothing_found

_RELAY = 0.25


class Decoder:
    """Vectors of an instance, and the states they stand for."""

    def __init__(self, states: States) -> None:
        self.states = states
        self.nodes = len(states.instance.nodes)
        graphs = [c.model for c in states.chains if c.model.is_graph]
        self.dimension = 2 + 2 * self.nodes + max((len(m.blocks) for m in graphs), default=0)
        # ahead[n]: the nodes that n's links lead to, n itself included, by number.
        self.ahead: list[tuple[int, ...]] = [()] * self.nodes
        for node in range(self.nodes):
            self._reach(node)

    def _reach(self, node: int) -> tuple[int, ...]:
        if not self.ahead[node]:
            found = {node}
            waiting = [node]
            while waiting:
                for head in self.states.heads[waiting.pop()]:
                    if head not in found:
                        found.add(head)
                        waiting.append(head)
            self.ahead[node] = tuple(sorted(found))
        return self.ahead[node]

    def decode(self, x: Floats) -> State:
        """Return the state of a vector."""
        values = x.tolist()
        case = _pick(values[0], len(self.states.chains))
        here = self.states.sources[case]
        last = self.ahead[here][_pick(values[1], len(self.ahead[here]))]
        path = [here]
        while here != last:
            heads = [head for head in self.states.heads[here] if last in self.ahead[head]]
            here = max(heads, key=lambda head: float(values[2 + head]))
            path.append(here)
        chain = self.states.chains[case]
        length = len(chain.model.blocks)
        shares = [max(0.0, values[2 + self.nodes + node] - _RELAY) for node in path]
        if sum(shares) == 0:
            shares[-1] = 1.0
        total, done = sum(shares), 0.0
        ends = []
        for share in shares[:-1]:
            done += share
            ends.append(min(round(length * done / total), length - 1))
        order = chain.ends.ordered(values[2 + 2 * self.nodes :]) if chain.model.is_graph else []
        return State(case, tuple(path), (*chain.ends.along(order, ends), chain.length))

    def encode(self, state: State) -> Floats:
        """Return a vector of a state."""
        case, nodes, ends = state
        chain = self.states.chains[case]
        x = np.zeros(self.dimension)
        ahead = self.ahead[nodes[0]]
        x[0] = (case + 0.5) / len(self.states.chains)
        x[1] = (ahead.index(nodes[-1]) + 0.5) / len(ahead)
        hosted = np.array([chain.ends.count(a, b) for a, b in itertools.pairwise((0, *ends))])
        for k, node in enumerate(nodes):
            x[2 + node] = 1 - k / (2 * len(nodes))
            if hosted[k]:
                x[2 + self.nodes + node] = _RELAY + (1 - _RELAY) * hosted[k] / hosted.max()
            if chain.model.is_graph:
                for block in chain.ends.sets.between((0, *ends)[k], ends[k]):
                    x[2 + 2 * self.nodes + block] = 1 - k / (2 * len(nodes))
        return x


def _pick(value: float, count: int) -> int:
    return min(int(value * count), count - 1)


class PymooCift(Framed[CiftInstance, CiftPlan]):
    """pymoo's genetic algorithm over placements."""

    name = "pymoo-ga"
    options: tuple[Option, ...] = OPTIONS
    takes = BEYOND
    doubt = KINDS

    def prepare(self) -> None:
        """Import pymoo."""
        preload()

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the best plan met; without a feasible one, the least violating."""
        chosen = run.options
        if not instance.configurations or run.stopped:
            ended = Termination.TIME if instance.configurations else Termination.SOLVED
            return nothing_found(run.recorder, termination=ended)
        states = States(instance)
        decoder = Decoder(states)
        best: State | None = None
        least: Key = (math.inf, math.inf)

        def score(x: Floats) -> Key:
            nonlocal best, least
            state = decoder.decode(x)
            key = states.key(state)
            if best is None or key < least:
                best, least = state, key
                if key[0] == 0.0:
                    run.recorder.note(key[1])
            return key

        def stop() -> bool:
            return run.stopped

        whole = [
            State(case, (source,), (chain.length,))
            for case, (source, chain) in enumerate(zip(states.sources, states.chains, strict=True))
        ]
        room = int(chosen["population"]) // 4
        given = np.array([decoder.encode(state) for state in whole[:room]])
        generations = evolve(score, decoder.dimension, chosen, run.seed, stop, given)
        ended = Termination.TIME if stop() else Termination.SOLVED
        if best is None:
            return nothing_found(run.recorder, termination=ended)
        return conclude_placement(
            instance,
            states.placement(best),
            run.recorder,
            run.budget,
            ended,
            {"generations": generations, "evaluations": states.evaluations},
        )


METHOD = PymooCift()
