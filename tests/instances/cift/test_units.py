"""Instances in units of their own: exact both ways, and the same to every method."""

from __future__ import annotations

import dataclasses
import functools
import math

import pytest

from splitopt.bench.methods.registry import load
from splitopt.bench.store.sources import load_instance
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.cift.units import scaled
from splitopt.instances.contract.method import Budget, Result, SolutionStatus
from splitopt.instances.judge import check

NAMES = ("cift-tiny-both", "cift-tiny-continuous", "cift-crafted-two-deadlines")
# Beyond these FLOP and seconds, kappa leaves the range of figures that instances may hold.
SCALES = [
    *(("flop", factor) for factor in (1e-12, 1e3)),
    *(("bit", factor) for factor in (1e-12, 1e12)),
    *(("second", factor) for factor in (1e-6, 1e12)),
    *(("joule", factor) for factor in (1e-12, 1e12)),
]


def tiny(name: str) -> CiftInstance:
    instance = load_instance(name)
    assert isinstance(instance, CiftInstance)
    return instance


def in_other_units(instance: CiftInstance, axis: str, factor: float) -> CiftInstance:
    """Return the instance with all figures of one axis times a factor; J follow FLOP and s."""
    flop = factor if axis == "flop" else 1.0
    bit = factor if axis == "bit" else 1.0
    second = factor if axis == "second" else 1.0
    joule = factor if axis == "joule" else 1.0
    speed = flop / second

    def speeds(now: tuple[float, ...] | SpeedInterval) -> tuple[float, ...] | SpeedInterval:
        if isinstance(now, SpeedInterval):
            return SpeedInterval(now.low * speed, now.high * speed)
        return tuple(f * speed for f in now)

    def later(deadline: float | None) -> float | None:
        return None if deadline is None else deadline * second

    return instance.replace(
        nodes=tuple(
            dataclasses.replace(
                node,
                speeds_flop_per_s=speeds(node.speeds_flop_per_s),
                kappa_j_s2_per_flop3=node.kappa_j_s2_per_flop3 / speed / speed / flop * joule,
                busy_power_w=node.busy_power_w * joule / second,
            )
            for node in instance.nodes
        ),
        links=tuple(
            dataclasses.replace(
                link,
                rate_bit_per_s=link.rate_bit_per_s * bit / second,
                delay_s=link.delay_s * second,
                energy_j_per_bit=link.energy_j_per_bit * joule / bit,
            )
            for link in instance.links
        ),
        models=tuple(
            dataclasses.replace(
                model,
                input_bits=model.input_bits * bit,
                blocks=tuple(
                    dataclasses.replace(
                        block,
                        flops=block.flops * flop,
                        activation_bits=block.activation_bits * bit,
                    )
                    for block in model.blocks
                ),
            )
            for model in instance.models
        ),
        inference_deadline_s=later(instance.inference_deadline_s),
        fine_tuning_deadline_s=later(instance.fine_tuning_deadline_s),
    )


@pytest.mark.parametrize("name", NAMES)
def test_scaling_is_exact_both_ways(name: str) -> None:
    instance = tiny(name)
    small, units = scaled(instance)
    for unit in (units.flop, units.bit, units.second, units.joule):
        assert math.frexp(unit)[0] == 0.5  # a power of two
    plan = load("jqodi", "cift").solve(instance, Budget(), 0, {}).plan
    there = units.into(plan)
    assert units.back(there) == plan
    # To the last bit: the judge's sums are the same sums.
    mine, theirs = evaluate_cift(instance, plan), evaluate_cift(small, there)
    assert theirs.objective * units.joule == mine.objective
    assert theirs.inference_latency_s * units.second == mine.inference_latency_s
    assert theirs.fine_tuning_time_s * units.second == mine.fine_tuning_time_s


def test_figures_beyond_the_range_of_instances_leave_units_as_they_are() -> None:
    instance = tiny("cift-tiny-both")
    node = dataclasses.replace(instance.nodes[0], kappa_j_s2_per_flop3=1e-50)
    odd = instance.replace(nodes=(node, *instance.nodes[1:]))
    small, units = scaled(odd)
    assert (small is odd) == (units.flop == 1.0)


@functools.cache
def in_our_units(name: str, method: str) -> Result:
    return load(method, "cift").solve(tiny(name), Budget(), 0, {})


@pytest.mark.parametrize(("axis", "factor"), SCALES)
def test_no_verdict_depends_on_units(axis: str, factor: float) -> None:
    for name in NAMES:
        instance = tiny(name)
        other = in_other_units(instance, axis, factor)
        grown = factor if axis == "joule" else 1.0
        for method in ("highs-flow", "highs-oa", "highs-assignment", "cpsat", "fronts", "jqodi"):
            solver = load(method, "cift")
            if not solver.supports(instance):
                continue
            mine = in_our_units(name, method)
            theirs = solver.solve(other, Budget(), 0, {})
            assert theirs.status == mine.status, method
            assert theirs.status is not SolutionStatus.NONE
            assert check(other, theirs.plan) == []
            assert theirs.objective == pytest.approx(mine.objective * grown, rel=2e-6), method
            assert theirs.bound == pytest.approx(mine.bound * grown, rel=1e-2), method
