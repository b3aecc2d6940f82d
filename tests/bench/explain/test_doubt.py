"""`sweep` and `explain` on an instance in doubt: what the figures of one another imply."""

from __future__ import annotations

import dataclasses
import json

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.formulations.cift.recourse.solve import solve_recourse
from splitopt.instances.cift.doubt import Doubt, EpochsInDoubt
from splitopt.instances.core.documents import write_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.library import load
from tests.instances.cift.test_graphs import CASE


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


def test_recourse_is_left_out_where_its_placements_cannot_be_said(tmp_path) -> None:
    """They count blocks of a chain: of a graph it told "no placement" beside a plan."""
    g = CASE.configurations[0]
    doubt = Doubt((EpochsInDoubt(g.model, g.compression, g.source, g.fraction, (1, 2)),))
    end = dataclasses.replace(CASE.nodes[0], samples=1, memory_bytes=6.0)
    edge = dataclasses.replace(CASE.nodes[1], memory_bytes=6.0)
    instance = CASE.replace(nodes=(end, edge), doubt=doubt, fine_tuning_deadline_s=1e6)
    write_json(tmp_path / "graph.json", instance.to_document())
    path = str(tmp_path / "graph.json")
    assert "recourse" not in {f["kind"] for f in run("explain", path)["findings"]}
    rows = run("sweep", path, "--over", "fine-tuning")["confidences"]
    assert rows[0]["energy_j"] is not None
    assert {row["recourse_j"] for row in rows} == {None}
    with pytest.raises(InputError, match="recourse does not take networks that are graphs"):
        solve_recourse(instance, lambda _: None)


def test_recourse_says_no_more_than_it_asks_for() -> None:
    """0.9 of both deadlines at once, where a plan keeps one with 0.9 and one with 0.8."""
    found = {f["kind"]: f for f in run("explain", "cift-uncertain-010")["findings"]}
    text = found["recourse"]["text"]
    assert "keeps all deadlines at once in outcomes of probability 0.9" in text


@pytest.mark.parametrize("axis", ["throughput", "inference"])
def test_what_has_no_confidence_is_not_swept_over(axis: str, tmp_path) -> None:
    instance = load("cift-uncertain-005").replace(inference_deadline_s=None)
    write_json(tmp_path / "one.json", instance.to_document())
    done = CliRunner().invoke(cli, ["sweep", str(tmp_path / "one.json"), "--over", axis])
    assert done.exit_code == 2
    assert done.output.startswith(f"splitopt: error: --over: '{axis}', expected a deadline")
