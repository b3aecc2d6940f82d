"""Integers of the CP-SAT model: rounding is downwards, packing exact, the interval holds."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitopt.bench.store.sources import load_instance
from splitopt.bench.verdicts.optimum import require_optimum
from splitopt.formulations.cift.cpsat.figures import down, offers, packing, seconds_allowed
from splitopt.formulations.cift.cpsat.method import METHOD
from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Node
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
