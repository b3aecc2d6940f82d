"""Doubt as a document, and what the judge makes of it: figures worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from splitopt.instances.cift.doubt import Doubt, EpochsInDoubt, Factor, Scenario, Spread
from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Link, Node
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.contract.method import Budget, UnsupportedError
from splitopt.instances.contract.supports import supported
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import certify, check, evaluate, instance_from_document
from splitopt.instances.networks.profiles import Block, Profile

G = ("m", "c", "a", 1.0)
# Two blocks of 4 and 8 FLOP, 6 bits between them; node a at 2 FLOP/s, b at 4; 10 samples.
BASE = CiftInstance(
    "small",
    (
        Node("a", "end", (2.0,), 0.25, 1.0, 100, 10),
        Node("b", "edge", (4.0,), 0.5, 2.0, 100),
    ),
    (Link("a", "b", 3.0, 1.0, 0.5),),
    (Profile("m", 5, (Block("x", 4, 1, 6), Block("y", 8, 1, 2))),),
    (Compression("c", 1, 1, 1),),
    (Configuration(*G, epochs=2),),
    requests=7,
)
PLAN = CiftPlan(*G, (Stop("a", 1, 2.0, 2.0), Stop("b", 1, 4.0, 4.0)))
SCENARIOS = (
    Scenario("1/3", (Factor("a", "b", 0.5),)),
    Scenario("1/3", (), (Factor("a", None, 0.5),)),
    Scenario("1/3", (), (Factor("b", None, 2.0),)),
)


def with_epochs(values: tuple[int, ...], p: float, **more: object) -> CiftInstance:
    return BASE.replace(doubt=Doubt((EpochsInDoubt(*G, values),), fine_tuning_confidence=p, **more))


def test_energy_counts_the_mean_and_the_deadline_the_quantile() -> None:
    """Per pass: time 3 (2 + 2) + 2 (2 + 1/32); energy 3 (4 * 1.5 + 8 * 8.5) + 2 * 3 = 228."""
    instance = with_epochs((1, 2, 2, 9), 0.75)
    found = evaluate(instance, PLAN)
    assert found.fine_tuning_time_s == 2 * 10 * (12 + 2 * (2 + 1 / 32))
    assert found.fine_tuning_energy_j == 3.5 * 10 * 228
    assert found.inference_energy_j == 7 * (4 * 1.5 + 8 * 8.5 + 3)
    assert certify(instance, PLAN).low == Fraction(35 * 228 + 7 * 77)
    # 0.75 of the weight is at most 2, a little more than that needs 9.
    assert evaluate(with_epochs((1, 2, 2, 9), 0.76), PLAN).fine_tuning_time_s == pytest.approx(
        4.5 * found.fine_tuning_time_s, rel=1e-15
    )


def test_deadline_at_the_edge_is_decided_by_rationals() -> None:
    instance = with_epochs((1, 2, 2, 9), 0.75).replace(fine_tuning_deadline_s=321.25)
    assert check(instance, PLAN) == []
    late = with_epochs((1, 2, 2, 9), 0.750001).replace(fine_tuning_deadline_s=321.25)
    (broken,) = check(late, PLAN)
    assert broken.constraint == "fine-tuning-deadline"
    assert broken.value == 9 * 160.625
    assert "probability 0.750001" in broken.statement


def test_scenarios_by_hand() -> None:
    """Latency 2 + 3 + 2: slow link 9, slow a 9, fast b 6; a takes 4/3 as long, b 5/6."""
    doubt = Doubt(scenarios=SCENARIOS, inference_confidence=0.5, fine_tuning_confidence=0.3)
    instance = BASE.replace(doubt=doubt)
    found = evaluate(instance, PLAN)
    assert found.inference_latency_s == 9
    # The fastest third: 20 passes of 3 (2 + 1) + 2 (2 + 1/32).
    assert found.fine_tuning_time_s == 20 * (9 + 2 * (2 + 1 / 32))
    busy_a, busy_b = Fraction(4, 3), Fraction(5, 6)
    flop = 4 * (1 + busy_a / 2) + 8 * (8 + busy_b / 2)
    exact = 7 * (flop + 3) + 20 * (3 * flop + 6)
    assert certify(instance, PLAN).low == exact
    assert found.objective == pytest.approx(float(exact), rel=1e-15)


def test_epochs_and_scenarios_are_pairs() -> None:
    """Six pairs of one weight: half of it is three of them."""
    doubt = Doubt((EpochsInDoubt(*G, (1, 3), (0.5, 0.5)),), SCENARIOS, fine_tuning_confidence=0.5)
    once = [12 + 2 * (4 + 1 / 32), 18 + 2 * (2 + 1 / 32), 9 + 2 * (2 + 1 / 32)]
    pairs = sorted(k * 10 * t for k in (1, 3) for t in once)
    assert evaluate(BASE.replace(doubt=doubt), PLAN).fine_tuning_time_s == pairs[2]


def test_spread_is_cantelli_decided_without_a_root() -> None:
    """Latency 2 + 3 + 2 on average, variance 0.25 * 2^2 of the link: at p = 0.8 two sd on top."""
    doubt = Doubt(spread=(Spread("a", "b", 1.0, 0.25),), inference_confidence=0.8,
                  fine_tuning_confidence=0.5)  # fmt: skip
    instance = BASE.replace(doubt=doubt)
    assert evaluate(instance, PLAN).inference_latency_s == 9
    assert check(instance.replace(inference_deadline_s=9), PLAN) == []
    (broken,) = check(instance.replace(inference_deadline_s=8.9999999), PLAN)
    assert broken.value == 9


def test_a_certain_value_is_the_nominal_instance() -> None:
    certain = with_epochs((2, 2), 0.9)
    assert evaluate(certain, PLAN) == evaluate(BASE, PLAN)
    assert certify(certain, PLAN) == certify(BASE, PLAN)


def test_documents_keep_their_version_and_come_back() -> None:
    assert BASE.to_document()["version"] == 1
    assert "doubt" not in BASE.to_document()
    doubt = Doubt((EpochsInDoubt(*G, (1, 3), (0.5, "1/2")),), SCENARIOS, fine_tuning_confidence=0.5)
    for instance in (BASE.replace(doubt=doubt), with_epochs((1, 1, 4), 0.9)):
        document = instance.to_document()
        assert document["version"] == 2
        assert instance_from_document(document) == instance
        assert instance.content_hash != BASE.content_hash


@pytest.mark.parametrize(
    ("doubt", "field"),
    [
        ({"epochs": [{"source": "a"}]}, "doubt.epochs[0].model"),
        ({}, "doubt"),
        ({"scenarios": []}, "doubt"),
        ({"scenarios": [{"weight": 0.5}]}, "doubt.scenarios"),
        ({"scenarios": [{"weight": "1/3"}] * 2 + [{"weight": 0.3333333333}]}, "doubt.scenarios"),
        ({"scenarios": [{"weight": "1/0"}]}, "doubt.scenarios[0].weight"),
        ({"scenarios": [{"weight": 0}]}, "doubt.scenarios[0].weight"),
        ({"scenarios": [{"weight": 1, "speeds": [{"node": "z", "factor": 2}]}]},
         "doubt.scenarios[0].speeds[0]"),
        ({"scenarios": [{"weight": 1, "rates": [{"tail": "b", "head": "a", "factor": 2}]}]},
         "doubt.scenarios[0].rates[0]"),
        ({"scenarios": [{"weight": 1, "speeds": [{"node": "a", "factor": 0}]}]},
         "doubt.scenarios[0].speeds[0].factor"),
        ({"spread": [{"node": "a", "mean": 1, "variance": 1}]}, "doubt.inference_confidence"),
        ({"spread": [{"node": "q", "mean": 1, "variance": 1}], "inference_confidence": 0.9,
          "fine_tuning_confidence": 0.9}, "doubt.spread[0]"),
        ({"scenarios": [{"weight": 1}], "fine_tuning_confidence": 1.5},
         "doubt.fine_tuning_confidence"),
    ],
)  # fmt: skip
def test_bad_doubt_is_one_line(doubt: dict, field: str) -> None:
    document = BASE.to_document() | {"version": 2, "doubt": doubt}
    with pytest.raises(InputError) as caught:
        instance_from_document(document)
    assert str(caught.value).startswith(field)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"values": [], "weights": []}, "values"),
        ({"values": [1]}, "weights"),
        ({"values": [1, 2], "weights": [0.5]}, "weights"),
        ({"values": [1, 1], "weights": [0.5, 0.5]}, "values"),
        ({"values": [1, 2], "weights": [0.5, 0.6]}, "weights"),
        ({"values": [-1], "weights": [1]}, "values[0]"),
        ({"samples": []}, "values"),
        ({"samples": [1], "values": [1]}, "values"),
        ({"samples": [1], "weights": [1]}, "weights"),
        ({"samples": [1], "model": "n"}, ""),
    ],
)
def test_bad_epochs_are_one_line(change: dict, field: str) -> None:
    entry = dict(zip(("model", "compression", "source", "fraction"), G, strict=True)) | change
    with pytest.raises(InputError) as caught:
        instance_from_document(BASE.to_document() | {"version": 2, "doubt": {"epochs": [entry]}})
    assert str(caught.value).startswith(f"doubt.epochs[0]{'.' if field else ''}{field}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 3}, "version: 3, expected 1 or 2;"),
        ({"doubt": {}}, "doubt.epochs: [], expected epochs, scenarios or spread;"),
        ({"doubt": {"epochs": [{"samples": [1], "values": [1]}]}}, "'beside samples', expected"),
        ({"doubt": {"scenarios": [{"weight": 1}]}, "throughput_per_s": 1}, "doubt: 'scenarios',"),
    ],
)
def test_lines_say_what_there_is(change: dict, said: str) -> None:
    document = BASE.to_document() | {"version": 2} | change
    for entry in document.get("doubt", {}).get("epochs", ()):
        entry |= dict(zip(("model", "compression", "source", "fraction"), G, strict=True))
    with pytest.raises(InputError) as caught:
        instance_from_document(document)
    assert said in str(caught.value)


def test_a_method_that_knows_nothing_of_scenarios_refuses_them() -> None:
    from splitopt.heuristics.baselines.cift.neurosurgeon import METHOD

    instance = BASE.replace(doubt=Doubt(scenarios=SCENARIOS))
    assert supported(METHOD, BASE)
    assert supported(METHOD, with_epochs((1, 2), 0.9))
    assert supported(METHOD, instance).reason == "neurosurgeon takes no scenarios of the network"
    with pytest.raises(UnsupportedError):
        METHOD.solve(instance, Budget(1.0), 0, {})
