"""Measure the candidates for `standard-v1`: optimum, hosts or splits at it, what a MILP proves.

Run ``python -m splitopt.bench.studies candidates --out DIR`` (about an hour on one core).
Each candidate is appended to ``DIR/candidates.jsonl`` when done, so a run that was broken off goes
on where it stopped. ``--table`` writes the committed table from which
`splitopt.instances.library.standard` selects; that module imports no solver, so what depends on
solvers reaches it as data.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from splitopt.bench.methods.registry import load
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, OptionValue, Result, SolutionStatus
from splitopt.instances.core.documents import write_bytes, write_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import gap
from splitopt.instances.library.candidates import candidates, generate_candidate
from splitopt.instances.library.features import features
from splitopt.instances.library.recipes import Recipe
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan

MILP_SECONDS = 10.0
REFERENCE_SECONDS = 60.0
TABLE = (
    Path(__file__).resolve().parents[3] / "instances" / "data" / "library" / "candidates.json.gz"
)
# The fastest MILP of each problem (`highs-oa` for continuous speeds), and the method that proves
# most optima.
MILP = {"cift": "highs-flow", "mepra": "highs-tangent"}
REFERENCE = {"cift": "jqodi-exact", "mepra": "lagrangian"}
_OVERRUN = 1.05  # building the result after the limit
_PROVED = (SolutionStatus.OPTIMAL, SolutionStatus.INFEASIBLE)


def _solve(
    name: str, instance: Instance, seconds: float, options: dict[str, OptionValue]
) -> tuple[Result, float, float]:
    """Return the result, and the seconds it took by the clock and of the processor."""
    method = load(name, instance.problem)
    clock, processor = time.perf_counter(), time.process_time()
    result = method.solve(instance, Budget(time_limit_s=seconds), 0, options)
    return result, time.perf_counter() - clock, time.process_time() - processor


def _by_milp(instance: Instance, *, continuous: bool) -> tuple[Result, float, bool]:
    """Return what the MILP gave, its processor seconds, and whether it proved it within 10.

    On a busy machine ten seconds by the clock may be few of the processor: then it gets as many
    more as that calls for.
    """
    name = "highs-oa" if continuous else MILP[instance.problem]
    result, clock, processor = _solve(name, instance, MILP_SECONDS, {})
    if result.status not in _PROVED and processor < 0.95 * MILP_SECONDS:
        longer = min(6.0, clock / max(processor, 1e-3)) * MILP_SECONDS
        result, _, processor = _solve(name, instance, longer, {})
    proved = result.status in _PROVED and processor <= MILP_SECONDS * _OVERRUN
    return result, processor, proved


def _shape(instance: Instance, plan: Plan | None) -> dict[str, object]:
    """Return how many nodes host, or what share of splits cuts inside the network."""
    if isinstance(instance, CiftInstance) and isinstance(plan, CiftPlan):
        return {"hosts": sum(stop.blocks > 0 for stop in plan.stops)}
    if isinstance(instance, MepraInstance) and isinstance(plan, MepraPlan):
        layers = instance.layers[instance.profile]
        inside = (plan.splits > 0) & (plan.splits < layers)
        one = bool(np.all(plan.splits == 0)) or bool(np.all(plan.splits == layers))
        return {"interior": round(float(inside.mean()), 4), "one_node": one}
    return {}


def measure(recipe: Recipe) -> dict[str, object]:
    """Return the row of one candidate."""
    instance = generate_candidate(recipe)
    continuous = isinstance(instance, CiftInstance) and instance.has_continuous_speeds
    row: dict[str, object] = {
        "name": recipe.name,
        "problem": instance.problem,
        "content_hash": instance.content_hash,
        "features": features(instance),
        "continuous": continuous,
    }
    milp, seconds, proved = _by_milp(instance, continuous=continuous)
    row |= {
        "milp_status": str(milp.status) if proved else "unproven",
        "milp_seconds": round(seconds, 2),
        "milp_gap": gap(milp.objective, milp.bound),
    }
    result = milp
    if continuous and not proved:
        # Within 0.2 %: enough to tell how many hosts it takes.
        result, _, _ = _solve("jqodi", instance, REFERENCE_SECONDS, {"epsilon": 0.002})
    elif not continuous and (not proved or instance.problem == "cift"):
        result, _, _ = _solve(REFERENCE[instance.problem], instance, REFERENCE_SECONDS, {})
    plan = result.plan if result.plan is not None else milp.plan
    row |= {
        "status": str(result.status),
        "objective": result.objective,
        "reference_gap": gap(result.objective, result.bound),
    }
    return row | _shape(instance, plan)


def _read(path: Path) -> dict[str, dict[str, object]]:
    """Return the rows measured so far, and take a last line that was cut short off the file."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="ascii")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_bytes(path, whole.encode("ascii"))
    rows = [json.loads(line) for line in whole.splitlines()]
    return {row["name"]: row for row in rows}


def main(arguments: list[str] | None = None) -> None:
    """Measure what is not measured yet, then write the table if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of candidates.jsonl")
    parser.add_argument("--table", action="store_true", help="write the committed table")
    parser.add_argument("--only", default="", help="only candidates whose name starts so")
    parser.add_argument("--part", default="0/1", help="K/N: every N-th candidate from the K-th on")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "candidates.jsonl"
    done = _read(path)
    recipes = list(candidates())
    found = re.fullmatch(r"(\d+)/([1-9]\d*)", options.part)
    if found is None or int(found[1]) >= int(found[2]):
        raise InputError("--part", options.part, "K/N with K < N", "write 0/2 and 1/2 for halves")
    part, parts = int(found[1]), int(found[2])
    asked = [recipe for recipe in recipes if recipe.name.startswith(options.only)][part::parts]
    with path.open("a", encoding="ascii") as stream:
        for k, recipe in enumerate(asked, start=1):
            if recipe.name in done:
                continue
            row = done[recipe.name] = measure(recipe)
            stream.write(json.dumps(row) + "\n")
            stream.flush()
            sys.stderr.write(f"{k}/{len(asked)} {recipe.name} {row['milp_status']}\n")
    if options.table:
        missing = [recipe.name for recipe in recipes if recipe.name not in done]
        if missing:
            raise InputError(
                str(path), f"without {missing[0]}", "a row for each candidate", "run the rest first"
            )
        write_json(TABLE, [done[recipe.name] for recipe in recipes])
