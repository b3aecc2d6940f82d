"""Graphs, factors of blocks and throughputs: documents and the judge, worked out by hand."""

from __future__ import annotations

import dataclasses
import json
import random

import numpy as np
import pytest

from splitopt.bench.methods.conformance.fuzz.beyond import as_graph, some_plan, widened
from splitopt.bench.methods.conformance.fuzz.draw import draw_cift
from splitopt.instances import library
from splitopt.instances.cift.judge import highest_throughput_per_s
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
)
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators.graphs import graph, graph_names
from splitopt.instances.judge import certify, check, evaluate
from splitopt.instances.networks.downsets import downsets_of
from splitopt.instances.networks.merging import merged_runs, merged_to_chain
from splitopt.instances.networks.profiles import Block, Profile
from splitopt.instances.networks.tensors import Tensor

# a feeds b and c, both feed d; a byte each.
DIAMOND = Profile.graph(
    "diamond",
    [Block(name, flops, 1, 0) for name, flops in (("a", 10), ("b", 20), ("c", 30), ("d", 40))],
    [
        Tensor("x", 8, None, (0,)),
        Tensor("ta", 4, 0, (1, 2)),
        Tensor("tb", 2, 1, (3,)),
        Tensor("tc", 6, 2, (3,)),
        Tensor("y", 1, 3, ()),
    ],
)
# 1 J and 1 s a FLOP at speed 1, 4 J and 1/2 s at 2; the edge takes 0.2 J and 0.1 s. Two blocks fit.
END = Node("end", "end", (1.0, 2.0), 1.0, 0.0, 2.0)
EDGE = Node("edge", "edge", (10.0,), 0.0, 2.0, 2.0)
CASE = CiftInstance(
    "diamond",
    (END, EDGE),
    (Link("end", "edge", 4.0, 1.0, 0.5),),
    (DIAMOND,),
    (Compression("none", 1, 1, 1),),
    (Configuration("diamond", "none", "end", 1.0, 0),),
    1,
)


def plan(*stops: Stop) -> CiftPlan:
    return CiftPlan("diamond", "none", "end", 1.0, stops)


CUT = plan(Stop("end", 2, 1.0, names=("a", "b")), Stop("edge", 2, 10.0, names=("c", "d")))


def broken(instance: CiftInstance, made: CiftPlan) -> list[str]:
    return [violation.constraint for violation in check(instance, made)]


def test_a_cut_carries_each_tensor_needed_behind_it_once():
    """ta for c and tb for d: 6 bits. 30 J + 6 x 0.5 J + 70 x 0.2 J; 30 s + 1.5 s + 1 s + 7 s."""
    found = evaluate(CASE, CUT)
    assert found.objective == 47.0
    assert found.inference_latency_s == 39.5
    assert check(CASE, CUT) == []
    assert certify(CASE, CUT).low == 47
    both = plan(Stop("end", 1, 1.0, names=("a",)), Stop("edge", 3, 10.0, names=("b", "c", "d")))
    assert evaluate(CASE, both).objective == 10 + 4 * 0.5 + 18  # ta crosses once for b and c
    assert broken(CASE, both) == ["memory"]


def test_the_raw_input_goes_on_while_somebody_needs_it():
    late = dataclasses.replace(
        DIAMOND, tensors=(Tensor("x", 8, None, (0, 3)), *DIAMOND.tensors[1:])
    )
    squeezed = (Compression("none", 1, 1, 0.5),)
    instance = CASE.replace(models=(late,), compressions=squeezed)
    # Compression halves ta and tb, never the raw input: 8 + 3 bits.
    assert evaluate(instance, CUT).objective == 30 + 11 * 0.5 + 14


@pytest.mark.parametrize(
    ("stops", "said"),
    [
        ((("b",), ("a", "c", "d")), "b needs ta of a, which runs later"),
        ((("a", "b"), ("b", "c", "d")), "b is placed twice"),
        ((("a", "b"), ("c",)), "3 blocks are placed of 4"),
        ((("a", "z"), ("b", "c", "d")), "diamond has no block z"),
    ],
)
def test_what_is_done_must_be_closed_and_whole(stops, said):
    first, second = stops
    made = plan(
        Stop("end", len(first), 1.0, names=first), Stop("edge", len(second), 10.0, names=second)
    )
    violations = check(CASE, made)
    assert [v.constraint for v in violations] == ["blocks"]
    assert violations[0].statement == said


def test_blocks_of_a_graph_are_named_and_of_a_chain_counted():
    assert broken(CASE, plan(Stop("end", 2, 1.0), Stop("edge", 2, 10.0))) == ["blocks"]
    chain = CASE.replace(models=(dataclasses.replace(merged_to_chain(DIAMOND), name="diamond"),))
    named = plan(Stop("end", 1, 1.0, names=("a",)), Stop("edge", 2, 10.0, names=("b..c", "d")))
    assert broken(chain, named) == ["blocks"]


