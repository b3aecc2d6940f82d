"""Placements whose network is in doubt: what arcs take in each atom, and the time all keep.

With s seconds at nominal speed for a sample, an arc's computing takes ``often_i(arc) s`` in atom i,
its hop ``hops_i(arc)``. The mean over the fastest p of the weight (`splitopt.formulations.cift
.chances`) takes the place of both wherever deadlines are priced: what it bounds is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitopt.formulations.cift.chances import SERVE, TUNE, Chance, elements
from splitopt.formulations.cift.outer.fitting import Demand
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A phase over its atoms; columns of shape (arcs,).

    Attributes
    ----------
    often, hops
        Shape (atoms, arcs): what one nominal second of computing is, and seconds of the hop.
    deviation
        kappa times the standard deviation of one nominal second, or of the hop.
    certain, doubtful
        Seconds of a hop and a pass that no doubt changes, and those that are longer by slowness.
    element
        The node or link.
    """

    chance: Chance
    often: Floats
    hops: Floats
    deviation: Floats
    certain: Floats
    doubtful: Floats
    element: Ints

    @property
    def relaxed(self) -> tuple[Floats, Floats]:
        """What `often` and `hops` are at least, for every plan that keeps the deadline."""
        return self.chance.relaxed(self.often), self.chance.relaxed(self.hops)

    def demand(self, hosts: Ints, path: Ints, limit: float, late: Bools | None) -> Demand:
        """Return what the deadline asks of the hosts on a path."""
        hop = path[self.hops[:, path].any(axis=0)]
        variance = float((self.deviation[hop] ** 2).sum())
        return Demand(
            self.chance,
            limit,
            self.hops[:, path].sum(axis=1),
            variance,
            self.often[:, hosts],
            self.deviation[hosts],
            late,
        )


def in_doubt(
    instance: CiftInstance,
    both: tuple[Chance, Chance],
    arcs: tuple[Ints, Ints, Ints],
    wire_s: Floats,
) -> tuple[InDoubt, InDoubt]:
    """Return both phases over their atoms.

    Parameters
    ----------
    arcs
        Configuration, node and link (-1: none) of each arc.
    wire_s
        Seconds of the rate alone.
    """
    configuration, node, link = arcs
    training, links = instance.training, instance.links
    hop = link >= 0
    element = np.where(hop, len(instance.nodes) + link, node)
    delay = np.where(hop, np.array([*(k.delay_s for k in links), 0.0])[link], 0.0)
    found = []
    for phase, chance in zip((SERVE, TUNE), both, strict=True):
        send, once = 1.0, delay
        if phase == TUNE:
            send, once = training.communication_factor, delay / training.batch_size
        ends = elements(instance)
        slow = np.array([chance.slowness(*end) for end in ends]).T[:, element]
        deviation = np.array([chance.deviation(*end) for end in ends])[element]
        passes = chance.passes[:, configuration]
        certain, doubtful = np.where(hop, send * once, 0.0), np.where(hop, send * wire_s, 0.0)
        hops = passes * (doubtful * slow + certain)
        spread = deviation * passes[0] * np.where(hop, doubtful, 1.0)
        found.append(InDoubt(chance, passes * slow, hops, spread, certain, doubtful, element))
    return found[SERVE], found[TUNE]
