"""What the tables count, by hand."""

import dataclasses
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitopt.bench.compare.alignment import align
from splitopt.bench.compare.integrals import Course, judged_trajectory, run_integrals
from splitopt.bench.compare.summary import (
    Figures,
    best_of_tasks,
    by_variant,
    charged_time_s,
    is_proved,
    is_right,
    is_solved,
    run_gap,
    summarise,
    summarise_variants,
    summary_of_best,
    virtual_best_summary,
)
from splitopt.bench.compare.variants import variant_names
from splitopt.bench.report.plots.progress import _gaps_at
from splitopt.bench.report.svg import Chart, Scale
from splitopt.bench.store.rows import Row
from splitopt.bench.verdicts.references import Reference


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
        "options": {},
        "repetition": 0,
        "threads": 1,
        "relative_gap": 1e-6,
        "trajectory": (),
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
    (summary,) = summarise(ROWS, Figures(KNOWN, REFUTED))
    assert (summary.runs, summary.unsupported) == (6, 1)
    # Seeds 0, 1, 2 and 5 ended with a claim; of those 0 and 1 hold, and 0 is a proof.
    assert (summary.solved, summary.right, summary.proved, summary.wrong) == (4, 2, 1, 2)
    assert summary.failed == 1


def test_gaps_are_over_feasible_plans_of_runs_that_are_not_wrong():
    (summary,) = summarise(ROWS, Figures(KNOWN, REFUTED))
    # 0 and 0.1. Not 0.5: the plan is feasible, but the run is wrong, and that is a failure.
    assert summary.gaps == 2
    assert summary.gap_median == pytest.approx(0.05)
    assert summary.gap_worst == pytest.approx(0.1)


def test_times_of_failures_are_charged():
    charged = [charged_time_s(r, REFUTED) for r in ROWS]
    # Wrong, killed, refuted, out of time: the limit.
    assert charged == [1.0, 3.0, 10.0, 10.0, 10.0, 10.0, 10.0]
    (summary,) = summarise(ROWS, Figures(KNOWN, REFUTED))
    product = 11 * 13 * 20 * 20 * 20 * 20
    assert summary.time_s == pytest.approx(product ** (1 / 6) - 10)
    assert summary.par2_s == pytest.approx((1 + 3 + 4 * 20) / 6)
    assert summary.par10_s == pytest.approx((1 + 3 + 4 * 100) / 6)


def test_what_counts_as_solved():
    assert is_solved(ROWS[0])
    assert not is_solved(ROWS[3])
    assert not is_solved(row(9, termination="time"))


def test_a_step_line_starts_at_zero_and_runs_to_the_edge():
    chart = Chart("t", "d", Scale(0.0, 10.0), Scale(0.0, 1.0), "x", "y")
    chart.line("one", [(5.0, 0.5)], steps=True)
    path = chart.drawing()
    # From the lower left corner (84, 348) to the middle (374, 182) and on to the right edge.
    assert "M84 348H374V182H664" in path


def test_options_that_differ_make_variants():
    rows = [
        row(0, options={"epsilon": 0.1, "reduction": True}),
        row(1, options={"epsilon": 0.01, "reduction": True}),
        row(2, method="plain", options={"order": "none"}),
        # Another problem's method of the same name is another method.
        row(3, problem="cift", options={"epsilon": 0.5}),
        # An option that only a later version knows.
        row(4, method="older", options={}),
        row(5, method="older", options={"fast": False}),
    ]
    assert list(variant_names(rows).values()) == [
        "m epsilon=0.1",
        "m epsilon=0.01",
        "plain",
        "m",
        "older",
        "older fast=false",
    ]
    names = variant_names(rows)
    found = summarise(rows, Figures(KNOWN, frozenset()), names)
    assert sorted((s.problem, s.variant, s.runs) for s in found)[:2] == [
        ("cift", "m", 1),
        ("mepra", "m epsilon=0.01", 1),
    ]


def test_a_trajectory_holds_nothing_better_than_what_was_judged():
    told = ((1.0, 30.0, 2.0), (2.0, 5.0, 9.0))
    # It told of an incumbent of 5 and ended with 20; it told of a bound of 9 and ended with 8.
    one = row(0, trajectory=told, objective=20.0, bound=8.0, solve_time_s=4.0)
    assert judged_trajectory(one) == [(1.0, 30.0, 2.0), (2.0, 20.0, 8.0), (4.0, 20.0, 8.0)]
    # Without a plan there was no incumbent; without a bound at the end there was none.
    none = row(0, trajectory=told, objective=None, bound=None, solve_time_s=4.0)
    assert judged_trajectory(none)[-1] == (4.0, None, None)
    assert judged_trajectory(none)[0] == (1.0, None, None)
    assert judged_trajectory(row(0, trajectory=told, verdict="wrong")) == []
    assert judged_trajectory(one, frozenset({"k0"})) == []


