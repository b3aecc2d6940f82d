r"""The deterministic equivalent of one configuration: placement arcs, and speeds for each outcome.

Variables
---------
``x_a`` in {0, 1}
    An arc of the placement graph of the configuration is taken: a segment on a node, a relay, a
    hop.
``z_{i,h,a,f}`` in {0, 1}
    In outcome i segment a runs at level f in phase h (serving, fine-tuning).
``y_i`` in {0, 1}
    Outcome i is given up.

Constraints
-----------
Flow of one unit from the source with nothing done to the end; ``sum_f z_{i,h,a,f} = x_a``; for each
outcome and deadline ``sum of seconds <= tau + M_i y_i``; ``sum_i w_i y_i <= 1 - p``.

Objective
---------
``sum_i w_i (energy of hops and of the levels chosen in outcome i)``.

*L-shaped* (`cuts`), speeds are left out: the energy of outcome i is a column theta_i, and for every
price mu >= 0 of its deadlines

    theta_i >= sum_a x_a min_f (e_i(a, f) + mu t_i(a, f)) - mu tau - M y_i

which holds because the right side is the Lagrangian bound of the speeds at any placement x.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from splitopt.formulations.cift.recourse.outcomes import (
    Outcome,
    Placement,
    fits,
    keep_share,
    serves_surely,
)
from splitopt.formulations.solvers.highs import WIDE, SparseModel
from splitopt.instances.cift.model import CiftInstance, Node, SpeedInterval
from splitopt.instances.core.arrays import Floats
from splitopt.instances.core.tolerances import TOLERANCES

_LOOSE = 1 + TOLERANCES.deadline


@dataclass(frozen=True)
class Arcs:
    """The placement graph: (tail, head, node, blocks before, blocks after), states as tuples.

    A hop has the node it leads to and as many blocks before as after; `link` its (tail, head).
    """

    tail: list[tuple[int, int, int]]
    head: list[tuple[int, int, int]]
    node: list[int]
    blocks: list[tuple[int, int]]
    link: list[tuple[int, int] | None]

    def __len__(self) -> int:
        return len(self.tail)

    @property
    def segments(self) -> list[int]:
        """Arcs on which something is computed."""
        return [a for a, (i, j) in enumerate(self.blocks) if j > i]


def arcs_of(instance: CiftInstance, position: int) -> Arcs:
    """Return the placement graph of a configuration; the end is state (-1, 0, 0)."""
    g = instance.configurations[position]
    L = len(instance.models[instance.model_index[g.model]].blocks)
    source = instance.node_index[g.source]
    arcs = Arcs([], [], [], [], [])

    def add(
        tail: tuple[int, int, int],
        head: tuple[int, int, int],
        node: int,
        blocks: tuple[int, int],
        link: tuple[int, int] | None = None,
    ) -> None:
        arcs.tail.append(tail)
        arcs.head.append(head)
        arcs.node.append(node)
        arcs.blocks.append(blocks)
        arcs.link.append(link)

    seen, waiting = {(source, 0)}, [(source, 0)]
    leave: set[tuple[int, int]] = set()
    while waiting:
        n, b = waiting.pop()
        after = [b]
        add((n, b, 0), (n, b, 1), n, (b, b))
        for j in range(b + 1, L + 1):
            if not fits(instance, g, n, b, j):
                break
            add((n, b, 0), (-1, 0, 0) if j == L else (n, j, 1), n, (b, j))
            after.append(j)
        for j in after:
            if j == L or (n, j) in leave:
                continue
            leave.add((n, j))
            for link in instance.links_from[instance.nodes[n].name]:
                m = instance.node_index[link.head]
                add((n, j, 1), (m, j, 0), m, (j, j), (n, m))
                if (m, j) not in seen:
                    seen.add((m, j))
                    waiting.append((m, j))
    return arcs


@dataclass
class Rows:
    """A model being written."""

    cost: list[float] = field(default_factory=list)
    integer: list[bool] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    ends: list[tuple[float, float]] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)

    def column(self, cost: float, *, integer: bool = True, upper: float = 1.0) -> int:
        """Add a column."""
        self.cost.append(cost)
        self.integer.append(integer)
        self.upper.append(upper)
        return len(self.cost) - 1

    def row(self, lower: float, upper: float, terms: Sequence[tuple[int, float]]) -> None:
        """Add a row."""
        self.entries += [(len(self.ends), column, value) for column, value in terms]
        self.ends.append((lower, upper))

    def sparse(self, scale: float) -> SparseModel:
        """Return the model, its objective times `scale`."""
        row, column, value = zip(*self.entries, strict=True)
        lower, upper = zip(*self.ends, strict=True)
        return SparseModel(
            cost=np.array(self.cost) * scale,
            lower=np.zeros(len(self.cost)),
            upper=np.array(self.upper),
            integer=np.array(self.integer, dtype=np.bool_),
            row_lower=np.array(lower),
            row_upper=np.array(upper),
            row=np.array(row, dtype=np.int64),
            column=np.array(column, dtype=np.int64),
            value=np.array(value),
        )


@dataclass(frozen=True)
class Figures:
    """Of one outcome: joules and seconds (both phases) of hops, and of segments at each level."""

    hop: list[tuple[float, float, float]]
    levels: list[list[list[tuple[float, float]]]]  # phase, segment, level: joules, seconds


def figures(seen: CiftInstance, position: int, arcs: Arcs) -> Figures:
    """Return the figures of an outcome."""
    g = seen.configurations[position]
    model = seen.models[seen.model_index[g.model]]
    level = seen.compressions[seen.compression_index[g.compression]]
    passes, training, R = seen.sample_passes(g), seen.training, float(seen.requests)
    compute, send = training.compute_factor * passes, training.communication_factor * passes
    links = {(seen.node_index[k.tail], seen.node_index[k.head]): k for k in seen.links}
    hop = []
    for ends, (b, _) in zip(arcs.link, arcs.blocks, strict=True):
        if ends is None:
            hop.append((0.0, 0.0, 0.0))
            continue
        link = links[ends]
        bits = model.input_bits
        if b:
            bits = model.blocks[b - 1].activation_bits * level.activation_factor
        wire = bits / link.rate_bit_per_s
        hop.append(
            (
                (R + send) * link.energy_j_per_bit * bits,
                wire + link.delay_s,
                send * (wire + link.delay_s / training.batch_size),
            )
        )
    levels: list[list[list[tuple[float, float]]]] = []
    for charged, timed in ((R, 1.0), (compute, compute)):
        mine = []
        for a in arcs.segments:
            i, j = arcs.blocks[a]
            node = seen.nodes[arcs.node[a]]
            w = sum(block.flops for block in model.blocks[i:j]) * level.flops_factor
            mine.append([(charged * w * e, timed * w / f) for f, e in _levels(node)])
        levels.append(mine)
    return Figures(hop, levels)


def _levels(node: Node) -> list[tuple[float, float]]:
    speeds = node.speeds_flop_per_s
    assert not isinstance(speeds, SpeedInterval)
    return [(f, node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f) for f in speeds]


def _flow(rows: Rows, arcs: Arcs, source: int) -> list[int]:
    """Add x and its flow rows; return its columns."""
    x = [rows.column(0.0) for _ in range(len(arcs))]
    balance: dict[tuple[int, int, int], list[tuple[int, float]]] = defaultdict(list)
    for a in range(len(arcs)):
        balance[arcs.tail[a]].append((x[a], 1.0))
        balance[arcs.head[a]].append((x[a], -1.0))
    for state, terms in balance.items():
        due = float(state == (source, 0, 0)) - float(state == (-1, 0, 0))
        rows.row(due, due, terms)
    return x


def _longest(arcs: Arcs, weight: Sequence[float], source: int) -> float:
    """Return what no path exceeds: states by blocks done, then in the order of links."""
    most = {(source, 0, 0): 0.0}
    # Bellman and Ford, as many rounds as a path has arcs.
    for _ in range(len(arcs)):
        changed = False
        for a in range(len(arcs)):
            reach = most.get(arcs.tail[a], -math.inf) + weight[a]
            if reach > most.get(arcs.head[a], -math.inf):
                most[arcs.head[a]] = reach
                changed = True
        if not changed:
            break
    return most.get((-1, 0, 0), 0.0)


def _given_up(rows: Rows, instance: CiftInstance, found: Sequence[Outcome]) -> list[int]:
    y = [rows.column(0.0) for _ in found]
    common = math.lcm(*(o.weight.denominator for o in found))
    units = [float(o.weight * common) for o in found]
    room = math.floor((1 - keep_share(instance)) * common)
    top = max(units)
    rows.row(-np.inf, (room + 0.5) / top, [(c, u / top) for c, u in zip(y, units, strict=True)])
    return y


def equivalent(instance: CiftInstance, found: Sequence[Outcome], position: int, arcs: Arcs) -> Rows:
    """Return the deterministic equivalent of a configuration; x comes first."""
    rows = Rows()
    source = instance.node_index[instance.configurations[position].source]
    x = _flow(rows, arcs, source)
    y = _given_up(rows, instance, found)
    served = serves_surely(instance)
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    for outcome, late in zip(found, y, strict=True):
        weight, mine = float(outcome.weight), figures(outcome.instance, position, arcs)
        for a, (joules, _, _) in enumerate(mine.hop):
            rows.cost[x[a]] += weight * joules
        for phase, deadline in enumerate(deadlines):
            spent: list[tuple[int, float]] = []
            most = [hop[1 + phase] for hop in mine.hop]
            for s, a in enumerate(arcs.segments):
                levels = mine.levels[phase][s]
                most[a] = max(seconds for _, seconds in levels)
                if most[a] == 0 and max(joules for joules, _ in levels) == 0:
                    continue
                z = []
                for joules, seconds in levels:
                    z.append(rows.column(weight * joules))
                    spent.append((z[-1], seconds))
                rows.row(0.0, 0.0, [(x[a], -1.0), *((column, 1.0) for column in z)])
            if deadline is None:
                continue
            unit = deadline * _LOOSE if deadline > 0 else 1.0
            hops = [(x[a], hop[1 + phase]) for a, hop in enumerate(mine.hop) if hop[1 + phase] > 0]
            terms = [(column, seconds / unit) for column, seconds in spent + hops if seconds > 0]
            big = max(_longest(arcs, most, source) / unit, 1.0)
            if phase == 1 or not served:
                terms.append((late, -big))
            rows.row(-np.inf, WIDE if deadline > 0 else 0.0, terms)
    return rows


def master(
    instance: CiftInstance, found: Sequence[Outcome], position: int, arcs: Arcs
) -> tuple[Rows, list[int], list[int]]:
    """Return the master without speeds, the columns y and those of theta."""
    rows = Rows()
    source = instance.node_index[instance.configurations[position].source]
    _flow(rows, arcs, source)
    y = _given_up(rows, instance, found)
    theta = [rows.column(float(o.weight), integer=False, upper=np.inf) for o in found]
    return rows, y, theta


def cut(
    mine: Figures,
    arcs: Arcs,
    prices: tuple[float, float],
    deadlines: tuple[float | None, float | None],
) -> tuple[Floats, float]:
    """Return (c, credit): what arcs are worth at prices of both deadlines, and what those pay."""
    found = np.array([e + prices[0] * t + prices[1] * s for e, t, s in mine.hop])
    for phase in (0, 1):
        for s, a in enumerate(arcs.segments):
            found[a] += min(
                joules + prices[phase] * seconds for joules, seconds in mine.levels[phase][s]
            )
    credit = sum(
        price * deadline * _LOOSE
        for price, deadline in zip(prices, deadlines, strict=True)
        if deadline is not None
    )
    return found, credit


def placement_at(arcs: Arcs, values: Floats, source: int, position: int) -> Placement:
    """Return the placement that a flow takes."""
    leaving = {arcs.tail[a]: a for a in range(len(arcs)) if values[a] > 0.5}
    state, segments = (source, 0, 0), [(source, 0, 0)]
    while state != (-1, 0, 0):
        a = leaving[state]
        if arcs.link[a] is not None:
            b = arcs.blocks[a][0]
            segments.append((arcs.node[a], b, b))
        else:
            n, i, _ = segments[-1]
            segments[-1] = (n, i, arcs.blocks[a][1])
        state = arcs.head[a]
    return Placement(position, tuple(segments))
