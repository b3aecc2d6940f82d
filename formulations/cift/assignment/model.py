"""The columns and rows of the assignment model of CIFT (see `cift_assignment`)."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from splitopt.formulations.solvers.highs import WIDE, SparseModel
from splitopt.instances.cift.model import CiftInstance, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES

__all__ = ["PHASES", "AssignmentModel", "build_model"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PHASES = ("serve", "tune")
_LIMIT = (1 + TOLERANCES.deadline) * (1 + 1e-12)  # of a deadline, as the judge takes it


@dataclass(frozen=True, slots=True)
class _Choice:
    """A configuration: its chain's figures and how often it is run."""

    index: int
    source: int
    flops: Floats  # of each block, compressed
    bits: Floats  # behind 0..L-1 blocks
    held: list[Fraction]  # bytes of each block in memory
    passes: int  # S_g
    reach: list[int]  # nodes that a path from the source meets

    @property
    def blocks(self) -> int:
        return len(self.flops)


@dataclass
class AssignmentModel:
    """Columns by what they mean, and rows as they are written.

    Attributes
    ----------
    y, x, h, z, v
        Column of each variable: y[k], x[k, b, n], h[k, b, tail, head], z[phase, n, f],
        v[phase, k, n, f]; k numbers `choices`, blocks count from 0 (x) and cuts from 0 (h).
    energy_j
        Objective.
    """

    instance: CiftInstance
    choices: list[_Choice]
    y: dict[int, int] = field(default_factory=dict)
    x: dict[tuple[int, int, int], int] = field(default_factory=dict)
    h: dict[tuple[int, int, int, int], int] = field(default_factory=dict)
    z: dict[tuple[str, int, float], int] = field(default_factory=dict)
    v: dict[tuple[str, int, int, float], int] = field(default_factory=dict)
    energy_j: list[float] = field(default_factory=list)
    _integer: list[bool] = field(default_factory=list)
    _most: list[float] = field(default_factory=list)
    _row: list[int] = field(default_factory=list)
    _column: list[int] = field(default_factory=list)
    _value: list[float] = field(default_factory=list)
    _lower: list[float] = field(default_factory=list)
    _upper: list[float] = field(default_factory=list)

    def new(self, energy_j: float = 0.0, *, integer: bool = True) -> int:
        """Add a column in [0, 1]."""
        self.energy_j.append(energy_j)
        self._integer.append(integer)
        self._most.append(1.0)
        return len(self.energy_j) - 1

    def rule_out(self, column: int) -> None:
        """Hold a column at zero."""
        self._most[column] = 0.0

    def row(self, terms: list[tuple[int, float]], lower: float, upper: float) -> None:
        """Add a row, unless nothing is in it."""
        if not terms:
            return
        columns, values = zip(*terms, strict=True)
        self._row += [len(self._lower)] * len(columns)
        self._column += columns
        self._value += values
        self._lower.append(lower)
        self._upper.append(upper)

    @property
    def binary(self) -> Bools:
        """Which columns are integer."""
        return np.array(self._integer, dtype=np.bool_)

    @property
    def support(self) -> int:
        """The most columns that are not zero in a solution whose levels do not mix."""
        return 1 + max(c.blocks for c in self.choices) + 5 * len(self.instance.nodes)

    @property
    def least_energy_j(self) -> float:
        """A guess at the optimum: the least positive cost of a whole chain on one node."""
        whole = [self.energy_j[c] for c in self.v.values() if self.energy_j[c] > 0]
        return min(whole, default=0.0)

    @property
    def floor_j(self) -> float:
        """A bound: what a chain costs in each phase where it is cheapest, hops for nothing."""
        phases: dict[tuple[int, str], float] = {}
        for (phase, k, _, _), column in self.v.items():
            cost = self.energy_j[column]
            phases[k, phase] = min(cost, phases.get((k, phase), math.inf))
        chains = [
            sum(phases.get((k, phase), 0.0) for phase in PHASES) for k in range(len(self.choices))
        ]
        return min(chains, default=0.0)

    def sparse(self, scale: float) -> SparseModel:
        """Return the model, its objective times `scale`."""
        n = len(self.energy_j)
        return SparseModel(
            cost=np.array(self.energy_j) * scale,
            lower=np.zeros(n),
            upper=np.array(self._most),
            integer=self.binary,
            row_lower=np.array(self._lower),
            row_upper=np.array(self._upper),
            row=np.array(self._row, dtype=np.int64),
            column=np.array(self._column, dtype=np.int64),
            value=np.array(self._value),
        )

    def plan(self, values: Floats) -> CiftPlan:
        """Return the plan of a solution."""
        on = values > 0.5
        k = next(k for k, column in self.y.items() if on[column])
        choice = self.choices[k]
        n, done = choice.source, 0
        stops: list[Stop] = []
        while True:
            first = done
            while done < choice.blocks and (k, done, n) in self.x and on[self.x[k, done, n]]:
                done += 1
            speeds: list[float | None] = [None, None]
            if done > first:
                for position, phase in enumerate(PHASES):
                    speeds[position] = self._level(values, phase, n)
                if choice.passes == 0:
                    speeds[1] = None
            stops.append(Stop(self.instance.nodes[n].name, done - first, *speeds))
            if done == choice.blocks:
                chosen = self.instance.configurations[choice.index]
                return CiftPlan.of(chosen, tuple(stops))
            n = next(
                there
                for (j, b, here, there), column in self.h.items()
                if (j, b, here) == (k, done, n) and on[column]
            )

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
        values = np.zeros(len(self.energy_j))
        g = plan.configuration(self.instance)
        k = next(
            (k for k, c in enumerate(self.choices) if self.instance.configurations[c.index] == g),
            None,
        )
        if k is None:
            return values, False
        choice = self.choices[k]
        total = choice.flops.sum()
        wanted: list[tuple[int | None, float]] = [(self.y[k], 1.0)]
        done, last = 0, -1
        for stop in plan.stops:
            n = self.instance.node_index[stop.node]
            if last >= 0:
                wanted.append((self.h.get((k, done, last, n)), 1.0))
            blocks = range(done, done + stop.blocks)
            wanted += [(self.x.get((k, b, n)), 1.0) for b in blocks]
            share = float(choice.flops[done : done + stop.blocks].sum() / total) if total else 0.0
            speeds = (stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s)
            for phase, speed in zip(PHASES, speeds, strict=True):
                if speed is not None:
                    wanted.append((self.z.get((phase, n, speed)), 1.0))
                    wanted.append((self.v.get((phase, k, n, speed)), share))
            done, last = done + stop.blocks, n
        for column, value in wanted:
            if column is not None:
                values[column] = value
        return values, all(column is not None for column, _ in wanted)


