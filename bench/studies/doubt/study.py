"""Plans of `uncertain-v1` on measured runs held out, and what keeping deadlines costs.

Every member whose epochs are in doubt is planned ten times, each time with another of the ten
measured runs held out of the distribution and of the nominal K (the median). The plan is then
judged with the epochs that the held-out run needed: a run that never reached the target misses
whatever the plan. Where links are in doubt too, what is missed is the weight of the scenarios in
which it is.

Compared: the nominal optimum and plans of other methods for the nominal K, as they are and with the
speeds set anew once K is known; the chance-constrained optimum; and the placement of the recourse
problem with its speeds set for the true K.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from splitopt.bench.methods.registry import load
from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.formulations.cift.recourse.outcomes import Placement, energies, placement_of, seen
from splitopt.formulations.cift.recourse.solve import solve_recourse
from splitopt.instances import library
from splitopt.instances.cift.doubt import Draw
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget
from splitopt.instances.judge import check, evaluate
from splitopt.instances.library.uncertain import SEEDS, SET, epochs_measured, with_held_out

PAGE = Path(__file__).resolve().parents[3] / "docs" / "uncertainty.md"
NOMINAL = ("jqodi", "local-search", "single-cut", "neurosurgeon", "compression-blind", "ppo")


@dataclass(frozen=True, slots=True)
class Trial:
    """One plan on one held-out run.

    Attributes
    ----------
    missed
        Weight of the scenarios in which a deadline is missed.
    energy_j
        Expected over the scenarios, at the true K; None where the target is never reached, where no
        speeds keep the deadlines, or without a plan.
    """

    instance: str
    held_out: int
    way: str
    missed: float
    energy_j: float | None


def _plan(method: str, instance: CiftInstance) -> CiftPlan | None:
    found = load(method, "cift").solve(instance, Budget(20.0), 0, {})
    return found.plan if isinstance(found.plan, CiftPlan) else None


def _held_out(instance: CiftInstance) -> int:
    run = instance.origin["held_out_seed"]
    assert isinstance(run, int)
    return run


def _truths(instance: CiftInstance, plan_key: tuple[object, ...]) -> Iterator[tuple[Draw, int]]:
    """Yield each scenario with the epochs of the held-out run, none where it never gets there."""
    g = next(g for g in instance.configurations if g.key == plan_key)
    target = float(instance.origin["target"])  # type: ignore[arg-type]
    runs = epochs_measured(g.model, g.compression, instance.samples_per_epoch(g), target)
    epochs = runs[_held_out(instance)]
    if epochs is not None:
        for draw in instance.draws:
            yield draw, epochs


def _truth(
    instance: CiftInstance, plan_key: tuple[object, ...], draw: Draw, k: int
) -> CiftInstance:
    every = [k if g.key == plan_key else g.epochs for g in instance.configurations]
    return seen(instance, draw, every)


def _as_planned(instance: CiftInstance, plan: CiftPlan) -> tuple[float, float | None]:
    """Return what is missed and the energy of a plan as it is."""
    key = (plan.model, plan.compression, plan.source, plan.fraction)
    missed, energy, known = 0.0, 0.0, False
    for draw, k in _truths(instance, key):
        known = True
        truth = _truth(instance, key, draw, k)
        stops = []
        for stop in plan.stops:
            phi = float(draw.speed(stop.node))
            serve, tune = stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s
            stops.append(
                replace(
                    stop,
                    inference_speed_flop_per_s=None if serve is None else serve * phi,
                    # What was planned for fine-tuning may not be needed.
                    fine_tuning_speed_flop_per_s=None if tune is None or k == 0 else tune * phi,
                )
            )
        made = replace(plan, stops=tuple(stops))
        broken = check(truth, made)
        missed += float(draw.weight) * bool(broken)
        energy += float(draw.weight) * evaluate(truth, made).objective
    return (missed, energy) if known else (1.0, None)


def _reset(
    instance: CiftInstance, key: tuple[object, ...], placement: Placement
) -> tuple[float, float | None]:
    """Return what is missed and the energy of a placement, its speeds set for the truth."""
    missed, energy, known = 0.0, 0.0, False
    for draw, k in _truths(instance, key):
        known = True
        held, free = energies(_truth(instance, key, draw, k), placement)
        missed += float(draw.weight) * (held == math.inf)
        energy += float(draw.weight) * (free if held == math.inf else held)
    return (missed, energy) if known else (1.0, None)


def trials(
    instance: CiftInstance, methods: Sequence[str] = NOMINAL, *, recourse: bool = True
) -> Iterator[Trial]:
    """Yield all trials of one instance with one run held out."""
    held_out = _held_out(instance)

    def trial(way: str, found: tuple[float, float | None]) -> Trial:
        return Trial(instance.name, held_out, way, *found)

    def keyed(plan: CiftPlan) -> tuple[object, ...]:
        return plan.model, plan.compression, plan.source, plan.fraction

    nominal = _plan("jqodi-exact", instance.replace(doubt=None))
    if nominal is not None:
        yield trial("nominal optimum", _as_planned(instance, nominal))
        placement = placement_of(instance, nominal)
        yield trial("nominal, speeds reset", _reset(instance, keyed(nominal), placement))
    for method in methods:
        plan = _plan(method, instance.replace(doubt=None))
        if plan is not None and not check(instance.replace(doubt=None), plan):
            yield trial(f"nominal, {method}", _as_planned(instance, plan))
    for method in ("jqodi-exact", "jqodi"):
        plan = _plan(method, instance)
        if plan is not None:
            way = "chance-constrained optimum" if method == "jqodi-exact" else "chance, jqodi"
            yield trial(way, _as_planned(instance, plan))
            if method == "jqodi-exact":
                placed = placement_of(instance, plan)
                yield trial("chance, speeds reset", _reset(instance, keyed(plan), placed))
    if not recourse:
        return
    found = solve_recourse(instance, lambda i: _plan("jqodi-exact", i), "equivalent")
    if found.placement is not None:
        g = instance.configurations[found.placement.configuration]
        yield trial("recourse", _reset(instance, g.key, found.placement))


def rows(found: Sequence[Trial]) -> list[list[str]]:
    """Return the table: a row a way."""
    nominal = {(t.instance, t.held_out): t for t in found if t.way == "nominal optimum"}
    out = []
    for way in dict.fromkeys(t.way for t in found):
        mine = [t for t in found if t.way == way]
        ratios = []
        for t in mine:
            base = nominal.get((t.instance, t.held_out))
            if base is not None and base.energy_j and t.energy_j is not None:
                ratios.append(t.energy_j / base.energy_j - 1)
        ratios.sort()
        missed = statistics.fmean(t.missed for t in mine)
        never = sum(t.energy_j is None for t in mine)
        shown = ["-", "-"]
        if ratios:
            shown = [
                f"{100 * statistics.median(ratios):+.1f} %",
                f"{100 * ratios[len(ratios) * 9 // 10]:+.0f} %",
            ]
        out.append([way, str(len(mine)), f"{100 * missed:.1f} %", str(never), *shown])
    return out


COLUMNS = ("plan", "trials", "deadlines missed", "of them target never reached",
           "energy against nominal, median", "90th percentile")  # fmt: skip


def main(
    arguments: Sequence[str] | None = None, tell: Callable[[str], object] = sys.stderr.write
) -> int:
    """Run the study and write its part of the page."""
    parser = argparse.ArgumentParser(prog="python -m splitopt.bench.studies doubt")
    parser.add_argument("--runs", default=",".join(map(str, range(SEEDS))), help="held out")
    parser.add_argument("--recourse", default="0,4", help="held out where recourse is planned too")
    parser.add_argument("--kinds", default="epochs,both", help="of members, with commas")
    parser.add_argument("--most", type=int, default=0, help="so many instances only")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    found: dict[str, list[Trial]] = {"epochs": [], "both": []}
    names = library.names(SET)
    for name in names[: given.most or len(names)]:
        instance = library.load(name)
        assert isinstance(instance, CiftInstance)
        if str(instance.origin["kind"]) not in given.kinds.split(","):
            continue
        for held_out in map(int, given.runs.split(",")):
            one = with_held_out(instance, held_out)
            late = str(held_out) in given.recourse.split(",")
            found[str(instance.origin["kind"])] += trials(one, recourse=late)
        tell(f"{name}\n")
    parts = []
    for kind, title in (
        ("epochs", "Epochs in doubt"),
        ("both", "Epochs and access links in doubt"),
    ):
        if found[kind]:
            parts.append(f"{title}:\n\n" + markdown_table(COLUMNS, rows(found[kind])))
    replace_part(given.page, "held-out runs", "\n\n".join(parts))
    return 0
