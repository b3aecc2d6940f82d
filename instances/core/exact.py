"""Exact rationals and outward-rounded intervals for verdicts that rounding must not touch."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from splitopt.instances.core.arrays import Bools, Floats


# Plans of one instance are judged one after another, and its figures are the same each time. Typed:
# the integer that equals 1e23 as a double is another decimal.
@functools.lru_cache(maxsize=1 << 14, typed=True)
def rational(value: float | Fraction) -> Fraction:
    """Return the decimal number that stands in the file, exactly.

    A JSON number is a decimal, hence a rational; in memory it is the nearest double, whose
    shortest decimal form is the file's number again. So ``rational(0.1) == Fraction(1, 10)``.
    """
    return Fraction(value) if isinstance(value, int | Fraction) else Fraction(repr(float(value)))


def sum_rational(values: Floats) -> Fraction:
    """Return the exact sum of the decimals behind an array of doubles, shape (n,)."""
    # Digits added up by power of ten: integer additions instead of a gcd an entry.
    by_exponent: dict[int, int] = {}
    for value in values.tolist():
        mantissa, _, exponent = repr(value).partition("e")
        whole, _, decimals = mantissa.partition(".")
        power = (int(exponent) if exponent else 0) - len(decimals)
        by_exponent[power] = by_exponent.get(power, 0) + int(whole + decimals)
    lowest = min(by_exponent, default=0)
    total = sum(digits * 10 ** (power - lowest) for power, digits in by_exponent.items())
    return Fraction(total) * Fraction(10) ** lowest


def sum_at_most_one(values: Floats) -> bool:
    """Return whether decimals >= 0 behind an array of doubles, shape (n,), sum to <= 1, exactly.

    A decimal is within half a unit in the last place of its double, so the sum of the decimals
    is within 2^-53 of the sum of the doubles relatively, and `math.fsum` is that sum correctly
    rounded: unless it is within 2^-51 of one, it decides.
    """
    rounded = math.fsum(values.tolist())
    if abs(rounded - 1.0) > 2.0**-51:
        return rounded < 1.0
    return sum_rational(values) <= 1


def _down(values: Floats) -> Floats:
    return np.nextafter(values, -np.inf)


def _up(values: Floats) -> Floats:
    return np.nextafter(values, np.inf)


def _is_zero(interval: Interval) -> Bools:
    return np.asarray((interval.low == 0) & (interval.high == 0))


def _around_ends(ends: Floats, zero: Bools, positive: Bools) -> Interval:
    """Return what holds the products or quotients of the ends, shape (2 or 4, ...).

    Where an operand is exactly `zero` so is the result; another 0.0 may be an underflow. Where
    both are `positive` (or zero) the low end needs not fall below zero. NaN stands for zero or
    infinity times an end that overflowed: the other ends cover it.
    """
    ends = np.where(np.isnan(ends), 0.0, ends)
    low, high = _down(ends.min(axis=0)), _up(ends.max(axis=0))
    low = np.where(positive, np.maximum(low, 0.0), low)
    return Interval(np.where(zero, 0.0, low), np.where(zero, 0.0, high))


@dataclass(frozen=True, slots=True)
class Interval:
    """Arrays of closed intervals; every operation rounds outward.

    Attributes
    ----------
    low, high
        Ends, float64, one shape.
    """

    low: Floats
    high: Floats

    @staticmethod
    def around(values: npt.ArrayLike) -> Interval:
        """Return intervals that hold the decimals whose nearest doubles are `values`."""
        array = np.asarray(values, dtype=np.float64)
        whole = array == np.rint(array)
        exact = whole & (np.abs(array) < 2.0**53)
        return Interval(np.where(exact, array, _down(array)), np.where(exact, array, _up(array)))

    def __add__(self, other: Interval) -> Interval:
        return Interval(_down(self.low + other.low), _up(self.high + other.high))

    def __sub__(self, other: Interval) -> Interval:
        return Interval(_down(self.low - other.high), _up(self.high - other.low))

    def __mul__(self, other: Interval) -> Interval:
        if bool(np.all(self.low >= 0)) and bool(np.all(other.low >= 0)):
            ends = np.stack([self.low * other.low, self.high * other.high])
        else:
            ends = np.stack(
                [
                    self.low * other.low,
                    self.low * other.high,
                    self.high * other.low,
                    self.high * other.high,
                ]
            )
        none = _is_zero(self) | _is_zero(other)
        return _around_ends(ends, none, (self.low >= 0) & (other.low >= 0))

    def __truediv__(self, other: Interval) -> Interval:
        if bool(np.any((other.low <= 0) & (other.high >= 0))):
            raise ZeroDivisionError("the divisor may be zero")
        if bool(np.all(self.low >= 0)) and bool(np.all(other.low > 0)):
            ends = np.stack([self.low / other.high, self.high / other.low])
            return _around_ends(ends, _is_zero(self), np.ones(ends.shape[1:], dtype=bool))
        ends = np.stack(
            [
                self.low / other.low,
                self.low / other.high,
                self.high / other.low,
                self.high / other.high,
            ]
        )
        return _around_ends(ends, _is_zero(self), (self.low >= 0) & (other.low > 0))

    def sqrt(self) -> Interval:
        """Return the square roots; negative parts are cut at zero."""
        low = np.sqrt(np.maximum(self.low, 0.0))
        return Interval(np.maximum(_down(low), 0.0), _up(np.sqrt(np.maximum(self.high, 0.0))))

    def sum(self) -> Interval:
        """Return the sum over all entries as an interval of shape ()."""
        # fsum is correctly rounded, so one step outward suffices.
        return Interval(
            _down(np.array(math.fsum(self.low.ravel().tolist()))),
            _up(np.array(math.fsum(self.high.ravel().tolist()))),
        )
