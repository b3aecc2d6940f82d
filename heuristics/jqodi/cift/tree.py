"""The time-energy tree of a configuration as data: every label the program makes, and its fate.

For the picture the graph is written out in full and nothing is cut for its energy; what goes is
dominated, trimmed, or over a deadline. A label stands for a prefix of a plan: blocks done, the node
where it is, and whether that node has hosted yet. Where an arc from a label kept lies on no path
within the deadlines, no label is made at all: these are the tree's *shut doors*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.jqodi.cift.network import Case, Instance
from splitopt.heuristics.jqodi.cift.program import Graph, Program
from splitopt.instances.cift.doubt import refuse_doubt
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Bools, Floats, Ints
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.heuristics.labels import LabelLog

FATES = ("kept", "dominated", "trimmed", "over a deadline", "too dear")
_MOST_ARCS = 1_000_000  # above, the graph is written without what deadlines rule out


@dataclass(frozen=True, eq=False, slots=True)
class Doors:
    """Arcs from labels kept that lie on no path within the deadlines: no label was made.

    Attributes
    ----------
    parent
        Position of the label.
    energy_j, inference_latency_s, fine_tuning_time_s
        What the prefix would take with the arc.
    """

    parent: Ints
    energy_j: Floats
    inference_latency_s: Floats
    fine_tuning_time_s: Floats

    def __len__(self) -> int:
        return len(self.parent)


@dataclass(frozen=True, eq=False, slots=True)
class Tree:
    """Labels in the order made; the first is the root's.

    Attributes
    ----------
    configuration
        Position of the configuration in the instance.
    parent
        Position of the label before, -1 for the root.
    energy_j, inference_latency_s, fine_tuning_time_s
        What the prefix takes; a time that no label carries is NaN.
    node, blocks
        Name of the node and blocks done.
    serving_speed, fine_tuning_speed
        Speeds chosen by the label's own step (FLOP/s), NaN where it chooses none.
    phase
        ``arrived``, ``serving`` (the serving speed chosen, the other not yet) or ``placed``.
    fate
        Position in `FATES`.
    optimal
        Whether the label leads to the cheapest plan among the labels kept.
    inference_deadline_s, fine_tuning_deadline_s
        The deadlines.
    doors
        Arcs shut by the deadlines; None when the graph was too large to write them out, or
        the tree is cut short.
    complete
        False when there were more labels than asked for; fates of the last ones are then open.
    graph
        Whether the network is a graph: `blocks` are then numbers of downsets.
    """

    configuration: int
    parent: Ints
    energy_j: Floats
    inference_latency_s: Floats
    fine_tuning_time_s: Floats
    node: tuple[str, ...]
    blocks: Ints
    serving_speed: Floats
    fine_tuning_speed: Floats
    phase: tuple[str, ...]
    fate: Ints
    optimal: Bools
    inference_deadline_s: float | None
    fine_tuning_deadline_s: float | None
    doors: Doors | None
    complete: bool
    graph: bool = False

    def __len__(self) -> int:
        return len(self.parent)

    def counts(self) -> dict[str, int]:
        """Return how many labels met each fate."""
        return {name: int((self.fate == k).sum()) for k, name in enumerate(FATES)}


def time_energy_tree(
    instance: CiftInstance,
    configuration: int,
    epsilon: float = 0.0,
    most: int = 200_000,
    time_limit_s: float | None = 60.0,
) -> Tree | None:
    """Return the labels of a configuration; None when no path keeps each deadline by itself.

    Parameters
    ----------
    configuration
        Position in the instance; that of the best plan is the one to look at.
    epsilon
        0: dominance alone; else labels are trimmed too, unless there is no deadline to miss.
    most
        Labels to make at most; the tree is cut short there.

    Raises
    ------
    InputError
        For a configuration the instance has not, or continuous speeds with epsilon 0.
    """
    from splitopt.heuristics.labels import constrained_shortest_path

    step, rest = _rules(instance, configuration, epsilon)
    arrays = Instance(instance)
    program = Program(arrays, step)
    case = arrays.case(configuration)
    graph, whole = _graph(program, case)
    if not graph.size:
        return None
    limit = case.load.limit
    present = np.flatnonzero(np.isfinite(limit))
    if not len(present):
        present = np.array([0])  # without a deadline: energy against latency, no wall
    found = constrained_shortest_path(
        graph.arcs.tail,
        graph.arcs.head,
        graph.arcs.figure[:, 0],
        graph.arcs.figure[:, 1 + present],
        graph.root,
        graph.goal,
        limit[present],
        rest,
        strict=len(present) - 1,
        others="kept",
        nodes=graph.goal + 1,
        front=True,
        record=most,
        label_limit=most,
        stop_early=False,
        time_limit_s=time_limit_s,
    )
    log = found.log
    if log is None:
        return None
    ended = ("finished", "infeasible", "tightened limits infeasible")
    complete = log.complete and found.termination.value in ended
    times = np.full((len(log.node), 2), np.nan)
    times[:, present] = log.resources
    doors = _doors(graph, log, times, most) if whole and complete else None
    return _written(instance, configuration, graph, log, times, doors, complete)


def _rules(instance: CiftInstance, configuration: int, epsilon: float) -> tuple[float, float]:
    """Return the step of the grid of speeds and the error left to the labels."""
    refuse_doubt(instance, "the time-energy tree")
    if not 0 <= configuration < len(instance.configurations):
        raise InputError(
            "configuration",
            configuration,
            f"0 to {len(instance.configurations) - 1}",
            "choose one of the instance's",
        )
    # Else one speed of a node is enough.
    many = instance.deadlines > 0 or instance.throughput_per_s is not None
    if not (instance.has_continuous_speeds and many):
        return 0.0, epsilon if many else 0.0
    if epsilon <= 0:
        raise InputError(
            "epsilon", epsilon, "a number > 0 where speeds are continuous", "give 0.1, say"
        )
    from splitopt.heuristics.jqodi.cift.levels import step_for

    return step_for(epsilon)


def _written(
    instance: CiftInstance,
    configuration: int,
    graph: Graph,
    log: LabelLog,
    times: Floats,
    doors: Doors | None,
    complete: bool,
) -> Tree:
    """Return the tree of the labels in a log."""
    load = graph.case.load
    mark = graph.arcs.mark[log.arc]
    # A segment's first arc where the phases are in series: a serving level, none for training yet.
    between = (mark[:, 3] >= 0) & (mark[:, 4] < 0) & (load.compute > 0)
    hop = (mark[:, 3] < 0) & (mark[:, 4] < 0) & (mark[:, 0] != _tail_nodes(graph.arcs)[log.arc])
    phase = np.where(between, "serving", np.where(hop, "arrived", "placed"))
    node, blocks = mark[:, 0].astype(np.int64), mark[:, 2].astype(np.int64)
    node[0], blocks[0], phase[0] = load.source, 0, "arrived"
    mark[0, 3:] = -1
    names = list(graph.names)
    return Tree(
        configuration,
        log.parent,
        log.cost,
        times[:, 0],
        times[:, 1],
        tuple(names[n] for n in node.tolist()),
        blocks,
        _chosen(graph.serve.speed, mark[:, 3]),
        _chosen(graph.tune.speed, mark[:, 4]),
        tuple(phase.tolist()),
        log.fate,
        _on_path(log.parent, (log.fate == 0) & (log.node == graph.goal), log.cost),
        instance.inference_deadline_s,
        instance.fine_tuning_deadline_s,
        doors,
        complete,
        instance.models[instance.model_index[graph.case.configuration.model]].is_graph,
    )


def _chosen(speed: Floats, level: npt.NDArray[np.int32]) -> Floats:
    """Return the speeds of levels, NaN for level -1."""
    found: Floats = np.where(level >= 0, speed[level], np.nan)
    return found


def _graph(program: Program, case: Case) -> tuple[Graph, bool]:
    """Return the graph, and whether it has the arcs that deadlines rule out."""
    from splitopt.heuristics.jqodi.cift.graph import bounds_of
    from splitopt.heuristics.jqodi.cift.levels import phase_levels

    net, load = program.instance.network, case.load
    per_phase = [
        np.diff(phase_levels(program.instance, program.step, serving=serving).first)
        for serving in (True, False)
    ]
    pairs = per_phase[0] * (per_phase[1] if case.load.compute > 0 else 1)
    segments = load.count.sum(axis=1)
    whole = int((segments * pairs).sum()) + len(net.head) * load.count.shape[1] <= _MOST_ARCS
    if whole:
        energy, no_limit = np.array([[1.0, 0.0, 0.0]]), np.array([math.inf])
        anything = bounds_of(net, case.chain, case.load, energy, no_limit, np.zeros(1, np.bool_))
        return program.graph(case, anything), True
    measures, _ = program.measures(case, 0.0, 0.0, math.inf)
    return program.graph(case, measures), False


def _doors(graph: Graph, log: LabelLog, times: Floats, most: int) -> Doors:
    """Return the arcs from labels kept that no label was made by, at most so many."""
    tail = graph.arcs.tail
    used = np.zeros(len(tail), dtype=np.bool_)
    used[log.arc[log.arc >= 0]] = True
    # Arcs are sorted by nothing that helps here: by tail.
    order = np.argsort(tail[~used], kind="stable")
    shut = np.flatnonzero(~used)[order]
    first = np.searchsorted(tail[shut], np.arange(graph.goal + 2))
    kept = np.flatnonzero((log.fate == 0) & (log.node != graph.goal))
    count = first[log.node[kept] + 1] - first[log.node[kept]]
    within = np.cumsum(count) <= most
    kept, count = kept[within], count[within]
    parent = np.repeat(kept, count)
    offset = np.arange(len(parent)) - np.repeat(np.cumsum(count) - count, count)
    arc = shut[np.repeat(first[log.node[kept]], count) + offset]
    figure = graph.arcs.figure[arc]
    return Doors(
        parent,
        log.cost[parent] + figure[:, 0],
        times[parent, 0] + figure[:, 1],
        times[parent, 1] + figure[:, 2],
    )


def _tail_nodes(arcs: object) -> Ints:
    """Return the node each arc leaves from: known from the arcs that enter its tail."""
    tail, head, mark = arcs.tail, arcs.head, arcs.mark  # type: ignore[attr-defined]
    at = np.full(int(max(tail.max(), head.max())) + 1, -1, dtype=np.int64)
    at[head] = mark[:, 0]
    found: Ints = np.where(at[tail] >= 0, at[tail], mark[:, 0])
    return found


def _on_path(parent: Ints, ends: Bools, energy: Floats) -> Bools:
    """Return which labels lead to the cheapest one of `ends`."""
    on = np.zeros(len(parent), dtype=np.bool_)
    if bool(ends.any()):
        label = int(np.argmin(np.where(ends, energy, np.inf)))
        while label >= 0:
            on[label] = True
            label = int(parent[label])
    return on
