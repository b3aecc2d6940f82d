"""The chain of one configuration on the network, and what its states are bounded by.

A state is (b, n): what b blocks leave behind has just arrived at node n; of a graph, what downset b
leaves behind, numbered so that supersets come later. `least` gives, for
prices (lambda, mu) >= 0 of the two deadlines, the least ``E + lambda T_inf + mu T_ft`` of coming
there from the source, by one sweep over the nodes in topological order. At the goal, less what the
deadlines are worth at these prices, this is the Lagrangian bound of the configuration; `highest`
seeks the prices at which it is highest, by cutting planes in two dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from splitopt.instances.cift.model import CiftInstance, Configuration, SpeedInterval
from splitopt.instances.cift.rates import least_speeds, open_hops
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import Downsets, downsets_of
from splitopt.instances.networks.profiles import Profile

__all__ = ["LATE", "Chain", "Hop", "Level", "Sweep", "chain_of", "highest", "least", "topological"]

Floats = npt.NDArray[np.float64]
_ROUNDS = 60
_ROUNDING = 1e-12  # relative, of sums along a path
# A triple this much over a deadline may still pass the judge, who knows the exact figures.
LATE = (1 + TOLERANCES.deadline) * (1 + _ROUNDING)


@dataclass(frozen=True, slots=True)
class Hop:
    """A link from one node to another: energy and both times by blocks done, each shape (L,)."""

    head: int
    cost: Floats  # (3, L)


@dataclass(frozen=True, slots=True)
class Level:
    """A pair of speeds of a node: energy and times of one FLOP, shape (3,)."""

    serve: float
    tune: float | None
    cost: Floats


@dataclass(frozen=True, slots=True)
class Chain:
    """One configuration.

    Attributes
    ----------
    model, sets
        The network, and what of it can be done at a time.
    blocks
        The number of the last state: L for a chain.
    work
        ``work[n][i, j]``: FLOP of blocks i+1..j on node n, shape (L + 1, L + 1); 0 where j is not
        beyond i.
    slowest
        ``slowest[n][i, j]``: the least serving speed that a throughput leaves; None without one.
    hops
        Links that leave each node.
    levels
        Pairs of speeds of each node that no other pair dominates.
    fits
        Whether blocks i+1..j fit node n: ``fits[n][i, j]``.
    limits
        Deadlines of serving and fine-tuning, infinite where absent.
    """

    configuration: Configuration
    model: Profile
    sets: Downsets
    source: int
    blocks: int
    work: Sequence[Floats]
    slowest: Sequence[Floats] | None
    hops: Sequence[Sequence[Hop]]
    levels: Sequence[Sequence[Level]]
    fits: Sequence[npt.NDArray[np.bool_]]
    limits: tuple[float, float]

    def before(self, j: int) -> npt.NDArray[np.bool_] | slice:
        """Return the states that j comes behind, with itself."""
        if not self.sets.graph:
            return slice(j + 1)
        inside = self.sets.nested[:-1, j].copy()
        inside[j] = True
        return inside


@dataclass(frozen=True, slots=True)
class Sweep:
    """What `least` found.

    Attributes
    ----------
    arrived
        Least cost of each state, shape (L, nodes).
    goal
        Cost, energy and both times of the cheapest whole path, shape (4,).
    """

    arrived: Floats
    goal: Floats


def topological(instance: CiftInstance) -> list[int]:
    """Return the nodes, tails of links before their heads."""
    degree = dict.fromkeys(range(len(instance.nodes)), 0)
    for link in instance.links:
        degree[instance.node_index[link.head]] += 1
    ready = [n for n, count in degree.items() if count == 0]
    for n in ready:  # grows while it is walked
        for link in instance.links_from[instance.nodes[n].name]:
            head = instance.node_index[link.head]
            degree[head] -= 1
            if degree[head] == 0:
                ready.append(head)
    return ready


def _pairs(instance: CiftInstance, n: int, tuned: float) -> list[Level]:
    """Return the pairs of speeds of a node worth having."""
    node = instance.nodes[n]
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        raise TypeError("fronts need listed speeds")
    joules = {f: node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f for f in speeds}
    # A slower speed is worth having only if it saves energy.
    worth = [f for f in speeds if all(joules[f] < joules[g] for g in speeds if g > f)]
    requests = float(instance.requests)
    return [
        Level(
            f,
            h if tuned else None,
            np.array([requests * joules[f] + tuned * joules[h], 1.0 / f, tuned / h]),
        )
        for f in worth
        for h in (worth if tuned else worth[-1:])
    ]


def chain_of(instance: CiftInstance, configuration: Configuration) -> Chain:
    """Return the chain of a configuration; a time without a deadline counts as zero."""
    model = instance.models[instance.model_index[configuration.model]]
    level = instance.compressions[instance.compression_index[configuration.compression]]
    training = instance.training
    passes = float(instance.expected_passes(configuration))
    # The clock counts other passes than energy: the deadline is stretched instead.
    timed = instance.assured_passes(configuration)
    stretch = passes / timed if timed else math.inf
    sets = downsets_of(model)
    blocks = len(sets) - 1
    flops = np.array([block.flops * level.flops_factor for block in model.blocks])
    plain = sets.sums(flops)
    work = []
    for node in instance.nodes:
        weights = instance.factors(node, model)
        work.append(plain if weights is None else sets.sums(flops * np.array(weights)))
    given = model, level, sets
    slowest = [
        least
        for node, table in zip(instance.nodes, work, strict=True)
        if (least := least_speeds(instance, node, *given, table)) is not None
    ]
    bits = _bits(model, sets, level.activation_factor)
    limits = (
        math.inf if instance.inference_deadline_s is None else instance.inference_deadline_s,
        math.inf
        if instance.fine_tuning_deadline_s is None or stretch == math.inf
        else instance.fine_tuning_deadline_s * stretch,
    )
    counted = np.array([1.0, float(limits[0] < math.inf), float(limits[1] < math.inf)])
    sent = training.communication_factor * passes
    hops = []
    for node in instance.nodes:
        mine = []
        for link in instance.links_from[node.name]:
            wire = bits / link.rate_bit_per_s
            cost = np.stack(
                [
                    (instance.requests + sent) * link.energy_j_per_bit * bits,
                    wire + link.delay_s,
                    sent * (wire + link.delay_s / training.batch_size),
                ]
            )
            cost = cost * counted[:, None]
            cost[0, ~open_hops(instance, link, *given, bits)] = np.inf
            mine.append(Hop(instance.node_index[link.head], cost))
        hops.append(mine)
    tuned = training.compute_factor * passes
    levels = []
    for n in range(len(instance.nodes)):
        pairs = [
            Level(one.serve, one.tune, one.cost * counted) for one in _pairs(instance, n, tuned)
        ]
        if not slowest:  # else a slow segment may need the faster ones
            pairs = [one for one in pairs if not _dominated(one, pairs)]
        levels.append(pairs)
    factor = rational(level.param_factor)
    if passes > 0:
        factor *= rational(training.memory_factor)
    held = [rational(block.param_bytes) * factor for block in model.blocks]
    fits = []
    for n, node in enumerate(instance.nodes):
        room = rational(node.memory_bytes)
        fit = _fit_sets(sets, held, room) if sets.graph else _fits(held, room)
        if slowest:
            top = max((one.serve for one in levels[n]), default=0.0)
            fit = fit & (slowest[n] <= top)
        fits.append(fit)
    return Chain(
        configuration,
        model,
        sets,
        instance.node_index[configuration.source],
        blocks,
        work,
        slowest or None,
        hops,
        levels,
        fits,
        limits,
    )


def _bits(model: Profile, sets: Downsets, factor: float) -> Floats:
    """Return the bits behind each state but the last."""
    if not sets.graph:
        return np.array(
            [model.input_bits, *(block.activation_bits * factor for block in model.blocks[:-1])]
        )
    sizes = [tensor.bits * (1.0 if tensor.producer is None else factor) for tensor in model.tensors]
    bits: Floats = sets.crossing[:-1] @ np.array(sizes)
    return bits


def _fit_sets(sets: Downsets, held: Sequence[Fraction], room: Fraction) -> npt.NDArray[np.bool_]:
    """Return which differences of downsets fit a memory, shape (L + 1, L + 1)."""
    table = sets.sums(np.array([float(part) for part in held]))
    fits: npt.NDArray[np.bool_] = sets.nested & (table <= float(room))
    near = sets.nested & (np.abs(table - float(room)) <= 1e-9 * float(room))
    for i, j in np.argwhere(near).tolist():
        fits[i, j] = sum((held[b] for b in sets.between(i, j)), Fraction(0)) <= room
    return fits


def _dominated(one: Level, pairs: Sequence[Level]) -> bool:
    for other in pairs:
        if other is one:
            continue
        if (other.cost <= one.cost).all() and (
            (other.cost < one.cost).any() or pairs.index(other) < pairs.index(one)
        ):
            return True
    return False


def _fits(held: Sequence[Fraction], room: Fraction) -> npt.NDArray[np.bool_]:
    """Return which runs of blocks fit a memory, shape (L + 1, L + 1)."""
    blocks = len(held)
    fits = np.zeros((blocks + 1, blocks + 1), dtype=np.bool_)
    for first in range(blocks):
        total = Fraction(0)
        for last in range(first, blocks):
            total += held[last]
            if total > room:
                break
            fits[first, last + 1] = True
    return fits


def least(chain: Chain, order: Sequence[int], prices: Floats) -> Sweep:
    """Return the least ``prices . (E, T_inf, T_ft)`` of reaching each state from the source.

    Parameters
    ----------
    prices
        Weights of energy and of both times, shape (3,).
    """
    blocks, nodes = chain.blocks, len(chain.hops)
    arrived = np.full((blocks, nodes), np.inf)
    parts = np.zeros((3, blocks, nodes))  # E and times of the path that is least
    arrived[0, chain.source] = 0.0
    goal = np.full(4, np.inf)
    for n in order:
        here = arrived[:, n]
        if not np.isfinite(here).any():
            continue
        best = min(chain.levels[n], key=lambda level: float(level.cost @ prices), default=None)
        placed, kept = here.copy(), parts[:, :, n].copy()
        if best is not None:
            with np.errstate(invalid="ignore"):
                rate = float(best.cost @ prices)
                work = chain.work[n]
                table = np.where(chain.fits[n][:-1], here[:, None] + rate * work[:-1], np.inf)
            first = table.argmin(axis=0)
            values = table[first, np.arange(blocks + 1)]
            done = work[first, np.arange(blocks + 1)]
            hosted = parts[:, first, n] + best.cost[:, None] * done
            if values[blocks] < goal[0]:
                goal = np.append(values[blocks], hosted[:, blocks])
            better = values[:blocks] < placed
            placed = np.where(better, values[:blocks], placed)
            kept = np.where(better, hosted[:, :blocks], kept)
        for hop in chain.hops[n]:
            # What is closed is so at any price.
            with np.errstate(invalid="ignore"):
                reached = placed + prices @ hop.cost
            reached = np.where(np.isfinite(hop.cost[0]), reached, np.inf)
            better = reached < arrived[:, hop.head]
            if better.any():
                arrived[better, hop.head] = reached[better]
                parts[:, better, hop.head] = (kept + hop.cost)[:, better]
    return Sweep(arrived, goal)


def highest(chain: Chain, order: Sequence[int], enough: float) -> tuple[float, Floats]:
    """Return the highest Lagrangian bound found and its prices (1, lambda, mu).

    Stops where the bound exceeds `enough`: the configuration is then out of the running.
    """
    from scipy.optimize import linprog

    limits = np.array(chain.limits) * LATE
    free = np.flatnonzero(np.isfinite(limits))
    prices = np.array([1.0, 0.0, 0.0])
    best, chosen = -math.inf, prices.copy()
    slopes: list[Floats] = []
    heights: list[float] = []
    # The prices looked at: up to so much that a deadline's whole length is worth 1000 plans.
    box: Floats = np.zeros(len(free))
    for _ in range(_ROUNDS):
        sweep = least(chain, order, prices)
        if not np.isfinite(sweep.goal[0]):
            # No path at all, seen at the price of energy alone; later, prices beyond doubles.
            return (best if heights else math.inf), chosen
        worth = float(prices[1:][free] @ limits[free])
        # What rounding leaves of a difference of large figures is no bound.
        bound = float(sweep.goal[0]) - worth - _ROUNDING * (float(sweep.goal[0]) + worth)
        if bound > best:
            best, chosen = bound, prices.copy()
        if best > enough or not len(free):
            break
        slope = sweep.goal[2:][free] - limits[free]
        if (slope <= 0).all() and not prices[1:].any():
            break
        if not box.any():
            unit = np.where(limits[free] > 0, limits[free], 1.0)
            box = 1e3 * max(abs(float(sweep.goal[1])), 1e-300) / unit
        slopes.append(slope * box)
        heights.append(bound - float(slope @ prices[1:][free]))
        # max z, z <= height_k + slope_k . (share of the box)
        table = np.hstack([np.ones((len(slopes), 1)), -np.array(slopes)])
        scale = max(abs(best), abs(float(sweep.goal[1])), 1e-300)
        found = linprog(
            np.append(-1.0, np.zeros(len(free))),
            A_ub=np.hstack([table[:, :1], table[:, 1:] / scale]),
            b_ub=np.array(heights) / scale,
            bounds=[(None, None), *[(0.0, 1.0)] * len(free)],
        )
        if not found.success:
            break
        point = np.asarray(found.x, dtype=np.float64)
        if float(point[0]) * scale <= best + 1e-9 * abs(best):
            break
        prices = np.array([1.0, 0.0, 0.0])
        prices[1 + free] = point[1:] * box
    return best, chosen
