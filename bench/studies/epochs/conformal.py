"""Intervals of epochs calibrated on curves kept apart, judged on those left out.

For each protocol and predictor every pair (network, level) is left out in turn: its curves, and the
pair they were predicted from, are in no score. What the others' scores give is held against it
(`splitopt.instances.networks.calibration` has the scores, the weights and what they promise):

- an interval, by label-conditional (Mondrian) conformal prediction: scores of targets that were
  reached decide on the epochs measured, those of targets that were not decide on "later or never";
- an upper bound, by what is known when planning: predictions within the epochs measured are
  calibrated apart from those beyond.

Predictors that are fitted to other pairs leave out the pair asked about and the pair scored at once
(jackknife+); for the others this is split conformal prediction. Every pair counts the same, as in
the theorem. ``network`` as unit leaves out all pairs of a network, for which nothing is proven.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from splitopt.bench.studies.epochs.records import Reach, Record
from splitopt.bench.studies.epochs.regression import Pair
from splitopt.instances.networks.calibration import (
    HORIZON,
    Integers,
    Prediction,
    early,
    group_weights,
    late,
    quantile,
)
from splitopt.instances.networks.curve_data import Floats

LEVEL = 0.9
#: Targets the suite's form is meant for; it is known to be too low at the start.
STRICT = 0.20
Unit = Literal["pair", "network"]


@dataclass(frozen=True, slots=True)
class _Score:
    """By how much a prediction was late and early; whether it was within the epochs measured."""

    late: float
    early: float
    within: bool

    @staticmethod
    def of(prediction: Prediction, truth: int) -> _Score:
        within = prediction.epochs <= HORIZON
        return _Score(late(prediction, truth), early(prediction, truth), within)


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """One target of one curve.

    Attributes
    ----------
    pair, given
        Whose curve it is, and whose were fitted to predict it.
    truth
        Epochs measured, `HORIZON` + 1 for a target not reached.
    prediction, score
        What was predicted, and how wrong it was.
    apart
        The same from fits that left out another pair as well, by that pair.
    bootstrap
        Ends of the bootstrap's interval where there is one.
    """

    pair: Pair
    given: Pair
    truth: int
    prediction: Prediction
    score: _Score
    apart: Mapping[Pair, tuple[Prediction, _Score]]
    bootstrap: tuple[float, float] | None = None

    @staticmethod
    def of(record: Record, reach: Reach) -> Case:
        """Return the case behind a target of a record."""
        truth = HORIZON + 1 if reach.measured is None else reach.measured

        def scored(errors: Floats) -> tuple[Prediction, _Score]:
            found = Prediction.of(errors, reach.target, record.seen or -1)
            return found, _Score.of(found, truth)

        ends = (_end(reach.low), _end(reach.high)) if reach.has_interval else None
        return Case(
            (record.model, record.compression),
            record.given,
            truth,
            *scored(record.errors),
            {pair: scored(errors) for pair, errors in record.apart.items()},
            ends,
        )

    def without(self, pair: Pair) -> tuple[Prediction, _Score]:
        """Return what is predicted when `pair` is left out too, and how wrong it was."""
        return self.apart.get(pair, (self.prediction, self.score))

    @property
    def reached(self) -> bool:
        """Whether the target was reached within the epochs measured."""
        return self.truth <= HORIZON


@dataclass(frozen=True, slots=True)
class Found:
    """Interval and upper bound of a case; infinite stands for later than measured, or never."""

    case: Case
    low: float
    high: float
    bound: float

    @property
    def covers(self) -> bool:
        """Whether the truth is in the interval."""
        truth = self.case.truth if self.case.reached else math.inf
        return self.low <= truth <= self.high


def cases_of(records: Sequence[Record], protocol: str, predictor: str) -> list[Case]:
    """Return the cases behind records, for targets of at most 0.2."""
    return [
        Case.of(record, reach)
        for record in records
        if (record.protocol, record.predictor) == (protocol, predictor) and len(record.errors)
        for reach in record.reaches
        if reach.target <= STRICT
    ]


def _end(epochs: int | None) -> float:
    return math.inf if epochs is None or epochs > HORIZON else float(epochs)


@dataclass(frozen=True, eq=False, slots=True)
class _Scores:
    """Scores of a class of cases, pair by pair, with their weights and what weight is left."""

    values: Mapping[Pair, Floats]
    weights: Floats
    left: float
    known: dict[float, float] = field(default_factory=dict)

    @staticmethod
    def of(scored: Sequence[tuple[Pair, float]]) -> _Scores:
        found: dict[Pair, list[float]] = {}
        for pair, score in scored:
            found.setdefault(pair, []).append(score)
        weights, left = group_weights([pair for pair, those in found.items() for _ in those])
        return _Scores({pair: np.array(those) for pair, those in found.items()}, weights, left)

    def share(self, level: float) -> float:
        """Return the weight an interval takes in: half of what is left is on either side."""
        return 1.0 - self.left if level == 1.0 else level - self.left / 2.0

    def _end(
        self, case: Case, share: float, way: Callable[[Prediction, Floats], Integers]
    ) -> float:
        """Return the quantile of the epochs at which the case would have each score.

        Where all scores meet one prediction this is the epochs at the quantile of the scores.
        """
        if not case.apart:
            if share not in self.known:
                values = np.concatenate([*self.values.values(), np.zeros(0)])
                self.known[share] = quantile(values, self.weights, share)
            return float(way(case.prediction, np.array([self.known[share]]))[0])
        ends = [way(case.without(pair)[0], those) for pair, those in self.values.items()]
        sign = 1.0 if way is Prediction.latest else -1.0
        return sign * quantile(sign * np.concatenate([*ends, np.zeros(0)]), self.weights, share)

    def latest(self, case: Case, share: float) -> float:
        return self._end(case, share, Prediction.latest)

    def earliest(self, case: Case, share: float) -> float:
        return max(0.0, self._end(case, share, Prediction.earliest))


def _scores(cases: Sequence[Case], pair: Pair) -> dict[tuple[str, bool], _Scores]:
    """Return the scores for each class: reached or not, predicted within the epochs or not."""
    found: dict[tuple[str, bool], list[tuple[Pair, float]]] = {
        (kind, known): [] for kind in ("interval", "bound") for known in (True, False)
    }
    for case in cases:
        _, score = case.without(pair)
        found["interval", case.reached].append((case.pair, max(score.late, score.early)))
        found["bound", score.within].append((case.pair, score.late))
    return {key: _Scores.of(scored) for key, scored in found.items()}


def _judged(case: Case, scores: Mapping[tuple[str, bool], _Scores], level: float) -> Found:
    reached, beyond = scores["interval", True], scores["interval", False]
    low = reached.earliest(case, reached.share(level))
    high = min(reached.latest(case, reached.share(level)), float(HORIZON))
    # Whether "later or never" is in the interval is for the targets that were not reached to say.
    if beyond.latest(case, beyond.share(level)) > HORIZON:
        low, high = math.inf if low > HORIZON else low, math.inf
    elif low > high:  # nothing is: the prediction alone stays
        low = high = _end(case.prediction.epochs)
    bound = scores["bound", case.score.within].latest(case, level)
    return Found(case, low, high, math.inf if bound > HORIZON else bound)


def calibrate(cases: Sequence[Case], level: float = LEVEL, unit: Unit = "pair") -> list[Found]:
    """Return an interval and an upper bound for each case, from cases of other pairs or networks.

    Parameters
    ----------
    cases
        Of one protocol and predictor.
    level
        Nominal coverage; 1 for all scores there are.
    unit
        ``pair`` leaves out every case that has the pair asked about, or the one it was predicted
        from, in its truth or fit; ``network`` every case whose truth is of that network.
    """
    found = []
    for pair in dict.fromkeys(case.pair for case in cases):
        mine = [case for case in cases if case.pair == pair]
        touched = {pair} | {case.given for case in mine}
        if unit == "network":
            others = [case for case in cases if case.pair[0] != pair[0]]
        else:
            others = [case for case in cases if not touched & {case.pair, case.given}]
        scores = _scores(others, pair)
        found += [_judged(case, scores, level) for case in mine]
    return found
