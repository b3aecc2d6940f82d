"""The columns and rows of the assignment model of CIFT (see `cift_assignment`)."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.assignment.choices import Choice, choices_of
from splitopt.formulations.cift.assignment.graphs import Crossing, add_crossing, add_path
from splitopt.formulations.cift.assignment.limits import (
    PHASES,
    Seconds,
    add_limits,
    busy,
    hosting,
    narrow,
    sending,
)
from splitopt.formulations.cift.chances import Chance, chances, expected
from splitopt.formulations.cift.doubtful import Deadline
from splitopt.formulations.solvers.highs import WIDE, SparseModel
from splitopt.instances.cift.model import CiftInstance, Compression, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.core.exact import rational
from splitopt.instances.networks.profiles import Profile

__all__ = ["PHASES", "AssignmentModel", "build_model"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class AssignmentModel:
    """Columns by what they mean, and rows as they are written, whole arrays at a time.

    Attributes
    ----------
    y, x, h, z, v
        Column of each variable: y[k], x[k][b, n], h[k][b, link], z[phase, n, f],
        v[phase, k, n, f]; k numbers `choices`, blocks and cuts count from 0, n and link are places
        in the reach of k; -1 where there is no column.
    energy_j
        Objective.
    """

    def __init__(
        self,
        instance: CiftInstance,
        choices: list[Choice],
        in_doubt: tuple[Chance, Chance] | None = None,
    ) -> None:
        self.instance = instance
        self.chances = in_doubt
        self.deadlines: list[Deadline] = []
        self.choices = choices
        self.y: list[int] = []
        self.x: list[Ints] = []
        self.h: list[Ints] = []
        self.crossing: dict[int, Crossing] = {}  # of the choices whose network is a graph
        self.z: dict[tuple[str, int, float], int] = {}
        self.v: dict[tuple[str, int, int, float], int] = {}
        self.columns = 0
        self.rows = 0
        self._energy: list[Floats] = []
        self._continuous: list[Ints] = []
        self._ruled_out: list[Ints] = []
        self._entries: list[tuple[Ints, Ints, Floats]] = []
        self._ends: list[tuple[int, float, float]] = []

    def network(self, k: int) -> Profile:
        """Return the network of a choice."""
        g = self.instance.configurations[self.choices[k].index]
        return self.instance.models[self.instance.model_index[g.model]]

    def level(self, k: int) -> Compression:
        """Return the compression of a choice."""
        g = self.instance.configurations[self.choices[k].index]
        return self.instance.compressions[self.instance.compression_index[g.compression]]

    def new(self, energy_j: Floats | list[float]) -> Ints:
        """Add binary columns, with their energies; return them."""
        self._energy.append(np.asarray(energy_j))
        self.columns += len(energy_j)
        return np.arange(self.columns - len(energy_j), self.columns)

    def share(self, whole: bool) -> int:
        """Add a column from 0 to 1 that costs nothing, 0-1 if `whole`; return it."""
        column = self.new([0.0])
        if not whole:
            self.relax(column)
        return int(column[0])

    def relax(self, columns: Ints) -> None:
        """Let columns take fractions."""
        self._continuous.append(columns)

    def rule_out(self, columns: Ints) -> None:
        """Hold columns at zero."""
        self._ruled_out.append(columns)

    def add_rows(self, row: Ints, column: Ints, value: Floats, lower: float, upper: float) -> None:
        """Add the rows that have entries; `row` numbers them from 0, with gaps."""
        there = np.bincount(row) > 0
        number = self.rows - 1 + np.cumsum(there)
        count = int(there.sum())
        self._entries.append((number[row], column, value))
        self._ends.append((count, lower, upper))
        self.rows += count

    @cached_property
    def energy_j(self) -> Floats:
        """Joules of each column."""
        return np.concatenate(self._energy)

    @cached_property
    def binary(self) -> Bools:
        """Which columns are integer."""
        whole = np.ones(self.columns, dtype=np.bool_)
        whole[np.concatenate(self._continuous)] = False
        return whole

    @property
    def support(self) -> int:
        """The most columns that are not zero in a solution whose levels do not mix."""
        most = 1 + max(c.blocks for c in self.choices) + 5 * len(self.instance.nodes)
        most += sum(deadline.added for deadline in self.deadlines)
        return most + max(
            (c.d.size + c.t.size + c.u.size for c in self.crossing.values()), default=0
        )

    @property
    def least_energy_j(self) -> float:
        """A guess at the optimum: the least positive cost of a whole chain on one node."""
        whole = self.energy_j[list(self.v.values())]
        return float(min(whole[whole > 0], default=0.0))

    @property
    def floor_j(self) -> float:
        """A bound: each block where and as fast as it is cheapest, hops for nothing."""
        cheapest = [min(joules for _, joules in _efficient(n)) for n in self.instance.nodes]
        found = []
        for choice in self.choices:
            joules = choice.work * np.array(cheapest)[choice.reach.nodes][:, None]
            runs = self.instance.requests + self.instance.training.compute_factor * choice.passes
            found.append(float(runs * joules.min(axis=0).sum()))
        return min(found, default=0.0)

    def sparse(self, scale: float) -> SparseModel:
        """Return the model, its objective times `scale`."""
        upper = np.ones(self.columns)
        for columns in self._ruled_out:
            upper[columns] = 0.0
        counts, row_lower, row_upper = zip(*self._ends, strict=True)
        row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        return SparseModel(
            cost=self.energy_j * scale,
            lower=np.zeros(self.columns),
            upper=upper,
            integer=self.binary,
            row_lower=np.repeat(row_lower, counts),
            row_upper=np.repeat(row_upper, counts),
            row=row,
            column=column,
            value=value,
        )

    def plan(self, values: Floats) -> CiftPlan:
        """Return the plan of a solution."""
        on = values > 0.5
        k = next(k for k, column in enumerate(self.y) if on[column])
        choice = self.choices[k]
        # A column of -1 reads the place behind the others.
        on = np.append(on, False)
        if k in self.crossing:
            return self._graph_plan(values, on, k)
        hosted, crossed = on[self.x[k]], on[self.h[k]]
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
                    speeds[position] = self._level(values, phase, n)
                if choice.passes == 0:
                    speeds[1] = None
            stops.append(Stop(self.instance.nodes[n].name, done - first, speeds[0], speeds[1]))
            if done == choice.blocks:
                chosen = self.instance.configurations[choice.index]
                return CiftPlan.of(chosen, tuple(stops))
            place = next(
                choice.reach.head[link]
                for link in np.flatnonzero(crossed[done])
                if choice.reach.tail[link] == place
            )

    def _graph_plan(self, values: Floats, on: Bools, k: int) -> CiftPlan:
        """Return the plan of a solution whose network is a graph."""
        choice, crossing = self.choices[k], self.crossing[k]
        taken, ends, hosted = on[crossing.u], on[crossing.e], on[self.x[k]]
        place = 0
        stops: list[Stop] = []
        while True:
            n = choice.reach.nodes[place]
            blocks = np.flatnonzero(hosted[:, place]).tolist()
            names = tuple(crossing.model.blocks[b].name for b in blocks)
            speeds = [self._level(values, phase, n) if names else None for phase in PHASES]
            if choice.passes == 0:
                speeds[1] = None
            node = self.instance.nodes[n].name
            stops.append(Stop(node, len(names), speeds[0], speeds[1], names))
            if ends[place]:
                chosen = self.instance.configurations[choice.index]
                return CiftPlan.of(chosen, tuple(stops))
            leaving = np.flatnonzero(taken & (choice.reach.tail == place))
            place = int(choice.reach.head[leaving[0]])

    def _level(self, values: Floats, phase: str, n: int) -> float | None:
        levels = {f: values[c] for (p, m, f), c in self.z.items() if (p, m) == (phase, n)}
        return max(levels, key=lambda f: levels[f]) if levels else None

    def raised(self, plan: CiftPlan) -> Floats:
        """Return a plan as a solution, as far as the model has its columns."""
        return self._spread(plan)[0]

    def values(self, plan: CiftPlan) -> Floats | None:
        """Return a plan as a solution, None when it uses what was left out."""
        values, complete = self._spread(plan)
        return values if complete else None

    def _spread(self, plan: CiftPlan) -> tuple[Floats, bool]:
        values = np.zeros(self.columns)
        g = plan.configuration(self.instance)
        k = next(
            (k for k, c in enumerate(self.choices) if self.instance.configurations[c.index] == g),
            None,
        )
        if k is None:
            return values, False
        choice = self.choices[k]
        wanted: list[tuple[int, float]] = [(self.y[k], 1.0)]
        if k in self.crossing:
            # What crosses is for the solver to fill in.
            return values, False
        done, last = 0, -1
        for stop in plan.stops:
            n = self.instance.node_index[stop.node]
            if last >= 0:
                link = choice.reach.links.index((last, n))
                wanted.append((self.h[k][done, link], 1.0))
            place = choice.reach.nodes.index(n)
            wanted += [(c, 1.0) for c in self.x[k][done : done + stop.blocks, place].tolist()]
            work = choice.work[place]
            total = float(work.sum())
            share = float(work[done : done + stop.blocks].sum() / total) if total else 0.0
            speeds = (stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s)
            for phase, speed in zip(PHASES, speeds, strict=True):
                if speed is not None:
                    wanted.append((self.z.get((phase, n, speed), -1), 1.0))
                    wanted.append((self.v.get((phase, k, n, speed), -1), share))
            done, last = done + stop.blocks, n
        for column, value in wanted:
            if column >= 0:
                values[column] = value
        for deadline in self.deadlines:
            for column, value in deadline.lateness(values).items():
                values[column] = value
        return values, all(column >= 0 for column, _ in wanted)


def _efficient(node: Node) -> list[tuple[float, float]]:
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


def build_model(instance: CiftInstance) -> AssignmentModel:
    """Return the assignment model of an instance with listed speeds."""
    in_doubt = chances(instance)
    if in_doubt is not None:
        instance = expected(instance)
    model = AssignmentModel(instance, choices_of(instance), in_doubt)
    seconds: Seconds = {phase: [] for phase in PHASES}
    levels = [_efficient(node) for node in instance.nodes]
    rooms = [rational(node.memory_bytes) for node in instance.nodes]
    # Variables, with their energy and their seconds in either phase.
    for k, choice in enumerate(model.choices):
        model.y += model.new([0.0]).tolist()
        fits = np.ones((len(choice.reach.nodes), choice.blocks), dtype=np.bool_)
        largest = max(choice.held)
        for place, n in enumerate(choice.reach.nodes):
            if largest > (room := choice.room(rooms[n])):
                fits[place] = [held <= room for held in choice.held]
        hosted = np.full(fits.shape, -1)
        hosted[fits] = model.new(np.zeros(fits.sum()))
        model.x.append(hosted.T)
        network = model.network(k)
        if network.is_graph:
            factor = model.level(k).activation_factor
            model.crossing[k] = add_crossing(model, k, network, factor, seconds)
            model.h.append(np.empty((0, 0), np.int64))
        else:
            _hops(model, k, seconds)
        _work(model, k, levels, seconds)
    # Constraints.
    y = np.array(model.y)
    model.add_rows(np.zeros_like(y), y, np.ones(len(y)), 1.0, 1.0)
    for k in range(len(model.choices)):
        if k in model.crossing:
            add_path(model, k, model.crossing[k])
        else:
            _path(model, k)
        _memory(model, k, rooms)
        _shares(model, k, levels)
    _levels(model)
    add_limits(model, seconds)
    return model


def _hops(model: AssignmentModel, k: int, seconds: Seconds) -> None:
    """Add h: both phases send the same bits the same way."""
    choice, training = model.choices[k], model.instance.training
    reach = choice.reach
    sent = training.communication_factor * choice.passes
    joules: Floats = reach.energy[:, None] * choice.bits
    columns = model.new((model.instance.requests * joules + sent * joules).ravel())
    model.h.append(columns.reshape(joules.shape).T)
    narrow(model, k, columns.reshape(joules.shape))
    wire = choice.bits / reach.rate[:, None]
    delay = np.broadcast_to(reach.delay[:, None], wire.shape)
    link = np.repeat(np.arange(len(reach.tail)), wire.shape[1])
    sending(model, k, columns, (wire.ravel(), delay.ravel(), link), seconds)


def _work(
    model: AssignmentModel, k: int, levels: list[list[tuple[float, float]]], seconds: Seconds
) -> None:
    """Add v, in shares of the chain, and z where it is not there yet."""
    instance, choice = model.instance, model.choices[k]
    # How often the chain runs, for energy.
    runs = {"serve": float(instance.requests)}
    if choice.passes > 0:
        runs["tune"] = instance.training.compute_factor * choice.passes
    first = column = model.columns
    energy, shares = [], []
    for phase, charged in runs.items():
        columns, taken, hosts = [], [], []
        for n, total in zip(choice.reach.nodes, choice.work.sum(axis=1).tolist(), strict=True):
            for f, joules in levels[n]:
                if (phase, n, f) not in model.z:
                    model.z[phase, n, f] = column
                    energy.append(0.0)
                    column += 1
                model.v[phase, k, n, f] = column
                columns.append(column)
                energy.append(charged * total * joules)
                taken.append(total / f)
                hosts.append(n)
                column += 1
        figures = np.array(taken), np.array(hosts)
        hosting(model, k, phase, np.array(columns), figures, seconds)
        shares += columns
    assert model.new(energy)[0] == first
    model.relax(np.array(shares))


def _path(model: AssignmentModel, k: int) -> None:
    """State that the blocks of a choice follow a path of links from its source."""
    choice, x, h, y = model.choices[k], model.x[k], model.h[k], model.y[k]
    nodes = len(choice.reach.nodes)
    # Of each block: the row of its host, then one a node.
    host = (nodes + 1) * np.arange(choice.blocks)[:, None]
    at = host + 1 + np.arange(nodes)
    pieces: list[tuple[Ints, Ints, float]] = [
        (np.broadcast_to(host, x.shape), x, 1.0),
        (host, np.full(host.shape, y), -1.0),
        (at[:1, :1], np.full((1, 1), y), 1.0),
        (host + 1 + choice.reach.head, h, 1.0),
        (host + 1 + choice.reach.tail, h, -1.0),
        (at[1:], x[:-1], 1.0),
        (at, x, -1.0),
    ]
    row = np.concatenate([piece[0].ravel() for piece in pieces])
    column = np.concatenate([piece[1].ravel() for piece in pieces])
    value = np.repeat([piece[2] for piece in pieces], [piece[0].size for piece in pieces])
    there = column >= 0
    model.add_rows(row[there], column[there], value[there], 0.0, 0.0)


def _memory(model: AssignmentModel, k: int, rooms: list[Fraction]) -> None:
    """State that what a node hosts fits it, as shares of its memory."""
    choice, x = model.choices[k], model.x[k]
    everything = sum(choice.held)
    for place, n in enumerate(choice.reach.nodes):
        room = choice.room(rooms[n])
        if everything <= room:
            continue
        hosted = [b for b, column in enumerate(x[:, place].tolist()) if column >= 0]
        if sum(choice.held[b] for b in hosted) <= room:
            continue
        # Of whole numbers Python divides to the nearest double.
        above, below = rooms[n].denominator, rooms[n].numerator * choice.parts
        shares = [choice.held[b] * above / below for b in hosted]
        column = np.append(x[hosted, place], model.y[k])
        model.add_rows(np.zeros_like(column), column, np.array([*shares, -WIDE]), -math.inf, 0.0)


def _shares(model: AssignmentModel, k: int, levels: list[list[tuple[float, float]]]) -> None:
    """State that a node computes what it hosts, in either phase."""
    choice, x = model.choices[k], model.x[k]
    phases = PHASES if choice.passes > 0 else PHASES[:1]
    nodes = choice.reach.nodes
    done = [
        (p * len(nodes) + place, model.v[phase, k, n, f])
        for p, phase in enumerate(phases)
        for place, n in enumerate(nodes)
        for f, _ in levels[n]
    ]
    work = choice.work.T
    b, place = np.nonzero((x >= 0) & (work > 0))
    share = -work[b, place] / work.sum(axis=0)[place]
    at, column = np.array(done).T
    model.add_rows(
        np.concatenate([at, *(place + p * len(nodes) for p in range(len(phases)))]),
        np.concatenate([column, *(x[b, place] for _ in phases)]),
        np.concatenate([np.ones(len(at)), *(share for _ in phases)]),
        0.0,
        0.0,
    )


def _levels(model: AssignmentModel) -> None:
    """State that a node computes at one level in each phase."""
    row = {level: position for position, level in enumerate(model.z)}
    z = np.array(list(model.z.values()))
    at = np.array([row[phase, n, f] for phase, _, n, f in model.v])
    shares = np.array([busy(model, *key) for key in model.v])
    model.add_rows(
        np.concatenate([at, np.arange(len(z))]),
        np.concatenate([list(model.v.values()), z]),
        np.concatenate([shares, -np.ones(len(z))]),
        -math.inf,
        0.0,
    )
    first: dict[tuple[str, int], int] = {}
    node = np.array([first.setdefault((phase, n), len(first)) for phase, n, _ in model.z])
    model.add_rows(node, z, np.ones(len(z)), -math.inf, 1.0)
