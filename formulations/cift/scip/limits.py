"""Deadlines of the nonlinear model of CIFT, certain or in doubt (see `method`).

Time counts the passes that energy counts. Where a deadline counts others (K in doubt), it is
stretched instead, by configuration: ``time <= tau sum_g s_g y_g``; s_gi in atom i.

How late an atom may be: with r_ij the most that anything takes in atom i over what it takes in j,
T_i <= r_ij s_gj tau where j is on time. The atoms on time weigh at least p, so one of them lies
beyond the loosest ones that weigh less than p together: it bounds T_i.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np

from splitopt.formulations.cift.chances import TUNE, Chance, elements, room
from splitopt.formulations.cift.scip.model import PHASES, WIDER, Model, total
from splitopt.instances.core.arrays import Floats
from splitopt.instances.core.tolerances import TOLERANCES


def limit(model: Model) -> None:
    """State the deadlines."""
    instance = model.instance
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    for position, deadline in enumerate(deadlines):
        if deadline is None:
            continue
        allowed = deadline * (1 + TOLERANCES.deadline)
        chance = None if model.chances is None else model.chances[position]
        variables, shares = _shares(model, PHASES[position], allowed or 1.0, chance)
        wide = 1 + WIDER if allowed > 0 else 0.0
        if chance is None or len(shares) == 1:
            stretch = np.array([_stretch(model, position, k) for k in range(len(model.kept))])
            spent = _sum(shares[0], variables)
            if chance is not None and chance.kappa:
                spent += _deviation(model, PHASES[position], allowed or 1.0, chance)
            most = wide if (stretch == 1.0).all() else _most(model, shares[0], variables)
            model.scip.addCons(spent <= _room(model, wide, stretch, most))
        else:
            _scenarios(model, position, variables, shares, wide)


def _sum(shares: Floats, variables: list[Any]) -> Any:
    pairs = zip(shares.tolist(), variables, strict=True)
    return total(share * v for share, v in pairs if share)


def _most(model: Model, shares: Floats, variables: list[Any]) -> float:
    ends = [v.getUbOriginal() for v in variables]
    most = float(sum(share * end for share, end in zip(shares.tolist(), ends, strict=True)))
    if most >= model.scip.infinity():
        raise OverflowError("a longest time that is infinite to SCIP")
    return most


def _room(model: Model, wide: float, stretch: Floats, most: float) -> Any:
    """Return the right side of a deadline, by configuration."""
    if (stretch == 1.0).all():
        return wide
    rooms = [most if s == math.inf else wide * s for s in stretch.tolist()]
    return total(share * y for share, y in zip(rooms, model.y, strict=True))


def _stretch(model: Model, position: int, k: int) -> float:
    """Return passes that energy counts over those the deadline counts; infinite if none count."""
    if position != TUNE:
        return 1.0
    g = model.kept[k]
    charged, timed = model.instance.expected_passes(g), model.instance.assured_passes(g)
    return 1.0 if charged == timed else float(charged / timed) if timed else math.inf


def _shares(
    model: Model, phase: str, unit: float, chance: Chance | None
) -> tuple[list[Any], Floats]:
    """Return what takes time, and its share of a deadline in each atom."""
    nodes = model.instance.nodes
    one = np.ones(1 if chance is None else len(chance.draws))
    slow = {
        ends: one if chance is None else chance.slowness(*ends) for ends in elements(model.instance)
    }
    parts = [(v, seconds, slow[nodes[n].name, None]) for v, n, seconds in model.hosts[phase]]
    for v, link, wire, delay in model.hops[phase]:
        parts += [(v, wire, slow[link.tail, link.head]), (v, delay, one)]
    parts = [part for part in parts if part[1] > 0]
    if len(one) > 1:
        parts = _totals(model, parts, unit)
    shares = np.array([seconds * slow / unit for _, seconds, slow in parts])
    shares = shares.reshape(len(parts), len(one)).T
    if not (shares < model.scip.infinity()).all():
        raise OverflowError("seconds of a deadline's share that are infinite to SCIP")
    return [variable for variable, _, _ in parts], shares


Part = tuple[Any, float, Floats]  # a variable, its seconds, and its slowness in each atom


def _totals(model: Model, parts: list[Part], unit: float) -> list[Part]:
    """Return the sums of what is slow alike, as variables: rows are then short."""
    alike: dict[bytes, list[Part]] = defaultdict(list)
    for part in parts:
        alike[part[2].tobytes()].append(part)
    found = []
    for same in alike.values():
        shares = np.array([seconds / unit for _, seconds, _ in same])
        most = _most(model, shares, [variable for variable, _, _ in same])
        if most > 0:
            whole = model.scip.addVar(ub=1.0)
            summed = total(
                share / most * v for (v, _, _), share in zip(same, shares.tolist(), strict=True)
            )
            model.scip.addCons(whole == summed)
            found.append((whole, most * unit, same[0][2]))
    return found


def _deviation(model: Model, phase: str, unit: float, chance: Chance) -> Any:
    """Return kappa times the standard deviation of what a plan takes: a second-order cone."""
    from pyscipopt import quicksum

    scip, nodes = model.scip, model.instance.nodes
    parts: dict[tuple[str, str | None], list[Any]] = defaultdict(list)
    for variable, n, seconds in model.hosts[phase]:
        parts[nodes[n].name, None].append(seconds * variable)
    for variable, link, wire, _ in model.hops[phase]:
        parts[link.tail, link.head].append(wire * variable)
    squares = []
    for ends, taken in parts.items():
        deviation = chance.deviation(*ends) / unit
        if deviation > 0:
            w = scip.addVar()
            scip.addCons(w == total(deviation * part for part in taken))
            squares.append(w * w)
    if not squares:
        return total(())
    norm = scip.addVar()
    scip.addCons(quicksum(squares) <= norm * norm)
    return total([norm])


def _scenarios(
    model: Model, position: int, variables: list[Any], shares: Floats, wide: float
) -> None:
    """State that the atoms within the deadline weigh enough."""
    assert model.chances is not None
    chance, scip, phase = model.chances[position], model.scip, PHASES[position]
    charged = np.array([model.passes(k) if position == TUNE else 1.0 for k in range(len(model.y))])
    indices = [model.instance.configurations.index(g) for g in model.kept]
    with np.errstate(divide="ignore", invalid="ignore"):
        stretch = np.where(charged > 0, charged / chance.passes[:, indices], 1.0)
    model.late |= {(phase, i): model.binary() for i in range(len(shares))}
    weights, most = room(chance.weights, chance.share)
    pairs = zip(weights.tolist(), range(len(shares)), strict=True)
    scip.addCons(total(w * model.late[phase, i] for w, i in pairs) <= most)
    mass, needed = np.array([float(w) for w in chance.weights]), float(chance.share)
    for i, row in enumerate(shares):
        highest = _most(model, row, variables)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(row / shares, nan=1.0).max(axis=1, initial=0.0)
        rooms = np.array([_beyond(ratio * s, mass, needed) for s in stretch.T])
        least, latest = (
            np.where(np.isinf(r), highest, wide * np.where(np.isinf(r), 0.0, r))
            for r in (stretch[i], rooms)
        )
        over = float(np.maximum(np.minimum(latest, highest) - least, 0.0).max())
        allowed = _room(model, wide, stretch[i], highest)
        scip.addCons(_sum(row, variables) <= allowed + over * model.late[phase, i])
    # Of one scenario more epochs are late first.
    before: dict[int, int] = {}
    for i, draw in enumerate(chance.draws):
        if id(draw) in before:
            scip.addCons(model.late[phase, before[id(draw)]] <= model.late[phase, i])
        before[id(draw)] = i
    relaxed = _relaxed(chance, shares, stretch)
    scip.addCons(_sum(relaxed, variables) <= wide)


def _beyond(rooms: Floats, mass: Floats, needed: float) -> float:
    """Return the room of the first atom, loosest first, up to which the weight is enough."""
    order = np.argsort(-rooms, kind="stable")
    first = int(np.searchsorted(np.cumsum(mass[order]), needed - 1e-12))
    return float(rooms[order[min(first, len(order) - 1)]])


def _relaxed(chance: Chance, shares: Floats, stretch: Floats) -> Floats:
    """Return the mean over the fastest of the weight, of the configuration that has the least."""
    found = [chance.relaxed(shares / s[:, None]) for s in stretch.T if (s > 0).all()]
    least: Floats = np.minimum.reduce(found) if found else np.zeros(shares.shape[1])
    return least
