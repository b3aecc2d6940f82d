"""CIFT by enumeration: the oracle that every other method is held against.

For each configuration g = (m, c, u, q), each path of links from u, and each way to cut the L
blocks into the consecutive segments of the nodes on that path (a node may get none; the last
one gets some), the speeds of the hosts are enumerated. Of a graph the segments are differences of
sets of blocks that hold with a block all it needs.

Phases decouple at a fixed placement. The inference speeds enter T_inf and the serving energy
alone, the fine-tuning speeds T_ft and the training energy alone. So the least key
``(E, T_inf, T_ft, plan)`` is reached by the least ``(E_inf, T_inf, speeds)`` and the least
``(E_ft, T_ft, speeds)``, each within its own deadline: sums are least when both terms are, the
two sets of minimisers are chosen from freely, and the plan's order compares stop by stop
(inference speed, then fine-tuning speed), where the least pair of a product of sets is the
pair of the least.

**Listed speeds** are enumerated in exact arithmetic: every figure is a rational, put on a
common denominator a configuration, so that costs, deadlines and ties are decided by integers.

**Continuous speeds**: the levels of nodes with lists are enumerated, the speeds in intervals
come from `splitopt.formulations.cift.brute_force.oracle`, in doubles, with a lower bound from
duality.

The costs are written out here once more, from the statement of the problem and apart from
every model and from the judge.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from splitopt.formulations.cift.brute_force.doubt import Network, Taken
from splitopt.formulations.cift.brute_force.oracle import Host, phase_optimum
from splitopt.formulations.cift.brute_force.plans import (
    Data,
    Hops,
    Placement,
    Segment,
    count_plans,
    deadline,
    keeps_up,
    placements,
    split,
)
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import (
    BEYOND,
    CiftInstance,
    Configuration,
    SpeedInterval,
)
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Budget,
    Recorder,
    Result,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import cheaper, conclude, nothing_found, proven_infeasible
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.judge import evaluate

__all__ = ["METHOD", "BruteForceCift"]

MOST_LISTED = 2_000_000
MOST_CONTINUOUS = 60_000


def _plan(
    instance: CiftInstance,
    g: Configuration,
    data: Data,
    placement: Placement,
    inference: Sequence[float],
    tuning: Sequence[float] | None,
) -> CiftPlan:
    stops = []
    position = done = 0
    for node, then in zip(*placement, strict=True):
        if then == done:
            stops.append(Stop(instance.nodes[node].name, 0))
            continue
        second = None if tuning is None else tuning[position]
        count, names = _hosted(data, done, then)
        stops.append(Stop(instance.nodes[node].name, count, inference[position], second, names))
        position += 1
        done = then
    return CiftPlan(g.model, g.compression, g.source, g.fraction, tuple(stops))


def _hosted(data: Data, done: int, then: int) -> tuple[int, tuple[str, ...]]:
    """Return how many blocks lead from one state to the next, and their names in a graph."""
    if data.names is None:
        return then - done, ()
    names = tuple(name for name in data.names[then] if name not in set(data.names[done]))
    return len(names), names


# -- listed speeds, exactly ----------------------------------------------------------------

# (joules, seconds, speed) of a segment at each level, as integers over common denominators.
Levels = list[tuple[int, int, float]]


class _Table:
    """Segments and hops of one configuration as integers over two common denominators."""

    def __init__(self, instance: CiftInstance, data: Data, placements: Iterable[Placement]) -> None:
        segments: set[Segment] = set()
        hops: set[tuple[int, int, int]] = set()
        for placement in placements:
            used = split(placement)
            segments.update(used[0])
            hops.update(used[1])
        exact = Hops(instance, data)
        hop_rows = {hop: exact.figures(hop) for hop in hops}
        unit: dict[tuple[int, float], tuple[Fraction, Fraction]] = {}
        for n, node in enumerate(instance.nodes):
            assert not isinstance(node.speeds_flop_per_s, SpeedInterval)
            kappa, rho = rational(node.kappa_j_s2_per_flop3), rational(node.busy_power_w)
            for speed in node.speeds_flop_per_s:
                f = rational(speed)
                unit[n, speed] = (kappa * f * f + rho / f, 1 / f)
        rows: dict[tuple[Segment, float], tuple[Fraction, ...]] = {}
        for segment in segments:
            n, i, j = segment
            w = data.work[n][j] - data.work[n][i]
            for speed in instance.nodes[n].speeds_flop_per_s:  # type: ignore[union-attr]
                joules, seconds = unit[n, speed]
                rows[segment, speed] = (
                    w * seconds,
                    instance.requests * w * joules,
                    data.compute_timed * w * seconds,
                    data.compute * w * joules,
                )
        everything = (*hop_rows.values(), *rows.values())
        self.seconds = math.lcm(*(row[k].denominator for row in everything for k in (0, 2)))
        self.joules = math.lcm(*(row[k].denominator for row in everything for k in (1, 3)))
        scale = (self.seconds, self.joules) * 2

        def whole(row: tuple[Fraction, ...]) -> tuple[int, ...]:
            return tuple(int(x * s) for x, s in zip(row, scale, strict=True))

        self.hops = {hop: whole(row) for hop, row in hop_rows.items()}
        self.inference: dict[Segment, Levels] = {segment: [] for segment in segments}
        self.tuning: dict[Segment, Levels] = {segment: [] for segment in segments}
        for (segment, speed), row in rows.items():
            t_inf, e_inf, t_ft, e_ft = whole(row)
            n, i, j = segment
            if keeps_up(instance, data.work[n][j] - data.work[n][i], speed):
                self.inference[segment].append((e_inf, t_inf, speed))
            self.tuning[segment].append((e_ft, t_ft, speed))


Choice = tuple[int, int, tuple[float, ...]]  # joules, seconds, speeds
# Node, blocks, their names in a graph, inference speed, fine-tuning speed, stop by stop.
Order = tuple[tuple[int, int, tuple[str, ...], float, float], ...]


def _least(levels: list[Levels], joules: int, seconds: int, limit: int | None) -> Choice | None:
    """Return the least (joules, seconds, speeds) over all speeds that keep the deadline."""
    best: Choice | None = None
    for combination in itertools.product(*levels):
        time = seconds + sum(entry[1] for entry in combination)
        if limit is not None and time > limit:
            continue
        found = (
            joules + sum(entry[0] for entry in combination),
            time,
            tuple(entry[2] for entry in combination),
        )
        if best is None or found < best:
            best = found
    return best


class _OutOfTimeError(Exception):
    """The time limit has passed."""


class BruteForceCift(Framed[CiftInstance, CiftPlan]):
    """Enumeration of every plan of a small CIFT instance."""

    name = "brute-force"
    takes = BEYOND
    doubt = KINDS

    def supports(self, instance: CiftInstance) -> Support:
        """Take what has at most two million plans (60 000 with continuous speeds).

        In a network in doubt at most 60 000, and speeds are listed.
        """
        known = super().supports(instance)
        if not known:
            return known
        doubtful = _doubtful(instance)
        if doubtful and instance.has_continuous_speeds:
            return Support("brute-force needs listed speeds where the network is in doubt")
        most = MOST_CONTINUOUS if instance.has_continuous_speeds or doubtful else MOST_LISTED
        count = count_plans(instance)
        if count <= most:
            return Support()
        shown = str(count) if count < 10**12 else f"about 1e{len(str(count)) - 1}"
        return Support(f"{shown} plans to enumerate, more than {most}")

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the optimum, or the best plan so far and no bound when time is up.

        A start speeds nothing up; it is kept when time is up before anything better is found.
        """
        kind: type[_Doubtful | _Continuous | _Listed]
        kind = _Continuous if instance.has_continuous_speeds else _Listed
        if _doubtful(instance):
            kind = _Doubtful
        search = kind(instance, run.budget, run.recorder)
        termination = Termination.SOLVED
        try:
            search.enumerate()
        except _OutOfTimeError:
            termination = Termination.TIME
        statistics = {"placements": search.visited}
        if termination is Termination.TIME:
            search.plan = cheaper(instance, search.plan, run.start)
        if search.plan is None:
            if termination is Termination.SOLVED:
                return proven_infeasible(run.recorder, statistics)
            return nothing_found(run.recorder, termination=termination, statistics=statistics)
        bound = None
        if termination is Termination.SOLVED:
            bound = min(search.lower_j, evaluate(instance, search.plan).objective)
        return conclude(
            instance,
            search.plan,
            run.recorder,
            run.budget,
            bound=bound,
            termination=termination,
            statistics=statistics,
        )


