"""Listed speeds, exactly: each figure a rational, over a common denominator a configuration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

from splitopt.formulations.cift.brute_force.frame import (
    Enumeration,
    Order,
    OutOfTimeError,
    order_of,
    plan_of,
    rounded_down,
)
from splitopt.formulations.cift.brute_force.plans import (
    Data,
    Hops,
    Placement,
    Segment,
    keeps_up,
    placements,
    split,
)
from splitopt.instances.cift.model import CiftInstance, Configuration, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.exact import rational

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


class Listed(Enumeration):
    """Enumeration in exact arithmetic."""

    def enumerate(self) -> None:
        """Find the plan of least (E, T_inf, T_ft, plan)."""
        best: tuple[Fraction, Fraction, Fraction, int] | None = None
        for index, g in enumerate(self.instance.configurations):
            late, found, plan = self._configuration(g)
            if found is not None and (best is None or (*found, index) < best):
                best, self.plan = (*found, index), plan
                self.lower_j = rounded_down(found[0])
                self.recorder.note(float(found[0]), plan=plan)
            if late:
                raise OutOfTimeError

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
                order_of(data, placement, serving[2], tuning[2]),
            )
            if best is None or key < best:
                best = key
                plan = plan_of(self.instance, g, data, placement, serving[2], tuning[2] or None)
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
                raise OutOfTimeError
            yield placement
