"""Pictures of instances and plans: what they name, what they escape, when they give way."""

import xml.etree.ElementTree as ET

import pytest

from splitopt.bench.methods.registry import load
from splitopt.bench.report.drawing import draw
from splitopt.instances import library
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.errors import InputError


def texts(picture):
    return [e.text for e in ET.fromstring(picture).iter() if e.tag.endswith("text") and e.text]


def best(name, method):
    instance = library.load(name)
    return instance, load(method, instance.problem).solve(instance, Budget(), 0, {}).plan


def test_a_plan_of_cift_shows_hosts_and_what_it_costs():
    instance, plan = best("cift-quick-tiers", "highs-flow")
    found = texts(draw(instance, plan))
    cost = evaluate_cift(instance, plan)
    assert {node.name for node in instance.nodes} <= set(found)
    for stop in plan.hosts:
        assert f"{stop.blocks} blocks" in found
    assert f"Energy, J: {cost.objective:.4g}" in found
    limit = 1e3 * instance.inference_deadline_s
    assert f"Latency, ms: {1e3 * cost.inference_latency_s:.4g} of {limit:.4g} allowed" in found


def test_a_plan_of_mepra_shows_every_device():
    instance, plan = best("mepra-image-10mbps", "highs-tangent")
    found = texts(draw(instance, plan))
    assert {f"device {k}" for k in range(1, 6)} <= set(found)
    assert "Cost: 1.2277 in all" in found


def test_instances_alone_and_large_ones_are_drawn():
    assert "Network" in texts(draw(library.load("cift-tiny-both"), None))
    large = library.load("cift-large-mesh")
    assert any("nodes" in text for text in texts(draw(large, None)))


def test_names_are_no_formulas():
    instance = library.load("cift-tiny-both").replace(name="a-b")
    first = instance.nodes[0].name
    assert first in texts(draw(instance, None))
    assert draw(instance, None) == draw(instance, None)  # the same bytes each time


def test_a_plan_of_the_other_problem_is_refused():
    instance, _ = best("cift-tiny-both", "highs-flow")
    _, plan = best("mepra-image-10mbps", "highs-tangent")
    with pytest.raises(InputError, match="a plan for CIFT"):
        draw(instance, plan)
