r"""MEPRA in integers for CP-SAT, the square as a product.

Shares are eliminated: with options fixed the least cost is
:math:`\sum_i a_i + (\sum_i r_i)^2`, :math:`r_i = \sqrt{w_T W_i / C}` (W_i: edge work of device i;
Cauchy-Schwarz). Options and their figures come from `splitopt.formulations.mepra.layerwise`.

Variables
---------
``x_ik`` in {0, 1}: device i takes option k; integers ``D`` (what the sum of roots is off from a
multiplier lambda, scaled) and ``V``; where roots have a common step
(`splitopt.formulations.mepra.lattice`) an integer ``K`` that counts it, decided first; the domain
of D then has the gaps between sums of roots.

Constraints
-----------
::

    exactly one of x_i1, x_i2, ...          for each device i
    D = sum_ik r'_ik x_ik - lambda'
    V = D * D                               (AddMultiplicationEquality)
    K = sum_ik m_ik x_ik

Objective
---------
``min sum_ik p'_ik x_ik + V // Q``, with an integer Q (AddDivisionEquality where Q > 1).

The square is taken around lambda: with p_ik = a_ik + 2 lambda r_ik - min over the device's options,
and L = sum of these minima - lambda^2, every plan costs, identically,

    sum a + R^2 = L + sum p + (R - lambda)^2.

L is the Lagrangian bound of R^2 = max 2 lambda R - lambda^2, best where the devices' choices at
lambda have lambda as their sum of roots (option `reduction`; without it lambda is 0 and L the sum
of least own costs). A plan no dearer than a known plan's cost U leaves M = U - L to penalties and
square: options with p > M are left out, and abs(R - lambda) <= sqrt(M). What is left to the
integers is the gap of a relaxation and not the cost.

Scaling, and the interval that holds the true optimum
-----------------------------------------------------
Let S be a scale for roots. Penalties are rounded down, ``p' = floor(S^2 p / Q)``; r' and lambda' to
the nearest, so that D is off from S (R - lambda) by at most e = (n + 1) / 2. For each plan Q times
the model's objective, less 2 S sqrt(M) e + e^2, divided by S^2, plus L, is then at most the plan's
cost: the model's bound gives a bound on the optimum, below the true one by at most
(n Q + Q + 4 S sqrt(M) e + 2 e^2) / S^2 (and 1e-10 U for the rounding of doubles). The plan found is
valued by the judge in the true figures. So [bound, objective] holds the optimum, and its width is
the solver's gap plus at most that figure, reported as `scaling_error`. S sqrt(M) is at most 2^29
(less where the gap asked for allows), and Q keeps sums below 2^60.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitopt.formulations.mepra.exact import ExactMepra
from splitopt.formulations.mepra.incumbent import Incumbent
from splitopt.formulations.mepra.lattice import lattice_of
from splitopt.formulations.mepra.layerwise import (
    WalkedOption,
    descent,
    plan_of,
    root_of,
    walked_options,
)
from splitopt.formulations.solvers.cpsat import run
from splitopt.formulations.solvers.parameters import CPSAT
from splitopt.instances.contract.method import Option, Result, Support, Termination
from splitopt.instances.core.arrays import Floats
from splitopt.instances.mepra.model import MepraInstance

_MOST_DEVICES = 5000
_MOST_BANDS = 100
_ROUNDING = 1e-11  # relative; covers the rounding of every figure here


@dataclass(frozen=True, slots=True)
class _Scaled:
    """The model's integers.

    Attributes
    ----------
    options
        By device, those that matter.
    root, penalty
        r' and p' of each.
    aim
        lambda'.
    most
        The largest abs(D).
    scale, divisor
        S and Q.
    base
        L, rounded down.
    ceiling
        U: more is not proven, for what exceeds it is left out.
    sums
        What R lies between.
    """

    options: list[list[WalkedOption]]
    root: list[list[int]]
    penalty: list[list[int]]
    aim: int
    most: int
    scale: float
    divisor: int
    base: float
    ceiling: float
    sums: tuple[float, float]

    @property
    def margin(self) -> float:
        """What a bound on the model's objective may be off as a double: its last place."""
        greatest = sum(sum(mine) for mine in self.penalty) + self.most**2
        return greatest * 2.0**-51 if greatest > 2**52 else 0.0

    @property
    def _blur(self) -> float:
        """Most by which D * D exceeds the square that it stands for, scaled."""
        off = (len(self.options) + 1) / 2
        return off * (2 * self.most + off)

    def bound(self, model_bound: float) -> float:
        """Return the bound on the cost that a bound on the model's objective gives."""
        excess = ((model_bound - self.margin) * self.divisor - self._blur) / self.scale / self.scale
        return min(self.base + excess, self.ceiling) * (1 - _ROUNDING)

    @property
    def error(self) -> float:
        """Most by which scaling alone puts the bound below the optimum."""
        floors = ((len(self.options) + 1) * self.divisor + 2 * self._blur) / self.scale / self.scale
        return floors + 1e-10 * self.ceiling


