"""Explanations: every figure in them is that of a solve or of the judge."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.explain import explain
from splitopt.bench.explain.findings import Answer, Solver, rounded_up
from splitopt.bench.methods.registry import load
from splitopt.instances import library
from splitopt.instances.contract.method import Budget, Recorder, Termination
from splitopt.instances.contract.outcome import nothing_found
from splitopt.instances.mepra.judge import evaluate_mepra
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights


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

    best = min(
        evaluate(instance, MepraPlan([0] * 5, shares_from_weights(weights))).objective
        for weights in [[1.0, 1.014, 1.007, 0.95 + 0.01 * k, 1.14] for k in range(30)]
    )
    assert found.objective + change.figures["extra_cost"] <= best * (1 + 1e-9)


def test_the_command_speaks_to_people_and_programs():
    run = CliRunner().invoke
    text = run(cli, ["explain", "cift-tiny-both"])
    assert text.exit_code == 0
    assert "deadline rules out cheaper plans" in text.output
    data = json.loads(run(cli, ["explain", "mepra-image-10mbps", "--json"]).stdout)
    assert data["status"] == "optimal"
    assert {"kind", "text", "figures"} == set(data["findings"][0])
    assert run(cli, ["explain", "no-such-instance"]).exit_code == 2


def test_changes_of_an_optimum_of_0_are_told_without_a_ratio():
    found = explain(library.load("mepra-crafted-zero-cost"))
    assert found.objective == 0.0
    price = one(found, "price", resource="bandwidth")
    assert price.figures["cost"] == 0.0
    assert price.text == "10 % more bandwidth changes nothing."


def texts(found):
    return " ".join(finding.text for finding in found.findings)


def test_a_limit_of_0_is_loosened_to_the_least_that_does():
    instance = library.load("cift-crafted-skip").replace(inference_deadline_s=0.0)
    given = one(explain(instance), "give", change="inference")
    least = given.figures["inference_deadline_s"]
    assert given.figures["factor"] is None  # no factor of 0 helps
    assert str(optimum(instance.replace(inference_deadline_s=least)).status) == "optimal"
    short = instance.replace(inference_deadline_s=least * (1 - 1e-5))
    assert str(optimum(short).status) == "infeasible"


def with_memory(instance, least):
    nodes = tuple(
        dataclasses.replace(node, memory_bytes=max(node.memory_bytes, least))
        for node in instance.nodes
    )
    return instance.replace(nodes=nodes)


def test_nodes_without_memory_are_given_the_least_that_does():
    whole = library.load("cift-crafted-skip").replace(inference_deadline_s=None)
    bare = tuple(dataclasses.replace(node, memory_bytes=0.0) for node in whole.nodes)
    instance = whole.replace(nodes=bare)
    least = one(explain(instance), "give", change="memory").figures["memory_bytes"]
    assert str(optimum(with_memory(instance, least)).status) == "optimal"
    assert str(optimum(with_memory(instance, least * (1 - 1e-5))).status) == "infeasible"


def test_what_no_memory_mends_is_said_to_be_proved():
    found = explain(library.load("cift-crafted-no-time"))
    assert one(found, "give", change="memory").text.endswith("does not help, however much.")


def test_what_suffices_is_rounded_so_that_it_still_does():
    assert rounded_up(0.0321612501) == "0.0321613"
    assert rounded_up(4000000.2) == "4.00001e+06"
    assert rounded_up(0.25) == "0.25"


@pytest.mark.parametrize(
    "name", ["cift-tiny-both", "cift-crafted-menu", "cift-crafted-two-deadlines"]
)
def test_where_every_re_solve_is_stopped_nothing_is_claimed(name, monkeypatch):
    instance = library.load(name)
    whole = Solver.solve

    def stopped(self, changed, method=None):
        if changed == instance and method is None:
            return whole(self, changed)
        return nothing_found(Recorder(), termination=Termination.TIME)

    monkeypatch.setattr(Solver, "solve", stopped)
    found = explain(instance)
    assert "costs nothing" not in texts(found)
    assert not {"slack", "binding", "price"} & set(kinds(found))
    assert "the time limit ended the solve" in texts(found)
    assert "%" not in one(found, "next").text.replace("of its data", "")


def test_a_cheaper_neighbour_of_a_plan_that_is_not_proved_is_called_that():
    base = Answer(90.0, 100.0, None)
    assert Answer(80.0, 95.0, None).against(base) == "between -20 % and +5 %"
    assert Answer(80.0, 95.0, None).against(base, sign=-1) == "at lowest -20 %"
    assert Answer(None, 80.0, None).against(base) == "at most -10 %"
    assert Answer(120.0, None, None).against(base) == "at least +20 %"
    assert Answer(None, 95.0, None, ended="stop").against(base, sign=-1) == "not known (stop)"
    assert Answer(None, None, None, impossible=True).against(base) == "no plan"
    assert not Answer(80.0, 95.0, None).below(base)
    assert Answer(None, 80.0, None).below(base)
    assert Answer(100.0, 100.0, None).against(Answer(100.0, 100.0, None)) == "no change"
    assert Answer(110.0, 110.0, None).against(Answer(100.0, 100.0, None)) == "+10 %"
    assert Answer(3.0, 3.0, None).against(Answer(0.0, 0.0, None), " J") == "+3 J"


@pytest.mark.parametrize(
    "name", ["mepra-crafted-free-rows", "mepra-crafted-free", "mepra-crafted-leave-early"]
)
def test_the_cheapest_other_split_is_that_of_enumeration(name):
    instance = library.load(name)
    found = explain(instance)
    plan = load("lagrangian", "mepra").solve(instance, Budget(), 0, {}).plan
    costs = []
    for i, layers in enumerate(instance.layers[instance.profile].tolist()):
        sets = [None] if plan.exit_set is None else range(1 << (layers - 1), 1 << layers)
        for split, exits in itertools.product(range(layers + 1), sets):
            if split == plan.splits[i]:
                continue
            splits = [*plan.splits[:i], split, *plan.splits[i + 1 :]]
            chosen = None if exits is None else [*plan.exit_set]
            if chosen is not None:
                chosen[i] = exits
            costs.append(best_of_shares(instance, splits, chosen))
    change = one(found, "next").figures
    assert found.objective + change["extra_cost"] == pytest.approx(min(costs), rel=1e-9)


def best_of_shares(instance, splits, exit_set):
    """Price decisions at shares that follow the root of each device's edge work."""
    n = instance.devices
    even = evaluate_mepra(instance, MepraPlan(splits, [1 / n] * n, exit_set))
    half = evaluate_mepra(instance, MepraPlan(splits, [0.5 / n] * n, exit_set))
    # Halving every share adds each device's edge time once more.
    edge = np.maximum(half.device_cost - even.device_cost, 0.0)
    edge[np.asarray(splits) == instance.layers[instance.profile]] = 0.0
    shares = shares_from_weights(np.sqrt(edge))
    return evaluate_mepra(instance, MepraPlan(splits, shares, exit_set)).objective
