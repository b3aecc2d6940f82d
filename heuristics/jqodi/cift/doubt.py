r"""JQODI where the network is in doubt: the nominal search on a twin, branching where labels were.

The search visits the configurations of a twin that is no slower in any scenario
(`jqodi.cift.twin`). Its Lagrangian bounds and the arcs it rules out hold for the instance, and
every plan it meets goes to the judge of the instance itself. Placements that the judge finds late
get faster speeds, and the twin shorter deadlines. Where the search would run the label program, a
branch and bound runs it instead, each node with the linear limits of its branch
(`jqodi.cift.branching`): best bound first; a path that the judge takes closes its node, another is
split, and so is a node that few labels do not settle.

Nothing is trimmed. Within epsilon, what costs `incumbent / (1 + epsilon)` or more is left out, so
``E <= (1 + epsilon) OPT`` with every deadline kept with its probability; no polynomial bounds the
number of labels.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from splitopt.heuristics.jqodi.cift.branching import Branch, Branching, branching_of
from splitopt.heuristics.jqodi.cift.network import OUTWARD, Case, Instance
from splitopt.heuristics.jqodi.cift.program import Graph, Outcome, Rules, outcome_of
from splitopt.heuristics.jqodi.cift.search import EXACT_RATIO, Search, State
from splitopt.heuristics.jqodi.cift.twin import twin
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, Recorder, Termination
from splitopt.instances.core.arrays import Floats
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.judge import check

if TYPE_CHECKING:
    from splitopt.heuristics.jqodi.cift.dual import Dual

_TOLERANCE = TOLERANCES.deadline
# Limits rounded outward, for the bound; where the judge rejects what passes there, a little inside.
_SHRINK = (1.0 + OUTWARD, 1.0 - 1e-12, 1.0 - 1e-10)
_REPAIRS, _TIGHTENINGS, _ROUNDS, _STEPS = 4, 6, 60, 50_000
# Labels that a node may take, one attempt after the other.
_LABELS = (2_000, 200_000, 2_000_000, None)


@dataclass(frozen=True, order=True, slots=True)
class _Node:
    """A branch to be solved; the next by bound, then by number."""

    bound: float
    number: int
    branch: Branch = field(compare=False)
    shrink: int = field(default=0, compare=False)
    effort: int = field(default=0, compare=False)


class DoubtfulSearch(Search):
    """The search on an instance whose network is in doubt."""

    def __init__(
        self, instance: CiftInstance, rules: Rules, budget: Budget, recorder: Recorder
    ) -> None:
        super().__init__(Instance(twin(instance)), rules, budget, recorder)
        self.given = instance
        self._counts["branches"] = 0
        deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
        self._limits = np.array([math.inf if d is None else d for d in deadlines])
        # Of plans of the twin the judge takes few: the dual is not to stop at them.
        self._dual_ratio = EXACT_RATIO

    def offer(self, plan: CiftPlan) -> bool:
        """Take a plan that the judge of the instance takes, if it is better."""
        return not self._excess(plan).any()

    def _excess(self, plan: CiftPlan) -> Floats:
        """Return the seconds by which a plan is late; offer one that is not."""
        found = evaluate_cift(self.given, plan)
        times = np.array([found.inference_latency_s, found.fine_tuning_time_s])
        late: Floats = np.maximum(times - self._limits, 0.0)
        if np.any(times > self._limits * (1.0 + 1.1 * _TOLERANCE)):
            return late
        # Rationals decide near a deadline alone.
        if np.any(times > self._limits * (1.0 + 0.9 * _TOLERANCE)) and check(self.given, plan):
            return late
        if found.objective < self.energy:
            self.plan, self.energy = plan, found.objective
            self.recorder.note(objective=found.objective, plan=plan)
        return np.zeros(2)

    # -- incumbents ------------------------------------------------------------------------

    def _met(self, case: Case, found: Dual) -> None:
        """Offer the placement that the dual met, with speeds that make up for slow scenarios."""
        self._repaired(case, found.stops, self._accept)

    def _repaired(self, case: Case, stops: Any, room: Floats) -> Floats:
        """Offer a placement with speeds for the judge; return the times of the twin it may take.

        What the judge finds late is taken off the times that speeds are chosen for: where hosts
        are certain, hops alone differ, and the second choice is right.
        """
        from splitopt.heuristics.jqodi.cift.dual import plan_speeds

        net = self.instance.network
        for _ in range(_REPAIRS):
            allowed = case.allowed(room)
            energy, *speeds = plan_speeds(net, case.chain, case.load, stops, allowed)
            if not energy < self.energy:
                break
            late = self._excess(self._plan(case, stops, *speeds))
            if not late.any():
                break
            room = np.maximum(room - late, 0.0)
        return room

    def _tightened(self, state: State) -> None:
        """Look for plans within times of the twin that leave room for what is in doubt."""
        from splitopt.heuristics.jqodi.cift.dual import ascend

        case, room = state.case, self._accept
        for _ in range(_TIGHTENINGS):
            if state.bound >= self.threshold:
                return
            allowed = case.allowed(room)
            found = ascend(
                self.instance.network,
                case.chain,
                case.load._replace(limit=allowed),
                allowed,
                self._dual_ratio,
                self.energy,
                case.dearest_j,
                state.bound,
                _ROUNDS,
            )
            self._counts["priced_paths"] += found.rounds
            if found.energy < self.energy:
                before, room = room, self._repaired(case, found.stops, room)
                if np.array_equal(room, before):
                    break
            else:
                if np.array_equal(room, self._accept):
                    break
                room = 0.5 * (room + self._accept)
        if state.bound < self.threshold:
            self._by_placements(state, room)

    def _by_placements(self, state: State, room: Floats) -> None:
        """Enumerate the placements of the twin, if they are few: for its optimum, and a plan."""
        from splitopt.heuristics.jqodi.cift.placements import enumerate_placements

        case, threshold = state.case, self.threshold
        measures, credit = self._program.measures(case, state.l1, state.l2, threshold)
        for times in (self._accept, room):
            whole = times is self._accept
            # The bound is of all that the tolerance lets pass.
            limit = case.load.limit if whole else case.allowed(times)
            found = enumerate_placements(
                self.instance.network,
                case.chain,
                case.load._replace(limit=limit),
                case.allowed(times),
                measures,
                credit,
                self._dual_ratio,
                self.energy,
                _STEPS,
            )
            self._counts["steps"] += found.steps
            self._counts["placements"] += found.leaves
            if found.energy < self.energy:
                self._repaired(case, found.stops, times)
            if not found.complete:
                return
            if whole:
                # What the measures leave out costs the threshold, which epsilon lowers.
                state.bound = max(state.bound, min(found.bound, threshold))
                if state.bound >= self.threshold:
                    return

    # -- branch and bound ------------------------------------------------------------------

    def _label(self, state: State) -> None:
        """Branch and bound on what is left of a configuration."""
        case = state.case
        self._tightened(state)
        threshold = self.threshold
        if state.bound >= threshold:
            self._closed = min(self._closed, state.bound)
            return
        measures, _ = self._program.measures(case, state.l1, state.l2, threshold)
        graph = self._program.graph(case, measures)
        self._counts["searched"] += 1
        self._counts["arcs"] += graph.size
        if not graph.size:
            if threshold == math.inf:
                self._why.add("together")
            self._closed = min(self._closed, max(state.bound, threshold))
            return
        least = self._branched(graph, branching_of(self.given, graph), state.bound)
        if least == math.inf and threshold == math.inf and self.plan is None:
            self._why.add("together")
        rest = threshold / (1.0 + self.rules.step) ** 2
        self._closed = min(self._closed, max(state.bound, min(least, rest)))

    def _branched(self, graph: Graph, branching: Branching, known: float) -> float:
        """Return what no plan on a graph costs less than, but for those at the threshold.

        A node gets few labels first: where they do not settle it, their bound often suffices, or
        the path found to branch on.
        """
        number = itertools.count()
        heap = [_Node(known, next(number), branching.root())]
        least = math.inf
        while heap and heap[0].bound < self.threshold:
            node = heapq.heappop(heap)
            resources, limits = branching.limits(node.branch)
            most = _LABELS[node.effort]
            found = self._shortest(graph, resources, limits * _SHRINK[node.shrink], most)
            stopped = found.termination is Termination.LIMIT and most is not None
            self._note(replace(found, termination=Termination.SOLVED) if stopped else found)
            reached = min(found.bound, self.threshold) / (1.0 + self.rules.step) ** 2
            # Limits a little inside are for plans: what they leave out may keep the deadlines.
            bound = node.bound if node.shrink else max(node.bound, reached)
            if self.termination is not Termination.SOLVED:
                least = min(least, bound)
                break
            late = found.path is not None and not self.offer(self.plan_of(graph, found.path))
            if not (late or stopped):
                none = found.bound == math.inf and not node.shrink
                least = min(least, math.inf if none else bound)
                continue
            parts = [
                replace(node, branch=part, effort=0)
                for part in branching.split(node.branch, found.path if late else None)
            ]
            if not parts and stopped and not late:
                parts = [replace(node, effort=node.effort + 1)]
            elif not parts and node.shrink + 1 < len(_SHRINK):
                self.edge = True
                parts = [replace(node, shrink=node.shrink + 1)]
            if not parts:
                least = min(least, bound)
            for part in parts:
                heapq.heappush(heap, replace(part, bound=bound, number=next(number)))
        return min([least, *(node.bound for node in heap)])

    def _shortest(self, graph: Graph, resources: Any, limits: Any, most: int | None) -> Outcome:
        """Return the cheapest path within the limits, None where it is not below the threshold."""
        from splitopt.heuristics.labels import constrained_shortest_path

        self._counts["branches"] += 1
        tail, head, cost = graph.arcs.tail, graph.arcs.head, graph.arcs.figure[:, 0]
        if math.isfinite(self.energy):
            tail, head = np.append(tail, graph.root), np.append(head, graph.goal)
            cost = np.append(cost, self.threshold)
            # At its limits, so that the paths of least use that the dual begins with are others.
            resources = np.vstack([resources, limits])
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
            label_limit=most,
            time_limit_s=self.recorder.remaining_s(self.budget),
            memory_limit_bytes=self.budget.memory_limit_bytes or 4 << 30,
        )
        return outcome_of(found, len(tail) - 1 if math.isfinite(self.energy) else None)
