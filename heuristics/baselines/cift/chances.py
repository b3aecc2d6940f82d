"""A network in doubt as the CIFT baselines see it: what a plan takes in each draw.

A hop or a host adds to a vector of times, one entry a scenario, or mean and variance where a spread
is given; for a request, and for one sample pass of fine-tuning. All entries add up along a path,
and no vector that is larger in an entry holds a deadline that a smaller one misses: routes are kept
by all of them. What the sum takes with the confidence asked for is a quantile over scenarios (pairs
of scenario and K for fine-tuning), or Cantelli's bound (``docs/uncertainty.md``).

Speeds of a placement are chosen host by host among those after which the rest, at top speed, keeps
the deadline; of more than 4096 combinations the cheapest are followed, so that beyond that many,
and on intervals, which get a grid, a cheaper one may be missed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.baselines.cift.speeds import Host, Schedule
from splitopt.instances.cift.model import (
    CiftInstance,
    Configuration,
    Link,
    Node,
    SpeedInterval,
)

Times = tuple[float, ...]
Floats = npt.NDArray[np.float64]

_KEPT = 4096
_GRID = 17  # speeds tried of an interval
_HAIR = 1e-12  # of probability, which doubles add up to


def plus(first: Times, second: Times) -> Times:
    """Return the sum of two vectors of times; an empty one is zero."""
    if not (first and second):
        return first or second
    return tuple(a + b for a, b in zip(first, second, strict=True))


def charged(instance: CiftInstance) -> CiftInstance:
    """Return the instance with the busy power that nodes are expected to draw, doubt as it was."""
    doubt = instance.doubt
    if doubt is None or not doubt.network:
        return instance
    return instance.replace(
        nodes=tuple(
            replace(node, busy_power_w=float(node.busy_power_w * doubt.busy(node.name)))
            for node in instance.nodes
        )
    )


@dataclass(frozen=True, eq=False, slots=True)
class Chances:
    """What is in doubt of the network, for one configuration.

    Attributes
    ----------
    slow
        By link, as its ends, and by node, as its name and None: factors on its time, one a draw.
    varied
        The same to the variance of that factor, where a spread is given.
    spread
        Whether one is: vectors are then mean and variance.
    training
        Training factors of computation and communication, and samples that share a delay.
    shares
        Probability asked of each deadline.
    weights
        Of the draws.
    passes
        Sample passes that K makes, with their weights.
    """

    slow: dict[tuple[str, str | None], Floats]
    varied: dict[tuple[str, str | None], float]
    spread: bool
    training: tuple[float, float, int]
    shares: tuple[float, float]
    weights: Floats
    passes: tuple[Floats, Floats]

    @staticmethod
    def of(instance: CiftInstance, configuration: Configuration) -> Chances | None:
        """Return what is in doubt; None where it is not the network."""
        doubt = instance.doubt
        if doubt is None or not doubt.network:
            return None
        slow: dict[tuple[str, str | None], Floats] = {
            (link.tail, link.head): np.array(
                [float(1 / draw.rate(link.tail, link.head)) for draw in doubt.draws]
            )
            for link in instance.links
        }
        for node in instance.nodes:
            slow[node.name, None] = np.array(
                [float(1 / draw.speed(node.name)) for draw in doubt.draws]
            )
        samples, epochs = (
            instance.samples_per_epoch(configuration),
            instance.epochs_in_doubt(configuration),
        )
        training = instance.training
        inference, tuning = doubt.confidences()
        return Chances(
            slow,
            {key: float(value) for key, value in doubt.variances.items()},
            bool(doubt.spread),
            (training.compute_factor, training.communication_factor, training.batch_size),
            (float(inference), float(tuning)),
            np.array([float(draw.weight) for draw in doubt.draws]),
            (
                np.array([float(k * samples) for k in epochs]),
                np.array([float(weight) for weight in epochs.values()]),
            ),
        )

    def _vector(
        self, key: tuple[str, str | None], seconds: float, certain: tuple[float, float], k: float
    ) -> Times:
        """Return the times of what takes so many seconds, and certain ones a request, a pass."""
        times = self.slow[key] * seconds
        request, once = (times + certain[0]).tolist(), (k * (times + certain[1])).tolist()
        if self.spread:
            variance = self.varied.get(key, 0.0) * seconds * seconds
            return (*request, variance, *once, k * k * variance)
        return (*request, *once)

    def hop(self, link: Link, wire_s: float) -> Times:
        """Return the times of a hop whose wire is busy for so long, nominally."""
        _, factor, batch = self.training
        certain = link.delay_s, link.delay_s / batch
        return self._vector((link.tail, link.head), wire_s, certain, factor)

    def host(self, node: Node, seconds: float) -> Times:
        """Return the times of a host that computes for so long, nominally."""
        return self._vector((node.name, None), seconds, (0.0, 0.0), self.training[0])

    def least(self, times: Times) -> tuple[float, float]:
        """Return lower bounds on what these add to a request and to fine-tuning."""
        half = len(times) // 2
        once = times[half] if self.spread else min(times[half:])
        request = times[0] if self.spread else min(times[:half])
        return request, float(self.passes[0].min()) * once

    def assured(self, phase: int, times: Floats) -> Floats:
        """Return the time that each row holds with the confidence asked for.

        Parameters
        ----------
        phase
            0 for a request, 1 for fine-tuning.
        times
            That half of the vectors, shape (rows, entries).
        """
        share = self.shares[phase]
        passes, likely = self.passes
        if self.spread:
            many = 1.0 if phase == 0 else float(passes[0])
            kappa = math.sqrt(share / (1 - share))
            found: Floats = many * (times[:, 0] + kappa * np.sqrt(times[:, 1]))
            return found
        weights = self.weights
        if phase == 1:
            times = (times[:, :, None] * passes).reshape(len(times), -1)
            weights = np.outer(weights, likely).ravel()
        order = np.argsort(times, axis=1)
        enough = np.cumsum(weights[order], axis=1) >= share - _HAIR
        place = np.take_along_axis(order, enough.argmax(axis=1)[:, None], axis=1)
        return np.take_along_axis(times, place, axis=1)[:, 0]

    def half(self, phase: int, times: Times) -> Floats:
        """Return the half of a vector that is of a phase."""
        width = 2 if self.spread else len(self.weights)
        found = np.array(times or (0.0,) * (2 * width))
        return found[phase * width : (phase + 1) * width]

    def taken(self, phase: int, spent: Times, hosts: Sequence[Host], speeds: Times) -> float:
        """Return what a route and its hosts take at these speeds, at the confidence asked for."""
        times = self.half(phase, spent)
        for host, speed in zip(hosts, speeds, strict=True):
            times = times + self.half(phase, self.host(host.node, host.work_flop / speed))
        return float(self.assured(phase, times[None, :])[0])

    def schedule(
        self, phase: int, spent: Times, hosts: Sequence[Host], passes: float, limit_s: float
    ) -> Schedule | None:
        """Return the cheapest speeds found that keep a deadline; None where there are none.

        Parameters
        ----------
        spent
            What the route takes.
        passes
            How often each host computes its segment, as energy counts it.
        """
        levels = [_levels(host) for host in hosts]
        steps = [
            np.array([self.half(phase, self.host(h.node, h.work_flop / f)) for f in speeds])
            for h, speeds in zip(hosts, levels, strict=True)
        ]
        energy, times = np.zeros(1), self.half(phase, spent)[None, :]
        chosen = np.zeros((1, 0), dtype=np.int64)
        for k, (host, speeds) in enumerate(zip(hosts, levels, strict=True)):
            node, work = host.node, host.work_flop
            joules = passes * work * (node.kappa_j_s2_per_flop3 * speeds**2)
            joules += passes * work * node.busy_power_w / speeds
            rest = sum(step[-1] for step in steps[k + 1 :])
            size = len(energy), len(speeds)
            energy = (energy[:, None] + joules).ravel()
            times = (times[:, None, :] + steps[k]).reshape(size[0] * size[1], -1)
            chosen = np.column_stack(
                [np.repeat(chosen, size[1], axis=0), np.tile(np.arange(size[1]), size[0])]
            )
            held = np.flatnonzero(self.assured(phase, times + rest) <= limit_s)
            if not len(held):
                return None
            # The fastest stays too: what is cheap so far may be dear in the end.
            order = held[np.argsort(energy[held], kind="stable")]
            order = np.unique(np.append(order[:_KEPT], held[-1:]))
            energy, times, chosen = energy[order], times[order], chosen[order]
        best = int(energy.argmin())
        speeds_of = tuple(float(f[c]) for f, c in zip(levels, chosen[best], strict=True))
        return Schedule(
            float(energy[best]), float(self.assured(phase, times[best : best + 1])[0]), speeds_of
        )


def _levels(host: Host) -> Floats:
    """Return the speeds of a host, ascending; a grid of an interval."""
    speeds = host.node.speeds_flop_per_s
    if not isinstance(speeds, SpeedInterval):
        return np.array(speeds)
    grid = np.geomspace(speeds.low, speeds.high, _GRID)
    return np.clip(grid, speeds.low, speeds.high)
