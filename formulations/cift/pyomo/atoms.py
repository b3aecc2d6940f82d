"""What a deadline of CIFT is asked in: states of the network and numbers of epochs, with weights.

Without doubt of the network there is one, for which K is that which the confidence asks for; with
scenarios one for each of them (in fine-tuning, and each K of the configuration); with means and
variances one of the means. Written from ``docs/uncertainty.md``, apart from what `highs-flow` does,
which reads all configurations' numbers of epochs at the same levels of probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from splitopt.formulations.cift.pyomo.data import Chain, limit
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Floats
from splitopt.instances.core.exact import rational


@dataclass(frozen=True, slots=True)
class Atom:
    """One way things can turn out for a configuration.

    Attributes
    ----------
    weight
        Its probability.
    passes
        Sample passes of fine-tuning.
    nodes, links
        How much longer than nominal nodes take, and the configuration's hops.
    variances
        Of both.
    """

    weight: Fraction
    passes: float
    nodes: Floats
    links: Floats
    variances: tuple[Floats, Floats]


@dataclass(frozen=True, slots=True)
class Deadline:
    """One deadline of a configuration.

    Attributes
    ----------
    most
        The limit as it is kept, s; infinite without one.
    room
        The weight of the atoms in which it may be missed.
    kappa
        How many standard deviations must fit beside the mean; 0 but for a spread.
    """

    most: float
    room: Fraction
    kappa: float
    atoms: tuple[Atom, ...]

    @property
    def certain(self) -> bool:
        """Whether it is one row of times."""
        return len(self.atoms) == 1 and self.kappa == 0


def deadlines(instance: CiftInstance, g: Chain, known: dict[Any, Any]) -> tuple[Deadline, Deadline]:
    """Return both deadlines of a configuration, of a request and of fine-tuning.

    `known` keeps what configurations of one source share.
    """
    doubt, chosen = instance.doubt, instance.configurations[g.index]
    names = [node.name for node in instance.nodes]
    ends = [(names[hop.tail], names[hop.head]) for hop in g.hops]
    shares = (Fraction(1), Fraction(1))
    kappa = (0.0, 0.0)
    still = np.zeros(len(names)), np.zeros(len(ends))
    if doubt is not None and doubt.network:
        shares = doubt.confidences()
    if doubt is not None and doubt.spread:
        kappa = tuple(math.sqrt(p / (1 - p)) for p in map(float, shares))  # type: ignore[assignment]
        shares = (Fraction(1), Fraction(1))
        given = {(s.tail, s.head): float(rational(s.variance)) for s in doubt.spread}
        still = (
            np.array([given.get((name, None), 0.0) for name in names]),
            np.array([given.get(pair, 0.0) for pair in ends]),
        )
    epochs = {g.passes_assured: Fraction(1)}
    if doubt is not None and doubt.network:
        each = instance.samples_per_epoch(chosen)
        epochs = {float(k * each): weight for k, weight in instance.epochs_in_doubt(chosen).items()}
    key = "ways", g.source
    if key not in known:
        known[key] = [
            (
                draw.weight,
                np.array([float(1 / draw.speed(name)) for name in names]),
                np.array([float(1 / draw.rate(*pair)) for pair in ends]),
            )
            for draw in instance.draws
        ]
    ways = known[key]
    serving = tuple(Atom(weight, 1.0, nodes, links, still) for weight, nodes, links in ways)
    tuning = tuple(
        Atom(weight * share, passes, nodes, links, still)
        for weight, nodes, links in ways
        for passes, share in epochs.items()
    )
    limits = (limit(instance.inference_deadline_s), limit(instance.fine_tuning_deadline_s))
    return (
        Deadline(limits[0], 1 - shares[0], kappa[0], serving),
        Deadline(limits[1], 1 - shares[1], kappa[1], tuning),
    )


def fastest(times: Floats, deadline: Deadline) -> Floats:
    """Return for each column the mean of its times over the fastest weight that must hold.

    The best atoms for each column alone are no worse than those for all, so sums of it make a row
    that every plan keeps. Shape of `times`: (atoms, columns).
    """
    if deadline.certain or deadline.kappa:
        alone: Floats = times[0]
        return alone
    share = float(1 - deadline.room)
    weights = np.array([float(atom.weight) for atom in deadline.atoms])
    order = np.argsort(times, axis=0)
    mine = weights[order]
    part = np.clip(share - (np.cumsum(mine, axis=0) - mine), 0.0, mine)
    found: Floats = (np.take_along_axis(times, order, axis=0) * part).sum(axis=0) / share
    return found
