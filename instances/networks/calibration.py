r"""Intervals and distributions of epochs that cover, by conformal prediction over groups of curves.

A prediction is a curve of errors e(0) >= e(1) >= ... >= e(H), the truth the first epoch K at which
a target t was met, or none within the H epochs measured. How wrong the prediction was is told in
errors, not in epochs: by which factor the target would have to be moved for the predicted curve to
meet it at K::

    late(K) = log(t / e(K - 1)),      early(K) = log(e(K) / t)

The sets ``{K: late(K) <= s}`` and ``{K: early(K) <= s}`` are ``K <= latest(s)`` and
``K >= earliest(s)``. A flat curve therefore gives a wide interval and a steep one a narrow one, and
a prediction of *never* is as good as any other: there is no ratio to an infinite K.

**Censoring.** What is calibrated is min(K, H + 1), which was always measured. A bound above H is
told as None, "not within H, perhaps never": no curve was measured there, so none can vouch.

**Groups.** The targets and sizes of one group (a network at a compression level) depend on each
other, so a group counts once: with G groups, of which group g has n_g scores, each score weighs
``1 / ((G + 1) n_g)``, and ``1 / (G + 1)`` is left for the group asked about, whose scores nobody
knows. It is put above all others where a bound must hold, and half above, half below where an
interval shall be no wider than it must. With groups exchangeable, and a case drawn evenly from the
group asked about, a bound at level p then holds with probability at least p, an interval with at
least ``p - 1 / (2 (G + 1))``; the proof stands in docs/epochs.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.curve_data import Floats, learning_data
from splitopt.instances.networks.curves import LearningCurve

#: Epochs that were measured.
HORIZON = 40
#: What the curve was fitted on, by what differs where it is used.
KNOWN = ("seeds", "runs", "fractions", "compressions", "models")

Integers = NDArray[np.int64]

_LEAST_ERROR = 1e-6
# Scores are logarithms of quotients of the same doubles that they are held against.
_SLACK = 1e-9


@dataclass(frozen=True, eq=False, slots=True)
class Prediction:
    """Predicted errors against one target.

    Attributes
    ----------
    errors
        After 0, 1, ..., H epochs, not rising.
    target
        The error to be met.
    seen
        Epochs after which it is known not to have been met yet; -1 when even the start is unknown.
    """

    errors: Floats
    target: float
    seen: int = -1

    @staticmethod
    def of(errors: Floats, target: float, seen: int = -1) -> Prediction:
        """Return the prediction for errors that may rise: each is lowered to the least so far."""
        if len(errors) == 0 or not (np.isfinite(errors).all() and (errors >= 0).all()):
            raise InputError("errors", errors.tolist(), "finite errors >= 0", "check the curve")
        fields.number("target", target, above=0)
        lowered = np.minimum.accumulate(np.maximum(errors, _LEAST_ERROR))
        return Prediction(lowered, float(target), seen)

    @property
    def beyond(self) -> int:
        """H + 1: what stands for later than measured, or never."""
        return len(self.errors)

    @property
    def epochs(self) -> int:
        """The K predicted."""
        return int(self.earliest(np.zeros(1))[0])

    def earliest(self, scores: Floats) -> Integers:
        """Return the least K whose `early` is at most each score."""
        limit = self.target * np.exp(scores) * (1.0 + _SLACK)
        found = np.searchsorted(-self.errors, -limit, side="left")
        return np.maximum(found, self.seen + 1)

    def latest(self, scores: Floats) -> Integers:
        """Return the largest K whose `late` is at most each score."""
        limit = self.target * np.exp(-scores) * (1.0 - _SLACK)
        found = np.searchsorted(-self.errors, -limit, side="right")
        return np.maximum(found, self.seen + 1)


def late(prediction: Prediction, epochs: int) -> float:
    """Return by how much the target was met later than predicted, in logarithms of errors."""
    if epochs == 0:
        return -math.inf
    return math.log(prediction.target / float(prediction.errors[epochs - 1]))


def early(prediction: Prediction, epochs: int) -> float:
    """Return by how much the target was met earlier than predicted; H + 1 epochs never are."""
    if epochs >= prediction.beyond:
        return -math.inf
    return math.log(float(prediction.errors[epochs]) / prediction.target)


def group_weights(groups: Sequence[object]) -> tuple[Floats, float]:
    """Return the weight of each score, and what is left for the group asked about."""
    sizes: dict[object, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    left = 1.0 / (len(sizes) + 1)
    return np.array([left / sizes[group] for group in groups], dtype=float), left


def quantile(values: Floats, weights: Floats, level: float) -> float:
    """Return the least value up to which the weights add up to `level`, infinite if they do not."""
    order = np.argsort(values, kind="stable")
    reached = np.searchsorted(np.cumsum(weights[order]), level - _SLACK)
    return float(values[order[reached]]) if reached < len(order) else math.inf


@dataclass(frozen=True, slots=True)
class EpochsDistribution:
    """What is known of K: integers with rational weights, and what is left for later or never.

    Every upper quantile is a bound that holds with at least its probability on curves like those
    calibrated on. Lower quantiles promise nothing: the distribution leans to the late side.

    Attributes
    ----------
    epochs
        Numbers of epochs, rising.
    weights
        Their probabilities, above 0.
    never
        Probability that is left for more than the epochs measured, or never.
    """

    epochs: tuple[int, ...]
    weights: tuple[Fraction, ...]
    never: Fraction

    def __post_init__(self) -> None:
        total = sum(self.weights, self.never)
        if total != 1 or self.never < 0 or any(w <= 0 for w in self.weights):
            raise InputError(
                "weights", str(total), "weights above 0 that add up to 1", "scale the weights"
            )
        if list(self.epochs) != sorted(set(self.epochs)) or len(self.epochs) != len(self.weights):
            raise InputError(
                "epochs", self.epochs, "rising integers, one a weight", "merge what is equal"
            )

    def quantile(self, level: float) -> int | None:
        """Return the least K with a probability of at least `level` up to it, None for never."""
        fields.number("level", level, above=0, maximum=1)
        total, wanted = Fraction(0), Fraction(str(level))
        for epochs, weight in zip(self.epochs, self.weights, strict=True):
            total += weight
            if total >= wanted:
                return epochs
        return None

    def decimal(self, places: int = 4) -> EpochsDistribution:
        """Return it with weights of so many decimals; what is rounded off moves to later epochs."""
        unit = 10 ** fields.integer("places", places, minimum=1, maximum=18)
        kept: list[tuple[int, Fraction]] = []
        total, given = Fraction(0), Fraction(0)
        for epochs, weight in zip(self.epochs, self.weights, strict=True):
            total += weight
            rounded = Fraction(math.floor(total * unit), unit)
            if rounded > given:
                kept.append((epochs, rounded - given))
                given = rounded
        return EpochsDistribution(
            tuple(k for k, _ in kept), tuple(w for _, w in kept), Fraction(1) - given
        )

    @staticmethod
    def calibrated(prediction: Prediction, scores: Sequence[Sequence[float]]) -> EpochsDistribution:
        """Return the distribution that scores of `late` give a prediction.

        Parameters
        ----------
        prediction
            Of the case asked about.
        scores
            For each group its scores, on predictions of the same kind; empty groups do not count.
        """
        groups = [group for group in scores if len(group)]
        share = Fraction(1, len(groups) + 1)
        found: dict[int, Fraction] = {}
        for group in groups:
            for k in prediction.latest(np.array(group, dtype=float)).tolist():
                found[k] = found.get(k, Fraction(0)) + share / len(group)
        never = share + found.pop(prediction.beyond, Fraction(0))
        epochs = sorted(found)
        return EpochsDistribution(tuple(epochs), tuple(found[k] for k in epochs), never)


def epochs_distribution(
    curve: LearningCurve,
    samples: int,
    target: float,
    *,
    differs: str = "seeds",
    unit: str = "pair",
) -> EpochsDistribution:
    """Return a calibrated distribution of the epochs that a fitted curve needs for a target.

    Scores are those of the committed measurements, apart from the pair (network, level) that the
    curve names. Predictions of more epochs than were measured are calibrated apart from the others.

    Parameters
    ----------
    curve
        A fit, such as those of instances.
    samples
        N, samples an epoch.
    target
        The error to be met, at most 0.2: above, the form is known to be too low at the start.
    differs
        What differs between the runs fitted and what is asked about: ``seeds``, the mean over
        other seeds; ``runs``, a single run with another seed; ``fractions``, N; ``compressions``,
        the compression level; ``models``, the network, as in generated instances, whose curves
        were taken over.
    unit
        What is exchangeable: ``pair``, a network of those measured at a compression level; or
        ``network``, a network of another kind. Three networks vouch for no probability above 3/4,
        beyond which every quantile is never.

    Raises
    ------
    InputError
        For an argument that is none of these.

    Examples
    --------
    >>> curve = LearningCurve("own", "none", 0.0, 0.5, 0.25, 105.0, 938.0)
    >>> found = epochs_distribution(curve, 600, 0.15)
    >>> curve.epochs(600, 0.15), found.quantile(0.9), found.quantile(0.95)
    (3, 3, 5)
    """
    fields.one_of("differs", differs, KNOWN)
    fields.one_of("unit", unit, ("pair", "network"))
    samples = fields.integer("samples", samples, minimum=1)
    errors = np.array([curve.error(k, samples) for k in range(HORIZON + 1)])
    prediction = Prediction.of(errors, fields.number("target", target, above=0, maximum=0.2))
    kind = "within" if prediction.epochs <= HORIZON else "beyond"
    groups: dict[object, list[float]] = {}
    for row in learning_data("digits-calibration")["scores"]:
        pair = (row["model"], row["compression"])
        if row["differs"] == differs and pair != (curve.model, curve.compression):
            groups.setdefault(row["model"] if unit == "network" else pair, []).extend(row[kind])
    return EpochsDistribution.calibrated(prediction, list(groups.values()))
