r"""Branch and bound over the devices of MEPRA, from a Lagrangian bound on.

Let lambda be a multiplier, m_i the least of a_k + 2 lambda r_k over the options of device i,
taken at its default option, and :math:`L = \sum_i m_i - \lambda^2` the Lagrangian bound. With
penalties :math:`p_k = a_k + 2 \lambda r_k - m_i \ge 0` and shifts d_k, which are r_k minus the
default's root, every plan's cost is, identically,

.. math:: \text{cost} = L + \sum p + (D + \sum d)^2,

where D is the defaults' sum of roots minus lambda. So MEPRA asks for small penalties whose
shifts sum close to -D, and only plans with :math:`\sum p + (D + \sum d)^2 < \tau` matter, tau being
what separates L from the best cost known (less the gap asked for).

Branching. Devices are decided one after the other; a node is the pair (P, D) of penalties paid
and the sum of roots reached (minus lambda) with the undecided devices at their defaults. So each
node is a plan as well. Nodes of one depth are kept in arrays and branched on together.

Bounding. The undecided devices can shift the sum by t for at least phi(t), where phi is the
sum (infimal convolution) of their lower convex envelopes of (d, p): convex, piecewise linear,
phi(0) = 0, finite on [t_min, t_max]. The node's bound min over t of P + phi(t) + (D + t)^2 is
its Lagrangian bound with the best multiplier of its own; the minimiser solves
t + phi'(t) / 2 = -D, found by bisection in the sorted breakpoints.

Merging. If two nodes of one depth have P_1 <= P_2 and |D_1 - D_2| <= delta, the second goes: the
same completion t costs at most 2 |D_2 + t| delta + delta^2 more from the first, and completions
with |D_2 + t| >= sqrt(tau) do not matter. With one merge a depth, n' depths and
delta = loss / (n' (2 sqrt(tau) + delta)) all merges together cost at most `loss`, which is taken
off the bound. Where all penalties are zero (roots proportional to own costs: subset sum)
bounding is blind and merging alone keeps the number of nodes below range / delta.

Memory. When a depth has more nodes than `most_nodes`, those with the best bounds go first and
the others wait: depth first over blocks of nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from splitopt.instances.core.arrays import Bools, Floats, Ints

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False, slots=True)
class Core:
    """The devices still to be decided, and the options they still have.

    Attributes
    ----------
    start
        Options of core device j are at positions start[j] to start[j + 1] - 1, its default
        first; int64, shape (devices + 1,).
    penalty, shift
        p and d of each option; 0 and 0 for a default.
    offset
        D of the plan of all defaults.
    """

    start: Ints
    penalty: Floats
    shift: Floats
    offset: float

    @property
    def devices(self) -> int:
        """Number of devices in the core."""
        return len(self.start) - 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the search proved.

    Attributes
    ----------
    bound
        No plan has sum p + (D + sum d)^2 below this.
    finished
        Whether the search ran to its end.
    nodes, merged, bounded
        Nodes made, and how many of them went by merging and by their bound.
    """

    bound: float
    finished: bool
    nodes: int
    merged: int
    bounded: int


class _Envelope:
    """phi of the devices from some depth on, and the bound it gives a node."""

    def __init__(self, length: Floats, slope: Floats) -> None:
        """Sum up steps, given by rising slope."""
        right, left = length > 0, length < 0
        lengths = np.concatenate([length[left][::-1], length[right]])
        # phi' from left to right: minus the slopes of steps to the left, then the others.
        self.derivative = np.concatenate([-slope[left][::-1], slope[right]])
        zero = int(left.sum())
        self.place = np.concatenate(
            [
                np.cumsum(lengths[:zero][::-1])[::-1],
                [0.0],
                np.cumsum(lengths[zero:]),
            ]
        )
        widths = np.diff(self.place)
        self.value = np.concatenate(
            [
                np.cumsum((-self.derivative[:zero] * widths[:zero])[::-1])[::-1],
                [0.0],
                np.cumsum(self.derivative[zero:] * widths[zero:]),
            ]
        )
        # t + phi'(t) / 2 at the right end of each piece, rising.
        self.rising = np.maximum.accumulate(self.place[1:] + self.derivative / 2)

    def bound(self, penalty: Floats, deviation: Floats) -> Floats:
        """Return min over t of P + phi(t) + (D + t)^2 for each node."""
        if not len(self.derivative):
            return penalty + deviation**2
        # The first piece whose right end reaches -D; where none does, the last. A minimum at the
        # kink before the piece is its left end.
        piece = np.searchsorted(self.rising, -deviation)
        piece = np.minimum(piece, len(self.derivative) - 1)
        inside = -deviation - self.derivative[piece] / 2
        t = np.clip(inside, self.place[piece], self.place[piece + 1])
        phi = self.value[piece] + self.derivative[piece] * (t - self.place[piece])
        bound: Floats = penalty + phi + (deviation + t) ** 2
        return bound


