"""What a throughput leaves of an instance: the least speed of a segment, and open hops.

At R' requests a second each host and each link may be busy at most ``1 / R'`` for one of them::

    w / f_inf <= 1 / R'   so   f_inf >= w R'            a / B <= 1 / R'

So a segment rules out slow speeds, or itself, and a load the links that are too narrow for it:
nothing else changes, and every method starts behind that. The limit is kept to the suite's
tolerance of deadlines; what the judge would take within a rounding of its edge is left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.tolerances import TOLERANCES

__all__ = ["least_speeds", "open_hops"]

Floats = npt.NDArray[np.float64]

_WITHIN = (1.0 + TOLERANCES.deadline) * (1.0 - 1e-12)


def least_speeds(instance: CiftInstance, work: Floats) -> Floats | None:
    """Return the least serving speed of segments of `work` FLOP; None without a throughput."""
    rate = instance.throughput_per_s
    return None if rate is None else work * (rate / _WITHIN)


def open_hops(instance: CiftInstance, bits: Floats, rate_bit_per_s: float) -> npt.NDArray[np.bool_]:
    """Return whether a link is wide enough for loads of so many bits."""
    rate = instance.throughput_per_s
    if rate is None:
        return np.ones(bits.shape, dtype=np.bool_)
    wide: npt.NDArray[np.bool_] = bits * rate <= rate_bit_per_s * _WITHIN
    return wide
