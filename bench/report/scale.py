"""Axes of charts: where a value lies, and what is written at the ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from splitopt.bench.report.numbers import axis_text

Kind = Literal["number", "time", "gap", "share"]


def _nice_step(span: float, most: int) -> float:
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis: its range, whether logarithmic, and how its ticks are written.

    With `floor_label` the lower end of a logarithmic axis stands for everything below it.
    """

    low: float
    high: float
    log: bool = False
    unit: str = ""
    floor_label: str | None = None
    kind: Kind = "number"

    @staticmethod
    def over(
        values: Sequence[float],
        *,
        log: bool = False,
        floor: float = 1e-6,
        unit: str = "",
        kind: Kind = "number",
        floor_label: str | None = None,
    ) -> Scale:
        """Return a scale that holds all finite `values`."""
        finite = [v for v in values if math.isfinite(v)]
        if log:
            finite = [max(v, floor) for v in finite] or [floor]
            low = 10.0 ** math.floor(math.log10(min(finite)) + 1e-9)
            high = 10.0 ** math.ceil(math.log10(max(finite)) - 1e-9)
            return Scale(low, max(high, 10 * low), True, unit, floor_label, kind)
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        pad = 0.04 * (high - low) or 0.5
        return Scale(low - pad, high + pad, False, unit, floor_label, kind)

    def place(self, value: float) -> float:
        """Return where `value` lies, 0 at the lower end and 1 at the upper."""
        if self.log:
            value = min(max(value, self.low), self.high)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)

    def ticks(self, most: int = 7) -> list[tuple[float, str]]:
        """Return the values of at most about `most` ticks and what is written at them."""
        if self.log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            step = max(1, math.ceil((last - first) / most))
            values = [10.0**k for k in range(first, last + 1, step)]
        else:
            size = _nice_step(self.high - self.low, most - 1)
            k = math.ceil(self.low / size - 1e-9)
            values = []
            while k * size <= self.high * (1 + 1e-12) + 1e-300:
                values.append(k * size)
                k += 1
        found = [(value, axis_text(value, self.kind)) for value in values]
        if self.floor_label is not None and found:
            found[0] = (self.low, self.floor_label)
        return found
