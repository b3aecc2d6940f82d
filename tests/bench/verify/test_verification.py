"""`splitopt verify` and `splitopt sweep`: what holds passes, what is broken is found."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.verdicts.optimum import Truth, truth_of
from splitopt.bench.verify.figures import exponent, exponents, summary, write_charts
from splitopt.bench.verify.journal import Journal
from splitopt.bench.verify.verification import forms_of, verify_instance
from splitopt.instances.generators import generate

CIFT = generate("cift-tiers", 1, blocks=4, levels=2, compressions=1)
MEPRA = generate("mepra-scarce", 2, devices=4, layers=4)


@pytest.mark.parametrize("instance", [CIFT, MEPRA], ids=["cift", "mepra"])
def test_the_guarantee_holds(instance: object) -> None:
    truth = truth_of(instance, 10.0)
    assert truth.proven
    assert truth.method in ("highs-flow", "lagrangian")
    verdicts = verify_instance(instance, (1.0, 0.1), truth=truth, time_limit_s=10.0)
    assert len(verdicts) == 2 * len(forms_of(instance, labels=True))
    assert [v.violations for v in verdicts if v.violations] == []
    for one in verdicts:
        assert one.bound <= one.optimum * (1 + 1e-9)


@pytest.mark.parametrize(
    ("factor", "word"), [(0.5, "above the optimum"), (1.5, "below the optimum")]
)
def test_a_contradicted_optimum_is_a_violation(factor: float, word: str) -> None:
    truth = truth_of(MEPRA, 10.0)
    wrong = dataclasses.replace(truth, optimum=truth.optimum * factor)
    verdicts = verify_instance(MEPRA, (0.1,), truth=wrong, time_limit_s=10.0)
    assert all(any(word in line for line in v.violations) for v in verdicts)


def test_an_open_instance_is_held_against_what_is_known() -> None:
    optimum = truth_of(MEPRA, 10.0).optimum
    # The optimum lies between: nothing to blame.
    between = Truth(optimum * 1.01, False, "registry", 0.0, optimum * 0.99)
    verdicts = verify_instance(MEPRA, (0.1,), truth=between, time_limit_s=10.0)
    assert not any(v.violations for v in verdicts)
    assert all(v.ratio is None and not v.proven for v in verdicts)
    # A best plan below every bound, and a best bound above every plan, are contradictions.
    low = Truth(optimum * 0.5, False, "registry", 0.0, optimum * 0.4)
    high = Truth(optimum * 1.6, False, "registry", 0.0, optimum * 1.5)
    for truth, word in ((low, "above the best plan"), (high, "below the best bound")):
        verdicts = verify_instance(MEPRA, (0.1,), truth=truth, time_limit_s=10.0)
        assert all(any(word in line for line in v.violations) for v in verdicts)


def test_more_labels_than_stated_are_a_violation() -> None:
    from splitopt.bench.verify.verification import _too_many
    from splitopt.instances.contract.method import Result, SolutionStatus, Termination

    def result(labels: int) -> Result:
        figures = {"labels": labels, "label_bound": 10.0}
        return Result(
            termination=Termination.SOLVED,
            status=SolutionStatus.NONE,
            plan=None,
            objective=None,
            bound=None,
            guarantee=None,
            trajectory=(),
            runtime_s=0.0,
            statistics=figures,
        )

    assert list(_too_many(result(10))) == []
    assert list(_too_many(result(11))) == ["11 labels made, more than the 10 stated"]


def test_what_the_registry_proves_is_not_solved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from splitopt.bench.commands.arguments import open_instance
    from splitopt.instances.library.best_known import registry

    def refuse(*_: object) -> None:
        raise AssertionError("solved again")

    monkeypatch.setattr("splitopt.bench.verdicts.optimum.solved_truth", refuse)
    instance = open_instance("cift-quick-tiers")
    truth = truth_of(instance, 10.0)
    entry = registry().entries[instance.content_hash]
    assert truth.proven
    assert truth.method == "registry"
    assert truth.optimum == entry.objective
    # Its proof is not the label program's alone.
    assert set(entry.engines) - {"labels"}
    with pytest.raises(AssertionError, match="solved again"):
        truth_of(CIFT, 10.0)


def test_journal_takes_a_verification_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = truth_of(MEPRA, 10.0)
    first = verify_instance(
        MEPRA, (0.1,), truth=truth, time_limit_s=10.0, journal=Journal(tmp_path)
    )
    path = tmp_path / "verdicts.jsonl"
    with path.open("a") as file:
        file.write('{"key": "torn')  # what a crash leaves

    class Refusing:
        def solve(self, *_: object) -> None:
            raise AssertionError("run again")

    monkeypatch.setattr("splitopt.bench.verify.verification.load", lambda *_: Refusing())
    again = Journal(tmp_path)
    assert "torn" not in path.read_text()
    found = verify_instance(MEPRA, (0.1,), truth=truth, time_limit_s=10.0, journal=again)
    assert found == first
    # Another truth, another epsilon or other code is another question.
    wrong = dataclasses.replace(truth, optimum=truth.optimum * 2)
    for changed, epsilon in ((wrong, 0.1), (truth, 0.2)):
        with pytest.raises(AssertionError, match="run again"):
            verify_instance(MEPRA, (epsilon,), truth=changed, time_limit_s=10.0, journal=again)
    monkeypatch.setattr("splitopt.bench.verify.journal.code_hash", lambda: "other")
    with pytest.raises(AssertionError, match="run again"):
        verify_instance(MEPRA, (0.1,), truth=truth, time_limit_s=10.0, journal=again)


def test_command_prints_a_violation_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Truth(1e-3, True, "highs-flow", 0.0)
    monkeypatch.setattr("splitopt.bench.verdicts.optimum.truth_of", lambda *_: wrong)
    arguments = ["verify", "--set", "cift-crafted-relay", "--epsilon", "0.5", "--no-labels"]
    found = CliRunner().invoke(cli, arguments)
    assert found.exit_code == 1
    assert "splitopt: violation: cift-crafted-relay, default, epsilon 0.5: bound" in found.output


def test_a_ratio_beyond_the_guarantee_is_a_violation() -> None:
    truth = truth_of(MEPRA, 10.0)
    # An optimum so low that 1.1 times it is missed.
    wrong = dataclasses.replace(truth, optimum=truth.optimum / 1.2)
    (verdict, *_) = verify_instance(MEPRA, (0.1,), truth=wrong, time_limit_s=10.0)
    assert any("above 1.1 x" in line for line in verdict.violations)


def test_a_plan_for_an_infeasible_instance_is_a_violation() -> None:
    nothing = Truth(None, True, "highs-flow", 0.0)
    verdicts = verify_instance(CIFT, (0.1,), truth=nothing, time_limit_s=10.0)
    assert any("none is feasible" in line for v in verdicts for line in v.violations)


def test_infeasible_instances_are_verified_too() -> None:
    instance = generate("cift-infeasible", 2, blocks=4, levels=2)
    truth = truth_of(instance, 10.0)
    assert truth.proven
    assert truth.optimum is None
    verdicts = verify_instance(instance, (0.5, 0.1), truth=truth, time_limit_s=10.0)
    assert {v.status for v in verdicts} == {"infeasible"}
    assert not any(v.violations for v in verdicts)


def test_fitted_exponent() -> None:
    # y = 3 x^2 exactly.
    assert exponent([(x, 3.0 * x * x) for x in (1.0, 2.0, 5.0)]) == pytest.approx(2.0)
    assert exponent([(2.0, 1.0), (2.0, 3.0)]) is None
    assert exponent([(1.0, 0.0), (2.0, 4.0)]) is None


def test_summary_and_charts(tmp_path: Path) -> None:
    truth = truth_of(MEPRA, 10.0)
    verdicts = verify_instance(MEPRA, (1.0, 0.1, 0.01), truth=truth, time_limit_s=10.0)
    rows = summary(verdicts)
    assert [(row["form"], row["epsilon"]) for row in rows] == [
        (form, epsilon) for form in ("default", "labels") for epsilon in (1.0, 0.1, 0.01)
    ]
    assert all(row["worst"] <= row["allowed"] * (1 + 1e-9) for row in rows)
    assert {row["form"] for row in exponents(verdicts)} == {"default", "labels"}
    written = write_charts(verdicts, tmp_path)
    assert {path.name for path in written} >= {"mepra-ratio.svg", "mepra-time-epsilon.svg"}
    assert all(path.read_text().startswith("<svg") for path in written)


def test_command_verifies_and_writes(tmp_path: Path) -> None:
    arguments = ["verify", "--set", "cift-crafted-relay", "--epsilon", "0.5", "--out"]
    found = CliRunner().invoke(cli, [*arguments, str(tmp_path / "v")])
    assert found.exit_code == 0, found.output
    assert "1 instances with a proven optimum" in found.output
    document = json.loads((tmp_path / "v" / "verify.json").read_text())
    assert document["violations"] == 0
    assert document["runs"][0]["instance"] == "cift-crafted-relay"


def test_command_refuses_a_bad_epsilon() -> None:
    found = CliRunner().invoke(cli, ["verify", "--epsilon", "0.1,zero"])
    assert found.exit_code == 2
    assert "--epsilon" in found.output


def test_sweep_prints_steps_and_draws(tmp_path: Path) -> None:
    path = tmp_path / "front.svg"
    found = CliRunner().invoke(cli, ["sweep", "cift-crafted-relay", "--plot", str(path)])
    assert found.exit_code == 0, found.output
    assert "energy J" in found.output
    assert path.read_text().startswith("<svg")
    found = CliRunner().invoke(cli, ["sweep", "cift-crafted-relay", "--json"])
    document = json.loads(found.stdout)
    assert document["complete"]
    steps = [(p["deadline_s"], p["energy_j"]) for p in document["points"]]
    assert steps == sorted(steps)
    assert [e for _, e in steps] == sorted((e for _, e in steps), reverse=True)


def test_sweep_is_for_cift() -> None:
    found = CliRunner().invoke(cli, ["sweep", "mepra-image-10mbps"])
    assert found.exit_code == 2
    assert "CIFT" in found.output
