"""Plans as solutions of the assignment model of CIFT, and back."""

from __future__ import annotations

import numpy as np

from splitopt.formulations.cift.assignment.limits import PHASES
from splitopt.formulations.cift.assignment.model import AssignmentModel
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.core.arrays import Bools, Floats


def plan_of(model: AssignmentModel, values: Floats) -> CiftPlan:
    """Return the plan of a solution."""
    on = values > 0.5
    k = next(k for k, column in enumerate(model.y) if on[column])
    choice = model.choices[k]
    # A column of -1 reads the place behind the others.
    on = np.append(on, False)
    if k in model.crossing:
        return _graph_plan(model, values, on, k)
    hosted, crossed = on[model.x[k]], on[model.h[k]]
    place, done = 0, 0
    stops: list[Stop] = []
    while True:
        first = done
        n = choice.reach.nodes[place]
        while done < choice.blocks and hosted[done, place]:
            done += 1
        speeds: list[float | None] = [None, None]
        if done > first:
            for position, phase in enumerate(PHASES):
                speeds[position] = _level(model, values, phase, n)
            if choice.passes == 0:
                speeds[1] = None
        stops.append(Stop(model.instance.nodes[n].name, done - first, speeds[0], speeds[1]))
        if done == choice.blocks:
            chosen = model.instance.configurations[choice.index]
            return CiftPlan.of(chosen, tuple(stops))
        place = next(
            choice.reach.head[link]
            for link in np.flatnonzero(crossed[done])
            if choice.reach.tail[link] == place
        )


def _graph_plan(model: AssignmentModel, values: Floats, on: Bools, k: int) -> CiftPlan:
    """Return the plan of a solution whose network is a graph."""
    choice, crossing = model.choices[k], model.crossing[k]
    taken, ends, hosted = on[crossing.u], on[crossing.e], on[model.x[k]]
    place = 0
    stops: list[Stop] = []
    while True:
        n = choice.reach.nodes[place]
        blocks = np.flatnonzero(hosted[:, place]).tolist()
        names = tuple(crossing.model.blocks[b].name for b in blocks)
        speeds = [_level(model, values, phase, n) if names else None for phase in PHASES]
        if choice.passes == 0:
            speeds[1] = None
        node = model.instance.nodes[n].name
        stops.append(Stop(node, len(names), speeds[0], speeds[1], names))
        if ends[place]:
            chosen = model.instance.configurations[choice.index]
            return CiftPlan.of(chosen, tuple(stops))
        leaving = np.flatnonzero(taken & (choice.reach.tail == place))
        place = int(choice.reach.head[leaving[0]])


def _level(model: AssignmentModel, values: Floats, phase: str, n: int) -> float | None:
    levels = {f: values[c] for (p, m, f), c in model.z.items() if (p, m) == (phase, n)}
    return max(levels, key=lambda f: levels[f]) if levels else None


def raised(model: AssignmentModel, plan: CiftPlan) -> tuple[Floats, bool]:
    """Return a plan as a solution as far as the model has its columns, and whether it has all."""
    values = np.zeros(model.columns)
    g = plan.configuration(model.instance)
    k = next(
        (k for k, c in enumerate(model.choices) if model.instance.configurations[c.index] == g),
        None,
    )
    if k is None:
        return values, False
    choice = model.choices[k]
    wanted: list[tuple[int, float]] = [(model.y[k], 1.0)]
    if k in model.crossing:
        # What crosses is for the solver to fill in.
        return values, False
    done, last = 0, -1
    for stop in plan.stops:
        n = model.instance.node_index[stop.node]
        if last >= 0:
            link = choice.reach.links.index((last, n))
            wanted.append((model.h[k][done, link], 1.0))
        place = choice.reach.nodes.index(n)
        wanted += [(c, 1.0) for c in model.x[k][done : done + stop.blocks, place].tolist()]
        work = choice.work[place]
        total = float(work.sum())
        share = float(work[done : done + stop.blocks].sum() / total) if total else 0.0
        speeds = (stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s)
        for phase, speed in zip(PHASES, speeds, strict=True):
            if speed is not None:
                wanted.append((model.z.get((phase, n, speed), -1), 1.0))
                wanted.append((model.v.get((phase, k, n, speed), -1), share))
        done, last = done + stop.blocks, n
    for column, value in wanted:
        if column >= 0:
            values[column] = value
    for deadline in model.deadlines:
        for column, value in deadline.lateness(values).items():
            values[column] = value
    return values, all(column >= 0 for column, _ in wanted)


def fitting(model: AssignmentModel, plan: CiftPlan) -> Floats | None:
    """Return a plan as a solution, None when it uses what was left out."""
    values, complete = raised(model, plan)
    return values if complete else None
