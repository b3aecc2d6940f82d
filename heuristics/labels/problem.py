"""The input, checked once: after this the kernels trust their arrays."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splitopt.instances.core.errors import InputError

_MOST = 2**31 - 2
# What a path may cost or use: room is left for the sums that bounds are made of.
_MOST_SUM = 2.0**1000


@dataclass(frozen=True)
class Problem:
    """A checked instance; `res` has shape (arcs, K), `limits` (K,), inf where there is none.

    Where ids are sparse, nodes are numbered anew and ``names`` has the caller's ids.
    """

    n: int
    tail: NDArray[np.int32]
    head: NDArray[np.int32]
    cost: NDArray[np.float64]
    res: NDArray[np.float64]
    source: int
    target: int
    limits: NDArray[np.float64]
    epsilon: float
    strict: int
    others: str
    names: NDArray[np.int64] | None = None


def _own(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return the array as kernels take it, a copy only where it has to be one."""
    return np.require(array, dtype, ["C", "ALIGNED", "WRITEABLE"])


def _ids(name: str, value: ArrayLike) -> NDArray[Any]:
    array = np.asarray(value)
    if array.ndim != 1:
        raise InputError(name, array.shape, "a one-dimensional array", "pass one node id an arc")
    if array.size == 0:
        return np.empty(0, np.int32)
    if array.dtype.kind not in "iu":
        raise InputError(name, array.dtype, "an integer array", "convert the node ids to integers")
    if array.size > _MOST:
        raise InputError(name, array.size, f"at most {_MOST} arcs", "split the graph")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > _MOST:
        bad = int(np.argmin(array)) if low < 0 else int(np.argmax(array))
        raise InputError(
            f"{name}[{bad}]", int(array[bad]), f"0 to {_MOST}", "number the nodes from 0 on"
        )
    return _own(array, np.int32)


def _values(name: str, value: ArrayLike, shape: tuple[int, ...], steps: int) -> NDArray[np.float64]:
    array = np.asarray(value)
    if array.dtype.kind not in "iufb":
        raise InputError(name, array.dtype, "real numbers", "pass a float array")
    if array.shape != shape:
        raise InputError(name, array.shape, f"shape {shape}", "pass one entry an arc")
    out = _own(array, np.float64)
    if out.size and not (out.min() >= 0.0 and out.max() < np.inf):
        bad = tuple(int(i[0]) for i in np.nonzero(~((out >= 0.0) & (out < np.inf))))
        where = ", ".join(map(str, bad))
        raise InputError(
            f"{name}[{where}]", float(out[bad]), "finite and >= 0", "remove or correct the arc"
        )
    if out.size and float(out.max()) > _MOST_SUM / steps:
        raise InputError(
            name, float(out.max()), f"at most {_MOST_SUM / steps:.3g}", "choose a larger unit"
        )
    return out


def _node(name: str, value: object, n: int) -> int:
    try:
        node = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(name, value, "an integer", "pass a node id") from None
    if not 0 <= node <= n - 1:
        raise InputError(name, node, f"0 to {n - 1}", "pass the id of a node of the graph")
    return node


def _count(
    tails: NDArray[np.int32],
    heads: NDArray[np.int32],
    source: int,
    target: int,
    nodes: int | None,
) -> int:
    """Return how many nodes there are: as many as said, else up to the largest id."""
    m = tails.size
    most = max(int(tails.max()), int(heads.max())) if m else -1
    if nodes is not None:
        n = _node("nodes", nodes, _MOST + 2)
        if n <= most:
            name = "tail" if m and int(tails.max()) == most else "head"
            raise InputError(name, most, f"0 to {n - 1}", "raise nodes or correct the id")
        return n
    try:
        n = max(most, operator.index(source), operator.index(target), 0) + 1
    except TypeError:
        return most + 1
    # An id beyond every arc is a node without arcs only if the caller says so.
    return most + 1 if m and n > most + 1 else n


def _limits(limits: ArrayLike) -> NDArray[np.float64]:
    """Return the limits, one a resource."""
    bounds = np.asarray([] if limits is None else limits)
    if bounds.ndim != 1 or (bounds.size and bounds.dtype.kind not in "iuf"):
        raise InputError("limits", limits, "a list of K numbers", "pass one limit a resource")
    bounds = np.ascontiguousarray(bounds, np.float64)
    for k, limit in enumerate(bounds.tolist()):
        if not limit >= 0.0:
            raise InputError(f"limits[{k}]", limit, ">= 0, or inf for none", "correct the limit")
    # A finite limit above every sum is the same as any other.
    return np.where(bounds < np.inf, np.minimum(bounds, 2.0 * _MOST_SUM), np.inf)


def _slack(epsilon: float) -> float:
    """Return epsilon, which may be 0."""
    try:
        slack = float(epsilon)
    except (TypeError, ValueError):
        slack = math.nan
    if not 0.0 <= slack < math.inf:
        raise InputError("epsilon", epsilon, "a number >= 0", "0 asks for the optimum")
    return slack


def check(
    tail: ArrayLike,
    head: ArrayLike,
    cost: ArrayLike,
    resources: ArrayLike | None,
    source: int,
    target: int,
    limits: ArrayLike,
    epsilon: float,
    strict: int | None,
    others: str,
    nodes: int | None,
) -> Problem:
    """Return the problem these arguments state, or raise `InputError` in one line."""
    tails, heads = _ids("tail", tail), _ids("head", head)
    m = tails.size
    if heads.size != m:
        raise InputError("head", heads.size, f"{m} entries, as tail", "give each arc both ends")
    n = _count(tails, heads, source, target, nodes)
    bounds = _limits(limits)
    used = np.zeros((m, 0)) if resources is None else np.asarray(resources)
    if used.ndim == 1 and bounds.size == 1:
        used = used.reshape(-1, 1)
    if used.size == 0 and used.shape != (m, bounds.size) and m * bounds.size == 0:
        used = np.zeros((m, bounds.size))
    slack = _slack(epsilon)
    chosen = 0 if strict is None else _node("strict", strict, max(bounds.size, 1))
    if others not in ("relaxed", "kept"):
        raise InputError("others", others, "relaxed or kept", "choose one of the two guarantees")
    start, goal = _node("source", source, n), _node("target", target, n)
    names = None
    if n > 4 * (m + 1):
        # Memory follows the arcs, not the largest id.
        names, place = np.unique(np.concatenate([tails, heads, [start, goal]]), return_inverse=True)
        n, place = names.size, place.astype(np.int32)
        tails, heads, start, goal = place[:m], place[m:-2], int(place[-2]), int(place[-1])
    return Problem(
        n,
        tails,
        heads,
        _values("cost", cost, (m,), max(min(m, n), 1)),
        _values("resources", used, (m, bounds.size), max(min(m, n), 1)),
        start,
        goal,
        bounds,
        slack,
        chosen,
        others,
        names,
    )
