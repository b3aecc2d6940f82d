r"""MEPRA in integers for CP-SAT, the square as a product.

Shares are eliminated: with options fixed the least cost is
:math:`\sum_i a_i + (\sum_i r_i)^2`, :math:`r_i = \sqrt{w_T W_i / C}` (W_i: edge work of device i;
Cauchy-Schwarz). Options and their figures come from `splitopt.formulations.mepra.layerwise`.

Variables
---------
``x_ik`` in {0, 1}: device i takes option k; integers ``R`` (sum of scaled roots) and ``V``.

Constraints
-----------
::

    exactly one of x_i1, x_i2, ...          for each device i
    R = sum_ik r'_ik x_ik
    V = R * R                               (AddMultiplicationEquality)

Objective
---------
``min sum_ik a'_ik x_ik + V // D``, with an integer D (AddDivisionEquality where D > 1).

Scaling, and the interval that holds the true optimum
-----------------------------------------------------
Let U be the cost of a known plan, A_i the least own cost of device i and S a scale for roots.

    r' = floor(S r),    a' = floor(S^2 (a - A_i) / D)

Every rounding is downwards, so for each plan D times the model's objective, divided by S^2,
plus sum A_i, is at most the plan's cost: the model's bound gives a bound on the optimum, below
the true one by at most (n D + D + 2 n S sqrt(M)) / S^2 with M = U - sum A_i (and 1e-10 U for
the rounding of doubles). The plan found is valued by the judge in the true figures. So
[bound, objective] holds the optimum, and its width is the solver's gap plus at most that
figure, reported as `scaling_error`. Only plans no dearer than U matter: options with
a - A_i + r^2 > M are left out, and R <= S sqrt(M). R is at most 2^29 (less where
the gap asked for allows), and D keeps sums below 2^60.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from splitopt.formulations.mepra.exact import ExactMepra
from splitopt.formulations.mepra.incumbent import Incumbent
from splitopt.formulations.mepra.layerwise import (
    WalkedOption,
    descent,
    plan_of,
    root_of,
    walked_options,
)
from splitopt.formulations.solvers.parameters import CPSAT
from splitopt.instances.contract.method import (
    Result,
    Support,
    Termination,
)
from splitopt.instances.mepra.model import MepraInstance

__all__ = ["METHOD", "MepraCpsat"]

_MOST_DEVICES = 5000
_ROUNDING = 1e-11  # relative; covers the rounding of every figure here


@dataclass(frozen=True, slots=True)
class _Scaled:
    """The model's integers.

    Attributes
    ----------
    options
        By device, those that matter.
    root, excess
        r' and a' of each.
    most
        The largest R.
    scale, divisor
        S and D.
    base
        Sum of A_i.
    ceiling
        U: more is not proven, for what exceeds it is left out.
    """

    options: list[list[WalkedOption]]
    root: list[list[int]]
    excess: list[list[int]]
    most: int
    scale: float
    divisor: int
    base: float
    ceiling: float

    def bound(self, model_bound: float) -> float:
        """Return the bound on the cost that a bound on the model's objective gives."""
        excess = model_bound * self.divisor / self.scale / self.scale
        return min(self.base + excess, self.ceiling) * (1 - _ROUNDING)

    @property
    def error(self) -> float:
        """Most by which scaling alone puts the bound below the optimum."""
        n, step = len(self.options), self.divisor
        floors = (n * step + step + 2 * n * self.most) / self.scale / self.scale
        return floors + 1e-10 * (self.base + (self.most / self.scale) ** 2)


def _scaled(
    instance: MepraInstance,
    options: list[list[WalkedOption]],
    objective: float,
    relative_gap: float,
) -> _Scaled:
    """Return the integers for plans no dearer than `objective` > 0."""
    least = [min(o.own_cost for o in mine) for mine in options]
    base = math.fsum(least)
    room = max(objective * (1 + 1e-9) - base, 1e-9 * objective)
    kept = [
        [o for o in mine if o.own_cost - a + root_of(instance, o) ** 2 <= room]
        for mine, a in zip(options, least, strict=True)
    ]
    # R * R < 2^60 and, with devices at most at `room` each, the objective too. Within that no
    # finer than the gap asks for (an eighth of it): small integers are solved faster.
    scale = 2.0**29 / math.sqrt(room)
    if relative_gap > 0:
        scale = min(scale, 16 * len(options) * math.sqrt(room) / (relative_gap * objective))
        scale = max(scale, 2.0**12 / math.sqrt(room))
    total = (len(options) + 2) * room * scale * scale
    divisor = max(1, math.ceil(total / 2.0**60))
    down = 1 - _ROUNDING
    return _Scaled(
        kept,
        [[math.floor(scale * root_of(instance, o) * down) for o in mine] for mine in kept],
        [
            [
                max(0, math.floor(scale * scale / divisor * (o.own_cost - a - _ROUNDING * a)))
                for o in mine
            ]
            for mine, a in zip(kept, least, strict=True)
        ],
        math.floor(scale * math.sqrt(room)) + 1,
        scale,
        divisor,
        base,
        objective,
    )


