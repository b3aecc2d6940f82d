"""Integers of the CP-SAT model: rounding is downwards, packing exact, the interval holds."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitopt.bench.store.sources import load_instance
from splitopt.bench.verdicts.optimum import require_optimum
from splitopt.formulations.cift.cpsat.clocks import bands, relaxed
from splitopt.formulations.cift.cpsat.doubt import whole_weights
from splitopt.formulations.cift.cpsat.figures import down, offers, packing, seconds_allowed
from splitopt.formulations.cift.cpsat.method import METHOD
from splitopt.instances.cift.doubt import Doubt, EpochsInDoubt, Factor, Scenario, Spread
from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Link, Node
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.networks.profiles import Block, Profile


@given(value=st.floats(0, 1e30), scale=st.floats(1e-20, 1e20))
def test_down_is_at_most_the_product(value: float, scale: float) -> None:
    found = down(value, scale)
    assert found <= Fraction(value) * Fraction(scale)
    assert found >= Fraction(value) * Fraction(scale) * Fraction(1 - 2**-46) - 1


@given(deadline=st.floats(1e-6, 1e6))
def test_deadlines_are_rounded_up(deadline: float) -> None:
    exact = Fraction(deadline) * (1 + Fraction(1, 10**9))
    assert exact <= Fraction(seconds_allowed(deadline)) <= exact * (1 + Fraction(1, 10**12))


@given(
    sizes=st.lists(st.integers(0, 10**9), min_size=1, max_size=6),
    parts=st.sampled_from([1, 3, 4, 10, 7919]),
    excess=st.sampled_from([-1, 0, 1]),
)
def test_packing_is_exact(sizes: list[int], parts: int, excess: int) -> None:
    exact = [Fraction(size, parts) for size in sizes]
    room = sum(exact, Fraction(0)) + Fraction(excess, parts)
    whole, limit = packing(exact, room)
    assert (sum(whole) <= limit) == (sum(exact) <= room)


def test_packing_of_odd_fractions_loses_nothing_that_fits() -> None:
    sizes = [Fraction(1, 3**30), Fraction(1, 7**20), Fraction(10**9, 11**9)]
    whole, limit = packing(sizes, sum(sizes, Fraction(0)))
    assert sum(whole) <= limit


def instance(scale: float, **changes: object) -> CiftInstance:
    """Return three blocks on one node with levels 1, 2, 3; energies times `scale`."""
    return CiftInstance(
        "scaled",
        (Node("end", "end", (1.0, 2.0, 3.0), 0.1 * scale, 0.7 * scale, 10.0, 3),),
        (),
        (Profile("three", 1, tuple(Block(f"b{k}", k + 1 / 3, 1, 1) for k in range(3))),),
        (Compression("none", 1, 1, 1),),
        (Configuration("three", "none", "end", 1.0, 2),),
        7,
    ).replace(**changes)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e9, 1e15])
def test_interval_holds_the_optimum_at_any_scale(scale: float) -> None:
    case = instance(scale, inference_deadline_s=2.5)
    found = METHOD.solve(case, Budget(), 0, {"reduction": False})
    # 4 FLOP: serving at 2 FLOP/s takes 2 s and 4 (0.4 + 0.35) J; fine-tuning runs 18 times at
    # the cheapest level: 0.1 f^2 + 0.7 / f is 0.8, 0.75, 1.133.
    optimum = (7 * 4 * 0.75 + 18 * 4 * 0.75) * scale
    assert found.status == SolutionStatus.OPTIMAL
    assert found.objective == pytest.approx(optimum, rel=1e-9)
    assert found.bound is not None
    error = found.statistics["scaling_error_j"]
    assert isinstance(error, float)
    assert optimum - error <= found.bound + 1e-6 * optimum
    assert found.bound <= optimum * (1 + 1e-12)
    assert error <= 1e-7 * optimum


def test_only_the_least_sample_passes_stay() -> None:
    case = instance(
        1.0,
        configurations=(
            Configuration("three", "none", "end", 1.0, 2),  # S = 6
            Configuration("three", "none", "end", 0.5, 2),  # N = 2, S = 4
            Configuration("three", "none", "end", 0.25, 5),  # N = 1, S = 5
        ),
    )
    assert [offer.index for offer in offers(case)] == [1]


@pytest.mark.parametrize(
    "name", ["cift-tiny-both", "cift-tiny-menu", "cift-tiny-hosts", "cift-quick-alike"]
)
def test_priced_deadlines_take_literals_and_no_optimum(name: str) -> None:
    case = load_instance(name)
    whole = METHOD.solve(case, Budget(), 0, {"reduction": False})
    priced = METHOD.solve(case, Budget(), 0, {})
    for found in (whole, priced):
        assert found.status == SolutionStatus.OPTIMAL
        assert found.objective == pytest.approx(require_optimum(case), rel=1e-6)
    # Most literals are gone before CP-SAT is asked, or it is not asked at all.
    left, before = priced.statistics.get("booleans", 0), whole.statistics["booleans"]
    assert isinstance(left, int)
    assert isinstance(before, int)
    assert left < before / 2
    assert "arcs_priced" not in whole.statistics


@given(
    parts=st.lists(st.integers(1, 50), min_size=1, max_size=6),
    scale=st.sampled_from([1, 3, 2**60 + 1]),
    kept=st.lists(st.booleans(), min_size=6, max_size=6),
    room=st.fractions(0, 1),
)
def test_weights_that_fit_the_room_fit_as_whole_numbers(
    parts: list[int], scale: int, kept: list[bool], room: Fraction
) -> None:
    weights = [Fraction(part, sum(parts) * scale) for part in parts]
    whole, most = whole_weights(weights, room)
    late = [i for i in range(len(parts)) if kept[i]]
    fits = sum((weights[i] for i in late), Fraction(0)) <= room
    assert not fits or sum(whole[i] for i in late) <= most
    # Exact while the common denominator is small.
    assert fits or scale > 3 or sum(whole[i] for i in late) > most


def test_the_relaxed_clock_is_the_mean_over_the_fastest_of_the_weight() -> None:
    # K is 1 or 3 with weights 3/4 and 1/4, the node at half speed with weight 1/2. The fastest 5/8
    # of the pairs: 3/8 take 1, 1/8 of (K 3) and 3/8 of (K 1, slow) follow at 3 and 2.
    case = instance(
        1.0,
        doubt=Doubt(
            (EpochsInDoubt("three", "none", "end", 1.0, (1, 3), ("3/4", "1/4")),),
            (Scenario("1/2"), Scenario("1/2", (), (Factor("end", None, 0.5),))),
            fine_tuning_confidence=0.625,
        ),
    )
    assert [(weight, often.tolist()) for weight, often in bands(case)] == [
        (Fraction(3, 4), [1.0]),
        (Fraction(1, 4), [3.0]),
    ]
    serve, tune = relaxed(case)
    # Serving at confidence 1: the mean of 1 and 2.
    assert serve.node[0, 0] == pytest.approx(1.5, rel=1e-12)
    assert tune.node[0, 0] == pytest.approx((3 / 8 * 1 + 2 / 8 * 2) / (5 / 8), rel=1e-12)
    assert tune.delay[0] == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("power_w", [3e9, 1e10])
def test_dear_detours_do_not_blur_the_bound(power_w: float) -> None:
    # Without a plan K follows what blocks cost at least, and sums of all terms must stay below
    # 2^60: then a bound's last place is coarse, and the plan found sets a finer scale.
    plain = instance(1.0)
    case = plain.replace(
        nodes=(*plain.nodes, Node("edge", "edge", (1.0,), 0.0, power_w, 10.0)),
        links=(Link("end", "edge", 1.0, 0.0, 0.0),),
        inference_deadline_s=1.5,
    )
    found = METHOD.solve(case, Budget(), 0, {})
    assert found.status == SolutionStatus.OPTIMAL
    # In 1.5 s serving takes the fastest level: 0.9 + 0.7 / 3 J a FLOP.
    assert found.objective == pytest.approx(7 * 4 * (0.9 + 0.7 / 3) + 18 * 4 * 0.75, rel=1e-12)


@pytest.mark.parametrize(("version", "takes"), [("9.14.6206", False), ("9.15.6755", True)])
def test_an_ortools_that_aborts_on_squares_is_not_given_any(
    version: str, takes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    spread = Doubt((), (), (Spread("end", None, 1.0, 0.25),), 0.8, 0.8)
    found = METHOD.supports(instance(1.0, doubt=spread))
    assert bool(found) == takes
    assert takes or str(found.reason).endswith("with OR-Tools 9.15, not 9.14.6206")
    assert METHOD.supports(instance(1.0))
