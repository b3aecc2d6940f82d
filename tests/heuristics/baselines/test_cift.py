"""Baselines of CIFT against enumerations over the judge's own figures."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.heuristics.baselines.cift.random import METHOD as RANDOM
from splitopt.heuristics.baselines.cift.single_cut import METHOD as SINGLE_CUT
from splitopt.heuristics.baselines.cift.speeds import Host, cheapest_schedule
from splitopt.heuristics.baselines.cift.tiers import CLOUD_ONLY, DEVICE_ONLY, EDGE_ONLY
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
)
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.judge import check, evaluate
from splitopt.instances.networks.profiles import Block, Profile

TIERS = ("end", "edge", "cloud")


def small_instance(seed: int) -> CiftInstance:
    """Three to five nodes, three blocks, one or two listed speeds, any deadlines."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 6))
    tiers = ["end", *rng.choice(TIERS, size=count - 1).tolist()]
    nodes = tuple(
        Node(
            f"n{k}",
            tier,
            tuple(sorted(set(rng.choice([1e9, 2e9, 4e9], size=2).tolist()))),
            float(rng.choice([0.0, 1e-28, 1e-27])),
            float(rng.choice([0.0, 1.0, 5.0])),
            float(rng.choice([3e6, 1e9])),
            64 if tier == "end" else 0,
        )
        for k, tier in enumerate(tiers)
    )
    links = tuple(
        Link(f"n{a}", f"n{b}", float(rng.choice([1e6, 2e7])), 0.004, float(rng.choice([0, 3e-8])))
        for a, b in itertools.combinations(range(count), 2)
        if rng.random() < 0.7
    )
    blocks = tuple(
        Block(f"b{k}", float(rng.integers(0, 9)) * 1e7, 1e6, float(rng.integers(1, 30)) * 1e3)
        for k in range(3)
    )
    configurations = [
        Configuration("m", level, "n0", 0.5, epochs)
        for level, epochs in (("full", int(rng.integers(0, 3))), ("half", int(rng.integers(0, 6))))
    ]
    return CiftInstance(
        f"small-{seed}",
        nodes,
        links,
        (Profile("m", 5e4, blocks),),
        (Compression("full", 1, 1, 1), Compression("half", 0.5, 0.4, 0.7)),
        tuple(configurations),
        int(rng.choice([0, 100])),
        inference_deadline_s=rng.choice([None, 0.06, 0.15]),
        fine_tuning_deadline_s=rng.choice([None, 5.0, 30.0]),
    )


def paths(instance: CiftInstance, node: str) -> list[tuple[str, ...]]:
    found = [(node,)]
    for link in instance.links_from[node]:
        found += [(node, *rest) for rest in paths(instance, link.head)]
    return found


def plans(instance: CiftInstance, most_hosts: int):
    """Every plan with listed speeds and at most so many hosts."""
    for g in instance.configurations:
        tuned = instance.sample_passes(g) > 0
        length = len(instance.models[instance.model_index[g.model]].blocks)
        for path in paths(instance, g.source):
            for cuts in itertools.combinations_with_replacement(range(length), len(path) - 1):
                ends = (0, *cuts, length)
                counts = [b - a for a, b in itertools.pairwise(ends)]
                hosts = [k for k, n in enumerate(counts) if n]
                if len(hosts) > most_hosts:
                    continue
                choices = []
                for k in hosts:
                    speeds = instance.nodes[instance.node_index[path[k]]].speeds_flop_per_s
                    choices.append(list(itertools.product(speeds, speeds if tuned else [None])))
                for speeds in itertools.product(*choices):
                    at = dict(zip(hosts, speeds, strict=True))
                    yield CiftPlan.of(
                        g,
                        tuple(
                            Stop(name, n, *at.get(k, (None, None)))
                            for k, (name, n) in enumerate(zip(path, counts, strict=True))
                        ),
                    )


def least(instance: CiftInstance, most_hosts: int, tier: str | None = None) -> float | None:
    best = None
    for plan in plans(instance, most_hosts):
        host = plan.stops[-1].node
        if tier is not None and instance.nodes[instance.node_index[host]].tier != tier:
            continue
        value = evaluate(instance, plan).objective
        if (best is None or value < best) and not check(instance, plan):
            best = value
    return best


