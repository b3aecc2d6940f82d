"""The disjunctive program of CIFT, of which `gdp` states the mathematics, row by row.

Without Pyomo. `gdp.disjunctive_model` states the rows of `Program` in Pyomo, whose own
transformations then apply; `gdp_arrays` applies the same two to arrays, for listed speeds.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from splitopt.formulations.cift.pyomo.data import Chain, Key, chains, level_of, limit, need, placed
from splitopt.formulations.cift.pyomo.energy import levels
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.exact import rational

if TYPE_CHECKING:
    from splitopt.formulations.cift.pyomo.cones import Cones

PHASES = ("serve", "tune")


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
