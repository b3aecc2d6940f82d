"""Calibrated epochs: scores and bounds by hand, the guarantee on every collection of groups."""

import math
from fractions import Fraction

import numpy as np
import pytest

from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.calibration import (
    HORIZON,
    KNOWN,
    EpochsDistribution,
    Prediction,
    early,
    epochs_distribution,
    group_weights,
    late,
    quantile,
)
from splitopt.instances.networks.curve_data import learning_data
from splitopt.instances.networks.curves import LearningCurve

CURVE = LearningCurve("own", "none", 0.0, 0.5, 0.25, 105.0, 938.0)


# -- scores --------------------------------------------------------------------------------


def test_scores_and_bounds_by_hand():
    prediction = Prediction.of(np.array([0.5, 0.3, 0.2, 0.1]), 0.24)
    assert prediction.epochs == 2
    assert prediction.beyond == 4
    # Met after one epoch it would have been a target of 0.3, after three one below 0.2.
    assert early(prediction, 1) == pytest.approx(math.log(0.3 / 0.24))
    assert late(prediction, 3) == pytest.approx(math.log(0.24 / 0.2))
    assert prediction.earliest(np.array([0.0, 0.2, 0.3, 1.0])).tolist() == [2, 2, 1, 0]
    assert prediction.latest(np.array([0.0, 0.1, 0.2, 0.8, 1.0])).tolist() == [2, 2, 3, 3, 4]
    assert prediction.latest(np.array([-math.inf, math.inf])).tolist() == [0, 4]
    assert prediction.earliest(np.array([-math.inf, math.inf])).tolist() == [4, 0]


def test_a_bound_takes_in_exactly_what_scores_no_more():
    rng = np.random.default_rng(0)
    for seen in (-1, 3):
        for _ in range(20):
            prediction = Prediction.of(rng.uniform(0.05, 0.5, 9), 0.2, seen)
            for k in range(seen + 1, 10):
                scores = np.array([late(prediction, k), early(prediction, k)])
                assert prediction.latest(scores)[0] >= k >= prediction.earliest(scores)[1]
                below = scores - 1e-6
                if k > seen + 1:
                    assert prediction.latest(below)[0] < k
                if k < 9:
                    assert prediction.earliest(below)[1] > k


def test_a_target_that_was_not_reached_is_never_early():
    """Censored: whatever K is, it lies beyond the epochs measured, and so does the bound."""
    prediction = Prediction.of(np.array([0.5, 0.3, 0.25]), 0.2)
    assert prediction.epochs == prediction.beyond == 3
    assert early(prediction, 3) == -math.inf
    assert late(prediction, 3) == pytest.approx(math.log(0.2 / 0.25))
    assert prediction.latest(np.array([late(prediction, 3)])).tolist() == [3]
    # Predicted never and met all the same: no ratio of epochs, but a score.
    assert early(prediction, 1) == pytest.approx(math.log(0.3 / 0.2))


# -- weights -------------------------------------------------------------------------------


def test_a_group_counts_once():
    weights, left = group_weights(["a", "b", "b", "b"])
    assert left == pytest.approx(1 / 3)
    assert weights == pytest.approx([1 / 3, 1 / 9, 1 / 9, 1 / 9])
    values = np.array([1.0, 4.0, 2.0, 3.0])
    assert quantile(values, weights, 0.34) == 2.0
    assert quantile(values, weights, 2 / 3) == 4.0
    assert quantile(values, weights, 0.7) == math.inf


@pytest.mark.parametrize(("groups", "last"), [(8, math.inf), (9, 8.0)])
def test_nine_groups_make_the_first_finite_bound_at_90_percent(groups, last):
    """Of ten exchangeable scores the tenth is the largest with a probability of 1 / 10."""
    weights, _ = group_weights(range(groups))
    assert quantile(np.arange(groups, dtype=float), weights, 0.9) == last


def test_the_bound_holds_on_average_over_any_collection_of_groups():
    """No tolerance: each group left out in turn, whatever the scores, their number and their ties.

    This is the finite-sample guarantee, since exchangeable groups may be dealt in any order.
    """
    rng = np.random.default_rng(1)
    for trial in range(40):
        sizes = rng.integers(1, 8, size=rng.integers(2, 25))
        scores = [np.round(rng.normal(rng.normal(), 1, n), trial % 3) for n in sizes]
        for level in (0.5, 0.8, 0.9):
            held = []
            for k, mine in enumerate(scores):
                others = [s for j, s in enumerate(scores) if j != k]
                weights, _ = group_weights([j for j, s in enumerate(others) for _ in s])
                held.append(np.mean(mine <= quantile(np.concatenate(others), weights, level)))
            assert np.mean(held) >= level - 1e-9
            # And it is not much wider than it must be: the group left out and one step.
            step = 1 / len(sizes)
            if trial % 3 == 2 and len(sizes) > 10:
                assert np.mean(held) <= level + 2 * step + 1e-9


# -- distributions -------------------------------------------------------------------------


