"""Cheapest speeds of the hosts of a fixed placement, one phase at a time, exactly.

For hosts of w_i FLOP and a phase with p passes::

    min  p * sum_i (kappa_i w_i f_i^2 + rho_i w_i / f_i)
    s.t. q * sum_i w_i / f_i <= slack

with q = 1 for inference and q = p for fine-tuning. Hosts with listed speeds give a frontier of
(time, energy) points; hosts with an interval share one multiplier, found by bisection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from splitopt.instances.cift.model import Node, SpeedInterval, Speeds

_BISECTIONS = 200
_HAIR = 1e-12


class Host(NamedTuple):
    """A node, the FLOPs it computes a pass, and the least speed that a throughput leaves it."""

    node: Node
    work_flop: float
    least: float = 0.0

    @property
    def speeds(self) -> Speeds:
        """The speeds left; an empty list for none."""
        given = self.node.speeds_flop_per_s
        if not isinstance(given, SpeedInterval):
            return tuple(f for f in given if f >= self.least) if self.least > given[0] else given
        if self.least <= given.low:
            return given
        return SpeedInterval(self.least, given.high) if self.least <= given.high else ()


class Schedule(NamedTuple):
    """Speeds of the hosts with the energy and the time they take in one phase."""

    energy_j: float
    time_s: float
    speeds: tuple[float, ...]


def _cost(host: Host, speed: float, passes: float, pace: float) -> tuple[float, float]:
    """Return joules and seconds of one host at one speed."""
    node, work, _ = host
    joules = node.kappa_j_s2_per_flop3 * speed * speed + node.busy_power_w / speed
    return passes * work * joules, pace * work / speed


def _top(node: Node) -> float:
    speeds = node.speeds_flop_per_s
    return speeds.high if isinstance(speeds, SpeedInterval) else speeds[-1]


def _priced_speed(host: Host, price_w: float) -> float:
    """Return the speed of an interval at which kappa f^2 + (rho + price) / f is least."""
    node, speeds = host.node, host.speeds
    assert isinstance(speeds, SpeedInterval)
    if node.kappa_j_s2_per_flop3 == 0:
        return speeds.high
    best = math.cbrt((node.busy_power_w + price_w) / (2 * node.kappa_j_s2_per_flop3))
    return min(max(best, speeds.low), speeds.high)


def _schedule(
    hosts: Sequence[Host], speeds: Sequence[float], passes: float, pace: float
) -> Schedule:
    energy = time = 0.0
    for host, speed in zip(hosts, speeds, strict=True):
        joules, seconds = _cost(host, speed, passes, pace)
        energy += joules
        time += seconds
    return Schedule(energy, time, tuple(speeds))


def fastest_schedule(hosts: Sequence[Host], passes: float, pace: float) -> Schedule:
    """Return the schedule with every host at its top speed."""
    return _schedule(hosts, [_top(host.node) for host in hosts], passes, pace)


def _frontier(hosts: Sequence[Host], passes: float, pace: float, slack: float) -> list[Schedule]:
    """Return the schedules of hosts with listed speeds that no other one dominates."""
    points = [Schedule(0.0, 0.0, ())]
    # What the hosts to come take at least; less a hair, since sums in another order round apart.
    left = sum(pace * host.work_flop / _top(host.node) for host in hosts)
    for host in hosts:
        levels = host.speeds
        assert not isinstance(levels, SpeedInterval)
        left -= pace * host.work_flop / _top(host.node)
        room = slack - left * (1 - _HAIR) + _HAIR * abs(slack)
        grown = []
        for speed in levels:
            joules, seconds = _cost(host, speed, passes, pace)
            for point in points:
                if point.time_s + seconds <= min(slack, room):
                    grown.append(
                        Schedule(
                            point.energy_j + joules,
                            point.time_s + seconds,
                            (*point.speeds, speed),
                        )
                    )
        grown.sort(key=lambda point: (point.energy_j, point.time_s))
        points = []
        least = math.inf
        for point in grown:
            if point.time_s < least:
                points.append(point)
                least = point.time_s
    return points


def _unhurried(hosts: Sequence[Host], passes: float, pace: float) -> Schedule | None:
    """Return each host's cheapest level, the fastest of equals; None with an interval."""
    speeds = []
    for host in hosts:
        levels = host.speeds
        if isinstance(levels, SpeedInterval):
            return None
        speeds.append(min(levels, key=lambda f: _cost(host, f, passes, pace)))
    return _schedule(hosts, speeds, passes, pace)


def _intervals(hosts: Sequence[Host], passes: float, pace: float, slack: float) -> Schedule | None:
    """Return the cheapest speeds of hosts with intervals within `slack`, None if too slow."""

    def priced(price_w: float) -> Schedule:
        return _schedule(hosts, [_priced_speed(h, price_w) for h in hosts], passes, pace)

    free = priced(0.0) if passes > 0 else fastest_schedule(hosts, passes, pace)
    if free.time_s <= slack:
        return free
    top = fastest_schedule(hosts, passes, pace)
    if top.time_s > slack:
        return None
    low, high = 0.0, 2 * max(h.node.kappa_j_s2_per_flop3 * _top(h.node) ** 3 for h in hosts)
    best = top
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        point = priced(middle)
        if point.time_s <= slack:
            high, best = middle, point
        else:
            low = middle
    return best


def cheapest_schedule(
    hosts: Sequence[Host], passes: float, pace: float, slack_s: float | None
) -> Schedule | None:
    """Return the speeds of least energy that keep within `slack_s`, None where there are none.

    Parameters
    ----------
    hosts
        Hosts in the order of the path.
    passes
        p, how often each host computes its segment; 0 makes every speed free of energy.
    pace
        q, seconds that count for each second a pass takes.
    slack_s
        Seconds the hosts may take together; None for no deadline.
    """
    slack = math.inf if slack_s is None else slack_s
    if any(host.least > 0 and host.speeds == () for host in hosts):
        return None
    free = _unhurried(hosts, passes, pace)
    if free is not None and free.time_s <= slack:
        return free
    listed = [
        i for i, h in enumerate(hosts) if not isinstance(h.node.speeds_flop_per_s, SpeedInterval)
    ]
    others = [i for i in range(len(hosts)) if i not in listed]
    best: Schedule | None = None
    points = _frontier([hosts[i] for i in listed], passes, pace, slack)
    if not others:
        return points[0] if points else None  # they come in the order of energy
    for point in points:
        rest = _intervals([hosts[i] for i in others], passes, pace, slack - point.time_s)
        if rest is None:
            continue
        energy, time = point.energy_j + rest.energy_j, point.time_s + rest.time_s
        if best is not None and (best.energy_j, best.time_s) <= (energy, time):
            continue
        speeds = dict(zip(listed, point.speeds, strict=True))
        speeds |= zip(others, rest.speeds, strict=True)
        best = Schedule(energy, time, tuple(speeds[i] for i in range(len(hosts))))
    return best
