"""Forms of learning curves that the suite's own is held against, fitted alike.

Each predicts the mean error from x, a count of epochs or of sample passes k N::

    optimus      1 / (b0 x + b1) + b2          Peng et al., EuroSys 2018: the O(1/k) rate of SGD
    slaq         1 / (a x^2 + b x + c) + d     Zhang et al., SoCC 2017: sublinear and faster phases
    power        a x^-b + c                    a power law in the samples seen
    power-data   a_k N^-b_k + c_k              a power law in the data for each number of epochs k

with all parameters at least 0. All are fitted by what the suite's own form is fitted by
(`splitopt.instances.networks.curve_fitting`): squares of relative errors, each octave of epochs
counting the same, k = 0 left out. ``last`` carries on with what was measured last and fits nothing.

For a fixed nonlinear parameter each form is linear in two others, a non-negative least-squares
problem in two unknowns with a closed solution; the nonlinear one is searched on a grid, then on
finer ones around the best. SLAQ's has three at once and is refined by SciPy from several starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from splitopt.instances.networks.curve_data import Floats

#: Predicted error at x.
Curve = Callable[[Floats], Floats]

_REFINEMENTS = 4
_GRID = 40
# A mean error of 0 would have an infinite weight: half a per mille stands for it.
_LEAST_ERROR = 5e-4


@dataclass(frozen=True, eq=False, slots=True)
class Points:
    """Measured mean errors: x > 0, the error there, and the number of epochs k >= 1 behind it."""

    x: Floats
    error: Floats
    epochs: Floats

    @property
    def weights(self) -> Floats:
        """Weights of the residuals: 1 / (error sqrt(k))."""
        weights: Floats = 1.0 / np.maximum(self.error, _LEAST_ERROR) / np.sqrt(self.epochs)
        return weights


def _two_columns(columns: Floats, points: Points) -> tuple[Floats, Floats, Floats]:
    """Fit ``u column + v`` with u, v >= 0 for each row of `columns`, shape (grid, points).

    Returns u, v and the weighted sum of squares, each of shape (grid,).
    """
    w = points.weights
    y = points.error * w
    first, second = columns * w, w
    aa, ab, bb = (first**2).sum(axis=1), first @ second, float((second**2).sum())
    ay, by = first @ y, float(second @ y)
    determinant = aa * bb - ab**2
    safe = np.where(determinant > 1e-12 * aa * bb, determinant, 1.0)
    u = np.where(determinant > 1e-12 * aa * bb, (ay * bb - by * ab) / safe, 0.0)
    v = np.where(determinant > 1e-12 * aa * bb, (aa * by - ab * ay) / safe, by / bb)
    # At most one unknown is held at 0; which one shows in the unconstrained solution.
    v = np.where(u < 0, by / bb, v)
    u = np.maximum(u, 0.0)
    u = np.where(v < 0, ay / aa, u)
    v = np.maximum(v, 0.0)
    residual = u[:, None] * first + v[:, None] * second - y
    return u, v, (residual**2).sum(axis=1)


def _search(
    column: Callable[[Floats], Floats], low: float, high: float, points: Points
) -> tuple[float, float, float]:
    """Return (t, u, v) of the best fit ``u column(t) + v`` with low <= t <= high, t > 0."""
    ends = (low, high)
    best = (math.inf, low, 0.0, 0.0)
    for _ in range(_REFINEMENTS):
        grid = np.geomspace(*ends, _GRID)
        u, v, squares = _two_columns(column(grid), points)
        k = int(np.argmin(squares))
        if squares[k] < best[0]:
            best = (float(squares[k]), float(grid[k]), float(u[k]), float(v[k]))
        ends = (float(grid[max(k - 1, 0)]), float(grid[min(k + 1, _GRID - 1)]))
    return best[1:]


def _optimus(points: Points) -> Curve:
    """Fit ``1 / (b0 x + b1) + b2`` as ``u / (x + t) + v``: b0 = 1 / u, b1 = t / u, b2 = v."""
    most = float(points.x.max())
    t, u, v = _search(
        lambda grid: 1.0 / (points.x[None, :] + grid[:, None]), 1e-3 * most, 1e3 * most, points
    )
    return lambda x: u / (x + t) + v


def _power(points: Points) -> Curve:
    """Fit ``a x^-b + c``; x is scaled by its largest value, so that a is an error."""
    most = float(points.x.max())
    scaled = points.x / most
    t, u, v = _search(lambda grid: scaled[None, :] ** -grid[:, None], 0.01, 3.0, points)
    return lambda x: u * (np.maximum(x, 1e-9 * most) / most) ** -t + v


def _slaq(points: Points) -> Curve:
    """Fit ``1 / (a x^2 + b x + c) + d``, from the Optimus fit and from three quadratic starts."""
    from scipy.optimize import least_squares

    most = float(points.x.max())
    x, weights = points.x / most, points.weights
    top, least = float(points.error.max()), float(points.error.min())

    def value(p: Floats, at: Floats) -> Floats:
        result: Floats = 1.0 / np.maximum(p[0] * at**2 + p[1] * at + p[2], 1e-9) + p[3]
        return result

    t, u, v = _search(lambda grid: 1.0 / (x[None, :] + grid[:, None]), 1e-3, 1e3, points)
    u = max(u, 1e-6)
    starts = [np.array([0.0, 1.0 / u, t / u, v])]
    for floor in (0.0, 0.5 * least, 0.9 * least):
        fall = 1.0 / max(least - floor, 1e-3) - 1.0 / max(top - floor, 1e-3)
        starts.append(np.array([fall, 0.0, 1.0 / max(top - floor, 1e-3), floor]))

    def residuals(p: Floats) -> Floats:
        off: Floats = (value(p, x) - points.error) * weights
        return off

    found = [
        least_squares(
            residuals,
            start,
            bounds=(0.0, np.inf),
            x_scale=np.maximum(start, 1e-3),
            max_nfev=200,
        )
        for start in starts
    ]
    best = min(found, key=lambda result: float(result.cost)).x
    return lambda at: value(best, at / most)


FORMS: Mapping[str, Callable[[Points], Curve]] = {
    "optimus": _optimus,
    "slaq": _slaq,
    "power": _power,
}


def fit_form(name: str, points: Points) -> Curve:
    """Fit one of `FORMS`."""
    return FORMS[name](points)


def fit_power_data(curves: Mapping[int, Floats], samples: int) -> Floats:
    """Return the errors predicted at `samples` for each k by ``a_k N^-b_k + c_k`` over other N.

    Parameters
    ----------
    curves
        For each N the mean errors after 0, 1, 2, ... epochs, of one length.
    samples
        The N to predict for.
    """
    numbers = np.array(sorted(curves), dtype=float)
    table = np.stack([curves[int(n)] for n in numbers])
    predicted = []
    for k in range(table.shape[1]):
        points = Points(numbers, table[:, k], np.ones(len(numbers)))
        predicted.append(float(_power(points)(np.array([float(samples)]))[0]))
    return np.array(predicted)


def first_at_or_below(errors: Floats, target: float) -> int | None:
    """Return the least k with ``errors[k] <= target``, None when there is none."""
    reached = np.flatnonzero(errors <= target + 1e-12)
    return int(reached[0]) if len(reached) else None
