"""Measuring candidates: what a row says, and that a broken run goes on."""

from __future__ import annotations

import json

from splitopt.bench.studies.candidates import study as measure_candidates
from splitopt.instances.library.recipes import Recipe

SMALL = {"stages": 3, "width": 1, "sources": 1, "blocks": 4, "levels": 2, "compressions": 1}
RECIPES = (
    Recipe("cift-candidate-0", "cift-tiers", 1, SMALL),
    Recipe("cift-candidate-1", "cift-tiers", 1, SMALL | {"infeasible": "deadline"}),
    Recipe("cift-candidate-2", "cift-tiers", 1, SMALL | {"speeds": "continuous"}),
    Recipe("mepra-candidate-0", "mepra-fleet", 1, {"devices": 3}),
)


def test_rows_say_what_the_optimum_is_like():
    feasible, infeasible, continuous, mepra = map(measure_candidates.measure, RECIPES)
    assert feasible["status"] == feasible["milp_status"] == "optimal"
    assert feasible["hosts"] >= 1
    assert feasible["features"]["log_blocks"] == 0.6021  # log10 of 4
    assert infeasible["status"] == "infeasible"
    assert "hosts" not in infeasible
    assert continuous["continuous"]
    assert continuous["hosts"] >= 1
    assert 0 <= mepra["interior"] <= 1
    assert isinstance(mepra["one_node"], bool)
    assert all(json.dumps(row) for row in (feasible, infeasible, continuous, mepra))


def test_a_broken_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    measured = []

    def once(recipe):
        measured.append(recipe.name)
        return {"name": recipe.name, "milp_status": "optimal"}

    monkeypatch.setattr(measure_candidates, "candidates", lambda: iter(RECIPES))
    monkeypatch.setattr(measure_candidates, "measure", once)
    # One row done, the next cut short while it was written.
    done = json.dumps({"name": RECIPES[0].name, "milp_status": "optimal"})
    (tmp_path / "candidates.jsonl").write_text(done + '\n{"name": "cift-cand')
    measure_candidates.main(["--out", str(tmp_path)])
    assert measured == [recipe.name for recipe in RECIPES[1:]]
    measure_candidates.main(["--out", str(tmp_path)])
    assert len(measured) == 3
