"""One suite over every method of the registry: what a result must be, whatever the method.

The checks are those of `splitopt conform`; optima come from enumeration, which shares no cost
code with any method.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import json
import math
import pkgutil
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import splitopt.formulations
import splitopt.heuristics
from splitopt.bench.cli import cli
from splitopt.bench.methods.conformance import checks
from splitopt.bench.methods.conformance.cases import CASES, case
from splitopt.bench.methods.conformance.checks import CHECKS, supported, switches
from splitopt.bench.methods.conformance.oracle import optimum_of
from splitopt.bench.methods.conformance.promises import (
    BrokenPromiseError,
    Subject,
    hold_to_its_word,
)
from splitopt.bench.methods.conformance.trial import try_method
from splitopt.bench.methods.registry import METHODS, Entry, load
from splitopt.instances.contract.method import SolutionStatus
from splitopt.instances.judge import evaluate, read_instance

DATA = Path(__file__).parents[2] / "data"
# Lagrangian bounds leave a gap here, so that what comes behind them has work to do.
for path in sorted(DATA.glob("open-*.json")):
    CASES["cift"][path.stem] = functools.partial(read_instance, path)


def subject(entry) -> Subject:
    return Subject(load(entry.name, entry.problem), entry.name, entry.problem, entry.kind)


class Brief:
    """A method that searches for less long than by default, which no promise depends on."""

    def __init__(self, method, few):
        self._method, self._few = method, few

    def __getattr__(self, name):
        return getattr(self._method, name)

    def solve(self, instance, budget, seed, options, **more):
        return self._method.solve(instance, budget, seed, self._few | dict(options), **more)


FEW = {"pymoo-ga": {"population": 16, "generations": 10}, "random": {"samples": 100}}


def brief(entry) -> Subject:
    found = subject(entry)
    return dataclasses.replace(found, method=Brief(found.method, FEW.get(entry.name, {})))


def taker(entry) -> Subject:
    """Return a method that takes some cases: skip one whose optional solver is not installed."""
    if entry.solver is not None:
        pytest.importorskip(entry.solver)
    return subject(entry)


def ids(entry):
    return f"{entry.problem}-{entry.name}" if hasattr(entry, "problem") else None


PAIRS = [
    pytest.param(entry, name, id=f"{entry.problem}-{entry.name}-{name}")
    for entry in METHODS
    for name in CASES[entry.problem]
]


@pytest.mark.parametrize(("entry", "name"), PAIRS)
def test_result(entry, name):
    checks.result_is_true(brief(entry), name)


@pytest.mark.parametrize("entry", METHODS, ids=ids)
def test_time_limit_of_nothing(entry):
    for name in CASES[entry.problem]:
        checks.no_time(subject(entry), name)


@pytest.mark.parametrize("entry", METHODS, ids=ids)
def test_unknown_option_is_refused(entry):
    checks.unknown_option(taker(entry))


@pytest.mark.parametrize("entry", METHODS, ids=ids)
def test_options_are_described_and_checked(entry):
    checks.interface(subject(entry))


def other_values():
    """Yield each method with each switch of its options turned, one at a time."""
    for entry in METHODS:
        for option, value in switches(subject(entry)):
            name = f"{entry.problem}-{entry.name}-{option}-{value}"
            yield pytest.param(entry, {option: value}, id=name)


@pytest.mark.parametrize(("entry", "options"), list(other_values()))
def test_options_keep_a_method_to_its_word(entry, options, monkeypatch):
    """What a switch turns off may cost time, never a promise."""
    if entry.kind != "exact":
        # Labels without a reduction fill any limit on what Lagrangian bounds leave open.
        monkeypatch.setattr(checks, "SWITCHED_LIMIT_S", 1.0)
    for name in CASES[entry.problem]:
        if name.startswith(("micro", "open")) or "crafted" in name:
            checks.switched(subject(entry), options, name)


@pytest.mark.parametrize("entry", METHODS, ids=ids)
def test_same_seed_same_plan(entry):
    for name, _ in supported(taker(entry))[:2]:
        checks.same_twice(subject(entry), name)


@pytest.mark.parametrize("entry", METHODS, ids=ids)
def test_warm_start(entry):
    """A start from the optimum never makes a result wrong."""
    for name, _ in supported(taker(entry))[:3]:
        checks.warm_start(subject(entry), name)


# -- the registry --------------------------------------------------------------------------


def test_names_are_unique():
    keys = [(entry.problem, entry.name) for entry in METHODS]
    assert len(set(keys)) == len(keys)
    for entry in METHODS:
        assert entry.summary.strip()
        assert "\n" not in entry.summary


def test_no_method_is_missing():
    """Every object of formulations and heuristics that can solve is in the table."""
    registered = {id(load(entry.name, entry.problem)) for entry in METHODS}
    missing = []
    for package in (splitopt.formulations, splitopt.heuristics):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            module = importlib.import_module(info.name)
            for name, value in vars(module).items():
                if inspect.isclass(value) or inspect.ismodule(value):
                    continue
                solves = callable(getattr(value, "solve", None))
                takes = callable(getattr(value, "supports", None))
                if solves and takes and id(value) not in registered:
                    missing.append(f"{info.name}:{name}")
    assert missing == []


def test_the_cases_cover_what_they_should():
    """The suite is only as good as its cases: count what they contain."""
    cift = [case("cift", name) for name in CASES["cift"]]
    mepra = [case("mepra", name) for name in CASES["mepra"]]
    for number in (0, 1, 2):
        assert sum(c.deadlines == number for c in cift) >= 3
    assert sum(c.has_continuous_speeds for c in cift) >= 5
    assert sum(optimum_of(c).status is SolutionStatus.INFEASIBLE for c in cift) >= 3
    assert any(len(c.nodes) == 1 for c in cift)
    assert any(len(m.blocks) == 1 for c in cift for m in c.models)
    assert any(c.requests == 0 for c in cift)
    assert any(all(c.sample_passes(g) == 0 for g in c.configurations) for c in cift)
    assert any(optimum_of(c).objective == 0 for c in cift)
    assert {c.exits for c in mepra} == {"fixed", "free"}
    assert any(c.devices == 1 for c in mepra)
    assert any(optimum_of(c).objective == 0 for c in mepra)
    assert any(c.weight_time_per_s == 0 for c in mepra)
    interior = 0
    for c in mepra:
        splits = optimum_of(c).plan.splits
        interior += bool(((splits > 0) & (splits < c.layers[c.profile])).any())
    assert interior >= 4


def test_the_suite_sees_a_wrong_method():
    """Rogue results, one for each thing a result can get wrong."""
    entry = next(e for e in METHODS if (e.name, e.problem) == ("brute-force", "mepra"))
    instance = case("mepra", "micro-0")
    good = optimum_of(instance)
    hold_to_its_word(subject(entry), instance, good)
    worse = dataclasses.replace(
        good.plan, splits=np.zeros_like(good.plan.splits), shares=np.ones_like(good.plan.shares)
    )
    rogues = (
        (dataclasses.replace(good, objective=math.nextafter(good.objective, 0)), "reports"),
        (dataclasses.replace(good, bound=good.objective * 1.001), "above the optimum"),
        (dataclasses.replace(good, status=SolutionStatus.NONE), "breaks nothing"),
        (
            dataclasses.replace(
                good, plan=worse, objective=evaluate(instance, worse).objective, bound=0.0
            ),
            "breaks",
        ),
        (
            dataclasses.replace(
                good, status=SolutionStatus.INFEASIBLE, plan=None, objective=None, bound=None
            ),
            "there is no plan",
        ),
        (
            dataclasses.replace(
                good,
                status=SolutionStatus.RELAXED,
                plan=worse,
                objective=evaluate(instance, worse).objective,
                bound=0.0,
            ),
            "relaxed without",
        ),
        (dataclasses.replace(good, statistics={"x": math.nan}), "cannot be recorded"),
        (dataclasses.replace(good, statistics={"x": object()}), "cannot be recorded"),
    )
    for rogue, says in rogues:
        with pytest.raises(BrokenPromiseError, match=says):
            hold_to_its_word(subject(entry), instance, rogue)


# -- splitopt conform ----------------------------------------------------------------------------


def conform(*arguments):
    result = CliRunner().invoke(cli, ["conform", *arguments], prog_name="splitopt")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def few_cases(monkeypatch):
    """Three cases of each problem, so that a trial takes a moment."""
    for problem, names in {
        "cift": ("micro-0", "micro-1", "micro-3"),
        "mepra": ("micro-0", "micro-1", "micro-2"),
    }.items():
        monkeypatch.setitem(CASES, problem, {name: CASES[problem][name] for name in names})


def test_a_method_of_the_registry_conforms(few_cases):
    result = conform("even-shares")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"{len(CHECKS)} of {len(CHECKS)} checks passed"
    assert "FAILED" not in result.stdout
    found = json.loads(conform("even-shares", "--json").stdout)
    assert [(one["check"], one["passed"]) for one in found] == [(c.name, True) for c in CHECKS]
    # Each of three cases with ample and without time; one case twice and three started.
    tried = {one["check"]: one["steps"] for one in found}
    assert (tried["results"], tried["no time"], tried["interface"]) == (3, 3, 1)


def test_rogue_plugins_fail_each_for_its_own_reason(few_cases, rogues, monkeypatch):
    names = ["honest", "cheat", "liar", "denier", "raiser", "stranger", "deserter", "segfault"]
    names += ["forger", "glutton"]
    # What this process holds already counts: solvers, and what was compiled in tests before.
    (held,) = re.findall(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
    limit = (int(held) << 10) + (400 << 20)
    monkeypatch.setattr("splitopt.bench.methods.conformance.trial._MEMORY_BYTES", limit)
    result = conform(*names, "--plugin", *rogues, "--problem", "mepra", "--json")
    assert result.exit_code == 1
    failures = {
        (found["method"], found["check"]): found["failure"]
        for found in json.loads(result.stdout)
        if not found["passed"]
    }
    for method, says in {
        "cheat": "micro-0: reports ",
        "liar": "above the optimum",
        "denier": "micro-0: claims that there is no plan",
        "raiser": "micro-0: ValueError: no luck <b>today</b>",
        "stranger": "micro-0: solve() returned dict, not a Result",
        "deserter": "micro-0: the process ended with exit code 0 in mid-check",
        "segfault": "micro-0: the process ended by SIGSEGV",
        "forger": "micro-0: ",
        "glutton": "micro-0: MemoryError",
    }.items():
        assert says in failures[method, "results"], method
    # All of them take any option, which hides misspelt ones.
    assert "read_options" in failures["honest", "unknown option"]
    assert ("honest", "results") not in failures
    assert "\n" not in "".join(failures.values())


def test_the_method_of_the_page_conforms(few_cases, tmp_path, monkeypatch):
    page = (Path(__file__).parents[3] / "docs" / "running.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "my_method.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    result = conform("--plugin", "my_method:METHOD")
    assert result.exit_code == 0, result.output
    assert f"{len(CHECKS)} of {len(CHECKS)} checks passed" in result.stdout


def test_a_method_that_hangs_is_killed_and_named(few_cases, rogues):
    entry = Entry("sleeper", "mepra", "heuristic", "rogues:METHODS", "")
    check = next(check for check in CHECKS if check.name == "results")
    (found,) = try_method(entry, checks=(check,), patience_s=3.0)
    assert found.failure == "micro-0: still at it after 3 s, killed"
    assert found.steps == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "a method, or --plugin"),
        (["nothing"], "splitopt methods lists them"),
        (["even-shares", "--problem", "cift"], "a problem that the method is for"),
        (["--plugin", "no_such_module:METHOD"], "module:object"),
    ],
)
def test_conform_refuses_bad_input(arguments, says):
    result = conform(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
