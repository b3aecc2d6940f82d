"""Calibrated intervals of the study of epochs: the guarantee, what is kept apart, cases by hand."""

from statistics import mean

import numpy as np
import pytest

from splitopt.bench.studies.epochs.calibrated import (
    calibrated,
    calibration_document,
    other_networks,
    write_price,
)
from splitopt.bench.studies.epochs.conformal import calibrate, cases_of
from splitopt.bench.studies.epochs.records import Reach, Record
from splitopt.bench.studies.epochs.regression import Regression
from splitopt.bench.studies.epochs.study import study
from splitopt.instances.networks.calibration import HORIZON, late
from splitopt.instances.networks.curve_data import learning_data

K = np.arange(HORIZON + 1.0)
LEVELS = [f"l{k}" for k in range(12)]


#: Predicted not to be reached in time, and not reached: keeps "later or never" out of the others.
NEVER = Reach(0.01, None, None)


def falling(scale):
    """Errors scale / (k + 1)."""
    return scale / (K + 1.0)


def record(pair, scale, reaches, *, given=None, apart=(), protocol="seeds", predictor="splitopt"):
    return Record(
        protocol,
        predictor,
        *pair,
        60,
        0.01,
        0.0,
        tuple(reaches),
        given=given or pair,
        errors=falling(scale),
        apart=dict(apart),
    )


def drawn(rng, pairs):
    """Pairs from one law: each with a mistake of its own, and targets that are off by it."""
    records = []
    for pair in pairs:
        mistake, reaches = rng.normal(0, 0.5), []
        for target in rng.uniform(0.05, 0.2, rng.integers(1, 6)):
            truth = int(np.ceil(2.0 / target * np.exp(mistake + rng.normal(0, 0.3))))
            reaches.append(Reach(float(target), truth if truth <= HORIZON else None, 1))
        records.append(record(pair, 2.0, reaches))
    return records


@pytest.mark.parametrize("seed", range(6))
def test_what_is_promised_holds_on_average_over_the_pairs(seed):
    """No tolerance: bounds hold with the probability told, intervals to half a pair less."""
    pairs = [(f"n{k % 3}", level) for k, level in enumerate(LEVELS)]
    records = drawn(np.random.default_rng(seed), pairs)
    found = calibrate(cases_of(records, "seeds", "splitopt"))

    def share(chosen):
        by_pair = {}
        for true, one in chosen:
            by_pair.setdefault(one.case.pair, []).append(true)
        return mean(mean(map(float, those)) for those in by_pair.values()), len(by_pair)

    for within in (True, False):
        kept = [(f.case.truth <= f.bound, f) for f in found if f.case.score.within is within]
        if kept:
            assert share(kept)[0] >= 0.9 - 1e-9
    for reached in (True, False):
        held = [(f.covers, f) for f in found if f.case.reached is reached]
        if held:
            covered, groups = share(held)
            assert covered >= 0.9 - 1 / (2 * groups) - 1e-9


def test_an_interval_by_hand():
    """Nine pairs were late by factors of 1.1 to 1.9 in the error, the tenth is asked about.

    Half of the tenth that is left lies below, so that 0.9 takes nine of ten: up to 1.9.
    """
    factors = [1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9]
    # The prediction is 2 / (k + 1), and meets a target of 0.2 at 9.
    records = [
        record(("n", f"l{k}"), 2.0, [Reach(0.2, round(10 * f), 9), NEVER])
        for k, f in enumerate(factors)
    ]
    records.append(record(("n", "asked"), 2.0, [Reach(0.2, 12, 9)]))
    found = calibrate(cases_of(records, "seeds", "splitopt"))[-1]
    # late(K) = log(0.2 K / 2): a bound of 19 from the factor of 1.9, and 0.85 of the weight to 1.9.
    assert found.case.score.late == pytest.approx(np.log(1.2))
    assert (found.low, found.high, found.bound) == (5, 19, 19)
    assert found.covers
    # The lower end takes the same score: the first k with 2 / (k + 1) <= 0.2 * 1.9.
    assert 2.0 / (5 + 1) <= 0.2 * 1.9 < 2.0 / 5


def test_what_was_predicted_from_the_same_curves_is_in_no_score():
    pairs = [("n", level) for level in LEVELS]
    records = [record(pair, 2.0, [Reach(0.2, 10, 9), NEVER]) for pair in pairs[:-1]]
    # Predicted from the pair asked about, and far off: it would open every interval.
    records.append(record(pairs[-1], 2.0, [Reach(0.2, 40, 9)], given=pairs[0]))
    found = {
        f.case.pair: f for f in calibrate(cases_of(records, "seeds", "splitopt")) if f.case.reached
    }
    assert found[pairs[0]].high == 10
    assert found[pairs[1]].high > 10


