r"""CIFT as an assignment of blocks to nodes, in Pyomo.

Variables
---------
- ``y[g]`` in {0, 1}: configuration g is chosen;
- ``x[g, b, n]`` in {0, 1}: block b of g runs on node n, b = 1..L;
- ``h[g, b, n, m]`` in {0, 1}: what b blocks leave behind crosses the link (n, m), b = 0..L-1;
- ``z[p, n, f]`` in {0, 1}: in phase p (``serve``, ``tune``) node n computes at its level f;
- ``v[p, g, n, f]`` in [0, 1]: the share of g's FLOP that n does at level f in phase p.

Constraints
-----------
With W_g the FLOP of g's chain, w_gb block b's share of it, and ``x[g, 0, n]`` = y[g] at the source
of g, 0 elsewhere::

    sum_g y[g] = 1
    sum_n x[g, b, n] = y[g]                                                  each g, b
    x[g, b, n] + sum_m h[g, b, m, n] = x[g, b+1, n] + sum_m h[g, b, n, m]    each g, b < L, n
    sum_b held_gb x[g, b, n] <= M_n y[g]                                     each g, n
    sum_f v[p, g, n, f] = sum_b w_gb x[g, b, n]                              each p, g, n
    sum_g v[p, g, n, f] <= z[p, n, f],   sum_f z[p, n, f] <= 1               each p, n (f)
    sum (W_g / f) v[serve] + sum (a_b / B + d) h                    <= tau_inf
    sum (3 S_g W_g / f) v[tune] + sum 2 S_g (a_b / B + d / batch) h <= tau_ft

Links are acyclic, so what leaves a node never returns and its blocks are consecutive. Hops that
alone miss a deadline have no variable. With factors of blocks, W_g and w_gb are those on the node.

Where a network is a graph, other variables take the place of h:

- ``u[g, n, m]`` in {0, 1}: the path takes the link (n, m); ``e[g, n]`` in {0, 1}: it ends on n;
- ``d[g, b, n, m]`` in {0, 1}: block b is done when the link is crossed;
- ``t[g, k, n, m]`` in [0, 1]: tensor k crosses it::

    [n = source] y[g] + sum_m u[g, m, n] = sum_m u[g, n, m] + e[g, n]
    sum_m d[g, b, m, n] + x[g, b, n] = sum_m d[g, b, n, m] + e[g, n]     each b, n
    e[g, n] <= sum_b x[g, b, n],    d[g, b, n, m] <= u[g, n, m]
    d[g, b, n, m] <= d[g, a, n, m]                                       where b needs a
    t[g, k, n, m] >= d[g, a, n, m] - d[g, b, n, m]      tensor k of block a, each b that needs it
                                                        (raw input: u[g, n, m] in place of d of a)

A throughput R' bounds v in serving by f / (R' W_g), and what crosses a link in 1 / R' seconds.

Objective
---------
With e(f) = kappa f^2 + rho / f::

    min sum R W_g e(f) v[serve] + sum 3 S_g W_g e(f) v[tune] + sum (R + 2 S_g) e a_b h
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

import pyomo.environ as pyo

from splitopt.formulations.cift.pyomo import assignment_graphs as on_graphs
from splitopt.formulations.cift.pyomo.data import (
    chains,
    level_of,
    limit,
    need,
    placed,
)
from splitopt.formulations.cift.pyomo.energy import levels
from splitopt.formulations.solvers.pyomo import chosen, stated
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.exact import rational

__all__ = ["model", "plan_of"]


def model(instance: CiftInstance) -> Any:
    """Return the model as a ``pyomo.environ.ConcreteModel``.

    Raises
    ------
    InputError
        For continuous speeds, or without configurations.
    """
    need(instance, "assignment")
    every = {g.index: g for g in chains(instance)}
    graphs = {g: c for g, c in every.items() if c.sets.graph}
    speeds = [levels(instance, n) for n in range(len(instance.nodes))]
    rate = instance.throughput_per_s
    period_s = float("inf") if rate is None else limit(1 / rate)
    tau = {
        "serve": limit(instance.inference_deadline_s),
        "tune": limit(instance.fine_tuning_deadline_s),
    }
    room = [rational(node.memory_bytes) for node in instance.nodes]
    flops = {(g, n): c.flops_on(n) for g, c in every.items() for n in c.nodes}
    total = {key: sum(mine) for key, mine in flops.items()}
    held = {g: c.memory(instance) for g, c in every.items()}
    # How often the whole chain is charged for, and the passes that count in its time.
    charged = {
        (p, g): c.serving if p == "serve" else c.computing for p in tau for g, c in every.items()
    }
    timed = {
        (p, g): 1.0 if p == "serve" else c.computing_timed for p in tau for g, c in every.items()
    }

    # Hops with their joules and the seconds of either phase.
    hops: dict[tuple[int, ...], tuple[float, dict[str, float]]] = {}
    for g, c in every.items():
        for hop in c.hops if g not in graphs else ():
            for b, a in enumerate(c.bits):
                serving_s, tuning_s = hop.seconds(b)
                seconds = {"serve": serving_s, "tune": c.sending_timed * tuning_s}
                if hop.open[b] and all(seconds[p] <= tau[p] for p in tau):
                    joules = (c.serving + c.sending) * hop.joules_a_bit * a
                    hops[g, b, hop.tail, hop.head] = (joules, seconds)

    m = pyo.ConcreteModel(name="cift-assignment")
    # Sets.
    m.G = pyo.Set(initialize=list(every))
    m.P = pyo.Set(initialize=list(tau))
    m.X = pyo.Set(
        dimen=3,
        initialize=[
            (g, b, n)
            for g, c in every.items()
            for b in range(1, c.blocks + 1)
            for n in c.nodes
            if held[g][0][b - 1] <= held[g][1][n]
        ],
    )
    m.H = pyo.Set(dimen=4, initialize=list(hops))
    m.Z = pyo.Set(
        dimen=3,
        initialize=[(p, n, f) for p in m.P for n in range(len(instance.nodes)) for f in speeds[n]],
    )
    m.V = pyo.Set(
        dimen=4,
        initialize=[
            (p, g, n, f)
            for g, c in every.items()
            for p in m.P
            if p == "serve" or c.passes
            for n in c.nodes
            for f in speeds[n]
            # Without any time only a chain without FLOP can be done.
            if tau[p] > 0 or total[g, n] == 0
        ],
    )
    # Variables.
    m.y = pyo.Var(m.G, domain=pyo.Binary)
    m.x = pyo.Var(m.X, domain=pyo.Binary)
    m.h = pyo.Var(m.H, domain=pyo.Binary)
    m.z = pyo.Var(m.Z, domain=pyo.Binary)

    def most(m: Any, p: str, g: int, n: int, f: int) -> tuple[float, float]:
        busy = total[g, n] / speeds[n][f][0] if p == "serve" else 0.0
        return 0.0, 1.0 if busy <= period_s else period_s / busy

    m.v = pyo.Var(m.V, bounds=most)
    on_graphs.add_columns(m, graphs)

    into, out, at = defaultdict(list), defaultdict(list), defaultdict(list)
    for g, b, n, k in m.H:
        out[g, b, n].append(m.h[g, b, n, k])
        into[g, b, k].append(m.h[g, b, n, k])
    for p, g, n, f in m.V:
        at[p, n, f].append(m.v[p, g, n, f])

    def x(g: int, b: int, n: int) -> Any:
        if b == 0:
            return m.y[g] if n == every[g].source else 0
        return m.x[g, b, n] if (g, b, n) in m.X else 0

    # Constraints.
    m.one = pyo.Constraint(expr=pyo.quicksum(m.y.values()) == 1)
    GB = [(g, b) for g, c in every.items() for b in range(1, c.blocks + 1)]
    GN = [(g, n) for g, c in every.items() for n in c.nodes]

    def hosted(m: Any, g: int, b: int) -> Any:
        return pyo.quicksum(x(g, b, n) for n in every[g].nodes) == m.y[g]

    m.hosted = pyo.Constraint(GB, rule=hosted)

    def path(m: Any, g: int, b: int, n: int) -> Any:
        before = x(g, b, n) + pyo.quicksum(into[g, b, n])
        after = x(g, b + 1, n) + pyo.quicksum(out[g, b, n])
        relation = before == after
        return pyo.Constraint.Feasible if relation is True else relation

    m.path = pyo.Constraint(
        [(g, b - 1, n) for g, b in GB if g not in graphs for n in every[g].nodes], rule=path
    )
    on_graphs.add_rows(m, graphs, x, period_s)

    def memory(m: Any, g: int, n: int) -> Any:
        terms = [(b, held) for b, held in enumerate(every[g].held, 1) if (g, b, n) in m.X]
        if sum((held for _, held in terms), Fraction(0)) <= room[n]:
            return pyo.Constraint.Feasible
        return pyo.quicksum(float(held / room[n]) * m.x[g, b, n] for b, held in terms) <= m.y[g]

    m.memory = pyo.Constraint(GN, rule=memory)

    def done(m: Any, p: str, g: int, n: int) -> Any:
        work = pyo.quicksum(
            w / total[g, n] * x(g, b, n) for b, w in enumerate(flops[g, n], 1) if w > 0
        )
        relation = pyo.quicksum(m.v[p, g, n, f] for f in speeds[n] if (p, g, n, f) in m.V) == work
        return pyo.Constraint.Feasible if relation is True else relation

    m.done = pyo.Constraint(
        [(p, g, n) for g, n in GN for p in m.P if p == "serve" or every[g].passes], rule=done
    )

    def at_level(m: Any, p: str, n: int, f: int) -> Any:
        return pyo.quicksum(at[p, n, f]) <= m.z[p, n, f]

    m.at_level = pyo.Constraint(m.Z, rule=at_level)

    def one_level(m: Any, p: str, n: int) -> Any:
        return pyo.quicksum(m.z[p, n, f] for f in speeds[n]) <= 1

    m.one_level = pyo.Constraint(m.P, range(len(instance.nodes)), rule=one_level)

    spent, *crossing = on_graphs.spent(m, graphs)
    for p, across in zip(tau, crossing, strict=True):
        if tau[p] == 0:
            # What takes time does not happen.
            for seconds, variable in across:
                if seconds > 0:
                    variable.setub(0)
        if 0 < tau[p] < float("inf"):
            relation = (
                pyo.quicksum(
                    timed[p, g] * total[g, n] / speeds[n][f][0] / tau[p] * m.v[p, g, n, f]
                    for q, g, n, f in m.V
                    if q == p
                )
                + pyo.quicksum(s[p] / tau[p] * m.h[k] for k, (_, s) in hops.items())
                + pyo.quicksum(seconds / tau[p] * variable for seconds, variable in across)
                <= 1
            )
            m.add_component("latency" if p == "serve" else "time", stated(relation))
    # Objective.
    m.cost = pyo.Objective(
        expr=pyo.quicksum(
            charged[p, g] * total[g, n] * speeds[n][f][1] * m.v[p, g, n, f] for p, g, n, f in m.V
        )
        + pyo.quicksum(e * m.h[k] for k, (e, _) in hops.items())
        + pyo.quicksum(e * variable for e, variable in spent)
    )
    return m


def plan_of(m: Any, instance: CiftInstance) -> CiftPlan:
    """Return the plan that the variables' values stand for."""
    g = next(iter(chosen(m.y)))
    chain = chains(instance)[g]
    speed = level_of(chosen(m.z), instance)
    if chain.sets.graph:
        return on_graphs.placed_graph(m, instance, chain, speed)
    host = {b: n for c, b, n in chosen(m.x) if c == g}
    hop = {(b, n): k for c, b, n, k in chosen(m.h) if c == g}
    return placed(instance, chain, host, hop, speed)