class MepraCpsat(ExactMepra):
    """Integers with one product, solved by CP-SAT."""

    name = "cpsat"
    parameters = CPSAT

    def supports(self, instance: MepraInstance) -> Support:
        """Take instances whose figures 60 bits can hold to a useful precision."""
        if instance.devices > _MOST_DEVICES:
            return Support(
                f"cpsat takes at most {_MOST_DEVICES} devices: beyond, scaling to 60-bit "
                "integers blurs the cost by more than 1e-5"
            )
        return Support()

    def prove(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        table = walked_options(instance)
        hint = descent(instance, table)
        best.offer(plan_of(instance, hint))
        if best.objective == 0:
            return best.result()
        return _search(
            best, _scaled(instance, table, best.objective, best.budget.relative_gap), seed
        )


def _model(scaled: _Scaled) -> tuple[Any, list[list[Any]]]:
    """Return the CP-SAT model and its variables x."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    # Variables.
    x = [[model.new_bool_var("") for _ in mine] for mine in scaled.options]
    total = model.new_int_var(0, scaled.most, "R")
    square = model.new_int_var(0, scaled.most**2, "V")
    # Constraints.
    for mine in x:
        model.add_exactly_one(mine)
    flat = [b for mine in x for b in mine]
    model.add(
        cp_model.LinearExpr.weighted_sum(flat, [r for mine in scaled.root for r in mine]) == total
    )
    model.add_multiplication_equality(square, [total, total])
    if scaled.divisor > 1:
        quotient = model.new_int_var(0, scaled.most**2 // scaled.divisor, "V // D")
        model.add_division_equality(quotient, square, scaled.divisor)
    else:
        quotient = square
    # Objective.
    own = cp_model.LinearExpr.weighted_sum(flat, [a for mine in scaled.excess for a in mine])
    model.minimize(own + quotient)
    return model, x


def _search(best: Incumbent, scaled: _Scaled, seed: int) -> Result:
    """Run CP-SAT within what is left of the budget."""
    from ortools.sat.python import cp_model

    model, x = _model(scaled)
    chosen = None if best.plan is None else best.plan
    if chosen is not None:
        for i, mine in enumerate(scaled.options):
            for k, option in enumerate(mine):
                taken = option.split == int(chosen.splits[i]) and (
                    chosen.exit_set is None or option.exit_set == int(chosen.exit_set[i])
                )
                model.add_hint(x[i][k], taken)
    best.statistics |= {
        "booleans": sum(len(mine) for mine in x),
        "scaling_error": scaled.error,
        "build_s": best.recorder.elapsed_s,
    }

    def take(value: Any) -> None:
        picked = [
            next(o for o, b in zip(mine, row, strict=True) if value(b))
            for mine, row in zip(scaled.options, x, strict=True)
        ]
        best.offer(plan_of(best.instance, picked))

    class _OnSolution(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            take(self.value)

    solver = cp_model.CpSolver()
    if best.remaining_s is not None:
        solver.parameters.max_time_in_seconds = best.remaining_s
    solver.parameters.num_workers = best.budget.threads
    # Without the full relaxation one worker never lifts the bound of a square.
    solver.parameters.linearization_level = 2
    solver.parameters.random_seed = seed % 2**31
    # This presolve step drops constraints it should keep (google/or-tools issues 5274, 5293).
    solver.parameters.presolve_inclusion_work_limit = 0
    # The rest of the gap is for what scaling blurs.
    slack = max(0.0, best.budget.relative_gap * best.objective - scaled.error) / 2
    solver.parameters.absolute_gap_limit = slack * scaled.scale**2 / scaled.divisor
    CPSAT.set(solver.parameters, best.parameters)
    solver.parameters.log_search_progress = best.budget.log
    solver.best_bound_callback = lambda bound: best.raise_bound(scaled.bound(bound))
    status = solver.solve(model, _OnSolution())
    best.statistics |= {
        "branches": solver.num_branches,
        "conflicts": solver.num_conflicts,
        "deterministic_time": solver.response_proto.deterministic_time,
    }
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        take(solver.value)
    if status not in (cp_model.MODEL_INVALID, cp_model.INFEASIBLE):
        # Bounds come back as doubles: one unit of rounding at 2^60 is 2^8.
        best.raise_bound(scaled.bound(solver.best_objective_bound - 2.0**8))
    if status == cp_model.OPTIMAL:
        return best.result()
    return best.result(
        Termination.TIME if status in (cp_model.FEASIBLE, cp_model.UNKNOWN) else Termination.CRASHED
    )


METHOD = MepraCpsat()
