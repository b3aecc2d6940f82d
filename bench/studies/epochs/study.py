"""The predictor of epochs held against measured curves that it has not seen.

A case is a model at a compression level with N samples an epoch. Its truth is the mean error over
seeds after k = 0..40 epochs, and for each target the least k at which that is reached. What a
predictor is given, by protocol:

``epochs-n``
    The first n epochs of the case itself, and those of the other N for forms that use N.
``seeds``
    Other seeds: all curves of one half of the seeds, held against the mean of the other half, and
    the other way round.
``runs``
    The same, held against each run of the other half on its own.
``fractions``
    Other N of the same model and level.
``compressions``
    Other levels of the same model. No form knows levels: the curve of the nearest level is taken
    over, near in the logarithms of the three size factors.
``models``
    The same level of the model next in size, as generated instances do across size classes.

Predictors: ``splitopt`` (the suite's form), those of `splitopt.bench.studies.epochs.forms`,
``regression`` on the curves of other pairs (`splitopt.bench.studies.epochs.regression`), and
``last``, which fits nothing: the last error seen goes on (``epochs-n``), or the nearest measured
curve is taken as it is (by sample passes in ``fractions``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from splitopt.bench.studies.epochs.forms import (
    FORMS,
    Curve,
    Points,
    fit_form,
    fit_power_data,
)
from splitopt.bench.studies.epochs.records import Held, Record, judge
from splitopt.bench.studies.epochs.regression import LEAST_PAIRS, Pair, Regression
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.curve_data import Floats, curve_errors, learning_data
from splitopt.instances.networks.curve_fitting import bootstrap_fits, fit_curve
from splitopt.instances.networks.curves import LearningCurve

FIRST = (5, 10, 20)
PROTOCOLS = (
    *(f"epochs-{n}" for n in FIRST),
    "seeds",
    "runs",
    "fractions",
    "compressions",
    "models",
)
# Epochs up to which a prediction is looked at; none within is "never".
HORIZON = 4000

Means = dict[int, Floats]


def _means(curves: Mapping[int, Floats], seeds: Sequence[int] | None = None) -> Means:
    rows = slice(None) if seeds is None else list(seeds)
    return {n: errors[rows].mean(axis=0) for n, errors in curves.items()}


def _cut(curves: Mapping[int, Floats], last: int) -> dict[int, Floats]:
    return {n: errors[..., : last + 1] for n, errors in curves.items()}


def _points(means: Mapping[int, Floats]) -> Points:
    """Return all points k >= 1 over sample passes x = k N."""
    epochs = np.concatenate([np.arange(1.0, len(e)) for e in means.values()])
    passes = np.concatenate([n * np.arange(1.0, len(e)) for n, e in means.items()])
    return Points(passes, np.concatenate([e[1:] for e in means.values()]), epochs)


def _by_passes(curve: Curve, samples: int) -> Floats:
    return curve(samples * np.arange(HORIZON + 1.0))


def _own(curve: LearningCurve, samples: int) -> Floats:
    epochs = np.arange(HORIZON + 1.0)
    flat = curve.floor + curve.data_scale * samples**-curve.data_exponent
    errors: Floats = flat + curve.rate_scale / (epochs * samples + curve.rate_offset)
    return errors


def _held(errors: Floats) -> Floats:
    """Return a measured curve that stays at its last value beyond its end."""
    return np.concatenate([errors, np.full(HORIZON + 1 - len(errors), errors[-1])])


@dataclass(frozen=True, eq=False)
class _Study:
    """What all protocols share: the document, how many resamples, and the seed."""

    document: Mapping[str, Any]
    resamples: int
    seed: int
    halves: dict[
        tuple[str, str, int], tuple[dict[int, Floats], LearningCurve, list[LearningCurve]]
    ] = field(default_factory=dict)

    def curves(self, model: str, compression: str) -> dict[int, Floats]:
        return curve_errors(self.document, model, compression)

    @cached_property
    def all_means(self) -> dict[Pair, Means]:
        """Mean curves of every pair."""
        return {pair: _means(self.curves(*pair)) for pair in pairs(self.document)}

    def _fit_own(
        self, curves: Mapping[int, Floats], axis: Sequence[int]
    ) -> tuple[LearningCurve, list[LearningCurve]]:
        """Fit the suite's form to the means of ``(seeds, epochs + 1)`` curves, and resamples."""
        curve = fit_curve(_means(curves)).curve("m", "c")
        rng = np.random.default_rng([self.seed, *axis])
        fits = bootstrap_fits(curves, self.resamples, rng) if self.resamples else []
        return curve, [fit.curve("m", "c") for fit in fits]

    def epochs(self, model: str, compression: str, first: int) -> Iterator[Record]:
        curves = self.curves(model, compression)
        means = _means(curves)
        own, resampled = self._fit_own(_cut(curves, first), (0, first, *_axis(model, compression)))
        where = f"epochs-{first}"
        for n, errors in means.items():
            case = Held(n, errors, first)
            at = (where, "splitopt", model, compression)
            yield judge(at, case, _own(own, n), own if resampled else None, resampled)
            seen = errors[: first + 1]
            points = _points({n: seen})
            for form in FORMS:
                at = (where, form, model, compression)
                yield judge(at, case, _by_passes(fit_form(form, points), n))
            yield judge((where, "last", model, compression), case, _held(seen))
        yield from self._regressed(model, compression, first)

    def _regressed(self, model: str, compression: str, first: int) -> Iterator[Record]:
        known = pairs(self.document)
        if len(known) <= LEAST_PAIRS:
            return
        fitted = Regression(known, self.all_means, first)
        pair = (model, compression)
        found = fitted.predict(pair)
        apart = {other: fitted.predict(pair, {other}) for other in known if other != pair}
        for n, errors in self.all_means[pair].items():
            where = (f"epochs-{first}", "regression", model, compression)
            record = judge(where, Held(n, errors, first), _held(found[n]))
            yield replace(record, apart={other: part[n] for other, part in apart.items()})

    def _half(
        self, model: str, compression: str, k: int
    ) -> tuple[dict[int, Floats], LearningCurve, list[LearningCurve]]:
        """Return one half of the seeds' curves and what is fitted to them, once for all."""
        key = (model, compression, k)
        if key not in self.halves:
            part = {n: e[k::2] for n, e in self.curves(model, compression).items()}
            fits = self._fit_own(part, (1, k, *_axis(model, compression)))
            self.halves[key] = (part, *fits)
        return self.halves[key]

    def seeds(self, model: str, compression: str) -> Iterator[Record]:
        for k in (0, 1):
            part, own, resampled = self._half(model, compression, k)
            means = _means(part)
            rest = {n: e[1 - k :: 2] for n, e in self.curves(model, compression).items()}
            for n, errors in _means(rest).items():
                case = Held(n, errors)
                at = ("seeds", "splitopt", model, compression)
                yield judge(at, case, _own(own, n), own if resampled else None, resampled)
                points = _points({n: means[n]})
                for form in FORMS:
                    at = ("seeds", form, model, compression)
                    yield judge(at, case, _by_passes(fit_form(form, points), n))
                yield judge(("seeds", "last", model, compression), case, _held(means[n]))

    def runs(self, model: str, compression: str) -> Iterator[Record]:
        for k in (0, 1):
            part, own, resampled = self._half(model, compression, k)
            means = _means(part)
            for n, errors in self.curves(model, compression).items():
                predicted, held = _own(own, n), _held(means[n])
                for run in errors[1 - k :: 2]:
                    case = Held(n, run)
                    at = ("runs", "splitopt", model, compression)
                    yield judge(at, case, predicted, own if resampled else None, resampled)
                    yield judge(("runs", "last", model, compression), case, held)

    def fractions(self, model: str, compression: str) -> Iterator[Record]:
        curves = self.curves(model, compression)
        means = _means(curves)
        for n, errors in means.items():
            others = {m: e for m, e in curves.items() if m != n}
            own, resampled = self._fit_own(others, (2, n, *_axis(model, compression)))
            case = Held(n, errors)
            at = ("fractions", "splitopt", model, compression)
            yield judge(at, case, _own(own, n), own if resampled else None, resampled)
            rest = _means(others)
            points = _points(rest)
            for form in FORMS:
                at = ("fractions", form, model, compression)
                yield judge(at, case, _by_passes(fit_form(form, points), n))
            at = ("fractions", "power-data", model, compression)
            yield judge(at, case, _held(fit_power_data(rest, n)))
            near = min(rest, key=lambda m: (abs(math.log(m / n)), m))
            passes = np.minimum(np.round(n * np.arange(HORIZON + 1) / near), len(rest[near]) - 1)
            taken = rest[near][passes.astype(int)]
            yield judge(("fractions", "last", model, compression), case, taken)

    def taken_over(
        self, protocol: str, model: str, compression: str, giver: Pair
    ) -> Iterator[Record]:
        for record in self._taken_over(protocol, model, compression, giver):
            yield replace(record, given=giver)

    def _taken_over(
        self, protocol: str, model: str, compression: str, giver: Pair
    ) -> Iterator[Record]:
        given = self.curves(*giver)
        own, resampled = self._fit_own(given, (3, *_axis(*giver)))
        means = _means(given)
        for n, errors in _means(self.curves(model, compression)).items():
            case = Held(n, errors)
            at = (protocol, "splitopt", model, compression)
            yield judge(at, case, _own(own, n), own if resampled else None, resampled)
            points = _points({n: means[n]})
            for form in FORMS:
                at = (protocol, form, model, compression)
                yield judge(at, case, _by_passes(fit_form(form, points), n))
            yield judge((protocol, "last", model, compression), case, _held(means[n]))


