"""What the CIFT baselines compute from an instance: work, bits and memory of one configuration."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
)
from splitopt.instances.networks.downsets import downsets_of
from splitopt.instances.networks.profiles import Profile

__all__ = ["Chain", "Hop", "cheapest_flop_j", "excess", "ranked_chains"]

# A deadline is kept to this relative slack, below what the judge allows.
SLACK = 1e-10


@dataclass(frozen=True, slots=True)
class Hop:
    """What one hop adds: joules in all, seconds a request, seconds of fine-tuning."""

    energy_j: float
    latency_s: float
    time_s: float


@dataclass(frozen=True, slots=True)
class Chain:
    """One configuration g as the baselines see it.

    Of a graph, "blocks 1..b" is downset b, numbered so that supersets come later, and L the last;
    a segment from b leads to its supersets alone.

    Attributes
    ----------
    model
        The network.
    work_flop
        Work of blocks 1..b of the compressed model, b = 0..L, shape (L + 1,).
    held_bytes
        Memory of blocks 1..b, in training where there is any, shape (L + 1,).
    bits
        Activation behind block b, the raw input at b = 0, shape (L + 1,).
    requests
        R.
    compute_passes, communication_passes
        S_g times the training factor of computation and of communication.
    batch_size
        Samples that share one link delay in fine-tuning.
    """

    configuration: Configuration
    model: Profile
    work_flop: tuple[float, ...]
    held_bytes: tuple[float, ...]
    bits: tuple[float, ...]
    requests: int
    compute_passes: float
    communication_passes: float
    batch_size: int

    @staticmethod
    def of(instance: CiftInstance, configuration: Configuration) -> Chain:
        """Return the chain of one configuration."""
        model = instance.models[instance.model_index[configuration.model]]
        level = instance.compressions[instance.compression_index[configuration.compression]]
        passes = instance.sample_passes(configuration)
        growth = level.param_factor * (instance.training.memory_factor if passes else 1.0)
        counts = (
            instance.requests,
            instance.training.compute_factor * passes,
            instance.training.communication_factor * passes,
            instance.training.batch_size,
        )
        if model.is_graph:
            work, held, bits = _of_downsets(model, level, growth)
            return Chain(configuration, model, work, held, bits, *counts)
        flops = itertools.accumulate((block.flops for block in model.blocks), initial=0.0)
        sizes = itertools.accumulate((block.param_bytes for block in model.blocks), initial=0.0)
        return Chain(
            configuration,
            model,
            tuple(done * level.flops_factor for done in flops),
            tuple(params * growth for params in sizes),
            (
                model.input_bits,
                *(block.activation_bits * level.activation_factor for block in model.blocks),
            ),
            *counts,
        )

    @property
    def length(self) -> int:
        """Number L of blocks."""
        return len(self.work_flop) - 1

    @property
    def trained(self) -> bool:
        """Whether there is any fine-tuning."""
        return self.compute_passes > 0

    def work(self, first: int, last: int) -> float:
        """Return the FLOPs of blocks first+1..last."""
        return self.work_flop[last] - self.work_flop[first]

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
        return Hop(
            (self.requests + self.communication_passes) * link.energy_j_per_bit * bits,
            wire + link.delay_s,
            self.communication_passes * (wire + link.delay_s / self.batch_size),
        )


def _of_downsets(
    model: Profile, level: Compression, growth: float
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Return work, bytes held and bits behind, of each downset of a graph."""
    import numpy as np

    sets = downsets_of(model)
    flops = np.array([block.flops for block in model.blocks]) * level.flops_factor
    held = np.array([block.param_bytes for block in model.blocks]) * growth
    sizes = np.array([tensor.bits for tensor in model.tensors], dtype=np.float64)
    bits = sets.crossing @ np.where(sets.raw, sizes, sizes * level.activation_factor)
    work, memory, sent = (
        (sets.member @ flops).tolist(),
        (sets.member @ held).tolist(),
        bits.tolist(),
    )
    return tuple(work), tuple(memory), tuple(sent)


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
    cheapest = min(cheapest_flop_j(node) for node in instance.nodes)
    pairs = []
    for configuration in instance.configurations:
        chain = Chain.of(instance, configuration)
        passes = chain.requests + chain.compute_passes
        pairs.append((passes * chain.work_flop[-1] * cheapest, chain))
    return sorted(pairs, key=lambda pair: pair[0])
