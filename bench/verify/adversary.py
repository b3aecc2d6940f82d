"""Search for instances on which JQODI comes as far from the optimum as it can.

Random restarts and mutation: a small CIFT instance with one deadline is drawn, then figures of it
(powers, speeds, rates, energies per bit, the deadline) are changed by random factors, a few at a
time; a change stays when the ratio of the value found to the optimum does not fall, with a little
weight on the ratio certified, which shows the way where the plan is optimal.

These are of the generators' families with listed speeds, their optima from HiGHS on the flow model.
Every second instance is a tiny one drawn anew: lists and intervals of speeds in one plan, intervals
a thousand wide, energies of zero, deadlines from 1e-9 to 10 % above the fastest plan; their optima
are enumerated. How many evaluations each kind had is part of the result.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitopt.bench.methods.conformance.fuzz.draw import draw_cift
from splitopt.bench.methods.conformance.fuzz.enumeration import fastest, truth_of
from splitopt.bench.methods.registry import load
from splitopt.bench.verdicts.optimum import solved_truth
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, Termination
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import generate

FAMILIES = ("cift-tiers", "cift-rising", "cift-tight", "cift-ties")
_RESTART_AFTER = 25  # evaluations without a rise
_WEIGHT = 0.01
_SIZE: dict[str, Any] = {
    "blocks": 5,
    "levels": 3,
    "compressions": 1,
    "stages": 3,
    "sources": 1,
    "width": 2,
}


@dataclass(frozen=True, slots=True)
class Worst:
    """The worst instance found for one epsilon and form.

    Attributes
    ----------
    ratio
        Value over optimum.
    evaluations, restarts
        What the search spent.
    kinds
        Evaluations by kind of instance that had an optimum to compare with.
    instance
        Where it happens; None when no instance could be solved.
    """

    epsilon: float
    form: str
    ratio: float
    evaluations: int
    restarts: int
    kinds: dict[str, int]
    instance: CiftInstance | None

    def to_document(self) -> dict[str, object]:
        """Return it as plain data, the instance included."""
        return {
            "epsilon": self.epsilon,
            "form": self.form,
            "ratio": self.ratio,
            "evaluations": self.evaluations,
            "restarts": self.restarts,
            "kinds": self.kinds,
            "instance": None if self.instance is None else self.instance.to_document(),
        }


def _with_deadline(instance: CiftInstance, rng: np.random.Generator) -> CiftInstance:
    """Return the instance with one deadline, somewhat below what its free optimum takes."""
    free = instance.replace(inference_deadline_s=None, fine_tuning_deadline_s=None)
    plan = load("highs-flow", "cift").solve(free, Budget(), 0, {}).plan
    if not isinstance(plan, CiftPlan):
        return free
    needed = evaluate_cift(free, plan)
    if rng.random() < 0.5:
        return free.replace(inference_deadline_s=needed.inference_latency_s * rng.uniform(0.3, 1))
    return free.replace(fine_tuning_deadline_s=needed.fine_tuning_time_s * rng.uniform(0.3, 1))


def _start(rng: np.random.Generator) -> CiftInstance:
    """Return an instance of a family with one deadline."""
    family = str(rng.choice(FAMILIES))
    found = generate(family, int(rng.integers(2**31)), **_SIZE, models=("resnet18-cifar10",))
    assert isinstance(found, CiftInstance)
    return _with_deadline(found, rng)


def _tiny(rng: np.random.Generator) -> CiftInstance:
    """Return a tiny instance with one deadline, often just above the fastest or some plan."""
    while True:
        # Two in three mix lists and intervals.
        index = 3 * int(rng.integers(1000)) + int(rng.choice([0, 1, 1, 1, 1, 2]))
        made = draw_cift(int(rng.integers(2**31)), index)
        if made.deadlines == 1 and rng.random() < 0.7:
            return made
        free = made.replace(inference_deadline_s=None, fine_tuning_deadline_s=None)
        latency, time = fastest(free)
        near = 1.0 + 10.0 ** rng.uniform(-9, -1)
        loose = float(rng.choice([near, rng.uniform(1, 2.5)]))
        if time > 0 and np.isfinite(time) and rng.random() < 0.5:
            return free.replace(fine_tuning_deadline_s=time * loose)
        if latency > 0 and np.isfinite(latency):
            return free.replace(inference_deadline_s=latency * loose)


def _kind(instance: CiftInstance) -> str:
    """Return what the speeds of an instance are."""
    intervals = [isinstance(n.speeds_flop_per_s, SpeedInterval) for n in instance.nodes]
    if all(intervals):
        return "intervals"
    return "lists and intervals" if any(intervals) else "lists"


def _mutated(instance: CiftInstance, rng: np.random.Generator) -> CiftInstance:
    """Return the instance with one to three figures changed by a random factor."""
    nodes, links = list(instance.nodes), list(instance.links)
    changes: dict[str, object] = {}
    spread = float(rng.choice([0.01, 0.1, 0.5]))

    def factor() -> float:
        return float(np.exp(rng.normal(0.0, spread)))

    for _ in range(int(rng.integers(1, 4))):
        kind = int(rng.integers(5))
        if kind < 3:
            k = int(rng.integers(len(nodes)))
            node = nodes[k]
            if kind == 0:
                power = node.kappa_j_s2_per_flop3 * factor()
                nodes[k] = dataclasses.replace(node, kappa_j_s2_per_flop3=power)
            elif kind == 1:
                nodes[k] = dataclasses.replace(node, busy_power_w=node.busy_power_w * factor())
            elif isinstance(node.speeds_flop_per_s, SpeedInterval):
                low, high = node.speeds_flop_per_s.low, node.speeds_flop_per_s.high
                ends = sorted((low * factor(), high * factor()))
                nodes[k] = dataclasses.replace(node, speeds_flop_per_s=SpeedInterval(*ends))
            else:
                levels = sorted({f * factor() for f in node.speeds_flop_per_s})
                nodes[k] = dataclasses.replace(node, speeds_flop_per_s=tuple(levels))
        elif kind == 3 and links:
            k = int(rng.integers(len(links)))
            links[k] = dataclasses.replace(
                links[k],
                rate_bit_per_s=links[k].rate_bit_per_s * factor(),
                energy_j_per_bit=links[k].energy_j_per_bit * factor(),
            )
        else:
            for name in ("inference_deadline_s", "fine_tuning_deadline_s"):
                limit = getattr(instance, name)
                if limit is not None:
                    changes[name] = limit * factor()
    return instance.replace(nodes=tuple(nodes), links=tuple(links), **changes)


def _ratio(
    instance: CiftInstance, epsilon: float, options: dict[str, object]
) -> tuple[float, float] | None:
    """Return (ratio, score) of a run, None where it or the reference found nothing."""
    optimum = _optimum(instance)
    if optimum is None:
        return None
    given = {**options, "epsilon": epsilon}
    try:
        found = load("jqodi", "cift").solve(instance, Budget(5.0), 0, given)
    except InputError:  # an epsilon too fine for the intervals
        return None
    if found.objective is None:
        # One deadline: where there is a plan the guarantee owes one.
        return (np.inf, np.inf) if found.termination is Termination.SOLVED else None
    if optimum == 0.0:
        ratio = 1.0 if found.objective == 0.0 else np.inf
    else:
        ratio = found.objective / optimum
    certified = found.objective / found.bound if found.bound else 2.0
    return ratio, ratio + _WEIGHT * min(certified, 2.0)


def _optimum(instance: CiftInstance) -> float | None:
    """Return the optimum, None where there is none or it is not known; tiny ones by enumeration."""
    if instance.name.startswith("fuzz-"):
        counted = truth_of(instance)
        return counted.high if counted.feasible else None
    truth = solved_truth(instance, 5.0)
    return truth.optimum if truth.proven else None


def search(
    epsilons: Sequence[float],
    evaluations: int,
    seed: int,
    on_evaluation: Callable[[], None] | None = None,
) -> list[Worst]:
    """Return the worst instance for each epsilon, in the default form and for labels alone.

    Parameters
    ----------
    evaluations
        Instances tried for each epsilon and form.
    """
    worst = []
    forms: dict[str, dict[str, object]] = {"default": {}, "labels": {"reduction": False}}
    for k, epsilon in enumerate(epsilons):
        for f, (form, options) in enumerate(forms.items()):
            rng = np.random.default_rng([seed, k, f])
            best, at = 1.0, None
            current, value, idle, restarts = _start(rng), 0.0, 0, 0
            kinds: Counter[str] = Counter()
            for number in range(evaluations):
                if number % 2:
                    # Faults of a kind of instance do not lie at the end of a slope.
                    tried = _tiny(rng)
                elif idle > _RESTART_AFTER:
                    current, value, idle = _start(rng), 0.0, 0
                    restarts += 1
                    tried = current
                else:
                    tried = _mutated(current, rng)
                found = _ratio(tried, epsilon, options)
                idle += number % 2 == 0
                kinds[_kind(tried)] += found is not None
                if number % 2 == 0 and found is not None and found[1] >= value:
                    idle = 0 if found[1] > value * (1 + 1e-6) else idle
                    current, value = tried, found[1]
                if found is not None and found[0] > best:
                    best, at = found[0], tried
                if on_evaluation is not None:
                    on_evaluation()
            worst.append(Worst(epsilon, form, best, evaluations, restarts, dict(kinds), at))
    return worst
