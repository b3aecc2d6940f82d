"""A network in doubt, as exact methods state it: what each deadline meets, and with what weight.

An *atom* of a deadline is a scenario, and for fine-tuning a scenario and a band of the distribution
of K, of weight w_i. One plan has one configuration g, so the distributions of all configurations
are read at the same levels of probability; K_g(i) is the number of epochs of g there. With y_i = 1
where atom i may be late::

    T_i <= tau + M_i y_i    each atom,        sum_i w_i y_i <= 1 - p

Under a spread there is one atom, that of the means, and ``mean + kappa sd <= tau`` instead.

An arc's mean over the fastest p of the weight sums to what every plan keeps within tau
(``docs/uncertainty.md``). So T_i is at most the greatest ratio of an arc's time in atom i to that
mean, times tau: an M_i that needs no longest path.

This says what is in doubt and how much it weighs, for `highs-assignment`, `highs-oa` and
`scip-minlp`. What takes how long is for each method. `highs-flow`, `pyomo-flow`, `cpsat` and the
enumeration have it written out apart, so that an error here shows; leave them so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from splitopt.instances.cift.doubt import Doubt, Draw, quantile
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Bools, Floats

__all__ = [
    "SERVE",
    "TUNE",
    "Chance",
    "chances",
    "elements",
    "expected",
    "fastest",
    "room",
]


SERVE, TUNE = 0, 1
_COMMON = 10**9  # weights with a common denominator up to this are written as whole numbers
_BELOW = 1 - 1e-13  # room for the rounding of means


def expected(instance: CiftInstance) -> CiftInstance:
    """Return the instance without doubt of its network; busy powers are the expected ones."""
    doubt = instance.doubt
    assert doubt is not None
    known = None
    if doubt.epochs:
        known = Doubt(doubt.epochs, fine_tuning_confidence=doubt.fine_tuning_confidence)
    return instance.replace(
        nodes=tuple(
            replace(node, busy_power_w=float(node.busy_power_w * doubt.busy(node.name)))
            for node in instance.nodes
        ),
        doubt=known,
    )


def elements(instance: CiftInstance) -> list[tuple[str, str | None]]:
    """Return the ends of all that can be slow: nodes, then links."""
    links = ((link.tail, link.head) for link in instance.links)
    return [*((node.name, None) for node in instance.nodes), *links]


def fastest(times: Floats, weights: tuple[Fraction, ...], share: Fraction) -> Floats:
    """Return of each column the mean of the fastest `share` of the weight.

    Parameters
    ----------
    times
        Shape (atoms, columns).
    """
    order = np.argsort(times, axis=0)
    upto = np.cumsum(np.array([float(w) for w in weights])[order], axis=0)
    part = np.diff(np.minimum(upto, float(share)), axis=0, prepend=0.0)
    part[part < 1e-12] = 0.0
    mean: Floats = (np.take_along_axis(times, order, axis=0) * part).sum(axis=0)
    return mean / float(share) * _BELOW


def room(weights: tuple[Fraction, ...], share: Fraction) -> tuple[Floats, float]:
    """Return coefficients and right side of ``sum w_i y_i <= 1 - p``, the largest about one."""
    common = math.lcm(*(w.denominator for w in weights))
    most = 1 - share
    if common <= _COMMON:
        parts, limit = [float(w * common) for w in weights], math.floor(most * common) + 0.5
    else:
        parts, limit = [float(w) for w in weights], float(most) + 1e-9
    largest = max(parts)
    return np.array(parts) / largest, limit / largest


@dataclass(frozen=True, slots=True)
class Chance:
    """One deadline over its atoms.

    Attributes
    ----------
    share
        The probability asked for.
    weights, draws
        Of each atom.
    passes
        Sample passes by atom and configuration, shape (atoms, configurations); 1 of serving.
    kappa
        Of Cantelli's bound; 0 where there is no spread.
    variances
        By (tail, head), and by (node, None).
    """

    share: Fraction
    weights: tuple[Fraction, ...]
    draws: tuple[Draw, ...]
    passes: Floats
    kappa: float
    variances: Mapping[tuple[str, str | None], Fraction]

    def slowness(self, tail: str, head: str | None = None) -> Floats:
        """Return how much longer than nominal a link or a node takes, shape (atoms,)."""
        factors = (d.speed(tail) if head is None else d.rate(tail, head) for d in self.draws)
        return np.array([float(1 / factor) for factor in factors])

    def deviation(self, tail: str, head: str | None = None) -> float:
        """Return kappa times the standard deviation of that."""
        return self.kappa * math.sqrt(self.variances.get((tail, head), Fraction(0)))

    def relaxed(self, times: Floats) -> Floats:
        """Return of each column what sums to at most the deadline for every plan that keeps it."""
        return fastest(times, self.weights, self.share)

    def kept(self, late: Bools) -> bool:
        """Return whether the deadline holds if these atoms are late."""
        missed = sum((w for w, x in zip(self.weights, late.tolist(), strict=True) if x), Fraction())
        return missed <= 1 - self.share


def chances(instance: CiftInstance) -> tuple[Chance, Chance] | None:
    """Return both deadlines over their atoms; None where the network is certain."""
    doubt = instance.doubt
    if doubt is None or not doubt.network:
        return None
    spread = [instance.epochs_in_doubt(g) for g in instance.configurations]
    samples = [instance.samples_per_epoch(g) for g in instance.configurations]
    levels = {Fraction(1)}
    if doubt.epochs:
        levels.update(*(itertools.accumulate(epochs.values()) for epochs in spread))
    weights: list[Fraction] = []
    draws: list[Draw] = []
    passes: list[list[float]] = []
    before = Fraction(0)
    for level in sorted(levels):
        often = [
            float(quantile(epochs.items(), level) * count)
            for epochs, count in zip(spread, samples, strict=True)
        ]
        for draw in doubt.draws:
            weights.append(draw.weight * (level - before))
            draws.append(draw)
            passes.append(often)
        before = level
    shares = doubt.confidences()
    kappa = [math.sqrt(p / (1 - p)) if doubt.spread else 0.0 for p in map(float, shares)]
    plain = tuple(draw.weight for draw in doubt.draws)
    one = np.ones((len(plain), len(samples)))
    return (
        Chance(shares[SERVE], plain, doubt.draws, one, kappa[SERVE], doubt.variances),
        Chance(
            shares[TUNE], tuple(weights), tuple(draws), np.array(passes), kappa[TUNE],
            doubt.variances,
        ),
    )  # fmt: skip
