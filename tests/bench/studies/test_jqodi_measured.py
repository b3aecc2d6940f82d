"""The commands that measure JQODI and its kernel: what they count, and what they refuse."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.runs.spec import RunSpec
from splitopt.bench.store.rows import Limits
from splitopt.bench.store.store import Store
from splitopt.bench.studies.jqodi import page as jqodi_page
from splitopt.bench.studies.jqodi.speed import fastest_exact, measure
from splitopt.bench.studies.kernels import study as kernel_comparison
from splitopt.bench.studies.runs import rows_of
from splitopt.heuristics.labels import constrained_shortest_path


def row(method: str, cpu_s: float, status: str, **more: str) -> SimpleNamespace:
    fields = {"verdict": "right", "termination": "solved"} | more
    return SimpleNamespace(
        method=method,
        cpu_time_s=cpu_s,
        status=status,
        instance_hash="h",
        instance_name="n",
        **fields,
    )


def test_fastest_exact_method_is_one_that_proved_and_is_no_label_program() -> None:
    rows = [
        row("highs-flow", 3.0, "optimal"),
        row("cpsat", 2.0, "optimal"),
        row("jqodi-exact", 0.1, "optimal"),
        row("highs-oa", 1.0, "optimal", verdict="wrong"),
        row("scip-minlp", 0.5, "feasible", termination="time"),
        row("single-cut", 0.2, "feasible"),
    ]
    assert fastest_exact(rows) == {"h": ("n", 2.0, "cpsat", False)}
    # Where nobody proved it, the longest try is a lower bound.
    tries = [row("cpsat", 9.0, "feasible", termination="time"), rows[4]]
    assert fastest_exact(tries) == {"h": ("n", 9.0, "cpsat", True)}
    assert fastest_exact([rows[2]]) == {}


def test_jqodi_is_timed_by_runs_in_a_store_as_its_rivals_are(tmp_path: Path) -> None:
    spec = RunSpec(
        instances=("cift-tiny-both", "mepra-crafted-alike"),
        methods=("highs-flow", "highs-tangent"),
        limits=Limits.of(60.0),
    )
    exact = rows_of(spec, tmp_path / "exact")
    # As if the flow had taken minutes: what is quicker than a second is not compared.
    slow = [dataclasses.replace(row, cpu_time_s=100.0) for row in exact]
    figures = measure(slow, tmp_path / "store")
    (cift,) = figures["cift"]
    assert (cift["instance"], cift["exact_s"], cift["exact"]) == (
        "cift-tiny-both",
        100.0,
        "highs-flow",
    )
    (mepra,) = figures["mepra"]
    assert mepra["tangents_proved"]
    with Store(tmp_path / "store") as store:
        rows = store.rows()
    mine = [row for row in rows if row.instance_name == "cift-tiny-both"]
    assert [row.options["epsilon"] for row in mine] == [0.01] * 3
    assert cift["jqodi_s"] == min(row.cpu_time_s for row in mine)


@pytest.mark.parametrize("family", ["layered", "random"])
def test_graphs_are_simple_and_their_limits_bind(family: str) -> None:
    case = kernel_comparison.graph(family, 1000, 2, 0)
    tail, head, cost, use, source, target, limits = case
    assert len({*zip(tail.tolist(), head.tolist(), strict=True)}) == len(tail)
    assert 700 <= len(tail) <= 1100  # parallel arcs are left out
    again = kernel_comparison.graph(family, 1000, 2, 0)
    assert all(np.array_equal(a, b) for a, b in zip(case, again, strict=True))
    # Each limit can be kept by itself; the cheapest path breaks the first.
    cheapest = constrained_shortest_path(tail, head, cost, None, source, target, [])
    assert use[cheapest.arcs, 0].sum() > limits[0]
    for k in range(2):
        least = constrained_shortest_path(tail, head, use[:, k], None, source, target, [])
        assert least.cost <= limits[k]


def test_a_disagreement_is_no_measurement() -> None:
    def solved(cost: float | None, censored: bool = False) -> dict[str, object]:
        return {"cost": cost, "censored": censored, "cpu_s": 1.0, "load_s": 0.0}

    entry = {"family": "layered", "arcs": 1000, "solvers": {"labels": solved(10.0)}}
    entry["solvers"] |= {"labels at 1 %": solved(10.05), "cspy": solved(10.0)}
    kernel_comparison._agree(entry)
    entry["solvers"]["cspy"] = solved(None, censored=True)
    kernel_comparison._agree(entry)
    entry["solvers"]["cspy"] = solved(10.2)
    with pytest.raises(RuntimeError, match=r"cspy 10\.2, labels 10\.0"):
        kernel_comparison._agree(entry)


def test_a_process_is_measured_and_one_that_burns_on_is_censored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = kernel_comparison.graph("random", 1000, 1, 0)
    found = kernel_comparison._measured("labels", case)
    assert not found["censored"]
    assert found["cpu_s"] > 0
    assert found["cost"] == constrained_shortest_path(*case).cost

    def endless(_: object) -> object:
        def run() -> float:
            while True:
                pass

        return run

    monkeypatch.setattr(kernel_comparison, "CAP_S", 0.1)
    monkeypatch.setitem(kernel_comparison.SOLVERS, "cspy", (endless, False))
    found = kernel_comparison._measured("cspy", case)
    assert found == {"cpu_s": 0.1, "load_s": found["load_s"], "cost": None, "censored": True}


def test_solve_says_in_one_line_what_is_guaranteed_and_what_was_certified() -> None:
    arguments = ["solve", "cift-quick-tiers", "--method", "jqodi", "--epsilon", "0.1"]
    text = CliRunner().invoke(cli, arguments).output
    (line,) = [line for line in text.splitlines() if line.startswith("guarantee")]
    assert "E <= 1.1 OPT under the inference deadline divided by 1.1; certified: E <= 1.0" in line


def test_rows_are_read_as_the_store_has_them() -> None:
    from splitopt.bench.store.rows import Row

    names = {field.name for field in dataclasses.fields(Row)}
    assert names >= set(vars(row("cpsat", 1.0, "optimal")))


def test_page_tables_say_what_was_measured(tmp_path: Path) -> None:
    speed = {
        "least_s": 1.0,
        "epsilon": 0.01,
        "cift": [
            {"exact_s": e, "jqodi_s": j, "censored": c, "solver_s": s, "solver_censored": True}
            for e, j, c, s in (
                (2.0, 0.01, False, 3.0),
                (10.0, 0.1, True, 10.0),
                (1.0, 4.0, False, 8.0),
                (0.5, 0.1, False, 9.0),
            )
        ],
        "mepra": [
            {"devices": 5, "exits": "fixed", "tangents_s": t, "jqodi_s": j, "tangents_proved": p}
            for t, j, p in ((0.2, 0.1, True), (0.1, 0.2, True), (9.0, 0.3, False))
        ],
    }
    text = jqodi_page.speed_tables(speed)
    # Ratios 200, 100 and 0.25; 10, 100 and 4000 ms.
    assert "median 100, least 0.25; slower on 1" in text
    assert "(1 of them proved by none" in text
    assert "median 100 ms, most 4000 ms" in text
    # Solvers alone take long on one more: 300, 100, 2 and 90.
    assert "general solver: 4 instances" in text
    assert "median 95, least 2; slower on 0" in text
    # Ratios 2, 0.5 and 30.
    assert "| fixed | 5 to 5 | 3 | 200 | 200 | 2 | 0.5 | 1 | 1 |" in text

    def measured(seconds: float, cut: bool = False) -> dict[str, object]:
        return {"cpu_s": seconds, "censored": cut}

    kernel = {
        "cap_s": 5.0,
        "rows": [
            {
                "family": "random",
                "arcs": 1000,
                "resources": 1,
                "solvers": {
                    "labels": measured(0.001),
                    "labels at 1 %": measured(0.002),
                    "cspy": measured(seconds, seconds == 5.0),
                },
            }
            for seconds in (0.0005, 0.004, 5.0)
        ],
    }
    text = jqodi_page.kernel_table(kernel)
    assert "| random | 1000 | 1 | 3 | 1 | 2 | 4 | 1 |" in text
    assert "median ratio 4 over 3 graphs, least 0.5, the kernel slower on 1; 1 cut off at 5" in text
    # A page without the marks is refused, and the file is another's: nothing is written.
    page = tmp_path / "page.md"
    page.write_text("no marks")
    path = tmp_path / "kernel.json"
    path.write_text(json.dumps(kernel))
    assert jqodi_page.main(["--kernel", str(path), "--page", str(page)]) == 2
    assert jqodi_page.main(["--speed", str(path), "--page", str(page)]) == 2
    assert page.read_text() == "no marks"
    marks = "<!-- jqodi-kernel: measured, written by a command -->\n<!-- jqodi-kernel ends -->"
    page.write_text(marks)
    assert jqodi_page.main(["--kernel", str(path), "--page", str(page)]) == 0
    assert "median ratio 4" in page.read_text()
