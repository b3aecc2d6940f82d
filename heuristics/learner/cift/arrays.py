"""A CIFT instance as arrays: nodes in topological order, padded chains, speeds worth choosing.

Everything the decision process, its bounds and its features compute with. Costs are worked out
from the data here; what a finished plan costs is still for the judge to say.

In doubt, energies are the expected ones and times never above those that hold with the confidence
asked for: of the mean of the fastest share p of the weight, taken arc by arc (docs/uncertainty.md).
With doubt in the epochs alone they are those times.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from splitopt.instances.cift.model import CiftInstance, Configuration, Node, SpeedInterval
from splitopt.instances.core.exact import rational

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# An interval of speeds becomes a geometric grid of this ratio: a host costs at most its square
# more than with the best speed, and the repair afterwards takes that back.
GRID_RATIO = 1.02


def speed_levels(node: Node, ratio: float = GRID_RATIO) -> tuple[float, ...]:
    """Return the speeds of a node that none other dominates, ascending, in FLOP/s.

    A speed is dominated when a faster one takes no more joules a FLOP. Of an interval: a
    geometric grid from the critical speed ``(rho / 2 kappa)^(1/3)``, held to the interval, to the
    highest speed, both included.
    """
    kappa, rho = node.kappa_j_s2_per_flop3, node.busy_power_w
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        best = speeds.high if kappa == 0 else math.cbrt(rho / (2 * kappa))
        low = min(max(best, speeds.low), speeds.high)
        steps = math.ceil(math.log(speeds.high / low) / math.log(ratio)) if low < speeds.high else 0
        inner = (low * (speeds.high / low) ** (k / steps) for k in range(1, steps))
        return tuple(sorted({low, *(min(f, speeds.high) for f in inner), speeds.high}))
    kept: list[float] = []
    least = math.inf
    for speed in reversed(speeds):
        joules = kappa * speed * speed + rho / speed
        if joules < least:
            least = joules
            kept.append(speed)
    return tuple(reversed(kept))


def slowness(instance: CiftInstance, tail: str, head: str | None = None) -> float:
    """Return how much longer than nominal a link, or without `head` a node, takes at least.

    The mean of the fastest share of the weight, at the lower confidence of both deadlines. Beside
    epochs in doubt the fastest draw alone: only then may passes count at their own confidence.
    """
    doubt = instance.doubt
    if doubt is None or not doubt.network:
        return 1.0
    slow = sorted(
        (1 / (d.speed(tail) if head is None else d.rate(tail, head)), d.weight) for d in doubt.draws
    )
    if doubt.epochs:
        return float(slow[0][0])
    share = left = min(doubt.confidences())
    total = Fraction(0)
    for factor, weight in slow:
        part = min(left, weight)
        total, left = total + part * factor, left - part
    # Down: bounds must hold although floats are rounded.
    return float(total / share) * (1.0 - 1e-13)


def _topological(instance: CiftInstance) -> list[int]:
    """Return the nodes' positions so that links lead forward."""
    entering = dict.fromkeys(instance.node_index, 0)
    for link in instance.links:
        entering[link.head] += 1
    order = [name for name, count in entering.items() if count == 0]
    for name in order:  # grows while it is read
        for link in instance.links_from[name]:
            entering[link.head] -= 1
            if entering[link.head] == 0:
                order.append(link.head)
    return [instance.node_index[name] for name in order]


def _expected(instance: CiftInstance, node: Node) -> Node:
    """Return a node with the busy power that its expected slowness comes to."""
    if instance.doubt is None or not instance.doubt.network:
        return node
    power = float(rational(node.busy_power_w) * instance.doubt.busy(node.name))
    return dataclasses.replace(node, busy_power_w=power)


class Network:
    """Nodes, links and speeds of an instance.

    Attributes
    ----------
    nodes
        Nodes in topological order; positions below refer to it. N of them.
    position
        Node name to position.
    heads
        For each node the positions its links lead to, in file order.
    rate_bit_per_s, delay_s, energy_j_per_bit
        For each node the figures of its links, each of shape (links of the node,).
    levels
        For each node its speeds worth choosing, ascending, in FLOP/s.
    joules, seconds
        Joules and seconds a FLOP by node and level, shape (N, most levels); infinite behind a
        node's last level.
    """

    def __init__(self, instance: CiftInstance, ratio: float = GRID_RATIO) -> None:
        self.instance = instance
        self.nodes = tuple(_expected(instance, instance.nodes[k]) for k in _topological(instance))
        self.position = {node.name: k for k, node in enumerate(self.nodes)}
        leaving = [instance.links_from[node.name] for node in self.nodes]
        self.heads: list[Integers] = [
            np.array([self.position[link.head] for link in links], dtype=np.int64)
            for links in leaving
        ]
        self.rate_bit_per_s = [
            np.array([x.rate_bit_per_s / slowness(instance, x.tail, x.head) for x in links])
            for links in leaving
        ]
        self.delay_s = [np.array([x.delay_s for x in links]) for links in leaving]
        self.energy_j_per_bit = [np.array([x.energy_j_per_bit for x in links]) for links in leaving]
        self.levels = [speed_levels(node, ratio) for node in self.nodes]
        shape = (len(self.nodes), max(len(levels) for levels in self.levels))
        self.joules: Floats = np.full(shape, np.inf)
        self.seconds: Floats = np.full(shape, np.inf)
        for k, (node, levels) in enumerate(zip(self.nodes, self.levels, strict=True)):
            speeds = np.array(levels)
            joules = node.kappa_j_s2_per_flop3 * speeds**2 + node.busy_power_w / speeds
            self.joules[k, : len(levels)] = joules
            self.seconds[k, : len(levels)] = slowness(instance, node.name) / speeds
        inference, tuning = instance.inference_deadline_s, instance.fine_tuning_deadline_s
        #: Deadlines of T_inf and T_ft in s, infinite where absent, shape (2,).
        self.deadlines_s: Floats = np.array(
            [math.inf if limit is None else limit for limit in (inference, tuning)]
        )


