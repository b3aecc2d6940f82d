"""The judge of CIFT: what a plan costs, and which constraints it breaks.

One piece of code computes both, over doubles for `evaluate` and over rationals for verdicts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from splitopt.instances.cift.chances import Assured, Moments, assured, cantelli, surcharge
from splitopt.instances.cift.doubt import CERTAIN, Draw
from splitopt.instances.cift.model import CiftInstance, Configuration, Link
from splitopt.instances.cift.plan import CiftPlan, Stop, hosted_by
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.core.violations import Violation
from splitopt.instances.networks.profiles import Profile

__all__ = [
    "CiftEvaluation",
    "StageCost",
    "check_cift",
    "evaluate_cift",
    "exact_energy_j",
    "highest_throughput_per_s",
]

Number = TypeVar("Number", float, Fraction)


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


def _counted_wrongly(model: Profile, plan: CiftPlan) -> tuple[str, str] | None:
    """Return where and what is wrong with the blocks of a plan of a chain; None for nothing."""
    for stop in plan.stops:
        if stop.names:
            return stop.node, "blocks of a chain are counted, not named"
    due = len(model.blocks)
    placed = sum(stop.blocks for stop in plan.stops)
    return None if placed == due else (plan.model, f"{placed} blocks are placed of {due}")


def _named_wrongly(model: Profile, plan: CiftPlan) -> tuple[str, str] | None:
    """Return where and what is wrong with the blocks of a plan of a graph; None for nothing.

    What is done after each stop must be closed under predecessors.
    """
    known = {block.name: b for b, block in enumerate(model.blocks)}
    done: set[int] = set()
    for stop in plan.stops:
        if stop.blocks and not stop.names:
            return stop.node, "blocks of a graph are named, not counted"
        for name in stop.names:
            if name not in known:
                return stop.node, f"{plan.model} has no block {name}"
            if known[name] in done:
                return stop.node, f"{name} is placed twice"
            done.add(known[name])
        for tensor in model.tensors:
            late = [b for b in tensor.consumers if b in done]
            if late and tensor.producer is not None and tensor.producer not in done:
                needing = model.blocks[late[0]].name
                made = model.blocks[tensor.producer].name
                return stop.node, f"{needing} needs {tensor.name} of {made}, which runs later"
    if len(done) < len(model.blocks):
        return plan.model, f"{len(done)} blocks are placed of {len(model.blocks)}"
    return None


def _sent(model: Profile, factor: float, done: set[int], lift: Callable[[float], Number]) -> Number:
    """Return the bits that a hop carries once the blocks `done` are."""
    if not model.is_graph:
        if not done:
            return lift(model.input_bits)
        return lift(model.blocks[len(done) - 1].activation_bits) * lift(factor)
    total = lift(0.0)
    for tensor in model.tensors:
        if all(b in done for b in tensor.consumers):
            continue
        if tensor.producer is None:
            total += lift(tensor.bits)
        elif tensor.producer in done:
            total += lift(tensor.bits) * lift(factor)
    return total


def _structure(
    instance: CiftInstance, plan: CiftPlan
) -> tuple[Configuration | None, list[Link], list[Violation]]:
    """Return the configuration, the links of the path, and what is broken about them."""
    broken: list[Violation] = []

    def breaks(constraint: str, where: str, statement: str) -> None:
        broken.append(Violation(constraint, where, None, None, statement))

    chosen = plan.configuration(instance)
    if chosen is None:
        breaks(
            "configuration",
            f"{plan.model}, {plan.compression}, {plan.source}, {plan.fraction:g}",
            "the instance offers no such configuration",
        )
    links: list[Link] = []
    if plan.stops[0].node != plan.source:
        breaks("path", plan.stops[0].node, f"the path starts at its source {plan.source}")
    for here, there in itertools.pairwise(plan.stops):
        for link in instance.links_from.get(here.node, ()):
            if link.head == there.node:
                links.append(link)
                break
        else:
            breaks("path", f"{here.node} -> {there.node}", "there is no such link")
    for stop in plan.stops:
        if stop.node not in instance.node_index:
            breaks("path", stop.node, "there is no such node")
    if len({stop.node for stop in plan.stops}) < len(plan.stops):
        breaks("path", "stops", "a node stands on a path at most once")
    if plan.stops[-1].blocks == 0:
        breaks("path", plan.stops[-1].node, "the path ends at the last block's host")
    if plan.model in instance.model_index:
        model = instance.models[instance.model_index[plan.model]]
        wrong = _named_wrongly(model, plan) if model.is_graph else _counted_wrongly(model, plan)
        if wrong is not None:
            breaks("blocks", *wrong)
    if chosen is not None:
        trained = instance.expected_passes(chosen) > 0
        for stop in plan.stops:
            has = (
                stop.inference_speed_flop_per_s is not None,
                stop.fine_tuning_speed_flop_per_s is not None,
            )
            due_speeds = (stop.blocks > 0, stop.blocks > 0 and trained)
            if has != due_speeds:
                breaks(
                    "speed",
                    stop.node,
                    "a host has an inference speed and, if there is fine-tuning, a second one; "
                    "a relay has none",
                )
    return chosen, links, broken


@dataclass(frozen=True, slots=True)
class _Stage(Generic[Number]):
    kind: str
    where: str
    blocks: int
    latency: Number
    time: Number
    inference_energy: Number
    fine_tuning_energy: Number
    busy: Number  # seconds of a request in which the host or the wire is taken
    latency_variance: Number
    time_variance: Number


@dataclass(frozen=True, slots=True)
class _Counts(Generic[Number]):
    """How often a request, a sample's computing and its sending count, in times and in energy."""

    requests: Number
    compute: Number
    compute_charged: Number
    communication: Number
    communication_charged: Number


