r"""CIFT as arrays, for JQODI: what a FLOP costs on a node and a bit on a link.

Nodes are numbered in an order in which links lead forward. With w the FLOP of a segment, a_b the
bits behind block b, S the sample passes, c and v the training factors of compute and
communication, the three figures of a plan add up over its path::

    segment at f_inf, f_ft:  E      R w e(f_inf) + c S w e(f_ft)      e(f) = kappa f^2 + rho / f
                             T_inf  w / f_inf
                             T_ft   c S w / f_ft
    hop with a_b bits:       E      (R + v S) e a_b
                             T_inf  a_b / B + d
                             T_ft   v S (a_b / B + d / batch)

So at given prices of the three figures each FLOP on a node has one price, whatever the segment, and
each link an affine price in bits (`jqodi.cift.passes`).

Everything here is computed from the instance alone, apart from the judge, the models and the
oracles: an error in one of them shows as a disagreement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from splitopt.instances.cift.model import CiftInstance, Configuration, SpeedInterval
from splitopt.instances.core.exact import rational
from splitopt.instances.core.kernels import Booleans, Floats2, Ints2
from splitopt.instances.core.tolerances import TOLERANCES

__all__ = ["OUTWARD", "Case", "Chain", "Instance", "Load", "Network"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Relative, of a limit: more than sums of one path in different orders differ by. What is ruled out
# exceeds its limit by more; what is accepted is for the judge.
OUTWARD = 1e-12
_NEAR = 1e-9  # relative distance from the memory below which rationals decide


class Network(NamedTuple):
    """Nodes and links as arrays; N nodes in topological order, links sorted by tail.

    Attributes
    ----------
    first
        Links that leave node n: ``first[n] .. first[n + 1] - 1``; int64, shape (N + 1,).
    head, rate, delay, bit_energy
        Of each link: the node it leads to, B, d, e.
    kappa, rho, low, high
        Of each node; the ends of its interval where speeds are continuous, else of its list.
    listed
        Whether the node's speeds form a list.
    first_level
        Levels of node n: ``first_level[n] .. first_level[n + 1] - 1``, ascending; none where
        speeds are continuous.
    speed, inverse, joule
        Of each level: f, 1 / f and e(f).
    """

    first: Ints
    head: Ints
    rate: Floats
    delay: Floats
    bit_energy: Floats
    kappa: Floats
    rho: Floats
    low: Floats
    high: Floats
    listed: Booleans
    first_level: Ints
    speed: Floats
    inverse: Floats
    joule: Floats


class Chain(NamedTuple):
    """A model at a compression level.

    Attributes
    ----------
    work
        ``work[i, j]``: FLOP of blocks i + 1 .. j, shape (L + 1, L + 1).
    bits
        ``bits[b]``: what a cut behind block b sends, shape (L,).
    """

    work: Floats2
    bits: Floats


class Load(NamedTuple):
    """What a configuration asks of the network.

    Attributes
    ----------
    requests
        R.
    compute, communication
        c S and v S.
    batch
        Samples that share one delay.
    source
        The end node the path starts from.
    last
        ``last[n, i]``: the most blocks done after a segment of node n that starts behind block
        i and fits its memory (i: none does), int64, shape (N, L).
    limit
        Deadlines of T_inf and T_ft, infinite where absent, shape (2,); the suite's tolerance is
        in them.
    """

    requests: float
    compute: float
    communication: float
    batch: float
    source: int
    last: Ints2
    limit: Floats


@dataclass(frozen=True, slots=True)
class Case:
    """One configuration, ready for the passes; `dearest_j` is more than any plan of it costs.

    Figures count the passes that energy counts. Where the fine-tuning deadline counts others (K in
    doubt), its limit is multiplied by `stretch`; 1 where K is certain.
    """

    position: int
    configuration: Configuration
    chain: Chain
    load: Load
    dearest_j: float
    stretch: float

    def allowed(self, times: Floats) -> Floats:
        """Return T_inf and T_ft as the case counts them."""
        return _allowed(times, self.stretch)


def _allowed(times: Floats, stretch: float) -> Floats:
    return np.array([times[0], times[1] * stretch if stretch < math.inf else math.inf])


def _order(instance: CiftInstance) -> list[int]:
    """Return positions of the nodes in an order in which links lead forward."""
    waiting = [0] * len(instance.nodes)
    for link in instance.links:
        waiting[instance.node_index[link.head]] += 1
    ready = [n for n, count in enumerate(waiting) if count == 0]
    order = []
    while ready:
        n = ready.pop()
        order.append(n)
        for link in instance.links_from[instance.nodes[n].name]:
            head = instance.node_index[link.head]
            waiting[head] -= 1
            if waiting[head] == 0:
                ready.append(head)
    return order


class Instance:
    """Arrays of a CIFT instance; chains and memory tables are shared between configurations.

    Attributes
    ----------
    names
        Names of the nodes in the order used here.
    """

    def __init__(self, instance: CiftInstance) -> None:
        self.data = instance
        order = _order(instance)
        self.nodes = [instance.nodes[n] for n in order]
        self.names = [node.name for node in self.nodes]
        self.place = {name: n for n, name in enumerate(self.names)}
        self._chains: dict[tuple[str, str], Chain] = {}
        self._params: dict[str, Floats] = {}
        self._tables: dict[tuple[str, str, bool], Ints] = {}
        self._memory = np.array([node.memory_bytes for node in self.nodes], dtype=np.float64)

    @cached_property
    def network(self) -> Network:
        """Nodes and links."""
        links = [link for name in self.names for link in self.data.links_from[name]]
        count = [len(self.data.links_from[name]) for name in self.names]
        levels: list[tuple[float, ...]] = []
        ends = []
        for node in self.nodes:
            speeds = node.speeds_flop_per_s
            if isinstance(speeds, SpeedInterval):
                levels.append(())
                ends.append((speeds.low, speeds.high))
            else:
                levels.append(speeds)
                ends.append((speeds[0], speeds[-1]))
        kappa = np.array([node.kappa_j_s2_per_flop3 for node in self.nodes])
        rho = np.array([node.busy_power_w for node in self.nodes])
        sizes = [len(of_node) for of_node in levels]
        speed = np.array([f for of_node in levels for f in of_node], dtype=np.float64)
        return Network(
            np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
            np.array([self.place[link.head] for link in links], dtype=np.int64),
            np.array([link.rate_bit_per_s for link in links], dtype=np.float64),
            np.array([link.delay_s for link in links], dtype=np.float64),
            np.array([link.energy_j_per_bit for link in links], dtype=np.float64),
            kappa,
            rho,
            np.array([low for low, _ in ends]),
            np.array([high for _, high in ends]),
            np.array([size > 0 for size in sizes]),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            speed,
            1.0 / speed,
            np.repeat(kappa, sizes) * speed * speed + np.repeat(rho, sizes) / speed,
        )

    @cached_property
    def limit(self) -> Floats:
        """Deadlines with the suite's tolerance in them, infinite where absent."""
        data = self.data
        deadlines = (data.inference_deadline_s, data.fine_tuning_deadline_s)
        grown = [math.inf if d is None else d * (1.0 + TOLERANCES.deadline) for d in deadlines]
        return np.array(grown)

    def chain(self, model: str, compression: str) -> Chain:
        """Return a model at a compression level."""
        key = (model, compression)
        if key not in self._chains:
            profile = self.data.models[self.data.model_index[model]]
            level = self.data.compressions[self.data.compression_index[compression]]
            flops = np.array([block.flops for block in profile.blocks], dtype=np.float64)
            L = len(flops)
            # Row i sums from block i + 1 on: differences of totals would cancel.
            work = np.zeros((L + 1, L + 1))
            work[:L, 1:] = np.cumsum(np.triu(np.broadcast_to(flops, (L, L))), axis=1)
            bits = np.array([block.activation_bits for block in profile.blocks[:-1]])
            self._chains[key] = Chain(
                work * level.flops_factor,
                np.concatenate([[profile.input_bits], bits * level.activation_factor]),
            )
        return self._chains[key]

    def _held(self, model: str) -> Floats:
        """Return ``[i, j]``: bytes of blocks i + 1 .. j + 1 uncompressed, -inf for j < i."""
        if model not in self._params:
            profile = self.data.models[self.data.model_index[model]]
            params = np.array([block.param_bytes for block in profile.blocks], dtype=np.float64)
            L = len(params)
            held = np.cumsum(np.triu(np.broadcast_to(params, (L, L))), axis=1)
            held[np.tri(L, k=-1, dtype=np.bool_)] = -math.inf
            self._params[model] = held
        return self._params[model]

    def table(self, model: str, compression: str, trained: bool) -> Ints:
        """Return `Load.last` of a model at a compression level, trained or only served."""
        key = (model, compression, trained)
        if key not in self._tables:
            level = self.data.compressions[self.data.compression_index[compression]]
            factor = level.param_factor * (self.data.training.memory_factor if trained else 1.0)
            held = self._held(model) * factor
            # Rows of `held` ascend: a search in each instead of N L^2 comparisons.
            last = np.empty((len(self.nodes), len(held)), dtype=np.int64)
            most = np.empty_like(last)
            for i, row in enumerate(held):
                last[:, i] = np.searchsorted(row, self._memory * (1.0 - _NEAR), side="right")
                most[:, i] = np.searchsorted(row, self._memory * (1.0 + _NEAR), side="right")
            for n, i in np.argwhere(most > last).tolist():
                last[n, i] = self._exact_last(key, n, i)
            self._tables[key] = last
        return self._tables[key]

    def _exact_last(self, key: tuple[str, str, bool], n: int, i: int) -> int:
        """Return an entry of the table by rationals."""
        model, compression, trained = key
        factor = rational(
            self.data.compressions[self.data.compression_index[compression]].param_factor
        )
        if trained:
            factor *= rational(self.data.training.memory_factor)
        room = rational(self.nodes[n].memory_bytes) / factor
        blocks = self.data.models[self.data.model_index[model]].blocks
        j, total = i, Fraction(0)
        while j < len(blocks) and total + rational(blocks[j].param_bytes) <= room:
            total += rational(blocks[j].param_bytes)
            j += 1
        return j

    def case(self, position: int) -> Case:
        """Return the configuration at `position`."""
        g = self.data.configurations[position]
        passes, timed = float(self.data.expected_passes(g)), self.data.assured_passes(g)
        # S_E t <= tau S_E / S_T where S_T t <= tau; nothing to keep where S_T is nil.
        stretch = 1.0 if timed == passes else passes / timed if timed else math.inf
        training = self.data.training
        load = Load(
            float(self.data.requests),
            training.compute_factor * passes,
            training.communication_factor * passes,
            float(training.batch_size),
            self.place[g.source],
            self.table(g.model, g.compression, passes > 0),
            _allowed(self.limit, stretch),
        )
        chain = self.chain(g.model, g.compression)
        return Case(position, g, chain, load, self._dearest(chain, load), stretch)

    def _dearest(self, chain: Chain, load: Load) -> float:
        """Return more than any plan costs: the dearest speed for all, every link at its most."""
        net = self.network
        ends = np.concatenate([net.low, net.high])
        kappa, rho = np.tile(net.kappa, 2), np.tile(net.rho, 2)
        flop = float(np.max(kappa * ends * ends + rho / ends))
        runs = load.requests + load.compute
        hops = (load.requests + load.communication) * float(net.bit_energy.sum())
        return runs * float(chain.work[0, -1]) * flop + hops * float(chain.bits.max()) + 1e-300

    def useful(self) -> list[int]:
        """Return the configurations worth a look.

        Of those that differ in q alone only the first with the fewest sample passes: with the
        same segments and links, more passes take more energy and time on every path.
        """
        best: dict[tuple[object, ...], int] = {}
        for position, g in enumerate(self.data.configurations):
            key = self.data.rival(g)
            if key not in best or self.data.expected_passes(g) < self.data.expected_passes(
                self.data.configurations[best[key]]
            ):
                best[key] = position
        return sorted(best.values())
