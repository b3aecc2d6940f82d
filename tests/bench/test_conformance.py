"""One suite over every method of the registry: what a result must be, whatever the method.

Optima come from enumeration, which shares no cost code with any method.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import json
import math
import pkgutil
import random
from pathlib import Path

import numpy as np
import pytest

import formulations
import heuristics
from bench.registry import METHODS, load
from instances.cift import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
)
from instances.errors import InputError
from instances.generators import generate
from instances.interface import Budget, Method, Result, SolutionStatus, Support, Termination
from instances.judge import check, evaluate, read_instance
from instances.library.crafted_cift import CRAFTED_CIFT
from instances.library.crafted_mepra import CRAFTED_MEPRA
from instances.library.recipes import TINY
from instances.mepra import ExitFractions, MepraInstance
from instances.profiles import Block, Layer, MultiExitProfile, Profile
from instances.tolerances import not_above, values_agree

CLAIMS_A_PLAN = (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE)
# Far more than any method needs here; learners and heuristics may use all they are given.
EXACT_LIMIT_S = 60.0
OTHER_LIMIT_S = 5.0

DATA = Path(__file__).parents[1] / "data"

# -- the cases -----------------------------------------------------------------------------


def random_cift(seed: int) -> CiftInstance:
    """A few nodes and blocks, any of them free, slow or full; deadlines about to bind."""
    draw = random.Random(f"conformance-cift-{seed}")
    continuous = seed % 3 == 2

    def speeds():
        low = round(10 ** draw.uniform(8.5, 9.5), -6)
        if continuous and draw.random() < 0.7:
            return SpeedInterval(low, low * draw.choice((1, 2, 8)))
        return tuple(sorted({low, low * draw.choice((1, 2)), low * draw.choice((1, 4))}))

    count = draw.randint(2, 4)
    nodes = tuple(
        Node(
            f"n{i}",
            "end" if i == 0 else draw.choice(("edge", "cloud")),
            speeds(),
            draw.choice((0, 1e-28, 1e-27)),
            draw.choice((0, 1, 5)),
            draw.choice((1e9, 1e9, 2e6)),
            100 if i == 0 else 0,
        )
        for i in range(count)
    )
    links = tuple(
        Link(
            f"n{i}",
            f"n{j}",
            round(10 ** draw.uniform(6, 8), -4),
            draw.choice((0, 0.01)),
            draw.choice((0, 1e-8, 1e-7)),
        )
        for i in range(count)
        for j in range(i + 1, count)
        if draw.random() < 0.8
    )
    blocks = tuple(
        Block(f"b{k}", draw.randint(0, 10**8), draw.randint(0, 4 * 10**5), draw.randint(0, 10**6))
        for k in range(draw.randint(2, 4))
    )
    instance = CiftInstance(
        f"micro-{seed}",
        nodes,
        links,
        (Profile("m", 1e6, blocks),),
        (Compression("none", 1, 1, 1), Compression("half", 0.5, 0.25, 0.5)),
        (
            Configuration("m", "none", "n0", 0.5, draw.choice((0, 3))),
            Configuration("m", "half", "n0", 1, 5),
        ),
        draw.choice((1, 1000)),
    )
    free = optimum_of(instance)
    if free.plan is None:
        return instance
    cost = evaluate(instance, free.plan)
    serving, training = cost.inference_latency_s, cost.fine_tuning_time_s
    if seed % 4 in (1, 3):
        instance = instance.replace(inference_deadline_s=serving * draw.choice((0.6, 0.8, 1.1)))
    if seed % 4 in (2, 3):
        instance = instance.replace(fine_tuning_deadline_s=training * draw.choice((0.6, 0.8, 1.1)))
    return instance


def random_mepra(seed: int) -> MepraInstance:
    """A few devices of two networks, exits fixed and free, weights down to 0."""
    rng = np.random.default_rng([seed, 41])
    networks = tuple(
        MultiExitProfile(
            f"net{k}",
            float(rng.integers(10**5, 10**6)),
            tuple(
                Layer(
                    f"l{j}",
                    float(rng.integers(0, 10**9)),
                    float(rng.integers(0, 10**7)),
                    float(rng.integers(0, 10**6)),
                )
                for j in range(layers)
            ),
        )
        for k, layers in enumerate((2, 4))
    )
    n = int(rng.integers(1, 5))
    profile = rng.integers(0, 2, n)
    rows = [[30, 70], [100, 0], [10, 20, 30, 40], [0, 50, 0, 50]]
    layers = np.array([2, 4])[profile]
    fixed = (1 << (layers - 1)) | (rng.integers(0, 16, n) & ((1 << (layers - 1)) - 1))
    return MepraInstance(
        f"micro-{seed}",
        float(rng.choice([1e9, 1e10, 1e11])),
        float(rng.choice([1e5, 1e6, 1e7])),
        float(rng.choice([0, 1, 1])),
        float(rng.choice([0, 0.1, 1])),
        networks,
        ExitFractions.of(rows, 100),
        np.round(10 ** rng.uniform(8, 10, n), -6),
        np.round(rng.uniform(0, 10, n), 2),
        np.round(rng.uniform(0, 2, n), 2),
        profile,
        2 * profile + rng.integers(0, 2, n),
        None if seed % 2 else fixed,
    )


CASES = {
    "cift": {name: functools.partial(build, name) for name, build in CRAFTED_CIFT.items()}
    | {f"micro-{seed}": functools.partial(random_cift, seed) for seed in range(12)},
    "mepra": {name: functools.partial(build, name) for name, build in CRAFTED_MEPRA.items()}
    | {f"micro-{seed}": functools.partial(random_mepra, seed) for seed in range(8)},
}
# Lagrangian bounds leave a gap here, so that what comes behind them has work to do.
for path in sorted(DATA.glob("open-*.json")):
    CASES["cift"][path.stem] = functools.partial(read_instance, path)
for recipe in TINY:
    CASES[recipe.name.partition("-")[0]][recipe.name] = functools.partial(
        generate, recipe.family, recipe.seed, name=recipe.name, **recipe.knobs
    )


@functools.cache
def case(problem: str, name: str):
    return CASES[problem][name]()


_OPTIMA: dict[str, Result] = {}


def optimum_of(instance) -> Result:
    """Return what enumeration says."""
    key = instance.content_hash
    if key not in _OPTIMA:
        oracle = load("brute-force", instance.problem)
        support = oracle.supports(instance)
        assert support, support.reason
        _OPTIMA[key] = oracle.solve(instance, Budget(), 0, {})
    return _OPTIMA[key]


# -- what every result must be -------------------------------------------------------------


def hold_to_its_word(entry, instance, result: Result) -> None:
    """Assert what holds of every result, at whatever time limit."""
    optimum = optimum_of(instance)
    assert isinstance(result, Result)
    assert result.termination not in (
        Termination.KILLED,
        Termination.CRASHED,
        Termination.UNSUPPORTED,
    )
    json.dumps(dict(result.statistics), allow_nan=False)
    assert result.runtime_s >= 0
    times = [point.time_s for point in result.trajectory]
    assert times == sorted(times)
    incumbents = [p.objective for p in result.trajectory if p.objective is not None]
    assert incumbents == sorted(incumbents, reverse=True)
    bounds = [p.bound for p in result.trajectory if p.bound is not None]
    assert bounds == sorted(bounds)
    if result.plan is not None:
        assert result.objective == evaluate(instance, result.plan).objective
    if result.status in CLAIMS_A_PLAN:
        assert check(instance, result.plan) == []
        assert optimum.status is SolutionStatus.OPTIMAL
        assert not_above(optimum.objective, result.objective, 1e-9)
    elif result.plan is not None:
        assert check(instance, result.plan) != []
    if result.status is SolutionStatus.INFEASIBLE:
        assert optimum.status is SolutionStatus.INFEASIBLE
        assert entry.kind in ("exact", "approximation")
    if result.bound is not None and optimum.objective is not None:
        for bound in (result.bound, *bounds):
            assert not_above(bound, optimum.objective, 1e-9), (bound, optimum.objective)
    if result.status is SolutionStatus.OPTIMAL:
        assert values_agree(result.objective, optimum.objective)
    if result.guarantee is not None and result.plan is not None:
        keep_the_guarantee(instance, result)


def scaled(instance, factors):
    """Return `instance` with its deadlines multiplied by the factors named."""
    changes = {}
    for deadline, factor in factors.items():
        field = deadline.replace("-", "_") + "_deadline_s"
        assert getattr(instance, field) is not None
        changes[field] = getattr(instance, field) * factor
    return instance.replace(**changes) if changes else instance


def keep_the_guarantee(instance, result: Result) -> None:
    guarantee = result.guarantee
    assert guarantee.statement == " ".join(guarantee.statement.split())
    if guarantee.kind == "none":
        assert guarantee.factor is None
        return
    assert guarantee.factor >= 1
    relaxed = scaled(instance, guarantee.relaxed_deadlines)
    assert check(relaxed, result.plan) == []
    tight = {name: 1 / factor for name, factor in guarantee.reference_deadlines.items()}
    reference = optimum_of(scaled(instance, tight))
    if reference.objective is not None:
        slack = 1e-6 if guarantee.kind == "exact" else 1e-9
        assert not_above(result.objective, guarantee.factor * reference.objective, slack)


def solve(entry, instance, *, limit=None, options=None, **changes) -> Result:
    method = load(entry.name, entry.problem)
    if limit is None:
        limit = EXACT_LIMIT_S if entry.kind in ("exact", "approximation") else OTHER_LIMIT_S
    points = []
    budget = Budget(limit)
    progress = points.append
    result = method.solve(instance, budget, 7, options or {}, on_progress=progress, **changes)
    assert tuple(points) == result.trajectory
    return result


def ids(entry):
    return f"{entry.problem}-{entry.name}" if hasattr(entry, "problem") else None


PAIRS = [
    pytest.param(entry, name, id=f"{entry.problem}-{entry.name}-{name}")
    for entry in METHODS
    for name in CASES[entry.problem]
]


@pytest.mark.parametrize(("entry", "name"), PAIRS)
def test_result(entry, name):
    instance = case(entry.problem, name)
    method = load(entry.name, entry.problem)
    support = method.supports(instance)
    assert isinstance(support, Support)
    if not support:
        assert support.reason.strip()
        assert "\n" not in support.reason
        return
    result = solve(entry, instance)
    hold_to_its_word(entry, instance, result)
    if entry.kind == "exact":
        optimum = optimum_of(instance)
        assert result.status is optimum.status
        assert result.termination is Termination.SOLVED
        if optimum.objective is not None:
            assert values_agree(result.objective, optimum.objective)
    if entry.kind == "approximation":
        assert result.termination is Termination.SOLVED
        # Without a plan there is nothing a guarantee could be about: two deadlines may hide it.
        if result.plan is None and optimum_of(instance).plan is not None:
            assert instance.deadlines == 2


@pytest.mark.parametrize("entry", METHODS, ids=ids)
def test_time_limit_of_nothing(entry):
    method = load(entry.name, entry.problem)
    for name in CASES[entry.problem]:
        instance = case(entry.problem, name)
        if method.supports(instance):
            result = solve(entry, instance, limit=0.0)
            hold_to_its_word(entry, instance, result)
            if result.status is SolutionStatus.NONE and entry.kind in ("exact", "approximation"):
                assert result.termination is not Termination.SOLVED


@pytest.mark.parametrize("entry", METHODS, ids=ids)
def test_unknown_option_is_refused(entry):
    instance = supported(entry)[0]
    method = load(entry.name, entry.problem)
    with pytest.raises(InputError, match="option no-such-option") as caught:
        method.solve(instance, Budget(1.0), 0, {"no-such-option": 1})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("entry", METHODS, ids=ids)
def test_options_are_described_and_checked(entry):
    method = load(entry.name, entry.problem)
    assert isinstance(method, Method)
    assert method.name == entry.name
    names = [option.name for option in method.options]
    assert len(set(names)) == len(names)
    for option in method.options:
        assert option.description.strip()
        assert option.read(option.default) == option.default


def other_values():
    """Yield each method with each switch of its options turned, one at a time."""
    for entry in METHODS:
        for option in load(entry.name, entry.problem).options:
            values = option.choices or ((True, False) if isinstance(option.default, bool) else ())
            for value in values:
                if value != option.default:
                    name = f"{entry.problem}-{entry.name}-{option.name}-{value}"
                    yield pytest.param(entry, {option.name: value}, id=name)


@pytest.mark.parametrize(("entry", "options"), list(other_values()))
def test_options_keep_a_method_to_its_word(entry, options):
    """What a switch turns off may cost time, never a promise."""
    names = [n for n in CASES[entry.problem] if n.startswith(("micro", "open")) or "crafted" in n]
    for name in names:
        instance = case(entry.problem, name)
        if not load(entry.name, entry.problem).supports(instance):
            continue
        result = solve(entry, instance, options=options)
        hold_to_its_word(entry, instance, result)
        if entry.kind == "exact" and result.termination is Termination.SOLVED:
            optimum = optimum_of(instance)
            if result.status is not SolutionStatus.NONE and optimum.objective is not None:
                assert result.status in (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE)


@pytest.mark.parametrize("entry", METHODS, ids=ids)
def test_same_seed_same_plan(entry):
    for instance in supported(entry)[:2]:
        first, second = (solve(entry, instance) for _ in range(2))
        assert first.status is second.status
        assert first.bound == second.bound
        assert (first.plan is None) == (second.plan is None)
        if first.plan is not None:
            assert first.plan.to_document() == second.plan.to_document()


@pytest.mark.parametrize("entry", METHODS, ids=ids)
def test_warm_start(entry):
    """A start from the optimum never makes a result wrong."""
    for instance in supported(entry)[:3]:
        best = optimum_of(instance).plan
        if best is None:
            continue
        result = solve(entry, instance, warm_start=best)
        hold_to_its_word(entry, instance, result)
        if entry.kind == "exact":
            assert values_agree(result.objective, optimum_of(instance).objective)


def supported(entry) -> list:
    """Return cases the method takes, micro ones first."""
    method = load(entry.name, entry.problem)
    names = sorted(CASES[entry.problem], key=lambda name: not name.startswith("micro"))
    found = [case(entry.problem, name) for name in names[:14]]
    found = [instance for instance in found if method.supports(instance)]
    assert found
    return found


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
    for package in (formulations, heuristics):
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
    hold_to_its_word(entry, instance, good)
    worse = dataclasses.replace(
        good.plan, splits=np.zeros_like(good.plan.splits), shares=np.ones_like(good.plan.shares)
    )
    rogues = (
        dataclasses.replace(good, objective=math.nextafter(good.objective, 0)),
        dataclasses.replace(good, bound=good.objective * 1.001),
        dataclasses.replace(good, status=SolutionStatus.NONE),
        dataclasses.replace(
            good, plan=worse, objective=evaluate(instance, worse).objective, bound=0.0
        ),
        dataclasses.replace(
            good, status=SolutionStatus.INFEASIBLE, plan=None, objective=None, bound=None
        ),
    )
    for rogue in rogues:
        with pytest.raises(AssertionError):
            hold_to_its_word(entry, instance, rogue)
