"""Literals and rows of the CP-SAT model of CIFT (see `splitopt.formulations.cift.cpsat.method`)."""

from __future__ import annotations

import math

from splitopt.formulations.cift.cpsat.figures import (
    BlockRun,
    Hop,
    Offer,
    down,
    packing,
    seconds_allowed,
)
from splitopt.formulations.cift.cpsat.graphs import follow
from splitopt.formulations.cift.cpsat.model import Deadline, IntegerModel, Literal, Scales, weighted
from splitopt.formulations.cift.cpsat.paths import Kept
from splitopt.formulations.cift.cpsat.rates import limit_rates
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.exact import rational

_TARGET = 2.0**34  # about where the scaled optimum and deadlines lie
_MOST = 2.0**60  # sums of coefficients stay below


def scales_for(instance: CiftInstance, choices: list[Offer], best: Incumbent) -> Scales:
    """Return the scales: by the best plan if there is one, else by what blocks cost at least."""
    runs = [r for o in choices for r in (*o.serve.values(), *o.tune.values())]
    energies = [run.energy_j for mine in runs for run in mine]
    energies += [hop.energy_j for o in choices for cut in (*o.hops, o.delays) for hop in cut]
    dearest = best.objective * (1 + 1e-9)
    guess = best.objective
    if not 0 < guess < math.inf:
        guess = min((least_energy_j(o) for o in choices), default=0.0)
    if guess == 0:
        guess = max(energies, default=1.0) or 1.0
    total = math.fsum(e for e in energies if e <= dearest)
    energy = min(_TARGET / guess, _MOST / total if total > 0 else math.inf)
    limits: list[Deadline | None] = []
    for deadline in (instance.inference_deadline_s, instance.fine_tuning_deadline_s):
        if deadline is None:
            limits.append(None)
            continue
        allowed = seconds_allowed(deadline)
        # No term above the limit is left, so the number of terms bounds the sum.
        most = min(_TARGET, _MOST / max(1, len(energies)))
        scale = most / allowed if allowed > 0 else 1.0
        limits.append(Deadline(scale, allowed, math.floor(allowed * scale * (1 + 2.0**-48))))
    return Scales(energy, dearest, *limits)


def least_energy_j(offer: Offer) -> float:
    """Return what the blocks of an offer cost if each takes its cheapest place and level."""
    return math.fsum(
        min(run.energy_j for n in offer.nodes for run in runs[b, n])
        for runs in ((offer.serve, offer.tune) if offer.trained else (offer.serve,))
        for b in range(offer.blocks)
    )


def build(
    instance: CiftInstance, choices: list[Offer], scales: Scales, kept: Kept | None = None
) -> IntegerModel:
    """Return the model, of all literals or of those that are kept, below the cutoff."""
    from ortools.sat.python import cp_model

    model = IntegerModel(cp_model.CpModel(), math.inf if kept is None else kept.cutoff)
    cp = model.cp
    # Variables and what they cost.
    model.chosen = [cp.new_bool_var("") for _ in choices]
    live = [(k, o) for k, o in enumerate(choices) if kept is None or k in kept.offers]
    for k, offer in live:
        for b, n in offer.serve:
            for run in offer.serve[b, n]:
                if kept is not None and (k, b, n, run.level) not in kept.serve:
                    continue
                literal = _serve_or_tune(model, scales, run, scales.latency, model.latency)
                if literal is not None:
                    model.serve[k, b, n, run.level] = literal
            for run in offer.tune.get((b, n), ()):
                if kept is not None and (k, b, n, run.level) not in kept.tune:
                    continue
                literal = _serve_or_tune(model, scales, run, scales.time, model.time)
                if literal is not None:
                    model.tune[k, b, n, run.level] = literal
        for b, cut in enumerate(offer.hops):
            for hop in cut:
                if kept is not None and (k, b, hop.tail, hop.head) not in kept.hop:
                    continue
                literal = _hop(model, scales, hop)
                if literal is not None:
                    model.hop[k, b, hop.tail, hop.head] = literal
        for hop in offer.delays:
            literal = _hop(model, scales, hop)
            if literal is not None:
                model.take[k, hop.tail, hop.head] = literal
    # Constraints.
    cp.add_exactly_one([model.chosen[k] for k, _ in live])
    for k, offer in live:
        _place(model, k, offer)
        _pack(model, k, offer, instance)
        limit_rates(model, k, offer, instance)
    _one_level(model, model.serve)
    _one_level(model, model.tune)
    for terms, limit in ((model.latency, scales.latency), (model.time, scales.time)):
        if limit is not None and terms:
            cp.add(weighted(terms) <= limit.limit)
    if model.cutoff < math.inf:
        cp.add(weighted(model.energy) <= math.floor(model.cutoff * scales.energy * (1 + 2.0**-48)))
    # Objective.
    cp.minimize(weighted(model.energy))
    return model