def _multiplier(costs: list[Floats], roots: list[Floats]) -> float:
    """Return the lambda at which the devices' choices have about lambda as their sum of roots."""
    start = np.cumsum([0, *(len(mine) for mine in costs)])[:-1]
    cost, root = np.concatenate(costs), np.concatenate(roots)
    count = np.diff(np.append(start, len(cost)))
    low, high = 0.0, float(np.maximum.reduceat(root, start).sum())
    for _ in range(60):
        middle = (low + high) / 2
        price = cost + 2 * middle * root
        least = price == np.repeat(np.minimum.reduceat(price, start), count)
        sum_of_roots = float(np.minimum.reduceat(np.where(least, root, np.inf), start).sum())
        low, high = (middle, high) if sum_of_roots > middle else (low, middle)
    return high


def _scaled(
    instance: MepraInstance,
    options: list[list[WalkedOption]],
    objective: float,
    relative_gap: float,
    *,
    centred: bool,
) -> _Scaled:
    """Return the integers for plans no dearer than `objective` > 0."""
    costs = [np.array([o.own_cost for o in mine]) for mine in options]
    roots = [np.array([root_of(instance, o) for o in mine]) for mine in options]
    multiplier = _multiplier(costs, roots) if centred else 0.0
    prices = [a + 2 * multiplier * r for a, r in zip(costs, roots, strict=True)]
    total = math.fsum(float(price.min()) for price in prices)
    square = multiplier * multiplier
    base = total - square - _ROUNDING * (total + square)
    room = max(objective * (1 + 1e-9) - base, 1e-9 * objective)
    reach = math.sqrt(room)
    penalties = [price - price.min() for price in prices]
    kept = [np.flatnonzero(p <= room) for p in penalties]
    # D * D < 2^60 and, with devices at most at `room` each, the objective too. Within that no
    # finer than the gap asks for (an eighth of it): small integers are solved faster.
    n = len(options)
    scale = 2.0**29 / reach
    if relative_gap > 0:
        scale = min(scale, 32 * (n + 1) * reach / (relative_gap * objective))
        scale = max(scale, 2.0**12 / reach)
    divisor = max(1, math.ceil((n + 2) * room * scale * scale / 2.0**60))
    unit = scale * scale / divisor
    return _Scaled(
        [[mine[k] for k in those] for mine, those in zip(options, kept, strict=True)],
        [[round(scale * float(r[k])) for k in those] for r, those in zip(roots, kept, strict=True)],
        [
            [max(0, math.floor(unit * float(p[k] - _ROUNDING * price[k]))) for k in those]
            for p, price, those in zip(penalties, prices, kept, strict=True)
        ],
        round(scale * multiplier),
        math.ceil(scale * reach + (n + 1) / 2) + 1,
        scale,
        divisor,
        base,
        objective,
        (max(0.0, multiplier - reach), multiplier + reach),
    )


class MepraCpsat(ExactMepra):
    """Integers with one product, solved by CP-SAT."""

    name = "cpsat"
    parameters = CPSAT
    options: tuple[Option, ...] = (
        Option("reduction", True, "take the square around the relaxation's sum of roots"),
    )

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
        scaled = _scaled(
            instance,
            table,
            best.objective,
            best.budget.relative_gap,
            centred=bool(chosen["reduction"]),
        )
        return _search(best, scaled, seed)