class _Run:
    """What both enumerations share: the clock and the best plan."""

    def __init__(self, instance: CiftInstance, budget: Budget, recorder: Recorder) -> None:
        self.instance = instance
        self.budget = budget
        self.recorder = recorder
        self.plan: CiftPlan | None = None
        self.lower_j = 0.0
        self.visited = 0
        self.latency_limit = deadline(instance.inference_deadline_s)
        self.tuning_limit = deadline(instance.fine_tuning_deadline_s)

    def late(self) -> bool:
        """Count a placement, and return whether time was up before it."""
        if self.recorder.remaining_s(self.budget) == 0:
            return True
        self.visited += 1
        return False


class _Listed(_Run):
    """Enumeration in exact arithmetic."""

    def enumerate(self) -> None:
        """Find the plan of least (E, T_inf, T_ft, plan)."""
        best: tuple[Fraction, Fraction, Fraction, int] | None = None
        for index, g in enumerate(self.instance.configurations):
            late, found, plan = self._configuration(g)
            if found is not None and (best is None or (*found, index) < best):
                best, self.plan = (*found, index), plan
                self.lower_j = _rounded_down(found[0])
                self.recorder.note(float(found[0]), plan=plan)
            if late:
                raise _OutOfTimeError

    def _configuration(
        self, g: Configuration
    ) -> tuple[bool, tuple[Fraction, Fraction, Fraction] | None, CiftPlan | None]:
        """Return whether time ran out, the least (E, T_inf, T_ft) of `g`, and its plan."""
        data = Data.of(self.instance, g)
        table = _Table(self.instance, data, self._in_time(g, data))
        latency_limit, tuning_limit = (
            None if limit is None else math.floor(limit * table.seconds)
            for limit in (self.latency_limit, self.tuning_limit)
        )
        best: tuple[int, int, int, Order] | None = None
        plan: CiftPlan | None = None
        late = False
        for placement in placements(self.instance, g, data):
            late = self.late()
            if late:
                break
            segments, hops = split(placement)
            wires = [table.hops[hop] for hop in hops]
            t_inf, e_inf, t_ft, e_ft = (sum(wire[k] for wire in wires) for k in range(4))
            serving = _least([table.inference[s] for s in segments], e_inf, t_inf, latency_limit)
            tuning: Choice | None = (0, 0, ())
            if data.compute > 0:
                tuning = _least([table.tuning[s] for s in segments], e_ft, t_ft, tuning_limit)
            if serving is None or tuning is None:
                continue
            key = (
                serving[0] + tuning[0],
                serving[1],
                tuning[1],
                _order(data, placement, serving[2], tuning[2]),
            )
            if best is None or key < best:
                best = key
                plan = _plan(self.instance, g, data, placement, serving[2], tuning[2] or None)
        if best is None:
            return late, None, None
        joules, latency, time, _ = best
        figures = (
            Fraction(joules, table.joules),
            Fraction(latency, table.seconds),
            Fraction(time, table.seconds),
        )
        return late, figures, plan

    def _in_time(self, g: Configuration, data: Data) -> Iterator[Placement]:
        for placement in placements(self.instance, g, data):
            if self.recorder.remaining_s(self.budget) == 0:
                raise _OutOfTimeError
            yield placement