def test_a_table_of_measured_splits_is_reproduced_exactly():
    """On the second device b takes twice as long as on the first, a and c a tenth."""
    first, second = {"a": 0.5, "b": 0.25, "c": 1.0}, {"a": 0.05, "b": 0.5, "c": 0.1}
    speeds = 1e9, 1e10
    blocks = tuple(
        Block(name, first[name] * 1e9, 1, bits) for name, bits in zip("abc", (8, 4, 1), strict=True)
    )
    factors = tuple((k, s * 1e10 / (first[k] * 1e9)) for k, s in second.items())
    instance = CASE.replace(
        models=(Profile("net", 16, blocks),),
        nodes=(
            Node("end", "end", (speeds[0],), 0, 1, 9),
            Node("edge", "edge", (speeds[1],), 0, 1, 9, factors=(("net", factors),)),
        ),
        links=(Link("end", "edge", 16, 0, 0),),
        configurations=(Configuration("net", "none", "end", 1.0, 0),),
    )
    assert instance.nodes[1].factors == (("net", (("b", 20.0),)),)  # those of 1 say nothing
    table = [
        (0, 0.0, 16 / 16, 0.05 + 0.5 + 0.1),
        (1, 0.5, 8 / 16, 0.5 + 0.1),
        (2, 0.75, 4 / 16, 0.1),
    ]
    for cut, part1, transfer, part2 in table:
        stops = (Stop("end", cut, 1e9 if cut else None), Stop("edge", 3 - cut, 1e10))
        stages = evaluate(instance, CiftPlan("net", "none", "end", 1.0, stops)).stages
        assert [s.inference_latency_s for s in stages] == pytest.approx(
            ([part1] if cut else []) + [transfer, part2], rel=1e-15
        )
        # One watt: joules are the seconds.
        energies = [s.inference_energy_j for s in stages if s.kind == "host"]
        assert energies == [s.inference_latency_s for s in stages if s.kind == "host"]


def test_a_throughput_bounds_hosts_and_wires():
    """The end is busy 30 s, the wire 1.5 s (its delay does not count), the edge 7 s."""
    assert highest_throughput_per_s(CASE, CUT) == pytest.approx(1 / 30, rel=1e-15)
    rate = highest_throughput_per_s(CASE, CUT)
    assert broken(CASE.replace(throughput_per_s=rate), CUT) == []
    assert broken(CASE.replace(throughput_per_s=rate * (1 + 2e-9)), CUT) == ["throughput"]
    narrow = CASE.replace(links=(Link("end", "edge", 0.1, 1.0, 0.5),), throughput_per_s=1 / 30)
    (violation,) = check(narrow, CUT)
    assert (violation.constraint, violation.where) == ("throughput", "end -> edge")
    assert violation.value == 60.0


def test_downsets_of_the_diamond():
    sets = downsets_of(DIAMOND)
    assert [set(np.flatnonzero(row).tolist()) for row in sets.member] == [
        set(), {0}, {0, 1}, {0, 2}, {0, 1, 2}, {0, 1, 2, 3},
    ]  # fmt: skip
    assert sets.nested.sum() == 14  # of 15 pairs, {a, b} and {a, c} are not nested
    assert sets.sums(np.array([10.0, 20, 30, 40]))[1].tolist() == [0, 0, 20, 30, 50, 90]


def test_merging_keeps_what_a_plan_costs():
    chain = merged_to_chain(DIAMOND)
    # Behind a alone one tensor crosses.
    found = [(b.name, b.flops, b.activation_bits) for b in chain.blocks]
    assert found == [("a", 10, 4), ("b..d", 90, 0)]
    long = as_graph(Profile("long", 1, tuple(Block(f"b{k}", k, 1, k) for k in range(9))))
    assert len(merged_runs(long).blocks) == 1
    assert [b.activation_bits for b in merged_to_chain(long).blocks] == [*range(8), 0]


@pytest.mark.parametrize("seed", range(40))
def test_a_merged_chain_has_every_cut_through_one_tensor(seed):
    """Of networks with one output, against all downsets."""
    draw = random.Random(seed)
    size = draw.randint(2, 9)
    users = [
        {b for b in range(k + 1, size) if draw.random() < 0.3}
        | ({k + 1} if k + 1 < size else set())
        for k in range(-1, size)
    ]
    tensors = [
        Tensor(f"t{k}", k + 2, None if k < 0 else k, tuple(users[k + 1])) for k in range(-1, size)
    ]
    network = Profile.graph("x", [Block(f"b{k}", 1, 1, 0) for k in range(size)], tensors)
    sets = downsets_of(network)
    single = (sets.crossing.sum(axis=1) == 1) & ~sets.crossing[:, sets.raw].any(axis=1)
    found = [(int(sets.member[s].sum()), tensors[int(sets.crossing[s].argmax())].bits)
             for s in np.flatnonzero(single)]  # fmt: skip
    chain = merged_to_chain(network)
    done = np.cumsum([b.flops for b in chain.blocks]).tolist()
    cuts = [b.activation_bits for b in chain.blocks]
    assert list(zip(done, cuts, strict=True)) == [*found, (size, 0)]


