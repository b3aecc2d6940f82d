"""Deadlines of generated CIFT instances: between a fast plan and the cheapest one."""

from __future__ import annotations

from splitopt.instances.cift.judge import CiftEvaluation, evaluate_cift
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators.draws import round_digits, round_up
from splitopt.instances.generators.knobs import CiftKnobs
from splitopt.instances.generators.witness import Prices, least

# Relative, far above rounding and the tolerance of the judge.
_CLEAR = 0.05
_APART = 1.01


def _times(instance: CiftInstance, prices: Prices, memory_factor: float) -> CiftEvaluation:
    plan = least(instance, prices, memory_factor)
    if plan is None:
        raise InputError(
            "knobs", instance.name, "a network on which some plan fits", "fewer hosts or relays"
        )
    return evaluate_cift(instance, plan)


def _fastest(instance: CiftInstance, knobs: CiftKnobs) -> tuple[CiftEvaluation, CiftEvaluation]:
    """Return a cheapest plan's figures, and those of a plan that is fast in what matters."""
    cheap = _times(instance, Prices(energy=1.0), 1 - 1e-9)
    serving = _times(instance, Prices(inference=1.0), 1 - 1e-9)
    tuning = _times(instance, Prices(fine_tuning=1.0), 1 - 1e-9)
    if knobs.deadlines == "inference":
        return cheap, serving
    if knobs.deadlines == "fine-tuning" or tuning.fine_tuning_time_s == 0:
        return cheap, serving if tuning.fine_tuning_time_s == 0 else tuning
    prices = Prices(
        inference=1.0 / serving.inference_latency_s, fine_tuning=1.0 / tuning.fine_tuning_time_s
    )
    return cheap, _times(instance, prices, 1 - 1e-9)


def _between(fast: float, cheap: float, tightness: float) -> float:
    """Return a deadline the fast plan keeps; above its time by more, the looser it is."""
    return round_up(fast + (1.0 - tightness) * max(0.0, cheap - fast), 4)


def _feasible(instance: CiftInstance, knobs: CiftKnobs) -> CiftInstance:
    cheap, fast = _fastest(instance, knobs)
    changes = {}
    if knobs.deadlines in ("inference", "both"):
        changes["inference_deadline_s"] = _between(
            fast.inference_latency_s, cheap.inference_latency_s, knobs.tightness
        )
    if knobs.deadlines in ("fine-tuning", "both"):
        changes["fine_tuning_deadline_s"] = _between(
            fast.fine_tuning_time_s, cheap.fine_tuning_time_s, knobs.tightness
        )
    return instance.replace(**changes)


def _too_short(instance: CiftInstance) -> CiftInstance:
    """Set an inference deadline clearly below the least latency."""
    fast = _times(instance, Prices(inference=1.0), 1 + 1e-9)
    return instance.replace(
        inference_deadline_s=round_digits(fast.inference_latency_s * (1 - _CLEAR), 4)
    )


def _not_together(instance: CiftInstance) -> CiftInstance:
    """Set two deadlines that can be kept each, and not both.

    With least times m_i and m_t, and v the least of ``(1 - w) T_inf / m_i + w T_ft / m_t`` over
    all plans for some w in (0, 1), deadlines ``c m_i`` and ``c m_t`` with 1 < c < v are out of
    reach together: a plan that kept both would have a value of at most c. Where v is too near
    to one, one deadline alone is set, below the least latency.
    """
    serving = _times(instance, Prices(inference=1.0), 1 + 1e-9).inference_latency_s
    tuning = _times(instance, Prices(fine_tuning=1.0), 1 + 1e-9).fine_tuning_time_s
    if tuning == 0:
        return _too_short(instance)
    value = 0.0
    for weight in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        prices = Prices(inference=(1 - weight) / serving, fine_tuning=weight / tuning)
        found = _times(instance, prices, 1 + 1e-9)
        joint = (1 - weight) * found.inference_latency_s / serving
        value = max(value, joint + weight * found.fine_tuning_time_s / tuning)
    if value < _APART:
        return _too_short(instance)
    factor = 1.0 + 0.6 * (value - 1.0)
    return instance.replace(
        inference_deadline_s=round_digits(serving * factor, 4),
        fine_tuning_deadline_s=round_digits(tuning * factor, 4),
    )


def set_deadlines(instance: CiftInstance, knobs: CiftKnobs) -> CiftInstance:
    """Return the instance with the deadlines its knobs ask for."""
    if knobs.infeasible == "deadline":
        return _too_short(instance)
    if knobs.infeasible == "deadlines-together":
        return _not_together(instance)
    if knobs.infeasible != "no" or knobs.deadlines == "none":
        return instance
    return _feasible(instance, knobs)
