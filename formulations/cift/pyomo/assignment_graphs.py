"""What the Pyomo assignment of CIFT has in place of hops where the network is a graph.

`splitopt.formulations.cift.pyomo.assignment` states the mathematics.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import pyomo.environ as pyo

from splitopt.formulations.cift.pyomo.data import Chain, Hop
from splitopt.formulations.solvers.pyomo import chosen
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, Stop, stop_between

Blocks = Callable[[int, int, int], Any]  # x of configuration, block from 1 and node, 0 where none


def _bits(g: Chain) -> list[float]:
    """Return the bits of each tensor."""
    model, level = g.network
    return [
        t.bits * (1.0 if t.producer is None else level.activation_factor) for t in model.tensors
    ]


def _links(graphs: Mapping[int, Chain]) -> list[tuple[int, Hop]]:
    return [(g, hop) for g, chain in graphs.items() for hop in chain.hops]


def add_columns(m: Any, graphs: Mapping[int, Chain]) -> None:
    """Add u, e, d and t to a model."""
    links = [(g, hop.tail, hop.head) for g, hop in _links(graphs)]
    m.u = pyo.Var(links, domain=pyo.Binary)
    m.e = pyo.Var([(g, n) for g, c in graphs.items() for n in c.nodes], domain=pyo.Binary)
    m.d = pyo.Var(
        [(g, b, n, k) for g, n, k in links for b in range(1, graphs[g].blocks + 1)],
        domain=pyo.Binary,
    )
    tensors = {g: range(len(c.network[0].tensors)) for g, c in graphs.items()}
    m.t = pyo.Var([(g, k, *link) for g, *link in links for k in tensors[g]], bounds=(0, 1))


def add_rows(m: Any, graphs: Mapping[int, Chain], x: Blocks, period_s: float) -> None:
    """State that the blocks of each graph follow a path, each behind what it needs."""
    out: dict[Any, list[int]] = defaultdict(list)
    into: dict[Any, list[int]] = defaultdict(list)
    for g, hop in _links(graphs):
        out[g, hop.tail].append(hop.head)
        into[g, hop.head].append(hop.tail)
    m.graph = pyo.ConstraintList()
    for g, c in graphs.items():
        blocks = range(1, c.blocks + 1)
        for n in c.nodes:
            start = m.y[g] if n == c.source else 0
            arriving = start + pyo.quicksum(m.u[g, k, n] for k in into[g, n])
            m.graph.add(arriving == pyo.quicksum(m.u[g, n, k] for k in out[g, n]) + m.e[g, n])
            m.graph.add(m.e[g, n] <= pyo.quicksum(x(g, b, n) for b in blocks))
            for b in blocks:
                known = pyo.quicksum(m.d[g, b, k, n] for k in into[g, n]) + x(g, b, n)
                m.graph.add(known == pyo.quicksum(m.d[g, b, n, k] for k in out[g, n]) + m.e[g, n])
        for hop in c.hops:
            _behind(m, g, c, hop, period_s)


def _behind(m: Any, g: int, c: Chain, hop: Hop, period_s: float) -> None:
    """State what crosses a link, behind what is done there."""
    link = hop.tail, hop.head
    for b in range(1, c.blocks + 1):
        m.graph.add(m.d[g, b, *link] <= m.u[g, *link])
    for k, tensor in enumerate(c.network[0].tensors):
        made = m.u[g, *link] if tensor.producer is None else m.d[g, tensor.producer + 1, *link]
        for b in tensor.consumers:
            m.graph.add(m.t[g, k, *link] >= made - m.d[g, b + 1, *link])
            if tensor.producer is not None:
                m.graph.add(m.d[g, b + 1, *link] <= made)
    busy = [a / hop.rate_bit_per_s / period_s for a in _bits(c)]
    if sum(busy) > 1:
        m.graph.add(
            pyo.quicksum(share * m.t[g, k, *link] for k, share in enumerate(busy)) <= m.u[g, *link]
        )


def spent(m: Any, graphs: Mapping[int, Chain]) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the terms of hops in energy, in a request's time and in fine-tuning's."""
    joules, serving, tuning = [], [], []
    for g, hop in _links(graphs):
        c, link = graphs[g], (hop.tail, hop.head)
        serving.append((hop.delay_s, m.u[g, *link]))
        tuning.append((c.sending_timed * hop.tuning_delay_s, m.u[g, *link]))
        for k, a in enumerate(_bits(c)):
            wire = a / hop.rate_bit_per_s
            joules.append(((c.serving + c.sending) * hop.joules_a_bit * a, m.t[g, k, *link]))
            serving.append((wire, m.t[g, k, *link]))
            tuning.append((c.sending_timed * wire, m.t[g, k, *link]))
    return joules, serving, tuning


def placed_graph(
    m: Any, instance: CiftInstance, chain: Chain, speed: Callable[[str, int], float]
) -> CiftPlan:
    """Return the plan of a graph that the variables' values stand for."""
    model, sets = chain.network[0], chain.sets
    onward = {n: k for g, n, k in chosen(m.u) if g == chain.index}
    hosted: dict[int, tuple[int, ...]] = defaultdict(tuple)
    for g, b, n in chosen(m.x):
        if g == chain.index:
            hosted[n] += (b - 1,)
    n, done, stops = chain.source, 0, []
    while True:
        name, before = instance.nodes[n].name, done
        done = sets.after(done, hosted[n])
        if done > before:
            tuned = speed("tune", n) if chain.passes else None
            speeds = (speed("serve", n), tuned)
            stops.append(stop_between(model, sets, name, before, done, speeds))
        else:
            stops.append(Stop(name, 0))
        if done == len(sets) - 1:
            return CiftPlan.of(instance.configurations[chain.index], tuple(stops))
        n = onward[n]
