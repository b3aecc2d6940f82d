"""The fit of learning curves, and the committed curves and fits."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.curve_data import curve_errors, learning_data
from splitopt.instances.networks.curve_fitting import (
    CurveFit,
    bootstrap_fits,
    epochs_interval,
    fit_curve,
    fit_document,
)
from splitopt.instances.networks.curves import LearningCurve
from splitopt.instances.networks.profiles import load_profile

CURVES = learning_data("digits")
FITS = learning_data("digits-fits")
PAIRS = [(fit["model"], fit["compression"]) for fit in FITS["fits"]]
SAMPLES = (30, 60, 120, 240, 420, 600)
COLUMNS = ("floor", "data_scale", "data_exponent", "rate_scale", "rate_offset")


def synthetic(
    c: float, G: float, g: float, A: float, b: float, epochs: int = 40
) -> dict[int, np.ndarray]:
    k = np.arange(epochs + 1)
    return {n: c + G * n**-g + A / (k * n + b) for n in SAMPLES}


def stored_curve(fit: dict[str, Any]) -> LearningCurve:
    return LearningCurve(fit["model"], fit["compression"], *(fit[name] for name in COLUMNS))


def resampled_curves(fit: dict[str, Any]) -> list[LearningCurve]:
    return [LearningCurve("m", "c", *parameters) for parameters in fit["bootstrap"]]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.floats(0.01, 0.2),
    st.floats(0.3, 2.0),
    st.floats(0.2, 0.9),
    st.floats(20.0, 400.0),
    st.floats(50.0, 2000.0),
)
def test_exact_curves_give_their_parameters_back(
    c: float, G: float, g: float, A: float, b: float
) -> None:
    # Six digits are stored, and floor and data term trade off slightly along a flat valley.
    fit = fit_curve(synthetic(c, G, g, A, b))
    assert fit.floor == pytest.approx(c, abs=2e-4)
    assert fit.data_scale == pytest.approx(G, rel=5e-3)
    assert fit.data_exponent == pytest.approx(g, rel=5e-3)
    assert fit.rate_scale == pytest.approx(A, rel=1e-3)
    assert fit.rate_offset == pytest.approx(b, rel=1e-3)
    assert fit.worst < 1e-5


def test_noise_of_five_percent_moves_the_form_by_less() -> None:
    rng = np.random.default_rng(1)
    truth = synthetic(0.05, 0.8, 0.45, 60.0, 200.0)
    noisy = {n: e * (1 + 0.05 * rng.standard_normal(len(e))) for n, e in truth.items()}
    curve = fit_curve(noisy).curve("m", "c")
    for n, errors in truth.items():
        for k in (2, 10, 40):
            assert curve.error(k, n) == pytest.approx(errors[k], rel=0.05)


def test_vanishing_terms_have_fixed_parameters() -> None:
    # Without a rate term b means nothing, without a data term g does not: both are fixed.
    flat = fit_curve({n: np.full(10, 0.25) for n in SAMPLES})
    assert flat.rate_scale == pytest.approx(0.0, abs=1e-9)
    assert flat.curve("m", "c").error(3, 50) == pytest.approx(0.25, abs=1e-6)
    no_rate = fit_curve({n: np.full(10, 0.1 + n**-0.5) for n in SAMPLES})
    assert no_rate.curve("m", "c").error(7, 100) == pytest.approx(0.2, abs=1e-6)


def test_the_start_has_no_part_in_the_fit() -> None:
    # Before training the error does not depend on N, which the form cannot follow.
    curves = synthetic(0.05, 0.8, 0.45, 60.0, 200.0)
    changed = {n: np.concatenate([[0.9], e[1:]]) for n, e in curves.items()}
    first, second = fit_curve(curves), fit_curve(changed)
    assert first.parameters == second.parameters
    assert second.rmse_start > 0.1 > first.rmse_start


def test_curves_may_differ_in_length() -> None:
    curves = synthetic(0.05, 0.8, 0.45, 60.0, 200.0)
    cut = {n: e[: 5 + i * 7] for i, (n, e) in enumerate(curves.items())}
    assert fit_curve(cut).curve("m", "c").error(40, 600) == pytest.approx(curves[600][40], abs=1e-5)


@pytest.mark.parametrize(
    "curves",
    [
        {},
        {30: np.array([0.5, 0.4, 0.3])},
        {30: np.array([0.5, 0.4]), 60: np.array([0.5, 0.4])},
        {30: np.array([0.5, math.nan, 0.3]), 60: np.array([0.5, 0.4, 0.3])},
        {30: np.array([0.5, -0.1, 0.3]), 60: np.array([0.5, 0.4, 0.3])},
        {0: np.array([0.5, 0.4, 0.3]), 60: np.array([0.5, 0.4, 0.3])},
    ],
)
def test_bad_curves_are_told(curves: dict[int, np.ndarray]) -> None:
    with pytest.raises(InputError, match="curves"):
        fit_curve(curves)


def test_unknown_names_are_told() -> None:
    with pytest.raises(InputError, match="digits-small"):
        curve_errors(CURVES, "digits-small", "prune-99")
    with pytest.raises(InputError, match="learning_curves"):
        learning_data("no-such-data")


def test_bootstrap_is_seeded_and_needs_the_same_seeds() -> None:
    rng = np.random.default_rng(2)
    curves = {
        n: e * (1 + 0.1 * rng.standard_normal((5, len(e))))
        for n, e in synthetic(0.05, 0.8, 0.45, 60.0, 200.0).items()
    }
    one = bootstrap_fits(curves, 3, np.random.default_rng(7))
    two = bootstrap_fits(curves, 3, np.random.default_rng(7))
    assert one == two
    assert len({fit.floor for fit in one}) > 1
    with pytest.raises(InputError, match="same seeds"):
        bootstrap_fits(curves | {30: curves[30][:4]}, 3, rng)


def test_interval_by_hand() -> None:
    # err = A / (k N) up to the small offset: with N = 10 and target 0.1, K = A.
    def curve(A: float, floor: float = 0.0) -> LearningCurve:
        return LearningCurve("m", "c", floor, 0.0, 0.0, A, 1e-6)

    others = [curve(float(A)) for A in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)]
    assert epochs_interval(curve(6.0), others, 10, 0.1, level=0.8) == (2, 6, 10)
    assert epochs_interval(curve(6.0), others, 10, 0.1, level=1.0) == (1, 6, 11)
    # Between two resamples an end moves outwards; a point outside widens the interval.
    assert epochs_interval(curve(6.0), others, 10, 0.1, level=0.75) == (2, 6, 10)
    assert epochs_interval(curve(20.0), others, 10, 0.1, level=0.8) == (2, 20, 20)
    # Out of reach is larger than any number.
    mixed = [curve(2.0), curve(3.0), curve(3.0, floor=0.2)]
    assert epochs_interval(curve(3.0), mixed, 10, 0.1, level=1.0) == (2, 3, None)
    with pytest.raises(InputError, match="resampled"):
        epochs_interval(curve(3.0), [], 10, 0.1)


def test_committed_curves_are_whole() -> None:
    assert CURVES["format"] == "splitopt-learning-curves"
    assert CURVES["seeds"] >= 10
    assert len(CURVES["models"]) == 3
    assert len(CURVES["compressions"]) >= 6
    assert tuple(CURVES["samples_per_epoch"]) == SAMPLES
    seen = set()
    for curve in CURVES["curves"]:
        seen.add((curve["model"], curve["compression"], curve["samples"], curve["seed"]))
        assert len(curve["wrong"]) == CURVES["epochs"] + 1
        assert all(0 <= x <= CURVES["test_samples"] for x in curve["wrong"])
    expected = len(PAIRS) * len(SAMPLES) * CURVES["seeds"]
    assert len(seen) == len(CURVES["curves"]) == expected
    assert len(set(PAIRS)) == len(CURVES["models"]) * len(CURVES["compressions"])


@pytest.mark.parametrize(("model", "compression"), PAIRS)
def test_errors_fall_with_epochs_and_with_data(model: str, compression: str) -> None:
    means = {n: e.mean(axis=0) for n, e in curve_errors(CURVES, model, compression).items()}
    # Nobody has trained yet: the start does not depend on N.
    assert len({e[0] for e in means.values()}) == 1
    for errors in means.values():
        assert errors[-5:].mean() < errors[0]
        # Halves of the training: noise may lift single epochs, not their means.
        assert errors[21:].mean() <= errors[1:21].mean()
    ends = [means[n][-5:].mean() for n in SAMPLES]
    assert all(b < a for a, b in itertools.pairwise(ends))


def test_a_larger_model_ends_lower_uncompressed() -> None:
    ends = [
        curve_errors(CURVES, model, "none")[600][:, -5:].mean()
        for model in ("digits-small", "digits-medium", "digits-large")
    ]
    assert ends[0] > ends[1]
    assert ends[0] > ends[2]


def test_factors_say_what_compression_leaves() -> None:
    for model in CURVES["models"]:
        factors = model["factors"]
        assert set(factors["none"].values()) == {1.0}
        for row in factors.values():
            assert all(0 < value <= 1 for value in row.values())
        # Bits scale activations exactly; scales and biases stay in 32 bits beside the weights.
        assert factors["int8"]["activation_factor"] == 0.25
        assert factors["int4"]["activation_factor"] == 0.125
        assert 0.25 < factors["int8"]["param_factor"] < 0.3
        assert factors["int8"]["flops_factor"] == 1.0
        # Half the channels: half the activations, about a quarter of the products.
        assert factors["prune-50"]["activation_factor"] == 0.5
        assert 0.25 < factors["prune-50"]["flops_factor"] < 0.28
        assert factors["prune-50-int8"]["activation_factor"] == 0.125
    by_name = {row["name"]: row for row in CURVES["compressions"]}
    for name, row in by_name.items():
        for key in ("flops_factor", "param_factor", "activation_factor"):
            mean = np.mean([model["factors"][name][key] for model in CURVES["models"]])
            assert row[key] == pytest.approx(mean, abs=1e-4)


def test_profiles_of_the_measured_networks() -> None:
    # stem: 16 places x 9 taps x 1 channel x 8 x 2 = 2304 FLOPs, 80 parameters of 4 bytes.
    small = load_profile("digits-small")
    stem = small.blocks[0]
    assert (stem.flops, stem.param_bytes, stem.activation_bits) == (2304, 320, 16 * 8 * 32)
    # exit: 16 x 8 additions, then 8 x 10 multiply-adds.
    assert stem.exit_flops == 128 + 160
    # a1: two convolutions 8 -> 8 at 16 places.
    assert small.blocks[1].flops == 2 * 2 * 16 * 9 * 8 * 8
    assert small.input_bits == 512
    lengths = [len(load_profile(model["name"]).blocks) for model in CURVES["models"]]
    assert lengths == [5, 7, 9]


@pytest.mark.parametrize("index", [0, 9, 20])
def test_committed_fits_follow_from_the_committed_curves(index: int) -> None:
    stored = FITS["fits"][index]
    curves = curve_errors(CURVES, stored["model"], stored["compression"])
    fit = fit_curve({n: e.mean(axis=0) for n, e in curves.items()})
    assert isinstance(fit, CurveFit)
    assert fit.rmse == pytest.approx(stored["rmse"], rel=1e-3)
    again = fit.curve("m", "c")
    for n in SAMPLES:
        for k in (1, 5, 40):
            assert again.error(k, n) == pytest.approx(stored_curve(stored).error(k, n), rel=1e-3)


def test_the_document_of_fits_is_rebuilt() -> None:
    model, compression = CURVES["models"][0], CURVES["compressions"][0]
    part = CURVES | {"models": [model], "compressions": [compression]}
    (fit,) = fit_document(part, resamples=2)["fits"]
    stored = FITS["fits"][0]
    assert list(fit) == list(stored)
    for column in (*COLUMNS, "rmse"):
        assert fit[column] == pytest.approx(stored[column], rel=1e-2, abs=1e-3)
    for mine, theirs in zip(fit["bootstrap"], stored["bootstrap"], strict=False):
        assert mine == pytest.approx(theirs, rel=2e-2, abs=1e-3)


@pytest.mark.parametrize(
    "fit", FITS["fits"], ids=lambda fit: f"{fit['model']}-{fit['compression']}"
)
def test_committed_fits_are_usable(fit: dict[str, Any]) -> None:
    curve, others = stored_curve(fit), resampled_curves(fit)
    assert len(others) >= 20
    assert fit["seeds"] >= 10
    assert fit["rmse"] < 0.025
    for column in COLUMNS:
        assert fit[column] == float(f"{fit[column]:.6g}")
    for n in SAMPLES:
        for target in (0.05, 0.1, 0.2, 0.4):
            low, point, high = epochs_interval(curve, others, n, target)
            ends = [math.inf if x is None else x for x in (low, point, high)]
            assert ends == sorted(ends)
