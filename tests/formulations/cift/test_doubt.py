"""Plans under doubt: every method against enumeration and the judge, on random small instances."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splitopt.bench.methods.registry import load
from splitopt.instances import library
from splitopt.instances.cift.doubt import Doubt, EpochsInDoubt, Factor, Scenario, Spread
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
    Training,
)
from splitopt.instances.contract.method import Budget, Result, SolutionStatus
from splitopt.instances.contract.supports import supported
from splitopt.instances.core.tolerances import not_above, values_agree
from splitopt.instances.judge import check, evaluate
from splitopt.instances.library.best_known import registry
from splitopt.instances.networks.profiles import Block, Profile

EXACT = ("highs-flow", "highs-assignment", "highs-oa", "scip-minlp", "cpsat", "fronts",
         "jqodi-exact", "pyomo-flow", "gdp-bigm", "gdp-hull")  # fmt: skip
TAKE_ALL = ("brute-force", "highs-flow", "highs-assignment", "highs-oa", "scip-minlp",
            "jqodi-exact", "cpsat", "pyomo-flow", "flow@cbc")  # fmt: skip
ANY_SPEED = ("highs-oa", "scip-minlp")


def doubtful(seed: int, kinds: str, *, continuous: bool = False) -> CiftInstance:
    """Return a small instance in doubt; deadlines lie about what its plans take.

    Parameters
    ----------
    kinds
        Of e (epochs), s (scenarios) and v (spread).
    """
    draw = random.Random(f"{kinds}{seed}{continuous}")

    def speeds() -> tuple[float, ...] | SpeedInterval:
        low = draw.randint(1, 9)
        if continuous:
            return SpeedInterval(low, low * draw.choice((1, 3)))
        return tuple(float(low * k) for k in range(1, draw.randint(2, 4)))

    nodes = tuple(
        Node(f"n{k}", "edge" if k else "end", speeds(), draw.choice((0, 0.01, 0.1)),
             draw.choice((0, 1, 5)), draw.choice((9, 20, 60)), 0 if k else 10)
        for k in range(3)
    )  # fmt: skip
    links = tuple(
        Link(f"n{i}", f"n{j}", draw.choice((2, 8)), draw.choice((0, 0.5)), draw.choice((0.1, 1)))
        for i, j in ((0, 1), (0, 2), (1, 2))
    )
    blocks = tuple(
        Block(f"b{k}", draw.randint(1, 30), draw.randint(1, 6), draw.randint(1, 9))
        for k in range(3)
    )
    configurations = tuple(
        Configuration("m", level, "n0", q, draw.randint(0, 3))
        for level in ("c", "d")
        for q in (1.0, 0.3)
    )
    epochs, scenarios, spread = (), (), ()
    if "e" in kinds:
        epochs = tuple(
            EpochsInDoubt(*g.key, tuple(draw.randint(0, 5) for _ in range(draw.randint(1, 5))))
            for g in configurations[draw.randint(0, 1) :]
        )
    if "s" in kinds:
        parts = [draw.randint(1, 4) for _ in range(draw.randint(2, 4))]
        scenarios = tuple(
            Scenario(
                f"{part}/{sum(parts)}",
                tuple(Factor(k.tail, k.head, draw.choice((0.25, 0.5, 1, 1.5))) for k in links),
                (Factor(f"n{draw.randint(0, 2)}", None, draw.choice((0.5, 0.8, 1.25))),),
            )
            for part in parts
        )
    if "v" in kinds:
        spread = (
            Spread("n1", None, 1.1, 0.05),
            *(
                Spread(k.tail, k.head, draw.choice((0.9, 1.2)), draw.choice((0, 0.1, 0.5)))
                for k in links
            ),
        )
    doubt = Doubt(epochs, scenarios, spread, draw.choice((0.5, 0.8)), draw.choice((0.5, 0.75, 0.9)))
    instance = CiftInstance(
        "drawn", nodes, links, (Profile("m", 9, blocks),),
        (Compression("c", 1, 1, 1), Compression("d", 0.5, 0.5, 0.5)), configurations,
        draw.choice((0, 5, 50)), doubt=doubt,
    )  # fmt: skip
    free = solve("brute-force", instance)
    if free.plan is None:
        return instance
    needed = evaluate(instance, free.plan)
    tight = (draw.choice((None, 0.5, 0.7, 0.9, 1)), draw.choice((None, 0.5, 0.7, 0.9, 1)))
    seconds = (needed.inference_latency_s, needed.fine_tuning_time_s)
    limits = (None if f is None else f * s for f, s in zip(tight, seconds, strict=True))
    names = ("inference_deadline_s", "fine_tuning_deadline_s")
    return instance.replace(**dict(zip(names, limits, strict=True)))


def solve(method: str, instance: CiftInstance, **options: object) -> Result:
    found = load(method, "cift").solve(instance, Budget(), 0, options)
    if found.status in (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE):
        assert check(instance, found.plan) == []
    return found


def agree(instance: CiftInstance, methods: tuple[str, ...]) -> None:
    truth = solve("brute-force", instance)
    for name in methods:
        if not supported(load(name, "cift"), instance):
            continue
        found = solve(name, instance)
        assert found.status == truth.status, name
        if truth.objective is not None:
            assert values_agree(found.objective, truth.objective), name
            assert not_above(found.bound, truth.objective, 1e-9), name


@pytest.mark.parametrize("continuous", [False, True])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_epochs_in_doubt(continuous: bool, seed: int) -> None:
    agree(doubtful(seed, "e", continuous=continuous), EXACT)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_guarantee_of_jqodi_with_epochs_in_doubt(seed: int) -> None:
    """As nominal: with two deadlines, against the optimum with the first one tightened."""
    instance = doubtful(seed, "e")
    found = solve("jqodi", instance, epsilon=0.2)
    optimum = solve("brute-force", instance).objective
    if optimum is None:
        assert found.plan is None
        return
    assert found.bound is None or not_above(found.bound, optimum, 1e-9)
    changes = {}
    for name, factor in found.guarantee.reference_deadlines.items() if found.guarantee else ():
        column = name.replace("-", "_") + "_deadline_s"
        changes[column] = getattr(instance, column) / factor
    reference = solve("brute-force", instance.replace(**changes)).objective
    if found.plan is not None and reference is not None:
        assert found.objective <= 1.2 * reference * (1 + 1e-9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_one_value_of_weight_one_is_the_nominal_instance(seed: int) -> None:
    instance = doubtful(seed, "e")
    certain = instance.replace(
        doubt=Doubt(
            tuple(EpochsInDoubt(*g.key, (g.epochs,), (1,)) for g in instance.configurations),
            (Scenario("1/2"), Scenario(0.5)),
            fine_tuning_confidence=float(np.float32(0.25)),
        )
    )
    nominal = solve("brute-force", instance.replace(doubt=None))
    found = solve("brute-force", certain)
    assert (found.status, found.objective) == (nominal.status, nominal.objective)
    assert found.plan == nominal.plan


@pytest.mark.parametrize("kinds", ["s", "es", "v"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_network_in_doubt(kinds: str, seed: int) -> None:
    agree(doubtful(seed, kinds), EXACT)


@pytest.mark.parametrize("kinds", ["s", "es", "v"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=4, deadline=None)
def test_guarantee_of_jqodi_in_doubt_tightens_no_deadline(kinds: str, seed: int) -> None:
    instance = doubtful(seed, kinds)
    found, optimum = solve("jqodi", instance, epsilon=0.2), solve("brute-force", instance).objective
    assert (found.plan is None) == (optimum is None)
    if optimum is not None:
        assert found.objective <= 1.2 * optimum * (1 + 1e-9)
        assert not_above(found.bound, optimum, 1e-9)


def test_what_cpsat_called_infeasible() -> None:
    """OR-Tools 9.15 detects "an integer above one of several" here, and then finds no plan."""
    agree(doubtful(308, "es"), ("cpsat",))


@pytest.mark.parametrize("method", ["brute-force", "highs-flow", "jqodi-exact", "cpsat"])
def test_deviations_add_up_as_roots_of_squares(method: str) -> None:
    """1.2 s on one node, 1.6 s on another, each off by half of it: 2.8 s and a deviation of 1 s.

    At 0.8 Cantelli's bound takes two deviations: 4.8 s. One node faster, at four times the joules:
    1.4 s less on the second, and twice the root of 0.36 + 0.16 makes 3.442 s.
    """
    instance = CiftInstance(
        "two-nodes",
        (
            Node("a", "end", (1.0,), 1.0, 0.0, 1.0, 1),
            Node("b", "edge", (1.0, 2.0), 1.0, 0.0, 1.0),
        ),
        (Link("a", "b", 1.0, 0.0, 0.0),),
        (Profile("m", 0, (Block("x", 1.2, 1, 0), Block("y", 1.6, 1, 1))),),
        (Compression("c", 1, 1, 1),),
        (Configuration("m", "c", "a", 1.0, 0),),
        1,
        doubt=Doubt(
            spread=(Spread("a", None, 1.0, 0.25), Spread("b", None, 1.0, 0.25)),
            inference_confidence=0.8,
            fine_tuning_confidence=0.5,
        ),
    )
    if not supported(load(method, "cift"), instance):
        pytest.skip("this OR-Tools aborts on squares")
    faster = 1.2 + 1.6 * 4
    for deadline_s, joules in (
        (4.8, 2.8),
        (4.8 * (1 - 9e-10), 2.8),  # the judge's tolerance
        (4.8 * (1 - 2e-9), faster),  # less than the integers of CP-SAT tell apart
        (4.7, faster),
        (3.4423, faster),
        (3.442, None),
    ):
        found = solve(method, instance.replace(inference_deadline_s=deadline_s))
        assert found.objective == (None if joules is None else pytest.approx(joules, rel=1e-12))


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("flow@highs", "s"), ("flow@scip", "v"), ("flow@cbc", "es"), ("flow@glpk", "es"),
     ("flow@highs", "e"), ("assignment@highs", "e"), ("gdp-hull@highs", "e")],
)  # fmt: skip
def test_files_say_what_is_in_doubt(name: str, kinds: str) -> None:
    for seed in (1, 5):
        agree(doubtful(seed, kinds), (name,))


def test_a_formulation_says_which_doubt_it_does_not_take() -> None:
    certain = load("assignment@highs", "cift")
    assert "scenarios" in str(supported(certain, doubtful(1, "s")).reason)
    # The cone of means and variances is quadratic.
    said = load("flow@highs", "cift").supports(doubtful(1, "v")).reason
    assert said.startswith("HiGHS reads no quadratic rows, as means and variances need")


def test_the_latest_scenarios_are_given_up() -> None:
    """Two relays to the one host, each slow in one of three scenarios; at 2/3 either will do.

    With certainty neither does. Without doubt the dearer relay is of no use.
    """
    nodes = (
        Node("a", "end", (1.0,), 1.0, 0.0, 0.0, 1),
        Node("x", "edge", (1.0,), 1.0, 0.0, 0.0),
        Node("y", "edge", (1.0,), 1.0, 0.0, 0.0),
        Node("b", "cloud", (1.0,), 1.0, 0.0, 9.0),
    )
    links = tuple(
        Link(*ends, 1.0, 0.0, joules)
        for ends, joules in (
            (("a", "x"), 1), (("x", "b"), 1), (("a", "y"), 1), (("y", "b"), 2),
        )
    )  # fmt: skip
    slow = (Factor("a", "x", 0.5),), (Factor("a", "y", 0.5),), ()
    base = CiftInstance(
        "relays", nodes, links, (Profile("m", 4, (Block("b", 2, 1, 1),)),),
        (Compression("c", 1, 1, 1),), (Configuration("m", "c", "a", 1.0, 0),), 1,
        inference_deadline_s=10.0,
    )  # fmt: skip
    for share, objective in ((0.6, 10.0), (2 / 3 + 1e-9, None), (1.0, None)):
        doubt = Doubt(scenarios=tuple(Scenario("1/3", s) for s in slow), inference_confidence=share)
        for method in TAKE_ALL:
            assert solve(method, base.replace(doubt=doubt)).objective == objective
    # At 14 s everything holds; the cheap relay is slow in one scenario of weight 1/2 alone.
    half = Doubt(scenarios=(Scenario(0.5, slow[0]), Scenario(0.5)), inference_confidence=0.75)
    for method in TAKE_ALL:
        assert solve(method, base.replace(doubt=half)).objective == 14.0


# -- continuous speeds ------------------------------------------------------------------------


def on_interval(doubt: Doubt, *, rho: float = 0.0, hosts: int = 1) -> CiftInstance:
    """Return a block of 12 FLOP on each of the hosts, at 1 to 100 FLOP/s, within 12 s."""
    nodes = tuple(
        Node(f"n{k}", "edge" if k else "end", SpeedInterval(1.0, 100.0), 1.0, rho, 1.0, 1)
        for k in range(hosts)
    )
    links = (Link("n0", "n1", 1.0, 0.0, 0.0),) if hosts > 1 else ()
    blocks = tuple(Block(f"b{k}", 12, 1, 0) for k in range(hosts))
    return CiftInstance(
        "interval", nodes, links, (Profile("m", 0, blocks),), (Compression("c", 1, 1, 1),),
        (Configuration("m", "c", "n0", 1.0, 0),), 1, inference_deadline_s=12.0, doubt=doubt,
    )  # fmt: skip


@pytest.mark.parametrize("method", ANY_SPEED)
def test_a_spread_sets_a_continuous_speed(method: str) -> None:
    # p = 0.8: kappa = 2; T = 12 / f (1 + 2 x 0.5) <= 12 at f = 2; 12 FLOP at 4 J each.
    doubt = Doubt((), (), (Spread("n0", None, 1.0, 0.25),), 0.8, 0.8)
    assert solve(method, on_interval(doubt)).objective == pytest.approx(48.0, rel=1e-6)


@pytest.mark.parametrize("method", ANY_SPEED)
def test_variances_of_two_hosts_add_up(method: str) -> None:
    # By symmetry t a host: 2 t + 2 sqrt(2) t / 2 = 12, so t = 12 / (2 + sqrt(2)); 12^3 / t^2 each.
    spread = tuple(Spread(f"n{k}", None, 1.0, 0.25) for k in range(2))
    doubt = Doubt((), (), spread, 0.8, 0.8)
    wanted = 2 * 12 * (2 + 2**0.5) ** 2
    assert solve(method, on_interval(doubt, hosts=2)).objective == pytest.approx(wanted, rel=2e-6)


@pytest.mark.parametrize("method", ANY_SPEED)
@pytest.mark.parametrize(("share", "speed"), [(0.75, 1.0), (0.8, 2.0)])
def test_a_scenario_given_up_or_not_sets_a_continuous_speed(
    method: str, share: float, speed: float
) -> None:
    # Half as fast in a quarter of the weight: rho counts 1 / f x (3/4 + 2 x 1/4) s a FLOP.
    slow = Scenario("1/4", (), (Factor("n0", None, 0.5),))
    doubt = Doubt(scenarios=(slow, Scenario("3/4")), inference_confidence=share)
    wanted = 12 * (speed**2 + 1.0 * 1.25 / speed)
    found = solve(method, on_interval(doubt, rho=1.0))
    assert found.objective == pytest.approx(wanted, rel=2e-6)


@pytest.mark.parametrize("method", ANY_SPEED)
def test_two_scenarios_that_bind_at_once_share_the_time(method: str) -> None:
    # Either host may be half as fast and both must be kept: 2 t + t' = t + 2 t' = 12, t = 4 s.
    slow = ((Factor(f"n{k}", None, 0.5),) for k in range(2))
    doubt = Doubt(scenarios=tuple(Scenario("1/2", (), s) for s in slow))
    wanted = 2 * 12 * 3.0**2
    assert solve(method, on_interval(doubt, hosts=2)).objective == pytest.approx(wanted, rel=2e-6)


@pytest.mark.parametrize("kinds", ["s", "es", "v"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_continuous_speeds_with_a_network_in_doubt(kinds: str, seed: int) -> None:
    """Tangents and the cone itself agree, and neither is above what the ends of intervals cost."""
    listed = doubtful(seed, kinds)
    instance = listed.replace(
        nodes=tuple(
            replace(n, speeds_flop_per_s=SpeedInterval(n.speeds_flop_per_s[0],
                                                       n.speeds_flop_per_s[-1]))
            for n in listed.nodes
        )
    )  # fmt: skip
    tangents, cone = (solve(method, instance) for method in ANY_SPEED)
    assert tangents.status == cone.status
    if cone.objective is not None:
        assert values_agree(tangents.objective, cone.objective)
    known = solve("brute-force", listed)
    if known.objective is not None:
        assert not_above(cone.bound, known.objective, 1e-9)
        assert not_above(tangents.bound, known.objective, 1e-9)


def test_no_deadline_counts_epochs_that_are_not_there() -> None:
    """Fine-tuning within 0 s: only where K is 0 at the confidence asked for."""
    agree(doubtful(15, "es"), ("scip-minlp", "highs-assignment", "highs-oa"))


@pytest.mark.parametrize("method", ["highs-assignment", "highs-oa", "scip-minlp"])
@pytest.mark.parametrize("name", ["cift-uncertain-011", "cift-uncertain-030"])
def test_the_registry_agrees(method: str, name: str) -> None:
    """A spread, and scenarios with epochs in doubt."""
    known = {entry.name: entry for entry in registry().entries.values()}[name]
    found = solve(method, library.load(name))
    assert found.status is SolutionStatus.OPTIMAL
    assert values_agree(found.objective, known.objective)


@pytest.mark.parametrize("method", ["brute-force", "highs-flow", "jqodi-exact"])
def test_a_path_that_misses_by_a_rounding_hides_no_other(method: str) -> None:
    """Over x the way is cheapest and misses the judge's tolerance by 4e-13 of it.

    The direct way to b takes the tolerance up to 1e-13. Labels with limits a little inside pass
    both by, and what they then find, d at a thousand times the joules, is no optimum.
    """
    nodes = (
        Node("a", "end", (1.0,), 0.0, 0.0, 0.0, 1),
        Node("x", "edge", (1.0,), 0.0, 0.0, 0.0),
        Node("b", "edge", (1.0,), 0.0, 0.0, 1.0),
        Node("d", "cloud", (9.0,), 0.0, 1000.0, 1.0),
    )
    links = (
        Link("a", "x", 2.0, 0.0, 0.0),
        Link("x", "b", 2.0, 5e-12, 0.0),
        Link("a", "b", 1.0, 0.0, 1.0),
        Link("a", "d", 1.0, 0.0, 1.0),
    )
    spread = Spread("a", "d", 1.0, 0.0)
    instance = CiftInstance(
        "edge", nodes, links, (Profile("m", 1, (Block("k", 9, 1, 0),)),),
        (Compression("c", 1, 1, 1),), (Configuration("m", "c", "a", 1.0, 0),), 1,
        inference_deadline_s=10 * (1 + 1e-13) / (1 + 1e-9),
        doubt=Doubt(spread=(spread,), inference_confidence=0.5, fine_tuning_confidence=0.5),
    )  # fmt: skip
    found = solve(method, instance)
    assert not_above(found.bound, 1.0, 1e-9)
    if found.status is SolutionStatus.OPTIMAL:
        assert found.objective == pytest.approx(1.0)
    free = instance.replace(nodes=nodes[:3], links=links[:3], doubt=replace(
        instance.doubt, spread=(replace(spread, head="b"),)))  # fmt: skip
    assert solve(method, free).status is not SolutionStatus.INFEASIBLE


def test_what_epsilon_leaves_out_is_not_in_the_bound() -> None:
    """The first block on a, 20 of 30 FLOP there, the others on b at no cost: 2/3 of all on a.

    Half of what all on a costs is where labels stop, and above it nothing is proven.
    """
    nodes = (
        Node("a", "end", (1e13,), 1.0, 0.0, 1e12, 3),
        Node("b", "edge", (2e11,), 0.0, 0.0, 1e12, 3),
    )
    blocks = (Block("x", 20, 0, 0), Block("y", 0, 20, 100), Block("z", 10, 20, 1))
    scenarios = (
        Scenario("1/6", (Factor("a", "b", 1e-6),), (Factor("a", None, 0.8),)),
        Scenario("1/6"),
        Scenario("4/6", (Factor("a", "b", 1.5),), (Factor("b", None, 0.001),)),
    )
    instance = CiftInstance(
        "part", nodes, (Link("a", "b", 2.74e7, 0.02, 0.0),), (Profile("m", 10, blocks),),
        (Compression("c", 1, 1, 1),),
        (Configuration("m", "c", "a", 0.5, 20), Configuration("m", "c", "a", 0.25, 5)), 5,
        inference_deadline_s=0.0200001095, fine_tuning_deadline_s=0.0500087683,
        training=Training(3.0, 2.0, 32, 3.0), doubt=Doubt((), scenarios, (), 0.99, 0.75),
    )  # fmt: skip
    # 5 requests and 3 x 5 passes, at (1e13)^2 J a FLOP.
    whole, best = 20 * 30 * 1e26, 20 * 20 * 1e26
    for epsilon in (1.0, 0.1):
        found = solve("jqodi", instance, epsilon=epsilon)
        assert not_above(found.bound, best, 1e-9)
        assert found.objective in (pytest.approx(best), pytest.approx(whole))
    assert found.objective == pytest.approx(best)
