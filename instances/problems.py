"""The two problems, one object each: what they are made of and what their judges say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from splitopt.instances.cift.judge import check_cift, evaluate_cift, exact_energy_j
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.errors import InputError
from splitopt.instances.mepra.judge import check_mepra, cost_interval, evaluate_mepra
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

if TYPE_CHECKING:
    from splitopt.instances.cift.judge import CiftEvaluation
    from splitopt.instances.contract.method import Instance, Plan
    from splitopt.instances.core.violations import Violation
    from splitopt.instances.mepra.judge import MepraEvaluation


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem.

    Attributes
    ----------
    name
        As instances, methods and rows have it.
    unit
        Of the objective, as it stands behind a figure; MEPRA's weighted cost has none.
    instance, plan
        The classes of both.
    evaluate, check
        The judge's value of a plan, and the constraints it breaks.
    exact
        Rationals between which a plan's exact objective lies.
    size
        The counts that lists show of an instance.
    """

    name: str
    unit: str
    instance: type[CiftInstance | MepraInstance]
    plan: type[CiftPlan | MepraPlan]
    evaluate: Callable[[Any, Any], CiftEvaluation | MepraEvaluation]
    check: Callable[[Any, Any], list[Violation]]
    exact: Callable[[Any, Any], tuple[Fraction, Fraction]]
    size: Callable[[Any], dict[str, int | str]]


def _cift_exact(instance: CiftInstance, plan: CiftPlan) -> tuple[Fraction, Fraction]:
    value = exact_energy_j(instance, plan)
    return value, value


def _cift_size(instance: CiftInstance) -> dict[str, int | str]:
    return {
        "nodes": len(instance.nodes),
        "links": len(instance.links),
        "configurations": len(instance.configurations),
        "blocks": max((len(m.blocks) for m in instance.models), default=0),
        "deadlines": instance.deadlines,
        "speeds": "continuous" if instance.has_continuous_speeds else "listed",
    }


def _mepra_size(instance: MepraInstance) -> dict[str, int | str]:
    return {
        "devices": instance.devices,
        "layers": int(instance.layers.max()),
        "exits": instance.exits,
    }


PROBLEMS: Mapping[str, Problem] = {
    problem.name: problem
    for problem in (
        Problem(
            "cift", " J", CiftInstance, CiftPlan, evaluate_cift, check_cift, _cift_exact, _cift_size
        ),
        Problem(
            "mepra", "", MepraInstance, MepraPlan, evaluate_mepra, check_mepra, cost_interval,
            _mepra_size,
        ),
    )
}  # fmt: skip


def problem_of(instance: Instance) -> Problem:
    """Return the problem that an instance is one of."""
    return PROBLEMS[instance.problem]


def problem_for(instance: Instance, plan: Plan) -> Problem:
    """Return the problem that both are of.

    Raises
    ------
    InputError
        When the plan is one for the other problem.
    """
    problem = problem_of(instance)
    if isinstance(plan, problem.plan):
        return problem
    given = next(other for other in PROBLEMS.values() if isinstance(plan, other.plan))
    raise InputError(
        "plan",
        f"a plan for {given.name.upper()}",
        f"a plan for {problem.name.upper()}, the problem of {instance.name}",
        "give the instance that the plan was made for",
    )
