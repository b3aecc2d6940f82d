"""What the CIFT baselines compute from an instance: work, bits and memory of one configuration.

Blocks may have factors on nodes, a throughput rules out slow speeds and narrow links, and where K
is in doubt energy counts the passes expected and time those assured. Of a network in doubt each
hop and host has a time in each draw (`splitopt.heuristics.baselines.cift.chances`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from splitopt.heuristics.baselines.cift.chances import Chances, Times
from splitopt.heuristics.baselines.cift.ends import Ends
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
)
from splitopt.instances.networks.downsets import Downsets, downsets_of
from splitopt.instances.networks.profiles import Profile

# A deadline is kept to this relative slack, below what the judge allows.
SLACK = 1e-10


@dataclass(frozen=True, slots=True)
class Hop:
    """What one hop adds: joules in all, seconds a request, seconds of fine-tuning.

    Attributes
    ----------
    narrow
        By what share the link is too slow for the throughput.
    times
        Of a network in doubt, its times in each draw; both seconds are then the least.
    """

    energy_j: float
    latency_s: float
    time_s: float
    narrow: float = 0.0
    times: Times = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """One configuration g as the baselines see it.

    Of a graph, "blocks 1..b" is downset b, numbered so that supersets come later, and L the last;
    a segment from b leads to its supersets alone.

    Attributes
    ----------
    model, ends
        The network, and what of it may be done.
    work_flop
        Work of blocks 1..b of the compressed model, b = 0..L, shape (L + 1,).
    factored
        The same on each node that has factors of its blocks, and the least factor there.
    held_bytes
        Memory of blocks 1..b, in training where there is any, shape (L + 1,).
    bits
        Activation behind block b, the raw input at b = 0, shape (L + 1,).
    requests
        R.
    compute_passes, communication_passes
        S_g, as energy counts it, times the training factor of computation and of communication.
    compute_timed, communication_timed
        The same with S_g as the fine-tuning deadline counts it.
    batch_size
        Samples that share one link delay in fine-tuning.
    rate_per_s
        The throughput asked for.
    chances
        Of a network in doubt.
    """

    configuration: Configuration
    model: Profile
    ends: Ends
    work_flop: tuple[float, ...]
    factored: Mapping[str, tuple[tuple[float, ...], float]]
    held_bytes: tuple[float, ...]
    bits: tuple[float, ...]
    requests: int
    compute_passes: float
    communication_passes: float
    compute_timed: float
    communication_timed: float
    batch_size: int
    rate_per_s: float | None
    chances: Chances | None

    @staticmethod
    def of(instance: CiftInstance, configuration: Configuration) -> Chain:
        """Return the chain of one configuration."""
        model = instance.models[instance.model_index[configuration.model]]
        level = instance.compressions[instance.compression_index[configuration.compression]]
        training = instance.training
        expected = float(instance.expected_passes(configuration))
        timed = instance.assured_passes(configuration)
        growth = level.param_factor * (training.memory_factor if expected else 1.0)
        sets = downsets_of(model)
        flops = [block.flops for block in model.blocks]
        sizes = [block.param_bytes for block in model.blocks]
        factored = {}
        for node in instance.nodes:
            factors = instance.factors(node, model)
            if factors is not None:
                work = [a * b for a, b in zip(flops, factors, strict=True)]
                factored[node.name] = _totals(sets, work, level.flops_factor), min(factors)
        return Chain(
            configuration,
            model,
            Ends(model, sets),
            _totals(sets, flops, level.flops_factor),
            factored,
            _totals(sets, sizes, growth),
            _bits(model, sets, level),
            instance.requests,
            training.compute_factor * expected,
            training.communication_factor * expected,
            training.compute_factor * timed,
            training.communication_factor * timed,
            training.batch_size,
            instance.throughput_per_s,
            Chances.of(instance, configuration),
        )

    @property
    def length(self) -> int:
        """Number L of blocks; of a graph, of its last downset."""
        return len(self.work_flop) - 1

    @property
    def trained(self) -> bool:
        """Whether there is any fine-tuning."""
        return self.compute_passes > 0

    def work(self, first: int, last: int, node: Node | None = None) -> float:
        """Return the FLOPs of blocks first+1..last, with the factors of a node."""
        work = self.work_flop
        if node is not None and node.name in self.factored:
            work = self.factored[node.name][0]
        return work[last] - work[first]

    def least_flop_j(self, node: Node) -> float:
        """Return the least joules that a FLOP, as counted without factors, takes on a node."""
        found = self.factored.get(node.name)
        return cheapest_flop_j(node) * (1.0 if found is None else found[1])

    def memory_excess(self, node: Node, first: int, last: int) -> float:
        """Return by what share blocks first+1..last exceed the node's memory; 0 if they fit.

        A rounding error of the prefix sums is far below the figures' whole bytes, so what is
        within 1e-9 is left to the judge.
        """
        held = self.held_bytes[last] - self.held_bytes[first]
        return excess(held, node.memory_bytes * (1 + 1e-9))

    def hop(self, link: Link, bits: float) -> Hop:
        """Return what sending `bits` over a link adds, there and for gradients back.

        Energy (R + 2 S) e a; latency a / B + d; fine-tuning time 2 S (a / B + d / batch).
        """
        wire = bits / link.rate_bit_per_s
        energy = (self.requests + self.communication_passes) * link.energy_j_per_bit * bits
        narrow = 0.0 if self.rate_per_s is None else excess(wire * self.rate_per_s, 1.0)
        if self.chances is not None:
            times = self.chances.hop(link, wire)
            latency, time = self.chances.least(times)
            return Hop(energy, latency, time, narrow, times)
        return Hop(
            energy,
            wire + link.delay_s,
            self.communication_timed * (wire + link.delay_s / self.batch_size),
            narrow,
        )


def _totals(sets: Downsets, figures: list[float], factor: float) -> tuple[float, ...]:
    """Return the sum of the blocks' figures, times a factor, by downset."""
    if sets.graph:
        return tuple((sets.member @ ([x * factor for x in figures])).tolist())
    return tuple(x * factor for x in itertools.accumulate(figures, initial=0.0))


