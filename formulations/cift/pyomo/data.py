"""What the Pyomo models of CIFT read of an instance, one `Chain` a configuration, and give back.

Computed from the instance alone, apart from the models given to solvers as arrays, so that an
error in either shows when their optima are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
import numpy.typing as npt

from splitopt.formulations.solvers.highs import SparseModel
from splitopt.instances.cift.doubt import refuse_doubt
from splitopt.instances.cift.model import CiftInstance, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES

__all__ = [
    "Chain",
    "Key",
    "Written",
    "chains",
    "least_energy_j",
    "level_of",
    "levels",
    "limit",
    "need_configurations",
    "need_listed_speeds",
    "placed",
]

Key = Any  # the index of a variable, nearly always a tuple


@dataclass(frozen=True, slots=True)
class Chain:
    """Configuration g: its blocks b = 1..L (places 0..L-1), and where they can run.

    Attributes
    ----------
    index
        Position of g in the instance.
    source
        u_g, as a position.
    flops
        FLOP w_b of each block for one sample, compressed.
    bits
        a_b, the bits behind b = 0..L-1 blocks.
    held
        Bytes of each block in the memory of its host.
    passes
        S_g.
    serving, computing, sending
        How often a forward pass is charged for: R; 3 S_g over a block; 2 S_g over a link (3 and
        2 being the training factors).
    computing_timed, sending_timed
        How often the clock counts them.
    nodes
        Nodes on a path from the source, the source first.
    hops
        Links between them as (tail, head, seconds behind b blocks, the same in fine-tuning for
        one sample pass, J a bit).
    """

    index: int
    source: int
    flops: tuple[float, ...]
    bits: tuple[float, ...]
    held: tuple[Fraction, ...]
    passes: float
    serving: float
    computing: float
    sending: float
    computing_timed: float
    sending_timed: float
    nodes: tuple[int, ...]
    hops: tuple[tuple[int, int, tuple[float, ...], tuple[float, ...], float], ...]

    @property
    def blocks(self) -> int:
        """L."""
        return len(self.flops)

    def work(self, start: int, stop: int) -> float:
        """Return the FLOP of blocks start+1..stop."""
        return sum(self.flops[start:stop])

    def memory(self, instance: CiftInstance) -> tuple[list[int], dict[int, int]]:
        """Return what each block takes and each node has, in whole parts of a byte.

        Exact, and quicker to add up than fractions.
        """
        parts = math.lcm(*(held.denominator for held in self.held))
        rooms = {
            n: math.floor(rational(instance.nodes[n].memory_bytes) * parts) for n in self.nodes
        }
        return [int(held * parts) for held in self.held], rooms

    def fits(self, instance: CiftInstance, node: int, start: int, stop: int) -> bool:
        """Return whether blocks start+1..stop fit the memory of a node, exactly."""
        room = rational(instance.nodes[node].memory_bytes)
        return sum(self.held[start:stop], Fraction(0)) <= room


def _reached(instance: CiftInstance, source: str) -> list[str]:
    found = [source]
    for name in found:
        found += [k.head for k in instance.links_from[name] if k.head not in found]
    return found


def chains(instance: CiftInstance) -> list[Chain]:
    """Return the configurations of an instance as chains, in its order."""
    refuse_doubt(instance, "a model file", {"epochs"})
    place = {node.name: position for position, node in enumerate(instance.nodes)}
    models = {model.name: model for model in instance.models}
    compressions = {level.name: level for level in instance.compressions}
    training = instance.training
    found = []
    for index, g in enumerate(instance.configurations):
        level, blocks = compressions[g.compression], models[g.model].blocks
        S, timed = float(instance.expected_passes(g)), instance.assured_passes(g)
        grown = rational(training.memory_factor) if S > 0 else Fraction(1)
        bits = [
            models[g.model].input_bits,
            *(level.activation_factor * block.activation_bits for block in blocks[:-1]),
        ]
        names = _reached(instance, g.source)
        hops = []
        for name in names:
            for link in instance.links_from[name]:
                wire = [a / link.rate_bit_per_s for a in bits]
                hops.append(
                    (
                        place[name],
                        place[link.head],
                        tuple(s + link.delay_s for s in wire),
                        tuple(s + link.delay_s / training.batch_size for s in wire),
                        link.energy_j_per_bit,
                    )
                )
        found.append(
            Chain(
                index,
                place[g.source],
                tuple(level.flops_factor * block.flops for block in blocks),
                tuple(bits),
                tuple(
                    rational(b.param_bytes) * rational(level.param_factor) * grown for b in blocks
                ),
                S,
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


def levels(node: Node) -> dict[int, tuple[float, float]]:
    """Return speeds f by position, with kappa f^2 + rho / f, the joules of a FLOP.

    A level goes when a faster one takes no more energy.
    """
    speeds = node.speeds_flop_per_s
    assert not isinstance(speeds, SpeedInterval)
    kept: dict[int, tuple[float, float]] = {}
    least = float("inf")
    for position in reversed(range(len(speeds))):
        f = speeds[position]
        joules = node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f
        if joules < least:
            kept[position] = (f, joules)
            least = joules
    return dict(sorted(kept.items()))


def _joules_a_flop(node: Node) -> float:
    """Return the least kappa f^2 + rho / f over the speeds of a node."""
    speeds = node.speeds_flop_per_s
    if not isinstance(speeds, SpeedInterval):
        return min(joules for _, joules in levels(node).values())
    kappa, rho = node.kappa_j_s2_per_flop3, node.busy_power_w
    critical = (rho / (2 * kappa)) ** (1 / 3) if kappa else speeds.high
    f = min(max(critical, speeds.low), speeds.high)
    return kappa * f * f + rho / f


def least_energy_j(instance: CiftInstance) -> float:
    """Return the energy of the cheapest plan without deadlines, memories and the rule of one visit.

    A lower bound on the optimum (0 without configurations), by a dynamic program over the blocks
    done and the node they are at.
    """
    joules = [_joules_a_flop(node) for node in instance.nodes]
    best = math.inf
    for g in chains(instance):
        before: dict[int, set[int]] = {n: set() for n in g.nodes}
        onward: dict[int, list[tuple[int, float]]] = {n: [] for n in g.nodes}
        for tail, head, _, _, joules_a_bit in g.hops:
            before[head].add(tail)
            onward[tail].append((head, (g.serving + g.sending) * joules_a_bit))
        order = list(TopologicalSorter(before).static_order())
        cost = dict.fromkeys(g.nodes, math.inf) | {g.source: 0.0}
        for flops, bits in zip(g.flops, g.bits, strict=True):
            for n in order:
                for head, a_bit in onward[n]:
                    cost[head] = min(cost[head], cost[n] + a_bit * bits)
            for n in order:
                cost[n] += (g.serving + g.computing) * flops * joules[n]
        best = min(best, *cost.values())
    return 0.0 if best == math.inf else best


def limit(deadline_s: float | None) -> float:
    """Return the most seconds the judge accepts, a trifle more for rounding; infinite for None."""
    if deadline_s is None:
        return float("inf")
    return deadline_s * (1 + TOLERANCES.deadline) * (1 + 1e-12)


def need_configurations(instance: CiftInstance) -> None:
    """Refuse an instance that offers no configuration: it has no plan and no model.

    Raises
    ------
    InputError
        When there is none.
    """
    if not instance.configurations:
        raise InputError(
            "configurations", "[]", "at least one configuration", "there is no plan to model"
        )


def need_listed_speeds(instance: CiftInstance, formulation: str) -> None:
    """Refuse an instance with continuous speeds.

    Raises
    ------
    InputError
        When a node's speeds form an interval.
    """
    for node in instance.nodes:
        if isinstance(node.speeds_flop_per_s, SpeedInterval):
            raise InputError(
                f"speeds of node {node.name}",
                "an interval",
                f"listed speeds for the formulation {formulation}",
                "use gdp-hull or gdp-bigm, which take intervals",
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

    def chosen(self, values: npt.NDArray[np.float64]) -> dict[str, list[Key]]:
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
