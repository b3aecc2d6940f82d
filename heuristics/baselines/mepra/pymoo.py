"""``pymoo-ga`` for MEPRA: pymoo's genetic algorithm on vectors that are decoded to choices.

A vector x in [0, 1]^n gives each device one of its m_i choices, floor(x_i m_i)
(`splitopt.heuristics.baselines.mepra.choices`), sorted by split; shares follow by the square-root
rule. There is no constraint. The first population is drawn but for one vector, each device's best
choice at the share 1/n. Selection, crossover, mutation and survival are pymoo's (`pymoo_run`).

It can represent every plan where exits are fixed; where they are free, those whose exits are the
best ones for a share on a grid. It keeps a population of such vectors, so that instances of more
than 10 000 devices are left to others.
"""

from __future__ import annotations

import math

import numpy as np

from splitopt.heuristics.baselines.mepra.choices import Choices, choices_of
from splitopt.heuristics.baselines.mepra.data import Integers
from splitopt.heuristics.baselines.pymoo_run import OPTIONS, Floats, evolve, preload
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    Result,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

_MOST_DEVICES = 10_000


class _Decoder:
    """The choices of each device that are there, by split and then as they come."""

    def __init__(self, choices: Choices) -> None:
        there = np.isfinite(choices.base)
        order = np.argsort(choices.split, kind="stable")
        self.counts = there.sum(axis=1)
        # Row i: the positions of i's choices in order of split, those that are not there last.
        absent = ~there[:, order]
        self.table = order[np.argsort(absent, axis=1, kind="stable")]
        self._everyone = np.arange(len(there))

    def decode(self, x: Floats) -> Integers:
        """Return the choice of each device."""
        place = np.minimum((x * self.counts).astype(np.int64), self.counts - 1)
        chosen: Integers = self.table[self._everyone, place]
        return chosen

    def encode(self, chosen: Integers) -> Floats:
        """Return a vector of these choices."""
        place = np.argmax(self.table == chosen[:, None], axis=1)
        x: Floats = (place + 0.5) / self.counts
        return x


class PymooMepra(Framed[MepraInstance, MepraPlan]):
    """pymoo's genetic algorithm over the devices' choices."""

    name = "pymoo-ga"
    options: tuple[Option, ...] = OPTIONS

    def supports(self, instance: MepraInstance) -> Support:
        """Take instances of at most 10 000 devices."""
        if instance.devices > _MOST_DEVICES:
            return Support(
                f"{instance.devices} devices: a population of vectors takes at most {_MOST_DEVICES}"
            )
        return Support()

    def prepare(self) -> None:
        """Import pymoo."""
        preload()

    def answer(self, instance: MepraInstance, run: Run[MepraPlan]) -> Result:
        """Return the best plan met."""
        given = run.options
        if run.stopped:
            return nothing_found(run.recorder, termination=Termination.TIME)
        choices = choices_of(instance)
        decoder = _Decoder(choices)
        best = choices.start()
        least = math.inf

        def score(x: Floats) -> tuple[float, float]:
            nonlocal best, least
            chosen = decoder.decode(x)
            cost = choices.cost(chosen)
            if cost < least:
                best, least = chosen, cost
                run.recorder.note(cost)
            return 0.0, cost

        def stop() -> bool:
            return run.stopped

        first = decoder.encode(best)[None, :]
        generations = evolve(score, instance.devices, given, run.seed, stop, first)
        return conclude(
            instance,
            choices.plan(best),
            run.recorder,
            run.budget,
            termination=Termination.TIME if stop() else Termination.SOLVED,
            statistics={"generations": generations},
        )


METHOD = PymooMepra()