def _count_steps(
    model: Any, x: list[list[Any]], off: Any, scaled: _Scaled, instance: MepraInstance
) -> None:
    """Add K where roots have a common step, and leave the gaps out of the domain of D."""
    from ortools.sat.python import cp_model

    roots = [[root_of(instance, o) for o in mine] for mine in scaled.options]
    extra = np.array([r - mine[0] for mine in roots for r in mine[1:]])
    owner = np.repeat(np.arange(len(roots)), [len(mine) - 1 for mine in roots])
    lattice = lattice_of(extra, owner) if len(extra) else None
    if lattice is None:
        return
    first = math.fsum(mine[0] for mine in roots)
    least, most = (int(end) for end in lattice.counts(*(end - first for end in scaled.sums)))
    if not 0 <= most - least <= _MOST_BANDS:
        return
    steps = model.new_int_var(least, most, "K")
    blur = len(roots) / 2 + 2
    bands = [
        [
            math.floor(scaled.scale * (first + lattice.step * k + lattice.least) - blur),
            math.ceil(scaled.scale * (first + lattice.step * k + lattice.most) + blur),
        ]
        for k in range(least, most + 1)
    ]
    model.add_linear_expression_in_domain(off + scaled.aim, cp_model.Domain.from_intervals(bands))
    model.add_decision_strategy([steps], cp_model.CHOOSE_FIRST, cp_model.SELECT_MIN_VALUE)
    others = [b for mine in x for b in mine[1:]]
    model.add(cp_model.LinearExpr.weighted_sum(others, lattice.whole.tolist()) == steps)


def _model(scaled: _Scaled, instance: MepraInstance) -> tuple[Any, list[list[Any]]]:
    """Return the CP-SAT model and its variables x."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    # Variables.
    x = [[model.new_bool_var("") for _ in mine] for mine in scaled.options]
    off = model.new_int_var(-scaled.most, scaled.most, "D")
    square = model.new_int_var(0, scaled.most**2, "V")
    # Constraints.
    for mine in x:
        model.add_exactly_one(mine)
    flat = [b for mine in x for b in mine]
    model.add(
        cp_model.LinearExpr.weighted_sum(flat, [r for mine in scaled.root for r in mine])
        == off + scaled.aim
    )
    model.add_multiplication_equality(square, [off, off])
    _count_steps(model, x, off, scaled, instance)
    if scaled.divisor > 1:
        quotient = model.new_int_var(0, scaled.most**2 // scaled.divisor, "V // Q")
        model.add_division_equality(quotient, square, scaled.divisor)
    else:
        quotient = square
    # Objective.
    own = cp_model.LinearExpr.weighted_sum(flat, [p for mine in scaled.penalty for p in mine])
    model.minimize(own + quotient)
    return model, x


def _search(best: Incumbent, scaled: _Scaled, seed: int) -> Result:
    """Run CP-SAT within what is left of the budget."""
    from ortools.sat.python import cp_model

    model, x = _model(scaled, best.instance)
    chosen = best.plan
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

    # The rest of the gap is for what scaling blurs.
    slack = max(0.0, best.budget.relative_gap * best.objective - scaled.error) / 2
    settings = {
        # Without the full relaxation one worker never lifts the bound of a square.
        "linearization_level": 2,
        "absolute_gap_limit": slack * scaled.scale**2 / scaled.divisor,
    }

    def bound(found: float) -> None:
        best.raise_bound(scaled.bound(found))

    solver, status = run(best, model, settings, seed, take=take, bound=bound)
    best.statistics |= {
        "branches": solver.num_branches,
        "conflicts": solver.num_conflicts,
        "deterministic_time": solver.response_proto.deterministic_time,
    }
    if status == cp_model.OPTIMAL:
        return best.result()
    return best.result(
        Termination.TIME if status in (cp_model.FEASIBLE, cp_model.UNKNOWN) else Termination.CRASHED
    )


METHOD = MepraCpsat()
