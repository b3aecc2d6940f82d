"""Energy regret: what a plan costs when the epochs it was made for are wrong by their error bar.

Each configuration's K_g follows from a fitted curve, whose bootstrap resamples give other figures:
the ends of a percentile interval for all configurations at once (``low``, ``high``), or one
resample for all (``draw``). The instance is solved exactly with these in place of the nominal
ones. Intervals leave the form's own error out; so both times a factor is tried as well, K over it
and K times it (``shorter``, ``longer``). Then, with OPT the optimum under the truth::

    regret = E(plan made under the wrong K, at the true K) / OPT - 1

once with the nominal K as the truth and once the other way round: planned with the nominal one,
while the truth is another. Infeasible is a plan that misses a deadline at the true K, whose
configuration is out of reach there, or that has no fine-tuning speeds where some are needed. A
second figure keeps configuration, path and cuts, and sets all speeds anew for the true K.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from splitopt.bench.methods.registry import load
from splitopt.heuristics.baselines.cift.search import settle
from splitopt.heuristics.baselines.cift.states import State, States
from splitopt.instances.cift.model import CiftInstance, Configuration
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import check, evaluate
from splitopt.instances.networks.curve_data import learning_data
from splitopt.instances.networks.curve_fitting import epochs_interval
from splitopt.instances.networks.curves import LearningCurve

Epochs = Mapping[Configuration, int | None]
_COLUMNS = ("floor", "data_scale", "data_exponent", "rate_scale", "rate_offset")


@dataclass(frozen=True, slots=True)
class Regret:
    """One plan made under one K and held against another.

    Attributes
    ----------
    scenario
        ``low``, ``high``, ``shorter``, ``longer`` or ``draw``: what K was in place of the nominal
        one.
    wrong
        ``plan`` where the plan was made with it and the nominal K is true, ``truth`` where it is
        the truth.
    planned, true
        Epochs of the configuration chosen, as planned and in truth; None for out of reach.
    optimum
        OPT under the truth in J; None when there is no plan then.
    regret
        Of the plan as it is; None when it is infeasible.
    reset
        With the speeds set anew; None when no speeds make it feasible.
    same
        Whether the plan under the truth has the same configuration, path and cuts.
    """

    instance: str
    scenario: str
    wrong: str
    planned: int | None
    true: int | None
    optimum: float | None
    regret: float | None
    reset: float | None
    same: bool

    @property
    def feasible(self) -> bool:
        """Whether the plan keeps all limits at the true K."""
        return self.regret is not None


def resampled_curves(curve: LearningCurve) -> list[LearningCurve]:
    """Return the bootstrap resamples of the committed fit that has this curve's parameters.

    Raises
    ------
    InputError
        When no committed fit has them.
    """
    wanted = tuple(getattr(curve, column) for column in _COLUMNS)
    for fit in learning_data("digits-fits")["fits"]:
        if tuple(fit[column] for column in _COLUMNS) == wanted:
            return [replace(curve, **dict(zip(_COLUMNS, p, strict=True))) for p in fit["bootstrap"]]
    raise InputError(
        "curves",
        f"{curve.model}, {curve.compression}",
        "a curve with committed resamples",
        "choose a generated instance",
    )


def with_epochs(instance: CiftInstance, epochs: Epochs) -> CiftInstance:
    """Return the instance with these epochs; configurations out of reach are left out."""
    return instance.replace(
        configurations=tuple(
            replace(g, epochs=k) for g in instance.configurations if (k := epochs[g]) is not None
        ),
        error_target=None,
        curves=(),
    )


def _scenarios(
    instance: CiftInstance, draws: int, level: float, factor: float
) -> Iterator[tuple[str, dict[Configuration, int | None]]]:
    """Yield each scenario with the epochs of every configuration."""
    assert instance.error_target is not None
    target = instance.error_target
    curves = {(c.model, c.compression): c for c in instance.curves}
    others = {key: resampled_curves(curve) for key, curve in curves.items()}
    low: dict[Configuration, int | None] = {}
    high: dict[Configuration, int | None] = {}
    for g in instance.configurations:
        key = (g.model, g.compression)
        samples = instance.samples_per_epoch(g)
        low[g], _, high[g] = epochs_interval(curves[key], others[key], samples, target, level)
    yield "low", low
    yield "high", high
    yield "shorter", {g: math.floor(g.epochs / factor) for g in instance.configurations}
    yield "longer", {g: math.ceil(g.epochs * factor) for g in instance.configurations}
    for b in range(draws):
        yield (
            "draw",
            {
                g: others[g.model, g.compression][b].epochs(instance.samples_per_epoch(g), target)
                for g in instance.configurations
            },
        )


class _UnprovenError(Exception):
    """An optimum was not proven in the time there was."""


def _solved(instance: CiftInstance, time_limit_s: float) -> CiftPlan | None:
    """Return an optimal plan, None when there is provably none."""
    name = "highs-oa" if instance.has_continuous_speeds else "jqodi-exact"
    result = load(name, "cift").solve(instance, Budget(time_limit_s), 0, {})
    if result.status not in (SolutionStatus.OPTIMAL, SolutionStatus.INFEASIBLE):
        raise _UnprovenError
    return result.plan if isinstance(result.plan, CiftPlan) else None


def _state(instance: CiftInstance, plan: CiftPlan) -> tuple[States, State] | None:
    """Return configuration, path and cuts of a plan in `instance`; None for one out of reach."""
    chosen = plan.configuration(instance)
    if chosen is None:
        return None
    ends, done = [], 0
    for stop in plan.stops:
        done += stop.blocks
        ends.append(done)
    nodes = tuple(instance.node_index[stop.node] for stop in plan.stops)
    case = instance.configurations.index(chosen)
    return States(instance), State(case, nodes, tuple(ends))


def _as_planned(truth: CiftInstance, plan: CiftPlan) -> float | None:
    """Return the energy of the plan at the true K, None when it is infeasible there."""
    chosen = plan.configuration(truth)
    if chosen is None:
        return None
    if truth.sample_passes(chosen) == 0:  # what was planned for fine-tuning is not needed
        plan = replace(
            plan,
            stops=tuple(replace(stop, fine_tuning_speed_flop_per_s=None) for stop in plan.stops),
        )
    if check(truth, plan):
        return None
    return evaluate(truth, plan).objective


def _reset(truth: CiftInstance, plan: CiftPlan) -> float | None:
    """Return the energy of the plan's placement with the best speeds for the true K."""
    found = _state(truth, plan)
    if found is None:
        return None
    states, state = found
    settled = settle(truth, states.placement(state))
    return None if settled is None else settled.energy_j


