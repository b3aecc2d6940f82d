"""The rule for the number of epochs."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.networks.curves import LearningCurve


def curve(floor=0.1, data_scale=0.0, data_exponent=0.0, rate_scale=2.0, rate_offset=2.0):
    return LearningCurve("m", "c", floor, data_scale, data_exponent, rate_scale, rate_offset)


def test_by_hand():
    """2 / (5 k + 2) <= 0.3 - 0.1 from 5 k >= 8, so k = 2, where the error is 0.1 + 2/12."""
    assert curve().epochs_real(5, 0.3) == pytest.approx(1.6, rel=1e-15)
    assert curve().epochs(5, 0.3) == 2
    assert curve().error(2, 5) == pytest.approx(0.1 + 2 / 12, rel=1e-15)
    # 4 / 2 = 2 at k = 0 already.
    assert curve(floor=0).epochs(5, 1.0) == 0
    # N^-1/2 = 1/10 of data error on 100 samples: 2 / (100 k + 2) <= 0.5 - 0.1 - 0.2.
    assert curve(data_scale=2.0, data_exponent=0.5).epochs_real(100, 0.5) == pytest.approx(0.08)


def test_the_ceiling_has_a_tolerance():
    """8 / 4 = 2 epochs exactly, and 2 epochs too for what exceeds that by rounding."""
    assert curve(floor=0.0, rate_scale=2.0, rate_offset=2.0).epochs(4, 0.2) == 2
    assert curve(floor=0.0).epochs(4, 0.2 * (1 - 1e-12)) == 2
    assert curve(floor=0.0).epochs(4, 0.2 * (1 - 1e-6)) == 3


@pytest.mark.parametrize("target", [0.1, 0.05, 0.0])
def test_out_of_reach(target):
    assert curve().epochs(5, target) is None
    assert not curve().follows(10**9, 5, target)


def test_reached_without_a_rate_term():
    flat = curve(rate_scale=0.0)
    assert flat.epochs(5, 0.1) == 0
    assert flat.epochs(5, 0.0999) is None
    assert flat.follows(0, 5, 0.1)
    assert not flat.follows(1, 5, 0.1)


def test_samples_must_be_there():
    with pytest.raises(InputError, match=r"^samples: 0"):
        curve().epochs(0, 0.5)


@given(
    st.integers(0, 500).map(lambda x: x / 1000),
    st.floats(0.01, 50),
    st.floats(0.1, 500),
    st.integers(1, 10**5),
    st.integers(10, 1000).map(lambda x: x / 1000),
)
def test_least_integer_that_meets_the_target(floor, rate_scale, rate_offset, samples, target):
    """In rationals: k meets the target, k - 1 does not, up to the tolerance of the suite."""
    found = curve(floor=floor, rate_scale=rate_scale, rate_offset=rate_offset)
    k = found.epochs(samples, target)
    slack = rational(target) - rational(floor)
    if k is None:
        assert slack <= Fraction(1, 10**9) or rational(rate_scale) / slack > 2**39 * samples
        return
    real = (rational(rate_scale) / slack - rational(rate_offset)) / samples
    tolerance = Fraction(1, 10**9) + max(1, abs(real)) * Fraction(1, 10**9)
    assert k >= real - tolerance
    assert k == 0 or k - 1 < real + tolerance
    assert found.follows(k, samples, target)
    assert not found.follows(k + 2, samples, target)
    if k >= 2:
        assert not found.follows(k - 2, samples, target)


def test_round_trip():
    found = curve(data_scale=0.3, data_exponent=0.7)
    assert LearningCurve.from_document(found.to_document()) == found