@dataclass(frozen=True, slots=True)
class _Steps:
    """Steps of the lower convex envelopes of (d, p) of all core devices, by rising slope.

    Attributes
    ----------
    device
        Of each step.
    length, slope
        A step shifts the sum by `length` (its sign is the direction) at `slope` a unit.
    """

    device: Ints
    length: Floats
    slope: Floats

    def behind(self, depth: int) -> _Envelope:
        """Return phi of the devices from `depth` on."""
        later = self.device >= depth
        return _Envelope(self.length[later], self.slope[later])


def _steps(core: Core) -> _Steps:
    """Return the steps of every device, found from the default outwards on both sides."""
    device: list[int] = []
    length: list[float] = []
    slope: list[float] = []
    for j in range(core.devices):
        mine = slice(int(core.start[j]), int(core.start[j + 1]))
        for sign in (1.0, -1.0):
            side = sorted(
                (d, p)
                for d, p in zip(
                    (sign * core.shift[mine]).tolist(), core.penalty[mine].tolist(), strict=True
                )
                if d > 0
            )
            here_d = here_p = 0.0
            while side:
                # The flattest way on; of equal ones the longest.
                d, p = min(side, key=lambda o: ((o[1] - here_p) / (o[0] - here_d), -o[0]))
                device.append(j)
                length.append(sign * (d - here_d))
                slope.append(max(0.0, (p - here_p) / (d - here_d)))
                here_d, here_p = d, p
                side = [o for o in side if o[0] > here_d]
    order = np.argsort(np.array(slope), kind="stable")
    return _Steps(
        np.array(device, dtype=np.int64)[order], np.array(length)[order], np.array(slope)[order]
    )


class _Paths:
    """The options taken on the way to a node, packed into 64-bit words."""

    def __init__(self, core: Core) -> None:
        self.core = core
        widths = [int(count - 1).bit_length() for count in np.diff(core.start).tolist()]
        self.word: list[int] = []
        self.bit: list[int] = []
        word = bit = 0
        for width in widths:
            if bit + width > 64:
                word, bit = word + 1, 0
            self.word.append(word)
            self.bit.append(bit)
            bit += width
        self.words = word + 1
        self.mask = [(1 << width) - 1 for width in widths]

    def taking(self, paths: Words, depth: int, option: int) -> Words:
        """Return the paths that go on with an option of the device at `depth`."""
        onward = paths.copy()
        onward[:, self.word[depth]] |= np.uint64(option << self.bit[depth])
        return onward

    def choice(self, path: Words) -> Ints:
        """Return the option (its position in the core) of each device; defaults where open."""
        words = path.tolist()
        taken = [words[w] >> b & m for w, b, m in zip(self.word, self.bit, self.mask, strict=True)]
        choice: Ints = self.core.start[:-1] + np.array(taken, dtype=np.int64)
        return choice


@dataclass(slots=True)
class _Block:
    """Nodes of one depth."""

    depth: int
    penalty: Floats
    deviation: Floats
    paths: Words
    bound: Floats

    def __len__(self) -> int:
        return len(self.penalty)

    def select(self, which: Bools | Ints) -> _Block:
        return _Block(
            self.depth,
            self.penalty[which],
            self.deviation[which],
            self.paths[which],
            self.bound[which],
        )


