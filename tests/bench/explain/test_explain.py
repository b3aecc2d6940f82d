"""Explanations: every figure in them is that of a solve or of the judge."""

import json

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.explain import explain
from splitopt.bench.methods.registry import load
from splitopt.instances import library
from splitopt.instances.contract.method import Budget


def optimum(instance):
    return load("highs-flow", "cift").solve(instance, Budget(), 0, {})


def kinds(found):
    return [finding.kind for finding in found.findings]


def one(found, kind, **figures):
    return next(
        f
        for f in found.findings
        if f.kind == kind and all(f.figures[k] == v for k, v in figures.items())
    )


def test_what_a_deadline_costs_is_the_optimum_without_it():
    instance = library.load("cift-tiny-both")
    found = explain(instance)
    # Another exact method, on the instance without the deadline.
    without = optimum(instance.replace(inference_deadline_s=None)).objective
    binding = one(found, "binding", deadline="inference")
    assert binding.figures["energy_without_j"] == pytest.approx(without, rel=1e-6)
    assert without < found.objective
    assert found.objective == pytest.approx(optimum(instance).objective, rel=1e-6)
    # 5 % less time leaves no plan: the flow model proves it too.
    assert binding.figures["energy_at_95_percent_j"] is None
    tighter = instance.replace(inference_deadline_s=0.95 * instance.inference_deadline_s)
    assert str(optimum(tighter).status) == "infeasible"


def test_a_deadline_that_presses_nobody_costs_nothing():
    instance = library.load("cift-tiny-both").replace(
        inference_deadline_s=1e6, fine_tuning_deadline_s=None
    )
    found = explain(instance)
    assert kinds(found).count("slack") == 1
    assert "binding" not in kinds(found)


def test_the_next_configuration_is_the_best_of_the_others():
    instance = library.load("cift-quick-tiers")
    found = explain(instance)
    values = [
        optimum(instance.replace(configurations=(g,))).objective for g in instance.configurations
    ]
    values = sorted(value for value in values if value is not None)
    assert one(found, "next").figures["energy_j"] == pytest.approx(values[1], rel=1e-6)


def test_what_must_give_suffices_and_a_little_less_does_not():
    instance = library.load("cift-tiny-not-together")
    found = explain(instance)
    assert found.status == "infeasible"
    for name, field in (
        ("inference", "inference_deadline_s"),
        ("fine-tuning", "fine_tuning_deadline_s"),
    ):
        factor = one(found, "give", change=name).figures["factor"]
        limit = getattr(instance, field)
        enough = instance.replace(**{field: limit * factor})
        short = instance.replace(**{field: limit * factor * (1 - 1e-4)})
        assert str(optimum(enough).status) == "optimal"
        assert str(optimum(short).status) == "infeasible"


def test_no_configuration_within_reach_is_said():
    instance = library.load("cift-tiny-both").replace(configurations=())
    found = explain(instance)
    assert found.findings[0].figures["change"] == "error_target"


def test_mepra_names_the_cheapest_single_change():
    instance = library.load("mepra-image-10mbps")
    found = explain(instance)
    # By hand from the table of optima: all but device 4 are at the edge; it is the closest call.
    change = one(found, "next")
    assert (change.figures["device"], change.figures["split"]) == (4, 0)
    assert change.figures["extra_cost"] > 0
    place = one(found, "plan")
    assert (place.figures["edge"], place.figures["device"], place.figures["inside"]) == (4, 1, 0)
    # All five at the edge, shares by the square-root rule, priced by the judge.
    from splitopt.instances.judge import evaluate
    from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights

    best = min(
        evaluate(instance, MepraPlan([0] * 5, shares_from_weights(weights))).objective
        for weights in [[1.0, 1.014, 1.007, 0.95 + 0.01 * k, 1.14] for k in range(30)]
    )
    assert found.objective + change.figures["extra_cost"] <= best * (1 + 1e-9)


def test_the_command_speaks_to_people_and_programs():
    run = CliRunner().invoke
    text = run(cli, ["explain", "cift-tiny-both"])
    assert text.exit_code == 0
    assert "deadline binds" in text.output
    data = json.loads(run(cli, ["explain", "mepra-image-10mbps", "--json"]).stdout)
    assert data["status"] == "optimal"
    assert {"kind", "text", "figures"} == set(data["findings"][0])
    assert run(cli, ["explain", "no-such-instance"]).exit_code == 2


def test_changes_of_an_optimum_of_0_are_told_without_a_ratio():
    found = explain(library.load("mepra-crafted-zero-cost"))
    assert found.objective == 0.0
    price = one(found, "price", resource="bandwidth")
    assert price.figures["cost"] == 0.0
    assert price.text.endswith("(+0).")
