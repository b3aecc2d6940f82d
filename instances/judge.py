"""One judge for both problems: `evaluate`, `check` and the exact verdict.

Every number a method reports is recomputed here from the data; no solver is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.instances.cift.judge import CiftEvaluation, check_cift, evaluate_cift, exact_energy_j
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.documents import read_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.violations import Violation
from splitopt.instances.mepra.judge import (
    MepraEvaluation,
    check_mepra,
    cost_interval,
    evaluate_mepra,
)
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan

__all__ = [
    "Verdict",
    "certify",
    "check",
    "evaluate",
    "instance_from_document",
    "plan_from_document",
    "read_instance",
    "read_plan",
    "require_match",
]

_INSTANCES = {"splitopt-cift": CiftInstance, "splitopt-mepra": MepraInstance}
_PLANS = {"splitopt-cift-plan": CiftPlan, "splitopt-mepra-plan": MepraPlan}


def _format(document: object, known: list[str]) -> str:
    found = document.get("format") if isinstance(document, dict) else None
    if found not in known:
        raise InputError(
            "format",
            found if isinstance(document, dict) else document,
            "one of " + ", ".join(known),
            "name the format of the file",
        )
    return str(found)


def instance_from_document(document: object) -> Instance:
    """Return the instance of either problem in a JSON object."""
    kind: type[CiftInstance] | type[MepraInstance] = _INSTANCES[_format(document, list(_INSTANCES))]
    return kind.from_document(document)


def plan_from_document(document: object) -> Plan:
    """Return the plan of either problem in a JSON object."""
    kind: type[CiftPlan] | type[MepraPlan] = _PLANS[_format(document, list(_PLANS))]
    return kind.from_document(document)


def read_instance(path: Path) -> Instance:
    """Return the instance in a file."""
    return instance_from_document(read_json(path))


def read_plan(path: Path) -> Plan:
    """Return the plan in a file; a result of `splitopt solve --json` serves too."""
    document = read_json(path)
    if isinstance(document, dict) and "format" not in document and "plan" in document:
        document = document["plan"]
        if document is None:
            raise InputError("plan", None, "a plan", "solve again: this run found none")
    return plan_from_document(document)


def _mismatch(instance: Instance, plan: Plan) -> InputError:
    given = "CIFT" if isinstance(plan, CiftPlan) else "MEPRA"
    return InputError(
        "plan",
        f"a plan for {given}",
        f"a plan for {instance.problem.upper()}, the problem of {instance.name}",
        "give the instance that the plan was made for",
    )


def require_match(instance: Instance, plan: Plan) -> None:
    """Raise unless `plan` is one for the problem of `instance`.

    Raises
    ------
    InputError
        When it is a plan for the other problem.
    """
    if isinstance(instance, CiftInstance) != isinstance(plan, CiftPlan):
        raise _mismatch(instance, plan)


def evaluate(instance: Instance, plan: Plan) -> CiftEvaluation | MepraEvaluation:
    """Return what `plan` costs on `instance`; its ``objective`` is the value to minimise.

    Raises
    ------
    InputError
        When the plan does not fit the instance.
    """
    if isinstance(instance, CiftInstance) and isinstance(plan, CiftPlan):
        return evaluate_cift(instance, plan)
    if isinstance(instance, MepraInstance) and isinstance(plan, MepraPlan):
        return evaluate_mepra(instance, plan)
    raise _mismatch(instance, plan)


def check(instance: Instance, plan: Plan) -> list[Violation]:
    """Return the constraints `plan` breaks, decided in exact arithmetic; empty if feasible."""
    if isinstance(instance, CiftInstance) and isinstance(plan, CiftPlan):
        return check_cift(instance, plan)
    if isinstance(instance, MepraInstance) and isinstance(plan, MepraPlan):
        return check_mepra(instance, plan)
    raise _mismatch(instance, plan)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An exact verdict on a plan.

    Attributes
    ----------
    violations
        What it breaks; empty when feasible.
    low, high
        Rationals between which the exact objective lies; equal where it was computed exactly;
        None when the plan does not fit the instance.
    """

    violations: tuple[Violation, ...]
    low: Fraction | None
    high: Fraction | None

    @property
    def feasible(self) -> bool:
        """Whether no constraint is broken."""
        return not self.violations


def certify(instance: Instance, plan: Plan) -> Verdict:
    """Return the exact verdict on `plan`: violations, and the objective as rationals."""
    violations = tuple(check(instance, plan))
    try:
        if isinstance(instance, CiftInstance) and isinstance(plan, CiftPlan):
            value = exact_energy_j(instance, plan)
            return Verdict(violations, value, value)
        if isinstance(instance, MepraInstance) and isinstance(plan, MepraPlan):
            low, high = cost_interval(instance, plan)
            return Verdict(violations, low, high)
    except InputError:
        return Verdict(violations, None, None)
    raise _mismatch(instance, plan)
