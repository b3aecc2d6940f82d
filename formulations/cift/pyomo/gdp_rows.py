"""The disjunctive program of CIFT, of which `gdp` states the mathematics, as rows and as arrays.

Without Pyomo. `gdp.disjunctive_model` states the rows of `Program` in Pyomo, whose own
transformations then apply; `written` applies the same two to arrays, for listed speeds. Of a row
``l <= a'x <= u`` of configuration g, with ``0 <= x <= X``:

big-M
    ``a'x + (low - l) y_g >= low`` and ``a'x + (high - u) y_g <= high``, where low and high are the
    least and the most that ``a'x`` can be; an equation becomes both.
hull
    ``l y_g <= a'x_g <= u y_g`` with ``0 <= x_g <= X y_g``, a copy of each variable in g's rows. A
    variable that a row holds at zero has no copy. Outside, ``x = sum_g x_g``, with a rest
    ``0 <= r <= X (1 - sum_g y_g)`` on the right where only some configurations have x.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.pyomo.data import (
    Chain,
    Key,
    Written,
    chains,
    level_of,
    limit,
    need,
    placed,
)
from splitopt.formulations.cift.pyomo.energy import levels
from splitopt.formulations.solvers.files import NamedModel
from splitopt.formulations.solvers.highs import SparseModel
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.exact import rational

if TYPE_CHECKING:
    from splitopt.formulations.cift.pyomo.cones import Cones

__all__ = ["PHASES", "Program", "Rows", "named", "plan", "size", "written"]

PHASES = ("serve", "tune")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def size(instance: CiftInstance) -> int:
    """Return about how many variables the hull has, without building it."""
    shared = sum(
        len(node.speeds_flop_per_s) if not isinstance(node.speeds_flop_per_s, SpeedInterval) else 4
        for node in instance.nodes
    )
    return sum(
        chain.blocks * (len(chain.nodes) + len(chain.hops)) + 4 * shared
        for chain in chains(instance)
    )


class Rows:
    """Rows ``lower <= values . x[columns] <= upper``, written one after another."""

    def __init__(self) -> None:
        self.column: list[int] = []
        self.value: list[float] = []
        self.length: list[int] = []
        self.lower: list[float] = []
        self.upper: list[float] = []

    def add(
        self, columns: Sequence[int], values: Sequence[float], lower: float, upper: float
    ) -> None:
        """Add a row; coefficients of zero are left out."""
        if not all(values):
            columns = [c for c, value in zip(columns, values, strict=True) if value]
            values = [value for value in values if value]
        self.column += columns
        self.value += values
        self.length.append(len(columns))
        self.lower.append(lower)
        self.upper.append(upper)

    def __iter__(self) -> Iterator[tuple[list[int], list[float], float, float]]:
        """Yield columns, coefficients, lower and upper of each row."""
        end = 0
        for length, lower, upper in zip(self.length, self.lower, self.upper, strict=True):
            start, end = end, end + length
            yield self.column[start:end], self.value[start:end], lower, upper


class Program:
    """The program before any transformation.

    Attributes
    ----------
    every
        The configurations.
    columns
        The variables' indices in order of their columns, by name: those that all configurations
        share, ``energy``, and w, t and e of continuous speeds.
    upper
        Of each column; its lower bound is 0.
    outside
        The rows outside all disjuncts, at_level before one_level.
    disjuncts
        The rows of each configuration.
    energy_unit_j
        What ``energy`` is in, J.

    Raises
    ------
    InputError
        Without configurations.
    """

    def __init__(self, instance: CiftInstance, cones: Cones | None = None) -> None:
        need(instance, "gdp-hull")
        self.instance, self.cones = instance, cones
        self.every = chains(instance)
        self.blocks = max(g.blocks for g in self.every)
        nodes = range(len(instance.nodes))
        self.listed = {
            n: levels(instance, n)
            for n in nodes
            if not isinstance(instance.nodes[n].speeds_flop_per_s, SpeedInterval)
        }
        self.links = sorted({(hop.tail, hop.head) for g in self.every for hop in g.hops})
        at = [(p, n, f) for p in PHASES for n, fs in self.listed.items() for f in fs]
        self.columns: dict[str, list[Key]] = {
            "x": [(b, n) for b in range(1, self.blocks + 1) for n in nodes],
            "h": [(b, n, k) for b in range(self.blocks) for n, k in self.links],
            "z": at,
            "v": at,
            "energy": [None],
            **({name: list(found) for name, found in cones.upper.items()} if cones else {}),
        }
        lengths = [len(found) for found in self.columns.values()]
        self.first = dict(zip(self.columns, itertools.accumulate(lengths, initial=0), strict=False))
        self.place = {
            name: dict(zip(found, itertools.count(self.first[name]), strict=False))
            for name, found in self.columns.items()
        }
        self.upper = [1.0] * sum(lengths)
        for name, found in (cones.upper if cones else {}).items():
            for key, most in found.items():
                self.upper[self.place[name][key]] = most
        self.outside = Rows()
        z, v = self.place["z"], self.place["v"]
        for key in at:
            self.outside.add((v[key], z[key]), (1.0, -1.0), -math.inf, 0.0)
        for p in PHASES:
            for n, fs in self.listed.items():
                self.outside.add([z[p, n, f] for f in fs], [1.0] * len(fs), -math.inf, 1.0)
        self.tau = {
            "serve": limit(instance.inference_deadline_s),
            "tune": limit(instance.fine_tuning_deadline_s),
        }
        # What a host may be busy for a request.
        rate = instance.throughput_per_s
        self.period_s = math.inf if rate is None else limit(1 / rate)
        drafts = [_Draft(self, g) for g in self.every]
        dearest = [max(draft.joules.values(), default=0.0) for draft in drafts]
        self.energy_unit_j = min((joules for joules in dearest if joules > 0), default=1.0)
        # No plan takes more than every term at its largest.
        most_j = [sum(c * self.upper[k] for k, c in draft.joules.items()) for draft in drafts]
        self.energy = self.first["energy"]
        self.upper[self.energy] = max(most_j, default=0.0) / self.energy_unit_j
        self.disjuncts = [draft.rows() for draft in drafts]


class _Draft:
    """What one configuration takes, and its rows."""

    def __init__(self, program: Program, g: Chain) -> None:
        self.program, self.g = program, g
        self.flops = {n: g.flops_on(n) for n in g.nodes}
        self.total = {n: sum(flops) for n, flops in self.flops.items()}
        self.phases = PHASES if g.passes else PHASES[:1]
        # By column: the energy in joules, and seconds by phase.
        self.joules: dict[int, float] = {}
        self.seconds: dict[str, dict[int, float]] = {p: {} for p in PHASES}
        self.ruled_out: dict[int, None] = {}
        # Columns that a throughput keeps below what they could be, with their busy seconds.
        self.busy: dict[int, float] = {}
        self.held, self.room = g.memory(program.instance)
        self._collect()

    def _collect(self) -> None:
        program, g = self.program, self.g
        charged = {"serve": g.serving, "tune": g.computing}
        timed = {"serve": 1.0, "tune": g.computing_timed}
        v = program.place["v"]
        for p in self.phases:
            for n in g.nodes:
                for f, (speed, joules) in program.listed.get(n, {}).items():
                    column = v[p, n, f]
                    self.joules[column] = charged[p] * self.total[n] * joules
                    self._takes(p, timed[p] * self.total[n] / speed, column, whole=False)
                    if p == "serve" and self.total[n] / speed > program.period_s:
                        self.busy[column] = self.total[n] / speed
        if program.cones is not None:
            for p, charge, time in program.cones.terms(g, self.total, self.phases):
                for joules, name, key in charge:
                    column = program.place[name][key]
                    self.joules[column] = self.joules.get(column, 0.0) + charged[p] * joules
                for seconds, name, key in time:
                    column = program.place[name][key]
                    self._takes(p, timed[p] * seconds, column, whole=False)
                    if p == "serve" and seconds * program.upper[column] > program.period_s:
                        self.busy[column] = seconds
        step = len(program.links)
        first = {link: k for k, link in enumerate(program.links, program.first["h"])}
        used = set()
        for hop in g.hops:
            link = first[hop.tail, hop.head]
            used.add(link)
            for b, a in enumerate(g.bits):
                column, (serving_s, tuning_s) = link + b * step, hop.seconds(b)
                self.joules[column] = (g.serving + g.sending) * hop.joules_a_bit * a
                if not hop.open[b]:
                    self.ruled_out[column] = None
                self._takes("serve", serving_s, column, whole=True)
                self._takes("tune", g.sending_timed * tuning_s, column, whole=True)
        for b in range(program.blocks):
            for link in first.values():
                if b >= g.blocks or link not in used:
                    self.ruled_out[link + b * step] = None
        for b, n in program.columns["x"]:
            if b > g.blocks or n not in self.room or self.held[b - 1] > self.room[n]:
                self.ruled_out[program.place["x"][b, n]] = None

    def _takes(self, phase: str, seconds: float, column: int, *, whole: bool) -> None:
        """Note the seconds that a variable at one takes."""
        tau = self.program.tau[phase]
        if seconds > tau and (whole or tau == 0):
            self.ruled_out[column] = None
        elif seconds > 0:
            self.seconds[phase][column] = seconds

    def rows(self) -> Rows:
        """Return the relations within the disjunct."""
        program, g, rows = self.program, self.g, Rows()
        x, h, v = (program.place[name] for name in "xhv")
        for column in self.ruled_out:
            rows.add((column,), (1.0,), 0.0, 0.0)
        for b in range(1, g.blocks + 1):
            rows.add([x[b, n] for n in g.nodes], [1.0] * len(g.nodes), 1.0, 1.0)
        out, into = defaultdict(list), defaultdict(list)
        for n, k in ((hop.tail, hop.head) for hop in g.hops):
            for b in range(g.blocks):
                out[b, n].append(h[b, n, k])
                into[b, k].append(h[b, n, k])
        for b in range(g.blocks):
            for n in g.nodes:
                entering = into[b, n] if b == 0 else [x[b, n], *into[b, n]]
                leaving = [x[b + 1, n], *out[b, n]]
                if b == 0 and n == g.source:
                    # Where a plan begins; no link leads there.
                    rows.add(leaving, [1.0] * len(leaving), 1.0, 1.0)
                else:
                    signs = [1.0] * len(entering) + [-1.0] * len(leaving)
                    rows.add(entering + leaving, signs, 0.0, 0.0)
        for n in g.nodes:
            self._memory(rows, n)
            shares = [(b, w / self.total[n]) for b, w in enumerate(self.flops[n], 1) if w > 0]
            hosted = [x[b, n] for b, _ in shares]
            lost = [-share for _, share in shares]
            for p in self.phases:
                if n in program.listed:
                    done = [v[p, n, f] for f in program.listed[n]]
                else:
                    done = [program.place["w"][g.index, p, n]]
                rows.add(done + hosted, [1.0] * len(done) + lost, 0.0, 0.0)
        for column, seconds in self.busy.items():
            rows.add((column,), (seconds / program.period_s,), -math.inf, 1.0)
        for p, tau in program.tau.items():
            if 0 < tau < math.inf and self.seconds[p]:
                taken = [seconds / tau for seconds in self.seconds[p].values()]
                rows.add(list(self.seconds[p]), taken, -math.inf, 1.0)
        spent = [joules / program.energy_unit_j for joules in self.joules.values()]
        rows.add([*self.joules, program.energy], [*spent, -1.0], -math.inf, 0.0)
        return rows

    def _memory(self, rows: Rows, n: int) -> None:
        x = self.program.place["x"]
        hosted = [b for b in range(1, self.g.blocks + 1) if x[b, n] not in self.ruled_out]
        if sum(self.held[b - 1] for b in hosted) <= self.room[n]:
            return
        room = rational(self.program.instance.nodes[n].memory_bytes)
        shares = [float(self.g.held[b - 1] / room) for b in hosted]
        rows.add([x[b, n] for b in hosted], shares, -math.inf, 1.0)


class _Entries:
    """Entries of a matrix and ends of its rows, gathered from arrays."""

    def __init__(self) -> None:
        self.parts: list[tuple[Any, Any, Any]] = []
        self.ends: list[tuple[Floats, Floats]] = []
        self.count = 0

    def rows(self, lower: Any, upper: Any, count: int) -> Ints:
        """Add rows; return their numbers."""
        self.ends.append((np.full(count, lower), np.full(count, upper)))
        self.count += count
        return np.arange(self.count - count, self.count)

    def put(self, row: Any, column: Any, value: Any) -> None:
        """Add entries; those of value 0 are none."""
        row, column, value = np.broadcast_arrays(row, column, np.asarray(value, np.float64))
        kept = value != 0
        self.parts.append((row[kept], column[kept], value[kept]))

    def model(self, cost: Floats, upper: Floats, integer: npt.NDArray[np.bool_]) -> SparseModel:
        row, column, value = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        row_lower, row_upper = (np.concatenate(end) for end in zip(*self.ends, strict=True))
        return SparseModel(
            cost,
            np.zeros(len(cost)),
            upper,
            integer,
            row_lower,
            row_upper,
            row.astype(np.int64),
            column.astype(np.int64),
            value,
        )


class _Stacked:
    """The rows of all disjuncts as arrays; `of` is the disjunct of a row."""

    def __init__(self, disjuncts: Iterable[Rows]) -> None:
        every = list(disjuncts)
        length = np.fromiter(itertools.chain.from_iterable(r.length for r in every), np.int64)
        self.row = np.repeat(np.arange(len(length)), length)
        self.column = np.fromiter(itertools.chain.from_iterable(r.column for r in every), np.int64)
        self.value = np.fromiter(itertools.chain.from_iterable(r.value for r in every), np.float64)
        self.lower = np.fromiter(itertools.chain.from_iterable(r.lower for r in every), np.float64)
        self.upper = np.fromiter(itertools.chain.from_iterable(r.upper for r in every), np.float64)
        self.of = np.repeat(np.arange(len(every)), [len(r.length) for r in every])
        self.length = length


def _big_m(rows: _Stacked, entries: _Entries, most: Floats, y: Ints) -> None:
    count = len(rows.of)
    largest = rows.value * most[rows.column]
    for side, of_row, toward in (
        ("lower", rows.lower, np.minimum(largest, 0.0)),
        ("upper", rows.upper, np.maximum(largest, 0.0)),
    ):
        extreme = np.bincount(rows.row, toward, count)
        held = np.isfinite(of_row)
        number = np.zeros(count, np.int64)
        slack = extreme - of_row
        rhs = of_row[held] + slack[held]
        lower, upper = (rhs, np.inf) if side == "lower" else (-np.inf, rhs)
        number[held] = entries.rows(lower, upper, len(rhs))
        kept = held[rows.row]
        entries.put(number[rows.row[kept]], rows.column[kept], rows.value[kept])
        entries.put(number[held], y[rows.of[held]], slack[held])


def _hull(
    rows: _Stacked, entries: _Entries, most: Floats, y: Ints
) -> tuple[dict[str, list[Key]], Floats]:
    """Add the rows of the hull; return its columns, which come after `y`, and their most."""
    n, count = len(most), len(y)
    # One copy a column and disjunct with it, in order of disjuncts.
    pair = rows.of[rows.row] * n + rows.column
    copies = np.unique(pair)
    disjunct, column = np.divmod(copies, n)
    zero = (rows.length == 1) & (rows.lower == 0) & (rows.upper == 0)
    free = ~np.isin(copies, pair[zero[rows.row]])
    place = np.full(len(copies), -1)
    place[free] = n + count + np.arange(free.sum())
    # Within the disjuncts.
    where = place[np.searchsorted(copies, pair)]
    inside = np.bincount(rows.row[where >= 0], minlength=len(rows.of)) > 0
    ends = np.where(np.isfinite(rows.upper), rows.upper, rows.lower)
    stands = (inside | (ends != 0)) & ~zero
    number = np.full(len(rows.of), -1)
    number[stands] = entries.rows(
        np.where(np.isfinite(rows.lower), 0.0, -np.inf)[stands],
        np.where(np.isfinite(rows.upper), 0.0, np.inf)[stands],
        stands.sum(),
    )
    kept = (where >= 0) & stands[rows.row]
    entries.put(number[rows.row[kept]], where[kept], rows.value[kept])
    entries.put(number[stands], y[rows.of[stands]], -ends[stands])
    # Copies between zero and the most of what they copy.
    bounded = most[column] > 0
    number = entries.rows(-np.inf, 0.0, bounded.sum())
    entries.put(number[free[bounded]], place[free & bounded], 1.0)
    entries.put(number, y[disjunct[bounded]], -most[column[bounded]])
    # What they sum to.
    times = np.bincount(column, minlength=n)
    copied = np.flatnonzero(times)
    number = np.full(n, -1)
    number[copied] = entries.rows(0.0, 0.0, len(copied))
    entries.put(number[copied], copied, 1.0)
    entries.put(number[column[free]], place[free], -1.0)
    some = np.flatnonzero((times > 0) & (times < count))
    rest = n + count + free.sum() + np.arange(len(some))
    entries.put(number[some], rest, -1.0)
    number = np.full(n, -1)
    number[some] = entries.rows(-np.inf, most[some], len(some))
    entries.put(number[some], rest, 1.0)
    partly = number[column] >= 0
    entries.put(number[column[partly]], y[disjunct[partly]], most[column[partly]])
    more: dict[str, list[Key]] = {
        "copy": list(zip(disjunct[free].tolist(), column[free].tolist(), strict=True)),
        "rest": some.tolist(),
    }
    return more, np.concatenate([most[column[free]], most[some]])


def written(instance: CiftInstance, transformation: Literal["bigm", "hull"]) -> Written:
    """Return the program of an instance with listed speeds as a MILP in arrays.

    Of the hull, ``copy`` has the place of the configuration and the column it copies, ``rest`` the
    column it is the rest of.

    Raises
    ------
    InputError
        Without configurations.
    """
    program = Program(instance)
    n, count = len(program.upper), len(program.every)
    most = np.array(program.upper)
    y = np.arange(n, n + count)
    entries = _Entries()
    outside = _Stacked([program.outside])
    number = entries.rows(outside.lower, outside.upper, len(outside.of))
    entries.put(number[outside.row], outside.column, outside.value)
    entries.put(entries.rows(1.0, 1.0, 1), y, 1.0)
    rows = _Stacked(program.disjuncts)
    columns = {**program.columns, "choice": [(g.index,) for g in program.every]}
    upper = np.concatenate([most, np.ones(count)])
    if transformation == "bigm":
        _big_m(rows, entries, most, y)
    else:
        more, ends = _hull(rows, entries, most, y)
        columns |= more
        upper = np.concatenate([upper, ends])
    cost = np.zeros(len(upper))
    cost[program.energy] = program.energy_unit_j
    integer = np.zeros(len(upper), np.bool_)
    integer[: program.first["v"]] = integer[y] = True
    return Written(entries.model(cost, upper, integer), columns)


def named(
    instance: CiftInstance, transformation: Literal["bigm", "hull"]
) -> tuple[NamedModel, Written] | None:
    """Return the same with names for files; None for continuous speeds, which have cones.

    What all configurations share is named as in the Pyomo model; a copy or a rest in the hull after
    what it is of.

    Raises
    ------
    InputError
        As `written`.
    """
    if instance.has_continuous_speeds:
        return None
    found = written(instance, transformation)
    names: list[str] = []
    for variable, keys in found.columns.items():
        if variable == "energy":
            names.append(variable)
        elif variable == "copy":
            names += [f"copy_{g}_{names[column]}" for g, column in keys]
        elif variable == "rest":
            names += [f"rest_{names[column]}" for column in keys]
        else:
            names += ["_".join((variable, *map(str, key))) for key in keys]
    rows = tuple(f"row_{k}" for k in range(len(found.model.row_lower)))
    return NamedModel(found.model, tuple(names), rows), found


def plan(
    instance: CiftInstance,
    chosen: Mapping[str, Iterable[Key]],
    speed: Callable[[str, int], float] | None = None,
) -> CiftPlan:
    """Return the plan of the variables that are one, by name; `speed` where not all are listed."""
    ((g,),) = itertools.islice(chosen["choice"], 1)
    chain = chains(instance)[g]
    host = {b: n for b, n in chosen["x"] if b <= chain.blocks}
    hop = {(b, n): k for b, n, k in chosen["h"]}
    return placed(instance, chain, host, hop, speed or level_of(chosen["z"], instance))