def _choices(instance: CiftInstance) -> list[_Choice]:
    """Return the configurations; a (model, compression, source) with its least S_g alone."""
    found: dict[tuple[str, str, str], _Choice] = {}
    for index, g in enumerate(instance.configurations):
        passes = instance.sample_passes(g)
        same = found.get((g.model, g.compression, g.source))
        if same is not None and same.passes <= passes:
            continue
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        factor = rational(level.param_factor)
        if passes > 0:
            factor *= rational(instance.training.memory_factor)
        source = instance.node_index[g.source]
        reach = [source]
        for n in reach:  # grows while it is walked
            for link in instance.links_from[instance.nodes[n].name]:
                if instance.node_index[link.head] not in reach:
                    reach.append(instance.node_index[link.head])
        activations = [block.activation_bits for block in model.blocks[:-1]]
        found[g.model, g.compression, g.source] = _Choice(
            index,
            source,
            np.array([block.flops for block in model.blocks]) * level.flops_factor,
            np.array([model.input_bits, *(a * level.activation_factor for a in activations)]),
            [rational(block.param_bytes) * factor for block in model.blocks],
            passes,
            reach,
        )
    return list(found.values())


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
    model = AssignmentModel(instance, _choices(instance))
    seconds: dict[str, list[tuple[int, float]]] = {phase: [] for phase in PHASES}
    levels = [_efficient(node) for node in instance.nodes]
    rooms = [rational(node.memory_bytes) for node in instance.nodes]
    # Variables, with their energy and their seconds in either phase.
    for k, choice in enumerate(model.choices):
        model.y[k] = model.new()
        largest = max(choice.held)
        for n in choice.reach:
            everything = largest <= rooms[n]
            for b, held in enumerate(choice.held):
                if everything or held <= rooms[n]:
                    model.x[k, b, n] = model.new()
        _hops(model, k, seconds)
        _work(model, k, levels, seconds)
    # Constraints.
    model.row([(column, 1.0) for column in model.y.values()], 1.0, 1.0)
    hops: list[list[tuple[int, int, int, int]]] = [[] for _ in model.choices]
    for (k, b, tail, head), column in model.h.items():
        hops[k].append((b, tail, head, column))
    done: list[dict[tuple[str, int], list[tuple[int, float]]]] = [
        defaultdict(list) for _ in model.choices
    ]
    for (phase, k, n, _), column in model.v.items():
        done[k][phase, n].append((column, 1.0))
    for k in range(len(model.choices)):
        _path(model, k, hops[k])
        _memory(model, k)
        _shares(model, k, done[k])
    _levels(model)
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    for phase, deadline in zip(PHASES, deadlines, strict=True):
        if deadline is not None:
            limit = deadline * _LIMIT
            _deadline(model, seconds[phase], limit)
    return model


