"""Random draws that give the same figures on any machine, and rounding.

Only the raw words of the bit generator are used, whose streams numpy keeps fixed, and only
operations that IEEE 754 rounds correctly: no logarithm, exponential or power of the C library.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from splitopt.instances.core.arrays import Floats, Ints

Item = TypeVar("Item")
_SEGMENTS = 16


def round_digits(value: float, digits: int = 3) -> float:
    """Return `value` rounded to `digits` significant decimal digits."""
    return float(f"{value:.{digits - 1}e}")


def round_up(value: float, digits: int = 3) -> float:
    """Return the least number of `digits` significant decimal digits that is >= `value`."""
    nearest = round_digits(value, digits)
    while nearest < value:
        mantissa, _, exponent = f"{nearest:.{digits - 1}e}".partition("e")
        # One unit in the last decimal place.
        whole = int(mantissa.replace(".", "")) + 1
        nearest = float(f"{whole}e{int(exponent) - digits + 1}")
    return nearest


def _knots(low: float, high: float) -> list[float]:
    """Return 17 points from low to high in geometric progression (square roots are exact)."""
    ratio = high / low
    for _ in range(4):
        ratio = math.sqrt(ratio)
    knots = [low]
    for _ in range(_SEGMENTS - 1):
        knots.append(knots[-1] * ratio)
    return [*knots, high]


class Draws:
    """Draws from one stream.

    Parameters
    ----------
    generator
        Its bit generator must give 64 bits a word, as PCG64 does.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self._bits = generator.bit_generator

    def unit(self) -> float:
        """Return a number in [0, 1), a multiple of 2^-53."""
        return float(int(self._bits.random_raw()) >> 11) * 2.0**-53

    def units(self, count: int) -> Floats:
        """Return `count` numbers in [0, 1)."""
        words = np.asarray(self._bits.random_raw(count), dtype=np.uint64)
        return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high]."""
        return low + (high - low) * self.unit()

    def log_uniform(self, low: float, high: float, spread: float = 1.0) -> float:
        """Return a number in [low, high], about uniform in its logarithm.

        Uniform in each of 16 segments of equal ratio. With `spread` below 1 only the middle
        part of the range is used; 0 gives its geometric middle.
        """
        return _at(_knots(low, high), 0.5 + spread * (self.unit() - 0.5))

    def log_uniforms(self, low: float, high: float, count: int, spread: float = 1.0) -> Floats:
        """Return `count` such numbers, on a grid of 1024 places rounded to three digits."""
        knots = _knots(low, high)
        table = np.array(
            [round_digits(_at(knots, 0.5 + spread * ((k + 0.5) / 1024 - 0.5))) for k in range(1024)]
        )
        return table[(self.units(count) * 1024).astype(np.int64)]

    def integer(self, low: int, high: int) -> int:
        """Return an integer in low..high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def integers(self, low: int, high: int, count: int) -> Ints:
        """Return `count` integers in low..high, both included."""
        return low + (self.units(count) * (high - low + 1)).astype(np.int64)

    def choice(self, items: Sequence[Item]) -> Item:
        """Return one of `items`."""
        return items[self.integer(0, len(items) - 1)]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """Return `count` of `items` without repetition, in their order."""
        places = list(range(len(items)))
        for k in range(count):
            other = self.integer(k, len(places) - 1)
            places[k], places[other] = places[other], places[k]
        return [items[k] for k in sorted(places[:count])]

    def chance(self, probability: float) -> bool:
        """Return True with that probability."""
        return self.unit() < probability


def _at(knots: list[float], place: float) -> float:
    scaled = min(max(place, 0.0), 1.0) * _SEGMENTS
    segment = min(int(scaled), _SEGMENTS - 1)
    return knots[segment] + (knots[segment + 1] - knots[segment]) * (scaled - segment)


def draws_for(family: str, seed: int, part: str) -> Draws:
    """Return the stream of one part of an instance.

    Each part has its own, so that a knob that changes how much one part draws leaves the
    others as they were.
    """
    words = hashlib.sha256(f"{family}/{part}".encode()).digest()[:16]
    entropy = [seed, *(int.from_bytes(words[k : k + 4], "little") for k in range(0, 16, 4))]
    return Draws(np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy))))