def test_a_regression_is_scored_without_the_pair_asked_about():
    """Jackknife+: the score of l1 that counts for l0 comes from the fit without l0."""
    zero, one, *rest = [("n", level) for level in LEVELS]
    seen = record(one, 2.0, [Reach(0.2, 10, 9)], apart={zero: falling(4.0)})
    (case,) = cases_of([seen], "seeds", "splitopt")
    prediction, score = case.without(zero)
    assert prediction.epochs == 19
    assert score.late == pytest.approx(late(prediction, 10)) == pytest.approx(np.log(0.5))
    assert case.without(rest[0]) == (case.prediction, case.score)


def test_where_no_epoch_is_left_the_prediction_stays():
    """All others were met in the middle of a step, 2 / 11 < 0.19 < 2 / 10, with room to spare.

    A target of 0.2 lies at the edge of its step: no epoch is so well predicted.
    """
    others = [record(("n", level), 2.0, [Reach(0.19, 10, 10), NEVER]) for level in LEVELS]
    asked = record(("n", "asked"), 2.0, [Reach(0.2, 9, 9)])
    found = calibrate(cases_of([*others, asked], "seeds", "splitopt"))[-1]
    assert (found.low, found.high) == (9, 9)


def test_with_no_target_missed_nobody_can_say_that_none_will_be():
    records = [record(("n", level), 2.0, [Reach(0.2, 10, 9)]) for level in LEVELS]
    found = calibrate(cases_of(records, "seeds", "splitopt"))
    assert all((f.low, f.high) == (9, np.inf) for f in found)


def test_another_network_is_no_pair():
    """Two networks right, the third wrong: left out whole it is not covered, by pairs it is."""
    records = [
        record((network, level), 2.0, [Reach(0.2, truth, 9), NEVER])
        for network, truth in (("n1", 10), ("n2", 10), ("n3", 30))
        for level in LEVELS
    ]
    (row,) = calibrated(records)
    assert row["covered"] == 1.0
    shares = {r["network"]: r["covered"] for r in other_networks(records)}
    assert shares == {"n1": 1.0, "n2": 1.0, "n3": 0.0}


def test_scores_to_keep():
    records = [
        record(("n", "l0"), 2.0, [Reach(0.2, 15, 9), Reach(0.03, None, None), Reach(0.3, 6, 6)])
    ]
    (row,) = calibration_document(records)["scores"]
    # Rounded up, the safe side; a target above 0.2 is not among them.
    assert row == {
        "differs": "seeds",
        "model": "n",
        "compression": "l0",
        "within": [pytest.approx(np.log(1.5), abs=1e-3)],
        "beyond": [pytest.approx(np.log(0.03 / (2 / 41)), abs=1e-3)],
    }
    assert row["within"][0] >= np.log(1.5)


def test_the_committed_scores_are_what_the_study_finds():
    pair = ("digits-large", "int8")
    records = [r for r in study(["models"], [pair], resamples=0) if r.predictor == "splitopt"]
    (row,) = calibration_document(records)["scores"]
    (kept,) = [
        r
        for r in learning_data("digits-calibration")["scores"]
        if (r["differs"], r["model"], r["compression"]) == ("models", *pair)
    ]
    for kind in ("within", "beyond"):
        assert kept[kind] == pytest.approx(row[kind], abs=2e-3)


def test_the_price_is_drawn(tmp_path):
    records = drawn(np.random.default_rng(0), [("n", level) for level in LEVELS])
    write_price(calibrated(records), tmp_path / "price.svg")
    drawing = (tmp_path / "price.svg").read_text()
    assert drawing.startswith("<svg")
    assert "seeds: " in drawing


# -- regression ----------------------------------------------------------------------------


def power_curves():
    """Errors a (k + 1)^-b: their logarithms are linear in those of the first epochs."""
    rng = np.random.default_rng(3)
    return {
        ("n", level): {
            n: rng.uniform(0.3, 0.6) * (K + 1.0) ** -rng.uniform(0.1, 0.6) for n in (30, 60, 120)
        }
        for level in LEVELS
    }


def test_a_linear_world_is_predicted():
    """Up to the penalty: ten times as well as by the mean of the others."""
    means = power_curves()
    fitted = Regression(list(means), means, 5)
    off, spread = [], []
    for pair, curves in means.items():
        others = np.concatenate([list(c.values()) for p, c in means.items() if p != pair])
        for n, errors in fitted.predict(pair).items():
            assert errors[:6] == pytest.approx(curves[n][:6])
            off.append(np.abs(errors - curves[n])[6:].mean())
            spread.append(np.abs(others.mean(axis=0) - curves[n])[6:].mean())
    assert mean(off) < mean(spread) / 10


def test_pairs_left_out_and_the_future_have_no_part():
    means = power_curves()
    first, second, *_ = means
    before = Regression(list(means), means, 5).predict(first, {second})
    means[second] = {n: np.full(HORIZON + 1, 0.9) for n in means[second]}
    means[first] = {n: np.where(K > 5, 0.9, errors) for n, errors in means[first].items()}
    after = Regression(list(means), means, 5).predict(first, {second})
    for n, errors in before.items():
        assert after[n] == pytest.approx(errors, rel=1e-12)
