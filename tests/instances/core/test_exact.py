"""Rationals and intervals: what is exact, and what encloses."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.instances.core.exact import Interval, rational, sum_at_most_one, sum_rational

# Where products and quotients of two stay away from underflow and overflow, and where not.
MODERATE = st.floats(-1e60, 1e60).filter(lambda x: x == 0 or abs(x) > 1e-60)
ANY = st.floats(allow_nan=False, allow_infinity=False)
OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def test_an_integer_is_not_taken_for_the_double_that_equals_it():
    assert int(1e23) == 1e23
    for value, right in ((1e23, 10**23), (int(1e23), 99999999999999991611392), (1e23, 10**23)):
        assert rational(value) == right


def test_rational_is_the_decimal_in_the_file():
    assert rational(0.1) == Fraction(1, 10)
    assert rational(1e23) == 10**23  # the nearest double is 99999999999999991611392
    assert rational(3) == 3
    assert rational(2**60 + 1) == 2**60 + 1
    assert rational(-0.0) == 0
    assert rational(5e-324) == Fraction(5, 10**324)


@given(st.lists(ANY, max_size=20))
def test_sum_rational_is_the_sum_of_rationals(values):
    assert sum_rational(np.array(values)) == sum(map(rational, values), Fraction(0))


def test_ten_tenths_are_one():
    tenths = np.full(10, 0.1)
    assert sum_rational(tenths) == 1
    assert sum_at_most_one(tenths)
    assert not sum_at_most_one(np.array([0.1] * 9 + [0.10000000000000002]))
    assert sum_at_most_one(np.array([0.1] * 9 + [0.09999999999999999]))


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.sampled_from([1 - 1e-15, 1 - 2**-53, 1, 1 + 2**-52, 1 + 1e-15, 2]),
)
def test_sum_at_most_one_is_exact(values, scale):
    array = np.array(values)
    if array.sum() > 0:
        array = np.minimum(array / array.sum() * scale, 1e300)
    assert sum_at_most_one(array) == (sum_rational(array) <= 1)


def holds(interval: Interval, value: Fraction) -> bool:
    low, high = float(interval.low), float(interval.high)
    return (low == -math.inf or Fraction(low) <= value) and (
        high == math.inf or value <= Fraction(high)
    )


@given(ANY)
def test_interval_around_a_decimal(value):
    with np.errstate(over="ignore"):
        interval = Interval.around(np.array(value))
    assert holds(interval, rational(value))
    # At most one double to each side.
    assert float(interval.high) <= math.nextafter(value, math.inf)
    assert float(interval.low) >= math.nextafter(value, -math.inf)


@settings(max_examples=300)
@given(st.sampled_from(sorted(OPERATIONS)), ANY, ANY)
def test_operations_enclose(sign, a, b):
    """Underflow and overflow included."""
    if sign == "/" and b == 0:
        return
    operation = OPERATIONS[sign]
    with np.errstate(all="ignore"):
        try:
            found = operation(Interval.around(np.array(a)), Interval.around(np.array(b)))
        except ZeroDivisionError:
            # Next to zero a decimal's interval reaches across it.
            assert abs(b) < 1e-300
            return
    assert holds(found, operation(rational(a), rational(b)))


@given(st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), MODERATE), max_size=6), MODERATE)
def test_chains_of_operations_enclose(steps, start):
    interval, value = Interval.around(np.array(start)), rational(start)
    for sign, figure in steps:
        if sign == "/" and figure == 0:
            continue
        with np.errstate(all="ignore"):
            interval = OPERATIONS[sign](interval, Interval.around(np.array(figure)))
        value = OPERATIONS[sign](value, rational(figure))
    assert holds(interval, value)


@given(st.lists(st.floats(1e-50, 1e50), min_size=1, max_size=10))
def test_numbers_above_zero_stay_there(values):
    """No interval of numbers > 0 may reach below zero: a quotient by it would fail."""
    product, exact = Interval.around(np.array(1.0)), Fraction(1)
    for value in values:
        with np.errstate(all="ignore"):
            product = product * Interval.around(np.array(value))
        exact *= rational(value)
        assert float(product.low) >= 0
        assert holds(product, exact)


@given(st.lists(MODERATE, min_size=1, max_size=30))
def test_sum_encloses(values):
    found = Interval.around(np.array(values)).sum()
    assert holds(found, sum(map(rational, values), Fraction(0)))


@given(st.floats(0, 1e100))
def test_root_encloses(value):
    root = Interval.around(np.array(value)).sqrt()
    assert Fraction(float(root.low)) ** 2 <= rational(value) <= Fraction(float(root.high)) ** 2


def test_divisor_across_zero_is_refused():
    one = Interval.around(np.array([1.0, 1.0]))
    with pytest.raises(ZeroDivisionError):
        one / Interval(np.array([-1.0, 1.0]), np.array([1.0, 2.0]))


def test_arrays_mix_signs():
    """One entry below zero sends the whole array through the general product."""
    a = Interval(np.array([-2.0, 1.0, 0.0]), np.array([3.0, 2.0, 0.0]))
    b = Interval(np.array([-5.0, 4.0, -7.0]), np.array([7.0, 5.0, 8.0]))
    product = a * b
    assert product.low[0] <= -15 <= product.low[0] + 1e-9
    assert product.high[0] >= 21 >= product.high[0] - 1e-9
    assert product.low[1] <= 4
    assert product.high[1] >= 10
    assert (product.low[2], product.high[2]) == (0.0, 0.0)
