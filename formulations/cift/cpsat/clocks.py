r"""How much longer than nominal things take: one clock for each way the network can turn out.

A clock of a phase has, for each configuration g, factors on nominal seconds: of computing on each
node, of the wire of each link, of delays. In fine-tuning they include the number of epochs, and
nominal seconds are those of one. With scenarios s of weight w_s and epochs K, an *atom* is a pair
of a scenario and a band of the distribution of K::

    phi_s: rates and speeds         node  K / phi_sn      link  K / phi_sl      delay  K

Bands: a plan has one configuration, so the distributions of all are read at the same levels of
probability.

The *relaxed* clock has of each factor the mean over the fastest p of the weight. The best atoms for
each term alone are no worse than one choice for all, so a plan whose time is within tau with
probability p is within tau by the relaxed clock, too (``docs/uncertainty.md``). Under a spread it
has the means, and Cantelli's bound asks for no less.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from splitopt.instances.cift.doubt import Draw, quantile
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Floats

_BELOW = 1 - 1e-13  # more than the rounding of a mean over a few hundred atoms


@dataclass(frozen=True, slots=True)
class Clock:
    """Factors by node, by link and of delays: shapes (N, G), (M, G) and (G,)."""

    node: Floats
    link: Floats
    delay: Floats

    @staticmethod
    def certain(instance: CiftInstance) -> Clock:
        """Return the clock of nominal seconds."""
        G = len(instance.configurations)
        return Clock(
            np.ones((len(instance.nodes), G)), np.ones((len(instance.links), G)), np.ones(G)
        )


Clocks = tuple[Clock, Clock]


def slowness(instance: CiftInstance, draw: Draw) -> tuple[Floats, Floats]:
    """Return what each node and each link take longer in a draw."""
    return (
        np.array([float(1 / draw.speed(node.name)) for node in instance.nodes]),
        np.array([float(1 / draw.rate(link.tail, link.head)) for link in instance.links]),
    )


def _clock(slow: tuple[Floats, Floats], often: Floats) -> Clock:
    return Clock(np.outer(slow[0], often), np.outer(slow[1], often), often)


def bands(instance: CiftInstance) -> list[tuple[Fraction, Floats]]:
    """Return weights, and epochs of each configuration, of the bands of K."""
    spread = [instance.epochs_in_doubt(g) for g in instance.configurations]
    levels = [list(itertools.accumulate(epochs.values())) for epochs in spread]
    ends = sorted({end for level in levels for end in level})
    found, before = [], Fraction(0)
    for end in ends:
        at = [quantile(epochs.items(), end) for epochs in spread]
        found.append((end - before, np.array(at, dtype=np.float64)))
        before = end
    return found


def _atoms(instance: CiftInstance) -> tuple[list[tuple[Fraction, Clock]], ...]:
    """Return weight and clock of the atoms of serving and of fine-tuning."""
    once, spread = np.ones(len(instance.configurations)), bands(instance)
    serve, tune = [], []
    for draw in instance.draws:
        slow = slowness(instance, draw)
        serve.append((draw.weight, _clock(slow, once)))
        tune += [(draw.weight * weight, _clock(slow, often)) for weight, often in spread]
    return serve, tune


def relaxed(instance: CiftInstance) -> Clocks:
    """Return the clocks that every plan which keeps the deadlines keeps."""
    doubt = instance.doubt
    if doubt is None or not doubt.network:
        return Clock.certain(instance), Clock.certain(instance)
    serve, tune = (
        _fastest(mine, float(share))
        for mine, share in zip(_atoms(instance), doubt.confidences(), strict=True)
    )
    return serve, tune


def _fastest(mine: list[tuple[Fraction, Clock]], share: float) -> Clock:
    weights = np.array([float(weight) for weight, _ in mine])

    def mean(figures: list[Floats]) -> Floats:
        if len(figures) == 1:
            return figures[0]
        values = np.stack(figures)
        order = np.argsort(values, axis=0)
        upto = np.minimum(np.cumsum(weights[order], axis=0), share)
        part = np.diff(upto, axis=0, prepend=0.0)
        part[part < 1e-12] = 0.0
        total: Floats = (np.take_along_axis(values, order, axis=0) * part).sum(axis=0)
        return total / share * _BELOW

    clocks = [clock for _, clock in mine]
    return Clock(
        mean([c.node for c in clocks]), mean([c.link for c in clocks]),
        mean([c.delay for c in clocks]),
    )  # fmt: skip
