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

import numpy as np

from splitopt.formulations.cift.chances import SERVE, TUNE
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.outer.doubt import InDoubt
from splitopt.formulations.cift.outer.fitting import fit_in_doubt
from splitopt.formulations.cift.outer.speeds import Engine, fit, joules_per_flop
from splitopt.formulations.cift.pricing import LOOSE
from splitopt.formulations.cift.sweeps import Sweeps
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, stop_between
from splitopt.instances.core.arrays import Bools, Floats, Ints
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import downsets_of

__all__ = ["SERVE", "TUNE", "Placements"]


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
    often
        Shape (2, arcs): how many seconds one of computing counts as; other than 1 in doubt alone.
        With `hop_s`, what every plan keeps.
    kinds, kind
        Shape (kinds, 2): how often each deadline counts what energy counts once (a request for
        serving); which of them an arc has.
    doubts
        What is in doubt of the network, by phase; None where nothing is.
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
    often: Floats
    kinds: Floats
    kind: Ints
    doubts: tuple[InDoubt, InDoubt] | None
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

    def speeds(self, prices: Floats, counted: tuple[float, float] = (1.0, 1.0)) -> Floats:
        """Return the best speed of each node, shape (2, nodes), at prices in J a deadline.

        Parameters
        ----------
        counted
            How often each deadline counts what energy counts once.
        """
        found = np.zeros((2, len(self.instance.nodes)))
        price = dict(zip(self.priced, prices.tolist(), strict=True))
        # A price of lambda on T / tau is one of lambda / tau on a second of T; serving is
        # charged R times.
        charge = (float(self.runs[SERVE, 0]), 1.0)
        for phase in (SERVE, TUNE):
            share = price.get(phase, 0.0) / self.limits[phase] if phase in price else 0.0
            watts = share * counted[phase] / charge[phase] if charge[phase] > 0 else 0.0
            found[phase] = [engine.speed(watts) for engine in self.engines[phase]]
        return found

    def seconds(self, arcs: Ints, phase: int, speeds: Floats) -> Floats:
        """Return what arcs add to the time of a phase at a speed for each node."""
        computing = self.work_flop[arcs] / speeds[self.node[arcs]] * self.often[phase, arcs]
        counted = self.clock[phase, self.configuration[arcs]] * computing
        total: Floats = counted + self.hop_s[phase, arcs]
        return total

    def figures(self, arcs: Ints, prices: Floats) -> Floats:
        """Return energy and shares of the deadlines at the speeds best at these prices."""
        # In doubt the clock may count other passes than energy, and the best speeds differ by that.
        found = np.empty((1 + len(self.priced), len(arcs)))
        kind = self.kind[arcs]
        for value in np.unique(kind).tolist():
            alike = np.flatnonzero(kind == value)
            serve, tune = self.kinds[value].tolist()
            found[:, alike] = self._figures(arcs[alike], self.speeds(prices, (serve, tune)))
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

    def plan(
        self,
        path: Ints,
        levels: Mapping[tuple[int, int], float] | None = None,
        late: tuple[Bools | None, Bools | None] = (None, None),
    ) -> CiftPlan:
        """Return a path's plan with speeds fitted to the deadlines, the highest where none do.

        Parameters
        ----------
        path
            Arcs in order.
        levels
            Speeds to keep, by phase and node.
        late
            By phase, the atoms that may be late; None: whichever are latest.
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
            limit = self.limits[phase] / LOOSE * _USED
            if self.doubts is None:
                found = fit(engines, work, limit - float(self.hop_s[phase, path].sum()))
            else:
                at, along = np.array(hosts, dtype=np.int64), np.asarray(path)
                demand = self.doubts[phase].demand(at, along, limit, late[phase])
                found = fit_in_doubt(engines, work, demand)
            speeds[phase] = dict(zip(self.node[hosts].tolist(), found, strict=True))
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
