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
from functools import partial
from typing import Any

import pyomo.environ as pyo

from splitopt.formulations.cift.pyomo import assignment_graphs as on_graphs
from splitopt.formulations.cift.pyomo.data import chains, level_of, limit, need, placed
from splitopt.formulations.cift.pyomo.energy import levels
from splitopt.formulations.solvers.pyomo import chosen, stated
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.exact import rational


class _Data:
    """What the rows are written from; g is a configuration, n a node, p a phase, f a level."""

    def __init__(self, instance: CiftInstance) -> None:
        self.every = {g.index: g for g in chains(instance)}
        self.graphs = {g: c for g, c in self.every.items() if c.sets.graph}
        self.nodes = range(len(instance.nodes))
        self.speeds = [levels(instance, n) for n in self.nodes]
        rate = instance.throughput_per_s
        self.period_s = float("inf") if rate is None else limit(1 / rate)
        self.tau = {
            "serve": limit(instance.inference_deadline_s),
            "tune": limit(instance.fine_tuning_deadline_s),
        }
        self.room = [rational(node.memory_bytes) for node in instance.nodes]
        self.flops = {(g, n): c.flops_on(n) for g, c in self.every.items() for n in c.nodes}
        self.total = {key: sum(mine) for key, mine in self.flops.items()}
        self.held = {g: c.memory(instance) for g, c in self.every.items()}
        # How often the whole chain is charged for, and the passes that count in its time.
        self.charged, self.timed = {}, {}
        for g, c in self.every.items():
            self.charged["serve", g], self.charged["tune", g] = c.serving, c.computing
            self.timed["serve", g], self.timed["tune", g] = 1.0, c.computing_timed
        # Hops with their joules and the seconds of either phase.
        self.hops: dict[tuple[int, ...], tuple[float, dict[str, float]]] = {}
        for g, c in self.every.items():
            for hop in c.hops if g not in self.graphs else ():
                for b, a in enumerate(c.bits):
                    serving_s, tuning_s = hop.seconds(b)
                    seconds = {"serve": serving_s, "tune": c.sending_timed * tuning_s}
                    if hop.open[b] and all(seconds[p] <= self.tau[p] for p in self.tau):
                        joules = (c.serving + c.sending) * hop.joules_a_bit * a
                        self.hops[g, b, hop.tail, hop.head] = (joules, seconds)

    def phases(self, g: int) -> tuple[str, ...]:
        """Return the phases in which a configuration computes."""
        return ("serve", "tune") if self.every[g].passes else ("serve",)


def model(instance: CiftInstance) -> Any:
    """Return the model as a ``pyomo.environ.ConcreteModel``.

    Raises
    ------
    InputError
        For continuous speeds, or without configurations.
    """
    need(instance, "assignment")
    data = _Data(instance)
    m = pyo.ConcreteModel(name="cift-assignment")
    _add_sets(m, data)
    _add_variables(m, data)
    m.one = pyo.Constraint(expr=pyo.quicksum(m.y.values()) == 1)
    _add_paths(m, data)
    _add_work(m, data)
    spent, *crossing = on_graphs.spent(m, data.graphs)
    for p, across in zip(data.tau, crossing, strict=True):
        _add_deadline(m, data, p, across)
    m.cost = pyo.Objective(
        expr=pyo.quicksum(
            data.charged[p, g] * data.total[g, n] * data.speeds[n][f][1] * m.v[p, g, n, f]
            for p, g, n, f in m.V
        )
        + pyo.quicksum(e * m.h[k] for k, (e, _) in data.hops.items())
        + pyo.quicksum(e * variable for e, variable in spent)
    )
    return m


def _add_sets(m: Any, data: _Data) -> None:
    """Add the indices of variables; what cannot be has none."""
    every = data.every
    m.G = pyo.Set(initialize=list(every))
    m.P = pyo.Set(initialize=list(data.tau))
    m.X = pyo.Set(
        dimen=3,
        initialize=[
            (g, b, n)
            for g, c in every.items()
            for b in range(1, c.blocks + 1)
            for n in c.nodes
            if data.held[g][0][b - 1] <= data.held[g][1][n]
        ],
    )
    m.H = pyo.Set(dimen=4, initialize=list(data.hops))
    m.Z = pyo.Set(
        dimen=3,
        initialize=[(p, n, f) for p in m.P for n in data.nodes for f in data.speeds[n]],
    )
    m.V = pyo.Set(
        dimen=4,
        initialize=[
            (p, g, n, f)
            for g, c in every.items()
            for p in data.phases(g)
            for n in c.nodes
            for f in data.speeds[n]
            # Without any time only a chain without FLOP can be done.
            if data.tau[p] > 0 or data.total[g, n] == 0
        ],
    )