def _order(
    data: Data, placement: Placement, inference: tuple[float, ...], tuning: tuple[float, ...]
) -> Order:
    """Return the plan's place in lexicographic order: node, blocks, speeds, stop by stop."""
    first, second = iter(inference), iter(tuning)
    rows: list[tuple[int, int, tuple[str, ...], float, float]] = []
    done = 0
    for node, then in zip(*placement, strict=True):
        if then == done:
            rows.append((node, 0, (), 0.0, 0.0))
            continue
        rows.append((node, *_hosted(data, done, then), next(first), next(second, 0.0)))
        done = then
    return tuple(rows)


def _rounded_down(value: Fraction) -> float:
    near = float(value)
    return near if Fraction(near) <= value else math.nextafter(near, -math.inf)


# -- a network in doubt ---------------------------------------------------------------------


def _doubtful(instance: CiftInstance) -> bool:
    """Return whether links or nodes are in doubt."""
    return instance.doubt is not None and instance.doubt.network


class _Doubtful(_Run):
    """Enumeration of placements and speeds, every scenario worked out, in rationals."""

    def enumerate(self) -> None:
        """Find the plan of least (E, T_inf, T_ft, plan)."""
        network = Network(self.instance)
        best: tuple[Fraction, Fraction, Fraction, int, Order] | None = None
        for index, g in enumerate(self.instance.configurations):
            data = Data.of(self.instance, g)
            for placement in placements(self.instance, g, data):
                if self.late():
                    raise _OutOfTimeError
                serving = network.phase(g, data, placement, tuned=False)
                tuning: Taken | None = Taken(Fraction(0), Fraction(0), ())
                if data.compute > 0:
                    tuning = network.phase(g, data, placement, tuned=True)
                if serving is None or tuning is None:
                    continue
                key = (
                    serving.joules + tuning.joules,
                    serving.seconds,
                    tuning.seconds,
                    index,
                    _order(data, placement, serving.speeds, tuning.speeds),
                )
                if best is None or key < best:
                    best, self.lower_j = key, _rounded_down(key[0])
                    self.plan = _plan(
                        self.instance, g, data, placement, serving.speeds, tuning.speeds or None
                    )
                    self.recorder.note(float(key[0]), plan=self.plan)


