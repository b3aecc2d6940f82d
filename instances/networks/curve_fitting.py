"""Fit of measured learning curves, and how uncertain the epochs are that follow from it.

For one model at one compression level the mean error over seeds after k epochs on N samples an
epoch is fitted by::

    err(k, N) = c + G N^-g + A / (k N + b),        c, G, A >= 0,  b > 0

(c ``floor``, G ``data_scale``, g ``data_exponent``, A ``rate_scale``, b ``rate_offset``).

Objective: least squares of relative errors, each octave of epochs counting the same::

    sum over N and k >= 1 of  (err(k, N) / e_kN - 1)^2 / k

with e_kN the mean measured error. Relative, because the K of a target follows from differences that
are small where the error is small; by octaves, because K spans orders of magnitude and most of the
measured points lie on the plateau. The start k = 0 is left out: there the error does not depend on
N, which the form cannot follow (only the data term depends on N alone), and theory's rate holds for
a late phase. So the form is too low at k = 0 and may find a K of 0 for targets not far below the
error at the start; ``rmse_start`` tells by how much.

Method: for fixed (g, b) the form is linear in (c, G, A), a non-negative least-squares problem with
three unknowns, solved exactly (variable projection, Golub and Pereyra 1973). What remains is a
search in two dimensions: a grid, then Nelder and Mead from its best points. No random numbers.

scipy is imported inside the functions: it is slow to start.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.curve_data import Floats, curve_errors
from splitopt.instances.networks.curves import LearningCurve

EXPONENT_RANGE = (0.05, 2.0)  # of g; below, G N^-g and the floor cannot be told apart
OFFSET_RANGE = (1.0, 1e5)  # of b, in samples
DIGITS = 6
RESAMPLES = 40


@dataclass(frozen=True, slots=True)
class CurveFit:
    """Fitted parameters of ``c + G N^-g + A / (k N + b)`` and how well they fit.

    Attributes
    ----------
    floor, data_scale, data_exponent, rate_scale, rate_offset
        c, G, g, A and b (samples).
    rmse
        Root mean square of fitted minus mean measured error over all N and k >= 1.
    worst
        The largest absolute residual over all N and k >= 1.
    rmse_start
        Root mean square of the residuals at k = 0.
    """

    floor: float
    data_scale: float
    data_exponent: float
    rate_scale: float
    rate_offset: float
    rmse: float
    worst: float
    rmse_start: float

    @property
    def parameters(self) -> tuple[float, float, float, float, float]:
        """The five parameters (c, G, g, A, b)."""
        return (
            self.floor,
            self.data_scale,
            self.data_exponent,
            self.rate_scale,
            self.rate_offset,
        )

    def curve(self, model: str, compression: str) -> LearningCurve:
        """Return the learning curve with these parameters."""
        return LearningCurve(model, compression, *self.parameters)


def _round(value: float) -> float:
    """Return `value` with the significant digits that instances store."""
    return float(f"{value:.{DIGITS}g}")


def _points(curves: Mapping[int, Floats]) -> tuple[Floats, Floats, Floats]:
    """Return epochs k, samples N and mean errors of all points."""
    if len(curves) < 2:
        raise InputError(
            "curves", sorted(curves), "curves for at least two N", "measure more fractions"
        )
    for samples, errors in curves.items():
        if samples < 1 or errors.ndim != 1 or len(errors) < 3:
            raise InputError(
                f"curves[{samples}]",
                errors.shape,
                "N >= 1 and the errors after 0, 1, 2, ... epochs",
                "give at least three errors",
            )
        if not (np.isfinite(errors).all() and (errors >= 0).all()):
            raise InputError(
                f"curves[{samples}]",
                float(errors.min()),
                "finite errors >= 0",
                "check the measurement",
            )
    return (
        np.concatenate([np.arange(len(e), dtype=float) for e in curves.values()]),
        np.concatenate([np.full(len(e), float(n)) for n, e in curves.items()]),
        np.concatenate(list(curves.values())),
    )


def _project(
    exponent: float, offset: float, points: tuple[Floats, Floats, Floats], weights: Floats
) -> tuple[float, Floats]:
    """Return the least objective for fixed (g, b) and the (c, G, A) that reach it."""
    from scipy.optimize import nnls

    epochs, samples, errors = points
    columns = np.stack(
        [np.ones_like(errors), samples**-exponent, 1.0 / (epochs * samples + offset)], axis=1
    )
    # Columns of like size keep the small linear problem well conditioned.
    scale = columns.max(axis=0)
    solution, residual = nnls(columns / scale * weights[:, None], errors * weights)
    return float(residual) ** 2, np.asarray(solution / scale, dtype=float)


def fit_curve(curves: Mapping[int, Floats]) -> CurveFit:
    """Fit one model at one compression level.

    Parameters
    ----------
    curves
        For each N the mean errors after 0, 1, 2, ... epochs. Lengths may differ.

    Returns
    -------
    CurveFit
        Parameters rounded to six significant digits (they become data of instances), and the
        residuals of the rounded form. Where the data term vanishes the exponent is 0; where the
        rate term does, the offset is 1.

    Raises
    ------
    InputError
        For fewer than two N, fewer than three errors a curve, errors that are negative or not
        finite.
    """
    from scipy.optimize import minimize

    points = _points(curves)
    epochs, samples, errors = points
    # A mean error of 0 would have an infinite weight: half a per mille stands for it.
    weights = (epochs > 0) / np.sqrt(np.maximum(epochs, 1.0)) / np.maximum(errors, 5e-4)

    def objective(x: Sequence[float] | Floats) -> float:
        return _project(float(x[0]), math.exp(float(x[1])), points, weights)[0]

    bounds = [EXPONENT_RANGE, (math.log(OFFSET_RANGE[0]), math.log(OFFSET_RANGE[1]))]
    grid = [(g, t) for g in np.geomspace(*EXPONENT_RANGE, 12) for t in np.linspace(*bounds[1], 24)]
    starts = sorted((objective(x), *x) for x in grid)[:3]
    found = [
        minimize(
            objective,
            np.array(start[1:]),
            method="Nelder-Mead",
            bounds=bounds,
            options={"xatol": 1e-6, "fatol": 1e-14, "maxiter": 400},
        )
        for start in starts
    ]
    best = min(found, key=lambda result: float(result.fun))
    exponent, offset = float(best.x[0]), math.exp(float(best.x[1]))
    floor, data_scale, rate_scale = _project(exponent, offset, points, weights)[1]
    c, G, A = _round(float(floor)), _round(float(data_scale)), _round(float(rate_scale))
    g = _round(exponent) if G > 0 else 0.0
    b = _round(offset) if A > 0 else 1.0
    residuals = c + G * samples**-g + A / (epochs * samples + b) - errors
    trained = residuals[epochs > 0]
    return CurveFit(
        floor=c,
        data_scale=G,
        data_exponent=g,
        rate_scale=A,
        rate_offset=b,
        rmse=_round(float(np.sqrt((trained**2).mean()))),
        worst=_round(float(np.abs(trained).max())),
        rmse_start=_round(float(np.sqrt((residuals[epochs == 0] ** 2).mean()))),
    )


def bootstrap_fits(
    curves: Mapping[int, Floats], resamples: int, rng: np.random.Generator
) -> list[CurveFit]:
    """Refit on resampled seeds.

    A resample draws as many seeds as there are, with replacement, the same ones for every N: a
    seed's curves share their network and their order of the data.

    Parameters
    ----------
    curves
        For each N the errors ``(seeds, epochs + 1)``, rows in the same order of seeds.
    resamples
        Number of fits.
    rng
        Draws the seeds.
    """
    counts = {len(errors) for errors in curves.values()}
    if len(counts) != 1:
        raise InputError(
            "curves", sorted(counts), "the same seeds for every N", "measure the missing seeds"
        )
    seeds = counts.pop()
    fits = []
    for _ in range(resamples):
        drawn = rng.integers(seeds, size=seeds)
        fits.append(fit_curve({n: errors[drawn].mean(axis=0) for n, errors in curves.items()}))
    return fits


def epochs_interval(
    curve: LearningCurve,
    resampled: Iterable[LearningCurve],
    samples: int,
    target: float,
    level: float = 0.9,
) -> tuple[int | None, int | None, int | None]:
    """Return (low, point, high): the epochs of `curve` and a percentile interval around them.

    The interval covers the mean over seeds that the fit predicts, not the luck of a single run.

    Parameters
    ----------
    curve
        The fit on all seeds, whose K is the point.
    resampled
        Fits on resampled seeds.
    samples, target
        N and the error target.
    level
        Share of the resamples between the ends; ends are values of resamples, rounded outwards,
        and are moved to the point where it lies outside.

    Returns
    -------
    tuple
        None stands for out of reach and counts as larger than any number.
    """
    fields.number("level", level, minimum=0, maximum=1)

    def rank(epochs: int | None) -> float:
        return math.inf if epochs is None else float(epochs)

    found = sorted((other.epochs(samples, target) for other in resampled), key=rank)
    if not found:
        raise InputError("resampled", 0, "at least one fit", "bootstrap the fit first")
    point = curve.epochs(samples, target)
    tail = (1.0 - level) / 2.0 * (len(found) - 1)
    low = found[math.floor(tail + 1e-9)]
    high = found[math.ceil(len(found) - 1 - tail - 1e-9)]
    return min(low, point, key=rank), point, max(high, point, key=rank)


def fit_document(
    document: Mapping[str, Any], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Fit every pair of a document of curves.

    Parameters
    ----------
    document
        A document ``splitopt-learning-curves``.
    resamples
        Bootstrap fits a pair.
    seed
        First word of the seeds of the bootstrap.

    Returns
    -------
    dict
        A document ``splitopt-curve-fits``; ``bootstrap`` lists (c, G, g, A, b) of each resample.
    """
    fits = []
    for m, model in enumerate(document["models"]):
        for c, compression in enumerate(document["compressions"]):
            curves = curve_errors(document, model["name"], compression["name"])
            fit = fit_curve({n: errors.mean(axis=0) for n, errors in curves.items()})
            rng = np.random.default_rng([seed, m, c])
            resampled = bootstrap_fits(curves, resamples, rng)
            fits.append(
                {
                    "model": model["name"],
                    "compression": compression["name"],
                    "floor": fit.floor,
                    "data_scale": fit.data_scale,
                    "data_exponent": fit.data_exponent,
                    "rate_scale": fit.rate_scale,
                    "rate_offset": fit.rate_offset,
                    "rmse": fit.rmse,
                    "worst": fit.worst,
                    "rmse_start": fit.rmse_start,
                    "seeds": min(len(errors) for errors in curves.values()),
                    **model["factors"][compression["name"]],
                    "bootstrap": [list(other.parameters) for other in resampled],
                }
            )
    return {
        "format": "splitopt-curve-fits",
        "version": 1,
        "name": f"{document['name']}-fits",
        "curves": document["name"],
        "form": "floor + data_scale N^-data_exponent + rate_scale / (k N + rate_offset)",
        "fits": fits,
    }
