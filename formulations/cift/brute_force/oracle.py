"""One phase of CIFT at a fixed placement with continuous speeds, solved by one multiplier.

A segment of w FLOP at speed f takes t = w / f seconds and ``kappa w f^2 + rho w / f`` joules.
For a fixed placement a phase is::

    min  sum_h  kappa_h w_h f_h^2 + rho_h w_h / f_h
    s.t. sum_h  w_h / f_h <= tau,     low_h <= f_h <= high_h

In t = w / f every term ``kappa w^3 / t^2 + rho t`` is convex and the constraint is linear, so
strong duality holds. With a multiplier mu >= 0 (watts) on the deadline the hosts separate, and
each minimises ``kappa w f^2 + (rho + mu) w / f``, hence::

    f_h(mu) = clip(cbrt((rho_h + mu) / (2 kappa_h)), low_h, high_h)

(kappa = 0: high_h). The time ``T(mu) = sum_h w_h / f_h(mu)`` falls as mu rises, so the multiplier
is found by bisection, and by weak duality every mu proves the lower bound::

    q(mu) = energy(f(mu)) - mu * (tau - T(mu))

A listed speed is a host with low = high: it takes part with a fixed time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from splitopt.instances.core.exact import rational

# The bound allows for rounding this large, relative to the energy: some ten operations a host,
# and a minimiser that is off in the last place changes the energy to second order only.
_ROUNDING = 1e-12
_STEPS = 400


@dataclass(frozen=True, slots=True)
class Host:
    """A segment on a host whose speed lies in [low, high].

    Attributes
    ----------
    work_flop
        w >= 0, exactly.
    kappa_j_s2_per_flop3, busy_power_w
        kappa and rho of the node.
    low_flop_per_s, high_flop_per_s
        0 < low <= high.
    """

    work_flop: Fraction
    kappa_j_s2_per_flop3: float
    busy_power_w: float
    low_flop_per_s: float
    high_flop_per_s: float

    def speed(self, multiplier_w: float) -> float:
        """Return f(mu), the speed of least energy when a second costs mu joules more."""
        kappa, low, high = self.kappa_j_s2_per_flop3, self.low_flop_per_s, self.high_flop_per_s
        price = self.busy_power_w + multiplier_w
        if price >= 2 * kappa * high**3:
            return high
        return min(max(math.cbrt(price / (2 * kappa)), low), high)

    def energy_j(self, speed: float) -> float:
        """Return kappa w f^2 + rho w / f."""
        work = float(self.work_flop)
        return self.kappa_j_s2_per_flop3 * work * speed**2 + self.busy_power_w * work / speed

    def saturation_w(self) -> float:
        """Return the least mu from which f(mu) = high."""
        return max(0.0, 2 * self.kappa_j_s2_per_flop3 * self.high_flop_per_s**3 - self.busy_power_w)


@dataclass(frozen=True, slots=True)
class PhaseOptimum:
    """The optimum of a phase: speeds that keep the deadline, and a certified range.

    Attributes
    ----------
    speeds_flop_per_s
        One speed a host; the deadline holds for them as rationals.
    energy_j, lower_j
        What they take, and a lower bound on what any speeds take.
    multiplier_w
        mu; 0 where the deadline does not bind.
    """

    speeds_flop_per_s: tuple[float, ...]
    energy_j: float
    lower_j: float
    multiplier_w: float


def _slack(hosts: Sequence[Host], speeds: Sequence[float], limit: Fraction) -> Fraction:
    return limit - sum(
        (host.work_flop / rational(f) for host, f in zip(hosts, speeds, strict=True)), Fraction(0)
    )


def _energy(hosts: Sequence[Host], speeds: Sequence[float]) -> float:
    return sum(host.energy_j(f) for host, f in zip(hosts, speeds, strict=True))


def phase_optimum(hosts: Sequence[Host], time_limit_s: Fraction | None) -> PhaseOptimum | None:
    """Return the optimum of a phase, None when even the fastest speeds miss the deadline.

    Parameters
    ----------
    hosts
        The segments of the placement.
    time_limit_s
        tau, what the deadline leaves for computing; None where there is none.
    """
    free = tuple(host.speed(0.0) for host in hosts)
    if time_limit_s is None or _slack(hosts, free, time_limit_s) >= 0:
        energy = _energy(hosts, free)
        return PhaseOptimum(free, energy, energy * (1 - _ROUNDING), 0.0)
    if _slack(hosts, [host.high_flop_per_s for host in hosts], time_limit_s) < 0:
        return None
    works = [float(host.work_flop) for host in hosts]
    limit = float(time_limit_s)
    low, high = 0.0, max(host.saturation_w() for host in hosts)
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if sum(w / h.speed(middle) for w, h in zip(works, hosts, strict=True)) <= limit:
            high = middle
        else:
            low = middle
    lower = -float("inf")
    for multiplier in (low, high):
        speeds = tuple(host.speed(multiplier) for host in hosts)
        energy = _energy(hosts, speeds)
        price = multiplier * float(_slack(hosts, speeds, time_limit_s))
        lower = max(lower, energy - price - _ROUNDING * (energy + abs(price)))
    # Within rounding of the deadline: a nudge upward makes it hold as rationals.
    step = 0.0
    while _slack(hosts, speeds, time_limit_s) < 0:
        step = max(2.0**-52, 2 * step)
        speeds = tuple(min(host.speed(high) * (1 + step), host.high_flop_per_s) for host in hosts)
    return PhaseOptimum(speeds, _energy(hosts, speeds), lower, high)
