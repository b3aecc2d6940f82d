"""Columns and rows of the outer approximation of CIFT (see `method`)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from splitopt.formulations.cift.chances import elements
from splitopt.formulations.cift.doubtful import Deadline, Spent
from splitopt.formulations.cift.milp import Row
from splitopt.formulations.cift.outer.doubt import InDoubt
from splitopt.formulations.cift.outer.graph import SERVE, TUNE, Placements
from splitopt.formulations.cift.outer.speeds import Engine, joules_per_flop
from splitopt.formulations.cift.sweeps import GOAL, ROOT
from splitopt.formulations.solvers.highs import WIDE, SparseModel
from splitopt.instances.cift.plan import CiftPlan, states_of
from splitopt.instances.core.arrays import Bools, Floats, Ints

_APART = 1e-7  # relative distance of a new tangent from those there are


@dataclass(frozen=True, slots=True)
class _Group:
    """One configuration on one node in one phase, its speed open.

    Attributes
    ----------
    segments, shares
        Columns of x, and the share of the chain's FLOP in each.
    work
        FLOP of the whole chain, all runs that the deadline counts.
    dearest_j
        Energy of the whole chain at the highest speed, all runs.
    steep
        The part of that energy that grows with the square of the speed.
    columns
        u, t, e on an interval; v of each level in a list.
    """

    phase: int
    node: int
    engine: Engine
    segments: Ints
    shares: Floats
    work: float
    dearest_j: float
    steep: float
    columns: tuple[int, ...] = ()


class OuterModel:
    """The MILP over some arcs of the placements."""

    def __init__(self, graph: Placements, arcs: Ints, scale: float) -> None:
        self.graph = graph
        self.arcs = arcs
        self._cost: list[float] = graph.hop_j[arcs].tolist()
        self._upper: list[float] = [1.0] * len(arcs)
        self._integer: list[bool] = [True] * len(arcs)
        self._rows: list[Row] = []
        self._lookup = {
            (int(graph.tail[arc]), int(graph.node[arc]), int(graph.stop[arc])): position
            for position, arc in enumerate(arcs)
        }
        self._clock = [graph.hop_s[phase, arcs].copy() for phase in (SERVE, TUNE)]
        self._timed: list[list[tuple[int, float]]] = [[], []]
        # In doubt: column, arc and nominal seconds of what computes; what the column is at most.
        self._computing: list[list[tuple[int, int, float, float]]] = [[], []]
        self.deadlines: list[tuple[int, Deadline]] = []
        self._level: dict[tuple[int, int, float], int] = {}
        self.tangents: dict[tuple[int, int], list[float]] = {}
        self.groups: list[_Group] = []
        self._open()
        self._flow()
        self._deadlines()
        self._scale = scale

    # -- variables ---------------------------------------------------------------------------

    def _new(self, energy_j: float, upper: float, *, integer: bool = False) -> int:
        self._cost.append(energy_j)
        self._upper.append(upper)
        self._integer.append(integer)
        return len(self._cost) - 1

    def _share(self, whole: bool) -> int:
        return self._new(0.0, 1.0, integer=whole)

    def _row(self, lower: float, upper: float, terms: dict[int, float]) -> None:
        columns = np.array(list(terms), dtype=np.int32)
        self._rows.append(Row(lower, upper, columns, np.array(list(terms.values()))))

    def _open(self) -> None:
        """Add the speeds: fixed ones go into the arcs, others get columns of their own."""
        graph, arcs = self.graph, self.arcs
        hosting = np.flatnonzero(graph.work_flop[arcs] > 0)
        members = defaultdict(list)
        for position in hosting.tolist():
            arc = arcs[position]
            members[int(graph.configuration[arc]), int(graph.node[arc])].append(position)
        instance = graph.instance
        for (g, n), positions in members.items():
            chosen = instance.configurations[g]
            model = instance.models[instance.model_index[chosen.model]]
            level = instance.compressions[instance.compression_index[chosen.compression]]
            segments = np.array(positions)
            # With factors a segment may be more than the chain.
            most = float(graph.work_flop[arcs[segments]].max())
            chain = max(model.flops * level.flops_factor, most)
            shares = graph.work_flop[arcs[segments]] / chain
            for phase in (SERVE, TUNE):
                if graph.clock[phase, g] == 0 and graph.runs[phase, g] == 0:
                    continue
                engine = graph.engines[phase][n]
                work = float(graph.clock[phase, g]) * chain
                dearest = joules_per_flop(engine.node, engine.high)
                energy = float(graph.runs[phase, g]) * chain * dearest
                if engine.fixed:
                    for position, share in zip(positions, shares.tolist(), strict=True):
                        self._cost[position] += energy * share
                        seconds = work * share / engine.high
                        self._clock[phase][position] += seconds
                        self._computing[phase].append((position, int(arcs[position]), seconds, 1.0))
                    continue
                steep = engine.node.kappa_j_s2_per_flop3 * engine.high**2 / dearest
                self._add(_Group(phase, n, engine, segments, shares, work, energy, steep))
        self._one_level()

    def _add(self, group: _Group) -> None:
        """Add what a configuration may compute on a node in a phase."""
        phase, n, engine, work = group.phase, group.node, group.engine, group.work
        segments, shares = group.segments, group.shares
        arc = int(self.arcs[segments[0]])
        if engine.levels is None:
            slowest = engine.high / engine.low
            u, t = self._new(0.0, 1.0), self._new(0.0, slowest)
            columns: tuple[int, ...] = (u, t, self._new(group.dearest_j, 1.0))
            self._timed[phase].append((t, work / engine.high))
            self._computing[phase].append((t, arc, work / engine.high, slowest))
            self._row(0.0, np.inf, {t: 1.0, u: -1.0})
            self._row(-np.inf, 0.0, {t: 1.0, u: -slowest})
            least = self.graph.slowest[self.arcs[segments]]
            if phase == SERVE and (least > engine.low).any():
                longest = -shares * engine.high / np.maximum(least, engine.low)
                terms = dict(zip(segments.tolist(), longest.tolist(), strict=True))
                self._row(-np.inf, 0.0, {t: 1.0} | terms)
            done = {u: 1.0}
        else:
            dearest = joules_per_flop(engine.node, engine.high)
            found = []
            for f in engine.levels:
                v = self._new(group.dearest_j * joules_per_flop(engine.node, f) / dearest, 1.0)
                self._timed[phase].append((v, work / f))
                self._computing[phase].append((v, arc, work / f, 1.0))
                if (phase, n, f) not in self._level:
                    self._level[phase, n, f] = self._new(0.0, 1.0, integer=True)
                found.append(v)
            columns = tuple(found)
            done = dict.fromkeys(found, 1.0)
        pairs = zip(segments.tolist(), (-shares).tolist(), strict=True)
        self._row(0.0, 0.0, done | dict(pairs))
        self.groups.append(replace(group, columns=columns))

    # -- constraints -------------------------------------------------------------------------

    def _one_level(self) -> None:
        """State that a node with a list computes at one level a phase."""
        at = defaultdict(list)
        for group in self.groups:
            for f, v in zip(group.engine.levels or (), group.columns, strict=False):
                at[group.phase, group.node, f].append(v)
        one = defaultdict(list)
        for key, z in self._level.items():
            self._row(-np.inf, 0.0, dict.fromkeys(at[key], 1.0) | {z: -1.0})
            one[key[:2]].append(z)
            phase, n, f = key
            here = (self.graph.node[self.arcs] == n) & (self.graph.slowest[self.arcs] > f)
            if phase == SERVE and here.any():
                late = np.flatnonzero(here).tolist()
                self._row(-np.inf, 1.0, dict.fromkeys(late, 1.0) | {z: 1.0})
        for levels in one.values():
            self._row(-np.inf, 1.0, dict.fromkeys(levels, 1.0))

    def _flow(self) -> None:
        """State that the arcs taken make a path."""
        balance: dict[int, dict[int, float]] = defaultdict(dict)
        tails, heads = self.graph.tail[self.arcs].tolist(), self.graph.head[self.arcs].tolist()
        for position, (tail, head) in enumerate(zip(tails, heads, strict=True)):
            balance[tail][position] = 1.0
            balance[head][position] = -1.0
        for state, terms in balance.items():
            due = float(state == ROOT) - float(state == GOAL)
            self._row(due, due, terms)

    def _deadlines(self) -> None:
        if self.graph.doubts is not None:
            self._in_doubt(self.graph.doubts)
            return
        for phase in self.graph.priced:
            limit = self.graph.limits[phase]
            terms = {p: s / limit for p, s in enumerate(self._clock[phase].tolist()) if s > 0}
            terms |= {column: seconds / limit for column, seconds in self._timed[phase]}
            self._row(-np.inf, WIDE, terms)

    def _in_doubt(self, doubts: tuple[InDoubt, InDoubt]) -> None:
        for phase, doubt in enumerate(doubts):
            limit = self.graph.limits[phase]
            if limit == np.inf:
                continue
            hop = np.flatnonzero((doubt.certain + doubt.doubtful)[self.arcs])
            columns, arcs, most = hop, self.arcs[hop], np.ones(len(hop))
            certain, doubtful = doubt.certain[arcs], doubt.doubtful[arcs]
            if self._computing[phase]:
                column, arc, seconds, upper = (
                    np.array(part) for part in zip(*self._computing[phase], strict=True)
                )
                columns, arcs = np.append(columns, column), np.append(arcs, arc)
                certain = np.append(certain, np.zeros(len(column)))
                doubtful, most = np.append(doubtful, seconds), np.append(most, upper)
            whose = self.graph.configuration[arcs]
            spent = Spent(columns, whose, doubt.element[arcs], certain, doubtful, most)
            ends = elements(self.graph.instance)
            found = Deadline(doubt.chance, ends, spent, limit, self._share)
            self._rows += found.rows
            self.deadlines.append((phase, found))

    def late(self, values: Floats) -> tuple[Bools | None, Bools | None]:
        """Return which atoms a solution lets be late, by phase; None where none can be."""
        found: list[Bools | None] = [None, None]
        for phase, deadline in self.deadlines:
            if deadline.late:
                atoms = np.zeros(deadline.atoms, dtype=np.bool_)
                atoms[list(deadline.late)] = values[list(deadline.late.values())] > 0.5
                found[phase] = atoms
        return found[0], found[1]

    def touch(self, phase: int, n: int, speed: float) -> list[Row]:
        """Return the tangents at a speed of a node, unless they are there already."""
        known = self.tangents.setdefault((phase, n), [])
        if any(abs(speed - f) <= _APART * f for f in known):
            return []
        known.append(speed)
        rows = []
        for group in self.groups:
            if (group.phase, group.node) != (phase, n) or group.engine.levels is not None:
                continue
            u, t, e = group.columns
            phi, a = speed / group.engine.high, group.steep
            values = np.array([-3 * a * phi**2, 2 * a * phi**3 - (1 - a), 1.0])
            rows.append(Row(0.0, np.inf, np.array([u, t, e], dtype=np.int32), values))
        return rows

    # -- the model and its solutions ---------------------------------------------------------

    @property
    def support(self) -> int:
        """The most that the columns of a solution with one level a node sum to."""
        spread = max((g.engine.high / g.engine.low for g in self.groups), default=1.0)
        late = sum(deadline.added for _, deadline in self.deadlines)
        return int(len(self.graph.instance.nodes) * (3 + 2 * (4 + spread))) + 1 + late

    def sparse(self, tangents: list[Row]) -> SparseModel:
        """Return the model with some tangents."""
        rows = self._rows + tangents
        sizes = [len(row.columns) for row in rows]
        return SparseModel(
            cost=np.array(self._cost) * self._scale,
            lower=np.zeros(len(self._cost)),
            upper=np.array(self._upper),
            integer=np.array(self._integer, dtype=np.bool_),
            row_lower=np.array([row.lower for row in rows]),
            row_upper=np.array([row.upper for row in rows]),
            row=np.repeat(np.arange(len(rows)), sizes),
            column=np.concatenate([row.columns for row in rows]).astype(np.int64),
            value=np.concatenate([row.values for row in rows]),
        )

    def path(self, values: Floats) -> Ints:
        """Return the path a solution takes, as columns of x."""
        taken = np.flatnonzero(values[: len(self.arcs)] > 0.5)
        leaving = {int(self.graph.tail[self.arcs[p]]): int(p) for p in taken}
        path, state = [], ROOT
        while state != GOAL:
            path.append(leaving[state])
            state = int(self.graph.head[self.arcs[path[-1]]])
        return np.array(path)

    def levels(self, values: Floats) -> dict[tuple[int, int, float], int]:
        """Return the levels a solution uses, with their columns."""
        used = {
            (group.phase, group.node, f)
            for group in self.groups
            for f, v in zip(group.engine.levels or (), group.columns, strict=False)
            if values[v] > 1e-6
        }
        return {key: z for key, z in self._level.items() if key in used and values[z] > 0.5}

    def values(self, plan: CiftPlan) -> Floats | None:
        """Return a plan as a solution, None when it uses what was left out."""
        graph, instance = self.graph, self.graph.instance
        values = np.zeros(len(self._cost))
        speeds: dict[tuple[int, int], float] = {}
        state, done = ROOT, 0
        chosen = plan.configuration(instance)
        states = states_of(instance.models[instance.model_index[plan.model]], plan)
        for number, (stop, then) in enumerate(zip(plan.stops, states, strict=True)):
            n = instance.node_index[stop.node]
            for until in (done, then) if number else (then,):
                position = self._lookup.get((state, n, until))
                if position is None:
                    return None
                values[position] = 1.0
                arc = self.arcs[position]
                if instance.configurations[int(graph.configuration[arc])] != chosen:
                    return None
                state = int(graph.head[arc])
            done = then
            if stop.inference_speed_flop_per_s is not None:
                speeds[SERVE, n] = stop.inference_speed_flop_per_s
            if stop.fine_tuning_speed_flop_per_s is not None:
                speeds[TUNE, n] = stop.fine_tuning_speed_flop_per_s
        for group in self.groups:
            share = float(group.shares @ values[group.segments])
            speed = speeds.get((group.phase, group.node))
            if share == 0 or speed is None:
                continue
            engine = group.engine
            if engine.levels is None:
                cost = joules_per_flop(engine.node, speed)
                u, t, e = group.columns
                values[u], values[t] = share, share * engine.high / speed
                values[e] = share * cost / joules_per_flop(engine.node, engine.high)
            elif speed in engine.levels:
                values[group.columns[engine.levels.index(speed)]] = share
                values[self._level[group.phase, group.node, speed]] = 1.0
            else:
                return None
        for _, deadline in self.deadlines:
            for column, value in deadline.lateness(values).items():
                values[column] = value
        return values
