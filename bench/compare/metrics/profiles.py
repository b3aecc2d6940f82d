"""Profiles: shares of instances, as functions of a factor or of a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StepFunction:
    """A share of instances that rises with x: `y[k]` from `x[k]` on, 0 before ``x[0]``."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, at: float) -> float:
        """Return the share at `at`."""
        index = int(np.searchsorted(self.x, at, side="right"))
        return 0.0 if index == 0 else self.y[index - 1]


def _distribution(values: Floats) -> StepFunction:
    """Return the share of `values` that are at most x; infinite ones never are."""
    finite = np.sort(values[np.isfinite(values)])
    x, counts = np.unique(finite, return_counts=True)
    y = np.cumsum(counts) / len(values)
    return StepFunction(tuple(x.tolist()), tuple(y.tolist()))


def _table(costs: Mapping[str, Sequence[float]]) -> tuple[list[str], Floats]:
    names = list(costs)
    table = np.array([costs[name] for name in names], dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise ValueError("one cost an instance for every method, at least one instance")
    if bool(np.isnan(table).any()) or bool((table < 0).any()):
        raise ValueError("a cost is >= 0, infinite for a failure")
    return names, table


def performance_profile(
    costs: Mapping[str, Sequence[float]], floor: float = 0.0
) -> dict[str, StepFunction]:
    """Return the Dolan-More performance profile of each method.

    ``rho_m(tau)``: the share of instances on which the cost of method m is at most tau times
    the least cost of any method. Instances that no method solves count in the share.

    Parameters
    ----------
    costs
        Cost by method, one an instance in the same order, infinite for a failure.
    floor
        Costs below it count as it: what lies below the clock's resolution is no advantage.

    Notes
    -----
    With more than two methods the profiles do not rank the methods below the best: leaving
    one out can swap two others (Gould and Scott, 2016). Read the order with care.
    """
    names, table = _table(costs)
    table = np.maximum(table, floor)
    best = table.min(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(np.isfinite(table), table / best, np.inf)
    # 0 / 0: as good as the best.
    ratios[np.isfinite(table) & (table == best)] = 1.0
    return {name: _distribution(ratios[k]) for k, name in enumerate(names)}


def data_profile(
    costs: Mapping[str, Sequence[float]], sizes: Sequence[float] | None = None
) -> dict[str, StepFunction]:
    """Return the data profile of each method: the share of instances solved within a budget.

    ``d_m(x)``: the share of instances whose cost is at most ``x * (n + 1)`` (More and Wild,
    2009), n the size of the instance; without `sizes` at most x, the plain distribution of
    costs, which does not depend on the other methods.
    """
    names, table = _table(costs)
    if sizes is not None:
        scale = np.asarray(sizes, dtype=np.float64) + 1.0
        if scale.shape != table.shape[1:] or bool((scale < 1.0).any()):
            raise ValueError("one size >= 0 an instance")
        table = table / scale
    return {name: _distribution(table[k]) for k, name in enumerate(names)}
