"""What the tables count, by hand."""

import dataclasses

import pytest

from bench.references import Reference
from bench.report.svg import Chart, Scale
from bench.rows import Row
from bench.summary import charged_time_s, is_solved, summarise


def row(seed, **changes):
    filled = {field.name: None for field in dataclasses.fields(Row)} | {
        "key": f"k{seed}",
        "method": "m",
        "instance_hash": "h",
        "problem": "mepra",
        "seed": seed,
        "time_limit_s": 10.0,
        "termination": "solved",
        "status": "feasible",
        "verdict": "right",
        "violations": (),
        "solve_time_s": 1.0,
        "objective": 10.0,
    }
    return Row(**(filled | changes))


ROWS = [
    row(0, status="optimal", objective=10.0),
    row(1, objective=11.0, solve_time_s=3.0),
    row(2, objective=15.0, verdict="wrong", solve_time_s=0.001),
    row(3, status="none", verdict="not claimed", termination="killed", objective=None,
        solve_time_s=12.0),
    row(4, status="none", verdict="not claimed", termination="unsupported", objective=None),
    # Right by the judge, and refuted by another run.
    row(5, status="infeasible", objective=None, solve_time_s=0.5),
    # An infeasible attempt: no gap.
    row(6, status="none", verdict="not claimed", violations=({"constraint": "x"},), objective=1.0,
        termination="time", solve_time_s=10.0),
]  # fmt: skip
REFUTED = frozenset({"k5"})
KNOWN = {"h": Reference(10.0, 10.0, False, "m")}


def test_solved_right_and_proved_are_counted_apart():
    (summary,) = summarise(ROWS, KNOWN, REFUTED)[""]
    assert (summary.runs, summary.unsupported) == (6, 1)
    # Seeds 0, 1, 2 and 5 ended with a claim; of those 0 and 1 hold, and 0 is a proof.
    assert (summary.solved, summary.right, summary.proved, summary.wrong) == (4, 2, 1, 2)
    assert summary.failed == 1


def test_gaps_are_over_feasible_plans():
    (summary,) = summarise(ROWS, KNOWN, REFUTED)[""]
    # 0, 0.1 and, of a plan that is feasible though the claim about it is wrong, 0.5.
    assert summary.gaps == 3
    assert summary.gap_median == pytest.approx(0.1)
    assert summary.gap_worst == pytest.approx(0.5)


def test_times_of_failures_are_charged():
    charged = [charged_time_s(r, REFUTED) for r in ROWS]
    # Wrong: the limit. Killed: what it took. Refuted: the limit. Out of time: the limit.
    assert charged == [1.0, 3.0, 10.0, 12.0, 10.0, 10.0, 10.0]
    (summary,) = summarise(ROWS, KNOWN, REFUTED)[""]
    product = 11 * 13 * 20 * 22 * 20 * 20
    assert summary.time_s == pytest.approx(product ** (1 / 6) - 10)
    assert summary.par2_s == pytest.approx((1 + 3 + 4 * 20) / 6)
    assert summary.par10_s == pytest.approx((1 + 3 + 4 * 100) / 6)


def test_groups_are_summarised_apart():
    groups = summarise(ROWS, KNOWN, REFUTED, by=lambda r: "even" if r.seed % 2 == 0 else "odd")
    assert {name: found[0].runs for name, found in groups.items()} == {"even": 3, "odd": 3}


def test_what_counts_as_solved():
    assert is_solved(ROWS[0])
    assert not is_solved(ROWS[3])
    assert not is_solved(row(9, termination="time"))


def test_a_step_line_starts_at_zero_and_runs_to_the_edge():
    chart = Chart("t", "d", Scale(0.0, 10.0), Scale(0.0, 1.0), "x", "y")
    chart.line("one", [(5.0, 0.5)], steps=True)
    path = chart.drawing()
    # From the lower left corner (70, 348) to the middle (367, 182) and on to the right edge.
    assert "M70 348H367V182H664" in path
