r"""MEPRA in Pyomo: the natural model with shares, its conic form, and a MILP by tangents.

**natural** (mixed-integer, bilinear). Each device i takes a path of steps (`formulations.
pyomo_mepra_data`) through its network, from exit to exit, on the device and then at the edge;
exits may be fixed or free. Binary ``x[i, a]`` for step a, share ``alpha[i]`` in [0, 1], cost of
the edge's time ``t[i]`` >= 0, ``b`` the cost of a step's edge work on the whole server::

    min  sum_ia own_ia x[i, a] + sum_i t[i]
    paths: what enters a place leaves it, one path from (0, device) to layer L
    sum_i alpha[i] <= 1
    t[i] alpha[i] >= sum_a b_ia x[i, a]

The last row is t >= b / alpha without a quotient, so a share of 0 is right where there is no
edge work. Its relaxation is not convex: a global solver (SCIP) is needed.

**conic** (mixed-integer, second-order cones). Binary ``x[i, k]`` for option k (a split and an exit
set) with own cost a and r = sqrt(b)::

    min  sum_ik a_ik x[i, k] + sum_i t[i]
    sum_k x[i, k] = 1,    sum_i alpha[i] <= 1
    t[i] alpha[i] >= (sum_k r_ik x[i, k])^2

Equal to the first at binary points, and convex.

**tangent** (MILP, a relaxation). With the best shares, in proportion to r, sum_i r_i^2 / alpha_i =
R^2, R = sum_i r_i (Cauchy-Schwarz), and a parabola lies above its tangents::

    min  sum_ik a_ik x[i, k] + v
    sum_k x[i, k] = 1,    R = sum_ik r_ik x[i, k],    v >= 2 rho R - rho^2   for some rho

The points rho are fixed: R's range in geometric steps of ratio 1 + `STEP`, so the optimum of
this MILP is a lower bound on MEPRA's, below it by at most R^2 (STEP / 2)^2. `splitopt solve
--method highs-tangent` adds the tangents that close that gap.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyomo.environ as pyo

from splitopt.formulations.mepra.pyomo.data import DEVICE, Option, options, steps
from splitopt.formulations.solvers.pyomo import chosen
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights

FORMULATIONS = ("natural", "conic", "tangent")
STEP = 0.02
MOST_TANGENTS = 2000


def natural(instance: MepraInstance) -> Any:
    """Return the natural model with shares."""
    taken = [steps(instance, i) for i in range(instance.devices)]
    depth = instance.layers[instance.profile].tolist()

    m = pyo.ConcreteModel(name="mepra-natural")
    m.I = pyo.RangeSet(0, instance.devices - 1)
    m.X = pyo.Set(dimen=2, initialize=[(i, a) for i in m.I for a in range(len(taken[i]))])
    m.x = pyo.Var(m.X, domain=pyo.Binary)
    m.alpha = pyo.Var(m.I, bounds=(0, 1))
    m.t = pyo.Var(m.I, domain=pyo.NonNegativeReals)

    places = []
    for i in m.I:
        known = sorted({step.tail for step in taken[i]} | {step.head for step in taken[i]})
        places += [(i, *place) for place in known if place[0] < depth[i]]

    def path(m: Any, i: int, place: int, side: int) -> Any:
        here = (place, side)
        into = pyo.quicksum(m.x[i, a] for a, step in enumerate(taken[i]) if step.head == here)
        out = pyo.quicksum(m.x[i, a] for a, step in enumerate(taken[i]) if step.tail == here)
        return into + (1 if here == (0, DEVICE) else 0) == out

    m.path = pyo.Constraint(places, rule=path)

    def edge_time(m: Any, i: int) -> Any:
        work = pyo.quicksum(s.edge_cost * m.x[i, a] for a, s in enumerate(taken[i]) if s.edge_cost)
        return m.t[i] * m.alpha[i] >= work

    m.edge_time = pyo.Constraint(m.I, rule=edge_time)
    m.shares = pyo.Constraint(expr=pyo.quicksum(m.alpha.values()) <= 1)
    m.cost = pyo.Objective(
        expr=pyo.quicksum(taken[i][a].own_cost * m.x[i, a] for i, a in m.X)
        + pyo.quicksum(m.t.values())
    )
    m.steps = taken
    return m


def _with_options(name: str, instance: MepraInstance) -> Any:
    """Return a model with one option a device and the sum of their own costs ``m.own``."""
    listed = options(instance)
    m = pyo.ConcreteModel(name=name)
    m.I = pyo.RangeSet(0, instance.devices - 1)
    m.X = pyo.Set(dimen=2, initialize=[(i, k) for i in m.I for k in range(len(listed[i]))])
    m.x = pyo.Var(m.X, domain=pyo.Binary)
    m.options = listed

    def one(m: Any, i: int) -> Any:
        return pyo.quicksum(m.x[i, k] for k in range(len(listed[i]))) == 1

    m.one = pyo.Constraint(m.I, rule=one)
    return m


def _own(m: Any) -> Any:
    return pyo.quicksum(m.options[i][k].own_cost * m.x[i, k] for i, k in m.X)


def _root(m: Any, i: int) -> Any:
    return pyo.quicksum(o.root * m.x[i, k] for k, o in enumerate(m.options[i]) if o.root)


def conic(instance: MepraInstance) -> Any:
    """Return the conic form.

    Raises
    ------
    InputError
        Where options are too many to list (`splitopt.formulations.mepra.pyomo.data.options`).
    """
    m = _with_options("mepra-conic", instance)
    m.alpha = pyo.Var(m.I, bounds=(0, 1))
    m.t = pyo.Var(m.I, domain=pyo.NonNegativeReals)
    m.r = pyo.Var(m.I, domain=pyo.NonNegativeReals)
    m.root = pyo.Constraint(m.I, rule=lambda m, i: m.r[i] == _root(m, i))
    m.cone = pyo.Constraint(m.I, rule=lambda m, i: m.r[i] ** 2 <= m.t[i] * m.alpha[i])
    m.shares = pyo.Constraint(expr=pyo.quicksum(m.alpha.values()) <= 1)
    m.cost = pyo.Objective(expr=_own(m) + pyo.quicksum(m.t.values()))
    return m


def _points(listed: list[list[Option]]) -> list[float]:
    """Return the points of the tangents: the range of R above zero in geometric steps."""
    least = math.fsum(min(o.root for o in mine) for mine in listed)
    most = math.fsum(max(o.root for o in mine) for mine in listed)
    if most == 0:
        return []
    low = least or min(o.root for mine in listed for o in mine if o.root > 0)
    count = min(MOST_TANGENTS, 1 + math.ceil(math.log(most / low) / math.log1p(STEP)))
    return [float(rho) for rho in np.geomspace(low, most, max(2, count))]


def tangent(instance: MepraInstance) -> Any:
    """Return the MILP by tangents, a relaxation.

    Raises
    ------
    InputError
        As `conic`.
    """
    m = _with_options("mepra-tangent", instance)
    m.R = pyo.Var(domain=pyo.NonNegativeReals)
    m.v = pyo.Var(domain=pyo.NonNegativeReals)
    m.roots = pyo.Constraint(expr=pyo.quicksum(_root(m, i) for i in m.I) == m.R)
    points = _points(m.options)

    def touches(m: Any, k: int) -> Any:
        return m.v >= 2 * points[k] * m.R - points[k] ** 2

    m.tangent = pyo.Constraint(range(len(points)), rule=touches)
    m.cost = pyo.Objective(expr=_own(m) + m.v)
    return m


def model(instance: MepraInstance, formulation: str) -> Any:
    """Return a formulation of an instance as a ``pyomo.environ.ConcreteModel``.

    Raises
    ------
    InputError
        Where the formulation does not take the instance.
    """
    return {"natural": natural, "conic": conic, "tangent": tangent}[formulation](instance)


def plan_of(m: Any, instance: MepraInstance) -> MepraPlan:
    """Return the plan that the binaries' values stand for, with the best shares for it."""
    roots = np.zeros(instance.devices)
    splits, sets = (np.zeros(instance.devices, dtype=np.int64) for _ in range(2))
    for i, k in chosen(m.x):
        if hasattr(m, "options"):
            option = m.options[i][k]
            splits[i], roots[i], sets[i] = option.split, option.root, option.exit_set
            continue
        step = m.steps[i][k]
        if step.split is not None:
            splits[i] = step.split
        roots[i] += step.edge_cost
        sets[i] |= 1 << (step.head[0] - 1)
    weights = roots if hasattr(m, "options") else np.sqrt(roots)
    if not weights.any():
        # With w_T = 0 any shares do that are positive where there is edge work.
        weights = (splits < instance.layers[instance.profile]).astype(np.float64)
    return MepraPlan(
        splits, shares_from_weights(weights), sets if instance.exits == "free" else None
    )
