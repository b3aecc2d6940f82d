"""The study of epochs: forms against curves made from them, cases by hand, regret by hand."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.store.sources import load_instance
from splitopt.bench.studies.epochs.forms import (
    FORMS,
    Points,
    first_at_or_below,
    fit_form,
    fit_power_data,
)
from splitopt.bench.studies.epochs.records import Reach, Record
from splitopt.bench.studies.epochs.regret import regrets, resampled_curves, with_epochs
from splitopt.bench.studies.epochs.study import PROTOCOLS, study
from splitopt.bench.studies.epochs.tables import (
    coverage,
    regret_by_instance,
    regret_summary,
    summary,
)
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import evaluate
from splitopt.instances.networks.curve_data import learning_data
from splitopt.instances.networks.curves import LearningCurve

K = np.arange(1.0, 41.0)


# -- forms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("optimus", lambda x: 1 / (0.002 * x + 1.7) + 0.08),
        ("optimus", lambda x: 0 * x + 0.25),
        ("slaq", lambda x: 1 / (1e-6 * x**2 + 0.002 * x + 1.7) + 0.08),
        ("slaq", lambda x: 1 / (0.002 * x + 1.7) + 0.08),
        ("power", lambda x: 3.0 * x**-0.4 + 0.05),
        ("power", lambda x: 1.5 * x**-0.15),
    ],
)
def test_a_form_finds_the_curve_it_was_drawn_from(name, truth):
    x = 120 * K
    fitted = fit_form(name, Points(x, truth(x), K))
    ahead = 120 * np.arange(1.0, 81.0)  # twice as far as was seen
    assert fitted(ahead) == pytest.approx(truth(ahead), rel=5e-3)


def test_parameters_stay_non_negative():
    """A rising curve is fitted by a constant: none of the forms can rise."""
    rising = 0.2 + 0.01 * K
    for name in FORMS:
        fitted = fit_form(name, Points(K, rising, K))(np.array([1.0, 20.0, 40.0]))
        assert fitted[0] - fitted[2] < 5e-3
        assert 0.2 < fitted[1] < 0.6


def test_the_power_of_the_data_is_found_for_each_epoch():
    curves = {n: 0.9 * n**-0.3 + 0.5 / np.arange(1, 12) for n in (30, 60, 120, 600)}
    assert fit_power_data(curves, 240) == pytest.approx(
        0.9 * 240**-0.3 + 0.5 / np.arange(1, 12), rel=1e-3
    )


def test_first_epoch_at_or_below():
    errors = np.array([0.5, 0.3, 0.2, 0.25, 0.1])
    assert first_at_or_below(errors, 0.2) == 2
    assert first_at_or_below(errors, 0.24) == 2
    assert first_at_or_below(errors, 0.1) == 4
    assert first_at_or_below(errors, 0.09) is None


# -- the study -----------------------------------------------------------------------------

SAMPLES = (30, 60, 120, 240, 420, 600)
TRUE = LearningCurve("net", "none", 0.02, 0.5, 0.3, 120.0, 400.0)


def exact_document(seeds: int = 4) -> dict:
    """Curves that follow the suite's form without noise, in counts of wrong answers."""
    factors = {"flops_factor": 1.0, "param_factor": 1.0, "activation_factor": 1.0}
    return {
        "name": "exact",
        "test_samples": 10**9,
        "models": [{"name": "net", "factors": {"none": factors}}],
        "compressions": [{"name": "none"}],
        "curves": [
            {
                "model": "net",
                "compression": "none",
                "samples": n,
                "seed": seed,
                "wrong": [round(1e9 * TRUE.error(k, n)) for k in range(41)],
            }
            for n in SAMPLES
            for seed in range(seeds)
        ],
    }


def test_exact_curves_are_predicted_exactly():
    document = exact_document()
    for protocol in ("epochs-10", "seeds"):
        records = list(study([protocol], resamples=1, document=document))
        own = [r for r in records if r.predictor == "splitopt"]
        assert len(own) == (12 if protocol == "seeds" else 6)
        for record in own:
            assert record.mean_error < 2e-4
            for reach in record.reaches:
                due = TRUE.epochs(record.samples, reach.target)
                assert reach.measured == (due if due is not None and due <= 40 else None)
                # Parameters have six digits, so a target at the edge may move by an epoch.
                if reach.measured is not None:
                    assert abs(reach.predicted - reach.measured) <= 1
                    assert reach.low <= reach.predicted <= reach.high


def test_what_was_seen_is_not_predicted():
    document = exact_document()
    for record in study(["epochs-5"], resamples=0, document=document):
        for reach in record.reaches:
            assert reach.measured is None or reach.measured > 5
            if record.predictor == "last":  # nothing beyond the last value ever comes
                assert reach.predicted is None


def test_a_curve_taken_over_by_sample_passes():
    """``last`` in ``fractions`` reads the nearest N at the same number of sample passes."""
    document = exact_document()
    records = list(study(["fractions"], resamples=0, document=document))
    (record,) = [r for r in records if (r.predictor, r.samples) == ("last", 600)]
    # The nearest to 600 is 420: after k epochs on 600, 600 k / 420 on 420, which ends at 40.
    held = [TRUE.error(min(round(600 * k / 420), 40), 420) for k in range(1, 41)]
    truth = [TRUE.error(k, 600) for k in range(1, 41)]
    assert record.bias == pytest.approx(np.mean(np.array(held) - truth), abs=1e-8)


