"""The fuzzer: its truth, what it finds of methods that lie, and that the suite's do not."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.methods.conformance.fuzz import campaign, trial
from splitopt.bench.methods.conformance.fuzz.enumeration import truth_of
from splitopt.bench.methods.conformance.fuzz.shrink import shrunk
from splitopt.bench.methods.conformance.fuzz.trial import Attempt, drawn, judged
from splitopt.bench.methods.registry import Entry, load
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.method import (
    EXACT,
    Budget,
    Guarantee,
    OnProgress,
    Result,
    SolutionStatus,
    Support,
    Termination,
)


@pytest.mark.parametrize("problem", ["cift", "mepra"])
def test_its_truth_is_that_of_brute_force(problem: str) -> None:
    # Two enumerations that share no code.
    method = load("brute-force", problem)
    tried = 0
    for index in range(60):
        instance = drawn(problem, 7, index)
        truth = truth_of(instance)
        if not method.supports(instance):
            continue
        found = method.solve(instance, Budget(), 0, {})
        tried += 1
        assert (found.objective is not None) == truth.feasible
        if found.objective is not None:
            assert truth.low * (1 - 1e-6) <= found.objective <= truth.high * (1 + 1e-6)
    assert tried > 40


@pytest.mark.parametrize(("problem", "count"), [("cift", 60), ("mepra", 60)])
def test_no_method_claims_what_enumeration_refutes(problem: str, count: int) -> None:
    tally = campaign.fuzz(problem, count, seed=0)
    assert [(one.index, one.attempt.label, one.failure.statement) for one in tally.found] == []
    assert tally.instances["instances"] == count
    # It tried what it is for, and most of the exact runs ended with a proof.
    if problem == "cift":
        assert tally.instances["lists and intervals"] > count / 10
    runs = tally.runs
    proven = runs["jqodi-exact", "optimal"] + runs["jqodi-exact", "infeasible"]
    assert proven > 0.8 * runs["jqodi-exact", "runs"]


class Liar:
    """Claims of brute force's result, changed."""

    name = "liar"
    options = ()

    def __init__(self, lie: str) -> None:
        self.lie = lie

    def supports(self, instance: CiftInstance) -> Support:
        return Support()

    def solve(
        self,
        instance: CiftInstance,
        budget: Budget,
        seed: int,
        options: Mapping[str, object],
        warm_start: Any = None,
        on_progress: OnProgress | None = None,
    ) -> Result:
        true: Result = load("brute-force", "cift").solve(instance, Budget(), 0, {})
        if true.plan is None or true.objective is None:
            return true
        poor = load("random", "cift").solve(instance, Budget(), 0, {"samples": 30})
        if self.lie == "raises KeyError":
            raise KeyError("gone")
        if self.lie == "infeasible":
            return dataclasses.replace(
                true,
                status=SolutionStatus.INFEASIBLE,
                plan=None,
                objective=None,
                bound=None,
                guarantee=None,
            )
        if self.lie == "bound":
            return dataclasses.replace(true, bound=true.objective * 1.1 + 1.0)
        if self.lie == "nothing":
            return dataclasses.replace(
                true, status=SolutionStatus.NONE, plan=None, objective=None, guarantee=None
            )
        if poor.objective is None or poor.status is not SolutionStatus.FEASIBLE:
            return true
        promise = EXACT if self.lie == "optimal" else Guarantee("approximation", 1.01, "close")
        status = SolutionStatus.OPTIMAL if self.lie == "optimal" else SolutionStatus.FEASIBLE
        return dataclasses.replace(
            poor,
            termination=Termination.SOLVED,
            status=status,
            bound=0.0,
            guarantee=promise,
        )


LIES = ("infeasible", "bound", "optimal", "guarantee", "nothing", "raises KeyError")


@pytest.mark.parametrize("lie", LIES)
def test_each_kind_of_lie_is_found_and_made_small(lie: str) -> None:
    liar = Liar(lie)
    entry = Entry("liar", "cift", "exact", "nowhere:nothing", "lies")
    attempt = Attempt("liar", "cift")

    def failure(instance: Any) -> str | None:
        found = trial.run(liar, instance, attempt)
        if isinstance(found, trial.Failure):
            return found.kind
        assert found is not None
        wrong = judged(instance, truth_of(instance), found, attempt, entry.kind)
        return None if wrong is None else wrong.kind

    index = next(k for k in range(200) if failure(drawn("cift", 0, k)) == lie)
    instance = drawn("cift", 0, index)
    assert isinstance(instance, CiftInstance)
    small = shrunk(instance, lambda candidate: failure(candidate) == lie)
    assert isinstance(small, CiftInstance)
    assert failure(small) == lie

    def size(one: CiftInstance) -> int:
        return len(one.nodes) + len(one.links) + len(one.configurations) + len(one.models[0].blocks)

    assert size(small) <= size(instance)
    assert size(small) <= 6  # two nodes or one, a configuration, a block or two


def test_the_same_seed_gives_the_same_instances_and_runs() -> None:
    for problem in ("cift", "mepra"):
        one, other = drawn(problem, 3, 11), drawn(problem, 3, 11)
        assert one.content_hash == other.content_hash
        assert list(trial.attempts(one, 11)) == list(trial.attempts(other, 11))
    assert drawn("cift", 3, 11).content_hash != drawn("cift", 4, 11).content_hash


def test_the_command_prints_counts_and_takes_up_where_it_is_told() -> None:
    args = ["conform", "--fuzz", "4", "--start", "8", "--problem", "mepra", "--json"]
    found = CliRunner().invoke(cli, args)
    assert found.exit_code == 0, found.output
    (document,) = json.loads(found.stdout)
    assert document["start"] == 8
    assert document["instances"]["instances"] == 4
    assert document["failures"] == []
    by_name = {row["method"]: row for row in document["runs"]}
    assert by_name["lagrangian"]["runs"] == 4


def test_a_method_that_kills_its_process_is_told_with_its_instance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = campaign.try_instance

    def deadly(instance: Any, index: int, methods: Any) -> Any:
        if index == 45:
            os.kill(os.getpid(), signal.SIGKILL)
        return honest(instance, index, methods)

    monkeypatch.setattr(campaign, "try_instance", deadly)
    tally = campaign.fuzz("mepra", 60, seed=1, methods=("device-only",), jobs=2)
    ((index, kind),) = [(one.index, one.failure.kind) for one in tally.found]
    assert (index, kind) == (45, "process")
    # Each of the others was tried, once: those that shared its process were tried again.
    assert tally.instances["instances"] == 60
    assert tally.runs["device-only", "runs"] == 59


def test_instances_of_each_kind_come_in_their_share() -> None:
    counts = Counter(kind for k in range(300) for kind in campaign._kinds(drawn("cift", 5, k)))
    mixed = counts["lists and intervals"] + counts["intervals alone"]
    assert mixed > 95  # of 100; equal nodes may take the only interval away
    assert counts["lists and intervals"] > 80  # the rest have one node
    assert min(counts[f"{n} deadlines"] for n in range(3)) > 60
    statuses = [truth_of(drawn("cift", 5, k)) for k in range(300)]
    assert sum(not truth.feasible for truth in statuses) > 30
    assert sum(truth.high == 0 for truth in statuses) > 5
    # The truth is narrow: only what lies on the last digits of a limit is open.
    wide = [t for t in statuses if t.feasible and t.high > t.low * (1 + 1e-6)]
    assert len(wide) < 3
