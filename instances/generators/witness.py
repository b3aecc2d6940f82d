"""Plans the generators draw deadlines from: least price, one price for each of E, T_inf, T_ft.

Without deadlines a plan of least ``w_E E + w_i T_inf + w_t T_ft`` is a shortest path, because all
three add up over hops and segments. Deadlines taken from such plans can be met, and how they
stand to the cheapest plan says how hard they press. No solver is used, and no method uses this.

Of a graph, what is done are its downsets. Factors of blocks and a throughput are not looked at.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from splitopt.instances.cift.model import CiftInstance, Configuration, Link, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop, stop_between
from splitopt.instances.networks.downsets import downsets_of

_INFINITY = float("inf")
_PLACES = 9  # speeds tried on an interval


@dataclass(frozen=True, slots=True)
class Prices:
    """Weights of energy (1/J), inference latency and fine-tuning time (1/s)."""

    energy: float = 0.0
    inference: float = 0.0
    fine_tuning: float = 0.0


def _candidates(node: Node) -> tuple[float, ...]:
    speeds = node.speeds_flop_per_s
    if isinstance(speeds, SpeedInterval):
        step = (speeds.high - speeds.low) / (_PLACES - 1)
        return (*(speeds.low + step * k for k in range(_PLACES - 1)), speeds.high)
    return speeds


def _per_flop(node: Node, runs: float, energy: float, time: float) -> tuple[float, float]:
    """Return the least price of one FLOP, and the speed; the slower of equal ones.

    ``energy`` weighs the joules of `runs` executions, ``time`` the seconds of one.
    """
    best, chosen = _INFINITY, 0.0
    for f in _candidates(node):
        joules = node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f
        price = energy * runs * joules + time / f
        if price < best:
            best, chosen = price, f
    return best, chosen


class _Chain:
    """One configuration: what its blocks weigh, and the prices of a FLOP and a hop."""

    def __init__(
        self, instance: CiftInstance, g: Configuration, prices: Prices, memory_factor: float
    ) -> None:
        model = instance.models[instance.model_index[g.model]]
        level = instance.compressions[instance.compression_index[g.compression]]
        training = instance.training
        self.passes = instance.sample_passes(g)
        self.model, self.sets = model, downsets_of(model)
        scale = level.param_factor * (training.memory_factor if self.passes else 1.0)
        if model.is_graph:
            member = self.sets.member
            flops = np.array([b.flops for b in model.blocks]) * level.flops_factor
            params = np.array([b.param_bytes for b in model.blocks]) * scale
            sizes = np.array([t.bits for t in model.tensors], dtype=np.float64)
            sizes = np.where(self.sets.raw, sizes, sizes * level.activation_factor)
            self.work: list[float] = (member @ flops).tolist()
            self.bytes: list[float] = (member @ params).tolist()
            self.bits: list[float] = (self.sets.crossing @ sizes).tolist()
        else:
            self.work = [0.0, *accumulate(b.flops * level.flops_factor for b in model.blocks)]
            self.bytes = [0.0, *accumulate(b.param_bytes * scale for b in model.blocks)]
            self.bits = [
                model.input_bits,
                *(b.activation_bits * level.activation_factor for b in model.blocks),
            ]
        self.memory_factor = memory_factor
        compute = training.compute_factor * self.passes
        communication = training.communication_factor * self.passes
        self._instance, self._prices = instance, prices
        self._compute, self._communication = compute, communication
        self._joules = prices.energy * (instance.requests + communication)
        self._wire = prices.inference + prices.fine_tuning * communication
        self._delay = prices.inference + prices.fine_tuning * communication / training.batch_size

    def flop(self, node: Node) -> tuple[float, float, float | None]:
        """Return the price of a FLOP on `node` and the speeds for serving and fine-tuning."""
        prices = self._prices
        serving, fast = _per_flop(node, self._instance.requests, prices.energy, prices.inference)
        if not self.passes:
            return serving, fast, None
        tuning, speed = _per_flop(
            node, self._compute, prices.energy, prices.fine_tuning * self._compute
        )
        return serving + tuning, fast, speed

    def hop(self, link: Link, blocks: int) -> float:
        """Return the price of sending what `blocks` blocks leave over `link`."""
        bits = self.bits[blocks]
        return (
            self._joules * link.energy_j_per_bit * bits
            + self._wire * bits / link.rate_bit_per_s
            + self._delay * link.delay_s
        )

    def place(
        self, node: Node, arrived: list[float], price: float
    ) -> tuple[list[float], list[int]]:
        """Return the least price of leaving `node` after a segment there, by blocks done.

        The second list says after which block that segment starts.
        """
        if self.model.is_graph:
            return self._place(node, arrived, price)
        count = len(arrived)
        left, starts = [_INFINITY] * count, [-1] * count
        window: deque[tuple[float, int]] = deque()  # prices less the work done, ascending
        limit = node.memory_bytes * self.memory_factor
        for end in range(1, count):
            value = arrived[end - 1] - price * self.work[end - 1]
            if value < _INFINITY:
                while window and window[-1][0] > value:
                    window.pop()
                window.append((value, end - 1))
            while window and self.bytes[end] - self.bytes[window[0][1]] > limit:
                window.popleft()
            if window:
                left[end] = window[0][0] + price * self.work[end]
                starts[end] = window[0][1]
        return left, starts

    def _place(
        self, node: Node, arrived: list[float], price: float
    ) -> tuple[list[float], list[int]]:
        """As `place`, over the downsets of a graph."""
        work, held = np.array(self.work), np.array(self.bytes)
        limit = node.memory_bytes * self.memory_factor
        fits = self.sets.nested & (held - held[:, None] <= limit)
        table = np.where(fits, np.array(arrived)[:, None] + price * (work - work[:, None]), np.inf)
        starts, left = table.argmin(axis=0), table.min(axis=0)
        return left.tolist(), np.where(np.isfinite(left), starts, -1).tolist()


def _order(instance: CiftInstance) -> list[str]:
    """Return the nodes so that links lead forward."""
    waiting = {node.name: 0 for node in instance.nodes}
    for link in instance.links:
        waiting[link.head] += 1
    ready = deque(name for name, count in waiting.items() if count == 0)
    order = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for link in instance.links_from[name]:
            waiting[link.head] -= 1
            if waiting[link.head] == 0:
                ready.append(link.head)
    return order


def _one(
    instance: CiftInstance, g: Configuration, chain: _Chain, order: list[str]
) -> tuple[float, tuple[Stop, ...]]:
    blocks = len(chain.work) - 1
    arrived: dict[str, list[float]] = {g.source: [0.0] + [_INFINITY] * blocks}
    # For each node and number of blocks on arrival: the node before and its blocks on arrival.
    came: dict[str, list[tuple[str, int] | None]] = {g.source: [None] * (blocks + 1)}
    speeds: dict[str, tuple[float, float | None]] = {}
    best, end = _INFINITY, ("", 0)
    for name in order:
        here = arrived.get(name)
        if here is None:
            continue
        node = instance.nodes[instance.node_index[name]]
        price, fast, tuning = chain.flop(node)
        speeds[name] = (fast, tuning)
        placed, starts = chain.place(node, here, price)
        if placed[blocks] < best:
            best, end = placed[blocks], (name, starts[blocks])
        for link in instance.links_from[name]:
            there = arrived.setdefault(link.head, [_INFINITY] * (blocks + 1))
            before = came.setdefault(link.head, [None] * (blocks + 1))
            for b in range(blocks):
                value, start = (placed[b], starts[b]) if placed[b] < here[b] else (here[b], b)
                if value == _INFINITY:
                    continue
                value += chain.hop(link, b)
                if value < there[b]:
                    there[b], before[b] = value, (name, start)
    if best == _INFINITY:
        return best, ()
    stops = []
    name, start = end
    done = blocks
    while True:
        fast, tuning = speeds[name]
        chosen = (fast, tuning) if done > start else (None, None)
        stops.append(stop_between(chain.model, chain.sets, name, start, done, chosen))
        previous = came[name][start]
        if previous is None:
            break
        done = start
        name, start = previous
    return best, tuple(reversed(stops))


def least(
    instance: CiftInstance, prices: Prices, memory_factor: float = 1 - 1e-9
) -> CiftPlan | None:
    """Return a plan of least price that fits the memories, None where there is none.

    Parameters
    ----------
    instance
        Its deadlines are not looked at.
    memory_factor
        Memories are taken times this factor: a little below 1 so that rounding never makes a
        plan that does not fit, a little above 1 where the price must be a lower bound.
    """
    order = _order(instance)
    best, plan = _INFINITY, None
    for g in instance.configurations:
        value, stops = _one(instance, g, _Chain(instance, g, prices, memory_factor), order)
        if value < best:
            best = value
            plan = CiftPlan(g.model, g.compression, g.source, g.fraction, stops)
    return plan
