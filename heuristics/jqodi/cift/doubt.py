r"""JQODI where the network is in doubt: the nominal search on a twin, branching where labels were.

The search visits the configurations of a twin that is no slower in any scenario
(`jqodi.cift.twin`). Its Lagrangian bounds and the arcs it rules out hold for the instance, and
every plan it meets goes to the judge of the instance itself. Where it would run the label program,
a branch and bound runs it instead, each node with the linear limits of its branch
(`jqodi.cift.branching`): best bound first; a path that the judge takes closes its node, another is
split.

Nothing is trimmed. Within epsilon, what costs `incumbent / (1 + epsilon)` or more is left out, so
``E <= (1 + epsilon) OPT`` with every deadline kept with its probability; no polynomial bounds the
number of labels.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Any

import numpy as np

from splitopt.heuristics.jqodi.cift.branching import Branch, branching_of
from splitopt.heuristics.jqodi.cift.network import OUTWARD, Instance
from splitopt.heuristics.jqodi.cift.program import Graph, Ints, Outcome, Rules
from splitopt.heuristics.jqodi.cift.search import Search, State
from splitopt.heuristics.jqodi.cift.twin import twin
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, Recorder, Termination
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.judge import check

__all__ = ["DoubtfulSearch"]

_TOLERANCE = TOLERANCES.deadline
# Limits rounded outward, for the bound; where the judge rejects what passes there, a little inside.
_SHRINK = (1.0 + OUTWARD, 1.0 - 1e-12, 1.0 - 1e-10)


class DoubtfulSearch(Search):
    """The search on an instance whose network is in doubt."""

    def __init__(
        self, instance: CiftInstance, rules: Rules, budget: Budget, recorder: Recorder
    ) -> None:
        super().__init__(Instance(twin(instance)), rules, budget, recorder)
        self.given = instance
        self._counts["branches"] = 0
        deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
        self._limits = [math.inf if d is None else d for d in deadlines]

    def offer(self, plan: CiftPlan) -> bool:
        """Take a plan that the judge of the instance takes, if it is better."""
        found = evaluate_cift(self.given, plan)
        times = (found.inference_latency_s, found.fine_tuning_time_s)
        pairs = list(zip(times, self._limits, strict=True))
        if any(time > limit * (1.0 + 1.1 * _TOLERANCE) for time, limit in pairs):
            return False
        # Rationals decide near a deadline alone.
        near = any(time > limit * (1.0 + 0.9 * _TOLERANCE) for time, limit in pairs)
        if near and check(self.given, plan):
            return False
        if found.objective < self.energy:
            self.plan, self.energy = plan, found.objective
            self.recorder.note(objective=found.objective, plan=plan)
        return True

    def _label(self, state: State) -> None:
        """Branch and bound on what is left of a configuration."""
        case = state.case
        threshold = self.threshold
        measures, _ = self._program.measures(case, state.l1, state.l2, threshold)
        graph = self._program.graph(case, measures)
        self._counts["searched"] += 1
        self._counts["arcs"] += graph.size
        if not graph.size:
            if threshold == math.inf:
                self._why.add("together")
            self._closed = min(self._closed, max(state.bound, threshold))
            return
        branching = branching_of(self.given, graph)
        number = itertools.count()
        heap: list[tuple[float, int, int, Branch]] = [
            (state.bound, next(number), 0, branching.root())
        ]
        least = math.inf
        while heap:
            if heap[0][0] >= self.threshold:
                break
            bound, _, shrink, branch = heapq.heappop(heap)
            resources, limits = branching.limits(branch)
            found = self._shortest(graph, resources, limits * _SHRINK[shrink])
            self._note(found)
            bound = max(bound, min(found.bound, self.threshold) / (1.0 + self.rules.step) ** 2)
            if self.termination is not Termination.SOLVED:
                least = min(least, bound)
                break
            if found.path is None:
                least = min(least, bound if found.bound < math.inf else math.inf)
                continue
            if self.offer(self.plan_of(graph, found.path)):
                least = min(least, bound)
                continue
            parts = branching.split(branch, found.path)
            if not parts and shrink + 1 < len(_SHRINK):
                self.edge = True
                heapq.heappush(heap, (bound, next(number), shrink + 1, branch))
                continue
            if not parts:
                least = min(least, bound)
            for part in parts:
                heapq.heappush(heap, (bound, next(number), shrink, part))
        if heap:
            least = min(least, heap[0][0])
        if least == math.inf and threshold == math.inf and self.plan is None:
            self._why.add("together")
        rest = threshold / (1.0 + self.rules.step) ** 2
        self._closed = min(self._closed, max(state.bound, min(least, rest)))

    def _shortest(self, graph: Graph, resources: Any, limits: Any) -> Outcome:
        """Return the cheapest path within the limits, None where it is not below the threshold."""
        from splitopt.heuristics.labels import Termination as Ended
        from splitopt.heuristics.labels import constrained_shortest_path

        self._counts["branches"] += 1
        tail, head, cost = graph.arcs.tail, graph.arcs.head, graph.arcs.figure[:, 0]
        if math.isfinite(self.energy):
            tail, head = np.append(tail, graph.root), np.append(head, graph.goal)
            cost = np.append(cost, self.threshold)
            resources = np.vstack([resources, np.zeros(resources.shape[1])])
        found = constrained_shortest_path(
            tail,
            head,
            cost,
            resources,
            graph.root,
            graph.goal,
            limits,
            0.0,
            nodes=graph.goal + 1,
            time_limit_s=self.recorder.remaining_s(self.budget),
            memory_limit_bytes=self.budget.memory_limit_bytes or 4 << 30,
        )
        ended = {
            Ended.TIME: Termination.TIME,
            Ended.LABELS: Termination.LIMIT,
            Ended.MEMORY: Termination.MEMORY,
        }.get(found.termination, Termination.SOLVED)
        path: Ints | None = found.arcs
        if found.cost is None or (math.isfinite(self.energy) and found.arcs[0] == len(tail) - 1):
            path = None
        return Outcome(
            math.inf if found.bound is None else found.bound,
            path,
            ended,
            found.termination is Ended.INFEASIBLE,
            False,
            found.statistics.labels_made,
            0.0,
        )
