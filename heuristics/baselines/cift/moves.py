"""The neighbourhoods of ``local-search`` for CIFT.

From a state (configuration, path, cuts) one move leads to a neighbour:

``shift``
    1, 2, 4, ... blocks go over one cut, towards either side; blocks cut again and again travel on.
    All blocks of a node may go: it becomes a relay, and an empty node on the path a host. Of a
    graph the last or the first blocks that a host has go, and any single one that may.
``insert``
    A node is put between two neighbours of the path, as a relay or with 1, 2, 4, ... blocks of
    either neighbour.
``replace``
    A node other than the source gives its place and its blocks to another one.
``remove``
    A node between two others goes where a link joins these; its blocks go to either.
``extend``, ``cut back``
    A node is added at the end and takes 1, 2, 4, ... or all blocks of the last one; the last node
    goes and leaves its blocks to the one before.
``configure``
    Another configuration. Cuts go where the shares of the work are nearest to those before. With
    another source, the new one takes the old one's place, which needs a link to the next node.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator

from splitopt.heuristics.baselines.cift.data import Chain
from splitopt.heuristics.baselines.cift.states import State, States


def _steps(most: int) -> Iterator[int]:
    """Yield 1, 2, 4, ... below `most`, and `most`."""
    size = 1
    while size < most:
        yield size
        size *= 2
    if most > 0:
        yield most


def _earlier(chain: Chain, low: int, done: int) -> Iterator[int]:
    """Yield `done` without 1, 2, 4, ... or all of the blocks that `low` has not."""
    for size in _steps(chain.ends.count(low, done)):
        yield chain.ends.fewer(low, done, size)


def _later(chain: Chain, done: int, high: int) -> Iterator[int]:
    """Yield `done` with 1, 2, 4, ... or all of the blocks that `high` has beside; not the last.

    The last node keeps a block; to leave it none is to cut it off.
    """
    for size in _steps(chain.ends.count(done, high) - (high == chain.length)):
        yield chain.ends.more(done, high, size)


def _shifts(states: States, state: State) -> Iterator[State]:
    case, nodes, ends = state
    chain = states.chains[case]
    for k in range(len(nodes) - 1):
        low, here, high = ends[k - 1] if k else 0, ends[k], ends[k + 1]
        for end in itertools.chain(
            _earlier(chain, low, here),
            _later(chain, here, high),
            (end for end in chain.ends.near(low, here, high) if end != chain.length),
        ):
            yield State(case, nodes, (*ends[:k], end, *ends[k + 1 :]))


def _insertions(states: States, state: State) -> Iterator[State]:
    case, nodes, ends = state
    chain = states.chains[case]
    for k, (tail, head) in enumerate(itertools.pairwise(nodes)):
        low = ends[k - 1] if k else 0
        for new in states.heads[tail]:
            if (new, head) not in states.links:
                continue
            path = (*nodes[: k + 1], new, *nodes[k + 1 :])
            yield State(case, path, (*ends[: k + 1], ends[k], *ends[k + 1 :]))
            for end in _earlier(chain, low, ends[k]):
                yield State(case, path, (*ends[:k], end, *ends[k:]))
            for end in _later(chain, ends[k], ends[k + 1]):
                yield State(case, path, (*ends[: k + 1], end, *ends[k + 1 :]))


def _replacements(states: States, state: State) -> Iterator[State]:
    case, nodes, ends = state
    for k in range(1, len(nodes)):
        for new in states.heads[nodes[k - 1]]:
            if new == nodes[k]:
                continue
            if k + 1 < len(nodes) and (new, nodes[k + 1]) not in states.links:
                continue
            yield State(case, (*nodes[:k], new, *nodes[k + 1 :]), ends)


def _removals(states: States, state: State) -> Iterator[State]:
    case, nodes, ends = state
    for k in range(1, len(nodes) - 1):
        if (nodes[k - 1], nodes[k + 1]) not in states.links:
            continue
        path = (*nodes[:k], *nodes[k + 1 :])
        yield State(case, path, (*ends[:k], *ends[k + 1 :]))  # its blocks to the next
        if ends[k] > ends[k - 1]:
            yield State(case, path, (*ends[: k - 1], *ends[k:]))  # or to the one before


def _end_moves(states: States, state: State) -> Iterator[State]:
    case, nodes, ends = state
    low = ends[-2] if len(ends) > 1 else 0
    for new in states.heads[nodes[-1]]:
        for end in _earlier(states.chains[case], low, ends[-1]):
            yield State(case, (*nodes, new), (*ends[:-1], end, ends[-1]))
    if len(nodes) > 1:
        yield State(case, nodes[:-1], (*ends[:-2], ends[-1]))


def recut(states: States, state: State, case: int) -> tuple[int, ...]:
    """Return the cuts of another configuration whose shares of the work are nearest."""
    before, after = states.chains[state.case], states.chains[case]
    if before.configuration.model == after.configuration.model:
        return state.ends
    # Of a graph, those in the order of its blocks.
    blocks = len(after.model.blocks)
    along = after.ends.along(list(range(blocks)), list(range(blocks + 1)))
    reached = [after.work_flop[s] for s in along]
    ends = []
    for end in state.ends[:-1]:
        total = before.work_flop[-1]
        share = before.work_flop[end] / total if total > 0 else end / before.length
        wanted = share * after.work_flop[-1]
        near = bisect.bisect_left(reached, wanted)
        if near > 0 and wanted - reached[near - 1] < reached[near] - wanted:
            near -= 1
        ends.append(along[min(near, blocks - 1)])
    return (*ends, after.length)


def _configurations(states: States, state: State) -> Iterator[State]:
    source = state.nodes[0]
    for case, other in enumerate(states.sources):
        if case == state.case:
            continue
        ends = recut(states, state, case)
        if other == source:
            yield State(case, state.nodes, ends)
        elif len(state.nodes) == 1 or (other, state.nodes[1]) in states.links:
            yield State(case, (other, *state.nodes[1:]), ends)


def neighbours(states: States, state: State) -> list[State]:
    """Return the neighbours of a state, each once, in a fixed order."""
    found = itertools.chain(
        _shifts(states, state),
        _insertions(states, state),
        _replacements(states, state),
        _removals(states, state),
        _end_moves(states, state),
        _configurations(states, state),
    )
    return [other for other in dict.fromkeys(found) if other != state]
