"""Figures as people read them: times, gaps, shares, memory."""

from __future__ import annotations

import math


def gap_text(gap: float | None) -> str:
    """Return a relative gap in percent; what is proven equal to six digits is 0."""
    if gap is None:
        return "-"
    if gap == float("inf"):
        return "inf"
    percent = 100.0 * gap
    if abs(percent) < 1e-4:
        return "0 %"
    return f"{percent:.2g} %" if abs(percent) < 1 else f"{percent:.1f} %"


def time_text(seconds: float | None) -> str:
    """Return a time with a unit that suits it."""
    if seconds is None:
        return "-"
    if seconds < 0.9995e-3:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s"


def number_text(value: float | None) -> str:
    """Return a figure with enough digits to compare."""
    return "-" if value is None else f"{value:.8g}"


def memory_text(count: int | None) -> str:
    """Return bytes in MiB."""
    return "-" if count is None else f"{count / 2**20:.0f} MiB"


def ratio_text(value: float | None) -> str:
    """Return a ratio to three digits."""
    return "-" if value is None else f"{value:.3g}"


def interval_text(low: float, high: float) -> str:
    """Return the ends of an interval of ratios."""
    return f"{low:.3g} to {high:.3g}"


def axis_text(value: float, kind: str) -> str:
    """Return what is written at a tick of an axis of a kind: time, gap, share or number."""
    if kind == "time":
        for unit, size in (("us", 1e-6), ("ms", 1e-3)):
            if value < 0.9995 * 1e3 * size:
                return f"{value / size:.4g} {unit}"
        return f"{value:.4g} s"
    if kind in ("gap", "share"):
        percent = 100.0 * value
        return f"{percent:,.0f} %" if abs(percent) >= 1e4 else f"{percent:.4g} %"
    if value and (abs(value) >= 1e6 or abs(value) < 1e-3):
        exponent = math.floor(math.log10(abs(value)) + 1e-12)
        if math.isclose(abs(value), 10.0**exponent, rel_tol=1e-9):
            return f"1e{exponent}" if value > 0 else f"-1e{exponent}"
    return f"{value:.6g}"
