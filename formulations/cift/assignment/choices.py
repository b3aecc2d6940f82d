"""What the assignment model of CIFT chooses from: configurations, and what paths can meet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from splitopt.instances.cift.model import CiftInstance, Node, SpeedInterval
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.exact import rational


@dataclass(frozen=True, slots=True)
class Reach:
    """What a path from one source can meet.

    Attributes
    ----------
    nodes
        Nodes, the source first.
    links
        (tail, head) of the links between them.
    tail, head
        Their places in `nodes`.
    rate, delay, energy
        Bit/s, s and J a bit of the links.
    """

    nodes: list[int]
    links: list[tuple[int, int]]
    tail: Ints
    head: Ints
    rate: Floats
    delay: Floats
    energy: Floats


@dataclass(frozen=True, slots=True)
class Choice:
    """A configuration: its chain's figures and how often it is run."""

    index: int
    work: Floats  # FLOP of each block, compressed, on each node of the reach
    bits: Floats  # behind 0..L-1 blocks
    held: list[int]  # each block in memory, in `parts` of a byte: whole numbers are exact
    parts: int
    passes: float  # S_g, as energy counts it
    timed: float  # S_g, as the clock counts it
    reach: Reach

    @property
    def blocks(self) -> int:
        """How many blocks the network has."""
        return int(self.work.shape[1])

    def room(self, memory: Fraction) -> int:
        """Return what a memory holds, in `parts`: whole numbers compare as the fractions do."""
        return memory.numerator * self.parts // memory.denominator


def choices_of(instance: CiftInstance) -> list[Choice]:
    """Return the configurations; a (model, compression, source) with its least S_g alone."""
    found: dict[tuple[object, ...], Choice] = {}
    reaches: dict[str, Reach] = {}
    sizes: dict[str, tuple[list[int], int]] = {}
    held: dict[tuple[str, str, bool], tuple[list[int], int]] = {}
    for index, g in enumerate(instance.configurations):
        passes = float(instance.expected_passes(g))
        same = found.get(instance.rival(g))
        if same is not None and same.passes <= passes:
            continue
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        if g.source not in reaches:
            reaches[g.source] = _reach(instance, g.source)
        weighs = g.model, g.compression, passes > 0
        if weighs not in held:
            factor = rational(level.param_factor)
            if passes > 0:
                factor *= rational(instance.training.memory_factor)
            if g.model not in sizes:
                exact = [rational(block.param_bytes) for block in model.blocks]
                parts = math.lcm(*(bytes_.denominator for bytes_ in exact))
                sizes[g.model] = [int(bytes_ * parts) for bytes_ in exact], parts
            whole, parts = sizes[g.model]
            held[weighs] = [b * factor.numerator for b in whole], parts * factor.denominator
        activations = [block.activation_bits for block in model.blocks[:-1]]
        flops = np.array([block.flops for block in model.blocks]) * level.flops_factor
        work = [
            flops if weights is None else flops * np.array(weights)
            for weights in (
                instance.factors(instance.nodes[n], model) for n in reaches[g.source].nodes
            )
        ]
        found[instance.rival(g)] = Choice(
            index,
            np.array(work),
            np.array([model.input_bits, *(a * level.activation_factor for a in activations)]),
            *held[weighs],
            passes,
            float(instance.assured_passes(g)),
            reaches[g.source],
        )
    return list(found.values())


def _reach(instance: CiftInstance, source: str) -> Reach:
    """Return what a path from a source can meet."""
    place = {source: 0}
    leaving = []
    for name in (names := [source]):  # grows while it is walked
        for link in instance.links_from[name]:
            leaving.append(link)
            if link.head not in place:
                place[link.head] = len(names)
                names.append(link.head)
    nodes = [instance.node_index[name] for name in names]
    tail = [place[link.tail] for link in leaving]
    head = [place[link.head] for link in leaving]
    return Reach(
        nodes,
        [(nodes[t], nodes[h]) for t, h in zip(tail, head, strict=True)],
        np.array(tail, dtype=np.int64),
        np.array(head, dtype=np.int64),
        np.array([link.rate_bit_per_s for link in leaving], dtype=np.float64),
        np.array([link.delay_s for link in leaving], dtype=np.float64),
        np.array([link.energy_j_per_bit for link in leaving], dtype=np.float64),
    )


def efficient(node: Node) -> list[tuple[float, float]]:
    """Return (speed, J a FLOP) of the levels that no faster one matches in energy."""
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        raise TypeError("the assignment model needs listed speeds")
    figures = [(f, node.kappa_j_s2_per_flop3 * f**2 + node.busy_power_w / f) for f in speeds]
    return [
        (f, joules)
        for position, (f, joules) in enumerate(figures)
        if all(joules < later for _, later in figures[position + 1 :])
    ]
