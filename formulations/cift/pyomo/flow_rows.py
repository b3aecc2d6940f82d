"""The flow formulation of CIFT, of which `flow` states the mathematics, as rows and as arrays.

Without Pyomo: what is written to a file needs no model of it.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from splitopt.formulations.cift.pyomo.data import (
    Chain,
    Key,
    Written,
    chains,
    levels,
    limit,
    need_configurations,
    need_listed_speeds,
)
from splitopt.formulations.solvers.files import NamedModel
from splitopt.formulations.solvers.highs import SparseModel
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, Stop

__all__ = [
    "Term",
    "arcs",
    "columns",
    "deadline_rows",
    "flow_rows",
    "named",
    "plan",
    "read",
    "written",
]


def arcs(instance: CiftInstance) -> int:
    """Return about how many variables the model has, without building it."""
    total = 0
    for chain in chains(instance):
        segments = chain.blocks * (chain.blocks + 1) // 2
        for n in chain.nodes:
            count = len(levels(instance.nodes[n]))
            total += segments * count * (2 if chain.passes else 1) + chain.blocks
        total += chain.blocks * len(chain.hops)
    return total


class Steps:
    """Every step of a path with its joules and seconds; keys as in the module's text."""

    def __init__(self, instance: CiftInstance) -> None:
        self.serve: dict[tuple[int, ...], tuple[float, float]] = {}
        self.tune: dict[tuple[int, ...], tuple[float, float]] = {}
        self.skip: list[tuple[int, ...]] = []
        self.hop: dict[tuple[int, ...], tuple[float, float, float]] = {}
        self.tau_inf = limit(instance.inference_deadline_s)
        self.tau_ft = limit(instance.fine_tuning_deadline_s)
        for g in chains(instance):
            self._hosts(instance, g)
            self._hops(g)

    def _hosts(self, instance: CiftInstance, g: Chain) -> None:
        held, rooms = g.memory(instance)
        for n in g.nodes:
            speeds = levels(instance.nodes[n])
            for i in range(g.blocks if n != g.source else 1):
                self.skip.append((g.index, i, n))
                for j in range(i + 1, g.blocks + 1):
                    if sum(held[i:j]) > rooms[n]:
                        break
                    w = g.work(i, j)
                    for level, (f, joules) in speeds.items():
                        key = (g.index, i, j, n, level)
                        if w / f <= self.tau_inf:
                            self.serve[key] = (g.serving * w * joules, w / f)
                        if g.passes == 0:
                            self.tune[*key[:4], 0] = (0.0, 0.0)
                        elif g.computing_timed * w / f <= self.tau_ft:
                            seconds = g.computing_timed * w / f
                            self.tune[key] = (g.computing * w * joules, seconds)

    def _hops(self, g: Chain) -> None:
        for n, m, serving_s, tuning_s, joules in g.hops:
            for b, a in enumerate(g.bits):
                latency, time = serving_s[b], g.sending_timed * tuning_s[b]
                if latency <= self.tau_inf and time <= self.tau_ft:
                    energy = (g.serving + g.sending) * joules * a
                    self.hop[g.index, b, n, m] = (energy, latency, time)


Term = tuple[str, Key, float]  # variable, its index, its coefficient


def _incidence(
    every: list[Chain], steps: Steps
) -> Iterator[tuple[tuple[Any, ...], str, Key, float]]:
    """Yield state, variable, its index, and 1 where it enters the state, -1 where it leaves."""
    length = {g.index: g.blocks for g in every}
    for g in every:
        yield ("arrived", g.index, 0, g.source), "y", (g.index,), 1.0
        yield ("placed", g.index, g.blocks), "y", (g.index,), -1.0
    for key in steps.serve:
        c, i, j, n, _ = key
        yield ("arrived", c, i, n), "serve", key, -1.0
        yield ("between", c, i, j, n), "serve", key, 1.0
    for key in steps.tune:
        c, i, j, n, _ = key
        yield ("between", c, i, j, n), "tune", key, -1.0
        # All placed states with every block done are one, the goal of the configuration.
        goal = ("placed", c, j, n) if j < length[c] else ("placed", c, j)
        yield goal, "tune", key, 1.0
    for key in steps.skip:
        yield ("arrived", *key), "skip", key, -1.0
        yield ("placed", *key), "skip", key, 1.0
    for key in steps.hop:
        c, b, n, k = key
        yield ("placed", c, b, n), "hop", key, -1.0
        yield ("arrived", c, b, k), "hop", key, 1.0


def flow_rows(every: list[Chain], steps: Steps) -> list[list[Term]]:
    """Return the rows of the flow, each a sum that is zero: what enters a state leaves it."""
    states: dict[tuple[Any, ...], list[Term]] = {}
    for state, variable, key, sign in _incidence(every, steps):
        states.setdefault(state, []).append((variable, key, sign))
    return list(states.values())


