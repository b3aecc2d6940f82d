"""What a run returns: path, bound, guarantee, counts, and on request the front and the log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Termination(StrEnum):
    """Why a run ended."""

    FINISHED = "finished"
    INFEASIBLE = "infeasible"
    #: Nothing within the tightened limits; whether the true ones can be met stays open.
    TIGHTENED_INFEASIBLE = "tightened limits infeasible"
    TIME = "time"
    LABELS = "labels"
    MEMORY = "memory"


@dataclass(frozen=True)
class Guarantee:
    """What is certain about the path, before any look at the bound.

    Attributes
    ----------
    kind
        ``exact``: cost = optimum, limits kept. ``limits kept``: cost <= factor * optimum, limits
        kept. ``limits exceeded``: cost <= factor * optimum, limits kept but for `relaxed`.
        ``tightened optimum``: limits kept, cost <= factor * the optimum under limits divided as in
        `tightened`. ``none``: the budget ended the run first; of the cost only cost / bound is
        certain, and limits are kept but for `relaxed`.
    factor
        The factor; None when there is none.
    strict
        Indices of the limits kept.
    relaxed
        Pairs (limit, factor f): the path may use f times the limit.
    tightened
        Pairs (limit, factor f): the cost is compared with the optimum under limit / f.
    """

    kind: str
    factor: float | None
    strict: tuple[int, ...]
    relaxed: tuple[tuple[int, float], ...] = ()
    tightened: tuple[tuple[int, float], ...] = ()

    def __str__(self) -> str:
        """Return the guarantee in one line."""
        if self.kind == "exact":
            return "the optimum, every limit kept"
        line = f"cost at most {self.factor:g} times the optimum" if self.factor else ""
        if self.kind == "none":
            line = "no guarantee on the cost: the run was interrupted"
        if self.tightened:
            parts = ", ".join(f"limit {k} / {f:g}" for k, f in self.tightened)
            line += f" under {parts}"
        if self.relaxed:
            parts = ", ".join(f"limit {k} within a factor {f:g}" for k, f in self.relaxed)
            return f"{line}, {parts}, every other limit kept"
        return f"{line}, every limit kept"


@dataclass(frozen=True)
class Statistics:
    """Counts and times of a run.

    ``labels_made`` = kept + dominated + trimmed + over_limit + over_bound + open (labels that the
    end of the run left). ``label_bound`` is the polynomial bound on the labels kept that holds for
    epsilon > 0 (None when exact, or when epsilon is too small for rounding to keep to it),
    ``label_bound_made`` the same for the labels made. ``steps`` is the number of arcs on a path at
    which an error may be added; ``rounds`` the number of searches.
    ``acyclic`` is None where the short search settled it without looking.
    ``compile_s`` (loading or compiling the kernels, first call of a process) is not in ``total_s``.
    """

    nodes: int = 0
    arcs: int = 0
    arcs_searched: int = 0
    acyclic: bool | None = True
    steps: int = 0
    rounds: int = 0
    labels_made: int = 0
    labels_kept: int = 0
    labels_dominated: int = 0
    labels_trimmed: int = 0
    labels_over_limit: int = 0
    labels_over_bound: int = 0
    labels_open: int = 0
    label_bound: float | None = None
    label_bound_made: float | None = None
    lagrangian_bound: float | None = None
    label_bytes: int = 0
    presolve_s: float = 0.0
    search_s: float = 0.0
    total_s: float = 0.0
    compile_s: float = 0.0


@dataclass(frozen=True)
class Front:
    """The Pareto front of (cost, resources): one path a point, by cost.

    ``costs`` has shape (F,), ``resources`` (F, K); ``paths[i]`` are arc indices. ``complete`` is
    false when the budget ended the run first. With epsilon > 0 every feasible path has a point of
    the front within the guarantee's factors of it.
    """

    costs: NDArray[np.float64]
    resources: NDArray[np.float64]
    paths: tuple[NDArray[np.int64], ...]
    complete: bool


@dataclass(frozen=True)
class LabelLog:
    """Every label made, in order; entry 0 is the source's.

    ``node`` and ``arc`` are the caller's indices (-1: no arc), ``parent`` a position in this log
    (-1: none), ``fate`` one of the names in `FATES`. ``complete`` is false when the log was too
    short.
    """

    FATES = ("kept", "dominated", "trimmed", "over limit", "over bound")

    node: NDArray[np.int64]
    cost: NDArray[np.float64]
    resources: NDArray[np.float64]
    parent: NDArray[np.int64]
    arc: NDArray[np.int64]
    fate: NDArray[np.int64]
    complete: bool


@dataclass(frozen=True)
class PathResult:
    """The outcome of :func:`splitopt.heuristics.labels.constrained_shortest_path`.

    Attributes
    ----------
    cost
        Cost of the path, summed from the source on; None when there is none.
    arcs
        Its arcs in order (empty when source is target, or when there is no path).
    resources
        What it uses, shape (K,); None when there is no path.
    bound
        A certified lower bound on the optimum under the limits as given; None when infeasible.
    guarantee
        What is certain about the path; None when there is none.
    termination
        Why the run ended.
    reason
        One line when there is no path: why.
    forbidding
        The limits that no path at all keeps, each by itself.
    statistics, front, log
        Counts and times; the front and the log when asked for.
    """

    cost: float | None
    arcs: NDArray[np.int64]
    resources: NDArray[np.float64] | None
    bound: float | None
    guarantee: Guarantee | None
    termination: Termination
    statistics: Statistics
    reason: str = ""
    forbidding: tuple[int, ...] = ()
    front: Front | None = None
    log: LabelLog | None = None

    @property
    def ratio(self) -> float | None:
        """Certified after the fact: cost / bound (1 when both are 0, inf when the bound is 0)."""
        if self.cost is None or self.bound is None:
            return None
        if self.cost <= self.bound:
            return 1.0
        return self.cost / self.bound if self.bound > 0 else float("inf")

    def replace(self, **changes: Any) -> PathResult:
        """Return a copy with some fields changed."""
        from dataclasses import replace

        return replace(self, **changes)