def test_integrals_of_runs_by_hand():
    known = Reference(10.0, 10.0, False, "m")
    # Gap 1 until 1 s, (30 - 10) / 30 until 2 s, (20 - 10) / 20 until the limit of 10 s.
    one = row(0, trajectory=((1.0, 30.0, None), (2.0, 20.0, 15.0)), objective=20.0, bound=15.0)
    found = run_integrals(one, known)
    assert found.primal_s == pytest.approx(1 + 2 / 3 + 8 * 0.5)
    # No bound until 2 s, then (20 - 15) / 20.
    assert found.primal_dual_s == pytest.approx(2 + 8 * 0.25)
    # Without a trajectory the plan is there from the end of the run on.
    assert run_integrals(row(0, solve_time_s=3.0), known).primal_s == pytest.approx(3.0)
    # A fast wrong answer: the gap is 1 throughout.
    assert run_integrals(row(0, solve_time_s=0.1, verdict="wrong"), known).primal_s == 10.0
    assert run_integrals(one, known, frozenset({"k0"})).primal_s == 10.0
    # There is no plan to measure by.
    assert run_integrals(one, Reference(None, None, True, None)) is None


def test_integrals_are_averaged_where_trajectories_were_read():
    rows = [row(0, trajectory=((1.0, 10.0, None),)), row(1, verdict="wrong")]
    (summary,) = summarise(rows, Figures(KNOWN, frozenset()))
    assert summary.primal_s == pytest.approx((1.0 + 10.0) / 2)
    assert summarise(ROWS, Figures(KNOWN, REFUTED))[0].primal_s is None


def test_the_virtual_best_by_hand():
    def run(method, instance, **changes):
        return row(0, key=method + instance, method=method, instance_hash=instance, **changes)

    nothing = {"status": "none", "verdict": "not claimed", "objective": None}
    rows = [
        # Two proofs, of 4 and of 2 s, and a quick plan without one.
        run("a", "p", status="optimal", solve_time_s=4.0),
        run("b", "p", status="optimal", solve_time_s=2.0),
        run("c", "p", solve_time_s=0.1, objective=12.0),
        # No proof; plans at 10 and 50 %, and a wrong one that looks best.
        run("a", "q", objective=11.0),
        run("b", "q", objective=15.0),
        run("c", "q", objective=10.0, verdict="wrong", status="optimal"),
        # Nobody has anything.
        run("a", "r", **nothing),
        run("b", "r", **nothing | {"termination": "unsupported"}),
    ]
    known = dict.fromkeys("pqr", KNOWN["h"])
    best = virtual_best_summary(rows, Figures(known, frozenset()))
    assert (best.runs, best.right, best.proved, best.wrong) == (3, 2, 1, 0)
    assert (best.gap_median, best.gap_worst) == (pytest.approx(0.05), pytest.approx(0.1))
    # The quick plan of 0.1 s, one of the two right plans of 1 s, and nothing at all.
    assert best.time_s == pytest.approx((10.1 * 11 * 20) ** (1 / 3) - 10)
    assert best.par2_s == pytest.approx((0.1 + 1 + 20) / 3)
    assert best.par10_s == pytest.approx((0.1 + 1 + 100) / 3)
    assert virtual_best_summary([], Figures(known, frozenset())) is None


outcomes = st.sampled_from(
    [
        {"status": "optimal", "termination": "solved", "verdict": "right"},
        {"status": "optimal", "termination": "solved", "verdict": "wrong"},
        {"status": "feasible", "termination": "solved", "verdict": "right"},
        {"status": "feasible", "termination": "time", "verdict": "right"},
        {"status": "relaxed", "termination": "solved", "verdict": "right"},
        {"status": "none", "termination": "time", "verdict": "not claimed", "objective": None},
    ]
)