def deadline_rows(instance: CiftInstance, steps: Steps) -> dict[str, list[Term]]:
    """Return the rows of the deadlines there are, each a sum that is at most one."""
    found: dict[str, list[Term]] = {}
    if instance.inference_deadline_s:
        found["latency"] = [
            *(("serve", k, s / steps.tau_inf) for k, (_, s) in steps.serve.items() if s),
            *(("hop", k, s / steps.tau_inf) for k, (_, s, _) in steps.hop.items() if s),
        ]
    if instance.fine_tuning_deadline_s:
        found["time"] = [
            *(("tune", k, s / steps.tau_ft) for k, (_, s) in steps.tune.items() if s),
            *(("hop", k, s / steps.tau_ft) for k, (_, _, s) in steps.hop.items() if s),
        ]
    return found


def columns(every: list[Chain], steps: Steps) -> dict[str, dict[Key, float]]:
    """Return the variables, by index, with their joules."""
    return {
        "y": {(g.index,): 0.0 for g in every},
        "serve": {k: e for k, (e, _) in steps.serve.items()},
        "tune": {k: e for k, (e, _) in steps.tune.items()},
        "skip": dict.fromkeys(steps.skip, 0.0),
        "hop": {k: e for k, (e, _, _) in steps.hop.items()},
    }


def read(instance: CiftInstance) -> tuple[list[Chain], Steps]:
    """Return the chains of an instance and every step along them.

    Raises
    ------
    InputError
        For continuous speeds, or without configurations.
    """
    need_configurations(instance)
    need_listed_speeds(instance, "flow")
    return chains(instance), Steps(instance)


def _arrays(instance: CiftInstance) -> tuple[Written, tuple[str, ...]]:
    """Return the model as arrays, and the names of its rows."""
    every, steps = read(instance)
    variables = columns(every, steps)
    limits = {name: terms for name, terms in deadline_rows(instance, steps).items() if terms}
    place: dict[str, dict[Key, int]] = {}
    count = 0
    for variable, found in variables.items():
        place[variable] = dict(zip(found, range(count, count + len(found)), strict=True))
        count += len(found)
    row, column, value = array("q"), array("q"), array("d")
    # Row 0: one configuration. Then a row a state, in order of their first terms.
    for key in variables["y"]:
        row.append(0)
        column.append(place["y"][key])
        value.append(1.0)
    states: dict[tuple[Any, ...], int] = {}
    for state, variable, key, sign in _incidence(every, steps):
        row.append(states.setdefault(state, len(states) + 1))
        column.append(place[variable][key])
        value.append(sign)
    for k, terms in enumerate(limits.values(), start=len(states) + 1):
        for variable, key, factor in terms:
            row.append(k)
            column.append(place[variable][key])
            value.append(factor)
    lower, upper = (np.zeros(1 + len(states) + len(limits)) for _ in range(2))
    lower[0] = upper[0] = 1.0
    lower[1 + len(states) :] = -np.inf
    upper[1 + len(states) :] = 1.0
    joules = itertools.chain.from_iterable(found.values() for found in variables.values())
    model = SparseModel(
        np.fromiter(joules, np.float64, count),
        np.zeros(count),
        np.ones(count),
        np.ones(count, dtype=np.bool_),
        lower,
        upper,
        np.frombuffer(row, np.int64),
        np.frombuffer(column, np.int64),
        np.frombuffer(value, np.float64),
    )
    names = ("one", *(f"flow_{k}" for k in range(len(states))), *limits)
    return Written(model, {name: list(found) for name, found in variables.items()}), names


def written(instance: CiftInstance) -> Written:
    """Return the model as arrays, without Pyomo.

    Raises
    ------
    InputError
        As `flow.model`.
    """
    return _arrays(instance)[0]


def named(instance: CiftInstance) -> tuple[NamedModel, Written]:
    """Return the same with the names that files of `flow.model` have, and with what reads values.

    Raises
    ------
    InputError
        As `flow.model`.
    """
    found, rows = _arrays(instance)
    columns = (
        f"{variable}_{'_'.join(map(str, key))}"
        for variable, keys in found.columns.items()
        for key in keys
    )
    return NamedModel(found.model, tuple(columns), rows), found


def plan(instance: CiftInstance, chosen: Mapping[str, Iterable[Key]]) -> CiftPlan:
    """Return the plan of the variables that are one, by name."""
    ((g,),) = itertools.islice(chosen["y"], 1)
    chain = chains(instance)[g]
    serve = {(n, i): (j, f) for c, i, j, n, f in chosen["serve"] if c == g}
    tune = {(n, i): f for c, i, _, n, f in chosen["tune"] if c == g}
    hop = {(b, n): k for c, b, n, k in chosen["hop"] if c == g}
    n, done, stops = chain.source, 0, []
    while True:
        node = instance.nodes[n]
        if (n, done) in serve:
            start, (done, f) = done, serve[n, done]
            speeds: Any = node.speeds_flop_per_s
            tuned = speeds[tune[n, start]] if chain.passes else None
            stops.append(Stop(node.name, done - start, speeds[f], tuned))
        else:
            stops.append(Stop(node.name, 0))
        if done == chain.blocks:
            return CiftPlan.of(instance.configurations[g], tuple(stops))
        n = hop[done, n]
