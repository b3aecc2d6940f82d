"""Plans found by arithmetic alone, to speak against what a solver claims."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from splitopt.instances.cift.judge import check_cift, evaluate_cift
from splitopt.instances.cift.model import CiftInstance, Configuration, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop, stop_between
from splitopt.instances.cift.rates import least_speeds, open_hops
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import Downsets, downsets_of
from splitopt.instances.networks.profiles import Profile

EDGE = 1.001 * TOLERANCES.deadline  # what rounding can move across the judge's limit


_PRICES = tuple(4.0**k for k in range(-6, 7))
_WORK = 100_000  # entries of segment tables to look at, about 30 ms
_HALVINGS = 60


@dataclass(slots=True)
class Witness:
    """What plans found by arithmetic alone say of an instance.

    Attributes
    ----------
    plan, objective_j
        The cheapest plan that the judge accepts; None and infinite without one.
    excess
        The least of ``value / limit - 1`` over plans that exceed a deadline or a memory, of the
        worst limit of each; infinite without one.
    """

    plan: CiftPlan | None = None
    objective_j: float = math.inf
    excess: float = math.inf

    def add(self, instance: CiftInstance, plan: CiftPlan) -> None:
        """Let the judge look at a plan."""
        broken = check_cift(instance, plan)
        if not broken:
            objective = evaluate_cift(instance, plan).objective
            if objective < self.objective_j:
                self.plan, self.objective_j = plan, objective
            return
        worst = 0.0
        for violation in broken:
            value, limit = violation.value, violation.limit
            if value is None or limit is None:
                return
            worst = max(worst, value / limit - 1.0 if limit > 0 else math.inf)
        self.excess = min(self.excess, worst)


def witness(instance: CiftInstance, below_j: float = math.inf) -> Witness:
    """Return what a few plans found by shortest paths say of `instance`.

    At prices of energy and of both times a plan is a shortest path over (node, blocks done), in
    O(N L^2 + links L); the prices run over a geometric scale. On each placement met, speeds are
    fitted to the deadlines. Nothing is proven by it.

    Parameters
    ----------
    below_j
        Only plans that cost less are looked for: configurations that cannot have one are left
        out, and the search ends with the first.
    """
    found = Witness()
    left = _WORK
    cases = []
    for position, g in enumerate(instance.configurations):
        case = _Case(instance, g)
        floor = case.floor()
        if floor < below_j:
            cases.append((floor, position, case))
    ranked: list[tuple[float, int, _Case]] = []
    for _, position, case in sorted(cases, key=lambda entry: entry[:2]):
        if left <= 0:
            break
        least, placement = case.shortest(1.0, 0.0, 0.0)
        left -= case.work_units
        if placement is None or least >= below_j:
            continue
        ranked.append((least, position, case))
        case.try_placement(found, placement)
        for prices in case.extremes():
            left -= case.work_units
            case.try_placement(found, case.shortest(*prices)[1])
        if found.objective_j < below_j:
            return found
    ranked.sort(key=lambda entry: entry[:2])
    for least, _, case in ranked:
        for prices in case.between(least):
            if left <= 0 or least >= found.objective_j or found.objective_j < below_j:
                return found
            left -= case.work_units
            case.try_placement(found, case.shortest(*prices)[1])
    return found


Segment = tuple[int, int, int]  # node, downsets before and after: of a chain, blocks done


@dataclass
class _Case:
    """One configuration as arrays, and the placements met."""

    instance: CiftInstance
    g: Configuration
    met: set[tuple[Segment, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        instance, g = self.instance, self.g
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        training, passes = instance.training, float(instance.expected_passes(g))
        timed = instance.assured_passes(g)
        self.model, self.sets = model, downsets_of(model)
        flops = np.array([b.flops for b in model.blocks]) * level.flops_factor
        L = self.blocks = len(self.sets) - 1
        plain = self.sets.sums(flops)
        self.works = []
        for node in instance.nodes:
            weights = instance.factors(node, model)
            self.works.append(
                plain if weights is None else self.sets.sums(flops * np.array(weights))
            )
        params = np.array([b.param_bytes for b in model.blocks]) * level.param_factor
        held = np.where(self.sets.nested, self.sets.sums(params), math.inf)
        if passes:
            held *= training.memory_factor
        # A little too much may pass: the judge decides.
        self.fits = [held <= node.memory_bytes * (1.0 + EDGE) for node in instance.nodes]
        self.least: list[Floats | None] = []
        for n, node in enumerate(instance.nodes):
            least = least_speeds(instance, node, model, level, self.sets, self.works[n])
            self.least.append(least)
            if least is not None:
                self.fits[n] &= least <= _ends(node)[1]
        self.bits = _bits(model, self.sets, level.activation_factor)
        self.level = level
        self.requests = float(instance.requests)
        self.compute = training.compute_factor * passes
        self.send = training.communication_factor * passes
        self.compute_timed = training.compute_factor * timed
        self.send_timed = training.communication_factor * timed
        self.source = instance.node_index[g.source]
        self.order = _order(instance, self.source)
        self.deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)

        size = (len(self.order) + 4) * (L + 8) ** 2 // 4
        self.work_units = size if self.order else 1

    def floor(self) -> float:
        """Return less than what any plan of the configuration costs."""
        nodes = [self.instance.nodes[n] for n in self.order]
        work = min(float(self.works[n][0, -1]) for n in self.order)
        return work * min(self._rate(node, 1.0, 0.0, 0.0) for node in nodes)

    def _rate(self, node: Node, w: float, l1: float, l2: float) -> float:
        """Return the price of a FLOP on a node at its best speeds."""
        serve = _best(node, w * self.requests, l1)
        total = w * self.requests * _joules(node, serve) + l1 / serve
        if self.compute > 0:
            tune = _best(node, w * self.compute, l2 * self.compute_timed)
            total += self.compute * w * _joules(node, tune) + self.compute_timed * l2 / tune
        return total

    def shortest(self, w: float, l1: float, l2: float) -> tuple[float, tuple[Segment, ...] | None]:
        """Return the least price of a plan at prices of E, T_inf and T_ft, and its placement."""
        instance, L = self.instance, self.blocks
        batch = instance.training.batch_size
        arrived = {self.source: np.full(L + 1, math.inf)}
        arrived[self.source][0] = 0.0
        via: dict[int, list[int]] = {}
        placed: dict[int, Floats] = {}
        start: dict[int, Ints] = {}
        for n in self.order:
            here = arrived.get(n)
            if here is None:
                continue
            node = instance.nodes[n]
            rate = self._rate(node, w, l1, l2)
            table = np.where(self.fits[n], here[:, None] + self.works[n] * rate, math.inf)
            start[n] = table.argmin(axis=0)
            best = table.min(axis=0)
            relay = here <= best
            start[n] = np.where(relay, np.arange(L + 1), start[n])
            placed[n] = np.where(relay, here, best)
            for link in instance.links_from[node.name]:
                m = instance.node_index[link.head]
                wire = self.bits / link.rate_bit_per_s
                cost = w * (self.requests + self.send) * link.energy_j_per_bit * self.bits
                cost = cost + l1 * (wire + link.delay_s)
                cost = cost + l2 * self.send_timed * (wire + link.delay_s / batch)
                wide = open_hops(instance, link, self.model, self.level, self.sets, self.bits)
                cost = np.where(wide, cost, math.inf)
                reach = np.append(placed[n][:L] + cost, math.inf)
                if m not in arrived:
                    arrived[m] = np.full(L + 1, math.inf)
                    via[m] = [-1] * (L + 1)
                better = reach < arrived[m]
                arrived[m] = np.where(better, reach, arrived[m])
                for b in np.flatnonzero(better).tolist():
                    via[m][b] = n
        end = min(placed, key=lambda n: placed[n][L], default=None)
        if end is None or not math.isfinite(placed[end][L]):
            return math.inf, None
        value, path, n, b = float(placed[end][L]), [], end, L
        while True:
            i = int(start[n][b])
            path.append((n, i, b))
            b = i
            if n == self.source and b == 0:
                break
            n = via[n][b]
        return value, tuple(reversed(path))

    def extremes(self) -> Iterator[tuple[float, float, float]]:
        """Yield the prices of the fastest plans."""
        one, two = self.deadlines
        if one is not None:
            yield 0.0, 1.0, 0.0
        if two is not None and self.compute > 0:
            yield 0.0, 0.0, 1.0
            if one is not None and one > 0 and two > 0:
                for share in (0.5, 0.1, 0.9):
                    yield 0.0, share / one, (1.0 - share) / two

    def between(self, energy: float) -> Iterator[tuple[float, float, float]]:
        """Yield prices between the least energy and the least times."""
        unit = energy if energy > 0 else 1.0
        limits = [unit / t if t else 0.0 for t in self.deadlines]
        for factor in _PRICES:
            yield 1.0, factor * limits[0], factor * limits[1]

    def try_placement(self, found: Witness, placement: tuple[Segment, ...] | None) -> None:
        """Add the plans of a placement with fitted and with the highest speeds."""
        if placement is None or placement in self.met:
            return
        self.met.add(placement)
        nodes = [self.instance.nodes[n] for n, i, j in placement if j > i]
        works = [float(self.works[n][i, j]) for n, i, j in placement if j > i]
        spent = self._hops(placement)
        serve = _fitted(nodes, works, self.requests, 1.0, _room(self.deadlines[0], spent[0]))
        for h, (n, i, j) in enumerate(s for s in placement if s[2] > s[1]):
            least = self.least[n]
            if least is not None:
                serve[h] = _raised(nodes[h], serve[h], float(least[i, j]))
        tune: list[float] = []
        if self.compute > 0:
            room = _room(self.deadlines[1], spent[1])
            tune = _fitted(nodes, works, self.compute, self.compute_timed, room)
        stops, h = [], 0
        for n, i, j in placement:
            name = self.instance.nodes[n].name
            if j == i:
                stops.append(Stop(name, 0))
                continue
            speeds = serve[h], tune[h] if tune else None
            stops.append(stop_between(self.model, self.sets, name, i, j, speeds))
            h += 1
        found.add(self.instance, CiftPlan.of(self.g, tuple(stops)))

    def _hops(self, placement: Sequence[Segment]) -> tuple[float, float]:
        """Return what the hops of a placement take of T_inf and of T_ft."""
        latency, time = 0.0, 0.0
        for (n, _, b), (m, _, _) in itertools.pairwise(placement):
            name = self.instance.nodes[m].name
            links = self.instance.links_from[self.instance.nodes[n].name]
            link = next(link for link in links if link.head == name)
            wire = float(self.bits[b]) / link.rate_bit_per_s
            latency += wire + link.delay_s
            time += self.send_timed * (wire + link.delay_s / self.instance.training.batch_size)
        return latency, time


def _order(instance: CiftInstance, source: int) -> list[int]:
    """Return the nodes that the source reaches, each after all that lead to it."""
    done: dict[int, None] = {}
    waiting: list[tuple[int, bool]] = [(source, False)]
    while waiting:
        n, left = waiting.pop()
        if left:
            done[n] = None
        elif n not in done:
            waiting.append((n, True))
            waiting += [
                (instance.node_index[link.head], False)
                for link in instance.links_from[instance.nodes[n].name]
                if instance.node_index[link.head] not in done
            ]
    return list(reversed(done))


def _room(deadline: float | None, spent: float) -> float:
    # A little inside the judge's tolerance.
    return math.inf if deadline is None else deadline * (1.0 + 0.9 * TOLERANCES.deadline) - spent


def _bits(model: Profile, sets: Downsets, factor: float) -> Floats:
    """Return the bits behind each downset but the last."""
    if not sets.graph:
        return np.array(
            [model.input_bits, *(b.activation_bits * factor for b in model.blocks[:-1])]
        )
    raw = [t.bits if t.producer is None else 0.0 for t in model.tensors]
    made = [0.0 if t.producer is None else t.bits * factor for t in model.tensors]
    bits: Floats = sets.crossing[:-1] @ (np.array(raw) + np.array(made))
    return bits


def _raised(node: Node, speed: float, least: float) -> float:
    """Return the speed, or the next admissible one that is fast enough."""
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        return max(speed, least)
    return next((f for f in speeds if f >= max(speed, least)), speed)


def _ends(node: Node) -> tuple[float, float]:
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        return speeds.low, speeds.high
    return speeds[0], speeds[-1]


def _joules(node: Node, f: float) -> float:
    return node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f


def _best(node: Node, a: float, price: float) -> float:
    """Return the speed least in ``a e(f) + price / f``, the fastest of equal ones."""
    speeds, kappa = node.speeds_flop_per_s, node.kappa_j_s2_per_flop3
    if isinstance(speeds, SpeedInterval):
        if a * kappa <= 0:
            return speeds.high
        f = math.cbrt((a * node.busy_power_w + price) / (2.0 * a * kappa))
        return min(max(f, speeds.low), speeds.high)
    return min(speeds, key=lambda f: (a * _joules(node, f) + price / f, -f))


def _fitted(
    nodes: Sequence[Node], works: Sequence[float], a: float, c: float, room: float
) -> list[float]:
    """Return cheap speeds that take at most `room`, the highest ones where none do.

    Parameters
    ----------
    works
        FLOP of each host's segment.
    a, c
        How often a segment counts for energy and for time.
    """

    def taken(speeds: Sequence[float]) -> float:
        return c * math.fsum(w / f for w, f in zip(works, speeds, strict=True))

    def at(price: float) -> list[float]:
        return [_best(node, a, price * c) for node in nodes]

    speeds = at(0.0)
    if taken(speeds) <= room:
        return speeds
    speeds = [_ends(node)[1] for node in nodes]
    if taken(speeds) > room:
        return speeds
    low, high = 0.0, 1.0
    for _ in range(200):
        if taken(at(high)) <= room:
            break
        low, high = high, 16.0 * high
    else:
        return speeds
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high) if low > 0 else high / 16.0
        if taken(at(middle)) <= room:
            high = middle
        else:
            low = middle
    speeds = at(high)
    _step_down(nodes, works, a, c, room, speeds)
    return speeds


def _step_down(
    nodes: Sequence[Node],
    works: Sequence[float],
    a: float,
    c: float,
    room: float,
    speeds: list[float],
) -> None:
    """Let hosts with listed speeds use what is left of the room, the most saving step first."""
    left = room - c * math.fsum(w / f for w, f in zip(works, speeds, strict=True))
    while True:
        best, host, to = 0.0, -1, 0.0
        for k, (node, w) in enumerate(zip(nodes, works, strict=True)):
            if isinstance(node.speeds_flop_per_s, SpeedInterval):
                continue
            now = _joules(node, speeds[k])
            for f in node.speeds_flop_per_s:
                saved = a * w * (now - _joules(node, f))
                if f < speeds[k] and saved > best and c * w * (1.0 / f - 1.0 / speeds[k]) <= left:
                    best, host, to = saved, k, f
        if host < 0:
            return
        left -= c * works[host] * (1.0 / to - 1.0 / speeds[host])
        speeds[host] = to
