"""The checks: what each asks of a method, case by case."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from splitopt.bench.methods.conformance.cases import CASES, case
from splitopt.bench.methods.conformance.oracle import optimum_of
from splitopt.bench.methods.conformance.promises import (
    BrokenPromiseError,
    Subject,
    agree,
    hold_to_its_word,
    require,
)
from splitopt.instances.contract.method import (
    Budget,
    Method,
    Progress,
    Result,
    SolutionStatus,
    Support,
    Termination,
)
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

# Far more than any method needs here; learners and heuristics may use all they are given.
EXACT_LIMIT_S = 60.0
OTHER_LIMIT_S = 5.0
# What a switch turns off may leave tens of millions of labels; a limit keeps a method to its word.
SWITCHED_LIMIT_S = 10.0
_FEW = 3


def names_of(problem: str) -> list[str]:
    """Return the names of the cases of a problem."""
    return list(CASES[problem])


def solve(
    subject: Subject,
    instance: Instance,
    *,
    limit: float | None = None,
    options: Mapping[str, object] | None = None,
    **more: Any,
) -> Result:
    """Solve an instance within limits that are ample; what was told on the way must be kept.

    Raises
    ------
    BrokenPromiseError
        When the trajectory is not what was told while it ran.
    """
    if limit is None:
        proves = subject.kind in ("exact", "approximation")
        limit = EXACT_LIMIT_S if proves else OTHER_LIMIT_S
    points: list[Progress] = []
    result = subject.method.solve(
        instance, Budget(limit), 7, options or {}, on_progress=points.append, **more
    )
    require(isinstance(result, Result), f"solve() returned {type(result).__name__}, not a Result")
    require(tuple(points) == result.trajectory, "on_progress was told another trajectory")
    return result


def supported(subject: Subject) -> list[tuple[str, Instance]]:
    """Return cases that the method takes, with their names, the smallest first."""
    names = sorted(CASES[subject.problem], key=lambda name: not name.startswith("micro"))
    found = [(name, case(subject.problem, name)) for name in names[:14]]
    found = [(name, instance) for name, instance in found if subject.method.supports(instance)]
    require(found, "supports() takes none of the small cases")
    return found


def support(subject: Subject, name: str) -> bool:
    """Check that a refusal has a reason; return whether the method takes the case."""
    answer = subject.method.supports(case(subject.problem, name))
    require(isinstance(answer, Support), f"supports() returned {type(answer).__name__}")
    if not answer:
        reason = answer.reason or ""
        require(reason.strip() and "\n" not in reason, f"a refusal for the reason {reason!r}")
    return bool(answer)


def result_is_true(subject: Subject, name: str) -> None:
    """Check a result with ample time: promises, and for exact methods the optimum."""
    if not support(subject, name):
        return
    instance = case(subject.problem, name)
    optimum = optimum_of(instance)
    result = solve(subject, instance)
    hold_to_its_word(subject, instance, result)
    if subject.kind in ("exact", "approximation"):
        require(
            result.termination is Termination.SOLVED,
            f"ends by {result.termination} with ample time",
        )
    if subject.kind == "exact":
        require(
            result.status is optimum.status,
            f"status {result.status} where enumeration says {optimum.status}",
        )
        if optimum.objective is not None:
            require(
                agree(result.objective, optimum.objective),
                f"objective {result.objective!r}; the optimum is {optimum.objective!r}",
            )
    # Without a plan there is nothing a guarantee could be about: two deadlines may hide it.
    if subject.kind == "approximation" and result.plan is None and optimum.plan is not None:
        require(instance.deadlines == 2, "no plan where there is one")


def no_time(subject: Subject, name: str) -> None:
    """Check that a time limit of 0 is kept by claiming no more than was found."""
    if not support(subject, name):
        return
    instance = case(subject.problem, name)
    result = solve(subject, instance, limit=0.0)
    hold_to_its_word(subject, instance, result)
    if result.status is SolutionStatus.NONE and subject.kind in ("exact", "approximation"):
        require(
            result.termination is not Termination.SOLVED, "solved, with nothing found or proved"
        )


def interface(subject: Subject) -> None:
    """Check name and options, and that their defaults are values they take."""
    method = subject.method
    require(isinstance(method, Method), "lacks one of name, options, supports, solve")
    require(method.name == subject.name, f"is called {method.name!r}")
    names = [option.name for option in method.options]
    require(len(set(names)) == len(names), "two options of one name")
    for option in method.options:
        require(option.description.strip(), f"option {option.name} has no description")
        require(
            option.read(option.default) == option.default,
            f"option {option.name} does not take its own default",
        )


def unknown_option(subject: Subject) -> None:
    """Check that an option which is not there is refused in one line."""
    _, instance = supported(subject)[0]
    try:
        subject.method.solve(instance, Budget(1.0), 0, {"no-such-option": 1})
    except InputError as error:
        require(str(error).startswith("option no-such-option"), f"says {error}")
        require("\n" not in str(error), "says it in several lines")
        return
    raise BrokenPromiseError(
        "takes an option it does not have; splitopt.instances.contract.method.read_options"
    )


def switches(subject: Subject) -> Iterator[tuple[str, object]]:
    """Yield each other value of each switch of a method, one at a time."""
    for option in subject.method.options:
        values = option.choices or ((True, False) if isinstance(option.default, bool) else ())
        for value in values:
            if value != option.default:
                yield option.name, value


def switched(subject: Subject, options: Mapping[str, object], name: str) -> None:
    """Check that what a switch turns off may cost time, never a promise."""
    if not support(subject, name):
        return
    instance = case(subject.problem, name)
    result = solve(subject, instance, limit=SWITCHED_LIMIT_S, options=options)
    hold_to_its_word(subject, instance, result)
    optimum = optimum_of(instance)
    if (
        subject.kind == "exact"
        and result.termination is Termination.SOLVED
        and result.status is not SolutionStatus.NONE
        and optimum.objective is not None
    ):
        require(
            result.status in (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE),
            f"status {result.status} where there is a plan",
        )


def same_twice(subject: Subject, name: str) -> None:
    """Check that the same seed gives the same plan and bound."""
    instance = case(subject.problem, name)
    first, second = (solve(subject, instance) for _ in range(2))
    require(first.status is second.status, f"{first.status}, then {second.status}")
    require(first.bound == second.bound, f"bound {first.bound!r}, then {second.bound!r}")
    plans = [None if r.plan is None else r.plan.to_document() for r in (first, second)]
    require(plans[0] == plans[1], "another plan the second time")


def warm_start(subject: Subject, name: str) -> None:
    """Check that a start from the optimum never makes a result wrong."""
    instance = case(subject.problem, name)
    optimum = optimum_of(instance)
    if optimum.plan is None:
        return
    result = solve(subject, instance, warm_start=optimum.plan)
    hold_to_its_word(subject, instance, result)
    if subject.kind == "exact":
        require(
            agree(result.objective, optimum.objective),
            f"objective {result.objective!r}; the optimum is {optimum.objective!r}",
        )


@dataclass(frozen=True, slots=True)
class Check:
    """One thing asked of a method.

    Attributes
    ----------
    name, what
        For people.
    steps
        Returns the steps for a method: what each is about, and what to call.
    """

    name: str
    what: str
    steps: Callable[[Subject], Iterator[tuple[str, Callable[[], None]]]]


Steps = Iterator[tuple[str, Callable[[], None]]]


def _once(function: Callable[[Subject], None]) -> Callable[[Subject], Steps]:
    def steps(subject: Subject) -> Steps:
        yield "", functools.partial(function, subject)

    return steps


def _on(
    function: Callable[[Subject, str], None], choose: Callable[[Subject], list[str]]
) -> Callable[[Subject], Steps]:
    def steps(subject: Subject) -> Steps:
        for name in choose(subject):
            yield name, functools.partial(function, subject, name)

    return steps


def _switch_steps(subject: Subject) -> Steps:
    names = [n for n in names_of(subject.problem) if n.startswith("micro") or "crafted" in n]
    for option, value in switches(subject):
        for name in names:
            step = functools.partial(switched, subject, {option: value}, name)
            yield f"{name} with {option}={value}", step


def _all(subject: Subject) -> list[str]:
    return names_of(subject.problem)


def _few(subject: Subject) -> list[str]:
    return [name for name, _ in supported(subject)[:_FEW]]


CHECKS: tuple[Check, ...] = (
    Check("interface", "name, options and their defaults", _once(interface)),
    Check("unknown option", "an option it does not have is refused", _once(unknown_option)),
    Check("results", "claims against the data and enumeration", _on(result_is_true, _all)),
    Check("no time", "at a time limit of 0 nothing is claimed in vain", _on(no_time, _all)),
    Check("options", "every switch of its options keeps its word", _switch_steps),
    Check("same seed", "the same seed gives the same plan", _on(same_twice, _few)),
    Check("warm start", "started from the optimum it stays right", _on(warm_start, _few)),
)
