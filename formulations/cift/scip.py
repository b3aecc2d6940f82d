"""The natural model of CIFT as a mixed-integer nonlinear program, given to SCIP as it stands.

Variables
---------
- ``y_g`` in {0, 1}: configuration g is chosen;
- ``x_gbn`` in {0, 1}: block b of g runs on node n;
- ``h_gbl`` in {0, 1}: what b blocks leave behind crosses link l;
- for each node and phase (serving, fine-tuning) ``u``, its work, ``t``, its time, and, on an
  interval of speeds, ``f`` and ``e``, its speed and energy; with a list, ``v_f``, the work done
  at level f, and ``z_f`` in {0, 1}.

Constraints
-----------
With ``x_g0n = y_g`` at the source of g and 0 elsewhere::

    sum_g y_g = 1,    sum_n x_gbn = y_g
    x_gbn + sum_{l into n} h_gbl = x_g,b+1,n + sum_{l out of n} h_gbl        b = 0..L-1
    sum_b held_gb x_gbn <= M_n y_g
    u_n = sum_gb w_gb x_gbn                (serving: FLOP a request; fine-tuning: FLOP in all)
    interval:  t f >= u,    e >= kappa u f^2 + rho t
    list:      u = sum_f v_f,    v_f <= z_f,    sum_f z_f <= 1,    t = sum_f v_f / f
    sum_n t_n + sum h seconds <= tau       each phase

Objective
---------
``min sum e + sum v energy + sum h energy``, e times R where it serves.

u, t, f and e are in units of the smallest chain's work and of the node's own speeds, so that they
lie about one. Speeds below the critical one are left out. The products are not convex: SCIP
branches on speeds as well. What it returns holds to its tolerance, so each placement it finds
gets speeds fitted to the deadlines (`splitopt.formulations.cift.outer.speeds.fit`) and is valued by
the judge, and `_MARGIN` is taken off its bound.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from splitopt.formulations.cift.exact import AnySpeeds
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.outer.speeds import Engine, fit, joules_per_flop
from splitopt.formulations.solvers.parameters import SCIP
from splitopt.instances.cift.model import CiftInstance, Configuration, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.contract.method import (
    Result,
    Termination,
)
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES

__all__ = ["METHOD", "CiftScip"]

_MARGIN = 1e-8  # relative, off SCIP's bound: reduced costs to 1e-9 on an optimum of about 1e3
_TOLERANCE = 1e-9
# Rows of deadlines and memory are so much wider, relatively: SCIP may cut off what lies within
# its tolerance of a limit. What then passes wrongly is rejected by the judge.
_WIDER = 10 * _TOLERANCE
_PHASES = ("serve", "tune")
# Of the judge's tolerance on deadlines, what a fitted plan may use.
_USED = 1 + 0.9 * TOLERANCES.deadline

Variable = Any


@dataclass
class _Model:
    """SCIP's model with its variables; k numbers `kept` configurations."""

    scip: Any
    instance: CiftInstance
    kept: list[Configuration]
    scale: float
    flops: list[list[float]] = field(default_factory=list)
    y: list[Variable] = field(default_factory=list)
    x: dict[tuple[int, int, int], Variable] = field(default_factory=dict)
    h: dict[tuple[int, int, int, int], Variable] = field(default_factory=dict)
    z: dict[tuple[str, int, float], Variable] = field(default_factory=dict)
    energy: list[tuple[Variable, float]] = field(default_factory=list)
    seconds: dict[str, list[tuple[Variable, float]]] = field(
        default_factory=lambda: {phase: [] for phase in _PHASES}
    )
    hop_seconds: dict[tuple[int, int, int, int], tuple[float, float]] = field(default_factory=dict)

    def binary(self) -> Variable:
        """Add a 0-1 variable."""
        return self.scip.addVar(vtype="B")


def _kept(instance: CiftInstance) -> list[Configuration]:
    """Return the configurations; of those alike but for q, one of least S_g."""
    best: dict[tuple[object, ...], Configuration] = {}
    for g in instance.configurations:
        key = instance.rival(g)
        if key not in best or instance.expected_passes(g) < instance.expected_passes(best[key]):
            best[key] = g
    return list(best.values())