def test_of_several_outputs_the_one_with_the_most_cuts_is_cut_for():
    """a -> b -> c -> d, and e reads a: an output by itself, done before b."""
    tensors = [
        Tensor("x", 9, None, (0,)),
        Tensor("ta", 4, 0, (1, 4)),
        Tensor("tb", 3, 1, (2,)),
        Tensor("tc", 2, 2, (3,)),
    ]
    blocks = [Block(name, 1, 1, 0) for name in "abcde"]
    chain = merged_to_chain(Profile.graph("sides", blocks, tensors))
    found = [(b.name, b.activation_bits) for b in chain.blocks]
    assert found == [("a", 4), ("e", 4), ("b", 3), ("c", 2), ("d", 0)]


@pytest.mark.parametrize("name", graph_names())
def test_graphs_of_the_suite_come_back_from_their_documents(name):
    profile = graph(name)
    assert Profile.from_document(profile.to_document()) == profile
    assert profile.to_document()["version"] == 2
    small, chain = merged_runs(profile), merged_to_chain(profile)
    assert small.flops == pytest.approx(profile.flops, rel=1e-12)
    assert chain.param_bytes == pytest.approx(profile.param_bytes, rel=1e-12)
    assert len(downsets_of(small)) <= len(downsets_of(profile))


def test_documents_say_the_lowest_version_that_holds_them():
    for name in ("cift-tiny-both", "cift-standard-001"):
        instance = library.load(name)
        document = instance.to_document()
        assert document["version"] == 1
        assert "throughput_per_s" not in document
        assert all("factors" not in node for node in document["nodes"])
        assert library.entry(name).content_hash == instance.content_hash
    document = CASE.to_document()
    assert document["version"] == 2
    read = CiftInstance.from_document(json.loads(json.dumps(document)))
    assert read.to_document() == document
    with pytest.raises(InputError, match=r"version.*2 for networks that are graphs"):
        CiftInstance.from_document(document | {"version": 1})
    written = CUT.to_document()
    assert written["version"] == 2
    assert CiftPlan.from_document(json.loads(json.dumps(written))) == CUT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tensors": [{"name": "x", "bits": 1, "producer": 1, "consumers": [0]}]}, "behind the"),
        ({"tensors": [{"name": "x", "bits": 1, "producer": None, "consumers": [0, 9]}]}, "0 to 3"),
        ({"tensors": [{"name": "x", "bits": -1, "producer": None, "consumers": [0]}]}, ">= 0"),
        ({"tensors": [{"name": "x", "bits": 1, "producer": None, "consumers": [0]}]}, "need a"),
        ({"version": 1}, "expected 2"),
    ],
)
def test_graphs_are_checked(change, said):
    with pytest.raises(InputError, match=said):
        Profile.from_document(DIAMOND.to_document() | change)


def test_a_graph_too_wide_is_refused_with_the_remedy():
    wide = Profile.graph(
        "wide",
        [Block(f"b{k}", 1, 1, 0) for k in range(12)],
        [Tensor("x", 1, None, tuple(range(12)))],
    )
    with pytest.raises(InputError, match=r"at most 2000 .*--merge"):
        CASE.replace(models=(wide,), configurations=())


def test_factors_are_checked():
    factors = (("diamond", (("a", 2.0), ("b", 1.0))),)
    node = dataclasses.replace(EDGE, factors=factors)
    instance = CASE.replace(nodes=(END, node))
    assert instance.factors(instance.nodes[1], DIAMOND) == (2.0, 1.0, 1.0, 1.0)
    assert CiftInstance.from_document(instance.to_document()) == instance
    bad = dataclasses.replace(EDGE, factors=(("diamond", (("z", 2.0),)),))
    with pytest.raises(InputError, match="factors"):
        CASE.replace(nodes=(END, bad))


@pytest.mark.parametrize("seed", range(40))
def test_drawn_instances_come_back_from_their_documents(seed):
    draw = random.Random(seed)
    instance = widened(draw, draw_cift(11, seed))
    again = CiftInstance.from_document(json.loads(json.dumps(instance.to_document())))
    assert again.content_hash == instance.content_hash
    made = some_plan(instance, draw)
    if made is not None:
        assert CiftPlan.from_document(json.loads(json.dumps(made.to_document()))) == made
        assert evaluate(again, made).objective == evaluate(instance, made).objective


@pytest.mark.parametrize("factors", [{"diamant": {"a": 1}}, {"diamond": {"z": 1.0}}])
def test_factors_of_one_name_what_there_is_too(factors: dict):
    """They say nothing and are dropped; a wrong name went with them."""
    document = CASE.to_document()
    document["nodes"][0]["factors"] = factors
    with pytest.raises(InputError, match=r"nodes\[0\]\.factors.*expected one of"):
        CiftInstance.from_document(document)
