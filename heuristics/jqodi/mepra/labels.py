r"""The label program of JQODI on MEPRA: a stage a device, labels (A, R).

Only devices with more than one option left take part: an option is of interest if its reduced cost
``c = A + 2 l r - min`` at the multiplier l is below the slack ``threshold - g(l)``. With
``D = R - l`` every plan costs ``g + sum c + D^2``, so labels carry (c, D), which loses no digits to
large sums, and A is ``c - 2 l D`` up to a constant.

A label goes when

- another has no larger A and no larger R (dominance);
- for some shift m, ``c + 2 m D - m^2 + sum over the rest of min_k (c_k + 2 m d_k)`` reaches the
  slack: ``D^2 >= 2 m D - m^2`` makes that a bound on all its completions;
- trimming: of labels whose R lie within a factor 1 + delta one of least A stays. With
  ``(1 + delta)^(2 stages) <= 1 + epsilon`` the scheme is within 1 + epsilon.

When it trims, a label carries the least A and the least R of all it stands for; bounds are taken on
these, so what is cut costs the threshold at least, and the least carried cost of the last stage is
a bound on the optimum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from splitopt.instances.core.kernels import Floats, kernel


@kernel(
    lambda c, d, low_a, low_d, option_c, option_d, rest, *_: (
        len(c) * len(option_c) * (10 + len(option_c) + 2 * len(rest))
    )
)
def stage(
    c: Floats,
    d: Floats,
    low_a: Floats,
    low_d: Floats,
    option_c: Floats,
    option_d: Floats,
    rest: Floats,
    shifts: Floats,
    multiplier: float,
    slack: float,
    tolerance: float,
    delta: float,
    most: int,
) -> Any:
    """Return (c, D, low A, low D, label before, option, made, dominated, trimmed, cut) of a stage.

    Parameters
    ----------
    c, d
        Labels before the stage, by rising D.
    low_a, low_d
        Least ``c - 2 l D`` and D of what a label stands for; empty when nothing is trimmed.
    option_c, option_d
        Reduced cost and step of the device's options.
    rest
        ``sum min (c + 2 m d)`` over later devices, for each shift m of `shifts`.
    slack, delta
        Threshold less g(l); the ratio of cells less one (0: no trimming).
    tolerance
        Differences of A that are rounding.
    most
        Labels to make at most; beyond, the arrays come back empty.
    """
    trim = delta > 0.0
    K, n = option_c.size, c.size
    size = K * n
    none = np.empty(0)
    if size > most:
        return none, none, none, none, np.empty(0, np.int32), np.empty(0, np.int16), size, 0, 0, 0
    # Merge the lists of the options: each is sorted by D already.
    position = np.zeros(K, np.int64)
    out_c, out_d = np.empty(size), np.empty(size)
    out_la, out_ld = np.empty(size if trim else 0), np.empty(size if trim else 0)
    pred, chosen = np.empty(size, np.int32), np.empty(size, np.int16)
    count, dominated, trimmed, cut = 0, 0, 0, 0
    least_a = np.inf
    cell_end = -np.inf
    for _ in range(size):
        best, k = np.inf, -1
        for o in range(K):
            if position[o] < n and d[position[o]] + option_d[o] < best:
                best, k = d[position[o]] + option_d[o], o
        i = position[k]
        position[k] += 1
        x, y = c[i] + option_c[k], best
        a = x - 2.0 * multiplier * y
        step_a = option_c[k] - 2.0 * multiplier * option_d[k]
        bound_a, bound_d = a, y
        if trim:
            bound_a, bound_d = low_a[i] + step_a, low_d[i] + option_d[k]
        bound_c = bound_a + 2.0 * multiplier * bound_d
        over = False
        for s in range(shifts.size):
            m = shifts[s]
            # Shifts keep l + m >= 0, so that the bound rises with A and R.
            if bound_c + 2.0 * m * bound_d - m * m + rest[s] >= slack:
                over = True
                break
        if over:
            cut += 1
            continue
        if a >= least_a - tolerance:
            dominated += 1
            if trim and count > 0:
                out_la[count - 1] = min(out_la[count - 1], bound_a)
                out_ld[count - 1] = min(out_ld[count - 1], bound_d)
            continue
        least_a = a
        if trim and count > 0 and y <= cell_end:
            # The same cell, less A: this one stays and stands for both.
            trimmed += 1
            bound_a = min(bound_a, out_la[count - 1])
            bound_d = min(bound_d, out_ld[count - 1])
            count -= 1
        elif trim:
            R = multiplier + y
            cell_end = R * (1.0 + delta) - multiplier if R > 0.0 else y
        out_c[count], out_d[count] = x, y
        if trim:
            out_la[count], out_ld[count] = bound_a, bound_d
        pred[count], chosen[count] = i, k
        count += 1
    return (
        out_c[:count].copy(),
        out_d[:count].copy(),
        out_la[: count if trim else 0].copy(),
        out_ld[: count if trim else 0].copy(),
        pred[:count].copy(),
        chosen[:count].copy(),
        size,
        dominated,
        trimmed,
        cut,
    )