def _hops(model: AssignmentModel, k: int, seconds: dict[str, list[tuple[int, float]]]) -> None:
    """Add h: both phases send the same bits the same way."""
    instance, choice = model.instance, model.choices[k]
    training = instance.training
    sent = training.communication_factor * choice.passes
    serving = instance.inference_deadline_s is not None
    tuning = instance.fine_tuning_deadline_s is not None
    for n in choice.reach:
        for link in instance.links_from[instance.nodes[n].name]:
            head = instance.node_index[link.head]
            for b, bits in enumerate(choice.bits.tolist()):
                joules = link.energy_j_per_bit * bits
                column = model.new(instance.requests * joules + sent * joules)
                model.h[k, b, n, head] = column
                wire = bits / link.rate_bit_per_s
                if serving:
                    seconds["serve"].append((column, wire + link.delay_s))
                if tuning:
                    delay = link.delay_s / training.batch_size
                    seconds["tune"].append((column, sent * (wire + delay)))


def _work(
    model: AssignmentModel,
    k: int,
    levels: list[list[tuple[float, float]]],
    seconds: dict[str, list[tuple[int, float]]],
) -> None:
    """Add v, in shares of the chain, and z where it is not there yet."""
    instance, choice = model.instance, model.choices[k]
    total = float(choice.flops.sum())
    # How often the chain runs, for energy and for the clock of each phase.
    runs = {"serve": (float(instance.requests), 1.0)}
    if choice.passes > 0:
        runs["tune"] = (instance.training.compute_factor * choice.passes,) * 2
    for phase, (charged, timed) in runs.items():
        for n in choice.reach:
            for f, joules in levels[n]:
                if (phase, n, f) not in model.z:
                    model.z[phase, n, f] = model.new()
                column = model.new(charged * total * joules, integer=False)
                model.v[phase, k, n, f] = column
                seconds[phase].append((column, timed * total / f))


def _path(model: AssignmentModel, k: int, hops: list[tuple[int, int, int, int]]) -> None:
    """State that the blocks of a choice follow a path of links from its source."""
    choice = model.choices[k]
    into, out = defaultdict(list), defaultdict(list)
    for b, tail, head, column in hops:
        out[b, tail].append(column)
        into[b, head].append(column)
    for b in range(choice.blocks):
        hosts = [model.x[k, b, n] for n in choice.reach if (k, b, n) in model.x]
        model.row([(c, 1.0) for c in hosts] + [(model.y[k], -1.0)], 0.0, 0.0)
        for n in choice.reach:
            terms = [(c, 1.0) for c in into[b, n]] + [(c, -1.0) for c in out[b, n]]
            if b == 0 and n == choice.source:
                terms.append((model.y[k], 1.0))
            if (k, b - 1, n) in model.x:
                terms.append((model.x[k, b - 1, n], 1.0))
            if (k, b, n) in model.x:
                terms.append((model.x[k, b, n], -1.0))
            model.row(terms, 0.0, 0.0)


def _memory(model: AssignmentModel, k: int) -> None:
    """State that what a node hosts fits it, as shares of its memory."""
    choice = model.choices[k]
    for n in choice.reach:
        room = rational(model.instance.nodes[n].memory_bytes)
        hosted = [b for b in range(choice.blocks) if (k, b, n) in model.x]
        if sum((choice.held[b] for b in hosted), Fraction(0)) <= room:
            continue
        terms = [(model.x[k, b, n], float(choice.held[b] / room)) for b in hosted]
        model.row([*terms, (model.y[k], -WIDE)], -math.inf, 0.0)


def _shares(
    model: AssignmentModel, k: int, done: dict[tuple[str, int], list[tuple[int, float]]]
) -> None:
    """State that a node computes what it hosts, in either phase."""
    choice = model.choices[k]
    total = float(choice.flops.sum())
    for (_, n), terms in done.items():
        hosted = [
            (model.x[k, b, n], -float(work) / total)
            for b, work in enumerate(choice.flops)
            if (k, b, n) in model.x and work > 0
        ]
        model.row(terms + hosted, 0.0, 0.0)


def _levels(model: AssignmentModel) -> None:
    """State that a node computes at one level in each phase."""
    at = defaultdict(list)
    for (phase, _, n, f), column in model.v.items():
        at[phase, n, f].append((column, 1.0))
    one = defaultdict(list)
    for (phase, n, f), column in model.z.items():
        model.row([*at[phase, n, f], (column, -1.0)], -math.inf, 0.0)
        one[phase, n].append((column, 1.0))
    for terms in one.values():
        model.row(terms, -math.inf, 1.0)


def _deadline(model: AssignmentModel, seconds: list[tuple[int, float]], limit: float) -> None:
    """State that the seconds stay within the limit; what alone exceeds it is ruled out."""
    whole = model.binary
    kept = []
    for column, value in seconds:
        if value > limit and (limit == 0 or whole[column]):
            model.rule_out(column)
        elif value > 0:
            kept.append((column, value / limit))
    model.row(kept, -math.inf, WIDE)
