"""`sweep` and `explain` on an instance in doubt: what the figures of one another imply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.formulations.cift.recourse.outcomes import outcomes
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.documents import write_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.library import load


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


def test_a_graph_in_doubt_has_no_recourse(tmp_path: Path) -> None:
    """Segments of a chain would leave out what crosses a cut of a graph."""
    graph = load("cift-networks-017").to_document()
    (only,) = graph["configurations"]
    epochs = {key: only[key] for key in ("model", "compression", "source", "fraction")}
    samples = [only["epochs"], only["epochs"] + 1]
    graph["doubt"] = {"epochs": [{**epochs, "samples": samples}], "fine_tuning_confidence": 0.5}
    path = tmp_path / "graph.json"
    write_json(path, CiftInstance.from_document(graph).to_document())
    assert "recourse" not in {f["kind"] for f in run("explain", str(path))["findings"]}
    rows = run("sweep", str(path), "--axis", "fine-tuning")["confidences"]
    assert rows[0]["energy_j"] is not None
    assert [row["recourse_j"] for row in rows] == [None] * len(rows)
    with pytest.raises(InputError, match="recourse does not take networks that are graphs"):
        outcomes(CiftInstance.from_document(graph))


def test_show_says_what_is_in_doubt() -> None:
    told = CliRunner().invoke(cli, ["show", "cift-uncertain-022"]).stdout
    assert "10 scenarios; deadlines hold with probability 0.9 (inference) and 0.8" in told


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
