r"""CIFT as it is said in words: choose one configuration, and then these relations hold.

A generalised disjunctive program, one disjunct a configuration g, over variables that all
configurations share. Write W_g for the FLOP of g's chain, w_gb for block b's share of it (both on
the node, where blocks have factors), and phases p = serve, tune with

    c_p = R in serving, 3 S_g in fine-tuning (how often a pass is charged for)
    t_p = 1 in serving, 3 S_g in fine-tuning (how often it counts in time).

Variables
---------
- ``x[b, n]`` in {0, 1}: block b runs on node n, b = 1..the longest chain;
- ``h[b, n, m]`` in {0, 1}: what b blocks leave behind crosses the link (n, m);
- ``energy`` >= 0, in units of `energy_unit_j`;
- listed speeds: ``z[p, n, f]`` in {0, 1}, node n at its level f; ``v[p, n, f]`` in [0, 1], the
  share of the FLOP done there;
- continuous speeds, for each g: share ``w``, time ``t``, ``s`` and ``e`` of a phase and node.

Disjunct of g
-------------
With ``x[0, n]`` = 1 at the source of g, 0 elsewhere::

    sum_n x[b, n] = 1 for b <= L_g, 0 behind
    x[b, n] + sum_m h[b, m, n] = x[b+1, n] + sum_m h[b, n, m]      b < L_g
    sum_b held_gb x[b, n] <= M_n
    listed:       sum_f v[p, n, f] = sum_b w_gb x[b, n]
    throughput:   what a host and a link are busy for a request is at most 1 / R'
    deadlines:    times of v (or t) and h, in shares of each deadline, sum to at most 1
    energy >= c_p W_g e(f) v (or the cost of w, t) + (R + 2 S_g) e a_b h

and outside all of them ``v[p, n, f] <= z[p, n, f]``, ``sum_f z[p, n, f] <= 1``.

Continuous speeds
-----------------
In shares, FLOP w done in time t (units: W_g, W_g / Fmax) take kappa Fmax^2 w^3 / t^2 joules, the
perspective of the cube: convex and homogeneous of degree one. With ``s`` and ``e``

    w^2 <= s t,    s^2 <= e w        (so e >= w^3 / t^2)
    w <= t <= (Fmax / Fmin) w        (f = w / t is admissible)

two rotated cones, exact at w = t = 0 where the quotient is not defined. Being homogeneous they
hold of the zeros of a configuration not chosen, and are their own perspective: they stand outside
the disjunct in both transformations, and no small constant perturbs the hull.

Transformations
---------------
``gdp-bigm`` relaxes a row of a disjunct by a constant times (1 - y_g); ``gdp-hull`` gives each g
its own copy of the shared variables, within y_g times their bounds. That leads to the rows of the
assignment model, but with the deadlines of each configuration apart, hence tighter.
"""

from __future__ import annotations

from typing import Any, Literal

import pyomo.environ as pyo
from pyomo.gdp import Disjunct, Disjunction

from splitopt.formulations.cift.pyomo.cones import Cones
from splitopt.formulations.cift.pyomo.data import chains, level_of, need
from splitopt.formulations.cift.pyomo.gdp_rows import PHASES, Program, plan
from splitopt.formulations.solvers.pyomo import chosen
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan


def disjunctive_model(instance: CiftInstance) -> Any:
    """Return the program with its disjuncts, before any transformation.

    Raises
    ------
    InputError
        Without configurations.
    """
    need(instance, "gdp-hull")
    cones = Cones(instance, chains(instance))
    program = Program(instance, cones)
    columns = program.columns
    m = pyo.ConcreteModel(name="cift-gdp")
    m.B = pyo.RangeSet(program.blocks)
    m.N = pyo.Set(initialize=list(range(len(instance.nodes))))
    m.G = pyo.Set(initialize=[g.index for g in program.every])
    m.H = pyo.Set(dimen=3, initialize=columns["h"])
    m.Z = pyo.Set(dimen=3, initialize=columns["z"])
    m.x = pyo.Var(m.B, m.N, domain=pyo.Binary)
    m.h = pyo.Var(m.H, domain=pyo.Binary)
    m.z = pyo.Var(m.Z, domain=pyo.Binary)
    m.v = pyo.Var(m.Z, bounds=(0, 1))
    m.cones = cones
    cones.state(m)

    def at_level(m: Any, p: str, n: int, f: int) -> Any:
        return m.v[p, n, f] <= m.z[p, n, f]

    m.at_level = pyo.Constraint(m.Z, rule=at_level)

    def one_level(m: Any, p: str, n: int) -> Any:
        return pyo.quicksum(m.z[p, n, f] for f in program.listed[n]) <= 1

    m.one_level = pyo.Constraint(PHASES, list(program.listed), rule=one_level)
    m.energy_unit_j = program.energy_unit_j
    m.energy = pyo.Var(bounds=(0, program.upper[program.energy]))
    variables = [getattr(m, name)[key] for name, keys in columns.items() for key in keys]
    m.choice = Disjunct(m.G)
    for g, rows in zip(program.every, program.disjuncts, strict=True):
        disjunct = m.choice[g.index]
        disjunct.rows = pyo.ConstraintList()
        for places, values, lower, upper in rows:
            body = pyo.quicksum(c * variables[k] for k, c in zip(places, values, strict=True))
            disjunct.rows.add(body == upper if lower == upper else body <= upper)
        cones.localise(disjunct, g)
    m.either = Disjunction(expr=[m.choice[g.index] for g in program.every])
    m.cost = pyo.Objective(expr=m.energy_unit_j * m.energy)
    return m


def model(instance: CiftInstance, transformation: Literal["bigm", "hull"] = "hull") -> Any:
    """Return the program as a mixed-integer one, by big-M or by its hull.

    Linear for listed speeds; with continuous speeds its nonlinear rows are rotated cones.

    Raises
    ------
    InputError
        Without configurations.
    """
    m = disjunctive_model(instance)
    pyo.TransformationFactory(f"gdp.{transformation}").apply_to(m)
    return m


def plan_of(m: Any, instance: CiftInstance) -> CiftPlan:
    """Return the plan that the variables' values stand for."""
    g = next(g for g in m.G if (m.choice[g].binary_indicator_var.value or 0.0) > 0.5)
    found = {name: chosen(getattr(m, name)) for name in "xhz"}
    listed = level_of(found["z"], instance)

    def speed(phase: str, n: int) -> float:
        if isinstance(instance.nodes[n].speeds_flop_per_s, SpeedInterval):
            return m.cones.speed(m, g, phase, n)  # type: ignore[no-any-return]
        return listed(phase, n)

    return plan(instance, {**found, "choice": [(g,)]}, speed)
