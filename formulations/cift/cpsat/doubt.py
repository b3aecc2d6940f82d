r"""Rows of the CP-SAT model where the network is in doubt.

Scenarios. ``late_i``: the deadline may be missed in atom i (`clocks`), of weight w_i::

    not late_i  ->  sum_a t'_i(a) x_a <= tau'           sum_i w'_i late_i <= floor(W (1 - p))

over the literals x_a of blocks and hops, with t'_i(a) = min(floor(Q t_i(a)), tau' + 1). The weights
are the whole numbers W w_i, W their common denominator (where that is too large, rounded down, and
the room up). Of one scenario, more epochs are late where fewer are.

Spread. With mean M and variance V of a time and kappa = sqrt(p / (1 - p)) Cantelli's bound is
``kappa^2 V <= (tau - M)^2`` and ``M <= tau``. V is a sum over nodes and links, on each the square
of what a plan spends there::

    M' = sum_a floor(Q m(a)) x_a,   z = tau' - M' >= 0,   tau' = ceil(Q tau)
    D_c = sum_{a on c} floor(Q kappa sd_c t(a)) x_a       each node and link c
    sum_c D_c^2 <= z^2

M' <= Q M, so z >= Q (tau - M); D_c is at most Q kappa times what c adds to the deviation. So every
plan that keeps Cantelli's bound keeps these rows: they bound from outside, as the rest of the model
does. Q keeps the sum of the squares below 2^60.

In either case the deadline's own row stands, at the relaxed clock.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from splitopt.formulations.cift.cpsat.clocks import Clock, atoms
from splitopt.formulations.cift.cpsat.figures import Offer, down, seconds_allowed
from splitopt.formulations.cift.cpsat.model import IntegerModel, Literal, Scales, weighted
from splitopt.instances.cift.model import CiftInstance

__all__ = ["add_doubt"]

_COMMON = 2**50  # weights are exact up to this denominator
_SQUARES = 2.0**60  # sums of squares stay below

# A literal, the configuration, its node (or link, counted behind the nodes), seconds of one epoch
# that are in doubt, and those that are not.
Term = tuple[Literal, int, int, float, float]


def add_doubt(
    model: IntegerModel, choices: list[Offer], instance: CiftInstance, scales: Scales
) -> None:
    """State deadlines with their probabilities, if the network is in doubt."""
    doubt = instance.doubt
    if doubt is None or not doubt.network:
        return
    both = atoms(instance)
    limits = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    kept = (scales.latency, scales.time)
    for phase, share in enumerate(doubt.confidences()):
        limit, deadline = limits[phase], kept[phase]
        if limit is None or deadline is None:
            continue
        terms = list(_terms(model, choices, instance, phase))
        if doubt.spread:
            _cone(model, instance, terms, both[phase][0][1], seconds_allowed(limit), share)
        else:
            bands = len(both[1]) // len(both[0]) if phase else 1
            late = [
                _atom(model, terms, clock, deadline.scale, deadline.limit)
                for _, clock in both[phase]
            ]
            for i, (fewer, more) in enumerate(itertools.pairwise(late)):
                if (i + 1) % bands:
                    model.cp.add_implication(fewer, more)
            weights, room = _whole([weight for weight, _ in both[phase]], 1 - share)
            model.cp.add(weighted(list(zip(late, weights, strict=True))) <= room)


def _whole(weights: list[Fraction], room: Fraction) -> tuple[list[int], int]:
    """Return whole numbers such that sums within the room stay within it."""
    common = math.lcm(*(weight.denominator for weight in weights))
    if common > _COMMON:
        common = _COMMON
    return [math.floor(weight * common) for weight in weights], math.floor(room * common)


def _terms(
    model: IntegerModel, choices: list[Offer], instance: CiftInstance, phase: int
) -> Iterator[Term]:
    """Return what each literal takes in a phase, of one epoch."""
    training = instance.training
    links = {
        (instance.node_index[link.tail], instance.node_index[link.head]): (m, link)
        for m, link in enumerate(instance.links)
    }
    for k, offer in enumerate(choices):
        g = instance.configurations[offer.index]
        network = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        samples = instance.samples_per_epoch(g)
        compute = training.compute_factor * samples if phase else 1.0
        carry = training.communication_factor * samples if phase else 1.0
        for (b, n), runs in (offer.tune if phase else offer.serve).items():
            work = compute * level.flops_factor * network.blocks[b].flops
            for run in runs:
                x = (model.tune if phase else model.serve).get((k, b, n, run.level))
                if x is not None:
                    yield x, offer.index, n, work / run.level, 0.0
        for b, cut in enumerate(offer.hops):
            bits = network.input_bits
            if b:
                bits = level.activation_factor * network.blocks[b - 1].activation_bits
            for hop in cut:
                x = model.hop.get((k, b, hop.tail, hop.head))
                if x is None:
                    continue
                m, link = links[hop.tail, hop.head]
                delay = link.delay_s / (training.batch_size if phase else 1)
                at = len(instance.nodes) + m
                yield x, offer.index, at, carry * (bits / link.rate_bit_per_s), carry * delay


def _atom(
    model: IntegerModel, terms: list[Term], clock: Clock, scale: float, limit: int
) -> Literal:
    """Return a literal that is true wherever an atom is late."""
    late = model.cp.new_bool_var("")
    factors = np.vstack([clock.node, clock.link])
    row = []
    for x, g, at, doubtful, certain in terms:
        seconds = doubtful * float(factors[at, g]) + certain * float(clock.delay[g])
        whole = min(down(seconds, scale), limit + 1)
        if whole:
            row.append((x, whole))
    if row:
        model.cp.add(weighted(row) <= limit).only_enforce_if(~late)
    return late


def _cone(
    model: IntegerModel,
    instance: CiftInstance,
    terms: list[Term],
    means: Clock,
    allowed: float,
    share: Fraction,
) -> None:
    """State Cantelli's bound."""
    assert instance.doubt is not None
    cp, variances = model.cp, instance.doubt.variances
    ends: list[tuple[str, str | None]] = [(node.name, None) for node in instance.nodes]
    ends += [(link.tail, link.head) for link in instance.links]
    kappa = [math.sqrt(variances.get(end, 0) * share / (1 - share)) for end in ends]
    varied = [c for c, factor in enumerate(kappa) if factor]
    scale = math.sqrt(_SQUARES / (len(varied) + 1)) / allowed / 2 if allowed > 0 else 1.0
    most = math.ceil(allowed * scale / (1 - 2.0**-48))
    factors = np.vstack([means.node, means.link])
    mean, apart = [], {c: [] for c in varied}
    for x, g, at, doubtful, certain in terms:
        often = float(means.delay[g])
        seconds = doubtful * float(factors[at, g]) + certain * often
        mean.append((x, min(down(seconds, scale), most + 1)))
        if kappa[at]:
            spent = down(doubtful * often * kappa[at], scale)
            apart[at].append((x, min(spent, most + 1)))
    left = cp.new_int_var(0, most, "")
    cp.add(weighted(mean) + left == most)
    squares = []
    for row in apart.values():
        if not row:
            continue
        spent = cp.new_int_var(0, most, "")
        cp.add(spent == weighted(row))
        squares.append(cp.new_int_var(0, most * most, ""))
        cp.add_multiplication_equality(squares[-1], [spent, spent])
    room = cp.new_int_var(0, most * most, "")
    cp.add_multiplication_equality(room, [left, left])
    cp.add(sum(squares) <= room)
