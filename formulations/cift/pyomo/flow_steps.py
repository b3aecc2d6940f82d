"""The steps of a plan in the flow formulation of CIFT as columns, with joules and seconds.

Written from the instance by `data`, apart from the graph of `splitopt.formulations.cift.flow`; what
the two share are the downsets of a network and what a throughput leaves open.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

import numpy as np

from splitopt.formulations.cift.pyomo.atoms import Atom, Deadline, deadlines
from splitopt.formulations.cift.pyomo.data import Chain
from splitopt.formulations.cift.pyomo.energy import levels
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.rates import least_speeds
from splitopt.instances.core.arrays import Bools, Floats, Ints

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

    def take(self, kept: Bools) -> Columns:
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
        self.deadlines = deadlines(instance, g, known)
        self.start = self.state(_ARRIVED, 0, g.source)
        self.goal = int(self.state(_PLACED, self.last, 0))
        self._known = known
        self._held, self._rooms = g.memory(instance)
        self.columns: dict[str, Columns] = {
            "y": Columns(
                np.array([[g.index]]),
                *(np.zeros((*n, 1)) for n in ((), (2,), (2,))),
                *(np.array([k]) for k in (self.goal, self.start, -1, -1)),
            )
        }
        serve, tune = self._hosts()
        for name, columns in (
            ("serve", serve),
            ("tune", tune),
            ("skip", self._skips()),
            ("hop", self._hops()),
        ):
            kept = np.ones(len(columns), dtype=np.bool_)
            for phase, deadline in enumerate(self.deadlines):
                kept &= self._in_time(columns, deadline, phase)
            self.columns[name] = columns if kept.all() else columns.take(kept)

    @property
    def states(self) -> int:
        """How many numbers of states there are."""
        return (2 * (self.last + 1) + len(self.pairs[0])) * self.nodes

    def state(self, kind: int, done: Any, n: Any) -> Any:
        """Return the number of a state; of `done` in between, the place of the pair."""
        place = (kind * (self.last + 1) + done) * self.nodes + n
        if kind == _PLACED:
            return np.where(done == self.last, (2 * (self.last + 1) - 1) * self.nodes, place)
        return place

    def _in_time(self, columns: Columns, deadline: Deadline, phase: int) -> Bools:
        """Return which columns do not miss a deadline by themselves too often."""
        late = np.zeros(len(columns))
        if deadline.most == np.inf:
            return np.ones(len(columns), dtype=np.bool_)
        for atom in deadline.atoms:
            seconds = self.seconds(columns, atom, phase)
            if deadline.kappa:
                seconds += deadline.kappa * np.sqrt(self.variance(columns, atom, phase))
            late += float(atom.weight) * (seconds > deadline.most)
        kept: Bools = late <= float(deadline.room) + 1e-9
        return kept

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
        trained = ("held", *_names(g), g.passes > 0)
        if trained not in self._known:
            # Whole numbers of any size: differences of sums are exact.
            total = [sum(self._held[b] for b in np.flatnonzero(row)) for row in sets.member]
            whole = np.array(total, dtype=object)
            self._known[trained] = whole[self.pairs[1]] - whole[self.pairs[0]]
        fits = np.asarray(self._known[trained] <= self._rooms[n], dtype=np.bool_)
        if n == g.source:
            fits &= self.pairs[0] == 0
        pair = np.flatnonzero(fits)
        i, j = self.pairs[0][pair], self.pairs[1][pair]
        least = least_speeds(self.instance, self.instance.nodes[n], model, level, sets, table)
        return pair, i, j, table[i, j], None if least is None else least[i, j]

    def _hosts(self) -> tuple[Columns, Columns]:
        """Return what nodes serve and fine-tune, in order of nodes, segments and levels."""
        g = self.g
        found = [self._segments(n) for n in g.nodes]
        sizes = [len(segments[0]) for segments in found]
        pair, i, j, w = (np.concatenate([x[k] for x in found]) for k in range(4))
        node = np.repeat(np.array(g.nodes, dtype=np.int64), sizes)
        listed = [levels(self.instance, n) for n in g.nodes]
        counts = np.array([len(known) for known in listed])
        place, speed, joules = (
            np.array([x for known in listed for x in column(known)])
            for column in (list, _speeds, _joules)
        )
        first = np.repeat(np.cumsum(counts) - counts, sizes)
        times = np.repeat(counts, sizes)
        # A segment has a column a level.
        segment = np.repeat(np.arange(len(pair)), times)
        at = np.arange(len(segment)) + np.repeat(first - (np.cumsum(times) - times), times)
        serve = self._phase(
            0, segment, (pair, i, j, node), place[at], w[segment] / speed[at],
            g.serving * w[segment] * joules[at],
        )  # fmt: skip
        if found and found[0][4] is not None:
            least = np.concatenate([x[4] for x in found if x[4] is not None])
            serve = serve.take(speed[at] >= least[segment])
        if g.passes == 0:
            every, none = np.arange(len(pair)), np.zeros(len(pair))
            return serve, self._phase(1, every, (pair, i, j, node), none, none, none)
        tune = self._phase(
            1, segment, (pair, i, j, node), place[at], w[segment] / speed[at],
            g.computing * w[segment] * joules[at],
        )  # fmt: skip
        return serve, tune

    def _phase(
        self,
        phase: int,
        segment: Ints,
        segments: tuple[Ints, Ints, Ints, Ints],
        place: Any,
        seconds: Floats,
        joules: Floats,
    ) -> Columns:
        """Return a column for each of `segment`, at a level: served, or fine-tuned."""
        pair, i, j, node = (x[segment] for x in segments)
        between = self.state(_BETWEEN, pair, node)
        scaled = np.zeros((2, len(segment)))
        scaled[phase] = seconds
        return Columns(
            np.column_stack([np.full(len(segment), self.g.index), i, j, node, place]).astype(
                np.int64
            ),
            joules,
            scaled,
            np.zeros_like(scaled),
            self.state(_ARRIVED, i, node) if phase == 0 else between,
            between if phase == 0 else self.state(_PLACED, j, node),
            node,
            np.full(len(segment), -1),
        )

    def _skips(self) -> Columns:
        g = self.g
        sizes = [1 if n == g.source else self.last for n in g.nodes]
        node = np.repeat(np.array(g.nodes, dtype=np.int64), sizes)
        b = np.concatenate([np.arange(size) for size in sizes])
        nothing = np.zeros((2, len(b)))
        return Columns(
            np.column_stack([np.full(len(b), g.index), b, node]),
            nothing[0],
            nothing,
            nothing,
            self.state(_ARRIVED, b, node),
            self.state(_PLACED, b, node),
            node,
            np.full(len(b), -1),
        )

    def _hops(self) -> Columns:
        g = self.g
        wide = np.array([hop.open for hop in g.hops], dtype=np.bool_).reshape(-1, self.last)
        link, b = np.nonzero(wide)
        tail, head = (np.array([hop[k] for hop in g.hops], dtype=np.int64)[link] for k in (0, 1))
        wire = np.array([hop.wire_s for hop in g.hops]).reshape(-1, self.last)[link, b]
        delays = np.array([(hop.delay_s, hop.tuning_delay_s) for hop in g.hops]).reshape(-1, 2)
        joules = np.array([hop.joules_a_bit for hop in g.hops])[link] * np.array(g.bits)[b]
        return Columns(
            np.column_stack([np.full(len(b), g.index), b, tail, head]),
            (g.serving + g.sending) * joules,
            np.stack([wire, wire]),
            delays[link].T,
            self.state(_PLACED, b, tail),
            self.state(_ARRIVED, b, head),
            tail,
            link,
        )


def _speeds(known: dict[int, tuple[float, float]]) -> list[float]:
    return [f for f, _ in known.values()]


def _joules(known: dict[int, tuple[float, float]]) -> list[float]:
    return [joules for _, joules in known.values()]


def _names(g: Chain) -> tuple[str, str]:
    return g.network[0].name, g.network[1].name
