"""Planners that leave out a decision, and searches over placements, against figures by hand."""

import itertools
import math

import numpy as np
import pytest

from splitopt.heuristics.baselines.cift import pymoo as cift_pymoo
from splitopt.heuristics.baselines.cift.blind import COMPRESSION_BLIND, PARTITION_BLIND
from splitopt.heuristics.baselines.cift.local_search import METHOD as LOCAL_SEARCH
from splitopt.heuristics.baselines.cift.moves import neighbours, recut
from splitopt.heuristics.baselines.cift.neurosurgeon import LATENCY
from splitopt.heuristics.baselines.cift.states import State, States, random_state
from splitopt.instances import library
from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Link, Node
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.judge import check, evaluate
from splitopt.instances.networks.profiles import Block, Profile

BLINDS = (COMPRESSION_BLIND, PARTITION_BLIND)


def two_nodes(**changes) -> CiftInstance:
    """A device of 1 GFLOP/s and 1 W, an edge of 10 GFLOP/s and 2 W, 10 requests, no training.

    One request, uncompressed: 10 J all on the device (10 s at 1 W); 4 J all on the edge (2 J for
    2e7 bits of raw input, 1 s at 2 W); 2.9 J cut behind block 1 (1 s at 1 W, 0.1 J for 1e6 bits,
    0.9 s at 2 W). With everything halved but the raw input: 5 J, 3 J and 1.45 J.
    """
    nodes = (
        Node("device", "end", (1e9,), 0.0, 1.0, 1e9, 10),
        Node("edge", "edge", (1e10,), 0.0, 2.0, 1e9),
    )
    blocks = (Block("b1", 1e9, 1e6, 1e6), Block("b2", 9e9, 1e6, 1e3))
    instance = CiftInstance(
        "two-nodes",
        nodes,
        (Link("device", "edge", 1e7, 0.0, 1e-7),),
        (Profile("m", 2e7, blocks),),
        (Compression("none", 1, 1, 1), Compression("half", 0.5, 0.5, 0.5)),
        (Configuration("m", "none", "device", 1, 0), Configuration("m", "half", "device", 1, 0)),
        10,
    )
    return instance.replace(**changes)


def diamond(**changes) -> CiftInstance:
    """A source, two edges side by side, a cloud, and a link that skips the edges; four blocks."""
    nodes = tuple(
        Node(name, tier, (1e9, 2e9), 1e-28, 1.0, 1e9, 10)
        for name, tier in (("s", "end"), ("a", "edge"), ("b", "edge"), ("c", "cloud"))
    )
    links = tuple(
        Link(tail, head, 1e8, 0.001, 1e-8)
        for tail, head in (("s", "a"), ("s", "b"), ("a", "c"), ("b", "c"), ("s", "c"), ("a", "b"))
    )
    blocks = tuple(Block(f"b{k}", 1e9, 1e6, 1e5) for k in range(4))
    instance = CiftInstance(
        "diamond",
        nodes,
        links,
        (Profile("m", 1e6, blocks), Profile("short", 1e6, blocks[:2])),
        (Compression("none", 1, 1, 1),),
        (Configuration("m", "none", "s", 1, 1), Configuration("short", "none", "s", 1, 1)),
        5,
    )
    return instance.replace(**changes)


# -- planners that leave out a decision ----------------------------------------------------


def test_what_blindness_costs_by_hand():
    instance = two_nodes()
    without_compression = COMPRESSION_BLIND.solve(instance, Budget(), 0, {})
    assert without_compression.objective == pytest.approx(29.0)
    assert without_compression.plan.compression == "none"
    assert [stop.blocks for stop in without_compression.plan.stops] == [1, 1]
    in_one_piece = PARTITION_BLIND.solve(instance, Budget(), 0, {})
    assert in_one_piece.objective == pytest.approx(30.0)
    assert in_one_piece.plan.compression == "half"
    assert [stop.blocks for stop in in_one_piece.plan.stops] == [0, 2]
    # Both decisions together: half the network, cut behind block 1.
    assert LOCAL_SEARCH.solve(instance, Budget(), 0, {}).objective == pytest.approx(14.5)


def test_a_blind_planner_claims_no_bound_and_no_infeasibility():
    # Only compressed and cut is 0.5 s + 0.05 s + 0.45 s = 1 s within reach.
    instance = two_nodes(inference_deadline_s=1.0)
    assert LOCAL_SEARCH.solve(instance, Budget(), 0, {}).objective == pytest.approx(14.5)
    for planner in BLINDS:
        result = planner.solve(instance, Budget(), 0, {})
        assert result.status is SolutionStatus.NONE
        assert result.bound is None
        assert result.termination is Termination.SOLVED