def _counts(
    instance: CiftInstance,
    chosen: Configuration,
    lift: Callable[[float | Fraction], Number],
    passes: int | None,
) -> _Counts[Number]:
    training = instance.training
    timed = instance.assured_passes(chosen) if passes is None else passes
    charged = instance.expected_passes(chosen)
    compute = lift(training.compute_factor) * lift(timed)
    communication = lift(training.communication_factor) * lift(timed)
    compute_charged, communication_charged = compute, communication
    if charged != timed:
        compute_charged = lift(training.compute_factor) * lift(charged)
        communication_charged = lift(training.communication_factor) * lift(charged)
    requests = lift(instance.requests)
    return _Counts(requests, compute, compute_charged, communication, communication_charged)


def _stages(
    instance: CiftInstance,
    plan: CiftPlan,
    chosen: Configuration,
    links: list[Link],
    lift: Callable[[float | Fraction], Number],
    draw: Draw = CERTAIN,
    passes: int | None = None,
) -> list[_Stage[Number]]:
    """Return the cost of each hop and host along the path, in the numbers `lift` makes.

    With R requests, S sample passes, training factors 3 (compute) and 2 (communication)::

        host of w FLOP:  T_inf  w / f_inf                 T_ft  3 S w / f_ft
                         E_inf  R w (kappa f_inf^2 + rho / f_inf)
                         E_ft   3 S w (kappa f_ft^2 + rho / f_ft)
        hop of a bits:   T_inf  a / B + d                 T_ft  2 S (a / B + d / batch)
                         E_inf  R e a                     E_ft  2 S e a

    w sums the blocks' FLOP, each times the host's factor of it; a the tensors made so far or raw,
    and needed later.

    In doubt, S is the passes assured in times (or `passes`) and those expected in energy; speeds
    and rates have the factors of `draw`, in times alone; and rho has what a node is expected to
    take longer.
    """
    model = instance.models[instance.model_index[chosen.model]]
    level = instance.compressions[instance.compression_index[chosen.compression]]
    counts = _counts(instance, chosen, lift, passes)
    stages: list[_Stage[Number]] = []
    done: set[int] = set()
    for position, (stop, hosted) in enumerate(zip(plan.stops, hosted_by(model, plan), strict=True)):
        if position > 0:
            bits = _sent(model, level.activation_factor, done, lift)
            stages.append(_hop(instance, links[position - 1], bits, counts, lift, draw))
        if stop.blocks == 0:
            continue
        factors = instance.factors(instance.nodes[instance.node_index[stop.node]], model)
        work = lift(0.0)
        for b in hosted:
            flops = lift(model.blocks[b].flops)
            work += flops if factors is None else flops * lift(factors[b])
        work *= lift(level.flops_factor)
        done.update(hosted)
        stages.append(_host(instance, stop, work, counts, lift, draw))
    return stages


