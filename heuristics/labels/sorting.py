"""A stable sort for kernels: the same order in Python and in machine code, equal keys included."""

from __future__ import annotations

from typing import Any

import numpy as np

from splitopt.instances.core.kernels import Floats, part

_RUN = 16  # places sorted by insertion before merging begins


@part
def stable_order(keys: Floats) -> Any:
    """Return the places of `keys` in ascending order, equal ones as they were; int64."""
    n = keys.size
    order, spare = np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        order[i] = i
    for first in range(0, n, _RUN):
        for i in range(first + 1, min(first + _RUN, n)):
            x, j = order[i], i
            while j > first and keys[order[j - 1]] > keys[x]:
                order[j] = order[j - 1]
                j -= 1
            order[j] = x
    width = _RUN
    while width < n:
        for first in range(0, n, 2 * width):
            middle, last = min(first + width, n), min(first + 2 * width, n)
            a, b = first, middle
            if b == last or keys[order[b - 1]] <= keys[order[b]]:
                for o in range(first, last):
                    spare[o] = order[o]
                continue
            for o in range(first, last):
                if b == last or (a < middle and keys[order[a]] <= keys[order[b]]):
                    spare[o] = order[a]
                    a += 1
                else:
                    spare[o] = order[b]
                    b += 1
        order, spare = spare, order
        width *= 2
    return order
