"""Plans of SCIP's solutions: the placement as found, speeds fitted to the deadlines."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from splitopt.formulations.cift.outer.fitting import Demand, fit_in_doubt
from splitopt.formulations.cift.outer.speeds import Engine, fit
from splitopt.formulations.cift.scip.model import PHASES, Model
from splitopt.instances.cift.plan import CiftPlan, Stop, stop_between
from splitopt.instances.cift.rates import least_speeds
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import downsets_of

Variable = Any
# Of the judge's tolerance on deadlines, what a fitted plan may use.
_USED = 1 + 0.9 * TOLERANCES.deadline
On = Callable[[Variable], bool]


def plans(model: Model, on: On) -> tuple[list[CiftPlan], list[Variable]]:
    """Return the plans of a solution, for the judge to see, and its 0-1 variables.

    There are two where scenarios may be late: those of the solution, and those that are latest.
    """
    k = next(k for k, y in enumerate(model.y) if on(y))
    path, used = _path(model, k, on)
    hosts = [(n, i, j) for n, i, j in path if j > i]
    late: list[dict[str, Any]] = [dict.fromkeys(PHASES)]
    if model.late:
        chosen: dict[str, list[bool]] = {phase: [] for phase in PHASES}
        for (phase, _), variable in model.late.items():
            chosen[phase].append(on(variable))
        late.insert(0, {p: np.array(x) if x else None for p, x in chosen.items()})
    instance, profile = model.instance, model.profile(k)
    sets, found = downsets_of(profile), []
    for choice in late:
        speeds: dict[tuple[str, int], float] = {}
        for phase in PHASES if model.passes(k) > 0 else PHASES[:1]:
            engines = []
            for n, i, j in hosts:
                engine, level = _engine(model, k, phase, (n, i, j), on)
                used += [] if level is None else [level]
                engines.append(engine)
            fitted = _fit(model, k, phase, path, engines, choice[phase])
            speeds |= {(phase, n): f for (n, _, _), f in zip(hosts, fitted, strict=True)}
        stops: list[Stop] = []
        for n, i, j in path:
            both = speeds.get(("serve", n)), speeds.get(("tune", n))
            name = instance.nodes[n].name
            stops.append(stop_between(profile, sets, name, i, j, both if j > i else (None, None)))
        found.append(CiftPlan.of(model.kept[k], tuple(stops)))
    return found, list({id(variable): variable for variable in used}.values())


def _path(model: Model, k: int, on: On) -> tuple[list[tuple[int, int, int]], list[Variable]]:
    """Return the nodes of a path with the downsets before and behind each, and what is taken."""
    instance, profile, used = model.instance, model.profile(k), [model.y[k]]
    n, L = instance.node_index[model.kept[k].source], len(profile.blocks)
    path: list[tuple[int, int, int]] = []
    done = 0
    if k in model.crossing:
        crossing, sets = model.crossing[k], downsets_of(profile)
        while True:
            here = [b for b in range(L) if (k, b, n) in model.x and on(model.x[k, b, n])]
            used += [model.x[k, b, n] for b in here]
            then = sets.after(done, tuple(here))
            path.append((n, done, then))
            if on(crossing.e[n]):
                return path, used
            ends = next(ends for ends, u in crossing.u.items() if ends[0] == n and on(u))
            used.append(crossing.u[ends])
            n, done = ends[1], then
    while True:
        first = done
        while done < L and (k, done, n) in model.x and on(model.x[k, done, n]):
            used.append(model.x[k, done, n])
            done += 1
        path.append((n, first, done))
        if done == L:
            return path, used
        hop = next(key for key, h in model.h.items() if key[:3] == (k, done, n) and on(h))
        used.append(model.h[hop])
        n = hop[3]


def _engine(
    model: Model, k: int, phase: str, host: tuple[int, int, int], on: On
) -> tuple[Engine, Variable | None]:
    """Return the speeds that are left to a host, and the level it takes."""
    instance, (n, i, j) = model.instance, host
    node, profile = instance.nodes[n], model.profile(k)
    engine = Engine.of(node, charged=phase == "tune" or instance.requests > 0)
    taken = [f for (p, m, f), z in model.z.items() if (p, m) == (phase, n) and on(z)]
    if taken:
        return Engine(node, taken[0], taken[0], (taken[0],)), model.z[phase, n, taken[0]]
    if phase == "serve" and instance.throughput_per_s is not None:
        sets = downsets_of(profile)
        work = sets.sums(np.array(model.work[k][n]))
        least = least_speeds(instance, node, profile, model.level(k), sets, work)
        assert least is not None
        engine = engine.from_speed(float(least[i, j]))
    return engine, None


def _fit(
    model: Model, k: int, phase: str, path: list[tuple[int, int, int]], engines: list[Engine],
    late: Any,
) -> list[float]:  # fmt: skip
    """Return speeds that keep the phase's deadline, the highest where none do."""
    instance, position = model.instance, PHASES.index(phase)
    deadline = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)[position]
    profile, sets = model.profile(k), downsets_of(model.profile(k))
    training, level = instance.training, model.level(k)
    compute, send, batch = 1.0, 1.0, 1
    if phase == "tune":
        compute, send = training.compute_factor, training.communication_factor
        batch = training.batch_size
    links = {(link.tail, link.head): link for link in instance.links}
    if profile.is_graph:
        bits = np.array([t.bits if t.producer is None else t.bits * level.activation_factor
                         for t in profile.tensors])  # fmt: skip
    else:
        behind = [level.activation_factor * block.activation_bits for block in profile.blocks[:-1]]
        bits = np.array([profile.input_bits, *behind])
    hops = []
    for (n, _, done), (head, _, _) in itertools.pairwise(path):
        link = links[instance.nodes[n].name, instance.nodes[head].name]
        wire = send * float(sets.crossing[done] @ bits) / link.rate_bit_per_s
        hops.append((link, wire, send * link.delay_s / batch))
    hosts = [(n, i, j) for n, i, j in path if j > i]
    work = [compute * sum(model.work[k][n][b] for b in sets.between(i, j)) for n, i, j in hosts]
    limit = math.inf if deadline is None else deadline * _USED
    if model.chances is None:
        passes = instance.assured_passes(model.kept[k]) if phase == "tune" else 1
        spent = passes * sum(wire + delay for _, wire, delay in hops)
        return fit(engines, [passes * w for w in work], limit - spent)
    chance = model.chances[position]
    often = chance.passes[:, instance.configurations.index(model.kept[k])]
    spent_i, variance = np.zeros(len(often)), 0.0
    for link, wire, delay in hops:
        spent_i += often * (wire * chance.slowness(link.tail, link.head) + delay)
        variance += (float(often[0]) * wire * chance.deviation(link.tail, link.head)) ** 2
    names = [instance.nodes[n].name for n, _, _ in hosts]
    slow = [often * chance.slowness(name) for name in names]
    deviation = [float(often[0]) * chance.deviation(name) for name in names]
    return fit_in_doubt(
        engines,
        work,
        Demand(
            chance,
            limit,
            spent_i,
            variance,
            np.array(slow).T if slow else np.zeros((len(often), 0)),
            np.array(deviation),
            late,
        ),
    )
