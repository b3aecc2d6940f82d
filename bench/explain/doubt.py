"""CIFT in doubt explained: what a confidence costs, what recourse and information are worth."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from splitopt.bench.explain.findings import Answer, Finding, Solver, percent
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.judge import check

if TYPE_CHECKING:
    from splitopt.formulations.cift.recourse.outcomes import Placement

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_MOST_OUTCOMES = 100  # of which a recourse problem is solved

Optimum = Callable[[CiftInstance], CiftPlan | None]


def in_doubt(
    instance: CiftInstance, plan: CiftPlan, base: Answer, solver: Solver
) -> Iterator[Finding]:
    """Yield what the nominal plan would do, and the values of recourse and of information."""
    doubt = instance.doubt
    if doubt is None or base.high is None:
        return
    nominal = solver.answer(instance.replace(doubt=None))
    if isinstance(nominal.plan, CiftPlan):
        late = [v.constraint for v in check(instance, nominal.plan) if "deadline" in v.constraint]
        named = " and the ".join(late).replace("-deadline", " deadline")
        text = (
            f"The plan for nominal figures misses the {named}"
            if late
            else "The plan for nominal figures keeps every deadline with its probability"
        )
        yield Finding(
            "nominal",
            f"{text}; in doubt the best plan costs {base.high:.6g} J.",
            {"nominal_j": nominal.high, "missed": " + ".join(late) or None},
        )
    if _has_recourse(instance):
        yield _recourse(instance, base.high, lambda i: _plan(solver, i))


def _has_recourse(instance: CiftInstance) -> bool:
    """Return whether recourse is worked out: of chains with listed speeds and few outcomes."""
    from splitopt.formulations.cift.recourse.outcomes import outcomes

    if instance.doubt is None or instance.doubt.spread:
        return False
    if instance.has_continuous_speeds or instance.beyond:
        return False
    return len(outcomes(instance)) <= _MOST_OUTCOMES


def _plan(solver: Solver, instance: CiftInstance) -> CiftPlan | None:
    found = solver.answer(instance).plan
    return found if isinstance(found, CiftPlan) else None


def late(instance: CiftInstance, share: Fraction) -> tuple[Placement | None, float]:
    """Return the best placement with recourse by the label program, and its bound."""
    from splitopt.formulations.cift.recourse.outcomes import Placement
    from splitopt.heuristics.jqodi.cift.recourse import late_speeds

    found = late_speeds(instance, share)
    if found.configuration < 0:
        return None, found.bound_j
    return Placement(found.configuration, found.segments), found.bound_j


def _recourse(instance: CiftInstance, fixed_j: float, optimum: Optimum) -> Finding:
    from splitopt.formulations.cift.recourse.outcomes import keep_share
    from splitopt.formulations.cift.recourse.solve import solve_recourse

    found = solve_recourse(instance, optimum, late)
    figures: dict[str, float | int | str | None] = {
        "recourse_j": _finite(found.objective_j),
        "wait_and_see_j": _finite(found.wait_and_see_j),
        "expected_of_nominal_j": _finite(found.expected_of_nominal_j),
        "perfect_information_j": None,
        "stochastic_solution_j": None,
    }
    if found.placement is None:
        share = float(keep_share(instance))
        text = (
            "With speeds set once the outcome is seen no placement is known that keeps "
            f"all deadlines at once in outcomes of probability {share:g}: recourse asks for that."
        )
        return Finding("recourse", text, figures)
    figures["perfect_information_j"] = found.perfect_information_j
    same = math.isclose(found.objective_j, fixed_j, rel_tol=1e-9)
    saved = percent(0.0 if same else found.objective_j - fixed_j, fixed_j, " J")
    if found.objective_j > fixed_j * (1 + 1e-6):
        saved += ", for it keeps both deadlines in the same outcomes, with the larger probability"
    more = "the nominal placement keeps too few outcomes whatever its speeds"
    value = found.stochastic_solution_j
    if value is None:
        more = "there is no nominal plan"
    elif value < math.inf:
        figures["stochastic_solution_j"] = value
        more = f"planning with the distribution saves {value:.4g} J against the nominal placement"
    return Finding(
        "recourse",
        "With speeds set once the outcome is seen the best placement takes "
        f"{found.objective_j:.6g} J ({saved}); {more}, and perfect information would save another "
        f"{found.perfect_information_j:.4g} J.",
        figures,
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


@dataclass(frozen=True, slots=True)
class Row:
    """Expected energy at one confidence; None without a plan or where it was not worked out."""

    confidence: float
    energy_j: float | None
    recourse_j: float | None
    wait_and_see_j: float | None
    stochastic_solution_j: float | None


def sweep_confidence(instance: CiftInstance, axis: str, time_limit_s: float) -> list[Row]:
    """Return expected energies over the confidence of a deadline, everything else as it is.

    Recourse asks the larger of both confidences of both deadlines; so its columns are those of
    `axis` where the other one asks less.
    """
    from splitopt.formulations.cift.recourse.solve import solve_recourse

    doubt = instance.doubt
    assert doubt is not None
    solver = Solver(time_limit_s)
    few = _has_recourse(instance)
    rows = []
    for share in CONFIDENCES:
        if doubt.spread and share == 1.0:
            continue  # no bound on any distribution
        asked = (
            dataclasses.replace(doubt, inference_confidence=share)
            if axis == "inference"
            else dataclasses.replace(doubt, fine_tuning_confidence=share)
        )
        one = instance.replace(doubt=asked)
        energy = solver.answer(one).high
        recourse = (
            solve_recourse(one, lambda i: _plan(solver, i), late)
            if few and energy is not None
            else None
        )
        if recourse is None:
            rows.append(Row(share, energy, None, None, None))
            continue
        figures = (
            recourse.objective_j,
            recourse.wait_and_see_j,
            recourse.stochastic_solution_j,
        )
        rows.append(Row(share, energy, *map(_finite, figures)))
    return rows
