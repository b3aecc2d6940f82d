"""The steps of a plan in the flow formulation of CIFT as columns, with joules and seconds.

Written from the instance by `data`, apart from the graph of `splitopt.formulations.cift.flow`; what
the two share are the downsets of a network and what a throughput leaves open.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.pyomo.atoms import Atom, Deadline, deadlines
from splitopt.formulations.cift.pyomo.data import Chain, levels
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.rates import least_speeds

__all__ = ["VARIABLES", "Columns", "Steps"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VARIABLES = ("y", "serve", "tune", "skip", "hop")
_ARRIVED, _PLACED, _BETWEEN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Columns:
    """Variables of one name and configuration, each array with an entry a column.

    Attributes
    ----------
    keys
        Their indices, shape (columns, places).
    joules
        Of all requests, or all sample passes.
    scaled, certain
        Seconds of a request and of a sample pass, shape (2, columns): what the state of the network
        stretches, and what it does not.
    tail, head
        States left and entered, -1 for none.
    node, link
        Where it is, link being -1 within a node.
    """

    keys: Ints
    joules: Floats
    scaled: Floats
    certain: Floats
    tail: Ints
    head: Ints
    node: Ints
    link: Ints

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, kept: npt.NDArray[np.bool_]) -> Columns:
        """Return some of the columns."""
        return Columns(
            self.keys[kept],
            self.joules[kept],
            self.scaled[:, kept],
            self.certain[:, kept],
            *(getattr(self, name)[kept] for name in ("tail", "head", "node", "link")),
        )


class Steps:
    """The columns of one configuration, but for steps that alone miss a deadline.

    States: arrived (b, n), placed (b, n), between (i, j, n), where i, j and b are what is done; all
    placed states with everything done are one, the goal.
    """

    def __init__(self, instance: CiftInstance, g: Chain, known: dict[Any, Any]) -> None:
        self.instance, self.g = instance, g
        self.nodes = len(instance.nodes)
        self.sets = g.sets
        self.last = len(self.sets) - 1
        self.pairs = known.setdefault(("pairs", *_names(g)), np.nonzero(self.sets.nested))
        self.deadlines = deadlines(instance, g)
        self.start = self.state(_ARRIVED, 0, g.source)
        self.goal = int(self.state(_PLACED, self.last, 0))
        self._known = known
        self.columns: dict[str, Columns] = {
            "y": _columns([g.index], tail=self.goal, head=self.start, node=-1)
        }
        hosts = [self._host(n) for n in g.nodes]
        self._add("serve", [serve for serve, _ in hosts])
        self._add("tune", [tune for _, tune in hosts])
        self._add("skip", [self._skip(n) for n in g.nodes])
        self._add("hop", [self._hop(k) for k in range(len(g.hops))])

    @property
    def states(self) -> int:
        """How many numbers of states there are."""
        return (2 * (self.last + 1) + len(self.pairs[0])) * self.nodes

    def state(self, kind: int, done: Any, n: int) -> Any:
        """Return the number of a state; of `done` in between, the place of the pair."""
        place = (kind * (self.last + 1) + done) * self.nodes + n
        if kind == _PLACED:
            return np.where(done == self.last, (2 * (self.last + 1) - 1) * self.nodes, place)
        return place

    def _add(self, name: str, parts: list[Columns]) -> None:
        # Where there are none, an empty one of the right shape.
        whole = _joined(
            parts or [_columns([0] * 4, tail=0, head=0, node=0).take(np.zeros(1, bool))]
        )
        kept = np.ones(len(whole), dtype=np.bool_)
        for phase, deadline in enumerate(self.deadlines):
            kept &= self._in_time(whole, deadline, phase)
        self.columns[name] = whole.take(kept)

    def _in_time(self, columns: Columns, deadline: Deadline, phase: int) -> npt.NDArray[np.bool_]:
        """Return which columns do not miss a deadline by themselves too often."""
        late = np.zeros(len(columns))
        for atom in deadline.atoms:
            seconds = self.seconds(columns, atom, phase)
            seconds += deadline.kappa * np.sqrt(self.variance(columns, atom, phase))
            late += float(atom.weight) * (seconds > deadline.most)
        return late <= float(deadline.room) + 1e-9

    def seconds(self, columns: Columns, atom: Atom, phase: int) -> Floats:
        """Return what the columns take of a phase in a state of the network."""
        longer = self._of_ends(columns, atom.nodes, atom.links)
        often = self._often(columns, atom, phase)
        found: Floats = often * (columns.scaled[phase] * longer + columns.certain[phase])
        return found

    def variance(self, columns: Columns, atom: Atom, phase: int) -> Floats:
        """Return the variance of that, s^2."""
        varied = self._of_ends(columns, *atom.variances)
        found: Floats = varied * (self._often(columns, atom, phase) * columns.scaled[phase]) ** 2
        return found

    def _of_ends(self, columns: Columns, nodes: Floats, links: Floats) -> Floats:
        """Return a figure of each column's link, or of its node."""
        within = columns.link < 0
        found = np.empty(len(columns))
        found[within] = nodes[columns.node[within]]
        found[~within] = links[columns.link[~within]]
        return found

    def _often(self, columns: Columns, atom: Atom, phase: int) -> Floats:
        training, within = self.instance.training, columns.link < 0
        if phase == 0:
            return np.ones(len(columns))
        factors = np.where(within, training.compute_factor, training.communication_factor)
        return factors * atom.passes

    def longest(self, weights: dict[str, Floats]) -> float:
        """Return what no plan exceeds of weights by name of the columns; those left out are 0."""
        before: dict[int, set[int]] = {n: set() for n in self.g.nodes}
        for hop in self.g.hops:
            before[hop.head].add(hop.tail)
        most = np.full(self.states, -np.inf)
        most[self.start] = 0.0
        for n in TopologicalSorter(before).static_order():
            for name in ("serve", "skip", "tune", "hop"):
                columns = self.columns[name]
                here = columns.node == n
                reached = most[columns.tail[here]]
                if name in weights:
                    reached = reached + weights[name][here]
                np.maximum.at(most, columns.head[here], reached)
        return max(float(most[self.goal]), 0.0) * (1 + 1e-9)

    def _segments(self, n: int) -> tuple[Ints, Ints, Ints, Floats, Floats | None]:
        """Return what fits a node: pair, downset before and after, FLOP, least serving speed."""
        g, sets = self.g, self.sets
        model, level = g.network
        flops = g.flops_on(n)
        key = ("work", *_names(g), flops)
        if key not in self._known:
            self._known[key] = sets.sums(np.array(flops, dtype=np.float64))
        table = self._known[key]
        held, rooms = g.memory(self.instance)
        key = ("held", *_names(g), g.passes > 0)
        if key not in self._known:
            total = [sum(held[b] for b in np.flatnonzero(row)) for row in sets.member]
            whole = np.array(total, dtype=object)
            self._known[key] = whole[self.pairs[1]] - whole[self.pairs[0]]
        fits = np.asarray(self._known[key] <= rooms[n], dtype=np.bool_)
        if n == g.source:
            fits &= self.pairs[0] == 0
        pair = np.flatnonzero(fits)
        i, j = self.pairs[0][pair], self.pairs[1][pair]
        least = least_speeds(self.instance, self.instance.nodes[n], model, level, sets, table)
        return pair, i, j, table[i, j], None if least is None else least[i, j]

    def _host(self, n: int) -> tuple[Columns, Columns]:
        g = self.g
        pair, i, j, w, least = self._segments(n)
        listed = levels(self.instance, n)
        place = np.array(list(listed), dtype=np.int64)
        f, joules = np.array(list(listed.values())).T
        arrived, placed = self.state(_ARRIVED, i, n), self.state(_PLACED, j, n)
        between = self.state(_BETWEEN, pair, n)

        def columns(
            place: Ints, often: float, seconds: Floats, joules: Floats, phase: int
        ) -> Columns:
            shape = (len(pair), len(place))
            scaled = np.zeros((2, *shape))
            scaled[phase] = seconds
            tail, head = (arrived, between) if phase == 0 else (between, placed)
            before, after, tails, heads = (np.repeat(x, len(place)) for x in (i, j, tail, head))
            return _columns(
                [g.index, before, after, n, np.tile(place, len(pair))],
                often * joules.ravel(),
                scaled.reshape(2, -1),
                tail=tails,
                head=heads,
                node=n,
            )

        seconds, spent = w[:, None] / f, w[:, None] * joules
        serve = columns(place, g.serving, seconds, spent, 0)
        if least is not None:
            serve = serve.take((f >= least[:, None]).ravel())
        if g.passes == 0:
            nothing = np.zeros((len(pair), 1))
            return serve, columns(np.zeros(1, np.int64), 0.0, nothing, nothing, 1)
        return serve, columns(place, g.computing, seconds, spent, 1)

    def _skip(self, n: int) -> Columns:
        b = np.arange(1 if n == self.g.source else self.last)
        ends = (self.state(kind, b, n) for kind in (_ARRIVED, _PLACED))
        return _columns([self.g.index, b, n], tail=next(ends), head=next(ends), node=n)

    def _hop(self, k: int) -> Columns:
        g, hop = self.g, self.g.hops[k]
        b = np.flatnonzero(hop.open)
        bits = np.array(g.bits)[b]
        wire = np.array(hop.wire_s)[b]
        return _columns(
            [g.index, b, hop.tail, hop.head],
            (g.serving + g.sending) * hop.joules_a_bit * bits,
            np.stack([wire, wire]),
            np.broadcast_to([[hop.delay_s], [hop.tuning_delay_s]], (2, len(b))),
            tail=self.state(_PLACED, b, hop.tail),
            head=self.state(_ARRIVED, b, hop.head),
            node=hop.tail,
            link=k,
        )


def _names(g: Chain) -> tuple[str, str]:
    return g.network[0].name, g.network[1].name


def _columns(
    keys: list[Any],
    joules: Any = 0.0,
    scaled: Any = 0.0,
    certain: Any = 0.0,
    *,
    tail: Any,
    head: Any,
    node: int,
    link: int = -1,
) -> Columns:
    stacked = np.stack(np.broadcast_arrays(*(np.atleast_1d(key) for key in keys)), axis=-1)
    count = len(stacked)

    def whole(x: Any) -> Any:
        return np.array(np.broadcast_to(x, count))

    return Columns(
        stacked.astype(np.int64),
        whole(joules).astype(np.float64),
        np.array(np.broadcast_to(scaled, (2, count)), dtype=np.float64),
        np.array(np.broadcast_to(certain, (2, count)), dtype=np.float64),
        *(whole(x).astype(np.int64) for x in (tail, head, node, link)),
    )


def _joined(parts: list[Columns]) -> Columns:
    return Columns(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.joules for part in parts]),
        np.concatenate([part.scaled for part in parts], axis=1),
        np.concatenate([part.certain for part in parts], axis=1),
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("tail", "head", "node", "link")
        ),
    )
