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

Of a graph, "b blocks done" reads "downset b done", S of them numbered so that supersets come later,
L = S - 1 the last; a segment leads to any superset. Factors weigh the blocks of w, by node. A
throughput leaves out segments and hops, and gives the rest a least speed f_inf: prices leave that
aside and so bound from below.

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
from splitopt.instances.cift.rates import least_speeds, open_hops
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.exact import rational
from splitopt.instances.core.kernels import Booleans, Bytes, Floats3, Ints2
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import downsets_of
from splitopt.instances.networks.profiles import Profile

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
        ``work[kind[n], i, j]``: FLOP of blocks i + 1 .. j on node n, shape (kinds, L + 1, L + 1).
    bits
        ``bits[b]``: what a cut behind block b sends, shape (L,).
    kind
        Which table holds for each node, int64, shape (N,).
    slowest
        ``slowest[n, i, j]``: the least serving speed of a segment; of shape (0, 0, 0) without a
        throughput.
    """

    work: Floats3
    bits: Floats
    kind: Ints
    slowest: Floats3


class Reach(NamedTuple):
    """Where segments lead: the fields of that name of a `Load`."""

    first: Ints2
    count: Ints2
    after: Ints
    plain: bool


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
    first, count, after
        Segments of node n that start behind block i and fit lead to ``after[first[n, i] + k]``,
        k < ``count[n, i]``, ascending; int64, shapes (N, L), (N, L), and as many as there are.
    plain
        Whether these are i + 1, i + 2, ...
    closed
        ``closed[e * L + b]``: link e is too narrow behind block b; int8, empty without a
        throughput.
    limit
        Deadlines of T_inf and T_ft, infinite where absent, shape (2,); the suite's tolerance is
        in them.
    """

    requests: float
    compute: float
    communication: float
    batch: float
    source: int
    first: Ints2
    count: Ints2
    after: Ints
    plain: bool
    closed: Bytes
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


def _bits(profile: Profile, factor: float) -> Floats:
    """Return what goes on behind each downset but the last, compressed where it is no raw input."""
    if not profile.is_graph:
        bits = np.array([block.activation_bits for block in profile.blocks[:-1]])
        return np.concatenate([[profile.input_bits], bits * factor])
    sets = downsets_of(profile)
    sizes = np.array([tensor.bits for tensor in profile.tensors], dtype=np.float64)
    weighted = np.where(sets.raw, sizes, sizes * factor)
    crossing: Floats = sets.crossing[:-1].astype(np.float64) @ weighted
    return crossing


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
        self._tables: dict[tuple[str, str, bool], Reach] = {}
        self._closed: dict[tuple[str, str], npt.NDArray[np.int8]] = {}
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
            sets = downsets_of(profile)
            plain = sets.sums(flops) * level.flops_factor
            kind = np.zeros(len(self.nodes), dtype=np.int64)
            tables: dict[tuple[float, ...], Floats] = {(): plain}
            for n, node in enumerate(self.nodes):
                weights = self.data.factors(node, profile) or ()
                if weights not in tables:
                    tables[weights] = sets.sums(flops * np.array(weights)) * level.flops_factor
                kind[n] = list(tables).index(weights)
            work = np.stack(list(tables.values())) if len(tables) > 1 else plain[None]
            least = []
            for n, node in enumerate(self.nodes if self.data.throughput_per_s else ()):
                slowest = least_speeds(self.data, node, profile, level, sets, work[kind[n]])
                assert slowest is not None
                least.append(slowest)
            self._chains[key] = Chain(
                work,
                _bits(profile, level.activation_factor),
                kind,
                np.stack(least) if least else np.empty((0, 0, 0)),
            )
        return self._chains[key]

    def closed(self, model: str, compression: str) -> npt.NDArray[np.int8]:
        """Return `Load.closed` of a model at a compression level."""
        key = (model, compression)
        if self.data.throughput_per_s is None:
            return np.empty(0, dtype=np.int8)
        if key not in self._closed:
            profile = self.data.models[self.data.model_index[model]]
            level = self.data.compressions[self.data.compression_index[compression]]
            given = profile, level, downsets_of(profile), self.chain(model, compression).bits
            links = [link for name in self.names for link in self.data.links_from[name]]
            rows = [~open_hops(self.data, link, *given) for link in links]
            flat = np.concatenate(rows) if rows else np.empty(0)
            self._closed[key] = flat.astype(np.int8)
        return self._closed[key]

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

    def reach(self, model: str, compression: str, trained: bool) -> Reach:
        """Return where segments lead, of a model at a compression level, trained or served."""
        key = (model, compression, trained)
        if key not in self._tables:
            profile = self.data.models[self.data.model_index[model]]
            if profile.is_graph or self.data.throughput_per_s is not None:
                self._tables[key] = self._listed(key)
            else:
                last = self._last(key)
                start = np.arange(last.shape[1])
                # One list for all nodes: behind block i come i + 1 .. L, of which some fit.
                later = [np.arange(i + 1, len(start) + 1) for i in start.tolist()]
                at = np.concatenate([[0], np.cumsum([len(row) for row in later])])[:-1]
                first = np.tile(at, (len(last), 1))
                self._tables[key] = Reach(first, last - start, np.concatenate(later), True)
        return self._tables[key]

    def _listed(self, key: tuple[str, str, bool]) -> Reach:
        """Return where segments lead, whatever the network, a list for each node."""
        model, compression, trained = key
        profile = self.data.models[self.data.model_index[model]]
        sets, chain = downsets_of(profile), self.chain(model, compression)
        level = self.data.compressions[self.data.compression_index[compression]]
        factor = level.param_factor * (self.data.training.memory_factor if trained else 1.0)
        held = sets.sums(np.array([block.param_bytes for block in profile.blocks])) * factor
        whole = rational(level.param_factor)
        whole *= rational(self.data.training.memory_factor) if trained else 1
        first, count, lists = [], [], []
        known: dict[bytes, tuple[Ints, Ints]] = {}
        size = 0
        for n, node in enumerate(self.nodes):
            fits = sets.nested & (held <= node.memory_bytes)
            near = np.abs(held - node.memory_bytes) <= _NEAR * node.memory_bytes
            for i, j in np.argwhere(sets.nested & near).tolist():
                parts = [rational(profile.blocks[b].param_bytes) for b in sets.between(i, j)]
                fits[i, j] = sum(parts, Fraction(0)) * whole <= rational(node.memory_bytes)
            if chain.slowest.size:
                fits &= chain.slowest[n] <= self.network.high[n]
            code = fits.tobytes()
            if code not in known:
                number = fits[:-1].sum(axis=1)
                known[code] = size + np.concatenate([[0], np.cumsum(number)])[:-1], number
                lists.append(np.nonzero(fits[:-1])[1])
                size += len(lists[-1])
            first.append(known[code][0])
            count.append(known[code][1])
        rows = [np.stack(part).astype(np.int64) for part in (first, count)]
        return Reach(rows[0], rows[1], np.concatenate(lists).astype(np.int64), False)

    def _last(self, key: tuple[str, str, bool]) -> Ints:
        """Return ``[n, i]``: the most blocks of a chain done after a segment that fits."""
        model, compression, trained = key
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
        return last

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
        reach = self.reach(g.model, g.compression, passes > 0)
        load = Load(
            float(self.data.requests),
            training.compute_factor * passes,
            training.communication_factor * passes,
            float(training.batch_size),
            self.place[g.source],
            *reach,
            self.closed(g.model, g.compression),
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
        return (
            runs * float(chain.work[:, 0, -1].max()) * flop
            + hops * float(chain.bits.max())
            + 1e-300
        )

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