def _hop(
    instance: CiftInstance,
    link: Link,
    bits: Number,
    counts: _Counts[Number],
    lift: Callable[[float | Fraction], Number],
    draw: Draw,
) -> _Stage[Number]:
    """Return what it costs to send so many bits over a link."""
    wire = bits / lift(link.rate_bit_per_s)
    doubt = instance.doubt
    spread = None if doubt is None else doubt.variances.get((link.tail, link.head))
    varied = lift(0.0) if spread is None else lift(spread) * wire * wire
    if draw is not CERTAIN:
        wire /= lift(draw.rate(link.tail, link.head))
    delay = lift(link.delay_s)
    energy = lift(link.energy_j_per_bit) * bits
    batch = lift(instance.training.batch_size)
    return _Stage(
        "hop",
        f"{link.tail} -> {link.head}",
        0,
        wire + delay,
        counts.communication * (wire + delay / batch),
        counts.requests * energy,
        counts.communication_charged * energy,
        wire,
        varied,
        varied if spread is None else counts.communication * counts.communication * varied,
    )


def _host(
    instance: CiftInstance,
    stop: Stop,
    work: Number,
    counts: _Counts[Number],
    lift: Callable[[float | Fraction], Number],
    draw: Draw,
) -> _Stage[Number]:
    """Return what so many FLOP cost on the node of a stop, at its speeds."""
    node, doubt, zero = instance.nodes[instance.node_index[stop.node]], instance.doubt, lift(0.0)
    kappa, rho = lift(node.kappa_j_s2_per_flop3), lift(node.busy_power_w)
    spread = None if doubt is None else doubt.variances.get((node.name, None))
    busy = rho if doubt is None else rho * lift(doubt.busy(node.name))
    figures = []
    for speed in (stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s):
        if speed is None:
            figures.append((zero, zero, zero))
            continue
        f = lift(speed)
        seconds, joules = work / f, kappa * work * f * f + busy * work / f
        varied = zero if spread is None else lift(spread) * seconds * seconds
        if draw is not CERTAIN:
            seconds *= lift(1 / draw.speed(node.name))
        figures.append((seconds, joules, varied))
    (latency, inference, varied), (time, tuning, time_varied) = figures
    return _Stage(
        "host",
        stop.node,
        stop.blocks,
        latency,
        counts.compute * time,
        counts.requests * inference,
        counts.compute_charged * tuning,
        latency,
        varied,
        time_varied if spread is None else counts.compute * counts.compute * time_varied,
    )


def _sums(
    stages: list[_Stage[Number]], lift: Callable[[float | Fraction], Number]
) -> tuple[Number, Number, Number, Number]:
    latency, time, inference, tuning = lift(0.0), lift(0.0), lift(0.0), lift(0.0)
    for stage in stages:
        latency += stage.latency
        time += stage.time
        inference += stage.inference_energy
        tuning += stage.fine_tuning_energy
    return latency, time, inference, tuning


def _require(instance: CiftInstance, plan: CiftPlan) -> tuple[Configuration, list[Link]]:
    chosen, links, broken = _structure(instance, plan)
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
) -> tuple[Assured[Number], list[_Stage[Number]], list[_Stage[Number]]]:
    """Return both times at the confidences asked for, and the stages of the draws they stand in."""
    known: dict[tuple[int, int], list[_Stage[Number]]] = {}

    def stages(draw: Draw, passes: int) -> list[_Stage[Number]]:
        key = id(draw), passes  # the instance keeps its draws
        if key not in known:
            known[key] = _stages(instance, plan, chosen, links, lift, draw, passes)
        return known[key]

    def moments(draw: Draw, passes: int) -> Moments[Number]:
        found = stages(draw, passes)
        latency, time, _, _ = _sums(found, lift)
        return Moments(latency, time)

    times = assured(instance, chosen, moments)
    served = stages(times.latency_draw, times.passes)
    return times, served, stages(times.time_draw, times.passes)


def _variances(
    stages: list[_Stage[Number]], lift: Callable[[float | Fraction], Number]
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
    latency, time, inference, tuning = _sums(stages, float)
    if served is not stages:
        latency = _sums(served, float)[0]
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
    busiest = max(s.busy for s in _stages(instance, plan, chosen, links, rational))
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
    _, _, inference, tuning = _sums(_stages(instance, plan, chosen, links, rational), rational)
    return inference + tuning


def check_cift(instance: CiftInstance, plan: CiftPlan) -> list[Violation]:
    """Return the constraints `plan` breaks, decided over rationals; empty when feasible.

    Constraints: ``configuration``, ``path``, ``blocks``, ``speed``, ``memory``, ``throughput``,
    ``inference-deadline``, ``fine-tuning-deadline``. Deadlines and the throughput hold to
    the relative tolerance of the suite, memory exactly.
    """
    chosen, links, broken = _structure(instance, plan)
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


def _too_busy(instance: CiftInstance, stages: list[_Stage[Fraction]]) -> list[Violation]:
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
    instance: CiftInstance, times: Assured[Fraction], stages: list[_Stage[Fraction]]
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