def _build(instance: CiftInstance, scale: float, late: Callable[[], bool]) -> _Model:
    """Return the model; `TimeoutError` when `late` says so before it stands."""
    from pyscipopt import Model, quicksum

    model = _Model(Model(), instance, _kept(instance), scale)
    scip = model.scip
    scip.hideOutput()
    # Variables: configurations, hosts, hops.
    model.y = [model.binary() for _ in model.kept]
    scip.addCons(quicksum(model.y) == 1)
    for k in range(len(model.kept)):
        if late():
            raise TimeoutError
        _place(model, k)
    # Work, time and energy of each node in each phase.
    for phase in _PHASES:
        for n in range(len(instance.nodes)):
            if late():
                raise TimeoutError
            _compute(model, phase, n)
    # Deadlines.
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    for phase, deadline in zip(_PHASES, deadlines, strict=True):
        if deadline is None:
            continue
        limit = deadline * (1 + TOLERANCES.deadline)
        unit = limit if limit > 0 else 1.0
        terms = model.seconds[phase]
        if any(c / unit >= scip.infinity() for _, c in terms):
            raise OverflowError("seconds of a deadline's share that are infinite to SCIP")
        # Time counts the passes that energy counts; where the deadline counts others (K in doubt),
        # it is stretched instead, by configuration.
        most = sum(c / unit * v.getUbOriginal() for v, c in terms)
        wide = 1 + _WIDER if limit > 0 else 0.0
        stretch = [_stretch(instance, phase, g) for g in model.kept]
        room = [most if s == math.inf else wide * s for s in stretch]
        allowed = _sum(share * y for share, y in zip(room, model.y, strict=True))
        if set(stretch) == {1.0}:
            allowed = wide
        scip.addCons(quicksum(c / unit * v for v, c in terms) <= allowed)
    # Objective.
    dearest = max((scale * joules for _, joules in model.energy), default=0.0)
    if dearest >= scip.infinity():
        raise OverflowError(f"a cost of {dearest:.3g} is infinite to SCIP")
    scip.setObjective(quicksum(scale * joules * v for v, joules in model.energy))
    return model


def _stretch(instance: CiftInstance, phase: str, g: Configuration) -> float:
    """Return passes that energy counts over those the deadline counts; infinite if none count."""
    if phase == "serve":
        return 1.0
    charged, timed = instance.expected_passes(g), instance.assured_passes(g)
    return 1.0 if charged == timed else float(charged / timed) if timed else math.inf


def _place(model: _Model, k: int) -> None:
    """State that the blocks of a configuration follow a path of links from its source."""
    from pyscipopt import quicksum

    instance, g, scip = model.instance, model.kept[k], model.scip
    training, passes = instance.training, float(instance.expected_passes(g))
    profile = instance.models[instance.model_index[g.model]]
    level = instance.compressions[instance.compression_index[g.compression]]
    L = len(profile.blocks)
    model.flops.append([level.flops_factor * block.flops for block in profile.blocks])
    factor = rational(level.param_factor) * (rational(training.memory_factor) if passes else 1)
    held = [rational(block.param_bytes) * factor for block in profile.blocks]
    into: dict[tuple[int, int], list[Variable]] = defaultdict(list)
    out: dict[tuple[int, int], list[Variable]] = defaultdict(list)
    for n, node in enumerate(instance.nodes):
        room = rational(node.memory_bytes)
        for b in range(L):
            if held[b] <= room:
                model.x[k, b, n] = model.binary()
        mine = [(held[b], model.x[k, b, n]) for b in range(L) if (k, b, n) in model.x]
        if sum((size for size, _ in mine), Fraction(0)) > room:
            filled = quicksum(float(size / room) * x for size, x in mine)
            scip.addCons(filled <= (1 + _WIDER) * model.y[k])
    for link in instance.links:
        tail, head = instance.node_index[link.tail], instance.node_index[link.head]
        for b in range(L):
            bits = profile.input_bits
            if b > 0:
                bits = level.activation_factor * profile.blocks[b - 1].activation_bits
            h = model.h[k, b, tail, head] = model.binary()
            out[b, tail].append(h)
            into[b, head].append(h)
            sent = training.communication_factor * passes
            timed = training.communication_factor * instance.assured_passes(g)
            wire = bits / link.rate_bit_per_s
            latency, once = wire + link.delay_s, wire + link.delay_s / training.batch_size
            model.hop_seconds[k, b, tail, head] = latency, timed * once
            model.energy.append((h, (instance.requests + sent) * bits * link.energy_j_per_bit))
            model.seconds["serve"].append((h, latency))
            model.seconds["tune"].append((h, sent * once))
    source = instance.node_index[g.source]
    for b in range(L):
        scip.addCons(_sum(model.x.get((k, b, n)) for n in range(len(instance.nodes))) == model.y[k])
        for n in range(len(instance.nodes)):
            before = model.x.get((k, b - 1, n)) if b else model.y[k] if n == source else None
            arriving, leaving = (
                _sum([before, *into[b, n]]),
                _sum([model.x.get((k, b, n)), *out[b, n]]),
            )
            scip.addCons(arriving - leaving == 0)