def _add_variables(m: Any, data: _Data) -> None:
    """Add y, x, h, z and v, and what graphs have in place of h."""
    m.y = pyo.Var(m.G, domain=pyo.Binary)
    m.x = pyo.Var(m.X, domain=pyo.Binary)
    m.h = pyo.Var(m.H, domain=pyo.Binary)
    m.z = pyo.Var(m.Z, domain=pyo.Binary)

    def most(m: Any, p: str, g: int, n: int, f: int) -> tuple[float, float]:
        busy = data.total[g, n] / data.speeds[n][f][0] if p == "serve" else 0.0
        return 0.0, 1.0 if busy <= data.period_s else data.period_s / busy

    m.v = pyo.Var(m.V, bounds=most)
    on_graphs.add_columns(m, data.graphs)


def _hosted(m: Any, data: _Data, g: int, b: int, n: int) -> Any:
    """Return x[g, b, n], with b = 0 for the source; 0 where there is none."""
    if b == 0:
        return m.y[g] if n == data.every[g].source else 0
    return m.x[g, b, n] if (g, b, n) in m.X else 0


def _unless_empty(relation: Any) -> Any:
    return pyo.Constraint.Feasible if relation is True else relation


def _add_paths(m: Any, data: _Data) -> None:
    """State that each block has a host, and that blocks follow a path from the source."""
    every, x = data.every, partial(_hosted, m, data)
    blocks = [(g, b) for g, c in every.items() for b in range(1, c.blocks + 1)]
    into, out = defaultdict(list), defaultdict(list)
    for g, b, n, k in m.H:
        out[g, b, n].append(m.h[g, b, n, k])
        into[g, b, k].append(m.h[g, b, n, k])

    def hosted(m: Any, g: int, b: int) -> Any:
        return pyo.quicksum(x(g, b, n) for n in every[g].nodes) == m.y[g]

    def path(m: Any, g: int, b: int, n: int) -> Any:
        before = x(g, b, n) + pyo.quicksum(into[g, b, n])
        return _unless_empty(before == x(g, b + 1, n) + pyo.quicksum(out[g, b, n]))

    m.hosted = pyo.Constraint(blocks, rule=hosted)
    m.path = pyo.Constraint(
        [(g, b - 1, n) for g, b in blocks if g not in data.graphs for n in every[g].nodes],
        rule=path,
    )
    on_graphs.add_rows(m, data.graphs, x, data.period_s)


def _add_work(m: Any, data: _Data) -> None:
    """State that a node holds and computes what it hosts, at one level in each phase."""
    speeds, places = data.speeds, [(g, n) for g, c in data.every.items() for n in c.nodes]
    at = defaultdict(list)
    for p, g, n, f in m.V:
        at[p, n, f].append(m.v[p, g, n, f])

    def memory(m: Any, g: int, n: int) -> Any:
        terms = [(b, held) for b, held in enumerate(data.every[g].held, 1) if (g, b, n) in m.X]
        room = data.room[n]
        if sum((held for _, held in terms), Fraction(0)) <= room:
            return pyo.Constraint.Feasible
        return pyo.quicksum(float(held / room) * m.x[g, b, n] for b, held in terms) <= m.y[g]

    def done(m: Any, p: str, g: int, n: int) -> Any:
        work = pyo.quicksum(
            w / data.total[g, n] * _hosted(m, data, g, b, n)
            for b, w in enumerate(data.flops[g, n], 1)
            if w > 0
        )
        levels = [f for f in speeds[n] if (p, g, n, f) in m.V]
        return _unless_empty(pyo.quicksum(m.v[p, g, n, f] for f in levels) == work)

    def at_level(m: Any, p: str, n: int, f: int) -> Any:
        return pyo.quicksum(at[p, n, f]) <= m.z[p, n, f]

    def one_level(m: Any, p: str, n: int) -> Any:
        return pyo.quicksum(m.z[p, n, f] for f in speeds[n]) <= 1

    m.memory = pyo.Constraint(places, rule=memory)
    m.done = pyo.Constraint([(p, g, n) for g, n in places for p in data.phases(g)], rule=done)
    m.at_level = pyo.Constraint(m.Z, rule=at_level)
    m.one_level = pyo.Constraint(m.P, data.nodes, rule=one_level)


def _add_deadline(m: Any, data: _Data, p: str, across: list[tuple[float, Any]]) -> None:
    """State a deadline; `across` has the seconds that graphs take on links."""
    tau = data.tau[p]
    if tau == 0:
        # What takes time does not happen.
        for seconds, variable in across:
            if seconds > 0:
                variable.setub(0)
    if 0 < tau < float("inf"):
        relation = (
            pyo.quicksum(
                data.timed[p, g] * data.total[g, n] / data.speeds[n][f][0] / tau * m.v[p, g, n, f]
                for q, g, n, f in m.V
                if q == p
            )
            + pyo.quicksum(s[p] / tau * m.h[k] for k, (_, s) in data.hops.items())
            + pyo.quicksum(seconds / tau * variable for seconds, variable in across)
            <= 1
        )
        m.add_component("latency" if p == "serve" else "time", stated(relation))


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
