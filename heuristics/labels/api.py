"""The entry points: check the input, load the kernels once, run."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from splitopt.heuristics.labels.problem import check
from splitopt.heuristics.labels.result import PathResult
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.kernels import load

_ready = False
# Modules of kernels.
KERNELS = tuple(
    f"splitopt.heuristics.labels.{name}"
    for name in ("easy", "corridor", "graph", "passes", "frontier", "topological", "bestfirst")
)


def warm_up() -> float:
    """Load the compiled kernels, or compile them; return the seconds it took (0 when done before).

    With a warm cache on disk this takes well under a second, without one some seconds.
    """
    global _ready
    seconds = 0.0 if _ready else load(*KERNELS)
    _ready = True
    return seconds


def _positive(name: str, value: float | int | None, least: float) -> None:
    if value is not None and not value >= least:
        raise InputError(name, value, f">= {least:g}, or None", "raise it or leave it out")


def constrained_shortest_path(
    tail: ArrayLike,
    head: ArrayLike,
    cost: ArrayLike,
    resources: ArrayLike | None,
    source: int,
    target: int,
    limits: ArrayLike,
    epsilon: float = 0.0,
    *,
    strict: int | None = None,
    others: Literal["relaxed", "kept"] = "relaxed",
    nodes: int | None = None,
    front: bool = False,
    record: bool | int = False,
    stop_early: bool = True,
    easy: bool = True,
    time_limit_s: float | None = None,
    label_limit: int | None = None,
    memory_limit_bytes: int = 4 << 30,
) -> PathResult:
    """Find a cheapest path from `source` to `target` that keeps every resource limit.

    Parameters
    ----------
    tail, head
        Shape (m,), integers from 0 on: the ends of each arc. Cycles, loops and parallel arcs are
        allowed. Contiguous, writeable arrays of 32 bits are taken as they are, others copied.
    cost
        Shape (m,), finite and >= 0.
    resources
        Shape (m, K), finite and >= 0; None or width 0 for a plain shortest path, (m,) if K = 1.
    source, target
        Node ids. Equal ones give the empty path.
    limits
        Shape (K,), >= 0, inf for no limit. A path keeps limit k if its resource k, summed in
        floating point from the source on, is at most ``limits[k]``: a caller who wants a tolerance
        passes limits that include it.
    epsilon
        0 for the optimum; else the error allowed, see the package's text for what it promises.
    strict
        With epsilon > 0 and K >= 2, the limit that is kept at full strength (default 0).
    others
        What the remaining limits are then: "relaxed" lets the path use 1 + epsilon times the
        limit, "kept" keeps them all and compares the cost with the optimum under
        limits / (1 + epsilon).
    nodes
        Number of nodes; by default one more than the largest id on an arc.
    front
        Return the Pareto front of (cost, resources) within the limits too. Nothing is then
        discarded for its cost, which takes longer.
    record
        Return a log of every label made; True for up to 100 000, or how many.
    stop_early
        With epsilon > 0, discard labels that cannot improve on incumbent / (1 + epsilon). Faster;
        False gives the bound that trimming alone leaves, which is often much better than promised.
    easy
        Try a short best-first search first (:mod:`splitopt.heuristics.labels.easy`): most easy
        problems end there. Without front and record, and with `stop_early`, only.
    time_limit_s, label_limit, memory_limit_bytes
        Budgets on the time after the kernels are loaded, on labels made, on label storage. A run
        that ends on one keeps its incumbent and a valid bound.

    Returns
    -------
    PathResult

    Raises
    ------
    InputError
        One line that names the argument, its value and what is allowed.
    """
    problem = check(
        tail, head, cost, resources, source, target, limits, epsilon, strict, others, nodes
    )
    _positive("time_limit_s", time_limit_s, 0.0)
    _positive("label_limit", label_limit, 1)
    _positive("memory_limit_bytes", memory_limit_bytes, 1)
    _positive("record", record, 0)
    if front and problem.epsilon > 0.0 and problem.limits.size > 1:
        for k, limit in enumerate(problem.limits.tolist()):
            if k != problem.strict and limit == np.inf:
                raise InputError(
                    f"limits[{k}]", limit, "finite", "a front within epsilon needs these limits"
                )
    from splitopt.heuristics.labels.solve import Options, solve, solve_easy

    options = Options(
        time_limit_s,
        label_limit,
        int(memory_limit_bytes),
        bool(front),
        100_000 if record is True else int(record),
        stop_early,
        bool(easy),
    )
    found = solve_easy(problem, options)
    if found is not None:
        return found
    loading = warm_up()
    result = solve(problem, options)
    if loading:
        from dataclasses import replace

        result = replace(result, statistics=replace(result.statistics, compile_s=loading))
    return result
