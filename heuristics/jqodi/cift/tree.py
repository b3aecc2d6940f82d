"""The time-energy tree of a configuration as data: every label the program makes, and its fate.

For the picture the graph is written out in full and nothing is cut for its energy; what goes is
dominated, trimmed, or over a deadline. A label stands for a prefix of a plan: blocks done, the node
where it is, and whether that node has hosted yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heuristics.jqodi.cift.network import Instance
from heuristics.jqodi.cift.program import Program
from instances.cift import CiftInstance
from instances.errors import InputError

__all__ = ["FATES", "Tree", "time_energy_tree"]

FATES = ("kept", "dominated", "trimmed", "over a deadline", "too dear")


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
    phase
        ``arrived``, ``serving`` (the serving speed chosen, the other not yet) or ``placed``.
    fate
        Position in `FATES`.
    optimal
        Whether the label leads to the cheapest plan among the labels kept.
    inference_deadline_s, fine_tuning_deadline_s
        The deadlines.
    complete
        False when there were more labels than asked for.
    """

    configuration: int
    parent: npt.NDArray[np.int64]
    energy_j: npt.NDArray[np.float64]
    inference_latency_s: npt.NDArray[np.float64]
    fine_tuning_time_s: npt.NDArray[np.float64]
    node: tuple[str, ...]
    blocks: npt.NDArray[np.int64]
    phase: tuple[str, ...]
    fate: npt.NDArray[np.int64]
    optimal: npt.NDArray[np.bool_]
    inference_deadline_s: float | None
    fine_tuning_deadline_s: float | None
    complete: bool

    def __len__(self) -> int:
        return len(self.parent)

    def counts(self) -> dict[str, int]:
        """Return how many labels met each fate."""
        return {name: int((self.fate == k).sum()) for k, name in enumerate(FATES)}


def time_energy_tree(
    instance: CiftInstance,
    configuration: int,
    epsilon: float = 0.0,
    most: int = 20_000,
    time_limit_s: float | None = 60.0,
) -> Tree | None:
    """Return the labels of a configuration; None when no path keeps each deadline by itself.

    Parameters
    ----------
    configuration
        Position in the instance; that of the best plan is the one to look at.
    epsilon
        0: dominance alone; else labels are trimmed too.
    most
        Labels to record at most.

    Raises
    ------
    InputError
        For a configuration the instance has not, or continuous speeds with epsilon 0.
    """
    from heuristics.labels import constrained_shortest_path

    if not 0 <= configuration < len(instance.configurations):
        raise InputError(
            "configuration",
            configuration,
            f"0 to {len(instance.configurations) - 1}",
            "choose one of the instance's",
        )
    step, rest = 0.0, epsilon
    if instance.has_continuous_speeds:
        if epsilon <= 0:
            raise InputError(
                "epsilon", epsilon, "a number > 0 where speeds are continuous", "give 0.1, say"
            )
        from heuristics.jqodi.cift.levels import step_for

        step, rest = step_for(epsilon)
    arrays = Instance(instance)
    program = Program(arrays, step)
    case = arrays.case(configuration)
    measures, _ = program.measures(case, 0.0, 0.0, math.inf)
    graph = program.graph(case, measures)
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
        nodes=graph.goal + 1,
        front=True,
        record=most,
        stop_early=False,
        time_limit_s=time_limit_s,
    )
    log = found.log
    if log is None:
        return None
    times = np.full((len(log.node), 2), np.nan)
    times[:, present] = log.resources
    mark = graph.arcs.mark[log.arc]
    # A segment's first arc where the phases are in series: a serving level, none for training yet.
    between = (mark[:, 3] >= 0) & (mark[:, 4] < 0) & (case.load.compute > 0)
    hop = (mark[:, 3] < 0) & (mark[:, 4] < 0) & (mark[:, 0] != _tail_nodes(graph.arcs)[log.arc])
    phase = np.where(between, "serving", np.where(hop, "arrived", "placed"))
    node, blocks = mark[:, 0].astype(np.int64), mark[:, 2].astype(np.int64)
    node[0], blocks[0], phase[0] = case.load.source, 0, "arrived"
    return Tree(
        configuration,
        log.parent,
        log.cost,
        times[:, 0],
        times[:, 1],
        tuple(arrays.names[n] for n in node.tolist()),
        blocks,
        tuple(phase.tolist()),
        log.fate,
        _on_path(log.parent, (log.fate == 0) & (log.node == graph.goal), log.cost),
        instance.inference_deadline_s,
        instance.fine_tuning_deadline_s,
        log.complete,
    )


def _tail_nodes(arcs: object) -> npt.NDArray[np.int64]:
    """Return the node each arc leaves from: known from the arcs that enter its tail."""
    tail, head, mark = arcs.tail, arcs.head, arcs.mark  # type: ignore[attr-defined]
    at = np.full(int(max(tail.max(), head.max())) + 1, -1, dtype=np.int64)
    at[head] = mark[:, 0]
    found: npt.NDArray[np.int64] = np.where(at[tail] >= 0, at[tail], mark[:, 0])
    return found


def _on_path(
    parent: npt.NDArray[np.int64], ends: npt.NDArray[np.bool_], energy: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Return which labels lead to the cheapest one of `ends`."""
    on = np.zeros(len(parent), dtype=np.bool_)
    if bool(ends.any()):
        label = int(np.argmin(np.where(ends, energy, np.inf)))
        while label >= 0:
            on[label] = True
            label = int(parent[label])
    return on
