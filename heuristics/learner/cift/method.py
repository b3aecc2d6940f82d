"""``ppo`` for CIFT: a trained policy builds a plan decision by decision; NumPy alone.

The process, its masks and its completion bounds are `cift_process`. With ``samples`` = 0 the
likeliest decisions are taken; else so many plans are drawn besides, and the best is kept: the
cheapest that keeps the deadlines, else the one that exceeds them least. With ``repair`` a plan that
misses a deadline is repaired (`cift_repair`); the statistics say what the policy alone achieved.

Policies were trained on nominal instances: what is in doubt is planned with its nominal figures,
and the plan is judged in doubt as any other.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from splitopt.heuristics.learner.cift.play import (
    VARIANTS,
    CiftPolicyFile,
    committed,
    decide,
    merit,
    read_policy,
)
from splitopt.heuristics.learner.cift.process import CiftProcess
from splitopt.heuristics.learner.cift.repair import repair
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Guarantee,
    Option,
    Result,
    Statistic,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found


class LearnedPlans(Framed[CiftInstance, CiftPlan]):
    """A trained policy as a method."""

    name = "ppo"
    doubt = KINDS
    options = (
        Option(
            "variant",
            "priced",
            "which committed policy: it sees completions at all prices, or only the cheapest and "
            "the fastest",
            choices=VARIANTS,
        ),
        Option("samples", 0, "plans to draw beside the likeliest", minimum=0, maximum=10**6),
        Option("repair", True, "whether a plan that misses a deadline is repaired"),
        Option("policy", "", "file of a policy to use instead, as splitopt train writes it"),
    )

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the plan the policy decides on; without a feasible one, the least violating."""
        given = run.options
        path = str(given["policy"])
        policy = read_policy(Path(path)) if path else committed(str(given["variant"]))
        if run.stopped:
            return nothing_found(run.recorder, termination=Termination.TIME)
        nominal = instance.doubt is not None
        process = CiftProcess(instance.replace(doubt=None) if nominal else instance)
        if not process.can_start:
            return nothing_found(run.recorder, statistics=_statistics(policy))
        state = decide(process, policy)
        greedy = merit(process, state)
        if greedy[0] == 0 and not nominal:
            run.recorder.note(greedy[1])
        samples, drawn = int(given["samples"]), 0
        rng = np.random.default_rng(run.seed)
        while drawn < samples and not run.stopped:
            drawn += 1
            other = decide(process, policy, rng)
            if merit(process, other) < merit(process, state):
                state = other
                if process.excess(state) == 0 and not nominal:
                    run.recorder.note(state.label[0])
        means = "off"
        if given["repair"]:
            state, means = repair(process, state)
        found: dict[str, Statistic] = {
            "samples": drawn,
            "greedy_energy_j": greedy[1],
            "greedy_feasible": greedy[0] == 0,
            "repair": means,
        }
        return conclude(
            instance,
            process.plan(state),
            run.recorder,
            run.budget,
            termination=Termination.SOLVED if drawn == samples else Termination.TIME,
            guarantee=_guarantee(policy, nominal=nominal),
            statistics=_statistics(policy) | found | ({"planned": "nominal"} if nominal else {}),
        )


def _guarantee(policy: CiftPolicyFile, *, nominal: bool) -> Guarantee:
    return Guarantee(
        "none",
        None,
        f"learned policy {policy.digest[:12]} ({policy.variant}, training seed "
        f"{policy.document.get('seed')}); "
        + ("planned with nominal figures, judged in doubt; " if nominal else "")
        + "promises nothing",
    )


def _statistics(policy: CiftPolicyFile) -> dict[str, Statistic]:
    about = policy.document
    found: dict[str, Statistic] = {
        "policy_sha256": policy.digest,
        "policy_variant": policy.variant,
    }
    for name in ("seed", "updates", "processor_s"):
        value = about.get(name)
        found[f"training_{name}"] = value if isinstance(value, int | float) else None
    return found


METHOD = LearnedPlans()
