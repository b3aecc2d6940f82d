"""The triples that no other matches, compiled.

Triples come sorted by energy, then by both times. One that came before costs no more, so a triple
goes exactly when one of those kept matches both its times. Kept pairs of times that no other kept
pair matches form a staircase, ascending in the first and descending in the second: the step at or
below the triple's first time decides, found by bisection.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def first_of_kind(serve: Any, tune: Any) -> Any:
    """Return which triples no earlier one matches, bool, shape (size,).

    Parameters
    ----------
    serve, tune
        Times of the triples, by ascending energy, then `serve`, then `tune`.
    """
    size = serve.size
    kept = np.zeros(size, np.bool_)
    low, high = np.empty(size), np.empty(size)
    steps = 0
    for i in range(size):
        x, y = serve[i], tune[i]
        # The number of steps with a first time of at most x.
        a, b = 0, steps
        while a < b:
            middle = (a + b) // 2
            if low[middle] <= x:
                a = middle + 1
            else:
                b = middle
        if a > 0 and high[a - 1] <= y:
            continue
        kept[i] = True
        # Steps that the new one matches go: those behind it with a second time of y or more, and
        # one with the same first time.
        begin = a
        if a > 0 and low[a - 1] == x:
            begin = a - 1
        end = a
        while end < steps and high[end] >= y:
            end += 1
        shift = 1 - (end - begin)
        if shift > 0:
            for k in range(steps - 1, end - 1, -1):
                low[k + 1], high[k + 1] = low[k], high[k]
        elif shift < 0:
            for k in range(end, steps):
                low[k + shift], high[k + shift] = low[k], high[k]
        low[begin], high[begin] = x, y
        steps += shift
    return kept