def test_without_an_uncompressed_configuration_there_is_a_reason():
    instance = two_nodes(configurations=two_nodes().configurations[1:])
    assert "compression-blind" in COMPRESSION_BLIND.supports(instance).reason
    assert COMPRESSION_BLIND.supports(two_nodes(configurations=()))


def test_compression_blind_trajectory_has_no_bounds_of_its_part():
    points = []
    COMPRESSION_BLIND.solve(two_nodes(), Budget(), 0, {}, on_progress=points.append)
    assert points
    assert all(point.bound is None for point in points)


def test_neurosurgeon_for_latency_by_hand():
    # Seconds a request, uncompressed and compressed: device 10 and 5, edge 2 + 1 and 2 + 0.5, cut
    # 1 + 0.1 + 0.9 and half of it: the cut of the compressed network is quickest, at 14.5 J.
    result = LATENCY.solve(two_nodes(), Budget(), 0, {})
    assert evaluate(two_nodes(), result.plan).inference_latency_s == pytest.approx(1.0)
    assert result.objective == pytest.approx(14.5)
    # An edge of 100 W makes 3.5 s on the device alone cheap and the cut dear, yet it stays.
    nodes = two_nodes().nodes
    dear = two_nodes(nodes=(nodes[0], Node("edge", "edge", (1e10,), 0.0, 100.0, 1e9)))
    again = LATENCY.solve(dear, Budget(), 0, {})
    assert again.plan == result.plan
    energy = LATENCY.solve(dear, Budget(), 0, {"objective": "energy"})
    assert energy.objective == pytest.approx(50.0)  # half of 10 J, 10 requests


# -- states and moves ----------------------------------------------------------------------


def test_the_key_of_a_state_is_what_the_judge_says():
    # Four blocks take 2 s at top speed and up to 0.022 s on the way.
    instance = diamond(inference_deadline_s=2.01, fine_tuning_deadline_s=100.0)
    states = States(instance)
    rng = np.random.default_rng(3)
    feasible = 0
    for _ in range(60):
        state = random_state(states, rng)
        excess, energy = states.key(state)
        result = _conclude(states, state)
        assert (excess == 0) == (check(instance, result.plan) == [])
        assert energy == pytest.approx(result.objective, rel=1e-12)
        feasible += excess == 0
    assert 0 < feasible < 60


def _conclude(states, state):
    from splitopt.heuristics.baselines.cift.search import conclude_placement
    from splitopt.instances.contract.method import Recorder

    return conclude_placement(
        states.instance, states.placement(state), Recorder(), Budget(), Termination.SOLVED, {}
    )


def test_a_key_that_cannot_be_better_is_not_worked_out():
    states = States(diamond())
    whole = State(0, (0,), (4,))
    found = states.key(whole, (0.0, 1e-9))
    assert found == (0.0, 1e-9)
    assert states.evaluations == 0
    assert states.key(whole)[1] > 1e-9
    assert states.evaluations == 1


def test_neighbours_by_hand():
    states = States(diamond())
    s, a, b, c = range(4)
    found = set(neighbours(states, State(0, (s, a), (2, 4))))
    expected = {
        # shifts of 1 and 2 blocks towards a, of 1 towards s: the last node keeps one
        State(0, (s, a), (1, 4)),
        State(0, (s, a), (0, 4)),
        State(0, (s, a), (3, 4)),
        # a's place taken by b or c
        State(0, (s, b), (2, 4)),
        State(0, (s, c), (2, 4)),
        # a node more at the end, with 1 or both of a's blocks
        *(State(0, (s, a, new), (2, done, 4)) for new in (b, c) for done in (2, 3)),
        # a cut off
        State(0, (s,), (4,)),
        # the shorter network, cut at half of its work
        State(1, (s, a), (1, 2)),
    }
    assert found == expected
    # s -> c has a and b to go between: as relays, with one or both of s's two blocks, or one of
    # c's (the last node keeps one).
    between = {x for x in neighbours(states, State(0, (s, c), (2, 4))) if len(x.nodes) == 3}
    assert between == {
        State(0, (s, new, c), ends)
        for new in (a, b)
        for ends in ((2, 2, 4), (1, 2, 4), (0, 2, 4), (2, 3, 4))
    }
    # s -> a -> c: a may go, its block to the next node or the one before.
    without = {
        x
        for x in neighbours(states, State(0, (s, a, c), (1, 2, 4)))
        if x.nodes == (s, c) and x.case == 0
    }
    assert without == {State(0, (s, c), (1, 4)), State(0, (s, c), (2, 4))}


