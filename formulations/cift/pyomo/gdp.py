r"""CIFT as it is said in words: choose one configuration, and then these relations hold.

A generalised disjunctive program, one disjunct a configuration g, over variables that all
configurations share. Write W_g for the FLOP of g's chain, w_gb for block b's share of it, and
phases p = serve, tune with

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

from collections import defaultdict
from fractions import Fraction
from typing import Any, Literal

import pyomo.environ as pyo
from pyomo.gdp import Disjunct, Disjunction

from splitopt.formulations.cift.pyomo.assignment import level_of, placed
from splitopt.formulations.cift.pyomo.cones import Cones
from splitopt.formulations.cift.pyomo.data import Chain, chains, levels, limit, need_configurations
from splitopt.formulations.solvers.pyomo import chosen
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.exact import rational

__all__ = ["disjunctive_model", "model", "plan_of", "size"]

PHASES = ("serve", "tune")


def size(instance: CiftInstance) -> int:
    """Return about how many variables the hull has, without building it."""
    shared = sum(
        len(node.speeds_flop_per_s) if not isinstance(node.speeds_flop_per_s, SpeedInterval) else 4
        for node in instance.nodes
    )
    return sum(
        chain.blocks * (len(chain.nodes) + len(chain.hops)) + 4 * shared
        for chain in chains(instance)
    )


def disjunctive_model(instance: CiftInstance) -> Any:
    """Return the program with its disjuncts, before any transformation.

    Raises
    ------
    InputError
        Without configurations.
    """
    need_configurations(instance)
    every = chains(instance)
    longest = max(g.blocks for g in every)
    nodes = range(len(instance.nodes))
    listed = {
        n: levels(instance.nodes[n])
        for n in nodes
        if not isinstance(instance.nodes[n].speeds_flop_per_s, SpeedInterval)
    }
    links = sorted({(n, k) for g in every for n, k, *_ in g.hops})

    m = pyo.ConcreteModel(name="cift-gdp")
    m.B = pyo.RangeSet(longest)
    m.N = pyo.Set(initialize=list(nodes))
    m.G = pyo.Set(initialize=[g.index for g in every])
    m.H = pyo.Set(dimen=3, initialize=[(b, n, k) for b in range(longest) for n, k in links])
    m.Z = pyo.Set(
        dimen=3, initialize=[(p, n, f) for p in PHASES for n, fs in listed.items() for f in fs]
    )
    m.x = pyo.Var(m.B, m.N, domain=pyo.Binary)
    m.h = pyo.Var(m.H, domain=pyo.Binary)
    m.z = pyo.Var(m.Z, domain=pyo.Binary)
    m.v = pyo.Var(m.Z, bounds=(0, 1))
    m.cones = cones = Cones(m, instance, every)

    def at_level(m: Any, p: str, n: int, f: int) -> Any:
        return m.v[p, n, f] <= m.z[p, n, f]

    m.at_level = pyo.Constraint(m.Z, rule=at_level)

    def one_level(m: Any, p: str, n: int) -> Any:
        return pyo.quicksum(m.z[p, n, f] for f in listed[n]) <= 1

    m.one_level = pyo.Constraint(PHASES, list(listed), rule=one_level)

    rows = [_Rows(m, instance, g, listed, cones) for g in every]
    m.energy_unit_j = min((r.scale_j for r in rows if r.scale_j > 0), default=1.0)
    top = max((r.most_j for r in rows), default=0.0) / m.energy_unit_j
    m.energy = pyo.Var(bounds=(0, top))
    m.choice = Disjunct(m.G)
    for g, row in zip(every, rows, strict=True):
        row.state(m.choice[g.index])
    m.either = Disjunction(expr=[m.choice[g.index] for g in every])
    m.cost = pyo.Objective(expr=m.energy_unit_j * m.energy)
    return m


class _Rows:
    """The relations of one configuration."""

    def __init__(
        self,
        m: Any,
        instance: CiftInstance,
        g: Chain,
        listed: dict[int, dict[int, tuple[float, float]]],
        cones: Cones,
    ) -> None:
        self.m, self.instance, self.g, self.listed, self.cones = m, instance, g, listed, cones
        self.total = g.work(0, g.blocks)
        self.tau = {
            "serve": limit(instance.inference_deadline_s),
            "tune": limit(instance.fine_tuning_deadline_s),
        }
        self.charged = {"serve": g.serving, "tune": g.computing}
        self.timed = {"serve": 1.0, "tune": g.computing}
        self.phases = PHASES if g.passes else PHASES[:1]
        # (coefficient, variable) of the energy in joules, and of seconds by phase.
        self.joules: list[tuple[float, Any]] = []
        self.seconds: dict[str, list[tuple[float, Any]]] = defaultdict(list)
        self.ruled_out: list[Any] = []
        self._collect()
        whole = [c for c, _ in self.joules if c > 0]
        self.scale_j = max(whole, default=0.0)
        # No plan takes more than every term at its largest.
        self.most_j = sum(c * (v.ub or 0.0) for c, v in self.joules)

    def _collect(self) -> None:
        m, g = self.m, self.g
        reached = set(g.nodes)
        for p in self.phases:
            for n in g.nodes:
                if n not in self.listed:
                    continue
                for f, (speed, joules) in self.listed[n].items():
                    self.joules.append((self.charged[p] * self.total * joules, m.v[p, n, f]))
                    self._takes(p, self.timed[p] * self.total / speed, m.v[p, n, f], whole=False)
        for p, charge, time in self.cones.terms(g, self.total, self.phases):
            self.joules += [(self.charged[p] * joules, v) for joules, v in charge if joules]
            for seconds, v in time:
                self._takes(p, self.timed[p] * seconds, v, whole=False)
        for n, k, serving_s, tuning_s, joules in g.hops:
            for b, a in enumerate(g.bits):
                hop = m.h[b, n, k]
                self.joules.append(((g.serving + g.sending) * joules * a, hop))
                self._takes("serve", serving_s[b], hop, whole=True)
                self._takes("tune", g.sending * tuning_s[b], hop, whole=True)
        used = {(b, n, k) for n, k, *_ in g.hops for b in range(g.blocks)}
        self.ruled_out += [m.h[key] for key in m.H if key not in used]
        self.ruled_out += [
            m.x[b, n]
            for b in m.B
            for n in m.N
            if b > g.blocks or n not in reached or not g.fits(self.instance, n, b - 1, b)
        ]

    def _takes(self, phase: str, seconds: float, variable: Any, *, whole: bool) -> None:
        """Note the seconds that a variable at one takes."""
        if seconds > self.tau[phase] and (whole or self.tau[phase] == 0):
            self.ruled_out.append(variable)
        elif seconds > 0:
            self.seconds[phase].append((seconds, variable))

    def state(self, disjunct: Any) -> None:
        """State the relations within the disjunct."""
        m, g, instance = self.m, self.g, self.instance
        out, into = defaultdict(list), defaultdict(list)
        for n, k, *_ in g.hops:
            for b in range(g.blocks):
                out[b, n].append(m.h[b, n, k])
                into[b, k].append(m.h[b, n, k])
        disjunct.rows = pyo.ConstraintList()
        unused = {id(v) for v in self.ruled_out}
        for variable in {id(v): v for v in self.ruled_out}.values():
            disjunct.rows.add(variable == 0)
        for b in range(1, g.blocks + 1):
            disjunct.rows.add(pyo.quicksum(m.x[b, n] for n in g.nodes) == 1)
        for b in range(g.blocks):
            for n in g.nodes:
                before: Any = float(n == g.source) if b == 0 else m.x[b, n]
                disjunct.rows.add(
                    before + pyo.quicksum(into[b, n]) == m.x[b + 1, n] + pyo.quicksum(out[b, n])
                )
        for n in g.nodes:
            room = rational(instance.nodes[n].memory_bytes)
            held = [(b, u) for b, u in enumerate(g.held, 1) if id(m.x[b, n]) not in unused]
            if sum((u for _, u in held), Fraction(0)) > room:
                disjunct.rows.add(pyo.quicksum(float(u / room) * m.x[b, n] for b, u in held) <= 1)
            share = pyo.quicksum(
                w / self.total * m.x[b, n] for b, w in enumerate(g.flops, 1) if w > 0
            )
            for p in self.phases:
                if n in self.listed:
                    levels_ = pyo.quicksum(m.v[p, n, f] for f in self.listed[n])
                    disjunct.rows.add(levels_ == share)
                else:
                    disjunct.rows.add(self.cones.share(g, p, n) == share)
        self.cones.localise(disjunct, g)
        for p, tau in self.tau.items():
            if 0 < tau < float("inf") and self.seconds[p]:
                disjunct.rows.add(pyo.quicksum(s / tau * v for s, v in self.seconds[p]) <= 1)
        unit = m.energy_unit_j
        disjunct.rows.add(m.energy >= pyo.quicksum(c / unit * v for c, v in self.joules))


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
    chain = chains(instance)[g]
    host = {b: n for b, n in chosen(m.x) if b <= chain.blocks}
    hop = {(b, n): k for b, n, k in chosen(m.h)}
    listed = level_of(m, instance)

    def speed(phase: str, n: int) -> float:
        if isinstance(instance.nodes[n].speeds_flop_per_s, SpeedInterval):
            return m.cones.speed(m, g, phase, n)  # type: ignore[no-any-return]
        return listed(phase, n)

    return placed(instance, chain, host, hop, speed)
