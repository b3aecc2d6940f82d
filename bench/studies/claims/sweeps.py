"""The default sweep: every method of the article as registered, judged, over 1 to 60 Mbit/s.

The methods get the instance with exits free and set them by their own rule. ACO-DRL then gets the
exits that ACO-EAR's colony chose, and gives shares itself, as in the article. Beside it run the
learner's other variant, shares by the square-root rule, and the *ideal* ACO-DRL, the proven optimum
for these exits. Two further curves are proven optima: with all 13 exits on, and with exits free.
Figures are the judge's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from splitopt.bench.methods.registry import entries_for, load
from splitopt.bench.studies.claims.assumptions import Assumptions
from splitopt.bench.studies.claims.criteria import Sweep
from splitopt.bench.studies.claims.scenes import instance_of
from splitopt.bench.studies.claims.statements import ACO, DEVICE, EDGE, FIXED, OURS, SPINN
from splitopt.bench.verdicts.optimum import solved_truth
from splitopt.instances.contract.method import Budget, Method
from splitopt.instances.contract.supports import supported
from splitopt.instances.judge import evaluate
from splitopt.instances.mepra.judge import MepraEvaluation
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

Floats = npt.NDArray[np.float64]
#: Names of the curves that are not the article's.
IDEAL, ALL_EXITS, FREE = "ideal ACO-DRL", "optimum, all exits on", "optimum, exits free"
LEARNER, CLOSED_FORM = "ppo", "ppo, closed-form shares"
#: Option `variant` of the learner by curve; the article's learner gives shares itself.
_VARIANTS = {LEARNER: "own-shares", CLOSED_FORM: "closed-form"}
TIME_LIMIT_S = 60.0


@dataclass(frozen=True, eq=False, slots=True)
class Swept:
    """The default sweep of one table.

    Attributes
    ----------
    figures
        Curve to measure to values, shape (K,); NaN where a run gave nothing.
    splits
        Curve to splits, int64, shape (K, n), for the ideal method and the optima.
    layers
        Layers of the network.
    gaps
        What is missing, in words.
    """

    table: str
    bandwidth_mbit_per_s: Floats
    figures: Mapping[str, Mapping[str, Floats]]
    splits: Mapping[str, npt.NDArray[np.int64]]
    layers: int
    gaps: tuple[str, ...] = field(default=())

    def of_source(self, *, learner: bool) -> Sweep:
        """Return the article's methods, ACO-DRL being the learner or the ideal one."""
        ours = LEARNER if learner else IDEAL
        names = {name: name for name in (DEVICE, EDGE, SPINN, ACO, FIXED)} | {OURS: ours}
        return Sweep(
            self.bandwidth_mbit_per_s,
            {name: self.figures[curve] for name, curve in names.items() if curve in self.figures},
        )

    def interior_share(self, curve: str) -> float:
        """Return the share of splits inside the network, over devices and bandwidths."""
        splits = self.splits[curve]
        return float(((splits > 0) & (splits < self.layers)).mean())

    def to_document(self) -> dict[str, Any]:
        """Return the sweep as plain data."""
        return {
            "table": self.table,
            "bandwidth_mbit_per_s": self.bandwidth_mbit_per_s.tolist(),
            "curves": {
                curve: {
                    m: [None if np.isnan(x) else x for x in values.tolist()]
                    for m, values in measures.items()
                }
                for curve, measures in self.figures.items()
            },
            "interior_split_share": {curve: self.interior_share(curve) for curve in self.splits},
            "gaps": list(self.gaps),
        }


def sweep_table(
    table: str,
    bandwidths_mbps: Sequence[float],
    seed: int,
    on_point: Callable[[str], None] | None = None,
) -> Swept:
    """Compute the default sweep of a table."""
    learner = _learner()
    rows: dict[str, list[MepraEvaluation | None]] = {}
    splits: dict[str, list[npt.NDArray[np.int64]]] = {}
    layers = 0
    for bandwidth in bandwidths_mbps:
        if on_point is not None:
            on_point(f"{table}, {bandwidth:g} Mbit/s")
        free = instance_of(table, Assumptions(), bandwidth)
        layers = int(free.layers[0])
        exits = None
        for name in (DEVICE, EDGE, SPINN, ACO, FIXED):
            plan = _plan(load(name, "mepra"), free, seed, {})
            assert plan is not None  # a baseline without a limit always has a plan
            rows.setdefault(name, []).append(_judged(free, plan))
            exits = plan.exit_set if name == ACO else exits
        mine = free.replace(exit_set=exits)
        all_on = instance_of(table, Assumptions(exits="all"), bandwidth)
        for curve, instance in ((IDEAL, mine), (ALL_EXITS, all_on), (FREE, free)):
            plan = _optimum(instance)
            rows.setdefault(curve, []).append(_judged(instance, plan))
            splits.setdefault(curve, []).append(plan.splits)
        for curve, variant in _VARIANTS.items():
            if learner is not None:
                found = _plan(learner, mine, seed, {"variant": variant})
                rows.setdefault(curve, []).append(None if found is None else _judged(mine, found))
    gaps = _gaps(table, learner, rows)
    return Swept(
        table,
        np.array(bandwidths_mbps, dtype=np.float64),
        {curve: _columns(found) for curve, found in rows.items()},
        {curve: np.array(found) for curve, found in splits.items()},
        layers,
        gaps,
    )


def _learner() -> Method[Any, Any] | None:
    """Return the learner, None while there is none in the registry."""
    known = any(entry.name == LEARNER for entry in entries_for("mepra"))
    return load(LEARNER, "mepra") if known else None


def _plan(
    method: Method[Any, Any], instance: MepraInstance, seed: int, options: Mapping[str, object]
) -> MepraPlan | None:
    """Return the plan of a method, None where it has none or does not take the instance."""
    if not supported(method, instance):
        return None
    plan = method.solve(instance, Budget(), seed, options).plan
    return plan if isinstance(plan, MepraPlan) else None


def _judged(instance: MepraInstance, plan: MepraPlan) -> MepraEvaluation:
    found = evaluate(instance, plan)
    assert isinstance(found, MepraEvaluation)
    return found


def _optimum(instance: MepraInstance) -> MepraPlan:
    truth = solved_truth(instance, TIME_LIMIT_S)
    if not truth.proven or not isinstance(truth.plan, MepraPlan):
        raise RuntimeError(f"{instance.name}: nothing proved in {TIME_LIMIT_S:g} s")
    return truth.plan


def _columns(found: Sequence[MepraEvaluation | None]) -> dict[str, Floats]:
    return {
        "latency_s": np.array([np.nan if e is None else e.latency_s for e in found]),
        "energy_j": np.array([np.nan if e is None else e.energy_j for e in found]),
        "cost": np.array([np.nan if e is None else e.objective for e in found]),
    }


def _gaps(
    table: str,
    learner: Method[Any, Any] | None,
    rows: Mapping[str, Sequence[MepraEvaluation | None]],
) -> tuple[str, ...]:
    if learner is None:
        return (
            f"{table}: no learner ({LEARNER}) is registered; the ideal ACO-DRL stands in for it",
        )
    missing = sum(found is None for found in rows[LEARNER])
    if missing:
        return (f"{table}: the learner gave no plan at {missing} of {len(rows[LEARNER])} points",)
    return ()
