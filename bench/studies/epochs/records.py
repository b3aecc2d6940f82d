"""What a predictor of epochs said of a curve that was held apart, and what is true of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from splitopt.bench.studies.epochs.forms import first_at_or_below
from splitopt.bench.studies.epochs.regression import Pair
from splitopt.instances.networks.calibration import HORIZON as MEASURED
from splitopt.instances.networks.curve_data import Floats
from splitopt.instances.networks.curve_fitting import epochs_interval
from splitopt.instances.networks.curves import LearningCurve

__all__ = ["MEASURED", "TARGETS", "Held", "Reach", "Record", "judge"]

TARGETS = (0.10, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.18, 0.20, 0.25, 0.30, 0.35, 0.40)
LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Reach:
    """One target: epochs measured and predicted, None for never; and the interval's ends.

    ``low`` None with `has_interval` means that all of the interval is never.
    """

    target: float
    measured: int | None
    predicted: int | None
    low: int | None = None
    high: int | None = None
    has_interval: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One predictor on one case under one protocol.

    Attributes
    ----------
    mean_error, bias
        Mean of |predicted - measured| and of predicted - measured error over the held-out epochs.
    reaches
        Targets below the first error and not reached in what was seen.
    seen
        Epochs of the case itself that were given.
    given
        The pair whose curves were fitted.
    errors
        As measured up to `seen`, as predicted after, up to the epochs measured.
    apart
        The same from a fit that left out another pair too, by that pair; empty where no other
        pair's curves are fitted.
    """

    protocol: str
    predictor: str
    model: str
    compression: str
    samples: int
    mean_error: float
    bias: float
    reaches: tuple[Reach, ...]
    seen: int = 0
    given: Pair = ("", "")
    errors: Floats = field(default_factory=lambda: np.zeros(0))
    apart: Mapping[Pair, Floats] = field(default_factory=dict)

    def to_document(self) -> dict[str, object]:
        """Return what was judged as a JSON object, without the curves."""
        return {
            "protocol": self.protocol,
            "predictor": self.predictor,
            "model": self.model,
            "compression": self.compression,
            "samples": self.samples,
            "mean_error": self.mean_error,
            "bias": self.bias,
            "reaches": [asdict(reach) for reach in self.reaches],
        }


@dataclass(frozen=True, eq=False, slots=True)
class Held:
    """A held-out curve: N, errors by k, and how many epochs of it were seen."""

    samples: int
    errors: Floats
    seen: int = 0


def judge(
    where: tuple[str, str, str, str],
    case: Held,
    predicted: Floats,
    intervals: LearningCurve | None = None,
    resampled: Sequence[LearningCurve] = (),
) -> Record:
    """Hold predicted errors at k = 0, 1, ... against a case."""
    held = np.arange(max(case.seen + 1, 1), len(case.errors))
    off = predicted[held] - case.errors[held]
    reaches = []
    for target in TARGETS:
        measured = first_at_or_below(case.errors, target)
        if measured is not None and measured <= case.seen:
            continue  # it was seen, or needs no epoch
        if case.errors[0] <= target:
            continue
        guess = first_at_or_below(predicted, target)
        if intervals is None:
            reaches.append(Reach(target, measured, guess))
            continue
        low, _, high = epochs_interval(intervals, resampled, case.samples, target, LEVEL)
        reaches.append(Reach(target, measured, guess, low, high, True))
    protocol, predictor, model, compression = where
    return Record(
        protocol,
        predictor,
        model,
        compression,
        case.samples,
        float(np.abs(off).mean()),
        float(off.mean()),
        tuple(reaches),
        seen=case.seen,
        given=(model, compression),
        errors=_spliced(case, predicted),
    )


def _spliced(case: Held, predicted: Floats) -> Floats:
    """Return the errors seen, then those predicted, up to the epochs measured."""
    known = case.seen + 1 if case.seen else 0
    return np.concatenate([case.errors[:known], predicted[known : MEASURED + 1]])
