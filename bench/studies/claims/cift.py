"""The first source's two claims on instances whose optimum is proven.

Its method, data and code are not to be had: what is tested is the reconstruction, `jqodi`, on the
suite's instances. The text behind claim 10 is a theorem, so every run must keep it; the labels of
the trimmed program are counted on a chain of choices of growing length, on which the untrimmed
program's double with each stage (`splitopt.bench.verify.explosion`). Claim 11 compares plans with
those of what the literature offers; the article's own rivals are not named in what we have of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from splitopt.bench.methods.registry import entries_for, load
from splitopt.bench.store.sources import load_instance
from splitopt.bench.studies.claims.statements import CLAIMS, RIVALS
from splitopt.bench.studies.claims.thresholds import EPSILON_EXPONENT, PROVED, SIZE_EXPONENT
from splitopt.bench.studies.claims.verdicts import Finding, Verdict, beats, combine
from splitopt.bench.verdicts.optimum import truth_of
from splitopt.bench.verify.explosion import chain_of_choices
from splitopt.bench.verify.figures import exponent
from splitopt.bench.verify.verification import verify_instance
from splitopt.instances.cift.judge import CiftEvaluation
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, Result
from splitopt.instances.contract.supports import supported
from splitopt.instances.judge import check, evaluate

Floats = npt.NDArray[np.float64]
METHOD = "jqodi"
EPSILONS = (1.0, 0.1, 0.01)
CHAIN_STAGES = (4, 6, 8, 12, 16, 24, 32, 48)
CHAIN_EPSILONS = (1.0, 0.5, 0.25, 0.1)
#: The untrimmed program is run up to here; its labels double with each stage.
CHAIN_EXACT = 12


@dataclass(frozen=True, slots=True)
class Compared:
    """One method's plan on one instance; figures are infinite where no plan keeps the deadlines."""

    instance: str
    method: str
    energy_j: float
    latency_s: float
    fine_tuning_s: float


