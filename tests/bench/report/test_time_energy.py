"""`splitopt show --tree`: the tree as text, as data and as a picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.methods.registry import load
from splitopt.bench.report.time_energy.picture import draw
from splitopt.heuristics.jqodi.cift.steps import steps_of
from splitopt.heuristics.jqodi.cift.tree import time_energy_tree
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Link, Node
from splitopt.instances.contract.method import Budget
from splitopt.instances.generators import generate
from splitopt.instances.networks.profiles import Block, Profile

MENU = generate("cift-tiers", 1, blocks=5, levels=3, compressions=1)


def two_hosts(**deadlines: float) -> CiftInstance:
    """One block of 8 FLOP; on the end node at 1, 2 or 4 FLOP/s, or shipped to an edge node.

    kappa 1, rho 0: 8, 32 and 128 J in 8, 4 and 2 s. Shipping takes 1 s and nothing, the edge node
    (kappa 2, 8 FLOP/s) 1024 J and 1 s.
    """
    nodes = (
        Node("end", "end", (1.0, 2.0, 4.0), 1.0, 0.0, 10.0, 1),
        Node("edge", "edge", (8.0,), 2.0, 0.0, 10.0),
    )
    return CiftInstance(
        "two",
        nodes,
        (Link("end", "edge", 1.0, 0.0, 0.0),),
        (Profile("m", 1.0, (Block("b", 8.0, 1.0, 1.0),)),),
        (Compression("none", 1.0, 1.0, 1.0),),
        (Configuration("m", "none", "end", 1.0, 0),),
        1,
        **deadlines,
    )


def classes(svg: str) -> list[str]:
    return [element.get("class", "") for element in ET.fromstring(svg).iter()]


def test_what_a_deadline_shuts_is_a_door_and_no_label() -> None:
    tree = time_energy_tree(two_hosts(inference_deadline_s=4.0), 0)
    made = sorted(
        (float(e), float(t)) for e, t in zip(tree.energy_j, tree.inference_latency_s, strict=True)
    )
    # The root; the raw input placed and shipped; 2 and 4 FLOP/s at the end node; the edge node.
    assert made == [(0, 0), (0, 0), (0, 1), (32, 4), (128, 2), (1024, 2)]
    # 1 FLOP/s takes 8 s: too long, so it is a door of the root and nothing else is.
    assert tree.doors.parent.tolist() == [0]
    assert tree.doors.energy_j.tolist() == [8.0]
    assert tree.doors.inference_latency_s.tolist() == [8.0]
    best = np.flatnonzero(tree.optimal)
    assert tree.energy_j[best].tolist() == [0.0, 32.0]
    assert tree.serving_speed[best[-1]] == 2.0
    # At 128 J the end node is beaten by nobody; the edge node, as fast and dearer, is.
    fate = {float(e): int(f) for e, f in zip(tree.energy_j, tree.fate, strict=True)}
    assert fate[128.0] == 0
    assert fate[1024.0] == 1


def test_without_a_deadline_nothing_is_shut_and_nothing_trimmed() -> None:
    tree = time_energy_tree(two_hosts(), 0, 0.5)
    assert len(tree.doors) == 0
    assert tree.counts()["trimmed"] == 0
    assert tree.energy_j[tree.optimal].max() == 8.0


def test_steps_end_where_the_judge_does() -> None:
    plan = load("highs-flow", "cift").solve(MENU, Budget(), 0, {}).plan
    steps = steps_of(MENU, plan)
    found = evaluate_cift(MENU, plan)
    assert steps.energy_j[-1] == pytest.approx(found.objective, rel=1e-12)
    assert steps.inference_latency_s[-1] == pytest.approx(found.inference_latency_s, rel=1e-12)
    assert steps.fine_tuning_time_s[-1] == pytest.approx(found.fine_tuning_time_s, rel=1e-12)
    assert steps.hosted.sum() == len([stop for stop in plan.stops if stop.blocks])
    assert int(steps.stop[-1]) == len(plan.stops) - 1
    for figures in (steps.energy_j, steps.inference_latency_s, steps.fine_tuning_time_s):
        assert figures[0] == 0
        assert (np.diff(figures) >= 0).all()


def test_the_picture_shows_every_label_of_a_small_tree() -> None:
    tree = time_energy_tree(two_hosts(inference_deadline_s=4.0), 0)
    picture = draw(tree, "t", ("a", "b"), None, "the optimum", ["end: block 1"], most=100)
    found = classes(picture.svg)
    # 128 and 1024 J lie beyond the frame, 2.5 times the best; a mark each in the legend.
    assert picture.left_out == ("2 labels lie beyond the frame.",)
    assert found.count("kept") == 4 + 1
    assert found.count("wall") == 1
    assert found.count("best") == 1 + 1
    assert found.count("badge") == 2


def test_two_deadlines_are_two_walls_and_none_is_none() -> None:
    both = MENU.replace(inference_deadline_s=1.0, fine_tuning_deadline_s=1e4)
    free = MENU.replace(inference_deadline_s=None, fine_tuning_deadline_s=None)
    walls = []
    for instance in (both, free):
        tree = time_energy_tree(instance, 0, 0.5)
        svg = draw(tree, "t", (), None, "the optimum", []).svg
        walls.append(sum(name.startswith("walled") for name in classes(svg)))
    assert walls == [2, 0]


def test_of_many_labels_a_part_is_drawn_and_the_rest_counted() -> None:
    from splitopt.bench.commands.arguments import open_instance

    instance = open_instance("cift-quick-chain")
    plan = load("highs-flow", "cift").solve(instance, Budget(), 0, {}).plan
    position = instance.configurations.index(plan.configuration(instance))
    tree = time_energy_tree(instance, position, 0.1)
    steps = steps_of(instance, plan)
    picture = draw(tree, "t", (), steps, "the optimum", [], most=100)
    drawn = sum(name in ("kept", "dominated", "trimmed", "over") for name in classes(picture.svg))
    # Of each label a mark in each of two panels, of each fate one in the legend.
    assert drawn <= 2 * 130 + 4
    (line, *_) = picture.left_out
    shown, total = (int(word) for word in line.split() if word.isdigit())
    assert shown <= 130
    assert total == len(tree)
    assert "optimum" in classes(picture.svg)  # the tree's best path is another one
    # Cut short, it says so, and the plan's way stands for the path.
    short = time_energy_tree(instance, position, 0.0, most=50)
    assert not short.complete
    picture = draw(short, "t", (), steps, "the optimum", ["a"])
    assert "cut short after 50 labels" in picture.left_out[0]
    assert "best" not in classes(picture.svg)
    assert classes(picture.svg).count("badge") >= 2 * len(plan.stops)


def run(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(cli, ["show", *arguments])
    return found.exit_code, found.output


def test_command_prints_and_draws(tmp_path: Path) -> None:
    path = tmp_path / "tree.svg"
    code, text = run("cift-crafted-relay", "--tree", "--out", str(path))
    assert code == 0, text
    assert "the optimum" in text
    assert ET.parse(path).getroot().tag.endswith("svg")
    code, text = run("cift-crafted-relay", "--tree", "--json")
    document = json.loads(text)
    optimum = load("highs-flow", "cift")
    from splitopt.bench.commands.arguments import open_instance

    value = optimum.solve(open_instance("cift-crafted-relay"), Budget(), 0, {}).objective
    assert document["optimum_j"] == pytest.approx(value)
    assert document["best_path_energy_j"] == pytest.approx(value)
    assert sum(document["counts"].values()) == len(document["labels"]["parent"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["cift-crafted-relay", "--epsilon", "1"], "--tree"),
        (["cift-crafted-relay", "--tree", "--epsilon", "-1"], "--epsilon"),
        (["cift-crafted-relay", "--tree", "--configuration", "99"], "--configuration"),
        (["cift-tiny-continuous", "--tree"], "continuous"),
        (["mepra-image-10mbps", "--tree"], "CIFT"),
    ],
)
def test_command_refuses(arguments: list[str], word: str) -> None:
    code, text = run(*arguments)
    assert code == 2
    assert word in text


def test_command_says_why_there_is_no_tree() -> None:
    code, text = run("cift-quick-infeasible", "--tree")
    assert code == 0
    assert "no plan" in text
