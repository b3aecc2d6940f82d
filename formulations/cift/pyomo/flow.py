r"""CIFT as a unit flow on the time-energy graph, in Pyomo.

A plan is a path. For a configuration g, the number b of blocks done and a node n it passes the
states *arrived* (g, b, n), *between* (g, i, b, n) after serving and *placed* (g, b, n); since a
host leads from arrived to placed, no node hosts two segments.

Variables (binary)
------------------
- ``y[g]``: configuration g is chosen;
- ``serve[g, i, j, n, f]``: node n hosts blocks i+1..j and serves them at its level f;
- ``tune[g, i, j, n, f]``: it fine-tunes them at its level f (one idle level where S_g = 0);
- ``skip[g, b, n]``: node n hosts nothing (a relay, or the source ships the raw input);
- ``hop[g, b, n, m]``: what b blocks leave behind crosses the link (n, m).

Constraints
-----------
With w the FLOP of a segment and u_g the source of g::

    sum_g y[g] = 1
    arrived (g, b, n):     y[g] if (b, n) = (0, u_g)
                           + sum_m hop[g, b, m, n]  = sum_j,f serve[g, b, j, n, f] + skip[g, b, n]
    between (g, i, j, n):  sum_f serve[g, i, j, n, f] = sum_f tune[g, i, j, n, f]
    placed (g, b, n):      sum_i,f tune[g, i, b, n, f] + skip[g, b, n] = sum_m hop[g, b, n, m]
    goal of g:             sum_i,n,f tune[g, i, L, n, f] = y[g]
    sum (w / f) serve + sum (a_b / B + d) hop                         <= tau_inf
    sum (3 S_g w / f) tune + sum 2 S_g (a_b / B + d / batch) hop      <= tau_ft

Segments that do not fit a memory and steps that alone miss a deadline have no variable.

Objective
---------
With e(f) = kappa f^2 + rho / f::

    min sum R w e(f) serve + sum 3 S_g w e(f) tune + sum (R + 2 S_g) e a_b hop

The flow rows are totally unimodular: without deadlines the relaxation is integral.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyomo.environ as pyo

from splitopt.formulations.cift.pyomo.flow_rows import (
    Term,
    arcs,
    columns,
    deadline_rows,
    flow_rows,
    plan,
    read,
)
from splitopt.formulations.solvers.pyomo import chosen, stated
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan

__all__ = ["arcs", "model", "plan_of"]


def model(instance: CiftInstance) -> Any:
    """Return the model as a ``pyomo.environ.ConcreteModel``.

    Raises
    ------
    InputError
        For continuous speeds, or without configurations.
    """
    every, steps = read(instance)
    m = pyo.ConcreteModel(name="cift-flow")
    # Sets.
    m.G = pyo.Set(initialize=[g.index for g in every])
    m.SERVE = pyo.Set(dimen=5, initialize=list(steps.serve))
    m.TUNE = pyo.Set(dimen=5, initialize=list(steps.tune))
    m.SKIP = pyo.Set(dimen=3, initialize=steps.skip)
    m.HOP = pyo.Set(dimen=4, initialize=list(steps.hop))
    # Variables.
    m.y = pyo.Var(m.G, domain=pyo.Binary)
    m.serve = pyo.Var(m.SERVE, domain=pyo.Binary)
    m.tune = pyo.Var(m.TUNE, domain=pyo.Binary)
    m.skip = pyo.Var(m.SKIP, domain=pyo.Binary)
    m.hop = pyo.Var(m.HOP, domain=pyo.Binary)

    def total(terms: Iterable[Term]) -> Any:
        return pyo.quicksum(c * getattr(m, name)[key] for name, key, c in terms)

    # Constraints.
    m.one = pyo.Constraint(expr=pyo.quicksum(m.y.values()) == 1)
    rows = flow_rows(every, steps)
    m.flow = pyo.Constraint(range(len(rows)))
    for row, terms in enumerate(rows):
        m.flow[row] = total(terms) == 0
    for name, terms in deadline_rows(instance, steps).items():
        setattr(m, name, stated(total(terms) <= 1))
    # Objective.
    priced = (
        (name, key, joules)
        for name, found in columns(every, steps).items()
        if name not in ("y", "skip")
        for key, joules in found.items()
    )
    m.cost = pyo.Objective(expr=total(priced))
    return m


def plan_of(m: Any, instance: CiftInstance) -> CiftPlan:
    """Return the plan that the variables' values stand for."""
    found = {name: chosen(getattr(m, name)) for name in ("serve", "tune", "skip", "hop")}
    return plan(instance, {**found, "y": [(g,) for g in chosen(m.y)]})
