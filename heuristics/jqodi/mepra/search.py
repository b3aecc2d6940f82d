r"""The search of JQODI on MEPRA: fronts, Lagrangian, and labels for what is left open.

See `jqodi.mepra.options`, `jqodi.mepra.dual` and
`jqodi.mepra.labels`. The threshold is the incumbent over the ratio asked for; what is
cut costs the threshold at least. A run to a small gap makes coarse trimmed passes first, each of
which leaves a better incumbent; down to a ratio of 1 + 1e-9 the last pass is not trimmed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.jqodi.mepra.dual import Relaxed, relax
from splitopt.heuristics.jqodi.mepra.options import Fronts, fronts_of
from splitopt.instances.contract.method import Budget, Recorder, Statistic, Termination
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.judge import evaluate
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

EXACT_RATIO = 1.0 + 1e-9
_UNIT = 2.0**-53
_TOLERANCE = 1e-13  # of the slack; a difference of A below is rounding
_SHIFTS = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
_LABELS_A_SECOND = 1e7  # about; a stage is not begun that would take longer than the time left
_MEMORY_BYTES = 2 << 30
_EVALUATED = 100_000  # devices up to which the judge values each plan, not the last one alone


@dataclass(frozen=True, eq=False, slots=True)
class _Stages:
    """Devices with a choice left, in the order of their stages.

    Attributes
    ----------
    device
        Positions, shape (stages,).
    option, cost, step
        Per stage: options of interest, their reduced costs and steps in R.
    """

    device: Ints
    option: list[Ints]
    cost: list[Floats]
    step: list[Floats]


@dataclass
class MepraSearch:
    """One run; `go` fills what comes after `recorder`.

    Attributes
    ----------
    ratio
        Factor asked for.
    trim
        Whether labels are trimmed, with the same factor.
    reduction
        Whether the Lagrangian may end the run and cut options and labels; without, it gives the
        multiplier alone.
    """

    instance: MepraInstance
    ratio: float
    trim: bool
    reduction: bool
    budget: Budget
    recorder: Recorder
    plan: MepraPlan | None = None
    cost: float = math.inf
    bound: float = 0.0
    termination: Termination = Termination.SOLVED
    statistics: dict[str, Statistic] = field(default_factory=dict)

    def offer(self, plan: MepraPlan, about: float | None = None) -> None:
        """Take a plan if it is better; `about` is its cost by the fronts, good enough for many."""
        cost = about
        if cost is None or self.instance.devices <= _EVALUATED:
            cost = evaluate(self.instance, plan).objective
        if cost < self.cost:
            self.plan, self.cost = plan, cost
            self.recorder.note(objective=cost, plan=plan)

    def _raise(self, bound: float) -> None:
        self.bound = max(self.bound, min(bound, self.cost))
        self.recorder.note(bound=self.bound)

    def go(self) -> None:
        """Search until the ratio is reached, or a limit."""
        if self.recorder.remaining_s(self.budget) == 0:
            self.termination = Termination.TIME
            return
        fronts = fronts_of(self.instance)
        self.statistics |= {
            "devices": len(fronts.group),
            "groups": len(fronts.count),
            "options": len(fronts.own),
            "fronts_s": self.recorder.elapsed_s,
        }
        relaxed = relax(fronts)
        self.statistics["dual_s"] = self.recorder.elapsed_s
        self._raise(relaxed.bound)
        self.statistics["lagrangian_bound"] = relaxed.bound
        if self.reduction:
            self.offer(*self._planned(fronts, relaxed.option))
        if not self.reduction:
            self._label(fronts, relaxed, self.ratio, trim=self.trim)
            return
        for ratio in self._passes():
            # A coarse pass is quick and leaves less to cut for the next.
            if self.cost > self.bound * ratio and self.termination is Termination.SOLVED:
                self._label(fronts, relaxed, ratio, trim=self.trim or ratio > EXACT_RATIO)

    def _passes(self) -> list[float]:
        """Return the ratios of the passes to make, the last one that asked for."""
        coarse = [1.0 + 10.0**-k for k in range(3, 9)]
        return [ratio for ratio in coarse if ratio - 1.0 > 3.0 * (self.ratio - 1.0)] + [self.ratio]

    # -- labels ----------------------------------------------------------------------------

    def _stages(self, fronts: Fronts, relaxed: Relaxed, slack: float) -> _Stages:
        """Return devices that have more than one option with a reduced cost below `slack`."""
        start = fronts.start
        group_of = np.repeat(np.arange(len(fronts.count)), np.diff(start))
        price = fronts.own + 2.0 * relaxed.multiplier * fronts.root
        reduced = price - price[relaxed.base][group_of]
        near = reduced < slack
        near[relaxed.base] = True
        left = np.add.reduceat(near, start[:-1])
        width = np.zeros(len(fronts.count))
        chosen: dict[int, tuple[Ints, Floats, Floats]] = {}
        for g in np.flatnonzero(left > 1).tolist():
            options = start[g] + np.flatnonzero(near[start[g] : start[g + 1]])
            steps = fronts.root[options] - fronts.root[relaxed.base[g]]
            chosen[g] = (options, np.maximum(reduced[options], 0.0), steps)
            width[g] = np.ptp(steps)
        devices = np.flatnonzero(left[fronts.group] > 1)
        # Large steps first: what is left at the end is fine enough to meet R = l. Alike together.
        groups = fronts.group[devices]
        devices = devices[np.lexsort((groups, -width[groups]))]
        rows = [chosen[g] for g in fronts.group[devices].tolist()]
        return _Stages(devices, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])

    def _label(self, fronts: Fronts, relaxed: Relaxed, ratio: float, *, trim: bool) -> None:
        """Run the label program over the devices that have a choice left."""
        from splitopt.heuristics.jqodi.mepra.labels import stage

        price = relaxed.multiplier
        threshold = self.cost / ratio if self.reduction else math.inf
        slack = threshold - relaxed.bound
        stages = self._stages(fronts, relaxed, slack)
        size = len(stages.device)
        # Reduced costs and sums over stages are off by some units of what they came from.
        error = 8.0 * (size + 8) * _UNIT * (relaxed.value + 2.0 * price * price)
        slack += error
        delta = 0.0
        if trim and size:
            delta = math.expm1(math.log1p((ratio - 1.0) * (1.0 - 1e-9)) / (2 * size))
        shifts, rest = _look_ahead(stages, slack, price)
        total = math.fsum((fronts.root[relaxed.base] * fronts.count).tolist())
        c, d = np.zeros(1), np.array([total - price])
        low_d = d.copy() if delta else np.empty(0)
        low_a = c - 2.0 * price * d if delta else np.empty(0)
        history: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]] = []
        counts, held = np.zeros(4, dtype=np.int64), 0
        for k in range(size):
            most, by_time = self._most(held)
            c, d, low_a, low_d, pred, chosen, *more = stage(
                c,
                d,
                low_a,
                low_d,
                stages.cost[k],
                stages.step[k],
                rest[k + 1],
                shifts,
                price,
                slack,
                _TOLERANCE * (slack if math.isfinite(slack) else relaxed.value),
                delta,
                most,
            )
            if more[0] > most:
                self.termination = Termination.TIME if by_time else Termination.MEMORY
                break
            counts += more
            held += 6 * len(pred)
            history.append((pred, chosen))
            if not len(c):
                break
        self._count(stages, counts.tolist())
        if delta and price > 0:
            self._add("label_bound", _label_bound(stages, total, delta))
        if self.termination is not Termination.SOLVED:
            return
        least = math.inf
        if len(c):
            best = int(np.argmin(c + d * d))
            self.offer(*self._decode(fronts, relaxed, stages, history, best))
            carried = low_a + 2.0 * price * low_d + low_d * low_d if delta else c + d * d
            least = relaxed.bound + float(carried.min()) - error
        self._raise(min(threshold, least))

    def _most(self, held: int) -> tuple[int, bool]:
        """Return how many labels there is room for, and whether it is time that sets it."""
        left = self.recorder.remaining_s(self.budget)
        fit = ((self.budget.memory_limit_bytes or _MEMORY_BYTES) - held) // 64
        most = fit if left is None else min(fit, int(left * _LABELS_A_SECOND))
        return most, most < fit

    def _count(self, stages: _Stages, counts: list[int]) -> None:
        """Add up what the passes of the label program did."""
        self.statistics["stages"] = len(stages.device)
        names = ("passes", "labels", "dominated", "trimmed", "cut")
        for name, more in zip(names, (1, *counts), strict=True):
            self._add(name, more)

    def _add(self, name: str, more: float) -> None:
        self.statistics[name] = type(more)(self.statistics.get(name) or 0) + more

    def _decode(
        self,
        fronts: Fronts,
        relaxed: Relaxed,
        stages: _Stages,
        history: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]],
        label: int,
    ) -> tuple[MepraPlan, float]:
        option = relaxed.base[fronts.group]
        for k in range(len(history) - 1, -1, -1):
            pred, chosen = history[k]
            option[stages.device[k]] = stages.option[k][chosen[label]]
            label = int(pred[label])
        return self._planned(fronts, option)

    def _planned(self, fronts: Fronts, option: Ints) -> tuple[MepraPlan, float]:
        """Return the plan with these options, and its cost by the fronts."""
        root = math.fsum(fronts.root[option].tolist())
        cost = math.fsum(fronts.own[option].tolist()) + root * root
        return fronts.plan(self.instance, option), cost


def _look_ahead(stages: _Stages, slack: float, price: float) -> tuple[Floats, Floats]:
    """Return some shifts of the multiplier, and what is still to be paid at each.

    Returns
    -------
    shifts
        At least minus the multiplier, shape (T,).
    rest
        ``rest[k, t]``: the least that stages k and behind cost at shift t, shape (K + 1, T).
    """
    reach = math.sqrt(slack) if math.isfinite(slack) else price
    shifts = np.unique(np.maximum(np.array(_SHIFTS) * reach, -price))
    rest = np.zeros((len(stages.device) + 1, len(shifts)))
    for k in range(len(stages.device) - 1, -1, -1):
        paid = stages.cost[k][:, None] + 2.0 * stages.step[k][:, None] * shifts
        rest[k] = rest[k + 1] + paid.min(axis=0)
    return shifts, rest


def _label_bound(stages: _Stages, total: float, delta: float) -> float:
    """Return how many labels there can be: from each one kept, one for every next option."""
    widest = sum(float(np.ptp(step)) for step in stages.step)
    low = max(total - widest, 1e-300)
    cells = math.log((total + widest) / low) / math.log1p(delta) + 2
    return cells * sum(len(costs) for costs in stages.cost)
