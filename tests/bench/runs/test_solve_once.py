"""One solve under hard limits, in a process of its own."""

import time

import numpy as np
import pytest

from splitopt.bench.runs.runner import solve_once
from splitopt.instances.contract.method import SolutionStatus, Termination
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import check, evaluate
from splitopt.instances.mepra.plan import MepraPlan


@pytest.fixture(scope="module")
def instance(make_mepra):
    return make_mepra(speed=2e8)


def test_an_exact_method_on_an_instance_and_on_a_file(instance, instance_file):
    found = solve_once(instance, "brute-force", time_limit_s=20.0)
    assert found.status is SolutionStatus.OPTIMAL
    assert found.termination is Termination.SOLVED
    assert check(instance, found.plan) == []
    assert found.objective == evaluate(instance, found.plan).objective
    assert found.statistics["verdict"] == "right"
    again = solve_once(instance_file(speed=2e8), "brute-force", time_limit_s=None)
    assert again.objective == found.objective


def test_a_file_may_be_named_relative_to_the_folder(instance_file, monkeypatch, tmp_path):
    instance_file(speed=2e8)
    monkeypatch.chdir(tmp_path)
    assert solve_once("toy-0.json", "device-only", time_limit_s=5.0).plan is not None


def test_progress_arrives_while_it_runs(instance, rogues):
    points = []
    begin = time.monotonic()
    found = solve_once(
        instance,
        "sleeper",
        time_limit_s=0.3,
        grace_s=0.3,
        plugins=rogues,
        on_progress=lambda point: points.append((point, time.monotonic() - begin)),
    )
    assert [(p.objective, p.bound) for p, _ in points] == [(None, 0.25), (1000.0, 0.25)]
    assert (found.termination, found.status) == (Termination.KILLED, SolutionStatus.NONE)
    # The bound it sent is kept; a figure without a plan is none.
    assert (found.bound, found.objective, found.plan) == (0.25, None, None)
    assert "killed at 0.6 s" in found.statistics["detail"]
    assert points[-1][1] < time.monotonic() - begin - 0.3


def test_a_refuted_claim_is_not_passed_on(instance, rogues):
    found = solve_once(instance, "cheat", time_limit_s=5.0, plugins=rogues)
    assert found.status is SolutionStatus.NONE
    assert found.statistics["verdict"] == "wrong"
    assert "reports" in found.statistics["detail"]
    assert found.objective == evaluate(instance, found.plan).objective


def test_unsupported_comes_with_the_reason(instance, rogues):
    found = solve_once(instance, "picky", time_limit_s=5.0, plugins=rogues)
    assert found.termination is Termination.UNSUPPORTED
    assert found.statistics["detail"] == "takes no instance called two-devices"


def test_memory_and_crashes_are_named(instance, rogues):
    settings = {"time_limit_s": 60.0, "plugins": rogues}
    found = solve_once(instance, "glutton", memory_limit_bytes=200 << 20, **settings)
    assert found.termination is Termination.MEMORY
    found = solve_once(instance, "segfault", **settings)
    assert (found.termination, found.bound) == (Termination.CRASHED, 0.5)
    assert found.statistics["detail"] == "SIGSEGV"


def test_a_warm_start_reaches_the_method(instance, rogues):
    plan = MepraPlan(np.array([2, 0]), np.array([0.0, 0.7]))
    found = solve_once(instance, "follower", time_limit_s=20.0, warm_start=plan, plugins=rogues)
    assert found.plan.to_document() == plan.to_document()
    assert found.objective == evaluate(instance, plan).objective


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"method": "no-such"}, "method"),
        ({"options": {"nonsense": 1}}, "option nonsense"),
        ({"time_limit_s": -1.0}, "time_limit_s"),
        ({"threads": 0}, "threads"),
        ({"instance": "no-such-file.json"}, "file"),
        ({"plugins": ("no_such_module:X",)}, "method"),
    ],
)
def test_bad_input_is_one_line(instance, arguments, field):
    settings = {"instance": instance, "method": "device-only", "time_limit_s": 5.0}
    with pytest.raises(InputError) as caught:
        solve_once(**(settings | arguments))
    assert caught.value.field == field
