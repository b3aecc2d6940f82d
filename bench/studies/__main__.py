"""``python -m splitopt.bench.studies [NAME ...]``: list the studies, or do one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence

# Name to (module below this package, what it measures and for which page).
STUDIES: Mapping[str, tuple[str, str]] = {
    "baselines": ("baselines.study", "gaps of every baseline to the optimum: baselines.md"),
    "campaign": ("campaign.study", "every exact method on standard-v1: campaign.md"),
    "candidates": ("candidates.study", "what standard-v1 is selected by"),
    "cift-policies": ("cift_policies.study", "policies trained on CIFT: learner.md"),
    "coverage": ("coverage.study", "the figure of what standard-v1 covers: instances.md"),
    "doubt": ("doubt.study", "plans under doubt on runs nobody saw: uncertainty.md"),
    "doubt-speed": ("doubt.speed", "what doubt costs jqodi in time: uncertainty.md"),
    "faults": ("faults.study", "what a campaign survives, tried: running.md"),
    "front": ("front.study", "the picture that the README and the site open with"),
    "graph-cuts": ("graph_cuts.study", "savings of cuts through several tensors: graphs.md"),
    "interior": ("interior.study", "optimal splits inside the network: instances.md"),
    "jqodi": ("jqodi.page", "what was measured of JQODI, put into jqodi.md"),
    "jqodi-speed": ("jqodi.speed", "JQODI's time beside that of exact methods: jqodi.md"),
    "kernels": ("kernels.study", "the label kernel against other programs: jqodi.md"),
    "learner": ("learner.study", "PPO on MEPRA, seeds and gaps: learner.md"),
    "reductions": ("reductions.study", "what is ruled out before solvers: strength.md"),
    "rehearsals": (
        "rehearsals.study",
        "plans of model files, predicted and run: howto/from-a-model-to-a-rehearsal.md",
    ),
    "sensitivity": ("sensitivity.study", "times by seed, threads and gap: strength.md"),
    "solvers": ("solvers.study", "every solver that is there, by file: use-another-solver.md"),
    "strength": ("strength.study", "root bounds, sizes, times of formulations: strength.md"),
    "summaries": ("summaries.study", "the figures that pages of results open with"),
    "tolerances": ("tolerances.study", "what solvers call optimal: explanation/tolerances.md"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a study with the arguments behind its name; list them all without one."""
    name, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["--help"]
    if name not in STUDIES:
        width = max(map(len, STUDIES))
        lines = [f"  {known:<{width}}  {text}" for known, (_, text) in STUDIES.items()]
        helped = name in ("-h", "--help")
        said = (
            "usage: python -m splitopt.bench.studies NAME [OPTION ...]"
            if helped
            else f"there is no study {name!r}; these are there:"
        )
        print(
            "\n".join([said, *lines, "Claims and epochs: splitopt claims, splitopt epochs."]),
            file=sys.stdout if helped else sys.stderr,
        )
        return 0 if helped else 2
    module = importlib.import_module(f"splitopt.bench.studies.{STUDIES[name][0]}")
    return int(module.main(rest) or 0)


if __name__ == "__main__":
    sys.exit(main())
