"""A 4-ary heap of labels by (key, tie), as three parallel arrays."""

from __future__ import annotations

from splitopt.instances.core.kernels import Floats, Int32s, part


@part
def push(
    keys: Floats, ties: Floats, labels: Int32s, size: int, key: float, tie: float, label: int
) -> None:
    """Add a label to a heap of `size` entries; the arrays must have room."""
    i = size
    while i > 0:
        up = (i - 1) >> 2
        if keys[up] < key or (keys[up] == key and ties[up] <= tie):
            break
        keys[i] = keys[up]
        ties[i] = ties[up]
        labels[i] = labels[up]
        i = up
    keys[i] = key
    ties[i] = tie
    labels[i] = label


@part
def pop(keys: Floats, ties: Floats, labels: Int32s, size: int) -> None:
    """Drop the top of a heap of `size` entries; read it at place 0 before."""
    size -= 1
    key, tie, label = keys[size], ties[size], labels[size]
    i = 0
    while True:
        child = 4 * i + 1
        if child >= size:
            break
        best = child
        for j in range(child + 1, min(child + 4, size)):
            if keys[j] < keys[best] or (keys[j] == keys[best] and ties[j] < ties[best]):
                best = j
        if key < keys[best] or (key == keys[best] and tie <= ties[best]):
            break
        keys[i] = keys[best]
        ties[i] = ties[best]
        labels[i] = labels[best]
        i = best
    keys[i] = key
    ties[i] = tie
    labels[i] = label