def test_levels_and_models_are_taken_over_from_the_nearest():
    document = learning_data("digits")
    pair = [("digits-small", "prune-50")]
    records = list(study(["compressions", "models"], pair, resamples=0, document=document))
    curves = {(c["model"], c["compression"]): [] for c in document["curves"] if c["samples"] == 600}
    for c in document["curves"]:
        if c["samples"] == 600:
            curves[c["model"], c["compression"]].append(np.array(c["wrong"]) / 600)
    truth = np.mean(curves["digits-small", "prune-50"], axis=0)
    for protocol, giver in (
        # Pruned by half and in 8 bits: the same FLOPs, a quarter of the bits. Pruned by a quarter:
        # 2.2 times the FLOPs and parameters, half more of the activations, which is nearer.
        ("compressions", ("digits-small", "prune-25")),
        ("models", ("digits-medium", "prune-50")),
    ):
        given = np.mean(curves[giver], axis=0)
        (record,) = [
            r for r in records if (r.protocol, r.predictor, r.samples) == (protocol, "last", 600)
        ]
        assert record.bias == pytest.approx(float(np.mean(given[1:] - truth[1:])))


def test_unknown_protocols_and_pairs_are_told():
    with pytest.raises(InputError, match="--protocol"):
        list(study(["nights"]))
    with pytest.raises(InputError, match="--pair"):
        list(study(["seeds"], [("digits-small", "zip")]))


def test_single_runs_are_predicted_by_the_other_half():
    """The mean over five runs is what `seeds` holds apart: the same bias, more scatter."""
    pair = [("digits-small", "none")]
    found = list(study(["seeds", "runs"], pair, resamples=0))
    means, runs = (
        [r for r in found if (r.protocol, r.predictor) == (protocol, "last")]
        for protocol in ("seeds", "runs")
    )
    assert len(runs) == 5 * len(means) == 60
    assert np.mean([r.bias for r in runs]) == pytest.approx(np.mean([r.bias for r in means]))
    assert np.mean([r.mean_error for r in runs]) > np.mean([r.mean_error for r in means])


# -- tables --------------------------------------------------------------------------------


def record(predictor, reaches, model="m1", protocol="seeds"):
    return Record(protocol, predictor, model, "none", 600, 0.01, -0.005, tuple(reaches))


def test_a_summary_by_hand():
    reaches = [
        Reach(0.20, 10, 12),  # off by 20 %
        Reach(0.18, 2, 3),  # off by 50 %, but within one epoch
        Reach(0.16, 20, None),  # never
        Reach(0.15, 30, 60),  # beyond what was measured
        Reach(0.12, None, 35),  # a false promise
        Reach(0.10, None, 90),
        Reach(0.30, 1, 0),  # an easy target, at once
    ]
    (row,) = summary([record("splitopt", reaches)])
    assert row["targets"] == 4
    assert row["off"] == pytest.approx(0.75)  # of 0.2, 0.5, 1 and never
    assert row["close"] == 0.5
    assert row["never"] == 0.5
    assert row["early"] == 0
    assert row["promised"] == 0.5
    (easy,) = summary([record("splitopt", reaches)], strict=False)
    assert (easy["targets"], easy["early"], easy["close"]) == (1, 1.0, 1.0)


def test_coverage_by_hand():
    reaches = [
        Reach(0.20, 10, 12, 9, 14, True),  # in
        Reach(0.18, 10, 12, 11, 14, True),  # measured below
        Reach(0.16, 30, 12, 11, 14, True),  # measured above
        Reach(0.15, 30, 40, 25, None, True),  # in: the upper end is never
        Reach(0.12, None, 35, 30, 50, True),  # not reached, in: beyond 40 is in the interval
        Reach(0.10, None, 35, 30, 39, True),  # not reached, above: promised within 39
        Reach(0.30, 1, 0, 0, 0, True),  # an easy target
    ]
    (row,) = coverage([record("splitopt", reaches), record("optimus", reaches)])
    assert (row["targets"], row["covered"], row["below"], row["above"]) == (4, 0.5, 0.25, 0.25)
    assert row["unreached"] == 0.5
    # high / low: 14/9, 14/11, 14/11, never
    assert row["width"] == pytest.approx((14 / 9 + 14 / 11) / 2)


def test_a_calibrated_factor_is_that_of_the_other_models():
    ten = [Reach(0.2, 10, 20, 15, 25, True)] * 10  # always off by a factor of 2
    two = [Reach(0.2, 10, 10, 9, 11, True)] * 10  # always right
    (row,) = coverage([record("splitopt", ten, "m1"), record("splitopt", two, "m2")])
    # m1's cases are off by 2 where m2's say 1: none held. m2's are right within m1's factor 2.
    assert row["calibrated"] == 0.5
    assert row["factor"] == pytest.approx(1.5)


