"""Rows of the nonlinear model of CIFT (see `method`), but for limits and graphs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from splitopt.formulations.cift.chances import chances, expected
from splitopt.formulations.cift.outer.speeds import Engine, joules_per_flop
from splitopt.formulations.cift.scip.graphs import cross
from splitopt.formulations.cift.scip.model import (
    PHASES,
    WIDER,
    Host,
    Model,
    Variable,
    kept,
    total,
)
from splitopt.instances.cift.model import (
    CiftInstance,
    SpeedInterval,
)
from splitopt.instances.cift.rates import open_hops
from splitopt.instances.core.exact import rational
from splitopt.instances.networks.downsets import downsets_of


def start(instance: CiftInstance) -> Model:
    """Return a model without variables."""
    from pyscipopt import Model as Scip

    doubts = chances(instance)
    plain = instance if doubts is None else expected(instance)
    model = Model(Scip(), plain, doubts, kept(plain), 1.0)
    model.scip.hideOutput()
    for k in range(len(model.kept)):
        profile, factor = model.profile(k), model.level(k).flops_factor
        flops = [factor * block.flops for block in profile.blocks]
        model.work.append([])
        for node in plain.nodes:
            weights = plain.factors(node, profile) or (1.0,) * len(flops)
            model.work[k].append([w * f for w, f in zip(weights, flops, strict=True)])
    return model


def chains(model: Model) -> list[float]:
    """Return what each configuration costs with each block where and as fast as it is cheapest."""
    instance = model.instance
    cheapest = [joules_per_flop(node, Engine.of(node).low) for node in instance.nodes]
    found = []
    for k in range(len(model.kept)):
        runs = instance.requests + instance.training.compute_factor * model.passes(k)
        joules = np.array(model.work[k]) * np.array(cheapest)[:, None]
        found.append(float(runs * joules.min(axis=0).sum()))
    return found


def build(model: Model, scale: float, late: Callable[[], bool]) -> None:
    """Add all but the limits; `TimeoutError` when `late` says so before it stands."""
    from pyscipopt import quicksum

    scip = model.scip
    # Variables: configurations, hosts, hops.
    model.y = [model.binary() for _ in model.kept]
    scip.addCons(quicksum(model.y) == 1)
    for k in range(len(model.kept)):
        if late():
            raise TimeoutError
        _host(model, k)
        if model.profile(k).is_graph:
            model.crossing[k] = cross(model, k)
        else:
            _path(model, k)
    # Work, time and energy of each node in each phase.
    for phase in PHASES:
        for n in range(len(model.instance.nodes)):
            if late():
                raise TimeoutError
            _compute(model, phase, n)
    # Objective.
    aim(model, scale)


def aim(model: Model, scale: float) -> None:
    """Let the objective be energy times a scale."""
    from pyscipopt import quicksum

    dearest = max((scale * joules for _, joules in model.energy), default=0.0)
    if dearest >= model.scip.infinity():
        raise OverflowError(f"a cost of {dearest:.3g} is infinite to SCIP")
    model.scale = scale
    model.scip.setObjective(quicksum(scale * joules * v for v, joules in model.energy))


def _host(model: Model, k: int) -> None:
    """Say which node may host which block, and what fits its memory."""
    from pyscipopt import quicksum

    instance, scip, profile = model.instance, model.scip, model.profile(k)
    factor = rational(model.level(k).param_factor)
    if model.passes(k):
        factor *= rational(instance.training.memory_factor)
    held = [rational(block.param_bytes) * factor for block in profile.blocks]
    for n, node in enumerate(instance.nodes):
        room = rational(node.memory_bytes)
        for b, size in enumerate(held):
            if size <= room:
                model.x[k, b, n] = model.binary()
        mine = [(size, model.x[k, b, n]) for b, size in enumerate(held) if (k, b, n) in model.x]
        if sum((size for size, _ in mine), Fraction(0)) > room:
            filled = quicksum(float(size / room) * x for size, x in mine)
            scip.addCons(filled <= (1 + WIDER) * model.y[k])
    for b in range(len(held)):
        hosts = (model.x.get((k, b, n)) for n in range(len(instance.nodes)))
        scip.addCons(total(hosts) == model.y[k])


def _path(model: Model, k: int) -> None:
    """State that the blocks of a chain follow a path of links from its source."""
    instance, scip = model.instance, model.scip
    profile, level = model.profile(k), model.level(k)
    L = len(profile.blocks)
    bits = [profile.input_bits]
    bits += [level.activation_factor * block.activation_bits for block in profile.blocks[:-1]]
    into: dict[tuple[int, int], list[Variable]] = defaultdict(list)
    out: dict[tuple[int, int], list[Variable]] = defaultdict(list)
    sets = downsets_of(profile)
    for link in instance.links:
        tail, head = instance.node_index[link.tail], instance.node_index[link.head]
        wide = open_hops(instance, link, profile, level, sets, np.array(bits))
        for b in np.flatnonzero(wide).tolist():
            h = model.h[k, b, tail, head] = model.binary()
            out[b, tail].append(h)
            into[b, head].append(h)
            model.crosses(h, k, link, bits[b], 1.0)
    source = instance.node_index[model.kept[k].source]
    for b in range(L):
        for n in range(len(instance.nodes)):
            before = model.x.get((k, b - 1, n)) if b else model.y[k] if n == source else None
            arriving = total([before, *into[b, n]])
            leaving = total([model.x.get((k, b, n)), *out[b, n]])
            scip.addCons(arriving - leaving == 0)


def _compute(model: Model, phase: str, n: int) -> None:
    """State what a node's work takes in one phase."""
    instance, node, scip = model.instance, model.instance.nodes[n], model.scip
    kappa, rho = node.kappa_j_s2_per_flop3, node.busy_power_w
    often = [
        1.0 if phase == "serve" else instance.training.compute_factor * model.passes(k)
        for k in range(len(model.kept))
    ]
    whole = [w * sum(work[n]) for w, work in zip(often, model.work, strict=True)]
    # The unit of work: the smallest chain, all its runs; the others are multiples of it.
    unit = min((chain for chain in whole if chain > 0), default=0.0)
    hosted = [
        (x, often[k] * model.work[k][n][b] / unit)
        for (k, b, m), x in model.x.items()
        if m == n and unit > 0 and often[k] * model.work[k][n][b] > 0
    ]
    if not hosted:
        return
    work, most = total(share * x for x, share in hosted), max(whole) / unit
    if most >= scip.infinity():
        raise OverflowError("networks whose work is infinitely far apart to SCIP")
    charged = unit * (instance.requests if phase == "serve" else 1)
    period = model.period if phase == "serve" else None
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        engine = Engine.of(node, charged=charged > 0)
        top, slowest = engine.high, engine.high / engine.low
        cheap = joules_per_flop(node, engine.low) or 1.0
        square, idle = kappa * top * top / cheap, rho / top / cheap
        if max(slowest, square, idle * slowest) * most >= scip.infinity():
            raise OverflowError("speeds of one node that are infinitely far apart to SCIP")
        longest = slowest * most
        if period is not None:
            longest = min(longest, (1 + WIDER) * period / (unit / top))
        u = scip.addVar(ub=most)
        t = scip.addVar(ub=longest)
        f = scip.addVar(lb=1 / slowest, ub=1.0)
        e = scip.addVar(ub=(square + idle * slowest) * most)
        scip.addCons(u == work)
        scip.addCons(t * f >= u)
        scip.addCons(t >= u)
        scip.addCons(t <= slowest * u)
        scip.addCons(e >= square * u * f**2 + idle * t)
        model.energy.append((e, charged * cheap))
        model.hosts[phase].append(Host(t, n, unit / top))
        return
    levels = []
    for f in speeds:
        longest = most
        if period is not None:
            longest = min(most, (1 + WIDER) * period / (unit / f))
        v, z = scip.addVar(ub=longest), model.binary()
        scip.addCons(v <= longest * z)
        model.z[phase, n, f] = z
        model.energy.append((v, charged * (kappa * f * f + rho / f)))
        model.hosts[phase].append(Host(v, n, unit / f))
        levels.append((v, z))
    scip.addCons(total(v for v, _ in levels) == work)
    scip.addCons(total(z for _, z in levels) <= 1)