class _Search:
    """One search; see `search`."""

    def __init__(self, core: Core, loss: float, most_nodes: int) -> None:
        self.core = core
        self.steps = _steps(core)
        self.paths = _Paths(core)
        self.most_nodes = most_nodes
        self.loss_a_depth = loss / max(1, core.devices)
        self.lost = np.zeros(core.devices + 1)  # by depth: most that a merge costs
        self.least = math.inf  # bound over all nodes given up and plans seen
        self.best = math.inf
        self.nodes = self.merged = self.bounded = 0

    def branch(self, block: _Block) -> _Block:
        """Return the children of all nodes of a block."""
        j = block.depth
        mine = range(int(self.core.start[j]), int(self.core.start[j + 1]))
        envelope = self.steps.behind(j + 1)
        penalty = np.concatenate([block.penalty + self.core.penalty[k] for k in mine])
        deviation = np.concatenate([block.deviation + self.core.shift[k] for k in mine])
        paths = np.concatenate(
            [self.paths.taking(block.paths, j, option) for option in range(len(mine))]
        )
        self.nodes += len(penalty)
        bound = np.maximum(np.tile(block.bound, len(mine)), envelope.bound(penalty, deviation))
        return _Block(j + 1, penalty, deviation, paths, bound)

    def cut(self, block: _Block, threshold: float) -> _Block:
        """Give up nodes whose bound reaches the threshold."""
        alive = block.bound < threshold
        if bool(alive.all()):
            return block
        self.least = min(self.least, float(block.bound[~alive].min()))
        self.bounded += len(block) - int(alive.sum())
        return block.select(alive)

    def merge(self, block: _Block, threshold: float) -> _Block:
        """Keep one node of those within delta of each other, and add up what that may cost."""
        if len(block) < 2 or threshold <= 0:
            return block
        reach = math.sqrt(threshold)
        share = self.loss_a_depth
        delta = share / (reach + math.sqrt(reach * reach + share))
        block = block.select(np.argsort(block.deviation, kind="stable"))
        span = float(block.deviation[-1] - block.deviation[0])
        if delta > 0 and span / delta < 2.0**52:
            cell = np.floor((block.deviation - block.deviation[0]) / delta)
        else:
            cell = block.deviation
        first = np.concatenate([[0], 1 + np.flatnonzero(np.diff(cell))])
        if len(first) == len(block):
            return block
        group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(block))))
        least = np.minimum.reduceat(block.penalty, first)
        winners = np.flatnonzero(block.penalty == least[group])
        kept = winners[np.searchsorted(winners, first)]
        step = np.abs(block.deviation - block.deviation[kept][group])
        cost = step * (2 * reach + step) - (block.penalty - least[group])
        self.lost[block.depth] = max(float(self.lost[block.depth]), float(cost.max()))
        self.merged += len(block) - len(kept)
        return block.select(kept)

    def split(self, block: _Block) -> list[_Block]:
        """Return the block in parts of at most `most_nodes`, the most promising last."""
        parts = -(-len(block) // self.most_nodes)
        if parts == 1:
            return [block]
        order = np.argsort(block.bound, kind="stable")
        return [block.select(np.sort(part)) for part in np.array_split(order, parts)][::-1]


def search(
    core: Core,
    *,
    threshold: Callable[[], float],
    loss: float,
    found: Callable[[Ints], None],
    out_of_time: Callable[[], bool],
    most_nodes: int = 1 << 20,
) -> Outcome:
    """Search the core.

    Parameters
    ----------
    core
        Devices in the order in which to decide them.
    threshold
        tau as it stands; it falls when a better plan is found.
    loss
        What all merges together may cost.
    found
        Called with the options (positions in the core, one a device) of each better plan.
    out_of_time
        Whether to stop.
    most_nodes
        Nodes of a block; more wait in blocks of their own.
    """
    tree = _Search(core, loss, most_nodes)
    root = _Block(
        0,
        np.zeros(1),
        np.array([core.offset]),
        np.zeros((1, tree.paths.words), dtype=np.uint64),
        tree.steps.behind(0).bound(np.zeros(1), np.array([core.offset])),
    )
    waiting = [root]
    while waiting and not out_of_time():
        block = tree.cut(waiting.pop(), threshold())
        if not len(block):
            continue
        value = block.penalty + block.deviation**2
        best = int(np.argmin(value))
        if value[best] < tree.best:
            tree.best = float(value[best])
            found(tree.paths.choice(block.paths[best]))
        if block.depth == core.devices:
            tree.least = min(tree.least, float(value[best]))
            continue
        children = tree.cut(tree.branch(block), threshold())
        if len(children):
            waiting += tree.split(tree.merge(children, threshold()))
    left = min((float(block.bound.min()) for block in waiting), default=math.inf)
    bound = min(tree.least, tree.best, left) - float(tree.lost.sum())
    return Outcome(bound, not waiting, tree.nodes, tree.merged, tree.bounded)
