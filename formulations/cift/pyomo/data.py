"""What the Pyomo models of CIFT read of an instance, one `Chain` a configuration, and give back.

Computed from the instance alone, apart from the models given to solvers as arrays, so that an
error in either shows when their optima are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from splitopt.formulations.cift.pyomo.takes import TAKES
from splitopt.formulations.solvers.highs import SparseModel
from splitopt.instances.cift.doubt import refuse_doubt
from splitopt.instances.cift.model import CiftInstance, Compression, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.cift.rates import open_hops
from splitopt.instances.core.arrays import Floats
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import Downsets, downsets_of
from splitopt.instances.networks.profiles import Profile

Key = Any  # the index of a variable, nearly always a tuple


class Hop(NamedTuple):
    """A link between two nodes.

    Attributes
    ----------
    wire_s
        Seconds on the wire of what b blocks leave behind.
    delay_s, tuning_delay_s
        What comes on top, of a request and of a sample pass.
    open
        Where a throughput leaves the link wide enough.
    """

    tail: int
    head: int
    wire_s: tuple[float, ...]
    delay_s: float
    tuning_delay_s: float
    rate_bit_per_s: float
    joules_a_bit: float
    open: tuple[bool, ...]

    def seconds(self, b: int) -> tuple[float, float]:
        """Return what a request takes behind b blocks, and a sample pass."""
        return self.wire_s[b] + self.delay_s, self.wire_s[b] + self.tuning_delay_s


@dataclass(frozen=True, slots=True)
class Chain:
    """Configuration g: its blocks b = 1..L (places 0..L-1), and where they can run.

    Attributes
    ----------
    index
        Position of g in the instance.
    source
        u_g, as a position.
    network
        The network and its compression.
    flops
        FLOP w_b of each block for one sample, compressed.
    factors
        Of each block on a node, by nodes that have any.
    bits
        a_b, the bits behind b = 0..L-1 blocks; of a graph, behind each downset but the last.
    held
        Bytes of each block in the memory of its host.
    passes, passes_assured
        S_g as energy counts it, and as the clock does.
    serving, computing, sending
        How often a forward pass is charged for: R; 3 S_g over a block; 2 S_g over a link (3 and
        2 being the training factors).
    computing_timed, sending_timed
        How often the clock counts them.
    nodes
        Nodes on a path from the source, the source first.
    hops
        Links between them.
    """

    index: int
    source: int
    network: tuple[Profile, Compression]
    flops: tuple[float, ...]
    factors: Mapping[int, tuple[float, ...]]
    bits: tuple[float, ...]
    held: tuple[Fraction, ...]
    passes: float
    passes_assured: float
    serving: float
    computing: float
    sending: float
    computing_timed: float
    sending_timed: float
    nodes: tuple[int, ...]
    hops: tuple[Hop, ...]

    @property
    def blocks(self) -> int:
        """L."""
        return len(self.flops)

    @property
    def sets(self) -> Downsets:
        """What can be done at a time: of a chain its beginnings, of a graph its downsets."""
        return downsets_of(self.network[0])

    def flops_on(self, node: int) -> tuple[float, ...]:
        """Return w_b on a node."""
        factors = self.factors.get(node)
        if factors is None:
            return self.flops
        return tuple(w * factor for w, factor in zip(self.flops, factors, strict=True))

    def memory(self, instance: CiftInstance) -> tuple[list[int], dict[int, int]]:
        """Return what each block takes and each node has, in whole parts of a byte.

        Exact, and quicker to add up than fractions.
        """
        parts = math.lcm(*(held.denominator for held in self.held))
        rooms = {
            n: math.floor(rational(instance.nodes[n].memory_bytes) * parts) for n in self.nodes
        }
        return [int(held * parts) for held in self.held], rooms


def _reached(instance: CiftInstance, source: str) -> list[str]:
    found = [source]
    for name in found:
        found += [k.head for k in instance.links_from[name] if k.head not in found]
    return found


def _bits(model: Profile, level: Compression, sets: Downsets) -> tuple[float, ...]:
    """Return the bits behind each set of blocks but the last."""
    if not sets.graph:
        made = [level.activation_factor * block.activation_bits for block in model.blocks[:-1]]
        return (model.input_bits, *made)
    sizes = [
        tensor.bits if tensor.producer is None else level.activation_factor * tensor.bits
        for tensor in model.tensors
    ]
    return tuple(sum(sizes[k] for k in np.flatnonzero(row)) for row in sets.crossing[:-1])


def chains(instance: CiftInstance) -> list[Chain]:
    """Return the configurations of an instance as chains, in its order."""
    place = {node.name: position for position, node in enumerate(instance.nodes)}
    models = {model.name: model for model in instance.models}
    compressions = {level.name: level for level in instance.compressions}
    training = instance.training
    found = []
    links: dict[tuple[str, str, str, str], Hop] = {}
    for index, g in enumerate(instance.configurations):
        level, model = compressions[g.compression], models[g.model]
        S, timed = float(instance.expected_passes(g)), instance.assured_passes(g)
        grown = rational(training.memory_factor) if S > 0 else Fraction(1)
        sets = downsets_of(model)
        bits = _bits(model, level, sets)
        names = _reached(instance, g.source)
        hops = []
        for name in names:
            for link in instance.links_from[name]:
                key = g.model, g.compression, name, link.head
                if key not in links:
                    wide = open_hops(instance, link, model, level, sets, np.array(bits))
                    links[key] = Hop(
                        place[name],
                        place[link.head],
                        tuple(a / link.rate_bit_per_s for a in bits),
                        link.delay_s,
                        link.delay_s / training.batch_size,
                        link.rate_bit_per_s,
                        link.energy_j_per_bit,
                        tuple(wide.tolist()),
                    )
                hops.append(links[key])
        weights = {
            place[name]: instance.factors(instance.nodes[place[name]], model) for name in names
        }
        found.append(
            Chain(
                index,
                place[g.source],
                (model, level),
                tuple(level.flops_factor * block.flops for block in model.blocks),
                {n: factors for n, factors in weights.items() if factors is not None},
                bits,
                tuple(
                    rational(b.param_bytes) * rational(level.param_factor) * grown
                    for b in model.blocks
                ),
                S,
                float(timed),
                float(instance.requests),
                training.compute_factor * S,
                training.communication_factor * S,
                training.compute_factor * timed,
                training.communication_factor * timed,
                tuple(place[name] for name in names),
                tuple(hops),
            )
        )
    return found


def limit(deadline_s: float | None) -> float:
    """Return the most seconds the judge accepts, a trifle more for rounding; infinite for None."""
    if deadline_s is None:
        return float("inf")
    return deadline_s * (1 + TOLERANCES.deadline) * (1 + 1e-12)


def need(instance: CiftInstance, formulation: str) -> None:
    """Refuse an instance that a formulation does not take, or without a plan to model.

    Raises
    ------
    InputError
        With the reason.
    """
    takes = TAKES[formulation]
    if not instance.configurations:
        raise InputError(
            "configurations", "[]", "at least one configuration", "there is no plan to model"
        )
    unknown = [what for what in instance.beyond if what not in takes.beyond]
    if unknown:
        raise InputError(
            "instance",
            instance.name,
            f"an instance without {' or '.join(unknown)} for the formulation {formulation}",
            takes.remedy,
        )
    refuse_doubt(
        instance, f"the formulation {formulation}", takes.doubt, "use flow, which takes it"
    )
    if takes.continuous:
        return
    others = set(instance.beyond) <= TAKES["gdp-hull"].beyond
    for node in instance.nodes:
        if isinstance(node.speeds_flop_per_s, SpeedInterval):
            raise InputError(
                f"speeds of node {node.name}",
                "an interval",
                f"listed speeds for the formulation {formulation}",
                "use gdp-hull or gdp-bigm, which take intervals"
                if others
                else "solve it with jqodi or highs-oa, which take intervals",
            )


@dataclass(frozen=True, slots=True)
class Written:
    """A formulation as arrays, equal to its Pyomo model.

    Attributes
    ----------
    model
        The arrays.
    columns
        The variables' indices in order of their columns, by name.
    """

    model: SparseModel
    columns: Mapping[str, Sequence[Key]]

    def chosen(self, values: Floats) -> dict[str, list[Key]]:
        """Return the indices of what is one, by name of the variable."""
        on = np.flatnonzero(values > 0.5)
        found: dict[str, list[Key]] = {}
        first = 0
        for name, keys in self.columns.items():
            inside = on[(on >= first) & (on < first + len(keys))] - first
            found[name] = [keys[k] for k in inside.tolist()]
            first += len(keys)
        return found


def level_of(chosen: Iterable[Key], instance: CiftInstance) -> Callable[[str, int], float]:
    """Return the speed of a phase and node by the z at one; a host without FLOP may have none."""
    level = {(p, n): f for p, n, f in chosen}

    def speed(phase: str, n: int) -> float:
        listed: Any = instance.nodes[n].speeds_flop_per_s
        found: float = listed[level.get((phase, n), len(listed) - 1)]
        return found

    return speed


def placed(
    instance: CiftInstance,
    chain: Chain,
    host: dict[int, int],
    hop: dict[tuple[int, int], int],
    speed: Callable[[str, int], float],
) -> CiftPlan:
    """Return the plan of blocks at hosts, joined by links, at speeds by phase and node."""
    n, done, stops = chain.source, 0, []
    while True:
        first = done
        while done < chain.blocks and host[done + 1] == n:
            done += 1
        name = instance.nodes[n].name
        if done > first:
            tuned = speed("tune", n) if chain.passes else None
            stops.append(Stop(name, done - first, speed("serve", n), tuned))
        else:
            stops.append(Stop(name, 0))
        if done == chain.blocks:
            return CiftPlan.of(instance.configurations[chain.index], tuple(stops))
        n = hop[done, n]
