r"""The search of JQODI on CIFT: configurations best bound first, cut by the incumbent.

For each configuration, in the order of a lower bound on its energy that is raised step by step:

1. the least times decide whether it can keep each deadline by itself;
2. the Lagrangian bound (`jqodi.cift.dual`), which meets plans on its way;
3. where the bound leaves room below ``threshold = incumbent / ratio``, the time-energy graph
   without the arcs that bounds rule out (`jqodi.cift.graph`), and the label program on it.
   One arc more, from the root to the goal at the energy of the incumbent and no time, lets the
   label program begin with what is known.

Ratio. Exact: 1 + 1e-9. Within epsilon: 1 + epsilon, or, where a grid of ratio 1 + s stands for
continuous speeds, what is left of it: ``ratio (1 + s)^2 <= 1 + epsilon``. What is dropped costs
the threshold at least. So the final bound is the least of the incumbent and, for each
configuration, the better one of its Lagrangian bound and of the bound of its label program, over
``(1 + s)^2``.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from splitopt.heuristics.jqodi.cift.network import OUTWARD, Case, Instance
from splitopt.heuristics.jqodi.cift.program import Graph, Outcome, Program, Rules
from splitopt.heuristics.jqodi.guarantee import promised
from splitopt.instances.cift.judge import CiftEvaluation, evaluate_cift
from splitopt.instances.cift.plan import CiftPlan, Stop, stop_between
from splitopt.instances.contract.method import Budget, Recorder, Statistic, Termination
from splitopt.instances.contract.outcome import admitted
from splitopt.instances.judge import check
from splitopt.instances.networks.downsets import downsets_of

if TYPE_CHECKING:
    from splitopt.heuristics.jqodi.cift.dual import Dual
    from splitopt.heuristics.jqodi.cift.graph import Limits

EXACT_RATIO = 1.0 + 1e-9
_ROUNDS = 60
_STEPS, _FEW_STEPS = 300_000, 500
_MOST_EXACT = 2_000_000  # labels of an exact run inside a trimmed one
_DEADLINE_NAMES = ("inference-deadline", "fine-tuning-deadline")
_REASONS = {
    "place": "no host, or chain of hosts, has the memory for the blocks",
    "pace": "no host, or chain of hosts and links, keeps up with the throughput and has the memory",
    "inference": "the inference deadline by itself forbids every plan",
    "fine-tuning": "the fine-tuning deadline by itself forbids every plan",
    "each": "each deadline by itself forbids every plan",
    "together": "each deadline can be kept, but not both together",
}


@dataclass
class State:
    """A configuration on its way: its bound, and how far it has come."""

    case: Case
    bound: float = 0.0
    least: tuple[float, float] = (0.0, 0.0)
    l1: float = 0.0
    l2: float = 0.0
    stage: int = 0  # 1: times known, 2: dual solved


@dataclass
class Search:
    """One run; `go` fills the rest."""

    instance: Instance
    rules: Rules
    budget: Budget
    recorder: Recorder
    plan: CiftPlan | None = None
    energy: float = math.inf
    bound: float = 0.0
    reason: str = ""
    termination: Termination = Termination.SOLVED
    statistics: dict[str, Statistic] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._closed = math.inf
        self._why: set[str] = set()
        # How near the plans that the dual meets its bound has to come.
        self._dual_ratio = self.rules.ratio
        self.edge = False  # whether a path passed its deadlines by a rounding, not the judge
        self._program = Program(self.instance, self.rules.step)
        self._counts = dict.fromkeys(
            (
                "configurations",
                "cut_by_times",
                "priced_paths",
                "steps",
                "placements",
                "searched",
                "arcs",
                "labels",
            ),
            0,
        )
        self._label_bound = 0.0
        deadline = [
            self.instance.data.inference_deadline_s,
            self.instance.data.fine_tuning_deadline_s,
        ]
        # A little inside the tolerance: what is found this way passes the check.
        inside = [math.inf if d is None else d * (1.0 + 0.9e-9) for d in deadline]
        self._inside = np.array(inside)
        if self.rules.deadlines == "relaxed":
            inside[0] *= 1.0 + self.rules.epsilon
        self._accept = np.array(inside)
        self._promise = promised(self.instance.data, self.rules.epsilon, self.rules.deadlines)

    # -- incumbent -------------------------------------------------------------------------

    @property
    def threshold(self) -> float:
        """Energy at or above which nothing is of interest."""
        return self.energy / self.rules.ratio

    def _admits(self, plan: CiftPlan, found: CiftEvaluation) -> bool:
        """Tell whether a plan made here keeps what must be kept; on the edge rationals decide."""
        if found.inference_latency_s <= self._accept[0] * (
            1.0 + 1e-11
        ) and found.fine_tuning_time_s <= self._accept[1] * (1.0 + 1e-11):
            return True
        violations = check(self.instance.data, plan)
        return not violations or (
            self.rules.deadlines == "relaxed" and admitted(violations, self._promise)
        )

    def offer(self, plan: CiftPlan) -> bool:
        """Take a plan that keeps what must be kept, if it is better; tell whether it keeps it."""
        found = evaluate_cift(self.instance.data, plan)
        if not self._admits(plan, found):
            return False
        energy = found.objective
        if energy < self.energy:
            self.plan, self.energy = plan, energy
            if self.rules.deadlines == "strict" or not check(self.instance.data, plan):
                self.recorder.note(objective=energy, plan=plan)
        return True

    def offer_start(self, plan: CiftPlan) -> None:
        """Take a plan from elsewhere, if it fits the instance and keeps what must be kept."""
        if not any(v.constraint not in _DEADLINE_NAMES for v in check(self.instance.data, plan)):
            self.offer(plan)

    def _plan(self, case: Case, stops: Any, serve: Any, tune: Any) -> CiftPlan:
        made = []
        data = self.instance.data
        model = data.models[data.model_index[case.configuration.model]]
        sets = downsets_of(model)
        for (n, i, j), f_inf, f_ft in zip(stops.tolist(), serve, tune, strict=True):
            if j == i:
                made.append(Stop(self.instance.names[n], 0))
                continue
            speeds = float(f_inf), None if case.load.compute == 0 else float(f_ft)
            made.append(stop_between(model, sets, self.instance.names[n], i, j, speeds))
        return CiftPlan.of(case.configuration, tuple(made))

    # -- the run ---------------------------------------------------------------------------

    def go(self) -> None:
        """Search until nothing is left below the threshold, or the time is up."""
        if self.recorder.remaining_s(self.budget) == 0:
            self.termination = Termination.TIME
            self._finish(0.0)
            return
        from splitopt.heuristics.jqodi.cift import dual

        net = self.instance.network
        heap: list[tuple[float, int, State]] = []
        for position in self.instance.useful():
            heapq.heappush(heap, (0.0, position, State(self.instance.case(position))))
        self._counts["configurations"] = len(heap)
        top = 0.0
        while heap:
            least, position, state = heap[0]
            self.recorder.note(bound=self._valid(least))
            if self.rules.reduction and least >= self.threshold:
                break
            left = self.recorder.remaining_s(self.budget)
            if left is not None and left <= 0:
                self.termination = Termination.TIME
                break
            heapq.heappop(heap)
            case = state.case
            if state.stage == 0:
                state.least = dual.least_times(net, case.chain, case.load)
                if self._out_of_reach(state):
                    continue
            if state.stage == 0 or (state.stage == 1 and self.rules.reduction):
                rounds = 1 if state.stage == 0 else _ROUNDS
                top = max(top, 1e3 * state.bound)
                found = dual.ascend(
                    net,
                    case.chain,
                    case.load,
                    case.allowed(self._accept),
                    self._dual_ratio,
                    self.energy,
                    top if top > 0 else case.dearest_j,
                    state.bound,
                    rounds,
                )
                self._counts["priced_paths"] += found.rounds
                state.bound = max(state.bound, found.bound)
                state.l1, state.l2 = found.l1, found.l2
                state.stage += 1
                if self.rules.reduction and found.energy < self.energy:
                    self._met(case, found)
                heapq.heappush(heap, (state.bound, position, state))
                continue
            self._label(state)
            if self.termination is not Termination.SOLVED:
                break
        self._finish(heap[0][0] if heap else math.inf)

    def _met(self, case: Case, found: Dual) -> None:
        """Take over the best plan that the dual met."""
        self.offer(self._plan(case, found.stops, found.serve, found.tune))

    def _valid(self, least: float) -> float:
        return min(self._closed, least, self.energy)

    def _out_of_reach(self, state: State) -> bool:
        """Tell whether a deadline by itself, or memory, forbids the configuration."""
        late = [
            not t <= limit * (1.0 + OUTWARD)
            for t, limit in zip(state.least, state.case.load.limit, strict=True)
        ]
        if math.inf in state.least:
            rated = self.instance.data.throughput_per_s is not None
            self._why.add("pace" if rated else "place")
        elif any(late):
            self._why.add("each" if all(late) else "inference" if late[0] else "fine-tuning")
        else:
            return False
        self._counts["cut_by_times"] += 1
        return True

    def _finish(self, least: float) -> None:
        if self.termination is Termination.SOLVED and self.plan is None and least == math.inf:
            self.bound = self._closed
            if self._closed == math.inf:
                self.reason = self._reason()
            elif self.edge or not self.rules.epsilon or self.instance.data.deadlines < 2:
                # Not for want of a plan within tightened deadlines: within a rounding of the edge.
                self.termination = Termination.LIMIT
                self.statistics["refused"] = "a plan may lie on the edge of its deadlines"
        else:
            self.bound = self._valid(least)
        self.statistics |= self._counts
        if self._label_bound:
            self.statistics["label_bound"] = self._label_bound

    def _reason(self) -> str:
        if not self._counts["configurations"]:
            return "no configuration reaches the error target"
        if len(self._why) == 1:
            return _REASONS[self._why.pop()]
        if not self._why:
            raise RuntimeError("every configuration was given up without a reason")
        parts = [_REASONS[key] for key in _REASONS if key in self._why]
        return "every configuration fails, for one of: " + "; ".join(parts)

    def _enumerate(self, state: State, measures: Limits, credit: float) -> bool:
        """Try to solve a configuration placement by placement; tell whether that is done."""
        from splitopt.heuristics.jqodi.cift.placements import enumerate_placements

        case = state.case
        # Few steps suffice on small instances, without compiled code; they are the first of many.
        for steps in (_STEPS,) if enumerate_placements.loaded else (_FEW_STEPS, _STEPS):
            found = enumerate_placements(
                self.instance.network,
                case.chain,
                case.load,
                case.allowed(self._inside),
                measures,
                credit,
                self.rules.ratio,
                self.energy,
                steps,
            )
            if found.steps <= steps:
                break
        self._counts["steps"] += found.steps
        self._counts["placements"] += found.leaves
        if found.energy < self.energy and not self.offer(
            self._plan(case, found.stops, found.serve, found.tune)
        ):
            return False  # within the tolerance only by rounding: for the labels to decide
        if not found.complete:
            return False
        if found.bound == math.inf:
            self._why.add("together")
        self._closed = min(self._closed, max(state.bound, found.bound))
        return True

    # -- labels ----------------------------------------------------------------------------

    def _label(self, state: State) -> None:
        """Run the label program on what is left of a configuration."""
        case, rules = state.case, self.rules
        # What is left out of the graph costs this much at least.
        threshold = self.threshold if rules.reduction else math.inf
        measures, credit = self._program.measures(case, state.l1, state.l2, threshold)
        if rules.reduction and self._enumerate(state, measures, credit):
            return
        graph = self._program.graph(case, measures)
        self._counts["searched"] += 1
        self._counts["arcs"] += graph.size
        least = math.inf
        # First with limits rounded outward, for the bound: what passes there may fail the check by
        # a rounding. Then once more without, and a little inside.
        for shrink in (1.0 + OUTWARD, 1.0, 1.0 - 1e-10):
            worth = None
            if rules.reduction and math.isfinite(self.energy):
                worth = self.energy if rules.epsilon else self.threshold
            found = graph.run(
                rules, shrink, worth, self.recorder.remaining_s(self.budget), self.budget
            )
            least = min(least, found.bound)
            self._note(found)
            if found.path is None or self.offer(self._polished(graph, found.path)):
                break
            self.edge = True
        if found.tightened_infeasible and self.plan is None and self._nothing_at_all(case):
            least = math.inf
        least = min(least, threshold) / (1.0 + rules.step) ** 2
        self._closed = min(self._closed, max(state.bound, least))

    def _note(self, found: Outcome) -> None:
        """Take over what a run of the label program says of itself."""
        self._counts["labels"] += found.labels
        self._label_bound += found.label_bound
        if found.termination is not Termination.SOLVED:
            self.termination = found.termination
        if found.infeasible:
            self._why.add("together")

    def _nothing_at_all(self, case: Case) -> bool:
        """Look for any plan that keeps both deadlines; tell whether there is certainly none.

        The least T_ft within the inference deadline, exactly: a run over one resource. It is needed
        only where trimming left nothing within a tightened deadline.
        """
        measures, _ = self._program.measures(case, 0.0, 0.0, math.inf)
        graph = self._program.graph(case, measures)
        left = self.recorder.remaining_s(self.budget)
        found = graph.run(
            self.rules,
            1.0 + OUTWARD,
            None,
            left,
            self.budget,
            times_only=True,
            label_limit=_MOST_EXACT,
        )
        if found.termination is Termination.LIMIT:
            # Open, then: the guarantee does not hang on it, and labels stay polynomially many.
            found = replace(found, termination=Termination.SOLVED, infeasible=False)
        self._note(found)
        self._label_bound += _MOST_EXACT
        if found.path is not None:
            self.offer(self._polished(graph, found.path))
        return found.infeasible

    def plan_of(self, graph: Graph, path: Any) -> CiftPlan:
        """Return the plan of a path."""
        return self._plan(graph.case, *graph.decode(path))

    def _polished(self, graph: Graph, path: Any) -> CiftPlan:
        """Return the plan of a path, speeds changed where that saves energy."""
        case = graph.case
        plan = self.plan_of(graph, path)
        if self.rules.epsilon:
            from splitopt.heuristics.jqodi.cift.dual import plan_speeds

            net = self.instance.network
            rows, _, _ = graph.decode(path)
            energy, *speeds = plan_speeds(
                net, case.chain, case.load, rows, case.allowed(self._accept)
            )
            if energy < evaluate_cift(self.instance.data, plan).objective:
                return self._plan(case, rows, *speeds)
        return plan