def _sum(variables: Any) -> Any:
    """Return the sum of those that are there, as an expression also when none is."""
    from pyscipopt import Expr, quicksum

    return Expr() + quicksum(v for v in variables if v is not None)


def _compute(model: _Model, phase: str, n: int) -> None:
    """State what a node's work takes in one phase."""
    instance, node, scip = model.instance, model.instance.nodes[n], model.scip
    kappa, rho = node.kappa_j_s2_per_flop3, node.busy_power_w
    weights = [
        1.0
        if phase == "serve"
        else instance.training.compute_factor * float(instance.expected_passes(g))
        for g in model.kept
    ]
    chains = [w * sum(f) for w, f in zip(weights, model.flops, strict=True)]
    # The unit of work: the smallest chain, all its runs; the others are multiples of it.
    unit = min((chain for chain in chains if chain > 0), default=0.0)
    hosted = [
        (x, weights[k] * model.flops[k][b] / unit)
        for (k, b, m), x in model.x.items()
        if m == n and unit > 0 and weights[k] * model.flops[k][b] > 0
    ]
    if not hosted:
        return
    work, most = _sum(share * x for x, share in hosted), max(chains) / unit
    charged = unit * (instance.requests if phase == "serve" else 1)
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        engine = Engine.of(node, charged=charged > 0)
        top, slowest = engine.high, engine.high / engine.low
        cheap = joules_per_flop(node, engine.low) or 1.0
        square, idle = kappa * top * top / cheap, rho / top / cheap
        if max(slowest, square, idle * slowest) * most >= scip.infinity():
            raise OverflowError("speeds of one node that are infinitely far apart to SCIP")
        u = scip.addVar(ub=most)
        t = scip.addVar(ub=slowest * most)
        f = scip.addVar(lb=1 / slowest, ub=1.0)
        e = scip.addVar(ub=(square + idle * slowest) * most)
        scip.addCons(u == work)
        scip.addCons(t * f >= u)
        scip.addCons(t >= u)
        scip.addCons(t <= slowest * u)
        scip.addCons(e >= square * u * f**2 + idle * t)
        model.energy.append((e, charged * cheap))
        model.seconds[phase].append((t, unit / top))
        return
    levels = []
    for f in speeds:
        v, z = scip.addVar(ub=most), model.binary()
        scip.addCons(v <= most * z)
        model.z[phase, n, f] = z
        model.energy.append((v, charged * (kappa * f * f + rho / f)))
        model.seconds[phase].append((v, unit / f))
        levels.append((v, z))
    scip.addCons(_sum(v for v, _ in levels) == work)
    scip.addCons(_sum(z for _, z in levels) <= 1)


def _read(model: _Model, on: Any) -> tuple[CiftPlan, list[Variable]]:
    """Return a solution's plan, for the judge to see, and its 0-1 variables."""
    instance = model.instance
    k = next(k for k, y in enumerate(model.y) if on(y))
    g, L = model.kept[k], len(model.flops[k])
    used, spent = [model.y[k]], [0.0, 0.0]
    segments: list[tuple[int, int, int]] = []  # node, blocks before, blocks after
    n, done = instance.node_index[g.source], 0
    while True:
        first = done
        while done < L and (k, done, n) in model.x and on(model.x[k, done, n]):
            used.append(model.x[k, done, n])
            done += 1
        segments.append((n, first, done))
        if done == L:
            break
        hop = next(key for key, h in model.h.items() if key[:3] == (k, done, n) and on(h))
        used.append(model.h[hop])
        spent = [a + b for a, b in zip(spent, model.hop_seconds[hop], strict=True)]
        n = hop[3]
    hosts = [segment for segment in segments if segment[2] > segment[1]]
    speeds: dict[tuple[str, int], float] = {}
    weight = {"serve": 1.0, "tune": instance.training.compute_factor * instance.assured_passes(g)}
    trained = instance.expected_passes(g) > 0
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    for phase, hop_s, deadline in zip(_PHASES, spent, deadlines, strict=True):
        if phase == "tune" and not trained:
            continue
        engines = []
        for n, _, _ in hosts:
            charged = phase == "tune" or instance.requests > 0
            engine = Engine.of(instance.nodes[n], charged=charged)
            taken = [f for (p, m, f), z in model.z.items() if (p, m) == (phase, n) and on(z)]
            if taken:
                used.append(model.z[phase, n, taken[0]])
                engine = Engine(engine.node, taken[0], taken[0], (taken[0],))
            engines.append(engine)
        work = [weight[phase] * sum(model.flops[k][i:j]) for _, i, j in hosts]
        left = math.inf if deadline is None else deadline * _USED - hop_s
        fitted = zip(hosts, fit(engines, work, left), strict=True)
        speeds |= {(phase, n): f for (n, _, _), f in fitted}
    stops = tuple(
        Stop(instance.nodes[n].name, j - i, speeds.get(("serve", n)), speeds.get(("tune", n)))
        for n, i, j in segments
    )
    return CiftPlan.of(g, stops), used


