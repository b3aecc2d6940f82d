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

Segments that do not fit a memory and steps that alone miss a deadline have no variable. Of a graph,
i, j and b number downsets, and blocks i+1..j are those of j that i has not (`data`). A throughput
leaves out levels that are too slow for a segment, and hops that are too much for a link.

Where links and nodes are in doubt (``docs/uncertainty.md``), with t_i(a) the time of a step a in
atom i of a configuration g (a scenario; in fine-tuning with a number of epochs), of weight w_i, and
l(a) its mean over the fastest p of the weight::

    sum_a l(a) x_a <= tau                                            every plan keeps it
    sum_a (t_i(a) / tau) x_a <= y[g] + M_i late[i]                   M_i: the longest path, less one
    sum_i w_i late[i] <= (1 - p) y[g]

and with means and variances, kappa^2 = p / (1 - p)::

    mu + kappa sigma <= tau,    sum_a var_a x_a^2 <= sigma^2         a cone; in arrays its tangents

Objective
---------
With e(f) = kappa f^2 + rho / f::

    min sum R w e(f) serve + sum 3 S_g w e(f) tune + sum (R + 2 S_g) e a_b hop

The flow rows are totally unimodular: without deadlines the relaxation is integral.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from splitopt.formulations.cift.pyomo.flow_rows import Flow, arcs, plan
from splitopt.formulations.solvers.pyomo import chosen
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
    flow = Flow(instance)
    arrays = flow.written().model
    m = pyo.ConcreteModel(name="cift-flow")
    # Variables.
    variables = []
    for name, keys in flow.columns.items():
        if name == "late" and not keys:
            continue
        indices = [key if len(key) > 1 else key[0] for key in keys]
        m.add_component(name, pyo.Var(indices, domain=pyo.Binary))
        variables += [getattr(m, name)[index] for index in indices]
    # Constraints.
    order = np.argsort(arrays.row, kind="stable")
    places, values = arrays.column[order].tolist(), arrays.value[order].tolist()
    ends = np.searchsorted(arrays.row[order], np.arange(len(arrays.row_lower) + 1)).tolist()
    row = 0
    for name, count in flow.groups:
        group = pyo.Constraint(range(count)) if name == "flow" else pyo.Constraint()
        m.add_component(name, group)
        for k in range(count):
            mine = slice(ends[row], ends[row + 1])
            total = pyo.quicksum(
                value * variables[place]
                for place, value in zip(places[mine], values[mine], strict=True)
            )
            lower, upper = float(arrays.row_lower[row]), float(arrays.row_upper[row])
            group[k if name == "flow" else None] = (
                total == upper if lower == upper else total <= upper
            )
            row += 1
    for cone in flow.cones:
        sigma = pyo.Var(bounds=(0, 1 / cone.kappa))
        m.add_component(f"sigma_{cone.name}", sigma)
        mean = pyo.quicksum(cone.mean[k] * variables[k] for k in np.flatnonzero(cone.mean))
        varied = pyo.quicksum(
            cone.variance[k] * variables[k] ** 2 for k in np.flatnonzero(cone.variance)
        )
        m.add_component(f"mean_{cone.name}", pyo.Constraint(expr=mean + cone.kappa * sigma <= 1))
        m.add_component(f"cone_{cone.name}", pyo.Constraint(expr=varied <= sigma**2))
    # Objective.
    m.cost = pyo.Objective(
        expr=pyo.quicksum(float(arrays.cost[k]) * variables[k] for k in np.flatnonzero(arrays.cost))
    )
    return m


def plan_of(m: Any, instance: CiftInstance) -> CiftPlan:
    """Return the plan that the variables' values stand for."""
    found = {name: chosen(getattr(m, name)) for name in ("serve", "tune", "skip", "hop")}
    return plan(instance, {**found, "y": [(g,) for g in chosen(m.y)]})