def test_cuts_of_another_network_keep_the_shares_of_the_work():
    states = States(diamond())
    # A quarter of two equal blocks is as near to none as to one: one. The last node keeps one.
    assert recut(states, State(0, (0, 1, 3), (1, 3, 4)), 1) == (1, 1, 2)
    assert recut(states, State(1, (0, 3), (1, 2)), 0) == (2, 4)


def test_every_state_is_reached_by_moves():
    """From any one state the moves lead to all placements there are."""
    states = States(diamond())
    reached = {State(0, (0,), (4,))}
    waiting = list(reached)
    while waiting:
        for other in neighbours(states, waiting.pop()):
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    paths = ["s", "sa", "sb", "sc", "sab", "sac", "sbc", "sabc"]
    # Of L blocks a path of p nodes takes C(L - 1 + p - 1, p - 1) ascending cuts below L.
    count = sum(math.comb(length + len(p) - 2, len(p) - 1) for p in paths for length in (4, 2))
    assert len(reached) == count


# -- searches ------------------------------------------------------------------------------


def enumerated(states: States) -> tuple[float, float]:
    """Return the least key over all placements."""
    index = states.instance.node_index
    best = (math.inf, math.inf)
    for names in ("s", "sa", "sb", "sc", "sab", "sac", "sbc", "sabc"):
        nodes = tuple(index[name] for name in names)
        for case, chain in enumerate(states.chains):
            for cuts in itertools.combinations_with_replacement(
                range(chain.length), len(nodes) - 1
            ):
                best = min(best, states.key(State(case, nodes, (*cuts, chain.length))))
    return best


@pytest.mark.parametrize("deadline", [None, 1.2, 0.4])
@pytest.mark.parametrize("method", [LOCAL_SEARCH, cift_pymoo.METHOD])
def test_searches_find_the_optimum_of_a_diamond(method, deadline):
    # The short network with both blocks at 2 GFLOP/s takes 1 s; 0.4 s are out of reach.
    instance = diamond(inference_deadline_s=deadline)
    excess, energy = enumerated(States(instance))
    result = method.solve(instance, Budget(), 1, {})
    assert (result.status is SolutionStatus.FEASIBLE) == (excess == 0) == (deadline != 0.4)
    assert result.objective == pytest.approx(energy, rel=1e-9)
    again = method.solve(instance, Budget(), 1, {})
    assert again.plan == result.plan


def test_a_descent_ends_where_no_neighbour_is_better():
    instance = library.load("cift-tiny-both")
    result = LOCAL_SEARCH.solve(instance, Budget(), 5, {"restarts": 1})
    states = States(instance)
    case = instance.configurations.index(result.plan.configuration(instance))
    state = State(
        case,
        tuple(instance.node_index[stop.node] for stop in result.plan.stops),
        tuple(itertools.accumulate(stop.blocks for stop in result.plan.stops)),
    )
    key = states.key(state)
    assert all(states.key(other) >= key for other in neighbours(states, state))
    # Its own best plan is a start from which it does not get worse.
    warm = LOCAL_SEARCH.solve(instance, Budget(), 6, {"restarts": 1}, warm_start=result.plan)
    assert warm.objective <= result.objective


def test_vectors_and_states():
    """A vector of a state is decoded to it, and any vector to a placement."""
    instance = library.load("cift-tiny-menu")
    states = States(instance)
    decoder = cift_pymoo.Decoder(states)
    rng = np.random.default_rng(8)
    for _ in range(200):
        state = random_state(states, rng)
        assert decoder.decode(decoder.encode(state)) == state
        other = decoder.decode(rng.random(decoder.dimension))
        assert other.nodes[0] == states.sources[other.case]
        assert all(pair in states.links for pair in itertools.pairwise(other.nodes))
        assert list(other.ends) == sorted(other.ends)
        assert other.ends[-1] == states.chains[other.case].length
        assert len(other.ends) == 1 or other.ends[-2] < other.ends[-1]


def test_pymoo_is_stopped_by_time():
    instance = library.load("cift-tiny-menu")
    result = cift_pymoo.METHOD.solve(
        instance, Budget(0.3), 0, {"generations": 10**6, "patience": 10**6}
    )
    assert result.termination is Termination.TIME
    assert result.plan is not None