def _axis(model: str, compression: str) -> list[int]:
    """Return words of a seed from two names."""
    return list(f"{model}/{compression}".encode())


def _nearest_level(document: Mapping[str, Any], model: str, compression: str) -> str:
    (row,) = (m for m in document["models"] if m["name"] == model)
    factors = row["factors"]

    def distance(other: str) -> float:
        return sum(
            (math.log(factors[other][key]) - math.log(factors[compression][key])) ** 2
            for key in ("flops_factor", "param_factor", "activation_factor")
        )

    return str(min((name for name in factors if name != compression), key=distance))


def _next_model(document: Mapping[str, Any], model: str) -> str | None:
    names = [str(row["name"]) for row in document["models"]]
    k = names.index(model)
    if len(names) < 2:
        return None
    return names[k + 1] if k + 1 < len(names) else names[k - 1]


def pairs(document: Mapping[str, Any]) -> list[Pair]:
    """Return every (model, compression) of a document."""
    return [
        (str(model["name"]), str(level["name"]))
        for model in document["models"]
        for level in document["compressions"]
    ]


def study(
    protocols: Sequence[str] = PROTOCOLS,
    chosen: Sequence[tuple[str, str]] | None = None,
    *,
    resamples: int = 20,
    seed: int = 0,
    document: Mapping[str, Any] | None = None,
) -> Iterator[Record]:
    """Yield the records of every protocol and pair.

    Parameters
    ----------
    protocols
        Some of `PROTOCOLS`.
    chosen
        Pairs (model, compression); None for all that were measured.
    resamples
        Bootstrap fits behind each interval; 0 for no intervals.
    seed
        Of the bootstrap.
    document
        A document of curves; None for the committed one.

    Raises
    ------
    InputError
        For a protocol or pair that there is not.
    """
    for protocol in protocols:
        if protocol not in PROTOCOLS:
            raise InputError(
                "--protocol", protocol, "one of " + ", ".join(PROTOCOLS), "correct the name"
            )
    curves = learning_data("digits") if document is None else document
    known = pairs(curves)
    for pair in chosen or ():
        if pair not in known:
            allowed = ", ".join("/".join(p) for p in known[:3]) + ", ..."
            raise InputError(
                "--pair", "/".join(filter(None, pair)), f"a measured pair: {allowed}", "choose one"
            )
    part = _Study(curves, resamples, seed)
    for protocol in protocols:
        for model, compression in chosen or known:
            if protocol.startswith("epochs-"):
                yield from part.epochs(model, compression, int(protocol[len("epochs-") :]))
            elif protocol == "seeds":
                yield from part.seeds(model, compression)
            elif protocol == "runs":
                yield from part.runs(model, compression)
            elif protocol == "fractions":
                yield from part.fractions(model, compression)
            elif protocol == "compressions":
                giver = (model, _nearest_level(curves, model, compression))
                yield from part.taken_over(protocol, model, compression, giver)
            else:
                other = _next_model(curves, model)
                if other is not None:
                    yield from part.taken_over(protocol, model, compression, (other, compression))
