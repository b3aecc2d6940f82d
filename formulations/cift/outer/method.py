r"""CIFT with continuous speeds by outer approximation: MILPs alone, certified.

With t seconds for w FLOP a host takes ``kappa w^3 / t^2 + rho t`` joules: convex, homogeneous of
degree one, and for every speed f0 at least its tangent there::

    e >= kappa (3 f0^2 w - 2 f0^3 t) + rho t

Variables
---------
- ``x_a`` in {0, 1}, arc a of the graph of placements (`splitopt.formulations.cift.outer.graph`);
- on a node with an interval [low, high], a configuration and a phase each: ``u`` (share of the
  chain's FLOP done there), ``t`` (its time, in units of the chain's at `high`), ``e`` (its
  energy, likewise);
- on a node with a list: ``v_f`` (share done at level f) and ``z_f`` in {0, 1}.

Constraints
-----------
::

    x is a unit flow from the root to the goal
    u = sum of shares x,    u <= t <= (high / low) u
    e >= A (3 phi^2 u - 2 phi^3 t) + (1 - A) t       for each phi = f0 / high touched so far
    sum_f v_f = sum of shares x,    v_f <= z_f,    sum_f z_f <= 1
    seconds of hops, t and v <= tau                   each deadline

A = kappa high^2 / (kappa high^2 + rho / high) is the part of the energy at the highest speed that
grows with speed. `low` is not below the critical speed: slower costs more and takes longer.

In doubt of the network the deadlines are the rows of `splitopt.formulations.cift.doubtful` over the
same columns, and prices are on what every plan keeps; rho is the expected one.

Objective
---------
``min`` energy of hops, fixed speeds, e and v. Every MILP bounds the optimum from below.

Rounds
------
First the deadlines are priced (`splitopt.formulations.cift.pricing`), which leaves few arcs and
gives the speeds of the relaxation; tangents start there and on a geometric grid. Each placement
that HiGHS finds gets its best speeds (`splitopt.formulations.cift.outer.speeds`), which makes it a
plan, and tangents at these speeds, after which the model values that placement right (Duran and
Grossmann 1986). So the rounds end with a bound that meets the best plan.

In doubt the speeds are the best for the atoms that the MILP lets be late
(`splitopt.formulations.cift.outer.fitting`), and the cone gets a tangent there too. All times fall
as speeds rise, so a placement with its levels is cut off only where the judge rejects it at the
highest speeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from splitopt.formulations.cift.doubtful import extended, root_tangents
from splitopt.formulations.cift.exact import AnySpeeds
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.milp import Formulation, Row, prove
from splitopt.formulations.cift.outer.building import build_placements
from splitopt.formulations.cift.outer.graph import SERVE, TUNE, Placements
from splitopt.formulations.cift.outer.model import OuterModel
from splitopt.formulations.cift.planes import HighsPlanes
from splitopt.formulations.cift.pricing import climb, within
from splitopt.formulations.solvers.parameters import HIGHS
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Option, Result, Termination
from splitopt.instances.core.arrays import Floats, Ints


class CiftOuter(AnySpeeds):
    """Tangents and MILPs in HiGHS; listed and continuous speeds."""

    name = "highs-oa"
    takes = BEYOND
    doubt = KINDS
    parameters = HIGHS
    options: tuple[Option, ...] = (
        Option("grid", 0.25, "step of the geometric grid of first tangents", minimum=0.001),
    )

    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        graph = build_placements(instance)
        arcs = np.arange(len(graph.tail))
        built = best.recorder.elapsed_s
        best.statistics |= {"arcs": len(arcs), "build_s": built}
        for phase in (SERVE, TUNE):
            limit, seconds = graph.limits[phase], graph.fastest(arcs, phase)
            share = seconds / limit if limit > 0 else np.where(seconds > 0, np.inf, 0.0)
            arcs = within(graph, arcs, share)
        best.statistics["arcs_in_time"] = len(arcs)
        arcs, cutoff, prices = climb(graph, arcs, best, best.budget.relative_gap / 2, HighsPlanes)
        best.statistics |= {
            "root_bound": best.bound * best.units.joule,
            "reduce_s": best.recorder.elapsed_s - built,
        }
        if not len(arcs):
            return best.result(Termination.SOLVED, exhausted=cutoff)
        if best.closed:
            return best.result(Termination.SOLVED)
        return _rounds(best, graph, arcs, cutoff, prices, float(chosen["grid"]), seed)


def _first_tangents(model: OuterModel, prices: Floats, step: float) -> list[Row]:
    """Return tangents on a geometric grid and at the speeds best at `prices`."""
    speeds = model.graph.speeds(prices)
    rows: list[Row] = []
    for phase, n in {(g.phase, g.node) for g in model.groups if g.engine.levels is None}:
        engine = model.graph.engines[phase][n]
        count = max(1, math.ceil(math.log(engine.high / engine.low) / math.log1p(step)))
        for f in np.geomspace(engine.low, engine.high, count + 1).tolist():
            rows += model.touch(phase, n, f)
        rows += model.touch(phase, n, float(speeds[phase, n]))
    return rows


def _tangents_at(model: OuterModel, plan: CiftPlan) -> list[Row]:
    """Return tangents at a plan's speeds, and elsewhere at the speeds of the same price.

    In a phase all hosts inside their intervals have the same price of time,
    ``2 kappa f^3 - rho``; at that price the other nodes would run at speeds of their own.
    """
    rows: list[Row] = []
    prices: dict[int, float] = {}
    for stop in plan.hosts:
        n = model.graph.instance.node_index[stop.node]
        speeds = (stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s)
        for phase, speed in zip((SERVE, TUNE), speeds, strict=True):
            if speed is None:
                continue
            rows += model.touch(phase, n, speed)
            engine = model.graph.engines[phase][n]
            if engine.low < speed < engine.high:
                node = engine.node
                prices[phase] = 2 * node.kappa_j_s2_per_flop3 * speed**3 - node.busy_power_w
    for phase, n in list(model.tangents):
        if phase in prices:
            rows += model.touch(phase, n, model.graph.engines[phase][n].speed(prices[phase]))
    return rows


def _rounds(
    best: Incumbent,
    graph: Placements,
    arcs: Ints,
    cutoff: float,
    prices: Floats,
    step: float,
    seed: int,
) -> Result:
    """Solve MILPs, each with the tangents that the placements found ask for."""
    scale = best.objective_scale(1.0)
    model = OuterModel(graph, arcs, scale)
    fresh: list[Row] = []

    def read(values: Floats) -> tuple[CiftPlan, Ints]:
        path, levels = model.path(values), model.levels(values)
        best.offer(graph.plan(arcs[path]))
        kept = {key[:2]: key[2] for key in levels}
        plan = graph.plan(arcs[path], kept, model.late(values))
        fresh.extend(_tangents_at(model, plan))
        found = model.values(plan)
        for _, deadline in model.deadlines:
            fresh.extend(deadline.tangents(values))
            if found is not None:
                fresh.extend(deadline.tangents(found, inside=True))
        return plan, np.append(path, np.array(list(levels.values()), dtype=np.int64))

    def refine() -> list[Row]:
        rows = list(fresh)
        fresh.clear()
        return rows

    first = model.sparse(_first_tangents(model, prices, step))
    rows = root_tangents(first, [d for _, d in model.deadlines], lambda: best.remaining_s == 0)
    form = Formulation(
        extended(first, rows),
        scale=scale,
        read=read,
        support=model.support,
        start=lambda: None if best.plan is None else model.values(best.plan),
        refine=refine,
        cuts=lambda columns: refine(),
        cutoff=cutoff,
    )
    return prove(best, form, seed)


METHOD = CiftOuter()