@pytest.mark.parametrize("seed", range(24))
def test_restricted_optima(seed):
    instance = small_instance(seed)
    for method, hosts, tier in (
        (DEVICE_ONLY, 1, "end"),
        (EDGE_ONLY, 1, "edge"),
        (CLOUD_ONLY, 1, "cloud"),
        (SINGLE_CUT, 2, None),
    ):
        if not method.supports(instance):
            assert all(node.tier != tier for node in instance.nodes)
            continue
        result = method.solve(instance, Budget(), 0, {})
        expected = least(instance, hosts, tier)
        if expected is None:
            assert result.status is SolutionStatus.NONE
            # The attempt, if any, breaks limits and nothing else.
            if result.plan is not None:
                broken = {v.constraint for v in check(instance, result.plan)}
                assert broken <= {"memory", "inference-deadline", "fine-tuning-deadline"}
            continue
        assert result.status is SolutionStatus.FEASIBLE
        assert result.bound is None
        assert result.objective == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_random_is_seeded_and_never_below_the_optimum(seed):
    instance = small_instance(seed)
    first = RANDOM.solve(instance, Budget(), 5, {"samples": 60})
    again = RANDOM.solve(instance, Budget(), 5, {"samples": "60"})
    assert first.plan == again.plan
    optimum = least(instance, 5)
    if optimum is None:
        assert first.status is SolutionStatus.NONE
    elif first.status is SolutionStatus.FEASIBLE:
        assert first.objective >= optimum * (1 - 1e-12)
        assert first.statistics["feasible"] >= 1


@given(
    st.lists(
        st.tuples(
            st.floats(1e6, 1e9),
            st.sampled_from([0.0, 1e-28, 1e-27]),
            st.sampled_from([0.0, 2.0]),
            st.booleans(),
        ),
        min_size=1,
        max_size=3,
    ),
    st.floats(0.0, 1.0),
)
@settings(max_examples=25, deadline=None)
def test_speeds_against_a_fine_grid(hosts, tightness):
    """The multiplier's energy is that of a fine grid from below, and its time fits."""
    parts = [
        Host(
            Node(
                "n",
                "end",
                SpeedInterval(1e8, 1e9) if interval else (1e8, 4e8, 1e9),
                kappa,
                rho,
                1e9,
            ),
            work,
        )
        for work, kappa, rho, interval in hosts
    ]
    grids = [
        np.geomspace(1e8, 1e9, 17).tolist()
        if isinstance(part.node.speeds_flop_per_s, SpeedInterval)
        else list(part.node.speeds_flop_per_s)
        for part in parts
    ]
    quick = sum(part.work_flop / 1e9 for part in parts)
    slow = sum(part.work_flop / 1e8 for part in parts)
    slack = quick + tightness * (slow - quick) + 1e-12
    found = cheapest_schedule(parts, 10.0, 1.0, slack)
    best = math.inf
    for speeds in itertools.product(*grids):
        joules = time = 0.0
        for part, f in zip(parts, speeds, strict=True):
            node = part.node
            joules += (
                10 * part.work_flop * (node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f)
            )
            time += part.work_flop / f
        if time <= slack:
            best = min(best, joules)
    assert found is not None
    assert found.time_s <= slack
    assert found.energy_j <= best * (1 + 1e-9)


def test_a_host_too_slow_has_no_schedule():
    node = Node("n", "end", SpeedInterval(1e8, 1e9), 1e-28, 1.0, 1e9)
    # 1e9 FLOP take one second at top speed.
    assert cheapest_schedule([Host(node, 1e9)], 1.0, 1.0, 0.999) is None
    assert cheapest_schedule([Host(node, 1e9)], 1.0, 1.0, 1.0).speeds == (1e9,)


def test_no_configuration_and_no_time():
    instance = small_instance(3)
    empty = instance.replace(configurations=())
    for method in (DEVICE_ONLY, SINGLE_CUT, RANDOM):
        result = method.solve(empty, Budget(), 0, {})
        assert (result.termination, result.status) == (Termination.SOLVED, SolutionStatus.NONE)
        result = method.solve(instance, Budget(time_limit_s=0.0), 0, {})
        assert (result.termination, result.status) == (Termination.TIME, SolutionStatus.NONE)
