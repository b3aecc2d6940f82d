"""The judge of CIFT: what a plan costs, and which constraints it breaks.

One piece of code computes both, over doubles for `evaluate` and over rationals for verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from splitopt.instances.cift.chances import Assured, Moments, assured, cantelli, surcharge
from splitopt.instances.cift.doubt import Draw
from splitopt.instances.cift.model import CiftInstance, Configuration, Link
from splitopt.instances.cift.plan import CiftPlan, hosted_by
from splitopt.instances.cift.stages import Number, Stage, stages_of, sums_of
from splitopt.instances.cift.structure import structure_of
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.core.violations import Violation


@dataclass(frozen=True, slots=True)
class StageCost:
    """What one hop or one host adds, for all requests and all of fine-tuning.

    Attributes
    ----------
    kind
        ``hop`` or ``host``.
    where
        ``a -> b`` or the node's name.
    blocks
        Blocks hosted; 0 for a hop.
    inference_latency_s, fine_tuning_time_s
        Seconds a request, seconds in all.
    inference_energy_j, fine_tuning_energy_j
        Joules for all R requests, joules for all of fine-tuning.
    """

    kind: str
    where: str
    blocks: int
    inference_latency_s: float
    fine_tuning_time_s: float
    inference_energy_j: float
    fine_tuning_energy_j: float


@dataclass(frozen=True, slots=True)
class CiftEvaluation:
    """What a plan costs: T_inf a request, T_ft in all, and energy.

    Attributes
    ----------
    objective
        E in J, the sum of both energies.
    stages
        The same figures by hop and host, along the path.
    """

    objective: float
    inference_latency_s: float
    fine_tuning_time_s: float
    inference_energy_j: float
    fine_tuning_energy_j: float
    stages: tuple[StageCost, ...]

    @property
    def energy_j(self) -> float:
        """E in J."""
        return self.objective


def _require(instance: CiftInstance, plan: CiftPlan) -> tuple[Configuration, list[Link]]:
    chosen, links, broken = structure_of(instance, plan)
    if broken or chosen is None:
        first = broken[0]
        raise InputError(
            f"plan.{first.constraint}",
            f"{first.where}: {first.statement}",
            "a plan that fits the instance",
            "correct the plan",
        )
    return chosen, links


def _assured(
    instance: CiftInstance,
    plan: CiftPlan,
    chosen: Configuration,
    links: list[Link],
    lift: Callable[[float | Fraction], Number],
) -> tuple[Assured[Number], list[Stage[Number]], list[Stage[Number]]]:
    """Return both times at the confidences asked for, and the stages of the draws they stand in."""
    known: dict[tuple[int, int], list[Stage[Number]]] = {}

    def stages(draw: Draw, passes: int) -> list[Stage[Number]]:
        key = id(draw), passes  # the instance keeps its draws
        if key not in known:
            known[key] = stages_of(instance, plan, chosen, links, lift, draw, passes)
        return known[key]

    def moments(draw: Draw, passes: int) -> Moments[Number]:
        found = stages(draw, passes)
        latency, time, _, _ = sums_of(found, lift)
        return Moments(latency, time)

    times = assured(instance, chosen, moments)
    served = stages(times.latency_draw, times.passes)
    return times, served, stages(times.time_draw, times.passes)


def _variances(
    stages: list[Stage[Number]], lift: Callable[[float | Fraction], Number]
) -> tuple[Number, Number]:
    latency, time = lift(0), lift(0)
    for stage in stages:
        latency += stage.latency_variance
        time += stage.time_variance
    return latency, time


def evaluate_cift(instance: CiftInstance, plan: CiftPlan) -> CiftEvaluation:
    """Return what `plan` costs, in floating point.

    In doubt, energy is the expected one and both times are those that hold with the confidence
    asked for; stages have the times of the scenario that decides (of the means, under a spread).
    Memory and deadlines are `check`'s business: a plan that breaks them still has a cost.

    Raises
    ------
    InputError
        When the plan does not fit the instance: unknown configuration, no such link, blocks
        missing, speeds missing.
    """
    chosen, links = _require(instance, plan)
    _, served, stages = _assured(instance, plan, chosen, links, float)
    latency, time, inference, tuning = sums_of(stages, float)
    if served is not stages:
        latency = sums_of(served, float)[0]
    doubt = instance.doubt
    if doubt is not None and doubt.spread:
        variances = _variances(stages, float)
        shares = doubt.confidences()
        latency += surcharge(variances[0], shares[0])
        time += surcharge(variances[1], shares[1])
    return CiftEvaluation(
        inference + tuning,
        latency,
        time,
        inference,
        tuning,
        tuple(
            StageCost(
                s.kind,
                s.where,
                s.blocks,
                at.latency,
                s.time,
                s.inference_energy,
                s.fine_tuning_energy,
            )
            for s, at in zip(stages, served, strict=True)
        ),
    )


def highest_throughput_per_s(instance: CiftInstance, plan: CiftPlan) -> float:
    """Return the requests a second that `plan` sustains: one over what its busiest stage takes.

    Infinite where nothing takes time. Rounded down, so that the plan does sustain it.
    """
    chosen, links = _require(instance, plan)
    busiest = max(s.busy for s in stages_of(instance, plan, chosen, links, rational))
    if busiest == 0:
        return math.inf
    rate = float(1 / busiest)
    return rate if rational(rate) * busiest <= 1 else math.nextafter(rate, 0.0)


def exact_energy_j(instance: CiftInstance, plan: CiftPlan) -> Fraction:
    """Return the energy of `plan` as the rational it is.

    Raises
    ------
    InputError
        As `evaluate_cift`.
    """
    chosen, links = _require(instance, plan)
    _, _, inference, tuning = sums_of(stages_of(instance, plan, chosen, links, rational), rational)
    return inference + tuning


def check_cift(instance: CiftInstance, plan: CiftPlan) -> list[Violation]:
    """Return the constraints `plan` breaks, decided over rationals; empty when feasible.

    Constraints: ``configuration``, ``path``, ``blocks``, ``speed``, ``memory``, ``throughput``,
    ``inference-deadline``, ``fine-tuning-deadline``. Deadlines and the throughput hold to
    the relative tolerance of the suite, memory exactly.
    """
    chosen, links, broken = structure_of(instance, plan)
    if broken or chosen is None:
        return broken
    broken = _too_much(instance, plan, chosen)
    times, _, stages = _assured(instance, plan, chosen, links, rational)
    return broken + _too_busy(instance, stages) + _too_late(instance, times, stages)


def _too_much(instance: CiftInstance, plan: CiftPlan, chosen: Configuration) -> list[Violation]:
    """Return speeds that hosts do not have, and segments that are too large for them."""
    broken: list[Violation] = []
    model = instance.models[instance.model_index[chosen.model]]
    level = instance.compressions[instance.compression_index[chosen.compression]]
    trained = instance.expected_passes(chosen) > 0
    for stop, hosted in zip(plan.stops, hosted_by(model, plan), strict=True):
        if stop.blocks == 0:
            continue
        node = instance.nodes[instance.node_index[stop.node]]
        for speed in (stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s):
            if speed is not None and not node.admits(speed):
                broken.append(
                    Violation(
                        "speed", stop.node, speed, None, f"{speed:g} FLOP/s is not admissible"
                    )
                )
        held = sum(
            (rational(model.blocks[b].param_bytes) for b in hosted),
            Fraction(0),
        ) * rational(level.param_factor)
        if trained:
            held *= rational(instance.training.memory_factor)
        if held > rational(node.memory_bytes):
            broken.append(
                Violation(
                    "memory",
                    stop.node,
                    float(held),
                    node.memory_bytes,
                    f"the segment needs {float(held):.6g} bytes of {node.memory_bytes:.6g}",
                )
            )
    return broken


def _too_busy(instance: CiftInstance, stages: list[Stage[Fraction]]) -> list[Violation]:
    """Return the stages that cannot keep up with the throughput."""
    rate = instance.throughput_per_s
    if rate is None:
        return []
    broken: list[Violation] = []
    tolerance = 1 + rational(TOLERANCES.deadline)
    for stage in stages:
        if stage.busy * rational(rate) > tolerance:
            busy = float(stage.busy)
            said = (
                f"busy {busy:.9g} s a request, and {rate:.9g} a second leave {1 / rate:.9g} s: "
                f"{busy - 1 / rate:.3g} s too long"
            )
            broken.append(Violation("throughput", stage.where, busy, 1 / rate, said))
    return broken


def _too_late(
    instance: CiftInstance, times: Assured[Fraction], stages: list[Stage[Fraction]]
) -> list[Violation]:
    """Return the deadlines that do not hold with the confidence asked for."""
    broken: list[Violation] = []
    doubt = instance.doubt
    varied = _variances(stages, rational) if doubt is not None and doubt.spread else None
    tolerance = 1 + rational(TOLERANCES.deadline)
    for phase, (constraint, value, limit) in enumerate(
        (
            ("inference-deadline", times.latency, instance.inference_deadline_s),
            ("fine-tuning-deadline", times.time, instance.fine_tuning_deadline_s),
        )
    ):
        if limit is None:
            continue
        kept, shown, asked = value <= rational(limit) * tolerance, float(value), ""
        if doubt is not None:
            share = doubt.confidences()[phase]
            asked = f" that holds with probability {float(share):g}"
            if varied is not None:
                most = rational(limit) * tolerance
                kept = cantelli(most, value, varied[phase], share)
                shown += surcharge(float(varied[phase]), share)
        if not kept:
            broken.append(
                Violation(
                    constraint,
                    "plan",
                    shown,
                    limit,
                    f"{shown:.9g} s exceed by {shown - limit:.3g} s the deadline of "
                    f"{limit:.9g} s{asked}",
                )
            )
    return broken
