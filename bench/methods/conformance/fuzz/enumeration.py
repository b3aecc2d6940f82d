"""Optima of tiny instances, written from the statement of the problems alone.

It shares no code with any method, `brute-force` included. Every configuration, placement and
combination of listed speeds is looked at; what hangs on the last digits of a deadline is left to
the judge. On intervals the speeds of a placement solve a convex problem of one multiplier, whose
Lagrangian bounds its optimum from below: then the truth is a narrow interval.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from splitopt.instances.cift.model import CiftInstance, Configuration, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.judge import check, evaluate
from splitopt.instances.mepra.model import MepraInstance

_EDGE = 1e-11  # relative, of a limit: nearer than that only the judge decides
_HALVINGS = 200


@dataclass(frozen=True, slots=True)
class Truth:
    """What holds of an instance.

    Attributes
    ----------
    low, high
        The optimum lies between; both infinite where there is no plan.
    """

    low: float
    high: float

    @property
    def feasible(self) -> bool:
        """Whether there is a plan."""
        return self.high < math.inf


Segment = tuple[int, int, int]  # node, blocks before, blocks after


def _placements(instance: CiftInstance, g: Configuration) -> Iterator[tuple[Segment, ...]]:
    """Yield the segments along every path from the source that fit their memories."""
    model = instance.models[instance.model_index[g.model]]
    level = instance.compressions[instance.compression_index[g.compression]]
    factor = rational(level.param_factor)
    if instance.sample_passes(g) > 0:
        factor *= rational(instance.training.memory_factor)
    held = [rational(block.param_bytes) * factor for block in model.blocks]

    def go(path: tuple[Segment, ...], n: int, done: int) -> Iterator[tuple[Segment, ...]]:
        node = instance.nodes[n]
        for stop in range(done, len(held) + 1):
            if stop > done and sum(held[done:stop]) > rational(node.memory_bytes):
                break
            here = (*path, (n, done, stop))
            if stop == len(held):
                yield here
                continue
            for link in instance.links_from[node.name]:
                yield from go(here, instance.node_index[link.head], stop)

    yield from go((), instance.node_index[g.source], 0)


def _hops(
    instance: CiftInstance, g: Configuration, placement: Sequence[Segment]
) -> tuple[float, float, float]:
    """Return joules, T_inf and T_ft of the hops."""
    model = instance.models[instance.model_index[g.model]]
    level = instance.compressions[instance.compression_index[g.compression]]
    sent = instance.training.communication_factor * instance.sample_passes(g)
    joules = latency = time = 0.0
    for (n, _, done), (m, _, _) in itertools.pairwise(placement):
        head = instance.nodes[m].name
        link = next(k for k in instance.links_from[instance.nodes[n].name] if k.head == head)
        bits = model.input_bits
        if done > 0:
            bits = model.blocks[done - 1].activation_bits * level.activation_factor
        wire = bits / link.rate_bit_per_s
        joules += (instance.requests + sent) * link.energy_j_per_bit * bits
        latency += wire + link.delay_s
        time += sent * (wire + link.delay_s / instance.training.batch_size)
    return joules, latency, time


def _ends(node: Node) -> tuple[float, float]:
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        return speeds.low, speeds.high
    return speeds[0], speeds[-1]


def _joules(node: Node, work: float, f: float) -> float:
    return node.kappa_j_s2_per_flop3 * work * f * f + node.busy_power_w * work / f


def _plan(
    instance: CiftInstance,
    g: Configuration,
    placement: Sequence[Segment],
    serve: Sequence[float],
    tune: Sequence[float],
) -> CiftPlan:
    stops, h = [], 0
    for n, done, stop in placement:
        name = instance.nodes[n].name
        if stop == done:
            stops.append(Stop(name, 0))
            continue
        stops.append(Stop(name, stop - done, serve[h], tune[h] if tune else None))
        h += 1
    return CiftPlan.of(g, tuple(stops))


def some_plans(instance: CiftInstance, draw: random.Random, most: int = 8) -> list[CiftPlan]:
    """Return a few random plans, half of them at the highest speeds, deadlines aside."""
    found = []
    for g in instance.configurations:
        placements = list(itertools.islice(_placements(instance, g), 200))
        for placement in draw.sample(placements, min(2, len(placements))):
            speeds = []
            fast = draw.random() < 0.5
            for n, done, stop in placement:
                if stop > done:
                    allowed = instance.nodes[n].speeds_flop_per_s
                    ends = _ends(instance.nodes[n])
                    levels = ends if isinstance(allowed, SpeedInterval) else allowed
                    speeds.append(ends[1] if fast else draw.choice(levels))
            tune = speeds if instance.sample_passes(g) > 0 else []
            found.append(_plan(instance, g, placement, speeds, tune))
    return found[:most]


class _Phase:
    """One phase of a placement: hosts, their work, and what it is charged and timed."""

    def __init__(
        self,
        hosts: Sequence[tuple[Node, float]],
        charge: float,
        clock: float,
        spent: float,
        deadline: float | None,
    ) -> None:
        self.hosts, self.charge, self.clock, self.spent = hosts, charge, clock, spent
        self.deadline = deadline
        self.limit = math.inf if deadline is None else deadline * (1 + TOLERANCES.deadline)

    def time(self, speeds: Sequence[float]) -> float:
        """Return T at these speeds."""
        computing = [w / f for (_, w), f in zip(self.hosts, speeds, strict=True)]
        return self.spent + self.clock * math.fsum(computing)

    def energy(self, speeds: Sequence[float]) -> float:
        """Return E at these speeds."""
        terms = [_joules(n, w, f) for (n, w), f in zip(self.hosts, speeds, strict=True)]
        return self.charge * math.fsum(terms)

    def fastest(self) -> list[float]:
        """Return the highest speeds."""
        return [_ends(node)[1] for node, _ in self.hosts]

    def options(self) -> Iterator[tuple[float, float, list[float]]]:
        """Yield (low, high, speeds): bounds on the energy of a choice of listed speeds.

        `speeds` reach `high`; where the time is within the edge of the limit the caller asks the
        judge. With intervals, the others get the best speeds in what is left.
        """
        allowed = [node.speeds_flop_per_s for node, _ in self.hosts]
        free = [k for k, speeds in enumerate(allowed) if isinstance(speeds, SpeedInterval)]
        lists = [(s.high,) if isinstance(s, SpeedInterval) else s for s in allowed]
        for chosen in itertools.product(*lists):
            speeds = list(chosen)
            if not self.time(speeds) <= self.limit * (1 + _EDGE):
                continue
            if not free:
                yield self.energy(speeds), self.energy(speeds), speeds
                continue
            yield self._best(speeds, free)

    def _best(self, speeds: list[float], free: Sequence[int]) -> tuple[float, float, list[float]]:
        """Return the least energy with the speeds of `free` hosts open, as in `options`."""

        def at(price: float) -> list[float]:
            made = list(speeds)
            for k in free:
                node = self.hosts[k][0]
                low, high = _ends(node)
                made[k] = high
                curb = 2 * self.charge * node.kappa_j_s2_per_flop3
                if curb > 0:
                    pull = self.charge * node.busy_power_w + price * self.clock
                    made[k] = min(max(math.cbrt(pull / curb), low), high)
            return made

        def bound(price: float) -> float:
            made = at(price)
            if price == 0:
                return self.energy(made)
            return self.energy(made) - price * (self.limit * (1 + _EDGE) - self.time(made))

        inside = self.limit * (1 - 1e-11)
        cheap = at(0.0)
        if self.time(cheap) <= inside:
            return self.energy(cheap), self.energy(cheap), cheap
        low, high = 0.0, 1.0
        for _ in range(500):
            if self.time(at(high)) <= inside or high > 1e280:
                break
            low, high = high, 8 * high
        for _ in range(_HALVINGS):
            middle = math.sqrt(low * high) if low > 0 else high / 1e6
            if not low < middle < high:
                break
            if self.time(at(middle)) <= inside:
                high = middle
            else:
                low = middle
        best = max((bound(price) for price in (0.0, low, high) if price < 1e250), default=0.0)
        reached = at(high)
        if self.time(reached) > inside:
            reached = speeds  # the highest
        return min(best, self.energy(reached)), self.energy(reached), reached


def _cases(
    instance: CiftInstance,
) -> Iterator[tuple[Configuration, tuple[Segment, ...], float, _Phase, _Phase]]:
    """Yield every configuration with every placement, J of its hops, and its two phases."""
    for g in instance.configurations:
        model = instance.models[instance.model_index[g.model]]
        factor = instance.compressions[instance.compression_index[g.compression]].flops_factor
        compute = instance.training.compute_factor * instance.sample_passes(g)
        for placement in _placements(instance, g):
            hosts = [
                (instance.nodes[n], factor * sum(b.flops for b in model.blocks[i:j]))
                for n, i, j in placement
                if j > i
            ]
            joules, latency, time = _hops(instance, g, placement)
            requests, deadlines = float(instance.requests), _deadlines(instance)
            serve = _Phase(hosts, requests, 1.0, latency, deadlines[0])
            yield g, placement, joules, serve, _Phase(hosts, compute, compute, time, deadlines[1])


def _deadlines(instance: CiftInstance) -> tuple[float | None, float | None]:
    return instance.inference_deadline_s, instance.fine_tuning_deadline_s


def fastest(instance: CiftInstance) -> tuple[float, float]:
    """Return the least T_inf and the least T_ft of any plan; infinite without one."""
    times = [
        (serve.time(serve.fastest()), tune.time(tune.fastest()))
        for _, _, _, serve, tune in _cases(instance)
    ]
    return min((t for t, _ in times), default=math.inf), min(
        (t for _, t in times), default=math.inf
    )


def _cift(instance: CiftInstance) -> Truth:
    low = high = math.inf
    for g, placement, joules, serve, tune in _cases(instance):
        phases = [(serve, "inference-deadline")]
        if instance.sample_passes(g) > 0:
            phases.append((tune, "fine-tuning-deadline"))
        elif not tune.spent <= tune.limit:
            continue
        least, most = joules, joules
        picked: list[list[float] | None] = []
        for phase, name in phases:
            found = _phase_optimum(instance, g, placement, phase, name, len(phases) > 1)
            least, most = least + found[0], most + found[1]
            picked.append(found[2])
        low = min(low, least)
        if most < high and None not in picked:
            speeds = [list(p or []) for p in (*picked, [])]
            plan = _plan(instance, g, placement, speeds[0], speeds[1])
            if not check(instance, plan):
                high = min(high, evaluate(instance, plan).objective)
    # What lies on the edge of a limit and is refused by the judge is no plan.
    return Truth(low if high < math.inf else math.inf, high)


def _phase_optimum(
    instance: CiftInstance,
    g: Configuration,
    placement: Sequence[Segment],
    phase: _Phase,
    name: str,
    tuned: bool,
) -> tuple[float, float, list[float] | None]:
    """Return (low, high, speeds) of the best choice in one phase that the judge accepts."""
    best: tuple[float, float, list[float] | None] = (math.inf, math.inf, None)
    for low, high, speeds in sorted(phase.options(), key=lambda entry: entry[1]):
        if high >= best[1] and low >= best[0]:
            continue
        near = abs(phase.time(speeds) / phase.limit - 1) if 0 < phase.limit < math.inf else 1.0
        if near < 1e-9 or phase.limit == 0:
            made = _plan(instance, g, placement, speeds, speeds if tuned else [])
            if any(v.constraint == name for v in check(instance, made)):
                continue
        if high < best[1]:
            best = (min(low, best[0]), high, speeds)
        else:
            best = (min(low, best[0]), best[1], best[2])
    return best


def _mepra(instance: MepraInstance) -> Truth:
    own, root = np.zeros(1), np.zeros(1)
    for i in range(instance.devices):
        a, r = _device(instance, i)
        own = np.add.outer(own, a).ravel()
        root = np.add.outer(root, r).ravel()
    least = float((own + root * root).min())
    return Truth(least, least)


def _device(instance: MepraInstance, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Return own cost and root of the edge's part of every split and exit set of a device."""
    network = instance.profiles[int(instance.profile[i])]
    depth = len(network.layers)
    row = [float(x) for x in instance.exit_fractions.rows[int(instance.exit_row[i])][:depth]]
    if instance.exit_fractions.reading == "leftover-to-last":
        row[-1] += max(0.0, instance.exit_fractions.total - math.fsum(row))
    fractions = [x / math.fsum(row) for x in row]
    top = 1 << (depth - 1)
    sets = range(top, 2 * top) if instance.exit_set is None else [int(instance.exit_set[i])]
    w_t, w_e = instance.weight_time_per_s, instance.weight_energy_per_j
    own, root = [], []
    for bits, split in itertools.product(sets, range(depth + 1)):
        device_s = edge = sent_s = 0.0
        reach = 1.0
        for j, layer in enumerate(network.layers, 1):
            on = bits >> (j - 1) & 1
            if j == split + 1:
                carried = network.input_bits if j == 1 else network.layers[j - 2].activation_bits
                sent_s = reach * carried / instance.bandwidth_bit_per_s
            work = reach * (layer.flops + (layer.branch_flops if on else 0.0))
            if j <= split:
                device_s += work / float(instance.speed_flop_per_s[i])
            else:
                edge += work
            if on:
                reach = math.fsum(fractions[j:])
        joules = float(instance.power_w[i]) * device_s
        joules += float(instance.transmit_power_w[i]) * sent_s
        own.append(w_t * (device_s + sent_s) + w_e * joules)
        root.append(math.sqrt(w_t * edge / instance.edge_capacity_flop_per_s))
    return np.array(own), np.array(root)


def truth_of(instance: CiftInstance | MepraInstance) -> Truth:
    """Return what holds of a tiny instance of either problem."""
    if not isinstance(instance, CiftInstance):
        return _mepra(instance)
    return _beyond(instance) if instance.beyond else _cift(instance)


def _beyond(instance: CiftInstance) -> Truth:
    """Return what the suite's enumeration in rationals says: graphs, factors, throughputs."""
    from splitopt.formulations.cift.brute_force.enumeration import METHOD

    found = METHOD.solve(instance, Budget(), 0, {})
    if found.objective is None or found.bound is None:
        return Truth(math.inf, math.inf)
    return Truth(found.bound, found.objective)
