"""`sweep` and `explain` on an instance in doubt: what the figures of one another imply."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli


def run(*arguments: str) -> dict:
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_sweep_tells_what_a_confidence_costs() -> None:
    rows = run("sweep", "cift-uncertain-005", "--axis", "fine-tuning")["confidences"]
    energies = [row["energy_j"] for row in rows]
    assert energies == sorted(energies)
    assert energies[0] < energies[-1]
    for row in rows:
        assert row["wait_and_see_j"] <= row["recourse_j"] * (1 + 1e-9)
        assert row["recourse_j"] <= row["energy_j"] * (1 + 1e-6)


def test_explain_tells_of_the_nominal_plan_and_of_recourse() -> None:
    found = {f["kind"]: f for f in run("explain", "cift-uncertain-005")["findings"]}
    assert found["nominal"]["figures"]["missed"] == "fine-tuning-deadline"
    figures = found["recourse"]["figures"]
    assert figures["perfect_information_j"] == pytest.approx(
        figures["recourse_j"] - figures["wait_and_see_j"]
    )


def test_explain_says_why_recourse_may_cost_more_than_one_plan() -> None:
    """Asked 0.9 and 0.8: speeds set late keep both at 0.9, one plan each at its own."""
    found = {f["kind"]: f for f in run("explain", "cift-uncertain-022")["findings"]}
    assert "misses the fine-tuning deadline; in doubt" in found["nominal"]["text"]
    assert "both deadlines in the same outcomes, with the larger" in found["recourse"]["text"]