def _shape(plan: CiftPlan) -> tuple[object, ...]:
    chosen = (plan.model, plan.compression, plan.source, plan.fraction)
    return (*chosen, *((stop.node, stop.blocks) for stop in plan.stops))


def _compare(
    scenario: str, wrong: str, made: CiftPlan, truth: CiftInstance, best: CiftPlan | None, k: int
) -> Regret:
    chosen = made.configuration(truth)
    optimum = None if best is None else evaluate(truth, best).objective

    def over(energy: float | None) -> float | None:
        if energy is None or optimum is None:
            return None
        return max(0.0, energy / optimum - 1.0) if optimum > 0 else energy

    return Regret(
        truth.name,
        scenario,
        wrong,
        k,
        None if chosen is None else chosen.epochs,
        optimum,
        over(_as_planned(truth, made)),
        over(_reset(truth, made)),
        best is not None and _shape(best) == _shape(made),
    )


def regrets(
    instances: Sequence[CiftInstance],
    *,
    draws: int = 10,
    level: float = 0.9,
    factor: float = 1.9,
    time_limit_s: float = 60.0,
    skipped: dict[str, str] | None = None,
) -> Iterator[Regret]:
    """Yield the regrets of each instance: low and high ends, and so many draws, both ways.

    Parameters
    ----------
    draws
        Resamples used, besides both ends.
    level
        Of the interval.
    factor
        By which K is shorter and longer; 1.9 holds 90 % of what
        `splitopt.bench.studies.epochs.study` measures on other seeds.
    time_limit_s
        For each optimum.
    skipped
        Filled with the instances passed over and why: no curve that K follows from, no plan under
        the nominal K, an optimum that was not proven in time.

    Raises
    ------
    InputError
        For a curve without committed resamples.
    """
    why = {} if skipped is None else skipped
    for instance in instances:
        if instance.error_target is None:
            why[instance.name] = "its epochs are given, not derived from a curve"
            continue
        try:
            yield from _of_instance(instance, (draws, level, factor), time_limit_s, why)
        except _UnprovenError:
            why[instance.name] = f"an optimum was not proven within {time_limit_s:g} s"


def _of_instance(
    instance: CiftInstance,
    scenarios: tuple[int, float, float],
    time_limit_s: float,
    why: dict[str, str],
) -> Iterator[Regret]:
    nominal = _solved(instance, time_limit_s)
    if nominal is None:
        why[instance.name] = "it has no plan"
        return
    planned = _epochs_of(instance, nominal)
    for scenario, epochs in _scenarios(instance, *scenarios):
        other = with_epochs(instance, epochs)
        best = _solved(other, time_limit_s) if other.configurations else None
        if best is not None:
            k = _epochs_of(other, best)
            yield _compare(scenario, "plan", best, instance, nominal, k)
        yield _compare(scenario, "truth", nominal, other, best, planned)


def _epochs_of(instance: CiftInstance, plan: CiftPlan) -> int:
    chosen = plan.configuration(instance)
    assert chosen is not None
    return chosen.epochs
