"""Instances made to be bad, and labels made to explode."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.methods.registry import load
from splitopt.bench.verify import adversary
from splitopt.bench.verify.explosion import chain_of_choices, measure
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.contract.method import Budget, Result


def test_adversary_finds_a_ratio_within_the_guarantee() -> None:
    found = adversary.search((1.0,), 30, seed=1)
    assert [one.form for one in found] == ["default", "labels"]
    for one in found:
        assert 1.0 <= one.ratio <= 2.0
        assert one.evaluations == 30
        assert 0 < sum(one.kinds.values()) <= 30
    worst = max(found, key=lambda one: one.ratio)
    assert worst.ratio > 1.05  # some instance does hurt
    # The instance is the witness: solved again it gives the same ratio.
    again = CiftInstance.from_document(worst.to_document()["instance"])
    options = {} if worst.form == "default" else {"reduction": False}
    value = load("jqodi", "cift").solve(again, Budget(), 0, {**options, "epsilon": 1.0}).objective
    optimum = load("highs-oa", "cift").solve(again, Budget(), 0, {}).objective
    assert value / optimum == pytest.approx(worst.ratio, rel=1e-6)


def test_adversary_sees_a_fault_where_lists_and_intervals_mix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class TopLevels:
        """Brute force that lets lists beside intervals run at their highest level."""

        def solve(self, instance: CiftInstance, *_: object) -> Result:
            if instance.has_continuous_speeds:
                nodes = tuple(
                    node
                    if isinstance(node.speeds_flop_per_s, SpeedInterval)
                    else dataclasses.replace(node, speeds_flop_per_s=node.speeds_flop_per_s[-1:])
                    for node in instance.nodes
                )
                instance = instance.replace(nodes=nodes)
            return load("brute-force", "cift").solve(instance, Budget(), 0, {})

    known = {"jqodi": TopLevels(), "highs-flow": load("highs-flow", "cift")}
    monkeypatch.setattr(adversary, "load", lambda name, problem: known[name])
    one = adversary.search((0.01,), 120, seed=0)[0]
    assert one.ratio > 1.01
    assert one.instance is not None
    assert one.instance.has_continuous_speeds
    assert one.kinds["lists and intervals"] > 5


def test_choices_cost_as_stated() -> None:
    instance = chain_of_choices(3, np.random.default_rng(0))
    free = instance.replace(inference_deadline_s=None)
    # The cheapest plan takes the slow node thrice: one joule each.
    assert load("brute-force", "cift").solve(free, Budget(), 0, {}).objective == pytest.approx(3)


def test_exact_labels_double_and_trimmed_ones_do_not() -> None:
    points = measure((6, 10, 14), (0.1,), 0, 10.0)
    exact = [one.labels for one in points if one.epsilon == 0]
    trimmed = [one.labels for one in points if one.epsilon > 0]
    assert exact[2] > 8 * exact[0] > 0
    assert trimmed[2] < 8 * trimmed[0]
    assert not any(one.cut for one in points)
    assert all(1.0 <= one.ratio <= 1.1 for one in points)


def test_command_runs_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splitopt.bench.commands.verify_stress._STAGES", (4, 8))
    arguments = ["verify", "--set", "cift-crafted-relay", "--epsilon", "0.5", "--no-labels"]
    arguments += ["--adversary", "5", "--explode", "--out", str(tmp_path)]
    found = CliRunner().invoke(cli, arguments)
    assert found.exit_code == 0, found.output
    document = json.loads((tmp_path / "verify.json").read_text())
    assert len(document["adversary"]) == 2
    assert len(document["explosion"]) == 4
    assert (tmp_path / "explosion.svg").exists()
