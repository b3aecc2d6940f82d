"""Continuous speeds in the disjunctive model of CIFT: two rotated cones a phase and node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyomo.environ as pyo

from splitopt.formulations.cift.pyomo.data import Chain, Key
from splitopt.instances.cift.model import CiftInstance, SpeedInterval

Terms = list[tuple[float, str, Key]]  # coefficient, variable, its index


class Cones:
    """Shares w, times t and energies e of nodes with an interval of speeds, by configuration.

    Everything is relative: w to the FLOP W_g of the chain, t to W_g / Fmax, e to
    kappa Fmax^2 W_g, so that w^3 / t^2 <= e reads w^2 <= s t, s^2 <= e w.
    """

    def __init__(self, instance: CiftInstance, every: Sequence[Chain]) -> None:
        self.intervals = {
            n: node.speeds_flop_per_s
            for n, node in enumerate(instance.nodes)
            if isinstance(node.speeds_flop_per_s, SpeedInterval)
        }
        self.instance = instance
        self.keys = [
            (g.index, p, n)
            for g in every
            for p in ("serve", "tune")
            if p == "serve" or g.passes
            for n in g.nodes
            if n in self.intervals
        ]
        self.ratio = {n: v.high / v.low for n, v in self.intervals.items()}

    @property
    def upper(self) -> dict[str, dict[Key, float]]:
        """Return the variables that disjuncts have terms in, each with its upper bound."""
        return {
            "w": dict.fromkeys(self.keys, 1.0),
            "t": {key: self.ratio[key[2]] for key in self.keys},
            "e": dict.fromkeys(self.keys, 1.0),
        }

    def state(self, m: Any) -> None:
        """State variables and cones."""
        self.m = m
        ratio = self.ratio
        m.C = pyo.Set(dimen=3, initialize=self.keys)
        m.w = pyo.Var(m.C, bounds=(0, 1))
        m.t = pyo.Var(m.C, bounds=lambda m, g, p, n: (0, ratio[n]))
        m.s = pyo.Var(m.C, bounds=(0, 1))
        m.e = pyo.Var(m.C, bounds=(0, 1))

        def fastest(m: Any, g: int, p: str, n: int) -> Any:
            return m.w[g, p, n] <= m.t[g, p, n]

        def slowest(m: Any, g: int, p: str, n: int) -> Any:
            return m.t[g, p, n] <= ratio[n] * m.w[g, p, n]

        def lower_cone(m: Any, g: int, p: str, n: int) -> Any:
            return m.w[g, p, n] ** 2 <= m.s[g, p, n] * m.t[g, p, n]

        def upper_cone(m: Any, g: int, p: str, n: int) -> Any:
            return m.s[g, p, n] ** 2 <= m.e[g, p, n] * m.w[g, p, n]

        m.fastest = pyo.Constraint(m.C, rule=fastest)
        m.slowest = pyo.Constraint(m.C, rule=slowest)
        m.lower_cone = pyo.Constraint(m.C, rule=lower_cone)
        m.upper_cone = pyo.Constraint(m.C, rule=upper_cone)

    def terms(
        self, g: Chain, totals: Mapping[int, float], phases: Sequence[str]
    ) -> Iterator[tuple[str, Terms, Terms]]:
        """Yield each phase with the joules of one pass and the seconds."""
        for p in phases:
            joules: Terms = []
            seconds: Terms = []
            for n in g.nodes:
                if n not in self.intervals:
                    continue
                total = totals[n]
                node, top = self.instance.nodes[n], self.intervals[n].high
                key = g.index, p, n
                joules.append((total * node.kappa_j_s2_per_flop3 * top**2, "e", key))
                joules.append((total * node.busy_power_w / top, "t", key))
                seconds.append((total / top, "t", key))
            yield p, joules, seconds

    def localise(self, disjunct: Any, g: Chain) -> None:
        """Tell the hull that these variables are the disjunct's own: it makes no copies."""
        mine = [v[k] for k in self.m.C if k[0] == g.index for v in (self.m.w, self.m.t, self.m.e)]
        if mine:
            disjunct.LocalVars = pyo.Suffix(direction=pyo.Suffix.LOCAL)
            disjunct.LocalVars[disjunct] = mine

    def speed(self, m: Any, g: int, phase: str, node: int) -> float:
        """Return the speed that the variables' values stand for, within its interval."""
        interval = self.intervals[node]
        w, t = m.w[g, phase, node].value or 0.0, m.t[g, phase, node].value or 0.0
        if w <= 0 or t <= 0:
            return interval.high
        return min(max(interval.high * w / t, interval.low), interval.high)
