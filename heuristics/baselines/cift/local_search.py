"""``local-search`` for CIFT: descents over placements, restarted from kicks and fresh draws.

A state is a configuration, a path and its cuts (`splitopt.heuristics.baselines.cift.states`); the
moves are those of `splitopt.heuristics.baselines.cift.moves`; speeds are the best for each
placement. A descent goes through a state's neighbours in random order and moves to the first that
is better, until none is: it ends in a local optimum of all neighbourhoods together.

The first descent starts from the cheapest plan on one node. Each further one starts from the best
state so far after a few random moves (a kick) or, one time in four, from a random walk with random
cuts. Infeasible states are walked through: what exceeds limits least is better, and every feasible
state is better still. It can represent every plan; what it lacks is a proof.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from splitopt.heuristics.baselines.cift.moves import neighbours
from splitopt.heuristics.baselines.cift.search import conclude_placement
from splitopt.heuristics.baselines.cift.states import Key, State, States, random_state
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND, CiftInstance
from splitopt.instances.cift.plan import CiftPlan, states_of
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    Result,
    Termination,
)
from splitopt.instances.contract.outcome import nothing_found

_FRESH_EVERY = 4


class LocalSearch(Framed[CiftInstance, CiftPlan]):
    """Iterated first-improvement descent over placements."""

    name = "local-search"
    takes = BEYOND
    doubt = KINDS
    options = (
        Option("restarts", 100, "descents, unless time ends them", minimum=1, maximum=10**9),
        Option("kick", 3, "random moves between two descents", minimum=1, maximum=1000),
    )

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the best plan met; without a feasible one, the least violating."""
        chosen = run.options
        restarts, kick = int(chosen["restarts"]), int(chosen["kick"])
        rng = np.random.default_rng(run.seed)
        if not instance.configurations or run.stopped:
            ended = Termination.TIME if instance.configurations else Termination.SOLVED
            return nothing_found(run.recorder, termination=ended)
        states = States(instance)

        def stop() -> bool:
            return run.stopped

        def tell(key: Key) -> None:
            if key[0] == 0.0:
                run.recorder.note(key[1])

        state = None if run.start is None else _state_of(states, run.start)
        if state is None:
            state = _whole(states, stop)
        best, least = state, states.key(state)
        tell(least)
        descents = moves = 0
        while descents < restarts and not stop():
            if descents:
                fresh = descents % _FRESH_EVERY == 0
                state = random_state(states, rng) if fresh else _kicked(states, best, kick, rng)
            state, key, made = _descend(states, state, rng, stop)
            descents += 1
            moves += made
            if key < least:
                best, least = state, key
                tell(least)
        return conclude_placement(
            instance,
            states.placement(best),
            run.recorder,
            run.budget,
            Termination.SOLVED if descents == restarts else Termination.TIME,
            {"descents": descents, "moves": moves, "evaluations": states.evaluations},
        )


def _descend(
    states: States, state: State, rng: np.random.Generator, stop: Callable[[], bool]
) -> tuple[State, Key, int]:
    """Return the local optimum below `state`, its key, and the moves made."""
    key = states.key(state)
    moves = 0
    while True:
        around = neighbours(states, state)
        for k in rng.permutation(len(around)).tolist():
            if stop():
                return state, key, moves
            other = states.key(around[k], key)
            if other < key:
                state, key = around[k], other
                moves += 1
                break
        else:
            return state, key, moves


def _kicked(states: States, state: State, moves: int, rng: np.random.Generator) -> State:
    """Return the state after so many random moves."""
    for _ in range(moves):
        around = neighbours(states, state)
        if not around:
            break
        state = around[int(rng.integers(len(around)))]
    return state


def _whole(states: States, stop: Callable[[], bool]) -> State:
    """Return the best state with all blocks on one node, by paths of fewest hops."""
    best: State | None = None
    least: Key = (math.inf, math.inf)
    for case, source in enumerate(states.sources):
        length = states.chains[case].length
        paths: dict[int, tuple[int, ...]] = {source: (source,)}
        for here in (order := [source]):  # grows while it is read
            for head in states.heads[here]:
                if head not in paths:
                    paths[head] = (*paths[here], head)
                    order.append(head)
        for path in paths.values():
            state = State(case, path, (0,) * (len(path) - 1) + (length,))
            key = states.key(state)
            if best is None or key < least:
                best, least = state, key
            if stop():
                return best
    assert best is not None  # there is a configuration, and its source is on a path
    return best


def _state_of(states: States, plan: CiftPlan) -> State | None:
    """Return the state of a plan, None where it does not fit the instance."""
    instance = states.instance
    chosen = plan.configuration(instance)
    if chosen is None:
        return None
    case = instance.configurations.index(chosen)
    try:
        ends = tuple(states_of(states.chains[case].model, plan))
    except KeyError:  # blocks of another network, or in an order that it does not have
        return None
    if any(stop.node not in instance.node_index for stop in plan.stops):
        return None
    nodes = tuple(instance.node_index[stop.node] for stop in plan.stops)
    joined = all(pair in states.links for pair in itertools.pairwise(nodes))
    fits = ends[-1] == states.chains[case].length and plan.stops[-1].blocks > 0
    return (
        State(case, nodes, ends) if joined and fits and nodes[0] == states.sources[case] else None
    )


METHOD = LocalSearch()