def _serve_or_tune(
    model: IntegerModel,
    scales: Scales,
    run: BlockRun,
    deadline: Deadline | None,
    row: list[tuple[Literal, int]],
) -> Literal | None:
    """Return a literal for one block at one level, None where it alone is too much."""
    if run.energy_j > scales.dearest_j:
        return None
    if deadline is not None and run.seconds > deadline.seconds:
        return None
    literal = model.cp.new_bool_var("")
    model.energy.append((literal, down(run.energy_j, scales.energy)))
    if deadline is not None:
        row.append((literal, down(run.seconds, deadline.scale)))
    return literal


def _hop(model: IntegerModel, scales: Scales, hop: Hop) -> Literal | None:
    """Return a literal for one hop, None where it alone is too much."""
    if hop.energy_j > scales.dearest_j:
        return None
    phases = (
        (hop.latency_s, scales.latency, model.latency),
        (hop.time_s, scales.time, model.time),
    )
    if any(deadline and seconds > deadline.seconds for seconds, deadline, _ in phases):
        return None
    literal = model.cp.new_bool_var("")
    model.energy.append((literal, down(hop.energy_j, scales.energy)))
    for seconds, deadline, row in phases:
        if deadline is not None:
            row.append((literal, down(seconds, deadline.scale)))
    return literal


def _place(model: IntegerModel, k: int, offer: Offer) -> None:
    """State that the blocks of an offer follow a path of links, if it is chosen."""
    levels = {n: [run.level for run in offer.serve[0, n]] for n in offer.nodes}
    host = {
        (b, n): [model.serve[k, b, n, f] for f in levels[n] if (k, b, n, f) in model.serve]
        for b, n in offer.serve
    }
    if offer.graph is None:
        _follow(model, k, offer, host)
    else:
        follow(model, k, offer, offer.graph, host)
    for (b, n), runs in offer.tune.items():
        tuned = [model.tune[k, b, n, r.level] for r in runs if (k, b, n, r.level) in model.tune]
        model.cp.add(sum(tuned) == sum(host[b, n]))


def _follow(
    model: IntegerModel, k: int, offer: Offer, host: dict[tuple[int, int], list[Literal]]
) -> None:
    """State that the blocks of a chain follow a path, one behind the other."""
    y = model.chosen[k]
    for b, cut in enumerate(offer.hops):
        into: dict[int, list[Literal]] = {n: [] for n in offer.nodes}
        out: dict[int, list[Literal]] = {n: [] for n in offer.nodes}
        for hop in cut:
            literal = model.hop.get((k, b, hop.tail, hop.head))
            if literal is not None:
                out[hop.tail].append(literal)
                into[hop.head].append(literal)
        for n in offer.nodes:
            before = host[b - 1, n] if b else [y] if n == offer.source else []
            model.cp.add(sum(before) + sum(into[n]) == sum(host[b, n]) + sum(out[n]))
        # Implied by the flow above; helps propagation.
        model.cp.add(sum(x for n in offer.nodes for x in host[b, n]) == y)


def _pack(model: IntegerModel, k: int, offer: Offer, instance: CiftInstance) -> None:
    """State that the blocks on a node fit its memory."""
    for n in offer.nodes:
        sizes, room = packing(offer.held, rational(instance.nodes[n].memory_bytes))
        if sum(sizes) <= room:
            continue
        terms = [
            (model.serve[k, b, n, run.level], sizes[b])
            for b in range(offer.blocks)
            for run in offer.serve[b, n]
            if (k, b, n, run.level) in model.serve
        ]
        if terms:
            model.cp.add(weighted(terms) <= room)


def _one_level(model: IntegerModel, runs: dict[tuple[int, int, int, float], Literal]) -> None:
    """State that all blocks on a node run at one level, in the phase of `runs`."""
    together: dict[tuple[int, float], dict[int, list[Literal]]] = {}
    for (_, b, n, f), literal in runs.items():
        together.setdefault((n, f), {}).setdefault(b, []).append(literal)
    at: dict[int, list[Literal]] = {}
    for (n, _), blocks in together.items():
        level = model.cp.new_bool_var("")
        at.setdefault(n, []).append(level)
        for literals in blocks.values():
            model.cp.add_at_most_one([*literals, ~level])
    for levels in at.values():
        model.cp.add_at_most_one(levels)