class CiftScip(AnySpeeds):
    """The natural nonlinear model, solved by SCIP; listed and continuous speeds."""

    name = "scip-minlp"
    parameters = SCIP

    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        best.raise_bound(min(_chains(instance)) * (1 - _MARGIN))
        try:
            model = _build(
                instance,
                best.objective_scale(max(_chains(instance))),
                lambda: best.remaining_s == 0,
            )
        except TimeoutError:
            return best.result(Termination.TIME)
        except OverflowError as error:
            best.refuse(str(error))
            return best.claim(Termination.LIMIT)
        best.statistics |= {
            "columns": model.scip.getNVars(),
            "rows": model.scip.getNConss(),
            "build_s": best.recorder.elapsed_s,
        }
        if best.remaining_s == 0:
            return best.result(Termination.TIME)
        return _run(best, model, seed)


def _chains(instance: CiftInstance) -> list[float]:
    """Return what each configuration's chain costs where and as fast as it is cheapest."""
    cheapest = min(joules_per_flop(node, Engine.of(node).low) for node in instance.nodes)
    found = []
    for g in _kept(instance):
        profile = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        runs = float(instance.requests)
        runs += instance.training.compute_factor * float(instance.expected_passes(g))
        found.append(runs * profile.flops * level.flops_factor * cheapest)
    return found


def _run(best: Incumbent, model: _Model, seed: int) -> Result:
    """Solve, and again without placements that only SCIP's tolerance admits."""
    from pyscipopt import SCIP_EVENTTYPE, Eventhdlr, quicksum

    scip, budget = model.scip, best.budget
    rejected: list[list[Variable]] = []

    def found(solution: Any) -> None:
        plan, used = _read(model, lambda v: scip.getSolVal(solution, v) > 0.5)
        if not best.offer(plan):
            rejected.append(used)

    class _OnSolution(Eventhdlr):  # type: ignore[misc]
        def eventinit(self) -> None:
            self.model.catchEvent(SCIP_EVENTTYPE.BESTSOLFOUND, self)

        def eventexit(self) -> None:
            self.model.dropEvent(SCIP_EVENTTYPE.BESTSOLFOUND, self)

        def eventexec(self, event: Any) -> None:
            found(self.model.getBestSol())

    scip.includeEventhdlr(_OnSolution(), "incumbents", "offers each incumbent to the judge")
    for name, value in (
        ("numerics/feastol", _TOLERANCE),
        ("numerics/dualfeastol", _TOLERANCE),
        ("limits/gap", budget.relative_gap / 4),
        ("randomization/randomseedshift", seed % 2**31),
        ("lp/threads", budget.threads),
    ):
        scip.setParam(name, value)
    SCIP.set(scip, best.parameters)
    scip.hideOutput(not budget.log)
    if budget.memory_limit_bytes is not None:
        scip.setParam("limits/memory", budget.memory_limit_bytes / 2**20)
    nodes = rounds = 0
    while True:
        if best.remaining_s is not None:
            scip.setParam("limits/time", scip.getTotalTime() + best.remaining_s)
        try:
            scip.optimize()
        except Exception as error:  # PySCIPOpt raises no other class
            best.refuse(str(error))
            return best.claim(Termination.LIMIT)
        rounds += 1
        nodes += scip.getNTotalNodes()
        status = scip.getStatus()
        best.statistics |= {
            "status": status,
            "nodes": nodes,
            "rounds": rounds,
            "solve_s": best.recorder.elapsed_s,
        }
        if status == "infeasible":
            return best.claim(Termination.SOLVED, exhausted=math.inf)
        if scip.getNSols() > 0:
            found(scip.getBestSol())
        bound = scip.getDualbound()
        if abs(bound) < scip.infinity():
            best.propose_bound((bound - _MARGIN * max(1.0, abs(bound))) / model.scale)
        if status not in ("optimal", "gaplimit"):
            ended = {"timelimit": Termination.TIME, "memlimit": Termination.MEMORY}
            if status not in ended:
                best.refuse(f"SCIP ended with {status}")
            return best.claim(ended.get(status, Termination.LIMIT))
        if best.closed or not rejected:
            return best.claim(Termination.SOLVED)
        scip.freeTransform()
        for used in rejected:
            scip.addCons(quicksum(used) <= len(used) - 1)
        rejected.clear()


METHOD = CiftScip()
