r"""The trade-off of energy against a deadline on CIFT: the whole front in one run.

The least energy within a deadline is a falling step function of it. Its steps are the Pareto front
of (energy, time), which labels give when none is cut for its energy: one run on each configuration,
the other deadline kept, and what beats everything else in the union. Beyond the time that the
cheapest plan of all takes nothing changes, so that is the end of the axis.

Exact with listed speeds. Within epsilon every plan that keeps the other deadline has a point with
at most 1 + epsilon times its energy; where there is another deadline, that point may take longer,
by at most epsilon times the end of the axis. A grid of speeds takes its part of epsilon
(`jqodi.cift.levels`). Where the time ends the run first, single solves at deadlines spread
over the axis fill in: a part of the front, and said so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from splitopt.heuristics.jqodi.cift.network import Instance
from splitopt.heuristics.jqodi.cift.program import Graph, Program, Rules
from splitopt.heuristics.jqodi.cift.search import EXACT_RATIO, Search
from splitopt.instances.cift.doubt import refuse_doubt
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, Recorder
from splitopt.instances.core.errors import InputError

Axis = Literal["inference", "fine-tuning"]
_SHARE = 0.7  # of the time limit, for labels
_SAMPLES = 64
_COLUMN = {"inference": "inference_deadline_s", "fine-tuning": "fine_tuning_deadline_s"}


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """One step: the plan that is cheapest from its own time up to that of the next cheaper one.

    Attributes
    ----------
    deadline_s
        The time on the axis that the plan takes: the least deadline it keeps.
    energy_j
        Its energy.
    inference_latency_s, fine_tuning_time_s
        Both its times.
    """

    deadline_s: float
    energy_j: float
    inference_latency_s: float
    fine_tuning_time_s: float
    plan: CiftPlan

    def to_document(self) -> dict[str, object]:
        """Return the point as plain data."""
        return {
            "deadline_s": self.deadline_s,
            "energy_j": self.energy_j,
            "inference_latency_s": self.inference_latency_s,
            "fine_tuning_time_s": self.fine_tuning_time_s,
            "plan": self.plan.to_document(),
        }


@dataclass(frozen=True, slots=True)
class EnergyFront:
    """The front of an instance, by rising deadline; energy falls.

    Attributes
    ----------
    axis
        Which deadline is swept; the instance's own value of it is left out of account.
    epsilon
        0 for the exact front.
    complete
        False when the time was up first: some steps may be missing.
    labels, runtime_s
        Labels made and seconds taken.
    """

    axis: Axis
    epsilon: float
    points: tuple[FrontPoint, ...]
    complete: bool
    labels: int
    runtime_s: float

    def to_document(self) -> dict[str, object]:
        """Return the front as plain data."""
        return {
            "axis": self.axis,
            "epsilon": self.epsilon,
            "complete": self.complete,
            "labels": self.labels,
            "runtime_s": self.runtime_s,
            "points": [point.to_document() for point in self.points],
        }


def energy_front(
    instance: CiftInstance,
    axis: Axis = "inference",
    epsilon: float = 0.0,
    time_limit_s: float | None = None,
) -> EnergyFront:
    """Return the front of energy against a deadline.

    Parameters
    ----------
    axis
        The deadline to sweep; the other one stays as the instance has it.
    epsilon
        0 for the exact front (listed speeds only), else the error allowed.

    Raises
    ------
    InputError
        For epsilon < 0, or 0 with continuous speeds.
    """
    if not epsilon >= 0 or not math.isfinite(epsilon):
        raise InputError("epsilon", epsilon, "a number >= 0", "give 0 for the exact front")
    if epsilon == 0 and instance.has_continuous_speeds:
        raise InputError("epsilon", 0, "a number > 0 where speeds are continuous", "give 0.01, say")
    refuse_doubt(instance, "the front of energy against a deadline")
    recorder = Recorder()
    budget = Budget(time_limit_s)
    free = instance.replace(**{_COLUMN[axis]: None})
    last = _cheapest(free, epsilon, recorder, budget)
    if last is None:
        done = recorder.remaining_s(budget) != 0
        return EnergyFront(axis, epsilon, (), done, 0, recorder.elapsed_s)
    evaluation = evaluate_cift(free, last)
    end = evaluation.inference_latency_s if axis == "inference" else evaluation.fine_tuning_time_s
    run = _Front(instance.replace(**{_COLUMN[axis]: end}), axis, epsilon, recorder, budget)
    run.go()
    run.add(last)
    if not run.complete:
        run.sample(instance, end)
    return EnergyFront(
        axis, epsilon, tuple(run.points()), run.complete, run.labels, recorder.elapsed_s
    )


def rules_of(instance: CiftInstance, epsilon: float) -> Rules:
    """Return the rules of a search within `epsilon`, exact for 0."""
    step, rest = 0.0, epsilon
    if instance.has_continuous_speeds:
        from splitopt.heuristics.jqodi.cift.levels import step_for

        step, rest = step_for(epsilon)
    ratio = 1.0 + rest if epsilon else EXACT_RATIO
    return Rules(epsilon, ratio, step, "strict")


def _cheapest(
    instance: CiftInstance, epsilon: float, recorder: Recorder, budget: Budget
) -> CiftPlan | None:
    """Return the cheapest plan without the deadline that is swept."""
    left = Budget(recorder.remaining_s(budget))
    search = Search(Instance(instance), rules_of(instance, epsilon), left, Recorder())
    search.go()
    return search.plan


class _Front:
    """Points gathered from one configuration after another."""

    def __init__(
        self, instance: CiftInstance, axis: Axis, epsilon: float, recorder: Recorder, budget: Budget
    ) -> None:
        self.data = instance
        self.arrays = Instance(instance)
        self.axis = axis
        self.rules = rules_of(instance, epsilon)
        self.recorder, self.budget = recorder, budget
        self.labels = 0
        self.complete = True
        self.search = Search(self.arrays, self.rules, Budget(), Recorder())
        # (time, energy) and the way to the plan: decoded only where it stays.
        self.found: list[tuple[float, float, Graph | CiftPlan, Any]] = []

    def add(self, plan: CiftPlan) -> None:
        """Add a plan known from elsewhere."""
        value = evaluate_cift(self.data, plan)
        self.found.append((self._time(value), value.objective, plan, None))

    def _time(self, value: Any) -> float:
        seconds = value.inference_latency_s
        if self.axis == "fine-tuning":
            seconds = value.fine_tuning_time_s
        return float(seconds)

    def go(self) -> None:
        """Gather the points of every configuration."""
        program = Program(self.arrays, self.rules.step)
        for position in self.arrays.useful():
            if self._left() == 0:
                self.complete = False
                return
            case = self.arrays.case(position)
            measures, _ = program.measures(case, 0.0, 0.0, math.inf)
            self._run(program.graph(case, measures))

    def _left(self) -> float | None:
        """Return the seconds left for labels: single solves keep a part of the time."""
        if self.budget.time_limit_s is None:
            return None
        return max(0.0, _SHARE * self.budget.time_limit_s - self.recorder.elapsed_s)

    def sample(self, instance: CiftInstance, end: float) -> None:
        """Add the plans of single solves at deadlines spread over the axis."""
        from splitopt.heuristics.jqodi.cift.dual import least_times

        swept = 0 if self.axis == "inference" else 1
        net = self.arrays.network
        cases = [self.arrays.case(position) for position in self.arrays.useful()]
        least = min(least_times(net, case.chain, case.load)[swept] for case in cases)
        least = max(least, 1e-9 * end)
        if not least < end:
            return
        # Every eighth first, then those between: a run that ends early has some everywhere.
        spread = np.geomspace(least, end, _SAMPLES)
        for deadline in np.concatenate([spread[k::8] for k in (7, 3, 1, 5, 0, 2, 4, 6)]).tolist():
            left = self.recorder.remaining_s(self.budget)
            if left == 0:
                return
            given = instance.replace(**{_COLUMN[self.axis]: deadline})
            search = Search(Instance(given), self.rules, Budget(left), Recorder())
            search.go()
            if search.plan is not None:
                self.add(search.plan)

    def _run(self, graph: Graph) -> None:
        from splitopt.heuristics.labels import Termination as Ended
        from splitopt.heuristics.labels import constrained_shortest_path

        if not graph.size:
            return
        limit = graph.case.load.limit
        present = np.flatnonzero(np.isfinite(limit))
        swept = 0 if self.axis == "inference" else 1
        strict = next((k for k in range(len(present)) if present[k] != swept), 0)
        found = constrained_shortest_path(
            graph.arcs.tail,
            graph.arcs.head,
            graph.arcs.figure[:, 0],
            graph.arcs.figure[:, 1 + present],
            graph.root,
            graph.goal,
            limit[present],
            self.rules.ratio - 1.0 if self.rules.epsilon else 0.0,
            strict=strict,
            nodes=graph.goal + 1,
            front=True,
            time_limit_s=self._left(),
        )
        self.labels += found.statistics.labels_made
        ended = found.termination in (Ended.TIME, Ended.LABELS, Ended.MEMORY)
        self.complete &= not ended
        if found.front is None:
            return
        column = int(np.flatnonzero(present == swept)[0])
        for energy, used, path in zip(
            found.front.costs.tolist(),
            found.front.resources[:, column].tolist(),
            found.front.paths,
            strict=True,
        ):
            self.found.append((used, energy, graph, path))

    def points(self) -> list[FrontPoint]:
        """Return what nothing else beats, by rising time."""
        least = math.inf
        kept = []
        for _, energy, source, path in sorted(self.found, key=lambda one: one[:2]):
            if energy >= least * (1.0 - 1e-12):
                continue
            least = energy
            plan = source if isinstance(source, CiftPlan) else self.search.plan_of(source, path)
            value = evaluate_cift(self.data, plan)
            kept.append(
                FrontPoint(
                    self._time(value),
                    value.objective,
                    value.inference_latency_s,
                    value.fine_tuning_time_s,
                    plan,
                )
            )
        return kept
