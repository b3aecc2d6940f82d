"""One judge for both problems: `evaluate`, `check` and the exact verdict.

Every number a method reports is recomputed here from the data; no solver is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.instances.core.documents import read_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.problems import PROBLEMS, problem_for

if TYPE_CHECKING:
    from splitopt.instances.cift.judge import CiftEvaluation
    from splitopt.instances.contract.method import Instance, Plan
    from splitopt.instances.core.violations import Violation
    from splitopt.instances.mepra.judge import MepraEvaluation

_INSTANCES = {f"splitopt-{problem.name}": problem.instance for problem in PROBLEMS.values()}
_PLANS = {f"splitopt-{problem.name}-plan": problem.plan for problem in PROBLEMS.values()}


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
    return _INSTANCES[_format(document, list(_INSTANCES))].from_document(document)


def plan_from_document(document: object) -> Plan:
    """Return the plan of either problem in a JSON object."""
    return _PLANS[_format(document, list(_PLANS))].from_document(document)


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


def require_match(instance: Instance, plan: Plan) -> None:
    """Raise unless `plan` is one for the problem of `instance`.

    Raises
    ------
    InputError
        When it is a plan for the other problem.
    """
    problem_for(instance, plan)


def evaluate(instance: Instance, plan: Plan) -> CiftEvaluation | MepraEvaluation:
    """Return what `plan` costs on `instance`; its ``objective`` is the value to minimise.

    Raises
    ------
    InputError
        When the plan does not fit the instance.
    """
    return problem_for(instance, plan).evaluate(instance, plan)


def check(instance: Instance, plan: Plan) -> list[Violation]:
    """Return the constraints `plan` breaks, decided in exact arithmetic; empty if feasible."""
    return problem_for(instance, plan).check(instance, plan)


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
    problem = problem_for(instance, plan)
    violations = tuple(problem.check(instance, plan))
    try:
        low, high = problem.exact(instance, plan)
    except InputError:
        return Verdict(violations, None, None)
    return Verdict(violations, low, high)