def _bits(model: Profile, sets: Downsets, level: Compression) -> tuple[float, ...]:
    """Return what a hop behind each downset carries."""
    factor = level.activation_factor
    if not sets.graph:
        return (model.input_bits, *(block.activation_bits * factor for block in model.blocks))
    sizes = [t.bits if t.producer is None else t.bits * factor for t in model.tensors]
    return tuple((sets.crossing @ sizes).tolist())


def excess(value: float, limit: float | None) -> float:
    """Return by what share `value` exceeds `limit`: 0 when it does not, infinite above 0."""
    if limit is None or value <= limit * (1 + SLACK):
        return 0.0
    return value / limit - 1 if limit > 0 else math.inf


def cheapest_flop_j(node: Node) -> float:
    """Return the least joules a FLOP can take on `node` at an admissible speed."""
    kappa, rho = node.kappa_j_s2_per_flop3, node.busy_power_w
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        best = speeds.high if kappa == 0 else math.cbrt(rho / (2 * kappa))
        speeds = (min(max(best, speeds.low), speeds.high),)
    return min(kappa * f * f + rho / f for f in speeds)


def ranked_chains(instance: CiftInstance) -> list[tuple[float, Chain]]:
    """Return a lower bound on the energy of each configuration with its chain, least first.

    The bound is all work at the least joules a FLOP of any node, links for free.
    """
    pairs = []
    for configuration in instance.configurations:
        chain = Chain.of(instance, configuration)
        passes = chain.requests + chain.compute_passes
        cheapest = min(chain.least_flop_j(node) for node in instance.nodes)
        pairs.append((passes * chain.work_flop[-1] * cheapest, chain))
    return sorted(pairs, key=lambda pair: pair[0])
