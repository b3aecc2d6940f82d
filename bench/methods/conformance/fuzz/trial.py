"""One tiny instance, every method with the options that matter, every claim against the truth."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from splitopt.bench.methods.conformance.fuzz.beyond import countable, widened
from splitopt.bench.methods.conformance.fuzz.draw import draw_cift, draw_mepra
from splitopt.bench.methods.conformance.fuzz.enumeration import Truth, truth_of
from splitopt.bench.methods.registry import METHODS, Entry
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.method import Budget, Result, SolutionStatus, Termination
from splitopt.instances.contract.outcome import admitted
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.judge import check, evaluate

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Method

# On every instance; of the others each instance gets a few, turn by turn.
_ALWAYS = ("brute-force", "highs-flow", "highs-oa", "highs-tangent", "fronts", "lagrangian")
_SHARE = 2  # of the slower exact methods, and one baseline
_EPSILONS = (1.0, 0.1, 0.01)
_TINY_S = (1e-6, 1e-3, 1e-2)
_AMPLE_S = 3.0  # a hundred times what most runs take; SCIP does not end on some


@dataclass(frozen=True)
class Attempt:
    """One run: a method, its options, a seed and a budget."""

    method: str
    problem: str
    options: tuple[tuple[str, object], ...] = ()
    seed: int = 0
    time_limit_s: float | None = None
    relative_gap: float = TOLERANCES.optimality

    @property
    def label(self) -> str:
        """What it is, in one line."""
        parts = [f"{name}={value}" for name, value in self.options]
        parts += [f"seed={self.seed}"] if self.seed else []
        parts += [f"limit={self.time_limit_s:g}s"] if self.time_limit_s is not None else []
        parts += (
            [f"gap={self.relative_gap:g}"] if self.relative_gap != TOLERANCES.optimality else []
        )
        return " ".join([self.method, *parts])


@dataclass(frozen=True)
class Failure:
    """A claim that the truth refutes; `kind` is the same for failures alike."""

    kind: str
    statement: str


def drawn(problem: str, seed: int, index: int) -> Instance:
    """Return an instance of the fuzzer; from 20 on every eighth of CIFT is more than plain."""
    if problem != "cift":
        return draw_mepra(seed, index)
    plain = draw_cift(seed, index)
    if index < 20 or index % 8 != 5:
        return plain
    made = widened(random.Random(f"beyond-{seed}-{index}"), plain)
    return made if countable(made) else plain


def attempts(
    instance: Instance, index: int, entries: tuple[Entry, ...] = METHODS
) -> Iterator[Attempt]:
    """Yield the runs of instance `index`, the same ones every time."""
    problem = instance.problem
    draw = random.Random(f"fuzz-runs-{problem}-{instance.name}-{index}")
    mine = [entry for entry in entries if entry.problem == problem]
    slow = [e.name for e in mine if e.kind == "exact" and e.name not in _ALWAYS]
    slow = [name for name in slow if name != "jqodi-exact"]
    rest = [e.name for e in mine if e.kind not in ("exact", "approximation")]
    seed = index % 5
    for entry in mine:
        if entry.name in _ALWAYS:
            yield _varied(draw, Attempt(entry.name, problem, seed=seed))
    for name in draw.sample(slow, min(_SHARE, len(slow))):
        yield _varied(draw, Attempt(name, problem, seed=seed))
    if rest:
        yield Attempt(draw.choice(rest), problem, seed=seed)
    names = {entry.name for entry in mine}
    if "jqodi-exact" in names:
        whole = (("reduction", draw.random() < 0.5),) if problem == "cift" else ()
        yield _varied(draw, Attempt("jqodi-exact", problem, whole))
    if "jqodi" in names:
        for epsilon in _EPSILONS:
            yield _varied(draw, Attempt("jqodi", problem, (("epsilon", epsilon),)))
    if "jqodi" in names and isinstance(instance, CiftInstance):
        # Without bounds an interval becomes a grid written out in full: coarse ones, then.
        coarse = _EPSILONS[:2] if instance.has_continuous_speeds else _EPSILONS
        epsilon = draw.choice(coarse)
        yield Attempt("jqodi", problem, (("epsilon", epsilon), ("reduction", False)))
        if instance.deadlines == 2:
            for reduction in (True, False):
                options = (("epsilon", epsilon), ("deadlines", "relaxed"), ("reduction", reduction))
                yield Attempt("jqodi", problem, options)


def _varied(draw: random.Random, plain: Attempt) -> Attempt:
    """Return a run, now and then with next to no time or with another gap."""
    if draw.random() < 0.08:
        limit = draw.choice(_TINY_S)
        return Attempt(plain.method, plain.problem, plain.options, plain.seed, limit)
    if draw.random() < 0.05:
        gap = draw.choice((0.1, 0.0))
        return Attempt(plain.method, plain.problem, plain.options, plain.seed, None, gap)
    return plain


def run(method: Method[Any, Any], instance: Instance, attempt: Attempt) -> Result | Failure | None:
    """Return what a run says, a failure where it raises, None where it takes no such instance."""
    if not method.supports(instance):  # a smaller one may not be taken
        return None
    limit = _AMPLE_S if attempt.time_limit_s is None else attempt.time_limit_s
    budget = Budget(time_limit_s=limit, relative_gap=attempt.relative_gap)
    try:
        return method.solve(instance, budget, attempt.seed, dict(attempt.options))
    except InputError:  # an epsilon too fine for the intervals, said in a line
        return None
    except Exception as error:  # every kind of it is a failure to be told
        return Failure(f"raises {type(error).__name__}", f"raises {type(error).__name__}: {error}")


def judged(
    instance: Instance, truth: Truth, result: Result, attempt: Attempt, kind: str
) -> Failure | None:
    """Return the first claim of `result` that does not hold, None where all do."""
    status, plan = result.status, result.plan
    if status is SolutionStatus.INFEASIBLE:
        if truth.feasible:
            return Failure("infeasible", f"says there is no plan; one costs {truth.high!r}")
        return None
    broken = [] if plan is None else check(instance, plan)
    if plan is not None and result.objective != evaluate(instance, plan).objective:
        return Failure("objective", f"reports {result.objective!r}, the judge says otherwise")
    if status is SolutionStatus.RELAXED:
        if result.guarantee is None or not admitted(broken, result.guarantee):
            return Failure("relaxed", "exceeds more than its guarantee admits")
    elif status is not SolutionStatus.NONE:
        if broken:
            return Failure("plan", f"claims a plan that breaks {broken[0].constraint}")
        cost = result.objective
        if plan is None or cost is None:
            return Failure("plan", f"claims to be {status} without a plan")
        if cost < truth.low * (1 - 1e-9):
            return Failure("enumeration", f"has {cost!r}; enumeration nothing below {truth.low!r}")
    bounds = [point.bound for point in result.trajectory] + [result.bound]
    for bound in bounds:
        if bound is not None and bound > truth.high * (1 + TOLERANCES.bound):
            return Failure("bound", f"states a bound of {bound!r}; a plan costs {truth.high!r}")
    if status is SolutionStatus.OPTIMAL and result.objective is not None:
        most = truth.high * (1 + attempt.relative_gap + 2 * TOLERANCES.optimality)
        if result.objective > most:
            return Failure("optimal", f"proves {result.objective!r}; a plan costs {truth.high!r}")
    return _promise(instance, truth, result, attempt, kind)


def _promise(
    instance: Instance, truth: Truth, result: Result, attempt: Attempt, kind: str
) -> Failure | None:
    """Return what is wrong with the guarantee of a result, and with nothing where none is due."""
    promise = result.guarantee
    ended = result.termination is Termination.SOLVED
    if result.status is SolutionStatus.NONE:
        due = ended and kind in ("exact", "approximation") and truth.feasible
        two = isinstance(instance, CiftInstance) and instance.deadlines == 2
        # Within tightened deadlines there may be none.
        if due and not (kind == "approximation" and two):
            return Failure("nothing", f"ends in order with nothing; a plan costs {truth.high!r}")
        return None
    if promise is None or promise.factor is None or result.objective is None:
        return None
    reference = truth.high
    if promise.reference_deadlines and isinstance(instance, CiftInstance):
        factors = promise.reference_deadlines
        tight = instance.replace(
            inference_deadline_s=(instance.inference_deadline_s or 0.0)
            / factors.get("inference", 1.0)
            * (1 - 1e-9),
        )
        reference = truth_of(tight).high
    slack = 1 + max(attempt.relative_gap, TOLERANCES.agreement)
    if promise.kind == "exact" or promise.factor == 1.0:
        slack += attempt.relative_gap
    if result.objective > promise.factor * reference * slack:
        return Failure(
            "guarantee",
            f"promises {promise.factor:g} times the optimum, has {result.objective!r} "
            f"where {reference!r} is possible",
        )
    open_ended = promise.reference_deadlines or promise.relaxed_deadlines
    least = result.bound
    if least is not None and not open_ended and result.objective > promise.factor * least * slack:
        return Failure(
            "certificate",
            f"promises {promise.factor:g}, has {result.objective!r} for a bound of {least!r}",
        )
    return None


def try_instance(
    instance: Instance,
    index: int,
    methods: Mapping[str, tuple[Entry, Method[Any, Any]]],
) -> Iterator[tuple[Attempt, Result | None, Failure | None]]:
    """Yield each run on an instance, its result (None: not supported) and what is wrong."""
    truth = truth_of(instance)
    able = tuple(entry for entry, method in methods.values() if method.supports(instance))
    for attempt in attempts(instance, index, able):
        entry, method = methods[attempt.method]
        found = run(method, instance, attempt)
        if isinstance(found, Failure):
            yield attempt, None, found
        elif found is not None:
            yield attempt, found, judged(instance, truth, found, attempt, entry.kind)