@dataclass
class Tested:
    """All that was run.

    Attributes
    ----------
    instances, unproven, infeasible
        Names: with a proven optimum, without a proof in the time, proven to have no plan.
    runs, violations
        Runs of `jqodi` held against the optimum, and what they broke.
    worst_ratio
        Epsilon to the largest value / optimum of runs that keep the deadlines.
    two_deadlines
        For each run with two deadlines, both kept: whether its guarantee refers to the optimum
        itself, and whether its value is in fact within 1 + epsilon of it.
    compared
        Plans of `jqodi` at its default epsilon and of the rivals.
    chain
        (stages, epsilon, labels); epsilon 0 is the untrimmed program.
    missing
        Rivals that are not registered.
    """

    instances: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    infeasible: list[str] = field(default_factory=list)
    runs: int = 0
    violations: list[str] = field(default_factory=list)
    worst_ratio: dict[float, float] = field(default_factory=dict)
    two_deadlines: list[tuple[bool, bool]] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)
    chain: list[tuple[int, float, int]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def run_cift(
    names: Sequence[str],
    seed: int,
    time_limit_s: float,
    on_step: Callable[[str], None] | None = None,
) -> Tested:
    """Run `jqodi`, references and rivals on the instances of these names, and the chain."""
    tested = Tested()
    known = {entry.name for entry in entries_for("cift")}
    rivals = [name for name in RIVALS if name in known]
    tested.missing = [name for name in RIVALS if name not in known]
    for name in names:
        instance = load_instance(name)
        if not isinstance(instance, CiftInstance):
            continue
        if on_step is not None:
            on_step(name)
        truth = truth_of(instance, time_limit_s)
        if not truth.proven:
            tested.unproven.append(name)
            continue
        (tested.instances if truth.optimum is not None else tested.infeasible).append(name)
        verdicts = verify_instance(
            instance, EPSILONS, truth=truth, time_limit_s=time_limit_s, labels=False
        )
        tested.runs += len(verdicts)
        tested.violations += [
            f"{v.instance}, {v.form}, {v.epsilon:g}: {v.violations[0]}"
            for v in verdicts
            if v.violations
        ]
        if truth.optimum is None:
            continue
        for v in verdicts:
            if v.form == "default" and v.ratio is not None:
                tested.worst_ratio[v.epsilon] = max(tested.worst_ratio.get(v.epsilon, 0.0), v.ratio)
        _compare(tested, instance, rivals, seed, time_limit_s, truth.optimum)
    for stages in CHAIN_STAGES:
        if on_step is not None:
            on_step(f"chain of {stages} choices")
        _grow(tested, stages, seed, time_limit_s)
    return tested


def _compare(
    tested: Tested,
    instance: CiftInstance,
    rivals: Sequence[str],
    seed: int,
    time_limit_s: float,
    optimum: float,
) -> None:
    """Add the plans of `jqodi` and of the rivals, and what two deadlines do to the guarantee."""
    for name in (METHOD, *rivals):
        method = load(name, "cift")
        if not supported(method, instance):
            continue
        found = method.solve(instance, Budget(time_limit_s), seed, {})
        tested.compared.append(_figures(instance, name, found))
    if instance.deadlines == 2:
        for epsilon in EPSILONS:
            found = load(METHOD, "cift").solve(
                instance, Budget(time_limit_s), seed, {"epsilon": epsilon}
            )
            promise = found.guarantee
            itself = (
                promise is not None
                and promise.factor is not None
                and not promise.relaxed_deadlines
                and not promise.reference_deadlines
            )
            near = found.objective is not None and found.objective <= (1 + epsilon) * optimum
            tested.two_deadlines.append((itself, near))


def _figures(instance: CiftInstance, name: str, found: Result) -> Compared:
    plan = found.plan
    if not isinstance(plan, CiftPlan) or check(instance, plan):
        return Compared(instance.name, name, math.inf, math.inf, math.inf)
    judged = evaluate(instance, plan)
    assert isinstance(judged, CiftEvaluation)
    return Compared(
        instance.name,
        name,
        judged.energy_j,
        judged.inference_latency_s,
        judged.fine_tuning_time_s,
    )


def _grow(tested: Tested, stages: int, seed: int, time_limit_s: float) -> None:
    """Count labels on one chain; a run that the limit cut is left out."""
    instance = chain_of_choices(stages, np.random.default_rng([seed, stages]))
    epsilons = ((0.0,) if stages <= CHAIN_EXACT else ()) + CHAIN_EPSILONS
    for epsilon in epsilons:
        options: dict[str, object] = {"reduction": False}
        if epsilon:
            options["epsilon"] = epsilon
        method = load(METHOD if epsilon else "jqodi-exact", "cift")
        found = method.solve(instance, Budget(time_limit_s), seed, options)
        labels = found.statistics.get("labels")
        if str(found.termination) == "solved" and isinstance(labels, int):
            tested.chain.append((stages, epsilon, labels))


def judge_cift(tested: Tested) -> dict[int, tuple[Finding, ...]]:
    """Return the findings of the parts of claims 10 and 11, in the order of the statements."""
    findings = {
        "guarantee": _guarantee(tested),
        "size": _size(tested),
        "epsilon": _epsilon(tested),
        "two-deadlines": _two_deadlines(tested),
        "energy": _surpasses(tested, "energy_j"),
        "latency": _surpasses(tested, "latency_s"),
    }
    return {
        claim.number: tuple(findings[part.criterion.rule] for part in claim.parts)
        for claim in CLAIMS
        if claim.source == "000"
    }


def _guarantee(tested: Tested) -> Finding:
    if not tested.runs:
        return Finding(Verdict.UNTESTED, {}, "no instance with a proven optimum")
    kept = 1.0 - len(tested.violations) / tested.runs
    return Finding(
        Verdict.HOLDS if kept >= PROVED else Verdict.FAILS,
        {
            "share": kept,
            "runs": float(tested.runs),
            **{f"worst_ratio_at_{e:g}": r for e, r in sorted(tested.worst_ratio.items())},
        },
        "; ".join(tested.violations[:3]),
    )


def _size(tested: Tested) -> Finding:
    """Judge the slope of log labels over log stages, the worst over epsilon."""
    slopes = [
        exponent([(n, labels) for n, e, labels in tested.chain if e == epsilon])
        for epsilon in CHAIN_EPSILONS
    ]
    exact = exponent([(2.0**n, labels) for n, e, labels in tested.chain if e == 0.0])
    return _slope(slopes, SIZE_EXPONENT, untrimmed_doublings_a_stage=exact)


def _epsilon(tested: Tested) -> Finding:
    """Judge the slope of log labels over log 1 / epsilon, the worst over lengths."""
    lengths = sorted({n for n, _, _ in tested.chain})
    slopes = [
        exponent([(1 / e, labels) for m, e, labels in tested.chain if m == n and e > 0])
        for n in lengths
    ]
    return _slope(slopes, EPSILON_EXPONENT)


def _slope(slopes: Sequence[float | None], most: float, **figures: float | None) -> Finding:
    known = [slope for slope in slopes if slope is not None]
    if not known:
        return Finding(Verdict.UNTESTED, figures, "no run was through in time")
    worst = max(known)
    return Finding(
        Verdict.HOLDS if worst <= most else Verdict.FAILS, {"worst_exponent": worst, **figures}
    )


def _two_deadlines(tested: Tested) -> Finding:
    if not tested.two_deadlines:
        return Finding(Verdict.UNTESTED, {}, "no instance with two deadlines")
    promised, near = np.mean(np.array(tested.two_deadlines, dtype=np.float64), axis=0).tolist()
    if promised >= PROVED:
        verdict = Verdict.HOLDS
    else:
        verdict = Verdict.IN_PART if promised > 0 else Verdict.FAILS
    return Finding(
        verdict,
        {"share": promised, "share_within_in_fact": near, "runs": float(len(tested.two_deadlines))},
        "no polynomial method can promise it in general unless P = NP",
    )


def _surpasses(tested: Tested, measure: str) -> Finding:
    """Judge against each rival by `beats`, and combine."""
    by_rival = beaten(tested, measure)
    if not by_rival:
        return Finding(Verdict.UNTESTED, {}, "no rival ran")
    figures: dict[str, float | None] = {}
    for rival, found in by_rival.items():
        figures[f"wins: {rival}"] = found.figures["wins"]
        figures[f"losses: {rival}"] = found.figures["losses"]
    lost = [rival for rival, found in by_rival.items() if found.verdict is not Verdict.HOLDS]
    return Finding(
        combine([found.verdict for found in by_rival.values()]),
        figures,
        "not against " + ", ".join(lost) if lost else "",
    )


def beaten(tested: Tested, measure: str) -> dict[str, Finding]:
    """Return how `jqodi` does against each rival on the instances that both support."""
    mine = {c.instance: c for c in tested.compared if c.method == METHOD}
    found = {}
    for rival in dict.fromkeys(c.method for c in tested.compared if c.method != METHOD):
        theirs = [c for c in tested.compared if c.method == rival and c.instance in mine]
        found[rival] = beats(
            np.array([getattr(mine[c.instance], measure) for c in theirs]),
            np.array([getattr(c, measure) for c in theirs]),
        )
    return found


def tested_document(tested: Tested) -> Mapping[str, Any]:
    """Return what was run as plain data; an infinite figure is null."""

    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "instances": tested.instances,
        "unproven": tested.unproven,
        "infeasible": tested.infeasible,
        "runs": tested.runs,
        "violations": tested.violations,
        "worst_ratio": {f"{e:g}": r for e, r in sorted(tested.worst_ratio.items())},
        "missing_rivals": tested.missing,
        "chain": [{"stages": n, "epsilon": e, "labels": labels} for n, e, labels in tested.chain],
        "plans": [
            {
                "instance": c.instance,
                "method": c.method,
                "energy_j": known(c.energy_j),
                "latency_s": known(c.latency_s),
                "fine_tuning_s": known(c.fine_tuning_s),
            }
            for c in tested.compared
        ],
    }
