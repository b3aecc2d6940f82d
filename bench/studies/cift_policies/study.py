"""Measures trained CIFT policies against optima: one figure a seed, and their spread.

Run ``python -m splitopt.bench.studies cift-policies RECORD.json SET,SET POLICY.npz ...``.
Each file is a policy of its own training seed; sets already in the record are kept unless named.
Everything is measured for greedy decisions before repair, the method's first answer; then with
repair, and for the best of 8 plans drawn besides. Beside the policies stands the rule that learned
nothing: always the action with the best completion.

Optima are those of `splitopt.bench.verdicts.optimum`, ten seconds for each method asked; instances
without one are left out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from splitopt.bench.verdicts.optimum import proven_optimum
from splitopt.heuristics.learner.cift.play import (
    CiftPolicyFile,
    best_completion,
    decide,
    merit,
    read_policy,
)
from splitopt.heuristics.learner.cift.process import CiftProcess, State
from splitopt.heuristics.learner.cift.repair import repair
from splitopt.instances import library
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.documents import parse_json, write_json
from splitopt.instances.library.splits import sample

Case = tuple[CiftProcess, float]
SETS = ("tiny", "quick", "standard-v1", "test")
_TESTED = 40
SAMPLES = 8


def _instances(name: str) -> Iterator[CiftInstance]:
    if name == "test":
        for k in range(_TESTED):
            yield cast(CiftInstance, sample("test", "cift", k))
        return
    for member in library.names(name):
        instance = library.load(member)
        if instance.problem == "cift":
            yield cast(CiftInstance, instance)


def _spread(values: Sequence[float]) -> dict[str, float]:
    array = np.array(values)
    return {
        "mean": float(array.mean()),
        "median": float(np.median(array)),
        "p90": float(np.quantile(array, 0.9)),
        "worst": float(array.max()),
    }


def measure(
    plans: Callable[[CiftProcess, int], State],
    cases: Sequence[Case],
) -> dict[str, Any]:
    """Return gaps where the plan is feasible, and how often it is not, before and after repair."""
    gaps, repaired, late, still, seconds = [], [], 0, 0, []
    for k, (process, best) in enumerate(cases):
        start = time.process_time()
        state = plans(process, k)
        seconds.append(time.process_time() - start)
        after = repair(process, state).state
        late += process.excess(state) > 0
        still += process.excess(after) > 0
        if process.excess(state) == 0:
            gaps.append(state.label[0] / best - 1.0)
        if process.excess(after) == 0:
            repaired.append(after.label[0] / best - 1.0)
    return {
        "instances": len(cases),
        "infeasible_before_repair": late / len(cases),
        "infeasible_after_repair": still / len(cases),
        "gap": _spread(gaps),
        "gap_after_repair": _spread(repaired),
        "decide_cpu_s": _spread(seconds),
    }


def _greedy(policy: CiftPolicyFile) -> Callable[[CiftProcess, int], State]:
    return lambda process, _: decide(process, policy)


def _sampled(policy: CiftPolicyFile) -> Callable[[CiftProcess, int], State]:
    def plans(process: CiftProcess, k: int) -> State:
        rng = np.random.default_rng(k)
        drawn = [decide(process, policy, rng) for _ in range(SAMPLES)]
        return min([decide(process, policy), *drawn], key=lambda s: merit(process, s))

    return plans


def cases_of(name: str) -> tuple[list[Case], list[float]]:
    """Return the instances of a set that have a proven optimum above 0, and seconds for bounds."""
    cases: list[Case] = []
    built = []
    for instance in _instances(name):
        start = time.process_time()
        process = CiftProcess(instance)
        spent = time.process_time() - start
        best = proven_optimum(instance, 10.0) if process.can_start else None
        if best is not None and best > 0:
            built.append(spent)
            cases.append((process, best))
    return cases, built


def measure_set(
    cases: Sequence[Case], built: Sequence[float], policies: Sequence[CiftPolicyFile]
) -> dict[str, Any]:
    """Return what the rule and each policy achieve on a set, and the spread over seeds."""
    found: dict[str, Any] = {"bounds_cpu_s": _spread(built)}
    found["rule_priced"] = measure(lambda p, _: best_completion(p), cases)
    found["rule_unpriced"] = measure(lambda p, _: best_completion(p, priced=False), cases)
    found["greedy"] = [measure(_greedy(policy), cases) for policy in policies]
    for variant in sorted({p.variant for p in policies}):
        mine = [k for k, p in enumerate(policies) if p.variant == variant]
        means = [found["greedy"][k]["gap"]["mean"] for k in mine]
        late = [found["greedy"][k]["infeasible_before_repair"] for k in mine]
        found[f"seeds_{variant}"] = {
            "count": len(mine),
            "mean_gap": float(np.mean(means)),
            "spread_of_mean_gap": float(np.std(means, ddof=1)) if len(mine) > 1 else None,
            "worst_mean_gap": max(means),
            "worst_infeasible": max(late),
        }
        # That with the best score on validation is the one committed.
        first = min(mine, key=lambda k: float(cast(float, policies[k].document["score"])))
        found[f"best_of_{SAMPLES}_{variant}"] = measure(_sampled(policies[first]), cases)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the policies in files and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", type=Path, help="JSON file; sets in it are kept unless named")
    parser.add_argument("sets", help="names with commas")
    parser.add_argument("policy", type=Path, nargs="+", help="files of policies")
    given = parser.parse_args(arguments)
    out, sets = given.record, given.sets.split(",")
    policies = [read_policy(path) for path in given.policy]
    record: dict[str, Any] = {"format": "splitopt-cift-policies", "version": 1, "sets": {}}
    if out.is_file():
        record["sets"] = cast(Any, parse_json(out.read_bytes(), out.name))["sets"]
    record["policies"] = [
        {"sha256": p.digest, "variant": p.variant} | dict(p.document) for p in policies
    ]
    for name in sets:
        record["sets"][name] = measure_set(*cases_of(name), policies)
        sys.stderr.write(f"{name}: {record['sets'][name]['rule_priced']['instances']} instances\n")
        write_json(out, record)
