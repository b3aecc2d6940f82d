"""What each hop and host of a plan of CIFT costs, for the judge, in the numbers it asks for.

Doubles for `evaluate`, rationals for verdicts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from splitopt.instances.cift.doubt import CERTAIN, Draw
from splitopt.instances.cift.model import CiftInstance, Configuration, Link
from splitopt.instances.cift.plan import CiftPlan, Stop, hosted_by
from splitopt.instances.networks.profiles import Profile

Number = TypeVar("Number", float, Fraction)


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


@dataclass(frozen=True, slots=True)
class Stage(Generic[Number]):
    """One hop or host: seconds a request and in all, joules, and variances of the times."""

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


def stages_of(
    instance: CiftInstance,
    plan: CiftPlan,
    chosen: Configuration,
    links: list[Link],
    lift: Callable[[float | Fraction], Number],
    draw: Draw = CERTAIN,
    passes: int | None = None,
) -> list[Stage[Number]]:
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
    stages: list[Stage[Number]] = []
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
) -> Stage[Number]:
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
    return Stage(
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
) -> Stage[Number]:
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
    return Stage(
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


def sums_of(
    stages: list[Stage[Number]], lift: Callable[[float | Fraction], Number]
) -> tuple[Number, Number, Number, Number]:
    """Return seconds a request and in all, and joules of both phases."""
    latency, time, inference, tuning = lift(0.0), lift(0.0), lift(0.0), lift(0.0)
    for stage in stages:
        latency += stage.latency
        time += stage.time
        inference += stage.inference_energy
        tuning += stage.fine_tuning_energy
    return latency, time, inference, tuning
