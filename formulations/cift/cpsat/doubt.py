r"""Rows of the CP-SAT model where the network is in doubt.

Scenarios. ``late_si``: the deadline may be missed in atom (s, i), scenario s and band i of the
distribution of K (`clocks`), of weight w_si. With T_s what a plan takes in s, of one epoch, over
the literals x_a of blocks and hops::

    T_s = sum_a floor(Q t_s(a)) x_a
    not late_si  ->  T_s <= sum_g floor(Q tau / K_gi) y_g      sum w'_si late_si <= floor(W (1 - p))

The weights are the whole numbers W w_si, W their common denominator (where that is too large,
rounded down). More epochs of a scenario are late where fewer are. A request's time has no K.

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
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from splitopt.formulations.cift.cpsat.clocks import bands, slowness
from splitopt.formulations.cift.cpsat.figures import DOWN, Offer, seconds_allowed
from splitopt.formulations.cift.cpsat.model import Deadline, IntegerModel, Literal, Scales, weighted
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Floats, Ints

_COMMON = 2**50  # weights are exact up to this denominator
_SQUARES = 2.0**60  # sums of squares stay below


@dataclass(frozen=True, slots=True)
class _Terms:
    """What literals take in a phase, in seconds of one epoch.

    Attributes
    ----------
    literals
        Of blocks and hops.
    configuration, place
        Position of the configuration; that of the node, or of the link behind all nodes.
    doubtful, certain
        Seconds that links and nodes stretch, and those they do not.
    """

    literals: list[Literal]
    configuration: Ints
    place: Ints
    doubtful: Floats
    certain: Floats


def add_doubt(
    model: IntegerModel, choices: list[Offer], instance: CiftInstance, scales: Scales
) -> None:
    """State deadlines with their probabilities, if the network is in doubt."""
    doubt = instance.doubt
    if doubt is None or not doubt.network:
        return
    limits = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    for phase, share in enumerate(doubt.confidences()):
        limit, deadline = limits[phase], (scales.latency, scales.time)[phase]
        if limit is None or deadline is None:
            continue
        terms = _terms(model, choices, instance, phase)
        once = [(Fraction(1), np.ones(len(instance.configurations)))]
        spread = bands(instance) if phase else once
        if doubt.spread:
            _cone(model, instance, terms, spread[0][1], seconds_allowed(limit), share)
        else:
            _scenarios(model, choices, instance, terms, spread, deadline, share)


def _scenarios(
    model: IntegerModel,
    choices: list[Offer],
    instance: CiftInstance,
    terms: _Terms,
    spread: list[tuple[Fraction, Floats]],
    deadline: Deadline,
    share: Fraction,
) -> None:
    """State that a deadline holds in atoms of weight `share`."""
    cp = model.cp
    late, weights = [], []
    for draw in instance.draws:
        factors = np.concatenate(slowness(instance, draw))
        seconds = terms.doubtful * factors[terms.place] + terms.certain
        # More than the limit of one epoch is too much, however much it is.
        whole = np.minimum(np.floor(seconds * deadline.scale * DOWN), deadline.limit + 1)
        most = int(whole.astype(np.int64).sum())
        time = cp.new_int_var(0, most, "")
        cp.add(time == _weighted(terms.literals, whole))
        mine = [cp.new_bool_var("") for _ in spread]
        for x, (weight, often) in zip(mine, spread, strict=True):
            limits = [
                math.floor(deadline.seconds / k * deadline.scale / DOWN) if k else most
                for k in often[[o.index for o in choices]].tolist()
            ]
            room = weighted(list(zip(model.chosen, limits, strict=True)))
            cp.add(time <= room).only_enforce_if(~x)
            weights.append(draw.weight * weight)
        for fewer, more in itertools.pairwise(mine):
            cp.add_implication(fewer, more)
        late += mine
    parts, most = whole_weights(weights, 1 - share)
    cp.add(weighted(list(zip(late, parts, strict=True))) <= most)


def whole_weights(weights: list[Fraction], room: Fraction) -> tuple[list[int], int]:
    """Return whole numbers such that sums within the room stay within it."""
    common = min(math.lcm(*(weight.denominator for weight in weights)), _COMMON)
    return [math.floor(weight * common) for weight in weights], math.floor(room * common)


def _weighted(literals: list[Literal], figures: Floats) -> Any:
    used = np.flatnonzero(figures).tolist()
    return weighted([(literals[i], int(figures[i])) for i in used])


def _terms(model: IntegerModel, choices: list[Offer], instance: CiftInstance, phase: int) -> _Terms:
    """Return what the literals of a phase take."""
    found = list(_rows(model, choices, instance, phase))
    literals, *columns = map(list, zip(*found, strict=True)) if found else [[]] * 5
    configuration, place, doubtful, certain = map(np.array, columns)
    return _Terms(literals, configuration.astype(int), place.astype(int), doubtful, certain)


def _rows(
    model: IntegerModel, choices: list[Offer], instance: CiftInstance, phase: int
) -> Iterator[tuple[Literal, int, int, float, float]]:
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


def _cone(
    model: IntegerModel,
    instance: CiftInstance,
    terms: _Terms,
    often: Floats,
    allowed: float,
    share: Fraction,
) -> None:
    """State Cantelli's bound; `often` are the epochs of configurations."""
    assert instance.doubt is not None
    cp, variances = model.cp, instance.doubt.variances
    ends: list[tuple[str, str | None]] = [(node.name, None) for node in instance.nodes]
    ends += [(link.tail, link.head) for link in instance.links]
    kappa = np.array([math.sqrt(variances.get(end, 0) * share / (1 - share)) for end in ends])
    varied = np.flatnonzero(kappa).tolist()
    scale = math.sqrt(_SQUARES / (len(varied) + 1)) / allowed / 2 if allowed > 0 else 1.0
    top = math.ceil(allowed * scale / DOWN)
    means = np.concatenate(slowness(instance, instance.draws[0]))[terms.place]
    times = often[terms.configuration]

    def whole(seconds: Floats) -> Floats:
        found: Floats = np.minimum(np.floor(seconds * scale * DOWN), top + 1)
        return found

    mean = whole((terms.doubtful * means + terms.certain) * times)
    apart = whole(terms.doubtful * times * kappa[terms.place])
    left = cp.new_int_var(0, top, "")
    cp.add(_weighted(terms.literals, mean) + left == top)
    squares = []
    for place in varied:
        spent = cp.new_int_var(0, top, "")
        cp.add(spent == _weighted(terms.literals, np.where(terms.place == place, apart, 0.0)))
        squares.append(cp.new_int_var(0, top * top, ""))
        cp.add_multiplication_equality(squares[-1], [spent, spent])
    room = cp.new_int_var(0, top * top, "")
    cp.add_multiplication_equality(room, [left, left])
    cp.add(sum(squares) <= room)
