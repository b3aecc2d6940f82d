"""The time-energy graph of CIFT as columns: every plan is a path, every path is a plan.

What the states and arcs mean, and what they cost, is in `splitopt.formulations.cift.flow.arcs`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.pricing import LOOSE
from splitopt.formulations.cift.sweeps import GOAL, ROOT, Sweeps
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, Stop, states_of, stop_between
from splitopt.instances.core.arrays import Bools, Floats, Ints
from splitopt.instances.networks.downsets import downsets_of


@dataclass(frozen=True, slots=True)
class Arcs:
    """Arcs as columns, each of shape (arcs,).

    Attributes
    ----------
    tail, head
        States.
    energy_j, latency_s, time_s
        What the arc adds to E, T_inf and T_ft.
    configuration, node
        Positions; for a hop the node is the one arrived at.
    start, stop
        Blocks done before and after the arc; of a graph, the downsets.
    inference_speed, fine_tuning_speed
        Speeds chosen on this arc, FLOP/s; NaN for none.
    """

    tail: Ints
    head: Ints
    energy_j: Floats
    latency_s: Floats
    time_s: Floats
    configuration: Ints
    node: Ints
    start: Ints
    stop: Ints
    inference_speed: Floats
    fine_tuning_speed: Floats

    def __len__(self) -> int:
        return len(self.tail)

    def take(self, chosen: Bools | Ints) -> Arcs:
        """Return some of the arcs."""
        return Arcs(*(getattr(self, name)[chosen] for name in Arcs.__slots__))


@dataclass(frozen=True, slots=True)
class FlowGraph:
    """The graph of an instance.

    Attributes
    ----------
    arcs
        All arcs.
    states
        Number of states; the root is state 0, the goal state 1.
    stage
        Shape (states,); every arc leads to a higher stage.
    """

    instance: CiftInstance
    arcs: Arcs
    states: int
    stage: Ints

    root = ROOT
    goal = GOAL

    @property
    def limits(self) -> list[tuple[Floats, float]]:
        """The deadlines there are: the seconds of every arc, and the limit as it is kept."""
        pairs = (
            (self.arcs.latency_s, self.instance.inference_deadline_s),
            (self.arcs.time_s, self.instance.fine_tuning_deadline_s),
        )
        return [(seconds, limit * LOOSE) for seconds, limit in pairs if limit is not None]

    @property
    def deadlines(self) -> int:
        """How many deadlines can be priced: those above zero."""
        return sum(limit > 0 for _, limit in self.limits)

    def sweeps(self, arcs: Ints) -> Sweeps:
        """Return the shortest paths over some arcs."""
        return Sweeps(self.arcs.tail[arcs], self.arcs.head[arcs], self.stage)

    def figures(self, arcs: Ints, prices: Floats) -> Floats:
        """Return energy and shares of each deadline, whatever the prices."""
        shares = [seconds[arcs] / limit for seconds, limit in self.limits if limit > 0]
        return np.vstack([self.arcs.energy_j[arcs], *shares])

    def offer(self, best: Incumbent, path: Ints, prices: Floats) -> None:
        """Offer the plan of a path."""
        best.offer(self.plan(path))

    def plan(self, path: Ints) -> CiftPlan:
        """Return the plan that the arcs of a path, in order, stand for."""
        arcs, instance = self.arcs, self.instance
        g = instance.configurations[int(arcs.configuration[path[0]])]
        model = instance.models[instance.model_index[g.model]]
        sets = downsets_of(model)
        stops: list[Stop] = []
        node, speeds = g.source, [float("nan"), float("nan")]
        before = done = 0

        def close() -> None:
            inference, tuning = (None if np.isnan(speed) else speed for speed in speeds)
            stops.append(stop_between(model, sets, node, before, done, (inference, tuning)))

        for arc in path:
            name = instance.nodes[int(arcs.node[arc])].name
            if name != node:
                close()
                node, before, speeds = name, done, [float("nan"), float("nan")]
            done = int(arcs.stop[arc])
            for position, column in enumerate((arcs.inference_speed, arcs.fine_tuning_speed)):
                if not np.isnan(column[arc]):
                    speeds[position] = float(column[arc])
        close()
        return CiftPlan.of(g, tuple(stops))

    def path(self, plan: CiftPlan) -> Ints | None:
        """Return the arcs of a plan's path, None when some arc of it was left out."""
        arcs, instance = self.arcs, self.instance
        chosen = plan.configuration(instance)
        if chosen is None:
            return None
        mine = np.flatnonzero(arcs.configuration == instance.configurations.index(chosen))
        states = states_of(instance.models[instance.model_index[chosen.model]], plan)
        state, done, path = self.root, 0, []
        for position, (stop, then) in enumerate(zip(plan.stops, states, strict=True)):
            node = instance.node_index.get(stop.node, -1)
            steps = [(then, stop.inference_speed_flop_per_s)]
            if position:
                steps.insert(0, (done, None))
            done = then
            for until, speed in steps:
                out = mine[
                    (arcs.tail[mine] == state)
                    & (arcs.node[mine] == node)
                    & (arcs.stop[mine] == until)
                ]
                if speed is not None:
                    out = out[arcs.inference_speed[out] == speed]
                tuning = stop.fine_tuning_speed_flop_per_s
                if speed is not None and tuning is not None:
                    here = out[arcs.fine_tuning_speed[out] == tuning]
                    if not len(here) and len(out):  # the second speed is on an arc of its own
                        path.append(out[0])
                        after = mine[arcs.tail[mine] == arcs.head[out[0]]]
                        here = after[arcs.fine_tuning_speed[after] == tuning]
                    out = here
                if not len(out):
                    return None
                path.append(out[0])
                state = int(arcs.head[out[0]])
        return np.array(path) if state == self.goal else None
