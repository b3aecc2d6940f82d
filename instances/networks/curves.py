"""Learning curves: the expected error after k epochs, and the epochs a target needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from splitopt.instances.core.errors import InputError
from splitopt.instances.core.parts import Plain, keep_names, keep_numbers
from splitopt.instances.core.tolerances import TOLERANCES


@dataclass(frozen=True, slots=True)
class LearningCurve(Plain):
    """Expected error of one model at one compression level.

    After k epochs on N samples an epoch the expected error is::

        floor + data_scale * N ** -data_exponent + rate_scale / (k * N + rate_offset)

    The last term is theory's O(1/k) for SGD under strong convexity (or the PL condition)
    with decaying steps; the parameters are fitted to measured curves.

    Attributes
    ----------
    model, compression
        Names of what the curve belongs to.
    floor, data_scale, data_exponent, rate_scale
        At least 0.
    rate_offset
        b in samples, above 0.
    """

    model: str
    compression: str
    floor: float
    data_scale: float
    data_exponent: float
    rate_scale: float
    rate_offset: float

    def __post_init__(self) -> None:
        keep_names(self, "model", "compression")
        keep_numbers(self, "floor", "data_scale", "data_exponent", "rate_scale", minimum=0)
        keep_numbers(self, "rate_offset", above=0)

    def _data_term(self, samples: int) -> float:
        return self.data_scale * math.pow(samples, -self.data_exponent)

    def error(self, epochs: float, samples: int) -> float:
        """Return the expected error after `epochs` epochs on `samples` samples each."""
        return (
            self.floor
            + self._data_term(samples)
            + self.rate_scale / (epochs * samples + self.rate_offset)
        )

    def epochs_real(self, samples: int, target: float) -> float | None:
        """Return the real k >= 0 at which the error meets `target`, None when out of reach."""
        if samples < 1:
            raise InputError("samples", samples, "an integer >= 1", "give the source node data")
        slack = target - self.floor - self._data_term(samples)
        if self.rate_scale == 0:
            return 0.0 if slack >= 0 else None
        if slack <= 0:
            return None
        return max(0.0, (self.rate_scale / slack - self.rate_offset) / samples)

    def epochs(self, samples: int, target: float) -> int | None:
        """Return the least integer k >= 0 that meets `target`, None when out of reach.

        The tolerance of the suite is taken off before the ceiling.
        """
        real = self.epochs_real(samples, target)
        if real is None or real > 2**40:
            return None
        return max(0, math.ceil(real - TOLERANCES.epochs))

    def follows(self, epochs: int, samples: int, target: float) -> bool:
        """Return whether `epochs` is what the rule gives.

        Powers differ by a unit in the last place between machines, so at the edge of the
        tolerance both neighbours are taken.
        """
        real = self.epochs_real(samples, target)
        if real is None:
            return False
        slack = TOLERANCES.epochs * max(1.0, real)
        return (
            epochs >= 0 and epochs - 1 - slack < real - TOLERANCES.epochs <= epochs + slack
        ) or (epochs == 0 and real <= 2 * slack)
