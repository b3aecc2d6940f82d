"""Placements of CIFT as paths whose speeds are left open; listed and continuous ones alike.

States and arcs are those of a plan's stages: arrived at a node, a segment placed (or none), a hop
to the next node. An arc carries the FLOP of its segment or the cost of its hop. What a FLOP costs
on a node follows from the speed chosen there, one a phase, so at a price of time one figure a
node and phase prices every segment (`splitopt.formulations.cift.outer.speeds`).

Of a graph, downset b stands for "b blocks done". A throughput gives a segment a least speed: what
prices say leaves that aside, and bounds from below; a plan's speeds keep it, and so does the MILP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.outer.speeds import Engine, fit, joules_per_flop
from splitopt.formulations.cift.pricing import LOOSE
from splitopt.formulations.cift.sweeps import GOAL, ROOT, Sweeps
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, stop_between
from splitopt.instances.cift.rates import least_speeds, open_hops
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import Downsets, downsets_of
from splitopt.instances.networks.profiles import Profile

__all__ = ["SERVE", "TUNE", "Placements", "build_placements"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SERVE, TUNE = 0, 1
# Of the judge's tolerance on deadlines, what a fitted plan may use.
_USED = 1 + 0.9 * TOLERANCES.deadline


@dataclass(frozen=True, slots=True)
class Placements:
    """The graph; columns of shape (arcs,).

    Attributes
    ----------
    tail, head
        States.
    configuration, node
        Positions; of a hop the node arrived at.
    start, stop
        Blocks done before and after.
    work_flop
        FLOP a sample of the segment on its node.
    slowest
        The least serving speed that a throughput leaves it; 0 without one.
    hop_j, hop_s
        Energy of the hop in all; seconds of both phases, shape (2, arcs).
    stage
        Of each state.
    runs
        Shape (2, configurations): how often a chain is charged, R and c S_g.
    clock
        Shape (2, configurations): how often it counts for the deadline, 1 and c S_g.
    engines
        By phase and node.
    limits
        Deadlines as the judge takes them, infinite where absent.
    """

    instance: CiftInstance
    tail: Ints
    head: Ints
    configuration: Ints
    node: Ints
    start: Ints
    stop: Ints
    work_flop: Floats
    slowest: Floats
    hop_j: Floats
    hop_s: Floats
    stage: Ints
    runs: Floats
    clock: Floats
    engines: tuple[tuple[Engine, ...], tuple[Engine, ...]]
    limits: tuple[float, float]

    @property
    def priced(self) -> list[int]:
        """The phases whose deadline can be priced."""
        return [phase for phase in (SERVE, TUNE) if 0 < self.limits[phase] < np.inf]

    @property
    def deadlines(self) -> int:
        """How many deadlines can be priced."""
        return len(self.priced)

    def sweeps(self, arcs: Ints) -> Sweeps:
        """Return the shortest paths over some arcs."""
        return Sweeps(self.tail[arcs], self.head[arcs], self.stage)

    def speeds(self, prices: Floats, tuned: float = 1.0) -> Floats:
        """Return the best speed of each node, shape (2, nodes), at prices in J a deadline.

        Parameters
        ----------
        tuned
            How often the fine-tuning deadline counts what energy counts once.
        """
        found = np.zeros((2, len(self.instance.nodes)))
        price = dict(zip(self.priced, prices.tolist(), strict=True))
        # A price of lambda on T / tau is one of lambda / tau on a second of T; serving is
        # charged R times and timed once.
        charge = (self.instance.requests, 1.0 / tuned if tuned > 0 else np.inf)
        for phase in (SERVE, TUNE):
            share = price.get(phase, 0.0) / self.limits[phase] if phase in price else 0.0
            watts = share / charge[phase] if charge[phase] > 0 else 0.0
            found[phase] = [engine.speed(watts) for engine in self.engines[phase]]
        return found

    def seconds(self, arcs: Ints, phase: int, speeds: Floats) -> Floats:
        """Return what arcs add to the time of a phase at a speed for each node."""
        computing = self.work_flop[arcs] / speeds[self.node[arcs]]
        counted = self.clock[phase, self.configuration[arcs]] * computing
        total: Floats = counted + self.hop_s[phase, arcs]
        return total

    def figures(self, arcs: Ints, prices: Floats) -> Floats:
        """Return energy and shares of the deadlines at the speeds best at these prices."""
        # In doubt the clock may count other passes than energy, and the best speeds differ by that.
        with np.errstate(invalid="ignore"):
            ratio = np.nan_to_num(self.clock[TUNE] / self.runs[TUNE], nan=1.0)[
                self.configuration[arcs]
            ]
        found = np.empty((1 + len(self.priced), len(arcs)))
        for value in np.unique(ratio).tolist():
            alike = np.flatnonzero(ratio == value)
            found[:, alike] = self._figures(arcs[alike], self.speeds(prices, value))
        return found

    def _figures(self, arcs: Ints, speeds: Floats) -> Floats:
        nodes = self.instance.nodes
        energy = self.hop_j[arcs].copy()
        for phase in (SERVE, TUNE):
            per_flop = np.array(
                [joules_per_flop(n, f) for n, f in zip(nodes, speeds[phase], strict=True)]
            )
            charged = self.runs[phase, self.configuration[arcs]]
            energy += charged * self.work_flop[arcs] * per_flop[self.node[arcs]]
        shares = [self.seconds(arcs, p, speeds[p]) / self.limits[p] for p in self.priced]
        return np.vstack([energy, *shares])

    def fastest(self, arcs: Ints, phase: int) -> Floats:
        """Return the least seconds that arcs add to a phase."""
        return self.seconds(arcs, phase, np.array([e.high for e in self.engines[phase]]))

    def offer(self, best: Incumbent, path: Ints, prices: Floats) -> None:
        """Offer the plan of a path with speeds fitted to the deadlines."""
        best.offer(self.plan(path))

    def plan(self, path: Ints, levels: Mapping[tuple[int, int], float] | None = None) -> CiftPlan:
        """Return a path's plan with speeds fitted to the deadlines, the highest where none do.

        Parameters
        ----------
        path
            Arcs in order.
        levels
            Speeds to keep, by phase and node.
        """
        instance, g = self.instance, int(self.configuration[path[0]])
        trained = self.runs[TUNE, g] > 0
        hosts = [int(arc) for arc in path if self.stop[arc] > self.start[arc]]
        speeds: list[dict[int, float]] = [{}, {}]
        for phase in (SERVE, TUNE) if trained else (SERVE,):
            engines = [self.engines[phase][self.node[arc]] for arc in hosts]
            for position, arc in enumerate(hosts):
                level = (levels or {}).get((phase, int(self.node[arc])))
                one = engines[position]
                if level is not None:
                    engines[position] = Engine(one.node, level, level, (level,))
                elif phase == SERVE and self.slowest[arc] > 0:
                    engines[position] = one.from_speed(float(self.slowest[arc]))
            work = (self.clock[phase, g] * self.work_flop[hosts]).tolist()
            left = self.limits[phase] / LOOSE * _USED - float(self.hop_s[phase, path].sum())
            nodes = self.node[hosts].tolist()
            speeds[phase] = dict(zip(nodes, fit(engines, work, left), strict=True))
        # Nodes along the path with what is done before and behind each.
        states: dict[int, tuple[int, int]] = {}
        for arc in path.tolist():
            node, then = int(self.node[arc]), int(self.stop[arc])
            states[node] = states.get(node, (int(self.start[arc]), 0))[0], then
        chosen = instance.configurations[g]
        model = instance.models[instance.model_index[chosen.model]]
        sets = downsets_of(model)
        stops = []
        for n, (before, then) in states.items():
            name, both = instance.nodes[n].name, (speeds[SERVE].get(n), speeds[TUNE].get(n))
            stops.append(stop_between(model, sets, name, before, then, both))
        return CiftPlan.of(chosen, tuple(stops))


def _order(instance: CiftInstance) -> list[int]:
    """Return the nodes in an order in which every link leads forward."""
    heads = {
        node.name: [link.head for link in instance.links_from[node.name]] for node in instance.nodes
    }
    done: dict[str, None] = {}

    for root in heads:
        waiting = [(root, iter(heads[root]))]
        while waiting:
            name, rest = waiting[-1]
            following = next((head for head in rest if head not in done), None)
            if following is None:
                done.setdefault(name)
                waiting.pop()
            else:
                waiting.append((following, iter(heads[following])))
    return [instance.node_index[name] for name in reversed(done)]


def _windows(
    sets: Downsets, sizes: list[Fraction], room: Fraction, first: int
) -> list[tuple[int, int]]:
    """Return the segments (i, j), i <= first, whose sizes sum to at most `room`."""
    if sets.graph:
        held = sets.sums(np.array([float(size) for size in sizes]))
        fits = sets.nested & (held <= float(room))
        near = sets.nested & (np.abs(held - float(room)) <= 1e-9 * float(room))
        for i, j in np.argwhere(near).tolist():
            fits[i, j] = sum((sizes[b] for b in sets.between(i, j)), Fraction(0)) <= room
        return [(int(i), int(j)) for i, j in np.argwhere(fits[: first + 1])]
    sums = [Fraction(0), *accumulate(sizes)]
    return [
        (i, j)
        for i in range(first + 1)
        for j in range(i + 1, len(sums))
        if sums[j] - sums[i] <= room
    ]


def _bits(model: Profile, sets: Downsets, factor: float) -> list[float]:
    """Return the bits behind each downset but the last."""
    if not sets.graph:
        return [model.input_bits, *(b.activation_bits * factor for b in model.blocks[:-1])]
    sizes = [t.bits if t.producer is None else t.bits * factor for t in model.tensors]
    bits: list[float] = (sets.crossing[:-1] @ np.array(sizes)).tolist()
    return bits


def build_placements(instance: CiftInstance) -> Placements:
    """Return the placements of an instance; of configurations alike but for q, one of least S_g."""
    columns: list[list[float]] = []
    stages = [0, 3 * len(instance.nodes)]
    order = _order(instance)
    rank = {n: position for position, n in enumerate(order)}
    training, R = instance.training, instance.requests
    passes = [float(instance.expected_passes(g)) for g in instance.configurations]
    timed = [instance.assured_passes(g) for g in instance.configurations]
    least: dict[tuple[object, ...], int] = {}
    for index, g in enumerate(instance.configurations):
        key = instance.rival(g)
        if key not in least or passes[index] < passes[least[key]]:
            least[key] = index
    windows: dict[tuple[str, Fraction, int, int], list[tuple[int, int]]] = {}
    for index in least.values():
        g = instance.configurations[index]
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        sets = downsets_of(model)
        L = len(sets) - 1
        source = instance.node_index[g.source]
        sent = training.communication_factor * passes[index]
        sent_timed = training.communication_factor * timed[index]
        factor = rational(level.param_factor)
        if passes[index] > 0:
            factor *= rational(training.memory_factor)
        bits = _bits(model, sets, level.activation_factor)
        flops = np.array([b.flops * level.flops_factor for b in model.blocks])
        plain = sets.sums(flops)
        # States of the nodes in reach, numbered as they are met.
        arrived: dict[int, list[int]] = {source: [ROOT]}
        for n in order[rank[source] :]:
            if n not in arrived:
                continue
            placed = [len(stages) + b for b in range(L)] + [GOAL]
            stages += [3 * rank[n] + 2] * L
            room = rational(instance.nodes[n].memory_bytes) / factor
            key_n = (g.model, factor, n, len(arrived[n]))
            if key_n not in windows:
                sizes = [rational(b.param_bytes) for b in model.blocks]
                windows[key_n] = _windows(sets, sizes, room, len(arrived[n]) - 1)
            here = instance.nodes[n]
            weights = instance.factors(here, model)
            work = plain if weights is None else sets.sums(flops * np.array(weights))
            slowest = least_speeds(instance, here, model, level, sets, work)
            top = Engine.of(here).high
            for b, state in enumerate(arrived[n]):
                columns.append([state, placed[b], index, n, b, b, *[0.0] * 5])
            for i, j in windows[key_n]:
                least_speed = 0.0 if slowest is None else float(slowest[i, j])
                if least_speed <= top:
                    figures = float(work[i, j]), least_speed, 0.0, 0.0, 0.0
                    columns.append([arrived[n][i], placed[j], index, n, i, j, *figures])
            for link in instance.links_from[instance.nodes[n].name]:
                head = instance.node_index[link.head]
                if head not in arrived:
                    arrived[head] = [len(stages) + b for b in range(L)]
                    stages += [3 * rank[head] + 1] * L
                wide = open_hops(instance, link, model, level, sets, np.array(bits))
                for b, size in enumerate(bits):
                    if not wide[b]:
                        continue
                    wire = size / link.rate_bit_per_s
                    columns.append(
                        [
                            placed[b],
                            arrived[head][b],
                            index,
                            head,
                            b,
                            b,
                            0.0,
                            0.0,
                            (R + sent) * link.energy_j_per_bit * size,
                            wire + link.delay_s,
                            sent_timed * (wire + link.delay_s / training.batch_size),
                        ]
                    )
    table = np.array(columns, dtype=np.float64).reshape(-1, 11).T
    tail, head, configuration, node, start, stop = table[:6].astype(np.int64)
    tuned = training.compute_factor * np.array(passes, dtype=np.float64)
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    return Placements(
        instance,
        tail,
        head,
        configuration,
        node,
        start,
        stop,
        work_flop=table[6],
        slowest=table[7],
        hop_j=table[8],
        hop_s=table[9:],
        stage=np.array(stages, dtype=np.int64),
        runs=np.array([np.full(len(passes), float(R)), tuned]),
        clock=np.array([np.ones(len(passes)), training.compute_factor * np.array(timed)]),
        engines=(
            tuple(Engine.of(node, charged=R > 0) for node in instance.nodes),
            tuple(Engine.of(node) for node in instance.nodes),
        ),
        limits=tuple(np.inf if d is None else d * LOOSE for d in deadlines),  # type: ignore[arg-type]
    )