# -- regret --------------------------------------------------------------------------------


def test_resamples_are_those_of_the_fit():
    instance = load_instance("cift-tiny-both")
    curve = instance.curves[0]
    others = resampled_curves(curve)
    assert len(others) == 40
    assert all((o.model, o.compression) == (curve.model, curve.compression) for o in others)
    with pytest.raises(InputError, match="curves"):
        resampled_curves(TRUE)


def test_regret_on_a_small_instance_is_what_enumeration_says():
    from splitopt.bench.methods.registry import load

    instance = load_instance("cift-tiny-fine-tuning")
    found = list(regrets([instance], draws=2))
    assert {(r.scenario, r.wrong) for r in found} >= {("low", "truth"), ("high", "truth")}
    brute = load("brute-force", "cift")
    nominal = brute.solve(instance, Budget(), 0, {})
    for one in found:
        if one.wrong == "plan":  # the truth is the nominal K
            assert one.optimum == pytest.approx(nominal.objective, rel=1e-6)
        assert one.regret is None or one.regret >= 0
        if one.scenario == "longer":
            assert one.planned != one.true
        # Speeds set anew are never worse than those planned.
        if one.regret is not None:
            assert one.reset <= one.regret + 1e-9
        if one.same:
            assert one.reset == pytest.approx(0, abs=1e-6)


def test_other_epochs_make_another_instance():
    instance = load_instance("cift-tiny-both")
    first, *rest = instance.configurations
    other = with_epochs(instance, {first: first.epochs + 2, **dict.fromkeys(rest)})
    (kept,) = other.configurations
    assert kept.epochs == first.epochs + 2
    assert other.error_target is None
    # Energy of fine-tuning is in proportion to K: (K + 2) / K times that of before.
    from splitopt.bench.methods.registry import load

    plan = (
        load("local-search", "cift")
        .solve(
            other.replace(inference_deadline_s=None, fine_tuning_deadline_s=None), Budget(), 0, {}
        )
        .plan
    )
    before, after = evaluate(instance, plan), evaluate(other, plan)
    assert after.inference_energy_j == before.inference_energy_j
    assert after.fine_tuning_energy_j == pytest.approx(
        before.fine_tuning_energy_j * (first.epochs + 2) / first.epochs
    )


def test_what_is_passed_over_is_said():
    names = ("cift-tiny-not-together", "cift-crafted-menu", "cift-tiny-fine-tuning")
    skipped = {}
    instances = [load_instance(name) for name in names]
    found = list(regrets(instances, draws=0, time_limit_s=1e-9, skipped=skipped))
    assert found == []
    assert "not proven" in skipped["cift-tiny-fine-tuning"]
    found = list(regrets(instances[:2], draws=0, skipped=skipped))
    assert found == []
    assert skipped["cift-tiny-not-together"] == "it has no plan"
    assert "given" in skipped["cift-crafted-menu"]


def test_regret_tables():
    instance = load_instance("cift-tiny-fine-tuning")
    found = list(regrets([instance], draws=1))
    rows = regret_summary(found)
    assert sum(row["plans"] for row in rows) == len(found)
    (row,) = regret_by_instance(found)
    assert row["instance"] == "cift-tiny-fine-tuning"
    assert row["plans"] == len(found)


# -- the command ---------------------------------------------------------------------------


def test_the_command(tmp_path):
    arguments = [
        "epochs",
        "--protocol",
        "seeds",
        "--pair",
        "digits-small/none",
        "--resamples",
        "2",
        "--regret",
        "cift-tiny-fine-tuning",
        "--draws",
        "1",
        "--out",
        str(tmp_path),
        "--json",
    ]
    result = CliRunner().invoke(cli, arguments, prog_name="splitopt")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert {row["predictor"] for row in document["prediction"]} == {"splitopt", "last", *FORMS}
    assert document == json.loads((tmp_path / "epochs.json").read_text())
    tables = (tmp_path / "epochs.md").read_text()
    assert "| seeds | splitopt | 12 |" in tables
    assert "### Energy regret" in tables
    # One pair has no others to be calibrated on.
    assert "### Calibrated intervals and bounds" in tables
    assert all(row["covered"] == 1.0 for row in document["calibrated"])
    scores = json.loads((tmp_path / "digits-calibration.json").read_text())["scores"]
    assert [row["differs"] for row in scores] == ["seeds"]
    assert (tmp_path / "calibration.svg").read_text().startswith("<svg")
    assert (tmp_path / "seeds.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--resamples", "-1"],
        ["--draws", "41"],
        ["--time-limit", "0"],
        ["--seed", "-1"],
        ["--protocol", "nights"],
        ["--pair", "digits-small"],
    ],
)
def test_bad_input(wrong):
    result = CliRunner().invoke(cli, ["epochs", "--regret", "none", *wrong])
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert wrong[0] in result.output


def test_protocols_cover_what_was_promised():
    assert set(PROTOCOLS) == {
        "epochs-5",
        "epochs-10",
        "epochs-20",
        "seeds",
        "runs",
        "fractions",
        "compressions",
        "models",
    }
