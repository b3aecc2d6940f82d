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

from typing import Any

import pyomo.environ as pyo

from splitopt.formulations.cift.pyomo.data import (
    Chain,
    chains,
    levels,
    limit,
    need_configurations,
    need_listed_speeds,
)
from splitopt.formulations.solvers.pyomo import chosen, stated
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, Stop

__all__ = ["arcs", "model", "plan_of"]


def arcs(instance: CiftInstance) -> int:
    """Return about how many variables the model has, without building it."""
    total = 0
    for chain in chains(instance):
        segments = chain.blocks * (chain.blocks + 1) // 2
        for n in chain.nodes:
            count = len(levels(instance.nodes[n]))
            total += segments * count * (2 if chain.passes else 1) + chain.blocks
        total += chain.blocks * len(chain.hops)
    return total


class _Steps:
    """Every step of a path with its joules and seconds; keys as in the module's text."""

    def __init__(self, instance: CiftInstance) -> None:
        self.serve: dict[tuple[int, ...], tuple[float, float]] = {}
        self.tune: dict[tuple[int, ...], tuple[float, float]] = {}
        self.skip: list[tuple[int, ...]] = []
        self.hop: dict[tuple[int, ...], tuple[float, float, float]] = {}
        self.tau_inf = limit(instance.inference_deadline_s)
        self.tau_ft = limit(instance.fine_tuning_deadline_s)
        for g in chains(instance):
            self._hosts(instance, g)
            self._hops(g)

    def _hosts(self, instance: CiftInstance, g: Chain) -> None:
        for n in g.nodes:
            speeds = levels(instance.nodes[n])
            for i in range(g.blocks if n != g.source else 1):
                self.skip.append((g.index, i, n))
                for j in range(i + 1, g.blocks + 1):
                    if not g.fits(instance, n, i, j):
                        continue
                    w = g.work(i, j)
                    for level, (f, joules) in speeds.items():
                        key = (g.index, i, j, n, level)
                        if w / f <= self.tau_inf:
                            self.serve[key] = (g.serving * w * joules, w / f)
                        if g.passes == 0:
                            self.tune[*key[:4], 0] = (0.0, 0.0)
                        elif g.computing * w / f <= self.tau_ft:
                            self.tune[key] = (g.computing * w * joules, g.computing * w / f)

    def _hops(self, g: Chain) -> None:
        for n, m, serving_s, tuning_s, joules in g.hops:
            for b, a in enumerate(g.bits):
                latency, time = serving_s[b], g.sending * tuning_s[b]
                if latency <= self.tau_inf and time <= self.tau_ft:
                    energy = (g.serving + g.sending) * joules * a
                    self.hop[g.index, b, n, m] = (energy, latency, time)


def model(instance: CiftInstance) -> Any:
    """Return the model as a ``pyomo.environ.ConcreteModel``.

    Raises
    ------
    InputError
        For continuous speeds, or without configurations.
    """
    need_configurations(instance)
    need_listed_speeds(instance, "flow")
    steps = _Steps(instance)
    every = chains(instance)

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

    # What leaves and enters each state.
    states: dict[tuple[Any, ...], list[Any]] = {}

    def enter(*state: Any, by: Any) -> None:
        states.setdefault(state, []).append(by)

    def leave(*state: Any, by: Any) -> None:
        states.setdefault(state, []).append(-by)

    for g in every:
        enter("arrived", g.index, 0, g.source, by=m.y[g.index])
        leave("placed", g.index, g.blocks, by=m.y[g.index])
    length = {g.index: g.blocks for g in every}
    for g, i, j, n, f in m.SERVE:
        leave("arrived", g, i, n, by=m.serve[g, i, j, n, f])
        enter("between", g, i, j, n, by=m.serve[g, i, j, n, f])
    for g, i, j, n, f in m.TUNE:
        leave("between", g, i, j, n, by=m.tune[g, i, j, n, f])
        # All placed states with every block done are one, the goal of g.
        goal = ("placed", g, j, n) if j < length[g] else ("placed", g, j)
        enter(*goal, by=m.tune[g, i, j, n, f])
    for g, b, n in m.SKIP:
        leave("arrived", g, b, n, by=m.skip[g, b, n])
        enter("placed", g, b, n, by=m.skip[g, b, n])
    for g, b, n, k in m.HOP:
        leave("placed", g, b, n, by=m.hop[g, b, n, k])
        enter("arrived", g, b, k, by=m.hop[g, b, n, k])

    # Constraints.
    m.one = pyo.Constraint(expr=pyo.quicksum(m.y.values()) == 1)
    m.flow = pyo.Constraint(range(len(states)))
    for row, terms in enumerate(states.values()):
        m.flow[row] = pyo.quicksum(terms) == 0
    hops = steps.hop.items()
    if instance.inference_deadline_s:
        m.latency = stated(
            pyo.quicksum(s / steps.tau_inf * m.serve[k] for k, (_, s) in steps.serve.items() if s)
            + pyo.quicksum(s / steps.tau_inf * m.hop[k] for k, (_, s, _) in hops if s)
            <= 1
        )
    if instance.fine_tuning_deadline_s:
        m.time = stated(
            pyo.quicksum(s / steps.tau_ft * m.tune[k] for k, (_, s) in steps.tune.items() if s)
            + pyo.quicksum(s / steps.tau_ft * m.hop[k] for k, (_, _, s) in hops if s)
            <= 1
        )
    # Objective.
    m.cost = pyo.Objective(
        expr=pyo.quicksum(e * m.serve[k] for k, (e, _) in steps.serve.items())
        + pyo.quicksum(e * m.tune[k] for k, (e, _) in steps.tune.items())
        + pyo.quicksum(e * m.hop[k] for k, (e, _, _) in steps.hop.items())
    )
    return m


def plan_of(m: Any, instance: CiftInstance) -> CiftPlan:
    """Return the plan that the variables' values stand for."""
    g = next(iter(chosen(m.y)))
    chain = chains(instance)[g]
    serve = {(n, i): (j, f) for c, i, j, n, f in chosen(m.serve) if c == g}
    tune = {(n, i): f for c, i, _, n, f in chosen(m.tune) if c == g}
    hop = {(b, n): k for c, b, n, k in chosen(m.hop) if c == g}
    n, done, stops = chain.source, 0, []
    while True:
        node = instance.nodes[n]
        if (n, done) in serve:
            start, (done, f) = done, serve[n, done]
            speeds: Any = node.speeds_flop_per_s
            tuned = speeds[tune[n, start]] if chain.passes else None
            stops.append(Stop(node.name, done - start, speeds[f], tuned))
        else:
            stops.append(Stop(node.name, 0))
        if done == chain.blocks:
            return CiftPlan.of(instance.configurations[g], tuple(stops))
        n = hop[done, n]
