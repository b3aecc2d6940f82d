"""What a throughput leaves of an instance: the least speed of a segment, and open hops.

At R' requests a second each host and each link may be busy at most ``1 / R'`` for one of them::

    w / f_inf <= 1 / R'   so   f_inf >= w R'            a / B <= 1 / R'

So a segment rules out slow speeds, or itself, and a load the links that are too narrow for it:
nothing else changes, and every method starts behind that. The limit is kept to the suite's
tolerance of deadlines; within a rounding of it rationals decide, on the figures as given.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from splitopt.instances.cift.model import CiftInstance, Compression, Link, Node, SpeedInterval
from splitopt.instances.core.arrays import Bools, Floats
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import Downsets
from splitopt.instances.networks.profiles import Profile

_NEAR = 1e-11  # relative distance from the limit within which doubles do not decide
_INSIDE = 1.0 + 1e-12  # of a speed in an interval, so that it passes


def least_speeds(
    instance: CiftInstance,
    node: Node,
    model: Profile,
    level: Compression,
    sets: Downsets,
    work: Floats,
) -> Floats | None:
    """Return the least serving speed of each segment on a node; None without a throughput.

    Parameters
    ----------
    work
        ``work[i, j]``: FLOP of downset j less i there, shape (S, S).
    """
    rate = instance.throughput_per_s
    if rate is None:
        return None
    flop, _, second = instance.in_units
    limit = 1 + rational(TOLERANCES.deadline)
    least: Floats = work * (rate / (1.0 + TOLERANCES.deadline))
    speeds = node.speeds_flop_per_s
    found = least.copy()
    if isinstance(speeds, SpeedInterval):
        found *= _INSIDE
        speeds = (speeds.high,)
    weights = instance.factors(node, model)
    for f in speeds:
        allowed = rational(f * (flop / second)) * limit
        for i, j in np.argwhere(sets.nested & (np.abs(least - f) <= _NEAR * f)).tolist():
            exact = Fraction(0)
            for b in sets.between(i, j):
                part = rational(model.blocks[b].flops * flop) * rational(level.flops_factor)
                exact += part if weights is None else part * rational(weights[b])
            fast_enough = exact * rational(rate / second) <= allowed
            found[i, j] = f if fast_enough else math.nextafter(f, math.inf)
    return found


def open_hops(
    instance: CiftInstance,
    link: Link,
    model: Profile,
    level: Compression,
    sets: Downsets,
    bits: Floats,
) -> Bools:
    """Return behind which downsets a link is wide enough.

    Parameters
    ----------
    bits
        What a hop behind each downset but the last carries, shape (S - 1,).
    """
    rate = instance.throughput_per_s
    if rate is None:
        return np.ones(bits.shape, dtype=np.bool_)
    _, bit, second = instance.in_units
    width = link.rate_bit_per_s
    needed = bits * (rate / (1.0 + TOLERANCES.deadline))
    wide: Bools = needed <= width
    allowed = rational(width * (bit / second)) * (1 + rational(TOLERANCES.deadline))
    for s in np.flatnonzero(np.abs(needed - width) <= _NEAR * width).tolist():
        exact = _sent(model, level, sets, s, bit) * rational(rate / second)
        wide[s] = exact <= allowed
    return wide


def _sent(model: Profile, level: Compression, sets: Downsets, s: int, bit: float) -> Fraction:
    """Return the bits behind a downset, as a rational, in the units of the instance as given."""
    factor = rational(level.activation_factor)
    if not sets.graph:
        if s == 0:
            return rational(model.input_bits * bit)
        return rational(model.blocks[s - 1].activation_bits * bit) * factor
    total = Fraction(0)
    for t in np.flatnonzero(sets.crossing[s]).tolist():
        part = rational(model.tensors[t].bits * bit)
        total += part if sets.raw[t] else part * factor
    return total
