"""Bring an instance of CIFT to one scale, and plans and energies back.

Solvers hold rows and integers to absolute tolerances, so what they prove would depend on the
units of the figures. Exact methods therefore solve an instance in units of its own::

    FLOP' = FLOP / F,  bit' = bit / B,  s' = s / T,  J' = J / E

F is the work of a typical chain, T what it takes on a typical node, B what a typical link carries
in T, E what the chain costs on a typical node (or its hops, where computing is free). All four are
powers of two, so scaling changes no digit of a double: speeds, times and energies of a plan are
those of the plan in the original units times a power of two, exactly.

Source: the rule that units do not matter; the choice of units is ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from splitopt.instances.cift.model import CiftInstance, Link, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.profiles import Profile


@dataclass(frozen=True, slots=True)
class Units:
    """The units of a scaled instance, each a power of two.

    Attributes
    ----------
    flop, bit, second, joule
        FLOP, bit, s and J in one unit of the scaled instance.
    """

    flop: float = 1.0
    bit: float = 1.0
    second: float = 1.0
    joule: float = 1.0

    @property
    def speed(self) -> float:
        """FLOP/s in one unit of speed."""
        return self.flop / self.second

    def into(self, plan: CiftPlan) -> CiftPlan:
        """Return a plan of the original instance as one of the scaled instance."""
        return _with_speeds(plan, 1.0 / self.speed)

    def back(self, plan: CiftPlan) -> CiftPlan:
        """Return a plan of the scaled instance as one of the original."""
        return _with_speeds(plan, self.speed)


def _with_speeds(plan: CiftPlan, factor: float) -> CiftPlan:
    if factor == 1.0:
        return plan

    def times(speed: float | None) -> float | None:
        return None if speed is None else speed * factor

    return replace(
        plan,
        stops=tuple(
            replace(
                stop,
                inference_speed_flop_per_s=times(stop.inference_speed_flop_per_s),
                fine_tuning_speed_flop_per_s=times(stop.fine_tuning_speed_flop_per_s),
            )
            for stop in plan.stops
        ),
    )


def _typical(figures: Iterable[float]) -> float:
    """Return the power of two next to the median of the positive figures; 1 without any."""
    positive = sorted(x for x in figures if x > 0)
    if not positive:
        return 1.0
    return 2.0 ** round(math.log2(positive[len(positive) // 2]))


def _units(instance: CiftInstance) -> Units:
    flop = _typical(model.flops for model in instance.models)
    tops = [
        s.high if isinstance(s := node.speeds_flop_per_s, SpeedInterval) else s[-1]
        for node in instance.nodes
    ]
    second = flop / _typical(tops)
    bit = _typical(link.rate_bit_per_s for link in instance.links) * second
    joule = _typical(
        flop * (node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f)
        for node, f in zip(instance.nodes, tops, strict=True)
    )
    if not any(n.kappa_j_s2_per_flop3 > 0 or n.busy_power_w > 0 for n in instance.nodes):
        joule = _typical(bit * link.energy_j_per_bit for link in instance.links)
    return Units(flop, bit, second, joule)


def _node(node: Node, u: Units) -> Node:
    speeds = node.speeds_flop_per_s
    return replace(
        node,
        speeds_flop_per_s=SpeedInterval(speeds.low / u.speed, speeds.high / u.speed)
        if isinstance(speeds, SpeedInterval)
        else tuple(f / u.speed for f in speeds),
        # In steps that stay within the range of doubles.
        kappa_j_s2_per_flop3=node.kappa_j_s2_per_flop3 * u.speed * u.speed * (u.flop / u.joule),
        busy_power_w=node.busy_power_w * (u.second / u.joule),
    )


def _link(link: Link, u: Units) -> Link:
    return replace(
        link,
        rate_bit_per_s=link.rate_bit_per_s * (u.second / u.bit),
        delay_s=link.delay_s / u.second,
        energy_j_per_bit=link.energy_j_per_bit * (u.bit / u.joule),
    )


def _model(model: Profile, u: Units) -> Profile:
    return replace(
        model,
        input_bits=model.input_bits / u.bit,
        blocks=tuple(
            replace(
                block, flops=block.flops / u.flop, activation_bits=block.activation_bits / u.bit
            )
            for block in model.blocks
        ),
        tensors=tuple(replace(tensor, bits=tensor.bits / u.bit) for tensor in model.tensors),
    )


def scaled(instance: CiftInstance) -> tuple[CiftInstance, Units]:
    """Return the instance in units of its own, and these units.

    Where a scaled figure would leave the range of figures that instances hold, the instance comes
    back as it is, in units of one.
    """
    u = _units(instance)

    def seconds(deadline: float | None) -> float | None:
        return None if deadline is None else deadline / u.second

    try:
        return (
            instance.replace(
                nodes=tuple(_node(node, u) for node in instance.nodes),
                links=tuple(_link(link, u) for link in instance.links),
                models=tuple(_model(model, u) for model in instance.models),
                inference_deadline_s=seconds(instance.inference_deadline_s),
                fine_tuning_deadline_s=seconds(instance.fine_tuning_deadline_s),
                throughput_per_s=None
                if instance.throughput_per_s is None
                else instance.throughput_per_s * u.second,
                in_units=(u.flop, u.bit, u.second),
            ),
            u,
        )
    except InputError:
        return instance, Units()
