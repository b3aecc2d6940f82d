"""CIFT's judge: costs worked out by hand, and each constraint kept and broken."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitopt.instances.cift.model import Configuration, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import certify, check, evaluate, read_instance, read_plan

DATA = Path(__file__).parents[2] / "data"
SMALL = read_instance(DATA / "small-cift.json")
PLAN = read_plan(DATA / "small-cift-plan.json")


def with_stops(*stops: Stop) -> CiftPlan:
    return dataclasses.replace(PLAN, stops=stops)


def broken(plan, instance=SMALL) -> list[str]:
    return [violation.constraint for violation in check(instance, plan)]


def test_costs_by_hand():
    """The level halves FLOPs and bits: 5 and 10 FLOP, and 2 / 2 = 1 bit between the blocks.

    N = ceil(0.5 * 10) = 5 samples an epoch, K = 2 epochs, S = 10 passes; R = 100.

    A request: end 5/2 s, edge 10/10 s, hop 1/4 + 1 s; together 4.75 s.
    Joules of one: end 1*5*2^2 + 4*5/2 = 30, edge 2*10/10 = 2, hop 0.5*1; times 100: 3250.
    Fine-tuning seconds: 10 * (3 * (5/1 + 10/10) + 2 * (1/4 + 1/4)) = 190.
    Joules: 10 * (3 * ((5 + 20) + 2) + 2 * 0.5) = 820.
    """
    found = evaluate(SMALL, PLAN)
    assert found.inference_latency_s == 4.75
    assert found.fine_tuning_time_s == 190.0
    assert found.inference_energy_j == 3250.0
    assert found.fine_tuning_energy_j == 820.0
    assert found.objective == found.energy_j == 4070.0
    assert [(s.kind, s.where, s.blocks) for s in found.stages] == [
        ("host", "end", 1),
        ("hop", "end -> edge", 0),
        ("host", "edge", 1),
    ]
    assert [s.inference_latency_s for s in found.stages] == [2.5, 1.25, 1.0]
    assert [s.fine_tuning_time_s for s in found.stages] == [150.0, 10.0, 30.0]
    assert [s.inference_energy_j for s in found.stages] == [3000.0, 50.0, 200.0]
    assert [s.fine_tuning_energy_j for s in found.stages] == [750.0, 10.0, 60.0]


def test_costs_of_shipped_input_over_a_relay_by_hand():
    """Raw input is 8 bits, not halved: 8/8 + 0.5 s and 8/2 + 0 s, 0.25 * 8 J and none.

    The edge computes all 15 FLOP: 1.5 s and 2 * 1.5 = 3 J.
    T_inf = 1.5 + 4 + 1.5 = 7; T_ft = 10 * (3 * 1.5 + 2 * (1 + 0.5/4 + 4)) = 147.5.
    E = 100 * (3 + 2) + 10 * (3 * 3 + 2 * 2) = 630.
    """
    plan = with_stops(Stop("end", 0), Stop("hub", 0), Stop("edge", 2, 10.0, 10.0))
    found = evaluate(SMALL, plan)
    assert (found.inference_latency_s, found.fine_tuning_time_s) == (7.0, 147.5)
    assert found.objective == 630.0
    # Only the deadline of a request is missed; neither end nor hub need memory.
    assert broken(plan) == ["inference-deadline"]


def test_costs_without_requests_and_without_training_by_hand():
    idle = SMALL.replace(requests=0)
    assert evaluate(idle, PLAN).objective == 820.0
    untrained = SMALL.replace(
        error_target=None,
        configurations=(Configuration("net", "half", "end", 0.5, 0),),
        fine_tuning_deadline_s=0.0,
    )
    plan = with_stops(Stop("end", 1, 2.0), Stop("edge", 1, 10.0))
    assert evaluate(untrained, plan).objective == 3250.0
    assert evaluate(untrained, plan).fine_tuning_time_s == 0.0
    assert check(untrained, plan) == []


def test_exact_costs_are_those_of_the_decimals():
    """0.1 + 0.2 as the file has them is 0.3, whatever doubles make of it."""
    links = (dataclasses.replace(SMALL.links[0], energy_j_per_bit=0.1), *SMALL.links[1:])
    verdict = certify(SMALL.replace(links=links), PLAN)
    # 4070 less 100 * 0.4 + 10 * 2 * 0.4.
    assert verdict.low == verdict.high == 4022
    assert verdict.feasible


def test_the_plan_is_feasible():
    """Deadlines of 4.75 and 190 s hold exactly; memory 4 * 0.5 * 3 = 6 of 6 and 9 of 15 bytes."""
    assert check(SMALL, PLAN) == []


# -- one test a constraint -----------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"fraction": 0.25}, {"model": "other"}, {"compression": "none"}, {"source": "edge"}]
)
def test_configuration(change):
    found = check(SMALL, dataclasses.replace(PLAN, **change))
    assert found[0].constraint == "configuration"
    assert found[0].amount is None


def test_path():
    end, edge = PLAN.stops
    wrong = {
        "not from its source": with_stops(edge),
        "no such link": with_stops(end, Stop("hub", 0), Stop("end", 0), edge),
        "no such node": with_stops(end, Stop("moon", 1, 1.0, 1.0)),
        "against the link": with_stops(edge, end),
        "ends at a relay": with_stops(Stop("end", 2, 2.0, 2.0), Stop("hub", 0), Stop("edge", 0)),
    }
    for reason, plan in wrong.items():
        assert "path" in broken(plan), reason
        with pytest.raises(InputError, match=r"^plan\.path: "):
            evaluate(SMALL, plan)
        verdict = certify(SMALL, plan)
        assert not verdict.feasible
        assert verdict.low is None


def test_node_twice_on_the_path():
    """Links are acyclic, so that a node that comes twice lacks a link as well."""
    end, edge = PLAN.stops
    reasons = [v.statement for v in check(SMALL, with_stops(end, edge, edge))]
    assert "a node stands on a path at most once" in reasons


@pytest.mark.parametrize("blocks", [0, 2, 5])
def test_blocks(blocks):
    end = dataclasses.replace(PLAN.stops[0], blocks=blocks)
    if blocks == 0:
        end = Stop("end", 0)
    found = [v for v in check(SMALL, with_stops(end, PLAN.stops[1])) if v.constraint == "blocks"]
    assert [v.statement for v in found] == [f"{blocks + 1} blocks are placed of 2"]


def test_speeds_must_be_there_and_not_be_there():
    end, edge = PLAN.stops
    without = dataclasses.replace(end, fine_tuning_speed_flop_per_s=None)
    assert broken(with_stops(without, edge)) == ["speed"]
    relay = Stop("hub", 0, 5.0, 5.0)
    assert broken(with_stops(end, relay, edge)) == ["speed"]
    idle = Stop("end", 0, None, 1.0)
    whole = dataclasses.replace(edge, blocks=2)
    assert broken(with_stops(idle, whole)) == ["speed"]


def test_listed_speed():
    end, edge = PLAN.stops
    for phase in ("inference", "fine_tuning"):
        for speed, kept in ((1.0, True), (1.5, False), (2.0, True), (2.0000000000000004, False)):
            changed = dataclasses.replace(end, **{f"{phase}_speed_flop_per_s": speed})
            instance = SMALL.replace(inference_deadline_s=None, fine_tuning_deadline_s=None)
            assert (broken(with_stops(changed, edge), instance) == []) == kept


def test_speed_in_an_interval():
    nodes = tuple(
        dataclasses.replace(node, speeds_flop_per_s=SpeedInterval(8.0, 10.0))
        if node.name == "edge"
        else node
        for node in SMALL.nodes
    )
    instance = SMALL.replace(nodes=nodes, inference_deadline_s=None, fine_tuning_deadline_s=None)
    end, edge = PLAN.stops
    for speed, kept in ((7.9999999, False), (8.0, True), (9.1, True), (10.0, True), (10.1, False)):
        changed = dataclasses.replace(edge, inference_speed_flop_per_s=speed)
        assert (broken(with_stops(end, changed), instance) == []) == kept


def test_memory():
    """The edge holds both blocks: (4 + 6) * 0.5 * 3 = 15 bytes in training, 5 without."""
    plan = with_stops(Stop("end", 0), Stop("edge", 2, 10.0, 10.0))
    # 8/4 + 1 + 1.5 = 4.5 s.
    assert check(SMALL, plan) == []

    def hold(bytes_):
        nodes = tuple(
            dataclasses.replace(n, memory_bytes=bytes_) if n.name == "edge" else n
            for n in SMALL.nodes
        )
        return SMALL.replace(nodes=nodes)

    (found,) = check(hold(14.999999999), plan)
    assert (found.constraint, found.where, found.value) == ("memory", "edge", 15.0)
    assert found.amount == pytest.approx(1e-9)
    untrained = hold(5.0).replace(
        error_target=None, configurations=(Configuration("net", "half", "end", 0.5, 0),)
    )
    serving = with_stops(Stop("end", 0), Stop("edge", 2, 10.0))
    assert check(untrained, serving) == []


def test_memory_is_decided_over_decimals():
    """0.1 + 0.2 bytes fit into 0.3, which doubles deny."""
    blocks = tuple(
        dataclasses.replace(b, param_bytes=p)
        for b, p in zip(SMALL.models[0].blocks, (0.1, 0.2), strict=True)
    )
    model = dataclasses.replace(SMALL.models[0], blocks=blocks)
    level = dataclasses.replace(SMALL.compressions[0], param_factor=1.0)
    training = dataclasses.replace(SMALL.training, memory_factor=1.0)
    nodes = tuple(
        dataclasses.replace(n, memory_bytes=0.3) if n.name == "edge" else n for n in SMALL.nodes
    )
    instance = SMALL.replace(models=(model,), compressions=(level,), training=training, nodes=nodes)
    assert 0.1 + 0.2 > 0.3
    assert check(instance, with_stops(Stop("end", 0), Stop("edge", 2, 10.0, 10.0))) == []


@pytest.mark.parametrize(
    ("constraint", "field", "value"),
    [
        ("inference-deadline", "inference_deadline_s", 4.75),
        ("fine-tuning-deadline", "fine_tuning_deadline_s", 190.0),
    ],
)
def test_deadline(constraint, field, value):
    """Deadlines hold to 1e-9 relative, decided exactly on both sides of that edge."""
    assert check(SMALL.replace(**{field: None}), PLAN) == []
    # value / (1 + 1e-9) lies between these two.
    edge = Fraction(value) / (1 + Fraction(1, 10**9))
    kept, missed = (float(edge * (1 + k * Fraction(1, 10**12))) for k in (1, -1))
    assert check(SMALL.replace(**{field: kept}), PLAN) == []
    (found,) = check(SMALL.replace(**{field: missed}), PLAN)
    assert (found.constraint, found.value, found.limit) == (constraint, value, missed)
    assert found.to_document()["amount"] == found.amount == value - missed


def test_a_deadline_missed_by_little_is_told_by_how_much():
    """The plan takes 4.75 s; to nine digits this deadline is that, too."""
    (found,) = check(SMALL.replace(inference_deadline_s=4.75 - 4.8e-9), PLAN)
    assert found.statement == "4.75 s exceed by 4.8e-09 s the deadline of 4.75 s"


def test_both_deadlines_are_told():
    tight = SMALL.replace(inference_deadline_s=0.0, fine_tuning_deadline_s=0.0)
    assert broken(PLAN, tight) == ["inference-deadline", "fine-tuning-deadline"]


# -- the whole -----------------------------------------------------------------------------

FIGURE = st.floats(1e-3, 1e3)


@given(st.lists(FIGURE, min_size=12, max_size=12), st.integers(0, 2), st.booleans())
def test_float_and_exact_agree(figures, blocks, over_hub):
    """Doubles are within a few units in the last place of the rationals; deadlines agree."""
    f = iter(figures)
    end, hub, edge = SMALL.nodes
    end = dataclasses.replace(
        end,
        speeds_flop_per_s=(next(f),),
        kappa_j_s2_per_flop3=next(f),
        busy_power_w=next(f),
        memory_bytes=1e9,
    )
    edge = dataclasses.replace(
        edge,
        speeds_flop_per_s=SpeedInterval(1e-3, 1e3),
        kappa_j_s2_per_flop3=next(f),
        busy_power_w=next(f),
        memory_bytes=1e9,
    )
    links = tuple(
        dataclasses.replace(k, rate_bit_per_s=next(f), delay_s=next(f)) for k in SMALL.links
    )
    free = SMALL.replace(
        nodes=(end, hub, edge),
        links=links,
        inference_deadline_s=None,
        fine_tuning_deadline_s=None,
    )
    speeds = (end.speeds_flop_per_s[0],) * 2
    first = Stop("end", blocks, *(speeds if blocks else ()))
    middle = (Stop("hub", 0),) if over_hub else ()
    last = (Stop("edge", 2 - blocks, next(f), 7.0),) if blocks < 2 else ()
    plan = with_stops(first, *(middle if last else ()), *last)
    cost, verdict = evaluate(free, plan), certify(free, plan)
    assert verdict.low == verdict.high
    assert cost.objective == pytest.approx(float(verdict.low), rel=1e-14)
    for field, value in (
        ("inference_deadline_s", cost.inference_latency_s),
        ("fine_tuning_deadline_s", cost.fine_tuning_time_s),
    ):
        assert check(free.replace(**{field: value}), plan) == []
        assert len(check(free.replace(**{field: value * (1 - 2e-9)}), plan)) == 1


def test_order_breaks_ties_as_stated():
    """Configuration in file order, then stop by stop: node, blocks, speeds (absent first)."""
    configurations = tuple(Configuration("net", "half", "end", q, 0) for q in (0.5, 0.25))
    instance = SMALL.replace(error_target=None, configurations=configurations)

    def plan(q, *stops):
        return CiftPlan.of(configurations[q], stops)

    ordered = [
        plan(0, Stop("end", 0), Stop("hub", 0), Stop("edge", 2, 10.0)),
        plan(0, Stop("end", 0), Stop("edge", 2, 10.0)),
        plan(0, Stop("end", 1, 1.0), Stop("edge", 1, 10.0)),
        plan(0, Stop("end", 1, 2.0), Stop("edge", 1, 10.0)),
        plan(0, Stop("end", 2, 1.0)),
        plan(0, Stop("end", 2, 1.0, 1.0)),
        plan(0, Stop("end", 2, 2.0)),
        plan(1, Stop("end", 0), Stop("hub", 0), Stop("edge", 2, 10.0)),
    ]
    keys = [p.order(instance) for p in ordered]
    assert all(a < b for a, b in itertools.pairwise(keys))


def test_a_plan_of_the_other_problem_is_refused():
    fleet = read_instance(DATA / "small-mepra.json")
    for judge in (evaluate, check, certify):
        with pytest.raises(InputError, match="a plan for MEPRA"):
            judge(fleet, PLAN)


def test_samples_are_counted_over_decimals():
    """ceil(0.1 * 30) is 3: in doubles 0.1 * 30 is 3.0000000000000004 for some factors."""
    end = dataclasses.replace(SMALL.nodes[0], samples=10**15)
    for q, count in ((0.1, 10**14), (0.3, 3 * 10**14), (0.7, 7 * 10**14), (1e-15, 1), (1e-16, 1)):
        g = Configuration("net", "half", "end", q, 0)
        instance = SMALL.replace(
            nodes=(end, *SMALL.nodes[1:]), error_target=None, configurations=(g,)
        )
        assert instance.samples_per_epoch(g) == count
