"""Methods against each other, by hand."""

import dataclasses

import pytest

from splitopt.bench.compare.metrics import Interval
from splitopt.bench.compare.paired import compare_methods, time_statement
from splitopt.bench.store.rows import Row


def runs(method, times, instance="h", **changes):
    """One right run a seed; a change that is a list has an entry a seed."""
    found = []
    for seed, seconds in enumerate(times):
        filled = {field.name: None for field in dataclasses.fields(Row)} | {
            "key": f"{method} {instance} {seed}",
            "method": method,
            "instance_hash": instance,
            "problem": "mepra",
            "seed": seed,
            "time_limit_s": 10.0,
            "termination": "solved",
            "status": "feasible",
            "verdict": "right",
            "violations": (),
            "solve_time_s": seconds,
            "objective": 10.0,
        }
        found.append(
            Row(**filled | {k: v[seed] if isinstance(v, list) else v for k, v in changes.items()})
        )
    return found


def against_a(rows, refuted=frozenset()):
    names = {row.key: row.method for row in rows}
    return {p.second: p for p in compare_methods(rows, refuted, names, ["a"])}


def test_times_objectives_and_shares_right():
    rows = [
        *runs("a", [1.0, 2.0], "p"),
        *runs("a", [4.0, 4.0], "q"),
        # Half the time on p and twice it on q: a ratio of 1. Objectives 20 % above on q.
        *runs("b", [0.5, 1.0], "p"),
        *runs("b", [8.0, 8.0], "q", objective=12.0),
    ]
    b = against_a(rows)["b"]
    assert (b.problem, b.tasks) == ("mepra", 4)
    assert b.time.estimate == pytest.approx(1.0)
    assert (b.time.low, b.time.high) == pytest.approx((1.0, 1.0))
    assert b.objective.estimate == pytest.approx(1.2**0.5)
    assert (b.right.estimate, b.right.low, b.right.high) == (0.0, 0.0, 0.0)


def test_a_fast_wrong_answer_counts_with_its_limit():
    rows = [*runs("a", [1.0, 1.0]), *runs("b", [0.001, 0.001], verdict="wrong", objective=1.0)]
    b = against_a(rows)["b"]
    assert b.time.estimate == pytest.approx(10.0)
    assert time_statement(b.time) == "slower"
    assert b.right.estimate == -1.0
    # Its plan, however good it looks, is not held against the other's.
    assert b.objective is None
    refuted = frozenset(row.key for row in rows if row.method == "b")
    rows = [*runs("a", [1.0, 1.0]), *runs("b", [0.001, 0.001])]
    assert against_a(rows, refuted)["b"].time.estimate == pytest.approx(10.0)


def test_only_common_tasks_count():
    rows = [
        *runs("a", [1.0, 1.0, 1.0]),
        *runs("b", [2.0, 2.0, 9.0], termination=["solved", "solved", "unsupported"]),
        *runs("c", [5.0], "elsewhere"),
        # Another time limit is another task.
        *runs("d", [5.0], time_limit_s=20.0),
    ]
    found = against_a(rows)
    assert set(found) == {"b"}
    assert found["b"].tasks == 2
    assert found["b"].time.estimate == pytest.approx(2.0)


def test_no_time_is_shorter_than_the_clock_tells():
    found = against_a([*runs("a", [1e-6]), *runs("b", [5e-4])])["b"]
    assert found.time.estimate == 1.0
    assert found.time.over == "instances"


def test_an_objective_of_zero_has_no_ratio():
    rows = [*runs("a", [1.0], objective=0.0), *runs("b", [1.0], objective=0.0)]
    assert against_a(rows)["b"].objective is None


def test_the_same_rows_give_the_same_intervals():
    rows = [*runs("a", [1.0, 2.0, 3.0]), *runs("b", [2.0, 1.0, 5.0])]
    assert against_a(rows) == against_a(rows)


def test_statements():
    def interval(low, high):
        return Interval(1.0, low, high, 0.95, 3)

    assert time_statement(interval(0.5, 0.9)) == "faster"
    assert time_statement(interval(1.1, 1.9)) == "slower"
    assert time_statement(interval(0.9, 1.1)) == "no difference shown"
    assert time_statement(interval(0.5, 1.0)) == "no difference shown"
    assert time_statement(None) == "-"