def test_a_distribution_by_hand():
    """Errors 0.5, 0.3, 0.2, 0.1 and a target of 0.24: scores below 0.18 give 2, from there 3."""
    prediction = Prediction.of(np.array([0.5, 0.3, 0.2, 0.1]), 0.24)
    found = EpochsDistribution.calibrated(prediction, [[0.0, 0.2], [0.1], [5.0], []])
    assert found.epochs == (2, 3)
    assert found.weights == (Fraction(3, 8), Fraction(1, 8))
    assert found.never == Fraction(1, 2)  # the score of 5 and the group asked about
    assert found.quantile(0.375) == 2
    assert found.quantile(0.376) == 3
    assert found.quantile(0.51) is None


def test_rounding_moves_weight_to_later_epochs():
    third = Fraction(1, 3)
    found = EpochsDistribution((1, 2), (third, third), third).decimal(2)
    assert found.weights == (Fraction(33, 100), Fraction(33, 100))
    assert found.never == Fraction(34, 100)
    small = EpochsDistribution((1, 2), (Fraction(1, 1000), Fraction(1, 2)), Fraction(499, 1000))
    assert small.decimal(2).epochs == (2,)


def test_quantiles_hold_on_the_committed_measurements():
    """Each pair left out in turn: what `epochs_distribution` reads keeps its word there."""
    rows = learning_data("digits-calibration")["scores"]
    for differs in KNOWN:
        for kind in ("within", "beyond"):
            groups = [row[kind] for row in rows if row["differs"] == differs and row[kind]]
            held = []
            for k, mine in enumerate(groups):
                others = groups[:k] + groups[k + 1 :]
                weights, _ = group_weights([j for j, s in enumerate(others) for _ in s])
                limit = quantile(np.concatenate(others), weights, 0.9)
                held.append(np.mean(np.array(mine) <= limit))
            assert np.mean(held) >= 0.9


def test_epochs_of_a_curve():
    found = epochs_distribution(CURVE, 600, 0.15)
    assert sum(found.weights) + found.never == 1
    # 21 pairs were measured; 1 / 22 is left for the curve's own.
    assert found.never >= Fraction(1, 22)
    assert CURVE.epochs(600, 0.15) <= found.quantile(0.9) <= HORIZON
    # A single run scatters more than the mean of five, another network more than that.
    wider = [epochs_distribution(CURVE, 600, 0.15, differs=d).quantile(0.8) or math.inf
             for d in ("seeds", "runs", "models")]  # fmt: skip
    assert wider == sorted(wider)
    # Out of reach of the form, so most of it is never.
    assert epochs_distribution(CURVE, 30, 0.1).never > Fraction(1, 2)


def test_three_networks_vouch_for_no_ninety_percent():
    found = epochs_distribution(CURVE, 600, 0.15, differs="models", unit="network")
    assert found.never >= Fraction(1, 4)
    assert found.quantile(0.9) is None


def test_a_pair_is_not_calibrated_on_itself():
    own = LearningCurve("digits-small", "none", 0.0, 0.5, 0.25, 105.0, 938.0)
    found = epochs_distribution(own, 600, 0.15)
    rows = [
        row["within"]
        for row in learning_data("digits-calibration")["scores"]
        if row["differs"] == "seeds" and (row["model"], row["compression"]) != (own.model, "none")
    ]
    assert len(rows) == 20
    errors = np.array([own.error(k, 600) for k in range(HORIZON + 1)])
    assert found == EpochsDistribution.calibrated(Prediction.of(errors, 0.15), rows)
    assert found != epochs_distribution(CURVE, 600, 0.15)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"differs": "nights"}, "differs"),
        ({"unit": "planet"}, "unit"),
        ({"samples": 0}, "samples"),
        ({"target": 0.3}, "target"),
        ({"target": 0.0}, "target"),
    ],
)
def test_bad_arguments(wrong, field):
    with pytest.raises(InputError, match=field) as told:
        epochs_distribution(**{"curve": CURVE, "samples": 600, "target": 0.15} | wrong)
    assert "\n" not in str(told.value)


def test_bad_distributions_and_curves():
    half = Fraction(1, 2)
    for epochs, weights, never in (
        ((1,), (half,), Fraction(1, 3)),
        ((1, 2), (Fraction(1), Fraction(0)), Fraction(0)),
        ((2, 1), (half, half), Fraction(0)),
        ((1, 1), (half, half), Fraction(0)),
        ((1,), (half, half), Fraction(0)),
    ):
        with pytest.raises(InputError):
            EpochsDistribution(epochs, weights, never)
    with pytest.raises(InputError, match="level"):
        EpochsDistribution((1,), (Fraction(1),), Fraction(0)).quantile(0.0)
    with pytest.raises(InputError, match="errors"):
        Prediction.of(np.array([0.5, math.nan]), 0.2)


def test_the_documented_example():
    import doctest

    from splitopt.instances.networks import calibration

    assert doctest.testmod(calibration) == (0, 3)
