"""Roots near a lattice: their common step, and whole numbers that count it.

Let s_k = r_k - r_d(i) be what option k of device i adds to the sum of roots beyond the device's
first option d(i), and g > 0 a step. With m_k the whole number nearest to s_k / g and
e_k = s_k - g m_k every choice of options has

    R = sum_i r_d(i) + g K + sum_k e_k x_k,     K = sum_k m_k x_k, whole.

That is true for every g. Where the rests e_k of all devices together span less than a step, the
sums of roots lie in bands with gaps between them, and a branch on K goes from band to band, which
no branch on a single x does: the relaxation of a MILP is blind to the gaps (family
``mepra-lattice``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitopt.instances.core.arrays import Floats, Ints

_DIVISORS = 32  # a step is tried as one of the s over 1 to this
_TRIED = 64  # of the s, and fewer where there are many
_WORK = 100_000  # s tried times s at most
_SLACK = 1e-6  # of a step, for rounding
_BAND = 0.9  # share of a step that the rests may span


@dataclass(frozen=True, eq=False, slots=True)
class Lattice:
    """A step and what it makes of the s.

    Attributes
    ----------
    step
        g.
    whole, rest
        m and e of each option, shape (options,).
    least, most
        What sum_k e_k x_k lies between, with at most one option a device.
    """

    step: float
    whole: Ints
    rest: Floats
    least: float
    most: float

    def counts(self, least: float, most: float) -> tuple[float, float]:
        """Return the least and the greatest K with g K + sum e x between two ends."""
        low, high = (least - self.most) / self.step, (most - self.least) / self.step
        return float(np.ceil(low - _SLACK)), float(np.floor(high + _SLACK))


def _split(extra: Floats, owner: Ints, step: float) -> Lattice:
    whole = np.rint(extra / step)
    rest = extra - step * whole
    # At most one option a device, or none: the ends of its rests, and 0.
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    least = np.minimum(np.minimum.reduceat(rest, starts), 0.0).sum()
    most = np.maximum(np.maximum.reduceat(rest, starts), 0.0).sum()
    return Lattice(step, whole.astype(np.int64), rest, float(least), float(most))


def lattice_of(extra: Floats, owner: Ints) -> Lattice | None:
    """Return the step whose rests span the least share of it; None where none leaves gaps.

    Parameters
    ----------
    extra
        s of each option but the first ones, shape (options,).
    owner
        The device of each, ascending.
    """
    sizes = np.unique(np.abs(extra[extra != 0]))
    count = min(_TRIED, _WORK // max(1, len(extra)))
    if not len(sizes) or not count:
        return None
    tried = sizes[np.unique(np.linspace(0, len(sizes) - 1, count).astype(np.int64))]
    best: Lattice | None = None
    for step in np.unique(tried / np.arange(1, _DIVISORS + 1)[:, None]).tolist():
        found = _split(extra, owner, step)
        if best is None or (found.most - found.least) / step < (best.most - best.least) / best.step:
            best = found
    assert best is not None
    return best if best.most - best.least <= _BAND * best.step else None