@dataclass(frozen=True)
class Chains:
    """Chains of G configurations, padded to the longest; b runs from 0 to the most blocks Lmax.

    Attributes
    ----------
    configurations
        Which ones.
    length
        Blocks L of each, shape (G,).
    source
        Position of the source node, shape (G,).
    work_flop
        Work of blocks 1..b of the compressed model, shape (G, Lmax + 1).
    bits
        Activation behind block b, the raw input at b = 0, shape (G, Lmax + 1).
    reach
        The last block a segment that starts behind block b can hold on each node, b where none,
        shape (G, N, Lmax + 1).
    requests
        R.
    compute, communication
        S_g (expected) times the training factors, shape (G,).
    pace
        Passes that count for the deadline over those of energy: 1 where K is certain, shape (G,).
    batch_size
        Samples that share one link delay in fine-tuning.
    """

    configurations: tuple[Configuration, ...]
    length: Integers
    source: Integers
    work_flop: Floats
    bits: Floats
    reach: Integers
    requests: float
    compute: Floats
    communication: Floats
    pace: Floats
    batch_size: int

    @staticmethod
    def of(network: Network, configurations: Sequence[Configuration]) -> Chains:
        """Return the chains of some configurations of the network's instance."""
        instance = network.instance
        models = [instance.models[instance.model_index[g.model]] for g in configurations]
        longest = max((len(m.blocks) for m in models), default=0)
        shape = (len(configurations), longest + 1)
        work, bits = np.zeros(shape), np.zeros(shape)
        reach = np.empty((shape[0], len(network.nodes), shape[1]), dtype=np.int64)
        passes = np.array([float(instance.expected_passes(g)) for g in configurations])
        assured = np.array([float(instance.assured_passes(g)) for g in configurations])
        known: dict[tuple[str, str, bool], Integers] = {}
        for k, (g, model) in enumerate(zip(configurations, models, strict=True)):
            level = instance.compressions[instance.compression_index[g.compression]]
            done = list(itertools.accumulate((b.flops for b in model.blocks), initial=0.0))
            last = len(model.blocks)
            work[k, : last + 1] = np.array(done) * level.flops_factor
            work[k, last:] = work[k, last]
            bits[k, 0] = model.input_bits
            sent = np.array([b.activation_bits for b in model.blocks])
            bits[k, 1 : last + 1] = sent * level.activation_factor
            key = (g.model, g.compression, passes[k] > 0)
            if key not in known:
                growth = rational(level.param_factor)
                if passes[k] > 0:
                    growth *= rational(instance.training.memory_factor)
                params = [rational(b.param_bytes) * growth for b in model.blocks]
                known[key] = _reach(network, params, longest)
            reach[k] = known[key]
        return Chains(
            tuple(configurations),
            np.array([len(m.blocks) for m in models], dtype=np.int64),
            np.array([network.position[g.source] for g in configurations], dtype=np.int64),
            work,
            bits,
            reach,
            float(instance.requests),
            instance.training.compute_factor * passes,
            instance.training.communication_factor * passes,
            np.where(passes > 0, assured / np.where(passes > 0, passes, 1.0), 1.0),
            instance.training.batch_size,
        )

    def take(self, index: Integers) -> Chains:
        """Return the chains of some of the configurations, padded as before."""
        return Chains(
            tuple(self.configurations[k] for k in index.tolist()),
            self.length[index],
            self.source[index],
            self.work_flop[index],
            self.bits[index],
            self.reach[index],
            self.requests,
            self.compute[index],
            self.communication[index],
            self.pace[index],
            self.batch_size,
        )

    def hops(self, network: Network, node: int) -> Floats:
        """Return what the hops from a node add, shape (3, links of the node, G, Lmax + 1).

        Rows: joules in all, ``(R + 2 S) e a``; seconds a request, ``a / B + d``; seconds of
        fine-tuning, ``2 S (a / B + d / batch)``.
        """
        bits = self.bits[None]
        rate = network.rate_bit_per_s[node][:, None, None]
        delay = network.delay_s[node][:, None, None]
        energy = network.energy_j_per_bit[node][:, None, None]
        passes = self.communication[None, :, None]
        wire = bits / rate
        return np.stack(
            [
                (self.requests + passes) * energy * bits,
                wire + delay,
                self.pace[None, :, None] * passes * (wire + delay / self.batch_size),
            ]
        )


def _reach(network: Network, params: Sequence[Fraction], longest: int) -> Integers:
    """Return the last block of the longest segment from each block on, in exact arithmetic."""
    held = list(itertools.accumulate(params, initial=Fraction(0)))
    table = np.empty((len(network.nodes), longest + 1), dtype=np.int64)
    rows: dict[float, Integers] = {}
    for k, node in enumerate(network.nodes):
        if node.memory_bytes not in rows:
            memory = rational(node.memory_bytes)
            row = np.arange(longest + 1, dtype=np.int64)
            last = 0
            for first in range(len(params)):
                last = max(last, first)
                while last < len(params) and held[last + 1] - held[first] <= memory:
                    last += 1
                row[first] = last
            rows[node.memory_bytes] = row
        table[k] = rows[node.memory_bytes]
    return table