@given(
    st.lists(
        st.tuples(
            outcomes,
            st.floats(0.0, 15.0),
            st.floats(10.0, 20.0),
            st.lists(st.tuples(st.floats(0, 15), st.floats(10, 30), st.none()), max_size=2),
        ),
        min_size=4,
        max_size=4,
    )
)
def test_no_method_is_better_than_the_virtual_best_in_any_figure(drawn):
    rows = [
        row(
            0,
            **{
                "key": f"{k}",
                "method": "ab"[k % 2],
                "instance_hash": "pq"[k // 2],
                "solve_time_s": taken,
                "objective": objective,
                "trajectory": tuple(sorted(told)),
            }
            | outcome,
        )
        for k, (outcome, taken, objective, told) in enumerate(drawn)
    ]
    known = dict.fromkeys("pq", KNOWN["h"])
    best = virtual_best_summary(rows, Figures(known, frozenset()))
    for one in summarise(rows, Figures(known, frozenset())):
        for count in ("solved", "right", "proved", "gaps"):
            assert getattr(best, count) >= getattr(one, count)
        for time in ("time_s", "par2_s", "par10_s"):
            assert getattr(best, time) <= getattr(one, time) + 1e-9
        if one.gaps == 2:
            assert best.gap_worst <= one.gap_worst


@given(st.lists(st.tuples(st.sampled_from("ghi"), st.sampled_from("mn"), outcomes), max_size=12))
def test_methods_on_some_instances_are_what_their_rows_alone_give(drawn):
    """Whether instances are picked before or after the figures are worked out."""
    rows = [
        row(k, instance_hash=instance, method=method, solve_time_s=k / 3.0, **outcome)
        for k, (instance, method, outcome) in enumerate(drawn)
    ]
    known = {key: Reference(10.0, 10.0, False, "a") for key in "ghi"}
    figures, names = Figures(known, frozenset()), {each.key: each.method for each in rows}
    for hashes in ({"g"}, {"g", "i"}, set("ghi")):
        mine = [each for each in rows if each.instance_hash in hashes]
        assert summarise_variants(by_variant(rows, figures, names), hashes) == summarise(
            mine, figures
        )
        tasks = [best for key, best in best_of_tasks(rows, figures, names) if key in hashes]
        assert summary_of_best("mepra", tasks) == virtual_best_summary(mine, figures)


def test_gaps_at_times_are_those_last_held():
    """By hand: what is told at a time holds from it on, and no time goes back."""
    grid = np.array([0.5, 1.0, 2.0, 4.0])
    courses = [
        Course(array("d", []), array("d", []), None),
        Course(array("d", [0.1, 1.0, 9.0]), array("d", [0.9, 0.5, 0.0]), None),
        Course(array("d", [2.0, 1.0]), array("d", [0.4, 0.2]), None),
    ]
    assert _gaps_at(courses, grid).tolist() == [
        [1.0, 1.0, 1.0, 1.0],
        [0.9, 0.5, 0.5, 0.5],
        [1.0, 1.0, 0.2, 0.2],
    ]


def test_later_than_the_limit_is_a_failure_in_every_figure():
    late = [row(0, status="optimal", solve_time_s=25.0)]
    gave_up = [
        row(0, status="none", verdict="not claimed", termination="time", objective=None,
            solve_time_s=9.9)
    ]  # fmt: skip
    (a,), (b,) = (summarise(rows, Figures(KNOWN, frozenset())) for rows in (late, gave_up))
    assert (a.solved, a.right, a.proved, a.gaps) == (b.solved, b.right, b.proved, b.gaps)
    assert (a.time_s, a.par2_s, a.par10_s) == (b.time_s, b.par2_s, b.par10_s)
    assert (a.par2_s, a.failed, b.failed) == (20.0, 1, 0)
    assert (late[0].ending, gave_up[0].ending) == ("late", "time")
    # To the last bit of the limit it is in time.
    assert is_proved(row(0, status="optimal", solve_time_s=10.0), frozenset())


def test_a_run_that_stopped_a_moment_late_keeps_the_plan_it_had_told_of():
    told = ((3.0, 12.0, None), (10.2, 11.0, None))
    stopped = row(0, termination="time", solve_time_s=10.3, objective=11.0, trajectory=told)
    assert is_right(stopped, frozenset())
    # 12 by the limit; the 11 came later.
    assert run_gap(stopped, KNOWN["h"], frozenset()) == pytest.approx(0.2)
    silent = row(0, termination="time", solve_time_s=10.3, objective=11.0)
    assert not is_right(silent, frozenset())
    assert run_gap(silent, KNOWN["h"], frozenset()) is None
    # One that says it is done is late, whatever it told of on the way.
    done = row(0, solve_time_s=10.3, objective=11.0, trajectory=told)
    assert not is_right(done, frozenset())
    # What it told of counts for no less than what it ended with.
    boast = row(0, termination="time", solve_time_s=10.3, trajectory=((1.0, 1.0, None),))
    assert run_gap(boast, KNOWN["h"], frozenset()) == 0.0


def test_runs_are_aligned_whatever_seeds_each_method_has():
    rows = [
        *(row(seed, key=f"d{seed}", method="drawing") for seed in (3, 4, 5)),
        row(4, key="s4", method="steady"),
        row(0, key="t0", method="two"),
        row(5, key="t5", method="two"),
        row(0, key="e", method="drawing", instance_hash="elsewhere"),
        row(0, key="u", method="steady", instance_hash="elsewhere", termination="unsupported"),
        # Another limit is another task.
        row(0, key="l", method="steady", time_limit_s=99.0),
    ]
    found = align(rows, {r.key: r.method for r in rows})
    keys = {name: [r and r.key for r in column] for name, column in found.rows.items()}
    # Seeds 0, 3, 4 and 5 of h, seed 0 elsewhere, seed 0 under the other limit. A method's own
    # seed stands in its place; for others the runs it has stand in turn.
    assert [slot[-2] for slot in found.tasks] == [0, 3, 4, 5, 0, 0]
    assert keys == {
        "drawing": ["d3", "d3", "d4", "d5", "e", None],
        "steady": ["s4", "s4", "s4", "s4", None, "l"],
        "two": ["t0", "t5", "t0", "t5", None, None],
    }


def test_gap_of_a_run():
    known = KNOWN["h"]
    assert run_gap(row(0, objective=12.0), known, frozenset()) == pytest.approx(0.2)
    assert run_gap(row(0, objective=12.0), None, frozenset()) is None
    assert run_gap(row(0, verdict="wrong"), known, frozenset()) is None
    assert run_gap(row(0, violations=({"constraint": "x"},)), known, frozenset()) is None
