"""Plans of a network in doubt, enumerated: what each scenario, or mean and variance, makes of them.

At a fixed placement phases still decouple: each deadline is asked of its own phase, and expected
energy is a sum. For every choice of speeds the times of a phase are worked out in every scenario,
in rationals, and the choice counts if those within the deadline weigh enough (or if Cantelli's
bound holds, by squares). Written out from ``docs/uncertainty.md``, apart from the judge.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from splitopt.formulations.cift.brute_force.plans import Data, Placement, deadline, split
from splitopt.instances.cift.model import CiftInstance, Configuration, SpeedInterval
from splitopt.instances.core.exact import rational


@dataclass(frozen=True)
class Taken:
    """The cheapest speeds of a phase: joules, the time to compare, speeds."""

    joules: Fraction
    seconds: Fraction
    speeds: tuple[float, ...]

    @property
    def key(self) -> tuple[Fraction, Fraction, tuple[float, ...]]:
        """Order of ties."""
        return self.joules, self.seconds, self.speeds


@dataclass(frozen=True)
class _Way:
    """One way the network turns out: how much longer than nominal links and nodes take."""

    weight: Fraction
    links: dict[tuple[str, str], Fraction]
    nodes: dict[str, Fraction]


def _ways(instance: CiftInstance) -> list[_Way]:
    doubt = instance.doubt
    assert doubt is not None
    if doubt.spread:
        longer = {(s.tail, s.head): rational(s.mean) for s in doubt.spread}
        links = {(t, h): x for (t, h), x in longer.items() if h is not None}
        return [_Way(Fraction(1), links, {t: x for (t, h), x in longer.items() if h is None})]
    ways = [
        _Way(
            Fraction(s.weight) if isinstance(s.weight, str) else rational(s.weight),
            {(f.tail, str(f.head)): 1 / rational(f.factor) for f in s.rates},
            {f.tail: 1 / rational(f.factor) for f in s.speeds},
        )
        for s in doubt.scenarios
    ]
    return ways or [_Way(Fraction(1), {}, {})]


class Network:
    """The network of an instance in doubt."""

    def __init__(self, instance: CiftInstance) -> None:
        doubt = instance.doubt
        assert doubt is not None
        self.instance = instance
        self.ways = _ways(instance)
        self.variances = {(s.tail, s.head): rational(s.variance) for s in doubt.spread}
        self.limits = (
            deadline(instance.inference_deadline_s),
            deadline(instance.fine_tuning_deadline_s),
        )
        self.shares = (
            rational(doubt.inference_confidence),
            rational(doubt.fine_tuning_confidence),
        )
        self.links = {(k.tail, k.head): k for k in instance.links}

    def epochs(self, g: Configuration) -> dict[int, Fraction]:
        """Return the weight of each number of epochs."""
        assert self.instance.doubt is not None
        for entry in self.instance.doubt.epochs:
            if entry.key == g.key:
                return entry.distribution()
        return {g.epochs: Fraction(1)}

    def phase(
        self, g: Configuration, data: Data, placement: Placement, *, tuned: bool
    ) -> Taken | None:
        """Return the cheapest speeds of a phase that keep its deadline, None where none do."""
        segments, hops = split(placement)
        nodes = self.instance.nodes
        training, R = self.instance.training, self.instance.requests
        epochs = self.epochs(g) if tuned else {1: Fraction(1)}
        once = data.samples if tuned else Fraction(1)
        compute = rational(training.compute_factor) * once if tuned else Fraction(1)
        send = rational(training.communication_factor) * once if tuned else Fraction(1)
        expected = sum((k * w for k, w in epochs.items()), Fraction(0)) if tuned else Fraction(R)
        # Hops: joules for one epoch or request, seconds in each way, variance.
        joules, spent, varied = Fraction(0), [Fraction(0)] * len(self.ways), Fraction(0)
        for tail, head, done in hops:
            link = self.links[nodes[tail].name, nodes[head].name]
            ends = link.tail, link.head
            wire = data.bits[done] / rational(link.rate_bit_per_s)
            delay = rational(link.delay_s) / (data.batch if tuned else 1)
            joules += send * rational(link.energy_j_per_bit) * data.bits[done]
            for position, way in enumerate(self.ways):
                spent[position] += send * (wire * way.links.get(ends, Fraction(1)) + delay)
            varied += self.variances.get(ends, Fraction(0)) * (send * wire) ** 2
        best: Taken | None = None
        for levels in itertools.product(*(self._levels(data, s, compute) for s in segments)):
            total = joules + sum((level[1] for level in levels), Fraction(0))
            times = [
                spent[k] + sum((level[2][k] for level in levels), Fraction(0))
                for k in range(len(self.ways))
            ]
            variance = varied + sum((level[3] for level in levels), Fraction(0))
            seconds = self._kept(times, variance, epochs, int(tuned))
            if seconds is None:
                continue
            found = Taken(expected * total, seconds, tuple(level[0] for level in levels))
            if best is None or found.key < best.key:
                best = found
        return best

    def _levels(
        self, data: Data, segment: tuple[int, int, int], often: Fraction
    ) -> Iterator[tuple[float, Fraction, list[Fraction], Fraction]]:
        """Yield speed, joules, seconds in each way and variance of a segment at each level."""
        n, i, j = segment
        node = self.instance.nodes[n]
        assert not isinstance(node.speeds_flop_per_s, SpeedInterval)
        w = often * (data.work[n][j] - data.work[n][i])
        longer = [way.nodes.get(node.name, Fraction(1)) for way in self.ways]
        mean = sum((way.weight * x for way, x in zip(self.ways, longer, strict=True)), Fraction(0))
        kappa, rho = rational(node.kappa_j_s2_per_flop3), rational(node.busy_power_w)
        for speed in node.speeds_flop_per_s:
            f = rational(speed)
            yield (
                speed,
                w * (kappa * f * f + rho * mean / f),
                [w / f * x for x in longer],
                self.variances.get((node.name, None), Fraction(0)) * (w / f) ** 2,
            )

    def _kept(
        self, times: list[Fraction], variance: Fraction, epochs: dict[int, Fraction], phase: int
    ) -> Fraction | None:
        """Return the time that holds with the confidence asked for, None where it is too long.

        Under a spread, its mean: it is there for ties alone.
        """
        limit, share = self.limits[phase], self.shares[phase]
        if self.variances:
            (mean,) = times
            (k,) = epochs
            mean, variance = k * mean, k * k * variance
            late = limit is not None and (
                mean > limit or (limit - mean) ** 2 * (1 - share) < share * variance
            )
            return None if late else mean
        pairs = sorted(
            (k * t, way.weight * weight)
            for t, way in zip(times, self.ways, strict=True)
            for k, weight in epochs.items()
        )
        total = Fraction(0)
        for time, weight in pairs:
            total += weight
            if total >= share:
                return None if limit is not None and time > limit else time
        raise AssertionError("weights sum to one")
