r"""MEPRA as a domain-independent dynamic program, solved by didppy.

Shares are eliminated: with options fixed the least cost is :math:`\sum_i a_i + R^2`,
:math:`R = \sum_i r_i`, :math:`r_i = \sqrt{w_T W_i / C}` (W_i: edge work of device i). Options and
their figures come from `splitopt.formulations.mepra.layerwise`. At a multiplier lambda, with
:math:`L = \sum_i \min_k (a_{ik} + 2 \lambda r_{ik}) - \lambda^2` and penalties p of options over
these minima, the cost of a plan is, identically,

.. math:: L + \sum_i p_i + D^2, \qquad D = R - \lambda.

States
------
``(i, D)``: the first i stages have chosen, D is what their roots and the least roots of all others
make. Start: (0, D_0) with every device at its least root.

Transitions
-----------
Option k of stage i, with d_k >= 0 its root over the device's least::

    (i, D) -> (i + 1, D + d_k)          cost  p_k + m(D + d_k) - m(D),    m(x) about x^2

Base case
---------
i = n, cost m(D_0): all in all a plan costs sum p + m(D_n).

Dominance
---------
Of two states (i, D) the one that costs less stays. D could be a resource as well, the less the
better (m is convex, what is to come at least 0), but then every state of a stage is compared with
every other: six times as long a state on lattices, where no two are so related.

Dual bounds
-----------
With hi the most that the other stages can add to D, the rest costs at least
``max(0, D, -D - hi)^2``; and at any shift e of the multiplier at least
``sum_j min_k (p_jk + 2 e d_jk) + 2 e D - e^2``; both less m(D) and plus m(D_0). There is one of the
latter for each of a few e up to the root of what separates L from the best plan.

Before the search
-----------------
A plan is found by single changes. Options with a penalty above what separates it from L are out; a
device with one option left is no stage. Where L and that plan meet the gap asked for, there is
nothing left to search. The widest choices come first, so that the last stages are fine.

Exactness
---------
In steps delta of D and delta^2 of cost all figures are integers that doubles hold exactly::

    d' = floor(d / delta),    p' = floor(p / delta^2),    m(x) = max(0, x, -x - n - 1)^2

The roundings make D' at most n + 1 too small: m is the least square that D may have. So the model
bounds the optimum, from below it by at most ``scaling_error``. delta is as coarse as the gap asked
for allows, since states of equal D merge. Plans are valued by the judge.

Source: as `splitopt.formulations.cift.didp.method`; the program of MEPRA is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from splitopt.formulations.mepra.didp.stages import SPENT, Stages, stages_of
from splitopt.formulations.mepra.exact import ExactMepra
from splitopt.formulations.mepra.incumbent import Incumbent
from splitopt.formulations.mepra.layerwise import descent, plan_of, walked_options
from splitopt.formulations.solvers.didp import supported, widen
from splitopt.instances.contract.method import Result, Support, Termination
from splitopt.instances.core.arrays import Floats
from splitopt.instances.mepra.model import MepraInstance

_MOST_DEVICES = 5000
_SHIFTS = (-0.5, 0.0, 0.5)


class MepraDidp(ExactMepra):
    """A dynamic program over devices and the sum of their roots."""

    name = "didp"

    def supports(self, instance: MepraInstance) -> Support:
        """Take instances of a few thousand devices, where didppy is installed."""
        if instance.devices > _MOST_DEVICES:
            return Support(
                f"didp takes at most {_MOST_DEVICES} devices: it finds options one device at a time"
            )
        return supported()

    def prove(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        table = walked_options(instance)
        best.offer(plan_of(instance, descent(instance, table)))
        if best.objective == 0:
            return best.result()
        stages = stages_of(instance, table, best.objective, best.budget.relative_gap)
        return _search(best, stages)


def _search(best: Incumbent, stages: Stages) -> Result:
    wanted = 1 - SPENT * best.budget.relative_gap
    ceiling = stages.ceiling(best.objective * wanted)
    best.raise_bound(stages.bound(0.0))
    wide = math.sqrt(max(ceiling, 0.0))
    best.statistics |= {"stages": len(stages.order), "root_bound": best.bound}
    if best.closed:
        return best.result()
    model = _program(stages, wide)
    best.statistics["scaling_error"] = stages.error(wide)
    best.statistics["build_s"] = best.recorder.elapsed_s

    def take(names: list[str], cost: float) -> float:
        best.offer(plan_of(best.instance, stages.picked([int(name) for name in names])))
        return stages.ceiling(best.objective * wanted)

    found = widen(
        model,
        best.budget,
        best.recorder,
        take,
        lambda cost: best.raise_bound(stages.bound(cost)),
        ceiling,
    )
    best.statistics |= {
        "expanded": found.expanded,
        "generated": found.generated,
        "width": found.width,
    }
    if found.exhausted is None:
        return best.result(Termination.LIMIT if found.full else Termination.TIME)
    best.raise_bound(min(best.objective, stages.bound(found.exhausted)))
    return best.result(Termination.SOLVED if best.closed else Termination.LIMIT)


def _program(stages: Stages, wide: float) -> Any:
    """Return the model; `wide` is the largest deviation of a plan that is wanted."""
    import didppy as dp

    n, K = stages.penalty.shape
    model = dp.Model(float_cost=True)
    # State variables.
    at = model.add_element_var(object_type=model.add_object_type(number=n + 1), target=0)
    sum_ = model.add_float_var(target=stages.offset)

    def square(x: Any) -> Any:
        over = dp.max(dp.max(x, 0.0), -x - stages.loose)
        return over * over

    start = max(0.0, stages.offset, -stages.offset - stages.loose) ** 2
    # Transitions.
    penalty = np.vstack([stages.penalty, np.full((1, K), np.inf)])
    shift = np.vstack([stages.shift, np.zeros((1, K))])
    for k in range(K):
        there = np.isfinite(penalty[:, k])
        allowed = model.add_bool_table(there)
        p = model.add_float_table(np.where(there, penalty[:, k], 0.0))[at]
        d = model.add_float_table(shift[:, k])[at]
        model.add_transition(
            dp.Transition(
                name=str(k),
                cost=p + square(sum_ + d) - square(sum_) + dp.FloatExpr.state_cost(),
                preconditions=[allowed[at]],
                effects=[(at, at + 1), (sum_, sum_ + d)],
            )
        )
    # Base case.
    model.add_base_case([at == n], cost=start)
    # Dual bounds.
    most = np.append(_backwards(stages.shift.max(axis=1)), 0.0)
    far = model.add_float_table(most)[at]
    over = dp.max(dp.max(sum_, 0.0), -sum_ - far - stages.loose)
    model.add_dual_bound(over * over - square(sum_) + start)
    for factor in _SHIFTS:
        e = float(math.floor(factor * wide))
        rest = _backwards((stages.penalty + 2 * e * stages.shift).min(axis=1))
        # The true D is up to `loose` larger: at e < 0 that may cost 2 |e| less.
        less = 2 * max(0.0, -e) * stages.loose
        ahead = model.add_float_table(np.append(rest, 0.0) - e * e - less)[at]
        model.add_dual_bound(ahead + 2 * e * sum_ - square(sum_) + start)
    return model


def _backwards(values: Floats) -> Floats:
    """Return the sums over a stage and all behind it."""
    return np.cumsum(values[::-1])[::-1]


METHOD = MepraDidp()
