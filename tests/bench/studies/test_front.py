"""The picture of the first page: one plan's cost, and worst gaps as the report has them."""

from stores import fill, row

import splitopt
from splitopt.bench.studies.front.study import INSTANCE, draw


def test_the_picture_shows_the_plan_and_the_gaps(tmp_path):
    instance = splitopt.load(INSTANCE)
    best = splitopt.method("jqodi-exact", "cift").solve(instance, splitopt.Budget(60.0), 0, {})
    same = {"problem": "cift", "instance": "a"}
    rows = [
        row("highs-oa", status="optimal", bound=10.0, **same),
        row("random", objective=12.5, **same),
        row("random", 1, objective=None, status="none", termination="time", **same),
    ]
    text = draw(instance, best.plan, fill(tmp_path, rows)).decode()
    assert f"{best.objective:.4g} J, the least possible" in text
    assert "25.0 %; a plan for 1 of 1" in text  # 12.5 where 10 is optimal
    assert "worst gap to the proven optimum (%), 1 instances" in text
    assert [name in text for name in ("device", "edge", "cloud")] == [True] * 3
