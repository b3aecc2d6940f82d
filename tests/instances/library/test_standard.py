"""The choice of `standard-v1`: cells, farthest first, and what the frozen set reached."""

from __future__ import annotations

import numpy as np
import pytest

from splitopt.instances import library
from splitopt.instances.core.errors import InputError
from splitopt.instances.library import standard
from splitopt.instances.library.build import FOLDER, STANDARD


def row(problem="cift", **changes):
    base = {
        "name": "a",
        "problem": problem,
        "continuous": False,
        "status": "optimal",
        "milp_status": "optimal",
        "milp_gap": 0.0,
        "features": {"x": 1.0, "free": 0.0},
    }
    shape = {"hosts": 1} if problem == "cift" else {"interior": 0.0, "one_node": False}
    return base | shape | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "infeasible", "milp_status": "infeasible"}, "cift-infeasible"),
        ({"hosts": 1}, "cift-one-host"),
        ({"hosts": 2}, "cift-few-hosts"),
        ({"hosts": 3}, "cift-few-hosts"),
        ({"hosts": 4}, "cift-many-hosts"),
        ({"continuous": True, "status": "feasible"}, "cift-continuous"),
        ({"milp_status": "unproven", "milp_gap": 1e-3}, "cift-unproven"),
        ({"milp_status": "unproven", "milp_gap": None}, "cift-unproven"),
        # Nearly proved: a faster machine would prove it.
        ({"milp_status": "unproven", "milp_gap": 2e-6}, None),
        # No optimum is known.
        ({"milp_status": "unproven", "milp_gap": 1e-3, "status": "feasible"}, None),
    ],
)
def test_cells_of_cift(changes, expected):
    assert standard.cell(row(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"one_node": True}, "mepra-one-node"),
        ({"interior": 0.0}, "mepra-mixed"),
        ({"interior": 0.1}, "mepra-inside"),
        ({"interior": 0.1, "features": {"free": 1.0}}, "mepra-free-inside"),
        ({"features": {"free": 1.0}}, "mepra-free"),
        ({"milp_status": "unproven", "milp_gap": 1.0}, "mepra-unproven"),
        (
            {"milp_status": "unproven", "milp_gap": 1e-5, "name": "mepra-candidate-lattice-3"},
            "mepra-unproven-lattice",
        ),
        ({"name": "mepra-candidate-lattice-3"}, None),
        ({"name": "mepra-candidate-partition-3"}, "mepra-partition"),
    ],
)
def test_cells_of_mepra(changes, expected):
    assert standard.cell(row("mepra", **changes)) == expected


def test_ranks_do_not_depend_on_units():
    rows = [{"features": {"x": x, "y": 1.0}} for x in (1.0, 1000.0, 2.0, 2.0)]
    assert standard.ranks(rows)[:, 0].tolist() == [0.0, 1.0, 0.5, 0.5]
    assert np.all(standard.ranks(rows)[:, 1] == 0.0)


def test_the_same_table_gives_the_same_choice():
    rows = standard.read_table()
    first, second = standard.chosen(rows), standard.chosen(list(rows))
    assert [r["name"] for r in first] == [r["name"] for r in second]
    assert len(first) == sum(standard.CELLS.values())


def test_the_frozen_files_are_the_choice():
    picked = standard.chosen(standard.read_table())
    hashes = [library.entry(name).content_hash for name in library.names(STANDARD)]
    assert hashes == [r["content_hash"] for r in picked]
    size = sum(path.stat().st_size for path in (FOLDER / STANDARD).glob("*.json.gz"))
    assert size < 6e6


def test_the_choice_keeps_the_promises_of_the_set():
    picked = standard.chosen(standard.read_table())
    assert len(picked) >= 200
    cift = [r for r in picked if r["problem"] == "cift" and "hosts" in r]
    mepra = [r for r in picked if r["problem"] == "mepra"]
    one = sum(r["hosts"] == 1 for r in cift) + sum(r["one_node"] for r in mepra)
    assert one <= (len(cift) + len(mepra)) / 3
    assert sum(r["hosts"] >= 4 for r in cift) >= len(cift) / 3
    assert sum(r["interior"] > 0 for r in mepra) >= len(mepra) / 3
    assert sum(r["milp_status"] == "unproven" for r in picked) >= len(picked) / 4


def test_stored_instances_load_with_the_hash_of_the_index():
    for name in library.names(STANDARD)[::10]:
        instance = library.load(name)
        assert instance.name == name
        assert instance.content_hash == library.entry(name).content_hash


def test_a_frozen_set_is_not_written_over():
    with pytest.raises(InputError, match="frozen"):
        standard.main()
