"""Exact rationals and outward-rounded intervals for verdicts that rounding must not touch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

__all__ = ["Interval", "rational", "sum_rational"]

Floats = npt.NDArray[np.float64]


def rational(value: float) -> Fraction:
    """Return the decimal number that stands in the file, exactly.

    A JSON number is a decimal, hence a rational; in memory it is the nearest double, whose
    shortest decimal form is the file's number again. So ``rational(0.1) == Fraction(1, 10)``.
    """
    return Fraction(value) if isinstance(value, int) else Fraction(repr(float(value)))


def sum_rational(values: Floats) -> Fraction:
    """Return the exact sum of the decimals behind an array of doubles, shape (n,)."""
    # One common power of ten: integer additions instead of a gcd an entry.
    parts = [Decimal(repr(v)).as_tuple() for v in values.tolist()]
    lowest = min((int(p.exponent) for p in parts), default=0)
    lowest = min(lowest, 0)
    total = 0
    for part in parts:
        digits = 0
        for digit in part.digits:
            digits = 10 * digits + digit
        scaled = digits * 10 ** (int(part.exponent) - lowest)
        total += -scaled if part.sign else scaled
    return Fraction(total, 10**-lowest)


def _down(values: Floats) -> Floats:
    return np.nextafter(values, -np.inf)


def _up(values: Floats) -> Floats:
    return np.nextafter(values, np.inf)


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
        ends = np.stack(
            [
                self.low * other.low,
                self.low * other.high,
                self.high * other.low,
                self.high * other.high,
            ]
        )
        # A product with an exact zero is exactly zero.
        low, high = ends.min(axis=0), ends.max(axis=0)
        return Interval(np.where(low == 0, low, _down(low)), np.where(high == 0, high, _up(high)))

    def __truediv__(self, other: Interval) -> Interval:
        if bool(np.any((other.low <= 0) & (other.high >= 0))):
            raise ZeroDivisionError("the divisor may be zero")
        ends = np.stack(
            [
                self.low / other.low,
                self.low / other.high,
                self.high / other.low,
                self.high / other.high,
            ]
        )
        low, high = ends.min(axis=0), ends.max(axis=0)
        return Interval(np.where(low == 0, low, _down(low)), np.where(high == 0, high, _up(high)))

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