# -- continuous speeds ---------------------------------------------------------------------


class _Continuous(_Run):
    """Enumeration of placements and listed levels; speeds in intervals by one multiplier."""

    def enumerate(self) -> None:
        """Find a plan within 1e-9 of the optimum, with a lower bound."""
        best, lowest = math.inf, math.inf
        for g in self.instance.configurations:
            data = Data.of(self.instance, g)
            hops = Hops(self.instance, data)
            for placement in placements(self.instance, g, data):
                if self.late():
                    raise _OutOfTimeError
                segments, wires = split(placement)
                t_inf, e_inf, t_ft, e_ft = hops.total(wires)
                fixed = float(e_inf + e_ft)
                if fixed * (1 - 1e-12) > best:
                    continue
                requests = Fraction(self.instance.requests)
                left = _left(self.latency_limit, t_inf)
                serving = self._phase(data, segments, requests, left, serving=True)
                if serving is None:
                    continue
                tuning: tuple[float, float, tuple[float, ...] | None] = (0.0, 0.0, None)
                if data.compute > 0:
                    left = _left(self.tuning_limit, t_ft)
                    timed = data.compute_timed
                    per_pass = None if left is None or not timed else left / timed
                    if left is not None and left < 0:
                        continue
                    found = self._phase(data, segments, data.compute, per_pass)
                    if found is None:
                        continue
                    tuning = found
                lowest = min(lowest, fixed * (1 - 1e-12) + serving[1] + tuning[1])
                energy = fixed + serving[0] + tuning[0]
                if energy < best:
                    best = energy
                    self.plan = _plan(self.instance, g, data, placement, serving[2], tuning[2])
                    self.recorder.note(energy, plan=self.plan)
        self.lower_j = min(lowest, best) if self.plan is not None else 0.0

    def _phase(
        self,
        data: Data,
        segments: list[Segment],
        times: Fraction,
        limit: Fraction | None,
        *,
        serving: bool = False,
    ) -> tuple[float, float, tuple[float, ...]] | None:
        """Return (energy, lower bound, speeds) of a phase run `times` times a host."""
        ranges: list[list[Host]] = []
        for n, i, j in segments:
            node = self.instance.nodes[n]
            allowed = node.speeds_flop_per_s
            ends = (
                [(allowed.low, allowed.high)]
                if isinstance(allowed, SpeedInterval)
                else [(f, f) for f in allowed]
            )
            if times == 0:
                # Free of charge: only the time of one request counts.
                ends = [(ends[-1][1], ends[-1][1])]
            work = data.work[n][j] - data.work[n][i]
            if serving:
                ends = [(max(low, self._least(work)), high) for low, high in ends]
                ends = [
                    (min(low, high), high)
                    for low, high in ends
                    if keeps_up(self.instance, work, high)
                ]
            ranges.append(
                [
                    Host(work, node.kappa_j_s2_per_flop3, node.busy_power_w, low, high)
                    for low, high in ends
                ]
            )
        best, lowest = math.inf, math.inf
        speeds: tuple[float, ...] = ()
        weight = float(times)
        for hosts in itertools.product(*ranges):
            found = phase_optimum(hosts, limit)
            if found is None:
                continue
            lowest = min(lowest, weight * found.lower_j)
            if weight * found.energy_j < best:
                best, speeds = weight * found.energy_j, found.speeds_flop_per_s
        return (best, lowest, speeds) if speeds else None

    def _least(self, work: Fraction) -> float:
        """Return the least speed at which a host keeps up with the throughput."""
        rate = self.instance.throughput_per_s
        if rate is None:
            return 0.0
        return _rounded_up(work * rational(rate) / (1 + rational(TOLERANCES.deadline)))


def _rounded_up(value: Fraction) -> float:
    near = float(value)
    return near if Fraction(repr(near)) >= value else math.nextafter(near, math.inf)


def _left(limit: Fraction | None, spent: Fraction) -> Fraction | None:
    return None if limit is None else limit - spent


METHOD = BruteForceCift()
