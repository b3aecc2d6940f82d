"""Continuous speeds: placements and listed levels are enumerated, intervals solved in doubles."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

from splitopt.formulations.cift.brute_force.frame import Enumeration, OutOfTimeError, plan_of
from splitopt.formulations.cift.brute_force.oracle import Host, phase_optimum
from splitopt.formulations.cift.brute_force.plans import (
    Data,
    Hops,
    Segment,
    keeps_up,
    placements,
    split,
)
from splitopt.instances.cift.model import SpeedInterval
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES


class Continuous(Enumeration):
    """Enumeration of placements and listed levels; speeds in intervals by one multiplier."""

    def enumerate(self) -> None:
        """Find a plan within 1e-9 of the optimum, with a lower bound."""
        best, lowest = math.inf, math.inf
        for g in self.instance.configurations:
            data = Data.of(self.instance, g)
            hops = Hops(self.instance, data)
            for placement in placements(self.instance, g, data):
                if self.late():
                    raise OutOfTimeError
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
                    self.plan = plan_of(self.instance, g, data, placement, serving[2], tuning[2])
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
